//! Members that lack columns: absent is neither NULL nor a difference.

use super::*;

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
