//! Kafka under the contract suite, and what only Kafka has: a real broker and a real registry.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contract;
mod support;

use std::process::ExitCode;
use tributary_testkit::services;

fn main() -> ExitCode {
    services::main(contract::tests())
}
