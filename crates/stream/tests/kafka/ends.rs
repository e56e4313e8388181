//! Positions at ends that no record marks, and after a seek: who waits for an end must reach it, and must not think
//! so too early.

use crate::compacting::{compact, write_aborted};
use crate::support::{LOOK, log};
use std::time::{Duration, Instant};
use tributary_stream::contract::{
    PATIENCE, all, compacted, kept, publish, reader, record, run, take, texts, tombstone, unique,
};
use tributary_stream::{Consumer, ConsumerSettings, Isolation, Log, Start, TopicName, TopicPartition};
use tributary_testkit::services::Test;

pub(crate) fn tests() -> Vec<Test> {
    tests!("ends": aborted_transactions_are_passed, compacted_records_are_passed,
        an_open_transaction_is_within_the_log, nothing_of_an_old_position_is_left, moving_does_not_wait_for_records,
        pausing_keeps_the_position)
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

/// What an open transaction has written counts as held, and comes to who begins at the end once it is committed.
fn an_open_transaction_is_within_the_log() {
    run(async {
        let log = log().await;
        let topic = kept(&log, 1).await;
        let at = TopicPartition::new(topic.clone(), 0);
        publish(&log, vec![record(&topic, 0, "k", "before")]).await;
        let start = log.offsets(&topic).await.unwrap()[0].end;
        let mut producer = log.producer(&unique("open")).await.unwrap();
        producer.begin().await.unwrap();
        producer.send(vec![record(&topic, 0, "k", "open")]).await.unwrap();
        let end = until_written(&log, &topic, start).await;
        let mut sought = reader(&log, &topic).await;
        sought.seek(&at, end).await.unwrap();
        let settings = ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::End };
        let mut at_end = log.consumer(settings).await.unwrap();
        at_end.assign(&[(at.clone(), None)]).await.unwrap();
        assert_eq!(at_end.positions(), [(at, start)]);
        producer.commit().await.unwrap();
        publish(&log, vec![record(&topic, 0, "k", "after")]).await;
        assert_eq!(texts(&take(&mut *sought, 1).await), ["after"]);
        assert_eq!(texts(&take(&mut *at_end, 2).await), ["open", "after"]);
    });
}

/// Waits until something is written beyond `start`, and gives the end then.
async fn until_written(log: &impl Log, topic: &TopicName, start: u64) -> u64 {
    let until = Instant::now() + PATIENCE;
    loop {
        let end = log.offsets(topic).await.unwrap()[0].end;
        if end > start {
            return end;
        }
        assert!(Instant::now() < until, "nothing was written in time");
        std::thread::sleep(LOOK);
    }
}

/// A seek of a consumer that waits for records, and a look at whether it has reached an end, are answered at once.
fn moving_does_not_wait_for_records() {
    run(async {
        let log = log().await;
        let topic = kept(&log, 1).await;
        let at = TopicPartition::new(topic.clone(), 0);
        publish(&log, vec![record(&topic, 0, "k", "v")]).await;
        let mut consumer = reader(&log, &topic).await;
        reach_the_end(&mut *consumer, &log, &topic).await;
        let end = consumer.positions()[0].1;
        let mut quickest = PATIENCE;
        for _ in 0..10 {
            consumer.poll(10, 1 << 20, Duration::from_millis(20)).await.unwrap();
            let began = Instant::now();
            consumer.seek(&at, end).await.unwrap();
            quickest = quickest.min(began.elapsed());
        }
        // A broker holds back the answers to a consumer that waits for records for half a second.
        assert!(quickest < Duration::from_millis(200), "{quickest:?}");
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
        for round in 0..10 {
            reach_the_end(&mut *consumer, &log, &topic).await;
            if round % 2 == 0 {
                consumer.seek(&at, records[1].offset).await.unwrap();
            } else {
                consumer.assign(&[(at.clone(), Some(records[1].offset))]).await.unwrap();
            }
            assert_eq!(consumer.positions(), back, "round {round}");
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
