//! A new life of a file that went back in time.
//!
//! One transaction makes the triggers name their versions after it, gives what is in doubt new versions, and stores the
//! token. Versions in doubt are moved up by one amount, which keeps their order and needs no look at single rows: the
//! first then lies above the last version that was given.

use super::SqliteMember;
use super::failure::failed;
use super::poll::highest_version;
use super::provision::{self, Identity};
use super::states;
use super::table::BoundTable;
use super::token::{read_token, write_token, wrong_token};
use crate::{Begun, NewIncarnation, Result};
use rusqlite::{Connection, TransactionBehavior, params};
use std::sync::Arc;
use tributary_model::{ChangeKind, Incarnation};

const ACTION: &str = "begin a new incarnation";

/// The last version that nobody's trigger gave.
const FIRST: u64 = 1;

/// Begins it.
pub(super) fn begin(member: &mut SqliteMember, new: &NewIncarnation) -> Result<Begun> {
    states::refresh(member)?;
    for table in 0..member.tables.len() {
        member.ready(table)?;
    }
    let begun = run(member, new);
    states::forget(member);
    let begun = begun?;
    states::refresh(member)?;
    Ok(begun)
}

fn run(member: &mut SqliteMember, new: &NewIncarnation) -> Result<Begun> {
    let path = Arc::clone(&member.path);
    let transaction = member
        .connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(failed(&path, ACTION))?;
    let stored = read_token(&transaction, &path)?;
    let found = stored.as_ref().map(|token| token.id);
    if found != new.expected {
        return Err(wrong_token(&member.id, &path, new.expected, found));
    }
    let sure = stored.map_or(FIRST, |token| token.highest_version);
    let given = highest_version(&transaction, &path)?;
    let life = Life {
        connection: &transaction,
        name: Incarnation::numbered(&member.id, new.number),
        sure,
        by: given.saturating_sub(sure),
    };
    let highest = given + life.by;
    let write = || {
        for table in &member.tables {
            life.write_down(table)?;
        }
        transaction.execute("UPDATE \"DataSync_dss_counter\" SET version = ?1 WHERE id = 1", [highest])?;
        write_token(&transaction, &new.token, highest)
    };
    write().map_err(failed(&path, ACTION))?;
    let direction = member.settings.direction;
    let identity = Identity { member: &member.id, group: &member.group, direction };
    provision::renew(&transaction, &path, &mut member.tables, &identity)?;
    let mut restated = 0;
    for table in &member.tables {
        restated += life.restate(table).map_err(failed(&path, ACTION))?;
    }
    transaction.commit().map_err(failed(&path, ACTION))?;
    Ok(Begun { restated, highest })
}

/// The new life, as its statements need it.
struct Life<'a> {
    connection: &'a Connection,
    name: Incarnation,
    /// The last version that is not in doubt.
    sure: u64,
    /// By how much those that are move up.
    by: u64,
}

impl Life<'_> {
    /// A table whose first scan has not begun: nobody can know whether its rows are those that were scanned, so that they
    /// become this life's. Changes that are known keep their name.
    fn write_down(&self, table: &BoundTable) -> rusqlite::Result<()> {
        let name = table.binding.schema.name.as_str();
        let sql = "UPDATE \"DataSync_dss_tables\" SET first_incarnation = ?2 \
                   WHERE table_name = ?1 AND scan_claim = 'pending'";
        if self.connection.execute(sql, params![name, self.name.as_str()])? > 0 {
            let sql = format!(
                "UPDATE {} SET local_incarnation = ?1 WHERE local_version <= ?2 AND local_incarnation IS NULL",
                table.tracking
            );
            self.connection.execute(&sql, params![table.first_incarnation.as_str(), self.sure])?;
        }
        let sql = "UPDATE \"DataSync_dss_tables\" SET incarnation = ?2 WHERE table_name = ?1";
        self.connection.execute(sql, params![name, self.name.as_str()])?;
        Ok(())
    }

    fn restate(&self, table: &BoundTable) -> rusqlite::Result<u64> {
        let sql = format!(
            "UPDATE {} SET local_version = local_version + ?2, local_incarnation = ?3, change_kind = ?4 \
             WHERE local_version > ?1",
            table.tracking
        );
        let kind = ChangeKind::Restated.as_str();
        let rows = self.connection.execute(&sql, params![self.sure, self.by, self.name.as_str(), kind])?;
        Ok(rows as u64)
    }
}
