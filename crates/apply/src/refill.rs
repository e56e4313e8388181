//! When and from what columns that a table has gained are filled.
//!
//! The table waits meanwhile, for capture as for apply (the member's state says so). First everything that the member
//! published without the columns must be settled, so that the records know what came of it. Then the table's resolved
//! topic is read once more, partition by partition: a first time to learn which record is the last of each cell, and a
//! second time to fill each row from that one, so that every cell is visited once. How far that is stands in the member,
//! in the transactions that fill. What is done with a row is the member's ([`Member::refill`]).
//!
//! Memory is bounded: of a partition with many records, the keys are divided into slices by their hash, each with two
//! readings of its own.
//!
//! [`Member::refill`]: tributary_member::Member::refill

use crate::Error;
use crate::token::published;
use crate::worker::Apply;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;
use tributary_member::{Member, Refill, RefillStep};
use tributary_model::{KeyBytes, Row};
use tributary_stream::{Consumer, ConsumerSettings, Incoming, Isolation, OffsetRange, Start, TopicPartition};

/// Cells whose last record is remembered at a time.
const CELLS_AT_ONCE: u64 = 1_000_000;
/// Rows filled in one transaction.
const ROWS: usize = 500;
/// Records read at once to learn which are the last ones.
const READ_ROWS: usize = 10_000;
const READ_BYTES: usize = 16 << 20;
const WAIT: Duration = Duration::from_millis(200);
/// How often it is looked whether what was published is settled.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long after a refusal the row is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(10);

/// How far a refill is, as the member stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    partition: u32,
    /// Into how many slices the keys of this partition are divided, and which is being filled.
    slices: u64,
    slice: u64,
    /// The next record to fill from.
    next: u64,
}

/// One table's refill.
pub(crate) struct Refilling {
    table: usize,
    columns: Vec<String>,
    /// As it is stored in the member.
    stored: String,
    stage: Stage,
    /// Why it does not go on, and when it is tried again.
    refused: Option<String>,
    pause_until: Duration,
}

enum Stage {
    /// Until the resolver has passed these offsets of the table's changes; not known yet at first.
    Settles(Option<Vec<u64>>),
    /// A reading is to begin.
    Begins(Progress),
    Learns(Reading),
    Fills(Reading),
}

/// A reading of one slice of a partition.
struct Reading {
    progress: Progress,
    end: u64,
    consumer: Box<dyn Consumer>,
    /// By hash of the key: the offset of its last record.
    last: HashMap<u128, u64>,
}

impl Refilling {
    pub(crate) fn new(refill: &Refill) -> Self {
        let progress = serde_json::from_str(&refill.progress).ok();
        Self {
            table: refill.table,
            columns: refill.columns.clone(),
            stored: refill.progress.clone(),
            stage: progress.map_or(Stage::Settles(None), Stage::Begins),
            refused: None,
            pause_until: Duration::ZERO,
        }
    }

    pub(crate) fn table(&self) -> usize {
        self.table
    }

    /// What is in the way, in words; nothing while it goes on.
    pub(crate) fn note(&self) -> Option<String> {
        self.refused
            .as_ref()
            .map(|refused| format!("{} cannot be filled: {refused}", self.columns.join(", ")))
    }

    /// Goes on a bit. `true` when it is complete.
    pub(crate) async fn step(&mut self, apply: &Apply, member: &mut dyn Member) -> Result<bool, Error> {
        let now = apply.clock.monotonic();
        if now < self.pause_until {
            return Ok(false);
        }
        match std::mem::replace(&mut self.stage, Stage::Settles(None)) {
            Stage::Settles(ends) => {
                self.settles(apply, member, ends).await?;
                Ok(false)
            }
            Stage::Begins(progress) => self.begins(apply, member, progress).await,
            Stage::Learns(reading) => {
                self.learns(apply, reading).await?;
                Ok(false)
            }
            Stage::Fills(reading) => {
                self.fills(apply, member, reading).await?;
                Ok(false)
            }
        }
    }

    /// Waits until all that the member has published is settled.
    async fn settles(
        &mut self,
        apply: &Apply,
        member: &mut dyn Member,
        ends: Option<Vec<u64>>,
    ) -> Result<(), Error> {
        let channel = &apply.channels.tables[self.table];
        let log = apply.log.as_ref();
        self.pause_until = apply.clock.monotonic() + LOOK_EVERY;
        let ends = match ends {
            Some(ends) => ends,
            None => {
                // A page whose token stands in the member is published, or will never be once its token is.
                let held = member.token().await.map_err(|e| apply.member_error(e))?;
                let told = published(log, &apply.channels, apply.connector.id()).await?;
                let is_told = held.is_none_or(|token| told.is_some_and(|told| told.counter >= token.counter));
                if !is_told {
                    return Ok(());
                }
                let ranges = log.offsets(&channel.changes).await.map_err(|e| apply.log_error(e))?;
                ranges.iter().map(|range| range.end).collect()
            }
        };
        let group = apply.channels.resolver_group();
        let topics = [channel.changes.clone()];
        let committed = log.committed(&group, &topics).await.map_err(|e| apply.log_error(e))?;
        let ranges = log.offsets(&channel.changes).await.map_err(|e| apply.log_error(e))?;
        let mut left = Vec::new();
        for ((partition, end), range) in (0..).zip(&ends).zip(&ranges) {
            let at = TopicPartition::new(channel.changes.clone(), partition);
            let next =
                committed.iter().find(|(other, _)| *other == at).map_or(range.start, |(_, next)| *next);
            if next < *end {
                left.push((at, OffsetRange { start: next, end: *end }));
            }
        }
        let counts = log.count_records(&left).await.map_err(|e| apply.log_error(e))?;
        if counts.iter().any(|count| *count > 0) {
            self.stage = Stage::Settles(Some(ends));
            return Ok(());
        }
        let (member_id, columns) = (apply.name(), self.columns.join(", "));
        tracing::info!(
            member = member_id,
            table = channel.schema.name.as_str(),
            columns,
            "columns are filled"
        );
        self.pause_until = Duration::ZERO;
        let first = Progress { partition: 0, slices: 0, slice: 0, next: 0 };
        self.store(apply, member, Some(&first), Vec::new()).await?;
        self.stage = Stage::Begins(first);
        Ok(())
    }

    /// Begins a reading, or ends the refill.
    async fn begins(
        &mut self,
        apply: &Apply,
        member: &mut dyn Member,
        mut progress: Progress,
    ) -> Result<bool, Error> {
        let channel = &apply.channels.tables[self.table];
        if progress.partition >= channel.partitions {
            self.store(apply, member, None, Vec::new()).await?;
            return Ok(true);
        }
        let ranges = apply.log.offsets(&channel.resolved).await.map_err(|e| apply.log_error(e))?;
        let range = ranges.get(progress.partition as usize).copied().unwrap_or_default();
        if progress.slices == 0 {
            progress.slices = (range.end - range.start).div_ceil(CELLS_AT_ONCE).max(1);
        }
        let consumer = self.reader(apply, progress.partition, range.start).await?;
        self.stage = Stage::Learns(Reading { progress, end: range.end, consumer, last: HashMap::new() });
        Ok(false)
    }

    async fn reader(&self, apply: &Apply, partition: u32, from: u64) -> Result<Box<dyn Consumer>, Error> {
        let channel = &apply.channels.tables[self.table];
        let settings =
            ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
        let mut consumer = apply.log.consumer(settings).await.map_err(|e| apply.log_error(e))?;
        let at = TopicPartition::new(channel.resolved.clone(), partition);
        consumer.assign(&[(at, Some(from))]).await.map_err(|e| apply.log_error(e))?;
        Ok(consumer)
    }

    /// Learns which record is the last of each cell.
    async fn learns(&mut self, apply: &Apply, mut reading: Reading) -> Result<(), Error> {
        for record in reading.poll(apply, READ_ROWS).await? {
            if let Some(place) = reading.place(&record) {
                reading.last.insert(place, record.offset);
            }
        }
        if reading.is_behind() {
            self.stage = Stage::Learns(reading);
            return Ok(());
        }
        let channel = &apply.channels.tables[self.table];
        let ranges = apply.log.offsets(&channel.resolved).await.map_err(|e| apply.log_error(e))?;
        let start = ranges.get(reading.progress.partition as usize).map_or(0, |range| range.start);
        let from = reading.progress.next.clamp(start, reading.end.max(start));
        reading.consumer = self.reader(apply, reading.progress.partition, from).await?;
        self.stage = Stage::Fills(reading);
        Ok(())
    }

    /// Fills rows from the last records of their cells.
    async fn fills(
        &mut self,
        apply: &Apply,
        member: &mut dyn Member,
        mut reading: Reading,
    ) -> Result<(), Error> {
        let channel = &apply.channels.tables[self.table];
        let mut cells: Vec<(KeyBytes, Row)> = Vec::new();
        let records = reading.poll(apply, ROWS).await?;
        let from = records.first().map(|record| record.offset);
        for record in records {
            let is_last =
                reading.place(&record).is_some_and(|place| reading.last.get(&place) == Some(&record.offset));
            // What cannot be read is listed when apply comes to it.
            if is_last
                && let Ok((key, Ok(resolved))) = channel.read_resolved(&record)
                && let Some(row) = resolved.row
            {
                cells.push((key, row));
            }
        }
        let next = reading.next();
        let progress = if reading.is_behind() {
            Progress { next, ..reading.progress.clone() }
        } else {
            following(&reading.progress)
        };
        if let Some(refusal) = self.store(apply, member, Some(&progress), cells).await? {
            let (name, table) = (apply.name(), channel.schema.name.as_str());
            if self.refused.as_ref() != Some(&refusal) {
                tracing::warn!(
                    member = name,
                    table,
                    refusal,
                    "a row cannot take the group's value; it is tried again"
                );
            }
            self.refused = Some(refusal);
            self.pause_until = apply.clock.monotonic() + AGAIN_AFTER;
            let again = from.unwrap_or(reading.progress.next);
            reading.consumer = self.reader(apply, reading.progress.partition, again).await?;
            self.stage = Stage::Fills(reading);
            return Ok(());
        }
        self.refused = None;
        self.stage = if reading.is_behind() {
            reading.progress = progress;
            Stage::Fills(reading)
        } else {
            Stage::Begins(progress)
        };
        Ok(())
    }

    /// Fills rows and stores how far that is; a refusal in words.
    async fn store(
        &mut self,
        apply: &Apply,
        member: &mut dyn Member,
        next: Option<&Progress>,
        cells: Vec<(KeyBytes, Row)>,
    ) -> Result<Option<String>, Error> {
        let next =
            next.map(|next| serde_json::to_string(next).expect("numbers can always be written as JSON"));
        let step = RefillStep { table: self.table, cells, expected: self.stored.clone(), next: next.clone() };
        let refusal = member.refill(&step).await.map_err(|e| apply.member_error(e))?;
        if refusal.is_none() {
            self.stored = next.unwrap_or_default();
        }
        Ok(refusal.map(|refusal| refusal.message))
    }
}

/// Where it goes on after a slice.
fn following(progress: &Progress) -> Progress {
    let Progress { partition, slices, slice, .. } = *progress;
    if slice + 1 < slices {
        Progress { partition, slices, slice: slice + 1, next: 0 }
    } else {
        Progress { partition: partition + 1, slices: 0, slice: 0, next: 0 }
    }
}

impl Reading {
    async fn poll(&mut self, apply: &Apply, rows: usize) -> Result<Vec<Incoming>, Error> {
        if !self.is_behind() {
            return Ok(Vec::new());
        }
        let polled = self.consumer.poll(rows, READ_BYTES, WAIT).await.map_err(|e| apply.log_error(e))?;
        let mut records = polled.records;
        records.retain(|record| record.offset < self.end);
        Ok(records)
    }

    /// The hash of a record's key, if it belongs to the slice.
    fn place(&self, record: &Incoming) -> Option<u128> {
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, &record.key).hash(&mut hasher);
            hasher.finish()
        };
        let hash = half(0);
        (hash % self.progress.slices == self.progress.slice)
            .then(|| u128::from(hash) << 64 | u128::from(half(1)))
    }

    fn next(&self) -> u64 {
        self.consumer.positions().first().map_or(self.end, |(_, next)| *next)
    }

    fn is_behind(&self) -> bool {
        self.next() < self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slice_of_every_partition_comes_once() {
        let mut at = Progress { partition: 0, slices: 3, slice: 0, next: 7 };
        let mut met = Vec::new();
        while at.partition < 2 {
            met.push((at.partition, at.slice));
            at = following(&at);
            assert_eq!(at.next, 0);
            if at.slices == 0 {
                at.slices = 2;
            }
        }
        assert_eq!(met, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]);
    }

    #[test]
    fn what_is_stored_is_read_again() {
        let progress = Progress { partition: 2, slices: 3, slice: 1, next: 9 };
        let text = serde_json::to_string(&progress).unwrap();
        assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), progress);
        let refill = Refill { table: 0, columns: vec!["c".to_owned()], progress: text };
        assert!(matches!(Refilling::new(&refill).stage, Stage::Begins(found) if found == progress));
        let fresh = Refill { progress: String::new(), ..refill };
        assert!(matches!(Refilling::new(&fresh).stage, Stage::Settles(None)));
    }
}
