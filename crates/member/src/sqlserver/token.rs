//! What capture commits before it publishes: the token, the claims of first scans, and listings.
//!
//! Mostly there are no listings, and then all of it is one batch. Where there are some, that batch takes itself back
//! and says so, and the same is done again in a transaction of several statements.

use super::cells::{Cell, integer, optional_text, text as cell_text};
use super::scan::claim_text;
use super::session::{Cells, binary, long, text};
use super::{SqlServerMember, states};
use crate::template::fill;
use crate::{CaptureCommit, Error, Result, Token, Unpublishable};
use std::collections::BTreeSet;
use tiberius::ColumnData;
use tributary_model::Ticks;
use uuid::Uuid;

const ACTION: &str = "commit capture's token";

/// The end at which listings of capture's are parked.
const CAPTURE: &str = "capture";

/// Commits token, claims and listings, as a compare-and-set on the token's predecessor.
pub(super) async fn commit_capture(member: &mut SqlServerMember, commit: &CaptureCommit) -> Result<u64> {
    let named = commit.claims.iter().map(|(table, _)| table);
    let named = named.chain(commit.unpublishable.iter().map(|(table, _)| table));
    for table in named.chain(commit.published.iter().map(|(table, _)| table)) {
        member.bound(*table)?;
    }
    if !member.provisioned {
        states::refresh(member).await?;
    }
    member.require_provisioned()?;
    if commit.unpublishable.is_empty()
        && let Some(highest) = commit_alone(member, commit).await?
    {
        return Ok(highest);
    }
    member.session.begin_transaction(ACTION).await?;
    let done = commit_with_listings(member, commit).await;
    member.session.finish(ACTION, done).await
}

/// The whole commit in one batch; `None` if there are listings, and nothing was done.
async fn commit_alone(member: &mut SqlServerMember, commit: &CaptureCommit) -> Result<Option<u64>> {
    let (statements, parameters) = writes(member, commit)?;
    let sql = fill(include_str!("sql/commit_token.sql"), &[("writes", &statements)]);
    let row = member.session.row(ACTION, &sql, owned(&parameters)).await?.unwrap_or_default();
    outcome(member, commit, &row)
}

/// What became of a commit: the highest version, `None` if there are listings, or an error for another token, or a table
/// that has gained columns: what was read of it before is not published after that.
fn outcome(member: &SqlServerMember, commit: &CaptureCommit, row: &Cells) -> Result<Option<u64>> {
    let damaged = |reason: String| member.damaged("[DataSync].[dss_token]", reason);
    let read = || -> Cell<_> {
        let numbers = (integer(row, 0)?, integer(row, 1)?, integer(row, 2)?);
        Ok((numbers, optional_text(row, 3)?, optional_text(row, 4)?))
    };
    let ((written, listed, highest), found, refilled) = read().map_err(damaged)?;
    if written != 1 {
        let found = found.as_deref().map(Uuid::parse_str).transpose();
        let found = found.map_err(|_| damaged("a token that is none".to_owned()))?;
        return Err(wrong_token(member, commit.token.previous, found));
    }
    if let Some(table) = refilled {
        let reason = "it has gained columns, which are being filled".to_owned();
        return Err(Error::TableChanged { member: member.id.clone(), table, reason });
    }
    if listed != 0 {
        return Ok(None);
    }
    u64::try_from(highest).map(Some).map_err(|error| damaged(error.to_string()))
}

async fn commit_with_listings(member: &mut SqlServerMember, commit: &CaptureCommit) -> Result<u64> {
    let now = super::clock::clock(member).await?;
    let (statements, parameters) = writes(member, commit)?;
    let sql = fill(include_str!("sql/commit_token_listed.sql"), &[("writes", &statements)]);
    let row = member.session.row(ACTION, &sql, owned(&parameters)).await?.unwrap_or_default();
    let highest = outcome(member, commit, &row)?.unwrap_or(1);
    for (table, key) in &commit.published {
        let hash = row_hash(CAPTURE, member.bound(*table)?.binding.schema.name.as_str(), key.as_slice());
        let sql = "DELETE FROM [DataSync].[dss_exceptions] WHERE [row_hash] = @P1";
        member.session.execute(ACTION, sql, vec![binary(&hash)]).await?;
    }
    for (table, row) in &commit.unpublishable {
        let name = member.bound(*table)?.binding.schema.name.as_str().to_owned();
        list(member, &name, row, now).await?;
    }
    Ok(highest)
}

async fn list(member: &mut SqlServerMember, table: &str, row: &Unpublishable, now: Ticks) -> Result<()> {
    let key = row.key.as_ref().map_or_else(|| row.key_text.as_bytes(), |key| key.as_slice());
    let hash = row_hash(CAPTURE, table, key);
    // A parameter that is NULL has no type; a statement without the column needs none.
    let (column, value) = if row.key.is_some() { ("[key], ", "@P6, ") } else { ("", "") };
    let sql = fill(include_str!("sql/list_row.sql"), &[("key_column", column), ("key_value", value)]);
    let mut parameters = vec![binary(&hash), text(table), text(&row.key_text), text(&row.reason), long(now)];
    if let Some(key) = &row.key {
        parameters.push(binary(key.as_slice()));
    }
    member.session.execute(ACTION, &sql, parameters).await?;
    Ok(())
}

/// What names the listing of a row: end, table, and key, or key text where there is no usable key.
pub(super) fn row_hash(parked_at: &str, table: &str, key: &[u8]) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    for part in [parked_at.as_bytes(), table.as_bytes(), key] {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut hash = [0; 16];
    hash.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    hash
}

/// A parameter of a commit.
enum Parameter {
    Number(i64),
    Text(String),
}

fn owned(parameters: &[Parameter]) -> Vec<ColumnData<'_>> {
    let bound = parameters.iter().map(|parameter| match parameter {
        Parameter::Number(number) => long(*number),
        Parameter::Text(value) => text(value),
    });
    bound.collect()
}

/// The statements that write the token, as a compare-and-set, and the claims, and ask whether any table of the commit has
/// gained columns: provisioning holds the token's row while it writes down that there are such.
fn writes(member: &SqlServerMember, commit: &CaptureCommit) -> Result<(String, Vec<Parameter>)> {
    let token = &commit.token;
    let counter = i64::try_from(token.counter)
        .map_err(|error| Error::Misuse { call: "commit_capture", reason: error.to_string() })?;
    let mut parameters = vec![
        Parameter::Number(counter),
        Parameter::Text(token.id.hyphenated().to_string()),
        Parameter::Text(token.position.clone()),
    ];
    let mut statements = match token.previous {
        None => fill(include_str!("sql/insert_token.sql"), &[]),
        Some(previous) => {
            parameters.push(Parameter::Text(previous.hyphenated().to_string()));
            fill(include_str!("sql/update_token.sql"), &[])
        }
    };
    for (table, bound) in &commit.claims {
        let place = parameters.len();
        parameters.push(Parameter::Text(claim_text(bound)));
        parameters.push(Parameter::Text(member.bound(*table)?.binding.schema.name.as_str().to_owned()));
        statements.push_str(&format!(
            "\nIF @written = 1 UPDATE [DataSync].[dss_tables] SET [scan_claim] = @P{} WHERE [table_name] = @P{};",
            place + 1,
            place + 2
        ));
    }
    let named = commit.published.iter().map(|(table, _)| table);
    let tables: BTreeSet<usize> =
        named.chain(commit.claims.iter().map(|(table, _)| table)).copied().collect();
    let mut names = Vec::with_capacity(tables.len());
    for table in tables {
        parameters.push(Parameter::Text(member.bound(table)?.binding.schema.name.as_str().to_owned()));
        names.push(format!("@P{}", parameters.len()));
    }
    if !names.is_empty() {
        statements.push('\n');
        statements.push_str(&fill(include_str!("sql/refilled_any.sql"), &[("tables", &names.join(", "))]));
    }
    Ok((statements, parameters))
}

pub(super) fn wrong_token(member: &SqlServerMember, expected: Option<Uuid>, found: Option<Uuid>) -> Error {
    let name = |id: Option<Uuid>| id.map_or_else(|| "no token".to_owned(), |id| format!("token {id}"));
    Error::WrongToken {
        member: member.id.clone(),
        place: member.session.whose().place.clone(),
        expected: name(expected),
        found: name(found),
    }
}

/// The token as stored.
pub(super) async fn token(member: &mut SqlServerMember) -> Result<Option<Token>> {
    states::refresh(member).await?;
    member.require_provisioned()?;
    let sql = fill(include_str!("sql/read_token.sql"), &[]);
    let Some(row) = member.session.row("read capture's token", &sql, Vec::new()).await? else {
        return Ok(None);
    };
    let number = |place| u64::try_from(integer(&row, place)?).map_err(|error| error.to_string());
    let id = |text: String| Uuid::parse_str(&text).map_err(|_| "a token that is none".to_owned());
    let read = || -> Cell<Token> {
        Ok(Token {
            counter: number(0)?,
            id: id(cell_text(&row, 1)?)?,
            previous: optional_text(&row, 2)?.map(id).transpose()?,
            position: cell_text(&row, 3)?,
            highest_version: number(4)?,
        })
    };
    read().map(Some).map_err(|reason| member.damaged("[DataSync].[dss_token]", reason))
}
