//! The apply decision, rule by rule.

use super::*;
use tributary_settle::{Decision, LocalState};

fn local(dot_text: &str, seen: &str) -> LocalState {
    LocalState { local: (!dot_text.is_empty()).then(|| dot(dot_text)), seen: vector(seen) }
}

#[track_caller]
fn decides(record: &Resolved, local: &LocalState, decision: Decision) {
    assert_eq!(Standard.decide(record, local), decision, "{local:?} on {record:?}");
}

#[test]
fn each_rule_decides() {
    let record = after([
        at(9, change("a:2", "", row([1, 1]))),
        at(3, change("b:5", "", row([2, 2]))),
        at(3, change("c:2", "", row([1, 1]))),
    ]);
    assert_state(&record, Settled::Agreed, "a:2", "a:2 b:5 c:2", &["a:2", "c:2"]);
    // 1: the copy reflects it, also when the user went on since.
    decides(&record, &local("", "a:2 b:5 c:2"), Decision::AlreadyThere);
    decides(&record, &local("b:6", "a:3 b:5 c:2"), Decision::AlreadyThere);
    // 2: the user changed the cell after what the record knows of.
    decides(&record, &local("b:6", ""), Decision::LocalIsNewer);
    decides(&record, &local("d:1", ""), Decision::LocalIsNewer);
    decides(&record, &local("a~2:1", "a:2"), Decision::LocalIsNewer);
    // 3: its own change, or one that was written before, is what the record says.
    decides(&record, &local("a:2", ""), Decision::SameContent);
    decides(&record, &local("c:2", ""), Decision::SameContent);
    decides(&record, &local("", "a:2"), Decision::SameContent);
    // 4: it lost, or has nothing yet.
    decides(&record, &local("b:5", ""), Decision::Write);
    decides(&record, &local("", ""), Decision::Write);
    decides(&record, &local("", "b:5"), Decision::Write);
}

#[test]
fn a_merge_is_written_at_both_sides() {
    let poor = Some(Row(vec![Some(Value::Int(7)), None]));
    let record = after([at(9, change("b:2", "", poor)), at(1, change("a:2", "", row([1, 2])))]);
    assert_state(&record, Settled::Conflict, "b:2", "a:2 b:2", &["a:2 b:2"]);
    decides(&record, &local("b:2", ""), Decision::Write);
    decides(&record, &local("a:2", ""), Decision::Write);
}

#[test]
fn an_own_version_that_is_not_the_winner_is_not_taken_for_it() {
    // The member's edit a:3 lost; a:2 of before would be in the record's past.
    let record = after([at(3, change("a:3", "", row([1, 1]))), at(9, change("b:2", "", row([2, 2])))]);
    decides(&record, &local("a:3", ""), Decision::Write);
    decides(&record, &local("a:2", ""), Decision::Write);
}

#[test]
fn a_written_copy_has_seen_the_record_and_a_parked_one_has_not() {
    let record = after([change("a:2", "", row([1, 1])), change("b:2", "a:2", None)]);
    let before = local("a:2", "a:1 c:7");
    assert_eq!(Standard.seen_after_write(&record, &before), vector("a:2 b:2 c:7"));
    assert_eq!(Standard.after_parking(&record, &before), before);
}
