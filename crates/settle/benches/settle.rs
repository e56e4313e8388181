//! How many resolver steps and apply decisions one core takes in a second, on rows of four mixed columns in memory.
//!
//! The states are what a group of two members makes: vectors of one or two entries, one image in the content.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed benchmark")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tributary_model::{
    Change, ChangeKind, Dot, Incarnation, KeyBytes, Policy, Resolved, Row, TableName, Value, VersionVector,
};
use tributary_settle::{DeleteVsUpdate, LocalState, Resolution, Rules, Standard, Step, TableRules};

/// Cells that a batch goes through, so that not everything stays in the first cache.
const CELLS: u64 = 1_000;

fn rules() -> TableRules {
    TableRules {
        table: TableName::new("Customer"),
        policy: Policy::LatestWins,
        delete_vs_update: DeleteVsUpdate::ByPolicy,
        priority: Vec::new(),
        publish_members: [].into(),
        projections: Default::default(),
    }
}

fn change(member: &Incarnation, version: u64, seen: VersionVector, text: &str) -> Change {
    let time = Some(i64::try_from(version).unwrap());
    let values = [
        Value::Long(7),
        Value::String(text.to_owned()),
        Value::Timestamp(17_000_000_000_000_000),
        Value::Double(9.5),
    ];
    Change {
        dot: Dot::new(member.clone(), version),
        seen,
        changed_at: time,
        effective_at: time,
        kind: ChangeKind::Live,
        row: Some(Row::of(values)),
    }
}

fn record(resolution: Resolution) -> Resolved {
    match resolution {
        Resolution::Publish { record, .. } => *record,
        other => panic!("published nothing: {other:?}"),
    }
}

fn benches(criterion: &mut Criterion) {
    let (rules, key) = (rules(), KeyBytes::new([14]));
    let step = Step { rules: &rules, key: &key, now: 0 };
    let a = Incarnation::parse("on-premises").unwrap();
    let b = Incarnation::parse("cloud").unwrap();
    let firsts: Vec<Change> =
        (0..CELLS).map(|n| change(&a, 2 + n, VersionVector::new(), "Ada Lovelace, London")).collect();
    let states: Vec<Resolved> = firsts.iter().map(|c| record(Standard.resolve(step, None, c))).collect();
    let following = |seen: bool, text: &str| -> Vec<Change> {
        let seen = |state: &Resolved| if seen { state.vv.clone() } else { VersionVector::new() };
        states.iter().zip(0..).map(|(state, n)| change(&b, 5_000 + n, seen(state), text)).collect()
    };

    let mut group = criterion.benchmark_group("resolve");
    group.throughput(Throughput::Elements(CELLS));
    group.bench_function("insert", |bencher| {
        bencher.iter(|| firsts.iter().for_each(|c| drop(black_box(Standard.resolve(step, None, c)))));
    });
    let steps = [
        ("fast_forward", following(true, "Ada King, Countess of Lovelace")),
        ("agreed", following(false, "Ada Lovelace, London")),
        ("conflict", following(false, "Ada Byron")),
        ("duplicate", firsts.clone()),
    ];
    for (name, changes) in &steps {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                for (state, change) in states.iter().zip(changes) {
                    drop(black_box(Standard.resolve(step, Some(state), change)));
                }
            });
        });
    }
    group.finish();

    let updates: Vec<Resolved> =
        states.iter().zip(&steps[0].1).map(|(s, c)| record(Standard.resolve(step, Some(s), c))).collect();
    let local = |dot: Option<Dot>, seen: VersionVector| LocalState { local: dot, seen };
    let copies: [(&str, Vec<LocalState>); 3] = [
        ("write", states.iter().map(|s| local(None, s.vv.clone())).collect()),
        (
            "same_content",
            updates.iter().map(|r| local(Some(r.winner.clone()), VersionVector::new())).collect(),
        ),
        ("already_there", updates.iter().map(|r| local(None, r.vv.clone())).collect()),
    ];
    let mut group = criterion.benchmark_group("decide");
    group.throughput(Throughput::Elements(CELLS));
    for (name, copies) in &copies {
        group.bench_function(*name, |bencher| {
            bencher.iter(|| {
                for (record, local) in updates.iter().zip(copies) {
                    black_box(Standard.decide(record, local));
                }
            });
        });
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
