//! A bound table as it lies in the database: names, columns, codecs and key, prepared once and used by every call.
//!
//! The server's `=` passes over case, accents, blanks at the end of texts, zeros at the end of bytes and the offset of
//! a `datetimeoffset`; keys must not. So every key column is compared under a binary collation, and where that still
//! passes over something, the tracking table has one more column beside it, with the length or the offset.

use super::catalog::{CatalogColumn, CatalogTable, Oddity};
use super::declared::{BINARY_COLLATION, Kind, binary_collation};
use super::names::{DEFAULT_SCHEMA, Names, OUR_SCHEMA};
use super::quote::{identifier, qualified, text};
use super::values::Codec;
use crate::{TableBinding, TableState};
use std::sync::Arc;
use tributary_model::{Dot, Incarnation, KeyBytes, MemberId, Row, Value};

/// The columns of a tracking table besides the key's.
pub(crate) const TRACKING_COLUMNS: [&str; 10] = [
    "local_version",
    "local_incarnation",
    "is_local",
    "changed_at",
    "change_kind",
    "inside_apply",
    "is_tombstone",
    "seen",
    "apply_batch",
    "row_version",
];

/// A bound table.
#[derive(Debug)]
pub(crate) struct BoundTable {
    /// The binding.
    pub(crate) binding: Arc<TableBinding>,
    /// The base table's schema, not quoted.
    pub(crate) schema: String,
    /// What our objects for it are called.
    pub(crate) names: Names,
    /// The base table, qualified and quoted.
    pub(crate) base: String,
    /// The tracking table, qualified and quoted.
    pub(crate) tracking: String,
    /// The columns that this member has, in the group's order. Empty unless the table could be described.
    pub(crate) columns: Vec<BoundColumn>,
    /// The key's columns, by position in `columns`, in the group's key order.
    pub(crate) key: Vec<usize>,
    /// The same in the order of the member's own primary key, in which first scans go.
    pub(crate) own_key: Vec<usize>,
    /// The columns of the tracking table's primary key.
    pub(crate) tracking_key: Vec<TrackingColumn>,
    /// How often its rows were ordered to be scanned anew.
    pub(crate) scans: u32,
    /// Whether it can be worked on. The other fields below hold only if so.
    pub(crate) state: TableState,
    /// The incarnation that a tracking row without one belongs to, and that untracked rows have.
    pub(crate) first_incarnation: Incarnation,
    /// The incarnation of versions to come.
    pub(crate) incarnation: Incarnation,
    /// The table as the server describes it.
    pub(crate) catalog: Option<CatalogTable>,
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
    /// Whether the server numbers its rows.
    pub(crate) identity: bool,
    /// Its collation, of texts.
    pub(crate) collation: Option<String>,
    /// The collation of the same code page that compares byte for byte, of texts.
    pub(crate) binary: Option<&'static str>,
    /// Whether it compares byte for byte of itself.
    pub(crate) is_binary: bool,
    /// How its values are read and written.
    pub(crate) codec: Codec,
}

/// What a column of the tracking table's primary key holds of a key column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The value.
    Value,
    /// Its length in bytes, since comparisons pass over what stands at the end.
    Length,
    /// The offset of a time, since comparisons pass over it.
    Offset,
}

/// A column of the tracking table's primary key.
#[derive(Debug, Clone)]
pub(crate) struct TrackingColumn {
    /// Its name, quoted.
    pub(crate) quoted: String,
    /// Type and collation.
    pub(crate) definition: String,
    /// The key column, by position in `columns`.
    pub(crate) column: usize,
    /// What it holds of it.
    pub(crate) part: Part,
}

impl BoundColumn {
    /// The expression that `expression`, a text as [`super::values::Stored::text`] writes it, stands for in a
    /// comparison: of the column's own type and collation, so that an index finds it.
    pub(crate) fn operand(&self, expression: &str) -> String {
        match &self.collation {
            // The collation inside of the cast says which code page the text is turned into.
            Some(collation) => {
                format!("CAST({expression} COLLATE {collation} AS {})", self.codec.declared().spelt())
            }
            None => self.codec.convert(expression),
        }
    }
}

impl BoundTable {
    /// A binding that has not been looked up yet.
    pub(crate) fn unread(binding: &Arc<TableBinding>, member: &MemberId) -> Self {
        let schema = binding.local_schema.clone().unwrap_or_else(|| DEFAULT_SCHEMA.to_owned());
        let names = Names::of(&schema, &binding.local_table);
        Self {
            base: qualified(&schema, &binding.local_table),
            tracking: qualified(OUR_SCHEMA, &names.tracking),
            schema,
            names,
            binding: Arc::clone(binding),
            columns: Vec::new(),
            key: Vec::new(),
            own_key: Vec::new(),
            tracking_key: Vec::new(),
            scans: 0,
            state: TableState::Stopped { reason: "it has not been looked at yet".to_owned() },
            first_incarnation: Incarnation::first(member),
            incarnation: Incarnation::first(member),
            catalog: None,
        }
    }

    /// The bound column at this position of the group's table.
    pub(crate) fn bound(&self, position: usize) -> Option<usize> {
        self.columns.iter().position(|column| column.position == position)
    }

    /// The change that a row without a tracking row stands for: the first scan's.
    pub(crate) fn scanned(&self) -> Dot {
        Dot::new(self.first_incarnation.clone(), 1)
    }

    /// What an edit of a row without a tracking row has seen, as a literal for tracking rows: the scan's change, which its own
    /// name says already while that is of the same incarnation.
    pub(crate) fn first_seen(&self) -> String {
        if self.first_incarnation == self.incarnation {
            return "''".to_owned();
        }
        text(&self.scanned().to_string())
    }

    /// The key's columns, in the group's key order.
    pub(crate) fn key_columns(&self) -> impl ExactSizeIterator<Item = &BoundColumn> {
        self.key.iter().map(|at| &self.columns[*at])
    }

    /// The synced columns by the member's and the group's names.
    pub(crate) fn synced(&self) -> impl Iterator<Item = (&str, &str)> {
        let group = &self.binding.schema.columns;
        self.columns.iter().map(|column| (column.name.as_str(), group[column.position].name.as_str()))
    }

    /// Takes what the server says of the base table and fills in columns, codecs and key; says what is in the way, if
    /// anything. `as_utf16`: whether texts are read as bytes.
    pub(crate) fn describe(&mut self, catalog: Option<CatalogTable>, as_utf16: bool) -> Option<String> {
        self.columns.clear();
        self.key.clear();
        self.own_key.clear();
        self.tracking_key.clear();
        self.catalog = catalog;
        let label = &self.binding.local_table;
        let Some(table) = &self.catalog else {
            return Some(format!(
                "there is no table {label:?}; create it again, or run `provision`, or take it out of the group file"
            ));
        };
        let what = match table.oddity {
            None => None,
            Some(Oddity::View) => Some("a view"),
            Some(Oddity::InMemory) => Some("memory-optimized"),
            Some(Oddity::External) => Some("an external table"),
            Some(Oddity::History) => Some("the history of a temporal table"),
        };
        if let Some(what) = what {
            return Some(format!("{label:?} is {what}, and only plain tables can be synchronised"));
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
            && wanted.iter().all(|name| table.position(name).is_some_and(|at| table.key.contains(&at)));
        if !same_key {
            return Some(format!(
                "its primary key is ({}) where the group has ({}); give it that key again, or add the table to the \
                 group anew",
                key_names.join(", "),
                wanted.join(", ")
            ));
        }
        let tracking_names = tracking_key_names(&wanted);
        let mut columns = Vec::new();
        for (position, local) in self.binding.local_columns.iter().enumerate() {
            let (Some(local), Some(column)) = (local, schema.columns.get(position)) else { continue };
            let Some(at) = table.position(local) else {
                return Some(format!(
                    "there is no column {local:?}; add it again, or run `provision` to do without it"
                ));
            };
            let found = &table.columns[at];
            let place = schema.key.iter().position(|key| *key == position);
            let codec =
                Codec::new(column.logical, &found.declared, found.code_page, place.is_some(), as_utf16);
            let binary = binary_of(found);
            let (Some(codec), None, Ok(binary)) = (codec, found.left_out, binary) else {
                return Some(format!(
                    "column {local:?} is declared as {}{}, which cannot take the group's {}; change the column back, \
                     or take it out of the group file",
                    found.declared.spelt(),
                    found.left_out.map_or_else(String::new, |why| format!(" and is {why}")),
                    column.logical
                ));
            };
            if place.is_some() && !found.declared.can_be_key() {
                return Some(format!(
                    "its key column {local:?} is declared as {}, which can be no key",
                    found.declared.spelt()
                ));
            }
            columns.push(BoundColumn {
                position,
                name: local.clone(),
                quoted: identifier(local),
                tracking: place.map_or_else(String::new, |place| identifier(&tracking_names[place])),
                nullable: found.nullable,
                identity: found.identity,
                collation: found.collation.clone(),
                binary,
                is_binary: found.is_binary(),
                codec,
            });
        }
        let own: Vec<usize> = table
            .key
            .iter()
            .filter_map(|at| columns.iter().position(|c: &BoundColumn| table.position(&c.name) == Some(*at)))
            .collect();
        let group = schema.key.iter();
        self.key = group.filter_map(|key| columns.iter().position(|c| c.position == *key)).collect();
        self.own_key = own;
        self.columns = columns;
        self.tracking_key = self.tracking_columns();
        None
    }

    fn tracking_columns(&self) -> Vec<TrackingColumn> {
        let mut found = Vec::new();
        let taken: Vec<&str> = self.key.iter().map(|at| self.columns[*at].tracking.as_str()).collect();
        for (place, at) in self.own_key.iter().enumerate() {
            let column = &self.columns[*at];
            let declared = column.codec.declared();
            let collate = column.binary.map_or_else(String::new, |binary| format!(" COLLATE {binary}"));
            found.push(TrackingColumn {
                quoted: column.tracking.clone(),
                definition: format!("{}{collate}", declared.spelt()),
                column: *at,
                part: Part::Value,
            });
            let (part, what, definition) = match declared.kind {
                Kind::VarChar | Kind::NVarChar | Kind::VarBinary => (Part::Length, "length", "int"),
                Kind::DateTimeOffset => (Part::Offset, "offset", "int"),
                _ => continue,
            };
            let mut name = format!("key_{}_{what}", place + 1);
            while taken.iter().any(|other| other.eq_ignore_ascii_case(&identifier(&name))) {
                name.push('_');
            }
            let (quoted, definition) = (identifier(&name), definition.to_owned());
            found.push(TrackingColumn { quoted, definition, column: *at, part });
        }
        found
    }

    /// What a tracking key column holds, of the base row (or `inserted`, `deleted`) under the alias `side`.
    pub(crate) fn tracked_part(&self, tracking: &TrackingColumn, side: &str) -> String {
        let quoted = &self.columns[tracking.column].quoted;
        match tracking.part {
            Part::Value => format!("{side}.{quoted}"),
            Part::Length => format!("DATALENGTH({side}.{quoted})"),
            Part::Offset => format!("DATEPART(TZOFFSET, {side}.{quoted})"),
        }
    }

    /// The condition that the tracking row `t` is that of the base row under the alias `side`, byte for byte.
    pub(crate) fn tracking_is(&self, t: &str, side: &str) -> String {
        let parts = self.tracking_key.iter().map(|tracking| {
            let collate = match (tracking.part, self.columns[tracking.column].binary) {
                (Part::Value, Some(binary)) => format!(" COLLATE {binary}"),
                _ => String::new(),
            };
            format!("{t}.{} = {}{collate}", tracking.quoted, self.tracked_part(tracking, side))
        });
        parts.collect::<Vec<_>>().join(" AND ")
    }

    /// The condition that the base row `b` is that of the tracking row `t`, byte for byte. The plain comparison, under
    /// the base column's own collation, finds it by the key's index.
    pub(crate) fn base_is_tracked(&self, b: &str, t: &str) -> String {
        let mut parts = Vec::new();
        for tracking in &self.tracking_key {
            let column = &self.columns[tracking.column];
            let ours = format!("{t}.{}", tracking.quoted);
            match (tracking.part, &column.collation, column.binary) {
                (Part::Value, Some(collation), Some(binary)) => {
                    parts.push(format!("{b}.{} = {ours} COLLATE {collation}", column.quoted));
                    if !column.is_binary {
                        parts.push(format!("{b}.{} COLLATE {binary} = {ours}", column.quoted));
                    }
                }
                _ => parts.push(format!("{} = {ours}", self.tracked_part(tracking, b))),
            }
        }
        parts.join(" AND ")
    }

    /// The condition that two rows of `inserted` and `deleted`, which have no index, have the same key, byte for byte.
    pub(crate) fn same_key(&self, a: &str, b: &str) -> String {
        let parts = self.tracking_key.iter().map(|tracking| {
            let collate = match (tracking.part, self.columns[tracking.column].binary) {
                (Part::Value, Some(binary)) => format!(" COLLATE {binary}"),
                _ => String::new(),
            };
            let (a, b) = (self.tracked_part(tracking, a), self.tracked_part(tracking, b));
            format!("{a}{collate} = {b}{collate}")
        });
        parts.collect::<Vec<_>>().join(" AND ")
    }

    /// The condition that the base row `b` has the key of the row under the alias `side`, byte for byte. The plain
    /// comparison finds it by the key's index.
    pub(crate) fn base_is_row(&self, b: &str, side: &str) -> String {
        let mut parts = Vec::new();
        for tracking in &self.tracking_key {
            let (ours, theirs) = (self.tracked_part(tracking, b), self.tracked_part(tracking, side));
            parts.push(format!("{ours} = {theirs}"));
            let column = &self.columns[tracking.column];
            if let (Part::Value, Some(binary), false) = (tracking.part, column.binary, column.is_binary) {
                parts.push(format!("{ours} COLLATE {binary} = {theirs} COLLATE {binary}"));
            }
        }
        parts.join(" AND ")
    }

    /// The condition that the base row `b` has no tracking row.
    pub(crate) fn untracked(&self, b: &str) -> String {
        format!("NOT EXISTS (SELECT 1 FROM {} AS t WHERE {})", self.tracking, self.tracking_is("t", b))
    }

    /// The key's columns in the member's own order, in the base table under the alias `side`, as a list.
    pub(crate) fn own_key_list(&self, side: &str) -> String {
        let parts = self.own_key.iter().map(|at| format!("{side}.{}", self.columns[*at].quoted));
        parts.collect::<Vec<_>>().join(", ")
    }

    /// The names of the tracking table's key columns, as a list.
    pub(crate) fn tracking_key_list(&self) -> String {
        self.tracking_key.iter().map(|column| column.quoted.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// What the tracking table's key columns hold of the base row under the alias `side`, as a list.
    pub(crate) fn tracked_list(&self, side: &str) -> String {
        let parts = self.tracking_key.iter().map(|column| self.tracked_part(column, side));
        parts.collect::<Vec<_>>().join(", ")
    }

    /// The values of a key, in the group's key order.
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

/// The binary collation of a text's own code page; `None` for what is no text, an error for a code page that is not
/// known, and for a collation whose name is none.
fn binary_of(column: &CatalogColumn) -> Result<Option<&'static str>, ()> {
    let plain = |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !column.declared.is_text() {
        return Ok(None);
    }
    if !column.collation.as_ref().is_some_and(plain) {
        return Err(());
    }
    if column.declared.is_unicode() {
        return Ok(Some(BINARY_COLLATION));
    }
    binary_collation(column.code_page.0).map(Some).ok_or(())
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
        assert_eq!(
            tracking_key_names(&["row_version", "key_row_version"]),
            ["key_key_row_version", "key_row_version"]
        );
    }
}
