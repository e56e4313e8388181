//! The group file, status, and the operators' actions.
