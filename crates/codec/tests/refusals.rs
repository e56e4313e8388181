//! Every failure of the codec, provoked: its code, what it says, and that a failed write leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::sync::Arc;
use support::{GROUP, dot, example, table};
use tributary_codec::{ConflictCodec, Disposition, Error, FRAME_LENGTH, TableCodec};
use tributary_model::{
    ConflictRecord, KeyBytes, LogicalType, Resolved, Row, TableName, TableSchema, Value, VersionVector,
};

fn resolved(row: Row) -> Resolved {
    Resolved { row: Some(row), ..example::created().0 }
}

/// Writes a row as a resolved record, expecting an error that leaves `out` alone.
fn refused(codec: &TableCodec, record: &Resolved) -> Error {
    let mut out = vec![1, 2, 3];
    let error = codec.encode_resolved(1, record, None, 0, &mut out).unwrap_err();
    assert_eq!(out, [1, 2, 3]);
    error
}

/// Changes the payload of a golden record and reads it.
fn read_changed(change: impl Fn(&mut Vec<u8>)) -> Error {
    let mut framed = Vec::new();
    example::codec().encode_change(2, &example::change(), 0, &mut framed).unwrap();
    change(&mut framed);
    example::codec().decode_change(&framed).unwrap_err()
}

fn find(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).position(|window| window == part).unwrap()
}

#[test]
fn a_codec_may_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&example::codec());
}

#[test]
fn what_is_not_framed_is_refused() {
    let codec = example::codec();
    for bad in [&[][..], &[0, 1, 2], b"{\"after\":null}"] {
        for error in [
            codec.decode_key(bad).unwrap_err(),
            codec.decode_change(bad).unwrap_err(),
            codec.decode_resolved(bad).unwrap_err(),
            ConflictCodec::decode_conflict(bad, |_| None).unwrap_err(),
            ConflictCodec::decode_key(bad).unwrap_err(),
        ] {
            assert_eq!((error.code(), error.disposition()), ("COD-001", Disposition::Stop));
        }
    }
}

#[test]
fn a_damaged_record_is_refused_with_its_place() {
    let error = read_changed(|framed| {
        let name = find(framed, "Zoë".as_bytes());
        framed[name] = 0xff;
    });
    assert_eq!(error.code(), "COD-002");
    assert_eq!(
        error.to_string(),
        "a change of table Customer cannot be read: a text is not UTF-8 at byte 19 in `Name`; it was written with \
         another schema, or damaged"
    );
    // The kind is a word that a later version may know.
    let error = read_changed(|framed| {
        let word = find(framed, b"live");
        framed[word..word + 4].copy_from_slice(b"dead");
    });
    assert!(error.to_string().contains("is not one of those that this version knows"), "{error}");
    assert!(error.to_string().contains("`dss.kind`"), "{error}");
    let error = read_changed(|framed| {
        let word = find(framed, b"cloud");
        framed[word..word + 5].copy_from_slice(b"hq~77");
    });
    assert!(error.to_string().contains("out of order"), "{error}");
    let error = read_changed(|framed| {
        let unset = find(framed, b"Gr_x00F6__x00DF_e");
        framed[unset..unset + 17].copy_from_slice(b"Gr_x00F6__x00DF_f");
    });
    assert!(error.to_string().contains("an absent column is not one of the table"), "{error}");
}

#[test]
fn the_operation_must_agree_with_the_row() {
    let error = read_changed(|framed| {
        let connector = find(framed, b"tributary");
        let op = connector + find(&framed[connector..], b"\x02u");
        framed[op + 1] = b'd';
    });
    assert!(error.to_string().contains("the operation does not agree with the row"), "{error}");
}

#[test]
fn records_of_other_programs_and_versions_are_refused() {
    let error = read_changed(|framed| {
        let version = find(framed, b"\x021\x12tributary");
        framed[version + 1] = b'2';
    });
    assert!(error.to_string().contains("the format's version is not 1"), "{error}");
    let error = read_changed(|framed| {
        let connector = find(framed, b"tributary");
        framed[connector] = b'T';
    });
    assert!(error.to_string().contains("the record is not one of ours"), "{error}");
}

#[test]
fn a_record_of_the_same_table_in_another_group_is_taken() {
    let there = TableCodec::new(&example::customer(), "wholesale").unwrap();
    let mut framed = Vec::new();
    there.encode_change(2, &example::change(), 0, &mut framed).unwrap();
    assert_eq!(example::codec().decode_change(&framed).unwrap(), example::change());
}

#[test]
fn bytes_left_over_are_refused() {
    let error = read_changed(|framed| framed.extend_from_slice(&[0, 0]));
    assert_eq!((error.code(), error.disposition()), ("COD-003", Disposition::Stop));
    assert!(error.to_string().contains("2 more bytes follow"), "{error}");
    let mut key = ConflictCodec::encode_key(1, &example::conflict().id);
    key.push(0);
    assert_eq!(ConflictCodec::decode_key(&key).unwrap_err().code(), "COD-003");
}

#[test]
fn a_row_of_another_length_is_refused() {
    let mut row = example::full_row();
    row.0.pop();
    let error = refused(&example::codec(), &resolved(row));
    assert_eq!((error.code(), error.disposition()), ("COD-005", Disposition::Stop));
}

#[test]
fn a_value_that_its_column_cannot_hold_is_refused_and_not_shown() {
    let decimal = |text: &str| Value::Decimal(text.parse().unwrap());
    let narrow = LogicalType::Decimal { precision: 5, scale: 2 };
    let wide = LogicalType::Decimal { precision: 45, scale: 2 };
    let cases = [
        (LogicalType::Int, Value::Long(4_711)),
        (LogicalType::Long, Value::Int(4_711)),
        (LogicalType::Boolean, Value::String("4711".into())),
        (LogicalType::String, Value::Bytes(vec![47, 11])),
        (LogicalType::Date, Value::Int(4_711)),
        (LogicalType::Time, Value::Time(864_000_000_000)),
        (LogicalType::Time, Value::Time(-4_711)),
        (LogicalType::Timestamp, Value::Long(4_711)),
        (LogicalType::TimestampOffset, Value::TimestampOffset { ticks: 4_711, offset_minutes: 841 }),
        (LogicalType::TimestampOffset, Value::TimestampOffset { ticks: 4_711, offset_minutes: -841 }),
        (LogicalType::Uuid, Value::String("4711".into())),
        (LogicalType::Float, Value::Double(4_711.0)),
        (narrow, decimal("4711")),
        (narrow, decimal("0.4711")),
        (narrow, decimal("1e400000000")),
        (wide, decimal("0.4711")),
        (wide, decimal("1e44")),
        // Longer than any database's: writing it out would take all memory.
        (LogicalType::Numeric, decimal("4711e400000000")),
        (LogicalType::Numeric, decimal("4711e-400000000")),
    ];
    for (logical, value) in cases {
        let table = table("t", &[("id", LogicalType::Int), ("secret", logical)], &[0]);
        let codec = TableCodec::new(&table, GROUP).unwrap();
        let error = refused(&codec, &resolved(Row::of([Value::Int(1), value])));
        assert_eq!((error.code(), error.disposition()), ("COD-006", Disposition::Park), "{logical}");
        let text = error.to_string();
        assert!(text.contains("column secret of table t") && !text.contains("4711"), "{text}");
    }
}

#[test]
fn values_at_the_edges_read_back() {
    let decimal = |text: &str| Value::Decimal(text.parse().unwrap());
    let of = |precision, scale| LogicalType::Decimal { precision, scale };
    let (nines, long) = ("9".repeat(38), format!("-{}.{}", "9".repeat(600), "9".repeat(400)));
    let digits = format!("{}.{}", "7".repeat(131_072), "7".repeat(16_383));
    let cases = [
        (of(5, 2), decimal("999.99")),
        (of(5, 2), decimal("-999.99")),
        (of(5, 2), decimal("1.5000000")),
        (of(5, 2), decimal("0e-300000000")),
        (of(5, 2), decimal("1e2")),
        (of(1, 1), decimal("-0.9")),
        (of(38, 0), decimal(&nines)),
        (of(38, 0), decimal(&format!("-{nines}"))),
        (of(38, 38), decimal(&format!("0.{nines}"))),
        (of(39, 1), decimal(&format!("{nines}.9"))),
        (of(1000, 400), decimal(&long)),
        (LogicalType::Numeric, decimal(&digits)),
        (LogicalType::Numeric, decimal("-1e140000")),
        (LogicalType::Numeric, decimal("1e-140000")),
        (LogicalType::Float, Value::Float(f32::from_bits(0xffc0_1234))),
        (LogicalType::Double, Value::Double(-0.0)),
        (LogicalType::Time, Value::Time(863_999_999_999)),
        (LogicalType::TimestampOffset, Value::TimestampOffset { ticks: i64::MIN, offset_minutes: -840 }),
        (LogicalType::String, Value::String(String::new())),
        (LogicalType::Bytes, Value::Bytes(vec![0; 5_000_000])),
    ];
    for (logical, value) in cases {
        let table = table("t", &[("id", LogicalType::Int), ("value", logical)], &[0]);
        let codec = TableCodec::new(&table, GROUP).unwrap();
        let record = resolved(Row::of([Value::Int(1), value]));
        let mut out = Vec::new();
        codec.encode_resolved(1, &record, None, 0, &mut out).unwrap();
        assert!(codec.decode_resolved(&out).unwrap() == record, "{logical}");
    }
}

#[test]
fn the_scale_of_an_unbounded_decimal_is_kept() {
    let table = table("t", &[("id", LogicalType::Int), ("value", LogicalType::Numeric)], &[0]);
    let codec = TableCodec::new(&table, GROUP).unwrap();
    let record = resolved(Row::of([Value::Int(1), Value::Decimal("1.50".parse().unwrap())]));
    let mut out = Vec::new();
    codec.encode_resolved(1, &record, None, 0, &mut out).unwrap();
    let row = codec.decode_resolved(&out).unwrap().row.unwrap();
    assert_eq!(row.get(1).unwrap().to_string(), "1.50");
}

#[test]
fn versions_are_positive_longs() {
    for version in [0, 1 << 63, u64::MAX] {
        let error =
            refused(&example::codec(), &Resolved { winner: dot("hq", version), ..example::created().0 });
        assert_eq!((error.code(), error.disposition()), ("COD-007", Disposition::Stop), "{version}");
    }
    let vv = VersionVector::of(&dot("hq", u64::MAX));
    let error = refused(&example::codec(), &Resolved { vv, ..example::created().0 });
    assert_eq!(error.code(), "COD-007");
}

#[test]
fn a_resolved_record_needs_content() {
    for content in [vec![], vec![VersionVector::new()]] {
        let error = refused(&example::codec(), &Resolved { content, ..example::created().0 });
        assert_eq!((error.code(), error.disposition()), ("COD-011", Disposition::Stop));
    }
}

#[test]
fn keys_of_other_tables_and_other_spellings_are_refused() {
    let codec = example::codec();
    let canonical = codec.encode_key(1, &example::conflict().key);
    assert!(codec.decode_key(&canonical).is_ok());
    let mut upper = canonical.clone();
    upper[FRAME_LENGTH + 1..FRAME_LENGTH + 37].make_ascii_uppercase();
    let mut longer = canonical.clone();
    longer.push(0);
    for bad in [upper, longer, canonical[..canonical.len() - 1].to_vec(), vec![0, 0, 0, 0, 1]] {
        let error = codec.decode_key(&bad).unwrap_err();
        assert_eq!((error.code(), error.disposition()), ("COD-008", Disposition::Stop));
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[test]
fn tables_without_a_schema_are_refused() {
    let int = LogicalType::Int;
    let decimal = |precision, scale| LogicalType::Decimal { precision, scale };
    let cases = [
        (table("t", &[("a", int)], &[]), "no primary key"),
        (table("t", &[("a", int)], &[1]), "names column 1 of 1"),
        (table("t", &[("a", int)], &[0, 0]), "names column a twice"),
        (table("t", &[("a", LogicalType::Double)], &[0]), "key column a is a double"),
        (table("t", &[("a", int), ("a", int)], &[0]), "two columns called a"),
        (table("t", &[("a", int), ("", int)], &[0]), "a column has no name"),
        (table("t", &[("a", int), ("b", decimal(0, 0))], &[0]), "column b is a decimal(0,0)"),
        (table("t", &[("a", int), ("b", decimal(5, 6))], &[0]), "column b is a decimal(5,6)"),
        (table("t", &[("a", int), ("b", decimal(1001, 6))], &[0]), "column b is a decimal(1001,6)"),
        (table("", &[("a", int)], &[0]), "must have names"),
    ];
    for (table, problem) in cases {
        let error = TableCodec::new(&table, GROUP).unwrap_err();
        assert_eq!((error.code(), error.disposition()), ("COD-009", Disposition::Stop));
        assert!(error.to_string().contains(problem), "{error}");
    }
    assert_eq!(TableCodec::new(&example::customer(), "").unwrap_err().code(), "COD-009");
}

/// Names that Avro would not take, and names that differ only there.
#[test]
fn any_name_makes_a_schema() {
    let columns = [
        ("a b", LogicalType::Int),
        ("a_b", LogicalType::Int),
        ("a_x0020_b", LogicalType::Int),
        ("1", LogicalType::Int),
        ("select", LogicalType::Int),
        ("\"';--", LogicalType::TimestampOffset),
        ("日本", LogicalType::TimestampOffset),
        ("before", LogicalType::Int),
    ];
    for name in ["Order Details", "日本", "dbo.Customer", "null", "Envelope", "😀"] {
        let table: TableSchema = table(name, &columns, &[5, 0]);
        for group in ["retail", "1 group", "größe"] {
            TableCodec::new(&table, group).unwrap();
        }
    }
}

#[test]
fn conflicts_are_bound_to_their_table() {
    let (codec, conflict) = (example::codec(), example::conflict());
    let mut out = Vec::new();
    ConflictCodec::encode_conflict(1, &conflict, &codec, &mut out).unwrap();
    let error = ConflictCodec::decode_conflict(&out, |_| None).unwrap_err();
    assert_eq!((error.code(), error.disposition()), ("COD-010", Disposition::Stop));
    assert!(error.to_string().contains("table Customer"), "{error}");

    // Written with another table's codec, or with a key that is none of the table's, or a row that is none.
    let refused = |codec: &TableCodec, conflict: &ConflictRecord| {
        let mut out = vec![9];
        let error = ConflictCodec::encode_conflict(1, conflict, codec, &mut out).unwrap_err();
        assert_eq!(out, [9]);
        error.code()
    };
    let mut other = example::customer();
    other.name = TableName::new("Supplier");
    let other = TableCodec::new(&other, GROUP).unwrap();
    assert_eq!(refused(&other, &conflict), "COD-004");
    let mut changed = conflict.clone();
    changed.key = KeyBytes::new([7]);
    assert_eq!(refused(&codec, &changed), "COD-008");
    changed = conflict.clone();
    changed.winner.row = Some(Row::of([Value::Null]));
    assert_eq!(refused(&codec, &changed), "COD-005");
    changed = conflict.clone();
    changed.loser.dot.version = 0;
    assert_eq!(refused(&codec, &changed), "COD-007");

    // Read with a codec whose table has changed since.
    let mut narrower = example::customer();
    narrower.columns.pop();
    let narrower = Arc::new(TableCodec::new(&narrower, GROUP).unwrap());
    let error = ConflictCodec::decode_conflict(&out, |_| Some(Arc::clone(&narrower))).unwrap_err();
    assert_eq!(error.code(), "COD-003");
}

#[test]
fn a_damaged_conflict_names_what_is_known_of_it() {
    let mut out = Vec::new();
    ConflictCodec::encode_conflict(1, &example::conflict(), &example::codec(), &mut out).unwrap();
    let mut changed = out.clone();
    changed[FRAME_LENGTH + 3] = b'x';
    let error = ConflictCodec::decode_conflict(&changed, |_| Some(example::codec())).unwrap_err();
    assert!(error.to_string().starts_with("a conflict cannot be read: "), "{error}");
    // A fault inside the row's payload is told by column and by its place in the whole record.
    let mut changed = out.clone();
    let name = find(&changed, "Zoë".as_bytes());
    changed[name] = 0xff;
    let error = ConflictCodec::decode_conflict(&changed, |_| Some(example::codec())).unwrap_err();
    let Error::Malformed { field, at, .. } = &error else { panic!("{error}") };
    assert_eq!(field.as_deref(), Some("Name"));
    assert!((name - FRAME_LENGTH..name - FRAME_LENGTH + 20).contains(at), "{at} is not behind {name}");
}
