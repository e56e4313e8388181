//! Apply at one member: batches with compare-and-set, refusals, parked records, restored deletes.

use super::capture::{numbered, track};
use super::{Batch, History, Origins, Settlement, Setup, Situation, Violation, World};
use std::sync::Arc;
use tributary_model::{ChangeKind, Dot, Resolved, Row, VersionVector};
use tributary_settle::{Decision, Invariant, LocalState};

impl World {
    pub(super) fn read_batch(&mut self, setup: &Setup, member: usize, cell: usize, count: usize) -> bool {
        let from = self.members[member].offsets[cell];
        let upto = (from + count).min(self.cells[cell].resolved.len());
        let of = &self.members[member];
        if setup.members[member].publishes_only
            || self.apply_waits(setup, member)
            || of.batch.is_some()
            || from >= upto
        {
            return false;
        }
        if setup.discipline.apply_checks_token && !of.follows() {
            return false;
        }
        // The last record of a cell wins within the batch.
        let record = Arc::clone(&self.cells[cell].resolved[upto - 1]);
        let decision = self.decided(setup, member, cell, &record.record);
        let observed = self.members[member].copies[cell].tracking.local.clone();
        self.members[member].batch = Some(Batch { cell, from, upto, observed, decision });
        true
    }

    pub(super) fn write_batch(&mut self, setup: &Setup, member: usize, refuse: bool) -> bool {
        if self.apply_waits(setup, member) {
            return false;
        }
        let Some(batch) = self.members[member].batch.take() else { return false };
        let of = &self.members[member];
        if of.offsets[batch.cell] != batch.from {
            // The compare-and-set on the offset: somebody else has moved it.
            return true;
        }
        let index = batch.upto - 1;
        let record = Arc::clone(&self.cells[batch.cell].resolved[index]);
        let tracking = &of.copies[batch.cell].tracking;
        let missed = tracking.local != batch.observed;
        if missed {
            self.met.add(Situation::CompareAndSetMissed);
        }
        let decision = if missed && setup.discipline.compare_and_set {
            self.decided(setup, member, batch.cell, &record.record)
        } else {
            batch.decision
        };
        self.members[member].offsets[batch.cell] = batch.upto;
        self.carry(setup, member, batch.cell, index, &record, decision, refuse);
        true
    }

    /// What a member does with a record.
    fn decided(&self, setup: &Setup, member: usize, cell: usize, record: &Resolved) -> Decision {
        let tracking = &self.members[member].copies[cell].tracking;
        if setup.discipline.subscribers_give_way {
            setup.rules.decide(record, &setup.regarded(member, tracking))
        } else {
            setup.rules.decide(record, tracking)
        }
    }

    /// What apply was about to write, and what capture was about to publish, dies with the process.
    pub(super) fn crash(&mut self, member: usize) -> bool {
        let of = &mut self.members[member];
        let any = of.batch.take().is_some() | of.claimed.take().is_some();
        of.committed = false;
        !std::mem::take(&mut of.page).is_empty() || any
    }

    pub(super) fn rewind(&mut self, setup: &Setup, member: usize, cell: usize, to: usize) -> bool {
        let offset = &mut self.members[member].offsets[cell];
        if to >= *offset || setup.members[member].publishes_only {
            return false;
        }
        *offset = to;
        true
    }

    /// A parked record goes through the same decision again.
    pub(super) fn retry(&mut self, setup: &Setup, member: usize, cell: usize, refuse: bool) -> bool {
        if self.apply_waits(setup, member) {
            return false;
        }
        let Some(index) = self.members[member].parked[cell] else { return false };
        if setup.discipline.apply_checks_token && !self.members[member].follows() {
            return false;
        }
        // One worker does both: it has no batch open while it retries.
        self.members[member].batch = None;
        let record = Arc::clone(&self.cells[cell].resolved[index]);
        let copy = &self.members[member].copies[cell];
        let decision = self.decided(setup, member, cell, &record.record);
        let row = self.projected(setup, member, &record.record);
        let refused = refuse || !self.allows(setup, member, cell, row.as_ref());
        let blocked = decision == Decision::Write && refused && row.is_none() && copy.row.is_some();
        // A subscriber's change would never reach anybody.
        if blocked && setup.members[member].restores && !setup.members[member].subscribes_only {
            return self.restore(setup, member, cell, &record);
        }
        self.carry(setup, member, cell, index, &record, decision, refuse);
        decision != Decision::LocalIsNewer && !(decision == Decision::Write && refused)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one record's way into a member, with all that it depends on"
    )]
    fn carry(
        &mut self,
        setup: &Setup,
        member: usize,
        cell: usize,
        index: usize,
        record: &Settlement,
        decision: Decision,
        refuse: bool,
    ) {
        self.met.add(match decision {
            Decision::AlreadyThere => Situation::AlreadyThere,
            Decision::LocalIsNewer => Situation::LocalIsNewer,
            Decision::SameContent => Situation::SameContent,
            Decision::Write => Situation::Written,
        });
        match decision {
            // What is skipped is not settled: a parked record stays.
            Decision::LocalIsNewer => self.track_passed(setup, member, cell, &record.record),
            Decision::AlreadyThere => self.unpark(member, cell, index),
            Decision::SameContent => {
                self.find_there(setup, member, cell, record);
                self.unpark(member, cell, index);
            }
            Decision::Write => {
                let row = self.projected(setup, member, &record.record);
                if refuse || !self.allows(setup, member, cell, row.as_ref()) {
                    self.park(setup, member, cell, index, &record.record);
                } else {
                    self.write(setup, member, cell, row, record);
                    self.unpark(member, cell, index);
                }
            }
        }
    }

    /// The first scan has passed the row, and the record knows nothing of it. It may be on its way, or have been written
    /// past the triggers, which apply cannot tell: it is captured, as that scan's row once more.
    fn track_passed(&mut self, setup: &Setup, member: usize, cell: usize, record: &Resolved) {
        let of = &mut self.members[member];
        let copy = &mut of.copies[cell];
        let (Some(local), Some(edit)) = (copy.tracking.local.clone(), copy.edit) else { return };
        let read = of.page.iter().any(|(page, _)| *page == cell);
        let untracked = copy.kind == Some(ChangeKind::FirstScan) && local.version == 1;
        let passed = untracked && (copy.published > 0 || read) && record.vv.get(&local.incarnation) == 0;
        if !passed || !setup.discipline.tracks_passed {
            return;
        }
        of.given += 1;
        let dot = Dot::new(numbered(&setup.incarnations[member], of.life), of.given);
        copy.tracking.seen = VersionVector::of(&local);
        (copy.published, copy.base) = (0, copy.history);
        track(copy, edit, dot, ChangeKind::FirstScan, None);
        self.met.add(Situation::Passed);
    }

    fn write(&mut self, setup: &Setup, member: usize, cell: usize, row: Option<Row>, record: &Settlement) {
        let copy = &mut self.members[member].copies[cell];
        if record.images.contains(&copy.history) && copy.history != History::default() {
            self.met.add(Situation::WrittenAgain);
        }
        if std::mem::take(&mut copy.own) {
            self.met.add(Situation::Overwritten);
        }
        copy.wrote_second = false;
        copy.row = row.clone();
        copy.origins = origins_of(copy.row.as_ref(), record);
        copy.history = History::of_all(&record.images);
        copy.base = copy.history;
        copy.tracking.seen = setup.rules.seen_after_write(&record.record, &copy.tracking);
        if setup.discipline.clears_local {
            copy.tracking.local = None;
            (copy.kind, copy.changed_at, copy.edit, copy.published) = (None, None, None, 0);
        }
        if !setup.discipline.silent_trigger {
            self.own_change(setup, member, cell, row, ChangeKind::Live, None);
        }
    }

    /// Rule 3: the copy must be what the member would have of the record.
    fn find_there(&mut self, setup: &Setup, member: usize, cell: usize, record: &Settlement) {
        let row = self.projected(setup, member, &record.record);
        let copy = &mut self.members[member].copies[cell];
        // What is a subscriber's own stands until there is something new.
        if copy.own {
            return;
        }
        if copy.row == row {
            copy.origins = origins_of(row.as_ref(), record);
            return;
        }
        // An earlier record than the one that a gained column was filled from says nothing of that.
        let without = |row: Option<&Row>| row.map(|row| (row.get(0).cloned(), row.get(2).cloned()));
        if setup.members[member].gains && without(copy.row.as_ref()) == without(row.as_ref()) {
            return;
        }
        let what = format!("member {member}, cell {cell}: {copy:?} is taken for {record:?}");
        self.report(Violation::new(Invariant::Convergence, what));
    }

    /// A parked record changes neither row nor tracking; an older one never replaces a newer.
    fn park(&mut self, setup: &Setup, member: usize, cell: usize, index: usize, record: &Resolved) {
        let of = &mut self.members[member];
        of.copies[cell].tracking = setup.rules.after_parking(record, &of.copies[cell].tracking);
        self.met.add(Situation::Parked);
        if setup.discipline.parks {
            of.parked[cell] = Some(of.parked[cell].map_or(index, |parked| parked.max(index)));
        }
    }

    fn unpark(&mut self, member: usize, cell: usize, index: usize) {
        let parked = &mut self.members[member].parked[cell];
        if parked.is_some_and(|parked| parked <= index) {
            *parked = None;
            self.met.add(Situation::Unparked);
        }
    }

    /// The row stays and comes back everywhere, as a change made on top of the delete.
    fn restore(&mut self, setup: &Setup, member: usize, cell: usize, record: &Settlement) -> bool {
        let copy = &mut self.members[member].copies[cell];
        let before = copy.clone();
        copy.history = copy.history.union(History::of_all(&record.images));
        copy.base = copy.base.union(History::of_all(&record.images));
        if setup.discipline.restore_has_seen {
            let LocalState { seen, .. } = &mut copy.tracking;
            seen.join(&record.record.vv);
        }
        let row = copy.row.clone();
        if !self.own_change(setup, member, cell, row, ChangeKind::Restored, Some(1)) {
            self.members[member].copies[cell] = before;
            return false;
        }
        self.members[member].parked[cell] = None;
        true
    }

    /// R's row as this member holds it: its own columns only, an unset one as NULL, and rounded as it has them.
    pub(super) fn projected(&self, setup: &Setup, member: usize, record: &Resolved) -> Option<Row> {
        record.row.as_ref().map(|row| self.has(setup, member, row))
    }
}

/// The origins of the columns that a copy has of a settled row.
fn origins_of(copy: Option<&Row>, record: &Settlement) -> Origins {
    std::array::from_fn(|column| {
        record.origins[column].filter(|_| copy.is_some_and(|row| row.get(column).is_some()))
    })
}
