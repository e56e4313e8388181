//! What PostgreSQL says about its tables: columns, keys, indexes, foreign keys, triggers, read from its catalog.
//!
//! Decides nothing; what a finding means is [`super::inspect`]'s matter. One query a kind of thing, for all tables at
//! once.

use super::quote::qualified;
use super::session::Session;
use crate::Result;
use std::collections::HashMap;
use tokio_postgres::Row;
use tributary_model::OnDelete;

/// The schema of tables for which none is named.
pub(super) const DEFAULT_SCHEMA: &str = "public";

/// The schema of the sync objects.
pub(super) const OUR_SCHEMA: &str = "DataSync";

/// A table as the catalog describes it.
#[derive(Debug, Clone)]
pub(super) struct CatalogTable {
    /// Its object id.
    pub(super) oid: u32,
    /// Its schema.
    pub(super) schema: String,
    /// Its name.
    pub(super) name: String,
    /// The catalog's letter: `r` table, `p` partitioned, `v` view, `m` materialised view, `f` foreign.
    pub(super) kind: String,
    /// Whether it is a partition.
    pub(super) is_partition: bool,
    /// Whether it has parents or children by plain inheritance.
    pub(super) inherits: bool,
    /// Whether it is kept out of the write-ahead log, or is temporary.
    pub(super) persistence: String,
    /// Whether policies may hide rows from others than its owner.
    pub(super) row_security: bool,
    /// Whether they hide them from its owner too.
    pub(super) forced_row_security: bool,
    /// Its owner.
    pub(super) owner: String,
    /// Whether statements on it may be rewritten to others.
    pub(super) has_rules: bool,
    /// Its columns, in order, generated ones included.
    pub(super) columns: Vec<CatalogColumn>,
    /// Positions of the primary key's columns in `columns`, in key order.
    pub(super) key: Vec<usize>,
    /// The primary key's constraint: its object id, and its definition as the server words it.
    pub(super) key_constraint: Option<(u32, String)>,
    /// Whether the primary key is checked at commit.
    pub(super) key_deferrable: bool,
    /// Its indexes.
    pub(super) indexes: Vec<CatalogIndex>,
    /// Its foreign keys, by name.
    pub(super) foreign_keys: Vec<CatalogForeignKey>,
}

/// A column.
#[derive(Debug, Clone)]
pub(super) struct CatalogColumn {
    /// Its name.
    pub(super) name: String,
    /// The type as SQL spells it, with length and precision.
    pub(super) declared: String,
    /// Schema of the type, or of the one that a domain stands for.
    pub(super) base_schema: String,
    /// Name of that type.
    pub(super) base_name: String,
    /// The catalog's letter for it: `b` base, `e` enumeration, `c` composite, `r` range, `m` multirange.
    pub(super) base_kind: String,
    /// Length or precision, packed; -1 without.
    pub(super) type_modifier: i32,
    /// Object id of the type itself.
    pub(super) type_oid: u32,
    /// Whether it has NOT NULL.
    pub(super) not_null: bool,
    /// Its default's text.
    pub(super) default: Option<String>,
    /// Whether it is generated from other columns.
    pub(super) generated: bool,
    /// `a` for GENERATED ALWAYS AS IDENTITY, `d` for BY DEFAULT; empty otherwise.
    pub(super) identity: String,
    /// The collation, quoted with its schema, where the type has one.
    pub(super) collation: Option<String>,
    /// Whether texts that differ may be equal to it.
    pub(super) nondeterministic: bool,
}

/// An index.
#[derive(Debug, Clone)]
pub(super) struct CatalogIndex {
    /// Its name.
    pub(super) name: String,
    /// Whether it is unique.
    pub(super) unique: bool,
    /// Whether it is the primary key's.
    pub(super) of_key: bool,
    /// Whether it covers only some of the rows.
    pub(super) partial: bool,
    /// Whether it is checked at once, and not at the end of the statement or transaction.
    pub(super) immediate: bool,
    /// Whether NULLs count as equal.
    pub(super) nulls_equal: bool,
    /// Its columns by name; `None` is an expression.
    pub(super) columns: Vec<Option<String>>,
}

/// A foreign key.
#[derive(Debug, Clone)]
pub(super) struct CatalogForeignKey {
    /// Its name.
    pub(super) name: String,
    /// The referring table's object id.
    pub(super) table: u32,
    /// The schema of the referring table.
    pub(super) table_schema: String,
    /// The referring table.
    pub(super) table_name: String,
    /// The object id of the table referred to.
    pub(super) references: u32,
    /// Its schema.
    pub(super) references_schema: String,
    /// Its name.
    pub(super) references_name: String,
    /// The referring columns.
    pub(super) columns: Vec<String>,
    /// The columns referred to.
    pub(super) referenced: Vec<String>,
    /// What a delete of the row referred to does.
    pub(super) on_delete: OnDelete,
    /// Whether an update of the columns referred to changes the referring ones.
    pub(super) writes_on_update: bool,
    /// Whether it is checked at commit, unless a transaction says otherwise.
    pub(super) deferred: bool,
}

/// A trigger.
#[derive(Debug, Clone)]
pub(super) struct CatalogTrigger {
    /// Its table's object id.
    pub(super) table: u32,
    /// Its name.
    pub(super) name: String,
    /// Its definition.
    pub(super) sql: String,
    /// When it fires: `O` always but for replication, `A` always, `R` for replication only, `D` never.
    pub(super) enabled: String,
    /// The schema of its function.
    pub(super) function_schema: String,
    /// Its function.
    pub(super) function: String,
}

impl CatalogTable {
    /// The position of the column called `name`.
    pub(super) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Its name as SQL spells it.
    pub(super) fn qualified(&self) -> String {
        qualified(&self.schema, &self.name)
    }
}

/// The users' tables, views and the like: all, or those of these names.
pub(super) async fn tables(
    session: &Session,
    only: Option<&[(String, String)]>,
) -> Result<Vec<CatalogTable>> {
    let action = "describe its tables";
    let schemas: Option<Vec<&str>> =
        only.map(|names| names.iter().map(|(schema, _)| schema.as_str()).collect());
    let names: Option<Vec<&str>> = only.map(|names| names.iter().map(|(_, name)| name.as_str()).collect());
    let rows = session
        .query(action, include_str!("sql/catalog_tables.sql"), &[&schemas, &names, &OUR_SCHEMA])
        .await?;
    let failed = session.origin.failed(action);
    let mut tables = Vec::with_capacity(rows.len());
    for row in &rows {
        tables.push(table_of(row).map_err(&failed)?);
    }
    let oids: Vec<u32> = tables.iter().map(|table| table.oid).collect();
    let place: HashMap<u32, usize> = oids.iter().enumerate().map(|(at, oid)| (*oid, at)).collect();
    for row in session.query(action, include_str!("sql/catalog_columns.sql"), &[&oids]).await? {
        let (oid, column) = column_of(&row).map_err(&failed)?;
        if let Some(at) = place.get(&oid) {
            tables[*at].columns.push(column);
        }
    }
    for row in session.query(action, include_str!("sql/catalog_indexes.sql"), &[&oids]).await? {
        let (oid, index) = index_of(&row).map_err(&failed)?;
        let Some(table) = place.get(&oid).map(|at| &mut tables[*at]) else { continue };
        if index.of_key {
            let names = index.columns.iter().flatten();
            table.key = names.filter_map(|name| table.columns.iter().position(|c| c.name == *name)).collect();
            table.key_deferrable = !index.immediate;
        }
        table.indexes.push(index);
    }
    for key in foreign_keys(session, &oids).await? {
        if let Some(at) = place.get(&key.table) {
            tables[*at].foreign_keys.push(key);
        }
    }
    Ok(tables)
}

/// The foreign keys from and to these tables.
pub(super) async fn foreign_keys(session: &Session, oids: &[u32]) -> Result<Vec<CatalogForeignKey>> {
    let action = "list foreign keys";
    let rows = session.query(action, include_str!("sql/catalog_foreign_keys.sql"), &[&oids]).await?;
    rows.iter()
        .map(foreign_key_of)
        .collect::<std::result::Result<_, _>>()
        .map_err(session.origin.failed(action))
}

/// The triggers of these tables, the server's own for foreign keys left out.
pub(super) async fn triggers(session: &Session, oids: &[u32]) -> Result<Vec<CatalogTrigger>> {
    let action = "list triggers";
    let rows = session.query(action, include_str!("sql/catalog_triggers.sql"), &[&oids]).await?;
    let read = |row: &Row| {
        Ok(CatalogTrigger {
            table: row.try_get(0)?,
            name: row.try_get(1)?,
            sql: row.try_get(2)?,
            enabled: row.try_get(3)?,
            function_schema: row.try_get(4)?,
            function: row.try_get(5)?,
        })
    };
    rows.iter().map(read).collect::<std::result::Result<_, _>>().map_err(session.origin.failed(action))
}

fn table_of(row: &Row) -> std::result::Result<CatalogTable, tokio_postgres::Error> {
    Ok(CatalogTable {
        oid: row.try_get(0)?,
        schema: row.try_get(1)?,
        name: row.try_get(2)?,
        kind: row.try_get(3)?,
        is_partition: row.try_get(4)?,
        inherits: row.try_get(5)?,
        persistence: row.try_get(6)?,
        row_security: row.try_get(7)?,
        forced_row_security: row.try_get(8)?,
        owner: row.try_get(9)?,
        has_rules: row.try_get(12)?,
        columns: Vec::new(),
        key: Vec::new(),
        key_constraint: row.try_get::<_, Option<u32>>(10)?.zip(row.try_get(11)?),
        key_deferrable: false,
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
    })
}

fn column_of(row: &Row) -> std::result::Result<(u32, CatalogColumn), tokio_postgres::Error> {
    let column = CatalogColumn {
        name: row.try_get(2)?,
        declared: row.try_get(3)?,
        base_schema: row.try_get(4)?,
        base_name: row.try_get(5)?,
        base_kind: row.try_get(6)?,
        type_modifier: row.try_get(7)?,
        type_oid: row.try_get(8)?,
        not_null: row.try_get(9)?,
        default: row.try_get(10)?,
        generated: row.try_get(11)?,
        identity: row.try_get(12)?,
        collation: row.try_get(13)?,
        nondeterministic: row.try_get(14)?,
    };
    Ok((row.try_get(0)?, column))
}

fn index_of(row: &Row) -> std::result::Result<(u32, CatalogIndex), tokio_postgres::Error> {
    let index = CatalogIndex {
        name: row.try_get(1)?,
        unique: row.try_get(2)?,
        of_key: row.try_get(3)?,
        partial: row.try_get(4)?,
        immediate: row.try_get(5)?,
        nulls_equal: row.try_get(6)?,
        columns: row.try_get(7)?,
    };
    Ok((row.try_get(0)?, index))
}

fn foreign_key_of(row: &Row) -> std::result::Result<CatalogForeignKey, tokio_postgres::Error> {
    let on_delete: String = row.try_get(9)?;
    Ok(CatalogForeignKey {
        name: row.try_get(0)?,
        table: row.try_get(1)?,
        table_schema: row.try_get(2)?,
        table_name: row.try_get(3)?,
        references: row.try_get(4)?,
        references_schema: row.try_get(5)?,
        references_name: row.try_get(6)?,
        columns: row.try_get(7)?,
        referenced: row.try_get(8)?,
        on_delete: match on_delete.as_str() {
            "c" => OnDelete::Cascade,
            "n" => OnDelete::SetNull,
            "d" => OnDelete::SetDefault,
            _ => OnDelete::Refuse,
        },
        writes_on_update: row.try_get(10)?,
        deferred: row.try_get(11)?,
    })
}
