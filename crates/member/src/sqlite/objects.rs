//! The sync objects of one table as SQL: tracking table, index, triggers, from the files in `sql/`.
//!
//! Provisioning creates what is listed here, and a table's state is whether all of it is there, word for word.

use super::catalog::{CatalogForeignKey, CatalogIndex, CatalogTable};
use super::declared::Affinity;
use super::lexer;
use super::quote::{identifier, text};
use super::table::{BoundTable, Names, TRACKING_COLUMNS, tracking_key_names};
use crate::template::fill;
use tributary_model::Incarnation;

/// What every object of ours mentions: its own name or another of ours.
pub(super) const MARK: &str = "\"DataSync_";

/// What triggers of ours are for; each is called `<table>_dss_<this>_trigger`.
const TRIGGERS: [&str; 12] = [
    "insert",
    "update",
    "update_key",
    "delete",
    "before_insert",
    "before_update",
    "insert_replaced",
    "update_replaced",
    "null_key_insert",
    "null_key_update",
    "null_key_update_end",
    "null_key_delete",
];

/// The exception that stands for all rows of a table whose key is not complete.
pub(super) const NULL_KEY: &str = "NULL";

/// An object that belongs to one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// `table`, `index` or `trigger`.
    pub(super) kind: &'static str,
    /// Its name, not quoted.
    pub(super) name: String,
    /// Its definition, as SQLite stores it.
    pub(super) sql: String,
    /// What it is for.
    pub(super) purpose: String,
}

/// Whether a trigger is one of ours, by its name and text.
pub(super) fn is_our_trigger(name: &str, sql: &str) -> bool {
    sql.contains(MARK) && TRIGGERS.iter().any(|what| name.ends_with(&format!("_dss_{what}_trigger")))
}

/// Whether the columns are those of a tracking table.
pub(super) fn is_tracking(columns: &[String]) -> bool {
    TRACKING_COLUMNS.iter().all(|ours| columns.iter().any(|column| column == ours))
}

/// Everything that belongs to a described table, in the order of creation.
pub(super) fn objects(table: &BoundTable) -> Vec<Object> {
    let Some(catalog) = &table.catalog else { return Vec::new() };
    Builder::new(table, catalog).build()
}

/// The statements that settle what is left of statements that did not come to their end, in a described table that has
/// such notes: what is gone was replaced.
pub(super) fn settle_replaced(table: &BoundTable) -> Option<String> {
    let builder = Builder::new(table, table.catalog.as_ref()?);
    Some(builder.settle("TRUE"))
}

/// Counts the rows that [`settle_replaced`] would make deletes, in a described table.
pub(super) fn count_replaced(table: &BoundTable) -> Option<String> {
    let builder = Builder::new(table, table.catalog.as_ref()?);
    let key = builder.sided("r", &builder.tracking_key);
    Some(format!("SELECT count(*) FROM (SELECT DISTINCT {key} FROM {})", builder.gone("TRUE")))
}

/// A way in which one row can replace another.
struct Slot {
    /// Whether an insert can do it; otherwise only an update can, in a way that nobody else would tell of.
    by_insert: bool,
    /// Tells the rows that were noted for it; the same expression before and after the statement.
    probe: String,
    /// Whether a row `b` has the unique values of NEW.
    same: String,
    /// Whether an update changes the values; `None` when that cannot be told.
    changed: Option<String>,
}

struct Builder<'a> {
    table: &'a BoundTable,
    catalog: &'a CatalogTable,
    names: Names,
    replaced: String,
    /// The key's columns in the base table, quoted.
    key: Vec<String>,
    /// The key's columns in the tracking table, quoted.
    tracking_key: Vec<String>,
    /// Whether the key's columns compare otherwise than binary.
    collated: Vec<bool>,
    /// The key's columns that may be NULL, quoted.
    nullable: Vec<String>,
    slots: Vec<Slot>,
}

impl<'a> Builder<'a> {
    fn new(table: &'a BoundTable, catalog: &'a CatalogTable) -> Self {
        let names = Names::of(&table.binding.local_table);
        let column = |at: &usize| &catalog.columns[*at];
        let key_names: Vec<&str> = catalog.key.iter().map(|at| column(at).name.as_str()).collect();
        let collated = |at: &usize| !column(at).collation.eq_ignore_ascii_case("BINARY");
        let mut builder = Self {
            table,
            catalog,
            replaced: identifier(&names.replaced),
            names,
            key: key_names.iter().map(|name| identifier(name)).collect(),
            tracking_key: tracking_key_names(&key_names).iter().map(|name| identifier(name)).collect(),
            collated: catalog.key.iter().map(collated).collect(),
            nullable: catalog.nullable_key_columns().iter().map(|at| identifier(&column(at).name)).collect(),
            slots: Vec::new(),
        };
        builder.slots = builder.find_slots();
        builder
    }

    fn build(&self) -> Vec<Object> {
        let mut objects = Vec::new();
        let purpose = |what: &str| format!("{what} of {}", self.table.base);
        objects.push(Object {
            kind: "table",
            name: self.names.tracking.clone(),
            sql: self.fill(include_str!("sql/create_tracking.sql"), &[]),
            purpose: purpose("tracking table"),
        });
        objects.push(Object {
            kind: "index",
            name: self.names.changes_index.clone(),
            sql: self.fill(include_str!("sql/create_changes_index.sql"), &[]),
            purpose: purpose("index for polling"),
        });
        if !self.slots.is_empty() {
            objects.push(Object {
                kind: "table",
                name: self.names.replaced.clone(),
                sql: self.fill(include_str!("sql/create_replaced.sql"), &[]),
                purpose: purpose("rows that a statement may replace"),
            });
        }
        let mut trigger = |what: &str, template: &str, values: &[(&str, &str)]| {
            let name = self.names.trigger(what);
            let quoted = identifier(&name);
            let mut all = vec![("trigger", quoted.as_str())];
            all.extend_from_slice(values);
            let sql = self.fill(template, &all);
            let purpose = purpose(&format!("{} trigger", what.replace('_', " ")));
            objects.push(Object { kind: "trigger", name, sql, purpose });
        };
        trigger("insert", include_str!("sql/insert_trigger.sql"), &[]);
        trigger("update", include_str!("sql/update_trigger.sql"), &[]);
        trigger("update_key", include_str!("sql/update_key_trigger.sql"), &[]);
        trigger("delete", include_str!("sql/delete_trigger.sql"), &[]);
        let settle = self.settle(&format!("probe IN ({})", self.probes()));
        let end = include_str!("sql/replaced_trigger.sql");
        if self.slots.iter().any(|slot| slot.by_insert) {
            let before_insert = include_str!("sql/before_insert_trigger.sql");
            let (may_replace, note) = self.note_replaced("NEW", false);
            trigger(
                "before_insert",
                before_insert,
                &[("may_replace", &may_replace), ("note_replaced", &note)],
            );
            trigger("insert_replaced", end, &[("settle", &settle), ("event", "INSERT")]);
        }
        if !self.slots.is_empty() {
            let before_update = include_str!("sql/before_update_trigger.sql");
            let (may_replace, note) = self.note_replaced("OLD", true);
            trigger(
                "before_update",
                before_update,
                &[("may_replace", &may_replace), ("note_replaced", &note)],
            );
            trigger("update_replaced", end, &[("settle", &settle), ("event", "UPDATE")]);
        }
        if !self.nullable.is_empty() {
            let begin = include_str!("sql/null_key_insert_trigger.sql");
            let end = include_str!("sql/null_key_delete_trigger.sql");
            trigger("null_key_insert", begin, &[("event", "INSERT")]);
            trigger("null_key_update", begin, &[("event", "UPDATE")]);
            trigger("null_key_update_end", end, &[("event", "UPDATE")]);
            trigger("null_key_delete", end, &[("event", "DELETE")]);
        }
        objects
    }

    /// The probes of a statement's row, NEW.
    fn probes(&self) -> String {
        self.slots.iter().map(|slot| slot.probe.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The statements that make deletes of the noted rows that are meant and gone, and forget the notes.
    fn settle(&self, is_meant: &str) -> String {
        let values = [("is_meant", is_meant), ("gone", &self.gone(is_meant))];
        self.fill(include_str!("sql/settle_replaced.sql"), &values)
    }

    fn gone(&self, is_meant: &str) -> String {
        self.fill(include_str!("sql/replaced_gone.sql"), &[("is_meant", is_meant)])
    }

    /// Fills a template with what is the same for all of this table's, and `more`.
    fn fill(&self, template: &str, more: &[(&str, &str)]) -> String {
        let incarnation = self.incarnation();
        let message = format!(
            "rows whose key column {} is NULL are not synchronised; give them a key",
            self.nullable.join(" or ")
        );
        let without_rowid = if self.catalog.rowid_alias().is_some() { "" } else { " WITHOUT ROWID" };
        let changed = self.table.columns.iter().map(|column| self.changed(&column.name)).collect::<Vec<_>>();
        let key_changed = self.catalog.key.iter().map(|at| self.changed(&self.catalog.columns[*at].name));
        let is_null = |side: &str| {
            let parts: Vec<String> =
                self.nullable.iter().map(|name| format!("{side}.{name} IS NULL")).collect();
            parts.join(" OR ")
        };
        let is_set = |side: &str| -> String {
            self.nullable.iter().map(|name| format!(" AND {side}.{name} IS NOT NULL")).collect()
        };
        let values = [
            ("base", self.table.base.clone()),
            ("tracking", self.table.tracking.clone()),
            ("changes_index", self.table.changes_index.clone()),
            ("replaced", self.replaced.clone()),
            ("key", self.tracking_key.join(", ")),
            ("key_definitions", self.key_definitions()),
            ("without_rowid", without_rowid.to_owned()),
            ("new_key", self.sided("NEW", &self.key)),
            ("old_key", self.sided("OLD", &self.key)),
            ("b_key", self.sided("b", &self.key)),
            ("r_key", self.sided("r", &self.tracking_key)),
            ("o_key", self.sided("o", &self.tracking_key)),
            ("t_key_is_new", self.tracking_is("NEW", &self.key)),
            ("t_key_is_old", self.tracking_is("OLD", &self.key)),
            ("t_key_is_r", self.tracking_is("r", &self.tracking_key)),
            ("b_key_is_old", self.base_is("OLD", &self.key)),
            ("b_key_is_r", self.base_is("r", &self.tracking_key)),
            ("and_new_key_is_set", is_set("NEW")),
            ("and_old_key_is_set", is_set("OLD")),
            ("new_key_is_null", is_null("NEW")),
            ("old_key_is_null", is_null("OLD")),
            ("b_key_is_null", is_null("b")),
            ("incarnation", incarnation),
            ("set_local", self.set_local()),
            ("seen_column", if self.is_later() { ", seen".to_owned() } else { String::new() }),
            ("first_seen", self.first_seen()),
            ("changed", changed.join("\n  OR ")),
            ("key_changed", key_changed.collect::<Vec<_>>().join("\n  OR ")),
            ("table_name", text(self.table.binding.schema.name.as_str())),
            ("key_text", text(NULL_KEY)),
            ("message", text(&message)),
        ];
        let mut all: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        all.extend_from_slice(more);
        fill(template, &all)
    }

    /// NULL while the table is in its first incarnation.
    fn incarnation(&self) -> String {
        let Incarnations { first, current } = self.incarnations();
        if first == current { "NULL".to_owned() } else { text(current.as_str()) }
    }

    fn incarnations(&self) -> Incarnations<'_> {
        Incarnations { first: &self.table.first_incarnation, current: &self.table.incarnation }
    }

    fn is_later(&self) -> bool {
        self.table.first_incarnation != self.table.incarnation
    }

    /// What an edit of a row without a tracking row has seen, where that has to be said.
    fn first_seen(&self) -> String {
        if self.is_later() { format!(",\n    {}", text(&self.table.first_seen())) } else { String::new() }
    }

    fn set_local(&self) -> String {
        let Incarnations { first, current } = self.incarnations();
        // The edit was made on top of what the older incarnation did last.
        let seen = if first == current {
            String::new()
        } else {
            format!(
                "\n    seen = CASE WHEN local_version IS NOT NULL AND local_incarnation IS NOT {} \
                 THEN trim(seen || ' ' || coalesce(local_incarnation, {}) || ':' || local_version) \
                 ELSE seen END,",
                text(current.as_str()),
                text(first.as_str())
            )
        };
        format!(
            "{seen}\n    local_version = excluded.local_version,\n    local_incarnation = excluded.local_incarnation,\
             \n    changed_at = excluded.changed_at,\
             \n    change_kind = CASE WHEN change_kind = 'restored' THEN 'restored' END,\
             \n    inside_apply = excluded.inside_apply,\n    is_tombstone = excluded.is_tombstone"
        )
    }

    fn key_definitions(&self) -> String {
        let alias = self.catalog.rowid_alias().is_some();
        let parts: Vec<String> = self
            .catalog
            .key
            .iter()
            .zip(&self.tracking_key)
            .map(|(at, name)| {
                if alias {
                    return format!("{name} INTEGER NOT NULL");
                }
                let column = &self.catalog.columns[*at];
                let declared = if self.catalog.strict && column.declared.eq_ignore_ascii_case("ANY") {
                    // In a table that is not STRICT, ANY has another meaning.
                    "BLOB"
                } else {
                    stable_type(&column.declared)
                };
                format!("{name} {declared} COLLATE BINARY NOT NULL")
            })
            .collect();
        parts.join(",\n  ")
    }

    fn sided(&self, side: &str, names: &[String]) -> String {
        names.iter().map(|name| format!("{side}.{name}")).collect::<Vec<_>>().join(", ")
    }

    /// Whether the tracking row `t` is that of the key on `side`. The left side's collation counts: binary.
    fn tracking_is(&self, side: &str, names: &[String]) -> String {
        let parts =
            self.tracking_key.iter().zip(names).map(|(ours, theirs)| format!("t.{ours} = {side}.{theirs}"));
        parts.collect::<Vec<_>>().join(" AND ")
    }

    /// Whether the base row `b` has the key on `side`, byte for byte. The plain comparison finds it by the key's
    /// own index.
    fn base_is(&self, side: &str, names: &[String]) -> String {
        let mut parts = Vec::new();
        for ((base, other), collated) in self.key.iter().zip(names).zip(&self.collated) {
            parts.push(format!("b.{base} = {side}.{other}"));
            if *collated {
                parts.push(format!("b.{base} COLLATE BINARY = {side}.{other}"));
            }
        }
        parts.join(" AND ")
    }

    /// Whether an update changes a column, byte for byte: equal numbers of unlike storage classes differ.
    fn changed(&self, name: &str) -> String {
        let quoted = identifier(name);
        let differs = format!("NEW.{quoted} COLLATE BINARY IS NOT OLD.{quoted}");
        let Some(at) = self.catalog.position(name) else { return differs };
        let affinity = Affinity::of(&self.catalog.columns[at].declared);
        let one_class =
            matches!(affinity, Affinity::Text | Affinity::Real) || self.catalog.rowid_alias() == Some(at);
        if one_class { differs } else { format!("{differs} OR typeof(NEW.{quoted}) <> typeof(OLD.{quoted})") }
    }

    /// Whether there is a row that `own` is about to replace, and the statements that note it, one for each slot.
    fn note_replaced(&self, own: &str, update: bool) -> (String, String) {
        let own_key: Vec<String> =
            self.key.iter().map(|name| format!("b.{name} COLLATE BINARY IS {own}.{name}")).collect();
        let is_set: String = self.nullable.iter().map(|name| format!(" AND b.{name} IS NOT NULL")).collect();
        let mut conditions = Vec::with_capacity(self.slots.len());
        let mut statements = Vec::with_capacity(self.slots.len());
        for slot in self.slots.iter().filter(|slot| update || slot.by_insert) {
            let row = format!("{} AND NOT ({}){is_set}", slot.same, own_key.join(" AND "));
            let exists = format!("EXISTS (SELECT 1 FROM {} AS b WHERE {row})", self.table.base);
            conditions.push(match &slot.changed {
                Some(changed) if update => format!("({changed}) AND {exists}"),
                _ => exists,
            });
            let values = [("probe", slot.probe.as_str()), ("would_be_replaced", row.as_str())];
            statements.push(self.fill(include_str!("sql/note_replaced.sql"), &values));
        }
        (conditions.join("\nOR "), statements.join("\n"))
    }

    /// All ways in which a row can replace a row without a word.
    fn find_slots(&self) -> Vec<Slot> {
        let mut slots = Vec::new();
        for index in &self.catalog.indexes {
            if index.unique
                && !index.of_key
                && let Some(slot) = self.index_slot(index, slots.len())
            {
                slots.push(slot);
            }
        }
        let collated = self.collated.contains(&true);
        // Who takes a row's key needs no note of it, unless the delete of that row takes it along.
        let cascades = |key: &CatalogForeignKey| key.on_delete.eq_ignore_ascii_case("CASCADE");
        if collated || self.catalog.foreign_keys.iter().any(cascades) {
            slots.push(self.key_slot(slots.len(), collated));
        }
        if let (Some(rowid), None) = (self.catalog.rowid_name(), self.catalog.rowid_alias()) {
            slots.push(Slot {
                by_insert: true,
                probe: format!("'{}:' || NEW.{rowid}", slots.len()),
                // Where the statement does not name it, NEW's rowid is -1 at this point.
                same: format!("b.{rowid} = NEW.{rowid}"),
                changed: Some(format!("NEW.{rowid} <> OLD.{rowid}")),
            });
        }
        slots
    }

    /// A row whose key is equal, to an insert only by the key's collation.
    fn key_slot(&self, number: usize, by_insert: bool) -> Slot {
        let same: Vec<String> = self.key.iter().map(|name| format!("b.{name} = NEW.{name}")).collect();
        let changed = self.catalog.key.iter().map(|at| self.changed(&self.catalog.columns[*at].name));
        Slot {
            by_insert,
            probe: probe(number, self.key.iter().map(|name| format!("quote(NEW.{name})"))),
            same: same.join(" AND "),
            changed: Some(changed.collect::<Vec<_>>().join(" OR ")),
        }
    }

    fn index_slot(&self, index: &CatalogIndex, number: usize) -> Option<Slot> {
        let in_index = |name: &str| {
            index.columns.iter().zip(&index.collations).any(|(column, collation)| {
                column.as_deref().is_some_and(|column| column.eq_ignore_ascii_case(name))
                    && collation.eq_ignore_ascii_case("BINARY")
            })
        };
        // Two rows of unlike keys cannot be equal in an index that contains the key.
        if self.catalog.key.iter().all(|at| in_index(&self.catalog.columns[*at].name)) {
            return None;
        }
        let parts = index.sql.as_deref().and_then(lexer::index_parts);
        let mut same = Vec::new();
        let mut probes = Vec::new();
        let mut changes = Some(Vec::new());
        for (place, (column, collation)) in index.columns.iter().zip(&index.collations).enumerate() {
            let collation = identifier(collation);
            if let Some(column) = column {
                let quoted = identifier(column);
                same.push(format!("b.{quoted} COLLATE {collation} = NEW.{quoted}"));
                probes.push(format!("quote(NEW.{quoted})"));
                if let Some(changes) = &mut changes {
                    changes.push(self.changed(column));
                }
            } else {
                // The expression's names stand for the row's columns on either side.
                let expression = parts.as_ref().and_then(|(terms, _)| terms.get(place))?;
                let new = format!("(SELECT {expression} FROM (SELECT {}))", self.new_columns());
                same.push(format!("({expression}) COLLATE {collation} = {new}"));
                probes.push(format!("quote({new})"));
                changes = None;
            }
        }
        if index.partial {
            // Rows outside of the predicate do not stand in the way. Whether NEW is inside does not matter: what is
            // not replaced is no change in the end.
            let predicate = parts.as_ref().and_then(|(_, predicate)| predicate.as_deref())?;
            same.push(format!("({predicate})"));
            changes = None;
        }
        Some(Slot {
            by_insert: true,
            probe: probe(number, probes.into_iter()),
            same: same.join(" AND "),
            changed: changes.map(|changes| changes.join(" OR ")),
        })
    }

    fn new_columns(&self) -> String {
        let parts = self.catalog.columns.iter().map(|column| {
            let quoted = identifier(&column.name);
            format!("NEW.{quoted} AS {quoted}")
        });
        parts.collect::<Vec<_>>().join(", ")
    }
}

struct Incarnations<'a> {
    first: &'a Incarnation,
    current: &'a Incarnation,
}

fn probe(number: usize, values: impl Iterator<Item = String>) -> String {
    let mut out = format!("'{number}'");
    for value in values {
        out.push_str(" || ':' || ");
        out.push_str(&value);
    }
    out
}

/// A declared type that can be written again as it is, or one of the same affinity.
fn stable_type(declared: &str) -> &str {
    let plain =
        declared.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '(' | ')' | ','));
    let reserved = declared.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| {
        ["GENERATED", "CONSTRAINT", "COLLATE", "DEFAULT"].iter().any(|name| word.eq_ignore_ascii_case(name))
    });
    if plain && !reserved {
        return declared;
    }
    match Affinity::of(declared) {
        Affinity::Integer => "INT",
        Affinity::Text => "TEXT",
        Affinity::Blob => "BLOB",
        Affinity::Real => "REAL",
        Affinity::Numeric => "NUMERIC",
    }
}
