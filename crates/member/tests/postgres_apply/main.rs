//! The PostgreSQL adapter: what it writes of resolved records, what it parks, and what others do meanwhile.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/postgres.rs"]
mod support;

mod cuts;
mod hammer;
mod stage;

use std::process::ExitCode;
use support::{PostgresFactory, block_on};
use tributary_testkit::services::{self, Need, Test};

fn main() -> ExitCode {
    let mut tests = tributary_member::apply_contract!(list crate::block_on, crate::PostgresFactory);
    tests.push((
        "cuts::the_connection_is_lost_at_every_message",
        cuts::the_connection_is_lost_at_every_message,
    ));
    tests.push(("hammer::no_users_change_is_lost", hammer::no_users_change_is_lost));
    let tests = tests.into_iter();
    let tests = tests.map(|(name, run)| Test::new(name, run).without_services().needing(Need::Postgres));
    services::main(tests.collect())
}
