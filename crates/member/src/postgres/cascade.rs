//! Looking down before a delete: which rows refer to those that are to go?
//!
//! A cascade under a silent trigger would delete rows without anybody knowing; under a loud one a row that a user has
//! just added would be deleted everywhere. So a delete waits until nothing refers to its row by CASCADE, SET NULL or
//! SET DEFAULT, be it by way of tables that are not synchronised. Cascades that end in those are the member's own
//! business. The rows that go are locked FOR UPDATE by then, so that nobody adds a row that refers to them, and each
//! look is a new statement, so that it sees whoever came before.

use super::arrays::{Array, Field, split};
use super::keys;
use super::references::{Place, Reference};
use super::refusal;
use super::run::{At, Run, Step};
use super::tracking::{self, parameters};
use super::values::Raw;
use crate::Refusal;
use std::collections::{BTreeMap, HashMap, HashSet};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use tributary_model::KeyBytes;

/// How far a look goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// Only rows that refer to those asked for.
    Direct,
    /// Also what would be deleted with rows of tables that are not synchronised.
    Through,
}

/// A row that refers to one that is to go.
struct Found {
    /// Which of the cells asked for it refers to, by place.
    origin: usize,
    /// By which foreign key.
    reference: usize,
    /// Its table and key; `None`: its key cannot be read, or another worker writes its table, or nobody does.
    row: Option<(usize, KeyBytes)>,
}

/// Values that rows are to refer to, one behind the other, and the place of the cell that they come from.
type Wanted = BTreeMap<usize, Vec<(usize, Field)>>;

impl Run<'_> {
    /// Those of these cells whose deletes would change no synchronised row besides; the others are refused.
    pub(super) async fn without_cascades(&mut self, cells: Vec<At>) -> Step<Vec<At>> {
        let hazards: Vec<Vec<usize>> =
            (0..self.member.tables.len()).map(|table| self.shapes.references.hazards(table)).collect();
        if cells.iter().all(|(group, _)| hazards[self.groups[*group].table].is_empty()) {
            return Ok(cells);
        }
        let blocked = self.blocked(&cells, &hazards, Reach::Through).await?;
        let mut free = Vec::with_capacity(cells.len());
        for (at, blocked) in cells.into_iter().zip(blocked) {
            match blocked {
                Some(_) => self.refuse(at, refusal::cascade()),
                None => free.push(at),
            }
        }
        Ok(free)
    }

    /// Those of these cells whose rows others refer to and keep from being deleted.
    pub(super) async fn still_referenced(&self, cells: &[At]) -> Step<Vec<(At, Refusal)>> {
        let refused_by = |table| self.shapes.references.numbers_to(table).to_vec();
        let references: Vec<Vec<usize>> = (0..self.member.tables.len()).map(refused_by).collect();
        let blocked = self.blocked(cells, &references, Reach::Direct).await?;
        let found = cells.iter().zip(blocked).filter_map(|(at, blocked)| {
            let reference = self.shapes.references.get(blocked?);
            let table = &self.member.tables[self.groups[at.0].table].binding.local_table;
            let refusal = refusal::still_referenced(table, &reference.constraint, &reference.child_name);
            Some((*at, refusal))
        });
        Ok(found.collect())
    }

    /// Deleted rows that somebody refers to by a foreign key that is checked late.
    pub(super) async fn late_referrers(&self, cells: &[At]) -> Step<Vec<At>> {
        let late = |table: usize| {
            let numbers = self.shapes.references.numbers_to(table).iter().copied();
            numbers.filter(|number| self.shapes.references.get(*number).deferred).collect()
        };
        let references: Vec<Vec<usize>> = (0..self.member.tables.len()).map(late).collect();
        let found = self.look(cells, &references, Reach::Direct).await?;
        let places: HashSet<usize> = found.iter().map(|found| found.origin).collect();
        Ok(places.into_iter().map(|place| cells[place]).collect())
    }

    /// Whether a row refers to that of a cell by one of these foreign keys.
    pub(super) async fn has_referrer(&self, at: At, references: Vec<usize>) -> Step<bool> {
        let mut by_table = vec![Vec::new(); self.member.tables.len()];
        by_table[self.groups[at.0].table] = references;
        Ok(!self.look(&[at], &by_table, Reach::Direct).await?.is_empty())
    }

    /// By cell: a foreign key by which a row refers to it that is not deleted with it. In tables that refer to
    /// themselves or to each other, what stays keeps in turn what it refers to.
    async fn blocked(
        &self,
        cells: &[At],
        references: &[Vec<usize>],
        reach: Reach,
    ) -> Step<Vec<Option<usize>>> {
        let batch = self.batch;
        let mut places = HashMap::with_capacity(cells.len());
        for (place, at) in cells.iter().enumerate() {
            let key = &batch.records[self.cell(*at).record].key;
            places.insert((self.groups[at.0].table, key), place);
        }
        let mut blocked = vec![None; cells.len()];
        // By cell: those whose rows it refers to.
        let mut above: Vec<Vec<(usize, usize)>> = vec![Vec::new(); cells.len()];
        for Found { origin, reference, row } in self.look(cells, references, reach).await? {
            let below = row.as_ref().and_then(|(table, key)| places.get(&(*table, key)));
            match below {
                Some(below) if *below == origin => {}
                Some(below) => above[*below].push((origin, reference)),
                None => blocked[origin] = Some(reference),
            }
        }
        let mut open: Vec<usize> = (0..cells.len()).filter(|place| blocked[*place].is_some()).collect();
        while let Some(place) = open.pop() {
            for (parent, reference) in above[place].drain(..) {
                if blocked[parent].is_none() {
                    blocked[parent] = Some(reference);
                    open.push(parent);
                }
            }
        }
        Ok(blocked)
    }

    /// The rows that refer to those of the cells by these foreign keys; of each foreign key and cell enough to tell
    /// whether one is not among the cells.
    async fn look(&self, cells: &[At], references: &[Vec<usize>], reach: Reach) -> Step<Vec<Found>> {
        let mut open = self.referenced_values(cells, references).await?;
        let most = cells.len() as i64 + 1;
        let mut found = Vec::new();
        // Rows of unsynchronised tables that would be deleted too, each followed once for each cell.
        let mut followed: HashSet<(usize, Place, Field)> = HashSet::new();
        while let Some((number, wanted)) = open.pop_first() {
            let reference = self.shapes.references.get(number);
            let through = reach == Reach::Through && !self.shapes.references.is_synced(reference.child);
            let most = (!through).then_some(most);
            for row in self.referring(reference, &wanted, most).await? {
                let origin = wanted[tracking::place(&row)].0;
                match reference.child {
                    Place::Bound(table) => {
                        let key = keys::read(&self.member.tables[table], &row, 1);
                        let row = key.map(|key| (table, key));
                        found.push(Found { origin, reference: number, row });
                    }
                    Place::Other(_) if !through => {
                        found.push(Found { origin, reference: number, row: None });
                    }
                    Place::Other(_) => {
                        let identity = fields(&row, 1, reference.identity).unwrap_or_default();
                        if !followed.insert((origin, reference.child, identity)) {
                            continue;
                        }
                        let mut first = 1 + reference.identity;
                        for (next, width) in &reference.onward {
                            if let Some(values) = fields(&row, first, *width) {
                                open.entry(*next).or_default().push((origin, values));
                            }
                            first += width;
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    async fn referring(
        &self,
        reference: &Reference,
        wanted: &[(usize, Field)],
        most: Option<i64>,
    ) -> Step<Vec<Row>> {
        let mut arrays = vec![Array::with_capacity(wanted.len()); reference.width()];
        for (_, values) in wanted {
            for (array, field) in arrays.iter_mut().zip(split(values)) {
                array.push_field(field);
            }
        }
        let action = "look for rows that refer to others";
        self.query(action, &reference.rows, &parameters(&arrays, &[&most])).await
    }

    /// The values by which others may refer to the rows of the cells, by foreign key.
    async fn referenced_values(&self, cells: &[At], references: &[Vec<usize>]) -> Step<Wanted> {
        let mut wanted = Wanted::new();
        // Those that are not in the key have to be read.
        let mut unread: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, at) in cells.iter().enumerate() {
            for number in &references[self.groups[at.0].table] {
                match &self.shapes.references.get(*number).to_key {
                    Some(places) => {
                        let key: Vec<&[u8]> = split(self.cell(*at).key.fields()).collect();
                        let values = places.iter().flat_map(|place| key[*place].iter().copied()).collect();
                        wanted.entry(*number).or_default().push((place, values));
                    }
                    None => unread.entry(*number).or_default().push(place),
                }
            }
        }
        for (number, places) in unread {
            let reference = self.shapes.references.get(number);
            let Place::Bound(parent) = reference.parent else { continue };
            let width = self.member.tables[parent].key.len();
            let keys = keys::arrays(width, places.iter().map(|place| &self.cell(cells[*place]).key));
            let action = "read what others refer to";
            for row in self.query(action, &reference.values, &parameters(&keys, &[])).await? {
                if let Some(values) = fields(&row, 1, reference.width()) {
                    let place = places[tracking::place(&row)];
                    wanted.entry(number).or_default().push((place, values));
                }
            }
        }
        Ok(wanted)
    }

    /// Which of these values refer to a row that is not there, by place.
    pub(super) async fn missing(&self, reference: &Reference, arrays: &[Array]) -> Step<HashSet<usize>> {
        let parameters: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(|array| array as _).collect();
        let rows = self.query("look for rows that others refer to", &reference.missing, &parameters).await?;
        Ok(rows.iter().map(tracking::place).collect())
    }
}

/// A row's columns as fields; `None` if one of them is NULL.
fn fields(row: &Row, first: usize, width: usize) -> Option<Field> {
    let mut fields = Field::new();
    for at in first..first + width {
        let bytes = row.get::<_, Raw<'_>>(at).0?;
        fields.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
        fields.extend_from_slice(bytes);
    }
    Some(fields)
}
