//! What every implementation of the log has to do, as functions that a test calls.
//!
//! Each function is one case: it makes topics, groups and transactional ids of its own, so that cases can share a
//! broker, and panics where the log does not keep its word. [`crate::log_contract`] makes a test of each. Offsets
//! are never taken to be contiguous, since transaction markers have some in Kafka.

#![allow(clippy::unwrap_used, reason = "a case fails by panicking")]

pub mod administration;
pub mod compaction;
pub mod delivery;
pub mod groups;
pub mod moved_clock;
pub mod transactions;

use crate::{
    Cleanup, Consumer, ConsumerSettings, Headers, Incoming, Isolation, Log, Outgoing, Start, TopicName,
    TopicPartition, TopicSettings,
};
use async_trait::async_trait;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long a case waits for what has to happen before it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// How long a case looks for what must not happen.
pub const GLANCE: Duration = Duration::from_millis(50);

/// The implementation under test.
#[async_trait(?Send)]
pub trait Factory {
    /// What it makes.
    type Log: Log;

    /// A log, new or shared with other cases.
    async fn log(&self) -> Self::Log;

    /// Closes the log and opens it again; `None` if it does not outlive its process.
    async fn reopen(&self, log: Self::Log) -> Option<Self::Log>;

    /// Compacts a topic, all of what is in it now.
    async fn compact(&self, log: &Self::Log, topic: &TopicName);

    /// Whether compaction has to append something, which readers of committed records do not see, and so moves the
    /// ends.
    const COMPACTION_APPENDS: bool;

    /// Whether [`Factory::advance_clock`] does anything; the cases under `moved_clock` are for those logs alone.
    const MOVES_CLOCK: bool;

    /// Moves the log's clock forward, where that can be done.
    fn advance_clock(&self, by: Duration);
}

/// Runs a case as a worker would: on one thread.
///
/// # Panics
/// When the case does.
pub fn run(case: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(case);
}

/// Makes a test of every case of the contract: `log_contract!(module, factory expression)`; or a list of them, as
/// names and functions, for a harness of another kind: `log_contract!(list factory expression)`. The list is without
/// the cases that move the clock if the log's cannot be moved.
#[macro_export]
macro_rules! log_contract {
    (list $factory:expr) => {{
        let mut list: Vec<(&'static str, fn())> = Vec::new();
        $crate::log_contract!(@all list $factory, list);
        list.retain(|(name, _)| {
            !name.starts_with("moved_clock::") || $crate::contract::moves_clock(&$factory)
        });
        list
    }};
    ($module:ident, $factory:expr) => {
        mod $module {
            #[allow(unused_imports, reason = "the factory may stand beside the call")]
            use super::*;
            $crate::log_contract!(@all tests $factory, none);
        }
    };
    (@all $how:ident $factory:expr, $into:ident) => {
        $crate::log_contract!(@$how $factory, $into;
            administration: topics_are_created_once, another_setting_is_a_mismatch, a_mismatch_changes_nothing,
                impossible_topics_are_refused, unknown_topics_and_partitions, schemas_keep_their_ids,
                deleting_from_the_start, state_outlives_the_process, the_clock_runs;
            compaction: the_last_record_of_every_key_stays, offsets_are_not_used_again, tombstones_stay_a_while,
                readers_go_on_during_compaction;
            moved_clock: tombstones_go_after_their_time;
            delivery: order_per_key, records_come_back_whole, many_partitions, large_records, limits_of_a_poll,
                seeking, reading_from_the_beginning_and_the_end, offsets_out_of_range, a_waiting_poll_wakes,
                pausing, no_partition_starves, threads_wake_each_other, timestamps_do_not_go_back, counted_ranges;
            groups: partitions_are_shared, a_leaver_hands_over, a_partition_has_one_owner, zombies_are_fenced,
                foreign_partitions_are_fenced, offsets_outside_of_transactions, several_topics_are_balanced;
            transactions: visible_together, nothing_of_an_open_one, nothing_of_an_aborted_one,
                offsets_go_with_records, a_second_producer_fences_the_first, fenced_over_and_over,
                fencing_races_with_commits, a_record_too_large_leaves_the_rest, calls_out_of_turn, empty_ones,
                handed_in_by_several;
        );
    };
    (@tests $factory:expr, $into:ident; $($part:ident: $($case:ident),+ $(,)?;)+) => {
        $($(
            #[test]
            fn $case() {
                $crate::contract::run(async {
                    $crate::contract::$part::$case(&$factory).await;
                });
            }
        )+)+
    };
    (@list $factory:expr, $into:ident; $($part:ident: $($case:ident),+ $(,)?;)+) => {
        $($(
            {
                fn $case() {
                    $crate::contract::run(async {
                        $crate::contract::$part::$case(&$factory).await;
                    });
                }
                $into.push((concat!(stringify!($part), "::", stringify!($case)), $case as fn()));
            }
        )+)+
    };
}

/// [`Factory::MOVES_CLOCK`] of a value.
pub const fn moves_clock<F: Factory>(_: &F) -> bool {
    F::MOVES_CLOCK
}

/// A name that no other case has.
pub fn unique(name: &str) -> String {
    format!("{name}-{}", Uuid::new_v4().simple())
}

/// A new topic that keeps everything.
pub async fn kept(log: &impl Log, partitions: u32) -> TopicName {
    topic(log, partitions, Cleanup::Keep).await
}

/// A new topic that is compacted, with an hour's retention of tombstones.
pub async fn compacted(log: &impl Log, partitions: u32) -> TopicName {
    topic(log, partitions, Cleanup::Compact { delete_retention: Duration::from_secs(3600) }).await
}

async fn topic(log: &impl Log, partitions: u32, cleanup: Cleanup) -> TopicName {
    let settings = settings(TopicName::new(unique("topic")), partitions, cleanup);
    log.ensure_topics(std::slice::from_ref(&settings)).await.unwrap();
    settings.name
}

/// Settings with a limit of 8 MiB.
pub fn settings(name: TopicName, partitions: u32, cleanup: Cleanup) -> TopicSettings {
    TopicSettings { name, partitions, cleanup, max_record_bytes: 8 << 20 }
}

/// A record with a text value.
pub fn record(topic: &TopicName, partition: u32, key: &str, value: &str) -> Outgoing {
    Outgoing {
        topic: topic.clone(),
        partition,
        key: key.as_bytes().to_vec(),
        value: Some(value.as_bytes().to_vec()),
        headers: Headers::new(),
    }
}

/// A tombstone.
pub fn tombstone(topic: &TopicName, partition: u32, key: &str) -> Outgoing {
    Outgoing { value: None, ..record(topic, partition, key, "") }
}

/// Commits records in one transaction of a producer of its own.
pub async fn publish(log: &impl Log, records: Vec<Outgoing>) {
    let mut producer = log.producer(&unique("publisher")).await.unwrap();
    producer.begin().await.unwrap();
    producer.send(records).await.unwrap();
    producer.commit().await.unwrap();
}

/// A consumer without a group that has all partitions of `topic`, from the beginning.
pub async fn reader(log: &impl Log, topic: &TopicName) -> Box<dyn Consumer> {
    let count = u32::try_from(log.offsets(topic).await.unwrap().len()).unwrap();
    let settings = ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
    let mut consumer = log.consumer(settings).await.unwrap();
    let partitions: Vec<_> =
        (0..count).map(|partition| (TopicPartition::new(topic.clone(), partition), None)).collect();
    consumer.assign(&partitions).await.unwrap();
    consumer
}

/// A consumer of `group`.
pub async fn member(log: &impl Log, group: &str) -> Box<dyn Consumer> {
    let settings = ConsumerSettings {
        group: Some(group.to_owned()),
        isolation: Isolation::Committed,
        start: Start::Beginning,
    };
    log.consumer(settings).await.unwrap()
}

/// Polls until `count` records have come.
pub async fn take(consumer: &mut dyn Consumer, count: usize) -> Vec<Incoming> {
    let until = Instant::now() + PATIENCE;
    let mut records = Vec::new();
    while records.len() < count {
        assert!(Instant::now() < until, "{} of {count} records came in time", records.len());
        records.extend(consumer.poll(1000, 16 << 20, Duration::from_secs(1)).await.unwrap().records);
    }
    assert_eq!(records.len(), count, "more records came than were written");
    records
}

/// All committed records of a topic, read by a new consumer up to the end as it is now.
pub async fn all(log: &impl Log, topic: &TopicName) -> Vec<Incoming> {
    let mut consumer = reader(log, topic).await;
    let ends = log.offsets(topic).await.unwrap();
    let until = Instant::now() + PATIENCE;
    let mut records = Vec::new();
    loop {
        let done = consumer.positions().iter().all(|(at, next)| *next >= ends[at.partition as usize].end);
        if done {
            return records;
        }
        assert!(Instant::now() < until, "the end of {topic} was not reached in time");
        records.extend(consumer.poll(1000, 16 << 20, Duration::from_millis(100)).await.unwrap().records);
    }
}

/// [`all`], by partition.
pub async fn sorted(log: &impl Log, topic: &TopicName) -> Vec<Incoming> {
    let mut records = all(log, topic).await;
    records.sort_by_key(|record| (record.partition, record.offset));
    records
}

/// The value as text.
pub fn text(record: &Incoming) -> String {
    String::from_utf8(record.value.clone().unwrap_or_default()).unwrap()
}

/// The values as text.
pub fn texts(records: &[Incoming]) -> Vec<String> {
    records.iter().map(text).collect()
}

/// Asserts that nothing comes.
pub async fn assert_silent(consumer: &mut dyn Consumer) {
    let polled = consumer.poll(1000, 16 << 20, GLANCE).await.unwrap();
    assert!(polled.records.is_empty(), "records that should not be there: {:?}", texts(&polled.records));
}
