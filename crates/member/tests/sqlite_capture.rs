//! The SQLite adapter: what it captures.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;
