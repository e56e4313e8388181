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

    /// Tokens are told apart by what they are to each other: which of many they are makes no difference. Without a
    /// backup none of this matters, but what the token says of versions, which matters to backups to come.
    pub(super) fn hash_restores<H: Hasher>(&self, state: &mut H) {
        (self.restored, self.committed, self.claimed, self.log.life).hash(state);
        let against_log = |token: Token| (token.id == self.log.token, token.previous == Some(self.log.token));
        against_log(self.token).hash(state);
        if let Some(backup) = &self.backup {
            (against_log(backup.token), backup.token.id == self.token.id, self.token.highest).hash(state);
            (backup.given, backup.life, backup.token.highest, backup.offsets, backup.parked).hash(state);
            for copy in &backup.copies {
                hash_copy(copy, state);
                copy.base.hash(state);
            }
            for copy in &self.copies {
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
    fn with_restated(&self, history: History) -> History {
        let restated = self.agreed.iter().filter(|(_, anew)| history.contains(*anew)).map(|(edit, _)| edit);
        let histories = restated.filter_map(|edit| self.edits.iter().find(|(other, _)| other == edit));
        histories.fold(history, |all, (_, history)| all.union(*history))
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
        (of.offsets, of.parked) = (backup.offsets, backup.parked);
        of.restored += 1;
        if !of.follows() {
            self.met.add(Situation::WentBack);
        }
        true
    }

    /// A change that the log has lost, and its member, too: gone, unless somebody has it.
    pub(super) fn give_up_lost(&mut self, cell: usize, lost: &Published) {
        let origin = lost.edit.origin();
        let Some(of) = self.members.get(origin).filter(|of| of.restored > 0) else { return };
        self.cells[cell].give_up(origin, lost.history, of.copies[cell].history);
    }

    pub(super) fn commit_token(&mut self, member: usize) -> bool {
        let of = &mut self.members[member];
        let due = !of.page.is_empty() && !of.committed;
        if due {
            of.next_token(of.token.id);
            of.committed = true;
        }
        due
    }

    /// A planned one: the member has not gone back, and nothing is in doubt.
    pub(super) fn new_incarnation(&mut self, member: usize) -> bool {
        let of = &mut self.members[member];
        if of.log.life >= LIVES || !of.follows() {
            return false;
        }
        of.log.life += 1;
        of.life = of.log.life;
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
        if setup.discipline.captures_anew {
            for copy in &mut of.copies {
                copy.published = 0;
            }
        }
        of.next_token(of.log.token);
        self.met.add(Situation::Rejoined);
        true
    }

    /// The versions in doubt keep their order, and all lie above whatever was given before.
    fn restate(&mut self, setup: &Setup, member: usize, cell: usize, highest: Version, by: Version) {
        let of = &self.members[member];
        let copy = &of.copies[cell];
        let (Some(local), Some(edit)) = (&copy.tracking.local, copy.edit) else { return };
        if local.version <= highest {
            return;
        }
        let dot = Dot::new(numbered(&setup.incarnations[member], of.life), local.version + by);
        let (base, changed_at) = (copy.base, copy.changed_at);
        let anew =
            self.new_edit(member, cell, base).expect("a schedule is shorter than the histories have room");
        let of = &mut self.cells[cell];
        of.agreed.push((edit, anew));
        of.restated += 1;
        let copy = &mut self.members[member].copies[cell];
        copy.history = base;
        track(copy, anew, dot, ChangeKind::Restated, changed_at);
        self.met.add(Situation::Restated);
    }
}
