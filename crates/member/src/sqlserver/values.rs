//! Values between SQL Server and the logical types, column by column, in both directions, without loss.
//!
//! A value that a column cannot hold as it is is not written; where the member is set to round, what the column keeps of
//! it is ([`Declared::narrowing`]). What the server would do to it in silence (cut seconds, fill up, put question marks) is
//! worked out before it is written. Every value
//! has one text form, which a statement converts: so that one text can carry a whole batch.

mod text;
pub(super) mod write;

use super::code_page::CodePage;
use super::declared::{Declared, Kind};
use crate::OnLoss;
use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use std::borrow::Cow;
use std::str::FromStr as _;
use tiberius::ColumnData;
use tributary_model::time::{TICKS_A_DAY, TICKS_A_MILLISECOND, TICKS_A_SECOND};
use tributary_model::{LogicalType, Value, time};
use uuid::Uuid;

/// 1900-01-01 in days since 1970-01-01.
const DAY_1900: i64 = -25_567;
/// The longest text that is read as a number.
const MAX_DECIMAL_TEXT: usize = 150_000;

/// How one column's values are read and written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Codec {
    /// The group's type: what is read has it, what is written comes in it.
    group: LogicalType,
    /// The column's type.
    declared: Declared,
    /// The code page of its texts.
    code_page: CodePage,
    /// Whether it is a key column, whose values must be spelt as we would spell them: they are looked up.
    key: bool,
    /// Whether texts are read as UTF-16 bytes.
    as_utf16: bool,
}

/// A value that a column cannot hold as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lost {
    /// What cannot be held, in words that do not tell the value.
    pub(crate) reason: &'static str,
}

/// A value as a column holds it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stored<'a> {
    Null,
    Bit(bool),
    Integer(i64),
    Decimal(Cow<'a, BigDecimal>),
    Real(f32),
    Float(f64),
    Text(Cow<'a, str>),
    Bytes(Cow<'a, [u8]>),
    Uuid(Uuid),
    /// Days since 1970-01-01.
    Date(i32),
    /// Ticks since midnight.
    Time(i64),
    /// Ticks since 1970-01-01.
    Timestamp(i64),
    /// Ticks since 1970-01-01 in UTC, and the offset in minutes.
    TimestampOffset(i64, i16),
}

impl Stored<'_> {
    /// The same, of its own.
    fn into_owned(self) -> Stored<'static> {
        match self {
            Self::Null => Stored::Null,
            Self::Bit(flag) => Stored::Bit(flag),
            Self::Integer(number) => Stored::Integer(number),
            Self::Decimal(decimal) => Stored::Decimal(Cow::Owned(decimal.into_owned())),
            Self::Real(number) => Stored::Real(number),
            Self::Float(number) => Stored::Float(number),
            Self::Text(text) => Stored::Text(Cow::Owned(text.into_owned())),
            Self::Bytes(bytes) => Stored::Bytes(Cow::Owned(bytes.into_owned())),
            Self::Uuid(id) => Stored::Uuid(id),
            Self::Date(days) => Stored::Date(days),
            Self::Time(ticks) => Stored::Time(ticks),
            Self::Timestamp(ticks) => Stored::Timestamp(ticks),
            Self::TimestampOffset(ticks, minutes) => Stored::TimestampOffset(ticks, minutes),
        }
    }
}

/// What one value becomes when it is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Written<'a> {
    /// The value that the column will hold.
    pub(crate) stored: Stored<'a>,
    /// Whether it was rounded.
    pub(crate) rounded: bool,
}

impl Codec {
    /// The codec of a column of the group's type `group` that is declared as `declared`; `None` when values of the
    /// one cannot stand in the other.
    pub(crate) fn new(
        group: LogicalType,
        declared: &Declared,
        code_page: CodePage,
        key: bool,
        as_utf16: bool,
    ) -> Option<Self> {
        use LogicalType as T;
        let local = declared.logical()?;
        let plain_text = declared.is_text();
        let whole = matches!(local, T::Int | T::Long);
        let fits = match group {
            T::Boolean => local == T::Boolean || whole,
            T::Int | T::Long => whole,
            T::Decimal { .. } | T::Numeric => matches!(local, T::Decimal { .. }) || whole || plain_text,
            T::Float | T::Double => matches!(local, T::Float | T::Double) && !key,
            T::String => local == T::String,
            T::Bytes => local == T::Bytes,
            T::Uuid | T::Date | T::Time | T::Timestamp | T::TimestampOffset => local == group || plain_text,
        };
        fits.then(|| Self { group, declared: declared.clone(), code_page, key, as_utf16 })
    }

    /// The group's type.
    pub(crate) fn logical(&self) -> LogicalType {
        self.group
    }

    /// The column's type.
    pub(crate) fn declared(&self) -> &Declared {
        &self.declared
    }

    /// The expression that selects `expression`, a column of this type, so that [`Codec::read`] can read it: what
    /// the client library would round (money), refuse (38 digits behind the point) or give up the whole page for (text
    /// that is no Unicode) comes in another form.
    pub(crate) fn select(&self, expression: &str) -> String {
        let declared = &self.declared;
        let utf16 = |unicode: String, units: Option<u32>| {
            if !self.as_utf16 {
                return unicode;
            }
            match units.filter(|units| *units <= 4000) {
                Some(units) => format!("CAST({unicode} AS varbinary({}))", units * 2),
                None => format!("CAST({unicode} AS varbinary(max))"),
            }
        };
        match declared.kind {
            Kind::Money | Kind::SmallMoney => format!("CAST({expression} AS decimal(19,4))"),
            Kind::Decimal if declared.scale >= 38 => format!("CAST({expression} AS varchar(41))"),
            Kind::NChar | Kind::NVarChar => utf16(expression.to_owned(), declared.length),
            Kind::Char | Kind::VarChar => match declared.length.filter(|bytes| *bytes <= 4000) {
                Some(bytes) => utf16(format!("CAST({expression} AS nvarchar({bytes}))"), Some(bytes)),
                None => utf16(format!("CAST({expression} AS nvarchar(max))"), None),
            },
            Kind::Text | Kind::NText | Kind::Xml | Kind::Json => {
                utf16(format!("CAST({expression} AS nvarchar(max))"), None)
            }
            Kind::Image => format!("CAST({expression} AS varbinary(max))"),
            _ => expression.to_owned(),
        }
    }

    /// Reads a value as [`Codec::select`] gives it. The error says why it is not of the column's type, and never the
    /// value.
    pub(crate) fn read(&self, cell: &ColumnData<'static>) -> Result<Value, String> {
        let Some(stored) = self.read_stored(cell)? else { return Ok(Value::Null) };
        let value = self.value(stored)?;
        if self.key && self.has_spellings() && !self.is_canonical(cell, &value) {
            return Err(format!(
                "is a key column and holds a {} spelt otherwise than this program would spell it",
                self.group
            ));
        }
        Ok(value)
    }

    /// What stands in a cell; `None` for NULL.
    fn read_stored(&self, cell: &ColumnData<'static>) -> Result<Option<Stored<'static>>, String> {
        let foreign = || format!("holds what is no {}", self.declared.spelt());
        let stored = match cell {
            ColumnData::Bit(value) => value.map(Stored::Bit),
            ColumnData::U8(value) => value.map(|value| Stored::Integer(i64::from(value))),
            ColumnData::I16(value) => value.map(|value| Stored::Integer(i64::from(value))),
            ColumnData::I32(value) => value.map(|value| Stored::Integer(i64::from(value))),
            ColumnData::I64(value) => value.map(Stored::Integer),
            ColumnData::F32(value) => value.map(Stored::Real),
            ColumnData::F64(value) => value.map(Stored::Float),
            ColumnData::Numeric(value) => value.map(|value| {
                let digits = BigInt::from(value.value());
                Stored::Decimal(Cow::Owned(BigDecimal::new(digits, i64::from(value.scale()))))
            }),
            ColumnData::String(Some(value)) if self.declared.kind == Kind::Decimal => {
                Some(Stored::Decimal(Cow::Owned(decimal_of(value).ok_or_else(foreign)?)))
            }
            ColumnData::String(value) => {
                value.as_ref().map(|value| Stored::Text(Cow::Owned(value.to_string())))
            }
            ColumnData::Binary(Some(bytes)) if self.declared.logical() == Some(LogicalType::String) => {
                Some(Stored::Text(Cow::Owned(of_utf16(bytes)?)))
            }
            ColumnData::Binary(value) => {
                value.as_ref().map(|value| Stored::Bytes(Cow::Owned(value.to_vec())))
            }
            ColumnData::Guid(value) => value.map(Stored::Uuid),
            ColumnData::Date(value) => value.map(|value| Stored::Date(days(value.days()))),
            ColumnData::Time(value) => value.map(|value| Stored::Time(ticks(value))),
            ColumnData::DateTime2(value) => value.map(|value| Stored::Timestamp(timestamp(value))),
            ColumnData::DateTime(value) => value.map(|value| {
                // As every driver shows it: to the nearest millisecond.
                let milliseconds = (i64::from(value.seconds_fragments()) * 10 + 1) / 3;
                let day = DAY_1900 + i64::from(value.days());
                Stored::Timestamp(day * TICKS_A_DAY + milliseconds * TICKS_A_MILLISECOND)
            }),
            ColumnData::SmallDateTime(value) => value.map(|value| {
                let day = DAY_1900 + i64::from(value.days());
                let minutes = i64::from(value.seconds_fragments());
                Stored::Timestamp(day * TICKS_A_DAY + minutes * 60 * TICKS_A_SECOND)
            }),
            ColumnData::DateTimeOffset(value) => {
                value.map(|value| Stored::TimestampOffset(timestamp(value.datetime2()), value.offset()))
            }
            ColumnData::Xml(value) => value.as_ref().map(|value| Stored::Text(Cow::Owned(value.to_string()))),
        };
        Ok(stored)
    }

    /// The group's value of what stands in the column.
    fn value(&self, stored: Stored<'_>) -> Result<Value, String> {
        let foreign = || format!("holds a {} that is no {}", self.declared.spelt(), self.group);
        let range = || format!("holds a {} outside of what {} allows", self.declared.spelt(), self.group);
        let value = match (self.group, stored) {
            (LogicalType::Boolean, Stored::Bit(flag)) => Value::Boolean(flag),
            (LogicalType::Boolean, Stored::Integer(number @ (0 | 1))) => Value::Boolean(number == 1),
            (LogicalType::Int, Stored::Integer(number)) => {
                Value::Int(i32::try_from(number).map_err(|_| range())?)
            }
            (LogicalType::Long, Stored::Integer(number)) => Value::Long(number),
            (LogicalType::Decimal { .. } | LogicalType::Numeric, stored) => {
                let decimal = match stored {
                    Stored::Decimal(decimal) => decimal.into_owned(),
                    Stored::Integer(number) => BigDecimal::from(number),
                    Stored::Text(text) => decimal_of(self.unpadded(&text)).ok_or_else(foreign)?,
                    _ => return Err(foreign()),
                };
                let value = Value::Decimal(decimal);
                if !value.fits(self.group) {
                    return Err(range());
                }
                value
            }
            (LogicalType::Float, Stored::Real(number)) => Value::Float(number),
            (LogicalType::Float, Stored::Float(number)) => {
                let narrow = number as f32;
                if f64::from(narrow).to_bits() != number.to_bits() {
                    return Err(range());
                }
                Value::Float(narrow)
            }
            (LogicalType::Double, Stored::Float(number)) => Value::Double(number),
            (LogicalType::Double, Stored::Real(number)) => Value::Double(f64::from(number)),
            (LogicalType::String, Stored::Text(text)) => Value::String(self.unpadded(&text).to_owned()),
            (LogicalType::Bytes, Stored::Bytes(bytes)) => Value::Bytes(bytes.into_owned()),
            (LogicalType::Uuid, Stored::Uuid(id)) => Value::Uuid(id),
            (LogicalType::Date, Stored::Date(days)) => Value::Date(days),
            (LogicalType::Time, Stored::Time(ticks)) => Value::Time(ticks),
            (LogicalType::Timestamp, Stored::Timestamp(ticks)) => Value::Timestamp(ticks),
            (LogicalType::TimestampOffset, Stored::TimestampOffset(ticks, offset_minutes)) => {
                Value::TimestampOffset { ticks, offset_minutes }
            }
            (_, Stored::Text(text)) => self.value_of_text(self.unpadded(&text)).ok_or_else(foreign)?,
            _ => return Err(foreign()),
        };
        Ok(value)
    }

    /// The blanks that fill a `char` up are not its value.
    fn unpadded<'t>(&self, text: &'t str) -> &'t str {
        if self.declared.is_padded() { text.trim_end_matches(' ') } else { text }
    }

    fn value_of_text(&self, text: &str) -> Option<Value> {
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

    /// Whether one value can stand in the column in several ways: as a text.
    fn has_spellings(&self) -> bool {
        self.declared.is_text() && self.group != LogicalType::String
    }

    fn is_canonical(&self, cell: &ColumnData<'static>, value: &Value) -> bool {
        let (Ok(written), Ok(Some(found))) = (self.write(value, OnLoss::Refuse), self.read_stored(cell))
        else {
            return false;
        };
        match (written.stored, found) {
            (Stored::Text(ours), Stored::Text(theirs)) => ours == self.unpadded(&theirs),
            _ => false,
        }
    }
}

fn days(from_year_one: u32) -> i32 {
    i32::try_from(from_year_one).map_or(i32::MAX, |days| days - 719_162)
}

fn ticks(time: tiberius::time::Time) -> i64 {
    let unit = 10_i64.pow(7_u32.saturating_sub(u32::from(time.scale())));
    i64::try_from(time.increments()).map_or(i64::MAX, |increments| increments.saturating_mul(unit))
}

/// A time of the server's in ticks.
pub(super) fn timestamp(value: tiberius::time::DateTime2) -> i64 {
    i64::from(days(value.date().days())) * TICKS_A_DAY + ticks(value.time())
}

fn of_utf16(bytes: &[u8]) -> Result<String, String> {
    let pairs = bytes.chunks_exact(2);
    let whole = pairs.remainder().is_empty();
    let units: Vec<u16> = pairs.map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    let text = String::from_utf16(&units).ok().filter(|_| whole);
    text.ok_or_else(|| "holds a text that is not valid Unicode: half of a surrogate pair".to_owned())
}

/// A plain decimal text: sign, digits, point. An exponent could name a number too long to write out.
fn decimal_of(text: &str) -> Option<BigDecimal> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && digits.bytes().any(|byte| byte.is_ascii_digit())
        && digits.bytes().filter(|byte| *byte == b'.').count() <= 1
        && text.len() <= MAX_DECIMAL_TEXT;
    if plain { BigDecimal::from_str(text).ok() } else { None }
}

#[cfg(test)]
mod tests;
