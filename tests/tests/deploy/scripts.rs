//! The scripts of `deploy/`, as far as they go without Kafka: what they would do, and what they refuse.

use crate::{root, run};
use std::path::Path;
use std::process::{Command, Output};
use tributary_model::name::mangle;

pub(crate) fn no_linter_objects() {
    let root = root();
    let mut scripts = vec![root.join(".ci/run")];
    for folder in ["scripts", "deploy", "deploy/kafka"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        scripts.extend(entries.filter(|path| path.extension().is_some_and(|ending| ending == "sh")));
    }
    assert!(scripts.len() > 5, "the scripts were not found: {scripts:?}");
    let mut command = vec!["shellcheck".into()];
    command.extend(scripts.into_iter().map(std::path::PathBuf::into_os_string));
    run(&root, &command);
}

fn kafka(script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new("bash");
    command.arg(root().join("deploy/kafka").join(script)).args(arguments);
    command.envs(variables.iter().copied()).output().unwrap()
}

fn dry_run(script: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Vec<String> {
    let arguments = [&["--dry-run"], arguments].concat();
    let output = kafka(script, &arguments, variables);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// What follows `option` in a printed command.
fn after<'a>(line: &'a str, option: &str) -> &'a str {
    let words: Vec<_> = line.split_whitespace().collect();
    let at = words.iter().position(|word| *word == option);
    words[at.unwrap_or_else(|| panic!("{option} is missing: {line}")) + 1]
}

pub(crate) fn topics_are_called_as_the_program_calls_them() {
    let tables = ["Customer", "2fast", "x_xy", "größe", "a-b.c", "😀", "_x"];
    let lines = dry_run("topics.sh", &[], &[("GROUP", "retail"), ("TABLES", &tables.join(" "))]);
    let mut expected: Vec<_> = ["control", "positions", "conflicts", "exceptions"]
        .map(|kind| format!("tributary.retail.{kind}"))
        .into();
    for table in tables {
        let table = mangle(table);
        expected.push(format!("tributary.retail.changes.{table}"));
        expected.push(format!("tributary.retail.resolved.{table}"));
    }
    let found: Vec<_> = lines.iter().map(|line| after(line, "--topic")).collect();
    assert_eq!(found, expected);
    let more = [("GROUP", "g"), ("PREFIX", "p"), ("TABLES", "a:7 b"), ("PARTITIONS", "3")];
    let lines = dry_run("topics.sh", &[], &more);
    let partitions: Vec<_> =
        lines[4..].iter().map(|line| (after(line, "--topic"), after(line, "--partitions"))).collect();
    let expected =
        [("p.g.changes.a", "7"), ("p.g.resolved.a", "7"), ("p.g.changes.b", "3"), ("p.g.resolved.b", "3")];
    assert_eq!(partitions, expected);
}

pub(crate) fn rights_are_bounded_by_the_group() {
    let calls: [&[&str]; 5] = [
        &["capture", "User:one", "hq"],
        &["apply", "User:one", "hq"],
        &["resolver", "User:one"],
        &["operator", "User:one"],
        &["consumer", "User:one"],
    ];
    for call in calls {
        for line in dry_run("acls.sh", call, &[("GROUP", "retail")]) {
            assert!(!line.contains("--cluster") && !line.contains("All"), "too much: {line}");
            let option =
                ["--topic", "--group", "--transactional-id"].into_iter().find(|one| line.contains(one));
            let name = after(&line, option.unwrap());
            // A prefix ends with a dot, or another group whose name begins so would be meant, too.
            assert!(name.starts_with("tributary.retail.") || name == "retail-", "beyond the group: {line}");
            assert_eq!(after(&line, "--allow-principal"), "User:one");
        }
    }
    let removed = dry_run("acls.sh", &["--remove", "resolver", "User:one"], &[("GROUP", "retail")]);
    let given = dry_run("acls.sh", &["resolver", "User:one"], &[("GROUP", "retail")]);
    let taken: Vec<_> =
        removed.iter().map(|line| line.replace("--remove", "--add").replace(" --force", "")).collect();
    assert_eq!(taken, given, "what is taken away is what was given");
}

/// A script, its arguments, its variables.
type Call = (&'static str, &'static [&'static str], &'static [(&'static str, &'static str)]);

pub(crate) fn mistakes_are_told() {
    let wrong: [Call; 7] = [
        ("topics.sh", &[], &[("GROUP", "retail")]),
        ("topics.sh", &["--dry"], &[("GROUP", "retail"), ("TABLES", "a")]),
        ("acls.sh", &["resolver", "User:one"], &[]),
        ("acls.sh", &["resolver", "one"], &[("GROUP", "retail")]),
        ("acls.sh", &["capture", "User:one"], &[("GROUP", "retail")]),
        ("acls.sh", &["settler", "User:one"], &[("GROUP", "retail")]),
        ("quotas.sh", &["--dry-run"], &[]),
    ];
    for (script, arguments, variables) in wrong {
        let output = kafka(script, arguments, variables);
        assert_eq!(output.status.code(), Some(2), "{script} {arguments:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with(script), "{script} {arguments:?}");
        assert!(output.stdout.is_empty(), "{script} {arguments:?} began all the same");
    }
    for script in ["topics.sh", "acls.sh"] {
        let help = kafka(script, &["--help"], &[]);
        let text = String::from_utf8(help.stdout).unwrap();
        assert!(help.status.success() && text.contains("BOOTSTRAP") && !text.contains("set -"), "{text}");
    }
    let secrets = tempfile::tempdir().unwrap();
    let script = secrets.path().join("secrets.sh");
    std::fs::copy(root().join("deploy/secrets.sh"), &script).unwrap();
    let first = passwords(secrets.path());
    assert_eq!(passwords(secrets.path()), first, "passwords that are there stay");
    assert!(first.iter().all(|password| password.len() > 20) && first[0] != first[1], "{first:?}");
}

/// Runs `secrets.sh` in a folder and gives the passwords that are there then.
fn passwords(folder: &Path) -> [String; 2] {
    run(folder, &["bash", "secrets.sh"]);
    ["grafana_password", "postgres_password"]
        .map(|name| std::fs::read_to_string(folder.join("secrets").join(name)).unwrap())
}
