//! Several capture workers for one member: one publishes, and every change is published once.

use crate::faulty::{Call, Fault, FaultyLog, fenced, unavailable};
use crate::gate::Gate;
use crate::stage::{Stage, block_on, until};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tributary_member::{ParkedAt, ParkedFilter};
use tributary_model::Change;
use tributary_model::time::TICKS_A_SECOND;
use tributary_stream::embedded::EmbeddedLog;
use tributary_stream::{Error, Outgoing, Trace};

/// All changes in the log, with their keys.
fn changes(stage: &Stage) -> Vec<(Vec<u8>, Change)> {
    let codec = &stage.channels.tables[0].codec;
    let records = stage.records(&stage.changes()).into_iter();
    let change = |value: Option<Vec<u8>>| codec.decode_change(&value.unwrap()).unwrap();
    records.map(|record| (record.key, change(record.value))).collect()
}

/// Waits until that many different changes are in the log, and makes sure that none is there twice.
fn wait_for_changes(stage: &Stage, count: usize) {
    let dots = || -> Vec<(Vec<u8>, u64)> {
        changes(stage).into_iter().map(|(key, change)| (key, change.dot.version)).collect()
    };
    let distinct = |dots: Vec<_>| dots.into_iter().collect::<BTreeSet<_>>().len();
    until(&format!("{count} changes"), || distinct(dots()) >= count);
    let found = dots();
    assert_eq!((found.len(), distinct(found.clone())), (count, count), "{found:?}");
}

pub(crate) fn one_worker_leads_and_the_other_takes_over() {
    let stage = Stage::new(&["hq"]);
    let first = stage.sound("first").capture("hq");
    first.wait_for_note("capture hq", "watching");
    let second = stage.sound("second").capture("hq");
    second.wait_for_note("capture hq", "standing by");
    stage.execute("hq", "INSERT INTO Item VALUES (1, 'a')");
    wait_for_changes(&stage, 1);
    let leads = "t_capture_leads{member=\"hq\"}";
    assert_eq!((first.metric(leads), second.metric(leads)), (1.0, 0.0));
    first.stop();
    second.wait_for_note("capture hq", "watching");
    stage.execute("hq", "INSERT INTO Item VALUES (2, 'b')");
    wait_for_changes(&stage, 2);
    assert_eq!(second.metric(leads), 1.0);
    assert_eq!(second.worker("capture hq").restarts, 0);
    second.stop();
}

pub(crate) fn a_long_pause_does_not_cost_the_lead_and_ends_when_it_is_lost() {
    let stage = Stage::new(&["hq"]);
    let settings =
        tributary_capture::Settings { every: Some(Duration::from_secs(3600)), ..Default::default() };
    let log = FaultyLog::new(Arc::clone(&stage.log), |_| None);
    let paced = stage.process("paced", Arc::new(log.clone())).capture_with("hq", settings);
    paced.wait_for_note("capture hq", "watching");
    let other = stage.sound("other").capture("hq");
    other.wait_for_note("capture hq", "standing by");
    log.kick();
    other.wait_for_note("capture hq", "watching");
    paced.wait_for_note("capture hq", "standing by");
    stage.execute("hq", "INSERT INTO Item VALUES (1, 'a')");
    wait_for_changes(&stage, 1);
    other.stop();
    paced.stop();
}

/// A worker that sleeps between its token and its publication, is replaced, and wakes: nothing of it is published.
pub(crate) fn a_zombie_is_fenced_and_doubles_nothing() {
    for at_commit in [false, true] {
        let stage = Stage::new(&["hq"]);
        let gate = Arc::new(Gate::default());
        let armed = Arc::new(AtomicBool::new(false));
        let (waits, sleeps) = (Arc::clone(&gate), Arc::clone(&armed));
        let log = FaultyLog::new(Arc::clone(&stage.log), move |call| {
            let here = if at_commit { matches!(call, Call::Commit) } else { matches!(call, Call::Begin) };
            if here && sleeps.swap(false, Ordering::SeqCst) {
                waits.wait();
            }
            None
        });
        let zombie = stage.process("zombie", Arc::new(log.clone())).capture("hq");
        zombie.wait_for_note("capture hq", "watching");
        armed.store(true, Ordering::SeqCst);
        stage.execute("hq", "INSERT INTO Item VALUES (1, 'a')");
        gate.until_somebody_waits();
        // The log no longer hears of it, and gives its place to another one.
        log.kick();
        let heir = stage.sound("heir").capture("hq");
        wait_for_changes(&stage, 1);
        stage.execute("hq", "UPDATE Item SET Name = 'b'");
        wait_for_changes(&stage, 2);
        gate.open();
        zombie.wait_for_note("capture hq", "standing by");
        stage.execute("hq", "UPDATE Item SET Name = 'c'");
        wait_for_changes(&stage, 3);
        assert_eq!(zombie.worker("capture hq").restarts, 0);
        heir.stop();
        zombie.wait_for_note("capture hq", "watching");
        stage.execute("hq", "UPDATE Item SET Name = 'd'");
        wait_for_changes(&stage, 4);
        zombie.stop();
    }
}

/// A worker that is fenced and has not lost its assignment goes on at once.
pub(crate) fn a_fenced_leader_that_still_leads_begins_again() {
    let stage = Stage::new(&["hq"]);
    let count = Arc::new(AtomicUsize::new(0));
    let commits = Arc::clone(&count);
    let log = FaultyLog::new(Arc::clone(&stage.log), move |call| {
        let fences = matches!(call, Call::Commit) && commits.fetch_add(1, Ordering::SeqCst) % 3 == 1;
        fences.then(|| Fault::Before(fenced()))
    });
    let process = stage.process("fenced", Arc::new(log)).capture("hq");
    for round in 1..=12 {
        stage.execute("hq", &format!("INSERT INTO Item VALUES ({round}, 'a')"));
        wait_for_changes(&stage, round);
    }
    assert_eq!(process.worker("capture hq").restarts, 0);
    assert!(count.load(Ordering::SeqCst) > 12);
    process.stop();
}

/// Whatever call fails, before its effect or after it, every change is published once.
pub(crate) fn failing_calls_lose_and_double_nothing() {
    type Matches = fn(&Call<'_>) -> bool;
    let places: [(&str, Matches); 6] = [
        ("producer", |call| matches!(call, Call::Producer)),
        ("begin", |call| matches!(call, Call::Begin)),
        ("send", |call| matches!(call, Call::Send(_))),
        ("send_offsets", |call| matches!(call, Call::SendOffsets)),
        ("commit", |call| matches!(call, Call::Commit)),
        ("poll", |call| matches!(call, Call::Poll)),
    ];
    for (name, is_here) in places {
        for after in [false, true] {
            let stage = Stage::new(&["hq"]);
            let count = Arc::new(AtomicUsize::new(0));
            let calls = Arc::clone(&count);
            let log = FaultyLog::new(Arc::clone(&stage.log), move |call| {
                // Now and then twice in a row, so that the repetition fails, too. A worker that starts polls a dozen
                // times before it gets anywhere.
                let every = if name == "poll" { 40 } else { 9 };
                let fails =
                    is_here(call) && [0, 1, 4].contains(&(calls.fetch_add(1, Ordering::SeqCst) % every));
                let fault = if after { Fault::After } else { Fault::Before };
                fails.then(|| fault(unavailable()))
            });
            let process = stage.process(name, Arc::new(log)).capture("hq");
            for round in 1..=10 {
                stage.execute("hq", &format!("INSERT INTO Item VALUES ({round}, 'a')"));
                wait_for_changes(&stage, round);
            }
            process.stop();
            assert!(count.load(Ordering::SeqCst) >= 3, "{name} was called");
        }
    }
}

/// Somebody has lowered the topic's limit: the row is listed with the setting's name, everything else goes on.
pub(crate) fn a_row_over_the_logs_own_limit_is_listed_and_keeps_nothing_back() {
    for at_commit in [false, true] {
        let stage = Stage::new(&["hq"]);
        stage.execute("hq", "INSERT INTO Item VALUES (1, 'there before'), (2, hex(randomblob(8000)))");
        let (topic, limit) = (stage.changes(), 10_000);
        let due = Mutex::new(None);
        let too_large = move |records: &[Outgoing]| {
            let size = |record: &Outgoing| record.value.as_ref().map_or(0, Vec::len) + record.key.len();
            let bytes = records.iter().map(size).max().filter(|bytes| *bytes > limit)?;
            // As a broker may tell it: of the batch, and not exactly.
            Some(Error::RecordTooLarge { topic: topic.clone(), bytes: bytes + 70, limit })
        };
        let log = FaultyLog::new(Arc::clone(&stage.log), move |call| match call {
            Call::Send(records) if at_commit => {
                *due.lock().unwrap() = too_large(records);
                None
            }
            Call::Send(records) => too_large(records).map(Fault::Before),
            Call::Commit => due.lock().unwrap().take().map(Fault::Before),
            _ => None,
        });
        let process = stage.process("narrow", Arc::new(log)).capture("hq");
        wait_for_changes(&stage, 1);
        stage.execute("hq", "INSERT INTO Item VALUES (3, hex(randomblob(9000))), (4, 'beside it')");
        wait_for_changes(&stage, 2);
        stage.execute("hq", "INSERT INTO Item VALUES (5, 'and after it')");
        wait_for_changes(&stage, 3);
        let listed = || {
            let all = ParkedFilter::All { table: None, after: None, limit: 10 };
            block_on(async { stage.member("hq").await.parked(&all).await.unwrap() })
        };
        let parked = listed();
        assert_eq!(
            parked.iter().map(|p| (p.at, p.key_text.as_str())).collect::<Vec<_>>(),
            [(ParkedAt::Capture, "2"), (ParkedAt::Capture, "3")]
        );
        assert!(parked.iter().all(|p| p.refusal.message.contains("max.message.bytes")), "{parked:?}");
        assert!(parked.iter().all(|p| p.refusal.message.contains(stage.changes().as_str())), "{parked:?}");
        stage.execute("hq", "UPDATE Item SET Name = 'short' WHERE Id = 3");
        wait_for_changes(&stage, 4);
        assert_eq!(listed().len(), 1, "what is published is listed no longer");
        assert_eq!(process.worker("capture hq").restarts, 0);
        process.stop();
    }
}

/// The log's clock is hours off this machine's: times are the log's, and keep their order.
pub(crate) fn times_are_the_logs_and_keep_their_order() {
    for hours in [-3, 3] {
        let ahead = hours * 3_600_000;
        let now_ms = || tributary_runtime::Clock::now_ticks(&tributary_runtime::SystemClock::new()) / 10_000;
        let log = EmbeddedLog::memory_with_clock(Arc::new(move || now_ms() + ahead));
        let stage = Stage::on(Arc::new(log), "t", &["hq"], 1);
        let process = stage.sound("process").capture("hq");
        for id in 1..=20 {
            // Each in its own millisecond, the finest that SQLite tells.
            stage.execute("hq", &format!("INSERT INTO Item VALUES ({id}, 'a')"));
            std::thread::sleep(Duration::from_millis(3));
        }
        wait_for_changes(&stage, 20);
        let times: Vec<_> = changes(&stage).iter().map(|(_, change)| change.effective_at.unwrap()).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
        let off = times[19] - (now_ms() + ahead) * 10_000;
        assert!(off.abs() < 30 * TICKS_A_SECOND, "{off}");
        let skew = process.metric("t_capture_clock_skew_seconds{member=\"hq\"}");
        assert!((skew + hours as f64 * 3600.0).abs() < 30.0, "{skew}");
        let lag = process.metric("t_capture_lag_seconds{member=\"hq\"}");
        assert!((0.0..30.0).contains(&lag), "{lag}");
        process.stop();
    }
}

pub(crate) fn the_first_change_of_every_page_begins_a_trace() {
    let stage = Stage::new(&["hq"]);
    stage.execute(
        "hq",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50)
        INSERT INTO Item SELECT i, 'a' FROM n",
    );
    let process = stage.sound("process").capture("hq");
    wait_for_changes(&stage, 50);
    stage.execute("hq", "INSERT INTO Item VALUES (99, 'alone')");
    wait_for_changes(&stage, 51);
    let records = stage.records(&stage.changes());
    let traces: BTreeSet<_> =
        records.iter().filter_map(|record| Trace::of(&record.headers)).map(|trace| trace.id()).collect();
    assert_eq!(traces.len(), 2);
    process.stop();
}
