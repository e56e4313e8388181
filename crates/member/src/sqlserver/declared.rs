//! Types of SQL Server columns: which logical type they mean, and how they are spelt.

use tributary_model::time::TICKS_A_SECOND;
use tributary_model::{LogicalType, Narrowing, Steps};

/// The collation that compares texts by their bytes in columns that we create.
pub(crate) const BINARY_COLLATION: &str = "Latin1_General_100_BIN2";

/// Characters of a text column that must fit into an index, where nobody has said how long its texts are.
const INDEXED_LENGTH: u32 = 450;

/// A type that the server has, as far as we tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One that is not synchronised.
    Unsynced,
    Bit,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Decimal,
    Money,
    SmallMoney,
    Real,
    Float,
    Char,
    VarChar,
    NChar,
    NVarChar,
    Text,
    NText,
    Xml,
    Json,
    Binary,
    VarBinary,
    Image,
    UniqueIdentifier,
    Date,
    Time,
    DateTime,
    SmallDateTime,
    DateTime2,
    DateTimeOffset,
}

/// A column's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Declared {
    /// Which it is.
    pub(crate) kind: Kind,
    /// The server's name of it.
    pub(crate) name: String,
    /// Characters or bytes at most; `None` without a bound, and for types that have none.
    pub(crate) length: Option<u32>,
    /// Digits of a decimal.
    pub(crate) precision: u32,
    /// Digits behind the point, of decimals and of seconds.
    pub(crate) scale: u32,
}

impl Declared {
    /// The type that `sys.columns` describes. `bytes` is its `max_length`.
    pub(crate) fn of(name: &str, bytes: i32, precision: u32, scale: u32) -> Self {
        let name = name.to_ascii_lowercase();
        let kind = match name.as_str() {
            "bit" => Kind::Bit,
            "tinyint" => Kind::TinyInt,
            "smallint" => Kind::SmallInt,
            "int" => Kind::Int,
            "bigint" => Kind::BigInt,
            "decimal" | "numeric" => Kind::Decimal,
            "money" => Kind::Money,
            "smallmoney" => Kind::SmallMoney,
            "real" => Kind::Real,
            "float" => Kind::Float,
            "char" => Kind::Char,
            "varchar" => Kind::VarChar,
            "nchar" => Kind::NChar,
            "nvarchar" | "sysname" => Kind::NVarChar,
            "text" => Kind::Text,
            "ntext" => Kind::NText,
            "xml" => Kind::Xml,
            "json" => Kind::Json,
            "binary" => Kind::Binary,
            "varbinary" => Kind::VarBinary,
            "image" => Kind::Image,
            "uniqueidentifier" => Kind::UniqueIdentifier,
            "date" => Kind::Date,
            "time" => Kind::Time,
            "datetime" => Kind::DateTime,
            "smalldatetime" => Kind::SmallDateTime,
            "datetime2" => Kind::DateTime2,
            "datetimeoffset" => Kind::DateTimeOffset,
            _ => Kind::Unsynced,
        };
        let units = u32::try_from(bytes).ok();
        let length = match kind {
            Kind::Char | Kind::VarChar | Kind::Binary | Kind::VarBinary => units,
            Kind::NChar | Kind::NVarChar => units.map(|bytes| bytes / 2),
            _ => None,
        };
        Self { kind, name, length, precision, scale }
    }

    /// The type by its name alone, as provisioning spells it.
    pub(crate) fn parse(spelt: &str) -> Self {
        let (name, arguments) = spelt.split_once('(').unwrap_or((spelt, ""));
        let numbers: Vec<u32> =
            arguments.trim_end_matches(')').split(',').map_while(|n| n.trim().parse().ok()).collect();
        let name = name.trim();
        let first = numbers.first().copied();
        let plain = Self::of(name, -1, first.unwrap_or(38), numbers.get(1).copied().unwrap_or(0));
        match plain.kind {
            Kind::Char | Kind::VarChar | Kind::NChar | Kind::NVarChar | Kind::Binary | Kind::VarBinary => {
                Self { length: first, precision: 0, scale: 0, ..plain }
            }
            Kind::Time | Kind::DateTime2 | Kind::DateTimeOffset => {
                Self { scale: first.unwrap_or(7), precision: 0, ..plain }
            }
            Kind::Decimal => plain,
            _ => Self { precision: 0, scale: 0, ..plain },
        }
    }

    /// The type as SQL spells it, without a collation.
    pub(crate) fn spelt(&self) -> String {
        let sized = || {
            let length = self.length.map_or_else(|| "max".to_owned(), |length| length.to_string());
            format!("{}({length})", self.name)
        };
        match self.kind {
            Kind::Char | Kind::VarChar | Kind::NChar | Kind::NVarChar | Kind::Binary | Kind::VarBinary
                if self.name != "sysname" =>
            {
                sized()
            }
            Kind::Decimal => format!("{}({},{})", self.name, self.precision, self.scale),
            Kind::Time | Kind::DateTime2 | Kind::DateTimeOffset => format!("{}({})", self.name, self.scale),
            _ => self.name.clone(),
        }
    }

    /// The logical type; `None` for types that are not synchronised.
    pub(crate) fn logical(&self) -> Option<LogicalType> {
        Some(match self.kind {
            Kind::Unsynced => return None,
            Kind::Bit => LogicalType::Boolean,
            Kind::TinyInt | Kind::SmallInt | Kind::Int => LogicalType::Int,
            Kind::BigInt => LogicalType::Long,
            Kind::Decimal | Kind::Money | Kind::SmallMoney => {
                let (precision, scale) = self.digits();
                LogicalType::Decimal { precision, scale }
            }
            Kind::Real => LogicalType::Float,
            Kind::Float => LogicalType::Double,
            Kind::Char
            | Kind::VarChar
            | Kind::NChar
            | Kind::NVarChar
            | Kind::Text
            | Kind::NText
            | Kind::Xml
            | Kind::Json => LogicalType::String,
            Kind::Binary | Kind::VarBinary | Kind::Image => LogicalType::Bytes,
            Kind::UniqueIdentifier => LogicalType::Uuid,
            Kind::Date => LogicalType::Date,
            Kind::Time => LogicalType::Time,
            Kind::DateTime | Kind::SmallDateTime | Kind::DateTime2 => LogicalType::Timestamp,
            Kind::DateTimeOffset => LogicalType::TimestampOffset,
        })
    }

    /// Precision and scale of a number kept in digits.
    pub(crate) fn digits(&self) -> (u32, u32) {
        match self.kind {
            Kind::Money => (19, 4),
            Kind::SmallMoney => (10, 4),
            _ => (self.precision, self.scale),
        }
    }

    /// What the column keeps of values that it does not hold as they are, where the member is set to round. Times are
    /// cut and not rounded: 23:59:59.9999999 must not become a time of the next day.
    pub(crate) fn narrowing(&self) -> Narrowing {
        let steps = match self.kind {
            Kind::Time | Kind::DateTime2 | Kind::DateTimeOffset => {
                Some(Steps::Down(10_i64.pow(7_u32.saturating_sub(self.scale))))
            }
            Kind::DateTime => Some(Steps::ThreeHundredths),
            Kind::SmallDateTime => Some(Steps::Nearest(60 * TICKS_A_SECOND)),
            _ => None,
        };
        Narrowing {
            scale: match self.logical() {
                Some(LogicalType::Int | LogicalType::Long) => Some(0),
                Some(LogicalType::Decimal { scale, .. }) => Some(scale),
                _ => None,
            },
            steps,
            single: self.kind == Kind::Real,
            no_subnormals: matches!(self.kind, Kind::Real | Kind::Float),
            trims_blanks: self.is_padded() && self.is_text(),
            filled_to: self.length.filter(|_| self.kind == Kind::Binary),
            ..Narrowing::default()
        }
    }

    /// Whether it is a text with a collation.
    pub(crate) fn is_text(&self) -> bool {
        self.is_unicode() || self.is_code_page()
    }

    /// Whether its texts are stored as UTF-16.
    pub(crate) fn is_unicode(&self) -> bool {
        matches!(self.kind, Kind::NChar | Kind::NVarChar | Kind::NText)
    }

    /// Whether its texts are stored in the collation's code page.
    pub(crate) fn is_code_page(&self) -> bool {
        matches!(self.kind, Kind::Char | Kind::VarChar | Kind::Text)
    }

    /// Whether its values are filled up to its length.
    pub(crate) fn is_padded(&self) -> bool {
        matches!(self.kind, Kind::Char | Kind::NChar | Kind::Binary)
    }

    /// Whether triggers do not see its values.
    pub(crate) fn is_hidden_from_triggers(&self) -> bool {
        matches!(self.kind, Kind::Text | Kind::NText | Kind::Image)
    }

    /// Whether values of it can be compared for order and be a key.
    pub(crate) fn can_be_key(&self) -> bool {
        !matches!(
            self.kind,
            Kind::Unsynced
                | Kind::Text
                | Kind::NText
                | Kind::Image
                | Kind::Xml
                | Kind::Json
                | Kind::Real
                | Kind::Float
        ) && (self.length.is_some() || !matches!(self.kind, Kind::VarChar | Kind::NVarChar | Kind::VarBinary))
    }
}

/// The type that a column of this logical type is created with. One that stands in an index needs a bound. `digits`:
/// how many digits behind the second the server keeps.
pub(crate) fn created_type(
    logical: LogicalType,
    max_length: Option<u32>,
    indexed: bool,
    digits: u32,
) -> String {
    let sized = |name: &str, most: u32, bytes_a_unit: u32| {
        let length = max_length.filter(|length| *length <= most);
        match length {
            Some(length) => format!("{name}({})", length.max(1)),
            None if indexed => format!("{name}({})", INDEXED_LENGTH * 2 / bytes_a_unit),
            None => format!("{name}(max)"),
        }
    };
    match logical {
        LogicalType::Boolean => "bit".to_owned(),
        LogicalType::Int => "int".to_owned(),
        LogicalType::Long => "bigint".to_owned(),
        LogicalType::Decimal { precision, scale } if precision <= 38 => {
            format!("decimal({precision},{scale})")
        }
        // No number type holds all of them.
        LogicalType::Decimal { .. } | LogicalType::Numeric if indexed => {
            format!("nvarchar({INDEXED_LENGTH})")
        }
        LogicalType::Decimal { .. } | LogicalType::Numeric => "nvarchar(max)".to_owned(),
        LogicalType::Float => "real".to_owned(),
        LogicalType::Double => "float".to_owned(),
        LogicalType::String => sized("nvarchar", 4000, 2),
        LogicalType::Bytes => sized("varbinary", 8000, 1),
        LogicalType::Uuid => "uniqueidentifier".to_owned(),
        LogicalType::Date => "date".to_owned(),
        LogicalType::Time => format!("time({digits})"),
        LogicalType::Timestamp => format!("datetime2({digits})"),
        LogicalType::TimestampOffset => format!("datetimeoffset({digits})"),
    }
}

/// The collation of the same code page that compares by bytes; `None` for a code page that we do not know. Another
/// code page would turn characters into question marks.
pub(crate) fn binary_collation(code_page: u32) -> Option<&'static str> {
    Some(match code_page {
        437 => "SQL_Latin1_General_CP437_BIN2",
        850 => "SQL_Latin1_General_CP850_BIN2",
        874 => "Thai_BIN2",
        932 => "Japanese_BIN2",
        936 => "Chinese_PRC_BIN2",
        949 => "Korean_Wansung_BIN2",
        950 => "Chinese_Taiwan_Stroke_BIN2",
        1250 => "Croatian_BIN2",
        1251 => "Cyrillic_General_BIN2",
        1252 => "Latin1_General_BIN2",
        1253 => "Greek_BIN2",
        1254 => "Turkish_BIN2",
        1255 => "Hebrew_BIN2",
        1256 => "Arabic_BIN2",
        1257 => "Lithuanian_BIN2",
        1258 => "Vietnamese_BIN2",
        65001 => "Latin1_General_100_BIN2_UTF8",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_those_of_the_catalog() {
        for (name, bytes, precision, scale, spelt, logical) in [
            ("nvarchar", 320, 0, 0, "nvarchar(160)", Some(LogicalType::String)),
            ("nvarchar", -1, 0, 0, "nvarchar(max)", Some(LogicalType::String)),
            ("varchar", 10, 0, 0, "varchar(10)", Some(LogicalType::String)),
            ("varbinary", -1, 0, 0, "varbinary(max)", Some(LogicalType::Bytes)),
            ("decimal", 9, 10, 2, "decimal(10,2)", Some(LogicalType::Decimal { precision: 10, scale: 2 })),
            ("money", 8, 19, 4, "money", Some(LogicalType::Decimal { precision: 19, scale: 4 })),
            ("smallmoney", 4, 10, 4, "smallmoney", Some(LogicalType::Decimal { precision: 10, scale: 4 })),
            ("datetime2", 8, 27, 7, "datetime2(7)", Some(LogicalType::Timestamp)),
            ("datetimeoffset", 10, 34, 3, "datetimeoffset(3)", Some(LogicalType::TimestampOffset)),
            ("tinyint", 1, 3, 0, "tinyint", Some(LogicalType::Int)),
            ("timestamp", 8, 0, 0, "timestamp", None),
            ("geography", -1, 0, 0, "geography", None),
            ("sql_variant", 8016, 0, 0, "sql_variant", None),
        ] {
            let declared = Declared::of(name, bytes, precision, scale);
            assert_eq!((declared.spelt().as_str(), declared.logical()), (spelt, logical));
        }
    }

    #[test]
    fn created_types_mean_what_they_were_created_for() {
        for logical in [
            LogicalType::Boolean,
            LogicalType::Int,
            LogicalType::Long,
            LogicalType::Decimal { precision: 38, scale: 4 },
            LogicalType::Float,
            LogicalType::Double,
            LogicalType::String,
            LogicalType::Bytes,
            LogicalType::Uuid,
            LogicalType::Date,
            LogicalType::Time,
            LogicalType::Timestamp,
            LogicalType::TimestampOffset,
        ] {
            for indexed in [false, true] {
                let spelt = created_type(logical, None, indexed, 7);
                let declared = Declared::parse(&spelt);
                assert_eq!((declared.logical(), declared.spelt()), (Some(logical), spelt));
                let no_key = matches!(logical, LogicalType::Float | LogicalType::Double);
                assert!(!indexed || no_key || declared.can_be_key());
            }
        }
        assert_eq!(created_type(LogicalType::String, Some(40), false, 7), "nvarchar(40)");
        assert_eq!(created_type(LogicalType::String, Some(5000), false, 7), "nvarchar(max)");
        assert_eq!(created_type(LogicalType::Bytes, Some(16), true, 7), "varbinary(16)");
    }
}
