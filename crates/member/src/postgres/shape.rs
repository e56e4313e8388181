//! What apply has to know of the bound tables: its statements, unique constraints, foreign keys in both directions,
//! and where users' triggers run. Made anew whenever the database's schema has changed.

use super::catalog::{self, CatalogIndex, CatalogTable, OUR_SCHEMA};
use super::declared::Quirk;
use super::references::References;
use super::refusal::Verb;
use super::table::{BoundTable, and, list};
use super::{PostgresMember, statements};
use crate::Result;
use crate::plan::TableOrder;
use crate::template::fill;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use tributary_model::TableName;

/// What apply knows of all bound tables.
#[derive(Debug)]
pub(super) struct Shapes {
    /// The schema that it was made for.
    fingerprint: Option<String>,
    /// Parents first.
    pub(super) order: TableOrder,
    /// By position in the bindings; `None` where the table cannot be worked on.
    pub(super) tables: Vec<Option<TableShape>>,
    /// Who refers to whom.
    pub(super) references: References,
    /// What is set for the length of one of apply's transactions.
    pub(super) settings: String,
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
    /// Whether a user's trigger may run when the table is written, by way of cascades into unsynced tables too.
    pub(super) stirs: bool,
    /// Whether values travel as their columns have them, so that rows can be copied.
    pub(super) may_copy: bool,
}

/// A unique constraint besides the key.
#[derive(Debug)]
pub(super) struct UniqueShape {
    /// Its name.
    pub(super) name: String,
    /// Finds the rows that hold values; parameters: keys, then the values of `columns`.
    pub(super) holders: String,
    /// The columns whose values are compared, by position in `BoundTable::columns`.
    pub(super) columns: Vec<usize>,
    /// Statements that take values away for the moment, best first, each with the column it does it to.
    pub(super) placeholders: Vec<(usize, String)>,
}

/// A table's statements. The key's arrays always come first.
#[derive(Debug)]
pub(super) struct TableSql {
    pub(super) lock_upserts: String,
    lock_deletes: String,
    pub(super) read_tracking: String,
    pub(super) insert_tracking: String,
    pub(super) copy_tracking: String,
    pub(super) update_tracking: String,
    pub(super) replace_tracking: String,
    pub(super) missed: String,
    pub(super) return_tracking: String,
    pub(super) forget_tracking: String,
    pub(super) purge_tracking: String,
    pub(super) track_rows: String,
    pub(super) restore_rows: String,
    pub(super) scan_passed: String,
    pub(super) read_rows: String,
    pub(super) insert_rows: String,
    pub(super) copy_rows: String,
    /// `None` for a table that has nothing but its key.
    pub(super) update_rows: Option<String>,
    pub(super) delete_rows: String,
}

impl TableSql {
    /// The statement that locks rows that are to be upserted or deleted.
    pub(super) fn lock(&self, verb: Verb) -> &str {
        match verb {
            Verb::Upsert => &self.lock_upserts,
            Verb::Delete => &self.lock_deletes,
        }
    }
}

/// Makes the member's shapes anew if the schema is another one. The tables must have been looked at before.
pub(super) async fn refresh(member: &mut PostgresMember) -> Result<Arc<Shapes>> {
    if let Some(shapes) = &member.shapes
        && shapes.fingerprint == member.fingerprint
        && shapes.fingerprint.is_some()
    {
        return Ok(Arc::clone(shapes));
    }
    let synced = synced_tables(member).await?;
    let references = References::read(member, &synced).await?;
    let mut edges: Vec<(usize, usize)> = references.between_bound_tables().collect();
    edges.extend(declared_references(&member.tables));
    let order = TableOrder::new(member.tables.len(), edges);
    let stirred = tables_with_users_triggers(member, &references).await?;
    let tables = member.tables.iter().enumerate().map(|(position, table)| {
        let catalog = table.catalog.as_ref().filter(|_| !table.key.is_empty())?;
        let swept = references.swept_along(position);
        let stirs = std::iter::once(catalog.oid).chain(swept).any(|oid| stirred.contains(&oid));
        Some(TableShape::new(table, catalog, stirs))
    });
    let quiet = stirred.is_empty() && !references.write_along();
    let shapes = Shapes {
        fingerprint: member.fingerprint.clone(),
        order,
        tables: tables.collect(),
        references,
        settings: settings(member, quiet).await?,
    };
    let shapes = Arc::new(shapes);
    member.shapes = Some(Arc::clone(&shapes));
    Ok(shapes)
}

/// The settings of apply's transactions: in a deadlock it is apply that gives way, since it begins again by itself; and
/// its statements find rows by their keys' indexes, whatever statistics say that are not up to date. `quiet`: its
/// statements write what they name and nothing else, be it by users' code or by foreign keys, so that our triggers need
/// not look which of the cells are marked.
async fn settings(member: &PostgresMember, quiet: bool) -> Result<String> {
    let action = "read the server's deadlock_timeout";
    let rows = statements::query(member, include_str!("sql/deadlock_timeout.sql"), &[]).await;
    let rows = rows.map_err(member.session.origin.failed(action))?;
    let deadlock: i64 = rows.first().map_or(1_000, |row| row.get(0));
    let wait = i64::try_from(member.settings.lock_timeout.as_millis()).unwrap_or(i64::MAX);
    let wait = wait.min(deadlock * 4 / 5).max(1);
    let settings = include_str!("sql/apply_settings.sql").replace("{lock_timeout}", &wait.to_string());
    Ok(if quiet { format!("{}; SET LOCAL tributary.quiet = on", settings.trim_end()) } else { settings })
}

/// The tables that have tracking, whoever works on them, by object id.
async fn synced_tables(member: &PostgresMember) -> Result<HashSet<u32>> {
    let rows = statements::query(member, include_str!("sql/synced_tables.sql"), &[]).await;
    let rows = rows.map_err(member.session.origin.failed("list the synchronised tables"))?;
    Ok(rows.iter().filter_map(|row| row.get::<_, Option<u32>>(0)).collect())
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

/// The tables that apply may write and on which users' triggers fire.
async fn tables_with_users_triggers(
    member: &PostgresMember,
    references: &References,
) -> Result<BTreeSet<u32>> {
    let bound = member.tables.iter().filter_map(|table| Some(table.catalog.as_ref()?.oid));
    let swept = (0..member.tables.len()).flat_map(|table| references.swept_along(table));
    let oids: Vec<u32> = bound.chain(swept).collect();
    let triggers = catalog::triggers(&member.session, &oids).await?;
    let fires = triggers.iter().filter(|trigger| {
        trigger.function_schema != OUR_SCHEMA && matches!(trigger.enabled.as_str(), "O" | "A")
    });
    Ok(fires.map(|trigger| trigger.table).collect())
}

/// The keys in the parameters from `first` on, as the rows `u`.
pub(super) fn keys(table: &BoundTable, first: usize) -> String {
    format!("unnest({}) WITH ORDINALITY AS u ({}, place)", key_arrays(table, first), key_names(table))
}

/// The condition that the base row `b` has the key of the row `u`.
pub(super) fn base_match(table: &BoundTable) -> String {
    table.base_is(|place| format!("u.k{}", place + 1))
}

fn key_arrays(table: &BoundTable, first: usize) -> String {
    arrays(table, table.key.iter().copied(), first)
}

fn key_names(table: &BoundTable) -> String {
    list((1..=table.key.len()).map(|number| format!("k{number}")))
}

/// Parameters with an array for each of these columns.
pub(super) fn arrays(table: &BoundTable, columns: impl Iterator<Item = usize>, first: usize) -> String {
    let typed = columns
        .enumerate()
        .map(|(at, column)| format!("${}::{}[]", first + at, table.columns[column].declared.transport.sql()));
    list(typed)
}

/// Key and values as the columns of the rows `u`.
fn value_columns<'a>(table: &'a BoundTable, values: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    table.key.iter().chain(values).copied()
}

fn value_names(table: &BoundTable, values: &[usize]) -> String {
    let keys = (1..=table.key.len()).map(|number| format!("k{number}"));
    list(keys.chain((1..=values.len()).map(|number| format!("v{number}"))))
}

/// The statement that inserts rows whose arrays begin at the parameter `first`.
pub(super) fn insert_rows(table: &BoundTable, values: &[usize], first: usize) -> String {
    let written = value_columns(table, values).enumerate().map(|(at, column)| {
        let width = table.key.len();
        let name = if at < width { format!("u.k{}", at + 1) } else { format!("u.v{}", at + 1 - width) };
        table.columns[column].declared.write(&name)
    });
    fill(
        include_str!("sql/apply_insert_rows.sql"),
        &[
            ("base", &table.base),
            ("insert_columns", &insert_columns(table, values)),
            ("u_values", &list(written)),
            ("value_arrays", &arrays(table, value_columns(table, values), first)),
            ("u_value_names", &value_names(table, values)),
            ("key", &list(table.key_columns().map(|column| column.quoted.clone()))),
        ],
    )
}

/// The statement that deletes rows whose keys' arrays begin at the parameter `first`.
pub(super) fn delete_rows(table: &BoundTable, first: usize) -> String {
    fill(
        include_str!("sql/apply_delete_rows.sql"),
        &[("base", &table.base), ("keys", &keys(table, first)), ("base_match", &base_match(table))],
    )
}

fn insert_columns(table: &BoundTable, values: &[usize]) -> String {
    list(value_columns(table, values).map(|column| table.columns[column].quoted.clone()))
}

/// Parts of statements that are the same for all of a table's.
struct Parts {
    parts: Vec<(String, String)>,
}

impl Parts {
    fn new(table: &BoundTable) -> Self {
        let width = table.key.len();
        let claim = table.key_columns().enumerate().map(|(place, column)| {
            let transport = column.declared.transport.sql();
            column.declared.write(&format!("(${}::{transport}[])[1]", width + place + 1))
        });
        let u_key = table
            .key_columns()
            .enumerate()
            .map(|(place, column)| column.tracked(&format!("u.k{}", place + 1)));
        let mut parts = vec![
            ("base", table.base.clone()),
            ("tracking", table.tracking.clone()),
            ("tracking_key", table.tracking_key_list("")),
            ("tracking_match", table.tracking_is(|place| format!("u.k{}", place + 1))),
            ("base_key", table.key_list("b")),
            (
                "read_key",
                list(table.key_columns().map(|column| column.declared.read(&format!("b.{}", column.quoted)))),
            ),
            ("base_match", base_match(table)),
            ("keys", keys(table, 1)),
            ("key_arrays", key_arrays(table, 1)),
            ("u_names", key_names(table)),
            ("u_key", list(u_key)),
            ("claim", list(claim)),
            (
                "columns",
                list(
                    table.columns.iter().map(|column| column.declared.read(&format!("b.{}", column.quoted))),
                ),
            ),
        ];
        let parts = {
            let numbered = (1..=10).map(|number| (format!("p{number}"), format!("${}", width + number)));
            parts.drain(..).map(|(name, text)| (name.to_owned(), text)).chain(numbered).collect()
        };
        Self { parts }
    }

    fn fill(&self, template: &str, more: &[(&str, &str)]) -> String {
        let mut all: Vec<(&str, &str)> =
            self.parts.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        all.extend_from_slice(more);
        fill(template, &all)
    }
}

impl TableShape {
    fn new(table: &BoundTable, catalog: &CatalogTable, stirs: bool) -> Self {
        let values: Vec<usize> = (0..table.columns.len()).filter(|at| !table.key.contains(at)).collect();
        let travels =
            |quirk| matches!(quirk, Quirk::None | Quirk::Padded | Quirk::Folded | Quirk::Enumeration);
        Self {
            sql: TableSql::new(table, &values),
            uniques: uniques(table, catalog),
            stirs,
            may_copy: table.columns.iter().all(|column| travels(column.declared.quirk)),
            values,
        }
    }
}

impl TableSql {
    fn new(table: &BoundTable, values: &[usize]) -> Self {
        let parts = Parts::new(table);
        let plain = |template| parts.fill(template, &[]);
        let lock = |strength| parts.fill(include_str!("sql/apply_lock_rows.sql"), &[("strength", strength)]);
        let assignments = values.iter().enumerate().map(|(at, column)| {
            let column = &table.columns[*column];
            format!("{} = {}", column.quoted, column.declared.write(&format!("u.v{}", at + 1)))
        });
        let columns = insert_columns(table, values);
        Self {
            lock_upserts: lock("NO KEY UPDATE"),
            lock_deletes: lock("UPDATE"),
            read_tracking: plain(include_str!("sql/apply_read_tracking.sql")),
            insert_tracking: plain(include_str!("sql/apply_insert_tracking.sql")),
            copy_tracking: plain(include_str!("sql/apply_copy_tracking.sql")),
            update_tracking: plain(include_str!("sql/apply_update_tracking.sql")),
            replace_tracking: plain(include_str!("sql/apply_replace_tracking.sql")),
            missed: plain(include_str!("sql/apply_missed.sql")),
            return_tracking: plain(include_str!("sql/apply_return_tracking.sql")),
            forget_tracking: plain(include_str!("sql/apply_forget_tracking.sql")),
            purge_tracking: plain(include_str!("sql/apply_purge_tracking.sql")),
            track_rows: plain(include_str!("sql/apply_track_rows.sql")),
            restore_rows: plain(include_str!("sql/apply_restore_rows.sql")),
            scan_passed: plain(include_str!("sql/apply_scan_passed.sql")),
            read_rows: plain(include_str!("sql/apply_read_rows.sql")),
            insert_rows: insert_rows(table, values, 1),
            copy_rows: parts.fill(include_str!("sql/apply_copy_rows.sql"), &[("insert_columns", &columns)]),
            update_rows: (!values.is_empty()).then(|| {
                parts.fill(
                    include_str!("sql/apply_update_rows.sql"),
                    &[
                        ("assignments", &list(assignments)),
                        ("value_arrays", &arrays(table, value_columns(table, values), 1)),
                        ("u_value_names", &value_names(table, values)),
                    ],
                )
            }),
            delete_rows: delete_rows(table, 1),
        }
    }
}

/// The unique constraints whose columns are all synchronised. Of expressions, conditions and equal NULLs nothing is
/// known: a record that one of those refuses waits by time.
fn uniques(table: &BoundTable, catalog: &CatalogTable) -> Vec<UniqueShape> {
    let parts = Parts::new(table);
    let width = table.key.len();
    let place = |name: &str| table.columns.iter().position(|column| column.name == name);
    let mut uniques = Vec::new();
    let plain = |index: &&CatalogIndex| index.unique && !index.of_key && !index.partial && !index.nulls_equal;
    for index in catalog.indexes.iter().filter(plain) {
        let named: Option<Vec<usize>> =
            index.columns.iter().map(|column| column.as_deref().and_then(place)).collect();
        let Some(columns) = named else { continue };
        let same = columns.iter().enumerate().map(|(at, column)| {
            let column = &table.columns[*column];
            format!("b.{} = {}", column.quoted, column.declared.write(&format!("u.w{}", at + 1)))
        });
        let wanted = list((1..=columns.len()).map(|number| format!("w{number}")));
        let holders = parts.fill(
            include_str!("sql/apply_unique_holders.sql"),
            &[
                ("wanted_arrays", &arrays(table, columns.iter().copied(), width + 1)),
                ("wanted_names", &wanted),
                ("same", &and(same)),
            ],
        );
        let mut free: Vec<usize> = columns.iter().copied().filter(|at| !table.key.contains(at)).collect();
        // NULL is never equal to anything; a made-up value may break a check or a reference.
        let in_reference =
            |at: usize| catalog.foreign_keys.iter().any(|key| key.columns.contains(&table.columns[at].name));
        free.sort_by_key(|at| (!table.columns[*at].nullable, in_reference(*at)));
        let placeholders = free.into_iter().map(|at| {
            let column = &table.columns[at];
            let sql = parts.fill(
                include_str!("sql/apply_placeholder.sql"),
                &[
                    ("column", &column.quoted),
                    ("value", &column.declared.write("u.value")),
                    ("placeholder_type", column.declared.transport.sql()),
                ],
            );
            (at, sql)
        });
        let placeholders = placeholders.collect();
        uniques.push(UniqueShape { name: index.name.clone(), holders, columns, placeholders });
    }
    uniques
}
