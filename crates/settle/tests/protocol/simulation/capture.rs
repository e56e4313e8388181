//! The users' transactions with the trigger behind them, and capture.

use super::columns::{origins_after, value_of};
use super::{
    COLUMNS, Cell, Copy, EditId, History, Origins, Published, Setup, Situation, Violation, World, Write,
    hash_row,
};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use tributary_model::{Change, ChangeKind, Dot, Incarnation, Row, Ticks, Value};
use tributary_settle::Invariant;

impl World {
    /// A row that was there before tracking: a local change with version 1.
    pub(super) fn start_with(&mut self, setup: &Setup, member: usize, cell: usize, values: [i32; COLUMNS]) {
        let row = self.row_of(setup, member, values);
        if !self.allows(setup, member, cell, Some(&row)) {
            return;
        }
        if setup.members[member].subscribes_only {
            let copy = &mut self.members[member].copies[cell];
            (copy.row, copy.own) = (Some(row), true);
            return;
        }
        let Some(edit) = self.new_edit(member, cell, History::default()) else { return };
        let dot = Dot::new(setup.incarnations[member].clone(), 1);
        self.cells[cell].firsts.push((edit, row.clone()));
        let copy = &mut self.members[member].copies[cell];
        if self.poor {
            copy.origins = origins_after(edit, None, Some(&row), Origins::default());
        }
        (copy.row, copy.wrote_second) = (Some(row), true);
        track(copy, edit, dot, ChangeKind::FirstScan, None);
    }

    pub(super) fn edit(
        &mut self,
        setup: &Setup,
        member: usize,
        cell: usize,
        write: Write,
        at: Option<Ticks>,
    ) -> bool {
        let row = match write {
            Write::Put(values) => Some(self.row_of(setup, member, values)),
            Write::PutFirst(value) => match &self.members[member].copies[cell].row {
                Some(Row(row)) => {
                    let mut row = row.clone();
                    row[0] = Some(value_of(0, value));
                    Some(Row(row))
                }
                None => return false,
            },
            Write::Delete => None,
        };
        // An update that leaves every synced column as it was is no change; nor is a delete of nothing.
        if self.members[member].copies[cell].row == row || !self.allows(setup, member, cell, row.as_ref()) {
            return false;
        }
        if setup.members[member].subscribes_only {
            self.change_at_subscriber(setup, member, cell, row);
            return true;
        }
        let had = self.members[member].copies[cell].wrote_second;
        self.members[member].copies[cell].wrote_second |= matches!(write, Write::Put(_));
        let done = self.own_change(setup, member, cell, row, ChangeKind::Live, at);
        if !done {
            self.members[member].copies[cell].wrote_second = had;
        }
        done
    }

    /// The trigger is the same as elsewhere; but nobody captures, so that the change is no edit of the group's.
    fn change_at_subscriber(&mut self, setup: &Setup, member: usize, cell: usize, row: Option<Row>) {
        let of = &mut self.members[member];
        of.given += 1;
        let copy = &mut of.copies[cell];
        copy.tracking.local = Some(Dot::new(setup.incarnations[member].clone(), of.given));
        (copy.row, copy.own, copy.published, copy.history) = (row, true, of.given, History::default());
    }

    /// The trigger: `local := next version; changed_at := now`. `seen` stays as it is.
    pub(super) fn own_change(
        &mut self,
        setup: &Setup,
        member: usize,
        cell: usize,
        row: Option<Row>,
        kind: ChangeKind,
        at: Option<Ticks>,
    ) -> bool {
        let history = self.members[member].copies[cell].history;
        let Some(edit) = self.new_edit(member, cell, history) else { return false };
        self.cells[cell].made += usize::from(kind == ChangeKind::Live);
        let of = &mut self.members[member];
        if unpublished(&of.copies[cell]) {
            self.met.add(Situation::Superseded);
        }
        of.given += 1;
        let first = &setup.incarnations[member];
        let incarnation = numbered(first, of.life);
        let copy = &mut of.copies[cell];
        if let Some(local) = &copy.tracking.local
            && local.incarnation != incarnation
        {
            // The edit is made on top of that change, and its own dot no longer says so.
            copy.tracking.seen.raise(&local.incarnation, local.version);
            copy.base = copy.history;
        }
        let dot = Dot::new(incarnation, of.given);
        if self.poor {
            copy.origins = origins_after(edit, copy.row.as_ref(), row.as_ref(), copy.origins);
        }
        copy.row = row;
        track(copy, edit, dot, kind, at);
        true
    }

    pub(super) fn new_edit(&mut self, origin: usize, cell: usize, history: History) -> Option<EditId> {
        let of = &mut self.cells[cell];
        let before = of.edits.iter().filter(|(edit, _)| edit.origin() == origin).count();
        let edit = EditId::new(origin, before)?;
        of.commit(edit, history.with(edit));
        Some(edit)
    }

    /// The page holds net changes: the last image of each cell, read in one snapshot.
    pub(super) fn read_page(&mut self, setup: &Setup, member: usize, cells: u8) -> bool {
        let waits = self.capture_waits(member);
        let of = &mut self.members[member];
        if waits || !of.page.is_empty() || (setup.discipline.capture_checks_token && !of.follows()) {
            return false;
        }
        // A page was to follow this token and never came: the token is published alone first.
        of.log.token = of.token.id;
        let dirty = of.copies.iter().enumerate().filter(|(cell, _)| cells & (1 << cell) != 0);
        of.page = dirty.filter_map(|(cell, copy)| Some((cell, pending(copy)?))).collect();
        !of.page.is_empty()
    }

    /// One transaction: the records and the position.
    pub(super) fn publish_page(&mut self, member: usize) -> bool {
        self.commit_token(member);
        let of = &mut self.members[member];
        let page = std::mem::take(&mut of.page);
        let any = !page.is_empty();
        if any {
            of.log.token = of.token.id;
            of.committed = false;
        }
        for (cell, published) in page {
            // What comes twice under one dot must be one change, or something applied passes for an edit.
            let twin = self.cells[cell].changes.iter().find(|other| other.change.dot == published.change.dot);
            if let Some(twin) = twin
                && !twin.is_the_same_as(&published)
            {
                let what = format!("published {:?} after {:?}", published.change, twin.change);
                self.report(Violation::new(Invariant::NoEcho, what));
            }
            let copy = &mut self.members[member].copies[cell];
            // The position counts for this version only; a later edit is still to come.
            if copy.tracking.local.is_some() {
                copy.published = copy.published.max(published.change.dot.version);
            }
            let of = &mut self.cells[cell];
            of.published = of.published.with(published.edit);
            of.changes.push(published);
        }
        any
    }

    pub(super) fn forget_position(&mut self, setup: &Setup, member: usize, cell: usize) -> bool {
        !setup.members[member].subscribes_only
            && std::mem::take(&mut self.members[member].copies[cell].published) != 0
    }

    /// What the resolver has not consumed is gone.
    pub(super) fn lose_changes(&mut self, cell: usize) -> bool {
        let of = &mut self.cells[cell];
        if of.consumed == of.changes.len() {
            return false;
        }
        let lost: Vec<_> = of.changes.drain(of.consumed..).collect();
        for published in &lost {
            if !of.settled.contains(published.edit) {
                of.published = of.published.without(published.edit);
            }
        }
        for published in lost {
            self.give_up_lost(cell, &published);
        }
        let of = &mut self.cells[cell];
        of.losses += 1;
        for member in &mut self.members {
            member.copies[cell].ordered = true;
        }
        self.met.add(Situation::Lost);
        true
    }

    pub(super) fn recapture(&mut self, setup: &Setup, member: usize, cell: usize) -> bool {
        let copy = &mut self.members[member].copies[cell];
        if setup.discipline.recaptures && copy.ordered && !setup.members[member].subscribes_only {
            copy.published = 0;
        }
        std::mem::take(&mut copy.ordered)
    }

    fn row_of(&self, setup: &Setup, member: usize, values: [i32; COLUMNS]) -> Row {
        let row = Row::of(values.into_iter().enumerate().map(|(column, number)| value_of(column, number)));
        self.has(setup, member, &row)
    }

    /// Whether capture has something to publish.
    pub fn is_dirty(&self, member: usize, cell: usize) -> bool {
        unpublished(&self.members[member].copies[cell])
    }

    /// Whether the member's own constraints let it hold this row.
    pub(super) fn allows(&self, setup: &Setup, member: usize, cell: usize, row: Option<&Row>) -> bool {
        let of = &setup.members[member];
        let holds = |cell: usize| self.members[member].copies[cell].row.is_some();
        let forbidden =
            of.refuses.is_some_and(|value| row.is_some_and(|row| row.get(0) == Some(&Value::Int(value))));
        let orphaned = of.foreign_key
            && setup.cells > 1
            && match (cell, row.is_some()) {
                (0, false) => holds(1),
                (1, true) => !holds(0),
                _ => false,
            };
        !forbidden && !orphaned
    }
}

impl Cell {
    /// Enters an edit in the list of those that must not be lost.
    pub(super) fn commit(&mut self, edit: EditId, history: History) {
        self.edits.push((edit, history));
        self.edits_digest = self.edits_digest.wrapping_add(digest_of(edit, history));
    }

    /// Takes back what [`Cell::commit`] did last.
    pub(super) fn retract(&mut self) {
        if let Some((edit, history)) = self.edits.pop() {
            self.edits_digest = self.edits_digest.wrapping_sub(digest_of(edit, history));
        }
    }
}

fn digest_of(edit: EditId, history: History) -> u64 {
    let mut hasher = DefaultHasher::new();
    (edit, history).hash(&mut hasher);
    hasher.finish()
}

/// The member's incarnation with this number; 0 is the first.
pub(super) fn numbered(first: &Incarnation, life: u32) -> Incarnation {
    match life {
        0 => first.clone(),
        life => Incarnation::parse(&format!("{first}~{}", life + 1)).unwrap(),
    }
}

pub(super) fn track(copy: &mut Copy, edit: EditId, dot: Dot, kind: ChangeKind, at: Option<Ticks>) {
    copy.tracking.local = Some(dot);
    copy.kind = Some(kind);
    copy.changed_at = at;
    copy.history = copy.history.with(edit);
    copy.edit = Some(edit);
}

fn unpublished(copy: &Copy) -> bool {
    copy.tracking.local.as_ref().is_some_and(|dot| dot.version > copy.published)
}

fn pending(copy: &Copy) -> Option<Arc<Published>> {
    if !unpublished(copy) {
        return None;
    }
    let change = Change {
        dot: copy.tracking.local.clone()?,
        seen: copy.tracking.seen.clone(),
        changed_at: copy.changed_at,
        effective_at: copy.changed_at,
        kind: copy.kind?,
        row: copy.row.clone(),
    };
    let published = Published::new(change, copy.edit?, copy.history, copy.origins);
    Some(Arc::new(Published { wrote_second: copy.wrote_second, ..published }))
}

impl Published {
    pub fn new(change: Change, edit: EditId, history: History, origins: Origins) -> Self {
        let mut hasher = DefaultHasher::new();
        (&change.dot, &change.seen, change.changed_at, change.kind, edit, history).hash(&mut hasher);
        hash_row(change.row.as_ref(), &mut hasher);
        Self { change, edit, history, origins, digest: hasher.finish(), wrote_second: true }
    }

    /// Whether both are one change: all is the same but for a column that the member has gained in between.
    fn is_the_same_as(&self, other: &Self) -> bool {
        let known = |published: &Self| {
            let change = &published.change;
            let mut row = change.row.clone();
            let second = row.as_mut().and_then(|row| row.0[1].take());
            ((change.seen.clone(), change.kind, change.changed_at, published.history, row), second)
        };
        let ((one, ours), (two, theirs)) = (known(self), known(other));
        one == two && (ours.is_none() || theirs.is_none() || ours == theirs)
    }
}
