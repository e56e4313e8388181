//! What an adapter finds in a database before anything is provisioned, and what `check` says about it.

use tributary_model::{LogicalType, OnDelete};

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
    /// Longest text or byte string, where declared.
    pub max_length: Option<u32>,
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
    /// The table referred to, by the member's own name.
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
}

/// A table as found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInspection {
    /// The schema, for databases that have them.
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

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inspection {
    /// Name and version of the database.
    pub server: String,
    /// The users' tables (none of ours).
    pub tables: Vec<TableInspection>,
    /// What `check` reports.
    pub findings: Vec<Finding>,
}

impl Inspection {
    /// The table of this name, compared without case.
    pub fn table(&self, name: &str) -> Option<&TableInspection> {
        self.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name))
    }
}
