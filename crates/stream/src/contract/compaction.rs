//! Compaction: what stays, and what may go.

use super::{Factory, all, compacted, publish, reader, record, sorted, take, texts, tombstone};
use crate::{Incoming, Log, TopicName};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The last record of each key in each partition.
fn last_of_each(records: &[Incoming]) -> BTreeMap<(u32, Vec<u8>), Incoming> {
    records.iter().map(|record| ((record.partition, record.key.clone()), record.clone())).collect()
}

/// The last record of every key stays as it was; earlier ones go; ends do not move.
pub async fn the_last_record_of_every_key_stays<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = compacted(&log, 3).await;
    for round in 0..10 {
        let records = (0..90).filter(|n| n % (round + 1) == 0);
        publish(
            &log,
            records.map(|n| record(&topic, n % 3, &n.to_string(), &format!("{n} {round}"))).collect(),
        )
        .await;
    }
    let before = all(&log, &topic).await;
    let ends = log.offsets(&topic).await.unwrap();
    factory.compact(&log, &topic).await;
    let after = sorted(&log, &topic).await;
    let expected = last_of_each(&before);
    assert_eq!(last_of_each(&after), expected);
    assert_eq!(after.len(), expected.len(), "superseded records are still there");
    let now = log.offsets(&topic).await.unwrap();
    let moved = |now: u64, before: u64| if F::COMPACTION_APPENDS { now >= before } else { now == before };
    assert!(now.iter().zip(&ends).all(|(now, before)| moved(now.end, before.end)));
    // Again, with and without news.
    factory.compact(&log, &topic).await;
    assert_eq!(sorted(&log, &topic).await, after);
    publish(&log, vec![record(&topic, 0, "0", "newest"), record(&topic, 0, "new", "key")]).await;
    factory.compact(&log, &topic).await;
    let newest = all(&log, &topic).await;
    assert_eq!(newest.len(), expected.len() + 1);
    assert!(texts(&newest).contains(&"newest".to_owned()));
}

/// Offsets of removed records are not given again, not even after the log was closed; removed ones can be sought.
pub async fn offsets_are_not_used_again<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = compacted(&log, 1).await;
    for n in 0..5 {
        publish(&log, vec![record(&topic, 0, "k", &n.to_string())]).await;
    }
    let before = all(&log, &topic).await;
    factory.compact(&log, &topic).await;
    let mut consumer = reader(&log, &topic).await;
    let partition = consumer.positions()[0].0.clone();
    consumer.seek(&partition, before[2].offset).await.unwrap();
    assert_eq!(texts(&take(&mut *consumer, 1).await), ["4"]);
    drop(consumer);
    let end = log.offsets(&topic).await.unwrap()[0].end;
    let Some(log) = factory.reopen(log).await else { return };
    assert_eq!(log.offsets(&topic).await.unwrap()[0].end, end);
    publish(&log, vec![record(&topic, 0, "k", "5")]).await;
    let after = all(&log, &topic).await;
    assert_eq!(texts(&after), ["4", "5"]);
    assert!(after[1].offset >= end);
}

/// A tombstone removes earlier records of its key at once, and stays readable for a while.
pub async fn tombstones_stay_a_while<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = tombstones(&log).await;
    factory.compact(&log, &topic).await;
    let left = all(&log, &topic).await;
    assert_eq!(keys(&left), ["kept", "gone", "back", "newest"]);
    assert!(left[1].value.is_none() && left[3].value.is_none());
}

/// A topic with a key that is deleted, one that came back, and one that is deleted by the newest record.
pub(super) async fn tombstones(log: &impl Log) -> TopicName {
    let topic = compacted(log, 1).await;
    publish(
        log,
        vec![record(&topic, 0, "gone", "1"), record(&topic, 0, "back", "1"), record(&topic, 0, "kept", "1")],
    )
    .await;
    publish(log, vec![tombstone(&topic, 0, "gone"), tombstone(&topic, 0, "back")]).await;
    publish(log, vec![record(&topic, 0, "back", "2"), tombstone(&topic, 0, "newest")]).await;
    topic
}

/// The keys as text.
pub(super) fn keys(records: &[Incoming]) -> Vec<String> {
    records.iter().map(|record| String::from_utf8_lossy(&record.key).into_owned()).collect()
}

/// A consumer in the middle of a partition misses no last record and sees nothing twice.
pub async fn readers_go_on_during_compaction<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = compacted(&log, 2).await;
    for round in 0..20 {
        publish(&log, (0..40).map(|n| record(&topic, n % 2, &n.to_string(), &round.to_string())).collect())
            .await;
    }
    let expected = last_of_each(&all(&log, &topic).await);
    let mut consumer = reader(&log, &topic).await;
    let mut records = Vec::new();
    let mut compactions = 1;
    let ends = log.offsets(&topic).await.unwrap();
    loop {
        let polled = consumer.poll(37, 1 << 20, Duration::from_millis(50)).await.unwrap();
        records.extend(polled.records);
        if records.len() >= 100 * compactions {
            factory.compact(&log, &topic).await;
            compactions += 1;
        }
        if consumer.positions().iter().all(|(at, next)| *next >= ends[at.partition as usize].end) {
            break;
        }
    }
    let different: BTreeSet<_> = records.iter().map(|record| (record.partition, record.offset)).collect();
    assert_eq!(different.len(), records.len(), "a record came twice");
    assert_eq!(last_of_each(&records), expected);
}
