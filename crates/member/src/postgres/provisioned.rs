//! What provisioning has written down about each table, to tell later what has become of it.

use super::session::Session;
use super::table::BoundTable;
use crate::Result;
use crate::provisioned::{Manner, ProvisionedColumns};
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

/// How descriptions of this database's tables are compared.
pub(super) const MANNER: Manner = Manner {
    same_name: |a, b| a == b,
    spelt: |declared| format!("{declared:?}"),
    // A trigger's function casts keys to the types that they had.
    misses_other_keys: true,
};

/// What a described table looks like now.
pub(super) fn described(table: &BoundTable) -> ProvisionedColumns {
    let names = table.columns.iter().map(|column| &column.name);
    ProvisionedColumns::of(names, table.key_columns().map(|column| &column.name), |name| {
        let catalog = table.catalog.as_ref()?;
        Some(catalog.columns.get(catalog.position(name)?)?.declared.clone())
    })
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
