//! The first half of a round: every record is decided on under the write lock, and the tracking rows of all that
//! will be written are marked with the batch's number before the first row is touched.
//!
//! What to do with a record is `settle`'s decision; this file reads what it is made on and carries it out as far as
//! tracking goes.

use super::keys::{self, Key};
use super::refusal::Verb;
use super::run::{Cell, Group, Refused, Run, State, Step, Stop};
use super::shape::TableShape;
use super::table::BoundTable;
use super::tracking::{self, Before, Tracking};
use crate::plan::{BatchPlan, TableRecords};
use crate::waiting::bytes_of_hex;
use crate::{ApplyRecord, Direction, Error, Outcome};
use rusqlite::CachedStatement;
use rusqlite::types::Value as Stored;
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

/// What the decision is made on.
enum Found {
    /// As read, or as the absence of a tracking row means.
    State(LocalState),
    /// A row that the first scan has passed, maybe without seeing it: it has a tracking row now.
    Captured,
}

impl Run<'_> {
    /// Decides on every record, and marks the cells that are to be written.
    pub(super) fn decide(&mut self, plan: &BatchPlan) -> Step<()> {
        for record in &plan.superseded {
            self.outcomes[*record] = Some(Outcome::Superseded);
        }
        for record in &plan.nulls {
            self.purge(*record)?;
        }
        let upserts = plan.upserts.iter().map(|step| (Verb::Upsert, step));
        let deletes = plan.deletes.iter().map(|step| (Verb::Delete, step));
        for (number, (verb, step)) in upserts.chain(deletes).enumerate() {
            for records in &step.tables {
                let (table, _) = self.table(records.table)?;
                let mut cells = self.cells(table, records);
                if !step.cyclic {
                    // In the order of the keys, neighbours share pages. Rows that refer to each other keep the
                    // log's order, in which parents tend to come first.
                    cells.sort_unstable_by(|a, b| compare(&a.key, &b.key));
                }
                self.decide_table(records.table, verb, &mut cells)?;
                cells.retain(|cell| !matches!(cell.state, State::Decided));
                let group = Group { table: records.table, verb, step: number, cyclic: step.cyclic, cells };
                self.groups.push(group);
            }
        }
        Ok(())
    }

    /// Cells of the records whose keys can stand in the table; the others are refused.
    fn cells(&mut self, table: &BoundTable, records: &TableRecords) -> Vec<Cell> {
        let mut cells = Vec::with_capacity(records.records.len());
        for record in &records.records {
            match keys::stored(table, &self.batch.records[*record].key) {
                Ok(key) => cells.push(Cell {
                    record: *record,
                    key,
                    before: Before::Absent,
                    present: false,
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

    fn decide_table(&mut self, at: usize, verb: Verb, cells: &mut [Cell]) -> Step<()> {
        let (table, shape) = self.table(at)?;
        let batch = self.batch;
        let mut tracking =
            Tracking::open(self.connection, &shape.sql).map_err(self.failed("read tracking rows"))?;
        let row_exists = self.connection.prepare_cached(&shape.sql.row_exists);
        let mut row_exists = row_exists.map_err(self.failed("look up a row"))?;
        let mut claim = None;
        for cell in cells {
            let record = &batch.records[cell.record];
            if record.retry
                && !self
                    .shelf
                    .holds(self.connection, table, record)
                    .map_err(self.failed("read a parked record"))?
            {
                self.outcomes[cell.record] = Some(Outcome::Superseded);
                continue;
            }
            let mut tries = 0;
            while !self.decide_cell((table, shape), verb, cell, &mut tracking, &mut row_exists, &mut claim)? {
                tries += 1;
                if tries == TRIES {
                    return Err(Stop::Failed(
                        self.damaged(table, "a row that is not found by the key that it has"),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Decides on one record. `false` if its tracking row was another one at the write than at the read.
    fn decide_cell(
        &mut self,
        (table, shape): (&BoundTable, &TableShape),
        verb: Verb,
        cell: &mut Cell,
        tracking: &mut Tracking<'_>,
        row_exists: &mut CachedStatement<'_>,
        claim: &mut Option<Claim>,
    ) -> Step<bool> {
        let ApplyRecord { resolved: Ok(resolved), .. } = &self.batch.records[cell.record] else {
            return Ok(true);
        };
        let read = self.failed("read tracking rows");
        cell.before = tracking.read(&cell.key).map_err(&read)?;
        let state = cell.before.state(table).map_err(|reason| self.damaged(table, &reason))?;
        cell.present = match cell.before.is_present() {
            Some(present) => present,
            None => {
                keys::bind(row_exists, &cell.key).map_err(&read)?;
                row_exists.raw_query().next().map_err(&read)?.is_some()
            }
        };
        let mut state = match state {
            Some(state) => state,
            None => match self.untracked((table, shape), cell, &resolved.vv, claim)? {
                Found::State(state) => state,
                Found::Captured => {
                    self.outcomes[cell.record] = Some(Outcome::LocalIsNewer);
                    return Ok(true);
                }
            },
        };
        if self.member.settings.direction == Direction::Subscribe {
            state.local = None;
        }
        let outcome = match self.batch.records[cell.record].decide(resolved, &state) {
            Decision::AlreadyThere => Outcome::AlreadyThere,
            Decision::LocalIsNewer => Outcome::LocalIsNewer,
            Decision::SameContent => Outcome::SameContent,
            Decision::Write => {
                if let Some(exclusion) = self.rounds.excluded.get(&cell.record) {
                    let (refusal, due) = (exclusion.refusal.clone(), exclusion.due);
                    let refused = Refused { refusal, after: 0, marked: false, due };
                    cell.state = State::Refused(Box::new(refused));
                    return Ok(true);
                }
                let number = self.number()?;
                let seen = self.batch.records[cell.record].seen_after(resolved, &state);
                let marked = tracking.mark(&cell.key, &cell.before, verb == Verb::Delete, &seen, number);
                if !marked.map_err(self.failed("write tracking rows"))? {
                    return Ok(false);
                }
                cell.state = State::Marked;
                return Ok(true);
            }
        };
        self.outcomes[cell.record] = Some(outcome);
        Ok(true)
    }

    /// What it means that a cell has no tracking row.
    fn untracked(
        &mut self,
        (table, shape): (&BoundTable, &TableShape),
        cell: &Cell,
        vv: &VersionVector,
        claim: &mut Option<Claim>,
    ) -> Step<Found> {
        if !cell.present || self.member.settings.direction == Direction::Subscribe {
            return Ok(Found::State(LocalState::default()));
        }
        let first = table.scanned();
        if vv.get(&first.incarnation) == 0 && self.scan_has_passed((table, shape), &cell.key, claim)? {
            let track = || {
                let version = tracking::next_version(self.connection)?;
                tracking::track(self.connection, table, &shape.sql, &cell.key, version)
            };
            track().map_err(self.failed("track a row that the first scan may not have seen"))?;
            return Ok(Found::Captured);
        }
        Ok(Found::State(LocalState { local: Some(first), seen: VersionVector::new() }))
    }

    fn scan_has_passed(
        &self,
        (table, shape): (&BoundTable, &TableShape),
        key: &Key,
        claim: &mut Option<Claim>,
    ) -> Step<bool> {
        let claim = match claim {
            Some(claim) => claim,
            None => claim.insert(self.claim(table)?),
        };
        let up_to = match claim {
            Claim::Pending => return Ok(false),
            Claim::Done => return Ok(true),
            Claim::UpTo(up_to) => up_to,
        };
        let compare = || {
            let mut statement = self.connection.prepare_cached(&shape.sql.scan_passed)?;
            keys::bind(&mut statement, key)?;
            for (at, value) in up_to.iter().enumerate() {
                statement.raw_bind_parameter(key.len() + 1 + at, value)?;
            }
            let mut rows = statement.raw_query();
            rows.next()?.map_or(Ok(false), |row| row.get(0))
        };
        compare().map_err(self.failed("compare a key with the first scan's"))
    }

    fn claim(&self, table: &BoundTable) -> Step<Claim> {
        let text =
            tracking::claim(self.connection, table).map_err(self.failed("read the first scan's claim"))?;
        let damaged = || Error::Damaged {
            place: self.member.path.as_path().into(),
            object: "DataSync_dss_tables".to_owned(),
            reason: format!(
                "the scan_claim of {} is neither `pending`, `done` nor a key",
                table.binding.schema.name
            ),
        };
        match text.as_deref() {
            Some("pending") => Ok(Claim::Pending),
            Some("done") => Ok(Claim::Done),
            Some(digits) => {
                let key = bytes_of_hex(digits).map(KeyBytes::new).ok_or_else(damaged)?;
                Ok(Claim::UpTo(keys::stored(table, &key).map_err(|_| damaged())?))
            }
            None => Err(Stop::Failed(Error::NotProvisioned {
                member: self.member.id.clone(),
                place: self.member.path.as_path().into(),
                what: format!("the entry of {} in DataSync_dss_tables", table.binding.schema.name),
            })),
        }
    }

    /// A null record: the cell's tombstone has expired.
    fn purge(&mut self, index: usize) -> Step<()> {
        let batch = self.batch;
        let ApplyRecord { table, key, resolved: Err(vv), .. } = &batch.records[index] else { return Ok(()) };
        let (table, shape) = self.table(*table)?;
        self.outcomes[index] = Some(Outcome::Purged);
        // A key that cannot stand in the table has no tracking row there.
        let Ok(key) = keys::stored(table, key) else { return Ok(()) };
        let failed = self.failed("forget a tombstone");
        let mut tracking = Tracking::open(self.connection, &shape.sql).map_err(&failed)?;
        let before = tracking.read(&key).map_err(&failed)?;
        let state = before.state(table).map_err(|reason| self.damaged(table, &reason))?;
        let Some(mut state) = state else { return Ok(()) };
        if self.member.settings.direction == Direction::Subscribe {
            state.local = None;
        }
        if !batch.records[index].forgets(vv, &state) {
            return Ok(());
        }
        tracking::purge(self.connection, &shape.sql, &key, &before).map_err(&failed)
    }

    fn damaged(&self, table: &BoundTable, reason: &str) -> Error {
        let object = table.tracking.clone();
        Error::Damaged { place: self.member.path.as_path().into(), object, reason: reason.to_owned() }
    }
}

/// An order of keys near to that of the file. It only has to be total.
fn compare(a: &Key, b: &Key) -> std::cmp::Ordering {
    for (a, b) in a.iter().zip(b) {
        let order = match (a, b) {
            (Stored::Integer(a), Stored::Integer(b)) => a.cmp(b),
            (Stored::Text(a), Stored::Text(b)) => a.cmp(b),
            (Stored::Blob(a), Stored::Blob(b)) => a.cmp(b),
            (Stored::Real(a), Stored::Real(b)) => a.total_cmp(b),
            _ => class(a).cmp(&class(b)),
        };
        if order.is_ne() {
            return order;
        }
    }
    std::cmp::Ordering::Equal
}

fn class(value: &Stored) -> u8 {
    match value {
        Stored::Null => 0,
        Stored::Integer(_) => 1,
        Stored::Real(_) => 2,
        Stored::Text(_) => 3,
        Stored::Blob(_) => 4,
    }
}
