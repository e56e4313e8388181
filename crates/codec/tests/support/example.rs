//! One fixed table with a column of every type, and fixed records of it. Its derived schemas stand in
//! `schemas/examples/`, its records' bytes in `tests/golden/`.

use super::{dot, table};
use std::sync::{Arc, LazyLock};
use tributary_codec::{ConflictCodec, ExceptionCodec, TableCodec};
use tributary_model::{
    Change, ChangeKind, ConflictId, ConflictKind, ConflictRecord, ConflictState, ExceptionKind,
    ExceptionRecord, LogicalType, MemberId, MetBy, Policy, Reason, Resolved, Row, Settled, Side, TableName,
    TableSchema, Value, VersionVector,
};
use uuid::Uuid;

/// Schema ids of the golden records: key, change, resolved, conflict.
pub(crate) const IDS: [u32; 4] = [1, 2, 3, 0x0102_0304];
/// 2026-11-23 13:45:00.1234567 UTC.
pub(crate) const AT: i64 = 17_954_415_001_234_567;

/// The table.
pub(crate) fn customer() -> TableSchema {
    let columns = [
        ("Id", LogicalType::Long),
        ("Name", LogicalType::String),
        ("Active", LogicalType::Boolean),
        ("Visits", LogicalType::Int),
        ("Balance", LogicalType::Decimal { precision: 18, scale: 2 }),
        ("Holdings", LogicalType::Decimal { precision: 50, scale: 10 }),
        ("Ratio", LogicalType::Numeric),
        ("Weight", LogicalType::Float),
        ("Score", LogicalType::Double),
        ("Photo", LogicalType::Bytes),
        ("Token", LogicalType::Uuid),
        ("Born", LogicalType::Date),
        ("Wakes at", LogicalType::Time),
        ("Changed", LogicalType::Timestamp),
        ("Signed", LogicalType::TimestampOffset),
        ("Größe", LogicalType::String),
    ];
    table("Customer", &columns, &[10, 0])
}

pub(crate) fn codec() -> Arc<TableCodec> {
    static CODEC: LazyLock<Arc<TableCodec>> =
        LazyLock::new(|| Arc::new(TableCodec::new(&customer(), super::GROUP).unwrap()));
    Arc::clone(&CODEC)
}

fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse().unwrap())
}

/// A row in which every column but the last is set.
pub(crate) fn full_row() -> Row {
    let mut row = Row::of([
        Value::Long(-7_000_000_000),
        Value::String("Zoë 😀".into()),
        Value::Boolean(true),
        Value::Int(-1),
        decimal("-1234.50"),
        decimal("1234567890123456789012345678901234567890.0123456789"),
        decimal("0.10"),
        Value::Float(1.5),
        Value::Double(f64::NEG_INFINITY),
        Value::Bytes(vec![0, 255, 16]),
        Value::Uuid(Uuid::from_u128(0x0192_f3c4_5a6b_7c8d_9e0f_1a2b_3c4d_5e6f)),
        Value::Date(-18_755),
        Value::Time(863_999_999_999),
        Value::Timestamp(-621_355_968_000_000_000),
        Value::TimestampOffset { ticks: AT, offset_minutes: -210 },
    ]);
    row.0.push(None);
    row
}

/// The same row, everything outside of the key NULL.
pub(crate) fn bare_row() -> Row {
    let full = full_row();
    Row((0..full.len())
        .map(|i| if i == 0 || i == 10 { full.0[i].clone() } else { Some(Value::Null) })
        .collect())
}

pub(crate) fn change() -> Change {
    Change {
        dot: dot("hq~2", 300),
        seen: [dot("cloud", 7), dot("hq", 12)].into_iter().map(|d| (d.incarnation, d.version)).collect(),
        changed_at: Some(AT),
        effective_at: Some(AT - 5_000_000),
        kind: ChangeKind::Live,
        row: Some(full_row()),
    }
}

pub(crate) fn delete() -> Change {
    let seen = VersionVector::new();
    Change {
        dot: dot("till-7", 1),
        seen,
        changed_at: None,
        effective_at: None,
        kind: ChangeKind::Restated,
        row: None,
    }
}

/// A record that a conflict made, with the row that was there before.
pub(crate) fn updated() -> (Resolved, Option<Row>) {
    let change = change();
    let record = Resolved {
        vv: change.seen.with(&change.dot),
        content: vec![VersionVector::of(&change.dot), VersionVector::of(&change.dot).with(&dot("cloud", 7))],
        winner: change.dot,
        kind: change.kind,
        changed_at: change.changed_at,
        effective_at: change.effective_at,
        row: change.row,
        settled: Settled::Conflict,
        policy: Some(Policy::LatestWins),
    };
    (record, Some(bare_row()))
}

/// The first record of a row.
pub(crate) fn created() -> (Resolved, Option<Row>) {
    let first = dot("cloud", 1);
    let record = Resolved {
        vv: VersionVector::of(&first),
        content: vec![VersionVector::of(&first)],
        winner: first,
        kind: ChangeKind::FirstScan,
        changed_at: None,
        effective_at: None,
        row: Some(bare_row()),
        settled: Settled::FastForward,
        policy: None,
    };
    (record, None)
}

/// A tombstone.
pub(crate) fn deleted() -> (Resolved, Option<Row>) {
    let (created, _) = created();
    let last = dot("operator", 1_795_441_500_123);
    let record = Resolved {
        vv: created.vv.with(&last),
        content: vec![VersionVector::of(&last)],
        winner: last,
        kind: ChangeKind::Operator,
        changed_at: Some(AT),
        effective_at: Some(AT),
        row: None,
        settled: Settled::Agreed,
        policy: None,
    };
    (record, created.row)
}

pub(crate) fn exception() -> ExceptionRecord {
    let exception = ExceptionRecord {
        met_by: MetBy::Apply(MemberId::new("cloud").unwrap()),
        table: TableName::new("Customer"),
        topic: "tributary.retail.resolved.Customer".to_owned(),
        partition: 3,
        offset: 1_000_000,
        kind: ExceptionKind::Foreign,
        code: "COD-001".to_owned(),
        message: "a record of 2 bytes is not framed".to_owned(),
        met_at: AT,
        key: Vec::new(),
        value: None,
        size: 0,
        headers: Vec::new(),
    };
    exception.holding(b"7", Some(b"{}"), [("by", &b"hand"[..])].into_iter())
}

pub(crate) fn conflict() -> ConflictRecord {
    let table = customer();
    let key = table.key_of(&full_row()).unwrap();
    let change = change();
    let winner = Side {
        vv: change.seen.with(&change.dot),
        dot: change.dot,
        kind: change.kind,
        changed_at: change.changed_at,
        effective_at: change.effective_at,
        row: change.row,
    };
    let loser = Side {
        dot: dot("cloud", 8),
        vv: VersionVector::of(&dot("cloud", 8)),
        kind: ChangeKind::Live,
        changed_at: None,
        effective_at: None,
        row: None,
    };
    ConflictRecord {
        id: ConflictId::of(&table.name, &key, &winner.dot, &loser.dot),
        table: table.name,
        key,
        kind: ConflictKind::Concurrent,
        state: ConflictState::Open,
        winner,
        loser,
        policy: Policy::Manual,
        reason: Reason::Policy,
        settled_at: AT,
    }
}

/// Every golden record, framed, by name.
pub(crate) fn records() -> Vec<(&'static str, Vec<u8>)> {
    let codec = codec();
    let change = |change| {
        let mut out = Vec::new();
        codec.encode_change(IDS[1], &change, AT + 20_000, &mut out).unwrap();
        out
    };
    let resolved = |(record, before): (Resolved, Option<Row>)| {
        let mut out = Vec::new();
        codec.encode_resolved(IDS[2], &record, before.as_ref(), AT + 30_000, &mut out).unwrap();
        out
    };
    let mut ledger = Vec::new();
    ConflictCodec::encode_conflict(IDS[3], &conflict(), &codec, &mut ledger).unwrap();
    vec![
        ("key", codec.encode_key(IDS[0], &conflict().key)),
        ("change-update", change(self::change())),
        ("change-delete", change(delete())),
        ("resolved-create", resolved(created())),
        ("resolved-update", resolved(updated())),
        ("resolved-delete", resolved(deleted())),
        ("conflict-key", ConflictCodec::encode_key(IDS[3], &conflict().id)),
        ("conflict", ledger),
        ("exception-key", ExceptionCodec::encode_key(IDS[3], &exception().id())),
        ("exception", ExceptionCodec::encode(IDS[3], &exception())),
    ]
}
