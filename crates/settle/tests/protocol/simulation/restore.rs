//! Members whose database goes back to an earlier state of its own, and their new incarnations.
//!
//! A backup holds what the database holds: rows, tracking, the counter of versions, offsets, parked records, the token.
//! What lies in the log stays as it is. A restore breaks all connections, so what workers had read is lost; but what
//! users do meanwhile is not, and it bears versions that were given before.

use super::capture::{numbered, track};
use super::{Cell, Copy, EditId, History, Member, Published, Setup, Situation, World, hash_copy};
use std::hash::{Hash, Hasher};
use tributary_model::{ChangeKind, Dot, Version};

/// What proves that a database has not gone back behind its last published page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Token {
    /// Never given twice.
    pub id: u32,
    pub previous: Option<u32>,
    /// The highest version that was given when it was stored. Whatever a restored database has above it may be of
    /// another life than the change that the log has under that name.
    pub highest: Version,
}

/// What the log holds of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Positions {
    /// Id of the last published token.
    pub token: u32,
    /// The greatest number that an incarnation was given.
    pub life: u32,
    /// How many tokens were ever made.
    pub tokens: u32,
}

/// An earlier state of a database.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backup {
    copies: Vec<Copy>,
    given: Version,
    life: u32,
    token: Token,
    offsets: [usize; super::CELLS],
    parked: [Option<usize>; super::CELLS],
    unscanned: bool,
}

/// No incarnation is planned when a member has had so many after its first, so that schedules end.
const LIVES: u32 = 3;

impl Member {
    /// Whether the database holds the token of the last published page, or that one's direct successor.
    pub fn follows(&self) -> bool {
        self.token.id == self.log.token || self.token.previous == Some(self.log.token)
    }

    fn next_token(&mut self, previous: u32) {
        self.log.tokens += 1;
        self.token = Token { id: self.log.tokens, previous: Some(previous), highest: self.given };
    }

    /// Tokens are told apart by what they are to each other: which of many they are makes no difference.
    pub(super) fn hash_restores<H: Hasher>(&self, state: &mut H) {
        (self.restored, self.committed, self.claimed, self.log.life).hash(state);
        (self.unscanned, self.reprovisioned, self.token.highest).hash(state);
        let against_log = |token: Token| (token.id == self.log.token, token.previous == Some(self.log.token));
        against_log(self.token).hash(state);
        for copy in &self.copies {
            (copy.base, copy.published).hash(state);
        }
        if let Some(backup) = &self.backup {
            against_log(backup.token).hash(state);
            let of_now = (Some(backup.token.id) == self.token.previous, backup.token.id == self.token.id);
            (of_now, backup.unscanned, backup.token.highest).hash(state);
            (backup.given, backup.life, backup.offsets, backup.parked).hash(state);
            for copy in &backup.copies {
                hash_copy(copy, state);
                copy.base.hash(state);
            }
        }
    }
}

impl Cell {
    /// Whether the resolver has settled the edit or one that was made on top of it.
    pub(super) fn knows(&self, edit: EditId) -> bool {
        self.settled.contains(edit)
            || self
                .edits
                .iter()
                .any(|(later, history)| self.settled.contains(*later) && history.contains(edit))
    }

    /// Whether everything that the log has and the change was made on top of is settled. What its own member publishes
    /// only later it carries along: a restored member publishes again what another life of it had changed since.
    pub(super) fn holds_ancestors_of(&self, published: &Published) -> bool {
        let missing = |edit: EditId| {
            edit.origin() != published.edit.origin()
                && published.history.contains(edit)
                && self.published.contains(edit)
                && !self.knows(edit)
        };
        published.history.without(published.edit).and(self.published).is_within(self.settled)
            || !self.edits.iter().any(|(edit, _)| missing(*edit))
    }

    /// `history` with the edits that were made anew in it, and what those were made on top of.
    fn with_restated(&self, mut history: History) -> History {
        loop {
            let restated =
                self.agreed.iter().filter(|(_, anew)| history.contains(*anew)).map(|(edit, _)| edit);
            let histories = restated.filter_map(|edit| self.edits.iter().find(|(other, _)| other == edit));
            let more = histories.fold(history, |all, (_, history)| all.union(*history));
            if more == history {
                return history;
            }
            history = more;
        }
    }

    /// Which of `origin`'s edits are gone with `lost`, since neither the log nor `left` has them.
    fn give_up(&mut self, origin: usize, lost: History, left: History) {
        let (lost, left) = (self.with_restated(lost), self.with_restated(left));
        let gone: Vec<EditId> = self
            .edits
            .iter()
            .map(|(edit, _)| *edit)
            .filter(|edit| edit.origin() == origin && lost.contains(*edit) && !left.contains(*edit))
            .filter(|edit| !self.published.contains(*edit) && !self.knows(*edit))
            .collect();
        for edit in gone {
            // A later change that is published carries it along.
            let carried = self.edits.iter().any(|(later, history)| {
                later.origin() == origin && self.published.contains(*later) && history.contains(edit)
            });
            if !carried {
                self.gone = self.gone.with(edit);
            }
        }
    }
}

impl World {
    pub(super) fn back_up(&mut self, member: usize) -> bool {
        let of = &mut self.members[member];
        let backup = Backup {
            copies: of.copies.clone(),
            given: of.given,
            life: of.life,
            token: of.token,
            offsets: of.offsets,
            parked: of.parked,
            unscanned: of.unscanned,
        };
        of.backup.replace(Box::new(backup)).is_none()
    }

    pub(super) fn go_back(&mut self, member: usize) -> bool {
        let Some(backup) = self.members[member].backup.clone() else { return false };
        self.crash(member);
        for (cell, earlier) in backup.copies.iter().enumerate() {
            let now = self.members[member].copies[cell].history;
            self.cells[cell].give_up(member, now, earlier.history);
        }
        let of = &mut self.members[member];
        for (copy, earlier) in of.copies.iter_mut().zip(backup.copies) {
            // The position and orders to publish again lie in the log.
            *copy = Copy { ordered: copy.ordered, published: copy.published, ..earlier };
        }
        (of.given, of.life, of.token) = (backup.given, backup.life, backup.token);
        (of.offsets, of.parked, of.unscanned) = (backup.offsets, backup.parked, backup.unscanned);
        of.restored += 1;
        if !of.follows() {
            self.met.add(Situation::WentBack);
        }
        true
    }

    /// A change that the log has lost, and its member, too: gone, unless somebody has it.
    pub(super) fn give_up_lost(&mut self, cell: usize, lost: &Published) {
        let origin = lost.edit.origin();
        let Some(of) = self.members.get(origin).filter(|of| of.restored + of.reprovisioned > 0) else {
            return;
        };
        self.cells[cell].give_up(origin, lost.history, of.copies[cell].history);
    }

    /// Deprovisioned and provisioned again: tracking, offsets and token are gone. What rows there are counts as change 1,
    /// made on top of nothing; that others were deleted here is gone unless somebody knows it.
    pub(super) fn reprovision(&mut self, setup: &Setup, member: usize) -> bool {
        self.crash(member);
        for cell in 0..self.cells.len() {
            let copy = self.members[member].copies[cell].clone();
            let mut anew = Copy {
                row: copy.row.clone(),
                ordered: copy.ordered,
                published: copy.published,
                ..Copy::default()
            };
            if copy.row.is_some() {
                let Some(edit) = self.new_edit(member, cell, History::default()) else { return false };
                let of = &mut self.cells[cell];
                of.agreed.extend(copy.edit.map(|before| (before, edit)));
                of.restated += 1;
                let dot = Dot::new(setup.incarnations[member].clone(), 1);
                track(&mut anew, edit, dot, ChangeKind::FirstScan, None);
            } else {
                self.cells[cell].give_up(member, copy.history, History::default());
            }
            self.members[member].copies[cell] = anew;
        }
        let of = &mut self.members[member];
        (of.given, of.life, of.unscanned) = (1, 0, true);
        (of.offsets, of.parked) = Default::default();
        // There is none; which fits a log that has none either.
        let id = if of.log.token == 0 { 0 } else { u32::MAX };
        of.token = Token { id, previous: None, highest: 1 };
        of.reprovisioned += 1;
        true
    }

    pub(super) fn commit_token(&mut self, member: usize) -> bool {
        let of = &mut self.members[member];
        let due = !of.page.is_empty() && !of.committed;
        if due {
            of.unscanned = false;
            of.next_token(of.token.id);
            of.committed = true;
        }
        due
    }

    /// A planned one: the member has not gone back, and nothing is in doubt. Like any other it begins with a token that is
    /// published.
    pub(super) fn new_incarnation(&mut self, member: usize) -> bool {
        let of = &mut self.members[member];
        if of.log.life >= LIVES || !of.follows() {
            return false;
        }
        of.log.life += 1;
        of.life = of.log.life;
        of.next_token(of.token.id);
        of.log.token = of.token.id;
        self.met.add(Situation::Renamed);
        true
    }

    pub(super) fn claim(&mut self, setup: &Setup, member: usize) -> bool {
        let of = &mut self.members[member];
        if of.follows() || of.claimed.is_some() {
            return false;
        }
        of.log.life += 1;
        of.claimed = Some(if setup.discipline.numbers_by_log { of.log.life } else { of.life + 1 });
        true
    }

    /// Offsets, tracking and token went back together, so apply goes on from there. A local change above what the
    /// token knows of is in doubt: the log may have another one of that name. It is made anew, on top of what the
    /// copy had taken in from others.
    pub(super) fn rejoin(&mut self, setup: &Setup, member: usize) -> bool {
        let of = &mut self.members[member];
        let Some(life) = of.claimed.take() else { return false };
        of.life = life;
        let (highest, given) = (of.token.highest, of.given);
        if setup.discipline.restates {
            of.given += given - highest;
            for cell in 0..of.copies.len() {
                self.restate(setup, member, cell, highest, given - highest);
            }
        }
        let of = &mut self.members[member];
        of.unscanned = false;
        if setup.discipline.captures_anew {
            for copy in &mut of.copies {
                copy.published = 0;
            }
        }
        of.next_token(of.log.token);
        self.met.add(Situation::Rejoined);
        true
    }

    /// The versions in doubt keep their order, and all lie above whatever was given before. A row that was not scanned
    /// is change 1 of the new incarnation.
    fn restate(&mut self, setup: &Setup, member: usize, cell: usize, highest: Version, by: Version) {
        let of = &self.members[member];
        let copy = &of.copies[cell];
        let (Some(local), Some(edit)) = (&copy.tracking.local, copy.edit) else { return };
        let unscanned = of.unscanned && local.version == 1 && setup.discipline.renames_unscanned;
        if local.version <= highest && !unscanned {
            return;
        }
        let by = if unscanned { 0 } else { by };
        let dot = Dot::new(numbered(&setup.incarnations[member], of.life), local.version + by);
        let (base, changed_at) = (copy.base, copy.changed_at);
        let anew =
            self.new_edit(member, cell, base).expect("a schedule is shorter than the histories have room");
        let of = &mut self.cells[cell];
        of.agreed.push((edit, anew));
        of.restated += 1;
        let copy = &mut self.members[member].copies[cell];
        copy.history = base;
        if unscanned {
            track(copy, anew, dot, ChangeKind::FirstScan, None);
        } else {
            track(copy, anew, dot, ChangeKind::Restated, changed_at);
            self.met.add(Situation::Restated);
        }
    }
}
