//! Removing old records: compaction of [`Cleanup::Compact`] topics, and [`crate::Log::delete_before`].
//!
//! There is no index on keys, since it would cost appends most of their speed; compaction scans instead. It learns
//! the last offset of each key in what came since the last compaction, then walks the partition once and removes
//! what is superseded. At most [`KEYS_AT_ONCE`] keys are in memory (about 27 MB, as hashes of 128 bits that nobody can
//! find a collision for); more keys take more walks. [`EmbeddedLog::maintain`] compacts a partition when as much
//! has come since as was left then, so that each record pays for a constant number of reads in its life.
//!
//! Reads and writes are short, so that producers get their turn between them and the write-ahead log can be reset.

use super::file::open_reader;
use super::topic::{Topic, partition_id};
use super::{EmbeddedLog, Kind, Shared, locked};
use crate::{Cleanup, Error, Result, TopicName, TopicPartition};
use rusqlite::{Connection, OptionalExtension};
use std::collections::HashMap;
use std::ops::ControlFlow;

/// Keys that are remembered in one walk; what the hash map holds before it doubles from 2^20 places.
const KEYS_AT_ONCE: usize = 900_000;

/// Records that one statement reads, and that one transaction removes at most.
const RECORDS_AT_ONCE: usize = 2_000;

/// Fewer new records in a partition are not worth a walk.
const WORTHWHILE: u64 = 10_000;

/// What a run of maintenance did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Maintenance {
    /// Partitions that were walked through.
    pub partitions: u64,
    /// Records that were removed.
    pub removed: u64,
}

/// The part of a key that compaction remembers.
type KeyHash = [u8; 16];

/// A record as compaction sees it.
struct Scanned<'a> {
    offset: u64,
    timestamp_ms: i64,
    key: &'a [u8],
    tombstone: bool,
}

impl EmbeddedLog {
    /// Compacts `topic` now, whether or not it is worthwhile: each key keeps its last record, a tombstone at least
    /// for the topic's `delete_retention`, and each partition its newest record. Safe beside producers and
    /// consumers.
    pub fn compact(&self, topic: &TopicName) -> Result<Maintenance> {
        self.shared.check_writable("compact a topic")?;
        let topic = self.shared.topic(topic)?;
        if let Cleanup::Keep = topic.settings.cleanup {
            return Err(wrong_cleanup(&topic, "compact", "keep"));
        }
        self.shared.compact(&topic, KEYS_AT_ONCE, |_| true)
    }

    /// Compacts what has gathered enough since the last time. Costs a few reads a topic when there is nothing to
    /// do; to be called about once a minute.
    pub fn maintain(&self) -> Result<Maintenance> {
        self.shared.check_writable("be maintained")?;
        let mut done = Maintenance::default();
        for topic in self.shared.all_topics() {
            if let Cleanup::Compact { .. } = topic.settings.cleanup {
                let compacted = self.shared.compact(&topic, KEYS_AT_ONCE, |state| {
                    let new = state.end.saturating_sub(state.clean_end);
                    new >= WORTHWHILE.max(state.clean_records)
                })?;
                done.partitions += compacted.partitions;
                done.removed += compacted.removed;
            }
        }
        Ok(done)
    }
}

fn wrong_cleanup(topic: &Topic, expected: &str, actual: &str) -> Error {
    Error::TopicMismatch {
        topic: topic.name().clone(),
        setting: "cleanup",
        expected: expected.to_owned(),
        actual: actual.to_owned(),
    }
}

/// How far the last compaction of a partition came.
#[derive(Debug, Clone, Copy)]
struct Progress {
    end: u64,
    clean_end: u64,
    clean_records: u64,
}

impl Shared {
    fn compact(
        &self,
        topic: &Topic,
        keys_at_once: usize,
        worthwhile: impl Fn(&Progress) -> bool,
    ) -> Result<Maintenance> {
        let _alone = locked(&self.maintenance);
        let mut done = Maintenance::default();
        let mut reader = None;
        for partition in 0..topic.settings.partitions {
            let progress = self.progress(topic, partition)?;
            if progress.end == 0 || !worthwhile(&progress) {
                continue;
            }
            if reader.is_none() && self.kind != Kind::Memory {
                reader = Some(open_reader(&self.path)?);
            }
            let mut run = Compaction::new(self, topic, partition, reader.as_ref(), keys_at_once)?;
            done.removed += run.run(progress)?;
            done.partitions += 1;
        }
        Ok(done)
    }

    fn progress(&self, topic: &Topic, partition: u32) -> Result<Progress> {
        let end = topic.range(partition)?.end;
        let (clean_end, clean_records) = self.ask("read how far it is compacted", |connection| {
            connection
                .prepare_cached("SELECT clean_end, clean_records FROM partition WHERE id = ?1")?
                .query_row([partition_id(topic.id, partition)], |row| Ok((row.get(0)?, row.get(1)?)))
        })?;
        Ok(Progress { end, clean_end, clean_records })
    }

    /// See [`crate::Log::delete_before`].
    pub(super) fn delete_before(&self, partition: &TopicPartition, offset: u64) -> Result<()> {
        self.check_writable("delete records")?;
        let topic = self.topic(&partition.topic)?;
        if let Cleanup::Compact { .. } = topic.settings.cleanup {
            return Err(wrong_cleanup(&topic, "keep", "compact"));
        }
        let number = partition.partition;
        let _alone = locked(&self.maintenance);
        let range = topic.range(number)?;
        if offset > range.end {
            topic.check_offset(number, offset)?;
        }
        let action = "delete records";
        let failed = self.failure(action);
        if offset > range.start {
            let raise = |connection: &Connection| {
                connection
                    .execute(
                        "UPDATE partition SET start_offset = ?2 WHERE id = ?1",
                        (partition_id(topic.id, number), offset),
                    )
                    .map_err(&failed)
            };
            self.write(action, raise, |_| {
                // The partition is known to exist: its range was read.
                let _ = topic.set_start(number, offset);
            })?;
        }
        // From the very first: a run that was killed may have left records before the start.
        let behind = range.start.max(offset);
        let table = &topic.partition(number)?.table;
        let select = format!(
            "SELECT offset FROM {table} WHERE offset < ?1 ORDER BY offset LIMIT 1 OFFSET {}",
            RECORDS_AT_ONCE - 1
        );
        let delete = format!("DELETE FROM {table} WHERE offset < ?1");
        let mut finished = false;
        while !finished {
            let step = |connection: &Connection| -> rusqlite::Result<bool> {
                let last: Option<u64> =
                    connection.prepare_cached(&select)?.query_row([behind], |row| row.get(0)).optional()?;
                let upto = last.map_or(behind, |last| last + 1);
                connection.prepare_cached(&delete)?.execute([upto])?;
                Ok(last.is_none())
            };
            finished = self.write(action, |connection| step(connection).map_err(&failed), |_| {})?;
        }
        Ok(())
    }
}

/// One compaction of one partition.
struct Compaction<'a> {
    shared: &'a Shared,
    /// The partition's id in the tables that are kept per partition.
    id: i64,
    /// A connection of its own. `None` with a log in memory, which has one in all.
    reader: Option<&'a Connection>,
    /// A tombstone written at this time or before may go.
    expired_ms: Option<i64>,
    select: String,
    newest: String,
    delete: String,
    /// How many keys `last` may hold.
    keys_at_once: usize,
    /// The last offset of each key in what is new.
    last: HashMap<KeyHash, u64>,
}

impl<'a> Compaction<'a> {
    fn new(
        shared: &'a Shared,
        topic: &Topic,
        partition: u32,
        reader: Option<&'a Connection>,
        keys_at_once: usize,
    ) -> Result<Self> {
        let expired_ms = match topic.settings.cleanup {
            Cleanup::Compact { delete_retention } => {
                (shared.clock)().checked_sub(super::topic::retention_ms(delete_retention))
            }
            Cleanup::Keep => None,
        };
        let table = &topic.partition(partition)?.table;
        Ok(Self {
            shared,
            id: partition_id(topic.id, partition),
            reader,
            expired_ms,
            // typeof() looks at the record's header alone, and leaves a large value on its pages.
            select: format!(
                "SELECT offset, timestamp_ms, key, typeof(value) = 'null' FROM {table} \
                 WHERE offset >= ?1 AND offset < ?2 ORDER BY offset LIMIT {RECORDS_AT_ONCE}"
            ),
            newest: format!("SELECT max(offset) FROM {table}"),
            delete: format!("DELETE FROM {table} WHERE offset = ?1"),
            keys_at_once,
            last: HashMap::new(),
        })
    }

    /// Compacts the partition and returns how many records it removed.
    fn run(&mut self, progress: Progress) -> Result<u64> {
        // Taken now: what is added meanwhile only makes it one that need not have stayed.
        let newest: Option<u64> =
            self.read(|connection, run| connection.query_row(&run.newest, [], |row| row.get(0)))?;
        let Some(newest) = newest else { return Ok(0) };
        let mut removed = 0;
        let mut from = progress.clean_end.min(progress.end);
        loop {
            let upto = self.learn(from, progress.end)?;
            let (kept, gone) = self.remove(upto, newest)?;
            removed += gone;
            self.note(upto, kept)?;
            if upto >= progress.end {
                return Ok(removed);
            }
            from = upto;
        }
    }

    /// Remembers the last offset of each key in `[from, behind)`, and returns up to where it came.
    fn learn(&mut self, from: u64, behind: u64) -> Result<u64> {
        let mut last = std::mem::take(&mut self.last);
        last.clear();
        let mut at = from;
        let mut full = None;
        while at < behind && full.is_none() {
            let next = self.scan(at, behind, |record| {
                let hash = hash(record.key);
                if last.len() >= self.keys_at_once && !last.contains_key(&hash) {
                    full = Some(record.offset);
                    return ControlFlow::Break(());
                }
                last.insert(hash, record.offset);
                ControlFlow::Continue(())
            })?;
            at = next;
        }
        self.last = last;
        Ok(full.unwrap_or(behind))
    }

    /// Removes what is superseded before `upto`; returns how many records stay and how many went.
    ///
    /// In the order of offsets: when a tombstone goes, the records that it deleted are gone already.
    fn remove(&self, upto: u64, newest: u64) -> Result<(u64, u64)> {
        let (mut kept, mut removed) = (0, 0);
        let mut superseded = Vec::with_capacity(RECORDS_AT_ONCE);
        let mut at = 0;
        while at < upto {
            at = self.scan(at, upto, |record| {
                let later = self.last.get(&hash(record.key)).is_some_and(|last| *last > record.offset);
                let expired =
                    record.tombstone && self.expired_ms.is_some_and(|time| record.timestamp_ms <= time);
                if record.offset != newest && (later || expired) {
                    superseded.push(record.offset);
                } else {
                    kept += 1;
                }
                ControlFlow::Continue(())
            })?;
            if !superseded.is_empty() {
                self.delete(&superseded)?;
                removed += superseded.len() as u64;
                superseded.clear();
            }
        }
        Ok((kept, removed))
    }

    fn delete(&self, offsets: &[u64]) -> Result<()> {
        let delete = |connection: &Connection| -> rusqlite::Result<()> {
            let mut delete = connection.prepare_cached(&self.delete)?;
            for offset in offsets {
                delete.execute([offset])?;
            }
            Ok(())
        };
        let failed = self.shared.failure("remove superseded records");
        self.shared.write("compact a topic", |connection| delete(connection).map_err(&failed), |()| {})
    }

    fn note(&self, clean_end: u64, clean_records: u64) -> Result<()> {
        let failed = self.shared.failure("note how far it is compacted");
        let note = |connection: &Connection| {
            connection
                .prepare_cached("UPDATE partition SET clean_end = ?2, clean_records = ?3 WHERE id = ?1")?
                .execute((self.id, clean_end, clean_records))
        };
        self.shared
            .write("compact a topic", |connection| note(connection).map_err(&failed), |_| {})
            .map(|_| ())
    }

    /// Shows up to [`RECORDS_AT_ONCE`] records in `[from, behind)`; returns where to go on.
    fn scan(
        &self,
        from: u64,
        behind: u64,
        mut visit: impl FnMut(Scanned<'_>) -> ControlFlow<()>,
    ) -> Result<u64> {
        self.read(|connection, run| {
            let mut select = connection.prepare_cached(&run.select)?;
            let mut rows = select.query([from, behind])?;
            let mut next = from;
            let mut count = 0;
            while let Some(row) = rows.next()? {
                let offset = row.get(0)?;
                let record = Scanned {
                    offset,
                    timestamp_ms: row.get(1)?,
                    key: row.get_ref(2)?.as_blob()?,
                    tombstone: row.get(3)?,
                };
                next = offset + 1;
                count += 1;
                if visit(record).is_break() {
                    return Ok(next);
                }
            }
            Ok(if count < RECORDS_AT_ONCE { behind } else { next })
        })
    }

    fn read<T>(&self, read: impl FnOnce(&Connection, &Self) -> rusqlite::Result<T>) -> Result<T> {
        let outcome = match self.reader {
            Some(reader) => read(reader, self),
            None => read(&locked(&self.shared.writer), self),
        };
        outcome.map_err(self.shared.failure("scan a topic"))
    }
}

fn hash(key: &[u8]) -> KeyHash {
    let mut short = KeyHash::default();
    short.copy_from_slice(&blake3::hash(key).as_bytes()[..16]);
    short
}

#[cfg(test)]
mod tests;
