//! The PostgreSQL adapter: what it captures, and the databases that it refuses.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/postgres.rs"]
mod support;

use std::process::ExitCode;
use support::{PostgresFactory, block_on};
use tributary_testkit::services::{self, Need, Test};

fn main() -> ExitCode {
    let contract = tributary_member::capture_contract!(list crate::block_on, crate::PostgresFactory);
    let tests = contract
        .into_iter()
        .map(|(name, run)| Test::new(name, run).without_services().needing(Need::Postgres));
    services::main(tests.collect())
}
