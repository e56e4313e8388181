//! Members that come and leave while the processes of the others go on.

use crate::support::{
    Load, MEMBERS, assert_arrives, assert_flows, check, eventually, group_of, has, kafka_log, told,
};
use std::time::Duration;
use tributary_testkit::services::{shared_broker, shared_registry};
use tributary_testkit::{GroupFolder, Program, TRAIL_TABLE};

const PATIENCE: Duration = Duration::from_secs(240);
/// How many rows the member that comes brings along.
const OWN: i64 = 500;

/// One comes with rows of its own, one leaves, and writes on; the others' users never stop. The process of the one that
/// leaves stands still at that moment, so that it is told of it late.
pub(crate) fn members_come_and_leave_beside_running_processes() {
    let ([hq, cloud, comes], leaves) = (MEMBERS, "kiosk");
    let log = kafka_log(&shared_broker().address(), &shared_registry().url());
    let group = group_of(&[hq, cloud, leaves], "coming-and-leaving", &log);
    let running = Program::run(&group);
    let load = Load::by(&[hq, cloud], &group, Duration::from_millis(50));
    assert_flows(&group, hq, leaves, 1_000, PATIENCE);

    let own = format!(
        "{TRAIL_TABLE};
         WITH RECURSIVE n (id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {OWN})
         INSERT INTO Trail SELECT id + 2000, 'own ', 0 FROM n"
    );
    group.connect(comes).execute_batch(&own).unwrap();
    let said = Program::ok(&group, &["member", "add", comes, "--url", &format!("sqlite:{comes}.db")]);
    assert!(said.contains("has joined the group"), "{said}");
    assert_arrives(&group, comes, "Trail", 1_000, PATIENCE);
    for member in [hq, cloud, leaves] {
        let all = || rows_of_its_own(&group, member) == OWN;
        eventually(&format!("the new member's rows in {member}"), PATIENCE, all);
    }
    assert_flows(&group, cloud, comes, 1_001, PATIENCE);
    assert_flows(&group, comes, leaves, 1_002, PATIENCE);

    let alone = ["--role", "capture,apply", "--member", leaves, "--listen", "127.0.0.1:0"];
    let alone = Program::run_with(&group, &alone);
    // Others could have carried the next row before this process knows of the member.
    let begun = format!("runs as process {}: 4 members", alone.id());
    eventually("a process of its own", PATIENCE, || told(&group).contains(&begun));
    assert_flows(&group, leaves, comes, 1_003, PATIENCE);
    alone.pause_outside_of_writes(&group, &[leaves]);
    let said = Program::ok(&group, &["member", "remove", leaves, "--keep-objects"]);
    assert!(said.contains("has left the group"), "{said}");
    let write = "INSERT INTO Trail (id, trail, touched) VALUES (1004, 'alone ', 0);
                 UPDATE Trail SET trail = trail || 'alone ' WHERE id > 2000";
    group.connect(leaves).execute_batch(write).unwrap();
    let heard = heard(&group);
    alone.resume();
    eventually("the process that stood still hears of it", PATIENCE, || self::heard(&group) > heard);
    assert_flows(&group, hq, comes, 1_005, PATIENCE);
    assert_flows(&group, comes, cloud, 1_006, PATIENCE);
    let obligations = load.stop();
    // Nobody waits for the one that has left, nor for what it has.
    Program::ok(&group, &["sync", "--timeout", "120s"]);
    alone.stop();
    running.stop();
    check(&group, &obligations);
    for member in MEMBERS {
        assert!(!has(&group, member, "Trail", 1_004), "what was written in {leaves} has come to {member}");
        assert_eq!(rows_of_its_own(&group, member), OWN, "{member}");
    }
    assert!(!has(&group, leaves, "Trail", 1_005) && has(&group, leaves, "Trail", 1_004));
    let published = Program::ok(&group, &["tail", "--output", "json"]);
    assert!(!published.lines().any(|line| line.contains("alone")), "{leaves} has published");
}

/// How many rows a member has as the one that came brought them along.
fn rows_of_its_own(group: &GroupFolder, member: &str) -> i64 {
    let sql = "SELECT count(*) FROM Trail WHERE id > 2000 AND trail = 'own '";
    group.connect(member).query_row(sql, [], |row| row.get(0)).unwrap()
}

/// How often processes have told that a member has left.
fn heard(group: &GroupFolder) -> usize {
    told(group).matches("has left the group").count()
}
