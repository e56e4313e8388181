//! What must hold in every group that has come to rest.

use super::{EditId, Gained, History, Setup, World};
use std::sync::Arc;
use tributary_settle::{Decision, Drop, Invariant, Resolution, Step};

/// A broken invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub invariant: Invariant,
    pub what: String,
}

impl Violation {
    pub fn new(invariant: Invariant, what: String) -> Self {
        Self { invariant, what }
    }
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n  {}", self.invariant, self.what)
    }
}

impl World {
    /// Whether nothing is under way: all that is local is published, resolved, and applied or parked everywhere.
    pub fn is_at_rest(&self, setup: &Setup) -> bool {
        let resolved = self.cells.iter().all(|cell| {
            cell.consumed == cell.changes.len()
                && cell.held == cell.resolved.len()
                && cell.commands.is_empty()
        });
        resolved
            && self.members.iter().enumerate().all(|(member, of)| {
                let applied = setup.members[member].publishes_only
                    || of
                        .offsets
                        .iter()
                        .zip(&self.cells)
                        .all(|(offset, cell)| *offset == cell.resolved.len());
                applied
                    && of.follows()
                    && matches!(of.gained, Gained::No | Gained::Done)
                    && of.page.is_empty()
                    && of.batch.is_none()
                    && (0..of.copies.len())
                        .all(|cell| !self.is_dirty(member, cell) && !of.copies[cell].ordered)
            })
    }

    /// Checks a group at rest.
    pub fn check(&self, setup: &Setup) -> Result<(), Violation> {
        for cell in 0..self.cells.len() {
            self.check_accounts(cell)?;
            for member in 0..self.members.len() {
                if !setup.members[member].publishes_only {
                    self.check_copy(setup, member, cell)?;
                }
            }
        }
        self.check_replays(setup)
    }

    /// I4, which holds at any time: what the resolver has consumed it drops when it comes again, and what apply has
    /// passed it never writes a second time. A parked cell is left out: a record that an earlier batch had merged
    /// away may be taken in between.
    pub fn check_replays(&self, setup: &Setup) -> Result<(), Violation> {
        for (index, cell) in self.cells.iter().enumerate() {
            let state = cell.held.checked_sub(1).map(|held| &cell.resolved[held].record);
            let step = Step { rules: &setup.table, key: &setup.key, now: 0 };
            for published in &cell.changes[..cell.consumed] {
                let again = setup.rules.resolve(step, state, &published.change);
                if again != Resolution::Dropped(Drop::Duplicate) {
                    let what = format!("{:?} came again: {again:?}", published.change);
                    return Err(Violation::new(Invariant::Idempotence, what));
                }
            }
            for (member, of) in self.members.iter().enumerate().filter(|(_, of)| of.parked[index].is_none()) {
                let tracking = &setup.regarded(member, &of.copies[index].tracking);
                let passed = cell.resolved[..of.offsets[index]].iter();
                let mut decisions = passed.map(|passed| setup.rules.decide(&passed.record, tracking));
                if let Some(offset) = decisions.position(|decision| decision == Decision::Write) {
                    let what =
                        format!("member {member}, cell {index}: offset {offset} would be written again");
                    return Err(Violation::new(Invariant::Idempotence, what));
                }
            }
        }
        Ok(())
    }

    /// I1 and I6: the copy is the settled row, or the record is listed as parked.
    fn check_copy(&self, setup: &Setup, member: usize, cell: usize) -> Result<(), Violation> {
        let copy = &self.members[member].copies[cell];
        let parked = self.members[member].parked[cell];
        let last = self.cells[cell].resolved.last();
        let settled = last.and_then(|last| self.projected(setup, member, &last.record));
        let at = || format!("member {member}, cell {cell}: {copy:?}, parked {parked:?}, settled {last:?}");
        let tracking = setup.regarded(member, &copy.tracking);
        let to_write =
            last.is_some_and(|last| setup.rules.decide(&last.record, &tracking) == Decision::Write);
        // What is a subscriber's own stands until the next record of the cell, and no longer.
        let is_right = if copy.own { !to_write } else { copy.row == settled };
        if !is_right && parked.is_none() {
            return Err(Violation::new(Invariant::Convergence, at()));
        }
        let outstanding =
            last.is_some_and(|_| to_write && parked == Some(self.cells[cell].resolved.len() - 1));
        if parked.is_some() && !outstanding {
            return Err(Violation::new(Invariant::RefusalStaysLocal, at()));
        }
        Ok(())
    }

    /// I2: every edit is in the history of the final content or of one that the ledger saved. An edit that was found
    /// to have the same content as another one lives on in that. Excepted is only what went with the lost part of a
    /// database before anybody else had it.
    fn check_accounts(&self, cell: usize) -> Result<(), Violation> {
        let of = &self.cells[cell];
        let settled = of.resolved.last().map_or(History::default(), |last| History::of_all(&last.images));
        let mut accounted = settled.union(of.saved);
        loop {
            let mut next = accounted;
            for (edit, history) in &of.edits {
                if next.contains(*edit) {
                    next = next.union(*history);
                }
            }
            for (one, other) in &of.agreed {
                if next.contains(*one) || next.contains(*other) {
                    next = next.with(*one).with(*other);
                }
            }
            if next == accounted {
                break;
            }
            accounted = next;
        }
        let lost: Vec<EditId> = of
            .edits
            .iter()
            .map(|(edit, _)| *edit)
            .filter(|edit| !accounted.union(of.gone).contains(*edit))
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        let last = of.resolved.last().map(Arc::clone);
        Err(Violation::new(Invariant::NoLostUpdate, format!("cell {cell}: lost {lost:?}, settled {last:?}")))
    }
}
