//! Random schedules of two to four members, longer than what can be explored.

use super::{Event, Group, Situation, World};
use crate::simulation::Violation;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

fn event(members: usize) -> impl Strategy<Value = Vec<Event>> {
    let member = || 0..members;
    let edit = (member(), prop::option::weighted(0.6, 1..4_i32), 1..4_i64)
        .prop_map(|(member, value, at)| vec![Event::Edit { member, value, at }]);
    let one = |event: fn(usize) -> Event| member().prop_map(move |member| vec![event(member)]);
    let capture =
        member().prop_map(|member| vec![Event::Look { member }, Event::Publish { member }, Event::Resolve]);
    let say = member().prop_map(|member| {
        vec![
            Event::Tell { member },
            Event::Note { member },
            Event::Look { member },
            Event::Publish { member },
            Event::Say { member },
        ]
    });
    // Everybody takes everything in and says so.
    let settle = Just(()).prop_map(move |()| {
        let each = |events: fn(usize) -> [Event; 2]| (0..members).flat_map(events);
        let mut all: Vec<Event> =
            each(|member| [Event::Look { member }, Event::Publish { member }]).collect();
        all.extend([Event::Resolve; 4]);
        all.extend(each(|member| [Event::Apply { member }; 2]));
        all.extend(each(|member| [Event::Apply { member }; 2]));
        all.extend(each(|member| [Event::Tell { member }, Event::Note { member }]));
        all.extend(each(|member| [Event::Look { member }, Event::Publish { member }]));
        all.extend(each(|member| [Event::Look { member }, Event::Say { member }]));
        all.extend([Event::NoteWords, Event::Resolve, Event::Resolve, Event::NoteWords]);
        all
    });
    let mark = (member(), prop::bool::ANY, prop::bool::ANY).prop_map(|(member, straggles, orders)| {
        let mut all = vec![Event::Look { member }, Event::MarkOutOfDate { member, straggles }];
        if orders {
            all.extend([Event::NoteWords, Event::NoteWords, Event::Order { member, straggles: false }]);
        }
        all
    });
    let again = prop_oneof![
        8 => edit,
        2 => one(|member| Event::Look { member }),
        3 => one(|member| Event::Publish { member }),
        2 => one(|member| Event::Tell { member }),
        2 => one(|member| Event::Note { member }),
        2 => one(|member| Event::Say { member }),
        7 => one(|member| Event::Apply { member }),
        1 => one(|member| Event::Crash { member }),
        2 => mark,
        1 => (member(), prop::bool::ANY)
            .prop_map(|(member, straggles)| vec![Event::Order { member, straggles }]),
        5 => (member(), prop::bool::ANY).prop_map(|(member, at_once)| vec![Event::Fill { member, at_once }]),
    ];
    let end = (member(), settle.clone()).prop_map(|(member, settle)| {
        let mut all = vec![Event::Edit { member, value: None, at: 3 }];
        all.extend(settle);
        all.push(Event::Expire);
        all
    });
    let join = (member(), 0..9_usize, 0..5_usize).prop_map(|(member, offset, records)| {
        let mut all = vec![Event::Join { member }];
        all.extend(vec![Event::Apply { member }; records]);
        all.extend([Event::Compact { offset }, Event::Apply { member }, Event::Apply { member }]);
        all
    });
    prop_oneof![
        32 => again,
        3 => end,
        2 => join,
        4 => Just(vec![Event::Resolve]),
        1 => Just(vec![Event::ResolveAgain]),
        3 => Just(vec![Event::NoteWords]),
        4 => Just(vec![Event::Expire]),
        3 => (0..12_usize).prop_map(|offset| vec![Event::Compact { offset }]),
        2 => Just((0..20).map(|offset| Event::Compact { offset }).collect()),
        4 => capture,
        3 => say,
        3 => settle,
    ]
}

/// A group and what happens in it.
pub(super) fn schedule() -> impl Strategy<Value = (Group, Vec<Event>)> {
    let joins = prop::collection::vec(prop::bool::weighted(0.3), 2..5);
    joins.prop_flat_map(|joins| {
        let events = prop::collection::vec(event(joins.len()), 0..80);
        (Just(Group::new(&joins)), events.prop_map(|events| events.concat()))
    })
}

/// Runs a schedule to its end.
pub(super) fn run(group: &Group, events: &[Event]) -> Result<World, Violation> {
    let mut world = World::new(group);
    for event in events {
        world.step(group, *event);
        if let Some(violation) = world.violation.take() {
            return Err(*violation);
        }
    }
    world.drain(group)?;
    Ok(world)
}

/// The schedules would prove nothing if they never met what makes forgetting hard.
#[test]
fn random_schedules_meet_every_situation() {
    let mut runner = TestRunner::deterministic();
    let mut counts = [0; Situation::ALL.len()];
    for _ in 0..4_000 {
        let (group, events) = schedule().new_tree(&mut runner).unwrap().current();
        let met = run(&group, &events).unwrap_or_else(|violation| panic!("{violation}")).met;
        for (count, situation) in counts.iter_mut().zip(Situation::ALL) {
            *count += u32::from(met.has(situation));
        }
    }
    let table: Vec<_> = Situation::ALL.into_iter().zip(counts).collect();
    println!("met in so many of 4000 schedules: {table:?}");
    for (situation, count) in table {
        if matches!(situation, Situation::OnTopOfNewLife | Situation::DeleteCameAgain) {
            continue;
        }
        assert!(count >= 2, "{situation:?} was met only {count} times in 4000 schedules");
    }
}
