//! Foreign keys that fail at the commit: which records are at fault.
//!
//! SQLite says only that the commit fails, and leaves the transaction open. So each record that was written is asked
//! whether its parent is there, and each deleted row whether somebody still refers to it. What is found is left out of
//! the next round, and parked.

use super::cascade::bind_values;
use super::keys;
use super::references::{Place, Reference};
use super::refusal::Verb;
use super::run::{Due, Run, Step};
use crate::{Refusal, RefusalKind};
use rusqlite::ffi;
use rusqlite::types::Value as Stored;
use std::collections::{HashMap, HashSet};

/// After so many rounds no more questions are asked.
const ROUNDS: usize = 24;

impl Run<'_> {
    /// Leaves out of the next round at least one record whose foreign keys have failed the commit.
    pub(super) fn exclude_violators(&mut self) -> Step<()> {
        let written = self.written();
        let mut found = Vec::new();
        self.rounds.uncommitted += 1;
        if self.rounds.uncommitted < ROUNDS {
            found = self.deletes_at_fault(&written)?;
            if found.is_empty() {
                found = self.upserts_at_fault(&written)?;
            }
        }
        let explained = !found.is_empty();
        if !explained {
            // A trigger of a user's has a hand in it, or a key other than the primary one. Half of the records is
            // left out, untried; of a single one it is known that it is at fault.
            found = written.get(written.len() / 2..).unwrap_or_default().to_vec();
        }
        let due = if explained || written.len() == 1 { Due::Later } else { Due::AtOnce };
        for (group, cell) in found {
            let kind = match self.groups[group].verb {
                Verb::Upsert => RefusalKind::ForeignKey,
                Verb::Delete => RefusalKind::Referenced,
            };
            let refusal = Refusal {
                kind,
                code: ffi::SQLITE_CONSTRAINT_FOREIGNKEY.to_string(),
                message: "FOREIGN KEY constraint failed at the commit".to_owned(),
            };
            self.rounds.exclude(self.groups[group].cells[cell].record, refusal, due);
        }
        Ok(())
    }

    fn written(&self) -> Vec<(usize, usize)> {
        let written = |(group, cell): &(usize, usize)| self.groups[*group].cells[*cell].is_written();
        self.all_cells().into_iter().filter(written).collect()
    }

    /// Deleted rows that somebody refers to.
    fn deletes_at_fault(&self, written: &[(usize, usize)]) -> Step<Vec<(usize, usize)>> {
        let mut found = Vec::new();
        for (group, cell) in written.iter().filter(|(group, _)| self.groups[*group].verb == Verb::Delete) {
            let key = &self.groups[*group].cells[*cell].key;
            for reference in self.shapes.references.to(self.groups[*group].table) {
                let (Some(places), true) = (&reference.to_key, self.is_late(reference)) else { continue };
                let values: Vec<Stored> = places.iter().map(|place| key[*place].clone()).collect();
                let query = || {
                    let mut statement = self.connection.prepare_cached(&reference.rows)?;
                    bind_values(&mut statement, &values)?;
                    Ok(statement.raw_query().next()?.is_some())
                };
                if query().map_err(self.failed("look for rows that refer to another"))? {
                    found.push((*group, *cell));
                    break;
                }
            }
        }
        Ok(found)
    }

    /// Written rows whose parent is missing, and those that refer to one of them: its row will not be there.
    fn upserts_at_fault(&self, written: &[(usize, usize)]) -> Step<Vec<(usize, usize)>> {
        let batch = self.batch;
        let mut places = HashMap::new();
        let mut found = Vec::new();
        for (group, cell) in written.iter().filter(|(group, _)| self.groups[*group].verb == Verb::Upsert) {
            let (table, here) = (self.groups[*group].table, &self.groups[*group].cells[*cell]);
            places.insert((table, &batch.records[here.record].key), (*group, *cell));
            for reference in self.shapes.references.from(table).filter(|reference| self.is_late(reference)) {
                let query = || {
                    let mut statement = self.connection.prepare_cached(&reference.missing)?;
                    keys::bind(&mut statement, &here.key)?;
                    Ok(statement.raw_query().next()?.is_some())
                };
                if query().map_err(self.failed("look for a parent"))? {
                    found.push((*group, *cell));
                    break;
                }
            }
        }
        let mut known: HashSet<(usize, usize)> = found.iter().copied().collect();
        let mut open = found.clone();
        while let Some((group, cell)) = open.pop() {
            let (table, here) = (self.groups[group].table, &self.groups[group].cells[cell]);
            // A row that was there before stays as it was.
            if here.present {
                continue;
            }
            for reference in self.shapes.references.to(table).filter(|reference| self.is_late(reference)) {
                let (Some(key_places), Place::Bound(child)) = (&reference.to_key, reference.child) else {
                    continue;
                };
                let query = || {
                    let mut statement = self.connection.prepare_cached(&reference.rows)?;
                    let values: Vec<Stored> =
                        key_places.iter().map(|place| here.key[*place].clone()).collect();
                    bind_values(&mut statement, &values)?;
                    let mut rows = statement.raw_query();
                    let mut children = Vec::new();
                    while let Some(row) = rows.next()? {
                        let key = keys::read(&self.member.tables[child], row, 0)?;
                        children.extend(key.and_then(|key| places.get(&(child, &key)).copied()));
                    }
                    Ok(children)
                };
                for below in query().map_err(self.failed("look for rows that refer to another"))? {
                    if known.insert(below) {
                        found.push(below);
                        open.push(below);
                    }
                }
            }
        }
        Ok(found)
    }

    /// Whether a foreign key is checked at the commit in this round.
    fn is_late(&self, reference: &Reference) -> bool {
        self.rounds.deferred || reference.deferred
    }
}
