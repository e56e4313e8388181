//! Apply's offsets: what the next record of each partition is, written with the rows.
//!
//! Reading locks them, so that of two workers with the same partitions one waits and then finds them moved.

use super::PostgresMember;
use super::arrays::Array;
use super::run::{Step, Stop, stop};
use super::statements::{self, Database};
use crate::{ApplyBatch, Error, OffsetMove, Result, StoredOffset};
use tokio_postgres::Row;
use uuid::Uuid;

/// The offsets stored by the last committed apply.
pub(super) async fn offsets(member: &mut PostgresMember) -> Result<Vec<StoredOffset>> {
    let action = "list its offsets";
    let rows = statements::query(member, include_str!("sql/offsets_list.sql"), &[]).await;
    let read = |row: &Row| {
        let topic: String = row.get(0);
        let damaged = |column: &str| damaged(member, &topic, column);
        let number = |at: usize, column| u32::try_from(row.get::<_, i64>(at)).map_err(|_| damaged(column));
        Ok(StoredOffset {
            generation: number(1, "generation")?,
            partition: number(2, "partition")?,
            next: u64::try_from(row.get::<_, i64>(3)).map_err(|_| damaged("next_offset"))?,
            log: Uuid::try_parse(row.get(4)).map_err(|_| damaged("log_id"))?,
            topic: topic.clone(),
        })
    };
    rows.map_err(member.session.origin.failed(action))?.iter().map(read).collect()
}

/// The parameters that name a batch's offsets.
pub(super) struct Places {
    topics: Array,
    generations: Array,
    partitions: Array,
}

impl Places {
    pub(super) fn of(batch: &ApplyBatch) -> Self {
        let offsets = || batch.offsets.iter();
        Self {
            topics: Array::of(offsets().map(|step| step.topic.as_str())),
            generations: Array::of(offsets().map(|step| i64::from(step.generation))),
            partitions: Array::of(offsets().map(|step| i64::from(step.partition))),
        }
    }

    /// Locks and reads what is stored.
    pub(super) async fn read(&self, member: &PostgresMember) -> Database<Vec<Row>> {
        let Self { topics, generations, partitions } = self;
        let sql = include_str!("sql/offsets_read.sql");
        statements::query(member, sql, &[topics, generations, partitions]).await
    }

    /// Moves the offsets.
    pub(super) async fn write(&self, member: &PostgresMember, batch: &ApplyBatch) -> Step<()> {
        if batch.offsets.is_empty() {
            return Ok(());
        }
        let number = |offset: u64| i64::try_from(offset).unwrap_or(i64::MAX);
        let expected = Array::of(batch.offsets.iter().map(|step| step.expected.map(number)));
        let next = Array::of(batch.offsets.iter().map(|step| number(step.next)));
        let log = batch.log.hyphenated().to_string();
        let Self { topics, generations, partitions } = self;
        let moved = statements::execute(
            member,
            include_str!("sql/offsets_write.sql"),
            &[topics, generations, partitions, &expected, &next, &log],
        )
        .await
        .map_err(|error| stop(member, "move its offsets", error))?;
        if moved == batch.offsets.len() as u64 {
            return Ok(());
        }
        // What was found a moment ago was not there yet when another worker wrote it.
        let step = &batch.offsets[0];
        Err(Stop::Failed(moved_error(member, step, text(step.expected), "another one by now".to_owned())))
    }
}

/// Whether the offsets are where a batch expects them, and of the same log.
pub(super) fn check(member: &PostgresMember, batch: &ApplyBatch, stored: &[Row]) -> Result<()> {
    let mut found: Vec<Option<(u64, Uuid)>> = vec![None; batch.offsets.len()];
    for row in stored {
        let place = row.get::<_, i64>(0) as usize - 1;
        let topic = &batch.offsets[place].topic;
        let next = u64::try_from(row.get::<_, i64>(1)).map_err(|_| damaged(member, topic, "next_offset"))?;
        let log = Uuid::try_parse(row.get(2)).map_err(|_| damaged(member, topic, "log_id"))?;
        found[place] = Some((next, log));
    }
    for (step, found) in batch.offsets.iter().zip(found) {
        if let Some((_, log)) = found
            && log != batch.log
        {
            let (expected, found) =
                (format!("one of the log {}", batch.log), format!("one of the log {log}"));
            return Err(moved_error(member, step, expected, found));
        }
        let next = found.map(|(next, _)| next);
        if next != step.expected {
            return Err(moved_error(member, step, text(step.expected), text(next)));
        }
    }
    Ok(())
}

fn text(offset: Option<u64>) -> String {
    offset.map_or_else(|| "none".to_owned(), |offset| offset.to_string())
}

fn moved_error(member: &PostgresMember, step: &OffsetMove, expected: String, found: String) -> Error {
    Error::OffsetMoved {
        member: member.session.origin.member.clone(),
        topic: step.topic.clone(),
        generation: step.generation,
        partition: step.partition,
        expected,
        found,
    }
}

fn damaged(member: &PostgresMember, topic: &str, column: &str) -> Error {
    member.session.damaged("dss_offsets", format!("the {column} of {topic} is none"))
}
