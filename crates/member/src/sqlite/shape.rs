//! What apply has to know of the bound tables: its statements, unique constraints, foreign keys in both directions,
//! and where users' triggers run. Made anew whenever the file's schema has changed.

use super::SqliteMember;
use super::catalog::{self, CatalogTable};
use super::objects;
use super::quote::identifier;
use super::references::References;
use super::table::BoundTable;
use crate::Result;
use crate::plan::TableOrder;
use crate::template::fill;
use std::sync::Arc;
use tributary_model::TableName;

/// What apply knows of all bound tables.
#[derive(Debug)]
pub(super) struct Shapes {
    /// The schema that it was made for.
    schema_version: Option<i64>,
    /// Parents first.
    pub(super) order: TableOrder,
    /// By position in the bindings; `None` where the table cannot be worked on.
    pub(super) tables: Vec<Option<TableShape>>,
    /// Who refers to whom.
    pub(super) references: References,
}

/// What apply knows of one table.
#[derive(Debug)]
pub(super) struct TableShape {
    /// The statements.
    pub(super) sql: TableSql,
    /// Positions in `BoundTable::columns` of the columns that are no key columns, in the order of their parameters.
    pub(super) values: Vec<usize>,
    /// Unique constraints besides the key.
    pub(super) uniques: Vec<UniqueShape>,
    /// Whether a user's trigger runs when the table is written.
    pub(super) fires: bool,
    /// Whether a user's trigger may run when the table is written, by way of cascades into unsynced tables too.
    pub(super) stirs: bool,
}

/// A unique constraint besides the key.
#[derive(Debug)]
pub(super) struct UniqueShape {
    /// Finds the keys of the rows that hold the values; parameters: the key, then those of `columns`.
    pub(super) holder: String,
    /// The columns whose values are compared, by position in `BoundTable::columns`.
    pub(super) columns: Vec<usize>,
    /// Statements that take the value away for the moment, best first, each with the column it does it to.
    pub(super) placeholders: Vec<(usize, String)>,
}

/// A table's statements. The key's parameters always come first.
#[derive(Debug)]
pub(super) struct TableSql {
    pub(super) read_tracking: String,
    pub(super) insert_tracking: String,
    pub(super) update_tracking: String,
    pub(super) replace_tracking: String,
    pub(super) return_tracking: String,
    pub(super) forget_tracking: String,
    pub(super) purge_tracking: String,
    pub(super) track_row: String,
    pub(super) restore_row: String,
    pub(super) row_exists: String,
    pub(super) scan_passed: String,
    pub(super) read_row: String,
    pub(super) insert_row: String,
    /// `None` for a table that has nothing but its key.
    pub(super) update_row: Option<String>,
    pub(super) delete_row: String,
}

/// Makes the member's shapes anew if the schema is another one. The tables must have been looked at before.
pub(super) fn refresh(member: &mut SqliteMember) -> Result<Arc<Shapes>> {
    if let Some(shapes) = &member.shapes
        && shapes.schema_version == member.schema_version
        && shapes.schema_version.is_some()
    {
        return Ok(Arc::clone(shapes));
    }
    let references = References::read(member)?;
    let mut edges: Vec<(usize, usize)> = references.between_bound_tables().collect();
    edges.extend(declared_references(&member.tables));
    let order = TableOrder::new(member.tables.len(), edges);
    let mut tables = Vec::with_capacity(member.tables.len());
    for (position, table) in member.tables.iter().enumerate() {
        let Some(catalog) = table.catalog.as_ref().filter(|_| !table.key.is_empty()) else {
            tables.push(None);
            continue;
        };
        let fires = has_users_triggers(member, &catalog.name)?;
        let mut stirs = fires;
        for other in references.swept_along(position) {
            stirs = stirs || has_users_triggers(member, other)?;
        }
        tables.push(Some(TableShape::new(table, catalog, fires, stirs)));
    }
    let shapes = Arc::new(Shapes { schema_version: member.schema_version, order, tables, references });
    member.shapes = Some(Arc::clone(&shapes));
    Ok(shapes)
}

/// The group's own foreign keys: they order a batch even where a member has not declared them.
fn declared_references(tables: &[BoundTable]) -> Vec<(usize, usize)> {
    let place = |name: &TableName| tables.iter().position(|table| table.binding.schema.name == *name);
    let mut edges = Vec::new();
    for (child, table) in tables.iter().enumerate() {
        let parents = table.binding.schema.foreign_keys.iter().filter_map(|key| place(&key.references));
        edges.extend(parents.map(|parent| (child, parent)));
    }
    edges
}

fn has_users_triggers(member: &SqliteMember, table: &str) -> Result<bool> {
    let triggers = catalog::triggers(&member.connection, &member.path, table)?;
    Ok(triggers.iter().any(|(name, sql)| !objects::is_our_trigger(name, sql)))
}

/// `?from`, `?from+1`, …
fn parameters(from: usize, count: usize) -> String {
    (from..from + count).map(|number| format!("?{number}")).collect::<Vec<_>>().join(", ")
}

impl TableShape {
    fn new(table: &BoundTable, catalog: &CatalogTable, fires: bool, stirs: bool) -> Self {
        let values: Vec<usize> = (0..table.columns.len()).filter(|at| !table.key.contains(at)).collect();
        let sql = TableSql::new(table, &values);
        let uniques = uniques(table, catalog);
        Self { sql, values, uniques, fires, stirs }
    }
}

/// Parts of statements that are the same for all of a table's.
struct Parts {
    width: usize,
    parts: Vec<(&'static str, String)>,
}

impl Parts {
    fn new(table: &BoundTable) -> Self {
        let width = table.key.len();
        let sided = |names: Vec<String>| names.join(", ");
        let key = table.key_columns();
        let tracking_match: Vec<String> =
            key.enumerate().map(|(at, column)| format!("{} = ?{}", column.tracking, at + 1)).collect();
        let parts = vec![
            ("base", table.base.clone()),
            ("tracking", table.tracking.clone()),
            ("tracking_key", sided(table.key_columns().map(|column| column.tracking.clone()).collect())),
            ("tracking_match", tracking_match.join(" AND ")),
            ("base_key", sided(table.key_columns().map(|column| format!("b.{}", column.quoted)).collect())),
            ("base_match", table.base_is_parameters()),
            ("key_parameters", parameters(1, width)),
            ("claim_parameters", parameters(width + 1, width)),
            ("columns", sided(table.columns.iter().map(|column| format!("b.{}", column.quoted)).collect())),
            // {p1} is the first parameter after the key's.
            ("p1", format!("?{}", width + 1)),
            ("p2", format!("?{}", width + 2)),
            ("p3", format!("?{}", width + 3)),
            ("p4", format!("?{}", width + 4)),
            ("p5", format!("?{}", width + 5)),
            ("p6", format!("?{}", width + 6)),
            ("p7", format!("?{}", width + 7)),
            ("p8", format!("?{}", width + 8)),
        ];
        Self { width, parts }
    }

    fn fill(&self, template: &str, more: &[(&str, &str)]) -> String {
        let mut all: Vec<(&str, &str)> =
            self.parts.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend_from_slice(more);
        fill(template, &all)
    }
}

impl TableSql {
    fn new(table: &BoundTable, values: &[usize]) -> Self {
        let parts = Parts::new(table);
        let plain = |template| parts.fill(template, &[]);
        let value_names = values.iter().map(|at| table.columns[*at].quoted.as_str());
        let insert_columns: Vec<&str> =
            table.key_columns().map(|column| column.quoted.as_str()).chain(value_names.clone()).collect();
        let assignments: Vec<String> =
            value_names.enumerate().map(|(at, name)| format!("{name} = ?{}", parts.width + at + 1)).collect();
        Self {
            read_tracking: plain(include_str!("sql/apply_read_tracking.sql")),
            insert_tracking: plain(include_str!("sql/apply_insert_tracking.sql")),
            update_tracking: plain(include_str!("sql/apply_update_tracking.sql")),
            replace_tracking: plain(include_str!("sql/apply_replace_tracking.sql")),
            return_tracking: plain(include_str!("sql/apply_return_tracking.sql")),
            forget_tracking: plain(include_str!("sql/apply_forget_tracking.sql")),
            purge_tracking: plain(include_str!("sql/apply_purge_tracking.sql")),
            track_row: plain(include_str!("sql/apply_track_row.sql")),
            restore_row: plain(include_str!("sql/apply_restore_row.sql")),
            row_exists: plain(include_str!("sql/apply_row_exists.sql")),
            scan_passed: plain(include_str!("sql/apply_scan_passed.sql")),
            read_row: plain(include_str!("sql/apply_read_row.sql")),
            insert_row: parts.fill(
                include_str!("sql/apply_insert_row.sql"),
                &[
                    ("insert_columns", &insert_columns.join(", ")),
                    ("insert_parameters", &parameters(1, insert_columns.len())),
                ],
            ),
            update_row: (!values.is_empty()).then(|| {
                parts.fill(
                    include_str!("sql/apply_update_row.sql"),
                    &[("assignments", &assignments.join(", "))],
                )
            }),
            delete_row: plain(include_str!("sql/apply_delete_row.sql")),
        }
    }
}

/// The unique constraints whose columns are all synchronised. Of expressions nothing is known: a record that one of
/// them refuses waits by time.
fn uniques(table: &BoundTable, catalog: &CatalogTable) -> Vec<UniqueShape> {
    let parts = Parts::new(table);
    let place = |name: &str| table.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
    let mut uniques = Vec::new();
    for index in catalog.indexes.iter().filter(|index| index.unique && !index.of_key) {
        let named: Option<Vec<usize>> =
            index.columns.iter().map(|column| column.as_deref().and_then(place)).collect();
        let Some(columns) = named else { continue };
        let same: Vec<String> = columns
            .iter()
            .zip(&index.collations)
            .enumerate()
            .map(|(at, (column, collation))| {
                let quoted = &table.columns[*column].quoted;
                format!("b.{quoted} COLLATE {} = ?{}", identifier(collation), parts.width + at + 1)
            })
            .collect();
        let mut free: Vec<usize> = columns.iter().copied().filter(|at| !table.key.contains(at)).collect();
        // NULL is never equal to anything; a made-up value may break a check or a reference.
        let in_reference = |at: usize| {
            let name = &table.columns[at].name;
            catalog
                .foreign_keys
                .iter()
                .any(|key| key.columns.iter().any(|column| column.eq_ignore_ascii_case(name)))
        };
        free.sort_by_key(|at| (!table.columns[*at].nullable, in_reference(*at)));
        let placeholders = free.into_iter().map(|at| {
            let column = &table.columns[at].quoted;
            (at, parts.fill(include_str!("sql/apply_placeholder.sql"), &[("column", column)]))
        });
        uniques.push(UniqueShape {
            holder: parts.fill(include_str!("sql/apply_unique_holder.sql"), &[("same", &same.join(" AND "))]),
            columns,
            placeholders: placeholders.collect(),
        });
    }
    uniques
}
