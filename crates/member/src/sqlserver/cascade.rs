//! Looking before and after a delete: who refers to its rows, and would the server's cascades change rows of a
//! synchronised table?
//!
//! Under a silent trigger such rows would be gone without anybody knowing; under a loud one a row that a user has just
//! added would be deleted everywhere. So the delete waits until nothing refers to its row by CASCADE, SET NULL or SET
//! DEFAULT, be it by way of tables that are not synchronised. Cascades that end in those are the member's own
//! business. The rows to be deleted are locked against new children before the look.

use super::json::Rows;
use super::keys;
use super::references::Place;
use super::refusal;
use super::run::{At, Run, STATEMENT_ROWS, Step};
use super::session::{Cells, long};
use super::values::Codec;
use crate::Refusal;
use std::collections::{HashMap, HashSet};
use tributary_model::{KeyBytes, OnDelete};

/// The most referring rows that are looked at for one row: so many lie in one batch at most.
const MOST: i64 = 10_000;

/// A row that refers to another.
enum Found {
    /// A row of a bound table.
    Row(usize, KeyBytes),
    /// One whose key cannot be read, or of a table that another worker writes, or that is not synchronised.
    Other,
}

/// Values by which rows refer to one of a set's.
type Values = Vec<String>;

impl Run<'_> {
    /// Reduces deletes of a step to those that change no synchronised row but rows that are deleted with them; refuses
    /// the others.
    pub(super) async fn without_cascades(&mut self, cells: Vec<At>) -> Step<Vec<At>> {
        let references = &self.shapes.references;
        let hazards = |at: &At| references.hazards(self.groups[at.0].table);
        let looked: Vec<(At, Vec<usize>)> =
            cells.iter().map(|at| (*at, hazards(at))).filter(|(_, hazards)| !hazards.is_empty()).collect();
        if looked.is_empty() {
            return Ok(cells);
        }
        let blocked = self.blocked(&cells, looked, true).await?;
        for at in blocked.keys() {
            self.refuse(*at, refusal::cascade());
        }
        Ok(cells.into_iter().filter(|at| !blocked.contains_key(at)).collect())
    }

    /// Deletes of a set that are refused because rows that are not deleted with them refer to theirs.
    pub(super) async fn still_referenced(&mut self, set: &[At]) -> Step<Vec<(At, Refusal)>> {
        let references = &self.shapes.references;
        let refusing = |at: &At| {
            let numbers = references.numbers_to(self.groups[at.0].table).iter().copied();
            numbers.filter(|number| references.get(*number).on_delete == OnDelete::Refuse).collect()
        };
        let looked: Vec<(At, Vec<usize>)> = set.iter().map(|at| (*at, refusing(at))).collect();
        let blocked = self.blocked(set, looked, false).await?;
        let named = |(at, number): (At, usize)| {
            (at, refusal::still_referenced(&self.shapes.references.get(number).name))
        };
        Ok(blocked.into_iter().map(named).collect())
    }

    /// Which cells of a set are referred to by rows that are not in it, or by cells that are blocked themselves; each
    /// with a foreign key by which that is so.
    async fn blocked(
        &mut self,
        set: &[At],
        looked: Vec<(At, Vec<usize>)>,
        onward: bool,
    ) -> Step<HashMap<At, usize>> {
        let places: HashMap<(usize, &KeyBytes), At> =
            set.iter().map(|at| ((self.groups[at.0].table, self.record_key(*at)), *at)).collect();
        let found = self.look(looked, onward).await?;
        let mut blocked = HashMap::new();
        // By cell: those whose rows it refers to.
        let mut above: HashMap<At, Vec<(At, usize)>> = HashMap::new();
        for (at, number, found) in found {
            let below = match &found {
                Found::Row(table, key) => places.get(&(*table, key)),
                Found::Other => None,
            };
            match below {
                // A row that refers to itself goes with itself.
                Some(below) if *below == at => {}
                Some(below) => above.entry(*below).or_default().push((at, number)),
                None => drop(blocked.insert(at, number)),
            }
        }
        let mut open: Vec<At> = blocked.keys().copied().collect();
        while let Some(at) = open.pop() {
            for (parent, number) in above.remove(&at).unwrap_or_default() {
                if blocked.insert(parent, number).is_none() {
                    open.push(parent);
                }
            }
        }
        Ok(blocked)
    }

    /// The rows that refer to those of cells by these foreign keys; with `onward`, those that deleting them would
    /// change by way of tables that are not synchronised.
    async fn look(&mut self, looked: Vec<(At, Vec<usize>)>, onward: bool) -> Step<Vec<(At, usize, Found)>> {
        let mut open: HashMap<usize, Vec<(At, Values)>> = HashMap::new();
        let mut by_number: HashMap<usize, Vec<At>> = HashMap::new();
        for (at, numbers) in looked {
            for number in numbers {
                by_number.entry(number).or_default().push(at);
            }
        }
        for (number, cells) in by_number {
            let values = self.referenced_values(number, &cells).await?;
            open.insert(number, values);
        }
        let mut found = Vec::new();
        // Rows of unsynchronised tables that would be deleted too, each followed once for each cell.
        let mut followed: HashSet<(At, usize, Values)> = HashSet::new();
        while let Some(number) = open.keys().next().copied() {
            let here = open.remove(&number).unwrap_or_default();
            let reference = self.shapes.references.get(number);
            for part in here.chunks(STATEMENT_ROWS) {
                let mut rows = Rows::default();
                for (place, (_, values)) in part.iter().enumerate() {
                    rows.begin(place);
                    rows.texts(values);
                }
                let action = "look for rows that refer to another";
                for row in self.query(action, &reference.rows, rows, vec![long(MOST)]).await? {
                    let (at, _) = part[self.place(&row)?];
                    match reference.child {
                        Place::Bound(table) => {
                            let key = keys::read(&self.tables[table], &row, 1);
                            found.push((at, number, key.map_or(Found::Other, |key| Found::Row(table, key))));
                        }
                        Place::Other(_) if !onward || self.shapes.references.is_synced(reference.child) => {
                            found.push((at, number, Found::Other));
                        }
                        Place::Other(_) => {
                            let mut first = 1;
                            for (next, codecs) in &reference.onward {
                                let values = texts(codecs, &row, first);
                                first += codecs.len();
                                if let Some(values) = values
                                    && followed.insert((at, *next, values.clone()))
                                {
                                    open.entry(*next).or_default().push((at, values));
                                }
                            }
                        }
                    }
                }
            }
        }
        Ok(found)
    }

    /// The values by which others may refer to cells' rows by a foreign key, of those rows to which they can.
    async fn referenced_values(&mut self, number: usize, cells: &[At]) -> Step<Vec<(At, Values)>> {
        let reference = self.shapes.references.get(number);
        if let Some(places) = &reference.to_own_key {
            let of = |at: &At| {
                let key = &self.cell(*at).key;
                (*at, places.iter().map(|place| key[*place].clone()).collect())
            };
            return Ok(cells.iter().map(of).collect());
        }
        let mut found = Vec::new();
        for part in cells.chunks(STATEMENT_ROWS) {
            let action = "look for rows that refer to another";
            for row in self.query(action, &reference.values, self.keys(part), Vec::new()).await? {
                if let Some(values) = texts(&reference.codecs, &row, 1) {
                    found.push((part[self.place(&row)?], values));
                }
            }
        }
        Ok(found)
    }

    /// Whether any synchronised row refers to those of cells.
    pub(super) async fn is_referred_to_by_synced(&mut self, at: At) -> Step<bool> {
        let references = &self.shapes.references;
        let numbers = references.numbers_to(self.groups[at.0].table).iter().copied();
        let synced = numbers.filter(|number| references.is_synced(references.get(*number).child)).collect();
        Ok(!self.look(vec![(at, synced)], false).await?.is_empty())
    }
}

/// Values of a row as they are sent; `None` if one of them is NULL, which refers to nothing, or cannot be read.
fn texts(codecs: &[Codec], row: &Cells, first: usize) -> Option<Values> {
    let values = codecs.iter().enumerate().map(|(at, codec)| {
        let value = codec.read(row.get(first + at)?).ok()?;
        let written = codec.write(&value, crate::OnLoss::Refuse).ok()?;
        written.stored.text().map(std::borrow::Cow::into_owned)
    });
    values.collect()
}
