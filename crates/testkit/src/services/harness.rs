//! The entry of a test binary whose tests need services.
//!
//! Cargo's own harness cannot skip a test while it runs, so such a binary has `harness = false` and this `main`: what
//! lacks something is counted as ignored, and why is said once, on top. A test that does not come to an end is named and
//! ends the binary: whoever waits for it would not learn which it was.

use super::Need;
use crate::watch::watch;
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::ExitCode;
use std::time::Duration;

/// Several times what the longest test takes on a busy machine.
const LONGEST: Duration = Duration::from_secs(20 * 60);

/// A test and what it needs.
#[derive(Debug, Clone)]
pub struct Test {
    name: &'static str,
    run: fn(),
    needs: Vec<Need>,
}

impl Test {
    /// A test that needs [`Need::Services`]; [`crate::service_test`] gives it the function's name.
    pub fn new(name: &'static str, run: fn()) -> Self {
        Self { name, run, needs: vec![Need::Services] }
    }

    /// The test, needing no services.
    #[must_use]
    pub fn without_services(mut self) -> Self {
        self.needs.retain(|need| *need != Need::Services);
        self
    }

    /// The test, needing this as well.
    #[must_use]
    pub fn needing(mut self, need: Need) -> Self {
        self.needs.push(need);
        self
    }

    fn missing(&self) -> Option<(Need, &'static str)> {
        self.needs.iter().find_map(|need| Some((*need, need.missing()?)))
    }
}

/// A function as a [`Test`](crate::services::Test) of its name.
#[macro_export]
macro_rules! service_test {
    ($run:path) => {
        $crate::services::Test::new(stringify!($run), $run)
    };
}

/// Runs tests as `cargo test` asks, and says what is skipped and why.
pub fn main(tests: Vec<Test>) -> ExitCode {
    let arguments = Arguments::from_args();
    let mut told: Vec<Need> = Vec::new();
    let trials = tests.into_iter().map(|test| {
        let missing = if arguments.list { None } else { test.missing() };
        let Some((need, why)) = missing else {
            return Trial::test(test.name, move || {
                // Dropped with the test, however that ends.
                let name = format!("test {}", test.name);
                let _running = watch(name, LONGEST, || std::process::exit(1));
                (test.run)();
                Ok(())
            });
        };
        let required = need.is_required();
        if !required && !told.contains(&need) {
            told.push(need);
            eprintln!("\nskipped: tests that need {}: {}", need.name(), why.replace('\n', "\n         "));
        }
        Trial::test(test.name, move || Err(Failed::from(why))).with_ignored_flag(!required)
    });
    let trials = trials.collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}
