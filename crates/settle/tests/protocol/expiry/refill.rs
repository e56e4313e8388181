//! Filling a member anew: what it has and the group does not know is saved, the topic is replayed, what is left over goes.

use super::member::{delete_of, write_over};
use super::{Entry, Filling, Group, Situation, Stage, Standing, World};
use crate::simulation::History;
use tributary_model::{Dot, VersionVector};
use tributary_settle::{Decision, Force, LocalState, decide_forced};

/// What the last record of the topic says of the member's own change.
enum Verdict {
    NotMet,
    Fine,
    /// The topic has this row instead.
    Unknown(Option<i32>),
}

impl World {
    /// One of its steps. Users may write, and the topic may grow and be compacted, between any two of them.
    pub(super) fn fill(&mut self, group: &Group, member: usize) -> bool {
        let standing = std::mem::replace(&mut self.members[member].standing, Standing::In);
        self.members[member].standing = match standing {
            Standing::Away | Standing::In => {
                self.members[member].standing = standing;
                return false;
            }
            Standing::OutOfDate => {
                let of = &mut self.members[member];
                (of.page, of.half) = (None, false);
                Standing::Filling(Filling { end: self.log.len(), ..Filling::default() })
            }
            Standing::Filling(filling) => match filling.stage {
                Stage::Look => Standing::Filling(self.save_unknown(group, member, filling)),
                Stage::Replay => Standing::Filling(self.replay(group, member, filling)),
                Stage::Surplus => {
                    if group.discipline.removes_surplus {
                        self.remove_surplus(group, member, &filling);
                    }
                    Standing::Filling(Filling { stage: Stage::Finish, ..filling })
                }
                Stage::Finish => {
                    let of = &mut self.members[member];
                    of.offset = of.offset.max(filling.end);
                    self.met.add(Situation::FilledAnew);
                    Standing::In
                }
            },
        };
        true
    }

    fn verdict(&self, dot: &Dot, seen: &VersionVector, end: usize) -> Verdict {
        let Some(last) = self.log[..end].iter().rev().find(|logged| !logged.gone) else {
            return Verdict::NotMet;
        };
        let (vv, value) = match &last.entry {
            Entry::Settled(record) => (&record.vv, super::check::value_of(record)),
            Entry::Null(vv) => (vv, None),
        };
        if dot.version <= vv.get(&dot.incarnation) || vv.is_within_joined(seen, dot) {
            Verdict::Fine
        } else {
            Verdict::Unknown(value)
        }
    }

    fn save_unknown(&mut self, group: &Group, member: usize, mut filling: Filling) -> Filling {
        filling.saved = None;
        let copy = &self.members[member].copy;
        if let (Some(local), true) = (&copy.tracking.local, group.discipline.saves_unknown) {
            let verdict = self.verdict(local, &copy.tracking.seen, filling.end);
            let (instead, met) = match verdict {
                Verdict::Fine => (None, None),
                // A new row of the users'.
                Verdict::NotMet if filling.round > 0 => (None, None),
                Verdict::NotMet => (None, Some(false)),
                Verdict::Unknown(instead) => (instead, Some(true)),
            };
            if let Some(met) = met {
                if instead == copy.row {
                    // The content lives on in the group's.
                    let same = copy.edit.iter().fold(self.saved, |saved, edit| saved.with(*edit));
                    self.saved = same;
                } else {
                    self.saved = self.saved.union(self.members[member].copy.history);
                    self.met.add(Situation::SavedUnknown);
                }
                let local = self.members[member].copy.tracking.local.clone();
                if !met {
                    filling.orphan.clone_from(&local);
                }
                filling.saved = local;
            }
        }
        filling.stage =
            if filling.round > 0 && filling.saved.is_none() { Stage::Surplus } else { Stage::Replay };
        filling
    }

    fn replay(&mut self, group: &Group, member: usize, filling: Filling) -> Filling {
        let force = Force { local: filling.saved.clone() };
        for offset in 0..filling.end {
            let logged = self.log[offset].clone();
            if logged.gone {
                continue;
            }
            self.carry_out(group, member, &logged, Some(&force));
            if let Entry::Null(vv) = &logged.entry {
                self.forget(group, member, vv, Some(&force));
            }
        }
        Filling { round: filling.round + 1, stage: Stage::Look, ..filling }
    }

    /// What the topic has no record of: a row, or a delete of the member's own, which would hide the key's next life.
    fn remove_surplus(&mut self, group: &Group, member: usize, filling: &Filling) {
        let met = self.log[..filling.end].iter().any(|logged| !logged.gone);
        let copy = &mut self.members[member].copy;
        let leftover = filling.orphan.is_some() && group.discipline.removes_old_deletes;
        if met || copy.row.is_none() && !leftover {
            return;
        }
        if filling.orphan.is_none() {
            self.saved = self.saved.union(copy.history);
        }
        let removing = Dot::new(group.setup.operator.clone(), 1);
        let vv = filling.orphan.iter().fold(VersionVector::of(&removing), |vv, dot| vv.with(dot));
        let force = Force { local: filling.orphan.clone() };
        let rules = group.setup.rules.as_ref();
        if decide_forced(rules, &delete_of(&vv), &copy.tracking, Some(&force)) == Decision::Write {
            if copy.row.is_some() {
                self.met.add(Situation::SurplusRemoved);
            }
            let told = self.forgotten.iter().map(|images| History::of_all(images));
            let history = told.fold(copy.history, History::union);
            write_over(group, copy, &delete_of(&vv), history);
            copy.tracking = LocalState::default();
        }
    }
}
