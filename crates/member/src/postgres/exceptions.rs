//! The exceptions store: parked records and rows, one for each cell and end.
//!
//! Apply writes it in the transaction of the offsets. A record that waits for a row says so by a token, so that the
//! row's arrival makes it due, and nothing else does: looking through a million parked records for each batch would
//! stop the member. What waits for something that has no token is tried again by time. Everything is read and written
//! for a whole batch at once.

use super::PostgresMember;
use super::arrays::Array;
use super::keys;
use super::references::References;
use super::statements::{self, Database};
use super::table::BoundTable;
use crate::waiting::{MADE_DUE, Token, retryable};
use crate::{ApplyRecord, Parked, ParkedAt, ParkedFilter, Refusal, RefusalKind, Result, Source};
use std::collections::{BTreeMap, HashMap};
use tokio_postgres::Row;
use tributary_model::{KeyBytes, TableName, Ticks, VersionVector};

/// What is known of a cell's parked record without its payload.
#[derive(Debug, Clone)]
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
    pub(super) refusal: Refusal,
    pub(super) attempts: u32,
    pub(super) first_at: Ticks,
    pub(super) last_at: Ticks,
    pub(super) due_at: Ticks,
    pub(super) waits_for: Option<Token>,
}

/// What a round knows of the parked records: mostly that there are none.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// By bound table: whether records are parked.
    tables: Vec<bool>,
    /// By bound table: whether a parent's parked delete may wait for its rows to go.
    parents: Vec<bool>,
    /// Whether any parked record waits for something.
    waiting: bool,
    /// By bound table and key: what is parked of the batch's cells.
    entries: HashMap<(usize, KeyBytes), Entry>,
}

impl Shelf {
    /// Looks whether anything is parked at all.
    pub(super) async fn look(member: &PostgresMember) -> Database<Vec<Row>> {
        let names = member.tables.iter().map(|table| table.binding.schema.name.as_str());
        statements::query(member, include_str!("sql/parked_any.sql"), &[&Array::of(names)]).await
    }

    /// What that look says.
    pub(super) fn of(found: &[Row], references: &References) -> Self {
        let Some(row) = found.first() else { return Self::default() };
        let (waiting, tables): (bool, Vec<bool>) = (row.get(0), row.get(1));
        let waits = |child| waiting && references.parents_of(child).any(|parent| tables[parent]);
        let parents = (0..tables.len()).map(waits).collect();
        Self { tables, parents, waiting, entries: HashMap::new() }
    }

    /// Whether any parked record waits for something.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting
    }

    /// Whether a parked delete may wait until rows of this table no longer refer to its row.
    pub(super) fn may_wait_for_children_of(&self, table: usize) -> bool {
        self.parents.get(table).copied().unwrap_or(false)
    }

    /// Reads what is parked of a batch's cells.
    pub(super) async fn read(&mut self, member: &PostgresMember, records: &[ApplyRecord]) -> Database<()> {
        for (table, bound) in member.tables.iter().enumerate().filter(|(table, _)| self.tables[*table]) {
            let here = records.iter().filter(|record| record.table == table);
            let keys = Array::of(here.map(|record| record.key.as_slice()));
            if keys.is_empty() {
                continue;
            }
            let sql = include_str!("sql/parked_find.sql");
            let rows = statements::query(member, sql, &[&bound.binding.schema.name.as_str(), &keys]).await?;
            for row in rows {
                self.entries.insert((table, KeyBytes::new(row.get::<_, Vec<u8>>(1))), entry(&row));
            }
        }
        Ok(())
    }

    /// What is parked of a cell of the batch.
    pub(super) fn entry(&self, record: &ApplyRecord) -> Option<&Entry> {
        if self.entries.is_empty() {
            return None;
        }
        self.entries.get(&(record.table, record.key.clone()))
    }

    /// Whether this very record is parked.
    pub(super) fn holds(&self, record: &ApplyRecord) -> bool {
        self.entry(record).is_some_and(|entry| entry.compare(&record.source).is_eq())
    }
}

fn entry(row: &Row) -> Entry {
    let waits_for: Option<&[u8]> = row.get(7);
    Entry {
        id: row.get(0),
        generation: u32::try_from(row.get::<_, Option<i64>>(2).unwrap_or_default()).unwrap_or_default(),
        offset: u64::try_from(row.get::<_, Option<i64>>(3).unwrap_or_default()).unwrap_or_default(),
        code: row.get(4),
        attempts: u32::try_from(row.get::<_, i64>(5)).unwrap_or(u32::MAX),
        first_at: row.get(6),
        waits_for: waits_for.and_then(|bytes| bytes.try_into().ok()),
    }
}

/// Removes parked records.
pub(super) async fn remove(member: &PostgresMember, ids: &[i64]) -> Database<()> {
    if ids.is_empty() {
        return Ok(());
    }
    statements::execute(member, include_str!("sql/parked_remove.sql"), &[&ids]).await.map(drop)
}

/// A parked record's next attempt.
pub(super) struct Postponed {
    pub(super) id: i64,
    pub(super) attempts: u32,
    pub(super) due_at: Ticks,
}

/// Notes other attempts, and when the next ones are due.
pub(super) async fn postpone(member: &PostgresMember, records: &[Postponed], now: Ticks) -> Database<()> {
    if records.is_empty() {
        return Ok(());
    }
    let ids = Array::of(records.iter().map(|record| record.id));
    let attempts = Array::of(records.iter().map(|record| i64::from(record.attempts)));
    let due = Array::of(records.iter().map(|record| record.due_at));
    let sql = include_str!("sql/parked_postpone.sql");
    statements::execute(member, sql, &[&ids, &attempts, &due, &now]).await.map(drop)
}

/// Parks records, in place of those of their cells that are parked already. No two are of one cell.
pub(super) async fn park(member: &PostgresMember, entrants: &[Entrant<'_>]) -> Database<()> {
    if entrants.is_empty() {
        return Ok(());
    }
    let each = || entrants.iter();
    let vv = |entrant: &Entrant<'_>| match &entrant.record.resolved {
        Ok(resolved) => resolved.vv.to_string(),
        Err(vv) => vv.to_string(),
    };
    // A zero byte stands in no text; a message may quote one.
    let clean = |text: &str| text.replace('\0', "\u{fffd}");
    let source = |entrant: &Entrant<'_>| entrant.record.source.clone();
    let offset = |entrant: &Entrant<'_>| i64::try_from(source(entrant).offset).unwrap_or(i64::MAX);
    let sql = include_str!("sql/parked_write.sql");
    let parameters = [
        Array::of(each().map(|entrant| entrant.table.binding.schema.name.as_str())),
        Array::of(each().map(|entrant| entrant.record.key.as_slice())),
        Array::of(each().map(|entrant| clean(&keys::text(entrant.table, &entrant.record.key)))),
        Array::of(each().map(vv)),
        Array::of(each().map(|entrant| i64::from(source(entrant).generation))),
        Array::of(each().map(|entrant| i64::from(source(entrant).partition))),
        Array::of(each().map(offset)),
        Array::of(each().map(|entrant| entrant.refusal.kind.as_str())),
        Array::of(each().map(|entrant| entrant.refusal.code.as_str())),
        Array::of(each().map(|entrant| clean(&entrant.refusal.message))),
        Array::of(each().map(|entrant| i64::from(entrant.attempts))),
        Array::of(each().map(|entrant| entrant.first_at)),
        Array::of(each().map(|entrant| entrant.last_at)),
        Array::of(each().map(|entrant| entrant.due_at)),
        Array::of(each().map(|entrant| entrant.waits_for.as_ref().map(|token| &token[..]))),
        Array::of(each().map(|entrant| entrant.record.payload.as_slice())),
    ];
    let parameters: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
        parameters.iter().map(|array| array as _).collect();
    statements::execute(member, sql, &parameters).await.map(drop)
}

/// A record that was made due.
pub(super) struct Woken {
    pub(super) table: String,
    pub(super) key: KeyBytes,
    pub(super) kind: Option<RefusalKind>,
}

/// Makes records due that wait for one of these tokens, at most so many.
pub(super) async fn wake(
    member: &PostgresMember,
    tokens: &[Token],
    now: Ticks,
    limit: usize,
) -> Database<Vec<Woken>> {
    let tokens = Array::of(tokens.iter().map(|token| &token[..]));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = include_str!("sql/parked_wake.sql");
    let rows = statements::query(member, sql, &[&tokens, &now, &limit]).await?;
    let woken = rows.iter().map(|row| Woken {
        table: row.get(0),
        key: KeyBytes::new(row.get::<_, Option<Vec<u8>>>(1).unwrap_or_default()),
        kind: RefusalKind::parse(row.get(2)),
    });
    Ok(woken.collect())
}

/// Whether any parked record is due.
pub(super) async fn is_any_due(member: &PostgresMember, now: Ticks) -> Database<bool> {
    let rows = statements::query(member, include_str!("sql/parked_due.sql"), &[&now]).await?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

/// Exceptions: see [`ParkedFilter`].
pub(super) async fn parked(member: &mut PostgresMember, filter: &ParkedFilter) -> Result<Vec<Parked>> {
    member.require_provisioned()?;
    let rows = match filter {
        ParkedFilter::All { table, after, limit } => {
            let (after, table) = (after.unwrap_or(i64::MIN), table.as_ref().map(TableName::as_str));
            let sql = include_str!("sql/parked_list.sql");
            statements::query(member, sql, &[&number(*limit), &after, &table]).await
        }
        ParkedFilter::Retryable { now, tables, limit } => retryable_rows(member, *now, tables, *limit).await,
    };
    let rows = rows.map_err(member.session.origin.failed("list its exceptions"))?;
    rows.iter()
        .map(|row| listed(row).map_err(|reason| member.session.damaged("dss_exceptions", reason)))
        .collect()
}

async fn retryable_rows(
    member: &mut PostgresMember,
    now: Ticks,
    tables: &[TableName],
    limit: usize,
) -> Database<Vec<Row>> {
    let tables: Vec<&str> = tables.iter().map(TableName::as_str).collect();
    let sql = include_str!("sql/parked_retryable.sql");
    let mut found = Vec::new();
    for (from, to) in retryable(now) {
        let left = number(limit.saturating_sub(found.len()));
        found.extend(statements::query(member, sql, &[&left, &from, &to, &tables]).await?);
    }
    Ok(found)
}

fn number(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A listed exception; a reason if it is none that this program wrote.
fn listed(row: &Row) -> std::result::Result<Parked, String> {
    let at = match row.get(0) {
        "apply" => ParkedAt::Apply,
        "capture" => ParkedAt::Capture,
        other => return Err(format!("an exception of {other:?}, which is neither `capture` nor `apply`")),
    };
    let kind: &str = row.get(8);
    let kind = RefusalKind::parse(kind).ok_or_else(|| format!("an exception of the kind {kind:?}"))?;
    let vv = VersionVector::parse(row.get(4)).map_err(|error| error.to_string())?;
    let number = |at: usize| row.get::<_, Option<i64>>(at).and_then(|number| u32::try_from(number).ok());
    let offset = row.get::<_, Option<i64>>(7).and_then(|offset| u64::try_from(offset).ok());
    let source = match (at, number(5), number(6), offset) {
        (ParkedAt::Apply, Some(generation), Some(partition), Some(offset)) => {
            Some(Source { generation, partition, offset })
        }
        (ParkedAt::Apply, ..) => return Err("a parked record without its place in the log".to_owned()),
        (ParkedAt::Capture, ..) => None,
    };
    Ok(Parked {
        number: row.get(16),
        at,
        table: TableName::new(row.get::<_, String>(1)),
        key: row.get::<_, Option<Vec<u8>>>(2).map(KeyBytes::new),
        key_text: row.get(3),
        vv,
        source,
        refusal: Refusal { kind, code: row.get(9), message: row.get(10) },
        attempts: number(11).unwrap_or(u32::MAX),
        first_at: row.get(12),
        last_at: row.get(13),
        due_at: row.get(14),
        payload: row.get::<_, Option<Vec<u8>>>(15).unwrap_or_default(),
    })
}

/// How many exceptions are stored, by table and end.
pub(super) async fn parked_counts(
    member: &mut PostgresMember,
) -> Result<BTreeMap<(TableName, &'static str), u64>> {
    member.require_provisioned()?;
    let rows = statements::query(member, include_str!("sql/parked_counts.sql"), &[]).await;
    let rows = rows.map_err(member.session.origin.failed("count its exceptions"))?;
    let mut counts = BTreeMap::new();
    for row in rows {
        let end = if row.get::<_, &str>(1) == "capture" { "capture" } else { "apply" };
        let count = u64::try_from(row.get::<_, i64>(2)).unwrap_or_default();
        *counts.entry((TableName::new(row.get::<_, String>(0)), end)).or_default() += count;
    }
    Ok(counts)
}

/// Makes parked records due at once, all or those of one table; returns how many.
pub(super) async fn retry_parked(member: &mut PostgresMember, table: Option<&TableName>) -> Result<u64> {
    member.require_provisioned()?;
    let (sql, table) = (include_str!("sql/parked_make_due.sql"), table.map(TableName::as_str));
    let (mut after, mut changed) = (i64::MIN, 0);
    loop {
        let rows = statements::query(member, sql, &[&table, &after, &MADE_DUE]).await;
        let rows = rows.map_err(member.session.origin.failed("make its exceptions due"))?;
        let Some(last) = rows.iter().map(|row| row.get::<_, i64>(0)).max() else { return Ok(changed) };
        after = last;
        changed += rows.len() as u64;
    }
}
