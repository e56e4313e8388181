//! The resolver step: duplicates, fast-forwards, agreement, conflicts and their records.

use super::*;
use tributary_model::{ConflictId, ConflictKind, ConflictState, Reason};
use tributary_settle::{Drop, Invariant, Violation};

#[test]
fn the_first_change_of_a_cell_is_its_content() {
    let (record, conflict) = published(resolve(None, &change("a:2", "", row([1, 1]))));
    assert_state(&record, Settled::FastForward, "a:2", "a:2", &["a:2"]);
    assert_eq!((record.row, record.policy, conflict), (row([1, 1]), None, None));
}

#[test]
fn an_empty_cell_takes_whatever_was_seen() {
    let record = after([change("a:7", "b:9", None)]);
    assert_state(&record, Settled::FastForward, "a:7", "a:7 b:9", &["a:7"]);
}

#[test]
fn a_change_on_top_replaces_the_content() {
    let record = after([change("a:2", "", row([1, 1])), change("b:2", "a:2", None)]);
    assert_state(&record, Settled::FastForward, "b:2", "a:2 b:2", &["b:2"]);
    assert_eq!(record.row, None);
}

#[test]
fn a_members_next_change_is_on_top_of_its_own() {
    let record = after([change("a:2", "", row([1, 1])), change("a:5", "", row([2, 1]))]);
    assert_state(&record, Settled::FastForward, "a:5", "a:5", &["a:5"]);
}

#[test]
fn what_the_state_knows_is_dropped() {
    let state = after([change("a:2", "", row([1, 1])), change("a:5", "", row([2, 1]))]);
    for version in ["a:2", "a:4", "a:5"] {
        let again = resolve(Some(&state), &change(version, "", row([1, 1])));
        assert_eq!(again, Resolution::Dropped(Drop::Duplicate), "{version}");
    }
}

#[test]
fn equal_contents_agree() {
    let state = after([at(3, change("a:2", "", row([1, 1])))]);
    let (record, conflict) = published(resolve(Some(&state), &at(4, change("b:2", "", row([1, 1])))));
    assert_state(&record, Settled::Agreed, "b:2", "a:2 b:2", &["a:2", "b:2"]);
    assert_eq!((record.changed_at, record.effective_at, conflict), (Some(4), Some(4), None));
    // The winner is whichever the policy prefers, not whichever came last.
    let record = after([at(4, change("b:2", "", None)), at(3, change("a:2", "", None))]);
    assert_state(&record, Settled::Agreed, "b:2", "a:2 b:2", &["b:2", "a:2"]);
}

#[test]
fn a_change_on_top_of_any_equal_image_is_on_top() {
    let agreed = [change("a:2", "", row([1, 1])), change("b:2", "", row([1, 1]))];
    for next in [change("c:2", "a:2", row([2, 2])), change("c:2", "b:2", row([2, 2]))] {
        let record = after(agreed.clone().into_iter().chain([next]));
        assert_state(&record, Settled::FastForward, "c:2", "a:2 b:2 c:2", &["c:2"]);
    }
}

#[test]
fn a_conflict_is_recorded_with_both_sides_in_full() {
    let (one, two) = (at(3, change("a:2", "", row([1, 1]))), at(4, change("b:2", "", row([2, 2]))));
    let state = after([one.clone()]);
    let (record, conflict) = published(resolve(Some(&state), &two));
    assert_state(&record, Settled::Conflict, "b:2", "a:2 b:2", &["b:2"]);
    assert_eq!((record.row, record.policy), (row([2, 2]), Some(Policy::LatestWins)));

    let conflict = conflict.unwrap();
    let key = KeyBytes::new([1]);
    let id = ConflictId::of(&TableName::new("Customer"), &key, &dot("b:2"), &dot("a:2"));
    assert_eq!((conflict.id, conflict.table.as_str(), &conflict.key), (id, "Customer", &key));
    assert_eq!((conflict.kind, conflict.state), (ConflictKind::Concurrent, ConflictState::Settled));
    assert_eq!((conflict.policy, conflict.reason), (Policy::LatestWins, Reason::Policy));
    assert_eq!(conflict.settled_at, NOW);
    for (side, change, vv) in [(conflict.winner, two, "b:2"), (conflict.loser, one, "a:2")] {
        assert_eq!((side.dot, side.vv, side.kind), (change.dot, vector(vv), change.kind));
        assert_eq!((side.changed_at, side.effective_at), (change.changed_at, change.effective_at));
        assert_eq!(side.row, change.row);
    }
}

#[test]
fn an_old_winner_that_wins_again_is_published_with_the_new_vector() {
    let state = after([at(9, change("a:2", "", row([1, 1])))]);
    let (record, conflict) = published(resolve(Some(&state), &at(4, change("b:2", "", None))));
    assert_state(&record, Settled::Conflict, "a:2", "a:2 b:2", &["a:2"]);
    assert_eq!(record.row, row([1, 1]));
    assert_eq!(conflict.unwrap().loser.dot, dot("b:2"));
}

#[test]
fn the_same_conflict_has_the_same_id_whenever_it_is_computed() {
    let state = after([at(3, change("a:2", "", row([1, 1])))]);
    let again = || published(resolve(Some(&state), &at(4, change("b:2", "", row([2, 2]))))).1.unwrap().id;
    assert_eq!(again(), again());
}

/// A:2 wins over C:2; B has seen A:2 but not how that was settled, and edits on top of it. By comparing vectors
/// alone B's edit would be concurrent, and could lose against its own ancestor.
#[test]
fn a_change_cannot_lose_against_its_own_ancestor() {
    let state = after([at(9, change("a:2", "", row([1, 1]))), at(3, change("c:2", "", row([3, 3])))]);
    assert_state(&state, Settled::Conflict, "a:2", "a:2 c:2", &["a:2"]);
    let (record, conflict) = published(resolve(Some(&state), &at(5, change("b:2", "a:2", row([2, 2])))));
    assert_state(&record, Settled::FastForward, "b:2", "a:2 b:2 c:2", &["b:2"]);
    assert_eq!(conflict, None);
}

#[test]
fn different_rows_that_were_there_before_are_an_initial_conflict() {
    let state = after([first_scan("a", row([1, 1]))]);
    let conflict = published(resolve(Some(&state), &first_scan("b", row([2, 2])))).1.unwrap();
    assert_eq!((conflict.kind, conflict.reason), (ConflictKind::Initial, Reason::Incarnation));
    let conflict = published(resolve(Some(&state), &change("b:2", "", row([2, 2])))).1.unwrap();
    assert_eq!((conflict.kind, conflict.reason), (ConflictKind::Concurrent, Reason::Unsure));
}

#[test]
fn a_manual_conflict_stays_open_with_what_was_there() {
    let state = after([at(3, change("a:2", "", row([1, 1])))]);
    let late = at(4, change("b:2", "", row([2, 2])));
    let (record, conflict) = published(resolve_under(Policy::Manual, Some(&state), &late));
    assert_state(&record, Settled::Conflict, "a:2", "a:2 b:2", &["a:2"]);
    let conflict = conflict.unwrap();
    assert_eq!((conflict.state, conflict.reason), (ConflictState::Open, Reason::Policy));
    // What an earlier step settles does not wait for anybody.
    let state = after([first_scan("a", row([1, 1]))]);
    let (record, conflict) = published(resolve_under(Policy::Manual, Some(&state), &late));
    assert_eq!((record.winner, record.policy), (dot("b:2"), None));
    assert_eq!(conflict.unwrap().state, ConflictState::Settled);
}

#[test]
fn a_version_that_was_used_twice_is_noticed() {
    let state = after([at(3, change("a:2", "", row([1, 1])))]);
    let twice = resolve(Some(&state), &at(4, change("a:2", "", row([2, 2]))));
    assert_eq!(twice, Resolution::Violated(Violation::VersionUsedTwice { dot: dot("a:2") }));
    // Nobody knows when a row that was there before was written, so whoever scans it may guess.
    let state = after([first_scan("a", row([1, 1]))]);
    let again = resolve(Some(&state), &at(4, first_scan("a", row([1, 1]))));
    assert_eq!(again, Resolution::Dropped(Drop::Duplicate));
}

#[test]
fn a_change_that_has_seen_more_than_the_state_holds_is_a_violation() {
    let state = after([change("a:2", "", row([1, 1]))]);
    for (name, seen, ahead, held) in [("a:3", "b:4", "b", 0), ("b:2", "a:3", "a", 2)] {
        let behind = resolve(Some(&state), &change(name, seen, None));
        let incarnation = Incarnation::parse(ahead).unwrap();
        let seen = vector(seen).get(&incarnation);
        let violation = Violation::StateBehind { incarnation, seen, held };
        assert_eq!(behind, Resolution::Violated(violation), "{name}");
    }
    // What it says of its own incarnation is no proof of anything.
    published(resolve(Some(&state), &change("a:9", "a:8", None)));
    // An incarnation that follows another one is on top of what that one left, published or not.
    for seen in ["a:2", "a:5"] {
        let (record, conflict) = published(resolve(Some(&state), &change("a~2:9", seen, None)));
        assert_eq!((record.settled, conflict), (Settled::FastForward, None), "{seen}");
    }
}

#[test]
fn two_lives_of_a_cell_are_concurrent() {
    let (rules, key) = (table(Policy::LatestWins), KeyBytes::new([1]));
    let step = Step { rules: &rules, key: &key, now: NOW };
    let state = after([at(3, change("a:2", "", row([1, 1])))]);
    let late = at(4, change("b:2", "a:2 c:9", row([2, 2])));
    let (record, conflict) = published(Standard.resolve_expired(step, &state, &late));
    assert_state(&record, Settled::Conflict, "b:2", "a:2 b:2 c:9", &["b:2"]);
    assert_eq!(conflict.unwrap().kind, ConflictKind::Expired);
    let same = at(4, change("b:2", "c:9", row([1, 1])));
    let (record, conflict) = published(Standard.resolve_expired(step, &state, &same));
    assert_eq!((record.settled, conflict), (Settled::Agreed, None));
    let again = Standard.resolve_expired(step, &state, &at(3, change("a:2", "", row([1, 1]))));
    assert_eq!(again, Resolution::Dropped(Drop::Duplicate));
}

#[test]
fn invariants_have_their_numbers() {
    for (index, invariant) in Invariant::ALL.into_iter().enumerate() {
        assert_eq!(invariant.id(), format!("I{}", index + 1));
        assert!(invariant.to_string().starts_with(invariant.id()));
        assert!(!invariant.description().ends_with('.'));
    }
}
