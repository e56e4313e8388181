//! What a value becomes in a column: what is refused, and what is kept of it where the member is set to round.
//!
//! Decides it from the column's type alone, before anything is sent, since the server would cut, fill up or replace
//! in silence. How the outcome is spelt in a statement is `text`'s.

use super::super::declared::Kind;
use super::super::names::units;
use super::{Codec, Lost, Stored, Written};
use crate::OnLoss;
use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use std::borrow::Cow;
use std::str::FromStr as _;
use tributary_model::time::{TICKS_A_DAY, TICKS_A_SECOND};
use tributary_model::{LogicalType, Value};

/// 0001-01-01 and 9999-12-31 in days since 1970-01-01.
pub(super) const DAYS: std::ops::RangeInclusive<i32> = -719_162..=2_932_896;
/// The same in ticks, to the last.
pub(in crate::sqlserver) const TICKS: std::ops::RangeInclusive<i64> =
    -719_162 * TICKS_A_DAY..=(2_932_896 + 1) * TICKS_A_DAY - 1;
/// `datetime` begins in 1753, `smalldatetime` lasts from 1900 to 2079-06-06.
pub(in crate::sqlserver) const DATETIME_FROM: i64 = -79_258 * TICKS_A_DAY;
pub(in crate::sqlserver) const SMALL_FROM: i64 = -25_567 * TICKS_A_DAY;
pub(in crate::sqlserver) const SMALL_TO: i64 = 39_968 * TICKS_A_DAY;
impl Codec {
    /// The value that the column will hold so that reading it gives `value` again, or what the column keeps of it.
    pub(crate) fn write<'a>(&self, value: &'a Value, on_loss: OnLoss) -> Result<Written<'a>, Lost> {
        let lost = match self.exactly(value) {
            Ok(stored) => return Ok(Written { stored, rounded: false }),
            Err(lost) => lost,
        };
        // Key values and spellings are looked up: they never stand for others.
        let rounds = on_loss == OnLoss::Round && !self.key && !self.has_spellings();
        match self.declared.narrowing().of(value) {
            Cow::Owned(kept) if rounds => match self.exactly(&kept) {
                Ok(stored) => Ok(Written { stored: stored.into_owned(), rounded: true }),
                Err(_) => Err(lost),
            },
            _ => Err(lost),
        }
    }

    /// The value that the column will hold so that reading it gives `value` again.
    fn exactly<'a>(&self, value: &'a Value) -> Result<Stored<'a>, Lost> {
        if value.is_null() {
            return Ok(Stored::Null);
        }
        if !value.fits(self.group) {
            return Err(Lost { reason: "a value of another type than the column's" });
        }
        if self.has_spellings() {
            return self.write_text(Cow::Owned(spelling(value)));
        }
        match value {
            Value::Null => Ok(Stored::Null),
            Value::Boolean(flag) if self.declared.kind == Kind::Bit => Ok(Stored::Bit(*flag)),
            Value::Boolean(flag) => Ok(Stored::Integer(i64::from(*flag))),
            Value::Int(number) => self.write_integer(i64::from(*number)),
            Value::Long(number) => self.write_integer(*number),
            Value::Decimal(decimal) => self.write_decimal(decimal),
            Value::Float(number) => self.write_float(f64::from(*number)),
            Value::Double(number) => self.write_float(*number),
            Value::String(text) => self.write_text(Cow::Borrowed(text)),
            Value::Bytes(bytes) => self.write_bytes(bytes),
            Value::Uuid(id) => Ok(Stored::Uuid(*id)),
            Value::Date(days) if DAYS.contains(days) => Ok(Stored::Date(*days)),
            Value::Date(_) => Err(Lost { reason: "a date outside of the years 1 to 9999" }),
            Value::Time(_) => self.unless_finer(value, Stored::Time),
            Value::Timestamp(ticks) => self.write_timestamp(value, *ticks),
            Value::TimestampOffset { ticks, offset_minutes } => {
                self.write_offset(value, *ticks, *offset_minutes)
            }
        }
    }

    fn write_integer(&self, number: i64) -> Result<Stored<'static>, Lost> {
        let fits = match self.declared.kind {
            Kind::TinyInt => u8::try_from(number).is_ok(),
            Kind::SmallInt => i16::try_from(number).is_ok(),
            Kind::Int => i32::try_from(number).is_ok(),
            _ => true,
        };
        if fits {
            Ok(Stored::Integer(number))
        } else {
            Err(Lost { reason: "an integer outside of the column's range" })
        }
    }

    fn write_decimal<'a>(&self, decimal: &'a BigDecimal) -> Result<Stored<'a>, Lost> {
        let local = match self.declared.logical() {
            Some(LogicalType::Int | LogicalType::Long) => LogicalType::Decimal { precision: 19, scale: 0 },
            Some(local @ LogicalType::Decimal { .. }) => local,
            _ => return Err(Lost { reason: "a decimal, for a column that holds none" }),
        };
        if !Value::Decimal(decimal.clone()).fits(local) || !self.in_money(decimal) {
            return Err(Lost { reason: "a decimal with more digits than the column has" });
        }
        if matches!(self.declared.logical(), Some(LogicalType::Int | LogicalType::Long)) {
            let number = i64::from_str(&decimal.with_scale(0).to_plain_string());
            let number = number.map_err(|_| Lost { reason: "a decimal outside of the column's range" })?;
            return self.write_integer(number);
        }
        Ok(Stored::Decimal(Cow::Borrowed(decimal)))
    }

    /// Money is a whole number of ten-thousandths in 64 or 32 bits: less than its 19 or 10 digits.
    fn in_money(&self, decimal: &BigDecimal) -> bool {
        let bits = match self.declared.kind {
            Kind::Money => 63,
            Kind::SmallMoney => 31,
            _ => return true,
        };
        let (units, _) = decimal.with_scale(4).into_bigint_and_exponent();
        let bound = BigInt::from(1_u8) << bits;
        units < bound && units >= -bound
    }

    fn write_float(&self, number: f64) -> Result<Stored<'static>, Lost> {
        let subnormal = Lost { reason: "a float so small that SQL Server has none" };
        if !number.is_finite() {
            return Err(Lost { reason: "infinity or NaN, which SQL Server has no floats for" });
        }
        if self.declared.kind != Kind::Real {
            return if number.is_subnormal() { Err(subnormal) } else { Ok(Stored::Float(number)) };
        }
        let narrow = number as f32;
        if narrow.is_subnormal() {
            return Err(subnormal);
        }
        if f64::from(narrow).to_bits() == number.to_bits() {
            Ok(Stored::Real(narrow))
        } else {
            Err(Lost { reason: "a double, for a column of single floats" })
        }
    }

    /// A text is neither cut (who would miss its end?) nor filled with question marks (who would know what they were?).
    fn write_text<'a>(&self, text: Cow<'a, str>) -> Result<Stored<'a>, Lost> {
        let length = if self.declared.is_code_page() {
            let length = self.code_page.length(&text);
            length.ok_or(Lost { reason: "a character that the column's code page lacks" })?
        } else {
            units(&text)
        };
        if self.declared.is_padded() && text.ends_with(' ') {
            return Err(Lost { reason: "blanks at its end, which a char column does not keep" });
        }
        if self.declared.length.is_some_and(|most| length > most as usize) {
            return Err(Lost { reason: "a text longer than the column" });
        }
        Ok(Stored::Text(text))
    }

    fn write_bytes<'a>(&self, bytes: &'a [u8]) -> Result<Stored<'a>, Lost> {
        let most = self.declared.length.map_or(usize::MAX, |most| most as usize);
        if bytes.len() > most {
            return Err(Lost { reason: "more bytes than the column has" });
        }
        if self.declared.is_padded() && bytes.len() < most {
            return Err(Lost { reason: "fewer bytes than the column, which the server would fill up" });
        }
        Ok(Stored::Bytes(Cow::Borrowed(bytes)))
    }

    fn write_timestamp(&self, value: &Value, ticks: i64) -> Result<Stored<'static>, Lost> {
        let reaches = match self.declared.kind {
            Kind::DateTime => DATETIME_FROM..=*TICKS.end(),
            Kind::SmallDateTime => SMALL_FROM..=SMALL_TO - 1,
            _ => TICKS,
        };
        if !reaches.contains(&ticks) {
            return Err(Lost { reason: "a time outside of what the column's type reaches" });
        }
        self.unless_finer(value, Stored::Timestamp)
    }

    fn write_offset(&self, value: &Value, ticks: i64, minutes: i16) -> Result<Stored<'static>, Lost> {
        let local = ticks.checked_add(i64::from(minutes) * 60 * TICKS_A_SECOND);
        if !TICKS.contains(&ticks) || !local.is_some_and(|local| TICKS.contains(&local)) {
            return Err(Lost { reason: "a time outside of the years 1 to 9999" });
        }
        self.unless_finer(value, |ticks| Stored::TimestampOffset(ticks, minutes))
    }

    /// A time that the column keeps to the last tick.
    fn unless_finer(
        &self,
        value: &Value,
        stored: impl FnOnce(i64) -> Stored<'static>,
    ) -> Result<Stored<'static>, Lost> {
        match (self.declared.narrowing().of(value), value) {
            (Cow::Owned(_), _) => Err(Lost { reason: "a time finer than the column's" }),
            (_, Value::Time(ticks) | Value::Timestamp(ticks) | Value::TimestampOffset { ticks, .. }) => {
                Ok(stored(*ticks))
            }
            _ => Err(Lost { reason: "a value of another type than the column's" }),
        }
    }
}

/// How a value is spelt in a column of texts.
fn spelling(value: &Value) -> String {
    match value {
        Value::Decimal(decimal) => decimal.normalized().to_plain_string(),
        other => other.to_string(),
    }
}
