//! The shape of a synced table as the group knows it.
//!
//! Members may call table and columns differently and lack some columns; how a member's own table maps to this
//! one is the adapter's matter.

use crate::{KeyBytes, KeyError, LogicalType, Row, Value, key};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// The group's name of a table.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TableName(Arc<str>);

impl TableName {
    /// Takes any text.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A column of a synced table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The group's name of it.
    pub name: String,
    /// Its type.
    pub logical: LogicalType,
    /// Whether it may be NULL. Key columns may not.
    pub nullable: bool,
    /// Longest text or byte string in characters or bytes, where a member declared one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
}

/// What a database does to a referring row when the row it refers to is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    /// Refuses the delete.
    Refuse,
    /// Deletes the referring row.
    Cascade,
    /// Sets the referring columns to NULL.
    SetNull,
    /// Sets the referring columns to their defaults.
    SetDefault,
}

/// A foreign key from one synced table to another (or itself).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignKey {
    /// The referring columns, by position in this table.
    pub columns: Vec<usize>,
    /// The table referred to.
    pub references: TableName,
    /// The columns referred to, by name, in the same order as `columns`.
    pub referenced_columns: Vec<String>,
    /// What a delete of the row referred to does here.
    pub on_delete: OnDelete,
}

/// A synced table: columns in order, the key, foreign keys to other synced tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSchema {
    /// The group's name of the table.
    pub name: TableName,
    /// All columns that any member syncs.
    pub columns: Vec<Column>,
    /// The primary key's columns, by position, in key order.
    pub key: Vec<usize>,
    /// Foreign keys to synced tables.
    #[serde(default)]
    pub foreign_keys: Vec<ForeignKey>,
    /// Unique constraints besides the primary key, as column positions.
    #[serde(default)]
    pub unique: Vec<Vec<usize>>,
    /// Which life of the table's topics this is; grows when the key's type or the partition count changes.
    #[serde(default = "first_generation")]
    pub generation: u32,
}

fn first_generation() -> u32 {
    1
}

impl TableSchema {
    /// The types of the key's columns, in key order.
    pub fn key_types(&self) -> Vec<LogicalType> {
        self.key.iter().map(|index| self.columns[*index].logical).collect()
    }

    /// The canonical key bytes of `row`.
    pub fn key_of(&self, row: &Row) -> Result<KeyBytes, KeyError> {
        key::encode(self.key.iter().map(|index| (self.columns[*index].logical, row.get(*index))))
    }

    /// The key's values, in key order.
    pub fn key_values(&self, bytes: &KeyBytes) -> Result<Vec<Value>, KeyError> {
        key::decode(&self.key_types(), bytes)
    }

    /// The position of the column called `name`.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }
}
