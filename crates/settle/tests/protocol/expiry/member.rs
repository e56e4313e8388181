//! A member's users, its capture and its apply.

use super::{Copy, Entry, Group, Logged, Member, Published, Situation, World};
use crate::simulation::{EditId, History};
use std::sync::Arc;
use tributary_model::{Change, ChangeKind, Dot, Resolved, Row, Ticks, Value, VersionVector};
use tributary_settle::{Decision, Force, LocalState, decide_forced, forgets, forgotten_delete, seen_after};

/// The row with this value.
pub(super) fn row(value: i32) -> Row {
    Row::of([Value::Int(value)])
}

/// The delete that a null record speaks of.
pub(super) fn delete_of(vv: &VersionVector) -> Resolved {
    forgotten_delete(vv).expect("a delete takes at least itself into account")
}

impl Member {
    pub(super) fn is_dirty(&self) -> bool {
        self.copy.tracking.local.as_ref().is_some_and(|local| local.version > self.published)
    }

    /// Whether its capture publishes nothing, by what is said now.
    pub(super) fn rests(&self, group: &Group) -> bool {
        self.marked && group.discipline.out_of_date_is_silent
            || self.ordered && group.discipline.rests_while_filled
    }

    /// Capture is told to rest. It may have looked a moment before.
    pub(super) fn rest(&mut self, group: &Group, straggles: bool) {
        if !self.rests(group) {
            return;
        }
        (self.noted, self.looked) = (None, false);
        if self.page.is_some() && (straggles || !group.discipline.looks_before_publishing) {
            self.straggles = true;
        } else if !self.straggles {
            self.page = None;
        }
    }
}

impl World {
    pub(super) fn edit(&mut self, group: &Group, member: usize, value: Option<i32>, at: Ticks) -> bool {
        let of = &mut self.members[member];
        // An update that leaves everything as it was is no change.
        if of.away || of.copy.row == value {
            return false;
        }
        if of.offset < of.joined_at && group.discipline.joiners_read_first {
            return false;
        }
        let Some(edit) = EditId::new(member, of.edits) else { return false };
        of.edits += 1;
        of.given += 1;
        of.copy.row = value;
        of.copy.tracking.local = Some(Dot::new(group.setup.incarnations[member].clone(), of.given));
        of.copy.at = at;
        of.copy.edit = Some(edit);
        of.copy.history = of.copy.history.with(edit);
        self.edits.push((edit, of.copy.history));
        true
    }

    pub(super) fn tell(&mut self, member: usize) -> bool {
        let of = &mut self.members[member];
        let news = !of.away && !of.ordered && of.told != of.offset;
        if news {
            of.told = of.offset;
        }
        news
    }

    pub(super) fn note(&mut self, group: &Group, member: usize) -> bool {
        let of = &mut self.members[member];
        let news =
            !of.away && !of.rests(group) && of.noted.is_none() && of.page.is_none() && of.told != of.captured;
        if news {
            (of.noted, of.looked) = (Some(of.told), false);
        }
        news
    }

    pub(super) fn look(&mut self, group: &Group, member: usize) -> bool {
        let of = &mut self.members[member];
        if of.away || of.rests(group) || of.page.is_some() {
            return false;
        }
        if !of.is_dirty() {
            let news = of.noted.is_some() && !of.looked;
            of.looked |= news;
            return news;
        }
        let Copy { row: value, tracking, at, history, edit } = of.copy.clone();
        let (Some(dot), Some(edit)) = (tracking.local, edit) else { return false };
        let change = Change {
            dot,
            seen: tracking.seen,
            changed_at: Some(at),
            effective_at: Some(at),
            kind: ChangeKind::Live,
            row: value.map(row),
        };
        of.page = Some(Arc::new(Published { change, edit, history, steady: of.steady }));
        true
    }

    pub(super) fn publish(&mut self, group: &Group, member: usize) -> bool {
        let of = &mut self.members[member];
        if of.rests(group) && !of.straggles {
            return false;
        }
        let Some(page) = of.page.take() else { return false };
        of.published = page.change.dot.version;
        // What is noted was noted before the page was read.
        of.looked = of.noted.is_some();
        if std::mem::take(&mut of.straggles) {
            self.met.add(Situation::Straggled);
        }
        self.changes.push(page);
        true
    }

    pub(super) fn say(&mut self, group: &Group, member: usize) -> bool {
        let of = &mut self.members[member];
        if of.rests(group) || !of.looked || of.page.is_some() {
            return false;
        }
        let Some(noted) = of.noted.take() else { return false };
        of.captured = if group.discipline.says_what_was_noted { noted } else { of.told };
        of.looked = false;
        true
    }

    pub(super) fn crash(&mut self, member: usize) -> bool {
        let of = &mut self.members[member];
        (of.looked, of.straggles) = (false, false);
        let filled = of.filling.take().is_some();
        of.noted.take().is_some() | of.page.take().is_some() | std::mem::take(&mut of.half) | filled
    }

    pub(super) fn join(&mut self, member: usize) -> bool {
        let of = &mut self.members[member];
        let joins = of.away;
        if joins {
            of.away = false;
            of.joined_at = self.log.len();
            self.met.add(Situation::Joined);
        }
        joins
    }

    pub(super) fn apply(&mut self, group: &Group, member: usize) -> bool {
        let of = &mut self.members[member];
        if of.away || of.ordered || of.offset >= self.log.len() {
            return false;
        }
        while self.log.get(of.offset).is_some_and(|logged| logged.gone) {
            of.offset += 1;
            of.half = false;
        }
        let Some(logged) = self.log.get(of.offset).cloned() else { return true };
        if matches!(logged.entry, Entry::Null(_)) && !of.half {
            of.half = true;
            self.carry_out(group, member, &logged, None);
            return true;
        }
        of.half = false;
        of.offset += 1;
        match &logged.entry {
            Entry::Settled(_) => self.carry_out(group, member, &logged, None),
            Entry::Null(vv) => self.forget(group, member, vv, None),
        }
        true
    }

    /// Takes a record in, of a null record the delete.
    pub(super) fn carry_out(&mut self, group: &Group, member: usize, logged: &Logged, force: Option<&Force>) {
        let record = match &logged.entry {
            Entry::Settled(record) => Arc::clone(record),
            Entry::Null(vv) if group.discipline.nulls_delete => Arc::new(delete_of(vv)),
            Entry::Null(_) => return,
        };
        self.find_untracked(group, member, &record);
        let copy = &mut self.members[member].copy;
        let decision = decide_forced(group.setup.rules.as_ref(), &record, &copy.tracking, force);
        if decision != Decision::Write {
            return;
        }
        if matches!(logged.entry, Entry::Null(_)) && copy.row.is_some() {
            self.met.add(Situation::NullDeleted);
        }
        write_over(group, copy, &record, History::of_all(&logged.images), force);
    }

    /// A row that has no tracking row counts as change 1; where the record knows nothing of that one, it gets a change of
    /// its own, as one that has slipped past the triggers.
    fn find_untracked(&mut self, group: &Group, member: usize, record: &Resolved) {
        let of = &mut self.members[member];
        if of.copy.row.is_none() || of.copy.tracking != LocalState::default() {
            return;
        }
        let incarnation = &group.setup.incarnations[member];
        if record.vv.get(incarnation) > 0 {
            of.copy.tracking.local = Some(Dot::new(incarnation.clone(), 1));
            return;
        }
        let Some(edit) = EditId::new(member, of.edits) else { return };
        of.edits += 1;
        of.given += 1;
        of.copy.tracking.local = Some(Dot::new(incarnation.clone(), of.given));
        of.copy.tracking.seen = VersionVector::of(&Dot::new(incarnation.clone(), 1));
        of.copy.edit = Some(edit);
        of.copy.history = of.copy.history.with(edit);
        self.edits.push((edit, of.copy.history));
        self.met.add(Situation::CapturedAfterAll);
    }

    pub(super) fn forget(&mut self, group: &Group, member: usize, vv: &VersionVector, force: Option<&Force>) {
        let copy = &mut self.members[member].copy;
        if copy.tracking == LocalState::default() {
            return;
        }
        let force = force.filter(|_| group.discipline.refill_forgets);
        if forgets(vv, &copy.tracking, force) || !group.discipline.looks_at_local {
            self.met.add(Situation::Purged);
            (copy.tracking, copy.edit, copy.at) = (LocalState::default(), None, 0);
            if copy.row.is_none() {
                // It has learned of the delete, whatever became of the row here.
                let told = self.forgotten.iter().map(|images| History::of_all(images));
                copy.history = told.fold(copy.history, History::union);
            }
        } else {
            self.met.add(Situation::Kept);
        }
    }
}

pub(super) fn write_over(
    group: &Group,
    copy: &mut Copy,
    record: &Resolved,
    history: History,
    force: Option<&Force>,
) {
    let rules = group.setup.rules.as_ref();
    let force = force.filter(|_| group.discipline.fills_exactly);
    let seen = seen_after(rules, record, &copy.tracking, force);
    let value = record.row.as_ref().map(|row| match row.get(0) {
        Some(Value::Int(value)) => *value,
        other => panic!("a row of {other:?}"),
    });
    *copy = Copy { row: value, tracking: LocalState { local: None, seen }, at: 0, history, edit: None };
}
