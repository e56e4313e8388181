//! Several resolvers share the partitions: every change is settled once, whoever loses a partition, and when.

use crate::faulty::{Call, Fault, FaultyLog, fenced, unavailable};
use crate::gate::Gate;
use crate::stage::{Stage, until};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tributary_model::{Resolved, Value};
use tributary_stream::{Error, Outgoing};

/// Rows `from` to `to` in a member, each in a transaction of its own.
fn insert(stage: &Stage, member: &str, from: u32, to: u32) {
    for id in from..=to {
        stage.execute(member, &format!("INSERT INTO Item VALUES ({id}, '{member}')"));
    }
}

/// Waits until every change that was made in the one member is settled, and makes sure that it was settled once.
fn wait_for_settled(stage: &Stage, count: usize) {
    until(&format!("{count} settled changes"), || stage.records(&stage.resolved()).len() >= count);
    let records = stage.records(&stage.resolved());
    let codec = &stage.channels.tables[0].codec;
    let winners =
        records.iter().map(|record| codec.decode_resolved(record.value.as_ref().unwrap()).unwrap().winner);
    let distinct: std::collections::BTreeSet<_> = winners.map(|dot| dot.version).collect();
    assert_eq!((records.len(), distinct.len()), (count, count));
    assert_eq!(stage.conflicts(), 0);
}

pub(crate) fn two_processes_share_the_partitions_and_hand_them_over() {
    let stage = Stage::with(&["hq"], 4);
    let members = stage.sound("members").capture("hq");
    // In one folder, as two processes of a machine.
    let one = stage.sound("resolvers").resolver();
    insert(&stage, "hq", 1, 20);
    wait_for_settled(&stage, 20);
    let two = stage.sound("resolvers").resolver();
    until("both to have two partitions", || {
        [&one, &two].iter().all(|process| process.metric("t_resolver_partitions ") == 2.0)
    });
    for name in ["resolver.db", "resolver-1.db", "resolver.db.lock", "resolver-1.db.lock"] {
        assert!(one.data.join(name).exists(), "{name}");
    }
    stage.execute("hq", "UPDATE Item SET Name = 'b'");
    wait_for_settled(&stage, 40);
    one.stop();
    stage.execute("hq", "UPDATE Item SET Name = 'c'");
    wait_for_settled(&stage, 60);
    let three = stage.sound("resolvers").resolver();
    until("the third to have its share", || three.metric("t_resolver_partitions ") == 2.0);
    two.stop();
    stage.execute("hq", "UPDATE Item SET Name = 'd'");
    wait_for_settled(&stage, 80);
    assert_eq!(three.worker("resolver").restarts, 0);
    three.stop();
    members.stop();
}

pub(crate) fn a_resolver_without_partitions_stands_by() {
    let stage = Stage::with(&["hq"], 1);
    let one = stage.sound("one").resolver();
    one.wait_for_note("resolver", "resolving");
    let two = stage.sound("two").resolver();
    two.wait_for_note("resolver", "standing by");
    one.stop();
    two.wait_for_note("resolver", "resolving");
    two.stop();
}

/// One that sleeps within a transaction, is replaced, and wakes: nothing of the transaction remains.
pub(crate) fn a_zombie_publishes_nothing_and_comes_back() {
    for at_commit in [false, true] {
        let stage = Stage::new(&["hq"]);
        let members = stage.sound("members").capture("hq");
        let (gate, armed) = (Arc::new(Gate::default()), Arc::new(AtomicBool::new(false)));
        let (waits, sleeps) = (Arc::clone(&gate), Arc::clone(&armed));
        let log = FaultyLog::new(Arc::clone(&stage.log), move |call| {
            let here = if at_commit { matches!(call, Call::Commit) } else { matches!(call, Call::Begin) };
            if here && sleeps.swap(false, Ordering::SeqCst) {
                waits.wait();
            }
            None
        });
        let zombie = stage.process("zombie", Arc::new(log.clone())).resolver();
        insert(&stage, "hq", 1, 10);
        wait_for_settled(&stage, 10);
        armed.store(true, Ordering::SeqCst);
        stage.execute("hq", "UPDATE Item SET Name = 'b'");
        gate.until_somebody_waits();
        log.kick();
        let heir = stage.sound("heir").resolver();
        wait_for_settled(&stage, 20);
        gate.open();
        until("both to have a partition", || {
            [&zombie, &heir].iter().all(|process| process.metric("t_resolver_partitions ") == 1.0)
        });
        stage.execute("hq", "UPDATE Item SET Name = 'c'");
        wait_for_settled(&stage, 30);
        assert_eq!(zombie.worker("resolver").restarts, 0);
        heir.stop();
        stage.execute("hq", "UPDATE Item SET Name = 'd'");
        wait_for_settled(&stage, 40);
        zombie.stop();
        members.stop();
    }
}

/// One that slept as long as a session lasts asks its group before it goes on, whatever it was told before.
pub(crate) fn a_long_sleep_is_slept_off_before_anything_is_published() {
    let stage = Stage::new(&["hq"]);
    let members = stage.sound("members").capture("hq");
    let (asked, denied) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (count, denies) = (Arc::clone(&asked), Arc::clone(&denied));
    let topic = stage.changes();
    let log = FaultyLog::new(Arc::clone(&stage.log), move |call| {
        let is_denied = matches!(call, Call::Store) && denies.load(Ordering::SeqCst);
        is_denied.then(|| {
            count.fetch_add(1, Ordering::SeqCst);
            Fault::Before(Error::NotAssigned { topic: topic.clone(), partition: 0 })
        })
    });
    let clock = tributary_runtime::ManualClock::at(0);
    let process = stage.process("sleeper", Arc::new(log)).by_clock(clock.shared()).resolver();
    insert(&stage, "hq", 1, 10);
    wait_for_settled(&stage, 10);
    denied.store(true, Ordering::SeqCst);
    clock.advance(std::time::Duration::from_secs(60));
    until("the group to be asked", || asked.load(Ordering::SeqCst) > 2);
    stage.execute("hq", "UPDATE Item SET Name = 'b'");
    assert_eq!(process.metric("t_resolver_partitions "), 0.0);
    assert_eq!(
        stage.records(&stage.resolved()).len(),
        10,
        "nothing is published by one that the group does not know"
    );
    denied.store(false, Ordering::SeqCst);
    wait_for_settled(&stage, 20);
    assert_eq!(process.worker("resolver").restarts, 0);
    process.stop();
    members.stop();
}

/// The store must not claim records that another process has published while this one thought the partition its own.
pub(crate) fn the_state_claims_nothing_that_it_never_saw() {
    let stage = Stage::with(&["hq", "cloud"], 1);
    let members = stage.sound("members").capture("hq").capture("cloud").apply("hq");
    let cloud = stage.sound("cloud").apply("cloud");
    let (gate, armed) = (Arc::new(Gate::default()), Arc::new(AtomicBool::new(false)));
    let (waits, looks, resolved) = (Arc::clone(&gate), Arc::clone(&armed), stage.resolved());
    let log = FaultyLog::new(Arc::clone(&stage.log), move |call| {
        if matches!(call, Call::Offsets(topic) if **topic == resolved) && looks.swap(false, Ordering::SeqCst)
        {
            waits.wait();
        }
        None
    });
    let slow = stage.process("slow", Arc::new(log.clone())).resolver();
    stage.execute("hq", "INSERT INTO Item VALUES (1, 'a')");
    until("both to have the row", || stage.items("cloud") == ["1|a"]);
    armed.store(true, Ordering::SeqCst);
    stage.execute("hq", "UPDATE Item SET Name = 'b'");
    until("both to have the update", || stage.items("cloud") == ["1|b"]);
    cloud.stop();
    // It is about to ask how far the topic reaches, in order to note that it has seen all of it.
    gate.until_somebody_waits();
    log.kick();
    let other = stage.sound("other").resolver();
    stage.execute("hq", "UPDATE Item SET Name = 'c'");
    let codec = &stage.channels.tables[0].codec;
    let settled = || {
        let record = stage.records(&stage.resolved()).pop();
        record.map(|record| codec.decode_resolved(&record.value.unwrap()).unwrap())
    };
    let renamed = |record: Resolved| record.row.unwrap().get(1) == Some(&Value::String("c".into()));
    until("the other one to settle it", || settled().is_some_and(renamed));
    other.stop();
    gate.open();
    // Not made on top of what the other one has settled, so this is a conflict: unless the state has missed that.
    stage.execute("cloud", "UPDATE Item SET Name = 'd'");
    let knows_cloud = |record: Resolved| record.vv.to_string().contains("cloud");
    until("it to be settled", || settled().is_some_and(knows_cloud));
    assert_eq!(stage.conflicts(), 1);
    slow.stop();
    members.stop();
}

/// Whatever call fails, before its effect or after it: what was consumed is consumed again, and settled once.
pub(crate) fn failing_calls_lose_and_double_nothing() {
    type Place = (&'static str, fn(&Call<'_>) -> bool, fn() -> Error);
    let places: [Place; 8] = [
        ("producer", |call| matches!(call, Call::Producer), unavailable),
        ("begin", |call| matches!(call, Call::Begin), unavailable),
        ("send", |call| matches!(call, Call::Send(_)), unavailable),
        ("send_offsets", |call| matches!(call, Call::SendOffsets), unavailable),
        ("commit", |call| matches!(call, Call::Commit), unavailable),
        ("poll", |call| matches!(call, Call::Poll), unavailable),
        ("offsets", |call| matches!(call, Call::Offsets(_)), unavailable),
        ("fence", |call| matches!(call, Call::Commit), fenced),
    ];
    for (name, is_here, error) in places {
        for after in [false, true] {
            // That a fenced transaction has taken place all the same is ruled out by the log; it does no harm either.
            let stage = Stage::new(&["hq"]);
            let members = stage.sound("members").capture("hq");
            let count = Arc::new(AtomicUsize::new(0));
            let calls = Arc::clone(&count);
            let log = FaultyLog::new(Arc::clone(&stage.log), move |call| {
                // A worker begins with many polls and questions for ends, and shall come to an end of that.
                let every = if ["poll", "offsets"].contains(&name) { 40 } else { 9 };
                let fails =
                    is_here(call) && [0, 1, 4].contains(&(calls.fetch_add(1, Ordering::SeqCst) % every));
                let fault = if after { Fault::After } else { Fault::Before };
                fails.then(|| fault(error()))
            });
            let process = stage.process(name, Arc::new(log)).resolver();
            for round in 0..10 {
                insert(&stage, "hq", round * 3 + 1, round * 3 + 3);
                wait_for_settled(&stage, round as usize * 3 + 3);
            }
            if error().code() == fenced().code() {
                assert_eq!(process.worker("resolver").restarts, 0, "being fenced is everyday work");
            }
            process.stop();
            members.stop();
            assert!(count.load(Ordering::SeqCst) >= 3, "{name} was called");
        }
    }
}

pub(crate) fn a_record_over_the_logs_own_limit_stops_the_resolver_and_loses_nothing() {
    let stage = Stage::new(&["hq", "cloud"]);
    let members = stage.sound("members").capture("hq").apply("cloud");
    let limit = Arc::new(Mutex::new(10_000));
    let (topic, narrow) = (stage.resolved(), Arc::clone(&limit));
    let log = FaultyLog::new(Arc::clone(&stage.log), move |call| {
        let Call::Send(records) = call else { return None };
        let limit = *narrow.lock().unwrap();
        let size = |record: &Outgoing| record.value.as_ref().map_or(0, Vec::len);
        let bytes =
            records.iter().filter(|r| r.topic == topic).map(size).max().filter(|bytes| *bytes > limit)?;
        Some(Fault::Before(Error::RecordTooLarge { topic: topic.clone(), bytes, limit }))
    });
    let resolver = stage.process("narrow", Arc::new(log)).resolver();
    stage.execute("hq", "INSERT INTO Item VALUES (1, 'a')");
    until("the row to arrive", || stage.items("cloud").len() == 1);
    stage.execute("hq", "INSERT INTO Item VALUES (2, hex(randomblob(8000))), (3, 'beside it')");
    let reason = resolver.wait_for_halt("resolver");
    assert!(reason.contains("max.message.bytes") && reason.contains(stage.resolved().as_str()), "{reason}");
    assert_eq!(stage.items("cloud").len(), 1);
    *limit.lock().unwrap() = 1_000_000;
    assert!(resolver.supervisor.board().resume("resolver"));
    until("all rows to arrive", || stage.items("cloud") == stage.items("hq"));
    resolver.stop();
    members.stop();
}
