//! A column that a member gains: from when it is provisioned until the refill has come to every row, the member's
//! capture of the table waits, and so does its apply, so that what stands in the column is the default or a user's.
//!
//! A row that does not hold the column's default was given its value by somebody in the meantime; that is tracked as a
//! change. The others, and all rows of a subscriber, get what the group has.

use super::columns::{shown, value_of};
use super::{Setup, Situation, Violation, World};
use tributary_model::{ChangeKind, Row, Value};
use tributary_settle::Invariant;

/// What the column holds where nobody has written it; no user writes this.
const DEFAULT: i32 = 0;

/// What a user gives it before the triggers know of it.
const GIVEN: i32 = 3;

/// Where a member stands with the second column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Gained {
    /// As its setup says.
    #[default]
    No,
    /// It has the column, and what it published without it is not settled yet, as far as it knows.
    Waits,
    /// The refill goes through the rows.
    Refills,
    /// It has the column like any other.
    Done,
}

impl World {
    /// Whether a member still lacks the second column, which it may gain.
    pub(super) fn is_lacking(&self, setup: &Setup, member: usize) -> bool {
        setup.members[member].gains && self.members[member].gained == Gained::No
    }

    /// What a member has of a row now.
    pub(super) fn has(&self, setup: &Setup, member: usize, row: &Row) -> Row {
        let mut row = shown(setup, member, row);
        if self.is_lacking(setup, member) {
            row.0[1] = None;
        }
        row
    }

    pub(super) fn gain(&mut self, setup: &Setup, member: usize, given: u8) -> bool {
        let of = &mut self.members[member];
        if !setup.members[member].gains || of.gained != Gained::No {
            return false;
        }
        of.gained = if setup.discipline.refills { Gained::Waits } else { Gained::Done };
        if setup.discipline.apply_waits_for_refill {
            of.batch = None;
        }
        for (cell, copy) in of.copies.iter_mut().enumerate() {
            let is_given = given & (1 << cell) != 0;
            if let Some(Row(row)) = &mut copy.row {
                row[1] = Some(value_of(1, if is_given { GIVEN } else { DEFAULT }));
                copy.origins[1] = None;
                copy.wrote_second = is_given;
            }
        }
        self.met.add(Situation::Gained);
        true
    }

    /// Once all that was published without the column is settled, so that the records know what came of it.
    pub(super) fn start_refill(&mut self, setup: &Setup, member: usize) -> bool {
        let of = &self.members[member];
        let origin = setup.incarnations[member].member();
        let is_settled = of.page.is_empty()
            && self.cells.iter().all(|cell| {
                let mut left = cell.changes[cell.consumed..].iter();
                left.all(|published| published.change.dot.incarnation.member() != origin)
            });
        if of.gained != Gained::Waits || (setup.discipline.refill_waits && !is_settled) {
            return false;
        }
        let ends: Vec<usize> = self.cells.iter().map(|cell| cell.resolved.len()).collect();
        let of = &mut self.members[member];
        of.gained = Gained::Refills;
        for (copy, end) in of.copies.iter_mut().zip(ends) {
            copy.to_fill = Some(end);
        }
        true
    }

    pub(super) fn refill(&mut self, setup: &Setup, member: usize, cell: usize) -> bool {
        if self.members[member].gained != Gained::Refills {
            return false;
        }
        let copy = &mut self.members[member].copies[cell];
        let Some(end) = copy.to_fill.take() else { return false };
        let last = end.checked_sub(1).map(|last| &self.cells[cell].resolved[last]);
        let origin = last.and_then(|last| last.origins[1]);
        let last = last.map(|last| &last.record);
        if let (Some(Row(row)), Some(Some(settled))) = (&mut copy.row, last.map(|last| &last.row)) {
            let group = settled.get(1).cloned().unwrap_or(Value::Null);
            let here = row[1].clone().unwrap_or(Value::Null);
            let is_unwritten = here == Value::Null || here == value_of(1, DEFAULT);
            let subscribes = setup.members[member].subscribes_only;
            if is_unwritten || subscribes {
                if copy.wrote_second && here != group && !subscribes {
                    let what = format!("member {member}, cell {cell}: refilled what a user wrote: {copy:?}");
                    self.report(Violation::new(Invariant::NoLostUpdate, what));
                    return true;
                }
                row[1] = Some(group);
                copy.origins[1] = origin;
                self.met.add(Situation::Refilled);
            } else if here != group {
                if !copy.wrote_second {
                    let what =
                        format!("member {member}, cell {cell}: took for given what was applied: {copy:?}");
                    self.report(Violation::new(Invariant::NoEcho, what));
                    return true;
                }
                let row = copy.row.clone();
                self.own_change(setup, member, cell, row, ChangeKind::Restated, None);
                self.met.add(Situation::GivenMeanwhile);
            }
        }
        let of = &mut self.members[member];
        if of.copies.iter().all(|copy| copy.to_fill.is_none()) {
            of.gained = Gained::Done;
        }
        true
    }

    /// Whether capture of the table waits.
    pub(super) fn capture_waits(&self, member: usize) -> bool {
        matches!(self.members[member].gained, Gained::Waits | Gained::Refills)
    }

    /// Whether apply to the table waits.
    pub(super) fn apply_waits(&self, setup: &Setup, member: usize) -> bool {
        self.capture_waits(member) && setup.discipline.apply_waits_for_refill
    }
}
