//! What should become of a value in a column, said as the documentation says it.

use bigdecimal::{BigDecimal, RoundingMode};
use std::ops::RangeInclusive;
use std::str::FromStr as _;
use tributary_model::{LogicalType, Value, time::TICKS_A_DAY};

/// What becomes of a value that is to stand in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stands there as it is.
    Same,
    /// It becomes this one where rounding is allowed, and is refused elsewhere.
    Rounded(Value),
    /// It is refused.
    Refused,
    /// Any of these: nobody has written down which.
    Unsaid,
}

/// The column holds everything.
pub(crate) fn same(_: &Value) -> Fate {
    Fate::Same
}

/// Nothing is written down.
pub(crate) fn unsaid(_: &Value) -> Fate {
    Fate::Unsaid
}

fn only(kept: bool) -> Fate {
    if kept { Fate::Same } else { Fate::Refused }
}

/// Integers, of no more than this range.
pub(crate) fn integers(value: &Value, range: RangeInclusive<i64>) -> Fate {
    let number = match value {
        Value::Int(number) => Some(i64::from(*number)),
        Value::Long(number) => Some(*number),
        Value::Decimal(decimal) => whole(decimal),
        other => panic!("{other} is no number"),
    };
    only(number.is_some_and(|number| range.contains(&number)))
}

fn whole(decimal: &BigDecimal) -> Option<i64> {
    decimal.normalized().to_plain_string().parse().ok()
}

fn decimal(value: &Value) -> &BigDecimal {
    match value {
        Value::Decimal(decimal) => decimal,
        other => panic!("{other} is no decimal"),
    }
}

/// So many digits, so many of them behind the point; others are rounded half to even.
pub(crate) fn digits(value: &Value, precision: u32, scale: u32) -> Fate {
    let fits = |value: &Value| value.fits(LogicalType::Decimal { precision, scale });
    let rounded = Value::Decimal(decimal(value).with_scale_round(i64::from(scale), RoundingMode::HalfEven));
    match () {
        () if fits(value) => Fate::Same,
        () if fits(&rounded) => Fate::Rounded(rounded),
        () => Fate::Refused,
    }
}

/// PostgreSQL's money: hundredths in 64 bits.
pub(crate) fn money(value: &Value) -> Fate {
    let hundredths = |value: &Value| whole(&(decimal(value) * BigDecimal::from(100)));
    match digits(value, 19, 2) {
        Fate::Same => only(hundredths(value).is_some()),
        Fate::Rounded(rounded) if hundredths(&rounded).is_none() => Fate::Refused,
        other => other,
    }
}

/// PostgreSQL's numeric: 131,072 digits before the point and 16,383 behind it.
pub(crate) fn numeric(value: &Value) -> Fate {
    let normal = decimal(value).normalized();
    let (digits, behind) = normal.as_bigint_and_exponent();
    let before = digits.to_string().trim_start_matches('-').len() as i64 - behind;
    only(behind <= 16_383 && before <= 131_072)
}

/// A decimal in a column in which SQLite makes floats of fractions, and of long numbers where integers are kept too.
pub(crate) fn sqlite_number(value: &Value, integers: bool) -> Fate {
    let decimal = decimal(value);
    if integers && whole(decimal).is_some() {
        return Fate::Same;
    }
    let digits = decimal.normalized().to_plain_string();
    // Longer than any that is written out.
    if digits.len() > 150_000 {
        return Fate::Refused;
    }
    let float: f64 = digits.parse().unwrap();
    if !float.is_finite() {
        return Fate::Refused;
    }
    let shortest = BigDecimal::from_str(&float.to_string()).unwrap();
    if shortest == *decimal {
        return Fate::Same;
    }
    let kept = float.fract() == 0.0 && float.abs() < 9.2e18;
    Fate::Rounded(Value::Decimal(if integers && kept { BigDecimal::from(float as i64) } else { shortest }))
}

/// SQLite's floats: no NaN, and no sign of zero.
pub(crate) fn sqlite_float(value: &Value) -> Fate {
    match value {
        Value::Float(number) if number.is_nan() => Fate::Refused,
        Value::Double(number) if number.is_nan() => Fate::Refused,
        Value::Float(number) if number.to_bits() == (-0.0_f32).to_bits() => Fate::Rounded(Value::Float(0.0)),
        Value::Double(number) if number.to_bits() == (-0.0_f64).to_bits() => {
            Fate::Rounded(Value::Double(0.0))
        }
        _ => Fate::Same,
    }
}

/// A double in a single float.
pub(crate) fn single(value: &Value) -> Fate {
    let Value::Double(number) = value else { return Fate::Same };
    let narrow = *number as f32;
    match () {
        () if number.is_nan() || f64::from(narrow) == *number => Fate::Same,
        () if narrow.is_infinite() => Fate::Refused,
        () => Fate::Rounded(Value::Double(f64::from(narrow))),
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::String(text) => text,
        other => panic!("{other} is no text"),
    }
}

/// Texts without NUL, of so many characters at most.
pub(crate) fn characters(value: &Value, most: usize) -> Fate {
    only(!text(value).contains('\0') && text(value).chars().count() <= most)
}

/// The same without blanks at the end.
pub(crate) fn padded(value: &Value, most: usize) -> Fate {
    let kept = Value::String(text(value).trim_end_matches(' ').to_owned());
    match characters(&kept, most) {
        Fate::Same if kept != *value => Fate::Rounded(kept),
        other => other,
    }
}

/// Texts that SQLite does not take for numbers. What only has the characters of one may be refused as well.
pub(crate) fn no_number(value: &Value) -> Fate {
    let blank = |c| matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r');
    // What follows a NUL is not read.
    let read = text(value).split('\0').next().unwrap_or_default();
    let digits = read.trim_matches(blank);
    let numeric = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    match () {
        () if digits.is_empty() || !digits.chars().all(numeric) => Fate::Same,
        () if digits.parse::<f64>().is_ok() => Fate::Refused,
        () => Fate::Unsaid,
    }
}

/// The first day that PostgreSQL has, and the last one.
const POSTGRES_DAYS: RangeInclusive<i32> = -2_440_588..=2_145_042_905;

/// PostgreSQL's dates.
pub(crate) fn postgres_date(value: &Value) -> Fate {
    let Value::Date(days) = value else { panic!("{value} is no date") };
    only(POSTGRES_DAYS.contains(days))
}

/// PostgreSQL's times, in steps of so many ticks and rounded half up; without an offset.
pub(crate) fn postgres_ticks(value: &Value, step: i64) -> Fate {
    let near = |ticks: i64| {
        let down = ticks.checked_sub(ticks.rem_euclid(step))?;
        Some(if ticks - down >= (step + 1) / 2 { down.checked_add(step).unwrap_or(down) } else { down })
    };
    let first = i64::from(*POSTGRES_DAYS.start()) * TICKS_A_DAY;
    let since_first = |ticks| near(ticks).filter(|near| *near >= first);
    let kept = match value {
        // 24:00 would be another time.
        Value::Time(ticks) => near(*ticks).map(|near| Value::Time(near.min(TICKS_A_DAY - step))),
        Value::Timestamp(ticks) => since_first(*ticks).map(Value::Timestamp),
        Value::TimestampOffset { ticks, .. } => {
            since_first(*ticks).map(|ticks| Value::TimestampOffset { ticks, offset_minutes: 0 })
        }
        other => panic!("{other} is no time"),
    };
    match kept {
        None => Fate::Refused,
        Some(kept) if kept == *value => Fate::Same,
        Some(kept) => Fate::Rounded(kept),
    }
}
