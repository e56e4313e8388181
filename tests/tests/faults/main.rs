//! Faults that no part of a group is to blame for: full disks, a process that stands still, databases that are locked or
//! damaged, clocks that step, floods of refused rows, rows that refer to each other, and more or larger of everything
//! than is usual. On SQLite members and the embedded log, by the real program.
//!
//! The same faults of a broker stand with the tests on Kafka, those of a PostgreSQL server with the mixed ones.

#![allow(clippy::unwrap_used, reason = "a test")]

mod clock;
mod damaged;
mod full;
mod locked;
mod parked;
mod references;
mod support;
mod wide;

use std::process::ExitCode;
use tributary_testkit::service_test;
use tributary_testkit::services::{self, Need};

fn main() -> ExitCode {
    // A user on the machine whose clock steps is a process of its own.
    if let Some(wrote) = clock::user() {
        return wrote;
    }
    let tests = vec![
        service_test!(full::a_member_without_room_takes_the_rest_when_there_is_some).needing(Need::Tmpfs),
        service_test!(full::a_log_without_room_takes_the_rest_when_there_is_some).needing(Need::Tmpfs),
        service_test!(full::a_resolver_without_room_goes_on_when_there_is_some).needing(Need::Tmpfs),
        service_test!(locked::a_process_that_stood_still_goes_on),
        service_test!(locked::a_member_that_is_locked_keeps_nobody_else),
        service_test!(damaged::a_damaged_member_stands_alone_and_is_left_as_it_is),
        service_test!(damaged::a_damaged_log_is_named_and_left_as_it_is),
        service_test!(damaged::a_damaged_state_of_the_resolver_is_made_anew),
        service_test!(clock::a_clock_that_steps_changes_no_outcome).needing(Need::Faketime),
        service_test!(parked::a_flood_of_refused_rows_is_listed_and_tried_again_in_parts),
        service_test!(references::rows_that_refer_to_each_other_in_a_circle_arrive),
        service_test!(references::a_parent_that_does_not_come_keeps_its_children_alone),
        service_test!(wide::a_table_of_two_hundred_columns),
        service_test!(wide::rows_of_five_megabytes),
        service_test!(wide::two_hundred_tables),
    ];
    services::main(tests.into_iter().map(services::Test::without_services).collect())
}
