//! Broken disciplines, each of which has to be found out by the search, or by the random schedules.

use super::search::Bound;
use super::{Discipline, Group, Waits, schedules};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use tributary_settle::Invariant;
use tributary_settle::Invariant::{Convergence, ExactConflicts, Idempotence, NoLostUpdate};

/// How many random schedules a mutant may survive.
const SCHEDULES: usize = 20_000;

fn must_be_found(bound: Option<Bound>, mutate: impl Fn(&mut Discipline), invariants: &[Invariant]) {
    must_be_found_in(bound, |group| mutate(&mut group.discipline), invariants);
}

fn must_be_found_in(bound: Option<Bound>, mutate: impl Fn(&mut Group), invariants: &[Invariant]) {
    if let Some(mut bound) = bound {
        bound.talks_always = true;
        mutate(&mut bound.group);
        let violation = bound.shortest_violation().expect("the search finds nothing wrong");
        println!("the search: {violation}");
        assert!(invariants.contains(&violation.invariant), "the search found {violation}");
        return;
    }
    let mut runner = TestRunner::deterministic();
    let found = (0..SCHEDULES).find_map(|run| {
        let (mut group, events) = schedules::schedule().new_tree(&mut runner).unwrap().current();
        mutate(&mut group);
        Some((run, schedules::run(&group, &events).err()?))
    });
    let (run, violation) = found.expect("the random schedules find nothing wrong");
    println!("random schedule {run}: {violation}");
    assert!(invariants.contains(&violation.invariant), "random schedule {run} found {violation}");
}

fn two() -> Option<Bound> {
    Some(Bound::new(&[false; 2], 3))
}

fn compacted() -> Option<Bound> {
    Some(Bound { compacts: true, ..Bound::new(&[false; 2], 3) })
}

fn joining() -> Option<Bound> {
    Some(Bound { compacts: true, ..Bound::new(&[false, true], 3) })
}

#[test]
fn deletes_are_forgotten_by_the_clock_alone() {
    must_be_found(two(), |discipline| discipline.waits = Waits::Clock, &[NoLostUpdate]);
}

#[test]
fn deletes_are_forgotten_by_what_apply_says_alone() {
    must_be_found(two(), |discipline| discipline.waits = Waits::Apply, &[NoLostUpdate]);
}

#[test]
fn capture_says_what_apply_has_reached_by_now() {
    must_be_found(two(), |discipline| discipline.says_what_was_noted = false, &[NoLostUpdate]);
}

#[test]
fn the_resolver_does_not_wait_for_the_changes_before_a_word() {
    must_be_found(two(), |discipline| discipline.resolves_first = false, &[NoLostUpdate]);
}

#[test]
fn a_purge_forgets_a_users_own_change() {
    let invariants = [NoLostUpdate, Convergence];
    must_be_found(two(), |discipline| discipline.looks_at_local = false, &invariants);
}

/// A joining member shows rows for a moment that were deleted and forgotten long ago, as long as their records are not
/// compacted away. A change of such a row brings it back.
#[test]
fn users_write_while_their_member_joins() {
    must_be_found(joining(), |discipline| discipline.joiners_read_first = false, &[NoLostUpdate]);
}

/// Who has taken the delete in and never reads that it was forgotten keeps his own delete as his latest change, and takes
/// every record of the key's next life for older than that.
#[test]
fn a_null_record_goes_before_everybody_has_read_it() {
    let invariants = [Convergence, NoLostUpdate, ExactConflicts];
    must_be_found(compacted(), |discipline| discipline.keeps_nulls = false, &invariants);
}

#[test]
fn a_null_record_deletes_nothing() {
    must_be_found(joining(), |discipline| discipline.nulls_delete = false, &[Convergence, Idempotence]);
}

#[test]
fn filling_anew_keeps_what_an_old_tombstone_knew() {
    let invariants = [Idempotence, Convergence];
    must_be_found(None, |discipline| discipline.refill_forgets = false, &invariants);
}

/// What I4 says of the resolver ends with an expiry: nothing remembers the changes any more, so that it must never be
/// given them again.
#[test]
fn the_resolver_is_given_resolved_changes_again() {
    must_be_found(two(), |discipline| discipline.resolves_once = false, &[NoLostUpdate]);
}
