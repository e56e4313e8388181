//! A topic as the process knows it: settings, where each partition begins and ends, and who waits for records.
//!
//! The ends are kept here so that a consumer with nothing to read asks no database. They follow the file: a commit
//! raises them after it is durable.

use super::group::Signal;
use crate::{Cleanup, Error, OffsetRange, Result, TopicName, TopicSettings};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// The id of a partition in the tables that are kept per partition.
pub(super) const fn partition_id(topic_id: i64, partition: u32) -> i64 {
    topic_id * 65_536 + partition as i64
}

/// The topic's id and the partition in what [`partition_id`] gave.
pub(super) const fn split_partition_id(id: i64) -> (i64, u32) {
    (id / 65_536, (id % 65_536) as u32)
}

/// A topic and its state.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) id: i64,
    pub(super) settings: TopicSettings,
    partitions: Vec<Partition>,
    /// Consumers that have partitions of this topic.
    listeners: Mutex<Vec<Weak<Signal>>>,
}

/// A partition and its state.
///
/// It has a table of its own, with the offset as the rowid: appends go to the end of a tree, which SQLite does at
/// half the cost of one somewhere in the middle, and no index is needed.
#[derive(Debug)]
pub(super) struct Partition {
    /// The table's name, made from numbers.
    pub(super) table: String,
    /// Adds one record.
    pub(super) insert_sql: String,
    /// Reads records in `[?1, ?2)`.
    pub(super) read_sql: String,
    start: AtomicU64,
    end: AtomicU64,
    /// Timestamp of the newest record; touched under the writer's lock alone.
    last_ms: AtomicI64,
}

impl Partition {
    fn new(topic: i64, number: u32) -> Self {
        let table = format!("records_{topic}_{number}");
        Self {
            insert_sql: format!(
                "INSERT INTO {table} (offset, timestamp_ms, key, value, headers) VALUES (?1, ?2, ?3, ?4, ?5)"
            ),
            read_sql: format!(
                "SELECT offset, timestamp_ms, key, value, headers FROM {table} \
                 WHERE offset >= ?1 AND offset < ?2 ORDER BY offset"
            ),
            table,
            start: AtomicU64::new(0),
            end: AtomicU64::new(0),
            last_ms: AtomicI64::new(0),
        }
    }
}

impl Topic {
    pub(super) fn new(id: i64, settings: TopicSettings) -> Self {
        let partitions = (0..settings.partitions).map(|number| Partition::new(id, number)).collect();
        Self { id, settings, partitions, listeners: Mutex::default() }
    }

    pub(super) fn name(&self) -> &TopicName {
        &self.settings.name
    }

    /// A partition, or the error that there is none.
    pub(super) fn partition(&self, partition: u32) -> Result<&Partition> {
        self.partitions.get(partition as usize).ok_or_else(|| Error::UnknownPartition {
            topic: self.name().clone(),
            partition,
            partitions: self.settings.partitions,
        })
    }

    /// The tables of the partitions.
    pub(super) fn tables(&self) -> impl Iterator<Item = (u32, &str)> {
        (0..).zip(self.partitions.iter().map(|partition| partition.table.as_str()))
    }

    /// What a partition holds.
    pub(super) fn range(&self, partition: u32) -> Result<OffsetRange> {
        let partition = self.partition(partition)?;
        // The end first: the start never passes an end that was read before it.
        let end = partition.end.load(Ordering::Acquire);
        Ok(OffsetRange { start: partition.start.load(Ordering::Acquire).min(end), end })
    }

    /// The timestamp of a partition's newest record.
    pub(super) fn last_ms(&self, partition: u32) -> Result<i64> {
        Ok(self.partition(partition)?.last_ms.load(Ordering::Relaxed))
    }

    /// Takes over what the file says of a partition.
    pub(super) fn set(&self, partition: u32, range: OffsetRange, last_ms: i64) -> Result<()> {
        self.set_start(partition, range.start)?;
        self.set_end(partition, range.end, last_ms)
    }

    pub(super) fn set_start(&self, partition: u32, start: u64) -> Result<()> {
        self.partition(partition)?.start.store(start, Ordering::Release);
        Ok(())
    }

    pub(super) fn set_end(&self, partition: u32, end: u64, last_ms: i64) -> Result<()> {
        let partition = self.partition(partition)?;
        partition.last_ms.store(last_ms, Ordering::Relaxed);
        partition.end.store(end, Ordering::Release);
        Ok(())
    }

    /// The error for an offset that a partition does not hold; fine from its start to its end, both included.
    pub(super) fn check_offset(&self, partition: u32, offset: u64) -> Result<()> {
        let OffsetRange { start, end } = self.range(partition)?;
        if (start..=end).contains(&offset) {
            return Ok(());
        }
        Err(Error::OffsetOutOfRange { topic: self.name().clone(), partition, offset, start, end })
    }

    /// Wakes `listener` at every commit to this topic, as long as it lives.
    pub(super) fn listen(&self, listener: &Arc<Signal>) {
        let listener = Arc::downgrade(listener);
        let mut listeners = super::locked(&self.listeners);
        listeners.retain(|known| known.strong_count() > 0);
        if !listeners.iter().any(|known| known.ptr_eq(&listener)) {
            listeners.push(listener);
        }
    }

    /// Stops waking `listener`.
    pub(super) fn ignore(&self, listener: &Arc<Signal>) {
        let listener = Arc::downgrade(listener);
        super::locked(&self.listeners).retain(|known| known.strong_count() > 0 && !known.ptr_eq(&listener));
    }

    /// Wakes everyone who listens.
    pub(super) fn announce(&self) {
        for listener in super::locked(&self.listeners).iter().filter_map(Weak::upgrade) {
            listener.notify.notify_one();
        }
    }
}

/// Compares a topic that exists with what is needed. A longer tombstone retention and a larger message limit are
/// as good as those asked for.
pub(super) fn check_existing(actual: &TopicSettings, expected: &TopicSettings) -> Result<()> {
    match difference(actual, expected) {
        None => Ok(()),
        Some((setting, wanted, found)) => Err(Error::TopicMismatch {
            topic: expected.name.clone(),
            setting,
            expected: wanted,
            actual: found,
        }),
    }
}

/// A retention as the file stores it: whole milliseconds, rounded up.
pub(super) fn retention_ms(retention: Duration) -> i64 {
    i64::try_from(retention.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

fn difference(actual: &TopicSettings, expected: &TopicSettings) -> Option<(&'static str, String, String)> {
    if actual.partitions != expected.partitions {
        return Some(("partitions", expected.partitions.to_string(), actual.partitions.to_string()));
    }
    let seconds = |time: Duration| format!("{} s", time.as_secs_f64());
    match (actual.cleanup, expected.cleanup) {
        (Cleanup::Keep, Cleanup::Keep) => {}
        (Cleanup::Compact { delete_retention: has }, Cleanup::Compact { delete_retention: needs }) => {
            if retention_ms(has) < retention_ms(needs) {
                return Some(("delete_retention", seconds(needs), seconds(has)));
            }
        }
        (Cleanup::Keep, Cleanup::Compact { .. }) => {
            return Some(("cleanup", "compact".into(), "keep".into()));
        }
        (Cleanup::Compact { .. }, Cleanup::Keep) => {
            return Some(("cleanup", "keep".into(), "compact".into()));
        }
    }
    if actual.max_record_bytes < expected.max_record_bytes {
        let (needs, has) = (expected.max_record_bytes, actual.max_record_bytes);
        return Some(("max_record_bytes", needs.to_string(), has.to_string()));
    }
    None
}
