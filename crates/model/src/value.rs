//! Values of the logical types that all dialects share, and the types themselves.
//!
//! Decides when two values are the same: decimals by value, floats by their bits (so that NaN equals itself and a
//! row holding one can be compared), everything else literally. Does not convert between dialects.

use bigdecimal::BigDecimal;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// A logical type (see `docs/members.md` for its counterpart in every database).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogicalType {
    /// True or false.
    Boolean,
    /// 32-bit signed integer.
    Int,
    /// 64-bit signed integer.
    Long,
    /// Exact decimal with at most `precision` digits, `scale` of them behind the point.
    Decimal {
        /// Digits in all, 1 to 1,000.
        precision: u32,
        /// Digits behind the point, at most `precision`.
        scale: u32,
    },
    /// Exact decimal without bounds.
    Numeric,
    /// IEEE 754 single.
    Float,
    /// IEEE 754 double.
    Double,
    /// Unicode text.
    String,
    /// Raw bytes.
    Bytes,
    /// 128-bit identifier.
    Uuid,
    /// Days since 1970-01-01.
    Date,
    /// Ticks of 100 ns since midnight.
    Time,
    /// Ticks of 100 ns since 1970-01-01T00:00, without a zone.
    Timestamp,
    /// Ticks of 100 ns since 1970-01-01T00:00Z, with the offset it was written in.
    TimestampOffset,
}

impl fmt::Display for LogicalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Int => f.write_str("int"),
            Self::Long => f.write_str("long"),
            Self::Decimal { precision, scale } => write!(f, "decimal({precision},{scale})"),
            Self::Numeric => f.write_str("numeric"),
            Self::Float => f.write_str("float"),
            Self::Double => f.write_str("double"),
            Self::String => f.write_str("string"),
            Self::Bytes => f.write_str("bytes"),
            Self::Uuid => f.write_str("uuid"),
            Self::Date => f.write_str("date"),
            Self::Time => f.write_str("time"),
            Self::Timestamp => f.write_str("timestamp"),
            Self::TimestampOffset => f.write_str("timestamp with offset"),
        }
    }
}

/// A value, or NULL. That a column is *absent* from a row is said by [`crate::Row`], never by a value.
#[derive(Debug, Clone)]
pub enum Value {
    /// SQL NULL.
    Null,
    /// Of type [`LogicalType::Boolean`].
    Boolean(bool),
    /// Of type [`LogicalType::Int`].
    Int(i32),
    /// Of type [`LogicalType::Long`].
    Long(i64),
    /// Of type [`LogicalType::Decimal`] or [`LogicalType::Numeric`].
    Decimal(BigDecimal),
    /// Of type [`LogicalType::Float`].
    Float(f32),
    /// Of type [`LogicalType::Double`].
    Double(f64),
    /// Of type [`LogicalType::String`].
    String(String),
    /// Of type [`LogicalType::Bytes`].
    Bytes(Vec<u8>),
    /// Of type [`LogicalType::Uuid`].
    Uuid(Uuid),
    /// Of type [`LogicalType::Date`]: days since 1970-01-01.
    Date(i32),
    /// Of type [`LogicalType::Time`]: ticks since midnight, below 864,000,000,000.
    Time(i64),
    /// Of type [`LogicalType::Timestamp`]: ticks since 1970-01-01T00:00.
    Timestamp(i64),
    /// Of type [`LogicalType::TimestampOffset`].
    TimestampOffset {
        /// Ticks since 1970-01-01T00:00Z.
        ticks: i64,
        /// The offset from UTC it was written in, in minutes, within ±14 hours.
        offset_minutes: i16,
    },
}

impl Value {
    /// Whether it is NULL.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// Whether it may stand in a column of this type. NULL fits every type; a decimal has to fit precision and
    /// scale without rounding.
    pub fn fits(&self, logical: LogicalType) -> bool {
        match (self, logical) {
            (Self::Null, _)
            | (Self::Boolean(_), LogicalType::Boolean)
            | (Self::Int(_), LogicalType::Int)
            | (Self::Long(_), LogicalType::Long)
            | (Self::Decimal(_), LogicalType::Numeric)
            | (Self::Float(_), LogicalType::Float)
            | (Self::Double(_), LogicalType::Double)
            | (Self::String(_), LogicalType::String)
            | (Self::Bytes(_), LogicalType::Bytes)
            | (Self::Uuid(_), LogicalType::Uuid)
            | (Self::Date(_), LogicalType::Date)
            | (Self::Timestamp(_), LogicalType::Timestamp) => true,
            (Self::Time(ticks), LogicalType::Time) => (0..crate::time::TICKS_A_DAY).contains(ticks),
            (Self::TimestampOffset { offset_minutes, .. }, LogicalType::TimestampOffset) => {
                (-840..=840).contains(offset_minutes)
            }
            (Self::Decimal(decimal), LogicalType::Decimal { precision, scale }) => {
                decimal_fits(decimal, precision, scale)
            }
            _ => false,
        }
    }
}

/// Whether `decimal` can be written with `precision` digits, `scale` of them behind the point, without rounding.
pub(crate) fn decimal_fits(decimal: &BigDecimal, precision: u32, scale: u32) -> bool {
    let normal = decimal.normalized();
    let (digits, exponent) = normal.as_bigint_and_exponent();
    if digits.sign() == bigdecimal::num_bigint::Sign::NoSign {
        return true;
    }
    let behind = exponent.max(0);
    let length = i64::try_from(normal.digits()).unwrap_or(i64::MAX);
    let before = (length - exponent).max(0);
    behind <= i64::from(scale) && before <= i64::from(precision) - i64::from(scale)
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Int(a), Self::Int(b)) | (Self::Date(a), Self::Date(b)) => a == b,
            (Self::Long(a), Self::Long(b))
            | (Self::Time(a), Self::Time(b))
            | (Self::Timestamp(a), Self::Timestamp(b)) => a == b,
            (Self::Decimal(a), Self::Decimal(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits(),
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::Uuid(a), Self::Uuid(b)) => a == b,
            (
                Self::TimestampOffset { ticks: a, offset_minutes: m },
                Self::TimestampOffset { ticks: b, offset_minutes: n },
            ) => a == b && m == n,
            _ => false,
        }
    }
}

impl Eq for Value {}

/// How a person reads it: for messages and listings, not for SQL. NULL is `NULL`, bytes are `0x…`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("NULL"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Long(value) => write!(f, "{value}"),
            Self::Decimal(value) => f.write_str(&value.to_plain_string()),
            Self::Float(value) => write!(f, "{value}"),
            Self::Double(value) => write!(f, "{value}"),
            Self::String(value) => f.write_str(value),
            Self::Bytes(value) => {
                f.write_str("0x")?;
                value.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Uuid(value) => write!(f, "{value}"),
            Self::Date(days) => f.write_str(&crate::time::format_date(*days)),
            Self::Time(ticks) => f.write_str(&crate::time::format_time(*ticks)),
            Self::Timestamp(ticks) => f.write_str(&crate::time::format_timestamp(*ticks)),
            Self::TimestampOffset { ticks, offset_minutes } => {
                f.write_str(&crate::time::format_timestamp_offset(*ticks, *offset_minutes))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::str::FromStr;

    #[test]
    fn decimals_are_equal_by_value_and_fit_without_rounding() {
        let decimal = |text| BigDecimal::from_str(text).unwrap();
        assert_eq!(Value::Decimal(decimal("1.50")), Value::Decimal(decimal("1.5")));
        let money = LogicalType::Decimal { precision: 5, scale: 2 };
        for good in ["0", "999.99", "-1.5", "1.500", "1e2"] {
            assert!(Value::Decimal(decimal(good)).fits(money), "{good}");
        }
        for bad in ["1000", "0.001", "1e3", "999.995"] {
            assert!(!Value::Decimal(decimal(bad)).fits(money), "{bad}");
        }
    }

    #[test]
    fn floats_are_equal_by_bits() {
        assert_eq!(Value::Double(f64::NAN), Value::Double(f64::NAN));
        assert_ne!(Value::Double(0.0), Value::Double(-0.0));
        assert_ne!(Value::Int(1), Value::Long(1));
    }
}
