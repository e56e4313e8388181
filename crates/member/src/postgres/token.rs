//! What capture commits before it publishes: the token, the claims of first scans, and listings.

use super::PostgresMember;
use super::scan::claim_text;
use super::session::{Begin, Session};
use super::states;
use crate::{CaptureCommit, Error, RefusalKind, Result, Token};
use std::collections::BTreeSet;
use tributary_model::Ticks;
use uuid::Uuid;

const ACTION: &str = "commit capture's token";

/// What is published must not be forgotten by the server, whatever the database's own setting.
pub(super) const DURABLY: &str = "SET LOCAL synchronous_commit = on";

/// Commits token, claims and listings, as a compare-and-set on the token's predecessor.
pub(super) async fn commit_capture(member: &mut PostgresMember, commit: &CaptureCommit) -> Result<u64> {
    let named = commit.claims.iter().map(|(table, _)| table);
    let named = named.chain(commit.unpublishable.iter().map(|(table, _)| table));
    for table in named.chain(commit.published.iter().map(|(table, _)| table)) {
        member.bound(*table)?;
    }
    if !member.provisioned {
        states::refresh(member).await?;
    }
    member.require_provisioned()?;
    let now = super::clock::clock(member).await?;
    let shared: &PostgresMember = member;
    let tables: Vec<&str> = shared.tables.iter().map(|table| table.binding.schema.name.as_str()).collect();
    let write = Write { session: &shared.session, tables: &tables, now };
    let (highest, own) = shared
        .session
        .transaction(ACTION, Begin::Write, DURABLY, async |session| {
            let stored = read_token(session, true).await?.map(|token| token.id);
            if stored != commit.token.previous {
                return Err(wrong_token(session, commit.token.previous, stored));
            }
            refuse_refills(shared, commit, session).await?;
            let (highest, own) = highest_version(session).await?;
            write.all(commit, highest, &shared.ended_listings).await?;
            Ok((highest, own))
        })
        .await?;
    member.ended_listings.clear();
    // What this commit wrote is no news.
    member.own_transactions.push(own);
    Ok(highest)
}

/// What was read of a table before it gained columns is not published after that. Provisioning holds the token's row
/// while it writes down that there are such.
async fn refuse_refills(member: &PostgresMember, commit: &CaptureCommit, session: &Session) -> Result<()> {
    let named = commit.published.iter().map(|(table, _)| table);
    let tables: BTreeSet<usize> =
        named.chain(commit.claims.iter().map(|(table, _)| table)).copied().collect();
    if tables.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> =
        tables.iter().map(|table| member.tables[*table].binding.schema.name.as_str()).collect();
    let waiting = session.query_first(ACTION, include_str!("sql/refill_any.sql"), &[&names]).await?;
    let Some(row) = waiting else { return Ok(()) };
    let name: String = row.try_get(0).map_err(session.origin.failed(ACTION))?;
    let reason = "it has gained columns, which are being filled".to_owned();
    Err(Error::TableChanged { member: session.origin.member.clone(), table: name, reason })
}

pub(super) fn wrong_token(session: &Session, expected: Option<Uuid>, found: Option<Uuid>) -> Error {
    let name = |id: Option<Uuid>| id.map_or_else(|| "no token".to_owned(), |id| format!("token {id}"));
    Error::WrongToken {
        member: session.origin.member.clone(),
        place: session.origin.place.clone(),
        expected: name(expected),
        found: name(found),
    }
}

/// The token as stored.
pub(super) async fn token(member: &mut PostgresMember) -> Result<Option<Token>> {
    member.session.settle("read capture's token").await?;
    states::refresh(member).await?;
    member.require_provisioned()?;
    read_token(&member.session, false).await
}

/// Reads the token; `locked` keeps another worker from replacing it before the transaction ends.
pub(super) async fn read_token(session: &Session, locked: bool) -> Result<Option<Token>> {
    let action = "read capture's token";
    let sql = if locked { include_str!("sql/token_lock.sql") } else { include_str!("sql/token_read.sql") };
    let Some(row) = session.query_first(action, sql, &[]).await? else { return Ok(None) };
    let read = || -> std::result::Result<_, tokio_postgres::Error> {
        let (counter, highest): (i64, i64) = (row.try_get(0)?, row.try_get(4)?);
        let (id, previous): (super::values::Raw<'_>, super::values::Raw<'_>) =
            (row.try_get(1)?, row.try_get(2)?);
        Ok((counter, id, previous, row.try_get(3)?, highest))
    };
    let (counter, id, previous, position, highest) = read().map_err(session.origin.failed(action))?;
    let parse = |bytes: &[u8]| {
        Uuid::from_slice(bytes).map_err(|_| session.damaged("\"DataSync\".dss_token", "a token that is none"))
    };
    Ok(Some(Token {
        counter: counter.unsigned_abs(),
        id: parse(id.0.unwrap_or_default())?,
        previous: previous.0.map(parse).transpose()?,
        position,
        highest_version: highest.unsigned_abs(),
    }))
}

/// The last version that was given in this member, and the number of the transaction that asks.
pub(super) async fn highest_version(session: &Session) -> Result<(u64, u64)> {
    let action = "read its counter of versions";
    let row = session.query_first(action, include_str!("sql/version_read.sql"), &[]).await?;
    let row = row.ok_or_else(|| session.damaged("\"DataSync\".dss_version", "no row"))?;
    let read = || Ok::<(i64, i64), tokio_postgres::Error>((row.try_get(0)?, row.try_get(1)?));
    let (highest, own) = read().map_err(session.origin.failed(action))?;
    Ok((highest.unsigned_abs(), own.unsigned_abs()))
}

pub(super) async fn write_token(session: &Session, token: &Token, highest: u64) -> Result<()> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let id = |id: Uuid| super::values::Parameter(Some(id.as_bytes().to_vec()));
    let previous = super::values::Parameter(token.previous.map(|id| id.as_bytes().to_vec()));
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&number(token.counter), &id(token.id), &previous, &token.position, &number(highest)];
    session.execute(ACTION, include_str!("sql/token_write.sql"), &values).await?;
    Ok(())
}

/// The statements of one commit.
struct Write<'a> {
    session: &'a Session,
    /// The group's names of the bound tables.
    tables: &'a [&'a str],
    now: Ticks,
}

impl Write<'_> {
    async fn all(&self, commit: &CaptureCommit, highest: u64, ended: &[(usize, String)]) -> Result<()> {
        write_token(self.session, &commit.token, highest).await?;
        for (table, bound) in &commit.claims {
            let claim = claim_text(bound);
            self.session
                .execute(ACTION, include_str!("sql/claim_write.sql"), &[&self.tables[*table], &claim])
                .await?;
        }
        self.end_listings(commit, ended).await?;
        for (table, row) in &commit.unpublishable {
            let key = row.key.as_ref().map(|key| key.as_slice());
            self.session
                .execute(
                    ACTION,
                    include_str!("sql/listing_write.sql"),
                    &[
                        &self.tables[*table],
                        &key,
                        &row.key_text,
                        &RefusalKind::Value.as_str(),
                        &row.reason,
                        &self.now,
                    ],
                )
                .await?;
        }
        Ok(())
    }

    /// Listings end with the publication of their row, or when the row is gone.
    async fn end_listings(&self, commit: &CaptureCommit, ended: &[(usize, String)]) -> Result<()> {
        // Mostly there are none, and a page publishes thousands of rows.
        let listed = self.session.query_first(ACTION, include_str!("sql/listing_any.sql"), &[]).await?;
        if listed.is_none() {
            return Ok(());
        }
        let names: Vec<&str> = commit.published.iter().map(|(table, _)| self.tables[*table]).collect();
        let keys: Vec<&[u8]> = commit.published.iter().map(|(_, key)| key.as_slice()).collect();
        self.session.execute(ACTION, include_str!("sql/listing_end.sql"), &[&names, &keys]).await?;
        let names: Vec<&str> = ended.iter().map(|(table, _)| self.tables[*table]).collect();
        let texts: Vec<&str> = ended.iter().map(|(_, text)| text.as_str()).collect();
        self.session.execute(ACTION, include_str!("sql/listing_end_text.sql"), &[&names, &texts]).await?;
        Ok(())
    }
}
