//! Positions at ends that no record marks, and after a seek: who waits for an end must reach it, and must not think
//! so too early.

use crate::compacting::{compact, write_aborted};
use crate::support::log;
use std::time::{Duration, Instant};
use tributary_stream::contract::{
    PATIENCE, all, compacted, kept, publish, reader, record, run, take, texts, tombstone,
};
use tributary_stream::{Consumer, Log, TopicName, TopicPartition};
use tributary_testkit::services::Test;

pub(crate) fn tests() -> Vec<Test> {
    tests!("ends": aborted_transactions_are_passed, compacted_records_are_passed,
        nothing_of_an_old_position_is_left, pausing_keeps_the_position)
}

/// Polls until the consumer stands at the ends as they are now; gives how many records came on the way.
pub(crate) async fn reach_the_end(consumer: &mut dyn Consumer, log: &impl Log, topic: &TopicName) -> usize {
    let ends = log.offsets(topic).await.unwrap();
    let end = |at: &TopicPartition| ends[at.partition as usize].end;
    let until = Instant::now() + PATIENCE;
    let mut records = 0;
    while consumer.positions().iter().any(|(at, next)| *next < end(at)) {
        assert!(Instant::now() < until, "{:?} are not {ends:?} in time", consumer.positions());
        records += consumer.poll(1000, 16 << 20, Duration::from_millis(100)).await.unwrap().records.len();
    }
    let beyond = consumer.positions().into_iter().find(|(at, next)| *next > end(at));
    assert_eq!(beyond, None, "a position beyond the end");
    records
}

/// The records of an aborted transaction and its marker are passed, also where there is nothing else.
fn aborted_transactions_are_passed() {
    run(async {
        let log = log().await;
        for before in [0, 4] {
            let topic = kept(&log, 2).await;
            publish(&log, (0..before).map(|n| record(&topic, n % 2, "k", "before")).collect()).await;
            let mut consumer = reader(&log, &topic).await;
            for _ in 0..2 {
                write_aborted(&topic, 2);
            }
            assert_eq!(reach_the_end(&mut *consumer, &log, &topic).await, before as usize);
            publish(&log, vec![record(&topic, 1, "k", "after")]).await;
            assert_eq!(texts(&take(&mut *consumer, 1).await), ["after"]);
        }
    });
}

/// Holes are passed: by a reader that was before them, by one that begins in them, and by one that begins after the
/// last record that is left.
fn compacted_records_are_passed() {
    run(async {
        let log = log().await;
        let topic = compacted(&log, 1).await;
        let at = TopicPartition::new(topic.clone(), 0);
        for n in 0..5 {
            publish(&log, vec![record(&topic, 0, "k", &n.to_string()), tombstone(&topic, 0, "t")]).await;
        }
        let records = all(&log, &topic).await;
        let (mut before, mut within, mut after) =
            (reader(&log, &topic).await, reader(&log, &topic).await, reader(&log, &topic).await);
        compact(&log, &topic).await;
        compact(&log, &topic).await;
        let left = all(&log, &topic).await;
        assert_eq!(left, records[8..]);
        within.seek(&at, records[5].offset).await.unwrap();
        after.seek(&at, left[1].offset + 1).await.unwrap();
        // What it had fetched before may still come to the first one.
        assert!(reach_the_end(&mut *before, &log, &topic).await >= 2);
        assert_eq!(reach_the_end(&mut *within, &log, &topic).await, 2);
        assert_eq!(reach_the_end(&mut *after, &log, &topic).await, 0);
        publish(&log, vec![record(&topic, 0, "k", "after")]).await;
        for consumer in [&mut before, &mut within, &mut after] {
            assert_eq!(texts(&take(&mut **consumer, 1).await), ["after"]);
        }
    });
}

/// Right after a seek, and after the same partition was taken again, the position is where it was moved to.
fn nothing_of_an_old_position_is_left() {
    run(async {
        let log = log().await;
        let topic = kept(&log, 1).await;
        let at = TopicPartition::new(topic.clone(), 0);
        publish(&log, (0..10).map(|n| record(&topic, 0, "k", &n.to_string())).collect()).await;
        let mut consumer = reader(&log, &topic).await;
        let records = take(&mut *consumer, 10).await;
        let back = [(at.clone(), records[1].offset)];
        for round in 0..20 { let t0=Instant::now();
            reach_the_end(&mut *consumer, &log, &topic).await;
            let t1=Instant::now(); if round % 2 == 0 {
                consumer.seek(&at, records[1].offset).await.unwrap();
            } else {
                consumer.assign(&[(at.clone(), Some(records[1].offset))]).await.unwrap();
            }
            assert_eq!(consumer.positions(), back, "round {round}"); eprintln!("{round} reach {:?} move {:?}", t1-t0, t1.elapsed());
        }
        assert_eq!(take(&mut *consumer, 9).await, records[1..]);
    });
}

/// A partition that is paused and sought stays where it was sought, and goes on from there.
fn pausing_keeps_the_position() {
    run(async {
        let log = log().await;
        let topic = kept(&log, 1).await;
        let at = TopicPartition::new(topic.clone(), 0);
        publish(&log, (0..10).map(|n| record(&topic, 0, "k", &n.to_string())).collect()).await;
        let mut consumer = reader(&log, &topic).await;
        let records = take(&mut *consumer, 10).await;
        consumer.pause(std::slice::from_ref(&at));
        consumer.seek(&at, records[4].offset).await.unwrap();
        for _ in 0..5 {
            let polled = consumer.poll(10, 1 << 20, Duration::from_millis(20)).await.unwrap();
            assert!(polled.records.is_empty());
            assert_eq!(consumer.positions(), [(at.clone(), records[4].offset)]);
        }
        consumer.resume(std::slice::from_ref(&at));
        let more = consumer.poll(2, 1 << 20, PATIENCE).await.unwrap().records;
        assert_eq!(more, records[4..][..more.len()]);
        // Some may be kept here, and are not lost with it.
        consumer.pause(std::slice::from_ref(&at));
        let next = records[4].offset + more.len() as u64;
        assert_eq!(consumer.positions(), [(at.clone(), next)]);
        consumer.resume(std::slice::from_ref(&at));
        assert_eq!(take(&mut *consumer, 6 - more.len()).await, records[4 + more.len()..]);
    });
}
