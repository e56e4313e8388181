//! The SQL Server adapter: what it applies, against the server that `TRIBUTARY_TEST_MSSQL_URL` names.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../support/sqlserver.rs"]
mod support;

mod definitions;
mod hammer;
mod stage;
mod triggers;

use std::process::ExitCode;
use support::{SqlServerFactory, block_on};
use tributary_testkit::services::{self, Need, Test};

fn main() -> ExitCode {
    let mut tests = tributary_member::apply_contract!(list crate::block_on, crate::SqlServerFactory);
    macro_rules! own {
        ($($module:ident::$test:ident)*) => {
            $(tests.push((concat!(stringify!($module), "::", stringify!($test)), $module::$test as fn()));)*
        };
    }
    own! {
        definitions::identity_columns
        definitions::tables_of_keys_alone
        definitions::keys_that_only_a_collation_makes_equal
        definitions::circles_that_cannot_be_null
        definitions::two_workers_with_one_offset
        definitions::dropped_connections_leave_nothing
        definitions::subscribers_are_overwritten
        definitions::large_batches
        triggers::another_synchronised_table_is_captured
        triggers::the_same_row_is_listed_and_not_captured
        triggers::refusals_by_triggers_hold_up_nobody
        triggers::writes_that_a_trigger_takes_back_are_parked
        triggers::what_a_trigger_writes_into_a_refused_cell_is_captured
        triggers::new_triggers_are_noticed
        hammer::no_users_change_is_lost
    }
    let tests =
        tests.into_iter().map(|(name, run)| Test::new(name, run).without_services().needing(Need::Mssql));
    services::main(tests.collect())
}
