//! A flood of rows that a member refuses.

use crate::support::{PATIENCE, check, execute, number, provisioned, status};
use serde_json::Value;
use std::time::Instant;
use tributary_testkit::{GroupFolder, Obligations, Program, TRAIL_TABLE, eventually};

/// How many; `TRIBUTARY_TEST_FLOOD` gives another number.
fn flood() -> i64 {
    let given = std::env::var_os("TRIBUTARY_TEST_FLOOD").and_then(|text| text.to_str()?.parse().ok());
    given.unwrap_or(20_000)
}

/// The most memory that a process has had, in MiB, as Linux tells it.
fn peak(process: u32) -> u64 {
    let told = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// All of them are kept and counted, a part is listed, everything else goes on, and when the reason is gone all arrive.
pub(crate) fn a_flood_of_refused_rows_is_listed_and_tried_again_in_parts() {
    let flood = flood();
    let patience = PATIENCE + std::time::Duration::from_millis(u64::try_from(flood).unwrap());
    let tables = format!("{TRAIL_TABLE}; CREATE TABLE Item (id INTEGER PRIMARY KEY NOT NULL, name TEXT)");
    let group = provisioned(GroupFolder::new(&["hq", "cloud"], &["Item", "Trail"], ""), &tables);
    execute(
        &group,
        "cloud",
        "CREATE TRIGGER refuses BEFORE INSERT ON Item BEGIN SELECT RAISE(ABORT, 'not here'); END",
    );
    let running = Program::run(&group);
    let began = Instant::now();
    execute(
        &group,
        "hq",
        &format!(
            "INSERT INTO Item WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {flood})
             SELECT i, 'item ' || i FROM n"
        ),
    );
    let out_of_sync = || status(&group)["out_of_sync"].as_i64().unwrap();
    eventually("all of them refused", patience, || out_of_sync() == flood);
    eprintln!("{flood} refused after {:?}, peak {} MiB", began.elapsed(), peak(running.id()));

    let list = |arguments: &[&str]| {
        let began = Instant::now();
        let arguments = [&["exceptions", "list", "--output", "json"], arguments].concat();
        let listed = serde_json::from_str::<Value>(&Program::ok(&group, &arguments)).unwrap();
        eprintln!("{arguments:?}: {:?}", began.elapsed());
        listed
    };
    let listed = list(&[]);
    assert_eq!(listed["total"], flood);
    assert!(listed["exceptions"].as_array().unwrap().len() <= 100, "a listing has a limit");
    let three = list(&["--limit", "3"]);
    assert_eq!(three["exceptions"].as_array().unwrap().len(), 3);
    assert_eq!(list(&["--table", "Trail"])["total"], 0);
    let text = Program::output(&group, &["exceptions", "list", "--limit", "3"]);
    let told = String::from_utf8_lossy(&text.stderr).into_owned();
    assert!(told.contains(&format!("3 of {flood}")), "{told}");
    // Not one of those that are listed first.
    let many = list(&["--limit", &flood.min(20_000).to_string()])["exceptions"].as_array().unwrap().clone();
    let last = many.last().unwrap();
    let shown = Program::ok(&group, &["exceptions", "show", last["id"].as_str().unwrap()]);
    assert!(shown.contains("not here"), "{shown}");

    // The others go on, with all of them parked and while all of them are tried again.
    let flows = |key: i64| {
        let began = Instant::now();
        execute(&group, "hq", &format!("INSERT INTO Trail VALUES ({key}, 'probe ', 0)"));
        let sql = format!("SELECT count(*) FROM Trail WHERE id = {key}");
        eventually("a row of another table", patience, || number(&group, "cloud", &sql) == 1);
        eprintln!("a row of another table: {:?}", began.elapsed());
    };
    flows(1);
    let began = Instant::now();
    let retried = Program::ok(&group, &["exceptions", "retry", "--output", "json"]);
    assert_eq!(serde_json::from_str::<Value>(&retried).unwrap()[1]["due"], flood);
    eprintln!("retry: {:?}", began.elapsed());
    flows(2);
    execute(&group, "cloud", "DROP TRIGGER refuses");
    let began = Instant::now();
    Program::ok(&group, &["exceptions", "retry", "--table", "Item"]);
    flows(3);
    eprintln!("{} are still parked", out_of_sync());
    let arrived = "SELECT count(*) FROM Item";
    eventually("all of them", patience, || number(&group, "cloud", arrived) == flood);
    eprintln!("all arrived after {:?}, peak {} MiB", began.elapsed(), peak(running.id()));
    drop(running);
    check(&group, &["Item", "Trail"], &Obligations::default());
}
