//! Looking before a delete: would SQLite's cascades change rows of a synchronised table?
//!
//! Under a silent trigger such rows would be gone without anybody knowing; under a loud one a row that a user has just
//! added would be deleted everywhere. So the delete waits until nothing refers to its row by CASCADE, SET NULL or SET
//! DEFAULT, be it by way of tables that are not synchronised. Cascades that end in those are the member's own
//! business.

use super::keys::{self, Key};
use super::references::{Place, References};
use super::refusal;
use super::run::{Run, Step};
use super::table::BoundTable;
use rusqlite::types::Value as Stored;
use rusqlite::{CachedStatement, Connection, Row};
use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use tributary_model::KeyBytes;

/// A synchronised row that a delete would change.
enum Found {
    /// A row of a bound table.
    Row(usize, KeyBytes),
    /// One whose key cannot be read, or of a table that another worker writes.
    Other,
}

impl Run<'_> {
    /// Whether a delete would change a synchronised row.
    pub(super) fn is_referred_to(&self, group: usize, cell: usize, hazards: &[usize]) -> Step<bool> {
        let own = (self.groups[group].table, &self.batch.records[self.groups[group].cells[cell].record].key);
        let look = self.look(group, cell, hazards, &mut |found| match found {
            // A row that refers to itself goes with itself.
            Found::Row(table, key) if (table, &key) == own => ControlFlow::Continue(()),
            Found::Row(..) | Found::Other => ControlFlow::Break(()),
        })?;
        Ok(look.is_break())
    }

    /// In tables that refer to themselves or to each other, reduces the deletes of a step to those whose rows nothing
    /// refers to but rows that are deleted with them.
    pub(super) fn reduce_circle(&mut self, step: usize) -> Step<()> {
        let batch = self.batch;
        let mut cells = Vec::new();
        let mut places = HashMap::new();
        for (group, cell) in self.cells_of(step) {
            let Run { groups, .. } = self;
            let key = &batch.records[groups[group].cells[cell].record].key;
            places.insert((groups[group].table, key), cells.len());
            cells.push((group, cell));
        }
        let mut blocked = vec![false; cells.len()];
        // By cell: those whose rows it refers to.
        let mut above: Vec<Vec<usize>> = vec![Vec::new(); cells.len()];
        for (at, (group, cell)) in cells.iter().enumerate() {
            let hazards = self.shapes.references.hazards(self.groups[*group].table);
            if hazards.is_empty() {
                continue;
            }
            let look = self.look(*group, *cell, &hazards, &mut |found| {
                let below = match &found {
                    Found::Row(table, key) => places.get(&(*table, key)),
                    Found::Other => None,
                };
                match below {
                    Some(below) => {
                        if *below != at {
                            above[*below].push(at);
                        }
                        ControlFlow::Continue(())
                    }
                    None => ControlFlow::Break(()),
                }
            })?;
            blocked[at] = look.is_break();
        }
        let mut open: Vec<usize> = (0..cells.len()).filter(|at| blocked[*at]).collect();
        while let Some(at) = open.pop() {
            for parent in above[at].drain(..) {
                if !blocked[parent] {
                    blocked[parent] = true;
                    open.push(parent);
                }
            }
        }
        for ((group, cell), blocked) in cells.into_iter().zip(blocked) {
            if blocked {
                self.refuse(group, cell, refusal::cascade());
            }
        }
        Ok(())
    }

    /// The marked cells of a step.
    fn cells_of(&self, step: usize) -> Vec<(usize, usize)> {
        let groups = self.groups.iter().enumerate().filter(|(_, group)| group.step == step);
        let cells = groups.flat_map(|(at, group)| {
            let marked = group.cells.iter().enumerate().filter(|(_, cell)| cell.is_marked());
            marked.map(move |(cell, _)| (at, cell))
        });
        cells.collect()
    }

    fn look(
        &self,
        group: usize,
        cell: usize,
        hazards: &[usize],
        visit: &mut dyn FnMut(Found) -> ControlFlow<()>,
    ) -> Step<ControlFlow<()>> {
        let look = Look {
            connection: self.connection,
            references: &self.shapes.references,
            tables: &self.member.tables,
        };
        let key = &self.groups[group].cells[cell].key;
        look.from(key, hazards, visit).map_err(self.failed("look for rows that refer to another"))
    }
}

struct Look<'a> {
    connection: &'a Connection,
    references: &'a References,
    tables: &'a [BoundTable],
}

impl Look<'_> {
    /// Visits the synchronised rows that deleting the row of `key` would change by these foreign keys, until the
    /// visitor has seen enough.
    fn from(
        &self,
        key: &Key,
        hazards: &[usize],
        visit: &mut dyn FnMut(Found) -> ControlFlow<()>,
    ) -> rusqlite::Result<ControlFlow<()>> {
        let mut open: Vec<(usize, Vec<Stored>)> = Vec::new();
        for number in hazards {
            if let Some(values) = self.referenced_values(*number, key)? {
                open.push((*number, values));
            }
        }
        // Rows of unsynchronised tables that would be deleted too, each followed once.
        let mut followed: HashSet<(Place, Vec<u8>)> = HashSet::new();
        while let Some((number, values)) = open.pop() {
            let reference = self.references.get(number);
            let mut statement = self.connection.prepare_cached(&reference.rows)?;
            bind_values(&mut statement, &values)?;
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next()? {
                let found = match reference.child {
                    Place::Bound(table) => {
                        let key = keys::read(&self.tables[table], row, 0)?;
                        key.map_or(Found::Other, |key| Found::Row(table, key))
                    }
                    Place::Other(_) if self.references.is_synced(reference.child) => Found::Other,
                    Place::Other(_) => {
                        if followed.insert((reference.child, identity(row, reference.identity)?)) {
                            let mut first = reference.identity;
                            for (next, width) in &reference.onward {
                                if let Some(values) = set_values(row, first, *width)? {
                                    open.push((*next, values));
                                }
                                first += width;
                            }
                        }
                        continue;
                    }
                };
                if visit(found).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The values by which others may refer to the row; `None` if nobody can, or there is no row.
    fn referenced_values(&self, number: usize, key: &Key) -> rusqlite::Result<Option<Vec<Stored>>> {
        let reference = self.references.get(number);
        if let Some(places) = &reference.to_key {
            return Ok(Some(places.iter().map(|place| key[*place].clone()).collect()));
        }
        let mut statement = self.connection.prepare_cached(&reference.values)?;
        keys::bind(&mut statement, key)?;
        let width = statement.column_count();
        let mut rows = statement.raw_query();
        rows.next()?.map_or(Ok(None), |row| set_values(row, 0, width))
    }
}

/// Binds values to the first parameters.
pub(super) fn bind_values(statement: &mut CachedStatement<'_>, values: &[Stored]) -> rusqlite::Result<()> {
    for (at, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, value)?;
    }
    Ok(())
}

/// A row's columns; `None` if one of them is NULL.
fn set_values(row: &Row<'_>, first: usize, width: usize) -> rusqlite::Result<Option<Vec<Stored>>> {
    let mut values = Vec::with_capacity(width);
    for at in first..first + width {
        match keys::from_ref(row.get_ref(at)?) {
            Stored::Null => return Ok(None),
            value => values.push(value),
        }
    }
    Ok(Some(values))
}

/// What tells a row apart, as bytes.
fn identity(row: &Row<'_>, width: usize) -> rusqlite::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(9 * width);
    let mut part = |tag: u8, value: &[u8]| {
        bytes.push(tag);
        bytes.extend_from_slice(&(value.len() as u64).to_be_bytes());
        bytes.extend_from_slice(value);
    };
    for at in 0..width {
        match keys::from_ref(row.get_ref(at)?) {
            Stored::Null => part(0, &[]),
            Stored::Integer(number) => part(1, &number.to_be_bytes()),
            Stored::Real(number) => part(2, &number.to_bits().to_be_bytes()),
            Stored::Text(text) => part(3, text.as_bytes()),
            Stored::Blob(blob) => part(4, &blob),
        }
    }
    Ok(bytes)
}
