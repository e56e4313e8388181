//! What a value becomes in a column: what is refused, and what is rounded where the member is set to round.
//!
//! Decides it from the column's type alone, before anything is sent, since the server would cut, fill up or replace
//! in silence. How the outcome is spelt in a statement is `text`'s.

use super::super::declared::Kind;
use super::super::names::units;
use super::{Codec, Lost, Stored, Written};
use crate::OnLoss;
use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, RoundingMode};
use std::borrow::Cow;
use std::str::FromStr as _;
use tributary_model::time::{TICKS_A_DAY, TICKS_A_MILLISECOND, TICKS_A_SECOND};
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
    /// The value that the column will hold so that reading it gives `value` again.
    pub(crate) fn write<'a>(&self, value: &'a Value, on_loss: OnLoss) -> Result<Written<'a>, Lost> {
        let exact = |stored| Ok(Written { stored, rounded: false });
        if value.is_null() {
            return exact(Stored::Null);
        }
        if !value.fits(self.group) {
            return Err(Lost { reason: "a value of another type than the column's" });
        }
        // Key values are looked up: they never stand for others.
        let on_loss = if self.key { OnLoss::Refuse } else { on_loss };
        if self.has_spellings() {
            return self.write_text(Cow::Owned(spelling(value)), OnLoss::Refuse);
        }
        match value {
            Value::Null => exact(Stored::Null),
            Value::Boolean(flag) if self.declared.kind == Kind::Bit => exact(Stored::Bit(*flag)),
            Value::Boolean(flag) => exact(Stored::Integer(i64::from(*flag))),
            Value::Int(number) => self.write_integer(i64::from(*number)),
            Value::Long(number) => self.write_integer(*number),
            Value::Decimal(decimal) => self.write_decimal(decimal, on_loss),
            Value::Float(number) => self.write_float(f64::from(*number), on_loss),
            Value::Double(number) => self.write_float(*number, on_loss),
            Value::String(text) => self.write_text(Cow::Borrowed(text), on_loss),
            Value::Bytes(bytes) => self.write_bytes(bytes, on_loss),
            Value::Uuid(id) => exact(Stored::Uuid(*id)),
            Value::Date(days) if DAYS.contains(days) => exact(Stored::Date(*days)),
            Value::Date(_) => Err(Lost { reason: "a date outside of the years 1 to 9999" }),
            Value::Time(ticks) => self.write_time(*ticks, on_loss),
            Value::Timestamp(ticks) => self.write_timestamp(*ticks, on_loss),
            Value::TimestampOffset { ticks, offset_minutes } => {
                self.write_offset(*ticks, *offset_minutes, on_loss)
            }
        }
    }

    fn write_integer(&self, number: i64) -> Result<Written<'static>, Lost> {
        let fits = match self.declared.kind {
            Kind::TinyInt => u8::try_from(number).is_ok(),
            Kind::SmallInt => i16::try_from(number).is_ok(),
            Kind::Int => i32::try_from(number).is_ok(),
            _ => true,
        };
        if fits {
            Ok(Written { stored: Stored::Integer(number), rounded: false })
        } else {
            Err(Lost { reason: "an integer outside of the column's range" })
        }
    }

    fn write_decimal<'a>(&self, decimal: &'a BigDecimal, on_loss: OnLoss) -> Result<Written<'a>, Lost> {
        let local = match self.declared.logical() {
            Some(LogicalType::Int | LogicalType::Long) => LogicalType::Decimal { precision: 19, scale: 0 },
            Some(local @ LogicalType::Decimal { .. }) => local,
            _ => return Err(Lost { reason: "a decimal, for a column that holds none" }),
        };
        let LogicalType::Decimal { scale, .. } = local else {
            return Err(Lost { reason: "a decimal, for a column that holds none" });
        };
        let fits =
            |decimal: &BigDecimal| Value::Decimal(decimal.clone()).fits(local) && self.in_money(decimal);
        let (decimal, rounded) = if fits(decimal) {
            (Cow::Borrowed(decimal), false)
        } else {
            let narrowed = decimal.with_scale_round(i64::from(scale), RoundingMode::HalfEven);
            if on_loss == OnLoss::Refuse || !fits(&narrowed) {
                return Err(Lost { reason: "a decimal with more digits than the column has" });
            }
            (Cow::Owned(narrowed), true)
        };
        if matches!(self.declared.logical(), Some(LogicalType::Int | LogicalType::Long)) {
            let number = i64::from_str(&decimal.with_scale(0).to_plain_string());
            let number = number.map_err(|_| Lost { reason: "a decimal outside of the column's range" })?;
            return Ok(Written { rounded, ..self.write_integer(number)? });
        }
        Ok(Written { stored: Stored::Decimal(decimal), rounded })
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

    fn write_float(&self, number: f64, on_loss: OnLoss) -> Result<Written<'static>, Lost> {
        if !number.is_finite() {
            return Err(Lost { reason: "infinity or NaN, which SQL Server has no floats for" });
        }
        if self.declared.kind != Kind::Real {
            if number.is_subnormal() {
                return subnormal(on_loss, Stored::Float(0.0));
            }
            return Ok(Written { stored: Stored::Float(number), rounded: false });
        }
        let narrow = number as f32;
        if narrow.is_subnormal() {
            return subnormal(on_loss, Stored::Real(0.0));
        }
        let exact = f64::from(narrow).to_bits() == number.to_bits();
        if exact || (on_loss == OnLoss::Round && narrow.is_finite()) {
            Ok(Written { stored: Stored::Real(narrow), rounded: !exact })
        } else {
            Err(Lost { reason: "a double, for a column of single floats" })
        }
    }

    fn write_text<'a>(&self, text: Cow<'a, str>, on_loss: OnLoss) -> Result<Written<'a>, Lost> {
        let mut text = text;
        let mut rounded = false;
        let round = on_loss == OnLoss::Round;
        if self.declared.is_code_page() && self.code_page.length(&text).is_none() {
            if !round {
                return Err(Lost { reason: "a character that the column's code page lacks" });
            }
            (text, rounded) = (Cow::Owned(self.code_page.narrowed(&text)), true);
        }
        if self.declared.is_padded() && text.ends_with(' ') {
            if !round {
                return Err(Lost { reason: "blanks at its end, which a char column does not keep" });
            }
            (text, rounded) = (Cow::Owned(text.trim_end_matches(' ').to_owned()), true);
        }
        let length = if self.declared.is_code_page() {
            self.code_page.length(&text).unwrap_or(usize::MAX)
        } else {
            units(&text)
        };
        // A text is never cut: who would miss its end?
        if self.declared.length.is_some_and(|most| length > most as usize) {
            return Err(Lost { reason: "a text longer than the column" });
        }
        Ok(Written { stored: Stored::Text(text), rounded })
    }

    fn write_bytes<'a>(&self, bytes: &'a [u8], on_loss: OnLoss) -> Result<Written<'a>, Lost> {
        let Some(most) = self.declared.length.map(|most| most as usize) else {
            return Ok(Written { stored: Stored::Bytes(Cow::Borrowed(bytes)), rounded: false });
        };
        if bytes.len() > most {
            return Err(Lost { reason: "more bytes than the column has" });
        }
        if !self.declared.is_padded() || bytes.len() == most {
            return Ok(Written { stored: Stored::Bytes(Cow::Borrowed(bytes)), rounded: false });
        }
        if on_loss == OnLoss::Refuse {
            return Err(Lost { reason: "fewer bytes than the column, which the server would fill up" });
        }
        let mut filled = bytes.to_vec();
        filled.resize(most, 0);
        Ok(Written { stored: Stored::Bytes(Cow::Owned(filled)), rounded: true })
    }

    fn write_time(&self, ticks: i64, on_loss: OnLoss) -> Result<Written<'static>, Lost> {
        let (cut, rounded) = self.cut(ticks, on_loss)?;
        Ok(Written { stored: Stored::Time(cut), rounded })
    }

    fn write_timestamp(&self, ticks: i64, on_loss: OnLoss) -> Result<Written<'static>, Lost> {
        let outside = Lost { reason: "a time outside of what the column's type reaches" };
        // No type reaches further; the first and the last tick could not even be rounded.
        if !TICKS.contains(&ticks) {
            return Err(outside);
        }
        let (ticks, rounded) = match self.declared.kind {
            Kind::DateTime => {
                let near = nearest_datetime(ticks);
                if !(DATETIME_FROM..=*TICKS.end()).contains(&near) {
                    return Err(outside);
                }
                (near, near != ticks)
            }
            Kind::SmallDateTime => {
                let minute = 60 * TICKS_A_SECOND;
                let near = (ticks + minute / 2).div_euclid(minute) * minute;
                if !(SMALL_FROM..SMALL_TO).contains(&near) {
                    return Err(outside);
                }
                (near, near != ticks)
            }
            _ => self.cut(ticks, on_loss)?,
        };
        if rounded && on_loss == OnLoss::Refuse {
            return Err(Lost { reason: "a time finer than the column's" });
        }
        Ok(Written { stored: Stored::Timestamp(ticks), rounded })
    }

    fn write_offset(&self, ticks: i64, minutes: i16, on_loss: OnLoss) -> Result<Written<'static>, Lost> {
        let local = ticks.checked_add(i64::from(minutes) * 60 * TICKS_A_SECOND);
        if !TICKS.contains(&ticks) || !local.is_some_and(|local| TICKS.contains(&local)) {
            return Err(Lost { reason: "a time outside of the years 1 to 9999" });
        }
        let (ticks, rounded) = self.cut(ticks, on_loss)?;
        Ok(Written { stored: Stored::TimestampOffset(ticks, minutes), rounded })
    }

    /// Ticks with as many digits behind the second as the column has. Cut and not rounded: 23:59:59.9999999 must not
    /// become a time of the next day.
    fn cut(&self, ticks: i64, on_loss: OnLoss) -> Result<(i64, bool), Lost> {
        let unit = 10_i64.pow(7_u32.saturating_sub(self.declared.scale));
        let cut = ticks.div_euclid(unit) * unit;
        if cut != ticks && on_loss == OnLoss::Refuse {
            return Err(Lost { reason: "a time finer than the column's" });
        }
        Ok((cut, cut != ticks))
    }
}

/// How a value is spelt in a column of texts.
fn spelling(value: &Value) -> String {
    match value {
        Value::Decimal(decimal) => decimal.normalized().to_plain_string(),
        other => other.to_string(),
    }
}

fn subnormal(on_loss: OnLoss, zero: Stored<'static>) -> Result<Written<'static>, Lost> {
    match on_loss {
        OnLoss::Round => Ok(Written { stored: zero, rounded: true }),
        OnLoss::Refuse => Err(Lost { reason: "a float so small that SQL Server has none" }),
    }
}

/// The nearest time that a `datetime` shows: whole three-hundredths of a second, to the millisecond.
fn nearest_datetime(ticks: i64) -> i64 {
    let (day, rest) = (ticks.div_euclid(TICKS_A_DAY), ticks.rem_euclid(TICKS_A_DAY));
    let fragments = (rest * 300 + TICKS_A_SECOND / 2) / TICKS_A_SECOND;
    day * TICKS_A_DAY + (fragments * 10 + 1) / 3 * TICKS_A_MILLISECOND
}
