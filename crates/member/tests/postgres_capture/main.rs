//! The PostgreSQL adapter: what it captures, and the databases that it refuses.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/postgres.rs"]
mod support;

/// A module's functions, each a future of a test's, as tests under the module's name.
macro_rules! tests {
    ($module:literal: $($name:ident),+ $(,)?) => {
        vec![$((concat!($module, "::", stringify!($name)), (|| crate::support::block_on($name())) as fn())),+]
    };
}

mod connecting;
mod late;
mod objects;
mod rights;
mod triggers;
mod types;
mod wake;
mod world;

use std::process::ExitCode;
use support::{PostgresFactory, block_on};
use tributary_testkit::services::{self, Need, Test};

fn main() -> ExitCode {
    let contract = tributary_member::capture_contract!(list crate::block_on, crate::PostgresFactory);
    let own = [
        connecting::tests(),
        late::tests(),
        objects::tests(),
        rights::tests(),
        triggers::tests(),
        types::tests(),
        wake::tests(),
    ];
    let tests = contract.into_iter().chain(own.into_iter().flatten());
    services::main(
        tests.map(|(name, run)| Test::new(name, run).without_services().needing(Need::Postgres)).collect(),
    )
}
