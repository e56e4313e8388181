//! Records that nobody can use, in the topics of a table: listed with their place, and everything else goes on.

use crate::faulty::{Call, Fault, FaultyLog, unavailable};
use crate::stage::{Stage, block_on, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tributary_codec::ExceptionCodec;
use tributary_model::{ExceptionKind, ExceptionRecord, KeyBytes, MetBy};
use tributary_stream::{Headers, Outgoing, TopicName, read_latest};

/// Writes to a topic as another program would; in every partition.
fn write(stage: &Stage, topic: &TopicName, key: &[u8], value: Option<&[u8]>, headers: Headers) {
    block_on(async {
        let partitions = stage.log.offsets(topic).await.unwrap().len() as u32;
        let records = (0..partitions).map(|partition| Outgoing {
            topic: topic.clone(),
            partition,
            key: key.to_vec(),
            value: value.map(<[u8]>::to_vec),
            headers: headers.clone(),
        });
        // Of its own for each test: they share a broker, and a second one of the same name fences the first.
        let name = stage.channels.topics.capture_group("foreign");
        let mut producer = stage.log.producer(&name).await.unwrap();
        producer.begin().await.unwrap();
        producer.send(records.collect()).await.unwrap();
        producer.commit().await.unwrap();
    });
}

/// What is listed, in the order of the topic.
fn listed(stage: &Stage) -> Vec<ExceptionRecord> {
    let topic = stage.channels.topics.exceptions();
    let latest = block_on(read_latest(stage.log.as_ref(), &topic)).unwrap();
    latest.into_iter().map(|(_, value)| ExceptionCodec::decode(&value).unwrap()).collect()
}

/// The key of row `id` as it stands on the topics.
fn key(stage: &Stage, id: u8) -> Vec<u8> {
    let channel = &stage.channels.tables[0];
    channel.codec.encode_key(channel.key_id.0, &KeyBytes::new([id << 1]))
}

pub(crate) fn foreign_changes_are_listed_and_the_partition_goes_on() {
    let stage = Stage::new(&["hq", "cloud"]);
    let workers = stage.sound("workers").capture("hq").apply("cloud");
    stage.execute("hq", "INSERT INTO Item VALUES (1, 'a'), (2, 'a'), (3, 'a')");
    let topic = stage.changes();
    until("the changes", || stage.records(&topic).len() == 3);
    let ours = Headers::new().with("dss-origin", b"hq");
    write(&stage, &topic, b"plain", Some(b"{\"id\":1}"), Headers::new().with("by", b"hand"));
    write(&stage, &topic, &key(&stage, 1), Some(b"\0\0\0\0\x63garbage"), ours);
    write(&stage, &topic, &key(&stage, 1), None, Headers::new());
    stage.execute("hq", "UPDATE Item SET Name = 'b'");
    let resolver = stage.sound("resolver").resolver();
    until("everything else to arrive", || stage.items("cloud") == ["1|b", "2|b", "3|b"]);
    until("the foreign records to be listed", || listed(&stage).len() == 6);
    let listed = listed(&stage);
    assert!(listed.iter().all(|found| found.met_by == MetBy::Resolver && found.topic == topic.as_str()));
    let records = stage.records(&topic);
    for found in &listed {
        let place =
            |r: &&tributary_stream::Incoming| (r.partition, r.offset) == (found.partition, found.offset);
        let record = records.iter().find(place).expect("it stands where the list says");
        assert_eq!((&found.key, &found.value), (&record.key, &record.value));
    }
    let of = |code: &'static str| listed.iter().filter(move |found| found.code == code);
    let kinds = |code| of(code).map(|found| found.kind).collect::<Vec<_>>();
    assert_eq!(kinds("COD-001"), [ExceptionKind::Foreign; 2]);
    assert_eq!(kinds("COD-002"), [ExceptionKind::Unreadable; 2]);
    assert_eq!(kinds("LOG-036"), [ExceptionKind::Foreign; 2]);
    assert!(of("COD-001").all(|found| found.headers == [("by".to_owned(), b"hand".to_vec())]));
    assert_eq!(resolver.metric("t_resolver_changes_total{outcome=\"unusable\",table=\"Item\"}"), 6.0);
    assert_eq!((resolver.worker("resolver").restarts, stage.conflicts()), (0, 0));
    resolver.stop();
    workers.stop();
}

pub(crate) fn foreign_settlements_are_listed_and_change_no_row() {
    let stage = Stage::new(&["hq", "cloud"]);
    let workers = stage.sound("workers").capture("hq").capture("cloud").apply("hq");
    let resolver = stage.sound("resolver").resolver();
    stage.execute("hq", "INSERT INTO Item VALUES (1, 'a'), (2, 'a'), (3, 'a')");
    let topic = stage.resolved();
    until("the settled rows", || stage.records(&topic).len() == 3);
    resolver.stop();
    write(&stage, &topic, &key(&stage, 1), Some(b"\0\0\0\0\x63garbage"), Headers::new());
    write(&stage, &topic, &key(&stage, 2), None, Headers::new());
    write(&stage, &topic, b"plain", Some(b"{}"), Headers::new());
    let cloud = stage.sound("cloud").apply("cloud");
    until("the rows to arrive all the same", || stage.items("cloud") == ["1|a", "2|a", "3|a"]);
    let by = |met_by: &str| listed(&stage).iter().filter(|found| found.met_by.as_str() == met_by).count();
    until("both members to list them", || by("apply") == 12);
    assert_eq!(cloud.metric("t_apply_unusable_total{member=\"cloud\"}"), 6.0);
    // A resolver that has to read all of it again keeps what was settled before.
    let resolver = stage.sound("new").resolver();
    stage.execute("cloud", "UPDATE Item SET Name = 'b'");
    until("the edits to arrive", || stage.items("hq") == ["1|b", "2|b", "3|b"]);
    until("the resolver to list them", || by("resolver") == 6);
    assert_eq!(stage.conflicts(), 0, "they were made on top of what was settled");
    assert_eq!((cloud.worker("apply cloud").restarts, resolver.worker("resolver").restarts), (0, 0));
    resolver.stop();
    cloud.stop();
    workers.stop();
}

/// The list comes before the offsets: a log that fails in between costs a repetition, and nothing is passed unlisted.
pub(crate) fn nothing_is_passed_before_it_is_listed() {
    for after in [false, true] {
        let stage = Stage::new(&["hq", "cloud"]);
        let workers = stage.sound("workers").capture("hq").resolver();
        stage.execute("hq", "INSERT INTO Item VALUES (1, 'a'), (2, 'a')");
        let topic = stage.resolved();
        until("the settled rows", || stage.records(&topic).len() == 2);
        write(&stage, &topic, b"plain", Some(b"{}"), Headers::new());
        let calls = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&calls);
        let log = FaultyLog::new(Arc::clone(&stage.log), move |call| {
            let fails = matches!(call, Call::Commit) && count.fetch_add(1, Ordering::SeqCst) < 2;
            let fault = if after { Fault::After } else { Fault::Before };
            fails.then(|| fault(unavailable()))
        });
        let cloud = stage.process("cloud", Arc::new(log)).apply("cloud");
        until("the rows to arrive", || stage.items("cloud") == ["1|a", "2|a"]);
        stage.execute("hq", "INSERT INTO Item VALUES (3, 'b')");
        until("what comes later to arrive", || stage.items("cloud").len() == 3);
        assert_eq!(listed(&stage).len(), 2);
        assert!(calls.load(Ordering::SeqCst) > 2 && cloud.worker("apply cloud").restarts >= 2);
        cloud.stop();
        workers.stop();
    }
}
