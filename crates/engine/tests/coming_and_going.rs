//! Members that are away: deletes that are forgotten, members that are too late for that, and how they come back. The
//! clock is the test's.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};
use support::clock::LeapingClock;
use support::{DEADLINE, Pipe, Running, block_on};
use tributary_codec::ConflictCodec;
use tributary_model::{ConflictKind, ConflictState, MemberId};
use tributary_stream::contract::all;
use tributary_stream::{Incoming, Mark, MemberControl, MemberControls, Order, Reached, Said, read_latest};

const HOUR: Duration = Duration::from_secs(3600);

struct Group {
    pipe: Pipe,
    clock: Arc<LeapingClock>,
    running: Running,
}

/// Members with a table of three rows, in step; deletes are remembered for an hour.
fn group(members: &[&str]) -> Group {
    let pipe = Pipe::new(members, &["Item"], "tombstone_retention: 1h\nconflict_retention: 100h\n");
    pipe.execute(
        members[0],
        "CREATE TABLE Item (Id INTEGER PRIMARY KEY NOT NULL, Name TEXT);
         INSERT INTO Item VALUES (1, 'one'), (2, 'two'), (3, 'three');",
    );
    let clock = LeapingClock::new();
    let running = pipe.start_with(clock.clone());
    running.drain();
    Group { pipe, clock, running }
}

impl Group {
    fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let started = Instant::now();
        while !holds() {
            let states = self.running.engine.supervisor.states();
            assert!(started.elapsed() < DEADLINE, "gave up waiting until {what}: {states:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Lets time pass until something holds.
    fn pass_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let mut steps = 0;
        self.wait_until(what, || {
            self.clock.leap(Duration::from_secs(if steps < 3_000 { 10 } else { 0 }));
            steps += 1;
            holds()
        });
    }

    /// Lets a time pass in steps in which the workers come to all they do now and then.
    fn pass(&self, time: Duration) {
        let step = Duration::from_secs(60);
        for _ in 0..time.as_secs() / step.as_secs() {
            self.clock.leap(step);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn compact(&self) {
        let engine = &self.running.engine;
        let topic = &engine.channels.tables[0].resolved;
        engine.embedded_log().expect("the log is a file").compact(topic).unwrap();
    }

    fn resolved(&self) -> Vec<Incoming> {
        let engine = &self.running.engine;
        block_on(all_of(engine, &engine.channels.tables[0].resolved))
    }

    fn nulls(&self) -> Vec<Incoming> {
        self.resolved().into_iter().filter(|record| record.value.is_none()).collect()
    }

    fn said(&self, member: &str) -> MemberControl {
        let engine = &self.running.engine;
        let control = engine.channels.topics.control();
        let latest = block_on(read_latest(engine.log.as_ref(), &control)).unwrap();
        latest.iter().collect::<MemberControls>().of(&id(member)).clone()
    }

    fn say(&self, member: &str, said: &Said) {
        let engine = &self.running.engine;
        let record = said.record(engine.channels.topics.control(), &id(member));
        block_on(engine.hand_in(vec![record])).unwrap();
    }

    fn pause(&self, member: &str) {
        self.say(member, &Said::Paused(Some(Mark { since_ms: 0, why: "test".to_owned() })));
        self.wait_for_rest(member, "paused");
    }

    fn wait_for_rest(&self, member: &str, why: &str) {
        self.running.wait_for_workers(&format!("{member} to rest"), |states| {
            ["capture", "apply"].iter().all(|role| {
                states
                    .iter()
                    .any(|state| state.name == format!("{role} {member}") && state.note.contains(why))
            })
        });
    }

    /// The keys of the deletes that a member remembers.
    fn tombstones(&self, member: &str) -> Vec<String> {
        self.pipe.rows(member, "SELECT Id FROM DataSync_Item_dss_tracking WHERE is_tombstone ORDER BY 1")
    }

    fn items(&self, member: &str) -> Vec<String> {
        self.pipe.rows(member, "SELECT * FROM Item ORDER BY 1")
    }

    /// How many conflicts wait for somebody, and how many are settled.
    fn ledger(&self) -> (usize, usize) {
        let engine = &self.running.engine;
        let topic = engine.channels.topics.conflicts();
        let latest = block_on(read_latest(engine.log.as_ref(), &topic)).unwrap();
        let states = latest.iter().map(|(_, value)| ConflictCodec::decode_state(value).unwrap());
        let open = states.filter(|state| *state == ConflictState::Open).count();
        (open, latest.len() - open)
    }

    /// What the ledger saved when a member was filled anew, by key.
    fn saved(&self) -> usize {
        let engine = &self.running.engine;
        let topic = engine.channels.topics.conflicts();
        let latest = block_on(read_latest(engine.log.as_ref(), &topic)).unwrap();
        let codec = Arc::clone(&engine.channels.tables[0].codec);
        let records = latest
            .iter()
            .map(|(_, value)| ConflictCodec::decode_conflict(value, |_| Some(Arc::clone(&codec))).unwrap());
        records.filter(|record| record.kind == ConflictKind::Reinit).count()
    }
}

async fn all_of(engine: &tributary_engine::Engine, topic: &tributary_stream::TopicName) -> Vec<Incoming> {
    use tributary_stream::embedded::{Access, EmbeddedLog};
    let tributary_group::file::LogSettings::Embedded { path } = &engine.file.log else { unreachable!() };
    all(&EmbeddedLog::open(path, Access::ReadOnly).unwrap(), topic).await
}

fn id(member: &str) -> MemberId {
    MemberId::new(member).unwrap()
}

#[test]
fn old_deletes_are_forgotten_and_their_keys_begin_anew() {
    let group = group(&["hq", "cloud"]);
    group.pipe.execute("hq", "DELETE FROM Item WHERE Id = 1");
    group.running.drain();
    assert_eq!(group.tombstones("cloud"), ["1"]);
    group.pass(HOUR / 2);
    assert_eq!(group.nulls().len(), 0, "half the time has passed");
    group.pass_until("the delete is forgotten", || group.nulls().len() == 1);
    group.wait_until("nobody remembers it", || {
        group.tombstones("hq").is_empty() && group.tombstones("cloud").is_empty()
    });
    assert_eq!(group.said("cloud").out_of_date, None);
    group.pipe.execute("cloud", "INSERT INTO Item VALUES (1, 'again')");
    group.running.drain();
    for member in ["hq", "cloud"] {
        assert_eq!(group.items(member), ["1|again", "2|two", "3|three"]);
    }
    assert_eq!(group.running.conflicts(), 0);
    group.running.stop();
}

/// By the clock alone, the member that was away would bring the deleted row back.
#[test]
fn a_member_that_is_away_holds_up_forgetting_until_it_is_out_of_date() {
    let group = group(&["hq", "cloud", "till"]);
    group.pause("till");
    group.pipe.execute("hq", "DELETE FROM Item WHERE Id = 1; UPDATE Item SET Name = 'zwei' WHERE Id = 2");
    group.pipe.execute(
        "till",
        "UPDATE Item SET Name = 'eins' WHERE Id = 1; INSERT INTO Item VALUES (9, 'till''s own')",
    );
    group.wait_until("the delete is settled", || group.resolved().len() >= 5);
    group.pass(HOUR + HOUR / 2);
    assert_eq!(group.said("till").out_of_date, None, "it may still come back");
    assert_eq!(group.nulls().len(), 0, "and so the delete must be remembered");
    group.pass_until("it is out of date", || group.said("till").out_of_date.is_some());
    group.pass_until("the delete is forgotten", || group.nulls().len() == 1);
    let marked = group.said("till").out_of_date.unwrap().since_ms;
    assert!(group.nulls()[0].timestamp_ms >= marked, "not before the member was marked");

    // It wakes up, and neither publishes nor takes anything in.
    group.say("till", &Said::Paused(None));
    group.wait_for_rest("till", "out of date");
    assert_eq!(group.items("hq"), ["2|zwei", "3|three"]);
    assert_eq!(group.items("till"), ["1|eins", "2|two", "3|three", "9|till's own"]);

    // Filled anew: what it had is in the ledger, and it has what the group has.
    group.say("till", &Said::Reinit(Order { id: "test".to_owned() }));
    group.wait_until("it has been filled anew", || group.said("till").reinit_done.is_some());
    assert_eq!(group.said("till").out_of_date, None);
    group.running.drain();
    for member in ["hq", "cloud", "till"] {
        assert_eq!(group.items(member), ["2|zwei", "3|three"], "{member}");
    }
    assert_eq!(group.saved(), 2, "row 1 as the till's user left it, and row 9");
    assert_eq!(group.tombstones("till"), Vec::<String>::new());
    // And it takes part again, in both directions.
    group
        .pipe
        .execute("till", "UPDATE Item SET Name = 'drei' WHERE Id = 3; INSERT INTO Item VALUES (1, 'new')");
    group.running.drain();
    assert_eq!(group.items("hq"), ["1|new", "2|zwei", "3|drei"]);
    assert_eq!(group.running.conflicts(), 2, "nothing but what was saved");
    group.running.stop();
}

/// Who has not read that a delete is forgotten remembers it, and would never take in the key's next life: compaction may
/// have removed the null by the time that it is back.
#[test]
fn a_member_that_misses_a_null_is_out_of_date() {
    let group = group(&["hq", "till"]);
    group.pipe.execute("till", "DELETE FROM Item WHERE Id = 1");
    group.running.drain();
    // It knows of its own delete, and has said so, but is away when that is forgotten.
    let end = group.resolved().len() as u64;
    let topic = group.running.engine.channels.tables[0].resolved.as_str().to_owned();
    let has_said = || group.said("till").captured.get(&topic).map_or(0, |parts| parts.values().sum::<u64>());
    group.pass_until("it has said that it has the delete", || has_said() == end);
    group.pause("till");
    group.pass_until("the delete is forgotten", || group.nulls().len() == 1);
    assert_eq!(group.said("till").out_of_date, None);
    group.pass_until("it is out of date", || group.said("till").out_of_date.is_some());
    group.pipe.execute("hq", "INSERT INTO Item VALUES (1, 'again')");
    let before = group.resolved().len();
    group.wait_until("that is settled", || group.resolved().len() > before);
    group.compact();
    group.say("till", &Said::Paused(None));
    group.say("till", &Said::Reinit(Order { id: "one".to_owned() }));
    group.wait_until("it has been filled anew", || group.said("till").reinit_done.is_some());
    group.running.drain();
    assert_eq!(group.items("till"), ["1|again", "2|two", "3|three"]);
    assert_eq!(group.items("hq"), group.items("till"));
    group.running.stop();
}

/// The topic has old records of a row, too, and a batch may end between two of them.
#[test]
fn a_member_that_is_filled_ends_with_the_last_record_of_a_row() {
    let group = group(&["hq", "till"]);
    group.pipe.execute("hq", "DELETE FROM Item WHERE Id = 3");
    group.running.drain();
    group.pass_until("the delete is forgotten", || group.nulls().len() == 1);
    // Between a null record and the key's next life a batch is cut.
    group
        .pipe
        .execute("hq", "INSERT INTO Item VALUES (3, 'again'); UPDATE Item SET Name = 'zwei' WHERE Id = 2");
    group.running.drain();
    group.pause("till");
    group.pipe.execute("till", "UPDATE Item SET Name = 'mine' WHERE Id = 2");
    let end = group.resolved().len() as u64;
    group.say("till", &Said::Reinit(Order { id: "one".to_owned() }));
    group.say("till", &Said::Paused(None));
    group.wait_until("it has been filled anew", || group.said("till").reinit_done.is_some());
    let said = group.said("till");
    let told = |reached: &Reached| reached.values().flat_map(|parts| parts.values()).sum::<u64>();
    assert!(
        told(&said.captured) >= end && told(&said.applied) >= end,
        "by old words it would be late again: {said:?}"
    );
    group.running.drain();
    assert_eq!(group.items("till"), ["1|one", "2|zwei", "3|again"]);
    assert_eq!(group.items("hq"), group.items("till"));
    assert_eq!(group.saved(), 1, "what the till's user made of row 2");
    group.running.stop();
}

/// Rows that the group has forgotten since, and that the member never touched, go as well, and are saved.
#[test]
fn rows_that_the_group_does_not_have_are_removed_and_saved() {
    let group = group(&["hq", "cloud"]);
    group.pause("cloud");
    // Past the trigger, as a bulk load would.
    let trigger = "SELECT sql FROM sqlite_schema WHERE name = 'Item_dss_insert_trigger'";
    let trigger = group.pipe.rows("cloud", trigger).remove(0);
    group.pipe.execute(
        "cloud",
        &format!(
            "BEGIN; DROP TRIGGER Item_dss_insert_trigger; INSERT INTO Item VALUES (7, 'stray'); {trigger}; COMMIT;
             UPDATE Item SET Name = 'mine' WHERE Id = 3"
        ),
    );
    // Nothing tells of this delete any more: it is forgotten, and compaction has removed its null, too.
    group.pipe.execute("hq", "DELETE FROM Item WHERE Id = 1; UPDATE Item SET Name = 'theirs' WHERE Id = 3");
    group.pass_until("the delete is forgotten", || group.nulls().len() == 1);
    // Compaction leaves the newest record of a partition alone.
    let before = group.resolved().len();
    group.pipe.execute("hq", "INSERT INTO Item VALUES (8, 'eight')");
    group.wait_until("something else is newer", || group.resolved().len() > before);
    group.pass(2 * HOUR);
    group.compact();
    assert_eq!(group.nulls().len(), 0);
    group.say("cloud", &Said::Reinit(Order { id: "one".to_owned() }));
    group.say("cloud", &Said::Paused(None));
    group.wait_until("it has been filled anew", || group.said("cloud").reinit_done.is_some());
    group.running.drain();
    assert_eq!(group.items("cloud"), ["2|two", "3|theirs", "8|eight"]);
    assert_eq!(group.items("hq"), group.items("cloud"));
    assert_eq!(
        group.saved(),
        3,
        "row 1, the stray row, and cloud's own version of row 3, which hq's has overtaken"
    );
    assert_eq!(group.tombstones("cloud"), Vec::<String>::new(), "nothing is remembered of what was removed");
    group.running.stop();
}

/// Settled conflicts leave the ledger after their time; those that wait for somebody do not.
#[test]
fn old_conflicts_leave_the_ledger() {
    let pipe =
        Pipe::new(&["hq", "cloud"], &["Item", "Waits"], "    conflict: manual\nconflict_retention: 1h\n");
    let tables = "CREATE TABLE Item (Id INTEGER PRIMARY KEY NOT NULL, Name TEXT);
         CREATE TABLE Waits (Id INTEGER PRIMARY KEY NOT NULL, Name TEXT);";
    pipe.execute(
        "hq",
        &format!("{tables} INSERT INTO Item VALUES (1, 'a'); INSERT INTO Waits VALUES (1, 'a');"),
    );
    pipe.execute(
        "cloud",
        &format!("{tables} INSERT INTO Item VALUES (1, 'b'); INSERT INTO Waits VALUES (1, 'b');"),
    );
    let clock = LeapingClock::new();
    let running = pipe.start_with(clock.clone());
    running.drain();
    let group = Group { pipe, clock, running };
    let (open, settled) = group.ledger();
    assert!(open > 0 && settled > 0, "rows that differed from the beginning, in each table");
    group.pass(HOUR / 2);
    assert_eq!(group.ledger(), (open, settled));
    group.pass_until("the settled ones have left", || group.ledger().1 == 0);
    group.pass(2 * HOUR);
    assert_eq!(group.ledger(), (open, 0), "the others wait for somebody");
    group.running.stop();
}
