//! The resolver: settling, noting words, forgetting, marking who is out of date; and the log's compaction.

use super::{Entry, Group, Logged, Published, Situation, Waits, World};
use crate::simulation::{History, Violation};
use std::sync::Arc;
use tributary_model::Resolved;
use tributary_settle::{Drop, Invariant, Resolution, Step, Violation as Broken};

impl World {
    pub(super) fn resolve(&mut self, group: &Group) -> bool {
        let Some(published) = self.changes.get(self.consumed).cloned() else { return false };
        self.consumed += 1;
        self.settle(group, &published);
        true
    }

    pub(super) fn resolve_again(&mut self, group: &Group) -> bool {
        if group.discipline.resolves_once || self.consumed == 0 {
            return false;
        }
        let published = Arc::clone(&self.changes[0]);
        self.settle(group, &published);
        true
    }

    pub(super) fn held(&self) -> Option<(&Resolved, &[History])> {
        let logged = &self.log[self.state?];
        let Entry::Settled(record) = &logged.entry else { return None };
        Some((record, &logged.images))
    }

    fn settle(&mut self, group: &Group, published: &Published) {
        let setup = &group.setup;
        let step = Step { rules: &setup.table, key: &setup.key, now: 0 };
        let held = self.held().map(|(record, images)| (record.clone(), images.to_vec()));
        let state = held.as_ref().map(|(record, _)| record);
        let on_top = held
            .as_ref()
            .is_none_or(|(_, images)| images.iter().any(|image| image.is_within(published.history)));
        let mut resolution = setup.rules.resolve(step, state, &published.change);
        if let (Resolution::Violated(Broken::StateBehind { .. }), Some(state)) = (&resolution, state) {
            self.met.add(Situation::LivesMet);
            if on_top {
                self.met.add(Situation::OnTopOfNewLife);
            }
            resolution = setup.rules.resolve_expired(step, state, &published.change);
        }
        let (record, conflict) = match resolution {
            Resolution::Dropped(Drop::Duplicate) => return,
            Resolution::Publish { record, conflict, .. } => (record, conflict),
            other => {
                let what = format!("{published:?} against {held:?}: {other:?}");
                return self.violated(Violation::new(Invariant::ResolverNotBehind, what));
            }
        };
        if held.is_none() {
            self.check_new_life(published);
            let again = published.change.is_delete()
                && self.forgotten.iter().any(|images| History::of_all(images).contains(published.edit));
            if again {
                self.met.add(Situation::DeleteCameAgain);
            }
        }
        // A delete that was forgotten and is published once more cannot be told from a new one.
        let exact = !self.met.has(Situation::DeleteCameAgain);
        let images = held.as_ref().map_or_else(Vec::new, |(_, images)| images.clone());
        let incoming = record.winner == published.change.dot;
        if conflict.is_some() {
            let both = History::of_all(&images).union(published.history);
            self.saved = self.saved.union(both);
        }
        let agreed = record.settled == tributary_model::Settled::Agreed;
        if exact && conflict.is_some() == (on_top || agreed) {
            let what = format!("{published:?} against {held:?}: {record:?}");
            self.violated(Violation::new(Invariant::ExactConflicts, what));
        }
        let images = if agreed {
            let other = self.edit_of_state();
            self.agreed.extend(other.map(|other| (other, published.edit)));
            images.into_iter().chain([published.history]).collect()
        } else if incoming {
            vec![published.history]
        } else {
            images
        };
        self.log.push(Logged { entry: Entry::Settled(Arc::new(*record)), images, gone: false });
        self.state = Some(self.log.len() - 1);
    }

    fn edit_of_state(&self) -> Option<crate::simulation::EditId> {
        let (record, _) = self.held()?;
        let of = self.changes.iter().find(|published| published.change.dot == record.winner);
        of.map(|published| published.edit)
    }

    /// The words of those that are waited for. Where a page is still to come that capture read before it was told to rest,
    /// no word counts: that takes less time than the resolver waits.
    fn words(&self, group: &Group) -> impl Iterator<Item = usize> {
        let discipline = &group.discipline;
        let (told, waits) = (discipline.waits == Waits::Apply, discipline.waits_for_stragglers);
        let waits = waits && discipline.looks_before_publishing;
        self.members.iter().filter(|of| !of.away && !of.passed_over).filter_map(move |of| {
            if of.straggles && waits {
                return Some(0);
            }
            (!of.marked).then_some(if told { of.told } else { of.captured })
        })
    }

    pub(super) fn note_words(&mut self, group: &Group) -> bool {
        let Some(said) = self.words(group).min().filter(|said| *said > self.safe) else { return false };
        let before = (self.safe, self.pending);
        if let Some((waiting, end)) = self.pending {
            if self.consumed < end && group.discipline.resolves_first {
                return false;
            }
            self.safe = waiting;
        }
        self.pending = Some((said, self.changes.len()));
        before != (self.safe, self.pending)
    }

    pub(super) fn expire(&mut self, group: &Group) -> bool {
        let Some(offset) = self.state else { return false };
        let Some((record, images)) = self.held() else { return false };
        if record.row.is_some() {
            return false;
        }
        let (vv, images) = (record.vv.clone(), images.to_vec());
        let by_now = self.words(group).min().unwrap_or(usize::MAX);
        let said = if group.discipline.asks_those_who_came { self.safe.min(by_now) } else { self.safe };
        if group.discipline.waits != Waits::Clock && offset >= said {
            return false;
        }
        self.met.add(Situation::Expired);
        self.forgotten.push(images.clone());
        self.log.push(Logged { entry: Entry::Null(vv), images, gone: false });
        self.state = None;
        true
    }

    pub(super) fn mark_out_of_date(&mut self, group: &Group, member: usize, straggles: bool) -> bool {
        let held_up = self.state.filter(|_| self.held().is_some_and(|(record, _)| record.row.is_none()));
        let nulls =
            self.log.iter().rposition(|logged| matches!(logged.entry, Entry::Null(_)) && !logged.gone);
        let of = &mut self.members[member];
        let late = held_up.max(nulls).is_some_and(|offset| of.captured <= offset);
        if of.away || of.marked || of.passed_over || !late {
            return false;
        }
        of.steady = false;
        self.marks += 1;
        if !group.discipline.marks_whom_it_forgets {
            of.passed_over = true;
            return true;
        }
        of.marked = true;
        if of.filling.is_some() {
            self.met.add(Situation::MarkedAgain);
        }
        of.rest(group, straggles);
        self.met.add(Situation::MarkedOutOfDate);
        true
    }

    pub(super) fn compact(&mut self, group: &Group, offset: usize) -> bool {
        let Some(logged) = self.log.get(offset) else { return false };
        if logged.gone {
            return false;
        }
        // Older records of a cell go first, and the last one stays unless it is a null record.
        if self.log[..offset].iter().any(|earlier| !earlier.gone) {
            return false;
        }
        if matches!(logged.entry, Entry::Null(_)) {
            let needed = self.members.iter().any(|of| match &of.filling {
                _ if of.away || of.marked => false,
                // What was there when it began it fills in, with or without the null record.
                Some(filling) => filling.end <= offset,
                None => of.offset <= offset,
            });
            if needed && group.discipline.keeps_nulls {
                return false;
            }
            self.met.add(Situation::NullCompacted);
        } else if offset + 1 == self.log.len() {
            return false;
        }
        self.log[offset].gone = true;
        true
    }
}
