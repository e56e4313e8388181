//! The group file, the group's spec, status, and the operators' actions.

pub mod file;
pub mod progress;
pub mod spec;
