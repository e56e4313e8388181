//! The SQL Server adapter: what it applies, against the server that `TRIBUTARY_TEST_MSSQL_URL` names.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/sqlserver.rs"]
mod support;

use std::process::ExitCode;
use support::{SqlServerFactory, block_on};
use tributary_testkit::services::{self, Need, Test};

fn main() -> ExitCode {
    let contract = tributary_member::apply_contract!(list crate::block_on, crate::SqlServerFactory);
    let tests =
        contract.into_iter().map(|(name, run)| Test::new(name, run).without_services().needing(Need::Mssql));
    services::main(tests.collect())
}
