//! The sync objects as SQL, from the files in `sql/`: what all members have, and what each table has.
//!
//! Provisioning creates what is listed here, and a table's state is whether all of it is there, word for word. All of
//! it but the triggers lies in the schema `"DataSync"`.
//!
//! | object | what stands in it |
//! |---|---|
//! | `<label>_dss_tracking` | One row a cell. The key's columns (text without case or padding rules: `COLLATE "C"`; names of ours are prefixed, see [`super::table::tracking_key_names`]), then: `local_version` with `local_incarnation` (NULL: the table's first) of this member's latest own change, NULL once a record of others has been written over it; `xid`, the top-level transaction of that change, by which polls find it (NULL with `local_version`); `changed_at`, NULL where it is not known; `change_kind` (NULL: live, else a [`tributary_model::ChangeKind`]'s name); `inside_apply`, whether a user's trigger made it in apply's transaction; `is_tombstone`; `seen` as text; `apply_batch`, the batch that wrote the cell last |
//! | `<label>_dss_changes` | its index on (`xid`, `local_version`), without settled rows |
//! | `<label>_dss_capture()` | the triggers' function |
//! | `dss_version` | sequence: versions, the first is 2 |
//! | `dss_batch` | sequence: apply's batches |
//! | `dss_sleep` | sequence: until when capture sleeps (seconds since 1970) and wants a `NOTIFY "DataSync"` |
//! | `dss_provisioning` | names and values: `format`, `group`, `member`, `direction` |
//! | `dss_tables` | each provisioned table: local name, incarnations, columns as they were |
//! | `dss_claims` | how far each first scan has claimed its keys |
//! | `dss_token` | capture's token |
//! | `dss_offsets`, `dss_exceptions` | apply's offsets; parked rows and records |
//!
//! **Apply and the triggers.** Apply begins with
//! `SELECT set_config('tributary.apply', nextval('"DataSync".dss_batch')::text, true)`, which ends with the transaction.
//! It marks a cell by writing its tracking row with `apply_batch` = that number before it writes the base row; the
//! triggers leave exactly those cells alone (all at once where `tributary.quiet` says that apply's statements
//! write nothing but them). Every other cell that is written in the transaction becomes a change of
//! this member's, `inside_apply`. When apply gives a cell a change of its own (a row that the first scan missed, a
//! restored row), it takes `nextval('"DataSync".dss_version')` and sets `xid = pg_current_xact_id()`. When it takes a
//! change away (the group's record is written over it), it sets `local_version`, `local_incarnation`, `xid`,
//! `changed_at`, `change_kind` and `inside_apply` to NULL.
//!
//! **The triggers' function** runs as its owner, in whatever session of a user's. It has no settings of its own, which
//! would cost an eighth of a small statement; instead everything in it that is looked up by the search path says that
//! it is the server's own: functions, types, collations, and operators too (`OPERATOR(pg_catalog.=)`), so also nothing
//! that stands for an operator (`IS DISTINCT FROM`, `NULLIF`, `IN`).

use super::catalog::OUR_SCHEMA;
use super::quote::{self, identifier, qualified, text};
use super::table::{BoundTable, and, list};
use crate::template::fill;
use tributary_model::Incarnation;

/// What is the same in every member.
pub(super) struct Fixed {
    /// `table`, `index` or `sequence`.
    pub(super) kind: &'static str,
    /// Its name in our schema.
    pub(super) name: &'static str,
    /// What it is for.
    pub(super) purpose: &'static str,
    /// What creates it.
    pub(super) sql: &'static str,
}

const fn fixed(kind: &'static str, name: &'static str, purpose: &'static str, sql: &'static str) -> Fixed {
    Fixed { kind, name, purpose, sql }
}

/// The objects that every member has, in the order of creation.
pub(super) const FIXED: [Fixed; 12] = [
    fixed("table", "dss_provisioning", "whose member this is", include_str!("sql/create_provisioning.sql")),
    fixed("table", "dss_tables", "list of the synchronised tables", include_str!("sql/create_tables.sql")),
    fixed("table", "dss_claims", "what first scans have claimed", include_str!("sql/create_claims.sql")),
    fixed("table", "dss_token", "capture's token", include_str!("sql/create_token.sql")),
    fixed("table", "dss_offsets", "apply's offsets", include_str!("sql/create_offsets.sql")),
    fixed(
        "table",
        "dss_exceptions",
        "rows that could not be carried",
        include_str!("sql/create_exceptions.sql"),
    ),
    fixed(
        "index",
        "dss_exceptions_row",
        "one exception a row",
        include_str!("sql/create_exceptions_row.sql"),
    ),
    fixed(
        "index",
        "dss_exceptions_due",
        "exceptions that are due",
        include_str!("sql/create_exceptions_due.sql"),
    ),
    fixed(
        "index",
        "dss_exceptions_waits",
        "exceptions that wait for a row",
        include_str!("sql/create_exceptions_waits.sql"),
    ),
    fixed("sequence", "dss_version", "counter of versions", include_str!("sql/create_version.sql")),
    fixed("sequence", "dss_batch", "counter of apply's batches", include_str!("sql/create_batch.sql")),
    fixed("sequence", "dss_sleep", "until when capture sleeps", include_str!("sql/create_sleep.sql")),
];

/// An object that belongs to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// What it is.
    pub(super) kind: Kind,
    /// Its name, not quoted.
    pub(super) name: String,
    /// What creates it.
    pub(super) sql: String,
    /// What it is for.
    pub(super) purpose: String,
}

/// Kinds of objects that belong to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// The tracking table.
    Tracking,
    /// Its index.
    Index,
    /// The triggers' function: the body that suits the table best, and another one that does too.
    Routine(String, String),
    /// A trigger of this event.
    Trigger(&'static str),
}

/// The triggers: what they are called after, when they fire, what rows they are given.
const TRIGGERS: [(&str, &str, &str); 4] = [
    ("insert", "AFTER INSERT", "REFERENCING NEW TABLE AS new_rows "),
    ("update", "AFTER UPDATE", "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows "),
    ("delete", "AFTER DELETE", "REFERENCING OLD TABLE AS old_rows "),
    ("truncate", "BEFORE TRUNCATE", ""),
];

/// Everything that belongs to a described table, in the order of creation.
pub(super) fn objects(table: &BoundTable) -> Vec<Object> {
    if table.key.is_empty() || table.catalog.is_none() {
        return Vec::new();
    }
    let builder = Builder { table };
    let purpose = |what: &str| format!("{what} of {}", table.base);
    let routine = qualified(OUR_SCHEMA, &table.names.routine);
    let body = |whole: bool| {
        builder.fill(include_str!("sql/capture_body.sql"), &[("update", &builder.update(whole))])
    };
    let whole = builder.is_whole();
    let (body, other) = (body(whole), body(!whole));
    let mut objects = vec![
        Object {
            kind: Kind::Tracking,
            name: table.names.tracking.clone(),
            sql: builder.fill(include_str!("sql/create_tracking.sql"), &[]),
            purpose: purpose("tracking table"),
        },
        Object {
            kind: Kind::Index,
            name: table.names.changes_index.clone(),
            sql: builder.fill(
                include_str!("sql/create_changes_index.sql"),
                &[("changes_index", &identifier(&table.names.changes_index))],
            ),
            purpose: purpose("index for polling"),
        },
        Object {
            kind: Kind::Routine(format!("\n{body}\n"), format!("\n{other}\n")),
            name: table.names.routine.clone(),
            sql: builder.function(&routine, &body),
            purpose: purpose("the triggers' function"),
        },
    ];
    for (what, when, referencing) in TRIGGERS {
        let name = table.names.trigger(what);
        let sql = fill(
            include_str!("sql/create_trigger.sql"),
            &[
                ("trigger", &identifier(&name)),
                ("when", when),
                ("base", &table.base),
                ("referencing", referencing),
                ("routine", &routine),
            ],
        );
        objects.push(Object {
            kind: Kind::Trigger(what),
            name,
            sql,
            purpose: purpose(&format!("{what} trigger")),
        });
    }
    objects
}

/// The server's own operators, whatever a session's search path is.
const EQUALS: &str = "OPERATOR(pg_catalog.=)";
const JOINED: &str = "OPERATOR(pg_catalog.||)";

/// How the line begins that holds what only this database knows.
const QUICK_LOOK: &str = "  IF (pg_catalog.pg_get_constraintdef(";

/// Whether two bodies of a trigger's function do the same. The number of the key's constraint is another one after a
/// restore; then the function merely takes longer.
pub(super) fn same_body(one: &str, other: &str) -> bool {
    let lines = |body| str::lines(body).filter(|line| !line.starts_with(QUICK_LOOK));
    lines(one).eq(lines(other))
}

struct Builder<'a> {
    table: &'a BoundTable,
}

impl Builder<'_> {
    /// Fills a template with what is the same for all of this table's, and `more`.
    fn fill(&self, template: &str, more: &[(&str, &str)]) -> String {
        let table = self.table;
        let constraint = table.catalog.as_ref().and_then(|catalog| catalog.key_constraint.as_ref());
        let is_null = |side: &str| {
            let first = table.key_columns().next().map_or_else(String::new, |column| column.quoted.clone());
            format!("{side}.{first} IS NULL")
        };
        let either = table
            .key_columns()
            .map(|column| format!("coalesce(n.{0}, o.{0}) AS {1}", column.quoted, column.tracking));
        let values = [
            ("base", table.base.clone()),
            ("tracking", table.tracking.clone()),
            ("key", table.tracking_key_list("")),
            ("key_definitions", self.key_definitions()),
            ("n_key", table.key_list("n")),
            ("o_key", table.key_list("o")),
            ("b_key", table.key_list("b")),
            ("c_key", table.tracking_key_list("c")),
            ("either_key", list(either)),
            ("n_is_null", is_null("n")),
            ("o_is_null", is_null("o")),
            ("n_key_is_o", self.keys_agree("n", "o")),
            ("m_key_is_n", self.marked_is("n", false)),
            ("m_key_is_o", self.marked_is("o", false)),
            ("m_key_is_c", self.marked_is("c", true)),
            ("m_is_of_batch", format!("m.apply_batch::pg_catalog.text {EQUALS} dss.batch")),
            (
                "next_version",
                "pg_catalog.nextval('\"DataSync\".dss_version'::pg_catalog.regclass)".to_owned(),
            ),
            ("sleep", "'\"DataSync\".dss_sleep'::pg_catalog.regclass".to_owned()),
            ("key_constraint", constraint.map_or(0, |(id, _)| *id).to_string()),
            ("key_definition", text(constraint.map_or("", |(_, definition)| definition))),
            ("is_key", self.is_key()),
            ("key_count", table.key_columns().count().to_string()),
            ("incarnation", self.incarnation()),
            ("set_local", self.set_local()),
            ("seen_column", if self.is_later() { ", seen".to_owned() } else { String::new() }),
            ("first_seen", self.first_seen()),
        ];
        let mut all: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend_from_slice(more);
        fill(template, &all)
    }

    fn key_definitions(&self) -> String {
        let parts = self
            .table
            .key_columns()
            .map(|column| format!("{} {} NOT NULL", column.tracking, column.declared.tracking_type()));
        parts.collect::<Vec<_>>().join(",\n  ")
    }

    /// Whether two rows of the base table have the same key, to the last byte.
    fn keys_agree(&self, one: &str, two: &str) -> String {
        and(self.table.key_columns().map(|column| {
            let side = |side: &str| column.declared.exact(&format!("{side}.{}", column.quoted));
            format!("{} {EQUALS} {}", side(one), side(two))
        }))
    }

    /// Whether the tracking row `m` is that of the row on `side`, which has the tracking table's names if `ours`.
    fn marked_is(&self, side: &str, ours: bool) -> String {
        and(self.table.key_columns().map(|column| {
            let name = if ours { &column.tracking } else { &column.quoted };
            format!("m.{} {EQUALS} {}", column.tracking, column.declared.exact(&format!("{side}.{name}")))
        }))
    }

    /// Whether the catalog's column `a` is one of the key's, with the type that it has now.
    fn is_key(&self) -> String {
        let Some(catalog) = &self.table.catalog else { return "false".to_owned() };
        let parts = self.table.key_columns().map(|column| {
            let named = format!("a.attname {EQUALS} {}", text(&column.name));
            let found = catalog.position(&column.name).map(|at| &catalog.columns[at]);
            match found {
                // The server's own types have the same numbers everywhere; users' get new ones from a restore.
                Some(found) if found.type_oid < 16_384 => {
                    format!("{named} AND a.atttypid {EQUALS} {}", found.type_oid)
                }
                _ => named,
            }
        });
        parts.collect::<Vec<_>>().join(" OR ")
    }

    /// What creates the triggers' function, or makes it anew. The number of the key's constraint is asked for when it is
    /// created, so that the statement is the same in a dry run.
    fn function(&self, routine: &str, body: &str) -> String {
        let escaped = |text: &str| text.replace('%', "%%");
        let (line, rest) = body
            .find(QUICK_LOOK)
            .map_or(("", body), |at| (&body[..at + QUICK_LOOK.len()], &body[at + QUICK_LOOK.len()..]));
        let rest = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let template = format!("{}%s{}", escaped(line), escaped(rest));
        let function = fill(
            include_str!("sql/capture_function.sql"),
            &[("routine", &escaped(routine)), ("body", &quote::code("dss", &template))],
        );
        let make = fill(
            include_str!("sql/capture_make.sql"),
            &[("function", &quote::code("function", &function)), ("base_name", &text(&self.table.base))],
        );
        format!("DO {}", quote::code("make", &make))
    }

    /// What an update's trigger does. Rows are compared as they are stored, which needs no operator and takes 0 and -0
    /// for different. Whole ones where nothing but the group's columns can differ; otherwise column by column, and if one
    /// of them is gone, so that what has changed cannot be told, every row counts.
    fn update(&self, whole: bool) -> String {
        let branch =
            |changed: &str| self.fill(include_str!("sql/capture_update.sql"), &[("changed", changed)]);
        let is_update = format!("  ELSIF TG_OP {EQUALS} 'UPDATE'");
        if whole {
            return format!("{is_update} THEN\n{}", branch("pg_catalog.record_image_ne(n.*, o.*)"));
        }
        let columns = &self.table.columns;
        let names = list(columns.iter().map(|column| text(&column.name)));
        format!(
            "{is_update} AND (SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute AS a \
             WHERE a.attrelid {EQUALS} TG_RELID AND NOT a.attisdropped \
             AND a.attname {EQUALS} ANY (ARRAY[{names}]::pg_catalog.name[])) {EQUALS} {} THEN\n{}\n\
             {is_update} THEN\n{}",
            columns.len(),
            branch(&self.changed()),
            branch("true")
        )
    }

    /// Whether whole rows can be compared: all columns are synchronised but for those that the server computes from
    /// others, and none is stored in several ways.
    fn is_whole(&self) -> bool {
        let columns = &self.table.columns;
        self.table.catalog.as_ref().is_some_and(|catalog| {
            let mut others = catalog.columns.iter().filter(|column| !column.generated);
            others.all(|found| columns.iter().any(|column| column.name == found.name))
        }) && columns.iter().all(|column| !column.declared.has_several_images())
    }

    /// Whether a synchronised column of `n` is another than in `o`.
    fn changed(&self) -> String {
        let table = self.table;
        let others =
            || (0..table.columns.len()).filter(|at| !table.key.contains(at)).map(|at| &table.columns[at]);
        if others().next().is_none() {
            return "false".to_owned();
        }
        let side = |side: &str| {
            list(others().map(|column| match format!("{side}.{}", column.quoted) {
                number if column.declared.has_several_images() => format!("pg_catalog.trim_scale({number})"),
                other => other,
            }))
        };
        format!("pg_catalog.record_image_ne(ROW({}), ROW({}))", side("n"), side("o"))
    }

    /// NULL while the table is in its first incarnation.
    fn incarnation(&self) -> String {
        let (first, current) = self.incarnations();
        if first == current { "NULL".to_owned() } else { text(current.as_str()) }
    }

    fn incarnations(&self) -> (&Incarnation, &Incarnation) {
        (&self.table.first_incarnation, &self.table.incarnation)
    }

    fn is_later(&self) -> bool {
        self.table.first_incarnation != self.table.incarnation
    }

    /// What an edit of a row without a tracking row has seen, where that has to be said.
    fn first_seen(&self) -> String {
        if self.is_later() { format!(", {}", text(&self.table.first_seen())) } else { String::new() }
    }

    fn set_local(&self) -> String {
        let (first, current) = self.incarnations();
        // The edit was made on top of what the older incarnation did last.
        let seen = if first == current {
            String::new()
        } else {
            format!(
                "seen = CASE WHEN t.local_version IS NOT NULL AND (t.local_incarnation {EQUALS} {}) IS NOT TRUE \
                 THEN pg_catalog.btrim(t.seen {JOINED} ' ' {JOINED} coalesce(t.local_incarnation, {}) {JOINED} ':' \
                 {JOINED} t.local_version::pg_catalog.text) ELSE t.seen END, ",
                text(current.as_str()),
                text(first.as_str())
            )
        };
        format!(
            "{seen}local_version = excluded.local_version, local_incarnation = excluded.local_incarnation, \
             xid = excluded.xid, changed_at = excluded.changed_at, \
             change_kind = CASE WHEN t.change_kind {EQUALS} 'restored' THEN 'restored' END, \
             inside_apply = excluded.inside_apply, is_tombstone = excluded.is_tombstone"
        )
    }
}

/// Whether a trigger is one of ours, by its function.
pub(super) fn is_our_trigger(trigger: &super::catalog::CatalogTrigger) -> bool {
    trigger.function_schema == OUR_SCHEMA && trigger.function.ends_with("_dss_capture")
}
