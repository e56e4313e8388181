//! A new life of a database that went back in time.
//!
//! One transaction makes the triggers name their versions after it, gives what is in doubt new versions, and stores the
//! token. Creating the triggers anew waits for the writers of the tables, so that no version with the old name is still to
//! come when the versions are looked at. Those in doubt are moved up by one amount, which keeps their order and needs no
//! look at single rows: the first then lies above the last version that was given.

use super::cells::integer;
use super::quote::text as literal;
use super::session::{long, text};
use super::table::BoundTable;
use super::{SqlServerMember, look, provision, states, token};
use crate::template::fill;
use crate::{Begun, Error, NewIncarnation, Result};
use tributary_model::{ChangeKind, Incarnation};

const ACTION: &str = "begin a new incarnation";

/// The last version that nobody's trigger gave.
const FIRST: u64 = 1;

/// Begins it.
pub(super) async fn begin(member: &mut SqlServerMember, new: &NewIncarnation) -> Result<Begun> {
    states::refresh(member).await?;
    for table in 0..member.tables.len() {
        member.ready(table)?;
    }
    provision::begin(member, ACTION).await?;
    let done = work(member, new).await;
    let done = member.session.finish(ACTION, done).await;
    states::forget(member);
    let begun = done?;
    states::refresh(member).await?;
    Ok(begun)
}

async fn work(member: &mut SqlServerMember, new: &NewIncarnation) -> Result<Begun> {
    let locked = "SELECT COUNT(*) FROM [DataSync].[dss_token] WITH (UPDLOCK, HOLDLOCK)";
    look::number(&mut member.session, ACTION, locked).await?;
    let stored = token::token(member).await?;
    let found = stored.as_ref().map(|token| token.id);
    if found != new.expected {
        return Err(token::wrong_token(member, new.expected, found));
    }
    let sure = number(stored.map_or(FIRST, |token| token.highest_version))?;
    let name = Incarnation::numbered(&member.id, new.number);
    for at in 0..member.tables.len() {
        write_down(member, at, &name, sure).await?;
    }
    provision::renew(member).await?;
    let next = fill(include_str!("sql/highest_version.sql"), &[]);
    let given = look::number(&mut member.session, ACTION, &next).await? - 1;
    let by = (given - sure).max(0);
    let highest = given + by;
    let moved = format!("ALTER SEQUENCE [DataSync].[dss_version] RESTART WITH {}", highest + 1);
    member.session.batch(ACTION, &moved).await?;
    let mut restated = 0;
    for at in 0..member.tables.len() {
        restated += restate(member, at, &name, (sure, by)).await?;
    }
    write_token(member, new, highest).await?;
    Ok(Begun { restated, highest: highest.unsigned_abs() })
}

fn number(version: u64) -> Result<i64> {
    i64::try_from(version)
        .map_err(|error| Error::Misuse { call: "begin_incarnation", reason: error.to_string() })
}

/// A table whose first scan has not begun: nobody can know whether its rows are those that were scanned, so that they
/// become this life's. Changes that are known keep their name.
async fn write_down(member: &mut SqlServerMember, at: usize, name: &Incarnation, sure: i64) -> Result<()> {
    let BoundTable { binding, tracking, first_incarnation, .. } = &member.tables[at];
    let table = literal(binding.schema.name.as_str());
    let (name, first) = (literal(name.as_str()), literal(first_incarnation.as_str()));
    let sql = fill(
        include_str!("sql/incarnation_write.sql"),
        &[
            ("table_name", &table),
            ("name", &name),
            ("first", &first),
            ("tracking", tracking),
            ("sure", &sure.to_string()),
        ],
    );
    member.session.batch(ACTION, &sql).await
}

async fn restate(
    member: &mut SqlServerMember,
    at: usize,
    name: &Incarnation,
    (sure, by): (i64, i64),
) -> Result<u64> {
    let sql = fill(include_str!("sql/incarnation_restate.sql"), &[("tracking", &member.tables[at].tracking)]);
    let values = vec![long(sure), long(by), text(name.as_str()), text(ChangeKind::Restated.as_str())];
    let row = member.session.row(ACTION, &sql, values).await?.unwrap_or_default();
    let rows = integer(&row, 0).map_err(|reason| member.damaged(&member.tables[at].tracking, reason))?;
    Ok(rows.unsigned_abs())
}

async fn write_token(member: &mut SqlServerMember, new: &NewIncarnation, highest: i64) -> Result<()> {
    let previous = new.token.previous.map(|id| id.hyphenated().to_string());
    // A parameter that is NULL has no type.
    let value = if previous.is_some() { "@P5" } else { "NULL" };
    let sql = fill(include_str!("sql/incarnation_token.sql"), &[("previous", value)]);
    let id = new.token.id.hyphenated().to_string();
    let counter = number(new.token.counter)?;
    let mut values = vec![long(counter), text(&id), text(&new.token.position), long(highest)];
    values.extend(previous.as_deref().map(text));
    member.session.execute(ACTION, &sql, values).await?;
    Ok(())
}
