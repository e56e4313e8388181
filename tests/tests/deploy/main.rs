//! `deploy/` as far as it can be held to something here: by the linters and checkers of those who will read it, and by
//! running the stack's own group on its seed, without the stack.
//!
//! Rights and sinks are tried in `rights` and `consumers`; that the stack starts is seen by nobody here.

#![allow(clippy::unwrap_used, reason = "a test")]

mod group;
mod image;
mod metrics;
mod scripts;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use tributary_testkit::service_test;
use tributary_testkit::services::{self, Need, python};

fn main() -> ExitCode {
    services::main(vec![
        service_test!(files_are_what_they_should_be).without_services().needing(Need::Python),
        service_test!(alerts_hold_their_own_tests).without_services().needing(Need::Promtool),
        service_test!(scripts::no_linter_objects).without_services().needing(Need::Shellcheck),
        service_test!(scripts::topics_are_called_as_the_program_calls_them).without_services(),
        service_test!(scripts::rights_are_bounded_by_the_group).without_services(),
        service_test!(scripts::mistakes_are_told).without_services(),
        service_test!(image::what_the_builder_sees_is_enough).without_services(),
        service_test!(group::the_group_runs_on_its_seed).without_services().needing(Need::Python),
        service_test!(metrics::what_is_watched_is_served).needing(Need::Python),
        service_test!(metrics::expressions_of_the_dashboard_are_valid)
            .without_services()
            .needing(Need::Promtool),
    ])
}

/// The checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Runs a program in a folder to its end, which must be a success, and gives what it printed.
fn run<A: AsRef<OsStr>>(folder: &Path, program: &[A]) -> String {
    let output = Command::new(&program[0]).args(&program[1..]).current_dir(folder).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    let shown: Vec<_> = program.iter().map(|word| word.as_ref().to_string_lossy()).collect();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} failed: {}\n{out}\n{told}", shown.join(" "), output.status);
    out
}

/// Compose file, Dockerfile, sinks and the rest: `tests/deploy/check.py` says what each should be.
fn files_are_what_they_should_be() {
    run(&root(), &[python().as_os_str(), OsStr::new("tests/deploy/check.py")]);
}

fn alerts_hold_their_own_tests() {
    let folder = root().join("deploy/prometheus");
    run(&folder, &["promtool", "check", "config", "prometheus.yml"]);
    run(&folder, &["promtool", "check", "rules", "rules.yml"]);
    run(&folder, &["promtool", "test", "rules", "rules.test.yml"]);
}
