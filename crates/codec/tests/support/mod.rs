//! Tables, values and records for the codec's tests: arbitrary ones and a fixed example of every type.
#![allow(dead_code, clippy::unwrap_used, reason = "shared by several test binaries, each using a part")]

pub(crate) mod avro;
pub(crate) mod example;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use tributary_model::time::TICKS_A_DAY;
use tributary_model::{
    Change, ChangeKind, Column, ConflictId, ConflictKind, ConflictRecord, ConflictState, Dot, ExceptionKind,
    ExceptionRecord, Incarnation, LogicalType, MemberId, MetBy, Policy, Reason, Resolved, Row, Settled, Side,
    TableName, TableSchema, Value, VersionVector,
};
use uuid::Uuid;

/// The group of every test.
pub(crate) const GROUP: &str = "retail";

/// At least `cases` cases (`PROPTEST_CASES` asks for more); failing ones are kept in `<test>.regressions`.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: cases.max(default.cases),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..default
    }
}

/// A table of these columns.
pub(crate) fn table(name: &str, columns: &[(&str, LogicalType)], key: &[usize]) -> TableSchema {
    let columns = columns
        .iter()
        .enumerate()
        .map(|(index, (name, logical))| Column {
            name: (*name).to_owned(),
            logical: *logical,
            nullable: !key.contains(&index),
            max_length: None,
        })
        .collect();
    TableSchema {
        name: TableName::new(name),
        columns,
        key: key.to_vec(),
        foreign_keys: Vec::new(),
        unique: Vec::new(),
        generation: 1,
    }
}

pub(crate) fn incarnation(text: &str) -> Incarnation {
    Incarnation::parse(text).unwrap()
}

pub(crate) fn dot(text: &str, version: u64) -> Dot {
    Dot::new(incarnation(text), version)
}

/// Any type, decimals of up to 60 digits.
pub(crate) fn logical_type() -> impl Strategy<Value = LogicalType> {
    prop_oneof![
        Just(LogicalType::Boolean),
        Just(LogicalType::Int),
        Just(LogicalType::Long),
        (1..60_u32)
            .prop_flat_map(|precision| (Just(precision), 0..=precision))
            .prop_map(|(precision, scale)| LogicalType::Decimal { precision, scale }),
        Just(LogicalType::Numeric),
        Just(LogicalType::Float),
        Just(LogicalType::Double),
        Just(LogicalType::String),
        Just(LogicalType::Bytes),
        Just(LogicalType::Uuid),
        Just(LogicalType::Date),
        Just(LogicalType::Time),
        Just(LogicalType::Timestamp),
        Just(LogicalType::TimestampOffset),
    ]
}

/// Any type that a key may have.
pub(crate) fn key_type() -> impl Strategy<Value = LogicalType> {
    logical_type()
        .prop_filter("no floats", |logical| !matches!(logical, LogicalType::Float | LogicalType::Double))
}

fn longs() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), -200..200_i64, Just(i64::MIN), Just(i64::MAX)]
}

fn ints() -> impl Strategy<Value = i32> {
    prop_oneof![any::<i32>(), -200..200_i32, Just(i32::MIN), Just(i32::MAX)]
}

/// A whole number of at most `digits` digits.
fn unscaled(digits: u32) -> impl Strategy<Value = BigInt> {
    (0..=digits, any::<[u64; 4]>(), any::<bool>()).prop_map(|(digits, words, negative)| {
        let wide = words.iter().fold(BigInt::from(0), |number, word| number * BigInt::from(u64::MAX) + word);
        let number = wide % BigInt::from(10).pow(digits);
        if negative { -number } else { number }
    })
}

/// A value of this type, not NULL.
pub(crate) fn value(logical: LogicalType) -> BoxedStrategy<Value> {
    match logical {
        LogicalType::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        LogicalType::Int => ints().prop_map(Value::Int).boxed(),
        LogicalType::Long => longs().prop_map(Value::Long).boxed(),
        LogicalType::Decimal { precision, scale } => (unscaled(precision), 0..3_i64)
            .prop_map(move |(number, zeros)| {
                // The same number, written with more digits behind the point than it needs.
                let padded = BigDecimal::new(number, i64::from(scale));
                Value::Decimal(padded.with_scale(i64::from(scale) + zeros))
            })
            .boxed(),
        LogicalType::Numeric => (unscaled(60), -9..50_i64)
            .prop_map(|(n, scale)| Value::Decimal(BigDecimal::new(n, scale)))
            .boxed(),
        LogicalType::Float => any::<u32>().prop_map(|bits| Value::Float(f32::from_bits(bits))).boxed(),
        LogicalType::Double => any::<u64>().prop_map(|bits| Value::Double(f64::from_bits(bits))).boxed(),
        LogicalType::String => "\\PC{0,20}|[a-z]{0,200}".prop_map(Value::String).boxed(),
        LogicalType::Bytes => prop::collection::vec(any::<u8>(), 0..200).prop_map(Value::Bytes).boxed(),
        LogicalType::Uuid => any::<u128>().prop_map(|bits| Value::Uuid(Uuid::from_u128(bits))).boxed(),
        LogicalType::Date => ints().prop_map(Value::Date).boxed(),
        LogicalType::Time => (0..TICKS_A_DAY).prop_map(Value::Time).boxed(),
        LogicalType::Timestamp => longs().prop_map(Value::Timestamp).boxed(),
        LogicalType::TimestampOffset => (longs(), -840..=840_i16)
            .prop_map(|(ticks, offset_minutes)| Value::TimestampOffset { ticks, offset_minutes })
            .boxed(),
    }
}

/// A table of one to eight columns whose key is its first ones.
pub(crate) fn tables() -> impl Strategy<Value = TableSchema> {
    let key = prop::collection::vec(key_type(), 1..4);
    let others = prop::collection::vec(logical_type(), 0..6);
    (key, others, "[A-Za-z_ ü😀]{1,6}").prop_map(|(key, others, name)| {
        let names: Vec<String> =
            (0..key.len() + others.len()).map(|index| format!("{name}{index}")).collect();
        let columns: Vec<_> =
            names.iter().map(String::as_str).zip(key.iter().chain(&others).copied()).collect();
        table(&name, &columns, &(0..key.len()).rev().collect::<Vec<_>>())
    })
}

/// A row of `table`, columns outside of the key absent or NULL now and then.
pub(crate) fn rows(table: &TableSchema) -> impl Strategy<Value = Row> + use<> {
    let columns: Vec<_> = table
        .columns
        .iter()
        .enumerate()
        .map(|(index, column)| {
            if table.key.contains(&index) {
                value(column.logical).prop_map(Some).boxed()
            } else {
                prop_oneof![
                    6 => value(column.logical).prop_map(Some),
                    1 => Just(None),
                    1 => Just(Some(Value::Null)),
                ]
                .boxed()
            }
        })
        .collect();
    columns.prop_map(Row)
}

fn incarnations() -> impl Strategy<Value = Incarnation> {
    (prop::sample::select(vec!["a", "hq", "cloud", "till-7"]), 1..4_u32)
        .prop_map(|(member, generation)| Incarnation::numbered(&MemberId::new(member).unwrap(), generation))
}

fn versions() -> impl Strategy<Value = u64> {
    prop_oneof![1..200_u64, 1..=i64::MAX as u64]
}

fn dots() -> impl Strategy<Value = Dot> {
    (incarnations(), versions()).prop_map(|(incarnation, version)| Dot::new(incarnation, version))
}

fn vectors(least: usize) -> impl Strategy<Value = VersionVector> {
    prop::collection::vec((incarnations(), versions()), least..4)
        .prop_map(|entries| entries.into_iter().collect())
}

fn kinds() -> impl Strategy<Value = ChangeKind> {
    prop::sample::select(&ChangeKind::ALL[..])
}

/// Any change of a row of `table`.
pub(crate) fn changes(table: &TableSchema) -> impl Strategy<Value = Change> + use<> {
    let row = prop::option::weighted(0.8, rows(table));
    let times = (prop::option::of(longs()), prop::option::of(longs()));
    (dots(), vectors(0), times, kinds(), row).prop_map(
        |(dot, seen, (changed_at, effective_at), kind, row)| Change {
            dot,
            seen,
            changed_at,
            effective_at,
            kind,
            row,
        },
    )
}

/// Any resolved record of a row of `table`.
pub(crate) fn resolved(table: &TableSchema) -> impl Strategy<Value = Resolved> + use<> {
    let vectors = (vectors(0), prop::collection::vec(vectors(1), 1..4));
    let settled =
        (prop::sample::select(&Settled::ALL[..]), prop::option::of(prop::sample::select(&Policy::ALL[..])));
    (changes(table), vectors, settled).prop_map(|(change, (vv, content), (settled, policy))| Resolved {
        vv,
        content,
        winner: change.dot,
        kind: change.kind,
        changed_at: change.changed_at,
        effective_at: change.effective_at,
        row: change.row,
        settled,
        policy,
    })
}

fn sides(table: &TableSchema) -> impl Strategy<Value = Side> + use<> {
    (changes(table), vectors(1)).prop_map(|(change, vv)| Side {
        dot: change.dot,
        vv,
        kind: change.kind,
        changed_at: change.changed_at,
        effective_at: change.effective_at,
        row: change.row,
    })
}

/// Any exception.
pub(crate) fn exceptions() -> impl Strategy<Value = ExceptionRecord> {
    let met_by = prop_oneof![
        Just(MetBy::Resolver),
        prop::sample::select(vec!["hq", "cloud-7"]).prop_map(|id| MetBy::Apply(MemberId::new(id).unwrap())),
    ];
    let kind = prop::sample::select(vec![ExceptionKind::Foreign, ExceptionKind::Unreadable]);
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let headers = prop::collection::vec((".{0,8}", bytes()), 0..4);
    let place = (".{0,20}", 0..=i32::MAX as u32, 0..=i64::MAX as u64);
    (met_by, kind, place, longs(), (".{0,8}", ".{0,40}"), (bytes(), prop::option::of(bytes()), headers))
        .prop_map(
            |(met_by, kind, (topic, partition, offset), met_at, (code, message), (key, value, headers))| {
                let size = 1_000_000;
                let table = TableName::new("Customer");
                ExceptionRecord {
                    met_by,
                    table,
                    topic,
                    partition,
                    offset,
                    kind,
                    code,
                    message,
                    met_at,
                    key,
                    value,
                    size,
                    headers,
                }
            },
        )
}

/// Any conflict of a row of `table`.
pub(crate) fn conflicts(table: &TableSchema) -> impl Strategy<Value = ConflictRecord> + use<> {
    let table = table.clone();
    let words = (
        prop::sample::select(&ConflictKind::ALL[..]),
        prop::sample::select(&ConflictState::ALL[..]),
        prop::sample::select(&Policy::ALL[..]),
        prop::sample::select(&Reason::ALL[..]),
    );
    (rows(&table), sides(&table), sides(&table), words, longs()).prop_map(
        move |(row, winner, loser, (kind, state, policy, reason), settled_at)| {
            let key = table.key_of(&row).unwrap();
            let id = ConflictId::of(&table.name, &key, &winner.dot, &loser.dot);
            let table = table.name.clone();
            ConflictRecord { id, table, key, kind, state, winner, loser, policy, reason, settled_at }
        },
    )
}
