//! Apply's offsets: what the next record of each partition is, written with the rows.
//!
//! Reading locks them, so that of two workers with the same partitions one waits and then finds them moved.

use super::SqlServerMember;
use super::cells::{Cell, integer, text};
use super::json::{Column, Rows, Source};
use super::refusal;
use super::run::{Run, Step, Stop};
use super::session::{Cells, text as parameter};
use crate::template::fill;
use crate::{ApplyBatch, Error, OffsetMove, Result, StoredOffset};
use uuid::Uuid;

/// The offsets stored by the last committed apply.
pub(super) async fn offsets(member: &mut SqlServerMember) -> Result<Vec<StoredOffset>> {
    member.require_provisioned()?;
    let sql = fill(include_str!("sql/offsets_list.sql"), &[]);
    let rows = member.session.query("list its offsets", &sql, Vec::new()).await?;
    let stored: Cell<Vec<StoredOffset>> = rows.iter().map(listed).collect();
    stored.map_err(|reason| Error::Damaged {
        place: member.session.whose().place.clone(),
        object: "DataSync.dss_offsets".to_owned(),
        reason,
    })
}

fn listed(row: &Cells) -> Cell<StoredOffset> {
    let topic = text(row, 0)?;
    let number = |place, what| {
        u32::try_from(integer(row, place)?).map_err(|_| format!("the {what} of {topic} is below 0"))
    };
    Ok(StoredOffset {
        generation: number(1, "generation")?,
        partition: number(2, "partition")?,
        next: unsigned(integer(row, 3)?, &topic)?,
        log: log_id(&text(row, 4)?, &topic)?,
        topic,
    })
}

fn unsigned(number: i64, topic: &str) -> Cell<u64> {
    u64::try_from(number).map_err(|_| format!("the next_offset of {topic} is below 0"))
}

fn log_id(text: &str, topic: &str) -> Cell<Uuid> {
    Uuid::try_parse(text).map_err(|_| format!("the log_id of {topic} is no id"))
}

/// The columns that name an offset.
fn places() -> Source {
    let source = Source::default().with(Column::text("topic"));
    source.with(Column::long("generation")).with(Column::long("partition"))
}

/// The statement that looks at everything a batch begins with.
pub(super) fn look_sql() -> String {
    let tables = Source::default().with(Column::text("table_name"));
    let parts = [("offsets", places().sql("u", 1)), ("tables", tables.sql("u", 2))];
    fill(include_str!("sql/batch_look.sql"), &parts.each_ref().map(|(name, sql)| (*name, sql.as_str())))
}

/// The statement that moves offsets.
pub(super) fn write_sql() -> String {
    let moves = places().with(Column::long("expected")).with(Column::long("next")).sql("u", 1);
    fill(include_str!("sql/offsets_write.sql"), &[("moves", &moves)])
}

fn put(rows: &mut Rows, place: usize, step: &OffsetMove) {
    rows.begin(place);
    rows.text(step.topic.as_str());
    rows.long(i64::from(step.generation));
    rows.long(i64::from(step.partition));
}

/// The parameter that names a batch's offsets.
pub(super) fn named(batch: &ApplyBatch) -> Rows {
    let mut rows = Rows::default();
    for (place, step) in batch.offsets.iter().enumerate() {
        put(&mut rows, place, step);
    }
    rows
}

fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

impl Run<'_> {
    /// Checks that the offsets are where the batch expects them, and of the same log. `found` are rows of the look.
    pub(super) fn check_offsets(&self, found: &[&Cells]) -> Step<()> {
        let mut stored: Vec<Option<(u64, Uuid)>> = vec![None; self.batch.offsets.len()];
        for row in found {
            let read = || {
                let place = usize::try_from(integer(row, 1)?).map_err(|_| "a place below 0".to_owned())?;
                let topic = self.batch.offsets.get(place).map_or("", |step| step.topic.as_str());
                Ok((place, unsigned(integer(row, 2)?, topic)?, log_id(&text(row, 3)?, topic)?))
            };
            let read: Cell<(usize, u64, Uuid)> = read();
            let (place, next, log) = read.map_err(|reason| self.damaged("DataSync.dss_offsets", reason))?;
            if let Some(stored) = stored.get_mut(place) {
                *stored = Some((next, log));
            }
        }
        for (step, stored) in self.batch.offsets.iter().zip(stored) {
            if let Some((_, log)) = stored
                && log != self.batch.log
            {
                let expected = format!("one of the log {}", self.batch.log);
                return Err(self.moved(step, expected, format!("one of the log {log}")));
            }
            let next = stored.map(|(next, _)| next);
            if next != step.expected {
                return Err(self.moved(step, spelt(step.expected), spelt(next)));
            }
        }
        Ok(())
    }

    /// Moves the batch's offsets.
    pub(super) async fn move_offsets(&mut self) -> Step<()> {
        let batch = self.batch;
        let Some(first) = batch.offsets.first() else { return Ok(()) };
        let mut rows = Rows::default();
        for (place, step) in batch.offsets.iter().enumerate() {
            put(&mut rows, place, step);
            rows.long(step.expected.map(signed));
            rows.long(signed(step.next));
        }
        let log = batch.log.hyphenated().to_string();
        // What was found a moment ago was not there yet when another worker wrote it.
        let by_now = |run: &Self| run.moved(first, spelt(first.expected), "another one by now".to_owned());
        match self.query("move its offsets", &write_sql(), rows, vec![parameter(&log)]).await {
            Ok(answer) if self.count(&answer)? == batch.offsets.len() as u64 => Ok(()),
            Ok(_) => Err(by_now(self)),
            Err(Stop::Failed(error)) if refusal::is_duplicate(&error) => Err(by_now(self)),
            Err(stop) => Err(stop),
        }
    }

    fn moved(&self, step: &OffsetMove, expected: String, found: String) -> Stop {
        Stop::Failed(Error::OffsetMoved {
            member: self.session.whose().member.clone(),
            topic: step.topic.clone(),
            generation: step.generation,
            partition: step.partition,
            expected,
            found,
        })
    }
}

fn spelt(offset: Option<u64>) -> String {
    offset.map_or_else(|| "none".to_owned(), |offset| offset.to_string())
}
