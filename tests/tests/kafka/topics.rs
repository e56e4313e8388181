//! Topics that somebody has deleted, and topics whose limit is too small for a row.

use crate::support::{
    EXTRA, Load, add_table, assert_arrives, assert_flows, check, eventually, has, shared_group, told,
};
use crate::tools::{configure, topic};
use std::time::Duration;
use tributary_testkit::Program;
use tributary_testkit::services::shared_broker;

const PATIENCE: Duration = Duration::from_secs(240);

/// Somebody deletes the changes topic of one table under a running group, with changes in it that no resolver has read:
/// that is told by name, and started again the group is whole and has lost nothing.
pub(crate) fn a_deleted_topic_is_named_and_comes_back() {
    let group = shared_group("lost-topic");
    add_table(&group, EXTRA);
    Program::ok(&group, &["provision"]);
    let others = Program::run_with(&group, &["--role", "capture,apply"]);
    let resolver = Program::run_with(&group, &["--role", "resolver"]);
    let load = Load::start(&group, Duration::from_millis(100));
    let insert = |id: i64| {
        let sql = format!("INSERT INTO {EXTRA} (id, text) VALUES (?1, 'x')");
        group.connect("hq").execute(&sql, [id]).unwrap();
    };
    insert(1);
    assert_arrives(&group, "till", EXTRA, 1, PATIENCE);
    resolver.pause();
    insert(2);
    eventually("a change in the topic", PATIENCE, || {
        Program::ok(&group, &["tail", "--topic", "changes", "--table", EXTRA]).lines().count() == 2
    });
    let gone = topic(&group, "changes", EXTRA);
    let before = told(&group).len();
    shared_broker().tool("org.apache.kafka.tools.TopicCommand", &["--delete", "--topic", &gone]);
    resolver.resume();
    eventually("a word about the deleted topic", PATIENCE, || told(&group)[before..].contains(&gone));
    drop((resolver, others));
    let running = Program::run(&group);
    insert(3);
    for id in [3, 2] {
        assert_arrives(&group, "till", EXTRA, id, PATIENCE);
    }
    let obligations = load.stop();
    Program::ok(&group, &["sync", "--timeout", "120s"]);
    drop(running);
    check(&group, &obligations);
}

/// Somebody lowers the limit of a changes topic under a running group: a row that is over it is listed, with the
/// setting to be raised, and everything else goes on. With the limit raised, and the row changed again a while later,
/// it arrives.
pub(crate) fn a_row_over_a_lowered_limit_is_listed_and_arrives_later() {
    let group = shared_group("large");
    let changes = topic(&group, "changes", "Trail");
    let running = Program::run(&group);
    let load = Load::start(&group, Duration::from_millis(100));
    assert_flows(&group, "hq", "till", 1_000, PATIENCE);
    configure(shared_broker(), &changes, &["max.message.bytes=200000"]);
    // Digits, of which compression makes half.
    let large = "INSERT INTO Trail (id, trail, touched) VALUES (5000, hex(randomblob(600000)), 0)";
    group.connect("hq").execute(large, []).unwrap();
    let listed = || Program::ok(&group, &["exceptions", "list", "--output", "json"]);
    let said = ["\"5000\"", "max.message.bytes", changes.as_str()];
    eventually("the row that is too large, with its reason", PATIENCE, || {
        let listed = listed();
        said.iter().all(|said| listed.contains(said))
    });
    assert_flows(&group, "hq", "till", 1_001, PATIENCE);
    assert_flows(&group, "till", "hq", 1_002, PATIENCE);
    configure(shared_broker(), &changes, &["max.message.bytes=80000000"]);
    // The old limit is believed in for a minute.
    let touch = "UPDATE Trail SET touched = touched + 1 WHERE id = 5000";
    eventually("the row in another member", Duration::from_secs(150), || {
        group.connect("hq").execute(touch, []).unwrap();
        std::thread::sleep(Duration::from_secs(5));
        has(&group, "till", "Trail", 5_000)
    });
    let obligations = load.stop();
    Program::ok(&group, &["sync", "--timeout", "120s"]);
    drop(running);
    check(&group, &obligations);
}
