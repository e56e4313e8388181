//! Values of every type: those at the edges of what databases hold, and random ones.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use proptest::collection::vec;
use proptest::prelude::*;
use std::ops::RangeInclusive;
use std::str::FromStr as _;
use tributary_member::contract::capture::values::edges;
use tributary_model::{LogicalType, Value, time::TICKS_A_DAY};
use uuid::Uuid;

/// Longest text or bytes in a key: every database bounds what an index holds.
const KEY_LENGTH: usize = 200;

/// Ticks of the years 1 to 9999.
const COMMON_TICKS: RangeInclusive<i64> = -621_355_968_000_000_000..=2_534_023_007_999_999_999;
/// The first tick that PostgreSQL has.
const POSTGRES_TICKS: i64 = -2_440_588 * TICKS_A_DAY;

/// Every type with its values at the edges: those that every database holds, and those that some do not.
pub(crate) fn types() -> Vec<(LogicalType, Vec<Value>)> {
    let mut types = edges();
    for (logical, values) in &mut types {
        values.push(Value::Null);
        values.extend(beyond(*logical).into_iter().filter(|value| value.fits(*logical)));
    }
    types
}

/// Whether a key can hold a value beside the others; `blanks`: whether blanks at the end tell keys apart.
pub(crate) fn fits_key(value: &Value, blanks: bool) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => text.len() <= KEY_LENGTH && (blanks || !text.ends_with(' ')),
        Value::Bytes(bytes) => bytes.len() <= KEY_LENGTH,
        Value::Decimal(decimal) => decimal.to_plain_string().len() <= KEY_LENGTH,
        _ => true,
    }
}

fn decimal(text: &str) -> Value {
    Value::Decimal(BigDecimal::from_str(text).unwrap())
}

/// Values at edges that some database has.
fn beyond(logical: LogicalType) -> Vec<Value> {
    use LogicalType as T;
    let ticks = [
        i64::MIN,
        i64::MIN + 1,
        i64::MAX,
        i64::MAX - 7,
        POSTGRES_TICKS,
        POSTGRES_TICKS - 1,
        POSTGRES_TICKS - 6,
        4,
        5,
        -5,
        -6,
        4_999,
        5_000,
        -5_001,
        5_000_000,
        *COMMON_TICKS.start() - 1,
        *COMMON_TICKS.end() + 1,
    ];
    match logical {
        T::Boolean | T::Uuid => Vec::new(),
        T::Int => [127, 128, 255, 256, -32_768, -32_769, 32_767, 32_768].map(Value::Int).to_vec(),
        T::Long => {
            let bits = [1 << 31, (1 << 31) - 1, -(1 << 31), -(1 << 31) - 1, 32_768, -32_769, 1 << 53];
            bits.map(Value::Long).to_vec()
        }
        T::Decimal { .. } | T::Numeric => {
            let texts = [
                "0.005",
                "0.015",
                "-0.005",
                "0.0050",
                "99999999.99",
                "99999999.995",
                "-99999999.994",
                "1e10",
                "92233720368547758.07",
                "92233720368547758.08",
                "-92233720368547758.08",
                "-92233720368547758.09",
                "214748.3648",
                "2147483648",
                "-2147483649",
                "9223372036854775807",
                "9223372036854775808",
                "-9223372036854775808",
                "-9223372036854775809",
                "9007199254740993",
                "1234567890123456789.5",
                "9223372036854775807.5",
                "123456789012345.6",
                "9999999999999999999999999999999999",
                "1.10",
                "1e131071",
                "1e131072",
                "-1e-16383",
                "1e-16384",
                "1e149000",
                "1e150001",
                "1e308",
                "1e309",
                "1e-324",
                "1e-400",
            ];
            texts.map(decimal).to_vec()
        }
        T::Float => {
            let numbers =
                [-0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::from_bits(1), 16_777_217.0, -1.0];
            numbers.map(Value::Float).to_vec()
        }
        T::Double => {
            let numbers = [
                -0.0,
                f64::NAN,
                f64::INFINITY,
                f64::NEG_INFINITY,
                f64::from_bits(1),
                1e-46,
                -1e39,
                f64::from(f32::MAX),
                9_007_199_254_740_993.0,
                9.223_372_036_854_776e18,
                -9.223_372_036_854_776e18,
            ];
            numbers.map(Value::Double).to_vec()
        }
        T::String => {
            let mut texts: Vec<String> = [
                "\0",
                "a\0b",
                "5\0b",
                "ten of it.",
                "eleven of it",
                "äöüßäöüßäö",
                "ten of it.  ",
                "          ",
                "\\",
                "$$",
                "'",
                "\u{feff}",
                "\u{ffff}\u{10ffff}",
                "e\u{301}",
                "é",
                "-.5",
                "+1.",
                "1e",
                ".",
                "inf",
                "1\u{a0}",
                "a\t",
                "{\"a\": [1]}",
                "<a/>",
                "-- x",
            ]
            .map(str::to_owned)
            .to_vec();
            texts.push("long 名 ".repeat(5_000));
            texts.into_iter().map(Value::String).collect()
        }
        T::Bytes => [b"\\x00".to_vec(), vec![0; 9], vec![0; 10], vec![32; 3]].map(Value::Bytes).to_vec(),
        T::Date => {
            let days = [i32::MIN, i32::MAX, -2_440_588, -2_440_589, 2_145_042_905, 2_145_042_906, -719_163];
            days.into_iter().chain([2_932_897, -719_529, 95_026_601]).map(Value::Date).collect()
        }
        T::Time => {
            let last = [1, 4, 5, 5_000, 5_000_000, 5_000_001].map(|ticks| TICKS_A_DAY - ticks);
            last.into_iter().chain([4, 5, 9, 10, 5_000]).map(Value::Time).collect()
        }
        T::Timestamp => ticks.map(Value::Timestamp).to_vec(),
        T::TimestampOffset => {
            let offsets = [0, 1, -840, 840, 0, 330].into_iter().cycle();
            let values = ticks.into_iter().zip(offsets);
            values
                .chain([(0, 840), (0, -1), (i64::MIN, -840), (i64::MIN, 840), (i64::MAX, 840)])
                .map(|(ticks, offset_minutes)| Value::TimestampOffset { ticks, offset_minutes })
                .collect()
        }
    }
}

fn any_ticks() -> impl Strategy<Value = i64> {
    let step = prop_oneof![Just(1), Just(10), Just(10_000), Just(TICKS_A_DAY)];
    let near = prop_oneof![3 => COMMON_TICKS, 1 => any::<i64>()];
    (near, step).prop_map(|(ticks, step)| ticks / step * step)
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => vec(any::<char>(), 0..20).prop_map(String::from_iter),
        3 => "[ -~]{0,12}",
        2 => " ?[+-]?[0-9]{0,3}[.]?[0-9]{0,3}(e[0-9])? ?",
        1 => vec(any::<char>(), 200..3_000).prop_map(String::from_iter),
    ]
}

/// Random values of a type.
pub(crate) fn any_value(logical: LogicalType) -> BoxedStrategy<Value> {
    use LogicalType as T;
    let values = match logical {
        T::Boolean => any::<bool>().prop_map(Value::Boolean).boxed(),
        T::Int => (any::<i32>(), 0..31).prop_map(|(number, less)| Value::Int(number >> less)).boxed(),
        T::Long => (any::<i64>(), 0..63).prop_map(|(number, less)| Value::Long(number >> less)).boxed(),
        T::Decimal { precision, scale } => (any::<i128>(), 0..127, 0..=scale)
            .prop_map(move |(digits, less, zeros)| {
                let zeros = 10_i128.pow(zeros);
                let digits: i128 = (digits >> less) % 10_i128.pow(precision) / zeros * zeros;
                Value::Decimal(BigDecimal::new(digits.into(), i64::from(scale)))
            })
            .boxed(),
        T::Numeric => ("-?[0-9]{1,80}", -60..90_i64)
            .prop_map(|(digits, scale)| {
                Value::Decimal(BigDecimal::new(BigInt::from_str(&digits).unwrap(), scale))
            })
            .boxed(),
        // There is one NaN: only PostgreSQL keeps several apart, and shows none of it.
        T::Float => prop_oneof![any::<f32>(), (-1000..1000_i32).prop_map(|number| number as f32 / 8.0)]
            .prop_map(Value::Float)
            .boxed(),
        T::Double => prop_oneof![
            any::<f64>(),
            any::<f32>().prop_map(f64::from),
            any::<i64>().prop_map(|number| number as f64),
        ]
        .prop_map(Value::Double)
        .boxed(),
        T::String => any_text().prop_map(Value::String).boxed(),
        T::Bytes => vec(any::<u8>(), 0..40).prop_map(Value::Bytes).boxed(),
        T::Uuid => any::<u128>().prop_map(|number| Value::Uuid(Uuid::from_u128(number))).boxed(),
        T::Date => prop_oneof![-800_000..3_000_000, any::<i32>()].prop_map(Value::Date).boxed(),
        T::Time => any_ticks().prop_map(|ticks| Value::Time(ticks.rem_euclid(TICKS_A_DAY))).boxed(),
        T::Timestamp => any_ticks().prop_map(Value::Timestamp).boxed(),
        T::TimestampOffset => (any_ticks(), prop_oneof![Just(0), -840..=840_i16])
            .prop_map(|(ticks, offset_minutes)| Value::TimestampOffset { ticks, offset_minutes })
            .boxed(),
    };
    prop_oneof![1 => Just(Value::Null), 30 => values].boxed()
}
