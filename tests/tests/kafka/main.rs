//! Whole groups on a real Kafka: processes, brokers and registries that die, stop, come back, and are replaced.
//!
//! Every test ends with the same questions (`support::check`): are all members equal, was every acknowledged write
//! kept, is nothing published any more. `TRIBUTARY_TEST_SEED` repeats a run's random choices.

#![allow(clippy::unwrap_used, reason = "a test")]

mod roles;
mod support;

use std::process::ExitCode;
use tributary_testkit::service_test;
use tributary_testkit::services;

fn main() -> ExitCode {
    services::main(vec![
        service_test!(roles::killing_each_role_at_random_loses_nothing),
        service_test!(roles::a_standby_takes_over_within_seconds),
        service_test!(roles::two_resolvers_share_and_hand_over),
        service_test!(roles::a_capture_that_slept_too_long_is_fenced),
    ])
}
