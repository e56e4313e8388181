//! Members that go back in time, with the real program: recognised before anything is written, they go on by
//! `member rejoin` under a new name, and nothing is lost but what only the lost part of the database had.

#![allow(clippy::unwrap_used, reason = "a test")]

mod copies;
mod interrupted;
mod restored;
mod support;

use std::process::ExitCode;
use support::Kind::{File, Postgres};
use tributary_testkit::service_test;
use tributary_testkit::services::{self, Need, Test};

fn main() -> ExitCode {
    let mut tests: Vec<Test> = vec![
        Test::new("restored::a_file", || restored::a_restored_member_goes_on(File)),
        Test::new("restored::a_file_twice", || restored::a_second_restore_gets_another_name(File)),
        Test::new("restored::a_file_beside_a_process", || restored::beside_a_running_process(File)),
        Test::new("restored::from_before_provisioning", || restored::from_before_provisioning(File)),
        Test::new("interrupted::a_file", || interrupted::a_killed_command_is_done_again(File)),
        service_test!(interrupted::a_token_whose_page_was_never_published_is_no_return_in_time),
        service_test!(copies::of_two_copies_one_goes_on),
        service_test!(copies::a_copy_under_another_id_is_refused),
    ];
    tests.extend([
        Test::new("restored::postgres", || restored::a_restored_member_goes_on(Postgres))
            .needing(Need::Postgres),
        Test::new("restored::postgres_twice", || restored::a_second_restore_gets_another_name(Postgres))
            .needing(Need::Postgres),
        Test::new("interrupted::postgres", || interrupted::a_killed_command_is_done_again(Postgres))
            .needing(Need::Postgres),
    ]);
    services::main(tests.into_iter().map(Test::without_services).collect())
}
