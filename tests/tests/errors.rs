//! Every error code has a row in `docs/errors.md`, and no code means two things.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the sources has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["tests", "target", "fuzz", "benches"].contains(&name.as_str()) {
                sources(&path, found);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
}

/// Codes as the sources give them: `… => "XXX-000"`.
fn codes_in(text: &str) -> BTreeSet<String> {
    let is_code = |part: &str| {
        part.len() == 7
            && part.as_bytes()[3] == b'-'
            && part[..3].bytes().all(|b| b.is_ascii_uppercase())
            && part[4..].bytes().all(|b| b.is_ascii_digit())
    };
    let given = text.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next());
    given.filter(|part| part.is_ascii() && is_code(part)).map(str::to_owned).collect()
}

#[test]
fn every_code_is_documented_once_and_belongs_to_one_crate() {
    let mut files = Vec::new();
    sources(&root().join("crates"), &mut files);
    let mut by_code: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let crate_name = file
            .strip_prefix(root().join("crates"))
            .unwrap()
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_owned();
        for code in codes_in(&text) {
            by_code.entry(code).or_default().insert(crate_name.to_string_lossy().into_owned());
        }
    }
    assert!(by_code.len() > 50, "the codes were not found in the sources: {by_code:?}");
    let page = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")).collect();
    let documented: Vec<&str> = rows.iter().filter_map(|row| row.split('`').next()).collect();
    for (code, crates) in &by_code {
        assert_eq!(crates.len(), 1, "{code} is used in {crates:?}");
        let times = documented.iter().filter(|row| **row == code).count();
        assert_eq!(times, 1, "docs/errors.md must have one row for {code}");
    }
    for code in documented {
        assert!(by_code.contains_key(code), "docs/errors.md explains {code}, which nothing uses");
    }
}
