//! Changes that were deleted from the log before the resolver had read them: members publish theirs again, once.

use crate::faulty::{Call, FaultyLog};
use crate::gate::Gate;
use crate::stage::{Stage, block_on, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tributary_member::PositionRecord;
use tributary_stream::{TopicPartition, read_latest};

/// Deletes all changes that there are.
fn truncate(stage: &Stage) {
    let topic = stage.changes();
    block_on(async {
        for (partition, range) in (0..).zip(stage.log.offsets(&topic).await.unwrap()) {
            let at = TopicPartition::new(topic.clone(), partition);
            stage.log.delete_before(&at, range.end).await.unwrap();
        }
    });
}

/// How many changes there are.
fn changes(stage: &Stage) -> usize {
    stage.records(&stage.changes()).len()
}

/// Orders in the log, by table; and those that a member has carried out.
fn orders(stage: &Stage, member: &str) -> (Vec<String>, Vec<String>) {
    let topics = &stage.channels.topics;
    let read = |topic| block_on(read_latest(stage.log.as_ref(), &topic)).unwrap();
    let given = read(topics.control()).into_iter();
    let given = given.filter_map(|(key, value)| tributary_stream::RecaptureOrder::read(&key, &value));
    let stored = read(topics.positions()).into_iter().find(|(key, _)| key == member.as_bytes());
    let stored = stored.map(|(_, value)| PositionRecord::from_json(&value).unwrap());
    (
        given.map(|order| order.id).collect(),
        stored.map(|stored| stored.recaptures.into_values().collect()).unwrap_or_default(),
    )
}

pub(crate) fn changes_deleted_while_the_resolver_was_down_arrive_all_the_same() {
    let stage = Stage::new(&["hq", "cloud"]);
    stage.execute("hq", "INSERT INTO Item VALUES (1, 'a'), (2, 'a'), (3, 'a'), (4, 'a')");
    let members = stage.sound("members").capture("hq").capture("cloud").apply("hq").apply("cloud");
    let resolver = stage.sound("resolver").resolver();
    until("the first rows to arrive", || stage.items("cloud").len() == 4);
    resolver.stop();
    let before = changes(&stage);
    stage.execute("hq", "UPDATE Item SET Name = 'b' WHERE Id = 1; INSERT INTO Item VALUES (5, 'new')");
    stage.execute("cloud", "DELETE FROM Item WHERE Id = 2; UPDATE Item SET Name = 'c' WHERE Id = 3");
    until("the changes to be published", || changes(&stage) == before + 4);
    truncate(&stage);
    // And one that is not lost.
    stage.execute("hq", "INSERT INTO Item VALUES (6, 'there')");
    let resolver = stage.sound("resolver").resolver();
    let expected = ["1|b", "3|c", "4|a", "5|new", "6|there"];
    for member in ["hq", "cloud"] {
        until(&format!("{member} to have everything"), || stage.items(member) == expected);
        until(&format!("{member} to have carried the order out"), || {
            let (given, done) = orders(&stage, member);
            given.len() == 1 && given == done
        });
    }
    assert_eq!(stage.conflicts(), 0);
    assert_eq!(resolver.metric("t_resolver_recaptures_total{table=\"Item\"}"), 1.0);
    until("what was known already to be dropped", || {
        resolver.metric("t_resolver_changes_total{outcome=\"duplicate\",table=\"Item\"}") > 0.0
    });
    // Once: neither another worker nor another resolver begins again.
    let published = changes(&stage);
    resolver.stop();
    members.stop();
    let members = stage.sound("members").capture("hq").capture("cloud").apply("hq").apply("cloud");
    let resolver = stage.sound("resolver").resolver();
    stage.execute("hq", "INSERT INTO Item VALUES (7, 'last')");
    until("the last row to arrive", || stage.items("cloud").last().unwrap() == "7|last");
    assert_eq!(changes(&stage), published + 1);
    resolver.stop();
    members.stop();
}

pub(crate) fn changes_deleted_before_any_resolver_ran_are_published_again() {
    let stage = Stage::new(&["hq", "cloud"]);
    stage.execute("hq", "INSERT INTO Item VALUES (1, 'there before'), (2, 'there before')");
    let capture = stage.sound("capture").capture("hq");
    until("the first scan", || changes(&stage) == 2);
    stage.execute("hq", "INSERT INTO Item VALUES (3, 'live')");
    until("the live change", || changes(&stage) == 3);
    truncate(&stage);
    let resolver = stage.sound("resolver").resolver().apply("cloud");
    until("all rows to arrive", || stage.items("cloud") == ["1|there before", "2|there before", "3|live"]);
    resolver.stop();
    capture.stop();
}

pub(crate) fn a_member_that_was_away_carries_the_order_out_when_it_is_back() {
    let stage = Stage::new(&["hq", "cloud"]);
    let capture = stage.sound("capture").capture("cloud");
    stage.execute("cloud", "INSERT INTO Item VALUES (1, 'a')");
    until("its change", || changes(&stage) == 1);
    capture.stop();
    truncate(&stage);
    let resolver = stage.sound("resolver").resolver().apply("hq");
    until("the order", || orders(&stage, "cloud").0.len() == 1);
    stage.execute("cloud", "INSERT INTO Item VALUES (2, 'b')");
    let capture = stage.sound("capture").capture("cloud");
    until("all rows to arrive", || stage.items("hq") == ["1|a", "2|b"]);
    capture.stop();
    resolver.stop();
}

pub(crate) fn changes_deleted_under_a_slow_resolver_are_noticed() {
    let stage = Stage::new(&["hq", "cloud"]);
    let (gate, armed) = (Arc::new(Gate::default()), Arc::new(AtomicBool::new(false)));
    let (waits, sleeps) = (Arc::clone(&gate), Arc::clone(&armed));
    let log = FaultyLog::new(Arc::clone(&stage.log), move |call| {
        if matches!(call, Call::Poll) && sleeps.swap(false, Ordering::SeqCst) {
            waits.wait();
        }
        None
    });
    let members = stage.sound("members").capture("hq").apply("cloud");
    let resolver = stage.process("resolver", Arc::new(log)).resolver();
    stage.execute("hq", "INSERT INTO Item VALUES (1, 'a'), (2, 'a'), (3, 'a')");
    until("the first rows to arrive", || stage.items("cloud").len() == 3);
    armed.store(true, Ordering::SeqCst);
    gate.until_somebody_waits();
    let before = changes(&stage);
    stage.execute("hq", "UPDATE Item SET Name = 'b'");
    until("the changes to be published", || changes(&stage) == before + 3);
    truncate(&stage);
    gate.open();
    until("the updates to arrive", || stage.items("cloud") == ["1|b", "2|b", "3|b"]);
    assert_eq!(resolver.worker("resolver").restarts, 0);
    resolver.stop();
    members.stop();
}
