//! Changes that are not users' edits: rows put back after a refused delete, and operators' commands.

use super::*;
use tributary_model::{ConflictKind, ConflictState, Reason};
use tributary_settle::Drop;

fn deleted() -> Resolved {
    after([change("a:2", "", row([1, 1])), change("b:2", "a:2", None)])
}

#[test]
fn a_restored_row_comes_back_and_the_ledger_says_why() {
    let state = deleted();
    let restored = of_kind(ChangeKind::Restored, change("c:2", "a:2 b:2", row([1, 1])));
    let (record, conflict) = published(resolve(Some(&state), &restored));
    assert_state(&record, Settled::FastForward, "c:2", "a:2 b:2 c:2", &["c:2"]);
    assert_eq!((record.row, record.kind), (row([1, 1]), ChangeKind::Restored));
    let conflict = conflict.unwrap();
    assert_eq!((conflict.kind, conflict.reason), (ConflictKind::BlockedDelete, Reason::Restored));
    assert_eq!((conflict.winner.dot, conflict.winner.row), (dot("c:2"), row([1, 1])));
    assert_eq!((conflict.loser.dot, conflict.loser.row), (dot("b:2"), None));
    assert_eq!(conflict.state, ConflictState::Settled);
}

#[test]
fn a_restored_row_is_an_ordinary_change_where_nothing_is_deleted() {
    let restored = of_kind(ChangeKind::Restored, change("c:2", "a:2", row([1, 1])));
    let (record, conflict) = published(resolve(Some(&after([change("a:2", "", row([2, 2]))])), &restored));
    assert_eq!((record.settled, conflict), (Settled::FastForward, None));
    // The cell went on meanwhile: concurrent like any other change.
    let moved_on =
        after([change("a:2", "", row([1, 1])), change("b:2", "a:2", None), change("b:3", "", row([3, 3]))]);
    let restored = of_kind(ChangeKind::Restored, at(9, change("c:2", "a:2 b:2", row([1, 1]))));
    let (record, conflict) = published(resolve(Some(&moved_on), &restored));
    assert_eq!(record.settled, Settled::Conflict);
    assert_eq!(conflict.unwrap().kind, ConflictKind::Concurrent);
}

fn command(version: u64, shown: &str, row: Option<Row>) -> Change {
    of_kind(ChangeKind::Operator, change(&format!("operator:{version}"), shown, row))
}

#[test]
fn a_command_on_the_present_state_is_carried_out() {
    let state = deleted();
    let (record, conflict) = published(resolve(Some(&state), &command(1, "a:2 b:2", row([5, 5]))));
    assert_state(&record, Settled::FastForward, "operator:1", "a:2 b:2 operator:1", &["operator:1"]);
    assert_eq!((record.row, conflict), (row([5, 5]), None));
}

#[test]
fn a_command_on_another_state_is_refused() {
    let state = deleted();
    for shown in ["", "a:2", "a:2 b:1", "a:2 b:3", "a:2 b:2 c:1"] {
        let refused = resolve(Some(&state), &command(1, shown, row([5, 5])));
        assert_eq!(refused, Resolution::Dropped(Drop::OutdatedCommand), "{shown}");
    }
    let refused = resolve(None, &command(1, "a:2", row([5, 5])));
    assert_eq!(refused, Resolution::Dropped(Drop::OutdatedCommand));
}

#[test]
fn what_an_operator_decided_stands_against_later_changes_that_have_not_seen_it() {
    let (state, _) = published(resolve(Some(&deleted()), &command(1, "a:2 b:2", row([5, 5]))));
    let (record, conflict) = published(resolve(Some(&state), &at(99, change("c:2", "a:2 b:2", row([6, 6])))));
    assert_eq!((record.winner, record.row, record.policy), (dot("operator:1"), row([5, 5]), None));
    assert_eq!(conflict.unwrap().reason, Reason::Operator);
}
