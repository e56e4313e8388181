//! Reading: order, wholeness, limits, positions, waiting.

use super::{
    Factory, GLANCE, PATIENCE, all, assert_silent, compacted, kept, member, publish, reader, record, take,
    text, texts, tombstone, unique,
};
use crate::{
    Consumer, ConsumerSettings, Error, Headers, Isolation, Log, Start, TopicPartition, partition_of,
};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Records of one key come in the order in which they were sent, over sends, transactions and producers.
pub async fn order_per_key<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 3).await;
    let keys = ["a", "b", "c", "d", "e", "f", "g"];
    let mut number = 0;
    for _ in 0..4 {
        let mut producer = log.producer(&unique("order")).await.unwrap();
        for _ in 0..3 {
            producer.begin().await.unwrap();
            for _ in 0..2 {
                let records = (0..50).map(|_| {
                    number += 1;
                    let key = keys[number % keys.len()];
                    record(&topic, partition_of(key.as_bytes(), 3), key, &number.to_string())
                });
                producer.send(records.collect()).await.unwrap();
            }
            producer.commit().await.unwrap();
        }
    }
    let mut consumer = reader(&log, &topic).await;
    let records = take(&mut *consumer, number).await;
    let mut last: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    let mut offsets: BTreeMap<u32, u64> = BTreeMap::new();
    for record in &records {
        let value: usize = text(record).parse().unwrap();
        assert!(last.insert(record.key.clone(), value).is_none_or(|before| before < value));
        assert!(offsets.insert(record.partition, record.offset).is_none_or(|before| before < record.offset));
    }
}

/// Key, value, headers, topic and partition come back byte for byte; an empty value is no tombstone.
pub async fn records_come_back_whole<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 2).await;
    let before = log.clock_ms().await.unwrap();
    let mut binary = record(&topic, 0, "", "");
    binary.key = (0..=255).collect();
    binary.value = Some((0..=255).rev().collect());
    binary.headers =
        Headers::new().with("dss-origin", b"hq").with("empty", b"").with("dss-origin", b"second");
    let sent =
        vec![binary, record(&topic, 1, "k", ""), tombstone(&topic, 1, "k"), record(&topic, 1, "", "no key")];
    publish(&log, sent.clone()).await;
    let after = log.clock_ms().await.unwrap();
    let mut records = all(&log, &topic).await;
    records.sort_by_key(|record| (record.partition, record.offset));
    assert_eq!(records.len(), sent.len());
    for (record, sent) in records.iter().zip(&sent) {
        assert_eq!((&record.topic, record.partition), (&sent.topic, sent.partition));
        assert_eq!((&record.key, &record.value, &record.headers), (&sent.key, &sent.value, &sent.headers));
        assert!((before..=after).contains(&record.timestamp_ms), "{before} {} {after}", record.timestamp_ms);
    }
    assert_eq!(records[0].headers.get("dss-origin"), Some(b"hq".as_slice()));
    assert_eq!(records[0].headers.get("empty"), Some(b"".as_slice()));
    assert_eq!(records[0].headers.get("none"), None);
}

/// A topic of 70 partitions: each has its own order and end, and all are read.
pub async fn many_partitions<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = compacted(&log, 70).await;
    for round in 0..3 {
        let records = (0..700u32).map(|n| record(&topic, n % 70, &n.to_string(), &format!("{round}")));
        publish(&log, records.collect()).await;
    }
    let mut consumer = reader(&log, &topic).await;
    let records = take(&mut *consumer, 2100).await;
    for partition in 0..70 {
        let of: Vec<_> = records.iter().filter(|record| record.partition == partition).collect();
        assert_eq!(of.len(), 30, "partition {partition}");
        assert!(of.is_sorted_by(|one, next| one.offset < next.offset));
    }
    let ends = log.offsets(&topic).await.unwrap();
    assert_eq!(ends.len(), 70);
    assert!(ends.iter().all(|range| range.end >= 30));
    assert_silent(&mut *consumer).await;
    publish(&log, vec![record(&topic, 69, "one", "more")]).await;
    assert_eq!(texts(&take(&mut *consumer, 1).await), ["more"]);
}

/// 5 MB a record, several in a transaction, and read one at a time.
pub async fn large_records<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 1).await;
    let large = |byte: u8| {
        let mut large = record(&topic, 0, "large", "");
        large.value = Some((0..5 << 20).map(|at| byte ^ at as u8).collect());
        large
    };
    let sent = vec![large(1), large(2), record(&topic, 0, "small", "one"), large(3)];
    publish(&log, sent.clone()).await;
    let mut consumer = reader(&log, &topic).await;
    let mut records = Vec::new();
    while records.len() < sent.len() {
        let polled = consumer.poll(100, 1 << 20, PATIENCE).await.unwrap().records;
        assert!(!polled.is_empty(), "the first record comes whatever its size");
        let bytes: usize =
            polled.iter().skip(1).map(|record| record.value.as_ref().map_or(0, Vec::len)).sum();
        assert!(bytes <= 1 << 20);
        records.extend(polled);
    }
    for (record, sent) in records.iter().zip(&sent) {
        assert!(record.value == sent.value && record.key == sent.key);
    }
}

/// Neither more records nor more bytes than asked for, and nothing skipped.
pub async fn limits_of_a_poll<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 2).await;
    let value = "x".repeat(100);
    publish(&log, (0..60).map(|n| record(&topic, n % 2, &format!("{n:04}"), &value)).collect()).await;
    let mut consumer = reader(&log, &topic).await;
    let mut seen = BTreeSet::new();
    while seen.len() < 30 {
        let records = consumer.poll(7, 1 << 20, PATIENCE).await.unwrap().records;
        assert!((1..=7).contains(&records.len()));
        assert!(records.iter().all(|record| seen.insert((record.partition, record.offset))), "came twice");
    }
    while seen.len() < 60 {
        // Three records have 312 bytes.
        let records = consumer.poll(1000, 350, PATIENCE).await.unwrap().records;
        assert!((1..=3).contains(&records.len()), "{}", records.len());
        assert!(records.iter().all(|record| seen.insert((record.partition, record.offset))), "came twice");
    }
    assert_silent(&mut *consumer).await;
}

/// Seeking goes to any offset that is there, backwards and forwards, and to the end.
pub async fn seeking<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 1).await;
    let partition = TopicPartition::new(topic.clone(), 0);
    publish(&log, (0..20).map(|n| record(&topic, 0, "k", &n.to_string())).collect()).await;
    let mut consumer = reader(&log, &topic).await;
    let records = take(&mut *consumer, 20).await;
    consumer.seek(&partition, records[5].offset).await.unwrap();
    assert_eq!(consumer.positions(), [(partition.clone(), records[5].offset)]);
    assert_eq!(take(&mut *consumer, 15).await, records[5..]);
    consumer.seek(&partition, records[18].offset).await.unwrap();
    assert_eq!(take(&mut *consumer, 2).await, records[18..]);
    consumer.seek(&partition, records[0].offset).await.unwrap();
    let end = log.offsets(&topic).await.unwrap()[0].end;
    consumer.seek(&partition, end).await.unwrap();
    assert_silent(&mut *consumer).await;
    let elsewhere = TopicPartition::new(kept(&log, 1).await, 0);
    let refused = consumer.seek(&elsewhere, 0).await.unwrap_err();
    assert!(matches!(&refused, Error::NotAssigned { topic, partition: 0 } if *topic == elsewhere.topic));
}

/// Without a stored offset a partition begins where the settings say; a given offset goes before.
pub async fn reading_from_the_beginning_and_the_end<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 1).await;
    let partition = TopicPartition::new(topic.clone(), 0);
    publish(&log, (0..5).map(|n| record(&topic, 0, "k", &n.to_string())).collect()).await;
    let records = all(&log, &topic).await;
    assert_eq!(texts(&records), ["0", "1", "2", "3", "4"]);
    let settings = ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::End };
    let mut consumer = log.consumer(settings).await.unwrap();
    consumer.assign(&[(partition.clone(), None)]).await.unwrap();
    assert_silent(&mut *consumer).await;
    publish(&log, vec![record(&topic, 0, "k", "5")]).await;
    assert_eq!(texts(&take(&mut *consumer, 1).await), ["5"]);
    consumer.assign(&[(partition, Some(records[3].offset))]).await.unwrap();
    assert_eq!(texts(&take(&mut *consumer, 3).await), ["3", "4", "5"]);
}

/// Offsets before the start and beyond the end are refused, and named.
pub async fn offsets_out_of_range<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 2).await;
    let partition = TopicPartition::new(topic.clone(), 1);
    publish(&log, (0..5).map(|n| record(&topic, 1, "k", &n.to_string())).collect()).await;
    let records = all(&log, &topic).await;
    log.delete_before(&partition, records[2].offset).await.unwrap();
    let range = log.offsets(&topic).await.unwrap()[1];
    let mut consumer = reader(&log, &topic).await;
    for offset in [range.end + 1, range.end + 1000, range.start - 1, 0] {
        let refusals = [
            consumer.seek(&partition, offset).await.unwrap_err(),
            consumer.assign(&[(partition.clone(), Some(offset))]).await.unwrap_err(),
        ];
        for refused in refusals {
            let Error::OffsetOutOfRange { topic: named, partition: 1, offset: asked, start, end } = &refused
            else {
                panic!("{refused}");
            };
            assert_eq!((named, *asked, *start, *end), (&topic, offset, range.start, range.end));
        }
    }
    assert_eq!(texts(&take(&mut *consumer, 3).await), ["2", "3", "4"]);
}

/// A poll that waits returns when something is committed, long before its time is over.
pub async fn a_waiting_poll_wakes<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 8).await;
    let mut consumer = reader(&log, &topic).await;
    let mut producer = log.producer(&unique("waker")).await.unwrap();
    for round in 0..20 {
        let began = Instant::now();
        let commit = async {
            producer.begin().await.unwrap();
            producer.send(vec![record(&topic, round % 8, "k", &round.to_string())]).await.unwrap();
            producer.commit().await.unwrap();
        };
        // The poll is first, so that it waits when the commit comes.
        let (polled, ()) = tokio::join!(consumer.poll(10, 1 << 20, PATIENCE), commit);
        let mut records = polled.unwrap().records;
        if records.is_empty() {
            records = take(&mut *consumer, 1).await;
        }
        assert_eq!(texts(&records), [round.to_string()]);
        assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    }
}

/// Two threads answer each other by way of two topics: no wake-up is lost between a look and a wait.
pub async fn threads_wake_each_other<F: Factory>(factory: &F) {
    const ROUNDS: usize = 300;
    let log = factory.log().await;
    let (questions, answers) = (kept(&log, 1).await, kept(&log, 1).await);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for (from, to, asks) in [(&answers, &questions, true), (&questions, &answers, false)] {
            let log = &log;
            scope.spawn(move || {
                super::run(async move {
                    let mut consumer = reader(log, from).await;
                    let mut producer = log.producer(&unique("thread")).await.unwrap();
                    for round in 0..ROUNDS {
                        if !asks {
                            assert_eq!(texts(&take(&mut *consumer, 1).await), [round.to_string()]);
                        }
                        producer.begin().await.unwrap();
                        producer.send(vec![record(to, 0, "k", &round.to_string())]).await.unwrap();
                        producer.commit().await.unwrap();
                        if asks {
                            assert_eq!(texts(&take(&mut *consumer, 1).await), [round.to_string()]);
                        }
                    }
                });
            });
        }
    });
    // A lost wake-up costs the second that a poll of `take` waits.
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

/// A paused partition brings nothing, keeps its position, and goes on where it was.
pub async fn pausing<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 2).await;
    let paused = [TopicPartition::new(topic.clone(), 0)];
    let mut consumer = reader(&log, &topic).await;
    consumer.pause(&paused);
    publish(&log, (0..10).map(|n| record(&topic, n % 2, "k", &n.to_string())).collect()).await;
    assert_eq!(texts(&take(&mut *consumer, 5).await), ["1", "3", "5", "7", "9"]);
    assert_silent(&mut *consumer).await;
    consumer.resume(&paused);
    assert_eq!(texts(&take(&mut *consumer, 5).await), ["0", "2", "4", "6", "8"]);
}

/// A partition with a long backlog does not keep the others waiting.
pub async fn no_partition_starves<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 4).await;
    // More than a log reads ahead of one partition, and not to be compressed.
    let large = |n: u64| {
        let mut value = vec![0; 2048];
        blake3::Hasher::new().update(&n.to_le_bytes()).finalize_xof().fill(&mut value);
        crate::Outgoing { value: Some(value), ..record(&topic, 0, "k", "") }
    };
    publish(&log, (0..2000).map(large).collect()).await;
    publish(&log, (1..4).map(|partition| record(&topic, partition, "k", "few")).collect()).await;
    let mut consumer = reader(&log, &topic).await;
    let mut seen = BTreeSet::new();
    let mut records = 0;
    while seen.len() < 4 {
        let polled = consumer.poll(100, 16 << 20, PATIENCE).await.unwrap().records;
        records += polled.len();
        seen.extend(polled.iter().map(|record| record.partition));
    }
    assert!(records < 1500, "the other partitions came only after {records} records of the first");
}

/// Within a partition timestamps never go back.
pub async fn timestamps_do_not_go_back<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 1).await;
    for n in 0..5 {
        publish(&log, vec![record(&topic, 0, "k", &n.to_string())]).await;
        factory.advance_clock(Duration::from_millis(7));
    }
    let mut group = member(&log, &unique("group")).await;
    group.assign(&[(TopicPartition::new(topic.clone(), 0), None)]).await.unwrap();
    let records = take(&mut *group, 5).await;
    assert!(records.is_sorted_by_key(|record| record.timestamp_ms));
    let read: Box<dyn Consumer> = reader(&log, &topic).await;
    assert_eq!(read.positions().len(), 1);
}

/// Ranges are counted by their records, whatever else has taken offsets; a group's size by its members.
pub async fn counted_ranges<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 2).await;
    let at = TopicPartition::new(topic.clone(), 1);
    for n in 0..5 {
        publish(&log, vec![record(&topic, 1, "k", &n.to_string())]).await;
        let mut producer = log.producer(&unique("aborted")).await.unwrap();
        producer.begin().await.unwrap();
        producer.send(vec![record(&topic, 1, "k", "aborted")]).await.unwrap();
        producer.abort().await.unwrap();
    }
    let records = all(&log, &topic).await;
    let range = log.offsets(&topic).await.unwrap()[1];
    let counted = |start, end| {
        let ranges = [(at.clone(), crate::OffsetRange { start, end })];
        let log = &log;
        async move { log.count_records(&ranges).await.unwrap() }
    };
    assert_eq!(counted(range.start, range.end).await, [5]);
    assert_eq!(counted(range.start, range.end + 100).await, [5]);
    assert_eq!(counted(records[2].offset, records[4].offset).await, [2]);
    assert_eq!(counted(records[4].offset + 1, range.end).await, [0]);
    let group = unique("group");
    assert_eq!(log.group_size(&group).await.unwrap(), 0);
    let mut joined = member(&log, &group).await;
    joined.subscribe(&[topic]).await.unwrap();
    let until = Instant::now() + PATIENCE;
    while log.group_size(&group).await.unwrap() != 1 {
        assert!(Instant::now() < until, "the group has no member in time");
        joined.poll(10, 1 << 20, GLANCE).await.unwrap();
    }
}
