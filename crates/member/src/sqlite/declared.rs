//! Declared types of SQLite columns: which logical type they mean, and what SQLite itself makes of their values.
//!
//! A known type is matched by its exact name, without case and without what stands in parentheses. For all others
//! SQLite's affinity decides, since that is all that SQLite knows of them.

use tributary_model::{Floating, LogicalType, Narrowing};

/// What SQLite does with values that are stored in a column (<https://www.sqlite.org/datatype3.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Affinity {
    /// Numbers and texts that look like numbers become integers where nothing is lost.
    Integer,
    /// Numbers become texts.
    Text,
    /// Nothing is converted.
    Blob,
    /// Numbers and texts that look like numbers become floats.
    Real,
    /// As integer.
    Numeric,
}

impl Affinity {
    /// The affinity of a declared type, by SQLite's own rules.
    pub(crate) fn of(declared: &str) -> Self {
        let upper = declared.to_ascii_uppercase();
        let has = |part: &str| upper.contains(part);
        if has("INT") {
            Self::Integer
        } else if has("CHAR") || has("CLOB") || has("TEXT") {
            Self::Text
        } else if has("BLOB") || declared.is_empty() {
            Self::Blob
        } else if has("REAL") || has("FLOA") || has("DOUB") {
            Self::Real
        } else {
            Self::Numeric
        }
    }

    /// Whether it may turn a text into a number.
    pub(crate) fn changes_texts(self) -> bool {
        matches!(self, Self::Integer | Self::Real | Self::Numeric)
    }
}

/// A declared type, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Declared {
    /// The logical type; `None` for types that are not synchronised.
    pub(crate) logical: Option<LogicalType>,
    /// What SQLite does with values.
    pub(crate) affinity: Affinity,
    /// The declared length of a text or byte string.
    pub(crate) max_length: Option<u32>,
    /// Whether the name is one that we know, and not only its affinity.
    pub(crate) known: bool,
}

impl Declared {
    /// What the column keeps of values that it does not hold as they are, where the member is set to round.
    pub(crate) fn narrowing(self) -> Narrowing {
        use LogicalType as T;
        let floats = matches!(self.logical, Some(T::Decimal { .. } | T::Numeric | T::Double));
        Narrowing {
            scale: match self.logical {
                Some(T::Decimal { scale, .. }) => Some(scale),
                _ => None,
            },
            floating: match self.affinity {
                _ if !floats => None,
                Affinity::Text => None,
                Affinity::Real => Some(Floating::All),
                Affinity::Integer | Affinity::Numeric | Affinity::Blob => Some(Floating::Fractions),
            },
            no_negative_zero: self.affinity != Affinity::Blob,
            ..Narrowing::default()
        }
    }

    /// Understands a declared type as it stands in the table's definition.
    pub(crate) fn parse(declared: &str) -> Self {
        let affinity = Affinity::of(declared);
        let (name, arguments) = split(declared);
        let length = arguments.first().copied();
        let with = |logical, max_length| Self { logical, affinity, max_length, known: true };
        let plain = |logical| with(Some(logical), None);
        match name.as_str() {
            "BOOLEAN" | "BOOL" | "BIT" => plain(LogicalType::Boolean),
            "INT" | "SMALLINT" | "TINYINT" | "MEDIUMINT" | "INT2" | "INT4" => plain(LogicalType::Int),
            "INTEGER" | "BIGINT" | "INT8" => plain(LogicalType::Long),
            "DECIMAL" | "NUMERIC" | "DECIMAL_TEXT" | "NUMERIC_TEXT" => plain(decimal(&arguments)),
            "MONEY" => plain(LogicalType::Decimal { precision: 19, scale: 4 }),
            "SMALLMONEY" => plain(LogicalType::Decimal { precision: 10, scale: 4 }),
            "REAL" | "DOUBLE" | "DOUBLE PRECISION" | "FLOAT" => plain(LogicalType::Double),
            "TEXT" | "NTEXT" | "CLOB" | "CHAR" | "CHARACTER" | "NCHAR" | "VARCHAR" | "NVARCHAR"
            | "CHARACTER VARYING" | "VARYING CHARACTER" | "NATIVE CHARACTER" | "STRING" | "XML" | "JSON" => {
                with(Some(LogicalType::String), length)
            }
            "BLOB" | "BINARY" | "VARBINARY" | "IMAGE" | "BYTEA" => with(Some(LogicalType::Bytes), length),
            "UUID" | "GUID" | "UNIQUEIDENTIFIER" | "UUID_TEXT" => plain(LogicalType::Uuid),
            "DATE" | "DATE_TEXT" => plain(LogicalType::Date),
            "TIME" | "TIME_TEXT" => plain(LogicalType::Time),
            "DATETIME" | "DATETIME2" | "SMALLDATETIME" | "TIMESTAMP" | "TIMESTAMP_TEXT" => {
                plain(LogicalType::Timestamp)
            }
            "DATETIMEOFFSET" | "TIMESTAMPTZ" | "TIMESTAMP WITH TIME ZONE" | "DATETIMEOFFSET_TEXT" => {
                plain(LogicalType::TimestampOffset)
            }
            "GEOGRAPHY" | "GEOMETRY" | "HIERARCHYID" | "SQL_VARIANT" | "ROWVERSION" | "CURSOR" | "POINT"
            | "LINESTRING" | "POLYGON" | "MULTIPOINT" | "MULTILINESTRING" | "MULTIPOLYGON"
            | "GEOMETRYCOLLECTION" => with(None, None),
            _ => Self {
                logical: Some(match affinity {
                    Affinity::Integer => LogicalType::Long,
                    Affinity::Text => LogicalType::String,
                    Affinity::Blob => LogicalType::Bytes,
                    Affinity::Real => LogicalType::Double,
                    Affinity::Numeric => LogicalType::Numeric,
                }),
                affinity,
                max_length: if affinity == Affinity::Text { length } else { None },
                known: false,
            },
        }
    }
}

/// The type that a column of this logical type is created with: one whose affinity leaves its values alone.
pub(crate) fn created_type(logical: LogicalType, max_length: Option<u32>) -> String {
    let sized = |name: &str| max_length.map_or_else(|| name.to_owned(), |length| format!("{name}({length})"));
    match logical {
        LogicalType::Boolean => "BOOLEAN".to_owned(),
        LogicalType::Int => "INT".to_owned(),
        LogicalType::Long => "INTEGER".to_owned(),
        LogicalType::Decimal { precision, scale } => format!("DECIMAL_TEXT({precision},{scale})"),
        LogicalType::Numeric => "NUMERIC_TEXT".to_owned(),
        LogicalType::Float | LogicalType::Double => "REAL".to_owned(),
        LogicalType::String => match max_length {
            Some(length) => format!("NVARCHAR({length})"),
            None => "TEXT".to_owned(),
        },
        LogicalType::Bytes => sized("BLOB"),
        LogicalType::Uuid => "UUID_TEXT".to_owned(),
        LogicalType::Date => "DATE_TEXT".to_owned(),
        LogicalType::Time => "TIME_TEXT".to_owned(),
        LogicalType::Timestamp => "TIMESTAMP_TEXT".to_owned(),
        LogicalType::TimestampOffset => "DATETIMEOFFSET_TEXT".to_owned(),
    }
}

fn decimal(arguments: &[u32]) -> LogicalType {
    match *arguments {
        [precision] if (1..=1000).contains(&precision) => LogicalType::Decimal { precision, scale: 0 },
        [precision, scale] if (1..=1000).contains(&precision) && scale <= precision => {
            LogicalType::Decimal { precision, scale }
        }
        _ => LogicalType::Numeric,
    }
}

/// The name in capitals with single blanks, and the numbers in parentheses.
fn split(declared: &str) -> (String, Vec<u32>) {
    let (before, inside, after) = match (declared.find('('), declared.rfind(')')) {
        (Some(open), Some(close)) if open < close => {
            (&declared[..open], &declared[open + 1..close], &declared[close + 1..])
        }
        _ => (declared, "", ""),
    };
    let words: Vec<String> =
        before.split_whitespace().chain(after.split_whitespace()).map(str::to_ascii_uppercase).collect();
    let numbers = inside.split(',').map_while(|number| number.trim().parse().ok()).collect();
    (words.join(" "), numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn known_names_match_exactly_and_others_by_affinity() {
        let decimal = |precision, scale| LogicalType::Decimal { precision, scale };
        for (declared, logical, known) in [
            ("INTEGER", LogicalType::Long, true),
            ("int8", LogicalType::Long, true),
            ("INT", LogicalType::Int, true),
            ("int(11)", LogicalType::Int, true),
            ("UNSIGNED BIG INT", LogicalType::Long, false),
            ("DECIMAL(10,2)", decimal(10, 2), true),
            ("numeric ( 38 , 4 )", decimal(38, 4), true),
            ("DECIMAL(7)", decimal(7, 0), true),
            ("DECIMAL(2,5)", LogicalType::Numeric, true),
            ("NUMERIC", LogicalType::Numeric, true),
            ("DECIMAL_TEXT(38,4)", decimal(38, 4), true),
            ("double  precision", LogicalType::Double, true),
            ("", LogicalType::Bytes, false),
            ("WHATEVER", LogicalType::Numeric, false),
            ("LONGTEXT", LogicalType::String, false),
            ("FLOATING POINT", LogicalType::Long, false),
            ("TIMESTAMP(6) WITH TIME ZONE", LogicalType::TimestampOffset, true),
        ] {
            let parsed = Declared::parse(declared);
            assert_eq!((parsed.logical, parsed.known), (Some(logical), known), "{declared}");
        }
        assert_eq!(Declared::parse("NVARCHAR(160)").max_length, Some(160));
        assert_eq!(Declared::parse("nvarchar(max)").max_length, None);
        assert_eq!(Declared::parse("GEOGRAPHY").logical, None);
    }

    /// SQLite's own affinity shows in what it makes of an integer, a text and a float.
    #[test]
    fn affinities_are_those_of_sqlite() {
        let connection = Connection::open_in_memory().unwrap();
        for declared in [
            "INT",
            "TEXT",
            "BLOB",
            "",
            "REAL",
            "NUMERIC",
            "FLOATING POINT",
            "CHARINT",
            "UUID",
            "UUID_TEXT",
            "DATE_TEXT",
            "DECIMAL_TEXT(38,4)",
            "NUMERIC_TEXT",
            "BOOLEAN",
            "DATETIMEOFFSET_TEXT",
            "STRING",
            "XML",
            "DOUBLE PRECISION",
            "BLOBTEXT",
            "VARBINARY(10)",
            "UNIQUEIDENTIFIER",
        ] {
            connection
                .execute_batch(&format!("DROP TABLE IF EXISTS t; CREATE TABLE t (a {declared})"))
                .unwrap();
            let stored = |literal: &str| -> String {
                connection
                    .execute_batch(&format!("DELETE FROM t; INSERT INTO t VALUES ({literal})"))
                    .unwrap();
                connection.query_row("SELECT typeof(a) FROM t", [], |row| row.get(0)).unwrap()
            };
            let found = (stored("1"), stored("'1'"), stored("1.5"));
            let expected = match Affinity::of(declared) {
                Affinity::Integer | Affinity::Numeric => ("integer", "integer", "real"),
                Affinity::Text => ("text", "text", "text"),
                Affinity::Blob => ("integer", "text", "real"),
                Affinity::Real => ("real", "real", "real"),
            };
            assert_eq!((found.0.as_str(), found.1.as_str(), found.2.as_str()), expected, "{declared}");
        }
    }

    #[test]
    fn created_types_mean_what_they_were_created_for() {
        for logical in [
            LogicalType::Boolean,
            LogicalType::Int,
            LogicalType::Long,
            decimal(&[38, 4]),
            LogicalType::Numeric,
            LogicalType::Double,
            LogicalType::String,
            LogicalType::Bytes,
            LogicalType::Uuid,
            LogicalType::Date,
            LogicalType::Time,
            LogicalType::Timestamp,
            LogicalType::TimestampOffset,
        ] {
            let parsed = Declared::parse(&created_type(logical, None));
            assert_eq!((parsed.logical, parsed.known), (Some(logical), true));
        }
        assert_eq!(Declared::parse(&created_type(LogicalType::String, Some(160))).max_length, Some(160));
        assert_eq!(Declared::parse(&created_type(LogicalType::Bytes, Some(16))).max_length, Some(16));
    }
}
