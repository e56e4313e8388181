//! A member's users, its capture and its apply.

use super::{Copy, Entry, Group, Logged, Member, Published, Situation, Standing, World};
use crate::simulation::{EditId, History};
use std::sync::Arc;
use tributary_model::{Change, ChangeKind, Dot, Resolved, Row, Ticks, Value, VersionVector};
use tributary_settle::{Decision, Force, LocalState, decide_forced, forgets, forgotten_delete};

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
}

impl World {
    pub(super) fn edit(&mut self, group: &Group, member: usize, value: Option<i32>, at: Ticks) -> bool {
        let of = &mut self.members[member];
        // An update that leaves everything as it was is no change.
        if of.standing == Standing::Away || of.copy.row == value {
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
        let news = of.standing == Standing::In && of.told != of.offset;
        if news {
            of.told = of.offset;
        }
        news
    }

    pub(super) fn note(&mut self, member: usize) -> bool {
        let of = &mut self.members[member];
        let news =
            of.standing == Standing::In && of.noted.is_none() && of.page.is_none() && of.told != of.captured;
        if news {
            (of.noted, of.looked) = (Some(of.told), false);
        }
        news
    }

    pub(super) fn look(&mut self, group: &Group, member: usize) -> bool {
        let of = &mut self.members[member];
        if !may_publish(group, of) || of.page.is_some() {
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
        if !may_publish(group, of) {
            return false;
        }
        let Some(page) = of.page.take() else { return false };
        of.published = page.change.dot.version;
        // What is noted was noted before the page was read.
        of.looked = of.noted.is_some();
        self.changes.push(page);
        true
    }

    pub(super) fn say(&mut self, group: &Group, member: usize) -> bool {
        let of = &mut self.members[member];
        if of.standing != Standing::In || !of.looked || of.page.is_some() {
            return false;
        }
        let Some(noted) = of.noted.take() else { return false };
        of.captured = if group.discipline.says_what_was_noted { noted } else { of.told };
        of.looked = false;
        true
    }

    pub(super) fn crash(&mut self, member: usize) -> bool {
        let of = &mut self.members[member];
        of.looked = false;
        of.noted.take().is_some() | of.page.take().is_some() | std::mem::take(&mut of.half)
    }

    pub(super) fn join(&mut self, member: usize) -> bool {
        let of = &mut self.members[member];
        let joins = of.standing == Standing::Away;
        if joins {
            of.standing = Standing::In;
            of.joined_at = self.log.len();
            self.met.add(Situation::Joined);
        }
        joins
    }

    pub(super) fn apply(&mut self, group: &Group, member: usize) -> bool {
        let of = &mut self.members[member];
        if of.standing != Standing::In || of.offset >= self.log.len() {
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
        let copy = &mut self.members[member].copy;
        let decision = decide_forced(group.setup.rules.as_ref(), &record, &copy.tracking, force);
        if decision != Decision::Write {
            return;
        }
        if matches!(logged.entry, Entry::Null(_)) && copy.row.is_some() {
            self.met.add(Situation::NullDeleted);
        }
        write_over(group, copy, &record, History::of_all(&logged.images));
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

fn may_publish(group: &Group, of: &Member) -> bool {
    of.standing == Standing::In
        || of.standing == Standing::OutOfDate && !group.discipline.out_of_date_is_silent
}

pub(super) fn write_over(group: &Group, copy: &mut Copy, record: &Resolved, history: History) {
    let seen = group.setup.rules.seen_after_write(record, &copy.tracking);
    let value = record.row.as_ref().map(|row| match row.get(0) {
        Some(Value::Int(value)) => *value,
        other => panic!("a row of {other:?}"),
    });
    *copy = Copy { row: value, tracking: LocalState { local: None, seen }, at: 0, history, edit: None };
}
