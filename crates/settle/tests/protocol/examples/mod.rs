//! Worked examples of single steps, in the notation of the protocol: dots such as `a:2`, vectors such as `a:2 b:1`.

mod apply;
mod columns;
mod commands;
mod resolver;

use std::collections::BTreeSet;
use tributary_model::{
    Change, ChangeKind, ConflictRecord, Dot, Incarnation, KeyBytes, Policy, Projections, Resolved, Row,
    Settled, TableName, Ticks, Value, VersionVector,
};
use tributary_settle::{DeleteVsUpdate, Resolution, Rules, Standard, Step, TableRules};

pub const NOW: Ticks = 77;

pub fn dot(text: &str) -> Dot {
    let (incarnation, version) = text.split_once(':').unwrap();
    Dot::new(Incarnation::parse(incarnation).unwrap(), version.parse().unwrap())
}

pub fn vector(text: &str) -> VersionVector {
    VersionVector::parse(text).unwrap()
}

pub fn row(values: impl IntoIterator<Item = i32>) -> Option<Row> {
    Some(Row::of(values.into_iter().map(Value::Int)))
}

/// A live change at time 5.
pub fn change(name: &str, seen: &str, row: Option<Row>) -> Change {
    Change {
        dot: dot(name),
        seen: vector(seen),
        changed_at: Some(5),
        effective_at: Some(5),
        kind: ChangeKind::Live,
        row,
    }
}

pub fn at(time: Ticks, change: Change) -> Change {
    Change { changed_at: Some(time), effective_at: Some(time), ..change }
}

pub fn of_kind(kind: ChangeKind, change: Change) -> Change {
    Change { kind, ..change }
}

pub fn first_scan(member: &str, row: Option<Row>) -> Change {
    let change = change(&format!("{member}:1"), "", row);
    Change { kind: ChangeKind::FirstScan, changed_at: None, effective_at: None, ..change }
}

pub fn table(policy: Policy) -> TableRules {
    TableRules {
        table: TableName::new("Customer"),
        policy,
        delete_vs_update: DeleteVsUpdate::ByPolicy,
        priority: Vec::new(),
        publish_members: BTreeSet::new(),
        projections: Projections::default(),
    }
}

pub fn resolve_under(policy: Policy, state: Option<&Resolved>, change: &Change) -> Resolution {
    let (rules, key) = (table(policy), KeyBytes::new([1]));
    Standard.resolve(Step { rules: &rules, key: &key, now: NOW }, state, change)
}

pub fn resolve(state: Option<&Resolved>, change: &Change) -> Resolution {
    resolve_under(Policy::LatestWins, state, change)
}

/// What a step published; panics if it published nothing.
#[track_caller]
pub fn published(resolution: Resolution) -> (Resolved, Option<ConflictRecord>) {
    match resolution {
        Resolution::Publish { record, settled, conflict } => {
            assert_eq!(record.settled, settled);
            (*record, conflict.map(|conflict| *conflict))
        }
        other => panic!("published nothing: {other:?}"),
    }
}

/// The state after these changes.
#[track_caller]
pub fn after(changes: impl IntoIterator<Item = Change>) -> Resolved {
    let state = changes
        .into_iter()
        .fold(None, |state: Option<Resolved>, change| Some(published(resolve(state.as_ref(), &change)).0));
    state.unwrap()
}

#[track_caller]
pub fn assert_state(record: &Resolved, settled: Settled, winner: &str, vv: &str, content: &[&str]) {
    let content: Vec<_> = content.iter().map(|image| vector(image)).collect();
    assert_eq!(
        (record.settled, &record.winner, &record.vv, &record.content),
        (settled, &dot(winner), &vector(vv), &content)
    );
}
