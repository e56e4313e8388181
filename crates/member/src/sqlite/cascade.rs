//! Looking for cascades before a delete.
