//! Whether the image can be built from what its builder gets to see.

use crate::{root, run};
use std::path::Path;

/// The files that `Dockerfile.dockerignore` lets through are a workspace that Cargo can work with, and hold every file
/// that a source includes.
pub(crate) fn what_the_builder_sees_is_enough() {
    let context = tempfile::tempdir().unwrap();
    let ignore = std::fs::read_to_string(root().join("deploy/Dockerfile.dockerignore")).unwrap();
    let rules: Vec<_> = ignore.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(rules[0], "*", "nothing is let through that is not named");
    for rule in &rules[1..] {
        match rule.strip_prefix('!') {
            Some(path) => copy(&root().join(path), &context.path().join(path)),
            None => assert_eq!(*rule, "crates/*/fuzz", "a rule that this test does not know"),
        }
    }
    for entry in std::fs::read_dir(context.path().join("crates")).unwrap() {
        let fuzz = entry.unwrap().path().join("fuzz");
        if fuzz.exists() {
            std::fs::remove_dir_all(fuzz).unwrap();
        }
    }
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let tree = [cargo, "tree", "--locked", "--offline", "--package", "tributary", "--edges", "normal,build"];
    let tree = run(context.path(), &tree);
    assert!(tree.contains("tributary-engine") && tree.contains("rdkafka"), "{tree}");
    let mut included = 0;
    included_files(&context.path().join("crates"), &mut |file| {
        assert!(file.exists(), "{} is included, and the builder does not see it", file.display());
        included += 1;
    });
    assert!(included > 5, "the included files were not found");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    run(Path::new("."), &[Path::new("cp"), Path::new("-r"), from, to]);
}

/// Calls `each` for every file that `include_str!` or `include_bytes!` names in a source that is built.
fn included_files(folder: &Path, each: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["tests", "benches"].contains(&name.as_str()) {
                included_files(&path, each);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = std::fs::read_to_string(&path).unwrap();
            for call in ["include_str!(\"", "include_bytes!(\""] {
                for rest in text.split(call).skip(1) {
                    each(&path.parent().unwrap().join(rest.split('"').next().unwrap()));
                }
            }
        }
    }
}
