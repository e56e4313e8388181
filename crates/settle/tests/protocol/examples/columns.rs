//! Members that lack columns, where absent is neither NULL nor a difference, and members that show values rounded.

use super::*;
use tributary_model::{ConflictKind, MemberId, Narrowing, Projection, Steps};

/// A row by columns; `None` is absent.
fn partial(values: [Option<i32>; 3]) -> Option<Row> {
    Some(Row(values.into_iter().map(|value| value.map(Value::Int)).collect()))
}

#[test]
fn a_poorer_members_edit_keeps_the_columns_it_lacks() {
    let record = after([
        change("a:2", "", partial([Some(1), Some(2), Some(3)])),
        change("b:2", "a:2", partial([Some(9), None, Some(8)])),
    ]);
    assert_state(&record, Settled::FastForward, "b:2", "a:2 b:2", &["b:2"]);
    assert_eq!(record.row, partial([Some(9), Some(2), Some(8)]));
}

#[test]
fn nothing_is_carried_over_a_delete() {
    let record = after([
        change("a:2", "", partial([Some(1), Some(2), Some(3)])),
        change("a:3", "", None),
        change("b:2", "a:3", partial([Some(9), None, Some(8)])),
    ]);
    assert_eq!(record.row, partial([Some(9), None, Some(8)]));
}

#[test]
fn null_is_a_value_and_not_absent() {
    let null = Some(Row(vec![Some(Value::Int(9)), Some(Value::Null), None]));
    let record = after([change("a:2", "", partial([Some(1), Some(2), Some(3)])), change("b:2", "a:2", null)]);
    assert_eq!(record.row, Some(Row(vec![Some(Value::Int(9)), Some(Value::Null), Some(Value::Int(3))])));
}

#[test]
fn equal_in_the_common_columns_is_agreed() {
    let record = after([
        change("a:2", "", partial([Some(1), Some(2), Some(3)])),
        change("b:2", "", partial([Some(1), None, Some(3)])),
    ]);
    assert_state(&record, Settled::Agreed, "b:2", "a:2 b:2", &["a:2", "b:2"]);
    assert_eq!(record.row, partial([Some(1), Some(2), Some(3)]));
}

#[test]
fn a_richer_equal_row_wins_without_a_conflict() {
    let state = after([at(9, change("b:2", "", partial([Some(1), None, Some(3)])))]);
    let richer = at(1, change("a:2", "", partial([Some(1), Some(2), Some(3)])));
    let (record, conflict) = published(resolve(Some(&state), &richer));
    assert_state(&record, Settled::Completed, "a:2", "a:2 b:2", &["a:2"]);
    assert_eq!((record.row, record.changed_at, conflict), (richer.row, Some(1), None));
}

#[test]
fn rows_that_complete_each_other_come_together() {
    let record = after([
        change("a:2", "", partial([Some(1), Some(2), None])),
        change("b:2", "", partial([Some(1), None, Some(3)])),
    ]);
    assert_state(&record, Settled::Completed, "b:2", "a:2 b:2", &["b:2"]);
    assert_eq!(record.row, partial([Some(1), Some(2), Some(3)]));
}

#[test]
fn a_winner_takes_what_it_lacks_from_the_loser() {
    let record = after([
        at(1, change("a:2", "", partial([Some(1), Some(2), Some(3)]))),
        at(9, change("b:2", "", partial([Some(7), None, Some(3)]))),
    ]);
    assert_state(&record, Settled::Conflict, "b:2", "a:2 b:2", &["b:2"]);
    assert_eq!(record.row, partial([Some(7), Some(2), Some(3)]));
}

#[test]
fn a_winner_that_stays_and_takes_columns_over_is_a_merge() {
    let older = at(1, change("a:2", "", partial([Some(1), Some(2), Some(3)])));
    let state = after([at(9, change("b:2", "", partial([Some(7), None, Some(3)])))]);
    let (record, conflict) = published(resolve(Some(&state), &older));
    assert_state(&record, Settled::Conflict, "b:2", "a:2 b:2", &["a:2 b:2"]);
    assert_eq!(record.row, partial([Some(7), Some(2), Some(3)]));
    // The ledger holds the sides as they were written.
    let conflict = conflict.unwrap();
    assert_eq!((conflict.winner.row, conflict.loser.row), (state.row, older.row));
}

#[test]
fn a_merge_joins_every_image_once() {
    let poor = partial([Some(7), None, Some(3)]);
    let state = after([at(9, change("b:2", "", poor.clone())), at(8, change("c:2", "", poor.clone()))]);
    let older = at(1, change("a:2", "", partial([Some(1), Some(2), Some(3)])));
    let (record, _) = published(resolve(Some(&state), &older));
    assert_state(&record, Settled::Conflict, "b:2", "a:2 b:2 c:2", &["a:2 b:2", "a:2 c:2"]);
    // Images that the join makes equal stand there once.
    let state = Resolved {
        content: vec![vector("b:2"), vector("a:1 b:2")],
        ..after([at(9, change("b:2", "", poor))])
    };
    let (record, _) = published(resolve(Some(&state), &older));
    assert_eq!(record.content, [vector("a:2 b:2")]);
}

#[test]
fn a_delete_lacks_no_columns() {
    let state = after([at(9, change("b:2", "", None))]);
    let (record, conflict) =
        published(resolve(Some(&state), &change("a:2", "", partial([Some(1), None, None]))));
    assert_state(&record, Settled::Conflict, "b:2", "a:2 b:2", &["b:2"]);
    assert_eq!((record.row, conflict.unwrap().loser.row), (None, partial([Some(1), None, None])));
}

/// `b` shows the second column in steps of ten, `c` lacks it.
fn rounding() -> TableRules {
    let tens = Narrowing { steps: Some(Steps::Nearest(10)), ..Narrowing::default() };
    let mut rules = table(Policy::LatestWins);
    let member = |name| MemberId::new(name).unwrap();
    rules.projections.set(&member("b"), vec![Projection::Exact, Projection::Narrowed(tens)]);
    rules.projections.set(&member("c"), vec![Projection::Exact, Projection::Absent]);
    rules
}

fn fine(one: i32, ticks: i64) -> Option<Row> {
    Some(Row::of([Value::Int(one), Value::Time(ticks)]))
}

fn settled(changes: impl IntoIterator<Item = Change>) -> (Resolved, Option<ConflictRecord>) {
    let (rules, key) = (rounding(), KeyBytes::new([1]));
    let mut last = None;
    for change in changes {
        let state = last.as_ref().map(|(record, _)| record);
        last = Some(published(Standard.resolve(Step { rules: &rules, key: &key, now: NOW }, state, &change)));
    }
    last.unwrap()
}

#[test]
fn an_edit_beside_a_rounded_value_keeps_the_value() {
    let (record, _) = settled([change("a:2", "", fine(1, 23)), change("b:2", "a:2", fine(9, 20))]);
    assert_state(&record, Settled::FastForward, "b:2", "a:2 b:2", &["b:2"]);
    assert_eq!(record.row, fine(9, 23));
}

#[test]
fn an_edit_of_a_rounded_value_is_an_edit() {
    let (record, _) = settled([change("a:2", "", fine(1, 23)), change("b:2", "a:2", fine(1, 30))]);
    assert_eq!(record.row, fine(1, 30));
}

#[test]
fn a_rounded_winner_keeps_what_it_only_repeats() {
    let (record, conflict) =
        settled([at(1, change("a:2", "", fine(1, 23))), at(9, change("b:2", "", fine(7, 20)))]);
    assert_state(&record, Settled::Conflict, "b:2", "a:2 b:2", &["b:2"]);
    assert_eq!(record.row, fine(7, 23));
    let conflict = conflict.unwrap();
    assert_eq!((conflict.winner.row, conflict.loser.row), (fine(7, 20), fine(1, 23)));
}

#[test]
fn a_rounded_copy_agrees() {
    let (record, conflict) = settled([change("a:2", "", fine(1, 23)), change("b:2", "", fine(1, 20))]);
    assert_state(&record, Settled::Agreed, "b:2", "a:2 b:2", &["a:2", "b:2"]);
    assert_eq!((record.row, conflict), (fine(1, 23), None));
}

#[test]
fn a_finer_row_that_was_there_before_completes_a_rounded_one() {
    let (record, conflict) = settled([first_scan("b", fine(1, 20)), first_scan("a", fine(1, 23))]);
    assert_state(&record, Settled::Completed, "a:1", "a:1 b:1", &["a:1"]);
    assert_eq!((record.row, conflict), (fine(1, 23), None));
    // A member that lacks the column has no say in it.
    let poor = Some(Row(vec![Some(Value::Int(1)), None]));
    let (record, _) =
        settled([first_scan("c", poor), first_scan("b", fine(1, 20)), first_scan("a", fine(1, 23))]);
    assert_eq!((record.settled, record.row), (Settled::Completed, fine(1, 23)));
}

#[test]
fn a_finer_value_is_a_conflict_with_whoever_has_the_rounded_one_in_truth() {
    let scans = [first_scan("b", fine(1, 20)), first_scan("d", fine(1, 20)), first_scan("a", fine(1, 23))];
    let (record, conflict) = settled(scans);
    assert_eq!(record.settled, Settled::Conflict);
    assert_eq!(conflict.unwrap().kind, ConflictKind::Initial);
    // A user's edit is no guess: there the rounded value is what he wants.
    let (record, _) = settled([change("b:2", "", fine(1, 20)), at(9, change("a:2", "", fine(1, 23)))]);
    assert_eq!(record.settled, Settled::Conflict);
}
