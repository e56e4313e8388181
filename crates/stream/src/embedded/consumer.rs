//! The consumer: reads on its own connection, waits without cost, and follows its group.
//!
//! Which partitions have news is known from memory; only those are read, one after the other and the last one that
//! was cut short at the end of the queue. A read is one statement, so that nothing holds back the write-ahead log
//! between polls.

use super::commit::{GroupOffsets, Transaction};
use super::group::Signal;
use super::producer::resolve_offsets;
use super::topic::Topic;
use super::{Kind, Shared, file, locked};
use crate::{
    Consumer, ConsumerSettings, Error, GroupMetadata, Headers, Incoming, Polled, Result, Start, TopicName,
    TopicPartition,
};
use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How often a reader looks at the file of another process.
const FOREIGN_POLL: Duration = Duration::from_millis(50);

/// Room made for records before the first is read.
const RECORDS_AHEAD: usize = 1024;

/// A consumer of the embedded log.
pub(super) struct EmbeddedConsumer {
    /// Opened with the first read. Declared first, so that the writer closes the file last.
    reader: Option<Connection>,
    shared: Arc<Shared>,
    settings: ConsumerSettings,
    signal: Arc<Signal>,
    /// Name and generation in the group, once subscribed.
    membership: Option<Membership>,
    /// By topic and partition.
    assigned: Vec<Assigned>,
    /// Given by the group and not yet in `assigned`: more than nothing only if looking up an offset has failed.
    arriving: Vec<TopicPartition>,
    /// The index in `assigned` that is read first at the next poll.
    turn: usize,
}

struct Membership {
    group: String,
    member: String,
    generation: u64,
}

struct Assigned {
    topic: Arc<Topic>,
    partition: TopicPartition,
    /// The next offset.
    next: u64,
    paused: bool,
}

/// What a poll may still bring.
struct Budget {
    records: usize,
    bytes: usize,
}

impl EmbeddedConsumer {
    pub(super) fn new(shared: &Arc<Shared>, settings: ConsumerSettings) -> Self {
        Self {
            reader: None,
            shared: Arc::clone(shared),
            settings,
            signal: Arc::default(),
            membership: None,
            assigned: Vec::new(),
            arriving: Vec::new(),
            turn: 0,
        }
    }

    /// Runs `read` on this consumer's connection.
    fn read<T>(
        &mut self,
        action: &'static str,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let failed = self.shared.failure(action);
        if self.shared.kind == Kind::Memory {
            return read(&locked(&self.shared.writer)).map_err(failed);
        }
        let reader = match self.reader.take() {
            Some(reader) => reader,
            None => file::open_reader(&self.shared.path)?,
        };
        read(self.reader.insert(reader)).map_err(failed)
    }

    /// Where a partition is continued that nobody gave an offset for.
    fn starting_offset(&mut self, topic: &Topic, partition: u32) -> Result<u64> {
        if let Some(group) = self.settings.group.clone() {
            let id = super::topic::partition_id(topic.id, partition);
            let committed = self.read("read a group's offset", |connection| {
                connection
                    .prepare_cached(
                        "SELECT next_offset FROM committed WHERE group_name = ?1 AND partition = ?2",
                    )?
                    .query_row((group, id), |row| row.get(0))
                    .optional()
            })?;
            if let Some(next) = committed {
                return Ok(next);
            }
        }
        let range = topic.range(partition)?;
        Ok(match self.settings.start {
            Start::Beginning => range.start,
            Start::End => range.end,
        })
    }

    fn find(&self, partition: &TopicPartition) -> Option<usize> {
        self.assigned.binary_search_by(|known| known.partition.cmp(partition)).ok()
    }

    fn add(&mut self, added: Vec<Assigned>) {
        for assigned in &added {
            assigned.topic.listen(&self.signal);
        }
        self.assigned.extend(added);
        self.assigned.sort_by(|one, other| one.partition.cmp(&other.partition));
        self.turn = 0;
    }

    fn remove(&mut self, gone: impl Fn(&TopicPartition) -> bool) {
        let before = std::mem::take(&mut self.assigned);
        let (removed, kept): (Vec<_>, Vec<_>) = before.into_iter().partition(|known| gone(&known.partition));
        self.assigned = kept;
        self.turn = 0;
        for removed in removed {
            if !self.assigned.iter().any(|known| known.partition.topic == removed.partition.topic) {
                removed.topic.ignore(&self.signal);
            }
        }
    }

    fn leave(&mut self) {
        if let Some(membership) = self.membership.take() {
            locked(&self.shared.groups).leave(&membership.group, &membership.member);
        }
        self.arriving.clear();
    }

    /// What the group has to tell, if anything.
    fn rebalance(&mut self) -> Result<Option<Polled>> {
        if let Some(membership) = &mut self.membership
            && self.signal.take_changed()
        {
            let changes = locked(&self.shared.groups).changes(&membership.group, &membership.member);
            membership.generation = changes.generation;
            if !changes.revoked.is_empty() {
                self.arriving.retain(|partition| !changes.revoked.contains(partition));
                self.remove(|partition| changes.revoked.contains(partition));
                return Ok(Some(Polled { revoked: changes.revoked, ..Polled::default() }));
            }
            self.arriving.extend(changes.assigned);
        }
        if self.arriving.is_empty() {
            return Ok(None);
        }
        let arriving = self.arriving.clone();
        let mut added = Vec::with_capacity(arriving.len());
        for partition in &arriving {
            let topic = self.shared.topic(&partition.topic)?;
            let next = self.starting_offset(&topic, partition.partition)?;
            added.push(Assigned { topic, partition: partition.clone(), next, paused: false });
        }
        self.arriving.clear();
        self.add(added);
        Ok(Some(Polled { assigned: arriving, ..Polled::default() }))
    }

    /// What is there now.
    fn take(&mut self, mut budget: Budget) -> Result<Vec<Incoming>> {
        let mut records = Vec::new();
        let count = self.assigned.len();
        for index in (self.turn..count).chain(0..self.turn.min(count)) {
            let Some(assigned) = self.assigned.get(index) else { break };
            if assigned.paused {
                continue;
            }
            let range = assigned.topic.range(assigned.partition.partition)?;
            if assigned.next == range.end {
                continue;
            }
            if let Err(outside) = assigned.topic.check_offset(assigned.partition.partition, assigned.next) {
                if records.is_empty() {
                    return Err(outside);
                }
                // What was read is given out first; the next poll begins here.
                self.turn = index;
                return Ok(records);
            }
            let cut_short = self.take_from(index, range.end, &mut budget, &mut records)?;
            if cut_short || budget.records == 0 {
                self.turn = (index + 1) % count;
                return Ok(records);
            }
        }
        Ok(records)
    }

    /// Reads one partition up to `end`; `true` if the budget ended first.
    fn take_from(
        &mut self,
        index: usize,
        end: u64,
        budget: &mut Budget,
        records: &mut Vec<Incoming>,
    ) -> Result<bool> {
        let Some(assigned) = self.assigned.get(index) else { return Ok(false) };
        let (topic, from) = (Arc::clone(&assigned.topic), assigned.next);
        let partition = assigned.partition.partition;
        if records.capacity() == 0 {
            let there = usize::try_from(end.saturating_sub(from)).unwrap_or(usize::MAX);
            records.reserve(budget.records.min(there).min(RECORDS_AHEAD));
        }
        let length = records.len();
        let sql = &topic.partition(partition)?.read_sql;
        let read = self.read("read records", |connection| {
            let mut select = connection.prepare_cached(sql)?;
            let mut rows = select.query([from, end])?;
            while let Some(row) = rows.next()? {
                let bytes = size_of(row)?;
                if budget.records == 0 || (bytes > budget.bytes && !records.is_empty()) {
                    return Ok(true);
                }
                budget.records -= 1;
                budget.bytes = budget.bytes.saturating_sub(bytes);
                records.push(incoming(row, &topic, partition)?);
            }
            Ok(false)
        });
        let cut_short = match read {
            Ok(cut_short) => cut_short,
            Err(error) => {
                // Nothing of this partition was given out: it is read again.
                records.truncate(length);
                return Err(error);
            }
        };
        if let Some(assigned) = self.assigned.get_mut(index) {
            assigned.next = match records.get(length..).and_then(<[_]>::last) {
                Some(last) if cut_short => last.offset + 1,
                None if cut_short => from,
                _ => end,
            };
        }
        Ok(cut_short)
    }
}

/// Key, value and headers together, in bytes.
fn size_of(row: &Row<'_>) -> rusqlite::Result<usize> {
    let mut bytes = 0;
    for column in 2..5 {
        bytes += row.get_ref(column)?.as_blob_or_null()?.map_or(0, <[u8]>::len);
    }
    Ok(bytes)
}

fn incoming(row: &Row<'_>, topic: &Topic, partition: u32) -> rusqlite::Result<Incoming> {
    Ok(Incoming {
        topic: topic.name().clone(),
        partition,
        offset: row.get(0)?,
        timestamp_ms: row.get(1)?,
        key: row.get_ref(2)?.as_blob()?.to_vec(),
        value: row.get_ref(3)?.as_blob_or_null()?.map(<[u8]>::to_vec),
        headers: row
            .get_ref(4)?
            .as_blob_or_null()?
            .map_or_else(Headers::new, |bytes| Headers::from_bytes(bytes.to_vec())),
    })
}

impl Drop for EmbeddedConsumer {
    fn drop(&mut self) {
        self.leave();
        self.remove(|_| true);
    }
}

#[async_trait(?Send)]
impl Consumer for EmbeddedConsumer {
    async fn subscribe(&mut self, topics: &[TopicName]) -> Result<()> {
        self.shared.check_writable("join a group")?;
        let Some(group) = self.settings.group.clone() else {
            return Err(Error::WrongState { call: "subscribe", state: "the consumer has no group" });
        };
        let mut counts = Vec::with_capacity(topics.len());
        for topic in topics {
            counts.push((topic.clone(), self.shared.topic(topic)?.settings.partitions));
        }
        if self.membership.is_none() {
            self.remove(|_| true);
        }
        let shared = &self.shared;
        let membership = self.membership.get_or_insert_with(|| {
            // The number keeps members in the order in which they came; the rest tells processes apart.
            let number = shared.consumers.fetch_add(1, Ordering::Relaxed);
            Membership { group, member: format!("{number:06}-{}", Uuid::new_v4().simple()), generation: 0 }
        });
        locked(&shared.groups).join(&membership.group, &membership.member, counts, &self.signal);
        Ok(())
    }

    async fn assign(&mut self, partitions: &[(TopicPartition, Option<u64>)]) -> Result<()> {
        self.shared.refresh()?;
        let mut wanted = BTreeMap::new();
        for (partition, offset) in partitions {
            let topic = self.shared.topic(&partition.topic)?;
            topic.range(partition.partition)?;
            let next = match offset {
                Some(offset) => *offset,
                None => self.starting_offset(&topic, partition.partition)?,
            };
            topic.check_offset(partition.partition, next)?;
            wanted.insert(
                partition.clone(),
                Assigned { topic, partition: partition.clone(), next, paused: false },
            );
        }
        self.leave();
        self.remove(|_| true);
        self.add(wanted.into_values().collect());
        Ok(())
    }

    async fn poll(&mut self, max_records: usize, max_bytes: usize, wait: Duration) -> Result<Polled> {
        let deadline = Instant::now().checked_add(wait);
        loop {
            if let Some(polled) = self.rebalance()? {
                return Ok(polled);
            }
            self.shared.refresh()?;
            let records = self.take(Budget { records: max_records.max(1), bytes: max_bytes })?;
            if !records.is_empty() {
                return Ok(Polled { records, ..Polled::default() });
            }
            let left = deadline.map_or(wait, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(Polled::default());
            }
            let left = if self.shared.kind == Kind::ReadOnly { left.min(FOREIGN_POLL) } else { left };
            // A time-out is no news either: the loop looks once more, and then finds no time left.
            let _ = tokio::time::timeout(left, self.signal.notify.notified()).await;
        }
    }

    async fn seek(&mut self, partition: &TopicPartition, offset: u64) -> Result<()> {
        self.shared.refresh()?;
        let index = self.find(partition).ok_or_else(|| not_assigned(partition))?;
        let Some(assigned) = self.assigned.get_mut(index) else { return Err(not_assigned(partition)) };
        assigned.topic.check_offset(partition.partition, offset)?;
        assigned.next = offset;
        Ok(())
    }

    fn positions(&self) -> Vec<(TopicPartition, u64)> {
        self.assigned.iter().map(|assigned| (assigned.partition.clone(), assigned.next)).collect()
    }

    fn pause(&mut self, partitions: &[TopicPartition]) {
        self.set_paused(partitions, true);
    }

    fn resume(&mut self, partitions: &[TopicPartition]) {
        self.set_paused(partitions, false);
    }

    async fn commit(&mut self, offsets: &[(TopicPartition, u64)]) -> Result<()> {
        self.commit_later(offsets)
    }

    fn commit_later(&mut self, offsets: &[(TopicPartition, u64)]) -> Result<()> {
        self.shared.check_writable("store a group's offsets")?;
        let Some(of) = self.group_metadata() else {
            return Err(Error::WrongState { call: "commit", state: "the consumer has no group" });
        };
        if offsets.is_empty() {
            return Ok(());
        }
        if let Some((lost, _)) = offsets.iter().find(|(partition, _)| self.find(partition).is_none()) {
            return Err(not_assigned(lost));
        }
        let next = resolve_offsets(&self.shared, offsets)?;
        let transaction = Transaction { offsets: vec![GroupOffsets { of, next }], ..Transaction::default() };
        self.shared.commit(transaction).map_err(|error| match (error, offsets.first()) {
            // The group has moved on and this consumer has not been told yet.
            (Error::Fenced { .. }, Some((lost, _))) => not_assigned(lost),
            (error, _) => error,
        })
    }

    fn group_metadata(&self) -> Option<GroupMetadata> {
        match &self.membership {
            Some(Membership { group, member, generation }) => Some(GroupMetadata {
                group: group.clone(),
                generation: *generation,
                member: member.clone(),
                kafka: None,
            }),
            None => self.settings.group.clone().map(|group| GroupMetadata {
                group,
                generation: 0,
                member: String::new(),
                kafka: None,
            }),
        }
    }
}

impl EmbeddedConsumer {
    fn set_paused(&mut self, partitions: &[TopicPartition], paused: bool) {
        for partition in partitions {
            if let Some(index) = self.find(partition)
                && let Some(assigned) = self.assigned.get_mut(index)
            {
                assigned.paused = paused;
            }
        }
    }
}

fn not_assigned(partition: &TopicPartition) -> Error {
    Error::NotAssigned { topic: partition.topic.clone(), partition: partition.partition }
}
