//! Who may depend on whom, held against `cargo metadata`.
//!
//! Checks edges between our own crates and a list of libraries that only certain crates may name. Small pure
//! libraries are free. The table is that of `docs/architecture.md`.

#![allow(clippy::unwrap_used, reason = "a test that cannot read the metadata has failed")]

use serde_json::Value;
use std::collections::BTreeMap;
use std::process::Command;

/// Our crates and those of ours that each may use. Development dependencies are free, but for `testkit`.
const LAYERS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("settle", &["model"]),
    ("codec", &["model"]),
    ("stream", &["model", "codec"]),
    ("member", &["model", "settle"]),
    ("runtime", &[]),
    ("capture", &["model", "settle", "codec", "stream", "member", "runtime"]),
    ("resolver", &["model", "settle", "codec", "stream", "runtime"]),
    ("apply", &["model", "settle", "codec", "stream", "member", "runtime"]),
    ("group", &["model", "settle", "codec", "stream", "member", "runtime"]),
    ("engine", &["model", "settle", "stream", "member", "runtime", "group", "capture", "resolver", "apply"]),
    ("demo", &["model", "settle", "codec", "stream", "member", "runtime", "group", "engine"]),
    ("tributary", &["model", "settle", "codec", "stream", "member", "runtime", "group", "engine", "demo"]),
    ("testkit", &["model"]),
    ("tests", &[]),
];

/// Libraries, and the only crates that may name them (outside of tests).
const RESERVED: &[(&str, &[&str])] = &[
    ("apache-avro", &["codec"]),
    ("rdkafka", &["stream"]),
    ("schema_registry_converter", &["stream"]),
    ("tiberius", &["member"]),
    ("tokio-postgres", &["member"]),
    // The demo plays a user's program, the test kit writes as users do.
    ("rusqlite", &["stream", "member", "resolver", "demo", "testkit"]),
    (
        "tokio",
        &[
            "stream",
            "member",
            "capture",
            "resolver",
            "apply",
            "runtime",
            "group",
            "engine",
            "demo",
            "tributary",
        ],
    ),
    ("prometheus", &["runtime"]),
    ("axum", &["runtime"]),
    ("clap", &["tributary"]),
    ("libtest-mimic", &["testkit"]),
];

fn short(name: &str) -> Option<&str> {
    if name == "tributary" { Some(name) } else { name.strip_prefix("tributary-") }
}

/// By short crate name: the normal and build dependencies.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut found = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = short(package["name"].as_str().unwrap()).expect("all packages carry the project's name");
        let normal = package["dependencies"].as_array().unwrap().iter().filter(|d| d["kind"] != "dev");
        let names = normal.map(|d| d["name"].as_str().unwrap().to_owned()).collect();
        found.insert(name.to_owned(), names);
    }
    found
}

#[test]
fn crates_depend_only_downwards() {
    let found = dependencies();
    for (name, uses) in &found {
        let (_, allowed) = LAYERS
            .iter()
            .find(|(known, _)| known == name)
            .unwrap_or_else(|| panic!("crate {name} has no place in the table of layers"));
        for used in uses.iter().filter_map(|used| short(used)) {
            assert!(allowed.contains(&used), "{name} must not depend on {used}");
        }
    }
    assert_eq!(found.len(), LAYERS.len(), "the table of layers names a crate that is not there");
}

#[test]
fn libraries_stay_where_they_belong() {
    for (name, uses) in dependencies() {
        for used in uses {
            if let Some((_, allowed)) = RESERVED.iter().find(|(library, _)| *library == used) {
                assert!(allowed.contains(&name.as_str()), "{name} must not depend on {used}");
            }
        }
    }
}
