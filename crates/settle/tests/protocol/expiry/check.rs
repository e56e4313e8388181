//! What must hold: no deleted row comes back unnoticed, and I1, I2 and I4 once the group has come to rest.

use super::{Entry, Event, Group, Published, World};
use crate::simulation::{EditId, History, Violation};
use tributary_model::{Resolved, Value};
use tributary_settle::{Force, Invariant};

pub(super) fn value_of(record: &Resolved) -> Option<i32> {
    let value = record.row.as_ref()?.get(0)?;
    match value {
        Value::Int(value) => Some(*value),
        _ => None,
    }
}

impl World {
    /// A row that meets a cell which was forgotten was made on top of the delete, or by somebody who has never had
    /// anything of what was deleted and was not waited for.
    pub(super) fn check_new_life(&mut self, published: &Published) {
        if self.forgotten.is_empty() {
            return;
        }
        self.met.add(super::Situation::NewLife);
        if published.change.is_delete() {
            return;
        }
        let last = self.forgotten.len() - 1;
        let came_back = self.forgotten.iter().enumerate().any(|(life, images)| {
            let knows = images.iter().any(|image| image.is_within(published.history));
            let had = History::of_all(images).and(published.history) != History::default();
            !knows && (had || published.steady && life == last)
        });
        if came_back {
            let what = format!("a deleted row came back unnoticed: {published:?}, {:?}", self.forgotten);
            self.violated(Violation::new(Invariant::NoLostUpdate, what));
        }
    }

    /// Whether nothing is under way, and nobody out of date.
    pub(super) fn is_at_rest(&self) -> bool {
        self.consumed == self.changes.len()
            && self.members.iter().all(|of| {
                let done = of.offset == self.log.len() && of.page.is_none() && !of.is_dirty();
                of.away || done && !of.marked && !of.ordered
            })
    }

    /// Lets everything that is under way come to its end; those out of date are filled anew.
    pub(super) fn drain(&mut self, group: &Group) -> Result<(), Violation> {
        for _ in 0..200 {
            let mut moved = false;
            for member in 0..self.members.len() {
                if self.members[member].marked {
                    moved |= self.step(group, Event::Order { member, straggles: false });
                }
                let steps = [
                    Event::Fill { member, at_once: false },
                    Event::Look { member },
                    Event::Publish { member },
                    Event::Apply { member },
                ];
                for event in steps {
                    moved |= self.step(group, event);
                }
            }
            moved |= self.step(group, Event::Resolve);
            if let Some(violation) = self.violation.take() {
                return Err(*violation);
            }
            if !moved {
                break;
            }
        }
        assert!(self.is_at_rest(), "it never comes to rest: {self:?}");
        self.check(group)
    }

    /// Checks a group at rest.
    pub(super) fn check(&self, group: &Group) -> Result<(), Violation> {
        let settled = self.held().and_then(|(record, _)| value_of(record));
        for (member, of) in self.members.iter().enumerate() {
            if !of.away && of.copy.row != settled {
                let what = format!("member {member}: {:?}, settled {settled:?}", of.copy);
                return Err(Violation::new(Invariant::Convergence, what));
            }
        }
        self.check_accounts()?;
        self.check_replays(group)
    }

    /// I2: every edit is in the history of what stands, of a delete that everybody had and that was forgotten, or in the
    /// ledger.
    fn check_accounts(&self) -> Result<(), Violation> {
        let settled = self.held().map_or(History::default(), |(_, images)| History::of_all(images));
        let forgotten = self.forgotten.iter().map(|images| History::of_all(images));
        let mut accounted = forgotten.fold(settled.union(self.saved), History::union);
        loop {
            let mut next = accounted;
            for (edit, history) in &self.edits {
                if next.contains(*edit) {
                    next = next.union(*history);
                }
            }
            for (one, other) in &self.agreed {
                if next.contains(*one) || next.contains(*other) {
                    next = next.with(*one).with(*other);
                }
            }
            if next == accounted {
                break;
            }
            accounted = next;
        }
        let edits = self.edits.iter().map(|(edit, _)| *edit);
        let lost: Vec<EditId> = edits.filter(|edit| !accounted.contains(*edit)).collect();
        if lost.is_empty() {
            return Ok(());
        }
        Err(Violation::new(Invariant::NoLostUpdate, format!("lost {lost:?}, the log {:?}", self.log)))
    }

    /// I4 for apply, and what is left of it after an expiry. A replay that begins behind the last null record changes
    /// nothing. One that begins before it may not: the old life's tombstone is written once more, and what it knows hides
    /// the new life's record. Offsets never go back without the database, and only filling anew reads from the
    /// beginning: it purges whatever a null record finds that is nobody's own change, and so ends where it began.
    fn check_replays(&self, group: &Group) -> Result<(), Violation> {
        let nulls = self.log.iter().rposition(|logged| matches!(logged.entry, Entry::Null(_)));
        let behind = nulls.map_or(0, |null| null + 1);
        for member in (0..self.members.len()).filter(|member| !self.members[*member].away) {
            for from in behind..self.log.len() {
                self.check_replay(group, member, from, None)?;
            }
            if behind > 0 {
                self.check_replay(group, member, 0, Some(&Force::default()))?;
            }
        }
        Ok(())
    }

    fn check_replay(
        &self,
        group: &Group,
        member: usize,
        from: usize,
        force: Option<&Force>,
    ) -> Result<(), Violation> {
        let mut world = self.clone();
        for logged in self.log[from..].iter().filter(|logged| !logged.gone) {
            world.carry_out(group, member, logged, force);
            if let Entry::Null(vv) = &logged.entry {
                world.forget(group, member, vv, force);
            }
        }
        let (before, after) = (&self.members[member].copy, &world.members[member].copy);
        let same = if force.is_some() { before.row == after.row } else { before == after };
        if same {
            return Ok(());
        }
        let what = format!("member {member} from {from}: {before:?}, then {after:?}");
        Err(Violation::new(Invariant::Idempotence, what))
    }
}
