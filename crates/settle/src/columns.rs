//! Two versions of a row whose members do not have the same columns, or not with the same precision.
//!
//! Decides what each of them says of a row, so that a member who lacks a column or shows it rounded neither wipes nor
//! rounds what others have, and is in conflict with nobody over it. Who wins is not asked here. What a member keeps of
//! a column is in the table's rules; a key column is kept by all.

use crate::{Rules, TableRules};
use tributary_model::{Change, ChangeKind, Incarnation, Projection, Resolved, Row, Value};

/// Both sides, each with what it lacks and the other one has.
pub(crate) struct Both {
    /// c*.
    pub(crate) change: Option<Row>,
    /// R*.
    pub(crate) state: Option<Row>,
}

/// What a column of the change comes to.
enum Share {
    /// Both say the same, or the change no more than the settled row, whose value it is.
    Held,
    /// Only the change has it, or has it more precisely.
    Change,
    /// Each has a value of its own.
    Each,
}

fn share<R: Rules + ?Sized>(
    rules: &R,
    table: &TableRules,
    state: Option<&Resolved>,
    held: &Row,
    change: &Change,
    column: usize,
) -> Share {
    let ours = change.row.as_ref().and_then(|row| row.get(column));
    match (ours, held.get(column)) {
        (None, _) => Share::Held,
        (Some(_), None) => Share::Change,
        (Some(ours), Some(theirs)) if ours == theirs => Share::Held,
        (Some(_), Some(_)) if rules.repeats(table, held, change, column) => Share::Held,
        (Some(_), Some(_)) if state.is_some_and(|state| rules.refines(table, state, change, column)) => {
            Share::Change
        }
        (Some(_), Some(_)) => Share::Each,
    }
}

/// c* of a change that was made on top of the settled row.
pub(crate) fn completed<R: Rules + ?Sized>(
    rules: &R,
    table: &TableRules,
    held: Option<&Row>,
    change: &Change,
) -> Option<Row> {
    let row = change.row.as_ref()?;
    let Some(held) = held.filter(|_| lacks_something(table, change, row)) else {
        return Some(row.clone());
    };
    let column = |column| match share(rules, table, None, held, change, column) {
        Share::Held => held.get(column).cloned(),
        Share::Change | Share::Each => row.get(column).cloned(),
    };
    Some(Row((0..row.len()).map(column).collect()))
}

/// Whether c* leaves the settled row as it is: a column without a value is what the others show as NULL.
pub(crate) fn leaves(row: Option<&Row>, held: Option<&Row>) -> bool {
    let same = |row: &Row, held: &Row| {
        (0..row.len()).all(|column| match (row.get(column), held.get(column)) {
            (Some(Value::Null), None) => true,
            (ours, theirs) => ours == theirs,
        })
    };
    match (row, held) {
        (Some(row), Some(held)) => same(row, held),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// c* and R* of a change and a settled row of which neither was made on top of the other.
pub(crate) fn both<R: Rules + ?Sized>(
    rules: &R,
    table: &TableRules,
    state: &Resolved,
    change: &Change,
) -> Both {
    let (Some(row), Some(held)) = (&change.row, &state.row) else {
        return Both { change: change.row.clone(), state: state.row.clone() };
    };
    let mut ours = Vec::with_capacity(row.len());
    let mut theirs = Vec::with_capacity(row.len());
    for column in 0..row.len() {
        let (of_change, of_state) = (row.get(column).cloned(), held.get(column).cloned());
        match share(rules, table, Some(state), held, change, column) {
            Share::Held => {
                ours.push(of_state.clone());
                theirs.push(of_state);
            }
            Share::Change => {
                ours.push(of_change.clone());
                theirs.push(of_change);
            }
            Share::Each => {
                ours.push(of_change);
                theirs.push(of_state);
            }
        }
    }
    Both { change: Some(Row(ours)), state: Some(Row(theirs)) }
}

/// Whether the change's member may have less than the group: most have all, and their rows are taken as they are.
fn lacks_something(table: &TableRules, change: &Change, row: &Row) -> bool {
    row.is_partial() || table.projections.narrows(&change.dot.incarnation)
}

pub(crate) fn repeats(table: &TableRules, held: &Row, change: &Change, column: usize) -> bool {
    let Projection::Narrowed(narrowing) = table.projections.of(&change.dot.incarnation, column) else {
        return false;
    };
    let ours = change.row.as_ref().and_then(|row| row.get(column));
    ours.zip(held.get(column)).is_some_and(|(ours, theirs)| *narrowing.of(theirs) == *ours)
}

pub(crate) fn refines(table: &TableRules, state: &Resolved, change: &Change, column: usize) -> bool {
    if state.kind != ChangeKind::FirstScan
        || change.kind != ChangeKind::FirstScan
        || table.projections.is_exact()
    {
        return false;
    }
    let ours = change.row.as_ref().and_then(|row| row.get(column));
    let theirs = state.row.as_ref().and_then(|row| row.get(column));
    let Some((ours, theirs)) = ours.zip(theirs) else { return false };
    // Of all that the record takes into account, not of its winner's member alone: one that has the column exactly may
    // have agreed to the very value.
    state.vv.iter().all(|(incarnation, _)| looks_the_same(table, incarnation, column, ours, theirs))
}

fn looks_the_same(
    table: &TableRules,
    incarnation: &Incarnation,
    column: usize,
    one: &Value,
    other: &Value,
) -> bool {
    let projection = table.projections.of(incarnation, column);
    projection.of(one) == projection.of(other)
}
