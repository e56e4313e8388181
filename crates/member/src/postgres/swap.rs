//! Unique values that change hands: rows of one table that take each other's value, in a circle or a chain.
//!
//! No order of updates gets there, since the server looks at each row as it is written, and deleting a row to insert
//! it again would lose its unsynchronised columns and fire cascades. So the values are taken away first, by a
//! placeholder in a column of the constraint, and then all rows are written. Two rows that want the same value for
//! good are a conflict between cells, which nothing here can settle: they stay refused.

use super::arrays::{Array, Field};
use super::keys;
use super::refusal::{self, Verb};
use super::run::{At, Group, Run, State, Step};
use super::settings::OnLoss;
use super::shape::UniqueShape;
use super::table::BoundColumn;
use super::tracking::{self, parameters};
use super::writes::{Kind, Tried};
use crate::{Refusal, RefusalKind};
use bigdecimal::BigDecimal;
use std::collections::{HashMap, HashSet};
use tokio_postgres::types::ToSql;
use tributary_model::{KeyBytes, LogicalType, Value};
use uuid::Uuid;

/// How often a swap is tried with fewer rows.
const TRIES: usize = 4;

/// A row in the way: it holds a value that another is to get.
pub(super) struct Holder {
    /// Who is to get it, by place among the cells asked for.
    origin: usize,
    /// Its key; `None` if that cannot be read.
    key: Option<KeyBytes>,
    /// The constraint, by position in the table's.
    unique: usize,
}

impl Holder {
    /// Who is to get it, by place, and the key of the row that has it.
    pub(super) fn known(self) -> Option<(usize, KeyBytes)> {
        Some((self.origin, self.key?))
    }
}

impl Run<'_> {
    /// Settles what unique constraints have refused, as far as the rows in the way are refused themselves.
    /// Tells whether that wrote anything.
    pub(super) async fn swap(&mut self) -> Step<bool> {
        let writes = self.writes;
        for group in 0..self.groups.len() {
            let refused = self.refused_as_unique(group);
            if self.groups[group].verb == Verb::Upsert && refused.len() > 1 {
                self.swap_cells(refused).await?;
            }
        }
        Ok(self.writes > writes)
    }

    fn refused_as_unique(&self, group: usize) -> Vec<At> {
        let cells = self.groups[group].cells.iter().enumerate();
        let refused = cells.filter(|(_, cell)| match &cell.state {
            State::Refused(refused) => refused.marked && refused.refusal.kind == RefusalKind::Unique,
            State::Decided | State::Marked | State::Written => false,
        });
        refused.map(|(cell, _)| (group, cell)).collect()
    }

    async fn swap_cells(&mut self, cells: Vec<At>) -> Step<()> {
        let holders = self.holders(&cells).await?;
        let mut waiting: Vec<(At, Vec<Holder>)> = cells.into_iter().map(|at| (at, Vec::new())).collect();
        for holder in holders {
            waiting[holder.origin].1.push(holder);
        }
        for _ in 0..TRIES {
            self.keep_movable(&mut waiting);
            if waiting.len() < 2 {
                break;
            }
            self.control("SAVEPOINT dss_swap").await?;
            let failed = self.try_swap(&waiting).await?;
            if failed.is_empty() {
                self.control("RELEASE dss_swap").await?;
                for (at, _) in waiting {
                    self.wrote(at);
                }
                break;
            }
            self.control("ROLLBACK TO dss_swap; RELEASE dss_swap").await?;
            waiting.retain(|(at, _)| !failed.contains(at));
        }
        Ok(())
    }

    /// Drops those whose value is held by a row that does not give it up, and those that wait for them in turn.
    fn keep_movable(&self, waiting: &mut Vec<(At, Vec<Holder>)>) {
        let key = |at: At| &self.batch.records[self.cell(at).record].key;
        let places: HashMap<&KeyBytes, usize> =
            waiting.iter().enumerate().map(|(place, (at, _))| (key(*at), place)).collect();
        let mut stuck = vec![false; waiting.len()];
        let mut behind: Vec<Vec<usize>> = vec![Vec::new(); waiting.len()];
        for (place, (_, holders)) in waiting.iter().enumerate() {
            for holder in holders {
                match holder.key.as_ref().and_then(|key| places.get(key)) {
                    Some(ahead) => behind[*ahead].push(place),
                    None => stuck[place] = true,
                }
            }
        }
        let mut open: Vec<usize> = (0..stuck.len()).filter(|place| stuck[*place]).collect();
        while let Some(place) = open.pop() {
            for other in behind[place].drain(..) {
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
    async fn try_swap(&mut self, waiting: &[(At, Vec<Holder>)]) -> Step<HashSet<At>> {
        let mut involved: Vec<usize> =
            waiting.iter().flat_map(|(_, holders)| holders).map(|holder| holder.unique).collect();
        involved.sort_unstable();
        involved.dedup();
        let (there, absent): (Vec<At>, Vec<At>) =
            waiting.iter().map(|(at, _)| *at).partition(|at| self.cell(*at).present);
        for unique in involved {
            let left = self.take_away(&there, unique).await?;
            if !left.is_empty() {
                return Ok(left);
            }
        }
        let mut failed = HashSet::new();
        for (kind, cells) in [(Kind::Update, there), (Kind::Insert, absent)] {
            if cells.is_empty() || self.try_cells(kind, cells.clone()).await? {
                continue;
            }
            // One of them is at fault for something else.
            for at in cells {
                if !self.try_cells(kind, vec![at]).await? {
                    failed.insert(at);
                }
            }
        }
        Ok(failed)
    }

    /// Writes cells in a savepoint; `false` if they were refused.
    async fn try_cells(&mut self, kind: Kind, cells: Vec<At>) -> Step<bool> {
        let count = cells.len();
        let encoded = self.encode(kind, cells)?;
        if encoded.len() < count {
            return Ok(false);
        }
        let written = matches!(self.try_set(kind, &encoded).await?, Tried::Written);
        if written {
            self.rounded += encoded.rounded();
        }
        Ok(written)
    }

    /// Puts placeholders into the first column of a constraint that takes them; returns the cells that take none.
    async fn take_away(&mut self, cells: &[At], unique: usize) -> Step<HashSet<At>> {
        if self.put_placeholders(cells, unique).await? {
            return Ok(HashSet::new());
        }
        let mut left = HashSet::new();
        for at in cells {
            if !self.put_placeholders(&[*at], unique).await? {
                left.insert(*at);
            }
        }
        Ok(left)
    }

    async fn put_placeholders(&mut self, cells: &[At], unique: usize) -> Step<bool> {
        let Some((group, _)) = cells.first() else { return Ok(true) };
        let (table, shape) = self.table(self.groups[*group].table)?;
        let keys = keys::arrays(table.key.len(), cells.iter().map(|at| &self.cell(*at).key));
        for (at, sql) in &shape.uniques[unique].placeholders {
            let column = &table.columns[*at];
            for made_up in [false, true] {
                if !made_up && !column.nullable {
                    continue;
                }
                let mut values = Array::with_capacity(cells.len());
                for number in 0..cells.len() {
                    let mut field = Vec::new();
                    let value = if made_up { self.placeholder(column, number) } else { Value::Null };
                    if keys::put(column, &value, OnLoss::Round, &mut field).is_ok() {
                        values.push_field(&field);
                    }
                }
                if values.len() == cells.len() && self.try_update(*group, sql, &keys, &values).await? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    async fn try_update(&mut self, group: usize, sql: &str, keys: &[Array], values: &Array) -> Step<bool> {
        self.control("SAVEPOINT dss_placeholder").await?;
        let updated = super::statements::execute(self.member, sql, &parameters(keys, &[values])).await;
        let done = match updated {
            Ok(count) => count == values.len() as u64,
            Err(error) => {
                self.refusal_of(group, error)?;
                false
            }
        };
        let end = if done {
            "RELEASE dss_placeholder"
        } else {
            "ROLLBACK TO dss_placeholder; RELEASE dss_placeholder"
        };
        self.control(end).await?;
        Ok(done)
    }

    /// A value that nobody else has, of the column's type.
    fn placeholder(&self, column: &BoundColumn, number: usize) -> Value {
        // Batches' numbers are never given twice, and no batch has a million records.
        let number = (self.number << 20) | number as i64;
        match column.codec.logical() {
            LogicalType::Boolean => Value::Boolean(true),
            LogicalType::Int => Value::Int(i32::MIN + (number & 0x3fff_ffff) as i32),
            LogicalType::Long => Value::Long(i64::MIN + number),
            LogicalType::Decimal { precision, scale } => {
                let digits = (precision - scale).clamp(1, 17);
                Value::Decimal(BigDecimal::from(-(number % 10_i64.pow(digits)) - 1))
            }
            LogicalType::Numeric => Value::Decimal(BigDecimal::from(-number) - 1),
            LogicalType::Float => Value::Float(-0.5 - number as f32),
            LogicalType::Double => Value::Double(-0.5 - number as f64),
            LogicalType::Bytes => Value::Bytes(format!("\u{1}dss {number}").into_bytes()),
            LogicalType::String => Value::String(format!("\u{1}dss {number}")),
            LogicalType::Uuid => Value::Uuid(Uuid::new_v4()),
            LogicalType::Date => Value::Date(-700_000 + (number % 600_000) as i32),
            LogicalType::Time => Value::Time(number % 86_400_000_000 * 10),
            LogicalType::Timestamp => Value::Timestamp(-number * 10),
            LogicalType::TimestampOffset => Value::TimestampOffset { ticks: -number * 10, offset_minutes: 0 },
        }
    }

    /// Those of a set whose unique values other rows hold, or rows of the set that come before them.
    pub(super) async fn taken(&self, set: &[At]) -> Step<Vec<(At, Refusal)>> {
        let mut by: Vec<Option<usize>> = vec![None; set.len()];
        for holder in self.holders(set).await? {
            by[holder.origin] = Some(holder.unique);
        }
        let mut first: HashSet<(usize, usize, Field)> = HashSet::new();
        for (place, at) in set.iter().enumerate() {
            let Group { table, .. } = self.groups[at.0];
            let (_, shape) = self.table(table)?;
            for (number, unique) in shape.uniques.iter().enumerate() {
                let Some(wanted) = self.wanted(*at, unique) else { continue };
                if !first.insert((table, number, wanted)) && by[place].is_none() {
                    by[place] = Some(number);
                }
            }
        }
        let mut found = Vec::new();
        for (at, unique) in set.iter().zip(by) {
            let (_, shape) = self.table(self.groups[at.0].table)?;
            if let Some(unique) = unique {
                found.push((*at, refusal::taken(&shape.uniques[unique].name)));
            }
        }
        Ok(found)
    }

    /// The rows that hold what cells' records want in unique constraints.
    pub(super) async fn holders(&self, cells: &[At]) -> Step<Vec<Holder>> {
        let mut found = Vec::new();
        let tables: HashSet<usize> = cells.iter().map(|at| self.groups[at.0].table).collect();
        for at in tables {
            let (table, shape) = self.table(at)?;
            for (number, unique) in shape.uniques.iter().enumerate() {
                let mut origins = Vec::new();
                let mut wanted = vec![Array::default(); unique.columns.len()];
                for (place, cell) in cells.iter().enumerate() {
                    if self.groups[cell.0].table != at {
                        continue;
                    }
                    let Some(values) = self.wanted(*cell, unique) else { continue };
                    for (array, field) in wanted.iter_mut().zip(super::arrays::split(&values)) {
                        array.push_field(field);
                    }
                    origins.push(place);
                }
                if origins.is_empty() {
                    continue;
                }
                let keys =
                    keys::arrays(table.key.len(), origins.iter().map(|place| &self.cell(cells[*place]).key));
                let more: Vec<&(dyn ToSql + Sync)> = wanted.iter().map(|array| array as _).collect();
                let rows =
                    self.query("look for unique values", &unique.holders, &parameters(&keys, &more)).await?;
                found.extend(rows.iter().map(|row| Holder {
                    origin: origins[tracking::place(row)],
                    key: keys::read(table, row, 1),
                    unique: number,
                }));
            }
        }
        Ok(found)
    }

    /// A record's values in a constraint's columns; `None` if one is NULL, which equals nothing, or cannot stand
    /// there.
    fn wanted(&self, at: At, unique: &UniqueShape) -> Option<Field> {
        let table = &self.member.tables[self.groups[at.0].table];
        let row = self.row(at)?;
        let mut fields = Vec::new();
        for at in &unique.columns {
            let column = &table.columns[*at];
            let value = row.get(column.position).filter(|value| !value.is_null())?;
            keys::put(column, value, OnLoss::Round, &mut fields).ok()?;
        }
        Some(Field::from_vec(fields))
    }
}
