//! Filling a member anew: what it has and the group does not know is saved, the topic is replayed, what is left over goes.

use super::member::{delete_of, write_over};
use super::{Entry, Filling, Group, Situation, Stage, World};
use crate::simulation::History;
use tributary_model::{Dot, VersionVector};
use tributary_settle::{Decision, Force, LocalState, Look, decide_forced, forgets, is_saved};

impl World {
    pub(super) fn order(&mut self, group: &Group, member: usize, straggles: bool) -> bool {
        let of = &mut self.members[member];
        if of.away || of.ordered {
            return false;
        }
        (of.ordered, of.half) = (true, false);
        of.rest(group, straggles);
        true
    }

    /// One of its steps. Users may write, and the topic may grow and be compacted, between any two of them.
    pub(super) fn fill(&mut self, group: &Group, member: usize, at_once: bool) -> bool {
        if !self.members[member].ordered {
            return false;
        }
        let Some(filling) = self.members[member].filling.take() else {
            return self.begin_filling(group, member);
        };
        let stage = filling.stage;
        let next = match stage {
            Stage::Look | Stage::LookAgain => self.save_unknown(group, member, filling),
            Stage::Replay { offset, half } => self.replay((group, member), filling, (offset, half), at_once),
            Stage::Surplus => {
                self.remove_surplus(group, member, &filling);
                Filling { stage: Stage::Forget, ..filling }
            }
            Stage::Forget => {
                self.forget_surplus(group, member, &filling);
                let stage = if group.discipline.looks_again { Stage::LookAgain } else { Stage::Finish };
                Filling { stage, ..filling }
            }
            Stage::Finish => {
                self.finish(group, member, &filling);
                return true;
            }
        };
        self.members[member].filling = Some(next);
        true
    }

    fn begin_filling(&mut self, group: &Group, member: usize) -> bool {
        let (end, clears) = (self.log.len(), group.discipline.clears_first);
        let of = &mut self.members[member];
        if clears {
            of.marked = false;
        }
        (of.told, of.captured, of.steady) = (end.max(of.told), end.max(of.captured), false);
        of.filling = Some(Filling { end, ..Filling::default() });
        true
    }

    fn finish(&mut self, group: &Group, member: usize, filling: &Filling) {
        let of = &mut self.members[member];
        if of.marked && group.discipline.clears_first && group.discipline.begins_anew_if_marked {
            return;
        }
        of.offset = of.offset.max(filling.end);
        (of.ordered, of.marked) = (false, false);
        self.met.add(Situation::FilledAnew);
    }

    fn save_unknown(&mut self, group: &Group, member: usize, mut filling: Filling) -> Filling {
        filling.saved = None;
        let copy = &self.members[member].copy;
        if let (Some(local), true) = (copy.tracking.local.clone(), group.discipline.saves_unknown) {
            let last = self.log[..filling.end].iter().rev().find(|logged| !logged.gone);
            let last = last.map(|logged| match &logged.entry {
                Entry::Settled(record) => (&record.vv, super::check::value_of(record)),
                Entry::Null(vv) => (vv, None),
            });
            let orphan = filling.orphan.as_ref();
            let superseded = group.discipline.tells_old_rows && self.log.len() > filling.end;
            let look = if filling.replayed { Look::Later { orphan, superseded } } else { Look::First };
            let mut saved = is_saved(&local, &copy.tracking.seen, last.map(|(vv, _)| vv), look);
            saved &= last.is_some() || !filling.replayed || group.discipline.tells_old_rows;
            let follows = last.is_some_and(|(vv, _)| vv.is_within_joined(&copy.tracking.seen, &local));
            saved &= !filling.replayed || !follows || group.discipline.doubts_own_versions;
            // The group has forgotten the row, and its null record may go, too.
            let forgotten = !filling.replayed
                && self.log[..filling.end]
                    .iter()
                    .rev()
                    .find(|logged| !logged.gone)
                    .is_some_and(|logged| matches!(logged.entry, Entry::Null(_)));
            if forgotten && group.discipline.tells_old_rows {
                filling.orphan = Some(local.clone());
            }
            if saved {
                if last.and_then(|(_, instead)| instead) == copy.row {
                    // The content lives on in the group's.
                    self.saved = copy.edit.iter().fold(self.saved, |saved, edit| saved.with(*edit));
                } else {
                    self.saved = self.saved.union(copy.history);
                    self.met.add(Situation::SavedUnknown);
                }
                if last.is_none() {
                    filling.orphan = Some(local.clone());
                }
                filling.saved = Some(local);
            }
        }
        let first = Stage::Replay { offset: 0, half: false };
        let (stage, settled) = (filling.stage, filling.replayed && filling.saved.is_none());
        filling.stage = match stage {
            Stage::LookAgain if settled => Stage::Finish,
            _ if settled => Stage::Surplus,
            _ => first,
        };
        filling
    }

    /// The next record.
    fn replay(
        &mut self,
        (group, member): (&Group, usize),
        filling: Filling,
        (mut offset, half): (usize, bool),
        at_once: bool,
    ) -> Filling {
        let records = &self.log[..filling.end];
        let next = |from: usize| (from..records.len()).find(|offset| !records[*offset].gone);
        let settled = |offset: &usize| matches!(records[*offset].entry, Entry::Settled(_));
        let Some(mut at) = next(offset) else {
            return Filling { stage: Stage::Look, replayed: true, ..filling };
        };
        while at_once
            && settled(&at)
            && let Some(later) = next(at + 1).filter(settled)
        {
            at = later;
        }
        let logged = records[at].clone();
        let half = half && at == offset;
        offset = at;
        let force = Force { local: filling.saved.clone() };
        let stage = match &logged.entry {
            Entry::Null(vv) if half => {
                self.forget(group, member, vv, Some(&force));
                Stage::Replay { offset: offset + 1, half: false }
            }
            Entry::Null(_) => {
                self.carry_out(group, member, &logged, Some(&force));
                Stage::Replay { offset, half: true }
            }
            Entry::Settled(_) => {
                self.carry_out(group, member, &logged, Some(&force));
                Stage::Replay { offset: offset + 1, half: false }
            }
        };
        Filling { stage, ..filling }
    }

    /// Whether the cell is one that the topic has no record of, and there is something to remove.
    fn is_surplus(&self, group: &Group, member: usize, filling: &Filling) -> bool {
        let met = self.log[..filling.end].iter().any(|logged| !logged.gone);
        let leftover = filling.orphan.is_some() && group.discipline.removes_old_deletes;
        !met && (self.members[member].copy.row.is_some() || leftover) && group.discipline.removes_surplus
    }

    /// What the topic has no record of: a row, or a delete of the member's own, which would hide the key's next life.
    fn remove_surplus(&mut self, group: &Group, member: usize, filling: &Filling) {
        if !self.is_surplus(group, member, filling) {
            return;
        }
        let copy = &mut self.members[member].copy;
        if filling.orphan.is_none() {
            self.saved = self.saved.union(copy.history);
        }
        let (delete, force) = removal(group, filling);
        let tracking = match &copy.tracking {
            none if *none == LocalState::default() && copy.row.is_some() => {
                let first = Dot::new(group.setup.incarnations[member].clone(), 1);
                LocalState { local: Some(first), ..LocalState::default() }
            }
            tracking => tracking.clone(),
        };
        if decide_forced(group.setup.rules.as_ref(), &delete, &tracking, Some(&force)) == Decision::Write {
            if copy.row.is_some() {
                self.met.add(Situation::SurplusRemoved);
            }
            // It has learned that the group does not have the row.
            let told = self.forgotten.iter().map(|images| History::of_all(images));
            let history = told.fold(copy.history, History::union);
            write_over(group, copy, &delete, history, Some(&force));
        }
    }

    fn forget_surplus(&mut self, group: &Group, member: usize, filling: &Filling) {
        let met = self.log[..filling.end].iter().any(|logged| !logged.gone);
        if met || !group.discipline.removes_surplus {
            return;
        }
        let copy = &mut self.members[member].copy;
        let (_, force) = removal(group, filling);
        // Only what was removed a moment before.
        let removed = copy.tracking.seen.get(&group.setup.operator) > 0;
        let vv = VersionVector::of(&Dot::new(group.setup.operator.clone(), 1));
        let force = Some(&force).filter(|_| group.discipline.refill_forgets);
        if removed && forgets(&vv, &copy.tracking, force) {
            copy.tracking = LocalState::default();
        }
    }
}

/// The delete by which a surplus row goes.
fn removal(group: &Group, filling: &Filling) -> (tributary_model::Resolved, Force) {
    let removing = Dot::new(group.setup.operator.clone(), 1);
    let vv = filling.orphan.iter().fold(VersionVector::of(&removing), |vv, dot| vv.with(dot));
    (delete_of(&vv), Force { local: filling.orphan.clone() })
}
