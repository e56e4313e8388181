//! Values between SQLite and the logical types, column by column, in both directions, without loss.
//!
//! SQLite lets any value into any column. A value that is not of its column's declared type is not read: the row
//! is listed as not published. A value that a column cannot hold as it is is not written; where the member is set to
//! round, what the column keeps of it is ([`Declared::narrowing`]). What SQLite would do to a value by the column's
//! affinity is worked out before it is written.

use super::declared::{Affinity, Declared};
use super::keys;
use super::settings::OnLoss;
use bigdecimal::BigDecimal;
use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use std::borrow::Cow;
use std::str::FromStr;
use tributary_model::decimal::{is_reasonable, nearest_double, of_double, whole};
use tributary_model::{LogicalType, Narrowing, Value, time};
use uuid::Uuid;

/// Longest decimal text that is read; the longest of any database (PostgreSQL's) has 147,457 digits.
const MAX_DECIMAL_TEXT: usize = 150_000;

/// How one column's values are read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Codec {
    /// The group's type: what is read has it, what is written comes in it.
    group: LogicalType,
    /// The member's declared type.
    local: LogicalType,
    /// What SQLite does with values of the column.
    affinity: Affinity,
    /// What the column keeps of values that are rounded for it.
    narrowing: Narrowing,
    /// Whether it is a key column, whose values must be spelt as we would spell them: they are looked up.
    key: bool,
}

/// A value that a column cannot hold as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    /// What cannot be held, in words that do not tell the value.
    pub(crate) reason: &'static str,
}

/// What one value becomes when it is written.
#[derive(Debug)]
pub(crate) struct Written<'a> {
    /// The value to be bound.
    pub(crate) value: ToSqlOutput<'a>,
    /// Whether it was rounded.
    pub(crate) rounded: bool,
}

impl Codec {
    /// The codec of a column of the group's type `group` that is declared as `declared`; `None` when values of the
    /// one cannot stand in the other.
    pub(crate) fn new(group: LogicalType, declared: Declared, key: bool) -> Option<Self> {
        use LogicalType as T;
        let local = declared.logical?;
        let fits = match group {
            T::Boolean => matches!(local, T::Boolean | T::Int | T::Long),
            T::Int | T::Long => matches!(local, T::Int | T::Long),
            T::Decimal { .. } | T::Numeric => {
                matches!(local, T::Decimal { .. } | T::Numeric | T::Int | T::Long | T::Double)
            }
            // A column with TEXT affinity makes a text of a float.
            T::Float | T::Double => {
                matches!(local, T::Double | T::Decimal { .. } | T::Numeric)
                    && declared.affinity != Affinity::Text
                    && !key
            }
            T::String => local == T::String,
            T::Bytes => local == T::Bytes,
            T::Uuid | T::Date | T::Time | T::Timestamp | T::TimestampOffset => {
                local == group || local == T::String
            }
        };
        let narrowing = declared.narrowing();
        fits.then_some(Self { group, local, affinity: declared.affinity, narrowing, key })
    }

    /// The group's type.
    pub(crate) fn logical(&self) -> LogicalType {
        self.group
    }

    /// Reads a value as SQLite stores it. The error says why it is not of the column's type; it tells storage
    /// classes and never the value.
    #[inline]
    pub(crate) fn read(&self, stored: ValueRef<'_>) -> Result<Value, String> {
        // The common types first, and without a detour.
        match (stored, self.group) {
            (ValueRef::Null, _) => return Ok(Value::Null),
            (ValueRef::Integer(number), LogicalType::Long) if self.local == LogicalType::Long => {
                return Ok(Value::Long(number));
            }
            (ValueRef::Text(bytes), LogicalType::String) => {
                return match std::str::from_utf8(bytes) {
                    Ok(text) => Ok(Value::String(text.to_owned())),
                    Err(_) => Err("holds TEXT that is not valid Unicode".to_owned()),
                };
            }
            _ => {}
        }
        let value = self.read_other(stored)?;
        if self.key && self.has_spellings() && !self.is_canonical(stored, &value) {
            return Err(format!(
                "is a key column and holds a {} spelt otherwise than `{}` is stored by this program",
                self.group,
                self.spelling(),
            ));
        }
        Ok(value)
    }

    fn read_other(&self, stored: ValueRef<'_>) -> Result<Value, String> {
        let foreign = || format!("holds {} where {} is declared", class(stored), self.declared());
        let range = || format!("holds {} outside of what {} allows", class(stored), self.declared());
        match self.group {
            LogicalType::Boolean => match stored {
                ValueRef::Integer(0) => Ok(Value::Boolean(false)),
                ValueRef::Integer(1) => Ok(Value::Boolean(true)),
                ValueRef::Integer(_) => {
                    Err("holds an INTEGER other than 0 and 1 where boolean is declared".into())
                }
                _ => Err(foreign()),
            },
            LogicalType::Int => match stored {
                ValueRef::Integer(number) => i32::try_from(number).map(Value::Int).map_err(|_| range()),
                _ => Err(foreign()),
            },
            LogicalType::Long => match stored {
                ValueRef::Integer(number) if self.holds_integer(number) => Ok(Value::Long(number)),
                ValueRef::Integer(_) => Err(range()),
                _ => Err(foreign()),
            },
            LogicalType::Decimal { .. } | LogicalType::Numeric => {
                let whole_only = matches!(self.local, LogicalType::Int | LogicalType::Long);
                let decimal = match stored {
                    ValueRef::Integer(number) if !self.holds_integer(number) => return Err(range()),
                    ValueRef::Integer(number) => Some(BigDecimal::from(number)),
                    _ if whole_only => None,
                    ValueRef::Real(number) => of_double(number),
                    ValueRef::Text(bytes) if self.affinity != Affinity::Real => decimal_of_text(bytes),
                    _ => None,
                };
                let value = Value::Decimal(decimal.ok_or_else(foreign)?);
                if value.fits(self.group) && (!self.is_decimal() || value.fits(self.local)) {
                    Ok(value)
                } else {
                    Err(format!("holds {} with more digits than {} has", class(stored), self.declared()))
                }
            }
            LogicalType::Double => {
                let double = self.read_float(stored).ok_or_else(foreign)?;
                if self.float_fits(double) { Ok(Value::Double(double)) } else { Err(range()) }
            }
            LogicalType::Float => {
                let double = self.read_float(stored).ok_or_else(foreign)?;
                if !self.float_fits(double) {
                    return Err(range());
                }
                let float = double as f32;
                // NaN cannot come from SQLite; infinities pass.
                if f64::from(float) == double {
                    Ok(Value::Float(float))
                } else {
                    Err("holds a REAL with more digits than the group's float has".to_owned())
                }
            }
            LogicalType::String => Err(foreign()),
            LogicalType::Bytes => match stored {
                ValueRef::Blob(bytes) => Ok(Value::Bytes(bytes.to_vec())),
                _ => Err(foreign()),
            },
            LogicalType::Uuid
            | LogicalType::Date
            | LogicalType::Time
            | LogicalType::Timestamp
            | LogicalType::TimestampOffset => {
                let ValueRef::Text(bytes) = stored else { return Err(foreign()) };
                let text = std::str::from_utf8(bytes).ok();
                text.and_then(|text| self.read_text(text))
                    .ok_or_else(|| format!("holds TEXT that is no {}", self.group))
            }
        }
    }

    fn read_text(&self, text: &str) -> Option<Value> {
        match self.group {
            // Other spellings (braces, no hyphens) would not come back as they were.
            LogicalType::Uuid if text.len() == 36 => Uuid::try_parse(text).ok().map(Value::Uuid),
            LogicalType::Date => time::parse_date(text).map(Value::Date),
            LogicalType::Time => time::parse_time(text).map(Value::Time),
            LogicalType::Timestamp => time::parse_timestamp(text).map(Value::Timestamp),
            LogicalType::TimestampOffset => time::parse_timestamp_offset(text)
                .map(|(ticks, offset_minutes)| Value::TimestampOffset { ticks, offset_minutes }),
            _ => None,
        }
    }

    fn read_float(&self, stored: ValueRef<'_>) -> Option<f64> {
        match stored {
            ValueRef::Real(number) => Some(number),
            // A NUMERIC column makes an integer of 3.0.
            ValueRef::Integer(number) if exact_float(number) => Some(number as f64),
            _ => None,
        }
    }

    /// Whether a float can stand in the column; one that is declared as decimal takes only its digits.
    fn float_fits(&self, number: f64) -> bool {
        !self.is_decimal()
            || of_double(number).is_some_and(|decimal| Value::Decimal(decimal).fits(self.local))
    }

    fn holds_integer(&self, number: i64) -> bool {
        self.local != LogicalType::Int || i32::try_from(number).is_ok()
    }

    fn is_decimal(&self) -> bool {
        matches!(self.local, LogicalType::Decimal { .. })
    }

    /// The declared type as messages name it.
    fn declared(&self) -> String {
        match (self.group, self.local) {
            (LogicalType::Boolean, _) => "boolean".to_owned(),
            _ => self.local.to_string(),
        }
    }

    /// Whether one value can be stored in several ways.
    fn has_spellings(&self) -> bool {
        use LogicalType as T;
        matches!(
            self.group,
            T::Decimal { .. } | T::Numeric | T::Uuid | T::Date | T::Time | T::Timestamp | T::TimestampOffset
        )
    }

    /// Whether `value` would be written exactly as it is stored.
    fn is_canonical(&self, stored: ValueRef<'_>, value: &Value) -> bool {
        match self.write(value, OnLoss::Refuse) {
            Ok(written) => match (&written.value, stored) {
                (ToSqlOutput::Borrowed(ours), theirs) => *ours == theirs,
                (ToSqlOutput::Owned(ours), theirs) => ValueRef::from(ours) == theirs,
                _ => false,
            },
            Err(_) => false,
        }
    }

    fn spelling(&self) -> &'static str {
        match self.group {
            LogicalType::Uuid => "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
            LogicalType::Date => "2026-11-23",
            LogicalType::Time => "13:45:00.5",
            LogicalType::Timestamp => "2026-11-23 13:45:00.5",
            LogicalType::TimestampOffset => "2026-11-23 13:45:00.5+01:00",
            _ => "12.50",
        }
    }

    /// The value to be bound so that reading it gives `value` again, or what the column keeps of it.
    #[inline]
    pub(crate) fn write<'a>(&self, value: &'a Value, on_loss: OnLoss) -> Result<Written<'a>, Lost> {
        let lost = match self.exactly(value) {
            Ok(value) => return Ok(Written { value, rounded: false }),
            Err(lost) => lost,
        };
        match self.narrowing.of(value) {
            // A key is looked up: it never stands for another.
            Cow::Owned(kept) if on_loss == OnLoss::Round && !self.key => match self.exactly(&kept) {
                Ok(kept) => Ok(Written { value: ToSqlOutput::Owned(keys::owned(&kept)), rounded: true }),
                Err(_) => Err(lost),
            },
            _ => Err(lost),
        }
    }

    /// The value to be bound so that reading it gives `value` again.
    #[inline]
    fn exactly<'a>(&self, value: &'a Value) -> Result<ToSqlOutput<'a>, Lost> {
        let integer = |number: i64| Ok(ToSqlOutput::Owned(Stored::Integer(number)));
        match value {
            Value::Null => Ok(ToSqlOutput::Owned(Stored::Null)),
            _ if !value.fits(self.group) => Err(Lost { reason: "a value of another type than the column's" }),
            Value::Boolean(flag) => integer(i64::from(*flag)),
            Value::Int(number) => integer(i64::from(*number)),
            Value::Long(number) if self.holds_integer(*number) => integer(*number),
            Value::Long(_) => Err(Lost { reason: "an integer of more than 32 bits, for a 32-bit column" }),
            Value::Decimal(decimal) => self.write_decimal(decimal),
            Value::Float(number) => self.write_float(f64::from(*number)),
            Value::Double(number) => self.write_float(*number),
            Value::String(text) => self.write_text(Cow::Borrowed(text)),
            Value::Bytes(bytes) => Ok(ToSqlOutput::Borrowed(ValueRef::Blob(bytes))),
            Value::Uuid(id) => self.write_text(Cow::Owned(id.hyphenated().to_string())),
            Value::Date(days) => self.write_text(Cow::Owned(time::format_date(*days))),
            Value::Time(ticks) => self.write_text(Cow::Owned(time::format_time(*ticks))),
            Value::Timestamp(ticks) => self.write_text(Cow::Owned(time::format_timestamp(*ticks))),
            Value::TimestampOffset { ticks, offset_minutes } => {
                self.write_text(Cow::Owned(time::format_timestamp_offset(*ticks, *offset_minutes)))
            }
        }
    }

    fn write_text<'a>(&self, text: Cow<'a, str>) -> Result<ToSqlOutput<'a>, Lost> {
        if self.affinity.changes_texts() && looks_like_a_number(&text) {
            return Err(Lost {
                reason: "a text that SQLite would turn into a number, since the column's declared type has a \
                         numeric affinity",
            });
        }
        Ok(match text {
            Cow::Borrowed(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Cow::Owned(text) => ToSqlOutput::Owned(Stored::Text(text)),
        })
    }

    fn write_float(&self, number: f64) -> Result<ToSqlOutput<'static>, Lost> {
        if number.is_nan() {
            return Err(Lost { reason: "NaN, which SQLite stores as NULL" });
        }
        // SQLite stores a float without fraction as an integer, and -0.0 comes back as 0.0.
        if number == 0.0 && number.is_sign_negative() && self.narrowing.no_negative_zero {
            return Err(Lost { reason: "the float -0.0, whose sign SQLite does not keep" });
        }
        if !self.float_fits(number) {
            return Err(Lost { reason: "a float with more digits than the column has" });
        }
        Ok(ToSqlOutput::Owned(Stored::Real(number)))
    }

    fn write_decimal(&self, decimal: &BigDecimal) -> Result<ToSqlOutput<'static>, Lost> {
        if !is_reasonable(decimal) {
            return Err(Lost { reason: "a decimal of more digits than any column holds" });
        }
        if self.is_decimal() && !Value::Decimal(decimal.clone()).fits(self.local) {
            return Err(Lost { reason: "a decimal with more digits than the column has" });
        }
        if self.affinity == Affinity::Text {
            let scaled = match self.local {
                LogicalType::Decimal { scale, .. } => decimal.with_scale(i64::from(scale)),
                _ => decimal.normalized(),
            };
            return Ok(ToSqlOutput::Owned(Stored::Text(scaled.to_plain_string())));
        }
        if matches!(self.affinity, Affinity::Integer | Affinity::Numeric | Affinity::Blob)
            && let Some(number) = whole(decimal)
        {
            return if self.holds_integer(number) {
                Ok(ToSqlOutput::Owned(Stored::Integer(number)))
            } else {
                Err(Lost { reason: "an integer of more than 32 bits, for a 32-bit column" })
            };
        }
        if matches!(self.local, LogicalType::Int | LogicalType::Long) {
            return Err(Lost { reason: "a decimal that is no 64-bit integer, for an integer column" });
        }
        let Some(float) = nearest_double(decimal) else {
            return Err(Lost { reason: "a decimal beyond the range of SQLite's floats" });
        };
        if of_double(float).is_some_and(|kept| kept == *decimal) {
            return Ok(ToSqlOutput::Owned(Stored::Real(float)));
        }
        // Rounded, it may even have a digit more than the column: 9999999999999999.99.
        Err(Lost {
            reason: "a decimal of more than 15 digits, which SQLite keeps only in a column of a TEXT type such as \
                     DECIMAL_TEXT(38,4)",
        })
    }
}

/// The storage class of a value, as `typeof()` names it in capitals.
pub(crate) fn class(stored: ValueRef<'_>) -> &'static str {
    match stored {
        ValueRef::Null => "NULL",
        ValueRef::Integer(_) => "INTEGER",
        ValueRef::Real(_) => "REAL",
        ValueRef::Text(_) => "TEXT",
        ValueRef::Blob(_) => "BLOB",
    }
}

/// A plain decimal text: sign, digits, point. An exponent could name a number too long to write out.
fn decimal_of_text(bytes: &[u8]) -> Option<BigDecimal> {
    let digits = bytes.strip_prefix(b"-").or_else(|| bytes.strip_prefix(b"+")).unwrap_or(bytes);
    let plain = digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        && digits.iter().any(u8::is_ascii_digit)
        && digits.iter().filter(|byte| **byte == b'.').count() <= 1
        && bytes.len() <= MAX_DECIMAL_TEXT;
    if !plain {
        return None;
    }
    BigDecimal::from_str(std::str::from_utf8(bytes).ok()?).ok()
}

fn exact_float(number: i64) -> bool {
    // Beyond i64::MAX the cast back saturates, so compare in a wider type.
    (number as f64) as i128 == i128::from(number)
}

/// Whether SQLite would take the text for a number; also true for some that it would not.
fn looks_like_a_number(text: &str) -> bool {
    // SQLite trims its own blanks and reads no further than the first NUL: `5\0b` it takes for 5.
    let read = text.split('\0').next().unwrap_or_default();
    let trimmed = read.trim_matches(|c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}'));
    let first = trimmed.trim_start_matches(['+', '-']).trim_start_matches('.').chars().next();
    first.is_some_and(|c| c.is_ascii_digit())
        && trimmed
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E'))
        && !is_hyphenated_date(trimmed)
}

/// `2026-11-23` has only characters of numbers and is none.
fn is_hyphenated_date(text: &str) -> bool {
    text.bytes()
        .enumerate()
        .any(|(at, byte)| at > 0 && matches!(byte, b'-' | b'+') && text.as_bytes()[at - 1].is_ascii_digit())
}

#[cfg(test)]
mod tests;
