//! The program as its users run it: arguments in, text, JSON and exit codes out.

#![allow(clippy::unwrap_used, reason = "integration tests: a test that cannot go on has failed")]

mod coming;
mod directions;
mod files;
mod group_files;
mod members;
mod place;
mod refill;
mod running;
mod schema_changes;
mod story;
