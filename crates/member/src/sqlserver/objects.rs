//! The sync objects as SQL: what every member has, and what belongs to one table, from the files in `sql/`.
//!
//! Provisioning creates what is listed here, and a table's state is whether all of it is there: triggers and procedures
//! word for word, tables by their columns.

use super::declared::Kind;
use super::names::OUR_SCHEMA;
use super::quote::{identifier, qualified, text};
use super::table::{BoundColumn, BoundTable, TRACKING_COLUMNS};
use crate::template::fill;

/// What all modules of ours mention.
pub(super) const MARK: &str = "[DataSync].";

/// An object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// What it is.
    pub(super) kind: ObjectKind,
    /// Its schema; that of the table, for an index.
    pub(super) schema: String,
    /// The table that an index lies on.
    pub(super) on: Option<String>,
    /// The columns of an index: it is known by them, since a compatible server gives it another name.
    pub(super) columns: &'static [&'static str],
    /// Its name, not quoted.
    pub(super) name: String,
    /// Its definition, as the server keeps that of modules.
    pub(super) sql: String,
    /// What it is for.
    pub(super) purpose: String,
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectKind {
    /// The schema.
    Schema,
    /// A sequence.
    Sequence,
    /// A table.
    Table,
    /// An index.
    Index,
    /// A trigger.
    Trigger,
    /// A procedure.
    Procedure,
}

impl ObjectKind {
    /// As SQL calls it.
    pub(super) fn keyword(self) -> &'static str {
        match self {
            Self::Schema => "SCHEMA",
            Self::Sequence => "SEQUENCE",
            Self::Table => "TABLE",
            Self::Index => "INDEX",
            Self::Trigger => "TRIGGER",
            Self::Procedure => "PROCEDURE",
        }
    }
}

impl Object {
    /// The statement that drops it.
    pub(super) fn drop_statement(&self) -> String {
        match self.kind {
            ObjectKind::Schema => format!("DROP SCHEMA {}", identifier(&self.name)),
            ObjectKind::Index => {
                let on = self.on.as_deref().unwrap_or_default();
                format!("DROP INDEX {} ON {}", identifier(&self.name), qualified(&self.schema, on))
            }
            kind => format!("DROP {} {}", kind.keyword(), qualified(&self.schema, &self.name)),
        }
    }
}

/// Whether a trigger is one of ours, by its name and text. Nobody can read an encrypted one, and ours are not.
pub(super) fn is_our_trigger(name: &str, sql: Option<&str>) -> bool {
    let name = name.to_lowercase();
    sql.is_some_and(|sql| sql.contains(MARK))
        && ["insert", "update", "delete"].iter().any(|event| name.ends_with(&format!("_dss_{event}_trigger")))
}

/// Whether two definitions are the same. Tools that run scripts change line ends and blanks at the end.
pub(super) fn same_definition(ours: &str, theirs: &str) -> bool {
    ours.trim() == theirs.replace("\r\n", "\n").trim()
}

/// Whether the columns are those of a tracking table.
pub(super) fn is_tracking<'a>(columns: impl Iterator<Item = &'a str> + Clone) -> bool {
    TRACKING_COLUMNS.iter().all(|ours| columns.clone().any(|column| column.eq_ignore_ascii_case(ours)))
}

/// What every member has, in the order of creation. `last` is the highest version and batch that were ever given.
/// `shared_cache`: whether all sessions take a sequence's numbers from one cache, so that later ones are higher; a
/// compatible server may give each session a cache of its own, and then must do without.
pub(super) fn fixed(last: i64, shared_cache: bool) -> Vec<Object> {
    let start = (last + 1).to_string();
    let cache = if shared_cache { "CACHE 1000" } else { "CACHE 1" };
    let object = |kind, name: &str, purpose: &str, template: &str| Object {
        kind,
        schema: OUR_SCHEMA.to_owned(),
        on: (kind == ObjectKind::Index).then(|| "dss_exceptions".to_owned()),
        columns: match name {
            "dss_exceptions_due" => &["parked_at", "due_at"],
            "dss_exceptions_waits" => &["waits_for", "due_at"],
            _ => &[],
        },
        name: name.to_owned(),
        sql: fill(template, &[("start", &start), ("cache", cache)]),
        purpose: purpose.to_owned(),
    };
    use ObjectKind::{Index, Schema, Sequence, Table};
    vec![
        object(Schema, OUR_SCHEMA, "schema of the sync objects", include_str!("sql/create_schema.sql")),
        object(Sequence, "dss_version", "sequence of versions", include_str!("sql/create_version.sql")),
        object(Sequence, "dss_batch", "sequence of apply's batches", include_str!("sql/create_batch.sql")),
        object(
            Table,
            "dss_provisioning",
            "whose member this is",
            include_str!("sql/create_provisioning.sql"),
        ),
        object(Table, "dss_tables", "list of the synchronised tables", include_str!("sql/create_tables.sql")),
        object(Table, "dss_token", "capture's token", include_str!("sql/create_token.sql")),
        object(Table, "dss_offsets", "apply's offsets", include_str!("sql/create_offsets.sql")),
        object(
            Table,
            "dss_exceptions",
            "rows that could not be carried",
            include_str!("sql/create_exceptions.sql"),
        ),
        object(
            Index,
            "dss_exceptions_due",
            "exceptions that are due",
            include_str!("sql/create_exceptions_due.sql"),
        ),
        object(
            Index,
            "dss_exceptions_waits",
            "exceptions that wait for a row",
            include_str!("sql/create_exceptions_waits.sql"),
        ),
    ]
}

/// Everything that belongs to a described table, in the order of creation.
pub(super) fn of_table(table: &BoundTable) -> Vec<Object> {
    let builder = Builder { table };
    let names = &table.names;
    let object = |kind, schema: &str, name: &str, what: &str, template: &str, more: &[(&str, &str)]| Object {
        kind,
        schema: schema.to_owned(),
        on: (kind == ObjectKind::Index).then(|| names.tracking.clone()),
        columns: if kind == ObjectKind::Index { &["is_local", "row_version", "local_version"] } else { &[] },
        name: name.to_owned(),
        sql: builder.fill(template, more),
        purpose: format!("{what} of {}", table.base),
    };
    let mut objects = vec![
        object(
            ObjectKind::Table,
            OUR_SCHEMA,
            &names.tracking,
            "tracking table",
            include_str!("sql/create_tracking.sql"),
            &[],
        ),
        object(
            ObjectKind::Index,
            OUR_SCHEMA,
            &names.changes_index,
            "index for polling",
            include_str!("sql/create_changes_index.sql"),
            &[],
        ),
    ];
    let triggers = [
        ("insert trigger", include_str!("sql/insert_trigger.sql")),
        ("update trigger", include_str!("sql/update_trigger.sql")),
        ("delete trigger", include_str!("sql/delete_trigger.sql")),
    ];
    for (name, (what, template)) in names.triggers.iter().zip(triggers) {
        let quoted = qualified(&table.schema, name);
        objects.push(object(
            ObjectKind::Trigger,
            &table.schema,
            name,
            what,
            template,
            &[("trigger", &quoted)],
        ));
    }
    let quoted = qualified(OUR_SCHEMA, &names.select_changes);
    objects.push(object(
        ObjectKind::Procedure,
        OUR_SCHEMA,
        &names.select_changes,
        "procedure that reads the changes",
        include_str!("sql/select_changes.sql"),
        &[("procedure", &quoted)],
    ));
    objects.push(Object {
        kind: ObjectKind::Procedure,
        schema: OUR_SCHEMA.to_owned(),
        on: None,
        columns: &[],
        name: names.apply.clone(),
        sql: super::shape::procedure(table),
        purpose: format!("procedure that applies changes of {}", table.base),
    });
    objects
}

/// The columns of a query of ours that reads rows: key columns from the tracking row `key` (or from the base row, when
/// it has the same alias), the others from the base row.
pub(super) fn image_columns(table: &BoundTable, key: &str, base: &str) -> Vec<String> {
    let of = |(at, column): (usize, &BoundColumn)| {
        let expression = if table.key.contains(&at) && key != base {
            format!("{key}.{}", column.tracking)
        } else {
            format!("{base}.{}", column.quoted)
        };
        // Names of our own: results carry names too, and not every server gets those of users across.
        format!("{} AS [c{at}]", column.codec.select(&expression))
    };
    table.columns.iter().enumerate().map(of).collect()
}

struct Builder<'a> {
    table: &'a BoundTable,
}

impl Builder<'_> {
    /// Fills a template with what is the same for all objects of the table, and `more`.
    fn fill(&self, template: &str, more: &[(&str, &str)]) -> String {
        let table = self.table;
        let definitions =
            table.tracking_key.iter().map(|c| format!("{} {} NOT NULL", c.quoted, c.definition));
        let first = table.own_key.first().map_or("", |at| table.columns[*at].quoted.as_str());
        let key_updated = table.own_key.iter().map(|at| format!("UPDATE({})", table.columns[*at].quoted));
        let values = [
            ("base", table.base.clone()),
            ("tracking", table.tracking.clone()),
            ("tracking_key_name", identifier(&table.names.tracking_key)),
            ("changes_index", identifier(&table.names.changes_index)),
            ("key_definitions", definitions.collect::<Vec<_>>().join(",\n  ")),
            ("tracking_key", table.tracking_key_list()),
            ("i_key", table.tracked_list("i")),
            ("d_key", table.tracked_list("d")),
            ("t_is_i", table.tracking_is("t", "i")),
            ("t_is_d", table.tracking_is("t", "d")),
            ("i_is_d", table.same_key("d", "i")),
            ("b_is_d", table.base_is_row("b", "d")),
            ("b_is_t", table.base_is_tracked("b", "t")),
            ("key_updated", key_updated.collect::<Vec<_>>().join(" OR ")),
            ("changed", self.changed()),
            ("hidden", self.hidden()),
            ("set_local", self.set_local()),
            ("first_seen", self.table.first_seen()),
            ("local_columns", LOCAL_COLUMNS.to_owned()),
            ("local_values", self.local_values()),
            ("first", first.to_owned()),
            ("columns", image_columns(table, "t", "b").join(",\n    ")),
        ];
        let mut all: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend_from_slice(more);
        fill(template, &all)
    }

    /// The incarnation as tracking rows have it: NULL while it is the table's first.
    fn incarnation(&self) -> String {
        let table = self.table;
        if table.first_incarnation == table.incarnation {
            return "NULL".to_owned();
        }
        text(table.incarnation.as_str())
    }

    fn set_local(&self) -> String {
        let table = self.table;
        let incarnation = self.incarnation();
        let mut set = format!(
            "[local_version] = NEXT VALUE FOR [DataSync].[dss_version],\n    [local_incarnation] = {incarnation},\n    \
             [is_local] = 1,\n    [changed_at] = @now,\n    \
             [change_kind] = CASE WHEN t.[change_kind] = 'restored' THEN 'restored' END,\n    \
             [inside_apply] = @inside,"
        );
        if table.first_incarnation != table.incarnation {
            // The edit was made on top of what the older incarnation did last.
            let first = text(table.first_incarnation.as_str());
            set.push_str(&format!(
                "\n    [seen] = CASE WHEN t.[local_version] IS NOT NULL AND (t.[local_incarnation] IS NULL OR \
                 t.[local_incarnation] <> {incarnation}) THEN LTRIM(t.[seen] + ' ' + COALESCE(t.[local_incarnation], \
                 {first}) + ':' + CAST(t.[local_version] AS varchar(20))) ELSE t.[seen] END,"
            ));
        }
        set
    }

    fn local_values(&self) -> String {
        format!("NEXT VALUE FOR [DataSync].[dss_version], {}, 1, @now, @inside", self.incarnation())
    }

    /// Whether the new row `i` has no old one `d` of the same key, or differs from it in a synchronised column. Not by
    /// EXCEPT, though that takes two NULLs for the same: the server allows it in no statement that takes numbers from a
    /// sequence.
    fn changed(&self) -> String {
        let table = self.table;
        let first = table.own_key.first().map_or("", |at| table.columns[*at].quoted.as_str());
        let mut parts = vec![format!("d.{first} IS NULL")];
        if self.hidden_columns().next().is_some() {
            parts.push("@hidden = 1".to_owned());
        }
        let columns = table.columns.iter().enumerate().filter(|(at, _)| !table.key.contains(at));
        parts.extend(columns.flat_map(|(_, column)| differs(column)));
        format!("({})", parts.join("\n    OR "))
    }

    /// Columns whose values triggers do not see: that a statement names them counts as a change.
    fn hidden_columns(&self) -> impl Iterator<Item = &BoundColumn> {
        self.table.columns.iter().filter(|column| column.codec.declared().is_hidden_from_triggers())
    }

    fn hidden(&self) -> String {
        let named: Vec<String> =
            self.hidden_columns().map(|column| format!("UPDATE({})", column.quoted)).collect();
        if named.is_empty() {
            return String::new();
        }
        format!("  DECLARE @hidden bit = 0;\n  IF {} SET @hidden = 1;\n", named.join(" OR "))
    }
}

/// The columns that a trigger writes into a new tracking row, besides the key.
const LOCAL_COLUMNS: &str = "[local_version], [local_incarnation], [is_local], [changed_at], [inside_apply], \
                             [is_tombstone], [seen]";

/// The conditions of which one holds if a column's values in `i` and `d` differ.
fn differs(column: &BoundColumn) -> Vec<String> {
    if column.codec.declared().is_hidden_from_triggers() {
        return Vec::new();
    }
    let name = &column.quoted;
    let mut parts = unlike(column, &format!("i.{name}"), &format!("d.{name}"));
    if column.nullable {
        parts.push(format!("(i.{name} IS NULL AND d.{name} IS NOT NULL)"));
        parts.push(format!("(i.{name} IS NOT NULL AND d.{name} IS NULL)"));
    }
    parts
}

/// The conditions of which one holds if two values of a column's type differ that are not NULL: everything that the
/// server's own comparison passes over is compared beside it.
pub(super) fn unlike(column: &BoundColumn, a: &str, b: &str) -> Vec<String> {
    let compare =
        |wrap: &dyn Fn(String) -> String| format!("{} <> {}", wrap(a.to_owned()), wrap(b.to_owned()));
    let length = |side: String| format!("DATALENGTH({side})");
    let binary = column.binary.unwrap_or(super::declared::BINARY_COLLATION);
    match column.codec.declared().kind {
        Kind::Char | Kind::VarChar | Kind::NChar | Kind::NVarChar => {
            vec![compare(&|side| format!("{side} COLLATE {binary}")), compare(&length)]
        }
        Kind::Binary | Kind::VarBinary => vec![compare(&|side| side), compare(&length)],
        Kind::Image => {
            let bytes = |side: String| format!("CAST({side} AS varbinary(max))");
            vec![compare(&bytes), compare(&|side| length(bytes(side)))]
        }
        Kind::Xml | Kind::Json | Kind::Text | Kind::NText => {
            let unicode = |side: String| format!("CAST({side} AS nvarchar(max))");
            let binary = super::declared::BINARY_COLLATION;
            vec![
                compare(&|side| format!("{} COLLATE {binary}", unicode(side))),
                compare(&|side| length(unicode(side))),
            ]
        }
        Kind::DateTimeOffset => {
            vec![compare(&|side| side), compare(&|side| format!("DATEPART(TZOFFSET, {side})"))]
        }
        _ => vec![compare(&|side| side)],
    }
}

/// Whether a tracking table's columns are those that a described table's would have: names and parts of the key.
pub(super) fn has_tracking_key<'a>(
    table: &BoundTable,
    columns: impl Iterator<Item = &'a str> + Clone,
    key: &[&str],
) -> bool {
    let same = |ours: &str, theirs: &str| super::catalog::same_name(ours, &identifier(theirs));
    is_tracking(columns)
        && key.len() == table.tracking_key.len()
        && table.tracking_key.iter().all(|ours| key.iter().any(|theirs| same(&ours.quoted, theirs)))
}
