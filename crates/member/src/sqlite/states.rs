//! Whether each bound table is as provisioned, found anew whenever the file's schema has changed.

use super::failure::failed;
use super::objects::{self, Object};
use super::quote::identifier;
use super::table::{BoundTable, Names};
use super::{SqliteMember, catalog};
use crate::provisioned::{Manner, ProvisionedColumns};
use crate::{Error, Result, TableState};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use std::path::Path;
use tributary_model::Incarnation;

/// What provisioning wrote down about a table.
pub(super) struct ProvisionedTable {
    /// The member's own name of it.
    pub(super) local_table: String,
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

/// How descriptions of this file's tables are compared.
pub(super) const MANNER: Manner = Manner {
    same_name: |a, b| a.eq_ignore_ascii_case(b),
    spelt: |declared| format!("{declared:?}"),
    misses_other_keys: false,
};

/// What a described table looks like now.
pub(super) fn described(table: &BoundTable) -> ProvisionedColumns {
    let names = table.columns.iter().map(|column| &column.name);
    ProvisionedColumns::of(names, table.key_columns().map(|column| &column.name), |name| {
        let catalog = table.catalog.as_ref()?;
        Some(catalog.columns.get(catalog.position(name)?)?.declared.clone())
    })
}

/// Whether each bound table can be worked on.
pub(super) fn table_states(member: &mut SqliteMember) -> Result<Vec<TableState>> {
    refresh(member)?;
    Ok(member.tables.iter().map(|table| table.state.clone()).collect())
}

/// Forgets what is known, after something was rolled back or provisioned.
pub(super) fn forget(member: &mut SqliteMember) {
    member.schema_version = None;
    member.data_version = None;
}

/// Looks at the bound tables again if the schema has changed since the last look.
pub(super) fn refresh(member: &mut SqliteMember) -> Result<()> {
    let version = catalog::schema_version(&member.connection, &member.path)?;
    // The end of a refill changes no schema.
    let refills = member.tables.iter().any(|table| matches!(table.state, TableState::Refills { .. }));
    if member.schema_version == Some(version) && !refills {
        return Ok(());
    }
    member.schema_version = None;
    // One snapshot for all of it.
    let transaction =
        member.connection.unchecked_transaction().map_err(failed(&member.path, "look at its tables"))?;
    let version = catalog::schema_version(&transaction, &member.path)?;
    let provisioned = catalog::exists(&transaction, &member.path, "DataSync_dss_tables")?;
    for table in &mut member.tables {
        table.refill = None;
        let trouble = match table.describe(&transaction, &member.path)? {
            Some(reason) => Some(reason),
            None if !provisioned => Some("the member is not provisioned; run `provision`".to_owned()),
            None => trouble(table, &transaction, &member.path)?,
        };
        table.state = match (trouble, &table.refill) {
            (Some(reason), _) => TableState::Stopped { reason },
            (None, Some(refill)) => TableState::Refills { columns: refill.columns.clone() },
            (None, None) => TableState::Ready,
        };
    }
    transaction.commit().map_err(failed(&member.path, "look at its tables"))?;
    member.provisioned = provisioned;
    member.schema_version = Some(version);
    Ok(())
}

/// Runs `work` in a transaction in which the tables are as they are known: a schema that changed meanwhile is looked
/// at first, so that what has become of a table stops that table and is no error of a statement.
pub(super) fn in_transaction<T>(
    member: &mut SqliteMember,
    behavior: TransactionBehavior,
    action: &'static str,
    work: impl FnOnce(&SqliteMember, &Connection) -> Result<T>,
) -> Result<T> {
    loop {
        refresh(member)?;
        let shared: &SqliteMember = member;
        let transaction =
            Transaction::new_unchecked(&shared.connection, behavior).map_err(failed(&shared.path, action))?;
        if shared.schema_version != Some(catalog::schema_version(&transaction, &shared.path)?) {
            continue;
        }
        let done = work(shared, &transaction)?;
        transaction.commit().map_err(failed(&shared.path, action))?;
        return Ok(done);
    }
}

/// [`in_transaction`] for reading: one snapshot.
pub(super) fn in_snapshot<T>(
    member: &mut SqliteMember,
    action: &'static str,
    work: impl FnOnce(&SqliteMember, &Connection) -> Result<T>,
) -> Result<T> {
    in_transaction(member, TransactionBehavior::Deferred, action, work)
}

/// What stands in the way of working on a described table.
fn trouble(table: &mut BoundTable, connection: &Connection, path: &Path) -> Result<Option<String>> {
    let name = table.binding.schema.name.as_str();
    let Some(stored) = provisioned_table(connection, path, name)? else {
        return Ok(Some("it is not provisioned; run `provision`".to_owned()));
    };
    table.first_incarnation = stored.first_incarnation;
    table.incarnation = stored.incarnation;
    if stored.local_table != table.binding.local_table {
        return Ok(Some(format!(
            "it was provisioned as {:?}; rename it back, or add it to the group anew",
            stored.local_table
        )));
    }
    if stored.generation != table.binding.schema.generation {
        return Ok(Some(format!(
            "it is provisioned for generation {} of its topics, and the group is at {}; run `provision`",
            stored.generation, table.binding.schema.generation
        )));
    }
    let before = stored.columns.unwrap_or_default();
    table.refill.clone_from(&before.refill);
    table.scans = before.scans;
    if let Some(reason) = before.difference(&described(table), &MANNER) {
        return Ok(Some(reason));
    }
    let tracking = Names::of(&table.binding.local_table).tracking;
    let wanted = objects::objects(table);
    table.has_replaced = wanted.iter().any(|object| object.kind == "table" && object.name != tracking);
    for Object { kind, name, sql, .. } in wanted {
        let found: Option<String> = connection
            .prepare_cached(
                "SELECT coalesce(sql, '') FROM sqlite_schema WHERE type = ?1 AND name = ?2 COLLATE NOCASE",
            )
            .and_then(|mut statement| statement.query_row([kind, name.as_str()], |row| row.get(0)).optional())
            .map_err(failed(path, "look at its sync objects"))?;
        let what = match found {
            Some(found) if found == sql => continue,
            // Its text may be that of another version of this program; its columns count.
            Some(_) if name == tracking && is_tracking_of(connection, path, table)? => continue,
            Some(_) => "is not as it was provisioned",
            None => "is missing",
        };
        return Ok(Some(format!(
            "its {kind} {name:?} {what}, so changes may have been missed; run `provision`, then `verify`"
        )));
    }
    Ok(None)
}

/// Whether the table that has the name of a described table's tracking table has its columns and its key.
pub(super) fn is_tracking_of(connection: &Connection, path: &Path, table: &BoundTable) -> Result<bool> {
    let name = Names::of(&table.binding.local_table).tracking;
    let Some(found) = catalog::table(connection, path, &name)? else { return Ok(false) };
    let names: Vec<String> = found.columns.iter().map(|column| column.name.clone()).collect();
    let keys =
        table.key_columns().all(|key| found.key.iter().any(|at| identifier(&names[*at]) == key.tracking));
    Ok(objects::is_tracking(&names) && keys && found.key.len() == table.key.len())
}

/// What provisioning wrote down about the group's table `name`.
pub(super) fn provisioned_table(
    connection: &Connection,
    path: &Path,
    name: &str,
) -> Result<Option<ProvisionedTable>> {
    let damaged = |reason: &str| Error::Damaged {
        place: path.into(),
        object: "\"DataSync_dss_tables\"".to_owned(),
        reason: format!("{reason} of {name:?}"),
    };
    let found = connection
        .prepare_cached(
            "SELECT local_table, generation, first_incarnation, incarnation, columns \
             FROM \"DataSync_dss_tables\" WHERE table_name = ?1",
        )
        .and_then(|mut statement| {
            statement
                .query_row([name], |row| {
                    Ok((
                        row.get::<_, String>(0)?,
                        row.get::<_, u32>(1)?,
                        row.get::<_, String>(2)?,
                        row.get::<_, String>(3)?,
                        row.get::<_, String>(4)?,
                    ))
                })
                .optional()
        })
        .map_err(failed(path, "tell what is provisioned"))?;
    let Some((local_table, generation, first, current, json)) = found else { return Ok(None) };
    Ok(Some(ProvisionedTable {
        local_table,
        generation,
        first_incarnation: Incarnation::parse(&first).map_err(|_| damaged("first_incarnation"))?,
        incarnation: Incarnation::parse(&current).map_err(|_| damaged("incarnation"))?,
        columns: serde_json::from_str(&json).ok(),
        json,
    }))
}

/// Whether anything may have been written since the last call.
///
/// SQLite's data version changes when another connection has committed, and never for this one's own commits, so
/// the rows that this one has written count too: apply may have fired a user's trigger. Only what capture commits
/// itself is no news ([`super::token`]).
pub(super) fn has_news(member: &mut SqliteMember) -> Result<bool> {
    let version: i64 = member
        .connection
        .prepare_cached("PRAGMA data_version")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(failed(&member.path, "tell whether it was written to"))?;
    let now = Some((version, member.connection.total_changes()));
    let news = member.data_version != now;
    // The first look finds what nobody could have told of.
    if member.data_version.is_some() {
        member.bell.looked(news);
    }
    member.data_version = now;
    Ok(news)
}
