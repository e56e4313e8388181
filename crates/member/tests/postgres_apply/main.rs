//! The PostgreSQL adapter: what it writes of resolved records, what it parks, and what others do meanwhile.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "the seeds of a run, for when it fails")]

#[path = "../support/cuts.rs"]
mod cuts;
#[path = "../support/postgres.rs"]
mod support;

mod hammer;
mod lost;
mod races;
mod refusals;
mod stage;

use std::process::ExitCode;
use support::{PostgresFactory, block_on};
use tributary_testkit::services::{self, Need, Test};

fn main() -> ExitCode {
    let mut tests = tributary_member::apply_contract!(list crate::block_on, crate::PostgresFactory);
    let own: [(&'static str, fn()); 15] = [
        ("races::a_pending_insert_is_not_erased", races::a_pending_insert_is_not_erased),
        ("races::rows_are_locked_before_their_tracking", races::rows_are_locked_before_their_tracking),
        ("races::cascades_wait_for_pending_children", races::cascades_wait_for_pending_children),
        ("races::locked_rows_are_given_up_in_the_end", races::locked_rows_are_given_up_in_the_end),
        ("races::a_locked_table_is_given_up_in_the_end", races::a_locked_table_is_given_up_in_the_end),
        ("races::a_second_unique_index_on_an_absent_row", races::a_second_unique_index_on_an_absent_row),
        ("races::deferred_constraints", races::deferred_constraints),
        ("races::triggers_of_users", races::triggers_of_users),
        ("races::identity_columns", races::identity_columns),
        ("races::what_is_written_along_is_captured", races::what_is_written_along_is_captured),
        ("refusals::every_kind_of_refusal_is_told", refusals::every_kind_of_refusal_is_told),
        ("refusals::a_table_that_is_altered_meanwhile", refusals::a_table_that_is_altered_meanwhile),
        ("refusals::statements_that_take_too_long", refusals::statements_that_take_too_long),
        ("lost::the_connection_is_lost_at_every_message", lost::the_connection_is_lost_at_every_message),
        ("hammer::no_users_change_is_lost", hammer::no_users_change_is_lost),
    ];
    tests.extend(own);
    let tests = tests.into_iter();
    let tests = tests.map(|(name, run)| Test::new(name, run).without_services().needing(Need::Postgres));
    services::main(tests.collect())
}
