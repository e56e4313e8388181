//! What an adapter finds in a database before anything is provisioned, and what `check` says about it.

use std::borrow::Cow;
use tributary_model::{LogicalType, Narrowing, OnDelete};

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Good to know.
    Note,
    /// Works, but not as one might expect.
    Warning,
    /// Cannot be synchronised until it is mended.
    Error,
}

/// One thing that `check` reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How grave.
    pub severity: Severity,
    /// The member's own table name, where it is about one.
    pub table: Option<String>,
    /// The member's own column name, where it is about one.
    pub column: Option<String>,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// What a column can hold, where that is less than its logical type can say. Empty: all that the type can say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Limits {
    /// The smallest and the largest integer.
    pub integers: Option<(i64, i64)>,
    /// How many significant digits a decimal keeps.
    pub digits: Option<u32>,
    /// The smallest step of a time or timestamp, in ticks of 100 ns, where it is more than one tick.
    pub step: Option<i64>,
    /// The earliest and the latest timestamp, in ticks since 1970-01-01T00:00.
    pub span: Option<(i64, i64)>,
    /// Whether a timestamp loses the offset that it was written in, and is UTC afterwards.
    pub drops_offset: bool,
    /// Whether texts and byte strings may be longer than declared, as in SQLite.
    pub any_length: bool,
    /// The code page of a text that is not Unicode.
    pub code_page: Option<String>,
    /// Values that the database has and the logical type has not, such as `infinity`.
    pub beyond: Option<&'static str>,
    /// What it keeps of other values where the member is set to round; these are the very values that are written then.
    pub narrowing: Narrowing,
}

/// A column as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnInspection {
    /// Its name.
    pub name: String,
    /// The type as declared.
    pub declared: String,
    /// The logical type; `None` when it is not synchronised.
    pub logical: Option<LogicalType>,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Longest text or byte string, where declared. Whether the database keeps to it tells [`Limits::any_length`].
    pub max_length: Option<u32>,
    /// What it can hold beside that.
    pub limits: Limits,
    /// Whether it has a default.
    pub has_default: bool,
    /// Whether the database computes it.
    pub generated: bool,
    /// Its collation, where it is not the database's binary one.
    pub collation: Option<String>,
}

/// A foreign key as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKeyInspection {
    /// The referring columns.
    pub columns: Vec<String>,
    /// The table referred to, as [`TableInspection::qualified`] names it.
    pub references: String,
    /// The columns referred to; the other table's primary key when it was declared without.
    pub referenced_columns: Vec<String>,
    /// What a delete of the row referred to does.
    pub on_delete: OnDelete,
    /// Whether it is checked at commit only.
    pub deferred: bool,
}

/// A trigger of a user's on a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerInspection {
    /// Its name.
    pub name: String,
    /// Its SQL.
    pub sql: String,
    /// Whether it asks whether changes of other members are being written (see [`Inspection::trigger_guard`]).
    pub guarded: bool,
}

/// A table as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInspection {
    /// The schema, where it is not the connection's default one.
    pub schema: Option<String>,
    /// Its name.
    pub name: String,
    /// Its columns, in order.
    pub columns: Vec<ColumnInspection>,
    /// The primary key's columns, by name, in key order; empty without one.
    pub key: Vec<String>,
    /// Its foreign keys.
    pub foreign_keys: Vec<ForeignKeyInspection>,
    /// Unique constraints and indexes besides the primary key, as column names; partial and expression ones are
    /// left out here and named in a finding.
    pub unique: Vec<Vec<String>>,
    /// The users' own triggers.
    pub triggers: Vec<TriggerInspection>,
    /// Whether it is provisioned.
    pub provisioned: bool,
}

impl TableInspection {
    /// The name, with the schema in front where it is not the default one.
    pub fn qualified(&self) -> Cow<'_, str> {
        match &self.schema {
            Some(schema) => Cow::Owned(format!("{schema}.{}", self.name)),
            None => Cow::Borrowed(&self.name),
        }
    }
}

/// A table's name as [`TableInspection::qualified`] gives it, in a database with this default schema.
pub(crate) fn qualified(schema: &str, name: &str, default_schema: &str) -> String {
    if schema == default_schema { name.to_owned() } else { format!("{schema}.{name}") }
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inspection {
    /// Name and version of the database.
    pub server: String,
    /// The users' tables (none of ours).
    pub tables: Vec<TableInspection>,
    /// What `check` reports.
    pub findings: Vec<Finding>,
    /// The condition, in the database's SQL, under which a user's trigger is silent while changes of other members are
    /// written.
    pub trigger_guard: &'static str,
}

impl Inspection {
    /// The table of this name in this schema (`None` is the default one), compared without case; the same spelling
    /// first.
    pub fn table(&self, schema: Option<&str>, name: &str) -> Option<&TableInspection> {
        let in_schema = || self.tables.iter().filter(|table| table.schema.as_deref() == schema);
        let same = in_schema().find(|table| table.name == name);
        same.or_else(|| in_schema().find(|table| table.name.eq_ignore_ascii_case(name)))
    }
}
