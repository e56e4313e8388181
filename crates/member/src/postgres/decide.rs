//! The first half of a round: every record is decided on under the locks of the batch's rows, and the tracking rows of
//! all that will be written are marked with the batch's number before the first row is touched.
//!
//! What to do with a record is `settle`'s decision; this file reads what it is made on and carries it out as far as
//! tracking goes. A cell whose tracking row is another one at the write than at the read is locked, read and decided
//! on again; nothing of it was written yet.

use super::arrays::Array;
use super::keys::{self, Key};
use super::refusal::Verb;
use super::run::{self, At, Cell, Group, Refused, Run, State, Step, Stop};
use super::statements;
use super::table::BoundTable;
use super::tracking::{self, Before, Mark, Marks, parameters};
use crate::plan::{BatchPlan, TableRecords};
use crate::waiting::bytes_of_hex;
use crate::{ApplyRecord, Direction, Error, Outcome};
use futures_util::future::{join, join_all};
use std::collections::HashSet;
use tokio_postgres::Row;
use tributary_model::{KeyBytes, VersionVector};
use tributary_settle::{Decision, LocalState};

/// How often a cell is decided on when its tracking row changes between the read and the write.
const TRIES: usize = 3;

/// So many statements are under way at once.
const FLIGHT: usize = 24;

/// How far a table's first scan has claimed the keys.
enum Claim {
    Pending,
    UpTo(Key),
    Done,
}

/// Cells of a group, by place in it.
#[derive(Debug, Clone)]
pub(super) struct Open {
    group: usize,
    cells: Vec<usize>,
}

/// What the database holds of the cells of an [`Open`].
pub(super) struct Found {
    /// Places of those whose rows are there.
    locked: Option<Vec<i64>>,
    tracking: Vec<Row>,
}

/// A cell that is to be written, and what its copy will reflect then.
struct Chosen {
    cell: usize,
    seen: VersionVector,
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
                self.groups.push(Group {
                    table: records.table,
                    verb,
                    step: number,
                    cyclic: step.cyclic,
                    cells,
                });
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

    /// All cells.
    pub(super) fn all_open(&self) -> Vec<Open> {
        let groups = self.groups.iter().enumerate();
        groups.map(|(group, all)| Open { group, cells: (0..all.cells.len()).collect() }).collect()
    }

    /// Prepares the statements of [`Run::read`]: one that has to be prepared first would come after the others.
    pub(super) async fn prepare_reads(&self, open: &[Open]) -> Step<()> {
        for Open { group, .. } in open {
            let Group { table, verb, .. } = self.groups[*group];
            let (_, shape) = self.table(table)?;
            for sql in [shape.sql.lock(verb), &shape.sql.read_tracking] {
                self.member
                    .session
                    .prepare(sql)
                    .await
                    .map_err(self.failed("prepare a batch's statements"))?;
            }
        }
        Ok(())
    }

    /// Locks the rows of cells, and reads their tracking rows once the locks are held.
    pub(super) async fn read(&self, open: &[Open]) -> Step<Vec<Found>> {
        let mut found = Vec::with_capacity(open.len());
        for part in open.chunks(FLIGHT) {
            let reads = part.iter().map(|open| self.read_group(open));
            for read in join_all(reads).await {
                found.push(read?);
            }
        }
        Ok(found)
    }

    async fn read_group(&self, open: &Open) -> Step<Found> {
        let Group { table, verb, cells, .. } = &self.groups[open.group];
        let (table, shape) = self.table(*table)?;
        let keys = keys::arrays(table.key.len(), open.cells.iter().map(|cell| &cells[*cell].key));
        let parameters = parameters(&keys, &[]);
        let (locked, tracking) = join(
            statements::query(self.member, shape.sql.lock(*verb), &parameters),
            statements::query(self.member, &shape.sql.read_tracking, &parameters),
        )
        .await;
        let locked = locked.map_err(self.failed("lock a batch's rows"))?;
        let tracking = tracking.map_err(self.failed("read tracking rows"))?;
        Ok(Found { locked: locked.first().and_then(|row| row.get(0)), tracking })
    }

    /// Notes in the cells what was found.
    fn take(&mut self, open: &[Open], found: Vec<Found>) {
        for (open, found) in open.iter().zip(found) {
            let cells = &mut self.groups[open.group].cells;
            for cell in &open.cells {
                cells[*cell].present = false;
                cells[*cell].before = Before::Absent;
            }
            for place in found.locked.unwrap_or_default() {
                cells[open.cells[place as usize - 1]].present = true;
            }
            for row in &found.tracking {
                cells[open.cells[tracking::place(row)]].before = Before::of(row, 1);
            }
        }
    }

    /// Decides on every record, and marks the cells that are to be written. `found` is what the first reading said.
    pub(super) async fn decide(&mut self, mut open: Vec<Open>, mut found: Vec<Found>) -> Step<()> {
        for _ in 0..TRIES {
            self.take(&open, found);
            open = self.decide_and_mark(&open).await?;
            if open.is_empty() {
                return Ok(());
            }
            found = self.read(&open).await?;
        }
        Err(Stop::Conflict(run::busy(self.member, "decide on records whose rows others keep changing")))
    }

    /// Decides on a cell again whose row has turned up at the write.
    pub(super) async fn decide_again(&mut self, (group, cell): At) -> Step<()> {
        let open = vec![Open { group, cells: vec![cell] }];
        let found = self.read(&open).await?;
        self.decide(open, found).await
    }

    /// One turn of [`Run::decide`]; returns the cells whose tracking rows were others by then.
    async fn decide_and_mark(&mut self, open: &[Open]) -> Step<Vec<Open>> {
        let mut chosen = Vec::with_capacity(open.len());
        for open in open {
            chosen.push(self.choose(open).await?);
        }
        let number = self.number;
        let copy = !self.rounds.careful;
        let mut counts = Vec::with_capacity(open.len());
        for (open, chosen) in open.iter().zip(&chosen).filter(|(_, chosen)| !chosen.is_empty()) {
            let Group { table, verb, cells, .. } = &self.groups[open.group];
            let (table, shape) = self.table(*table)?;
            let marks: Vec<Mark<'_>> = chosen
                .iter()
                .map(|chosen| {
                    let Cell { key, before, .. } = &cells[chosen.cell];
                    Mark { key, before, seen: &chosen.seen }
                })
                .collect();
            let tombstone = *verb == Verb::Delete;
            let marks = Marks::of(table.key.len(), &marks, tombstone, number, copy);
            counts.push((open.group, chosen, marks, &shape.sql, tombstone));
        }
        let mut done = Vec::with_capacity(counts.len());
        for part in counts.chunks(FLIGHT / 3) {
            let writes = part
                .iter()
                .map(|(_, _, marks, sql, tombstone)| marks.write(self.member, sql, *tombstone, number));
            done.extend(join_all(writes).await);
        }
        let done = match statements::all(done) {
            Ok(done) => done,
            // A row that was copied has its tracking row by now.
            Err(error) if copy && error.code().is_some_and(|code| code.code() == "23505") => {
                return Err(self.carefully());
            }
            Err(error) => return Err(self.failed("write tracking rows")(error)),
        };
        let mut missed = Vec::new();
        let mut short = Vec::new();
        for ((group, chosen, ..), count) in counts.iter().zip(done) {
            if count != chosen.len() as u64 {
                short.push((*group, chosen.iter().map(|chosen| chosen.cell).collect::<Vec<_>>()));
            }
        }
        for (group, cells) in chosen_cells(open, &chosen) {
            for cell in cells {
                self.groups[group].cells[cell].state = State::Marked;
            }
        }
        for (group, cells) in short {
            let missing = self.missed(group, &cells).await?;
            for cell in &missing {
                self.groups[group].cells[*cell].state = State::Decided;
            }
            missed.push(Open { group, cells: missing });
        }
        Ok(missed)
    }

    /// Which of these cells of a group do not bear the mark.
    async fn missed(&self, group: usize, cells: &[usize]) -> Step<Vec<usize>> {
        let Group { table, cells: all, .. } = &self.groups[group];
        let (table, shape) = self.table(*table)?;
        let keys = keys::arrays(table.key.len(), cells.iter().map(|cell| &all[*cell].key));
        let missed = tracking::missed(self.member, &shape.sql, &keys, self.number).await;
        let places = missed.map_err(self.failed("read tracking rows"))?;
        Ok(places.into_iter().map(|place| cells[place]).collect())
    }

    /// From now on in savepoints, and without copying.
    pub(super) fn carefully(&mut self) -> Stop {
        self.rounds.careful = true;
        Stop::Again
    }

    /// Decides on the cells of a group; returns those that are to be written.
    async fn choose(&mut self, open: &Open) -> Step<Vec<Chosen>> {
        let (table, _) = self.table(self.groups[open.group].table)?;
        let subscribe_only = self.member.settings.direction == Direction::Subscribe;
        let passed = if subscribe_only { HashSet::new() } else { self.passed_by_scan(table, open).await? };
        let mut chosen = Vec::with_capacity(open.cells.len());
        for cell in &open.cells {
            let here = &self.groups[open.group].cells[*cell];
            let record = here.record;
            let ApplyRecord { resolved: Ok(resolved), retry, .. } = &self.batch.records[record] else {
                continue;
            };
            if *retry && !self.shelf.holds(&self.batch.records[record]) {
                self.outcomes[record] = Some(Outcome::Superseded);
                continue;
            }
            if passed.contains(cell) {
                self.outcomes[record] = Some(Outcome::LocalIsNewer);
                continue;
            }
            let state = here.before.state(table).map_err(|reason| self.damaged(table, reason))?;
            let mut state = state.unwrap_or_else(|| self.untracked(table, here));
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
                        self.groups[open.group].cells[*cell].state = State::Refused(Box::new(refused));
                        continue;
                    }
                    let seen = self.batch.records[record].seen_after(resolved, &state);
                    chosen.push(Chosen { cell: *cell, seen });
                    continue;
                }
            };
            self.outcomes[record] = Some(outcome);
        }
        Ok(chosen)
    }

    /// What it means that a cell has no tracking row.
    fn untracked(&self, table: &BoundTable, cell: &Cell) -> LocalState {
        if !cell.present || self.member.settings.direction == Direction::Subscribe {
            return LocalState::default();
        }
        LocalState { local: Some(table.scanned()), seen: VersionVector::new() }
    }

    /// Rows without tracking that the first scan has passed, maybe without seeing them, get tracking rows, so that
    /// they are captured; returns them.
    async fn passed_by_scan(&self, table: &BoundTable, open: &Open) -> Step<HashSet<usize>> {
        let cells = &self.groups[open.group].cells;
        let unknown = |cell: &&usize| {
            let Cell { before, present, record, .. } = &cells[**cell];
            let resolved = self.batch.records[*record].resolved.as_ref();
            matches!(before, Before::Absent)
                && *present
                && resolved.is_ok_and(|resolved| resolved.vv.get(&table.first_incarnation) == 0)
        };
        let candidates: Vec<usize> = open.cells.iter().filter(unknown).copied().collect();
        if candidates.is_empty() {
            return Ok(HashSet::new());
        }
        let (_, shape) = self.table(self.groups[open.group].table)?;
        let width = table.key.len();
        let keys = |places: &[usize]| keys::arrays(width, places.iter().map(|cell| &cells[*cell].key));
        let passed: Vec<usize> = match self.claim(table).await? {
            Claim::Pending => return Ok(HashSet::new()),
            Claim::Done => candidates,
            Claim::UpTo(claim) => {
                let claimed: Vec<Array> = keys::arrays(width, [&claim]);
                let all = keys(&candidates);
                let claimed: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
                    claimed.iter().map(|array| array as _).collect();
                let action = "compare keys with the first scan's";
                let rows = self.query(action, &shape.sql.scan_passed, &parameters(&all, &claimed)).await?;
                rows.iter().map(|row| candidates[tracking::place(row)]).collect()
            }
        };
        if !passed.is_empty() {
            let action = "track rows that the first scan may not have seen";
            let incarnation = tracking::later_incarnation(table);
            let scanned = VersionVector::of(&table.scanned()).to_string();
            let (keys, rest) = (keys(&passed), [&incarnation as _, &scanned as _]);
            self.execute(action, &shape.sql.track_rows, &parameters(&keys, &rest)).await?;
        }
        Ok(passed.into_iter().collect())
    }

    async fn claim(&self, table: &BoundTable) -> Step<Claim> {
        let text = tracking::claim(self.member, table).await;
        let text = text.map_err(self.failed("read the first scan's claim"))?;
        let name = &table.binding.schema.name;
        let damage = || {
            let reason = format!("the scan_claim of {name} is neither `pending`, `done` nor a key");
            self.member.session.damaged("\"DataSync\".dss_claims", reason)
        };
        match text.as_deref() {
            Some("pending") => Ok(Claim::Pending),
            Some("done") => Ok(Claim::Done),
            Some(digits) => {
                let key = bytes_of_hex(digits).map(KeyBytes::new).ok_or_else(damage)?;
                Ok(Claim::UpTo(keys::stored(table, &key).map_err(|_| damage())?))
            }
            None => {
                let reason = format!("there is no entry of {name}");
                Err(Stop::Failed(self.member.session.damaged("\"DataSync\".dss_claims", reason)))
            }
        }
    }

    /// Null records: the cells' tombstones have expired.
    pub(super) async fn purge(&mut self, nulls: &[usize]) -> Step<()> {
        for table in 0..self.member.tables.len() {
            let batch = self.batch;
            let here = nulls.iter().filter(|record| batch.records[**record].table == table);
            let mut found: Vec<(Key, usize)> = Vec::new();
            for record in here {
                self.outcomes[*record] = Some(Outcome::Purged);
                let ApplyRecord { key, resolved: Err(_), .. } = &batch.records[*record] else { continue };
                let (table, _) = self.table(table)?;
                // A key that cannot stand in the table has no tracking row there.
                if let Ok(key) = keys::stored(table, key) {
                    found.push((key, *record));
                }
            }
            if !found.is_empty() {
                self.purge_table(table, &found).await?;
            }
        }
        Ok(())
    }

    async fn purge_table(&self, at: usize, found: &[(Key, usize)]) -> Step<()> {
        let action = "forget tombstones";
        let (table, shape) = self.table(at)?;
        let width = table.key.len();
        let keys = keys::arrays(width, found.iter().map(|(key, _)| key));
        let rows = self.query(action, &shape.sql.read_tracking, &parameters(&keys, &[])).await?;
        let mut expired = Vec::new();
        let mut versions = Array::default();
        for row in &rows {
            let (key, record) = &found[tracking::place(row)];
            let before = Before::of(row, 1);
            let state = before.state(table).map_err(|reason| self.damaged(table, reason))?;
            let Some(mut state) = state else { continue };
            if self.member.settings.direction == Direction::Subscribe {
                state.local = None;
            }
            let record = &self.batch.records[*record];
            if record.resolved.as_ref().err().is_some_and(|vv| record.forgets(vv, &state)) {
                expired.push(key);
                versions.push(&before.version());
            }
        }
        if expired.is_empty() {
            return Ok(());
        }
        let keys = keys::arrays(width, expired);
        self.execute(action, &shape.sql.purge_tracking, &parameters(&keys, &[&versions])).await.map(drop)
    }

    fn damaged(&self, table: &BoundTable, reason: String) -> Error {
        self.member.session.damaged(&table.tracking, reason)
    }
}

fn chosen_cells(open: &[Open], chosen: &[Vec<Chosen>]) -> Vec<(usize, Vec<usize>)> {
    let pairs = open.iter().zip(chosen);
    pairs.map(|(open, chosen)| (open.group, chosen.iter().map(|chosen| chosen.cell).collect())).collect()
}
