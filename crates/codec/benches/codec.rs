//! How long it takes to write and to read a key, a change, a resolved record and a conflict of ten mixed columns.
//!
//! `library` is the same record through the Avro library's serde writer and reader, for comparison.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed benchmark")]

mod library;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use library::Library;
use std::hint::black_box;
use std::sync::Arc;
use tributary_codec::{ConflictCodec, FRAME_LENGTH, TableCodec};
use tributary_model::{
    Change, ChangeKind, Column, ConflictId, ConflictKind, ConflictRecord, ConflictState, Dot, Incarnation,
    LogicalType, Policy, Reason, Resolved, Row, Settled, Side, TableName, TableSchema, Value, VersionVector,
};

fn table() -> TableSchema {
    let columns = [
        ("id", LogicalType::Long),
        ("name", LogicalType::String),
        ("email", LogicalType::String),
        ("active", LogicalType::Boolean),
        ("balance", LogicalType::Decimal { precision: 18, scale: 2 }),
        ("score", LogicalType::Double),
        ("born", LogicalType::Date),
        ("changed", LogicalType::Timestamp),
        ("token", LogicalType::Uuid),
        ("visits", LogicalType::Int),
    ];
    let columns = columns
        .iter()
        .map(|(name, logical)| Column {
            name: (*name).to_owned(),
            logical: *logical,
            nullable: true,
            max_length: None,
        })
        .collect();
    TableSchema {
        name: TableName::new("Customer"),
        columns,
        key: vec![0],
        foreign_keys: Vec::new(),
        unique: Vec::new(),
        generation: 1,
    }
}

fn row(version: i64) -> Row {
    Row::of([
        Value::Long(1_000_000 + version),
        Value::String("Katherine Coleman Johnson".into()),
        Value::String("katherine.johnson@example.org".into()),
        Value::Boolean(true),
        Value::Decimal("1234567.89".parse().unwrap()),
        Value::Double(0.75),
        Value::Date(-18_755),
        Value::Timestamp(17_950_000_000_000_000 + version),
        Value::Uuid(uuid::Uuid::from_u128(0x0192_f3c4_5a6b_7c8d_9e0f_1a2b_3c4d_5e6f)),
        Value::Int(42),
    ])
}

fn change() -> Change {
    let hq = Dot::new(Incarnation::parse("hq").unwrap(), 123_456);
    Change {
        seen: VersionVector::of(&Dot::new(Incarnation::parse("cloud").unwrap(), 77)),
        dot: hq,
        changed_at: Some(17_950_000_000_000_000),
        effective_at: Some(17_950_000_000_000_100),
        kind: ChangeKind::Live,
        row: Some(row(2)),
    }
}

fn resolved() -> Resolved {
    let change = change();
    Resolved {
        vv: change.seen.with(&change.dot),
        content: vec![VersionVector::of(&change.dot)],
        winner: change.dot,
        kind: change.kind,
        changed_at: change.changed_at,
        effective_at: change.effective_at,
        row: change.row,
        settled: Settled::FastForward,
        policy: None,
    }
}

fn conflict(table: &TableSchema) -> ConflictRecord {
    let key = table.key_of(&row(2)).unwrap();
    let side = |name: &str| Side {
        dot: Dot::new(Incarnation::parse(name).unwrap(), 9),
        vv: change().seen,
        kind: ChangeKind::Live,
        changed_at: Some(1),
        effective_at: Some(2),
        row: Some(row(2)),
    };
    let (winner, loser) = (side("hq"), side("cloud"));
    ConflictRecord {
        id: ConflictId::of(&table.name, &key, &winner.dot, &loser.dot),
        table: table.name.clone(),
        key,
        kind: ConflictKind::Concurrent,
        state: ConflictState::Settled,
        winner,
        loser,
        policy: Policy::LatestWins,
        reason: Reason::Policy,
        settled_at: 17_950_000_000_000_000,
    }
}

/// Everything that is measured, written once, so that each measurement can also run alone.
struct Samples {
    table: TableSchema,
    codec: Arc<TableCodec>,
    before: Row,
    change: Change,
    resolved: Resolved,
    conflict: ConflictRecord,
    framed_key: Vec<u8>,
    framed_change: Vec<u8>,
    framed_resolved: Vec<u8>,
    framed_conflict: Vec<u8>,
}

fn samples() -> Samples {
    let table = table();
    let codec = Arc::new(TableCodec::new(&table, "retail").unwrap());
    let (before, change, resolved, conflict) = (row(1), change(), resolved(), conflict(&table));
    let framed_key = codec.encode_key(7, &conflict.key);
    let (mut framed_change, mut framed_resolved, mut framed_conflict) = (Vec::new(), Vec::new(), Vec::new());
    codec.encode_change(7, &change, 17_950_000_000_000_200, &mut framed_change).unwrap();
    codec.encode_resolved(7, &resolved, Some(&before), 0, &mut framed_resolved).unwrap();
    ConflictCodec::encode_conflict(7, &conflict, &codec, &mut framed_conflict).unwrap();
    Samples {
        table,
        codec,
        before,
        change,
        resolved,
        conflict,
        framed_key,
        framed_change,
        framed_resolved,
        framed_conflict,
    }
}

fn encode(c: &mut Criterion) {
    let s = samples();
    let mut out = Vec::with_capacity(1024);
    let mut group = c.benchmark_group("encode");
    group.throughput(Throughput::Elements(1));
    group.bench_function("key", |b| b.iter(|| s.codec.encode_key(7, black_box(&s.conflict.key))));
    group.bench_function("change", |b| {
        b.iter(|| {
            out.clear();
            s.codec.encode_change(7, black_box(&s.change), 17_950_000_000_000_200, &mut out).unwrap();
        });
    });
    group.bench_function("resolved", |b| {
        b.iter(|| {
            out.clear();
            s.codec
                .encode_resolved(7, black_box(&s.resolved), Some(black_box(&s.before)), 0, &mut out)
                .unwrap();
        });
    });
    group.bench_function("conflict", |b| {
        b.iter(|| {
            out.clear();
            ConflictCodec::encode_conflict(7, black_box(&s.conflict), &s.codec, &mut out).unwrap();
        });
    });
    let schema = apache_avro::Schema::parse_str(s.codec.resolved_schema()).unwrap();
    let library = Library::new(&s.table, &schema);
    out.clear();
    library.encode(&s.resolved, Some(&s.before), &mut out);
    assert_eq!(out, s.framed_resolved[FRAME_LENGTH..]);
    group.bench_function("resolved, library", |b| {
        b.iter(|| {
            out.clear();
            library.encode(black_box(&s.resolved), Some(black_box(&s.before)), &mut out);
        });
    });
    group.finish();
}

fn decode(c: &mut Criterion) {
    let s = samples();
    let mut group = c.benchmark_group("decode");
    group.throughput(Throughput::Elements(1));
    group.bench_function("key", |b| b.iter(|| s.codec.decode_key(black_box(&s.framed_key)).unwrap()));
    group
        .bench_function("change", |b| b.iter(|| s.codec.decode_change(black_box(&s.framed_change)).unwrap()));
    group.bench_function("resolved", |b| {
        b.iter(|| s.codec.decode_resolved(black_box(&s.framed_resolved)).unwrap());
    });
    group.bench_function("conflict", |b| {
        let lookup = |_: &str| Some(Arc::clone(&s.codec));
        b.iter(|| ConflictCodec::decode_conflict(black_box(&s.framed_conflict), lookup).unwrap());
    });
    let schema = apache_avro::Schema::parse_str(s.codec.resolved_schema()).unwrap();
    let library = Library::new(&s.table, &schema);
    assert_eq!(library.decode(&s.framed_resolved[FRAME_LENGTH..]), s.resolved);
    group.bench_function("resolved, library", |b| {
        b.iter(|| library.decode(black_box(&s.framed_resolved[FRAME_LENGTH..])));
    });
    group.finish();
}

criterion_group!(benches, encode, decode);
criterion_main!(benches);
