//! Tables that refer to each other in a circle, and parents that are missing.
//!
//! SQL Server looks at foreign keys at the end of each statement and not at the commit, and a statement writes one table.
//! So rows of a circle of tables are inserted referring to nothing, and get their references when all of them are
//! there; before they are deleted, their references are taken away. Where the columns of a circle take no NULL, the
//! order of the statements has to do. What is refused on the way takes the circle back to where it began.

use super::json::Rows;
use super::references::Place;
use super::refusal;
use super::run::{At, Run, STATEMENT_ROWS, State, Step};
use super::session::text;
use super::shape;
use super::writes::Kind;
use crate::OnLoss;
use crate::Refusal;
use std::collections::{HashMap, HashSet};
use tributary_model::Value;

/// How often a circle is begun again without those that were refused.
const TRIES: usize = 8;

impl Run<'_> {
    /// Writes the upserts of a circle of tables.
    pub(super) async fn write_circle(&mut self, mut cells: Vec<At>) -> Step<()> {
        for _ in 0..TRIES {
            if self.rounds.careful {
                for (at, refusal) in self.orphans(&cells).await? {
                    self.refuse(at, refusal);
                }
                cells.retain(
                    |at| !matches!(self.cell(*at).state, State::Refused(ref refused) if refused.marked),
                );
                self.control("SAVE TRANSACTION dss_circle").await?;
            }
            let groups = self.circle(&cells);
            let mut inserted = Vec::new();
            for (group, detached) in &groups {
                let absent: Vec<At> =
                    cells.iter().filter(|at| at.0 == *group && !self.cell(**at).present).copied().collect();
                self.write_detached(Kind::Insert, absent.clone(), detached).await?;
                inserted.extend(absent.into_iter().filter(|at| self.cell(*at).is_written()));
            }
            for (group, detached) in &groups {
                let there = |at: &&At| {
                    let cell = self.cell(**at);
                    at.0 == *group && (cell.present || (cell.is_written() && !detached.is_empty()))
                };
                let there: Vec<At> = cells.iter().filter(there).copied().collect();
                self.write_set(Kind::Update, there).await?;
            }
            if !inserted.iter().any(|at| self.is_refused(*at)) {
                return Ok(());
            }
            self.begin_again(&mut cells).await?;
        }
        self.give_up(&cells);
        Ok(())
    }

    /// Deletes rows of a circle of tables.
    pub(super) async fn delete_circle(&mut self, mut cells: Vec<At>) -> Step<()> {
        for _ in 0..TRIES {
            if self.rounds.careful {
                let blocked = self.still_referenced(&cells).await?;
                for (at, refusal) in blocked {
                    self.refuse(at, refusal);
                }
                cells.retain(|at| !self.is_refused(*at));
                self.control("SAVE TRANSACTION dss_circle").await?;
            }
            let mut groups = self.circle(&cells);
            groups.reverse();
            for (group, detached) in groups.iter().filter(|(_, detached)| !detached.is_empty()) {
                let here: Vec<At> = cells.iter().filter(|at| at.0 == *group).copied().collect();
                self.detach(&here, detached).await?;
            }
            for (group, _) in &groups {
                let here = cells.iter().filter(|at| at.0 == *group).copied().collect();
                self.write_set(Kind::Delete, here).await?;
            }
            if !cells.iter().any(|at| self.is_refused(*at)) {
                return Ok(());
            }
            self.begin_again(&mut cells).await?;
        }
        self.give_up(&cells);
        Ok(())
    }

    fn is_refused(&self, at: At) -> bool {
        matches!(self.cell(at).state, State::Refused(_))
    }

    /// Takes a circle back, and leaves out what was refused.
    async fn begin_again(&mut self, cells: &mut Vec<At>) -> Step<()> {
        if !self.rounds.careful {
            return Err(self.carefully());
        }
        self.control("ROLLBACK TRANSACTION dss_circle").await?;
        cells.retain(|at| !self.is_refused(*at));
        for at in cells.iter() {
            self.cell_mut(*at).state = State::Marked;
        }
        Ok(())
    }

    /// A circle that does not come to an end.
    fn give_up(&mut self, cells: &[At]) {
        for at in cells {
            let refusal = match self.groups[at.0].verb {
                refusal::Verb::Upsert => refusal::missing_parent("of a circle of tables"),
                refusal::Verb::Delete => refusal::still_referenced("of a circle of tables"),
            };
            self.refuse(*at, refusal);
        }
    }

    /// The groups of a circle in the order in which their rows are inserted, each with the columns that are NULL at
    /// first: those that lead to other tables of the circle. Those that cannot be NULL come last.
    fn circle(&self, cells: &[At]) -> Vec<(usize, Vec<usize>)> {
        let mut numbers: Vec<usize> = cells.iter().map(|at| at.0).collect();
        numbers.dedup();
        let tables: HashSet<usize> = numbers.iter().map(|group| self.groups[*group].table).collect();
        let mut groups: Vec<(bool, usize, Vec<usize>)> = Vec::new();
        for group in numbers {
            let table = self.groups[group].table;
            let (mut bound_to_others, mut detached) = (false, Vec::new());
            for reference in self.shapes.references.from(table) {
                let Place::Bound(parent) = reference.parent else { continue };
                if parent == table || !tables.contains(&parent) {
                    continue;
                }
                match (&reference.from, reference.may_be_null) {
                    (Some(from), true) => detached.extend(from.iter().copied()),
                    _ => bound_to_others = true,
                }
            }
            detached.retain(|column| !self.tables[table].key.contains(column));
            groups.push((bound_to_others, group, detached));
        }
        groups.sort_by_key(|(bound_to_others, ..)| *bound_to_others);
        groups.into_iter().map(|(_, group, detached)| (group, detached)).collect()
    }

    /// Makes rows of one group refer to nothing by these columns.
    async fn detach(&mut self, cells: &[At], columns: &[usize]) -> Step<()> {
        let Some((group, _)) = cells.first().copied() else { return Ok(()) };
        let (table, _) = self.table(self.groups[group].table)?;
        let sql = shape::detach(table, columns);
        for part in cells.chunks(STATEMENT_ROWS) {
            let rows = self.keys(part).finish();
            let done = self.session.query("delete rows of a circle", &sql, vec![text(&rows)]).await;
            let Err(error) = done else { continue };
            let refusal = self.refusal_of(group, error)?;
            if !self.rounds.careful {
                return Err(self.carefully());
            }
            if self.is_gone().await? {
                return Err(self.ended(part, refusal));
            }
            // The columns do not take it after all: the delete itself will say what is in its way.
        }
        Ok(())
    }

    /// Records of a set whose parents are neither in the database nor in the set, and those that refer to one of them.
    pub(super) async fn orphans(&mut self, set: &[At]) -> Step<Vec<(At, Refusal)>> {
        let places: HashMap<(usize, &[u8]), At> =
            set.iter().map(|at| ((self.groups[at.0].table, self.record_key(*at).as_slice()), *at)).collect();
        let mut guilty: Vec<(At, Refusal)> = Vec::new();
        // By cell: those that wait for its row.
        let mut behind: HashMap<At, Vec<(At, String)>> = HashMap::new();
        for (at, number) in self.missing_parents(set).await? {
            let reference = self.shapes.references.get(number);
            let parent = self.parent_key(at, number);
            let ahead = match (reference.parent, &parent) {
                (Place::Bound(table), Some(key)) => places.get(&(table, key.as_slice())),
                _ => None,
            };
            match ahead {
                Some(ahead) => behind.entry(*ahead).or_default().push((at, reference.name.clone())),
                None => guilty.push((at, refusal::missing_parent(&reference.name))),
            }
        }
        let mut known: HashSet<At> = guilty.iter().map(|(at, _)| *at).collect();
        let mut open: Vec<At> = known.iter().copied().collect();
        while let Some(at) = open.pop() {
            for (other, name) in behind.remove(&at).unwrap_or_default() {
                if known.insert(other) {
                    guilty.push((other, refusal::missing_parent(&name)));
                    open.push(other);
                }
            }
        }
        guilty.sort_by_key(|(at, _)| *at);
        guilty.dedup_by_key(|(at, _)| *at);
        Ok(guilty)
    }

    /// Records of a set that refer to rows that are not in the database, each with the foreign key's number.
    pub(super) async fn missing_parents(&mut self, set: &[At]) -> Step<Vec<(At, usize)>> {
        let mut found = Vec::new();
        for part in Self::by_group(set.to_vec(), STATEMENT_ROWS) {
            let table = self.groups[part[0].0].table;
            for number in self.shapes.references.numbers_from(table).to_vec() {
                let mut rows = Rows::default();
                let mut cells = Vec::new();
                for at in &part {
                    if let Some(values) = self.referring_values(*at, number) {
                        rows.begin(cells.len());
                        rows.texts(&values);
                        cells.push(*at);
                    }
                }
                if cells.is_empty() {
                    continue;
                }
                let sql = &self.shapes.references.get(number).missing;
                let answer = self.query("look for parents", sql, rows, Vec::new()).await?;
                found.extend(self.places(&answer)?.into_iter().map(|place| (cells[place], number)));
            }
        }
        Ok(found)
    }

    /// What a record's row holds in a foreign key's columns; `None` if one is NULL or not known.
    fn referring_values(&self, at: At, number: usize) -> Option<Vec<String>> {
        let table = &self.tables[self.groups[at.0].table];
        let (row, reference) = (self.row(at)?, self.shapes.references.get(number));
        let value = |at: &usize| {
            let column = &table.columns[*at];
            let written = column.codec.write(row.get(column.position)?, OnLoss::Round).ok()?;
            written.stored.text().map(std::borrow::Cow::into_owned)
        };
        reference.from.as_ref()?.iter().map(value).collect()
    }

    /// The key of the row that a record's row refers to, where the foreign key leads to the key of a bound table.
    pub(super) fn parent_key(&self, at: At, number: usize) -> Option<tributary_model::KeyBytes> {
        let child = &self.tables[self.groups[at.0].table];
        let (row, reference) = (self.row(at)?, self.shapes.references.get(number));
        let (Place::Bound(parent), Some(from), Some(places)) =
            (reference.parent, &reference.from, &reference.to_key)
        else {
            return None;
        };
        let parent = &self.tables[parent];
        let mut values: Vec<(usize, &Value)> = Vec::with_capacity(from.len());
        for (column, place) in from.iter().zip(places) {
            values.push((*place, row.get(child.columns[*column].position)?));
        }
        values.sort_by_key(|(place, _)| *place);
        let typed = values
            .iter()
            .map(|(place, value)| (parent.columns[parent.key[*place]].codec.logical(), Some(*value)));
        tributary_model::key::encode(typed).ok()
    }
}
