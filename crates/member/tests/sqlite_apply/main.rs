//! The SQLite adapter: what it writes of resolved records, what it parks, and what users' triggers do meanwhile.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod crash;
mod definitions;
mod failures;
mod hammer;
mod random;
mod stage;
mod triggers;

use support::{SqliteFactory, block_on};

tributary_member::apply_contract!(crate::block_on, crate::SqliteFactory);
