//! Broken rules, each of which has to be found out: a rule whose break goes unnoticed is not tested, or not needed.
//!
//! Every mutant runs twice: through the exhaustive model, which finds its shortest counterexample and prints it, and
//! through the random schedules. Both must come upon a violation of one of the invariants that the rule is there for.
//!
//! A few breaks make no difference within sections 1 to 5, and [`what_makes_no_difference`] says why.

use crate::exhaustive::Bound;
use crate::schedules;
use crate::simulation::{Setup, Situation};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use std::borrow::Cow;
use tributary_model::{Change, ChangeKind, Projections, Resolved, Settled, Value, VersionVector};
use tributary_settle::Invariant::{
    Convergence, ExactConflicts, Idempotence, NoEcho, NoLostUpdate, RefusalStaysLocal,
};
use tributary_settle::{
    Decision, Drop, Invariant, LocalState, Resolution, Rules, Standard, Step, TableRules, Violation,
};

/// How many random schedules a mutant may survive.
const SCHEDULES: usize = 5_000;

fn small() -> Bound {
    Bound::new(2, 3)
}

/// Both engines must find that `mutate` breaks one of `invariants`.
fn must_be_found(mut bound: Bound, mutate: impl Fn(&mut Setup), invariants: &[Invariant]) {
    mutate(&mut bound.setup);
    let violation = bound.shortest_violation().expect("the model finds nothing wrong");
    println!("the model: {violation}");
    assert!(invariants.contains(&violation.invariant), "the model found {violation}");

    let mut runner = TestRunner::deterministic();
    let found = (0..SCHEDULES).find_map(|run| {
        let (mut setup, events) = schedules::schedule().new_tree(&mut runner).unwrap().current();
        mutate(&mut setup);
        Some((run, schedules::run(&setup, &events).err()?))
    });
    let (run, violation) = found.expect("the random schedules find nothing wrong");
    println!("random schedule {run}: {violation}");
    assert!(invariants.contains(&violation.invariant), "random schedule {run} found {violation}");
}

/// Changes apply's decision.
struct Decides(fn(&Resolved, &LocalState, Decision) -> Decision);

impl Rules for Decides {
    fn decide(&self, record: &Resolved, local: &LocalState) -> Decision {
        self.0(record, local, Standard.decide(record, local))
    }
}

/// Changes what the resolver publishes.
struct Publishes(fn(&mut Resolved, Option<&Resolved>, &Change));

impl Rules for Publishes {
    fn resolve(&self, step: Step<'_>, state: Option<&Resolved>, change: &Change) -> Resolution {
        let mut resolution = Standard.resolve(step, state, change);
        if let Resolution::Publish { record, .. } = &mut resolution {
            self.0(record, state, change);
        }
        resolution
    }
}

#[test]
fn apply_overwrites_an_unsettled_change() {
    let decides = |_: &Resolved, _: &LocalState, decision| match decision {
        Decision::LocalIsNewer => Decision::Write,
        other => other,
    };
    must_be_found(small(), |setup| setup.obey(Decides(decides)), &[NoLostUpdate, Idempotence]);
}

#[test]
fn apply_takes_a_replay_for_news() {
    let decides = |record: &Resolved, local: &LocalState, decision| match decision {
        Decision::AlreadyThere => {
            Standard.decide(record, &LocalState { local: local.local.clone(), ..LocalState::default() })
        }
        other => other,
    };
    must_be_found(small(), |setup| setup.obey(Decides(decides)), &[Idempotence]);
}

#[test]
fn apply_takes_a_merge_for_its_own_row() {
    let decides = |record: &Resolved, local: &LocalState, decision| match (&local.local, decision) {
        (Some(dot), Decision::Write)
            if record.content.iter().any(|image| image.get(&dot.incarnation) == dot.version) =>
        {
            Decision::SameContent
        }
        (_, other) => other,
    };
    must_be_found(small().lacking(), |setup| setup.obey(Decides(decides)), &[Convergence]);
}

/// Rule 3 keeps nobody from a wrong result: it saves writing rows that stand there already.
#[test]
fn apply_writes_what_stands_there() {
    let decides = |_: &Resolved, _: &LocalState, decision| match decision {
        Decision::SameContent => Decision::Write,
        other => other,
    };
    let mut runner = TestRunner::deterministic();
    let again = (0..100).any(|_| {
        let (mut setup, events) = schedules::schedule().new_tree(&mut runner).unwrap().current();
        setup.obey(Decides(decides));
        schedules::run(&setup, &events).unwrap().met.has(Situation::WrittenAgain)
    });
    assert!(again, "no row was written twice");
}

/// "On top" by comparing vectors: the change has seen all that the record takes into account.
struct PlainVectorTest;

impl Rules for PlainVectorTest {
    fn on_top(&self, state: &Resolved, change: &Change) -> bool {
        let own = &change.dot.incarnation;
        state.vv.iter().all(|(name, version)| name == own || version <= change.seen.get(name))
    }
}

#[test]
fn on_top_is_decided_by_the_plain_vectors() {
    must_be_found(small(), |setup| setup.obey(PlainVectorTest), &[ExactConflicts]);
}

struct ParkingAdvancesSeen;

impl Rules for ParkingAdvancesSeen {
    fn after_parking(&self, record: &Resolved, local: &LocalState) -> LocalState {
        LocalState { local: local.local.clone(), seen: self.seen_after_write(record, local) }
    }
}

#[test]
fn parking_advances_seen() {
    let invariants = [RefusalStaysLocal, Convergence, ExactConflicts];
    must_be_found(small(), |setup| setup.obey(ParkingAdvancesSeen), &invariants);
}

#[test]
fn agreed_forgets_the_earlier_content() {
    let publishes = |record: &mut Resolved, _: Option<&Resolved>, change: &Change| {
        if record.settled == Settled::Agreed {
            record.content = vec![VersionVector::of(&change.dot)];
        }
    };
    must_be_found(small(), |setup| setup.obey(Publishes(publishes)), &[ExactConflicts, Convergence]);
}

#[test]
fn agreed_forgets_the_later_content() {
    let publishes = |record: &mut Resolved, state: Option<&Resolved>, _: &Change| {
        if let (Settled::Agreed, Some(state)) = (record.settled, state) {
            record.content = state.content.clone();
        }
    };
    must_be_found(small(), |setup| setup.obey(Publishes(publishes)), &[ExactConflicts]);
}

#[test]
fn a_merge_passes_for_the_winner() {
    let publishes = |record: &mut Resolved, state: Option<&Resolved>, _: &Change| {
        if let (Settled::Conflict, Some(state)) = (record.settled, state)
            && record.winner == state.winner
        {
            record.content = state.content.clone();
        }
    };
    let invariants = [ExactConflicts, Convergence];
    must_be_found(small().lacking(), |setup| setup.obey(Publishes(publishes)), &invariants);
}

#[test]
fn a_poorer_member_wipes_columns() {
    let publishes = |record: &mut Resolved, _: Option<&Resolved>, change: &Change| {
        if record.settled == Settled::FastForward {
            record.row = change.row.clone();
        }
    };
    must_be_found(small().lacking(), |setup| setup.obey(Publishes(publishes)), &[NoLostUpdate]);
}

/// Three members that had a row before, of which the second rounds it.
fn scanned() -> Bound {
    let row = |value| Some([1, value, 1]);
    let rows = [[row(1), row(2), None], [row(2), row(2), row(1)]];
    Bound { before: rows.map(Vec::from).into(), rewinds: false, ..Bound::new(3, 3).rounding() }
}

/// Each edit in a member that rounds would round the others' data, and be in conflict with them.
#[test]
fn the_resolver_does_not_know_who_rounds() {
    let mutate = |setup: &mut Setup| setup.table.projections = Projections::default();
    must_be_found(small().rounding(), mutate, &[NoLostUpdate, ExactConflicts]);
}

#[test]
fn a_coarser_member_rounds_columns() {
    let publishes = |record: &mut Resolved, _: Option<&Resolved>, change: &Change| {
        if let (Settled::FastForward, Some(row), Some(own)) = (record.settled, &record.row, &change.row) {
            record.row = Some(own.completed_from(row));
        }
    };
    must_be_found(small().rounding(), |setup| setup.obey(Publishes(publishes)), &[NoLostUpdate]);
}

/// Decides otherwise which of two values of a column says more.
struct Refines(fn(&TableRules, &Resolved, &Change, usize) -> bool);

impl Rules for Refines {
    fn refines(&self, table: &TableRules, state: &Resolved, change: &Change, column: usize) -> bool {
        self.0(table, state, change, column)
    }
}

/// Copies of the same data, of which one is rounded, would be in conflict when the rounded one is scanned first.
#[test]
fn a_finer_row_is_a_conflict() {
    let mutate = |setup: &mut Setup| setup.obey(Refines(|_, _, _, _| false));
    must_be_found(scanned(), mutate, &[ExactConflicts, NoLostUpdate]);
}

/// It is not enough that the settled row's member would show the finer row so: one that is exact may have agreed.
#[test]
fn a_finer_row_is_finer_than_the_winner_alone() {
    let refines = |table: &TableRules, state: &Resolved, change: &Change, column: usize| {
        let scans = [state.kind, change.kind] == [ChangeKind::FirstScan; 2];
        let values = [change.row.as_ref(), state.row.as_ref()].map(|row| row.and_then(|row| row.get(column)));
        let projection = table.projections.of(&state.winner.incarnation, column);
        let shows = |value: Option<&Value>| value.and_then(|value| projection.of(value).map(Cow::into_owned));
        scans && shows(values[0]) == shows(values[1])
    };
    let mutate = |setup: &mut Setup| setup.obey(Refines(refines));
    must_be_found(scanned(), mutate, &[ExactConflicts, NoLostUpdate]);
}

/// Decides otherwise whether a row that the first scan has passed is known.
struct Knows(fn(&Resolved, &Change) -> bool);

impl Rules for Knows {
    fn is_known(&self, state: &Resolved, change: &Change) -> bool {
        self.0(state, change)
    }
}

/// A row that apply met before its first change was settled would be in conflict twice.
#[test]
fn a_row_captured_once_more_is_a_conflict() {
    must_be_found(scanned(), |setup| setup.obey(Knows(|_, _| false)), &[ExactConflicts]);
}

/// One that nobody knows of would be dropped.
#[test]
fn a_row_captured_once_more_is_always_known() {
    let knows = |_: &Resolved, change: &Change| change.kind == ChangeKind::FirstScan;
    must_be_found(scanned(), |setup| setup.obey(Knows(knows)), &[NoLostUpdate, ExactConflicts]);
}

/// A live edit means what it says, though a member shows it as another value.
#[test]
fn a_finer_edit_is_no_conflict() {
    let refines = |table: &TableRules, state: &Resolved, change: &Change, column: usize| {
        let scanned = |kind| (Resolved { kind, ..state.clone() }, Change { kind, ..change.clone() });
        let (state, change) = scanned(ChangeKind::FirstScan);
        Standard.refines(table, &state, &change, column)
    };
    let mutate = |setup: &mut Setup| setup.obey(Refines(refines));
    must_be_found(small().rounding(), mutate, &[ExactConflicts, NoLostUpdate]);
}

/// Whoever has taken the rounded row in has to be told the finer one.
#[test]
fn a_finer_row_passes_for_the_rounded_one() {
    let publishes = |record: &mut Resolved, state: Option<&Resolved>, _: &Change| {
        if let (Settled::Completed, Some(state)) = (record.settled, state) {
            record.content.extend(state.content.iter().cloned());
        }
    };
    must_be_found(scanned(), |setup| setup.obey(Publishes(publishes)), &[Convergence, ExactConflicts]);
}

#[test]
fn the_vector_forgets_the_state() {
    let publishes = |record: &mut Resolved, _: Option<&Resolved>, change: &Change| {
        record.vv = change.seen.with(&change.dot);
    };
    let invariants = [Idempotence, Convergence, Invariant::ResolverNotBehind];
    must_be_found(small(), |setup| setup.obey(Publishes(publishes)), &invariants);
}

/// Changes that the state knows are settled once more.
struct SettlesDuplicates;

impl Rules for SettlesDuplicates {
    fn resolve(&self, step: Step<'_>, state: Option<&Resolved>, change: &Change) -> Resolution {
        let resolution = Standard.resolve(step, state, change);
        let (Resolution::Dropped(Drop::Duplicate), Some(state)) = (&resolution, state) else {
            return resolution;
        };
        let others = state.vv.iter().filter(|(name, _)| **name != change.dot.incarnation);
        let vv = others.map(|(name, version)| (name.clone(), version)).collect();
        Standard.resolve(step, Some(&Resolved { vv, ..state.clone() }), change)
    }
}

#[test]
fn duplicates_are_settled_again() {
    must_be_found(small(), |setup| setup.obey(SettlesDuplicates), &[Idempotence, ExactConflicts]);
}

#[test]
fn a_winner_that_won_again_is_not_published() {
    let mutate = |setup: &mut Setup| setup.discipline.publishes_kept_winner = false;
    must_be_found(small(), mutate, &[Convergence, Idempotence]);
}

#[test]
fn conflicts_are_not_recorded() {
    must_be_found(small(), |setup| setup.discipline.records_conflicts = false, &[NoLostUpdate]);
}

#[test]
fn the_write_does_not_compare() {
    let mutate = |setup: &mut Setup| setup.discipline.compare_and_set = false;
    must_be_found(small(), mutate, &[NoLostUpdate, Idempotence, Convergence]);
}

#[test]
fn the_trigger_is_loud() {
    must_be_found(small(), |setup| setup.discipline.silent_trigger = false, &[NoEcho]);
}

#[test]
fn a_write_leaves_local_as_it_was() {
    let bound = Bound { duplicates: 1, ..small() };
    must_be_found(bound, |setup| setup.discipline.clears_local = false, &[NoEcho]);
}

#[test]
fn a_refused_record_is_forgotten() {
    must_be_found(small(), |setup| setup.discipline.parks = false, &[Convergence, Idempotence]);
}

#[test]
fn a_restored_row_has_not_seen_the_delete() {
    let mutate = |setup: &mut Setup| setup.discipline.restore_has_seen = false;
    must_be_found(small().restoring(), mutate, &[ExactConflicts]);
}

#[test]
fn a_resolver_starts_with_stale_state() {
    let bound = Bound { restarts: true, ..small() };
    let invariants = [Invariant::ResolverNotBehind, Idempotence, Convergence, NoLostUpdate, ExactConflicts];
    must_be_found(bound, |setup| setup.discipline.rebuilds_state = false, &invariants);
}

#[test]
fn changes_that_the_log_has_lost_are_not_published_again() {
    let bound = Bound { losses: 1, ..small() };
    must_be_found(bound, |setup| setup.discipline.recaptures = false, &[Convergence, NoLostUpdate]);
}

/// An edit of another column publishes the default over what the others have.
#[test]
fn a_gained_column_is_not_refilled() {
    must_be_found(small().gaining(), |setup| setup.discipline.refills = false, &[NoLostUpdate, Convergence]);
}

/// The record that brings the others' value together with what the member published without it comes too late.
#[test]
fn a_refill_does_not_wait_for_what_was_published_without_the_column() {
    let mutate = |setup: &mut Setup| setup.discipline.refill_waits = false;
    must_be_found(small().gaining(), mutate, &[NoLostUpdate, Convergence]);
}

#[test]
fn apply_does_not_wait_for_the_refill() {
    let mutate = |setup: &mut Setup| setup.discipline.apply_waits_for_refill = false;
    must_be_found(small().gaining(), mutate, &[NoLostUpdate, Convergence, NoEcho]);
}

#[test]
fn a_subscribers_own_edit_keeps_records_out() {
    let mutate = |setup: &mut Setup| {
        setup.discipline.subscribers_give_way = false;
    };
    must_be_found(small().subscribing(), mutate, &[Convergence, Idempotence]);
}

/// The edit under the new name has seen a change that never comes: the resolver takes its state for stale.
struct LivesAreStrangers;

impl Rules for LivesAreStrangers {
    fn resolve(&self, step: Step<'_>, state: Option<&Resolved>, change: &Change) -> Resolution {
        let resolution = Standard.resolve(step, state, change);
        let (Resolution::Publish { .. }, Some(state)) = (&resolution, state) else { return resolution };
        let ahead = change
            .seen
            .iter()
            .find(|(name, seen)| **name != change.dot.incarnation && *seen > state.vv.get(name));
        match ahead {
            None => resolution,
            Some((name, seen)) => Resolution::Violated(Violation::StateBehind {
                incarnation: name.clone(),
                seen,
                held: state.vv.get(name),
            }),
        }
    }
}

#[test]
fn what_a_change_has_seen_of_earlier_lives_proves_the_state_stale() {
    let mutate = |setup: &mut Setup| setup.obey(LivesAreStrangers);
    must_be_found(Bound { renames: true, ..small() }, mutate, &[Invariant::ResolverNotBehind]);
    must_be_found(small().going_back(1), mutate, &[Invariant::ResolverNotBehind]);
}

/// A version is given twice, and the second change passes for the first.
#[test]
fn capture_does_not_check_the_token() {
    let mutate = |setup: &mut Setup| setup.discipline.capture_checks_token = false;
    let invariants = [NoLostUpdate, NoEcho, ExactConflicts, Invariant::ResolverNotBehind];
    must_be_found(small().going_back(1), mutate, &invariants);
}

/// A restored member's user has given a version again that the log knows: it looks settled.
#[test]
fn apply_does_not_check_the_token() {
    let mutate = |setup: &mut Setup| setup.discipline.apply_checks_token = false;
    must_be_found(small().going_back(1), mutate, &[NoLostUpdate, Convergence, Idempotence]);
}

#[test]
fn what_is_in_doubt_is_not_made_anew() {
    let mutate = |setup: &mut Setup| setup.discipline.restates = false;
    let invariants = [NoLostUpdate, NoEcho, Convergence, Invariant::ResolverNotBehind, Idempotence];
    must_be_found(small().going_back(1), mutate, &invariants);
}

/// Rows that may have changed pass for those that were scanned before.
#[test]
fn rows_of_a_table_that_was_not_scanned_keep_their_name() {
    let mutate = |setup: &mut Setup| setup.discipline.renames_unscanned = false;
    let invariants = [NoLostUpdate, NoEcho, Convergence, Invariant::ResolverNotBehind, Idempotence];
    must_be_found(Bound { reprovisions: 1, ..small().going_back(0) }, mutate, &invariants);
}

/// The log's position is a later life's, and lies above versions that are still to be given.
#[test]
fn a_new_life_is_captured_from_where_the_old_one_was() {
    let mutate = |setup: &mut Setup| setup.discipline.captures_anew = false;
    must_be_found(small().going_back(1), mutate, &[NoLostUpdate, Convergence, Idempotence]);
}

/// Two restores to one backup give the same name twice.
#[test]
fn the_number_of_the_incarnation_is_taken_from_the_member() {
    let mutate = |setup: &mut Setup| setup.discipline.numbers_by_log = false;
    let invariants = [NoLostUpdate, NoEcho, Convergence, Invariant::ResolverNotBehind, Idempotence];
    must_be_found(small().going_back(2), mutate, &invariants);
}

/// `seen` after a write is the record's vector and nothing else.
struct SeenIsReplaced;

impl Rules for SeenIsReplaced {
    fn seen_after_write(&self, record: &Resolved, _: &LocalState) -> VersionVector {
        record.vv.clone()
    }
}

/// R'.vv without what the change has seen: I8 has it in R.vv already, but for an empty R, where only the expiry of
/// tombstones makes a difference. `seen` after a write without what it was before: R.vv holds that. Rule 3 by `seen`
/// although `local` is set and settled: R would have to have won against what was made on top of it.
#[test]
fn what_makes_no_difference() {
    let publishes = |record: &mut Resolved, state: Option<&Resolved>, change: &Change| {
        record.vv = state.map_or_else(VersionVector::new, |state| state.vv.clone()).with(&change.dot);
    };
    let decides = |record: &Resolved, local: &LocalState, decision| match decision {
        Decision::Write if record.content.iter().any(|image| image.is_within(&local.seen)) => {
            Decision::SameContent
        }
        other => other,
    };
    let mutations: [fn(&mut Setup, Publishes, Decides); 3] = [
        |setup, publishes, _| setup.obey(publishes),
        |setup, _, decides| setup.obey(decides),
        |setup, _, _| setup.obey(SeenIsReplaced),
    ];
    for mutate in mutations {
        let mut runner = TestRunner::deterministic();
        for _ in 0..1_000 {
            let (mut setup, events) = schedules::schedule().new_tree(&mut runner).unwrap().current();
            mutate(&mut setup, Publishes(publishes), Decides(decides));
            schedules::run(&setup, &events).unwrap();
        }
    }
}
