//! Values through real SQLite columns of every declared type, both ways.

use super::*;
use proptest::prelude::*;
use rusqlite::Connection;
use std::cell::RefCell;

const DECLARED: [&str; 24] = [
    "BOOLEAN",
    "INT",
    "INTEGER",
    "BIGINT",
    "DECIMAL(10,2)",
    "DECIMAL(38,4)",
    "DECIMAL_TEXT(38,4)",
    "NUMERIC",
    "NUMERIC_TEXT",
    "MONEY",
    "REAL",
    "TEXT",
    "NVARCHAR(10)",
    "STRING",
    "BLOB",
    "VARBINARY(9)",
    "UUID",
    "UUID_TEXT",
    "DATE",
    "DATE_TEXT",
    "TIME",
    "DATETIME",
    "TIMESTAMP_TEXT",
    "DATETIMEOFFSET",
];

thread_local! {
    static CONNECTION: RefCell<Connection> = RefCell::new(Connection::open_in_memory().unwrap());
}

/// Stores a value in a column of the declared type, and reads what SQLite made of it.
fn through<T>(declared: &str, value: &dyn rusqlite::ToSql, read: impl FnOnce(ValueRef<'_>) -> T) -> T {
    CONNECTION.with_borrow(|connection| {
        let name = super::super::quote::identifier(declared);
        connection
            .execute_batch(&format!("CREATE TABLE IF NOT EXISTS {name} (a {declared}); DELETE FROM {name}"))
            .unwrap();
        connection
            .prepare_cached(&format!("INSERT INTO {name} VALUES (?1)"))
            .unwrap()
            .execute([value])
            .unwrap();
        let mut statement = connection.prepare_cached(&format!("SELECT a FROM {name}")).unwrap();
        let mut rows = statement.query([]).unwrap();
        read(rows.next().unwrap().unwrap().get_ref(0).unwrap())
    })
}

fn codec(group: LogicalType, declared: &str) -> Option<Codec> {
    Codec::new(group, Declared::parse(declared), false)
}

fn decimals() -> impl Strategy<Value = Value> {
    prop_oneof![
        (any::<i64>(), 0..8_i64)
            .prop_map(|(digits, scale)| Value::Decimal(BigDecimal::new(digits.into(), scale))),
        (any::<i128>(), 0..30_i64)
            .prop_map(|(digits, scale)| Value::Decimal(BigDecimal::new(digits.into(), scale))),
        (-99_999_i64..99_999, -30..20_i64)
            .prop_map(|(digits, scale)| Value::Decimal(BigDecimal::new(digits.into(), scale))),
    ]
}

fn values() -> impl Strategy<Value = (LogicalType, Value)> {
    use LogicalType as T;
    let float = prop_oneof![any::<f64>(), any::<i32>().prop_map(f64::from), Just(f64::INFINITY), Just(-0.0)];
    let text = prop_oneof![
        "[\\x00-\\x{ff}😀]{0,12}",
        "[ +-]?[0-9]{0,3}[.]?[0-9]{0,20}([eE][+-]?[0-9]{1,3})?[ \\t]?",
        " ?[0-9]{0,3}[.]?[0-9]{1,3}\\x00[a-z0-9]?",
        Just("1e400".to_owned()),
    ];
    prop_oneof![
        any::<bool>().prop_map(|v| (T::Boolean, Value::Boolean(v))),
        any::<i32>().prop_map(|v| (T::Int, Value::Int(v))),
        any::<i64>().prop_map(|v| (T::Long, Value::Long(v))),
        decimals().prop_map(|v| (T::Numeric, v)),
        decimals().prop_map(|v| (T::Decimal { precision: 38, scale: 4 }, v)),
        decimals().prop_map(|v| (T::Decimal { precision: 10, scale: 2 }, v)),
        any::<f32>().prop_map(|v| (T::Float, Value::Float(v))),
        float.prop_map(|v| (T::Double, Value::Double(v))),
        text.prop_map(|v| (T::String, Value::String(v))),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|v| (T::Bytes, Value::Bytes(v))),
        any::<u128>().prop_map(|v| (T::Uuid, Value::Uuid(Uuid::from_u128(v)))),
        any::<i32>().prop_map(|v| (T::Date, Value::Date(v))),
        (0..time::TICKS_A_DAY).prop_map(|v| (T::Time, Value::Time(v))),
        any::<i64>().prop_map(|v| (T::Timestamp, Value::Timestamp(v))),
        (any::<i64>(), -840..=840_i16).prop_map(|(ticks, offset_minutes)| (
            T::TimestampOffset,
            Value::TimestampOffset { ticks, offset_minutes }
        )),
    ]
}

fn stored() -> impl Strategy<Value = Stored> {
    prop_oneof![
        Just(Stored::Null),
        any::<i64>().prop_map(Stored::Integer),
        any::<f64>().prop_map(Stored::Real),
        (-1000..1000_i64).prop_map(|number| Stored::Real(number as f64 / 8.0)),
        "[\\x00-\\x{ff}]{0,12}".prop_map(Stored::Text),
        "[0-9]{4}-[01][0-9]-[0-3][0-9]([ T][0-2][0-9]:[0-5][0-9](:[0-5][0-9][.][0-9]{1,9})?)?([+-]0[0-9]:00|Z)?".prop_map(Stored::Text),
        "[+-]?[0-9]{1,20}[.]?[0-9]{0,10}".prop_map(Stored::Text),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Stored::Blob),
    ]
}

proptest! {
    /// What is written without complaint is read again as it was; what would not be is refused.
    #[test]
    fn written_values_read_back((group, value) in values(), at in 0..DECLARED.len()) {
        let declared = DECLARED[at];
        let Some(codec) = codec(group, declared) else { return Ok(()) };
        if let Ok(written) = codec.write(&value, OnLoss::Refuse) {
            prop_assert!(!written.rounded);
            let back = through(declared, &written.value, |found| codec.read(found));
            prop_assert_eq!(codec.narrowing.of(&value).into_owned(), value.clone(), "in {}", declared);
            prop_assert_eq!(back, Ok(value), "in {}", declared);
        } else if let Ok(written) = codec.write(&value, OnLoss::Round) {
            prop_assert!(written.rounded, "{} in {} is refused, and not rounded either", value, declared);
            let back = through(declared, &written.value, |found| codec.read(found));
            // The resolver goes by this: it must be what the file has.
            prop_assert_eq!(back, Ok(codec.narrowing.of(&value).into_owned()), "{} in {}", value, declared);
        }
    }

    /// Whatever users stored is read as a value that can be written again, or refused; as a key, only in the one
    /// spelling by which it would be looked up.
    #[test]
    fn foreign_values_are_read_or_refused(value in stored(), (group, _) in values(), at in 0..DECLARED.len()) {
        let declared = DECLARED[at];
        let Some(codec) = codec(group, declared) else { return Ok(()) };
        let read = through(declared, &value, |found| codec.read(found));
        if let Ok(value) = &read {
            let written = codec.write(value, OnLoss::Refuse);
            // A float that came from users has no -0.0: SQLite lost the sign already.
            prop_assert!(written.is_ok(), "{} of {} was read and cannot be written: {:?}", value, declared, written);
            let again = through(declared, &written.unwrap().value, |found| codec.read(found));
            prop_assert_eq!(again, read.clone());
        }
        if let Some(key) = Codec::new(group, Declared::parse(declared), true) {
            let equal = through(declared, &value, |found| {
                key.read(found).map(|value| {
                    let written = key.write(&value, OnLoss::Refuse).unwrap();
                    match &written.value {
                        ToSqlOutput::Borrowed(ours) => *ours == found,
                        ToSqlOutput::Owned(ours) => ValueRef::from(ours) == found,
                        _ => false,
                    }
                })
            });
            prop_assert!(equal != Ok(false), "a key of {} is not found by its own value", declared);
        }
    }

    /// Fifteen digits are never refused for their number, in any column that has the places.
    #[test]
    fn fifteen_digits_always_fit(digits in -999_999_999_999_999..=999_999_999_999_999_i64, scale in 0..=4_i64) {
        let value = Value::Decimal(BigDecimal::new(digits.into(), scale));
        for declared in ["NUMERIC", "DECIMAL(38,4)", "REAL", "DECIMAL_TEXT(38,4)", "NUMERIC_TEXT"] {
            let codec = codec(LogicalType::Decimal { precision: 38, scale: 4 }, declared).unwrap();
            prop_assert!(codec.write(&value, OnLoss::Refuse).is_ok(), "{} in {}", value, declared);
        }
    }
}

fn read(group: LogicalType, declared: &str, value: impl rusqlite::ToSql) -> Result<Value, String> {
    through(declared, &value, |found| codec(group, declared).unwrap().read(found))
}

#[test]
fn reasons_name_storage_classes_and_never_values() {
    use LogicalType as T;
    let money = T::Decimal { precision: 10, scale: 2 };
    for (group, declared, value, reason) in [
        (T::Int, "INT", Stored::Text("secret".into()), "holds TEXT where int is declared"),
        (T::Int, "INT", Stored::Integer(1 << 40), "holds INTEGER outside of what int allows"),
        (T::Long, "INT", Stored::Integer(1 << 40), "holds INTEGER outside of what int allows"),
        (
            T::Boolean,
            "BOOLEAN",
            Stored::Integer(2),
            "holds an INTEGER other than 0 and 1 where boolean is declared",
        ),
        (T::Boolean, "BOOLEAN", Stored::Text("true".into()), "holds TEXT where boolean is declared"),
        (
            money,
            "DECIMAL(10,2)",
            Stored::Real(0.1 + 0.2),
            "holds REAL with more digits than decimal(10,2) has",
        ),
        (money, "DECIMAL(10,2)", Stored::Text("1,5".into()), "holds TEXT where decimal(10,2) is declared"),
        (
            money,
            "DECIMAL_TEXT(10,2)",
            Stored::Text("1e2".into()),
            "holds TEXT where decimal(10,2) is declared",
        ),
        (T::Date, "DATE", Stored::Integer(19_000), "holds INTEGER where date is declared"),
        (T::Date, "DATE", Stored::Text("2026-02-30".into()), "holds TEXT that is no date"),
        (
            T::Timestamp,
            "DATETIME",
            Stored::Text("2026-01-01 10:00Z".into()),
            "holds TEXT that is no timestamp",
        ),
        (
            T::Uuid,
            "UUID_TEXT",
            Stored::Text("0f1e2d3c4b5a69788796a5b4c3d2e1f0".into()),
            "holds TEXT that is no uuid",
        ),
        (T::Bytes, "BLOB", Stored::Text("secret".into()), "holds TEXT where bytes is declared"),
        (T::String, "TEXT", Stored::Blob(vec![1]), "holds BLOB where string is declared"),
        (T::Double, "REAL", Stored::Text("x".into()), "holds TEXT where double is declared"),
        (T::Float, "REAL", Stored::Real(0.1), "holds a REAL with more digits than the group's float has"),
    ] {
        assert_eq!(read(group, declared, value), Err(reason.to_owned()), "{declared}");
    }
}

#[test]
fn text_that_is_no_unicode_is_not_read() {
    let codec = codec(LogicalType::String, "TEXT").unwrap();
    assert_eq!(codec.read(ValueRef::Text(b"a\xff")), Err("holds TEXT that is not valid Unicode".to_owned()));
    assert_eq!(read(LogicalType::String, "TEXT", "a\0b"), Ok(Value::String("a\0b".into())));
}

#[test]
fn what_sqlite_cannot_keep_is_refused_or_rounded() {
    let write = |group, declared, value: Value, on_loss| {
        codec(group, declared).unwrap().write(&value, on_loss).map(|written| written.rounded)
    };
    let decimal = |text: &str| Value::Decimal(BigDecimal::from_str(text).unwrap());
    let wide = LogicalType::Decimal { precision: 38, scale: 4 };
    for (group, declared, value, rounds) in [
        (LogicalType::Double, "REAL", Value::Double(f64::NAN), false),
        (LogicalType::Double, "REAL", Value::Double(-0.0), true),
        (wide, "DECIMAL(38,4)", decimal("1234567890123456.7891"), true),
        (wide, "NUMERIC", decimal("12345678901234567890.5"), true),
        (wide, "DECIMAL(10,2)", decimal("0.0001"), true),
        (wide, "DECIMAL(10,2)", decimal("123456789"), false),
        (wide, "INTEGER", decimal("0.5"), false),
        (LogicalType::Numeric, "NUMERIC_TEXT", decimal("1e200000"), false),
        (LogicalType::Long, "INT", Value::Long(1 << 40), false),
        (LogicalType::String, "STRING", Value::String(" 12 ".into()), false),
        // Which SQLite would take for 5, the rest being lost.
        (LogicalType::String, "STRING", Value::String("5\0 and more".into()), false),
    ] {
        assert!(write(group, declared, value.clone(), OnLoss::Refuse).is_err(), "{declared}");
        assert_eq!(write(group, declared, value, OnLoss::Round).ok(), rounds.then_some(true), "{declared}");
    }
    // As floats these have a digit more than the group's type, or the column's, and could not be read again.
    let long = LogicalType::Decimal { precision: 18, scale: 2 };
    let nines = decimal("9999999999999999.99");
    for declared in ["REAL", "NUMERIC", "DECIMAL(18,2)"] {
        assert!(write(long, declared, nines.clone(), OnLoss::Round).is_err(), "{declared}");
    }
    assert!(write(LogicalType::Numeric, "DECIMAL(18,2)", nines.clone(), OnLoss::Round).is_err());
    assert_eq!(write(LogicalType::Numeric, "NUMERIC", nines, OnLoss::Round), Ok(true));
    // A key is never rounded.
    let key = Codec::new(wide, Declared::parse("DECIMAL(10,2)"), true).unwrap();
    assert!(key.write(&decimal("0.0001"), OnLoss::Round).is_err());
}

#[test]
fn types_that_do_not_go_together_have_no_codec() {
    use LogicalType as T;
    for (group, declared) in [
        (T::String, "INT"),
        (T::Int, "TEXT"),
        (T::Bytes, "TEXT"),
        (T::Uuid, "BLOB"),
        (T::Timestamp, "DATE"),
        (T::Boolean, "TEXT"),
        (T::Long, "GEOMETRY"),
    ] {
        assert_eq!(codec(group, declared), None, "{group} in {declared}");
    }
    assert_eq!(Codec::new(T::Double, Declared::parse("REAL"), true), None, "floats are no keys");
}
