//! The SQL Server adapter: what it captures, against the server that `TRIBUTARY_TEST_MSSQL_URL` names.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/sqlserver.rs"]
mod support;

use std::process::ExitCode;
use support::{Server, SqlServerFactory, block_on};
use tributary_testkit::services::{self, Need, Test};

mod own;

/// Checks that Babelfish does not pass, and why: see `docs/sql-server.md`.
const NOT_BABELFISH: [(&str, &str); 1] =
    [("live::news_is_told", "every transaction moves its MIN_ACTIVE_ROWVERSION(), capture's own too")];

fn main() -> ExitCode {
    let babelfish = Need::Mssql.missing().is_none() && block_on(Server::of_tests().is_babelfish());
    let mut tests = tributary_member::capture_contract!(list crate::block_on, crate::SqlServerFactory);
    tests.extend(own::tests());
    if babelfish {
        for (name, why) in NOT_BABELFISH {
            eprintln!("left out on Babelfish: {name}: {why}");
        }
        tests.retain(|(name, _)| !NOT_BABELFISH.iter().any(|(other, _)| other == name));
    }
    let tests =
        tests.into_iter().map(|(name, run)| Test::new(name, run).without_services().needing(Need::Mssql));
    services::main(tests.collect())
}
