//! Values at their edges, in both directions.

use super::*;
use crate::postgres::catalog::CatalogColumn;
use proptest::prelude::*;
use std::str::FromStr as _;

fn declared(name: &str, modifier: i32) -> Declared {
    Declared::of(&CatalogColumn {
        name: "held".to_owned(),
        declared: name.to_owned(),
        base_schema: "pg_catalog".to_owned(),
        base_name: name.to_owned(),
        base_kind: "b".to_owned(),
        type_modifier: modifier,
        type_oid: 0,
        not_null: false,
        default: None,
        generated: false,
        identity: String::new(),
        collation: None,
        nondeterministic: false,
    })
    .unwrap()
}

fn codec(group: LogicalType, name: &str, modifier: i32) -> Codec {
    Codec::new(group, &declared(name, modifier), false).unwrap()
}

/// The value after a way there and back, and whether it was rounded.
fn round_trip(codec: &Codec, value: &Value, on_loss: OnLoss) -> Result<(Value, bool), Lost> {
    let mut bytes = Vec::new();
    let written = codec.write(value, on_loss, &mut bytes)?;
    let sent = (written != Written::Null).then_some(bytes.as_slice());
    Ok((codec.read(sent).unwrap(), written == Written::Rounded))
}

fn exact(codec: &Codec, value: Value) {
    assert_eq!(codec.narrowing.of(&value).as_ref(), &value);
    assert_eq!(round_trip(codec, &value, OnLoss::Refuse).unwrap(), (value, false));
}

fn rounded(codec: &Codec, value: Value, becomes: Value) {
    assert!(codec.write(&value, OnLoss::Refuse, &mut Vec::new()).is_err(), "{value}");
    assert_eq!(codec.narrowing.of(&value).as_ref(), &becomes);
    assert_eq!(round_trip(codec, &value, OnLoss::Round).unwrap(), (becomes, true));
}

fn refused(codec: &Codec, value: &Value) {
    assert!(codec.write(value, OnLoss::Round, &mut Vec::new()).is_err(), "{value}");
}

#[test]
fn known_forms_of_times() {
    let timestamp = codec(LogicalType::Timestamp, "timestamp", -1);
    assert_eq!(timestamp.read(Some(&0_i64.to_be_bytes())).unwrap().to_string(), "2000-01-01 00:00:00");
    assert_eq!(
        timestamp.read(Some(&(-946_684_800_000_001_i64).to_be_bytes())).unwrap(),
        Value::Timestamp(-10)
    );
    let date = codec(LogicalType::Date, "date", -1);
    assert_eq!(date.read(Some(&0_i32.to_be_bytes())).unwrap().to_string(), "2000-01-01");
}

#[test]
fn what_no_other_database_has_is_told() {
    for infinity in [i64::MAX, i64::MIN] {
        for (group, name) in
            [(LogicalType::Timestamp, "timestamp"), (LogicalType::TimestampOffset, "timestamptz")]
        {
            let reason = codec(group, name, -1).read(Some(&infinity.to_be_bytes())).unwrap_err();
            assert!(reason.contains("infinity"), "{reason}");
        }
    }
    for infinity in [i32::MAX, i32::MIN] {
        assert!(codec(LogicalType::Date, "date", -1).read(Some(&infinity.to_be_bytes())).is_err());
    }
    let midnight = 86_400_000_000_i64;
    let time = codec(LogicalType::Time, "time", -1);
    assert!(time.read(Some(&midnight.to_be_bytes())).unwrap_err().contains("24:00"));
    // The year 294276 is beyond 64-bit ticks.
    let far = codec(LogicalType::Timestamp, "timestamp", -1);
    assert!(far.read(Some(&9_223_371_331_199_999_999_i64.to_be_bytes())).is_err());
}

#[test]
fn years_before_1_and_far_ones() {
    let date = codec(LogicalType::Date, "date", -1);
    exact(&date, Value::Date(FIRST_DATE + EPOCH_DAYS));
    exact(&date, Value::Date(LAST_DATE + EPOCH_DAYS));
    refused(&date, &Value::Date(FIRST_DATE + EPOCH_DAYS - 1));
    refused(&date, &Value::Date(i32::MAX));
    let timestamp = codec(LogicalType::Timestamp, "timestamp", -1);
    exact(&timestamp, Value::Timestamp((FIRST_MICROSECOND + EPOCH_MICROSECONDS) * 10));
    refused(&timestamp, &Value::Timestamp((FIRST_MICROSECOND + EPOCH_MICROSECONDS) * 10 - 10));
    exact(&timestamp, Value::Timestamp(i64::MAX / 10 * 10));
    refused(&timestamp, &Value::Timestamp(i64::MIN));
}

#[test]
fn ticks_are_finer_than_microseconds() {
    let timestamp = codec(LogicalType::Timestamp, "timestamp", -1);
    rounded(&timestamp, Value::Timestamp(14), Value::Timestamp(10));
    rounded(&timestamp, Value::Timestamp(15), Value::Timestamp(20));
    rounded(&timestamp, Value::Timestamp(-14), Value::Timestamp(-10));
    let seconds = codec(LogicalType::Timestamp, "timestamp", 0);
    rounded(&seconds, Value::Timestamp(5_000_000), Value::Timestamp(10_000_000));
    exact(&seconds, Value::Timestamp(-10_000_000));
    let time = codec(LogicalType::Time, "time", -1);
    // Not 24:00.
    rounded(&time, Value::Time(TICKS_A_DAY - 1), Value::Time(TICKS_A_DAY - 10));
    let offset = codec(LogicalType::TimestampOffset, "timestamptz", -1);
    rounded(
        &offset,
        Value::TimestampOffset { ticks: 20, offset_minutes: 60 },
        Value::TimestampOffset { ticks: 20, offset_minutes: 0 },
    );
    let key = Codec::new(LogicalType::Timestamp, &declared("timestamp", -1), true).unwrap();
    refused(&key, &Value::Timestamp(1));
}

#[test]
fn texts_that_the_server_would_cut() {
    let text = |value: &str| Value::String(value.to_owned());
    let plain = codec(LogicalType::String, "text", -1);
    exact(&plain, text("größe 名前 😀 "));
    refused(&plain, &text("a\0b"));
    let short = codec(LogicalType::String, "varchar", 4 + 3);
    exact(&short, text("äöü"));
    refused(&short, &text("abc "));
    let padded = codec(LogicalType::String, "bpchar", 4 + 3);
    exact(&padded, text("ab"));
    rounded(&padded, text("a "), text("a"));
}

#[test]
fn numbers_that_do_not_fit() {
    let decimal = |text: &str| Value::Decimal(BigDecimal::from_str(text).unwrap());
    let money = LogicalType::Decimal { precision: 5, scale: 2 };
    let narrow = codec(LogicalType::Decimal { precision: 9, scale: 4 }, "numeric", ((5 << 16) | 2) + 4);
    exact(&narrow, decimal("-999.99"));
    rounded(&narrow, decimal("1.005"), decimal("1.00"));
    refused(&narrow, &decimal("1000"));
    let wide = codec(money, "numeric", -1);
    let mut bytes = Vec::new();
    numeric::encode(&BigDecimal::from_str("1.005").unwrap(), &mut bytes);
    assert!(wide.read(Some(&bytes)).is_err(), "more digits than the group has");
    let whole = codec(LogicalType::Numeric, "int8", -1);
    exact(&whole, decimal("-9223372036854775808"));
    refused(&whole, &decimal("0.5"));
    let cash = codec(LogicalType::Decimal { precision: 38, scale: 4 }, "money", -1);
    exact(&cash, decimal("-92233720368547758.08"));
    rounded(&cash, decimal("92233720368547758.074"), decimal("92233720368547758.07"));
    refused(&cash, &decimal("92233720368547758.08"));
    refused(&cash, &decimal("-92233720368547758.0851"));
    let small = codec(LogicalType::Int, "int2", -1);
    exact(&small, Value::Int(-32_768));
    refused(&small, &Value::Int(32_768));
    let int = codec(LogicalType::Int, "int8", -1);
    assert!(int.read(Some(&(1_i64 << 31).to_be_bytes())).is_err());
    let float = codec(LogicalType::Double, "float4", -1);
    exact(&float, Value::Double(1.5));
    exact(&float, Value::Double(f64::NEG_INFINITY));
    rounded(&float, Value::Double(0.1), Value::Double(f64::from(0.1_f32)));
    refused(&float, &Value::Double(1e300));
    exact(&codec(LogicalType::Double, "float8", -1), Value::Double(-0.0));
    exact(&codec(LogicalType::Double, "float8", -1), Value::Double(f64::NAN));
}

#[test]
fn floats_and_documents_are_no_keys() {
    for (group, name) in [
        (LogicalType::Double, "float8"),
        (LogicalType::String, "json"),
        (LogicalType::String, "jsonb"),
        (LogicalType::Decimal { precision: 19, scale: 2 }, "money"),
    ] {
        assert_eq!(Codec::new(group, &declared(name, -1), true), None, "{name}");
    }
}

proptest! {
    #[test]
    fn values_read_back(
        number: i64,
        days in FIRST_DATE..0,
        digits in "-?[0-9]{1,40}",
        scale in 0..20_i64,
        text in "[^\\x00]{0,20}",
        raw in prop::collection::vec(any::<u8>(), 0..40),
        double: f64,
        id: u128,
    ) {
        exact(&codec(LogicalType::Long, "int8", -1), Value::Long(number));
        exact(&codec(LogicalType::Date, "date", -1), Value::Date(days + EPOCH_DAYS));
        let ticks = (number / 100).max((FIRST_MICROSECOND + EPOCH_MICROSECONDS) * 10) / 10 * 10;
        exact(&codec(LogicalType::Timestamp, "timestamp", -1), Value::Timestamp(ticks));
        let decimal = BigDecimal::new(bigdecimal::num_bigint::BigInt::from_str(&digits).unwrap(), scale);
        exact(&codec(LogicalType::Numeric, "numeric", -1), Value::Decimal(decimal));
        exact(&codec(LogicalType::String, "text", -1), Value::String(text));
        exact(&codec(LogicalType::Bytes, "bytea", -1), Value::Bytes(raw));
        exact(&codec(LogicalType::Double, "float8", -1), Value::Double(double));
        exact(&codec(LogicalType::Uuid, "uuid", -1), Value::Uuid(Uuid::from_u128(id)));
    }

    #[test]
    fn foreign_bytes_do_not_panic(raw in prop::collection::vec(any::<u8>(), 0..20)) {
        for (group, name) in [
            (LogicalType::Boolean, "bool"), (LogicalType::Int, "int4"), (LogicalType::Float, "float4"),
            (LogicalType::Numeric, "numeric"), (LogicalType::String, "text"), (LogicalType::Uuid, "uuid"),
            (LogicalType::Date, "date"), (LogicalType::Time, "time"), (LogicalType::Timestamp, "timestamp"),
        ] {
            let _ = codec(group, name, -1).read(Some(&raw));
        }
    }
}
