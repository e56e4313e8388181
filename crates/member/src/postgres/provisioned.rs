//! What provisioning has written down about each table, to tell later what has become of it.

use super::session::Session;
use super::table::BoundTable;
use crate::Result;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tokio_postgres::Row;
use tributary_model::Incarnation;

/// What provisioning wrote down about a table.
#[derive(Debug, Clone)]
pub(super) struct ProvisionedTable {
    /// The member's own schema of it.
    pub(super) local_schema: String,
    /// The member's own name of it.
    pub(super) local_table: String,
    /// The tracking table's name in our schema.
    pub(super) tracking_table: String,
    /// The triggers' function in our schema.
    pub(super) routine: String,
    /// The generation of its topics.
    pub(super) generation: u32,
    /// The incarnation of tracking rows that name none.
    pub(super) first_incarnation: Incarnation,
    /// The incarnation of versions to come.
    pub(super) incarnation: Incarnation,
    /// What it looked like; `None` if that cannot be read.
    pub(super) columns: Option<ProvisionedColumns>,
    /// The same as stored.
    pub(super) json: String,
}

/// What a table looked like when it was provisioned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ProvisionedColumns {
    /// Name and declared type of every synced column, in the group's order.
    pub(super) columns: Vec<(String, String)>,
    /// The key's columns, in key order.
    pub(super) key: Vec<String>,
}

impl ProvisionedColumns {
    /// As the described table is now.
    pub(super) fn of(table: &BoundTable) -> Self {
        let declared = |name: &str| {
            let catalog = table.catalog.as_ref();
            let column = catalog.and_then(|catalog| catalog.columns.get(catalog.position(name)?));
            column.map_or_else(String::new, |column| column.declared.clone())
        };
        Self {
            columns: table
                .columns
                .iter()
                .map(|column| (column.name.clone(), declared(&column.name)))
                .collect(),
            key: table.key_columns().map(|column| column.name.clone()).collect(),
        }
    }

    /// The key's columns with their declared types, to tell whether tracking rows still name the same cells.
    pub(super) fn key_types(&self) -> Vec<(&str, Option<&str>)> {
        self.key.iter().map(|name| (name.as_str(), find(&self.columns, name))).collect()
    }

    /// What is another now than it was; `None` if nothing is.
    pub(super) fn difference(&self, now: &Self) -> Option<String> {
        if self == now {
            return None;
        }
        if self.key != now.key {
            return Some(format!(
                "its key was ({}) when it was provisioned and is ({}) now; change it back, or add the table to the \
                 group anew",
                self.key.join(", "),
                now.key.join(", ")
            ));
        }
        for (name, declared) in &now.columns {
            match find(&self.columns, name) {
                None => return Some(format!("column {name:?} is not provisioned yet; run `provision`")),
                Some(old) if old != declared && self.key.contains(name) => {
                    return Some(format!(
                        "key column {name:?} was declared as {old:?} when it was provisioned and is {declared:?} now, \
                         so changes were not captured; change it back and run `provision` and `verify`, or add the \
                         table to the group anew"
                    ));
                }
                Some(old) if old != declared => {
                    return Some(format!(
                        "column {name:?} was declared as {old:?} when it was provisioned and is {declared:?} now; \
                         change it back, or run `provision`"
                    ));
                }
                Some(_) => {}
            }
        }
        Some("its synchronised columns are others than when it was provisioned; run `provision`".to_owned())
    }
}

fn find<'a>(columns: &'a [(String, String)], name: &str) -> Option<&'a str> {
    columns.iter().find(|(column, _)| column == name).map(|(_, declared)| declared.as_str())
}

/// What is written down about all tables, by the group's names.
pub(super) async fn all(session: &Session) -> Result<HashMap<String, ProvisionedTable>> {
    let action = "tell what is provisioned";
    let rows = session.query(action, include_str!("sql/tables_read.sql"), &[]).await?;
    let mut tables = HashMap::with_capacity(rows.len());
    for row in rows {
        let texts = read(&row).map_err(session.origin.failed(action))?;
        let damaged =
            |what: &str| session.damaged("\"DataSync\".dss_tables", format!("{what} of {:?}", texts.name));
        let table = ProvisionedTable {
            local_schema: texts.local_schema,
            local_table: texts.local_table,
            tracking_table: texts.tracking_table,
            routine: texts.routine,
            generation: u32::try_from(texts.generation).map_err(|_| damaged("generation"))?,
            first_incarnation: Incarnation::parse(&texts.first).map_err(|_| damaged("first_incarnation"))?,
            incarnation: Incarnation::parse(&texts.current).map_err(|_| damaged("incarnation"))?,
            columns: serde_json::from_str(&texts.json).ok(),
            json: texts.json,
        };
        tables.insert(texts.name, table);
    }
    Ok(tables)
}

struct Texts {
    name: String,
    local_schema: String,
    local_table: String,
    tracking_table: String,
    routine: String,
    generation: i32,
    first: String,
    current: String,
    json: String,
}

fn read(row: &Row) -> std::result::Result<Texts, tokio_postgres::Error> {
    Ok(Texts {
        name: row.try_get(0)?,
        local_schema: row.try_get(1)?,
        local_table: row.try_get(2)?,
        tracking_table: row.try_get(3)?,
        routine: row.try_get(4)?,
        generation: row.try_get(5)?,
        first: row.try_get(6)?,
        current: row.try_get(7)?,
        json: row.try_get(8)?,
    })
}
