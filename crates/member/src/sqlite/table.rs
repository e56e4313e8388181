//! A bound table as it lies in the file: names, columns, codecs, prepared once and used by every call.

use super::catalog::{self, CatalogTable};
use super::quote::identifier;
use super::values::Codec;
use crate::provisioned::RefillState;
use crate::{Result, TableBinding, TableState};
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;
use tributary_model::{Dot, Incarnation, KeyBytes, MemberId, Row, Value};

/// The columns of a tracking table besides the key's.
pub(crate) const TRACKING_COLUMNS: [&str; 8] = [
    "local_version",
    "local_incarnation",
    "changed_at",
    "change_kind",
    "inside_apply",
    "is_tombstone",
    "seen",
    "apply_batch",
];

/// A bound table.
#[derive(Debug)]
pub(crate) struct BoundTable {
    /// The binding.
    pub(crate) binding: Arc<TableBinding>,
    /// The base table's name, quoted.
    pub(crate) base: String,
    /// The tracking table's name, quoted.
    pub(crate) tracking: String,
    /// The name of the tracking table's index on `local_version`, quoted.
    pub(crate) changes_index: String,
    /// The columns that this member has, in the group's order. Empty unless the state is ready.
    pub(crate) columns: Vec<BoundColumn>,
    /// The key's columns, by position in `columns`, in key order.
    pub(crate) key: Vec<usize>,
    /// Whether it can be worked on. The other fields below hold only if so.
    pub(crate) state: TableState,
    /// The incarnation that a tracking row without one belongs to, and that untracked rows have.
    pub(crate) first_incarnation: Incarnation,
    /// The incarnation of versions to come.
    pub(crate) incarnation: Incarnation,
    /// The table as SQLite describes it.
    pub(crate) catalog: Option<CatalogTable>,
    /// The refill of columns that it has gained, while there is one.
    pub(crate) refill: Option<RefillState>,
    /// How often its rows were ordered to be scanned anew.
    pub(crate) scans: u32,
    /// Whether rows of it can replace each other, so that there is a table to note them in.
    pub(crate) has_replaced: bool,
}

/// A synced column of a bound table.
#[derive(Debug, Clone)]
pub(crate) struct BoundColumn {
    /// Its position in the group's table.
    pub(crate) position: usize,
    /// The member's own name, as messages give it.
    pub(crate) name: String,
    /// The member's own name, quoted.
    pub(crate) quoted: String,
    /// The name in the tracking table, quoted; only of key columns.
    pub(crate) tracking: String,
    /// Whether it takes NULL.
    pub(crate) nullable: bool,
    /// The collation it compares with.
    pub(crate) collation: String,
    /// How its values are read and written.
    pub(crate) codec: Codec,
}

impl BoundColumn {
    /// Whether its values compare byte for byte.
    pub(crate) fn is_binary(&self) -> bool {
        self.collation.eq_ignore_ascii_case("BINARY")
    }
}

impl BoundTable {
    /// A binding that has not been looked up in the file yet.
    pub(crate) fn unread(binding: &Arc<TableBinding>, member: &MemberId) -> Self {
        let names = Names::of(&binding.local_table);
        Self {
            base: identifier(&binding.local_table),
            tracking: identifier(&names.tracking),
            changes_index: identifier(&names.changes_index),
            binding: Arc::clone(binding),
            columns: Vec::new(),
            key: Vec::new(),
            state: TableState::Stopped { reason: "it has not been looked at yet".to_owned() },
            first_incarnation: Incarnation::first(member),
            incarnation: Incarnation::first(member),
            catalog: None,
            has_replaced: false,
            refill: None,
            scans: 0,
        }
    }

    /// The synced columns by the member's and the group's names.
    pub(crate) fn synced(&self) -> impl Iterator<Item = (&str, &str)> {
        let group = &self.binding.schema.columns;
        self.columns.iter().map(|column| (column.name.as_str(), group[column.position].name.as_str()))
    }

    /// The key's columns, in key order.
    pub(crate) fn key_columns(&self) -> impl ExactSizeIterator<Item = &BoundColumn> {
        self.key.iter().map(|at| &self.columns[*at])
    }

    /// Reads the base table's columns and fills in names and codecs; says what is in the way, if anything.
    pub(crate) fn describe(&mut self, connection: &Connection, path: &Path) -> Result<Option<String>> {
        self.columns.clear();
        self.key.clear();
        self.catalog = catalog::table(connection, path, &self.binding.local_table)?;
        let Some(table) = &self.catalog else {
            return Ok(Some(format!(
                "there is no table {:?}; create it again, or run `provision`, or take it out of the group file",
                self.binding.local_table
            )));
        };
        if table.kind != "table" {
            return Ok(Some(format!(
                "{:?} is a {}, and only tables can be synchronised",
                table.name, table.kind
            )));
        }
        let schema = &self.binding.schema;
        let key_names: Vec<&str> = table.key.iter().map(|at| table.columns[*at].name.as_str()).collect();
        let wanted: Vec<&str> = schema
            .key
            .iter()
            .filter_map(|position| self.binding.local_columns.get(*position).and_then(Option::as_deref))
            .collect();
        // The order of a key's columns is each database's own matter.
        let same_key = key_names.len() == schema.key.len()
            && wanted.len() == key_names.len()
            && wanted.iter().all(|name| key_names.iter().any(|other| other.eq_ignore_ascii_case(name)));
        if !same_key {
            return Ok(Some(format!(
                "its primary key is ({}) where the group has ({}); give it that key again, or add the table to the \
                 group anew",
                key_names.join(", "),
                wanted.join(", ")
            )));
        }
        let tracking_names = tracking_key_names(&key_names);
        for (position, local) in self.binding.local_columns.iter().enumerate() {
            let (Some(local), Some(column)) = (local, schema.columns.get(position)) else { continue };
            let Some(at) = table.position(local) else {
                return Ok(Some(format!(
                    "there is no column {local:?}; add it again, or run `provision` to do without it"
                )));
            };
            let found = &table.columns[at];
            let key_place = table.key.iter().position(|key| *key == at);
            let declared = super::inspect::declared(table, found);
            let codec = Codec::new(column.logical, declared, key_place.is_some());
            let (Some(codec), false) = (codec, found.generated) else {
                return Ok(Some(format!(
                    "column {:?} is declared as {:?}{}, which cannot take the group's {}; change the column back, or \
                     take it out of the group file",
                    found.name,
                    found.declared,
                    if found.generated { " and generated" } else { "" },
                    column.logical
                )));
            };
            self.columns.push(BoundColumn {
                position,
                name: found.name.clone(),
                quoted: identifier(&found.name),
                tracking: key_place.map_or_else(String::new, |place| identifier(&tracking_names[place])),
                nullable: !found.not_null,
                collation: found.collation.clone(),
                codec,
            });
        }
        self.key = schema
            .key
            .iter()
            .filter_map(|position| self.columns.iter().position(|column| column.position == *position))
            .collect();
        Ok(None)
    }

    /// The key's columns in the base table under the alias `side`, as a list.
    pub(crate) fn key_list(&self, side: &str) -> String {
        self.key_columns().map(|column| format!("{side}.{}", column.quoted)).collect::<Vec<_>>().join(", ")
    }

    /// The condition that the base row `b` is that of the tracking row `t`, byte for byte. The plain comparison
    /// finds it by the key's own index.
    pub(crate) fn base_is_tracked(&self) -> String {
        self.base_is(|_, column| format!("t.{}", column.tracking))
    }

    /// The condition that the base row `b` has the key whose values are the parameters 1, 2, …, byte for byte.
    pub(crate) fn base_is_parameters(&self) -> String {
        self.base_is(|place, _| format!("?{}", place + 1))
    }

    fn base_is(&self, other: impl Fn(usize, &BoundColumn) -> String) -> String {
        let mut parts = Vec::new();
        for (place, column) in self.key_columns().enumerate() {
            parts.push(format!("b.{} = {}", column.quoted, other(place, column)));
            if !column.is_binary() {
                parts.push(format!("b.{} COLLATE BINARY = {}", column.quoted, other(place, column)));
            }
        }
        parts.join(" AND ")
    }

    /// The bound column at this position of the group's table.
    pub(crate) fn bound(&self, position: usize) -> Option<usize> {
        self.columns.iter().position(|column| column.position == position)
    }

    /// The change that a row without a tracking row stands for: the first scan's.
    pub(crate) fn scanned(&self) -> Dot {
        Dot::new(self.first_incarnation.clone(), 1)
    }

    /// What an edit of a row without a tracking row has seen, as tracking rows have it: the scan's change, which its own name
    /// says already while that is of the same incarnation.
    pub(crate) fn first_seen(&self) -> String {
        if self.first_incarnation == self.incarnation { String::new() } else { self.scanned().to_string() }
    }

    /// The condition that the base row `b` has no tracking row. Tracking keys compare binary.
    pub(crate) fn untracked(&self) -> String {
        let same = self.key_columns().map(|column| format!("t.{} = b.{}", column.tracking, column.quoted));
        format!(
            "NOT EXISTS (SELECT 1 FROM {} AS t WHERE {})",
            self.tracking,
            same.collect::<Vec<_>>().join(" AND ")
        )
    }

    /// The table of rows that a statement may replace, quoted, if this table has one.
    pub(crate) fn replaced(&self) -> Option<String> {
        self.has_replaced.then(|| identifier(&Names::of(&self.binding.local_table).replaced))
    }

    /// The values of a key, in key order.
    pub(crate) fn key_values(
        &self,
        key: &KeyBytes,
    ) -> std::result::Result<Vec<Value>, tributary_model::KeyError> {
        self.binding.schema.key_values(key)
    }

    /// An empty row of the group's table: every column absent.
    pub(crate) fn absent_row(&self) -> Row {
        Row(vec![None; self.binding.schema.columns.len()])
    }
}

/// Names of the objects that belong to one table, not yet quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// The tracking table.
    pub(crate) tracking: String,
    /// Its index on `local_version`.
    pub(crate) changes_index: String,
    /// Rows that a statement may be about to replace; only for tables in which one row can replace another.
    pub(crate) replaced: String,
    /// What all its triggers' names begin with.
    trigger: String,
}

impl Names {
    /// The names for a table.
    pub(crate) fn of(table: &str) -> Self {
        Self {
            tracking: format!("DataSync_{table}_dss_tracking"),
            changes_index: format!("DataSync_{table}_dss_changes"),
            replaced: format!("DataSync_{table}_dss_replaced"),
            trigger: format!("{table}_dss_"),
        }
    }

    /// The name of a trigger, such as `insert`.
    pub(crate) fn trigger(&self, what: &str) -> String {
        format!("{}{what}_trigger", self.trigger)
    }
}

/// What key columns are called in the tracking table: as in the base table, unless a column of ours is called so.
pub(crate) fn tracking_key_names(key: &[&str]) -> Vec<String> {
    let is_ours = |name: &str| TRACKING_COLUMNS.iter().any(|ours| ours.eq_ignore_ascii_case(name));
    let mut names: Vec<String> = Vec::with_capacity(key.len());
    for column in key {
        let mut name = (*column).to_owned();
        while is_ours(&name)
            || names.iter().any(|taken| taken.eq_ignore_ascii_case(&name))
            || (name != *column && key.iter().any(|other| other.eq_ignore_ascii_case(&name)))
        {
            name.insert_str(0, "key_");
        }
        names.push(name);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_columns_do_not_take_our_names() {
        assert_eq!(tracking_key_names(&["id", "Seen"]), ["id", "key_Seen"]);
        assert_eq!(tracking_key_names(&["seen", "key_seen"]), ["key_key_seen", "key_seen"]);
        assert_eq!(tracking_key_names(&["key_seen", "seen"]), ["key_seen", "key_key_seen"]);
    }
}
