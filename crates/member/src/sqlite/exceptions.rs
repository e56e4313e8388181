//! The exceptions store: parked records and rows, one for each cell and end.
//!
//! Apply writes it in the transaction of the offsets. A record that waits for a row says so by a token, so that the
//! row's arrival makes it due, and nothing else does: looking through a million parked records for each batch would
//! stop the member. What waits for something that has no token is tried again by time.

use super::SqliteMember;
use super::failure::failed;
use super::references::References;
use super::table::BoundTable;
use crate::waiting::{MADE_DUE, Token, retryable};
use crate::{ApplyRecord, Error, Parked, ParkedAt, ParkedFilter, Refusal, RefusalKind, Result, Source};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::collections::BTreeMap;
use tributary_model::{KeyBytes, TableName, Ticks, VersionVector};

/// What is known of a cell's parked record without its payload.
pub(super) struct Entry {
    pub(super) id: i64,
    generation: u32,
    offset: u64,
    pub(super) code: String,
    pub(super) attempts: u32,
    pub(super) first_at: Ticks,
    pub(super) waits_for: Option<Token>,
}

impl Entry {
    /// How its place in the log compares with a record's. By generation and offset, not by VV: two lives of a cell
    /// cannot be compared.
    pub(super) fn compare(&self, source: &Source) -> std::cmp::Ordering {
        (self.generation, self.offset).cmp(&(source.generation, source.offset))
    }
}

/// A record to be parked.
pub(super) struct Entrant<'a> {
    pub(super) table: &'a BoundTable,
    pub(super) record: &'a ApplyRecord,
    pub(super) refusal: &'a Refusal,
    pub(super) attempts: u32,
    pub(super) first_at: Ticks,
    pub(super) last_at: Ticks,
    pub(super) due_at: Ticks,
    pub(super) waits_for: Option<Token>,
}

/// What a round knows of the parked records: mostly that there are none.
#[derive(Debug)]
pub(super) struct Shelf {
    /// By bound table: whether records are parked.
    tables: Vec<bool>,
    /// By bound table: whether a parent's parked delete may wait for its rows to go.
    parents: Vec<bool>,
    /// Whether any parked record waits for something.
    waiting: bool,
}

impl Shelf {
    pub(super) fn open(
        connection: &Connection,
        tables: &[BoundTable],
        references: &References,
    ) -> rusqlite::Result<Self> {
        let mut any = connection.prepare_cached(include_str!("sql/parked_any.sql"))?;
        let (any, waiting): (bool, bool) = any.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut shelf =
            Self { tables: vec![false; tables.len()], parents: vec![false; tables.len()], waiting };
        if any {
            let mut in_table = connection.prepare_cached(include_str!("sql/parked_in_table.sql"))?;
            for (holds, table) in shelf.tables.iter_mut().zip(tables) {
                *holds = in_table.query_row([table.binding.schema.name.as_str()], |row| row.get(0))?;
            }
            for child in 0..tables.len() {
                shelf.parents[child] =
                    waiting && references.parents_of(child).any(|parent| shelf.tables[parent]);
            }
        }
        Ok(shelf)
    }

    /// Whether records of a table are parked.
    pub(super) fn has(&self, table: usize) -> bool {
        self.tables[table]
    }

    /// Whether any parked record waits for something.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting
    }

    /// Whether a parked delete may wait until rows of this table no longer refer to its row.
    pub(super) fn may_wait_for_children_of(&self, table: usize) -> bool {
        self.parents[table]
    }

    /// Whether this very record is parked.
    pub(super) fn holds(
        &self,
        connection: &Connection,
        table: &BoundTable,
        record: &ApplyRecord,
    ) -> rusqlite::Result<bool> {
        if !self.has(record.table) {
            return Ok(false);
        }
        let entry = find(connection, table, &record.key)?;
        Ok(entry.is_some_and(|entry| entry.compare(&record.source).is_eq()))
    }
}

/// A cell's parked record.
pub(super) fn find(
    connection: &Connection,
    table: &BoundTable,
    key: &KeyBytes,
) -> rusqlite::Result<Option<Entry>> {
    let mut statement = connection.prepare_cached(include_str!("sql/parked_find.sql"))?;
    statement
        .query_row(params![table.binding.schema.name.as_str(), key.as_slice()], |row| {
            Ok(Entry {
                id: row.get(0)?,
                generation: row.get::<_, Option<u32>>(1)?.unwrap_or_default(),
                offset: row.get::<_, Option<u64>>(2)?.unwrap_or_default(),
                code: row.get(3)?,
                attempts: row.get(4)?,
                first_at: row.get(5)?,
                waits_for: row.get(6)?,
            })
        })
        .optional()
}

/// Removes a parked record.
pub(super) fn remove(connection: &Connection, id: i64) -> rusqlite::Result<()> {
    connection.prepare_cached(include_str!("sql/parked_remove.sql"))?.execute([id]).map(drop)
}

/// Notes another attempt, and when the next one is due.
pub(super) fn postpone(
    connection: &Connection,
    id: i64,
    attempts: u32,
    now: Ticks,
    due_at: Ticks,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(include_str!("sql/parked_postpone.sql"))?;
    statement.execute(params![id, attempts, now, due_at]).map(drop)
}

/// Parks a record, in place of one of its cell that is parked already.
pub(super) fn park(connection: &Connection, entrant: &Entrant<'_>) -> rusqlite::Result<()> {
    let Entrant { table, record, refusal, attempts, first_at, last_at, due_at, waits_for } = entrant;
    let vv = match &record.resolved {
        Ok(resolved) => resolved.vv.to_string(),
        Err(vv) => vv.to_string(),
    };
    let mut statement = connection.prepare_cached(include_str!("sql/parked_write.sql"))?;
    let Source { generation, partition, offset } = &record.source;
    statement.execute(params![
        table.binding.schema.name.as_str(),
        record.key.as_slice(),
        super::keys::text(table, &record.key),
        vv,
        generation,
        partition,
        offset,
        refusal.kind.as_str(),
        refusal.code,
        refusal.message,
        attempts,
        first_at,
        last_at,
        due_at,
        waits_for,
        record.payload,
    ])?;
    Ok(())
}

/// A record that was made due.
pub(super) struct Woken {
    pub(super) table: String,
    pub(super) key: KeyBytes,
    pub(super) kind: Option<RefusalKind>,
}

/// Makes records due that wait for a token, at most so many.
pub(super) fn wake(
    connection: &Connection,
    token: &Token,
    now: Ticks,
    limit: usize,
) -> rusqlite::Result<Vec<Woken>> {
    let mut statement = connection.prepare_cached(include_str!("sql/parked_wake.sql"))?;
    let rows = statement.query_map(params![token, now, limit], |row| {
        Ok(Woken {
            table: row.get(0)?,
            key: KeyBytes::new(row.get::<_, Option<Vec<u8>>>(1)?.unwrap_or_default()),
            kind: RefusalKind::parse(&row.get::<_, String>(2)?),
        })
    })?;
    rows.collect()
}

/// Whether any parked record is due.
pub(super) fn is_any_due(connection: &Connection, now: Ticks) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(include_str!("sql/parked_due.sql"))?;
    statement.query_row([now], |row| row.get(0))
}

/// Exceptions: see [`ParkedFilter`].
pub(super) fn parked(member: &mut SqliteMember, filter: &ParkedFilter) -> Result<Vec<Parked>> {
    let action = "list its exceptions";
    let connection = &member.connection;
    let number = |limit: usize| i64::try_from(limit).unwrap_or(i64::MAX);
    let read = || match filter {
        ParkedFilter::All { table, after, limit } => {
            let mut statement = connection.prepare_cached(include_str!("sql/parked_list.sql"))?;
            let (after, table) = (after.unwrap_or(i64::MIN), table.as_ref().map(TableName::as_str));
            statement.query_map(params![number(*limit), after, table], listed)?.collect()
        }
        ParkedFilter::Retryable { now, tables, limit } => {
            let mut statement = connection.prepare_cached(include_str!("sql/parked_retryable.sql"))?;
            let tables: Vec<&str> = tables.iter().map(TableName::as_str).collect();
            let tables = serde_json::Value::from(tables).to_string();
            let mut found = Vec::new();
            for (from, to) in retryable(*now) {
                let left = number(limit.saturating_sub(found.len()));
                let rows = statement.query_map(params![left, from, to, tables], listed)?;
                found.extend(rows.collect::<rusqlite::Result<Vec<_>>>()?);
            }
            Ok(found)
        }
    };
    let found: Vec<std::result::Result<Parked, String>> = read().map_err(failed(&member.path, action))?;
    found
        .into_iter()
        .map(|parked| {
            parked.map_err(|reason| Error::Damaged {
                place: member.path.as_path().into(),
                object: "DataSync_dss_exceptions".to_owned(),
                reason,
            })
        })
        .collect()
}

/// A listed exception; a reason if it is none that this program wrote.
fn listed(row: &Row<'_>) -> rusqlite::Result<std::result::Result<Parked, String>> {
    let at = match row.get::<_, String>(0)?.as_str() {
        "apply" => ParkedAt::Apply,
        "capture" => ParkedAt::Capture,
        other => {
            return Ok(Err(format!("an exception of {other:?}, which is neither `capture` nor `apply`")));
        }
    };
    let kind = row.get::<_, String>(8)?;
    let Some(kind) = RefusalKind::parse(&kind) else {
        return Ok(Err(format!("an exception of the kind {kind:?}")));
    };
    let vv = match VersionVector::parse(&row.get::<_, String>(4)?) {
        Ok(vv) => vv,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let place: (Option<u32>, Option<u32>, Option<u64>) = (row.get(5)?, row.get(6)?, row.get(7)?);
    let source = match (at, place) {
        (ParkedAt::Apply, (Some(generation), Some(partition), Some(offset))) => {
            Some(Source { generation, partition, offset })
        }
        (ParkedAt::Apply, _) => return Ok(Err("a parked record without its place in the log".to_owned())),
        (ParkedAt::Capture, _) => None,
    };
    Ok(Ok(Parked {
        number: row.get(16)?,
        at,
        table: TableName::new(row.get::<_, String>(1)?),
        key: row.get::<_, Option<Vec<u8>>>(2)?.map(KeyBytes::new),
        key_text: row.get(3)?,
        vv,
        source,
        refusal: Refusal { kind, code: row.get(9)?, message: row.get(10)? },
        attempts: row.get(11)?,
        first_at: row.get(12)?,
        last_at: row.get(13)?,
        due_at: row.get(14)?,
        payload: row.get::<_, Option<Vec<u8>>>(15)?.unwrap_or_default(),
    }))
}

/// How many exceptions are stored, by table and end.
pub(super) fn parked_counts(member: &mut SqliteMember) -> Result<BTreeMap<(TableName, &'static str), u64>> {
    let read = || {
        let mut statement = member.connection.prepare_cached(include_str!("sql/parked_counts.sql"))?;
        let mut rows = statement.raw_query();
        let mut counts = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let end = if row.get::<_, String>(1)? == "capture" { "capture" } else { "apply" };
            *counts.entry((TableName::new(row.get::<_, String>(0)?), end)).or_default() +=
                row.get::<_, u64>(2)?;
        }
        Ok(counts)
    };
    read().map_err(failed(&member.path, "count its exceptions"))
}

/// Makes parked records due at once, all or those of one table; returns how many.
pub(super) fn retry_parked(member: &mut SqliteMember, table: Option<&TableName>) -> Result<u64> {
    let page = |after: i64| {
        let mut statement = member.connection.prepare_cached(include_str!("sql/parked_make_due.sql"))?;
        let rows =
            statement.query_map(params![table.map(TableName::as_str), after, MADE_DUE], |row| row.get(0))?;
        rows.collect::<rusqlite::Result<Vec<i64>>>()
    };
    let (mut after, mut changed) = (i64::MIN, 0);
    loop {
        let numbers = page(after).map_err(failed(&member.path, "make its exceptions due"))?;
        let Some(last) = numbers.iter().max() else { return Ok(changed) };
        after = *last;
        changed += numbers.len() as u64;
    }
}
