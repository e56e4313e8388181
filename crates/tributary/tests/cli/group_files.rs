//! Group files that cannot be used, and wrong command lines.

use crate::place::{GROUP, Place};

#[test]
fn mistakes_in_the_file_are_told_with_their_place_and_remedy() {
    let place = Place::new();
    for (what, text, said) in [
        ("unknown key", GROUP.replace("poll_interval", "pol_interval"), "did you mean `poll_interval`?"),
        ("doubled key", format!("{GROUP}poll_interval: 9ms\n"), "GRP-012"),
        ("doubled member", GROUP.replace("  shop:", "  hq:"), "GRP-012"),
        ("no tables", GROUP.split("tables:").next().unwrap().to_owned(), "tables"),
        ("bad member id", GROUP.replace("  shop:", "  Shop:"), "Shop"),
        ("not YAML", "group: [".to_owned(), "GRP-010"),
    ] {
        place.write("tributary.yaml", &text);
        for command in ["check", "status", "run", "sync", "provision", "deprovision"] {
            let ended = place.run(&[command]);
            ended.failed(64, &["error[GRP-0", said, "tributary.yaml"]);
            assert_eq!(ended.out, "", "{what}: {ended:?}");
        }
    }
}

#[test]
fn a_line_number_is_told() {
    let place = Place::new();
    place.write("tributary.yaml", &GROUP.replace("poll_interval", "pol_interval"));
    place.run(&["check"]).failed(64, &["line 9"]);
}

#[test]
fn a_group_file_that_is_not_there_names_the_command_that_writes_one() {
    let place = Place::empty();
    let ended = place.run(&["check", "-g", "nowhere.yaml"]);
    ended.failed(64, &["error[GRP-001]", "nowhere.yaml", "tributary init", "caused by:"]);
}

#[test]
fn init_writes_a_file_that_can_be_used_and_keeps_what_is_there() {
    let place = Place::empty();
    place.run(&["init"]).failed(0, &["wrote tributary.yaml"]);
    let written = std::fs::read_to_string(place.path("tributary.yaml")).unwrap();
    assert!(written.contains("group: retail"));
    place.run(&["init"]).failed(1, &["exists already", "--force"]);
    place.write("tributary.yaml", "mine");
    place.run(&["init"]).failed(1, &[]);
    assert_eq!(std::fs::read_to_string(place.path("tributary.yaml")).unwrap(), "mine");
    place.ok(&["init", "--force"]);
    place.ok(&["init", "other.yaml"]);
    assert_eq!(std::fs::read_to_string(place.path("other.yaml")).unwrap(), written);
    // The members that it speaks of are not there, which is the next thing to be told.
    let ended = place.run(&["check"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("there is no database at"), "{ended:?}");
}

#[test]
fn the_group_file_can_be_named_by_the_environment() {
    let place = Place::new();
    std::fs::rename(place.path("tributary.yaml"), place.path("g.yaml")).unwrap();
    let output = place.command(&["check"]).env("TRIBUTARY_GROUP_FILE", "g.yaml").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    place.run(&["check"]).failed(64, &["tributary.yaml"]);
}

#[test]
fn wrong_use_exits_with_2() {
    let place = Place::provisioned();
    for arguments in [
        &["no-such-command"][..],
        &["status", "--no-such-flag"],
        &["conflicts", "list", "--state", "odd"],
        &["sync", "--timeout", "soon"],
        &["run", "--role", "portal"],
        &["run", "--member", "nobody"],
        &["deprovision", "--member", "nobody"],
        &["verify", "--table", "Nothing"],
        &["tail", "--table", "Nothing"],
        &["tail", "--topic", "control"],
        &["exceptions", "list", "--member", "nobody"],
    ] {
        place.run(arguments).failed(2, &["error"]);
    }
    place.run(&["verify", "--table", "Nothing"]).failed(2, &["Customer, OrderLine", "GRP-101"]);
    place.run(&["conflicts", "list", "--since", "lately"]).failed(2, &["lately"]);
}

#[test]
fn help_tells_the_exit_codes() {
    let place = Place::empty();
    let help = place.ok(&["--help"]);
    for said in ["Exit codes:", "64", "69", "TRIBUTARY_GROUP_FILE", "provision", "NO_COLOR"] {
        assert!(help.contains(said), "{said}: {help}");
    }
    for shell in ["bash", "zsh", "fish"] {
        assert!(place.ok(&["completions", shell]).contains("tributary"), "{shell}");
    }
    assert!(place.ok(&["--version"]).starts_with("tributary "));
}
