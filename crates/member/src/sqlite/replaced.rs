//! Rows that a user's statement has replaced without coming to its end.
//!
//! The triggers before a statement note the rows that it may replace, those after it settle the notes. An update whose
//! own row goes in between, because a cascade from the row that it replaces takes it along, has no triggers after it.
//! Its notes are settled here, before anybody looks at the tracking rows or relies on them: a row that is gone and that
//! no delete trigger has told of was replaced.
//!
//! Other statements leave notes, too, which come to nothing: `INSERT OR IGNORE` of a row whose unique values are taken.
//! Nobody waits for the disk on account of one such note. They are forgotten with whatever capture commits next, or
//! when there are many.

use super::failure::failed;
use super::table::BoundTable;
use super::{SqliteMember, objects, states};
use crate::{Result, TableState};
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

const ACTION: &str = "settle what statements have replaced";

/// So many notes are forgotten for themselves: each look goes through all of them.
const MANY: usize = 256;

/// Whether a table's notes are to be settled before its changes are read.
pub(super) fn are_due(connection: &Connection, path: &Path, table: &BoundTable) -> Result<bool> {
    let Some(notes) = notes(connection, path, table)? else { return Ok(false) };
    Ok(count(connection, path, table)? > 0 || are_many(connection, path, &notes)?)
}

/// Settles the notes of all tables in a transaction of its own.
pub(super) fn settle(member: &mut SqliteMember) -> Result<()> {
    states::in_transaction(member, TransactionBehavior::Immediate, ACTION, |member, connection| {
        settle_in(connection, &member.path, &member.tables)
    })
}

/// Settles the notes of these tables under the write lock.
pub(super) fn settle_in(connection: &Connection, path: &Path, tables: &[BoundTable]) -> Result<()> {
    for table in tables {
        let Some(_) = notes(connection, path, table)? else { continue };
        let Some(settle) = objects::settle_replaced(table) else { continue };
        connection.execute_batch(&settle).map_err(failed(path, ACTION))?;
    }
    Ok(())
}

/// Forgets the notes that have come to nothing, under the write lock. Others stay for the next [`settle`].
pub(super) fn forget(connection: &Connection, path: &Path, tables: &[BoundTable]) -> Result<()> {
    for table in tables {
        let Some(notes) = notes(connection, path, table)? else { continue };
        if count(connection, path, table)? == 0 {
            connection.execute(&format!("DELETE FROM {notes}"), []).map_err(failed(path, ACTION))?;
        }
    }
    Ok(())
}

/// How many deletes settling a table's notes would make.
pub(super) fn count(connection: &Connection, path: &Path, table: &BoundTable) -> Result<u64> {
    let Some(_) = notes(connection, path, table)? else { return Ok(0) };
    let Some(count) = objects::count_replaced(table) else { return Ok(0) };
    connection
        .query_row(&count, [], |row| row.get(0))
        .map_err(failed(path, "count what statements have replaced"))
}

/// The table of the notes, if there are any.
fn notes(connection: &Connection, path: &Path, table: &BoundTable) -> Result<Option<String>> {
    let notes = if table.state == TableState::Ready { table.replaced() } else { None };
    let Some(notes) = notes else { return Ok(None) };
    let any: bool = connection
        .prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM {notes})"))
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(failed(path, ACTION))?;
    Ok(any.then_some(notes))
}

fn are_many(connection: &Connection, path: &Path, notes: &str) -> Result<bool> {
    connection
        .query_row(
            &format!("SELECT count(*) >= {MANY} FROM (SELECT 1 FROM {notes} LIMIT {MANY})"),
            [],
            |row| row.get(0),
        )
        .map_err(failed(path, ACTION))
}
