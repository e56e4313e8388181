//! The SQLite adapter: what it captures, and the files that it refuses.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod clauses;
mod echo;
mod hammer;
mod inspection;
mod opening;
mod provisioning;
mod random;
mod unpublishable;
#[cfg(any(target_os = "linux", target_os = "windows"))]
mod wake;
mod world;

use support::{SqliteFactory, block_on};

tributary_member::capture_contract!(crate::block_on, crate::SqliteFactory);
