//! Publishes a member's own changes to the log.
