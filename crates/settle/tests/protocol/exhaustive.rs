//! Every schedule of a small group, explored completely with `stateright`, over the same functions and the same
//! group as the random schedules.
//!
//! One cell; so many members and so many edits in all, each at any time. Captures, resolver steps and applies come
//! in any order; apply takes one record or two at once, may be refused at any write and tries again at any time, and
//! starts again from any earlier offset. Two reductions keep that small, and both are themselves checked:
//!
//! - A page or a batch is read and written in one go, with at most one user's edit between an apply's reading and
//!   writing: everything else that could come in between touches other data, so that it could as well have come
//!   before or after. [`halves`] explores a smaller bound without this, with crashes in between.
//! - Apply starts again from an earlier offset only while a record is parked. Everywhere else that does nothing but
//!   move the offset: after every step [`World::check_replays`] makes sure that nothing passed would be written
//!   again, and that the resolver would drop all that it has consumed. [`duplicates`] publishes changes twice.
//!
//! Rows hold one of two values. Values are only ever compared, so the first edit may as well write the first one.

use crate::simulation::{COLUMNS, Event, MemberSetup, Met, Setup, Situation, Violation, World, Write};
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tributary_model::{Policy, Ticks};
use tributary_settle::{Decision, Invariant};

/// The bound within which everything is explored.
#[derive(Debug, Clone)]
pub struct Bound {
    pub setup: Setup,
    /// Edits in all, first-scan rows included.
    pub edits: usize,
    /// Times that an edit may bear; two of them let either side of a conflict win.
    pub times: Vec<Ticks>,
    /// How many values column 1 may take beside those of column 0.
    pub second: i32,
    /// How often changes may be published once more.
    pub duplicates: usize,
    /// Any write of apply's may be refused.
    pub refusals: bool,
    /// Apply may start again from any earlier offset.
    pub rewinds: bool,
    /// Reading and writing are steps of their own, with crashes between them.
    pub halves: bool,
    /// A resolver may start with any earlier state.
    pub restarts: bool,
    /// Members may begin new incarnations.
    pub renames: bool,
    /// How often the first member goes back to a backup, which is made at any time.
    pub restores: usize,
    /// How often the first member is deprovisioned and provisioned again.
    pub reprovisions: usize,
    /// How often changes may be lost from the log and published again.
    pub losses: usize,
    /// Rows that were there before, by member: each of these groups is explored.
    pub before: Vec<Vec<Option<[i32; COLUMNS]>>>,
    /// What was met on the way.
    pub met: Arc<Mutex<Met>>,
}

impl Bound {
    /// So many members that start empty, so many edits, with refusals and rewinds.
    pub fn new(members: usize, edits: usize) -> Self {
        Self {
            setup: Setup::new(vec![MemberSetup::default(); members], 1),
            edits,
            times: vec![1, 2],
            second: 1,
            duplicates: 0,
            refusals: true,
            rewinds: true,
            halves: false,
            restarts: false,
            renames: false,
            restores: 0,
            reprovisions: 0,
            losses: 0,
            before: vec![vec![None; members]],
            met: Arc::default(),
        }
    }

    /// Every member puts back what it cannot delete.
    pub fn restoring(mut self) -> Self {
        for member in &mut self.setup.members {
            member.restores = true;
        }
        self
    }

    /// The first member goes back so often to its backup; apply's refusals and rewinds are left to other bounds.
    pub fn going_back(mut self, restores: usize) -> Self {
        self.setup.goes_back = true;
        Self { restores, times: vec![1], refusals: false, rewinds: false, ..self }
    }

    /// The last member only subscribes.
    pub fn subscribing(mut self) -> Self {
        self.setup.members.last_mut().unwrap().subscribes_only = true;
        self
    }

    /// The second member lacks a column.
    pub fn lacking(mut self) -> Self {
        self.setup.members[1].lacks = [false, true, false];
        self.setup.make_known();
        Self { second: 2, times: vec![1], ..self }
    }

    /// The second member rounds a column: of the values 1 and 2 it has only the second.
    pub fn rounding(mut self) -> Self {
        self.setup.members[1].coarse = [0, 2, 0];
        self.setup.make_known();
        Self { second: 2, times: vec![1], ..self }
    }

    /// The second member gains a column that it lacks at first.
    pub fn gaining(mut self) -> Self {
        self.setup.members[1].gains = true;
        Self { second: 2, times: vec![1], ..self }
    }

    /// What a user of a member can do now.
    fn edits(&self, world: &World, member: usize) -> Vec<Event> {
        // What a subscriber's users do is no edit of the group's, but has its bound, too.
        let of_own = world.members.iter().zip(&self.setup.members).filter(|(_, of)| of.subscribes_only);
        let of_own: u64 = of_own.map(|(member, _)| member.given - 1).sum();
        if world.cells[0].edits.len() + of_own as usize - world.cells[0].restated >= self.edits {
            return Vec::new();
        }
        let copy = &world.members[member].copies[0];
        let values = if world.cells[0].edits.is_empty() { 1 } else { 2 };
        let mut writes: Vec<Write> = (1..=values)
            .flat_map(|one| (1..=self.second).map(move |two| Write::Put([one, two, 1])))
            .collect();
        if copy.row.is_some() {
            writes.push(Write::Delete);
            if self.setup.members[member].gains {
                writes.push(Write::PutFirst(1));
                writes.push(Write::PutFirst(2));
            }
        }
        let event = |write, at| Event::Edit { member, cell: 0, write, at: Some(at) };
        self.times.iter().flat_map(|at| writes.iter().map(move |write| event(*write, *at))).collect()
    }

    /// What the workers of a member can do, in one go.
    fn work(&self, world: &World, member: usize, edits: &[Event], actions: &mut Vec<Vec<Event>>) {
        let of = &world.members[member];
        let cell = &world.cells[0];
        if world.is_dirty(member, 0) {
            actions.push(vec![Event::ReadPage { member, cells: 1 }, Event::PublishPage { member }]);
        }
        let waiting = cell.resolved.len() - of.offsets[0];
        for count in 1..=waiting.min(2) {
            let read = Event::ReadBatch { member, cell: 0, count };
            let write = |refuse| Event::WriteBatch { member, refuse };
            actions.push(vec![read.clone(), write(false)]);
            let record = &cell.resolved[of.offsets[0] + count - 1].record;
            let tracking = self.setup.regarded(member, &of.copies[0].tracking);
            if self.refusals && self.setup.rules.decide(record, &tracking) == Decision::Write {
                actions.push(vec![read.clone(), write(true)]);
            }
            actions.extend(edits.iter().map(|edit| vec![read.clone(), edit.clone(), write(false)]));
        }
    }

    /// What befalls the first member besides: backups, restores, what is done about them, and users and crashes that
    /// get between the parts of a publication.
    fn restoring_steps(&self, world: &World, actions: &mut Vec<Vec<Event>>) {
        let (member, of) = (0, &world.members[0]);
        if of.backup.is_none() && self.restores > 0 {
            actions.push(vec![Event::Backup { member }]);
        } else if of.restored < self.restores {
            actions.push(vec![Event::Restore { member }]);
        }
        if of.reprovisioned < self.reprovisions {
            actions.push(vec![Event::Reprovision { member }]);
        }
        if !of.follows() {
            actions.push(vec![Event::Claim { member }, Event::Rejoin { member }]);
        }
        if world.is_dirty(member, 0) {
            let read = Event::ReadPage { member, cells: 1 };
            actions.push(vec![read.clone(), Event::CommitToken { member }, Event::Crash { member }]);
            let publish = Event::PublishPage { member };
            let edits = self.edits(world, member).into_iter();
            actions.extend(edits.map(|edit| vec![read.clone(), edit, publish.clone()]));
        }
    }

    /// The same, one step at a time, with crashes.
    fn halves(&self, world: &World, member: usize, actions: &mut Vec<Vec<Event>>) {
        let of = &world.members[member];
        if !of.page.is_empty() {
            actions.push(vec![Event::PublishPage { member }]);
        } else if world.is_dirty(member, 0) {
            actions.push(vec![Event::ReadPage { member, cells: 1 }]);
        }
        if of.batch.is_some() {
            actions.push(vec![Event::WriteBatch { member, refuse: false }]);
            actions.push(vec![Event::WriteBatch { member, refuse: true }]);
        } else {
            let waiting = world.cells[0].resolved.len() - of.offsets[0];
            actions
                .extend((1..=waiting.min(2)).map(|count| vec![Event::ReadBatch { member, cell: 0, count }]));
        }
        if of.batch.is_some() || !of.page.is_empty() {
            actions.push(vec![Event::Crash { member }]);
        }
    }

    /// Explores everything and prints how much that was.
    fn explore(self, name: &str) -> Result<Met, Violation> {
        let (members, edits, begun) = (self.setup.members.len(), self.edits, Instant::now());
        let checker = self.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_dfs().join();
        println!(
            "{name}: {members} members, {edits} edits: {} states, {} steps, {:.1} s",
            checker.unique_state_count(),
            checker.state_count(),
            begun.elapsed().as_secs_f64()
        );
        match violated(&checker) {
            Some(violation) => Err(violation),
            None => Ok(*checker.model().met.lock().unwrap()),
        }
    }

    /// The violation that takes the fewest steps, which are printed.
    pub fn shortest_violation(self) -> Option<Violation> {
        violated(&self.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join())
    }
}

fn violated(checker: &impl Checker<Bound>) -> Option<Violation> {
    let path = checker.discovery(PROPERTY)?;
    let violation = path.last_state().violation.clone();
    for (number, action) in path.into_actions().iter().enumerate() {
        println!("  {}. {action:?}", number + 1);
    }
    violation.map(|violation| *violation)
}

/// The one property: each step looks for itself whether it broke an invariant.
const PROPERTY: &str = "I1 to I8";

impl Model for Bound {
    type State = World;
    type Action = Vec<Event>;

    fn init_states(&self) -> Vec<World> {
        let group = |rows: &Vec<Option<[i32; COLUMNS]>>| {
            let mut setup = self.setup.clone();
            for (member, row) in setup.members.iter_mut().zip(rows) {
                member.rows_before = vec![*row];
            }
            World::new(&setup)
        };
        self.before.iter().map(group).collect()
    }

    fn actions(&self, world: &World, actions: &mut Vec<Vec<Event>>) {
        if world.violation.is_some() {
            return;
        }
        let cell = &world.cells[0];
        for member in 0..world.members.len() {
            let of = &world.members[member];
            let edits = self.edits(world, member);
            if self.halves {
                self.halves(world, member, actions);
            } else {
                self.work(world, member, &edits, actions);
            }
            actions.extend(edits.into_iter().map(|edit| vec![edit]));
            let published = cell.edits.iter().filter(|(edit, _)| cell.published.contains(*edit)).count();
            if cell.changes.len() < published + self.duplicates {
                actions.push(vec![Event::ForgetPosition { member, cell: 0 }]);
            }
            if of.copies[0].ordered {
                actions.push(vec![Event::Recapture { member, cell: 0 }]);
            }
            if self.renames && of.log.life == 0 {
                actions.push(vec![Event::NewIncarnation { member }]);
            }
            if member == 0 && self.restores + self.reprovisions > 0 {
                self.restoring_steps(world, actions);
            }
            if self.setup.members[member].gains {
                actions.push(vec![Event::Gain { member, given: 0 }]);
                actions.push(vec![Event::Gain { member, given: 1 }]);
                actions.push(vec![Event::StartRefill { member }]);
                actions.push(vec![Event::Refill { member, cell: 0 }]);
            }
            if of.parked[0].is_some() {
                actions.push(vec![Event::Retry { member, cell: 0, refuse: false }]);
                if self.setup.members[member].restores {
                    actions.push(vec![Event::Retry { member, cell: 0, refuse: true }]);
                }
                if self.rewinds {
                    actions.extend((0..of.offsets[0]).map(|to| vec![Event::Rewind { member, cell: 0, to }]));
                }
            }
        }
        if self.restarts {
            actions.extend((0..cell.held).map(|state| vec![Event::RestartResolver { cell: 0, state }]));
        }
        if cell.losses < self.losses {
            actions.push(vec![Event::LoseChanges { cell: 0 }]);
        }
        if cell.consumed < cell.changes.len() {
            actions.push(vec![Event::Resolve { cell: 0, count: 1 }]);
        }
    }

    fn next_state(&self, world: &World, action: Vec<Event>) -> Option<World> {
        let mut next = world.clone();
        if !action.iter().all(|event| next.step(&self.setup, event)) {
            return None;
        }
        let checked = if next.cells[0].made > self.edits {
            Err(Violation::new(Invariant::NoEcho, "a change that no user made".to_owned()))
        } else if next.is_at_rest(&self.setup) {
            next.check(&self.setup)
        } else {
            next.check_replays(&self.setup)
        };
        if let Err(violation) = checked {
            next.violation.get_or_insert_with(|| Box::new(violation));
        }
        if next.met != world.met {
            self.met.lock().unwrap().add_all(next.met);
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(PROPERTY, |_, world: &World| world.violation.is_none())]
    }
}

/// Explores a bound under the standard rules: no violation, everything in `met` happened, and nothing was written
/// that stood there already.
fn holds(name: &str, bound: Bound, met: &[Situation]) {
    match bound.explore(name) {
        Err(violation) => panic!("{name}: {violation}"),
        Ok(reached) => {
            for situation in met {
                assert!(reached.has(*situation), "{name} never met {situation:?}");
            }
            assert!(!reached.has(Situation::WrittenAgain), "{name}: apply wrote what stood there already");
        }
    }
}

const CONFLICTS: [Situation; 5] = [
    Situation::Agreed,
    Situation::IncomingWon,
    Situation::HeldWon,
    Situation::Unparked,
    Situation::CompareAndSetMissed,
];

#[test]
fn two_members_four_edits() {
    holds("two members", Bound::new(2, 4), &CONFLICTS);
}

#[test]
fn three_members_three_edits() {
    let bound = Bound { rewinds: false, ..Bound::new(3, 3) };
    holds("three members", bound, &CONFLICTS);
}

#[test]
fn three_members_rewinding() {
    let bound = Bound { times: vec![1], ..Bound::new(3, 3) };
    holds("three members rewinding", bound, &CONFLICTS);
}

#[test]
fn halves() {
    let bound = Bound { times: vec![1], halves: true, ..Bound::new(2, 3) };
    holds("halves", bound, &CONFLICTS);
}

#[test]
fn duplicates() {
    let bound = Bound { duplicates: 1, ..Bound::new(2, 3) };
    holds("duplicates", bound, &[Situation::Duplicate]);
}

#[test]
fn rows_that_were_there_before() {
    let row = |value| Some([value, 1, 1]);
    let rows = [[row(1), row(1)], [row(1), row(2)], [row(1), None]];
    let bound = Bound { before: rows.map(Vec::from).into(), ..Bound::new(2, 4) };
    holds("rows before", bound, &CONFLICTS);
}

#[test]
fn restored_deletes() {
    holds("restored deletes", Bound::new(2, 3).restoring(), &[Situation::Restored]);
}

#[test]
fn a_member_that_lacks_a_column() {
    holds("missing column", Bound::new(2, 3).lacking(), &[Situation::Completed, Situation::Merged]);
}

#[test]
fn one_of_three_members_lacks_a_column() {
    let bound = Bound { rewinds: false, ..Bound::new(3, 3).lacking() };
    holds("missing column", bound, &[Situation::Completed, Situation::Merged]);
}

#[test]
fn a_member_that_rounds_a_column() {
    let met = [Situation::Repeated, Situation::HeldWon, Situation::IncomingWon];
    holds("rounded column", Bound { times: vec![1, 2], ..Bound::new(2, 3).rounding() }, &met);
}

#[test]
fn one_of_three_members_rounds_a_column() {
    let bound = Bound { rewinds: false, ..Bound::new(3, 3).rounding() };
    holds("rounded column", bound, &[Situation::Repeated]);
}

/// Rows of two exact members and of one that rounds: alike, or different in truth.
#[test]
fn rounded_rows_that_were_there_before() {
    let row = |value| Some([1, value, 1]);
    let rows = [[row(1), row(2), None], [row(1), row(2), row(1)], [row(2), row(2), row(1)]];
    let bound = Bound { before: rows.map(Vec::from).into(), rewinds: false, ..Bound::new(3, 4).rounding() };
    let met = [Situation::Refined, Situation::Repeated, Situation::Agreed, Situation::HeldWon];
    holds("rounded rows before", bound, &met);
}

#[test]
fn a_member_that_gains_a_column() {
    let met = [Situation::Refilled, Situation::GivenMeanwhile, Situation::Completed];
    let bound = Bound { rewinds: false, refusals: false, ..Bound::new(2, 3).gaining() };
    holds("gained column", bound, &met);
}

#[test]
fn new_incarnations() {
    let bound = Bound { renames: true, ..Bound::new(2, 3) };
    holds("new incarnations", bound, &[Situation::Renamed, Situation::Agreed]);
}

#[test]
fn changes_lost_from_the_log() {
    let bound = Bound { losses: 1, times: vec![1], renames: true, ..Bound::new(2, 3) };
    let met = [Situation::Lost, Situation::Duplicate, Situation::Agreed, Situation::Renamed];
    holds("lost changes", bound, &met);
}

const RESTORES: [Situation; 5] = [
    Situation::WentBack,
    Situation::Rejoined,
    Situation::Restated,
    Situation::Duplicate,
    Situation::IncomingWon,
];

#[test]
fn a_member_that_goes_back_in_time() {
    let bound = Bound { times: vec![1, 2], ..Bound::new(2, 2).going_back(1) };
    holds("restores", Bound { refusals: true, ..bound }, &RESTORES);
}

#[test]
fn a_member_that_goes_back_twice() {
    holds("two restores", Bound::new(2, 3).going_back(2), &RESTORES);
}

#[test]
fn a_member_that_is_provisioned_anew() {
    let bound = Bound { reprovisions: 1, ..Bound::new(2, 3).going_back(0) };
    holds("provisioned anew", bound, &[Situation::Rejoined, Situation::Restated, Situation::HeldWon]);
}

#[test]
fn a_member_goes_back_and_the_log_loses_changes() {
    let bound = Bound { losses: 1, renames: true, ..Bound::new(2, 2).going_back(1) };
    holds("restores and losses", bound, &[Situation::Restated, Situation::Lost, Situation::Renamed]);
}

#[test]
fn a_member_that_only_subscribes() {
    let row = |value| Some([value, 1, 1]);
    let rows = [[row(1), None, None], [None, None, row(1)], [row(1), None, row(2)]];
    let bound =
        Bound { rewinds: false, times: vec![1], before: rows.map(Vec::from).into(), ..Bound::new(3, 4) };
    holds("subscriber", bound.subscribing(), &[Situation::Overwritten, Situation::IncomingWon]);
    let met = [Situation::Overwritten, Situation::Unparked, Situation::CompareAndSetMissed];
    holds("subscriber rewinding", Bound::new(2, 4).subscribing(), &met);
}

#[test]
fn manual_policy() {
    let mut bound = Bound { times: vec![1], ..Bound::new(2, 4) };
    bound.setup.table.policy = Policy::Manual;
    holds("manual", bound, &[Situation::Agreed, Situation::HeldWon]);
}

/// Larger bounds, a minute each.
mod large {
    use super::*;

    #[test]
    fn two_members_five_edits() {
        holds("two members", Bound { times: vec![1], ..Bound::new(2, 5) }, &CONFLICTS);
    }

    #[test]
    fn three_members_three_edits_rewinding() {
        holds("three members", Bound::new(3, 3), &CONFLICTS);
    }

    #[test]
    fn halves_and_duplicates() {
        holds(
            "halves",
            Bound { halves: true, duplicates: 1, times: vec![1], ..Bound::new(2, 3) },
            &CONFLICTS,
        );
    }
}
