//! What SQLite says about its tables: columns, keys, indexes, foreign keys, triggers, read from its pragmas.
//!
//! Decides nothing; what a finding means is [`super::inspect`]'s matter.

use super::failure::failed;
use super::lexer;
use crate::Result;
use rusqlite::{Connection, OptionalExtension as _};
use std::path::Path;

/// A table as SQLite describes it.
#[derive(Debug, Clone)]
pub(crate) struct CatalogTable {
    /// Its name.
    pub(crate) name: String,
    /// Its definition.
    pub(crate) sql: String,
    /// `table`, `virtual`, `shadow` or `view`.
    pub(crate) kind: String,
    /// Whether it has no rowid.
    pub(crate) without_rowid: bool,
    /// Whether SQLite enforces the declared types.
    pub(crate) strict: bool,
    /// Its columns, in order, generated ones included.
    pub(crate) columns: Vec<CatalogColumn>,
    /// Positions of the primary key's columns in `columns`, in key order.
    pub(crate) key: Vec<usize>,
    /// Its indexes.
    pub(crate) indexes: Vec<CatalogIndex>,
    /// Its foreign keys, in the order of their definition.
    pub(crate) foreign_keys: Vec<CatalogForeignKey>,
}

/// A column.
#[derive(Debug, Clone)]
pub(crate) struct CatalogColumn {
    /// Its name.
    pub(crate) name: String,
    /// The type as declared; empty without one.
    pub(crate) declared: String,
    /// Whether it has NOT NULL.
    pub(crate) not_null: bool,
    /// Its default's text.
    pub(crate) default: Option<String>,
    /// Whether it is generated.
    pub(crate) generated: bool,
    /// The collation it compares with.
    pub(crate) collation: String,
}

/// An index.
#[derive(Debug, Clone)]
pub(crate) struct CatalogIndex {
    /// Its name.
    pub(crate) name: String,
    /// Whether it is unique.
    pub(crate) unique: bool,
    /// Whether it is the primary key's.
    pub(crate) of_key: bool,
    /// Whether it covers only some of the rows.
    pub(crate) partial: bool,
    /// Its columns by name; `None` is an expression.
    pub(crate) columns: Vec<Option<String>>,
    /// The collation of each of its columns.
    pub(crate) collations: Vec<String>,
    /// Its definition, where it has one of its own.
    pub(crate) sql: Option<String>,
}

/// A foreign key.
#[derive(Debug, Clone)]
pub(crate) struct CatalogForeignKey {
    /// The table referred to.
    pub(crate) references: String,
    /// The referring columns.
    pub(crate) columns: Vec<String>,
    /// The columns referred to; empty when left out.
    pub(crate) referenced: Vec<String>,
    /// The action as SQLite names it.
    pub(crate) on_delete: String,
    /// Whether it is checked at commit.
    pub(crate) deferred: bool,
}

impl CatalogTable {
    /// The position of the column called `name`, compared as SQLite compares names.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The column that is the rowid, in a table whose key is one INTEGER.
    pub(crate) fn rowid_alias(&self) -> Option<usize> {
        match self.key.as_slice() {
            [only] if !self.without_rowid && !self.indexes.iter().any(|index| index.of_key) => Some(*only),
            _ => None,
        }
    }

    /// A name by which the rowid can be reached, if the table has one that no column hides.
    pub(crate) fn rowid_name(&self) -> Option<&'static str> {
        if self.without_rowid {
            return None;
        }
        ["_rowid_", "rowid", "oid"].into_iter().find(|name| self.position(name).is_none())
    }

    /// Whether a key column may be NULL: only INTEGER PRIMARY KEY, WITHOUT ROWID and NOT NULL keep it out.
    pub(crate) fn nullable_key_columns(&self) -> Vec<usize> {
        if self.without_rowid || self.rowid_alias().is_some() {
            return Vec::new();
        }
        self.key.iter().copied().filter(|at| !self.columns[*at].not_null).collect()
    }
}

/// The names of all tables and views of the file, SQLite's own left out, with kind, WITHOUT ROWID and STRICT.
pub(crate) fn table_list(connection: &Connection, path: &Path) -> Result<Vec<(String, String, bool, bool)>> {
    let action = "list its tables";
    let mut statement = connection
        .prepare_cached(
            "SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
        )
        .map_err(failed(path, action))?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .map_err(failed(path, action))?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed(path, action))
}

/// The table of this name, compared without case; `None` when there is none.
pub(crate) fn table(connection: &Connection, path: &Path, name: &str) -> Result<Option<CatalogTable>> {
    let read = |source| super::failure::classify(path, "describe a table", source);
    let found = connection
        .prepare_cached(
            "SELECT l.name, l.type, l.wr, l.strict, s.sql FROM pragma_table_list AS l \
             JOIN sqlite_schema AS s ON s.name = l.name AND s.type IN ('table', 'view') \
             WHERE l.schema = 'main' AND l.name = ?1 COLLATE NOCASE",
        )
        .and_then(|mut statement| {
            statement
                .query_row([name], |row| {
                    Ok(CatalogTable {
                        name: row.get(0)?,
                        kind: row.get(1)?,
                        without_rowid: row.get(2)?,
                        strict: row.get(3)?,
                        sql: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
                        columns: Vec::new(),
                        key: Vec::new(),
                        indexes: Vec::new(),
                        foreign_keys: Vec::new(),
                    })
                })
                .optional()
        })
        .map_err(read)?;
    let Some(mut table) = found else { return Ok(None) };
    if table.kind == "table" {
        read_columns(connection, &mut table).map_err(read)?;
        read_indexes(connection, &mut table).map_err(read)?;
        read_foreign_keys(connection, &mut table).map_err(read)?;
    }
    Ok(Some(table))
}

fn read_columns(connection: &Connection, table: &mut CatalogTable) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1) ORDER BY cid",
    )?;
    let mut rows = statement.query([&table.name])?;
    let mut key: Vec<(i64, usize)> = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let place: i64 = row.get(4)?;
        if place > 0 {
            key.push((place, table.columns.len()));
        }
        let (_, collation, ..) =
            connection.column_metadata(Some("main"), table.name.as_str(), name.as_str())?;
        let collation = collation.map_or_else(|| "BINARY".into(), |text| text.to_string_lossy().into_owned());
        table.columns.push(CatalogColumn {
            name,
            declared: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            not_null: row.get(2)?,
            default: row.get(3)?,
            generated: row.get::<_, i64>(5)? >= 2,
            collation,
        });
    }
    key.sort_unstable();
    table.key = key.into_iter().map(|(_, at)| at).collect();
    Ok(())
}

fn read_indexes(connection: &Connection, table: &mut CatalogTable) -> rusqlite::Result<()> {
    let mut list = connection.prepare_cached(
        "SELECT l.name, l.\"unique\", l.origin, l.partial, s.sql FROM pragma_index_list(?1) AS l \
         LEFT JOIN sqlite_schema AS s ON s.type = 'index' AND s.name = l.name ORDER BY l.name",
    )?;
    let mut columns = connection
        .prepare_cached("SELECT name, coll FROM pragma_index_xinfo(?1) WHERE key = 1 ORDER BY seqno")?;
    let mut rows = list.query([&table.name])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(0)?;
        let mut index = CatalogIndex {
            unique: row.get(1)?,
            of_key: row.get::<_, String>(2)? == "pk",
            partial: row.get(3)?,
            sql: row.get(4)?,
            columns: Vec::new(),
            collations: Vec::new(),
            name,
        };
        let mut parts = columns.query([&index.name])?;
        while let Some(part) = parts.next()? {
            index.columns.push(part.get(0)?);
            index.collations.push(part.get::<_, Option<String>>(1)?.unwrap_or_else(|| "BINARY".to_owned()));
        }
        table.indexes.push(index);
    }
    Ok(())
}

fn read_foreign_keys(connection: &Connection, table: &mut CatalogTable) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT id, \"table\", \"from\", \"to\", on_delete FROM pragma_foreign_key_list(?1) ORDER BY id DESC, seq",
    )?;
    let mut rows = statement.query([&table.name])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        if last != Some(id) {
            table.foreign_keys.push(CatalogForeignKey {
                references: row.get(1)?,
                columns: Vec::new(),
                referenced: Vec::new(),
                on_delete: row.get(4)?,
                deferred: false,
            });
            last = Some(id);
        }
        if let Some(key) = table.foreign_keys.last_mut() {
            key.columns.push(row.get(2)?);
            if let Some(to) = row.get::<_, Option<String>>(3)? {
                key.referenced.push(to);
            }
        }
    }
    // The pragma does not tell; the definitions stand in the same order in the table's text.
    let deferred = lexer::deferred_foreign_keys(&table.sql);
    if deferred.len() == table.foreign_keys.len() {
        for (key, deferred) in table.foreign_keys.iter_mut().zip(deferred) {
            key.deferred = deferred;
        }
    }
    Ok(())
}

/// Name and definition of every trigger on a table.
pub(crate) fn triggers(connection: &Connection, path: &Path, table: &str) -> Result<Vec<(String, String)>> {
    let read = |source| super::failure::classify(path, "list a table's triggers", source);
    let mut statement = connection
        .prepare_cached(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE \
             ORDER BY name",
        )
        .map_err(read)?;
    let rows = statement.query_map([table], |row| Ok((row.get(0)?, row.get(1)?))).map_err(read)?;
    rows.collect::<rusqlite::Result<_>>().map_err(read)
}

/// SQLite's number of the schema; changes with every change of it.
pub(crate) fn schema_version(connection: &Connection, path: &Path) -> Result<i64> {
    connection
        .prepare_cached("PRAGMA schema_version")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(failed(path, "read its schema version"))
}

/// Whether a table of this name is there.
pub(crate) fn exists(connection: &Connection, path: &Path, name: &str) -> Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE)",
        )
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)))
        .map_err(failed(path, "look up a table"))
}
