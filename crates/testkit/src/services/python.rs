//! A Python with what tests need of PyPI.
//!
//! Which packages, and how they are fetched, is the business of `scripts/python.sh`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Its interpreter, in a test that has asked for it as [`super::Need::Python`].
pub fn python() -> &'static Path {
    find().unwrap_or_else(|why| panic!("Python is not there: {why}"))
}

/// Its interpreter, made if this was never done; otherwise why it is not there and what to do.
pub(super) fn find() -> Result<&'static Path, &'static str> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    FOUND.get_or_init(make).as_deref().map_err(String::as_str)
}

fn make() -> Result<PathBuf, String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/python.sh");
    let output = Command::new("bash").arg(script).output();
    let output = output.map_err(|error| format!("bash cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()));
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = told.lines().map(|line| line.trim_start_matches("python.sh: ")).collect();
    Err(lines.join("\n"))
}
