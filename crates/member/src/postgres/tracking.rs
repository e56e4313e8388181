//! Tracking rows as apply reads and writes them, those of a whole table's part of a batch at once.
//!
//! Every write names the local version that the decision was made on, "no row" being one too. Whether it still held
//! shows in the count of rows; [`missed`] tells which did not.

use super::PostgresMember;
use super::arrays::{Array, CopyRows};
use super::keys::{self, Key};
use super::shape::TableSql;
use super::statements::{self, Database};
use super::table::BoundTable;
use super::values::Raw;
use bytes::{BufMut as _, Bytes};
use std::fmt::Write as _;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use tributary_model::{Dot, Incarnation, VersionVector};
use tributary_settle::LocalState;

/// What a cell's tracking row held.
#[derive(Debug, Default)]
pub(super) enum Before {
    /// There was none.
    #[default]
    Absent,
    /// One without a change of this member's own.
    Settled { seen: String, tombstone: bool, batch: Option<i64> },
    /// One with a change of this member's own.
    Local(Box<Local>),
}

/// A tracking row with a change of this member's own.
#[derive(Debug)]
pub(super) struct Local {
    version: i64,
    incarnation: Option<String>,
    seen: String,
    tombstone: bool,
    batch: Option<i64>,
    /// What is only put back: the time, the kind, whether it was made inside apply, the transaction.
    rest: [Option<Box<[u8]>>; 4],
}

impl Before {
    /// Reads the columns of a tracking row from `first` on.
    pub(super) fn of(row: &Row, first: usize) -> Self {
        let (seen, tombstone, batch) = (row.get(first + 2), row.get(first + 3), row.get(first + 4));
        match row.get(first) {
            None => Self::Settled { seen, tombstone, batch },
            Some(version) => Self::Local(Box::new(Local {
                version,
                incarnation: row.get(first + 1),
                seen,
                tombstone,
                batch,
                rest: std::array::from_fn(|at| row.get::<_, Raw<'_>>(first + 5 + at).0.map(Into::into)),
            })),
        }
    }

    /// What the decision is made on; a reason if the row cannot be read. `None` without a tracking row.
    pub(super) fn state(&self, table: &BoundTable) -> Result<Option<LocalState>, String> {
        let seen = |text: &str| VersionVector::parse(text).map_err(|error| error.to_string());
        match self {
            Self::Absent => Ok(None),
            Self::Settled { seen: text, .. } => Ok(Some(LocalState { local: None, seen: seen(text)? })),
            Self::Local(local) => {
                let incarnation = match &local.incarnation {
                    None => table.first_incarnation.clone(),
                    Some(name) if *name == table.incarnation.as_str() => table.incarnation.clone(),
                    Some(name) => Incarnation::parse(name).map_err(|error| error.to_string())?,
                };
                let version = u64::try_from(local.version).map_err(|_| "a version below 0".to_owned())?;
                let dot = Dot::new(incarnation, version);
                Ok(Some(LocalState { local: Some(dot), seen: seen(&local.seen)? }))
            }
        }
    }

    /// The local version, if it has one.
    pub(super) fn version(&self) -> Option<i64> {
        match self {
            Self::Local(local) => Some(local.version),
            Self::Absent | Self::Settled { .. } => None,
        }
    }
}

/// The parameters of a statement: the key's arrays, then others.
pub(super) fn parameters<'p>(
    keys: &'p [Array],
    more: &[&'p (dyn ToSql + Sync)],
) -> Vec<&'p (dyn ToSql + Sync)> {
    keys.iter().map(|array| array as _).chain(more.iter().copied()).collect()
}

/// A cell that is to be marked.
pub(super) struct Mark<'a> {
    pub(super) key: &'a Key,
    pub(super) before: &'a Before,
    pub(super) seen: &'a VersionVector,
}

/// Cells of one table that are to be marked, as the parameters of at most three statements.
pub(super) struct Marks {
    absent: Absent,
    settled: (Vec<Array>, Array),
    local: (Vec<Array>, Array, Array, Array),
}

enum Absent {
    Arrays(Vec<Array>, Array),
    Copy(u64, Bytes),
}

impl Marks {
    /// How many rows make a COPY cheaper than a statement.
    pub(super) const COPY: usize = 64;

    /// Puts the marks together; `copy` if new tracking rows may be copied.
    pub(super) fn of<'c>(width: usize, marks: &[Mark<'c>], tombstone: bool, batch: i64, copy: bool) -> Self {
        let of = |which: fn(&Before) -> bool| marks.iter().filter(move |mark| which(mark.before));
        let keys = |which| keys::arrays(width, of(which).map(|mark| mark.key));
        let absent = |before: &Before| matches!(before, Before::Absent);
        let settled = |before: &Before| matches!(before, Before::Settled { .. });
        let local = |before: &Before| matches!(before, Before::Local(_));
        let mut text = String::new();
        let mut seen = |which: fn(&Before) -> bool| {
            let mut array = Array::default();
            for mark in of(which) {
                text.clear();
                // Writing to a string does not fail.
                let _ = write!(text, "{}", mark.seen);
                array.push(&text.as_str());
            }
            array
        };
        let many = of(absent).nth(Self::COPY).is_some();
        let new = if copy && many {
            let mut rows = CopyRows::new(width + 3, marks.len());
            let mut text = String::new();
            for mark in of(absent) {
                text.clear();
                let _ = write!(text, "{}", mark.seen);
                let row = rows.begin();
                row.put_slice(mark.key.fields());
                row.put_i32(1);
                row.put_u8(u8::from(tombstone));
                row.put_i32(text.len() as i32);
                row.put_slice(text.as_bytes());
                row.put_i32(8);
                row.put_i64(batch);
            }
            let (count, bytes) = rows.finish();
            Absent::Copy(count, bytes)
        } else {
            Absent::Arrays(keys(absent), seen(absent))
        };
        let locals = || {
            marks.iter().filter_map(|mark| match mark.before {
                Before::Local(local) => Some(local),
                Before::Absent | Before::Settled { .. } => None,
            })
        };
        Self {
            absent: new,
            settled: (keys(settled), seen(settled)),
            local: (
                keys(local),
                seen(local),
                Array::of(locals().map(|local| local.version)),
                Array::of(locals().map(|local| local.incarnation.as_deref())),
            ),
        }
    }

    /// Writes the marks; returns how many of the tracking rows were as they had been read.
    pub(super) async fn write(
        &self,
        member: &PostgresMember,
        sql: &TableSql,
        tombstone: bool,
        batch: i64,
    ) -> Database<u64> {
        let absent = async {
            match &self.absent {
                Absent::Copy(count, bytes) => statements::copy(member, &sql.copy_tracking, bytes.clone())
                    .await
                    .map(|copied| copied.min(*count)),
                Absent::Arrays(_, seen) if seen.is_empty() => Ok(0),
                Absent::Arrays(keys, seen) => {
                    let parameters = parameters(keys, &[seen, &tombstone, &batch]);
                    statements::execute(member, &sql.insert_tracking, &parameters).await
                }
            }
        };
        let settled = async {
            let (keys, seen) = &self.settled;
            if seen.is_empty() {
                return Ok(0);
            }
            statements::execute(member, &sql.update_tracking, &parameters(keys, &[seen, &tombstone, &batch]))
                .await
        };
        let local = async {
            let (keys, seen, versions, incarnations) = &self.local;
            if seen.is_empty() {
                return Ok(0);
            }
            let parameters = parameters(keys, &[seen, &tombstone, &batch, versions, incarnations]);
            statements::execute(member, &sql.replace_tracking, &parameters).await
        };
        let (absent, settled, local) = futures_util::future::join3(absent, settled, local).await;
        let mut counts = statements::all([absent, settled, local])?;
        Ok(counts.drain(..).sum())
    }
}

/// Which of these cells do not bear the batch's mark, by place.
pub(super) async fn missed(
    member: &PostgresMember,
    sql: &TableSql,
    keys: &[Array],
    batch: i64,
) -> Database<Vec<usize>> {
    let rows = statements::query(member, &sql.missed, &parameters(keys, &[&batch])).await?;
    Ok(rows.iter().map(place).collect())
}

/// The place in the parameters that a row is about.
pub(super) fn place(row: &Row) -> usize {
    usize::try_from(row.get::<_, i64>(0) - 1).unwrap_or_default()
}

/// Gives marked cells of one table their tracking rows back as they were.
pub(super) async fn put_back(
    member: &PostgresMember,
    sql: &TableSql,
    width: usize,
    cells: &[(&Key, &Before)],
    batch: i64,
) -> Database<()> {
    let absent = cells.iter().filter(|(_, before)| matches!(before, Before::Absent)).map(|(key, _)| *key);
    let keys = keys::arrays(width, absent);
    if keys.iter().any(|array| !array.is_empty()) {
        statements::execute(member, &sql.forget_tracking, &parameters(&keys, &[&batch])).await?;
    }
    let there = || cells.iter().filter(|(_, before)| !matches!(before, Before::Absent));
    let keys = keys::arrays(width, there().map(|(key, _)| *key));
    if keys.iter().all(Array::is_empty) {
        return Ok(());
    }
    let mut columns: [Array; 9] = Default::default();
    for (_, before) in there() {
        let (seen, tombstone, number, local) = match before {
            Before::Settled { seen, tombstone, batch } => (seen, *tombstone, *batch, None),
            Before::Local(local) => (&local.seen, local.tombstone, local.batch, Some(local)),
            Before::Absent => continue,
        };
        columns[0].push(&tombstone);
        columns[1].push(&seen.as_str());
        columns[2].push(&number);
        columns[3].push(&local.map(|local| local.version));
        columns[4].push(&local.and_then(|local| local.incarnation.as_deref()));
        for (at, column) in columns[5..].iter_mut().enumerate() {
            column.push(&local.and_then(|local| local.rest[at].as_deref()));
        }
    }
    let batch: &(dyn ToSql + Sync) = &batch;
    let more: Vec<&(dyn ToSql + Sync)> =
        std::iter::once(batch).chain(columns.iter().map(|array| array as _)).collect();
    statements::execute(member, &sql.return_tracking, &parameters(&keys, &more)).await.map(drop)
}

/// The incarnation as a tracking row has it: NULL is the table's first.
pub(super) fn later_incarnation(table: &BoundTable) -> Option<&str> {
    (table.incarnation != table.first_incarnation).then(|| table.incarnation.as_str())
}

/// How far the first scan has claimed a table's keys, as stored; `None` if the table is not provisioned.
pub(super) async fn claim(member: &PostgresMember, table: &BoundTable) -> Database<Option<String>> {
    let name = table.binding.schema.name.as_str();
    let rows = statements::query(member, include_str!("sql/apply_read_claim.sql"), &[&name]).await?;
    Ok(rows.first().map(|row| row.get(0)))
}
