//! Unique values that change hands: rows of one table that take each other's value, in a circle or a chain.
//!
//! No order of single updates gets there, and deleting a row to insert it again would lose its unsynchronised columns
//! and fire cascades. So the values are taken away first, by a placeholder in a column of the constraint, and then all
//! rows are written. Two rows that want the same value for good are a conflict between cells, which nothing here can
//! settle: they stay refused.

use super::keys;
use super::refusal::Verb;
use super::run::{Group, Run, State, Step};
use super::settings::OnLoss;
use super::shape::UniqueShape;
use super::table::{BoundColumn, BoundTable};
use super::writes::{Failure, Writer};
use crate::RefusalKind;
use rusqlite::types::Value as Stored;
use std::collections::{HashMap, HashSet};
use tributary_model::{KeyBytes, LogicalType, Row};

/// How often a swap is tried with fewer rows.
const TRIES: usize = 4;

/// A row in the way: it holds a value that another is to get.
pub(super) struct Holder {
    /// Its key; `None` if that cannot be read.
    pub(super) key: Option<KeyBytes>,
    /// The constraint, by position in the table's.
    unique: usize,
}

/// A cell that waits for a unique value.
struct Waiting {
    cell: usize,
    holders: Vec<Holder>,
}

impl<'a> Run<'a> {
    /// Settles what unique constraints have refused, as far as the rows in the way are refused themselves.
    /// Tells whether that wrote anything.
    pub(super) fn swap(&mut self) -> Step<bool> {
        let writes = self.writes;
        for group in 0..self.groups.len() {
            let swaps =
                self.groups[group].verb == Verb::Upsert && self.refused_as_unique(group).nth(1).is_some();
            if swaps {
                self.swap_group(group)?;
            }
        }
        Ok(self.writes > writes)
    }

    fn refused_as_unique(&self, group: usize) -> impl Iterator<Item = usize> {
        let cells = self.groups[group].cells.iter().enumerate();
        cells.filter_map(|(at, cell)| match &cell.state {
            State::Refused(refused) if refused.marked && refused.refusal.kind == RefusalKind::Unique => {
                Some(at)
            }
            _ => None,
        })
    }

    fn swap_group(&mut self, group: usize) -> Step<()> {
        let Group { table: at, .. } = self.groups[group];
        let (table, shape) = self.table(at)?;
        let writer = Writer::open(self.connection, table, shape, self.member.settings.on_loss);
        let mut writer = writer.map_err(self.failed("prepare a write"))?;
        let mut waiting = Vec::new();
        for cell in self.refused_as_unique(group).collect::<Vec<_>>() {
            waiting.push(Waiting { cell, holders: self.holders(group, cell)? });
        }
        for _ in 0..TRIES {
            self.keep_movable(group, &mut waiting);
            if waiting.len() < 2 {
                break;
            }
            self.execute("SAVEPOINT dss_swap")?;
            let failed = self.try_swap(group, &waiting, &mut writer)?;
            if failed.is_empty() {
                self.execute("RELEASE dss_swap")?;
                for cell in waiting {
                    self.wrote(group, cell.cell);
                }
                break;
            }
            self.execute("ROLLBACK TO dss_swap")?;
            self.execute("RELEASE dss_swap")?;
            waiting.retain(|waiting| !failed.contains(&waiting.cell));
        }
        Ok(())
    }

    /// Drops those whose value is held by a row that does not give it up, and those that wait for them in turn.
    fn keep_movable(&self, group: usize, waiting: &mut Vec<Waiting>) {
        let key = |waiting: &Waiting| &self.batch.records[self.groups[group].cells[waiting.cell].record].key;
        let places: HashMap<&KeyBytes, usize> =
            waiting.iter().enumerate().map(|(at, waiting)| (key(waiting), at)).collect();
        let mut stuck = vec![false; waiting.len()];
        let mut behind: Vec<Vec<usize>> = vec![Vec::new(); waiting.len()];
        for (at, one) in waiting.iter().enumerate() {
            for holder in &one.holders {
                match holder.key.as_ref().and_then(|key| places.get(key)) {
                    Some(ahead) => behind[*ahead].push(at),
                    None => stuck[at] = true,
                }
            }
        }
        let mut open: Vec<usize> = (0..stuck.len()).filter(|at| stuck[*at]).collect();
        while let Some(at) = open.pop() {
            for other in behind[at].drain(..) {
                if !stuck[other] {
                    stuck[other] = true;
                    open.push(other);
                }
            }
        }
        let mut stuck = stuck.into_iter();
        waiting.retain(|_| !stuck.next().unwrap_or(false));
    }

    /// Takes the values away and writes all rows; returns the cells for which that failed.
    fn try_swap(
        &mut self,
        group: usize,
        waiting: &[Waiting],
        writer: &mut Writer<'a>,
    ) -> Step<HashSet<usize>> {
        let (table, shape) = self.table(self.groups[group].table)?;
        let mut involved: Vec<usize> =
            waiting.iter().flat_map(|waiting| &waiting.holders).map(|holder| holder.unique).collect();
        involved.sort_unstable();
        involved.dedup();
        let mut failed = HashSet::new();
        for (number, Waiting { cell, .. }) in waiting.iter().enumerate() {
            for unique in &involved {
                if self.groups[group].cells[*cell].present
                    && !self.take_away(group, *cell, table, &shape.uniques[*unique], number)?
                {
                    failed.insert(*cell);
                }
            }
        }
        for Waiting { cell, .. } in waiting {
            let Some(row) = self.row(group, *cell) else { continue };
            if failed.contains(cell) {
                continue;
            }
            let at = &self.groups[group].cells[*cell];
            match writer.upsert(&at.key, row, at.present) {
                Ok(rounded) => self.rounded += rounded,
                Err(Failure::Refused(_)) => drop(failed.insert(*cell)),
                Err(Failure::Sql(error)) => {
                    self.refusal_of(group, *cell, error)?;
                    failed.insert(*cell);
                }
            }
        }
        Ok(failed)
    }

    /// Puts a placeholder into the first column of a constraint that takes one.
    fn take_away(
        &mut self,
        group: usize,
        cell: usize,
        table: &BoundTable,
        unique: &UniqueShape,
        number: usize,
    ) -> Step<bool> {
        for (at, sql) in &unique.placeholders {
            let column = &table.columns[*at];
            let null = column.nullable.then_some(Stored::Null);
            for placeholder in null.into_iter().chain([self.placeholder(column, number)]) {
                let update = || {
                    let mut statement = self.connection.prepare_cached(sql)?;
                    let key = &self.groups[group].cells[cell].key;
                    keys::bind(&mut statement, key)?;
                    statement.raw_bind_parameter(key.len() + 1, &placeholder)?;
                    statement.raw_execute()
                };
                match update() {
                    Ok(changed) => {
                        if changed > 0 {
                            return Ok(true);
                        }
                    }
                    Err(error) => drop(self.refusal_of(group, cell, error)?),
                }
            }
        }
        Ok(false)
    }

    /// A value that nobody else has, of the column's type.
    fn placeholder(&self, column: &BoundColumn, number: usize) -> Stored {
        // Batches' numbers are never given twice, and no batch has a million records.
        let number = (self.number.unwrap_or_default() << 20) | number as i64;
        match column.codec.logical() {
            LogicalType::Boolean
            | LogicalType::Int
            | LogicalType::Long
            | LogicalType::Decimal { .. }
            | LogicalType::Numeric => Stored::Integer(i64::MAX - number),
            LogicalType::Float | LogicalType::Double => Stored::Real(-0.5 - number as f64),
            LogicalType::Bytes => Stored::Blob(format!("\u{1}dss {number}").into_bytes()),
            LogicalType::String
            | LogicalType::Uuid
            | LogicalType::Date
            | LogicalType::Time
            | LogicalType::Timestamp
            | LogicalType::TimestampOffset => Stored::Text(format!("\u{1}dss {number}")),
        }
    }

    /// The rows that hold what a cell's record wants in unique constraints.
    pub(super) fn holders(&self, group: usize, cell: usize) -> Step<Vec<Holder>> {
        let (table, shape) = self.table(self.groups[group].table)?;
        let Some(row) = self.row(group, cell) else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for unique in 0..shape.uniques.len() {
            let Some(values) = wanted(table, &shape.uniques[unique], row) else { continue };
            let query = || {
                let mut statement = self.connection.prepare_cached(&shape.uniques[unique].holder)?;
                let key = &self.groups[group].cells[cell].key;
                keys::bind(&mut statement, key)?;
                for (at, value) in values.iter().enumerate() {
                    statement.raw_bind_parameter(key.len() + 1 + at, value)?;
                }
                let mut rows = statement.raw_query();
                let mut holders = Vec::new();
                while let Some(row) = rows.next()? {
                    holders.push(Holder { key: keys::read(table, row, 0)?, unique });
                }
                Ok(holders)
            };
            found.extend(query().map_err(self.failed("look for a unique value"))?);
        }
        Ok(found)
    }

    /// The row that a cell's record carries.
    pub(super) fn row(&self, group: usize, cell: usize) -> Option<&'a Row> {
        let batch = self.batch;
        batch.records[self.groups[group].cells[cell].record].resolved.as_ref().ok()?.row.as_ref()
    }
}

/// A record's values in a constraint's columns; `None` if one is NULL, which equals nothing, or cannot stand there.
fn wanted(table: &BoundTable, unique: &UniqueShape, row: &Row) -> Option<Vec<Stored>> {
    let value = |at: &usize| {
        let column = &table.columns[*at];
        let written = column.codec.write(row.get(column.position)?, OnLoss::Round).ok()?;
        Some(keys::owned(&written.value)).filter(|value| *value != Stored::Null)
    };
    unique.columns.iter().map(value).collect()
}
