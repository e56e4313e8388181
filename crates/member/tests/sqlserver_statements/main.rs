//! Every statement that the SQL Server adapter makes, and the scripts for administrators, under a parser of
//! Transact-SQL. The statements are those of the adapter's snapshots (`sqlserver::statements`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use tributary_testkit::service_test;
use tributary_testkit::services::{self, Need, python};

fn main() -> ExitCode {
    services::main(vec![
        service_test!(every_statement_is_of_the_language).without_services().needing(Need::Python),
        service_test!(what_is_not_of_the_language_is_told).without_services().needing(Need::Python),
    ])
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The `.sql` files of a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|ending| ending == "sql")).collect()
}

fn parse(files: &[PathBuf]) -> (bool, String) {
    let script = here().join("tests/sqlserver_statements/parse.py");
    let output = Command::new(python()).arg(script).args(files).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn every_statement_is_of_the_language() {
    let mut all = files(&here().join("src/sqlserver/snapshots"));
    assert!(all.len() >= 8, "the snapshots are there: {all:?}");
    let scripts = files(&here().join("../../deploy/sql/sqlserver"));
    assert_eq!(scripts.len(), 3, "set-up, run and removal: {scripts:?}");
    all.extend(scripts);
    let (parsed, told) = parse(&all);
    assert!(parsed, "{told}");
}

fn what_is_not_of_the_language_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.sql");
    std::fs::write(
        &file,
        "CREATE TABLE t (a int)\nGO\nCREATE TRIGGER x ON t AFTER INSERT AS BEGIN SELEC 1 FROM END\nGO\n",
    )
    .unwrap();
    let (parsed, told) = parse(&[file]);
    assert!(!parsed && told.contains("Line 3"), "{told}");
}
