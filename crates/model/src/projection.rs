//! What a member's column keeps of the group's values.
//!
//! One function decides it for the adapters, which write what it gives where a member is set to round, and for the
//! resolver, which has to know that a member who shows 1.23 may be showing the group's 1.2345. So the rule and the
//! database cannot come to differ. Which column keeps what is the adapters' to say, and the group's spec bears it.

use crate::decimal::{is_reasonable, nearest_double, of_double, whole};
use crate::time::{TICKS_A_DAY, TICKS_A_MILLISECOND, TICKS_A_SECOND};
use crate::value::decimal_fits;
use crate::{LogicalType, Value};
use bigdecimal::{BigDecimal, RoundingMode};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What one column of one member keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Projection {
    /// Every value as it is.
    #[default]
    Exact,
    /// Nothing: the member has no such column.
    Absent,
    /// Every value, some of them less precisely.
    Narrowed(Narrowing),
}

impl Projection {
    /// What the column shows of a value; none if the column is absent.
    pub fn of<'a>(&self, value: &'a Value) -> Option<Cow<'a, Value>> {
        match self {
            Self::Exact => Some(Cow::Borrowed(value)),
            Self::Absent => None,
            Self::Narrowed(narrowing) => Some(narrowing.of(value)),
        }
    }

    /// Of two that were true of a column at different times the one that holds for all its values: rows that were
    /// written while the column was narrower stay as they are when it is widened.
    #[must_use]
    pub fn coarser(self, other: Self) -> Self {
        match (self, other) {
            (Self::Narrowed(one), Self::Narrowed(other)) => Self::Narrowed(one.coarser(other)),
            (narrowed @ Self::Narrowed(_), _) | (_, narrowed @ Self::Narrowed(_)) => narrowed,
            (_, other) => other,
        }
    }
}

/// How finely a column keeps times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Steps {
    /// The nearest multiple of so many ticks, the later one of two as near.
    Nearest(i64),
    /// The last multiple of so many ticks that is not later.
    Down(i64),
    /// The nearest three-hundredth of a second, as it shows in milliseconds.
    ThreeHundredths,
}

/// Which decimals a column keeps as floats, and so with some fifteen digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Floating {
    /// Those that are no 64-bit integers.
    Fractions,
    /// All.
    All,
}

/// What a column loses of values that its database takes all the same. Where nothing is set, nothing is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Narrowing {
    /// Decimals keep so many digits behind the point, ties going to the even one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scale: Option<u32>,
    /// Decimals are kept as floats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floating: Option<Floating>,
    /// Times are kept in steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Steps>,
    /// A timestamp's offset becomes UTC.
    #[serde(skip_serializing_if = "is_false")]
    pub drops_offset: bool,
    /// Doubles are kept as single floats.
    #[serde(skip_serializing_if = "is_false")]
    pub single: bool,
    /// Floats too small for their full precision become zero.
    #[serde(skip_serializing_if = "is_false")]
    pub no_subnormals: bool,
    /// -0.0 becomes 0.0.
    #[serde(skip_serializing_if = "is_false")]
    pub no_negative_zero: bool,
    /// Blanks at the end of a text are gone.
    #[serde(skip_serializing_if = "is_false")]
    pub trims_blanks: bool,
    /// Bytes are filled up with zeros to this length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filled_to: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl Narrowing {
    /// What stands in the column once `value` was written. A value that the column refuses comes back in some form
    /// that it refuses, too.
    pub fn of<'a>(&self, value: &'a Value) -> Cow<'a, Value> {
        let narrowed = match value {
            Value::Decimal(decimal) => self.decimal(decimal).map(Value::Decimal),
            Value::Float(number) => self.float(f64::from(*number)).map(|kept| Value::Float(kept as f32)),
            Value::Double(number) => self.float(*number).map(Value::Double),
            Value::String(text) if self.trims_blanks && text.ends_with(' ') => {
                Some(Value::String(text.trim_end_matches(' ').to_owned()))
            }
            Value::Bytes(bytes) => {
                self.filled_to.filter(|length| bytes.len() < *length as usize).map(|length| {
                    let mut filled = bytes.clone();
                    filled.resize(length as usize, 0);
                    Value::Bytes(filled)
                })
            }
            Value::Time(ticks) => self.time(*ticks).map(Value::Time),
            Value::Timestamp(ticks) => self.ticks(*ticks).map(Value::Timestamp),
            Value::TimestampOffset { ticks, offset_minutes } => {
                let offset = if self.drops_offset { 0 } else { *offset_minutes };
                let kept = self.ticks(*ticks);
                (kept.is_some() || offset != *offset_minutes)
                    .then(|| Value::TimestampOffset { ticks: kept.unwrap_or(*ticks), offset_minutes: offset })
            }
            Value::Null
            | Value::Boolean(_)
            | Value::Int(_)
            | Value::Long(_)
            | Value::String(_)
            | Value::Uuid(_)
            | Value::Date(_) => None,
        };
        narrowed.map_or(Cow::Borrowed(value), Cow::Owned)
    }

    /// What of it can touch values of this type; none if nothing can.
    #[must_use]
    pub fn within(self, group: LogicalType) -> Option<Self> {
        use LogicalType as T;
        let nothing = Self::default();
        let kept = match group {
            T::Decimal { scale, .. } => {
                Self { scale: self.scale.filter(|kept| *kept < scale), floating: self.floating, ..nothing }
            }
            T::Numeric => Self { scale: self.scale, floating: self.floating, ..nothing },
            T::Float | T::Double => Self {
                // Of single floats it says which are too small.
                single: self.single && (group == T::Double || self.no_subnormals),
                no_subnormals: self.no_subnormals,
                no_negative_zero: self.no_negative_zero,
                ..nothing
            },
            T::String => Self { trims_blanks: self.trims_blanks, ..nothing },
            T::Bytes => Self { filled_to: self.filled_to, ..nothing },
            T::Time | T::Timestamp => Self { steps: self.steps, ..nothing },
            T::TimestampOffset => Self { steps: self.steps, drops_offset: self.drops_offset, ..nothing },
            T::Boolean | T::Int | T::Long | T::Uuid | T::Date => nothing,
        };
        (kept != nothing).then_some(kept)
    }

    fn coarser(self, other: Self) -> Self {
        let coarser = |one: Option<Steps>, other: Option<Steps>| {
            [one, other].into_iter().flatten().max_by_key(|steps| steps.ticks())
        };
        Self {
            scale: [self.scale, other.scale].into_iter().flatten().min(),
            floating: match (self.floating, other.floating) {
                (Some(Floating::All), _) | (_, Some(Floating::All)) => Some(Floating::All),
                (one, other) => one.or(other),
            },
            steps: coarser(self.steps, other.steps),
            drops_offset: self.drops_offset || other.drops_offset,
            single: self.single || other.single,
            no_subnormals: self.no_subnormals || other.no_subnormals,
            no_negative_zero: self.no_negative_zero || other.no_negative_zero,
            trims_blanks: self.trims_blanks || other.trims_blanks,
            filled_to: self.filled_to.max(other.filled_to),
        }
    }

    fn decimal(&self, decimal: &BigDecimal) -> Option<BigDecimal> {
        if !is_reasonable(decimal) {
            return None;
        }
        let mut kept = Cow::Borrowed(decimal);
        if let Some(scale) = self.scale
            && !decimal_fits(decimal, u32::MAX, scale)
        {
            kept = Cow::Owned(decimal.with_scale_round(i64::from(scale), RoundingMode::HalfEven));
        }
        let floats = match self.floating {
            None => false,
            Some(Floating::Fractions) => whole(&kept).is_none(),
            Some(Floating::All) => true,
        };
        if floats
            && let Some(float) = nearest_double(&kept).and_then(|float| self.of_float(float))
            && float != *kept
        {
            kept = Cow::Owned(float);
        }
        match kept {
            Cow::Borrowed(_) => None,
            Cow::Owned(kept) => Some(kept),
        }
    }

    /// What a decimal reads as that is kept as this float, or, where integers are kept, as the integer that it is.
    fn of_float(&self, float: f64) -> Option<BigDecimal> {
        let integer = float as i64;
        let is_integer = float.abs() < i64::MAX as f64 && integer as f64 == float;
        match self.floating {
            Some(Floating::Fractions) if is_integer => Some(BigDecimal::from(integer)),
            _ => of_double(float),
        }
    }

    fn float(&self, number: f64) -> Option<f64> {
        let mut kept = number;
        if self.single {
            let narrow = kept as f32;
            // What is beyond a single float's range is refused, and not taken for infinite.
            if narrow.is_infinite() && kept.is_finite() {
                return None;
            }
            kept = if self.no_subnormals && narrow.is_subnormal() { 0.0 } else { f64::from(narrow) };
        }
        if self.no_subnormals && kept.is_subnormal() {
            kept = 0.0;
        }
        if self.no_negative_zero && kept == 0.0 {
            kept = 0.0;
        }
        (kept.to_bits() != number.to_bits() && !kept.is_nan()).then_some(kept)
    }

    fn time(&self, ticks: i64) -> Option<i64> {
        let kept = self.steps?.of(ticks);
        // 24:00 would be another time.
        let kept = if kept < TICKS_A_DAY { kept } else { TICKS_A_DAY - self.steps?.ticks() };
        (kept != ticks).then_some(kept)
    }

    fn ticks(&self, ticks: i64) -> Option<i64> {
        let kept = self.steps?.of(ticks);
        (kept != ticks).then_some(kept)
    }
}

impl Steps {
    /// How long a step is, about.
    pub fn ticks(self) -> i64 {
        match self {
            Self::Nearest(step) | Self::Down(step) => step.max(1),
            Self::ThreeHundredths => TICKS_A_SECOND / 300,
        }
    }

    fn of(self, ticks: i64) -> i64 {
        let step = self.ticks();
        let rest = ticks.rem_euclid(step);
        let down = ticks.checked_sub(rest).unwrap_or(ticks);
        match self {
            Self::Down(_) => down,
            Self::Nearest(_) if rest * 2 >= step => down.checked_add(step).unwrap_or(down),
            Self::Nearest(_) => down,
            Self::ThreeHundredths => {
                let (day, rest) = (ticks.div_euclid(TICKS_A_DAY), ticks.rem_euclid(TICKS_A_DAY));
                let fragments = (rest * 300 + TICKS_A_SECOND / 2) / TICKS_A_SECOND;
                let milliseconds = (fragments * 10 + 1) / 3;
                day.checked_mul(TICKS_A_DAY)
                    .and_then(|day| day.checked_add(milliseconds * TICKS_A_MILLISECOND))
                    .unwrap_or(ticks)
            }
        }
    }
}

#[cfg(test)]
mod tests;
