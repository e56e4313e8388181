//! Looking into a log while another process writes to it must always succeed.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tributary_stream::embedded::{Access, EmbeddedLog};
use tributary_stream::{Cleanup, Headers, Log, Outgoing, TopicName, TopicSettings};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Found by `tributary sync` beside `tributary run`: ends were read in one snapshot and the newest records in a
/// later one, and the log was called damaged.
#[test]
fn a_log_can_be_opened_for_reading_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let log = EmbeddedLog::open(&path, Access::Exclusive).unwrap();
    let topic = TopicName::new("t");
    let settings = TopicSettings {
        name: topic.clone(),
        partitions: 4,
        cleanup: Cleanup::Compact { delete_retention: Duration::ZERO },
        max_record_bytes: 1 << 20,
    };
    block_on(log.ensure_topics(&[settings])).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut producer = block_on(log.producer("p")).unwrap();
            let mut count = 0_u32;
            while !done.load(Ordering::Relaxed) {
                count += 1;
                let record = |partition| Outgoing {
                    topic: topic.clone(),
                    partition,
                    key: count.to_be_bytes().to_vec(),
                    value: Some(vec![7; 100]),
                    headers: Headers::new(),
                };
                block_on(async {
                    producer.begin().await.unwrap();
                    producer.send((0..4).map(record).collect()).await.unwrap();
                    producer.commit().await.unwrap();
                });
            }
        });
        let mut ends = 0;
        for _ in 0..200 {
            let reader = EmbeddedLog::open(&path, Access::ReadOnly).unwrap();
            let ranges = block_on(reader.offsets(&topic)).unwrap();
            let sum = ranges.iter().map(|range| range.end).sum::<u64>();
            assert!(sum >= ends, "ends only grow");
            assert_eq!(sum % 4, 0, "a transaction is visible whole or not at all");
            ends = sum;
        }
        done.store(true, Ordering::Relaxed);
    });
}

/// What a command hands in beside the writer comes to all readers once the writer has taken it over, in order; what was
/// handed in while nobody wrote waits for the next writer.
#[test]
fn what_is_handed_in_is_taken_over_by_the_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let topic = TopicName::new("t");
    let settings = TopicSettings {
        name: topic.clone(),
        partitions: 1,
        cleanup: Cleanup::Compact { delete_retention: Duration::from_secs(60) },
        max_record_bytes: 1 << 20,
    };
    let record = |key: &str, value: Option<&str>| Outgoing {
        topic: topic.clone(),
        partition: 0,
        key: key.into(),
        value: value.map(Into::into),
        headers: Headers::new().with("h", b"1"),
    };
    let writer = EmbeddedLog::open(&path, Access::Exclusive).unwrap();
    block_on(writer.ensure_topics(&[settings])).unwrap();
    let command = EmbeddedLog::open(&path, Access::ReadOnly).unwrap();
    block_on(command.hand_in("operator", vec![record("a", Some("1")), record("b", None)])).unwrap();
    assert_eq!(block_on(writer.offsets(&topic)).unwrap()[0].end, 0, "nobody but the writer gives offsets");
    assert_eq!(block_on(writer.take_in()).unwrap(), 2);
    assert_eq!(block_on(writer.take_in()).unwrap(), 0, "nothing is taken over twice");
    block_on(command.hand_in("operator", vec![record("a", Some("2"))])).unwrap();
    drop(writer);
    let writer = EmbeddedLog::open(&path, Access::Exclusive).unwrap();
    let mut other = record("a", Some("3"));
    other.topic = TopicName::new("unknown");
    block_on(command.hand_in("operator", vec![other])).unwrap();
    assert_eq!(block_on(writer.take_in()).unwrap(), 2);
    let read: Vec<_> = block_on(tributary_stream::contract::all(&command, &topic))
        .into_iter()
        .map(|record| (record.key, record.value, record.headers.get("h").map(<[u8]>::to_vec)))
        .collect();
    let expected = |key: &str, value: Option<&str>| {
        (key.as_bytes().to_vec(), value.map(|v| v.as_bytes().to_vec()), Some(b"1".to_vec()))
    };
    assert_eq!(read, [expected("a", Some("1")), expected("b", None), expected("a", Some("2"))]);
}
