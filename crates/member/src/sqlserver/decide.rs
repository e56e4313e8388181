//! The first half of a round: every record is decided on under the locks of the batch's rows, and the tracking rows of all
//! that will be written are marked with the batch's number before the first row is touched.
//!
//! What to do with a record is `settle`'s decision; this file reads what it is made on and carries it out as far as
//! tracking goes. A cell whose tracking row is another one at the write than at the read is locked, read and decided
//! on again; nothing of it was written yet.

use super::json::{UNREAD, is_demanding};
use super::keys::{self, Key};
use super::refusal::Verb;
use super::run::{At, Cell, Group, Refused, Run, STATEMENT_ROWS, State, Step, Stop};
use super::session::text;
use super::table::BoundTable;
use super::tracking::{self, Before, Mark};
use crate::plan::{BatchPlan, TableRecords};
use crate::waiting::bytes_of_hex;
use crate::{ApplyRecord, Direction, Error, Outcome, Refusal, RefusalKind};
use std::collections::HashSet;
use tributary_model::{KeyBytes, VersionVector};
use tributary_settle::{Decision, LocalState};

/// How often a cell is decided on when its tracking row changes between the read and the write.
const TRIES: usize = 3;

/// How far a table's first scan has claimed the keys.
enum Claim {
    Pending,
    UpTo(Key),
    Done,
}

impl Run<'_> {
    /// Puts the records into groups, in the order in which they are written. Asks the database nothing.
    pub(super) fn gather(&mut self, plan: &BatchPlan) -> Step<()> {
        for record in &plan.superseded {
            self.outcomes[*record] = Some(Outcome::Superseded);
        }
        let upserts = plan.upserts.iter().map(|step| (Verb::Upsert, step));
        let deletes = plan.deletes.iter().map(|step| (Verb::Delete, step));
        for (number, (verb, step)) in upserts.chain(deletes).enumerate() {
            for records in &step.tables {
                let (table, _) = self.table(records.table)?;
                let mut cells = self.cells(table, records);
                // All who apply lock in the same order, and neighbours share pages.
                let records_of_batch = &self.batch.records;
                cells.sort_unstable_by(|a, b| {
                    records_of_batch[a.record].key.as_slice().cmp(records_of_batch[b.record].key.as_slice())
                });
                let (table, cyclic) = (records.table, step.cyclic);
                self.groups.push(Group { table, verb, step: number, cyclic, cells });
            }
        }
        Ok(())
    }

    /// Cells of the records whose keys can stand in the table; the others are refused.
    fn cells(&mut self, table: &BoundTable, records: &TableRecords) -> Vec<Cell> {
        let mut cells = Vec::with_capacity(records.records.len());
        for record in &records.records {
            let key = keys::stored(table, &self.batch.records[*record].key).and_then(|key| {
                if self.unescapes || !key.iter().any(|text| is_demanding(text)) {
                    return Ok(key);
                }
                let message = format!("the key holds {UNREAD}");
                Err(Refusal { kind: RefusalKind::Value, code: "key".to_owned(), message })
            });
            match key {
                Ok(key) => cells.push(Cell {
                    record: *record,
                    key,
                    before: Before::Absent,
                    present: false,
                    again: false,
                    image: None,
                    state: State::Decided,
                }),
                Err(refusal) => {
                    self.outcomes[*record] = Some(Outcome::Parked(refusal.clone()));
                    self.unkeyed.push((*record, refusal));
                }
            }
        }
        cells
    }

    /// Decides on every record, and marks the cells that are to be written.
    pub(super) async fn decide(&mut self) -> Step<()> {
        let all = Self::by_group(self.all_cells(), STATEMENT_ROWS);
        self.decide_on(all).await
    }

    /// Decides on a cell again whose row has turned up at the write.
    pub(super) async fn decide_again(&mut self, at: At) -> Step<()> {
        self.decide_on(vec![vec![at]]).await
    }

    async fn decide_on(&mut self, mut open: Vec<Vec<At>>) -> Step<()> {
        for _ in 0..TRIES {
            // All locks first: whoever holds one of ours and waits for another is found before anything is written.
            for cells in &open {
                self.lock_and_read(cells).await?;
            }
            let mut missed = Vec::new();
            for cells in &open {
                let chosen = self.choose(cells).await?;
                let tombstone = self.groups[cells[0].0].verb == Verb::Delete;
                let left = self.mark(&chosen, tombstone).await?;
                for mark in chosen.iter().filter(|mark| !left.contains(&mark.at)) {
                    self.cell_mut(mark.at).state = State::Marked;
                }
                if !left.is_empty() {
                    missed.push(left);
                }
            }
            if missed.is_empty() {
                return Ok(());
            }
            open = missed;
        }
        Err(Stop::Conflict(Error::Busy {
            place: self.session.whose().place.clone(),
            action: "decide on records whose rows others keep changing",
        }))
    }

    /// Locks the rows of cells of one group, and reads their tracking rows once the locks are held.
    async fn lock_and_read(&mut self, cells: &[At]) -> Step<()> {
        let Group { table: at, verb, .. } = self.groups[cells[0].0];
        let (table, shape) = self.table(at)?;
        let parents = verb == Verb::Delete && !self.shapes.references.hazards(at).is_empty();
        let read = if parents { &shape.sql.read_parents } else { &shape.sql.read };
        let answer = self.query("lock a batch's rows", read, self.keys(cells), Vec::new()).await?;
        for at in cells {
            let cell = self.cell_mut(*at);
            (cell.present, cell.before) = (false, Before::Absent);
        }
        for row in &answer {
            let place = self.place(row)?;
            // Of two answers the first has nothing but places.
            if row.len() == 1 {
                self.cell_mut(cells[place]).present = true;
                continue;
            }
            let before = Before::of(row).map_err(|reason| self.damaged(&table.tracking, reason))?;
            self.cell_mut(cells[place]).before = before;
        }
        Ok(())
    }

    /// Decides on cells of one group; returns those that are to be written.
    async fn choose(&mut self, cells: &[At]) -> Step<Vec<Mark>> {
        let (table, _) = self.table(self.groups[cells[0].0].table)?;
        let subscribe_only = self.settings.direction == Direction::Subscribe;
        let passed = if subscribe_only { HashSet::new() } else { self.passed_by_scan(table, cells).await? };
        let mut chosen = Vec::with_capacity(cells.len());
        for at in cells {
            let cell = self.cell(*at);
            let record = cell.record;
            let ApplyRecord { resolved: Ok(resolved), retry, .. } = &self.batch.records[record] else {
                continue;
            };
            if *retry && !self.shelf.holds(&self.batch.records[record]) {
                self.outcomes[record] = Some(Outcome::Superseded);
                continue;
            }
            if passed.contains(at) {
                self.outcomes[record] = Some(Outcome::LocalIsNewer);
                continue;
            }
            let state = cell.before.state(table).map_err(|reason| self.damaged(&table.tracking, reason))?;
            let mut state = state.unwrap_or_else(|| self.untracked(table, cell));
            if subscribe_only {
                state.local = None;
            }
            let outcome = match self.batch.records[record].decide(resolved, &state) {
                Decision::AlreadyThere => Outcome::AlreadyThere,
                Decision::LocalIsNewer => Outcome::LocalIsNewer,
                Decision::SameContent => Outcome::SameContent,
                Decision::Write => {
                    if let Some(exclusion) = self.rounds.excluded.get(&record) {
                        let (refusal, due) = (exclusion.refusal.clone(), exclusion.due);
                        let refused = Refused { refusal, after: 0, marked: false, due };
                        self.cell_mut(*at).state = State::Refused(Box::new(refused));
                    } else {
                        let seen = self.batch.records[record].seen_after(resolved, &state);
                        chosen.push(Mark { at: *at, seen });
                    }
                    continue;
                }
            };
            self.outcomes[record] = Some(outcome);
        }
        Ok(chosen)
    }

    /// What it means that a cell has no tracking row.
    fn untracked(&self, table: &BoundTable, cell: &Cell) -> LocalState {
        if !cell.present || self.settings.direction == Direction::Subscribe {
            return LocalState::default();
        }
        LocalState { local: Some(table.scanned()), seen: VersionVector::new() }
    }

    /// Rows without tracking that the first scan has passed, maybe without seeing them, get tracking rows, so that
    /// they are captured; returns them.
    async fn passed_by_scan(&mut self, table: &BoundTable, cells: &[At]) -> Step<HashSet<At>> {
        let unknown = |at: &At| {
            let cell = self.cell(*at);
            let resolved = self.batch.records[cell.record].resolved.as_ref();
            matches!(cell.before, Before::Absent)
                && cell.present
                && resolved.is_ok_and(|resolved| resolved.vv.get(&table.first_incarnation) == 0)
        };
        let candidates: Vec<At> = cells.iter().copied().filter(unknown).collect();
        if candidates.is_empty() {
            return Ok(HashSet::new());
        }
        let (_, shape) = self.table(self.groups[cells[0].0].table)?;
        let passed: Vec<At> = match self.claim(table).await? {
            Claim::Pending => return Ok(HashSet::new()),
            Claim::Done => candidates,
            Claim::UpTo(claim) => {
                let claim = keys::rows([&claim]).finish();
                let action = "compare keys with the first scan's";
                let keys = self.keys(&candidates);
                let answer = self.query(action, &shape.sql.scan_passed, keys, vec![text(&claim)]).await?;
                self.places(&answer)?.into_iter().map(|place| candidates[place]).collect()
            }
        };
        if !passed.is_empty() {
            let action = "track rows that the first scan may not have seen";
            let scanned = VersionVector::of(&table.scanned()).to_string();
            let rest = vec![text(tracking::later_incarnation(table)), text(&scanned)];
            self.query(action, &shape.sql.track_rows, self.keys(&passed), rest).await?;
        }
        Ok(passed.into_iter().collect())
    }

    async fn claim(&mut self, table: &BoundTable) -> Step<Claim> {
        let claimed = self.claim_text(table).await?;
        let name = &table.binding.schema.name;
        let reason = || format!("the scan_claim of {name} is neither `pending`, `done` nor a key");
        match claimed.as_deref() {
            Some("pending") => Ok(Claim::Pending),
            Some("done") => Ok(Claim::Done),
            Some(digits) => {
                let key = bytes_of_hex(digits).and_then(|key| keys::stored(table, &KeyBytes::new(key)).ok());
                key.map(Claim::UpTo).ok_or_else(|| self.damaged("DataSync.dss_tables", reason()))
            }
            None => Err(self.damaged("DataSync.dss_tables", format!("there is no entry of {name}"))),
        }
    }

    /// Null records: the cells' tombstones have expired.
    pub(super) async fn purge(&mut self, nulls: &[usize]) -> Step<()> {
        for at in 0..self.tables.len() {
            let batch = self.batch;
            let mut found: Vec<(Key, usize)> = Vec::new();
            for record in nulls.iter().filter(|record| batch.records[**record].table == at) {
                self.outcomes[*record] = Some(Outcome::Purged);
                let ApplyRecord { key, resolved: Err(_), .. } = &batch.records[*record] else { continue };
                let (table, _) = self.table(at)?;
                // A key that cannot stand in the table has no tracking row there.
                if let Ok(key) = keys::stored(table, key) {
                    found.push((key, *record));
                }
            }
            for part in found.chunks(STATEMENT_ROWS) {
                self.purge_table(at, part).await?;
            }
        }
        Ok(())
    }
}
