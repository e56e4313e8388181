//! What apply has to know of the bound tables: its statements, unique indexes, foreign keys in both directions, and
//! where users' triggers run. Made anew whenever the tables have been looked at anew.

use super::SqlServerMember;
use super::catalog::{CatalogTable, CatalogTrigger, same_name};
use super::cells::text;
use super::glance::Glance;
use super::json::{Column, Source};
use super::keys;
use super::names::{Names, OUR_SCHEMA};
use super::quote::qualified;
use super::references::References;
use super::table::{BoundColumn, BoundTable};
use crate::Result;
use crate::plan::TableOrder;
use crate::template::fill;
use std::collections::HashSet;
use std::sync::Arc;
use tributary_model::TableName;

/// What apply knows of all bound tables.
#[derive(Debug)]
pub(super) struct Shapes {
    /// What the catalog came to when they were made.
    glance: Glance,
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
    /// Positions in `BoundTable::columns` of the columns that are no key columns, in the order in which they are sent.
    pub(super) values: Vec<usize>,
    /// Unique indexes besides the key's.
    pub(super) uniques: Vec<UniqueShape>,
    /// Whether a user's trigger may run when the table is written, by way of cascades into unsynced tables too.
    pub(super) stirs: bool,
}

/// A unique index besides the key's.
#[derive(Debug)]
pub(super) struct UniqueShape {
    /// Its name.
    pub(super) name: String,
    /// Finds the rows that hold the values; the parameter's rows: the key, then those of `columns`.
    pub(super) holders: String,
    /// The columns whose values are compared, by position in `BoundTable::columns`.
    pub(super) columns: Vec<usize>,
    /// Statements that take the value away for the moment, best first, each with the column it does it to.
    pub(super) placeholders: Vec<(usize, String)>,
}

/// A table's statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableSql {
    /// Makes the procedure that the next ones call.
    pub(super) procedure: String,
    /// Locks rows and reads their tracking rows.
    pub(super) read: String,
    /// The same for rows that are to be deleted and that others may refer to.
    pub(super) read_parents: String,
    pub(super) read_tracking: String,
    pub(super) mark: String,
    pub(super) missed: String,
    pub(super) forget_tracking: String,
    pub(super) return_tracking: String,
    pub(super) purge_tracking: String,
    pub(super) track_rows: String,
    pub(super) restore_rows: String,
    pub(super) scan_passed: String,
    pub(super) read_rows: String,
    pub(super) insert_rows: String,
    /// `None` for a table that has nothing to update but its key.
    pub(super) update_rows: Option<String>,
    pub(super) delete_rows: String,
    /// Switches off what an insert that failed may have left on.
    pub(super) identity_off: Option<String>,
}

/// Makes the member's shapes anew if the catalog has changed. The tables must have been looked at before.
pub(super) async fn refresh(member: &mut SqlServerMember) -> Result<Arc<Shapes>> {
    member.require_provisioned()?;
    let Some(glance) = member.glance.clone() else {
        return Err(member.damaged("the catalog (sys.*)", "the tables have not been looked at".to_owned()));
    };
    if let Some(shapes) = &member.shapes
        && shapes.glance == glance
    {
        return Ok(Arc::clone(shapes));
    }
    let sql = fill(include_str!("sql/synced_tables.sql"), &[]);
    let rows = member.session.query("list the synchronised tables", &sql, Vec::new()).await?;
    let synced: std::result::Result<HashSet<(String, String)>, String> =
        rows.iter().map(|row| Ok((text(row, 0)?, text(row, 1)?))).collect();
    let synced = synced.map_err(|reason| member.damaged("DataSync.dss_tables", reason))?;
    let references = References::read(&mut member.session, &member.tables, &synced).await?;
    let shapes = Arc::new(Shapes::of(&member.tables, references, glance));
    member.shapes = Some(Arc::clone(&shapes));
    Ok(shapes)
}

impl Shapes {
    /// The shapes of tables that have been looked at.
    fn of(tables: &[BoundTable], references: References, glance: Glance) -> Self {
        let mut edges: Vec<(usize, usize)> = references.between_bound_tables().collect();
        edges.extend(declared_references(tables));
        let order = TableOrder::new(tables.len(), edges);
        let shapes = tables.iter().enumerate().map(|(position, table)| {
            let catalog = table.catalog.as_ref().filter(|_| !table.key.is_empty())?;
            let stirs = has_users_triggers(&catalog.triggers, &table.names)
                || references.swept_along(position).iter().any(|other| has_triggers(&other.triggers));
            Some(TableShape::new(table, catalog, stirs))
        });
        let tables = shapes.collect();
        Self { glance, order, tables, references }
    }
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

fn has_users_triggers(triggers: &[CatalogTrigger], ours: &Names) -> bool {
    let is_ours = |name: &str| ours.triggers.iter().any(|our| same_name(our, name));
    triggers.iter().any(|trigger| !trigger.disabled && !is_ours(&trigger.name))
}

fn has_triggers(triggers: &[CatalogTrigger]) -> bool {
    triggers.iter().any(|trigger| !trigger.disabled)
}

impl TableShape {
    pub(super) fn new(table: &BoundTable, catalog: &CatalogTable, stirs: bool) -> Self {
        let values = values(table);
        let parts = Parts::new(table);
        let sql = TableSql::new(table, &parts, &values);
        let uniques = uniques(table, &parts, catalog);
        Self { sql, values, uniques, stirs }
    }
}

/// A column's value, made of the text that is sent. A text takes the column's own collation when it is written.
pub(super) fn value_column(column: &BoundColumn, name: &str) -> Column {
    Column::new(name, |text| column.codec.convert(text))
}

/// Parts of statements that are the same for all of a table's.
pub(super) struct Parts {
    /// The key's columns.
    pub(super) keys: Source,
    parts: Vec<(&'static str, String)>,
}

impl Parts {
    pub(super) fn new(table: &BoundTable) -> Self {
        let (texts, columns) = keys::columns(table);
        let keys = Source { texts, columns };
        let parts = vec![
            ("base", table.base.clone()),
            ("tracking", table.tracking.clone()),
            ("tracking_key", table.tracking_key_list()),
            ("tracking_match", keys::tracking_match(table)),
            ("base_match", keys::base_match(table)),
            ("base_key", keys::selected(table, "b")),
            ("u_key", keys::tracking_values(table)),
            ("within_claim", keys::base_is_within(table)),
            ("keys", keys.sql("u", 1)),
            ("claim", keys.sql("c", 2)),
        ];
        Self { keys, parts }
    }

    /// Fills a template with these and with `more`.
    pub(super) fn fill(&self, template: &str, more: &[(&str, &str)]) -> String {
        let mut all: Vec<(&str, &str)> =
            self.parts.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend_from_slice(more);
        fill(template, &all)
    }
}

impl TableSql {
    fn new(table: &BoundTable, parts: &Parts, values: &[usize]) -> Self {
        let plain = |template| parts.fill(template, &[]);
        let seen = parts.keys.with(Column::ascii("seen"));
        let version = Column::long("version");
        let local = seen.with(version.clone()).with(Column::ascii("incarnation"));
        let bit = |name: &str| Column::new(name, |text| format!("CAST({text} AS bit)"));
        let returned = [
            bit("tombstone"),
            Column::long("batch"),
            version.clone(),
            Column::ascii("incarnation"),
            Column::new("changed_at", |text| format!("CONVERT(datetime2(7), {text}, 126)")),
            Column::ascii("kind"),
            bit("inside_apply"),
        ];
        let returned = returned.into_iter().fold(seen.clone(), |source, column| source.with(column));
        let mut rows = parts.keys.clone();
        let mut names: Vec<&str> = Vec::new();
        let mut u_values: Vec<String> = Vec::new();
        for at in &table.own_key {
            names.push(&table.columns[*at].quoted);
            u_values.extend(keys::value_of(table, *at));
        }
        let mut assignments = Vec::new();
        for (number, at) in values.iter().enumerate() {
            let column = &table.columns[*at];
            rows.push(value_column(column, &format!("v{number}")));
            names.push(&column.quoted);
            u_values.push(format!("u.[v{number}]"));
            // The server takes no update of a number that it gives itself.
            if !column.identity {
                assignments.push(format!("{} = u.[v{number}]", column.quoted));
            }
        }
        let identity = table.columns.iter().any(|column| column.identity);
        let switch = |to: &str| format!("SET IDENTITY_INSERT {} {to}", table.base);
        let line = |to| if identity { format!("{};\n", switch(to)) } else { String::new() };
        let columns = table.columns.iter().map(|column| column.codec.select(&format!("b.{}", column.quoted)));
        let columns = columns.collect::<Vec<_>>().join(", ");
        let lock = |strength| parts.fill(include_str!("sql/apply_lock_rows.sql"), &[("strength", strength)]);
        let rows = rows.sql("u", 1);
        let mark = parts.fill(
            include_str!("sql/apply_mark.sql"),
            &[
                ("new_marks", &seen.sql("u", 1)),
                ("settled_marks", &seen.sql("u", 2)),
                ("local_marks", &local.sql("u", 3)),
            ],
        );
        let insert_rows = parts.fill(
            include_str!("sql/apply_insert_rows.sql"),
            &[
                ("insert_columns", &names.join(", ")),
                ("u_values", &u_values.join(", ")),
                ("rows", &rows),
                ("identity_on", &line("ON")),
                ("identity_off", &line("OFF")),
            ],
        );
        let update_rows = (!assignments.is_empty()).then(|| {
            parts.fill(
                include_str!("sql/apply_update_rows.sql"),
                &[("rows", &rows), ("assignments", &assignments.join(", "))],
            )
        });
        let procedure = qualified(OUR_SCHEMA, &table.names.apply);
        let read_tracking = plain(include_str!("sql/apply_read_tracking.sql"));
        let delete_rows = plain(include_str!("sql/apply_delete_rows.sql"));
        let step = step_name(&[&read_tracking, &mark, &insert_rows, &delete_rows]);
        let call = |name: &str, parameters: &[&str]| {
            let parameters: String = parameters.iter().map(|name| format!(", {name} = {name}")).collect();
            format!("EXEC {procedure} {step} = '{name}'{parameters}")
        };
        let update = update_rows
            .as_ref()
            .map_or_else(String::new, |update| format!("  IF {step} = 'update'\n  BEGIN\n{update}\n  END\n"));
        let steps = [
            ("step", step.as_str()),
            ("procedure", procedure.as_str()),
            ("lock_rows", &lock("UPDLOCK")),
            ("lock_parents", &lock("XLOCK")),
            ("read_tracking", &read_tracking),
            ("mark", &mark),
            ("insert_rows", &insert_rows),
            ("update", &update),
            ("delete_rows", &delete_rows),
        ];
        Self {
            procedure: fill(include_str!("sql/apply_procedure.sql"), &steps),
            read: call("read", &["@P1"]),
            read_parents: call("parents", &["@P1"]),
            mark: call("mark", &["@P1", "@P2", "@P3", "@P4", "@P5"]),
            insert_rows: call("insert", &["@P1"]),
            update_rows: update_rows.map(|_| call("update", &["@P1"])),
            delete_rows: call("delete", &["@P1"]),
            read_tracking,
            missed: plain(include_str!("sql/apply_missed.sql")),
            forget_tracking: plain(include_str!("sql/apply_forget_tracking.sql")),
            return_tracking: parts
                .fill(include_str!("sql/apply_return_tracking.sql"), &[("returned", &returned.sql("u", 1))]),
            purge_tracking: parts.fill(
                include_str!("sql/apply_purge_tracking.sql"),
                &[("versions", &parts.keys.with(version).sql("u", 1))],
            ),
            track_rows: plain(include_str!("sql/apply_track_rows.sql")),
            restore_rows: parts
                .fill(include_str!("sql/apply_restore_rows.sql"), &[("seens", &seen.sql("u", 1))]),
            scan_passed: plain(include_str!("sql/apply_scan_passed.sql")),
            read_rows: parts.fill(include_str!("sql/apply_read_rows.sql"), &[("columns", &columns)]),
            identity_off: identity.then(|| switch("OFF")),
        }
    }
}

/// What the procedure calls the parameter that names a step. It tells the columns that rows have: while a worker has not
/// noticed yet that the table was provisioned with others, its values would stand in the wrong columns.
fn step_name(statements: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for statement in statements {
        hasher.update(statement.as_bytes());
    }
    format!("@step_{}", &hasher.finalize().to_hex()[..8])
}

/// The statement that makes the procedure by which apply writes a described table.
pub(super) fn procedure(table: &BoundTable) -> String {
    TableSql::new(table, &Parts::new(table), &values(table)).procedure
}

/// Positions of the columns that are no key columns.
fn values(table: &BoundTable) -> Vec<usize> {
    (0..table.columns.len()).filter(|at| !table.key.contains(at)).collect()
}

/// The statement that makes a table's rows refer to nothing by these columns.
pub(super) fn detach(table: &BoundTable, columns: &[usize]) -> String {
    let nulls: Vec<String> =
        columns.iter().map(|at| format!("{} = NULL", table.columns[*at].quoted)).collect();
    Parts::new(table).fill(include_str!("sql/apply_detach.sql"), &[("nulls", &nulls.join(", "))])
}

/// The unique indexes whose columns are all synchronised. Of others nothing is known: a record that one of them
/// refuses waits by time.
fn uniques(table: &BoundTable, parts: &Parts, catalog: &CatalogTable) -> Vec<UniqueShape> {
    let place = |name: &String| {
        let exact = table.columns.iter().position(|column| column.name == *name);
        exact.or_else(|| table.columns.iter().position(|column| same_name(&column.name, name)))
    };
    let in_reference = |at: usize| {
        let name = &table.columns[at].name;
        catalog.foreign_keys.iter().any(|key| key.columns.iter().any(|column| same_name(column, name)))
    };
    let mut uniques = Vec::new();
    for index in &catalog.uniques {
        let columns: Option<Vec<usize>> = index.columns.iter().map(place).collect();
        let Some(columns) = columns else { continue };
        let mut wanted = parts.keys.clone();
        let mut same = Vec::new();
        for (number, at) in columns.iter().enumerate() {
            let column = &table.columns[*at];
            wanted.push(Column::new(&format!("w{number}"), |text| {
                keys::typed(&column.codec, text, column.collation.as_deref())
            }));
            same.push(format!("b.{} = u.[w{number}]", column.quoted));
        }
        let mut free: Vec<usize> = columns
            .iter()
            .copied()
            .filter(|at| !table.key.contains(at) && !table.columns[*at].identity)
            .collect();
        // A made-up value may break a reference.
        free.sort_by_key(|at| (in_reference(*at), !table.columns[*at].nullable));
        let placeholders = free.into_iter().map(|at| {
            let column = &table.columns[at];
            let source = parts.keys.with(value_column(column, "value"));
            let more = [("column", column.quoted.as_str()), ("placeholders", &source.sql("u", 1))];
            (at, parts.fill(include_str!("sql/apply_placeholder.sql"), &more))
        });
        uniques.push(UniqueShape {
            name: index.name.clone(),
            holders: parts.fill(
                include_str!("sql/apply_unique_holders.sql"),
                &[("wanted", &wanted.sql("u", 1)), ("same", &same.join(" AND "))],
            ),
            placeholders: placeholders.collect(),
            columns,
        });
    }
    uniques
}
