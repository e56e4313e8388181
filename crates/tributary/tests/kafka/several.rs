//! Several processes that work for one group.

use crate::group::{over_kafka, place};
use crate::place::{PROGRAM, Place};
use serde_json::Value;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tributary_testkit::service_test;
use tributary_testkit::services::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        service_test!(roles_are_split_over_processes_and_sync_leaves_the_work_to_them),
        service_test!(processes_that_start_at_the_same_time_agree_on_the_tables),
        service_test!(sync_goes_on_by_itself_when_those_who_worked_are_gone),
    ]
}

fn insert(place: &Place, member: &str, id: u32) {
    place.edit(member, &format!("INSERT INTO Customer VALUES ({id}, 'customer {id}', NULL)"));
}

/// Waits until a resolver has joined the group's work.
fn wait_for_resolver(place: &Place) {
    let until = Instant::now() + Duration::from_secs(60);
    let works = |status: &Value| {
        let live = status["live"].as_array().cloned().unwrap_or_default();
        live.iter().any(|kind| kind["role"] == "resolver" && kind["workers"].as_u64().unwrap_or(0) > 0)
    };
    while !works(&place.json(&["status"])) {
        assert!(Instant::now() < until, "no resolver works in time");
    }
}

fn roles_are_split_over_processes_and_sync_leaves_the_work_to_them() {
    let place = place("split");
    place.ok(&["provision"]);
    insert(&place, "hq", 1);
    let roles: [&[&str]; 4] = [
        &["--role", "capture", "--member", "hq"],
        &["--role", "capture,apply", "--member", "shop"],
        &["--role", "resolver"],
        &["--role", "apply", "--member", "hq"],
    ];
    let running: Vec<_> = roles.iter().map(|role| place.start(role)).collect();
    insert(&place, "shop", 2);
    // A process that has only just begun is nobody's worker yet, and `sync` would do the work.
    wait_for_resolver(&place);
    let synced = place.json(&["sync"]);
    assert_eq!((&synced["in_step"], &synced["ran_workers"]), (&Value::Bool(true), &Value::Bool(false)));
    for member in ["hq", "shop"] {
        assert_eq!(place.rows(member, "SELECT count(*) FROM Customer"), ["Integer(2)"], "{member}");
    }
    let status = place.json(&["status"]);
    let live: Vec<_> = status["live"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| {
            (kind["role"].as_str().unwrap(), kind["member"].as_str(), kind["workers"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(live, [("resolver", None, 1), ("capture", Some("hq"), 1), ("capture", Some("shop"), 1)]);
    let text = place.ok(&["status"]);
    assert!(text.contains("workers on all machines: resolver 1, capture hq 1, capture shop 1"), "{text}");
    for process in running {
        let (code, told) = process.stop("-TERM");
        assert_eq!(code, 0, "{told}");
    }
    insert(&place, "shop", 3);
    let synced = place.json(&["sync"]);
    assert_eq!((&synced["in_step"], &synced["ran_workers"]), (&Value::Bool(true), &Value::Bool(true)));
    place.ok(&["verify"]);
    let status = place.json(&["status"]);
    assert!(status["notes"].to_string().contains("no resolver runs"), "{status}");
}

fn processes_that_start_at_the_same_time_agree_on_the_tables() {
    let place = place("crowd");
    let start = || {
        std::process::Command::new(PROGRAM)
            .current_dir(place.folder())
            .arg("provision")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let crowd: Vec<_> = (0..4).map(|_| start()).collect();
    for process in crowd {
        let ended = process.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
    insert(&place, "hq", 1);
    place.ok(&["sync"]);
    place.ok(&["verify"]);
    // The tables change under a process that runs.
    let running = place.start(&[]);
    wait_for_resolver(&place);
    for member in ["hq", "shop"] {
        place.edit(member, "CREATE TABLE Note (Id INTEGER PRIMARY KEY, Text TEXT)");
    }
    place.write(
        "tributary.yaml",
        &over_kafka("crowd").replace("  - name: OrderLine", "  - name: OrderLine\n  - name: Note"),
    );
    let provisioned = place.run(&["provision"]);
    assert_eq!(provisioned.code, 0, "{provisioned:?}");
    assert!(provisioned.err.contains("the group's tables have changed: restart"), "{provisioned:?}");
    assert_eq!(running.stop("-TERM").0, 0);
    let again = place.run(&["provision"]);
    assert!(again.code == 0 && !again.err.contains("have changed"), "{again:?}");
}

fn sync_goes_on_by_itself_when_those_who_worked_are_gone() {
    let place = place("heirs");
    place.ok(&["provision"]);
    let mut running = place.start(&[]);
    running.wait_for("resolver: runs");
    insert(&place, "hq", 1);
    place.ok(&["sync"]);
    // Killed: Kafka counts it among the living for a while.
    drop(running);
    insert(&place, "hq", 2);
    let synced = place.json(&["sync"]);
    assert_eq!((&synced["in_step"], &synced["ran_workers"]), (&Value::Bool(true), &Value::Bool(true)));
    place.ok(&["verify"]);
}
