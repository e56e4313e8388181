//! Random schedules of whole groups: whatever happened on the way, once everything has drained I1 to I8 hold.
//!
//! `PROPTEST_CASES` raises the number of schedules. A failing schedule is printed in full after shrinking, and its
//! seed is kept in `tests/proptest-regressions/`, from where later runs try it first.

use crate::simulation::{
    CELLS, COLUMNS, Event, MemberSetup, Setup, Situation, Violation, World, Write, member_id,
};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use tributary_model::{Policy, Ticks};
use tributary_settle::DeleteVsUpdate;

fn values() -> impl Strategy<Value = [i32; COLUMNS]> {
    (1..4_i32, 1..5_i32, 1..5_i32).prop_map(|(one, two, three)| [one, two, three])
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        5 => values().prop_map(Write::Put),
        1 => (1..4_i32).prop_map(Write::PutFirst),
        2 => Just(Write::Delete),
    ]
}

fn time() -> impl Strategy<Value = Option<Ticks>> {
    prop_oneof![1 => Just(None), 6 => (1..5_i64).prop_map(Some)]
}

fn member() -> impl Strategy<Value = MemberSetup> {
    let rows = prop::collection::vec(prop::option::weighted(0.4, values()), CELLS);
    let odd = |chance| prop::bool::weighted(chance);
    // Absent, in steps of two, three or four, or exact.
    let poor = || prop_oneof![2 => Just((true, 0)), 2 => (2..5_i64).prop_map(|step| (false, step)), 7 => Just((false, 0))];
    let columns = (poor(), poor());
    let ways = (odd(0.06), odd(0.08), odd(0.2));
    (columns, rows, prop::option::weighted(0.2, 1..4_i32), odd(0.4), odd(0.75), ways).prop_map(
        |(
            (second, third),
            rows_before,
            refuses,
            foreign_key,
            restores,
            (publishes_only, subscribes, gains),
        )| {
            let gains = gains && !publishes_only;
            MemberSetup {
                lacks: [false, second.0 && !gains, third.0],
                coarse: [0, if gains { 0 } else { second.1 }, third.1],
                gains,
                rows_before,
                refuses,
                foreign_key,
                restores,
                publishes_only,
                subscribes_only: subscribes && !publishes_only,
            }
        },
    )
}

/// Any group of two to four members.
pub fn setup() -> impl Strategy<Value = Setup> {
    let policy = prop::sample::select(Policy::ALL.to_vec());
    let deletes = prop_oneof![
        4 => Just(DeleteVsUpdate::ByPolicy),
        1 => Just(DeleteVsUpdate::UpdateWins),
        1 => Just(DeleteVsUpdate::DeleteWins),
    ];
    let cells = prop_oneof![4 => Just(1), 3 => Just(2), 1 => Just(CELLS)];
    let copies = prop::bool::weighted(0.3);
    (prop::collection::vec(member(), 2..5), cells, policy, deletes, (0..4_usize, copies)).prop_map(
        |(mut members, cells, policy, deletes, (listed, copies))| {
            if copies {
                let rows = members[0].rows_before.clone();
                members.iter_mut().for_each(|member| member.rows_before.clone_from(&rows));
            }
            let mut setup = Setup::new(members, cells);
            setup.table.policy = policy;
            setup.table.delete_vs_update = deletes;
            // Listed from the last to the first, so that priority differs from the order of the names.
            let ids = (0..setup.members.len()).rev().map(member_id);
            setup.table.priority = ids.take(listed).collect();
            setup
        },
    )
}

/// Any step of a group of `members` with `cells`.
fn event(members: usize, cells: usize) -> impl Strategy<Value = Event> {
    let (member, cell) = (0..members, 0..cells);
    let place = (member.clone(), cell.clone());
    let refuse = prop::bool::weighted;
    prop_oneof![
        8 => (place.clone(), write(), time())
            .prop_map(|((member, cell), write, at)| Event::Edit { member, cell, write, at }),
        3 => (member.clone(), 1..8_u8).prop_map(|(member, cells)| Event::ReadPage { member, cells }),
        4 => member.clone().prop_map(|member| Event::PublishPage { member }),
        1 => place.clone().prop_map(|(member, cell)| Event::ForgetPosition { member, cell }),
        1 => cell.clone().prop_map(|cell| Event::LoseChanges { cell }),
        2 => place.clone().prop_map(|(member, cell)| Event::Recapture { member, cell }),
        4 => (cell.clone(), 1..4_usize).prop_map(|(cell, count)| Event::Resolve { cell, count }),
        1 => (cell.clone(), 0..5_usize).prop_map(|(cell, from)| Event::Redeliver { cell, from }),
        1 => (cell.clone(), 0..5_usize).prop_map(|(cell, state)| Event::RestartResolver { cell, state }),
        4 => (place.clone(), 1..4_usize)
            .prop_map(|((member, cell), count)| Event::ReadBatch { member, cell, count }),
        4 => (member.clone(), refuse(0.2)).prop_map(|(member, refuse)| Event::WriteBatch { member, refuse }),
        1 => member.clone().prop_map(|member| Event::Crash { member }),
        1 => member.clone().prop_map(|member| Event::NewIncarnation { member }),
        1 => member.clone().prop_map(|member| Event::CommitToken { member }),
        2 => member.clone().prop_map(|member| Event::Backup { member }),
        1 => member.clone().prop_map(|member| Event::Restore { member }),
        1 => member.clone().prop_map(|member| Event::Reprovision { member }),
        2 => member.clone().prop_map(|member| Event::Claim { member }),
        2 => member.prop_map(|member| Event::Rejoin { member }),
        3 => (place.clone(), 0..5_usize).prop_map(|((member, cell), to)| Event::Rewind { member, cell, to }),
        4 => (place.clone(), refuse(0.5)).prop_map(|((member, cell), refuse)| Event::Retry { member, cell, refuse }),
        2 => place.clone().prop_map(|(member, cell)| Event::Refill { member, cell }),
        1 => (0..members, 0..4_u8).prop_map(|(member, given)| Event::Gain { member, given }),
        2 => (0..members).prop_map(|member| Event::StartRefill { member }),
        1 => (cell.clone(), write()).prop_map(|(cell, write)| Event::Command { cell, write }),
        2 => cell.prop_map(|cell| Event::CarryOut { cell }),
    ]
}

/// A few events that make sense together, so that schedules get further than single steps would.
fn step(members: usize, cells: usize) -> impl Strategy<Value = Vec<Event>> {
    let (member, cell) = (0..members, 0..cells);
    let capture = member
        .clone()
        .prop_map(|member| vec![Event::ReadPage { member, cells: u8::MAX }, Event::PublishPage { member }]);
    let apply = (member, cell.clone(), 1..4_usize, prop::bool::weighted(0.3)).prop_map(
        |(member, cell, count, refuse)| {
            vec![Event::ReadBatch { member, cell, count }, Event::WriteBatch { member, refuse }]
        },
    );
    let resolve = cell.prop_map(|cell| vec![Event::Resolve { cell, count: 2 }]);
    prop_oneof![
        5 => event(members, cells).prop_map(|event| vec![event]),
        1 => capture,
        1 => resolve,
        2 => apply,
    ]
}

/// A group and what happens in it.
pub fn schedule() -> impl Strategy<Value = (Setup, Vec<Event>)> {
    setup().prop_flat_map(|setup| {
        let steps = prop::collection::vec(step(setup.members.len(), setup.cells), 0..100);
        (Just(setup), steps.prop_map(|steps| steps.concat()))
    })
}

/// Runs a schedule to its end.
pub fn run(setup: &Setup, events: &[Event]) -> Result<World, Violation> {
    let mut world = World::new(setup);
    for event in events {
        world.step(setup, event);
        if let Some(violation) = world.violation.take() {
            return Err(*violation);
        }
    }
    world.drain(setup)?;
    Ok(world)
}

/// The schedules would prove nothing if they never met what makes the protocol hard.
#[test]
fn random_schedules_meet_every_situation() {
    let mut runner = TestRunner::deterministic();
    let mut counts = [0; Situation::ALL.len()];
    for _ in 0..2_000 {
        let (setup, events) = schedule().new_tree(&mut runner).unwrap().current();
        let met = run(&setup, &events).unwrap().met;
        for (count, situation) in counts.iter_mut().zip(Situation::ALL) {
            *count += u32::from(met.has(situation));
        }
    }
    let table: Vec<_> = Situation::ALL.into_iter().zip(counts).collect();
    println!("met in so many of 2000 schedules: {table:?}");
    for (situation, count) in table {
        if situation == Situation::WrittenAgain {
            assert_eq!(count, 0, "apply wrote what stood there already");
            continue;
        }
        assert!(count >= 20, "{situation:?} was met only {count} times in 2000 schedules");
    }
}

proptest! {
    #![proptest_config(Config { cases: Config::default().cases.max(30_000), ..Config::default() })]

    #[test]
    fn every_invariant_holds_after_any_schedule((setup, events) in schedule()) {
        if let Err(violation) = run(&setup, &events) {
            return Err(TestCaseError::fail(violation.to_string()));
        }
    }
}
