//! PostgreSQL's column types: which logical type they mean, how their values travel, and what is not synchronised.
//!
//! A value travels in the binary form of its [`Transport`], which is a type that the client knows by heart; where the
//! column's own type is another one, the statements cast. Types are told by name within `pg_catalog`, so that a
//! user's type of the same name is another one; enumerations and `citext` by what they are.

use super::catalog::CatalogColumn;
use super::quote::qualified;
use crate::Limits;
use tokio_postgres::types::Type;
use tributary_model::{LogicalType, Narrowing, Steps};

/// Digits behind the second that the group's times have.
const TICK_DIGITS: u32 = 7;

/// How values travel between the server and us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// `bool`.
    Bool,
    /// `int2`.
    Int2,
    /// `int4`.
    Int4,
    /// `int8`.
    Int8,
    /// `float4`.
    Float4,
    /// `float8`.
    Float8,
    /// `numeric`.
    Numeric,
    /// `text`.
    Text,
    /// `bytea`.
    Bytea,
    /// `uuid`.
    Uuid,
    /// `date`.
    Date,
    /// `time`.
    Time,
    /// `timestamp`.
    Timestamp,
    /// `timestamptz`.
    Timestamptz,
}

impl Transport {
    /// As SQL spells it.
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Int2 => "int2",
            Self::Int4 => "int4",
            Self::Int8 => "int8",
            Self::Float4 => "float4",
            Self::Float8 => "float8",
            Self::Numeric => "numeric",
            Self::Text => "text",
            Self::Bytea => "bytea",
            Self::Uuid => "uuid",
            Self::Date => "date",
            Self::Time => "time",
            Self::Timestamp => "timestamp",
            Self::Timestamptz => "timestamptz",
        }
    }

    /// As the client library knows it.
    pub(super) fn client_type(self) -> Type {
        match self {
            Self::Bool => Type::BOOL,
            Self::Int2 => Type::INT2,
            Self::Int4 => Type::INT4,
            Self::Int8 => Type::INT8,
            Self::Float4 => Type::FLOAT4,
            Self::Float8 => Type::FLOAT8,
            Self::Numeric => Type::NUMERIC,
            Self::Text => Type::TEXT,
            Self::Bytea => Type::BYTEA,
            Self::Uuid => Type::UUID,
            Self::Date => Type::DATE,
            Self::Time => Type::TIME,
            Self::Timestamp => Type::TIMESTAMP,
            Self::Timestamptz => Type::TIMESTAMPTZ,
        }
    }
}

/// Peculiarities of a type that its values are checked for before they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quirk {
    /// None.
    None,
    /// `char(n)`: blanks at the end mean nothing.
    Padded,
    /// `json`, `jsonb`, `xml`: not every text is one, and none compares by its text.
    Document,
    /// `citext`: compares without case.
    Folded,
    /// An enumeration: not every text is one.
    Enumeration,
    /// `money`.
    Money,
}

/// A column's type, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declared {
    /// The logical type.
    pub(super) logical: LogicalType,
    /// How its values travel.
    pub(super) transport: Transport,
    /// The type itself, without length or precision and without the domain around it, as SQL spells it.
    pub(super) base: String,
    /// What is peculiar about it.
    pub(super) quirk: Quirk,
    /// The declared length of a text.
    pub(super) max_length: Option<u32>,
    /// Digits behind the second that the column keeps.
    pub(super) second_digits: u32,
}

impl Declared {
    /// Understands a column's type; `None` for types that are not synchronised.
    pub(super) fn of(column: &CatalogColumn) -> Option<Self> {
        use LogicalType as L;
        use Transport as T;
        let base = qualified(&column.base_schema, &column.base_name);
        let make = |logical, transport, quirk| Self {
            logical,
            transport,
            base: base.clone(),
            quirk,
            max_length: None,
            second_digits: 6,
        };
        let plain = |logical, transport| make(logical, transport, Quirk::None);
        if column.base_kind == "e" {
            return Some(make(L::String, T::Text, Quirk::Enumeration));
        }
        if column.base_schema != "pg_catalog" {
            return (column.base_name == "citext" && column.base_kind == "b")
                .then(|| make(L::String, T::Text, Quirk::Folded));
        }
        let modifier = (column.type_modifier >= 0).then_some(column.type_modifier);
        // Lengths are stored with the four bytes of a header.
        let length = modifier.and_then(|modifier| u32::try_from(modifier - 4).ok());
        let digits = modifier.and_then(|modifier| u32::try_from(modifier).ok()).unwrap_or(6);
        Some(match column.base_name.as_str() {
            "bool" => plain(L::Boolean, T::Bool),
            "int2" => plain(L::Int, T::Int2),
            "int4" => plain(L::Int, T::Int4),
            "int8" => plain(L::Long, T::Int8),
            "float4" => plain(L::Float, T::Float4),
            "float8" => plain(L::Double, T::Float8),
            "numeric" => plain(modifier.map_or(L::Numeric, decimal), T::Numeric),
            "money" => make(L::Decimal { precision: 19, scale: 2 }, T::Numeric, Quirk::Money),
            "text" => plain(L::String, T::Text),
            "varchar" => Self { max_length: length, ..plain(L::String, T::Text) },
            "bpchar" => Self { max_length: length, ..make(L::String, T::Text, Quirk::Padded) },
            "json" | "jsonb" | "xml" => make(L::String, T::Text, Quirk::Document),
            "bytea" => plain(L::Bytes, T::Bytea),
            "uuid" => plain(L::Uuid, T::Uuid),
            "date" => plain(L::Date, T::Date),
            "time" => Self { second_digits: digits, ..plain(L::Time, T::Time) },
            "timestamp" => Self { second_digits: digits, ..plain(L::Timestamp, T::Timestamp) },
            "timestamptz" => Self { second_digits: digits, ..plain(L::TimestampOffset, T::Timestamptz) },
            _ => return None,
        })
    }

    /// What the column keeps of values that it does not hold as they are, where the member is set to round.
    pub(super) fn narrowing(&self) -> Narrowing {
        use LogicalType as L;
        Narrowing {
            scale: match self.logical {
                L::Decimal { scale, .. } => Some(scale),
                _ => None,
            },
            steps: matches!(self.logical, L::Time | L::Timestamp | L::TimestampOffset)
                .then(|| Steps::Nearest(self.step())),
            drops_offset: self.logical == L::TimestampOffset,
            single: self.transport == Transport::Float4,
            trims_blanks: self.quirk == Quirk::Padded,
            ..Narrowing::default()
        }
    }

    /// The step of its times, in ticks.
    fn step(&self) -> i64 {
        10_i64.pow(TICK_DIGITS - self.second_digits.min(TICK_DIGITS))
    }

    /// What the column can hold beside what its logical type says.
    pub(super) fn limits(&self) -> Limits {
        use LogicalType as L;
        let has_fraction = matches!(self.logical, L::Time | L::Timestamp | L::TimestampOffset);
        Limits {
            integers: (self.transport == Transport::Int2)
                .then_some((i64::from(i16::MIN), i64::from(i16::MAX))),
            step: has_fraction.then(|| self.step()),
            narrowing: self.narrowing(),
            drops_offset: self.logical == L::TimestampOffset,
            beyond: match self.logical {
                L::Decimal { .. } | L::Numeric if self.quirk != Quirk::Money => Some("NaN"),
                L::Time => Some("24:00"),
                L::Date | L::Timestamp | L::TimestampOffset => Some("infinity"),
                _ => None,
            },
            ..Limits::default()
        }
    }

    /// Why the column cannot be part of a key, if it cannot.
    pub(super) fn no_key(&self) -> Option<&'static str> {
        match (self.transport, self.quirk) {
            (Transport::Float4 | Transport::Float8, _) => {
                Some("floating-point numbers do not compare alike everywhere")
            }
            (_, Quirk::Document) => Some("documents do not compare by their text"),
            (_, Quirk::Money) => Some("money depends on the server's locale"),
            _ => None,
        }
    }

    /// The type of the column's copy in a tracking table: one that compares by bytes.
    pub(super) fn tracking_type(&self) -> String {
        match (self.transport, self.quirk) {
            (Transport::Text, Quirk::None | Quirk::Folded) => "text COLLATE \"C\"".to_owned(),
            (Transport::Text, Quirk::Padded) => "bpchar COLLATE \"C\"".to_owned(),
            _ => self.base.clone(),
        }
    }

    /// An expression of the column's type, as the type that it travels in.
    pub(super) fn read(&self, expression: &str) -> String {
        match self.quirk {
            Quirk::None => expression.to_owned(),
            Quirk::Money => format!("{expression}::numeric"),
            _ => format!("{expression}::text"),
        }
    }

    /// An expression of the type that the column's values travel in, as the column's type.
    pub(super) fn write(&self, expression: &str) -> String {
        match self.quirk {
            // A text of unknown length is not cut.
            Quirk::None => expression.to_owned(),
            _ => format!("{expression}::{}", self.base),
        }
    }

    /// Whether one value is stored in several ways: a number whose scale is not declared keeps the zeros it came with.
    pub(super) fn has_several_images(&self) -> bool {
        self.logical == LogicalType::Numeric && self.quirk != Quirk::Money
    }

    /// An expression of the column's type, such that equality tells whether the value is the same to the last byte.
    pub(super) fn exact(&self, expression: &str) -> String {
        match (self.transport, self.quirk) {
            (Transport::Text, Quirk::Enumeration) => expression.to_owned(),
            (Transport::Text, Quirk::None | Quirk::Padded) => {
                format!("{expression} COLLATE pg_catalog.\"C\"")
            }
            (Transport::Text, _) => format!("{expression}::pg_catalog.text COLLATE pg_catalog.\"C\""),
            // 0 and -0 are equal, and not the same.
            (Transport::Float4, _) => format!("pg_catalog.float4send({expression})"),
            (Transport::Float8, _) => format!("pg_catalog.float8send({expression})"),
            _ => expression.to_owned(),
        }
    }
}

/// The logical type of a numeric with precision and scale.
fn decimal(modifier: i32) -> LogicalType {
    let packed = modifier - 4;
    let precision = (packed >> 16) & 0xffff;
    // Eleven bits with a sign; before PostgreSQL 15 it was never negative and never above the precision.
    let scale = ((packed & 0x7ff) ^ 1024) - 1024;
    match (u32::try_from(precision), u32::try_from(scale)) {
        (Ok(precision), Ok(scale)) if precision > 0 => {
            LogicalType::Decimal { precision: precision.max(scale), scale }
        }
        _ => LogicalType::Numeric,
    }
}

/// The type that a column of this logical type is created with.
pub(super) fn created_type(logical: LogicalType, max_length: Option<u32>) -> String {
    match logical {
        LogicalType::Boolean => "boolean".to_owned(),
        LogicalType::Int => "integer".to_owned(),
        LogicalType::Long => "bigint".to_owned(),
        LogicalType::Decimal { precision, scale }
            if (1..=1000).contains(&precision) && scale <= precision =>
        {
            format!("numeric({precision},{scale})")
        }
        LogicalType::Decimal { .. } | LogicalType::Numeric => "numeric".to_owned(),
        LogicalType::Float => "real".to_owned(),
        LogicalType::Double => "double precision".to_owned(),
        LogicalType::String => match max_length {
            Some(length) if (1..=10_485_760).contains(&length) => format!("varchar({length})"),
            _ => "text".to_owned(),
        },
        LogicalType::Bytes => "bytea".to_owned(),
        LogicalType::Uuid => "uuid".to_owned(),
        LogicalType::Date => "date".to_owned(),
        LogicalType::Time => "time".to_owned(),
        LogicalType::Timestamp => "timestamp".to_owned(),
        LogicalType::TimestampOffset => "timestamptz".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precision_and_scale_are_unpacked() {
        let packed = |precision: i32, scale: i32| ((precision << 16) | (scale & 0x7ff)) + 4;
        assert_eq!(decimal(packed(12, 2)), LogicalType::Decimal { precision: 12, scale: 2 });
        assert_eq!(decimal(packed(1000, 1000)), LogicalType::Decimal { precision: 1000, scale: 1000 });
        // numeric(2,4) holds 0.0099 at most, numeric(2,-3) thousands.
        assert_eq!(decimal(packed(2, 4)), LogicalType::Decimal { precision: 4, scale: 4 });
        assert_eq!(decimal(packed(2, -3)), LogicalType::Numeric);
    }
}
