//! The program with a real Kafka and a real registry.

#![allow(clippy::unwrap_used, reason = "integration tests: a test that cannot go on has failed")]

mod copy;
mod group;
#[allow(dead_code, reason = "shared with the tests of the embedded log")]
#[path = "../cli/place.rs"]
mod place;
mod several;
mod waiting;

use std::process::ExitCode;
use tributary_testkit::services;

fn main() -> ExitCode {
    services::main([copy::tests(), several::tests(), waiting::tests()].concat())
}
