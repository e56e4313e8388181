//! What capture commits before it publishes: the token, the claims of first scans, and listings.

use super::failure::failed;
use super::poll::highest_version;
use super::scan::claim_text;
use super::{SqliteMember, replaced, states};
use crate::{CaptureCommit, Error, RefusalKind, Result, Token};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use std::path::Path;
use tributary_model::{MemberId, Ticks};
use uuid::Uuid;

/// Commits token, claims and listings, as a compare-and-set on the token's predecessor.
pub(super) fn commit_capture(member: &mut SqliteMember, commit: &CaptureCommit) -> Result<u64> {
    let named = commit.claims.iter().map(|(table, _)| table);
    let named = named.chain(commit.unpublishable.iter().map(|(table, _)| table));
    for table in named.chain(commit.published.iter().map(|(table, _)| table)) {
        member.bound(*table)?;
    }
    let now = super::clock::clock(member)?;
    let action = "commit capture's token";
    let highest =
        states::in_transaction(member, TransactionBehavior::Immediate, action, |member, connection| {
            member.require_provisioned()?;
            let stored = read_token(connection, &member.path)?.map(|token| token.id);
            if stored != commit.token.previous {
                return Err(wrong_token(&member.id, &member.path, commit.token.previous, stored));
            }
            refuse_refills(member, commit)?;
            let highest = highest_version(connection, &member.path)?;
            let tables: Vec<&str> =
                member.tables.iter().map(|table| table.binding.schema.name.as_str()).collect();
            let write = Write { connection, tables: &tables, now };
            write.all(commit, highest, &member.ended_listings).map_err(failed(&member.path, action))?;
            replaced::forget(connection, &member.path, &member.tables)?;
            Ok(highest)
        })?;
    member.ended_listings.clear();
    // What this commit wrote is no news.
    if let Some((version, _)) = member.data_version {
        member.data_version = Some((version, member.connection.total_changes()));
    }
    Ok(highest)
}

/// What was read of a table before it gained columns is not published after that.
fn refuse_refills(member: &SqliteMember, commit: &CaptureCommit) -> Result<()> {
    let named = commit.published.iter().map(|(table, _)| table);
    for table in named.chain(commit.claims.iter().map(|(table, _)| table)) {
        let bound = member.bound(*table)?;
        if bound.refill.is_some() {
            return Err(Error::TableChanged {
                member: member.id.clone(),
                table: bound.binding.local_table.clone(),
                reason: "it has gained columns, which are being filled".to_owned(),
            });
        }
    }
    Ok(())
}

pub(super) fn wrong_token(
    member: &MemberId,
    path: &Path,
    expected: Option<Uuid>,
    found: Option<Uuid>,
) -> Error {
    let name = |id: Option<Uuid>| id.map_or_else(|| "no token".to_owned(), |id| format!("token {id}"));
    Error::WrongToken {
        member: member.clone(),
        place: path.into(),
        expected: name(expected),
        found: name(found),
    }
}

/// The token as stored.
pub(super) fn token(member: &mut SqliteMember) -> Result<Option<Token>> {
    states::refresh(member)?;
    member.require_provisioned()?;
    read_token(&member.connection, &member.path)
}

pub(super) fn read_token(connection: &Connection, path: &Path) -> Result<Option<Token>> {
    type Fields = (u64, String, Option<String>, String, u64);
    let found: Option<Fields> = connection
        .prepare_cached(
            "SELECT counter, token_id, previous, position, highest_version FROM \"DataSync_dss_token\" WHERE id = 1",
        )
        .and_then(|mut statement| {
            statement
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)))
                .optional()
        })
        .map_err(failed(path, "read capture's token"))?;
    let Some((counter, id, previous, position, highest_version)) = found else { return Ok(None) };
    let parse = |text: &str| {
        Uuid::parse_str(text).map_err(|_| Error::Damaged {
            place: path.into(),
            object: "\"DataSync_dss_token\"".to_owned(),
            reason: "a token that is none".to_owned(),
        })
    };
    let previous = previous.as_deref().map(parse).transpose()?;
    Ok(Some(Token { counter, id: parse(&id)?, previous, position, highest_version }))
}

pub(super) fn write_token(connection: &Connection, token: &Token, highest: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO \"DataSync_dss_token\" (id, counter, token_id, previous, position, highest_version) \
             VALUES (1, ?1, ?2, ?3, ?4, ?5) ON CONFLICT (id) DO UPDATE SET counter = excluded.counter, \
             token_id = excluded.token_id, previous = excluded.previous, position = excluded.position, \
             highest_version = excluded.highest_version",
        )?
        .execute(params![
            token.counter,
            token.id.hyphenated().to_string(),
            token.previous.map(|id| id.hyphenated().to_string()),
            token.position,
            highest,
        ])?;
    Ok(())
}

/// The statements of one commit.
struct Write<'a> {
    connection: &'a Connection,
    /// The group's names of the bound tables.
    tables: &'a [&'a str],
    now: Ticks,
}

impl Write<'_> {
    fn all(&self, commit: &CaptureCommit, highest: u64, ended: &[(usize, String)]) -> rusqlite::Result<()> {
        write_token(self.connection, &commit.token, highest)?;
        for (table, bound) in &commit.claims {
            self.connection
                .prepare_cached("UPDATE \"DataSync_dss_tables\" SET scan_claim = ?2 WHERE table_name = ?1")?
                .execute(params![self.tables[*table], claim_text(bound)])?;
        }
        self.end_listings(commit, ended)?;
        for (table, row) in &commit.unpublishable {
            self.connection
                .prepare_cached(
                    "INSERT INTO \"DataSync_dss_exceptions\" (parked_at, table_name, key, key_text, kind, code, \
                     message, first_at, last_at, due_at) VALUES ('capture', ?1, ?2, ?3, ?4, '', ?5, ?6, ?6, ?7) \
                     ON CONFLICT (parked_at, table_name, coalesce(key, key_text)) DO UPDATE SET \
                     key_text = excluded.key_text, kind = excluded.kind, message = excluded.message, \
                     attempts = attempts + 1, last_at = excluded.last_at",
                )?
                .execute(params![
                    self.tables[*table],
                    row.key.as_ref().map(|key| key.as_slice()),
                    row.key_text,
                    RefusalKind::Value.as_str(),
                    row.reason,
                    self.now,
                    // Nothing is tried again by itself: the row is published when it is changed.
                    i64::MAX,
                ])?;
        }
        Ok(())
    }

    /// Listings end with the publication of their row, or when the row is gone.
    fn end_listings(&self, commit: &CaptureCommit, ended: &[(usize, String)]) -> rusqlite::Result<()> {
        // Mostly there are none, and a page publishes thousands of rows.
        let listed: bool = self
            .connection
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM \"DataSync_dss_exceptions\" WHERE parked_at = 'capture')",
            )?
            .query_row([], |row| row.get(0))?;
        if !listed {
            return Ok(());
        }
        let mut delete = self.connection.prepare_cached(
            "DELETE FROM \"DataSync_dss_exceptions\" WHERE parked_at = 'capture' AND table_name = ?1 \
             AND coalesce(key, key_text) = ?2",
        )?;
        for (table, key) in &commit.published {
            delete.execute(params![self.tables[*table], key.as_slice()])?;
        }
        for (table, key_text) in ended {
            delete.execute(params![self.tables[*table], key_text])?;
        }
        Ok(())
    }
}
