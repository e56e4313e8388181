//! Tracking rows as apply reads and writes them.
//!
//! Every write names the local version that the decision was made on, "no row" being one too, and says whether it
//! still held.

use super::keys::{self, Key};
use super::shape::TableSql;
use super::table::BoundTable;
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params};
use std::fmt::Write as _;
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
    changed_at: Option<String>,
    kind: Option<String>,
    inside_apply: Option<i64>,
}

impl Before {
    /// Whether the tracking row says that the row is there; `None` without a tracking row.
    pub(super) fn is_present(&self) -> Option<bool> {
        match self {
            Self::Absent => None,
            Self::Settled { tombstone, .. } => Some(!tombstone),
            Self::Local(local) => Some(!local.tombstone),
        }
    }

    /// What the decision is made on; a reason if the row cannot be read. `None` without a tracking row.
    pub(super) fn state(&self, table: &BoundTable) -> Result<Option<LocalState>, String> {
        let seen = |text: &str| {
            if text.is_empty() { Ok(VersionVector::new()) } else { VersionVector::parse(text) }
                .map_err(|error| error.to_string())
        };
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
}

/// The statements for reading and marking the cells of one table.
pub(super) struct Tracking<'c> {
    read: CachedStatement<'c>,
    insert: CachedStatement<'c>,
    update: CachedStatement<'c>,
    replace: CachedStatement<'c>,
    text: String,
}

impl<'c> Tracking<'c> {
    pub(super) fn open(connection: &'c Connection, sql: &TableSql) -> rusqlite::Result<Self> {
        Ok(Self {
            read: connection.prepare_cached(&sql.read_tracking)?,
            insert: connection.prepare_cached(&sql.insert_tracking)?,
            update: connection.prepare_cached(&sql.update_tracking)?,
            replace: connection.prepare_cached(&sql.replace_tracking)?,
            text: String::new(),
        })
    }

    /// The cell's tracking row.
    pub(super) fn read(&mut self, key: &Key) -> rusqlite::Result<Before> {
        keys::bind(&mut self.read, key)?;
        let mut rows = self.read.raw_query();
        let Some(row) = rows.next()? else { return Ok(Before::Absent) };
        let (seen, tombstone, batch) = (row.get(2)?, row.get(3)?, row.get(4)?);
        Ok(match row.get(0)? {
            None => Before::Settled { seen, tombstone, batch },
            Some(version) => Before::Local(Box::new(Local {
                version,
                incarnation: row.get(1)?,
                seen,
                tombstone,
                batch,
                changed_at: row.get(5)?,
                kind: row.get(6)?,
                inside_apply: row.get(7)?,
            })),
        })
    }

    /// Marks the cell as one that this batch writes, with what its copy will reflect. `false` if the tracking row is
    /// not what it was when it was read.
    pub(super) fn mark(
        &mut self,
        key: &Key,
        before: &Before,
        tombstone: bool,
        seen: &VersionVector,
        batch: i64,
    ) -> rusqlite::Result<bool> {
        self.text.clear();
        // Writing to a string does not fail.
        let _ = write!(self.text, "{seen}");
        let after_key = key.len() + 1;
        let statement = match before {
            Before::Absent => &mut self.insert,
            Before::Settled { .. } => &mut self.update,
            Before::Local(local) => {
                self.replace.raw_bind_parameter(after_key + 3, local.version)?;
                self.replace.raw_bind_parameter(after_key + 4, local.incarnation.as_deref())?;
                &mut self.replace
            }
        };
        keys::bind(statement, key)?;
        statement.raw_bind_parameter(after_key, tombstone)?;
        statement.raw_bind_parameter(after_key + 1, self.text.as_str())?;
        statement.raw_bind_parameter(after_key + 2, batch)?;
        match statement.raw_execute() {
            Ok(changed) => Ok(changed == 1),
            Err(error) if matches!(before, Before::Absent) && super::refusal::is_own_key(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Gives a marked cell its tracking row back as it was.
pub(super) fn put_back(
    connection: &Connection,
    sql: &TableSql,
    key: &Key,
    before: &Before,
) -> rusqlite::Result<()> {
    let none = None::<&str>;
    let next = key.len() + 1;
    let mut statement = match before {
        Before::Absent => connection.prepare_cached(&sql.forget_tracking)?,
        Before::Settled { seen, tombstone, batch } => {
            let mut statement = connection.prepare_cached(&sql.return_tracking)?;
            bind_all(&mut statement, next, params![tombstone, seen, batch, none, none, none, none, none])?;
            statement
        }
        Before::Local(local) => {
            let mut statement = connection.prepare_cached(&sql.return_tracking)?;
            let Local { version, incarnation, seen, tombstone, batch, changed_at, kind, inside_apply } =
                &**local;
            let values =
                params![tombstone, seen, batch, version, incarnation, changed_at, kind, inside_apply];
            bind_all(&mut statement, next, values)?;
            statement
        }
    };
    keys::bind(&mut statement, key)?;
    statement.raw_execute()?;
    Ok(())
}

/// Forgets a tombstone that has expired with `vv`, unless the cell was changed or deleted anew after it.
pub(super) fn purge(
    connection: &Connection,
    sql: &TableSql,
    key: &Key,
    before: &Before,
) -> rusqlite::Result<()> {
    let version = match before {
        Before::Local(local) => Some(local.version),
        Before::Absent | Before::Settled { .. } => None,
    };
    let mut statement = connection.prepare_cached(&sql.purge_tracking)?;
    keys::bind(&mut statement, key)?;
    statement.raw_bind_parameter(key.len() + 1, version)?;
    statement.raw_execute()?;
    Ok(())
}

/// Has a row without a tracking row captured, as the first scan's once more.
pub(super) fn track(
    connection: &Connection,
    table: &BoundTable,
    sql: &TableSql,
    key: &Key,
    version: i64,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(&sql.track_row)?;
    keys::bind(&mut statement, key)?;
    let scanned = VersionVector::of(&table.scanned()).to_string();
    bind_all(&mut statement, key.len() + 1, params![version, later_incarnation(table), scanned])?;
    statement.raw_execute()?;
    Ok(())
}

/// Makes the row that is there a change of this member's own, on top of what `seen` says.
pub(super) fn restore(
    connection: &Connection,
    table: &BoundTable,
    sql: &TableSql,
    key: &Key,
    version: i64,
    seen: &VersionVector,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(&sql.restore_row)?;
    keys::bind(&mut statement, key)?;
    bind_all(&mut statement, key.len() + 1, params![version, later_incarnation(table), seen.to_string()])?;
    statement.raw_execute()?;
    Ok(())
}

/// The next version of this member's.
pub(super) fn next_version(connection: &Connection) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached(include_str!("sql/apply_next_version.sql"))?;
    statement.query_row([], |row| row.get(0))
}

/// How far the first scan has claimed a table's keys, as stored; `None` if the table is not provisioned.
pub(super) fn claim(connection: &Connection, table: &BoundTable) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare_cached(include_str!("sql/apply_read_claim.sql"))?;
    statement.query_row([table.binding.schema.name.as_str()], |row| row.get(0)).optional()
}

/// The incarnation as a tracking row has it: NULL is the table's first.
fn later_incarnation(table: &BoundTable) -> Option<&str> {
    (table.incarnation != table.first_incarnation).then(|| table.incarnation.as_str())
}

fn bind_all(
    statement: &mut CachedStatement<'_>,
    first: usize,
    values: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<()> {
    for (at, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(first + at, value)?;
    }
    Ok(())
}
