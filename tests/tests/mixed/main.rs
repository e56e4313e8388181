//! Groups whose members are databases of different kinds: SQLite files and PostgreSQL databases, and a SQL Server's where
//! `TRIBUTARY_TEST_MSSQL_URL` names one.

#![allow(clippy::unwrap_used, reason = "a test")]

mod altered;
mod chinook;
mod kill;
mod kill_sqlserver;
mod machine;
mod precision;
mod sqlserver;
mod support;

use std::process::ExitCode;
use tributary_testkit::service_test;
use tributary_testkit::services::{self, Need};

fn main() -> ExitCode {
    let tests = vec![
        service_test!(machine::a_clock_that_is_off_and_jumps_changes_no_outcome).needing(Need::Faketime),
        service_test!(machine::a_locked_table_keeps_nobody_else),
        service_test!(machine::a_locked_table_is_told),
        service_test!(machine::a_full_disk_loses_nothing).needing(Need::Tmpfs),
        service_test!(altered::tables_are_altered_while_it_runs),
        service_test!(chinook::names_and_types_of_two_dialects_meet),
        service_test!(precision::nobodys_data_is_wiped_or_rounded),
        service_test!(sqlserver::chinook_lives_in_three_dialects).needing(Need::Mssql),
        service_test!(sqlserver::a_gained_column_is_filled).needing(Need::Mssql),
        service_test!(kill_sqlserver::nothing_is_lost_when_the_process_is_killed).needing(Need::Mssql),
        service_test!(kill::nothing_is_lost_when_process_and_server_are_killed),
    ];
    services::main(tests.into_iter().map(|test| test.without_services().needing(Need::Postgres)).collect())
}
