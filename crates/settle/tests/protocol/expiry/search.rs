//! Every schedule of a small group, explored completely.
//!
//! Capture's look and its publication are one step here, and so are apply's word and capture's note of it, where nothing
//! that matters can come in between; the random schedules take them apart. A user's edit that gets between a page and its
//! publication is a step of its own. Unless `talks_always`, members speak only while there is a delete to be forgotten and
//! once apply is past it: what they say before counts for nothing.

use super::{Event, Group, Met, Situation, World};
use crate::simulation::Violation;
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tributary_model::Ticks;

/// What is explored.
#[derive(Debug, Clone)]
pub(super) struct Bound {
    pub(super) group: Group,
    /// Edits in all.
    pub(super) edits: usize,
    /// Deletes that are forgotten.
    pub(super) expiries: usize,
    /// How often members may be marked out of date.
    pub(super) marks: usize,
    /// Whether workers die between any two steps, and not only where a null record is half taken in.
    pub(super) crashes: bool,
    /// Whether the log is compacted.
    pub(super) compacts: bool,
    /// Whether members say how far they are at any time.
    pub(super) talks_always: bool,
    pub(super) times: Vec<Ticks>,
    pub(super) met: Arc<Mutex<Met>>,
}

impl Bound {
    pub(super) fn new(joins: &[bool], edits: usize) -> Self {
        Self {
            group: Group::new(joins),
            edits,
            expiries: 1,
            marks: 0,
            crashes: false,
            compacts: false,
            talks_always: false,
            times: vec![1],
            met: Arc::default(),
        }
    }

    fn explore(self, name: &str) -> Result<Met, Violation> {
        let (members, edits, begun) = (self.group.joins.len(), self.edits, Instant::now());
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
    pub(super) fn shortest_violation(self) -> Option<Violation> {
        violated(&self.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join())
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

const PROPERTY: &str = "no deleted row comes back, and I1, I2, I4, I5 and I8";

impl Model for Bound {
    type State = World;
    type Action = Vec<Event>;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(&self.group)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Vec<Event>>) {
        if world.violation.is_some() {
            return;
        }
        let deleted = world.held().is_some_and(|(record, _)| record.row.is_none());
        let talks = world.forgotten.len() < self.expiries;
        for (member, of) in world.members.iter().enumerate() {
            if world.edits.len() < self.edits {
                let edit =
                    |value| self.times.iter().map(move |at| vec![Event::Edit { member, value, at: *at }]);
                // Values are only compared: two of them, and the first edit may as well write the first.
                let second = (!world.edits.is_empty()).then_some(Some(2));
                let values = [Some(Some(1)), second, of.copy.row.is_some().then_some(None)];
                actions.extend(values.into_iter().flatten().flat_map(edit));
            }
            let (look, publish) = (Event::Look { member }, Event::Publish { member });
            if of.page.is_some() {
                actions.push(vec![publish]);
            } else if of.is_dirty() {
                actions.extend([vec![look, publish], vec![look]]);
            } else if of.noted.is_some() {
                actions.push(vec![look]);
            }
            let past = world.state.is_some_and(|offset| of.offset > offset) && deleted;
            if talks && (self.talks_always || past) {
                actions.push(vec![Event::Tell { member }, Event::Note { member }]);
                actions.push(vec![Event::Tell { member }]);
            }
            if talks && of.looked {
                actions.push(vec![Event::Say { member }]);
            }
            actions.push(vec![Event::Apply { member }]);
            if of.half || self.crashes && of.filling.is_some() {
                actions.push(vec![Event::Crash { member }]);
            }
            if of.away {
                actions.push(vec![Event::Join { member }]);
            }
            if self.marks > 0 {
                let told = [false, true].into_iter().filter(|straggles| !straggles || of.page.is_some());
                for straggles in told {
                    if world.marks < self.marks {
                        actions.push(vec![Event::MarkOutOfDate { member, straggles }]);
                    }
                    if of.marked && !of.ordered {
                        actions.push(vec![Event::Order { member, straggles }]);
                    }
                }
                if of.ordered {
                    actions.push(vec![Event::Fill { member, at_once: false }]);
                }
            }
        }
        actions.push(vec![Event::Resolve]);
        if !self.group.discipline.resolves_once {
            actions.push(vec![Event::ResolveAgain]);
        }
        if world.forgotten.len() < self.expiries {
            actions.extend([vec![Event::NoteWords], vec![Event::Expire]]);
        }
        if self.compacts {
            let kept = world.log.iter().enumerate().filter(|(_, logged)| !logged.gone);
            actions.extend(kept.map(|(offset, _)| vec![Event::Compact { offset }]));
        }
    }

    fn next_state(&self, world: &World, action: Vec<Event>) -> Option<World> {
        let mut next = world.clone();
        if !action.iter().all(|event| next.step(&self.group, *event)) {
            return None;
        }
        if next.is_at_rest()
            && let Err(violation) = next.check(&self.group)
        {
            next.violated(violation);
        }
        if next.met != world.met {
            self.met.lock().unwrap().0 |= next.met.0;
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(PROPERTY, |_, world: &World| world.violation.is_none())]
    }
}

/// Explores a bound under the standing rules: no violation, and everything in `met` happened.
fn holds(name: &str, bound: Bound, met: &[Situation]) -> Met {
    match bound.explore(name) {
        Err(violation) => panic!("{name}: {violation}"),
        Ok(reached) => {
            for situation in met {
                assert!(reached.has(*situation), "{name} never met {situation:?}");
            }
            reached
        }
    }
}

#[test]
fn two_members_forget_a_delete() {
    let met = [Situation::Expired, Situation::NewLife, Situation::Purged, Situation::Kept];
    holds("forgetting", Bound::new(&[false; 2], 4), &met);
}

#[test]
fn a_member_joins() {
    let bound = Bound { compacts: true, ..Bound::new(&[false, true], 3) };
    holds("joining", bound, &[Situation::Expired, Situation::Joined, Situation::NullDeleted]);
}

/// Users write on at any moment of the filling, and capture may straggle.
#[test]
fn a_member_is_marked_and_filled_anew() {
    let bound = Bound { marks: 1, ..Bound::new(&[false; 2], 3) };
    let met = [Situation::FilledAnew, Situation::SavedUnknown, Situation::Straggled];
    holds("marks", bound, &met);
}

/// A member is marked once more, while it is filled or later, and its workers die at any moment of it.
#[test]
fn a_member_is_marked_twice_and_its_workers_die() {
    let bound = Bound { marks: 2, crashes: true, ..Bound::new(&[false; 2], 2) };
    holds("marks twice", bound, &[Situation::FilledAnew, Situation::MarkedAgain]);
}

/// Compaction removes records before the filling reads them, and null records that nobody needs any more.
#[test]
fn a_member_is_marked_while_the_topic_is_compacted() {
    let bound = Bound { marks: 1, compacts: true, ..Bound::new(&[false; 2], 3) };
    let met = [Situation::FilledAnew, Situation::SurplusRemoved, Situation::NullCompacted];
    holds("marks and compaction", bound, &met);
}
