//! Random histories of keys, tombstones, time and compactions with room for few keys, against a plain model.

use super::*;
use crate::{ConsumerSettings, Headers, Incoming, Isolation, Log, Outgoing, Start, TopicSettings};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

const RETENTION_MS: i64 = 100;
const PARTITIONS: u32 = 2;

#[derive(Debug, Clone)]
enum Step {
    /// Keys, and whether each is a value or a tombstone.
    Write(Vec<(u8, bool)>),
    Pass(i64),
    /// With room for so many keys.
    Compact(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec((0..12u8, any::<bool>()), 1..20).prop_map(Step::Write),
        1 => (1..150i64).prop_map(Step::Pass),
        2 => (1..8usize).prop_map(Step::Compact),
    ]
}

async fn read(log: &EmbeddedLog, topic: &TopicName) -> Vec<Incoming> {
    let settings = ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
    let mut consumer = log.consumer(settings).await.unwrap();
    let all: Vec<_> =
        (0..PARTITIONS).map(|partition| (TopicPartition::new(topic.clone(), partition), None)).collect();
    consumer.assign(&all).await.unwrap();
    let mut records = Vec::new();
    loop {
        let polled = consumer.poll(1000, 1 << 20, Duration::ZERO).await.unwrap().records;
        if polled.is_empty() {
            return records;
        }
        records.extend(polled);
    }
}

async fn check(log: &EmbeddedLog, topic: &TopicName, written: &[Incoming], now_ms: i64) {
    let there = read(log, topic).await;
    let mut last: BTreeMap<(u32, &[u8]), &Incoming> = BTreeMap::new();
    let mut newest: BTreeMap<u32, u64> = BTreeMap::new();
    for record in written {
        last.insert((record.partition, &record.key), record);
        newest.insert(record.partition, record.offset);
    }
    for record in &there {
        assert!(written.contains(record), "{record:?} was never written");
        assert_eq!(
            last.get(&(record.partition, record.key.as_slice())),
            Some(&record),
            "a superseded record"
        );
        let expired = record.value.is_none() && record.timestamp_ms + RETENTION_MS <= now_ms;
        assert!(!expired || newest.get(&record.partition) == Some(&record.offset), "an expired tombstone");
    }
    for record in last.values() {
        let expired = record.value.is_none() && record.timestamp_ms + RETENTION_MS <= now_ms;
        let stays = !expired || newest.get(&record.partition) == Some(&record.offset);
        assert!(!stays || there.contains(record), "{record:?} is gone");
    }
}

async fn play(steps: Vec<Step>) {
    let hands = Arc::new(AtomicI64::new(1_000));
    let clock = Arc::clone(&hands);
    let log = EmbeddedLog::memory_with_clock(Arc::new(move || clock.load(Ordering::Relaxed)));
    let topic = TopicName::new("compacted");
    let delete_retention = Duration::from_millis(RETENTION_MS.unsigned_abs());
    let cleanup = Cleanup::Compact { delete_retention };
    let settings =
        TopicSettings { name: topic.clone(), partitions: PARTITIONS, cleanup, max_record_bytes: 1 << 20 };
    log.ensure_topics(&[settings]).await.unwrap();
    let known = log.shared.topic(&topic).unwrap();
    let mut producer = log.producer("producer").await.unwrap();
    let mut written: Vec<Incoming> = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Write(keys) => {
                producer.begin().await.unwrap();
                let mut records = Vec::new();
                for (key, value) in keys {
                    let partition = u32::from(key) % PARTITIONS;
                    let value = value.then(|| number.to_be_bytes().to_vec());
                    let offset = written.iter().filter(|record| record.partition == partition).count() as u64;
                    let headers = Headers::new();
                    records.push(Outgoing {
                        topic: topic.clone(),
                        partition,
                        key: vec![key],
                        value: value.clone(),
                        headers: headers.clone(),
                    });
                    let timestamp_ms = hands.load(Ordering::Relaxed);
                    let topic = topic.clone();
                    written.push(Incoming {
                        topic,
                        partition,
                        offset,
                        timestamp_ms,
                        key: vec![key],
                        value,
                        headers,
                    });
                }
                producer.send(records).await.unwrap();
                producer.commit().await.unwrap();
            }
            Step::Pass(milliseconds) => {
                hands.fetch_add(milliseconds, Ordering::Relaxed);
            }
            Step::Compact(keys_at_once) => {
                log.shared.compact(&known, keys_at_once, |_| true).unwrap();
                check(&log, &topic, &written, hands.load(Ordering::Relaxed)).await;
            }
        }
    }
    for (partition, range) in (0..PARTITIONS).zip(log.offsets(&topic).await.unwrap()) {
        let given = written.iter().filter(|record| record.partition == partition).count() as u64;
        assert_eq!((range.start, range.end), (0, given));
    }
}

proptest! {
    #[test]
    fn what_stays_is_what_the_model_says(steps in prop::collection::vec(step(), 1..25)) {
        crate::contract::run(play(steps));
    }
}

#[test]
fn maintenance_waits_until_it_is_worthwhile() {
    crate::contract::run(async {
        let log = EmbeddedLog::memory();
        let topic = crate::contract::compacted(&log, 1).await;
        let records = |count: u64| {
            (0..count)
                .map(|n| crate::contract::record(&topic, 0, &(n % 3000).to_string(), "v"))
                .collect::<Vec<_>>()
        };
        crate::contract::publish(&log, records(WORTHWHILE - 1)).await;
        assert_eq!(log.maintain().unwrap(), Maintenance::default());
        crate::contract::publish(&log, records(1)).await;
        assert_eq!(log.maintain().unwrap(), Maintenance { partitions: 1, removed: WORTHWHILE - 3000 });
        assert_eq!(log.maintain().unwrap(), Maintenance::default());
        crate::contract::publish(&log, records(WORTHWHILE)).await;
        assert_eq!(log.maintain().unwrap(), Maintenance { partitions: 1, removed: WORTHWHILE });
        assert_eq!(crate::contract::all(&log, &topic).await.len(), 3000);
    });
}
