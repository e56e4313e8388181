//! Values between PostgreSQL's binary forms and the logical types, column by column, in both directions, without loss.
//!
//! What has no logical value (infinity, 24:00, a NaN among decimals) is not read: the row is listed as not
//! published. What a column cannot hold as it is is not written; where the member is set to round, what the column
//! keeps of it is ([`Declared::narrowing`]). What the server would do to a value without a word (cut blanks, round
//! fractions) is worked out before it is written. A key is never rounded.

use super::declared::{Declared, Quirk, Transport};
use super::numeric;
use super::settings::OnLoss;
use bigdecimal::{BigDecimal, ToPrimitive as _};
use bytes::{BufMut as _, BytesMut};
use std::borrow::Cow;
use std::error::Error as StdError;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tributary_model::time::TICKS_A_DAY;
use tributary_model::{LogicalType, Narrowing, Steps, Value};
use uuid::Uuid;

/// Days from 1970-01-01 to 2000-01-01, where PostgreSQL's dates begin.
const EPOCH_DAYS: i32 = 10_957;
/// The same in microseconds.
const EPOCH_MICROSECONDS: i64 = EPOCH_DAYS as i64 * 86_400_000_000;
/// The first date that PostgreSQL has (4714-11-24 BC), in its own count.
const FIRST_DATE: i32 = -2_451_545;
/// The last one (5874897-12-31).
const LAST_DATE: i32 = 2_145_031_948;
/// The first microsecond of [`FIRST_DATE`], in PostgreSQL's count; the last one is beyond our ticks.
const FIRST_MICROSECOND: i64 = FIRST_DATE as i64 * 86_400_000_000;

/// How one column's values are read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Codec {
    /// The group's type: what is read has it, what is written comes in it.
    group: LogicalType,
    /// The member's type.
    local: LogicalType,
    /// How values travel.
    transport: Transport,
    /// What is peculiar about the type.
    quirk: Quirk,
    /// Longest text, in characters.
    max_length: Option<u32>,
    /// What the column keeps of values that are rounded for it.
    narrowing: Narrowing,
    /// Whether it is a key column, whose values are never rounded.
    key: bool,
}

/// A value that a column cannot hold as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lost {
    /// What cannot be held, in words that do not tell the value.
    pub(super) reason: &'static str,
}

/// What became of a value that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// It is NULL, and nothing was written.
    Null,
    /// It was written as it is.
    Exact,
    /// It was rounded.
    Rounded,
}

type Read = Result<Value, String>;

impl Codec {
    /// The codec of a column of the group's type `group` that is declared as `declared`; `None` when values of the
    /// one cannot stand in the other.
    pub(super) fn new(group: LogicalType, declared: &Declared, key: bool) -> Option<Self> {
        use LogicalType as T;
        let local = declared.logical;
        let fits = match group {
            T::Int | T::Long => matches!(local, T::Int | T::Long),
            T::Decimal { .. } | T::Numeric => {
                matches!(local, T::Decimal { .. } | T::Numeric | T::Int | T::Long)
            }
            T::Float | T::Double => matches!(local, T::Float | T::Double),
            _ => group == local,
        };
        let usable = fits && !(key && declared.no_key().is_some());
        usable.then_some(Self {
            group,
            local,
            transport: declared.transport,
            quirk: declared.quirk,
            max_length: declared.max_length,
            narrowing: declared.narrowing(),
            key,
        })
    }

    /// The group's type.
    pub(super) fn logical(&self) -> LogicalType {
        self.group
    }

    /// How values travel.
    pub(super) fn transport(&self) -> Transport {
        self.transport
    }

    /// Reads a value as the server sends it. The error says why it has no logical value; it never tells the value.
    pub(super) fn read(&self, sent: Option<&[u8]>) -> Read {
        let Some(bytes) = sent else { return Ok(Value::Null) };
        let short = || format!("was sent as {} bytes, which is no {}", bytes.len(), self.transport.sql());
        match self.transport {
            Transport::Bool => match bytes {
                [flag] => Ok(Value::Boolean(*flag != 0)),
                _ => Err(short()),
            },
            Transport::Int2 => {
                self.read_integer(i64::from(i16::from_be_bytes(bytes.try_into().map_err(|_| short())?)))
            }
            Transport::Int4 => {
                self.read_integer(i64::from(i32::from_be_bytes(bytes.try_into().map_err(|_| short())?)))
            }
            Transport::Int8 => self.read_integer(i64::from_be_bytes(bytes.try_into().map_err(|_| short())?)),
            Transport::Float4 => {
                let number = f32::from_be_bytes(bytes.try_into().map_err(|_| short())?);
                Ok(match self.group {
                    LogicalType::Float => Value::Float(number),
                    _ => Value::Double(f64::from(number)),
                })
            }
            Transport::Float8 => {
                let number = f64::from_be_bytes(bytes.try_into().map_err(|_| short())?);
                if self.group == LogicalType::Double {
                    return Ok(Value::Double(number));
                }
                let narrow = number as f32;
                if f64::from(narrow) == number || number.is_nan() {
                    Ok(Value::Float(narrow))
                } else {
                    Err("holds a double with more digits than the group's float has".to_owned())
                }
            }
            Transport::Numeric => {
                let decimal = numeric::decode(bytes).map_err(str::to_owned)?;
                let value = Value::Decimal(decimal);
                if value.fits(self.group) {
                    Ok(value)
                } else {
                    Err(format!("holds a number with more digits than the group's {} has", self.group))
                }
            }
            Transport::Text => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Value::String(text.to_owned())),
                Err(_) => Err("holds a text that is not valid Unicode".to_owned()),
            },
            Transport::Bytea => Ok(Value::Bytes(bytes.to_vec())),
            Transport::Uuid => Uuid::from_slice(bytes).map(Value::Uuid).map_err(|_| short()),
            Transport::Date => {
                let days = i32::from_be_bytes(bytes.try_into().map_err(|_| short())?);
                if days == i32::MAX || days == i32::MIN {
                    return Err("holds infinity, which no other database has".to_owned());
                }
                days.checked_add(EPOCH_DAYS).map(Value::Date).ok_or_else(short)
            }
            Transport::Time => {
                let microseconds = i64::from_be_bytes(bytes.try_into().map_err(|_| short())?);
                let ticks = microseconds.checked_mul(10).filter(|ticks| (0..TICKS_A_DAY).contains(ticks));
                ticks
                    .map(Value::Time)
                    .ok_or_else(|| "holds the time 24:00, which no other database has".to_owned())
            }
            Transport::Timestamp => read_ticks(bytes, short).map(Value::Timestamp),
            Transport::Timestamptz => {
                read_ticks(bytes, short).map(|ticks| Value::TimestampOffset { ticks, offset_minutes: 0 })
            }
        }
    }

    fn read_integer(&self, number: i64) -> Read {
        let range = || format!("holds an integer beyond the group's {}", self.group);
        match self.group {
            LogicalType::Int => i32::try_from(number).map(Value::Int).map_err(|_| range()),
            LogicalType::Long => Ok(Value::Long(number)),
            _ => {
                let value = Value::Decimal(BigDecimal::from(number));
                if value.fits(self.group) { Ok(value) } else { Err(range()) }
            }
        }
    }

    /// Appends a value in the form in which it travels, so that reading it gives it again, or what the column keeps of
    /// it. NULL appends nothing.
    pub(super) fn write(&self, value: &Value, on_loss: OnLoss, out: &mut Vec<u8>) -> Result<Written, Lost> {
        if value.is_null() {
            return Ok(Written::Null);
        }
        let before = out.len();
        let lost = match self.exactly(value, out) {
            Ok(()) => return Ok(Written::Exact),
            Err(lost) => lost,
        };
        out.truncate(before);
        match self.narrowing.of(value) {
            Cow::Owned(kept) if on_loss == OnLoss::Round && !self.key => {
                let written = self.exactly(&kept, out);
                written.map(|()| Written::Rounded).map_err(|_| {
                    out.truncate(before);
                    lost
                })
            }
            _ => Err(lost),
        }
    }

    /// Appends a value in the form in which it travels, so that reading it gives it again.
    fn exactly(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), Lost> {
        match value {
            _ if !value.fits(self.group) => {
                return Err(Lost { reason: "a value of another type than the column's" });
            }
            Value::Null => {}
            Value::Boolean(flag) => out.push(u8::from(*flag)),
            Value::Int(number) => return self.write_integer(i64::from(*number), out),
            Value::Long(number) => return self.write_integer(*number, out),
            Value::Decimal(decimal) => return self.write_decimal(decimal, out),
            Value::Float(number) => {
                if self.transport == Transport::Float4 {
                    out.extend_from_slice(&number.to_be_bytes());
                } else {
                    out.extend_from_slice(&f64::from(*number).to_be_bytes());
                }
            }
            Value::Double(number) => return self.write_double(*number, out),
            Value::String(text) => return self.write_text(text, out),
            Value::Bytes(bytes) => out.extend_from_slice(bytes),
            Value::Uuid(id) => out.extend_from_slice(id.as_bytes()),
            Value::Date(days) => {
                let days =
                    days.checked_sub(EPOCH_DAYS).filter(|days| (FIRST_DATE..=LAST_DATE).contains(days));
                let days = days.ok_or(Lost { reason: "a date that PostgreSQL does not have" })?;
                out.extend_from_slice(&days.to_be_bytes());
            }
            Value::Time(ticks) => {
                self.is_whole(*ticks)?;
                out.extend_from_slice(&(ticks / 10).to_be_bytes());
            }
            Value::Timestamp(ticks) => return self.write_ticks(*ticks, out),
            Value::TimestampOffset { offset_minutes, .. } if *offset_minutes != 0 => {
                return Err(Lost { reason: "a time zone's offset, which PostgreSQL does not keep" });
            }
            Value::TimestampOffset { ticks, .. } => return self.write_ticks(*ticks, out),
        }
        Ok(())
    }

    fn write_integer(&self, number: i64, out: &mut Vec<u8>) -> Result<(), Lost> {
        let range = |_| Lost { reason: "an integer beyond the column's range" };
        match self.transport {
            Transport::Int2 => out.extend_from_slice(&i16::try_from(number).map_err(range)?.to_be_bytes()),
            Transport::Int4 => out.extend_from_slice(&i32::try_from(number).map_err(range)?.to_be_bytes()),
            _ => out.extend_from_slice(&number.to_be_bytes()),
        }
        Ok(())
    }

    fn write_double(&self, number: f64, out: &mut Vec<u8>) -> Result<(), Lost> {
        if self.transport == Transport::Float8 {
            out.extend_from_slice(&number.to_be_bytes());
            return Ok(());
        }
        let narrow = number as f32;
        if f64::from(narrow) != number && !number.is_nan() {
            return Err(Lost { reason: "a double with more digits than the column's float has" });
        }
        out.extend_from_slice(&narrow.to_be_bytes());
        Ok(())
    }

    fn write_text(&self, text: &str, out: &mut Vec<u8>) -> Result<(), Lost> {
        if text.contains('\0') {
            return Err(Lost { reason: "a text with the character NUL, which PostgreSQL does not store" });
        }
        if self.quirk == Quirk::Padded && text.ends_with(' ') {
            return Err(Lost { reason: "a text that ends in blanks, which a char column does not keep" });
        }
        // The server would cut surplus blanks off, and refuse everything else.
        if let Some(longest) = self.max_length
            && text.len() > longest as usize
            && text.chars().count() > longest as usize
        {
            return Err(Lost { reason: "a text longer than the column" });
        }
        out.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// Whether the column keeps a time as it is.
    fn is_whole(&self, ticks: i64) -> Result<(), Lost> {
        let step = self.narrowing.steps.map_or(10, Steps::ticks);
        if ticks.rem_euclid(step) == 0 {
            return Ok(());
        }
        Err(Lost { reason: "a time with more digits behind the second than the column keeps" })
    }

    fn write_ticks(&self, ticks: i64, out: &mut Vec<u8>) -> Result<(), Lost> {
        self.is_whole(ticks)?;
        let microseconds = ticks / 10 - EPOCH_MICROSECONDS;
        if microseconds < FIRST_MICROSECOND {
            return Err(Lost { reason: "a time that PostgreSQL does not have" });
        }
        out.extend_from_slice(&microseconds.to_be_bytes());
        Ok(())
    }

    fn write_decimal(&self, decimal: &BigDecimal, out: &mut Vec<u8>) -> Result<(), Lost> {
        let digits = Lost { reason: "a decimal with more digits than the column has" };
        if !numeric::is_holdable(decimal) {
            return Err(digits);
        }
        match self.local {
            LogicalType::Int | LogicalType::Long => {
                let whole = decimal.is_integer().then(|| decimal.to_i64()).flatten();
                let whole = whole
                    .ok_or(Lost { reason: "a decimal that is no 64-bit integer, for an integer column" })?;
                return self.write_integer(whole, out);
            }
            LogicalType::Decimal { .. }
                if !Value::Decimal(decimal.clone()).fits(self.local)
                    || (self.quirk == Quirk::Money && !in_money(decimal)) =>
            {
                return Err(digits);
            }
            _ => numeric::encode(decimal, out),
        }
        Ok(())
    }
}

/// Whether money holds a decimal of two digits behind the point: it is hundredths in 64 bits, less than its 19 digits.
fn in_money(decimal: &BigDecimal) -> bool {
    decimal.with_scale(2).into_bigint_and_exponent().0.to_i64().is_some()
}

fn read_ticks(bytes: &[u8], short: impl Fn() -> String) -> Result<i64, String> {
    let microseconds = i64::from_be_bytes(bytes.try_into().map_err(|_| short())?);
    if microseconds == i64::MAX || microseconds == i64::MIN {
        return Err("holds infinity, which no other database has".to_owned());
    }
    let ticks = microseconds.checked_add(EPOCH_MICROSECONDS).and_then(|number| number.checked_mul(10));
    ticks.ok_or_else(|| "holds a time too far away from 1970 for the group".to_owned())
}

/// The ticks of a `timestamptz` as the server sends it, if they are some.
pub(super) fn ticks_of(bytes: &[u8]) -> Option<i64> {
    read_ticks(bytes, String::new).ok()
}

/// A value of any type as the server sends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Raw<'a>(pub(super) Option<&'a [u8]>);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(Some(raw)))
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn StdError + Sync + Send>> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A parameter in the form in which it travels; the statement says by a cast what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameter(pub(super) Option<Vec<u8>>);

impl Parameter {
    /// A value as a parameter, and whether it was rounded.
    pub(super) fn of(codec: &Codec, value: &Value, on_loss: OnLoss) -> Result<(Self, bool), Lost> {
        let mut bytes = Vec::new();
        let written = codec.write(value, on_loss, &mut bytes)?;
        let parameter = Self((written != Written::Null).then_some(bytes));
        Ok((parameter, written == Written::Rounded))
    }
}

impl ToSql for Parameter {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        let Some(bytes) = &self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Many values of one column as one array parameter, such as for `unnest($1::int8[])`.
#[derive(Debug, Clone)]
pub(super) struct Array {
    transport: Transport,
    count: i32,
    nulls: bool,
    /// The elements, each behind its length.
    elements: Vec<u8>,
}

impl Array {
    /// An empty one for values that travel so.
    pub(super) fn new(transport: Transport) -> Self {
        Self { transport, count: 0, nulls: false, elements: Vec::new() }
    }

    /// Appends a value in the form in which it travels.
    pub(super) fn push_raw(&mut self, bytes: Option<&[u8]>) {
        match bytes {
            Some(bytes) => {
                let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
                self.elements.extend_from_slice(&length.to_be_bytes());
                self.elements.extend_from_slice(bytes);
            }
            None => {
                self.elements.extend_from_slice(&(-1_i32).to_be_bytes());
                self.nulls = true;
            }
        }
        self.count += 1;
    }
}

impl ToSql for Array {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
        out.put_i32(i32::from(self.count > 0));
        out.put_i32(i32::from(self.nulls));
        out.put_u32(self.transport.client_type().oid());
        if self.count > 0 {
            out.put_i32(self.count);
            out.put_i32(1);
            out.extend_from_slice(&self.elements);
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A key's values as listings show them.
pub(super) fn key_text(values: &[Value]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A value that has no logical form, as text for a listing.
pub(super) fn raw_text(codec: &Codec, sent: Option<&[u8]>) -> Cow<'static, str> {
    match codec.read(sent) {
        Ok(value) => value.to_string().into(),
        Err(_) => "(unreadable)".into(),
    }
}

#[cfg(test)]
mod tests;
