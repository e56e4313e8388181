//! `run`, and what works beside it.

use crate::place::{GROUP, Place};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;

#[test]
fn a_second_run_names_the_first_and_readers_work_beside_it() {
    let place = Place::provisioned();
    let running = place.start(&[]);
    let pid = running.pid().to_string();
    place.run(&["run"]).failed(69, &["error[LOG-017]", &format!("process {pid}"), "hint: "]);
    let again = place.ok(&["provision"]);
    assert!(again.contains("hq: nothing to do"), "{again}");
    let more = format!("{GROUP}  - name: Order\n").replace("poll_interval: 5ms\n", "");
    place.write("tributary.yaml", &more);
    place.run(&["provision"]).failed(69, &["LOG-017"]);
    place.write("tributary.yaml", GROUP);
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    let synced = place.json(&["sync"]);
    assert_eq!((&synced["in_step"], &synced["ran_workers"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(place.rows("shop", "SELECT Name FROM Customer"), ["Text(\"Ada\")"]);
    assert_eq!(place.json(&["status"])["in_step"], true);
    place.ok(&["verify"]);
    place.ok(&["conflicts", "list"]);
    place.ok(&["exceptions", "list"]);
    assert!(place.ok(&["tail"]).contains("Customer [1] upsert"), "tail");
    let (code, told) = running.stop("-TERM");
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("asked to by SIGTERM") && told.contains("stopped"), "{told}");
    let synced = place.json(&["sync"]);
    assert_eq!(synced["ran_workers"], true);
}

#[test]
fn run_serves_monitoring_and_status_asks_it() {
    let place = Place::provisioned();
    let mut running = place.start(&["--listen", "127.0.0.1:0"]);
    // Told before it said that it runs, so it is asked for anew.
    let (code, told) = {
        place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
        place.ok(&["sync"]);
        running.wait_for("apply shop: runs");
        running.stop("-INT")
    };
    assert_eq!(code, 0, "{told}");
    let address = told.lines().find_map(|line| line.strip_prefix("listening on http://")).unwrap().to_owned();
    assert!(told.contains("asked to by SIGINT"), "{told}");

    place.write("tributary.yaml", &format!("{GROUP}metrics: {{ listen: \"{address}\" }}\n"));
    let mut running = place.start(&[]);
    for worker in ["apply hq", "apply shop", "capture hq", "capture shop", "resolver"] {
        if !running.has_told(&format!("{worker}: runs")) {
            running.wait_for(&format!("{worker}: runs"));
        }
    }
    let status = place.json(&["status"]);
    assert_eq!(status["process"]["pid"], running.pid());
    let names: Vec<_> = status["process"]["workers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w["name"].as_str().unwrap())
        .collect();
    for name in ["apply hq", "apply shop", "capture hq", "capture shop", "resolver"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let text = place.ok(&["status"]);
    assert!(text.contains("workers of process"), "{text}");
    assert!(get(&address, "/readyz").starts_with("HTTP/1.1 200"));
    assert!(get(&address, "/healthz").starts_with("HTTP/1.1 200"));
    let metrics = get(&address, "/metrics");
    assert!(metrics.contains("tributary_capture_rows_total{"), "{metrics}");
    assert!(metrics.contains("tributary_build_info{"), "{metrics}");
    // The address is taken.
    let other = Place::provisioned();
    other.run(&["run", "--listen", &address]).failed(69, &["RUN-006", &address]);
    let (code, told) = running.stop("-TERM");
    assert_eq!(code, 0, "{told}");
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn roles_and_members_can_be_chosen_and_a_run_without_workers_left_ends() {
    let place = Place::provisioned();
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    let mut running = place.start(&["--role", "capture,resolver", "--member", "hq"]);
    running.wait_for("capture hq: runs");
    let (code, told) = running.stop("-TERM");
    assert_eq!(code, 0, "{told}");
    assert!(!told.contains("apply") && !told.contains("capture shop"), "{told}");
    assert_eq!(place.rows("shop", "SELECT Name FROM Customer"), Vec::<String>::new());

    std::fs::remove_file(place.path("shop.db")).unwrap();
    let mut running = place.start(&["--role", "apply", "--member", "shop"]);
    let (code, told) = running.end();
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("apply shop: halted: ") && told.contains("there is no database at"), "{told}");
    assert!(told.contains("all workers have halted"), "{told}");
}

#[test]
fn members_that_are_not_provisioned_halt_their_workers_with_the_command_to_run() {
    let place = Place::new();
    let mut running = place.start(&[]);
    let line = running.wait_for("capture hq: halted");
    assert!(line.contains("run `provision`"), "{line}");
    let (code, _) = running.stop("-TERM");
    assert_eq!(code, 1);
}

#[test]
fn a_table_that_is_altered_stops_alone() {
    let place = Place::provisioned();
    place.ok(&["sync"]);
    let mut running = place.start(&[]);
    place.edit("hq", "DROP TABLE OrderLine");
    let line = running.wait_for("table OrderLine stopped");
    assert!(line.contains(" hq: "), "{line}");
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    let synced = place.run(&["sync", "--timeout", "30s"]);
    assert_eq!(synced.code, 1, "{synced:?}");
    assert!(synced.out.contains("table OrderLine of member hq stands still"), "{synced:?}");
    assert_eq!(place.rows("shop", "SELECT Name FROM Customer"), ["Text(\"Ada\")"]);
    let status = place.json(&["status"]);
    assert_eq!(status["members"][0]["tables"][0]["stopped"], Value::Null);
    assert!(status["members"][0]["tables"][1]["stopped"].is_string(), "{status}");
    assert_eq!(status["members"][1]["tables"][1]["stopped"], Value::Null);
    assert_eq!(running.stop("-TERM").0, 0);
}

#[test]
fn json_log_lines_are_all_that_run_tells_when_asked_for() {
    let place = Place::new();
    std::fs::remove_file(place.path("shop.db")).unwrap();
    let ended = place.run(&["run", "--role", "apply", "--member", "shop", "--log-format", "json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(!ended.err.is_empty());
    for line in ended.err.lines() {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(value["level"].is_string(), "{line}");
    }
}
