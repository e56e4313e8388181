//! Apply with a log that fails: every settled row arrives, and none is written twice.

use crate::faulty::{Call, Fault, FaultyLog, unavailable};
use crate::stage::{Stage, block_on, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tributary_stream::TopicPartition;
use tributary_stream::embedded::EmbeddedLog;

pub(crate) fn failing_calls_lose_and_double_nothing() {
    type Place = (&'static str, fn(&Call<'_>) -> bool, usize);
    let places: [Place; 2] = [
        ("poll", |call| matches!(call, Call::Poll), 11),
        ("offsets", |call| matches!(call, Call::Offsets(_)), 9),
    ];
    for (name, is_here, every) in places {
        let stage = Stage::new(&["hq", "cloud"]);
        // Whatever is written, by whomever, is noted.
        stage.execute(
            "cloud",
            "CREATE TABLE Written (Id INTEGER, Name TEXT);
             CREATE TRIGGER a AFTER INSERT ON Item BEGIN INSERT INTO Written VALUES (new.Id, new.Name); END;
             CREATE TRIGGER b AFTER UPDATE ON Item BEGIN INSERT INTO Written VALUES (new.Id, new.Name); END;",
        );
        let workers = stage.sound("workers").capture("hq").resolver();
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let log = FaultyLog::new(Arc::clone(&stage.log), move |call| {
            let fails = is_here(call) && [0, 1, 4].contains(&(count.fetch_add(1, Ordering::SeqCst) % every));
            fails.then(|| Fault::Before(unavailable()))
        });
        let cloud = stage.process(name, Arc::new(log)).apply("cloud");
        for round in 1..=10 {
            stage.execute("hq", &format!("INSERT INTO Item VALUES ({round}, 'a')"));
            until("the row to arrive", || stage.items("cloud").len() == round);
            stage.execute("hq", &format!("UPDATE Item SET Name = 'b' WHERE Id = {round}"));
            until("the update to arrive", || stage.items("cloud").last() == Some(&format!("{round}|b")));
        }
        let written = stage.rows("cloud", "SELECT count(*), count(DISTINCT Id || Name) FROM Written");
        assert_eq!(written, ["20|20"], "{name}: each was written once");
        assert!(calls.load(Ordering::SeqCst) >= 3, "{name} was called");
        cloud.stop();
        workers.stop();
    }
}

/// What tools that watch consumer groups see.
pub(crate) fn the_log_is_told_how_far_a_member_is() {
    let stage = Stage::new(&["hq", "cloud"]);
    let workers = stage.sound("workers").capture("hq").resolver().apply("cloud");
    stage.execute("hq", "INSERT INTO Item VALUES (1, 'a'), (2, 'a'), (3, 'a')");
    until("the rows to arrive", || stage.items("cloud").len() == 3);
    let group = stage.channels.topics.apply_group("cloud");
    let topics = [stage.resolved()];
    until("the offsets to be told", || {
        let told = block_on(stage.log.committed(&group, &topics)).unwrap();
        let read = |record: &tributary_stream::Incoming| {
            let at = TopicPartition::new(record.topic.clone(), record.partition);
            told.iter().any(|(of, next)| *of == at && *next > record.offset)
        };
        stage.records(&topics[0]).iter().all(read)
    });
    workers.stop();
}

/// The log's clock is hours off this machine's, and the delay is what it is.
pub(crate) fn delays_are_by_the_logs_clock() {
    for hours in [-3_i64, 3] {
        let now_ms = || tributary_runtime::Clock::now_ticks(&tributary_runtime::SystemClock::new()) / 10_000;
        let log = EmbeddedLog::memory_with_clock(Arc::new(move || now_ms() + hours * 3_600_000));
        let stage = Stage::on(Arc::new(log), "t", &["hq", "cloud"], 1);
        let workers = stage.sound("workers").capture("hq").resolver().apply("cloud");
        stage.execute("hq", "INSERT INTO Item VALUES (1, 'a')");
        until("the row to arrive", || stage.items("cloud").len() == 1);
        let delays = "t_apply_delay_seconds_count{member=\"cloud\"}";
        until("the delay to be counted", || workers.metric(delays) == 1.0);
        let delay = workers.metric("t_apply_delay_seconds_sum{member=\"cloud\"}");
        // Not cut off at zero, as it would be if it were negative.
        assert!(delay > 0.0 && delay < 30.0, "{delay} s");
        workers.stop();
    }
}
