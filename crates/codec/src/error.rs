//! What can go wrong between model and wire, under stable codes, and what the caller shall do about it.
//!
//! Messages never show a row's values: they name table, column and place, which is enough to find the value and
//! keeps users' data out of logs.

use tributary_model::{KeyError, LogicalType, TableName};

/// What a worker does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Trying again later can succeed without anybody doing anything. The codec has no such failure.
    Retry,
    /// The record is at fault: set it aside, list it, and go on with the others.
    Park,
    /// Nothing gets better by itself: stop the worker and tell the operator.
    Stop,
}

/// Failures of the codec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Bytes without the registry's framing.
    #[error(
        "a record of {length} bytes is not framed: it must start with a zero byte and a schema id of four bytes; \
         see what else writes to this topic"
    )]
    Frame {
        /// How many bytes there were.
        length: usize,
        /// The first of them.
        first: Option<u8>,
    },

    /// Bytes that are no record of the expected schema.
    #[error(
        "a {record}{} cannot be read: {problem} at byte {at}{}; it was written with another schema, or damaged",
        of(table),
        place(field)
    )]
    Malformed {
        /// What it should have been: `key`, `change`, `resolved record`, `conflict`, `exception`.
        record: &'static str,
        /// The table whose schema was expected; `None` for an exception, and a conflict whose table could not be read.
        table: Option<TableName>,
        /// The field or column that was being read.
        field: Option<String>,
        /// Where in the payload, from 0.
        at: usize,
        /// What is wrong there.
        problem: &'static str,
    },

    /// A record that was read to its end, and more bytes behind it.
    #[error(
        "a {record}{} ends at byte {at}, but {extra} more bytes follow; it was written with another schema",
        of(table)
    )]
    LeftOver {
        /// What it should have been.
        record: &'static str,
        /// The table whose schema was expected; `None` for a conflict's key, and an exception.
        table: Option<TableName>,
        /// Where the record ends.
        at: usize,
        /// How many bytes follow.
        extra: usize,
    },

    /// A record of another table.
    #[error("a {record} of table {found} stands where one of table {table} is expected; see what wrote it")]
    OtherTable {
        /// What it is.
        record: &'static str,
        /// The table that was expected.
        table: TableName,
        /// The table that the record names.
        found: String,
    },

    /// A row whose number of columns is not the table's.
    #[error(
        "a row of {found} columns cannot be written: table {table} has {expected}; its schema has changed"
    )]
    RowLength {
        /// The table.
        table: TableName,
        /// How many columns the table has.
        expected: usize,
        /// How many the row has.
        found: usize,
    },

    /// A value that its column cannot hold.
    #[error(
        "column {column} of table {table} holds a value that is not a {logical}; correct the row, or the column's \
         type"
    )]
    Value {
        /// The table.
        table: TableName,
        /// The column.
        column: String,
        /// The column's type.
        logical: LogicalType,
    },

    /// A version beyond what Avro's `long` holds, or 0, which stands for no change.
    #[error("version {version} of a change in table {table} is not between 1 and 9223372036854775807")]
    Version {
        /// The table.
        table: TableName,
        /// The version.
        version: u64,
    },

    /// A record that nobody could make sense of if it were written.
    #[error(
        "a {record} of table {table} cannot be written: {problem}; this is a fault in the program that made it"
    )]
    Inconsistent {
        /// What it is.
        record: &'static str,
        /// The table.
        table: TableName,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// Bytes that are no key of the table.
    #[error(
        "a record's key is not a key of table {table}; the table's key has changed, or the record is damaged"
    )]
    Key {
        /// The table.
        table: TableName,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },

    /// A table from which no schema can be derived.
    #[error("no schema can be derived for table {table}: {problem}")]
    Schema {
        /// The table.
        table: TableName,
        /// What stands in the way, and of which column.
        problem: String,
    },

    /// A conflict of a table that is not known here.
    #[error(
        "a conflict belongs to table {table}, which is not in the group; its rows cannot be read without it"
    )]
    UnknownTable {
        /// The table that the record names.
        table: String,
    },
}

fn of(table: &Option<TableName>) -> String {
    table.as_ref().map_or_else(String::new, |table| format!(" of table {table}"))
}

fn place(field: &Option<String>) -> String {
    field.as_ref().map_or_else(String::new, |field| format!(" in `{field}`"))
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Frame { .. } => "COD-001",
            Self::Malformed { .. } => "COD-002",
            Self::LeftOver { .. } => "COD-003",
            Self::OtherTable { .. } => "COD-004",
            Self::RowLength { .. } => "COD-005",
            Self::Value { .. } => "COD-006",
            Self::Version { .. } => "COD-007",
            Self::Key { .. } => "COD-008",
            Self::Schema { .. } => "COD-009",
            Self::UnknownTable { .. } => "COD-010",
            Self::Inconsistent { .. } => "COD-011",
        }
    }

    /// What the caller shall do. A record that cannot be read stops its reader, since skipping it would lose a
    /// change; a row that cannot be written is set aside at its origin.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Value { .. } => Disposition::Park,
            Self::Frame { .. }
            | Self::Malformed { .. }
            | Self::LeftOver { .. }
            | Self::OtherTable { .. }
            | Self::RowLength { .. }
            | Self::Version { .. }
            | Self::Key { .. }
            | Self::Schema { .. }
            | Self::Inconsistent { .. }
            | Self::UnknownTable { .. } => Disposition::Stop,
        }
    }
}
