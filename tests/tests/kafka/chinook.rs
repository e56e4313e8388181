//! Real input and the first thing that anybody tries: Chinook and the quickstart, over Kafka.

use crate::chinook_story::{MEMBERS, TABLES, play};
use crate::support::{kafka_log, seed};
use std::process::Command;
use tributary_testkit::services::{shared_broker, shared_registry};
use tributary_testkit::{GroupFolder, program_path};

/// The data set reaches two empty members, and edits of all three reach all.
pub(crate) fn chinook_is_synchronised_and_edited_on_all_sides() {
    let log = kafka_log(&shared_broker().address(), &shared_registry().url());
    let edits = play(&GroupFolder::with_log("chinook", &log, &MEMBERS, &TABLES, ""), seed());
    eprintln!("{edits} edits on three sides");
}

/// The story of the README, told by the program itself.
pub(crate) fn the_quickstart_plays_on_kafka() {
    let folder = tempfile::tempdir().unwrap();
    let mut quickstart = Command::new(program_path());
    quickstart.args(["quickstart", "--kafka", &shared_broker().address()]);
    quickstart.args(["--registry", &shared_registry().url()]).current_dir(folder.path());
    let output = quickstart.output().unwrap();
    let (told, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "the quickstart failed: {}\n{told}\n{errors}", output.status);
}
