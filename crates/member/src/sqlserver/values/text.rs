//! The text form of every stored value, and the SQL that makes a value of the column's type of it.
//!
//! One text carries a whole batch, so both sides of the form stand together: what is written here is what the
//! conversion reads. It decides nothing about values that do not fit.

use super::super::declared::Kind;
use super::super::quote;
use super::{Codec, Stored};
use std::borrow::Cow;
use tributary_model::time::{self, TICKS_A_SECOND};

impl Codec {
    /// The expression of the column's type that `expression`, a text as [`Stored::text`] writes it, stands for.
    pub(crate) fn convert(&self, expression: &str) -> String {
        let spelt = self.declared.spelt();
        match self.declared.kind {
            // What is written into a column takes the column's own code page on the way; a cast would take the
            // database's.
            Kind::NVarChar | Kind::NChar | Kind::NText | Kind::Char | Kind::VarChar | Kind::Text => {
                expression.to_owned()
            }
            // The text is hexadecimal without a mark.
            Kind::Binary | Kind::VarBinary => format!("CONVERT({spelt}, {expression}, 2)"),
            Kind::Image => format!("CONVERT(varbinary(max), {expression}, 2)"),
            // Times are ISO 8601, which is read alike whatever the session's language is.
            _ => format!("CAST({expression} AS {spelt})"),
        }
    }

    /// A value as SQL text that the column takes as it is.
    pub(crate) fn literal(&self, stored: &Stored<'_>) -> String {
        match stored {
            Stored::Null => "NULL".to_owned(),
            Stored::Bit(flag) => u8::from(*flag).to_string(),
            Stored::Integer(number) => number.to_string(),
            Stored::Decimal(decimal) => decimal.to_plain_string(),
            Stored::Real(number) => format!("CAST({:E} AS real)", f64::from(*number)),
            Stored::Float(number) => format!("{number:E}"),
            Stored::Text(value) => quote::text(value),
            Stored::Bytes(bytes) => quote::bytes(bytes),
            other => self.convert(&quote::text(&other.text().unwrap_or_default())),
        }
    }
}

impl Stored<'_> {
    /// The value as a text that [`Codec::convert`] reads; `None` for NULL.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Owned(match self {
            Stored::Null => return None,
            Stored::Text(text) => return Some(Cow::Borrowed(text)),
            Stored::Bit(flag) => u8::from(*flag).to_string(),
            Stored::Integer(number) => number.to_string(),
            Stored::Decimal(decimal) => decimal.to_plain_string(),
            Stored::Real(number) => format!("{number:E}"),
            Stored::Float(number) => format!("{number:E}"),
            Stored::Bytes(bytes) => quote::hexadecimal(bytes),
            Stored::Uuid(id) => id.hyphenated().to_string(),
            Stored::Date(days) => time::format_date(*days),
            Stored::Time(ticks) => time::format_time(*ticks),
            Stored::Timestamp(ticks) => iso(*ticks),
            Stored::TimestampOffset(ticks, minutes) => {
                let local = ticks.saturating_add(i64::from(*minutes) * 60 * TICKS_A_SECOND);
                let (sign, minutes) = (if *minutes < 0 { '-' } else { '+' }, minutes.unsigned_abs());
                format!("{}{sign}{:02}:{:02}", iso(local), minutes / 60, minutes % 60)
            }
        }))
    }
}

/// ISO 8601 with a `T`, the one form that every type and language reads alike.
fn iso(ticks: i64) -> String {
    time::format_timestamp(ticks).replacen(' ', "T", 1)
}
