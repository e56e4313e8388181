//! The types of columns that may stand for a logical type in each database, and what they make of values.

use crate::fate::{
    Fate, characters, digits, integers, money, no_number, numeric, padded, postgres_date, postgres_ticks,
    same, single, sqlite_float, sqlite_number, unsaid,
};
use crate::home::Database;
use tributary_model::{LogicalType, Value};

/// A column of a table.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    /// Its type as SQL spells it; `None` where provisioning creates the table.
    pub(crate) declared: Option<&'static str>,
    /// What it makes of a value that is not NULL.
    pub(crate) fate: fn(&Value) -> Fate,
    /// Whether it can be a part of a key.
    pub(crate) keyed: bool,
}

/// What provisioning creates.
fn created(fate: fn(&Value) -> Fate) -> Column {
    Column { declared: None, fate, keyed: true }
}

fn column(declared: &'static str, fate: fn(&Value) -> Fate) -> Column {
    Column { declared: Some(declared), fate, keyed: true }
}

fn unkeyed(column: Column) -> Column {
    Column { keyed: false, ..column }
}

fn small(value: &Value) -> Fate {
    integers(value, -0x8000..=0x7fff)
}

fn int(value: &Value) -> Fate {
    integers(value, i64::from(i32::MIN)..=i64::from(i32::MAX))
}

fn long(value: &Value) -> Fate {
    integers(value, i64::MIN..=i64::MAX)
}

/// The columns for a type: first the one that is created, then the others.
pub(crate) fn columns(database: Database, logical: LogicalType) -> Vec<Column> {
    match database {
        Database::Sqlite => of_sqlite(logical),
        Database::Postgres => of_postgres(logical),
        Database::SqlServer => of_sqlserver(logical),
    }
}

fn of_sqlite(logical: LogicalType) -> Vec<Column> {
    use LogicalType as T;
    match logical {
        T::Boolean => vec![created(same), column("INTEGER", same), column("INT", same)],
        T::Int => vec![created(same), column("BIGINT", same), column("SMALLINT", same)],
        T::Long => vec![created(same), column("BIGINT", same), column("INT", int)],
        T::Decimal { .. } => vec![
            created(same),
            column("DECIMAL(38,4)", |value| sqlite_number(value, true)),
            column("DECIMAL(10,2)", |value| digits(value, 10, 2)),
            column("DECIMAL_TEXT(10,2)", |value| digits(value, 10, 2)),
            column("NUMERIC", |value| sqlite_number(value, true)),
            unkeyed(column("DOUBLE", |value| sqlite_number(value, false))),
            column("INTEGER", long),
            column("INT", int),
        ],
        T::Numeric => vec![
            created(|value| match value {
                Value::Decimal(decimal) if decimal.normalized().to_plain_string().len() > 150_000 => {
                    Fate::Refused
                }
                _ => Fate::Same,
            }),
            column("NUMERIC", |value| sqlite_number(value, true)),
            column("DECIMAL_TEXT(10,2)", |value| digits(value, 10, 2)),
            column("BIGINT", long),
        ],
        T::Float | T::Double => {
            vec![unkeyed(created(sqlite_float)), unkeyed(column("NUMERIC", sqlite_float))]
        }
        T::String => vec![created(same), column("VARCHAR(10)", same), column("STRING", no_number)],
        T::Bytes => vec![created(same), column("VARBINARY(9)", same)],
        T::Uuid => vec![created(same), column("UUID", same), column("TEXT", same)],
        T::Date => vec![created(same), column("DATE", same), column("TEXT", same)],
        T::Time => vec![created(same), column("TIME", same), column("TEXT", same)],
        T::Timestamp => vec![created(same), column("DATETIME", same), column("TEXT", same)],
        T::TimestampOffset => vec![created(same), column("TIMESTAMPTZ", same), column("TEXT", same)],
    }
}

fn of_postgres(logical: LogicalType) -> Vec<Column> {
    use LogicalType as T;
    let microseconds = |value: &Value| postgres_ticks(value, 10);
    let milliseconds = |value: &Value| postgres_ticks(value, 10_000);
    let seconds = |value: &Value| postgres_ticks(value, 10_000_000);
    match logical {
        T::Boolean => vec![created(same)],
        T::Int => vec![created(same), column("bigint", same), column("smallint", small)],
        T::Long => vec![created(same), column("integer", int), column("smallint", small)],
        T::Decimal { .. } => vec![
            created(same),
            column("numeric(10,2)", |value| digits(value, 10, 2)),
            column("numeric", same),
            column("bigint", long),
            column("integer", int),
            unkeyed(column("money", money)),
        ],
        T::Numeric => vec![
            created(numeric),
            column("numeric(10,2)", |value| digits(value, 10, 2)),
            column("bigint", long),
        ],
        T::Float => vec![unkeyed(created(same)), unkeyed(column("double precision", same))],
        T::Double => vec![unkeyed(created(same)), unkeyed(column("real", single))],
        T::String => vec![
            created(|value| characters(value, usize::MAX)),
            column("varchar(10)", |value| characters(value, 10)),
            column("char(10)", |value| padded(value, 10)),
        ],
        T::Bytes | T::Uuid => vec![created(same)],
        T::Date => vec![created(postgres_date)],
        T::Time => vec![created(microseconds), column("time(3)", milliseconds), column("time(0)", seconds)],
        T::Timestamp => {
            vec![created(microseconds), column("timestamp(3)", milliseconds), column("timestamp(0)", seconds)]
        }
        T::TimestampOffset => vec![created(microseconds), column("timestamptz(3)", milliseconds)],
    }
}

/// What these columns lose depends on the server and its collation, so it is not said: a value may be refused or
/// rounded, and everything else has to hold.
fn of_sqlserver(logical: LogicalType) -> Vec<Column> {
    use LogicalType as T;
    let others: &[&'static str] = match logical {
        T::Boolean | T::Numeric | T::Uuid | T::Date => &[],
        T::Int => &["bigint", "smallint", "tinyint"],
        T::Long => &["int"],
        T::Decimal { .. } => &["decimal(10,2)", "money", "smallmoney", "bigint"],
        T::Float => &["float"],
        T::Double => &["real"],
        T::String => &["nvarchar(10)", "varchar(10)", "nchar(10)"],
        T::Bytes => &["varbinary(9)", "binary(9)"],
        T::Time => &["time(3)"],
        T::Timestamp => &["datetime2(3)", "datetime", "smalldatetime"],
        T::TimestampOffset => &["datetimeoffset(3)"],
    };
    // Collations, and bytes that are filled up, make one key of two values.
    let texts = matches!(logical, T::String | T::Bytes);
    let keyed = !matches!(logical, T::Float | T::Double | T::Bytes);
    let others = others.iter().map(|declared| Column { keyed: keyed && !texts, ..column(declared, unsaid) });
    [Column { keyed, ..created(unsaid) }].into_iter().chain(others).collect()
}
