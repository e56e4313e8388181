//! A bound table as it lies in the database: names, columns, codecs, prepared once and used by every call.

use super::catalog::{CatalogTable, DEFAULT_SCHEMA, OUR_SCHEMA};
use super::declared::{Declared, Quirk, Transport};
use super::quote::{identifier, qualified};
use super::values::Codec;
use crate::provisioned::RefillState;
use crate::{TableBinding, TableState};
use std::sync::Arc;
use tributary_model::{Dot, Incarnation, KeyBytes, KeyError, MemberId, Row, Value};

/// The columns of a tracking table besides the key's.
pub(super) const TRACKING_COLUMNS: [&str; 9] = [
    "local_version",
    "local_incarnation",
    "xid",
    "changed_at",
    "change_kind",
    "inside_apply",
    "is_tombstone",
    "seen",
    "apply_batch",
];

/// The longest name that the server keeps, in bytes.
const LONGEST_NAME: usize = 63;

/// A bound table.
#[derive(Debug)]
pub(super) struct BoundTable {
    /// The binding.
    pub(super) binding: Arc<TableBinding>,
    /// The base table's name, quoted, with its schema.
    pub(super) base: String,
    /// The tracking table's name, quoted, with its schema.
    pub(super) tracking: String,
    /// The names of our objects, not quoted.
    pub(super) names: Names,
    /// The columns that this member has, in the group's order. Empty unless the table could be described.
    pub(super) columns: Vec<BoundColumn>,
    /// The key's columns, by position in `columns`, in the group's key order.
    pub(super) key: Vec<usize>,
    /// Places in `key` in the order of the base table's own key, in which first scans read.
    scan_places: Vec<usize>,
    /// The refill of columns that it has gained, while there is one.
    pub(super) refill: Option<RefillState>,
    /// How often its rows were ordered to be scanned anew.
    pub(super) scans: u32,
    /// Whether it can be worked on. The other fields below hold only if so.
    pub(super) state: TableState,
    /// The incarnation that a tracking row without one belongs to, and that untracked rows have.
    pub(super) first_incarnation: Incarnation,
    /// The incarnation of versions to come.
    pub(super) incarnation: Incarnation,
    /// The table as the catalog describes it.
    pub(super) catalog: Option<CatalogTable>,
}

/// A synced column of a bound table.
#[derive(Debug, Clone)]
pub(super) struct BoundColumn {
    /// Its position in the group's table.
    pub(super) position: usize,
    /// The member's own name, as messages give it.
    pub(super) name: String,
    /// The member's own name, quoted.
    pub(super) quoted: String,
    /// The name in the tracking table, quoted; only of key columns.
    pub(super) tracking: String,
    /// Whether it takes NULL.
    pub(super) nullable: bool,
    /// The collation it compares with, quoted, where its type has one.
    pub(super) collation: Option<String>,
    /// Whether texts that differ may be equal to it.
    pub(super) nondeterministic: bool,
    /// Whether only `OVERRIDING SYSTEM VALUE` lets a value of ours in (GENERATED ALWAYS AS IDENTITY).
    pub(super) always_identity: bool,
    /// Its type, and how SQL takes values to it and from it.
    pub(super) declared: Declared,
    /// How its values are read and written.
    pub(super) codec: Codec,
}

impl BoundColumn {
    /// The condition that the column of the row `side` equals `other`, an expression of the type that its values
    /// travel in, byte for byte and by the column's own index.
    pub(super) fn is(&self, side: &str, other: &str) -> String {
        self.equals(side, &self.declared.write(other), other)
    }

    /// The same for the column's copy in a tracking table.
    pub(super) fn is_tracked(&self, side: &str, tracked: &str) -> String {
        let same_type = match self.declared.quirk {
            Quirk::Folded => self.declared.write(tracked),
            _ => tracked.to_owned(),
        };
        self.equals(side, &same_type, tracked)
    }

    fn equals(&self, side: &str, same_type: &str, text: &str) -> String {
        let column = format!("{side}.{}", self.quoted);
        let collate = self.collation.as_ref().map_or_else(String::new, |name| format!(" COLLATE {name}"));
        let plain = format!("{column} = {same_type}{collate}");
        if self.nondeterministic || self.declared.quirk == Quirk::Folded {
            return format!("{plain} AND {} = {text}::text COLLATE \"C\"", self.declared.exact(&column));
        }
        plain
    }
}

impl BoundTable {
    /// A binding that has not been looked up in the database yet.
    pub(super) fn unread(binding: &Arc<TableBinding>, member: &MemberId) -> Self {
        let schema = schema_of(binding);
        let names = Names::of(schema, &binding.local_table);
        Self {
            base: qualified(schema, &binding.local_table),
            tracking: qualified(OUR_SCHEMA, &names.tracking),
            names,
            binding: Arc::clone(binding),
            columns: Vec::new(),
            key: Vec::new(),
            scan_places: Vec::new(),
            state: TableState::Stopped { reason: "it has not been looked at yet".to_owned() },
            first_incarnation: Incarnation::first(member),
            incarnation: Incarnation::first(member),
            catalog: None,
            refill: None,
            scans: 0,
        }
    }

    /// The base table's schema.
    pub(super) fn schema(&self) -> &str {
        schema_of(&self.binding)
    }

    /// The base table's name as messages give it.
    pub(super) fn label(&self) -> String {
        label(self.schema(), &self.binding.local_table)
    }

    /// The synced columns by the member's and the group's names.
    pub(super) fn synced(&self) -> impl Iterator<Item = (&str, &str)> {
        let group = &self.binding.schema.columns;
        self.columns.iter().map(|column| (column.name.as_str(), group[column.position].name.as_str()))
    }

    /// The key's columns, in the group's key order.
    pub(super) fn key_columns(&self) -> impl ExactSizeIterator<Item = &BoundColumn> {
        self.key.iter().map(|at| &self.columns[*at])
    }

    /// Fills in columns and codecs from what the catalog says; says what is in the way, if anything.
    pub(super) fn describe(&mut self, found: Option<CatalogTable>) -> Option<String> {
        self.columns.clear();
        self.key.clear();
        self.catalog = found;
        if self.binding.local_table.len() > LONGEST_NAME {
            return Some(format!(
                "the name {:?} has more than the {LONGEST_NAME} bytes that PostgreSQL keeps of a name; name the table \
                 otherwise in this member",
                self.binding.local_table
            ));
        }
        let Some(table) = &self.catalog else {
            return Some(format!(
                "there is no table {:?}; create it again, or run `provision`, or take it out of the group file",
                self.label()
            ));
        };
        if let Some(reason) = kind_trouble(table) {
            return Some(reason);
        }
        let schema = &self.binding.schema;
        let key_names: Vec<&str> = table.key.iter().map(|at| table.columns[*at].name.as_str()).collect();
        let local = |position: &usize| self.binding.local_columns.get(*position).and_then(Option::as_deref);
        let wanted: Vec<&str> = schema.key.iter().filter_map(local).collect();
        // The order of a key's columns is each database's own matter.
        let same_key = key_names.len() == schema.key.len()
            && wanted.len() == key_names.len()
            && wanted.iter().all(|name| key_names.contains(name));
        if !same_key {
            return Some(format!(
                "its primary key is ({}) where the group has ({}); give it that key again, or add the table to the \
                 group anew",
                key_names.join(", "),
                wanted.join(", ")
            ));
        }
        if table.key_deferrable {
            return Some(
                "its primary key is DEFERRABLE, and such a key cannot tell apply whether a row is there; make it NOT \
                 DEFERRABLE"
                    .to_owned(),
            );
        }
        let tracking_names = tracking_key_names(&key_names);
        let mut columns = Vec::with_capacity(schema.columns.len());
        for (position, name) in self.binding.local_columns.iter().enumerate() {
            let (Some(name), Some(column)) = (name, schema.columns.get(position)) else { continue };
            let Some(at) = table.position(name) else {
                return Some(format!(
                    "there is no column {name:?}; add it again, or run `provision` to do without it"
                ));
            };
            let found = &table.columns[at];
            let key_place = table.key.iter().position(|key| *key == at);
            let declared = Declared::of(found).filter(|_| !found.generated);
            let codec = declared
                .as_ref()
                .and_then(|declared| Codec::new(column.logical, declared, key_place.is_some()));
            let (Some(declared), Some(codec)) = (declared, codec) else {
                return Some(format!(
                    "column {name:?} is declared as {:?}{}, which cannot take the group's {}{}; change the column \
                     back, or take it out of the group file",
                    found.declared,
                    if found.generated { " and generated" } else { "" },
                    column.logical,
                    if key_place.is_some() { " in a key" } else { "" },
                ));
            };
            columns.push(BoundColumn {
                position,
                name: found.name.clone(),
                quoted: identifier(&found.name),
                tracking: key_place.map_or_else(String::new, |place| identifier(&tracking_names[place])),
                nullable: !found.not_null,
                collation: found.collation.clone().filter(|_| declared.transport == Transport::Text),
                nondeterministic: found.nondeterministic,
                always_identity: found.identity == "a",
                declared,
                codec,
            });
        }
        self.key = schema
            .key
            .iter()
            .filter_map(|position| {
                columns.iter().position(|column: &BoundColumn| column.position == *position)
            })
            .collect();
        self.scan_places = key_names
            .iter()
            .filter_map(|name| self.key.iter().position(|at| columns[*at].name == **name))
            .collect();
        self.columns = columns;
        None
    }

    /// The key's columns in the base table under the alias `side`, as a list.
    pub(super) fn key_list(&self, side: &str) -> String {
        list(self.key_columns().map(|column| format!("{side}.{}", column.quoted)))
    }

    /// Places in the group's key, in the order of the base table's own key: first scans go by its index.
    pub(super) fn scan_places(&self) -> &[usize] {
        &self.scan_places
    }

    /// The key's columns in the base table under the alias `side`, in the order in which first scans read.
    pub(super) fn scan_list(&self, side: &str) -> String {
        list(self.scan_places.iter().map(|place| format!("{side}.{}", self.columns[self.key[*place]].quoted)))
    }

    /// Parameters for a key in that order, of the base table's types; the first one is `$first + 1`.
    pub(super) fn scan_parameters(&self, first: usize) -> String {
        list(self.scan_places.iter().enumerate().map(|(at, place)| {
            let column = &self.columns[self.key[*place]];
            let sent = format!("${}::{}", first + at + 1, column.codec.transport().sql());
            column.declared.write(&sent)
        }))
    }

    /// The key's columns in the tracking table, as a list; under the alias `side` if it is not empty.
    pub(super) fn tracking_key_list(&self, side: &str) -> String {
        let dot = if side.is_empty() { "" } else { "." };
        list(self.key_columns().map(|column| format!("{side}{dot}{}", column.tracking)))
    }

    /// The condition that the base row `b` is that of the tracking row `t`.
    pub(super) fn base_is_tracked(&self) -> String {
        and(self.key_columns().map(|column| column.is_tracked("b", &format!("t.{}", column.tracking))))
    }

    /// The condition that the base row `b` has the key whose values `other` gives, by place in the key, in the types
    /// that they travel in.
    pub(super) fn base_is(&self, other: impl Fn(usize) -> String) -> String {
        and(self.key_columns().enumerate().map(|(place, column)| column.is("b", &other(place))))
    }

    /// The condition that the tracking row `t` has the key whose values `other` gives, in the types that they travel
    /// in.
    pub(super) fn tracking_is(&self, other: impl Fn(usize) -> String) -> String {
        and(self
            .key_columns()
            .enumerate()
            .map(|(place, column)| format!("t.{} = {}", column.tracking, column.tracked(&other(place)))))
    }

    /// The bound column at this position of the group's table.
    pub(super) fn bound(&self, position: usize) -> Option<usize> {
        self.columns.iter().position(|column| column.position == position)
    }

    /// The change that a row without a tracking row stands for: the first scan's.
    pub(super) fn scanned(&self) -> Dot {
        Dot::new(self.first_incarnation.clone(), 1)
    }

    /// What an edit of a row without a tracking row has seen, as tracking rows have it: the scan's change, which its own name
    /// says already while that is of the same incarnation.
    pub(super) fn first_seen(&self) -> String {
        if self.first_incarnation == self.incarnation { String::new() } else { self.scanned().to_string() }
    }

    /// The condition that the base row `b` has no tracking row.
    pub(super) fn untracked(&self) -> String {
        let same = self.key_columns().map(|column| {
            let base = column.declared.exact(&format!("b.{}", column.quoted));
            format!("u.{} = {base}", column.tracking)
        });
        format!("NOT EXISTS (SELECT 1 FROM {} AS u WHERE {})", self.tracking, and(same))
    }

    /// The values of a key, in key order.
    pub(super) fn key_values(&self, key: &KeyBytes) -> Result<Vec<Value>, KeyError> {
        self.binding.schema.key_values(key)
    }

    /// An empty row of the group's table: every column absent.
    pub(super) fn absent_row(&self) -> Row {
        Row(vec![None; self.binding.schema.columns.len()])
    }
}

impl BoundColumn {
    /// An expression of the type that the column's values travel in, as the tracking table holds it.
    pub(super) fn tracked(&self, expression: &str) -> String {
        match self.declared.quirk {
            Quirk::None | Quirk::Folded => expression.to_owned(),
            _ => self.declared.write(expression),
        }
    }
}

/// Why a table of this kind cannot be worked on.
pub(super) fn kind_trouble(table: &CatalogTable) -> Option<String> {
    let name = label(&table.schema, &table.name);
    let what = match table.kind.as_str() {
        "r" => None,
        "p" => Some("is partitioned"),
        "v" => Some("is a view"),
        "m" => Some("is a materialised view"),
        "f" => Some("is a foreign table"),
        _ => Some("is no table"),
    };
    if let Some(what) = what {
        return Some(format!("{name:?} {what}, and only ordinary tables can be synchronised"));
    }
    if table.is_partition {
        return Some(format!(
            "{name:?} is a partition, and rows that are written by way of its parent pass its triggers by"
        ));
    }
    if table.inherits {
        return Some(format!(
            "{name:?} inherits from a table or is inherited from, and a statement on a parent passes the children's \
             triggers by; make it a table of its own (ALTER TABLE … NO INHERIT …)"
        ));
    }
    if table.has_rules {
        return Some(format!(
            "{name:?} has rules, which make other statements of those that are synchronised; make triggers of them \
             (DROP RULE …)"
        ));
    }
    if table.persistence == "t" {
        return Some(format!("{name:?} is temporary"));
    }
    None
}

/// Names, expressions as a list.
pub(super) fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// Conditions that all hold.
pub(super) fn and(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" AND ")
}

fn schema_of(binding: &TableBinding) -> &str {
    binding.local_schema.as_deref().unwrap_or(DEFAULT_SCHEMA)
}

fn label(schema: &str, table: &str) -> String {
    if schema == DEFAULT_SCHEMA { table.to_owned() } else { format!("{schema}.{table}") }
}

/// Names of the objects that belong to one table, not yet quoted. Those that would be too long are cut and told apart by
/// a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// The tracking table, in our schema.
    pub(super) tracking: String,
    /// Its index for polling, in our schema.
    pub(super) changes_index: String,
    /// The triggers' function, in our schema.
    pub(super) routine: String,
    /// The triggers, which have names of their own table.
    table: String,
}

impl Names {
    /// The names for a table.
    pub(super) fn of(schema: &str, table: &str) -> Self {
        let mut label = label(schema, table);
        if schema == DEFAULT_SCHEMA && table.contains('.') {
            // `a.b` is also what the table `b` of the schema `a` goes by.
            label = format!("{table}_{}", short_hash(&label));
        }
        Self {
            tracking: fitting(&label, "_dss_tracking"),
            changes_index: fitting(&label, "_dss_changes"),
            routine: fitting(&label, "_dss_capture"),
            table: table.to_owned(),
        }
    }

    /// The name of a trigger, such as `insert`.
    pub(super) fn trigger(&self, what: &str) -> String {
        fitting(&self.table, &format!("_dss_{what}_trigger"))
    }
}

fn short_hash(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex()[..8].to_owned()
}

fn fitting(name: &str, suffix: &str) -> String {
    if name.len() + suffix.len() <= LONGEST_NAME {
        return format!("{name}{suffix}");
    }
    let mut end = LONGEST_NAME - suffix.len() - 9;
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}_{}{suffix}", &name[..end], short_hash(name))
}

/// What key columns are called in the tracking table: as in the base table, unless a column of ours is called so.
pub(super) fn tracking_key_names(key: &[&str]) -> Vec<String> {
    let is_ours = |name: &str| TRACKING_COLUMNS.contains(&name);
    let mut names: Vec<String> = Vec::with_capacity(key.len());
    for column in key {
        let mut name = (*column).to_owned();
        while is_ours(&name) || names.contains(&name) || (name != *column && key.contains(&name.as_str())) {
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
        assert_eq!(tracking_key_names(&["id", "seen", "Seen"]), ["id", "key_seen", "Seen"]);
        assert_eq!(tracking_key_names(&["seen", "key_seen"]), ["key_key_seen", "key_seen"]);
        assert_eq!(tracking_key_names(&["key_seen", "seen"]), ["key_seen", "key_key_seen"]);
    }

    #[test]
    fn names_fit_and_stay_apart() {
        assert_eq!(Names::of("public", "item").tracking, "item_dss_tracking");
        assert_eq!(Names::of("sales", "item").tracking, "sales.item_dss_tracking");
        assert_ne!(Names::of("public", "sales.item").tracking, Names::of("sales", "item").tracking);
        let long = "ä".repeat(31);
        let other = format!("{}ö", "ä".repeat(30));
        for name in [&long, &other] {
            let names = Names::of("public", name);
            for name in [names.trigger("truncate"), names.tracking, names.routine, names.changes_index] {
                assert!(name.len() <= 63, "{name}");
            }
        }
        assert_ne!(Names::of("public", &long), Names::of("public", &other));
        assert_ne!(Names::of("public", &long).tracking, Names::of("public", &other).tracking);
    }
}
