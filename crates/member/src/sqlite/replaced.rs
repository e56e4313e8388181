//! Rows that a user's statement has replaced without coming to its end.
//!
//! The triggers before a statement note the rows that it may replace, those after it settle the notes. An update whose
//! own row goes in between, because a cascade from the row that it replaces takes it along, has no triggers after it.
//! Its notes are settled here, before anybody looks at the tracking rows or relies on them: a row that is gone and that
//! no delete trigger has told of was replaced. Other statements leave notes, too (`OR IGNORE`), which come to nothing.

use super::failure::failed;
use super::table::BoundTable;
use super::{SqliteMember, objects, states};
use crate::{Result, TableState};
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

const ACTION: &str = "settle what statements have replaced";

/// Settles the notes of a table, in a transaction of its own if there are any.
pub(super) fn settle(member: &mut SqliteMember, table: usize) -> Result<()> {
    states::refresh(member)?;
    let Some(bound) = member.tables.get(table) else { return Ok(()) };
    if !are_there(&member.connection, &member.path, bound)? {
        return Ok(());
    }
    states::in_transaction(member, TransactionBehavior::Immediate, ACTION, |member, connection| {
        settle_in(connection, &member.path, member.bound(table)?)
    })
}

/// Settles the notes of a table under the write lock.
pub(super) fn settle_in(connection: &Connection, path: &Path, table: &BoundTable) -> Result<()> {
    if !are_there(connection, path, table)? {
        return Ok(());
    }
    let Some(settle) = objects::settle_replaced(table) else { return Ok(()) };
    connection.execute_batch(&settle).map_err(failed(path, ACTION))
}

/// How many deletes [`settle`] would make.
pub(super) fn count(connection: &Connection, path: &Path, table: &BoundTable) -> Result<u64> {
    if !are_there(connection, path, table)? {
        return Ok(0);
    }
    let Some(count) = objects::count_replaced(table) else { return Ok(0) };
    connection
        .query_row(&count, [], |row| row.get(0))
        .map_err(failed(path, "count what statements have replaced"))
}

fn are_there(connection: &Connection, path: &Path, table: &BoundTable) -> Result<bool> {
    let notes = if table.state == TableState::Ready { table.replaced() } else { None };
    let Some(notes) = notes else { return Ok(false) };
    connection
        .prepare_cached(&format!("SELECT EXISTS (SELECT 1 FROM {notes})"))
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(failed(path, ACTION))
}
