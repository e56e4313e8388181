//! Whole groups on a real Kafka: processes, brokers and registries that die, stop, come back, and are replaced.
//!
//! Every test ends with the same questions (`support::check`): are all members equal, was every acknowledged write
//! kept, is nothing published any more. `TRIBUTARY_TEST_SEED` repeats a run's random choices.

#![allow(clippy::unwrap_used, reason = "a test")]

mod brokers;
mod chinook;
#[path = "../chinook/story.rs"]
mod chinook_story;
mod joining;
mod machine;
mod members;
mod registry;
mod rejoin;
mod resolver;
mod roles;
mod support;
mod tools;
mod topics;

use std::process::ExitCode;
use tributary_testkit::service_test;
use tributary_testkit::services::{self, Need};

fn main() -> ExitCode {
    services::main(vec![
        service_test!(brokers::a_broker_goes_away_in_every_way_and_comes_back),
        service_test!(brokers::without_a_broker_a_process_waits_and_says_so),
        service_test!(brokers::transactional_ids_that_have_expired_are_taken_anew),
        service_test!(brokers::one_of_three_brokers_dies_and_partitions_move),
        service_test!(chinook::chinook_is_synchronised_and_edited_on_all_sides),
        service_test!(chinook::the_quickstart_plays_on_kafka),
        service_test!(joining::a_member_joins_while_topics_are_compacted_and_users_write),
        service_test!(machine::a_broker_whose_disk_was_full_has_lost_nothing).needing(Need::Tmpfs),
        service_test!(machine::a_broker_whose_clock_is_far_off_changes_no_outcome).needing(Need::Faketime),
        service_test!(machine::a_process_that_stood_still_goes_on),
        service_test!(machine::rows_of_five_megabytes_go_through),
        service_test!(members::members_come_and_leave_beside_running_processes),
        service_test!(registry::a_registry_that_is_down_stops_only_what_is_new),
        service_test!(registry::a_registry_that_fails_stops_only_what_is_new),
        service_test!(registry::a_registry_that_was_rebuilt_moves_no_cell),
        service_test!(rejoin::a_restored_member_goes_on_beside_running_processes),
        service_test!(resolver::a_resolver_that_slept_inside_a_transaction_is_fenced),
        service_test!(resolver::a_resolver_killed_inside_a_transaction_does_it_again),
        service_test!(resolver::changes_deleted_unread_are_published_again),
        service_test!(roles::killing_each_role_at_random_loses_nothing),
        service_test!(roles::a_standby_takes_over_within_seconds),
        service_test!(roles::two_resolvers_share_and_hand_over),
        service_test!(roles::a_capture_that_slept_too_long_is_fenced),
        service_test!(topics::a_deleted_topic_is_named_and_comes_back),
        service_test!(topics::a_row_over_a_lowered_limit_is_listed_and_arrives_later),
    ])
}
