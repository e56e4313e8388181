//! What columns of every type hold of values at their edges, in both directions: equal again, refused, or rounded and said
//! so. Asks the codec alone; whether a server agrees is the contract's to ask, on one.

use super::write::{DATETIME_FROM, DAYS, SMALL_FROM, TICKS};
use super::*;
use proptest::prelude::*;
use tiberius::time as tds;

fn codec(group: LogicalType, spelt: &str) -> Codec {
    Codec::new(group, &Declared::parse(spelt), CodePage(1252), false, true).unwrap()
}

fn decimal(text: &str) -> Value {
    Value::Decimal(BigDecimal::from_str(text).unwrap())
}

/// What the server would send for a value that was written.
fn cell(codec: &Codec, stored: &Stored<'_>) -> ColumnData<'static> {
    let scale = codec.declared().scale as u8;
    let unit = 10_i64.pow(7 - u32::from(scale.min(7)));
    let date = |ticks: i64| tds::Date::new((ticks.div_euclid(TICKS_A_DAY) + 719_162) as u32);
    let time = |ticks: i64| tds::Time::new((ticks.rem_euclid(TICKS_A_DAY) / unit) as u64, scale);
    match stored {
        Stored::Null => ColumnData::Bit(None),
        Stored::Bit(flag) => ColumnData::Bit(Some(*flag)),
        Stored::Integer(number) => ColumnData::I64(Some(*number)),
        Stored::Decimal(decimal) => {
            let (_, scale) = codec.declared().digits();
            if scale >= 38 {
                return ColumnData::String(Some(decimal.to_plain_string().into()));
            }
            let (digits, _) = decimal.with_scale(i64::from(scale)).into_bigint_and_exponent();
            ColumnData::Numeric(Some(tiberius::numeric::Numeric::new_with_scale(
                i128::try_from(digits).unwrap(),
                scale as u8,
            )))
        }
        Stored::Real(number) => ColumnData::F32(Some(*number)),
        Stored::Float(number) => ColumnData::F64(Some(*number)),
        Stored::Text(text) => {
            let mut bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            if let (true, Some(length)) = (codec.declared().is_padded(), codec.declared().length) {
                while bytes.len() < length as usize * 2 {
                    bytes.extend([b' ', 0]);
                }
            }
            ColumnData::Binary(Some(bytes.into()))
        }
        Stored::Bytes(bytes) => ColumnData::Binary(Some(bytes.to_vec().into())),
        Stored::Uuid(id) => ColumnData::Guid(Some(*id)),
        Stored::Date(days) => ColumnData::Date(Some(tds::Date::new((days + 719_162) as u32))),
        Stored::Time(ticks) => ColumnData::Time(Some(time(*ticks))),
        Stored::Timestamp(ticks) => match codec.declared().kind {
            Kind::DateTime => {
                let fragments = (ticks.rem_euclid(TICKS_A_DAY) * 300 + TICKS_A_SECOND / 2) / TICKS_A_SECOND;
                let days = ticks.div_euclid(TICKS_A_DAY) - DAY_1900;
                ColumnData::DateTime(Some(tds::DateTime::new(days as i32, fragments as u32)))
            }
            Kind::SmallDateTime => {
                let minutes = ticks.rem_euclid(TICKS_A_DAY) / (60 * TICKS_A_SECOND);
                let days = ticks.div_euclid(TICKS_A_DAY) - DAY_1900;
                ColumnData::SmallDateTime(Some(tds::SmallDateTime::new(days as u16, minutes as u16)))
            }
            _ => ColumnData::DateTime2(Some(tds::DateTime2::new(date(*ticks), time(*ticks)))),
        },
        Stored::TimestampOffset(ticks, minutes) => {
            let utc = tds::DateTime2::new(date(*ticks), time(*ticks));
            ColumnData::DateTimeOffset(Some(tds::DateTimeOffset::new(utc, *minutes)))
        }
    }
}

fn comes_back(group: LogicalType, spelt: &str, value: &Value) {
    let codec = codec(group, spelt);
    let written =
        codec.write(value, OnLoss::Refuse).unwrap_or_else(|lost| panic!("{spelt} {value}: {lost:?}"));
    assert!(!written.rounded);
    assert_eq!(codec.read(&cell(&codec, &written.stored)).as_ref(), Ok(value), "{spelt}");
}

#[test]
fn every_type_keeps_its_edges() {
    let money = LogicalType::Decimal { precision: 19, scale: 4 };
    let tick_of_9999 = *TICKS.end();
    for (group, spelt, values) in [
        (LogicalType::Boolean, "bit", vec![Value::Boolean(true), Value::Boolean(false)]),
        (LogicalType::Int, "int", vec![Value::Int(i32::MIN), Value::Int(i32::MAX)]),
        (LogicalType::Int, "tinyint", vec![Value::Int(0), Value::Int(255)]),
        (LogicalType::Long, "bigint", vec![Value::Long(i64::MIN), Value::Long(i64::MAX)]),
        (
            money,
            "money",
            vec![decimal("922337203685477.5807"), decimal("-922337203685477.5808"), decimal("0.0001")],
        ),
        (
            LogicalType::Decimal { precision: 38, scale: 38 },
            "decimal(38,38)",
            vec![decimal("0.00000000000000000000000000000000000001")],
        ),
        (
            LogicalType::Decimal { precision: 38, scale: 0 },
            "decimal(38,0)",
            vec![decimal("-99999999999999999999999999999999999999")],
        ),
        (LogicalType::Numeric, "nvarchar(max)", vec![decimal("1e-30"), decimal("-12345678901234567890.5")]),
        (
            LogicalType::Float,
            "real",
            vec![Value::Float(f32::MAX), Value::Float(f32::MIN_POSITIVE), Value::Float(-0.0)],
        ),
        (LogicalType::Double, "float", vec![Value::Double(f64::MIN), Value::Double(0.1 + 0.2)]),
        (
            LogicalType::String,
            "nvarchar(5)",
            vec![Value::String("größe".into()), Value::String("a ".into()), Value::String(String::new())],
        ),
        (LogicalType::String, "nchar(5)", vec![Value::String("a".into()), Value::String(" a".into())]),
        (LogicalType::String, "varchar(5)", vec![Value::String("größe".into())]),
        (LogicalType::Bytes, "varbinary(4)", vec![Value::Bytes(vec![]), Value::Bytes(vec![1, 0])]),
        (LogicalType::Uuid, "uniqueidentifier", vec![Value::Uuid(Uuid::from_u128(1 << 120))]),
        (LogicalType::Date, "date", vec![Value::Date(*DAYS.start()), Value::Date(*DAYS.end())]),
        (LogicalType::Time, "time(7)", vec![Value::Time(0), Value::Time(TICKS_A_DAY - 1)]),
        (
            LogicalType::Timestamp,
            "datetime2(7)",
            vec![Value::Timestamp(*TICKS.start()), Value::Timestamp(tick_of_9999)],
        ),
        (
            LogicalType::Timestamp,
            "datetime",
            vec![
                Value::Timestamp(TICKS_A_MILLISECOND * 3),
                Value::Timestamp(DATETIME_FROM),
                Value::Timestamp(-TICKS_A_MILLISECOND * 3),
            ],
        ),
        (
            LogicalType::Timestamp,
            "smalldatetime",
            vec![Value::Timestamp(SMALL_FROM), Value::Timestamp(60 * TICKS_A_SECOND)],
        ),
        (
            LogicalType::TimestampOffset,
            "datetimeoffset(7)",
            vec![
                Value::TimestampOffset { ticks: 1, offset_minutes: -840 },
                Value::TimestampOffset { ticks: -1, offset_minutes: 330 },
            ],
        ),
    ] {
        for value in values {
            comes_back(group, spelt, &value);
        }
    }
}

#[test]
fn what_a_column_cannot_hold_is_refused_or_rounded() {
    let timestamp = |ticks| Value::Timestamp(ticks);
    for (group, spelt, value, rounded) in [
        (LogicalType::Timestamp, "datetime", timestamp(1), Some(timestamp(0))),
        (LogicalType::Timestamp, "datetime2(3)", timestamp(19_999), Some(timestamp(10_000))),
        (LogicalType::Timestamp, "smalldatetime", timestamp(1), Some(timestamp(0))),
        (LogicalType::Timestamp, "datetime", timestamp(*TICKS.start()), None),
        (LogicalType::Timestamp, "datetime2(7)", timestamp(i64::MAX), None),
        (
            LogicalType::Time,
            "time(0)",
            Value::Time(TICKS_A_DAY - 1),
            Some(Value::Time(TICKS_A_DAY - TICKS_A_SECOND)),
        ),
        (LogicalType::Date, "date", Value::Date(*DAYS.end() + 1), None),
        (LogicalType::String, "varchar(5)", Value::String("名".into()), None),
        (LogicalType::String, "nvarchar(2)", Value::String("abc".into()), None),
        (LogicalType::String, "nvarchar(1)", Value::String("😀".into()), None),
        (LogicalType::String, "char(3)", Value::String("a ".into()), Some(Value::String("a".into()))),
        (LogicalType::Bytes, "binary(2)", Value::Bytes(vec![1]), Some(Value::Bytes(vec![1, 0]))),
        (LogicalType::Bytes, "varbinary(1)", Value::Bytes(vec![1, 2]), None),
        (LogicalType::Double, "float", Value::Double(f64::NAN), None),
        (LogicalType::Double, "float", Value::Double(f64::INFINITY), None),
        (LogicalType::Double, "float", Value::Double(5e-324), Some(Value::Double(0.0))),
        (LogicalType::Double, "real", Value::Double(0.1), Some(Value::Double(f64::from(0.1_f32)))),
        (LogicalType::Int, "tinyint", Value::Int(-1), None),
        (LogicalType::Long, "int", Value::Long(1 << 40), None),
        (LogicalType::Decimal { precision: 20, scale: 4 }, "money", decimal("922337203685477.5808"), None),
        (LogicalType::Numeric, "decimal(5,2)", decimal("1.005"), Some(decimal("1.00"))),
        (LogicalType::Numeric, "decimal(5,2)", decimal("1000"), None),
        (
            LogicalType::TimestampOffset,
            "datetimeoffset(7)",
            Value::TimestampOffset { ticks: *TICKS.end(), offset_minutes: 60 },
            None,
        ),
    ] {
        let codec = codec(group, spelt);
        assert!(codec.write(&value, OnLoss::Refuse).is_err(), "{spelt} {value}");
        let found = codec.write(&value, OnLoss::Round).ok();
        assert!(found.as_ref().is_none_or(|written| written.rounded), "{spelt} {value}");
        let found = found.map(|written| codec.read(&cell(&codec, &written.stored)).unwrap());
        if let Some(rounded) = &rounded {
            assert_eq!(codec.declared.narrowing().of(&value).as_ref(), rounded, "{spelt}");
        }
        assert_eq!(found, rounded, "{spelt} {value}");
    }
}

#[test]
fn a_key_is_never_rounded_and_has_one_spelling() {
    let key = |group, spelt| Codec::new(group, &Declared::parse(spelt), CodePage(1252), true, true).unwrap();
    let time = key(LogicalType::Timestamp, "datetime");
    assert!(time.write(&Value::Timestamp(1), OnLoss::Round).is_err());
    let numeric = key(LogicalType::Numeric, "nvarchar(450)");
    let utf16 = |text: &str| {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        ColumnData::Binary(Some(bytes.into()))
    };
    assert_eq!(numeric.read(&utf16("1.5")), Ok(decimal("1.5")));
    assert!(numeric.read(&utf16("1.50")).is_err());
    assert!(numeric.read(&utf16("+1.5")).is_err());
}

#[test]
fn half_a_surrogate_pair_is_one_rows_trouble() {
    let codec = codec(LogicalType::String, "nvarchar(5)");
    let error = codec.read(&ColumnData::Binary(Some(vec![0x41, 0, 0, 0xd8].into()))).unwrap_err();
    assert!(error.contains("surrogate") && !error.contains('A'), "{error}");
}

#[test]
fn literals_are_those_of_the_language() {
    for (group, spelt, value, literal) in [
        (LogicalType::Boolean, "bit", Value::Boolean(true), "1"),
        (LogicalType::Double, "float", Value::Double(0.1), "1E-1"),
        (LogicalType::Float, "real", Value::Float(1.5), "CAST(1.5E0 AS real)"),
        (LogicalType::String, "nvarchar(9)", Value::String("it's".into()), "N'it''s'"),
        (LogicalType::Bytes, "varbinary(9)", Value::Bytes(vec![0, 255]), "0x00ff"),
        (LogicalType::Date, "date", Value::Date(0), "CAST(N'1970-01-01' AS date)"),
        (LogicalType::Time, "time(7)", Value::Time(1), "CAST(N'00:00:00.0000001' AS time(7))"),
        (
            LogicalType::Timestamp,
            "datetime2(7)",
            Value::Timestamp(1),
            "CAST(N'1970-01-01T00:00:00.0000001' AS datetime2(7))",
        ),
        (
            LogicalType::TimestampOffset,
            "datetimeoffset(7)",
            Value::TimestampOffset { ticks: 0, offset_minutes: -90 },
            "CAST(N'1969-12-31T22:30:00-01:30' AS datetimeoffset(7))",
        ),
    ] {
        let codec = codec(group, spelt);
        let written = codec.write(&value, OnLoss::Refuse).unwrap();
        assert_eq!(codec.literal(&written.stored), literal);
    }
}

#[test]
fn times_that_no_type_reaches_are_refused() {
    for ticks in [i64::MIN, i64::MIN + 1, *TICKS.start() - 1, *TICKS.end() + 1, i64::MAX - 1, i64::MAX] {
        let plain = Value::Timestamp(ticks);
        for on_loss in [OnLoss::Refuse, OnLoss::Round] {
            for declared in ["datetime", "smalldatetime", "datetime2(0)", "datetime2(7)"] {
                let refused = codec(LogicalType::Timestamp, declared).write(&plain, on_loss).is_err();
                assert!(refused, "{declared} {ticks}");
            }
            let value = Value::TimestampOffset { ticks, offset_minutes: 0 };
            let codec = codec(LogicalType::TimestampOffset, "datetimeoffset(3)");
            assert!(codec.write(&value, on_loss).is_err(), "{ticks}");
        }
    }
}

proptest! {
    #[test]
    fn numbers_come_back(number in any::<i64>(), scale in 0..18_u32) {
        let group = LogicalType::Decimal { precision: 19, scale };
        let value = Value::Decimal(BigDecimal::new((number / 10).into(), i64::from(scale)));
        comes_back(group, &format!("decimal(19,{scale})"), &value);
    }

    #[test]
    fn texts_come_back(text in "\\PC{0,20}") {
        comes_back(LogicalType::String, "nvarchar(max)", &Value::String(text));
    }

    #[test]
    fn times_come_back(ticks in TICKS, scale in 0..=7_u32, minutes in -840..=840_i16) {
        let unit = 10_i64.pow(7 - scale);
        let cut = ticks.div_euclid(unit) * unit;
        comes_back(LogicalType::Timestamp, &format!("datetime2({scale})"), &Value::Timestamp(cut));
        let inside = cut.clamp(*TICKS.start() + TICKS_A_DAY, *TICKS.end() - TICKS_A_DAY).div_euclid(unit) * unit;
        let value = Value::TimestampOffset { ticks: inside, offset_minutes: minutes };
        comes_back(LogicalType::TimestampOffset, &format!("datetimeoffset({scale})"), &value);
    }

    #[test]
    fn a_datetime_reads_as_it_was_written(ticks in DATETIME_FROM..=TICKS_A_DAY * 20_000) {
        let codec = codec(LogicalType::Timestamp, "datetime");
        let value = Value::Timestamp(ticks);
        let written = codec.write(&value, OnLoss::Round).unwrap();
        let back = codec.read(&cell(&codec, &written.stored)).unwrap();
        prop_assert_eq!(back.clone(), codec.declared.narrowing().of(&value).into_owned());
        prop_assert_eq!(codec.write(&back, OnLoss::Refuse).unwrap().stored, written.stored);
        let Value::Timestamp(near) = back else { panic!("{back}") };
        prop_assert!((near - ticks).abs() <= 2 * TICKS_A_MILLISECOND);
    }
}
