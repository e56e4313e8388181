//! A new life of a database that went back in time.
//!
//! One transaction makes the triggers name their versions after it, gives what is in doubt new versions, and stores the
//! token. It waits for the writers of the tables first, since a version that an open transaction was given has the old
//! name. Versions in doubt are moved up by one amount, which keeps their order and needs no look at single rows: the
//! first then lies above the last version that was given.

use super::PostgresMember;
use super::provision::{lock_timeout, patiently, renew};
use super::session::{Begin, Session};
use super::states;
use super::table::BoundTable;
use super::token::{DURABLY, highest_version, read_token, write_token, wrong_token};
use crate::{Begun, NewIncarnation, Result};
use tributary_model::{ChangeKind, Incarnation};

const ACTION: &str = "begin a new incarnation";

/// The last version that nobody's trigger gave.
const FIRST: u64 = 1;

/// Begins it.
pub(super) async fn begin(member: &mut PostgresMember, new: &NewIncarnation) -> Result<Begun> {
    states::refresh(member).await?;
    for table in 0..member.tables.len() {
        member.ready(table)?;
    }
    let begun = patiently(member, async |member| run(member, new).await).await;
    states::forget(member);
    let begun = begun?;
    states::refresh(member).await?;
    Ok(begun)
}

async fn run(member: &mut PostgresMember, new: &NewIncarnation) -> Result<Begun> {
    let settings = format!("{}; {DURABLY}", lock_timeout(member));
    member.session.begin(ACTION, Begin::Write, &settings).await?;
    match work(member, new).await {
        Ok(begun) => {
            member.session.commit(ACTION).await?;
            Ok(begun)
        }
        Err(error) => {
            member.session.rollback().await;
            Err(error)
        }
    }
}

async fn work(member: &mut PostgresMember, new: &NewIncarnation) -> Result<Begun> {
    let PostgresMember { session, tables, group, settings, .. } = member;
    for table in tables.iter() {
        let sql = format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.base);
        session.batch(ACTION, &sql).await?;
    }
    let stored = read_token(session, true).await?;
    let found = stored.as_ref().map(|token| token.id);
    if found != new.expected {
        return Err(wrong_token(session, new.expected, found));
    }
    let sure = stored.map_or(FIRST, |token| token.highest_version);
    let (given, _) = highest_version(session).await?;
    let name = Incarnation::numbered(&session.origin.member, new.number);
    let life = Life { session, name, sure: number(sure), by: number(given.saturating_sub(sure)) };
    for table in tables.iter() {
        life.write_down(table).await?;
    }
    let highest = given + given.saturating_sub(sure);
    let moved = format!("SELECT setval('\"DataSync\".dss_version', {}, true)", number(highest));
    session.batch(ACTION, &moved).await?;
    write_token(session, &new.token, highest).await?;
    renew(session, tables, group, settings.direction).await?;
    let life = Life { session, ..life };
    let mut restated = 0;
    for table in tables.iter() {
        restated += life.restate(table).await?;
    }
    Ok(Begun { restated, highest })
}

fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// The new life, as its statements need it.
struct Life<'a> {
    session: &'a Session,
    name: Incarnation,
    /// The last version that is not in doubt.
    sure: i64,
    /// By how much those that are move up.
    by: i64,
}

impl Life<'_> {
    /// A table whose first scan has not begun: nobody can know whether its rows are those that were scanned, so that they
    /// become this life's. Changes that are known keep their name.
    async fn write_down(&self, table: &BoundTable) -> Result<()> {
        let (session, name, life) = (self.session, table.binding.schema.name.as_str(), self.name.as_str());
        let sql = include_str!("sql/incarnation_first.sql");
        if session.execute(ACTION, sql, &[&name, &life]).await? > 0 {
            let sql = format!(
                "UPDATE {} SET local_incarnation = $1 WHERE local_version <= $2 AND local_incarnation IS NULL",
                table.tracking
            );
            session.execute(ACTION, &sql, &[&table.first_incarnation.as_str(), &self.sure]).await?;
        }
        session.execute(ACTION, include_str!("sql/incarnation_write.sql"), &[&name, &life]).await?;
        Ok(())
    }

    async fn restate(&self, table: &BoundTable) -> Result<u64> {
        let sql = format!(
            "UPDATE {} SET local_version = local_version + $2, local_incarnation = $3, change_kind = $4, \
             xid = pg_current_xact_id() WHERE local_version > $1",
            table.tracking
        );
        let (name, kind) = (self.name.as_str(), ChangeKind::Restated.as_str());
        self.session.execute(ACTION, &sql, &[&self.sure, &self.by, &name, &kind]).await
    }
}
