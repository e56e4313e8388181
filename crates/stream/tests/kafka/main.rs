//! Kafka under the contract suite, and what only Kafka has: a real broker and a real registry.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

/// A module's functions as tests, under the module's name.
macro_rules! tests {
    ($module:literal: $($name:ident),+ $(,)?) => {
        vec![$(tributary_testkit::services::Test::new(concat!($module, "::", stringify!($name)), $name)),+]
    };
}

mod compacting;
mod contract;
mod ends;
mod refused;
mod secure;
mod sizes;
mod support;
mod topics;

use std::process::ExitCode;
use tributary_testkit::services;

fn main() -> ExitCode {
    services::main(
        [
            contract::tests(),
            ends::tests(),
            refused::tests(),
            secure::tests(),
            sizes::tests(),
            topics::tests(),
        ]
        .concat(),
    )
}
