//! A look at all that belongs to the bound tables: the tables themselves, and which of our objects are there.

use super::catalog::{self, CatalogTable, Which};
use super::cells::{flag, integer, optional_integer, optional_text, text};
use super::names::OUR_SCHEMA;
use super::objects::{Object, ObjectKind, has_tracking_key, same_definition};
use super::quote::{self, qualified};
use super::session::Session;
use super::table::BoundTable;
use crate::template::fill;
use crate::{Error, Result};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The numbers of the bound tables and of their tracking tables, by position; `None` where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ids {
    /// The tables.
    pub(super) bases: Vec<Option<i64>>,
    /// Their tracking tables.
    pub(super) tracking: Vec<Option<i64>>,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The numbers of what was looked at.
    pub(super) ids: Ids,
    /// The bound tables, by position; `None` where there is none.
    pub(super) bases: Vec<Option<CatalogTable>>,
    /// Our tracking tables, by position.
    tracking: Vec<Option<CatalogTable>>,
    /// Everything in our schema, and modules elsewhere, by schema and name in small letters: type and definition.
    ours: HashMap<(String, String), (String, Option<String>)>,
    /// Indexes in our schema: table in small letters, and columns.
    indexes: HashSet<(String, Vec<String>)>,
    /// Whether our schema is there.
    schema: bool,
}

/// How what is there compares with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Has {
    /// Nothing has its name.
    Missing,
    /// It is there.
    Same,
    /// One of ours, as another version of this program or of the table wrote it.
    Other,
    /// Something that is not ours has its name.
    Foreign,
}

fn folded(schema: &str, name: &str) -> (String, String) {
    (schema.to_lowercase(), name.to_lowercase())
}

/// Whether a table of this name is in our schema.
pub(super) async fn is_there(session: &mut Session, name: &str) -> Result<bool> {
    let sql = format!("SELECT OBJECT_ID({}, N'U')", quote::text(&qualified(OUR_SCHEMA, name)));
    let row = session.row("look up a table", &sql, Vec::new()).await?;
    Ok(row.as_deref().is_some_and(|row| matches!(optional_integer(row, 0), Ok(Some(_)))))
}

/// Looks up what the bound tables and their tracking tables are called by the server.
pub(super) async fn ids(session: &mut Session, tables: &[BoundTable]) -> Result<Ids> {
    let mut names: Vec<(String, String)> = Vec::with_capacity(tables.len() * 2);
    names.extend(tables.iter().map(|table| (table.schema.clone(), table.binding.local_table.clone())));
    names.extend(tables.iter().map(|table| (OUR_SCHEMA.to_owned(), table.names.tracking.clone())));
    let mut bases = catalog::object_ids(session, &names).await?;
    let tracking = bases.split_off(tables.len());
    Ok(Ids { bases, tracking })
}

/// Looks.
pub(super) async fn look(session: &mut Session, tables: &[BoundTable]) -> Result<Found> {
    let ids = ids(session, tables).await?;
    let known: Vec<i64> = ids.bases.iter().chain(&ids.tracking).flatten().copied().collect();
    let mut by_id: HashMap<i64, CatalogTable> = HashMap::new();
    for table in catalog::tables(session, Which::Only(&known)).await? {
        by_id.insert(table.id, table);
    }
    let table = |id: &Option<i64>| id.and_then(|id| by_id.get(&id).cloned());
    let mut found = Found {
        bases: ids.bases.iter().map(table).collect(),
        tracking: ids.tracking.iter().map(table).collect(),
        ids,
        ..Found::default()
    };
    let sets =
        session.results("look at its sync objects", &fill(include_str!("sql/look_ours.sql"), &[])).await?;
    let damaged = |reason: String| Error::Damaged {
        place: session.whose().place.clone(),
        object: "the catalog (sys.*)".to_owned(),
        reason,
    };
    let [schema, objects, indexes] = sets.as_slice() else {
        return Err(damaged(format!("{} result sets, where there should be 3", sets.len())));
    };
    found.schema = schema.first().is_some_and(|row| flag(row, 0).unwrap_or(false));
    for row in objects {
        let name = folded(&text(row, 0).map_err(&damaged)?, &text(row, 1).map_err(&damaged)?);
        let kind = text(row, 2).map_err(&damaged)?.trim().to_owned();
        found.ours.insert(name, (kind, optional_text(row, 3).map_err(&damaged)?));
    }
    let mut columns: BTreeMap<(String, i64), Vec<String>> = BTreeMap::new();
    for row in indexes {
        let index = (text(row, 0).map_err(&damaged)?.to_lowercase(), integer(row, 1).map_err(&damaged)?);
        columns.entry(index).or_default().push(text(row, 2).map_err(&damaged)?.to_lowercase());
    }
    found.indexes = columns.into_iter().map(|((table, _), columns)| (table, columns)).collect();
    for base in found.bases.iter().flatten() {
        for trigger in &base.triggers {
            found.ours.insert(folded(&base.schema, &trigger.name), ("TR".to_owned(), trigger.sql.clone()));
        }
    }
    Ok(found)
}

impl Found {
    /// Whether an object is there. `table`: whose it is, with its position in the bindings.
    pub(super) fn has(&self, object: &Object, table: Option<(usize, &BoundTable)>) -> Has {
        if object.kind == ObjectKind::Schema {
            return if self.schema { Has::Same } else { Has::Missing };
        }
        if object.kind == ObjectKind::Index {
            let on = object.on.as_deref().unwrap_or_default();
            let columns = object.columns.iter().map(|column| (*column).to_owned()).collect();
            let there = self.indexes.contains(&(on.to_lowercase(), columns));
            return if there { Has::Same } else { Has::Missing };
        }
        let Some((kind, definition)) = self.ours.get(&folded(&object.schema, &object.name)) else {
            return Has::Missing;
        };
        let expected = match object.kind {
            ObjectKind::Sequence => "SO",
            ObjectKind::Table => "U",
            ObjectKind::Trigger => "TR",
            ObjectKind::Procedure => "P",
            ObjectKind::Schema | ObjectKind::Index => "",
        };
        if kind != expected {
            return Has::Foreign;
        }
        match object.kind {
            ObjectKind::Trigger | ObjectKind::Procedure => match definition.as_deref() {
                Some(sql) if same_definition(&object.sql, sql) => Has::Same,
                Some(sql) if sql.contains(super::objects::MARK) => Has::Other,
                _ => Has::Foreign,
            },
            ObjectKind::Table => table.map_or(Has::Same, |(at, table)| self.has_tracking(at, table)),
            _ => Has::Same,
        }
    }

    /// Whether the table that has the name of a tracking table is one, for this very key.
    fn has_tracking(&self, at: usize, table: &BoundTable) -> Has {
        let Some(found) = self.tracking.get(at).and_then(Option::as_ref) else { return Has::Foreign };
        let columns = found.columns.iter().map(|column| column.name.as_str());
        let key: Vec<&str> = found.key.iter().map(|at| found.columns[*at].name.as_str()).collect();
        if has_tracking_key(table, columns, &key) { Has::Same } else { Has::Foreign }
    }

    /// Whether a sequence of this name is in our schema.
    pub(super) fn has_sequence(&self, name: &str) -> bool {
        self.ours.get(&folded(OUR_SCHEMA, name)).is_some_and(|(kind, _)| kind == "SO")
    }

    /// Whether a table of this name is in our schema.
    pub(super) fn has_table(&self, name: &str) -> bool {
        self.ours.get(&folded(OUR_SCHEMA, name)).is_some_and(|(kind, _)| kind == "U")
    }

    /// Whether a trigger or procedure of this name is ours.
    pub(super) fn is_ours(&self, schema: &str, name: &str) -> bool {
        let found = self.ours.get(&folded(schema, name));
        found.is_some_and(|(_, sql)| sql.as_deref().is_some_and(|sql| sql.contains(super::objects::MARK)))
    }

    /// The tracking tables in our schema, of all tables.
    pub(super) fn tracking_tables(&self) -> impl Iterator<Item = &str> {
        let ours = self.ours.iter().filter(|((schema, _), _)| *schema == OUR_SCHEMA.to_lowercase());
        ours.filter(|((_, name), (kind, _))| kind == "U" && name.ends_with("_dss_tracking"))
            .map(|((_, name), _)| name.as_str())
    }

    /// What stands under an object's name, in words.
    pub(super) fn what(&self, object: &Object) -> &'static str {
        match self.ours.get(&folded(&object.schema, &object.name)).map(|(kind, _)| kind.as_str()) {
            Some("U") => "table",
            Some("V") => "view",
            Some("P") => "procedure",
            Some("TR") => "trigger",
            Some("SO") => "sequence",
            Some("SN") => "synonym",
            Some("FN" | "IF" | "TF") => "function",
            _ => "object",
        }
    }
}

/// Every object in our schema and every trigger of ours anywhere: (schema, name, type, definition), in the order in
/// which they can be dropped.
pub(super) async fn all_ours(session: &mut Session) -> Result<Vec<(String, String, String, Option<String>)>> {
    let sql = fill(include_str!("sql/look_all.sql"), &[]);
    let rows = session.query("list its sync objects", &sql, Vec::new()).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        let read = || {
            Ok((text(&row, 0)?, text(&row, 1)?, text(&row, 2)?.trim().to_owned(), optional_text(&row, 3)?))
        };
        found.push(read().map_err(|reason: String| Error::Damaged {
            place: session.whose().place.clone(),
            object: "the catalog (sys.*)".to_owned(),
            reason,
        })?);
    }
    Ok(found)
}

/// The number of rows of a query that gives one, 0 where it gives none.
pub(super) async fn number(session: &mut Session, action: &'static str, sql: &str) -> Result<i64> {
    let row = session.row(action, sql, Vec::new()).await?;
    Ok(row.as_deref().and_then(|row| integer(row, 0).ok()).unwrap_or(0))
}
