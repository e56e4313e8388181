//! The protocol under test: random schedules, an exhaustive model, broken rules, and worked examples.

#![allow(clippy::unwrap_used, reason = "a test that meets something unexpected shall fail")]
#![allow(clippy::print_stdout, reason = "a run says what it explored and found")]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

mod examples;
mod exhaustive;
mod expiry;
mod mutants;
mod schedules;
mod simulation;
