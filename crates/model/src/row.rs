//! A row's values by column position, where *absent* is not the same as NULL.
//!
//! Absent means: the member that the row comes from has no such column, so nothing is said about it.

use crate::Value;

/// Values in the order of the table's columns; `None` is an absent column.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row(pub Vec<Option<Value>>);

impl Row {
    /// A row in which every column is set.
    pub fn of(values: impl IntoIterator<Item = Value>) -> Self {
        Self(values.into_iter().map(Some).collect())
    }

    /// The value of column `index`; `None` when it is absent.
    pub fn get(&self, index: usize) -> Option<&Value> {
        self.0.get(index).and_then(Option::as_ref)
    }

    /// How many columns the table has.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the table has no columns.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether some column is absent.
    pub fn is_partial(&self) -> bool {
        self.0.iter().any(Option::is_none)
    }

    /// This row with its absent columns taken from `other`, where that has them.
    #[must_use]
    pub fn completed_from(&self, other: &Self) -> Self {
        Self(self.0.iter().enumerate().map(|(i, v)| v.as_ref().or_else(|| other.get(i)).cloned()).collect())
    }
}
