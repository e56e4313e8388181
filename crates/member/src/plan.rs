//! In which order a batch is written: which record of a cell counts, parents before children, deletes the other way
//! round.
//!
//! Pure, and the same for every dialect. What a member then refuses, and what is tried again, is the adapter's
//! matter. Records that stand in a cycle of foreign keys cannot be ordered by table: their step says so.

use crate::{ApplyRecord, TableBinding};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// The tables, parents first, where those that refer to each other in a circle stand together. Made once a
/// connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableOrder {
    components: Vec<Component>,
    /// By table: its component.
    component_of: Vec<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Component {
    tables: Vec<usize>,
    cyclic: bool,
}

impl TableOrder {
    /// The order that the group's foreign keys ask for. References to tables that are not bound are passed over.
    pub fn of(bindings: &[Arc<TableBinding>]) -> Self {
        let positions: HashMap<_, _> =
            bindings.iter().enumerate().map(|(table, binding)| (&binding.schema.name, table)).collect();
        let edges = bindings.iter().enumerate().flat_map(|(child, binding)| {
            let parents = binding.schema.foreign_keys.iter();
            parents.filter_map(|key| positions.get(&key.references)).map(move |parent| (child, *parent))
        });
        Self::new(bindings.len(), edges.collect())
    }

    /// The order of `tables` tables under `(child, parent)` references.
    pub fn new(tables: usize, references: Vec<(usize, usize)>) -> Self {
        let mut parents = vec![Vec::new(); tables];
        for (child, parent) in references {
            parents[child].push(parent);
        }
        let reach: Vec<Vec<bool>> = (0..tables).map(|table| reachable(&parents, table)).collect();
        let together = |a: usize, b: usize| a == b || (reach[a][b] && reach[b][a]);
        // Whoever refers to another has all that the other has above it, and the other too: so fewer above comes
        // first. Those in a circle have the same above them, and its first table tells them apart from others.
        let place = |table: usize| {
            let above = (0..tables).filter(|other| reach[table][*other] && !together(table, *other)).count();
            let first = (0..table).find(|other| together(table, *other)).unwrap_or(table);
            (above, first, table)
        };
        let mut places: Vec<_> = (0..tables).map(place).collect();
        places.sort_unstable();
        let mut order = Self { components: Vec::new(), component_of: vec![0; tables] };
        for circle in places.chunk_by(|(_, a, _), (_, b, _)| a == b) {
            let members: Vec<usize> = circle.iter().map(|(.., table)| *table).collect();
            for member in &members {
                order.component_of[*member] = order.components.len();
            }
            let cyclic = reach[members[0]][members[0]];
            order.components.push(Component { tables: members, cyclic });
        }
        order
    }

    /// Whether the table refers to itself, directly or in a circle.
    pub fn is_cyclic(&self, table: usize) -> bool {
        self.components[self.component_of[table]].cyclic
    }
}

/// What can be reached from `table` by one reference or more.
fn reachable(parents: &[Vec<usize>], table: usize) -> Vec<bool> {
    let mut found = vec![false; parents.len()];
    let mut open = parents[table].clone();
    while let Some(next) = open.pop() {
        if !found[next] {
            found[next] = true;
            open.extend(&parents[next]);
        }
    }
    found
}

/// Records of one table, by position in the batch, in log order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRecords {
    /// The table, by position in the bindings.
    pub table: usize,
    /// Its records.
    pub records: Vec<usize>,
}

/// Tables that are written together: one, or those of a circle of foreign keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchStep {
    /// Whether the tables refer to themselves or to each other, so that the order cannot keep every reference: what
    /// is refused for that has to be tried again.
    pub cyclic: bool,
    /// The tables, parents first in a step of upserts as far as that can be, children first in a step of deletes.
    pub tables: Vec<TableRecords>,
}

/// The order of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BatchPlan {
    /// Records that a newer one of their cell replaces.
    pub superseded: Vec<usize>,
    /// Null records.
    pub nulls: Vec<usize>,
    /// A null record that stands in one batch with another record of its cell, which must not be: the caller has
    /// to cut the batch there.
    pub uncut: Option<usize>,
    /// Upserts, in the order in which they are written.
    pub upserts: Vec<BatchStep>,
    /// Deletes, in the order in which they are done, after the upserts.
    pub deletes: Vec<BatchStep>,
}

/// Orders a batch. Of several records for one cell the newest by (generation, offset) counts, whether it is fresh or
/// tried again.
pub fn plan(order: &TableOrder, records: &[ApplyRecord]) -> BatchPlan {
    let mut plan = BatchPlan::default();
    let mut newest: HashMap<(usize, &[u8]), usize> = HashMap::with_capacity(records.len());
    let mut lost = vec![false; records.len()];
    for (index, record) in records.iter().enumerate() {
        match newest.entry((record.table, record.key.as_slice())) {
            Entry::Vacant(entry) => {
                entry.insert(index);
            }
            Entry::Occupied(mut entry) => {
                let other = *entry.get();
                if record.resolved.is_err() || records[other].resolved.is_err() {
                    plan.uncut = Some(index);
                }
                // A replayed record may stand beside its own retry: the fresh one counts.
                let age = |at: usize| {
                    let ApplyRecord { source, retry, .. } = &records[at];
                    (source.generation, source.offset, !retry, at)
                };
                let loser = if age(other) > age(index) { index } else { entry.insert(index) };
                lost[loser] = true;
                plan.superseded.push(loser);
            }
        }
    }
    let tables = order.component_of.len();
    let (mut upserts, mut deletes) = (vec![Vec::new(); tables], vec![Vec::new(); tables]);
    for (index, record) in records.iter().enumerate().filter(|(index, _)| !lost[*index]) {
        match &record.resolved {
            Err(_) => plan.nulls.push(index),
            Ok(resolved) if resolved.row.is_some() => upserts[record.table].push(index),
            Ok(_) => deletes[record.table].push(index),
        }
    }
    let step = |component: &Component, records: &mut [Vec<usize>], children_first: bool| {
        let mut tables: Vec<TableRecords> = component
            .tables
            .iter()
            .map(|table| TableRecords { table: *table, records: std::mem::take(&mut records[*table]) })
            .filter(|table| !table.records.is_empty())
            .collect();
        if children_first {
            tables.reverse();
        }
        (!tables.is_empty()).then_some(BatchStep { cyclic: component.cyclic, tables })
    };
    plan.upserts = order.components.iter().filter_map(|c| step(c, &mut upserts, false)).collect();
    plan.deletes = order.components.iter().rev().filter_map(|c| step(c, &mut deletes, true)).collect();
    plan
}

#[cfg(test)]
mod tests;
