//! Apply's offsets: what the next record of each partition is, written with the rows.

use super::SqliteMember;
use super::failure::failed;
use crate::{ApplyBatch, Error, OffsetMove, Result, StoredOffset};
use rusqlite::{OptionalExtension as _, params};
use uuid::Uuid;

/// The offsets stored by the last committed apply.
pub(super) fn offsets(member: &mut SqliteMember) -> Result<Vec<StoredOffset>> {
    let read = || {
        let mut statement = member.connection.prepare_cached(include_str!("sql/offsets_list.sql"))?;
        let rows = statement.query_map([], |row| {
            let offset = StoredOffset {
                topic: row.get(0)?,
                generation: row.get(1)?,
                partition: row.get(2)?,
                next: row.get(3)?,
                log: Uuid::nil(),
            };
            Ok((offset, row.get::<_, String>(4)?))
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let stored = read().map_err(failed(&member.path, "list its offsets"))?;
    stored
        .into_iter()
        .map(|(offset, log)| match Uuid::try_parse(&log) {
            Ok(log) => Ok(StoredOffset { log, ..offset }),
            Err(_) => Err(damaged(member, &offset.topic)),
        })
        .collect()
}

/// Moves a batch's offsets, inside its transaction: each must be where it is expected, and of the same log.
pub(super) fn advance(member: &SqliteMember, batch: &ApplyBatch) -> Result<()> {
    for step in &batch.offsets {
        let OffsetMove { topic, generation, partition, expected, next } = step;
        let read = || {
            let mut statement = member.connection.prepare_cached(include_str!("sql/offsets_read.sql"))?;
            statement
                .query_row(params![topic, generation, partition], |row| {
                    Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?))
                })
                .optional()
        };
        let stored = read().map_err(failed(&member.path, "read an offset"))?;
        let moved = |expected: String, found: String| Error::OffsetMoved {
            member: member.id.clone(),
            topic: topic.clone(),
            generation: *generation,
            partition: *partition,
            expected,
            found,
        };
        if let Some((_, log)) = &stored {
            let log = Uuid::try_parse(log).map_err(|_| damaged(member, topic))?;
            if log != batch.log {
                return Err(moved(format!("one of the log {}", batch.log), format!("one of the log {log}")));
            }
        }
        let found = stored.map(|(next, _)| next);
        if found != *expected {
            let text =
                |offset: Option<u64>| offset.map_or_else(|| "none".to_owned(), |offset| offset.to_string());
            return Err(moved(text(*expected), text(found)));
        }
        let write = || {
            let mut statement = member.connection.prepare_cached(include_str!("sql/offsets_write.sql"))?;
            statement.execute(params![topic, generation, partition, next, batch.log.hyphenated().to_string()])
        };
        write().map_err(failed(&member.path, "move an offset"))?;
    }
    Ok(())
}

fn damaged(member: &SqliteMember, topic: &str) -> Error {
    Error::Damaged {
        place: member.path.as_path().into(),
        object: "DataSync_dss_offsets".to_owned(),
        reason: format!("the log_id of {topic} is no id"),
    }
}
