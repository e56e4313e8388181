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
        bound.talks_always = bound.marks == 0;
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

/// A member is marked once, and has three edits to lose.
fn marked() -> Option<Bound> {
    Some(Bound { marks: 1, ..Bound::new(&[false; 2], 3) })
}

fn marked_and_compacted() -> Option<Bound> {
    Some(Bound { compacts: true, ..marked()? })
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
    let invariants = [Idempotence, Convergence, ExactConflicts, NoLostUpdate];
    must_be_found(None, |discipline| discipline.refill_forgets = false, &invariants);
}

/// What I4 says of the resolver ends with an expiry: nothing remembers the changes any more, so that it must never be
/// given them again.
#[test]
fn the_resolver_is_given_resolved_changes_again() {
    must_be_found(two(), |discipline| discipline.resolves_once = false, &[NoLostUpdate]);
}

#[test]
fn the_resolver_passes_a_member_over_and_tells_nobody() {
    must_be_found(marked(), |discipline| discipline.marks_whom_it_forgets = false, &[NoLostUpdate]);
}

#[test]
fn a_member_out_of_date_publishes_on() {
    must_be_found(marked(), |discipline| discipline.out_of_date_is_silent = false, &[NoLostUpdate]);
}

#[test]
fn a_member_publishes_while_it_is_filled() {
    must_be_found(marked(), |discipline| discipline.rests_while_filled = false, &[NoLostUpdate]);
}

#[test]
fn capture_does_not_look_at_marks_once_it_has_read_a_page() {
    must_be_found(marked(), |discipline| discipline.looks_before_publishing = false, &[NoLostUpdate]);
}

#[test]
fn the_resolver_does_not_wait_for_pages_that_are_on_their_way() {
    must_be_found(marked(), |discipline| discipline.waits_for_stragglers = false, &[NoLostUpdate]);
}

#[test]
fn nothing_is_saved_before_a_member_is_filled() {
    let invariants = [NoLostUpdate, Convergence];
    must_be_found(marked(), |discipline| discipline.saves_unknown = false, &invariants);
}

#[test]
fn filling_anew_leaves_surplus_rows() {
    let invariants = [NoLostUpdate, Convergence];
    let mutate = |discipline: &mut Discipline| discipline.removes_surplus = false;
    must_be_found(None, mutate, &invariants);
}

/// Its own delete would hide the key's next life.
#[test]
fn filling_anew_leaves_the_members_own_old_deletes() {
    let invariants = [NoLostUpdate, Convergence];
    must_be_found(None, |discipline| discipline.removes_old_deletes = false, &invariants);
}

/// Deletes that come after the filling has begun are forgotten without the member.
#[test]
fn the_mark_is_taken_back_when_all_is_done() {
    must_be_found(None, |discipline| discipline.clears_first = false, &[NoLostUpdate]);
}

#[test]
fn a_mark_that_comes_while_a_member_is_filled_is_passed_over() {
    must_be_found(None, |discipline| discipline.begins_anew_if_marked = false, &[NoLostUpdate]);
}

/// Between the last look and the removal a user has changed the row, which then stays.
#[test]
fn it_is_not_looked_once_more_when_surplus_rows_are_gone() {
    let invariants = [NoLostUpdate, Convergence];
    must_be_found(marked_and_compacted(), |discipline| discipline.looks_again = false, &invariants);
}

/// Then an old row that was filled in on the way hides the last one.
#[test]
fn what_is_filled_in_reflects_what_the_copy_did_before() {
    let invariants = [NoLostUpdate, Convergence];
    must_be_found(marked(), |discipline| discipline.fills_exactly = false, &invariants);
}

/// A user has changed a row that was filled in on the way to the last one.
#[test]
fn an_edit_counts_as_made_on_top_of_all_earlier_ones() {
    must_be_found(marked(), |discipline| discipline.doubts_own_versions = false, &[NoLostUpdate]);
}

#[test]
fn an_old_row_that_a_user_changes_counts_as_new() {
    must_be_found(None, |discipline| discipline.tells_old_rows = false, &[NoLostUpdate]);
}
