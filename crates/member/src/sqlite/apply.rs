//! Writing a batch of resolved records in one transaction.
//!
//! A round takes the write lock, moves the offsets, decides on every record and marks what will be written
//! ([`super::decide`]), writes the rows ([`super::writes`], [`super::swap`]), compares them where users' triggers run
//! ([`super::watch`]), parks what was refused ([`super::parking`]), and commits. Mostly one round is all. What cannot
//! be settled inside an open transaction is: a refusal that rolled it back, or one that shows at the commit only, or
//! one that a trigger made of a write: then the transaction begins again without the record, which is parked.
//!
//! A disk that is full, a file that is locked or gone is no refusal: the call fails and nothing is written.

use super::exceptions::Shelf;
use super::failure::failed;
use super::run::{Rounds, Run, Step, Stop};
use super::shape::{self, Shapes};
use super::{SqliteMember, catalog, offsets, refusal, replaced, states};
use crate::plan::plan;
use crate::{Applied, ApplyBatch, Error, Outcome, Result};
use rusqlite::Connection;
use tributary_model::Ticks;

/// What a committed round came to, and how many values it rounded.
type Committed = (Applied, u64);

pub(super) fn apply(member: &mut SqliteMember, batch: ApplyBatch, now: Ticks) -> Result<Applied> {
    let mut rounds = Rounds::default();
    loop {
        states::refresh(member)?;
        let shapes = shape::refresh(member)?;
        let begun = execute(&member.connection, "BEGIN IMMEDIATE");
        begun.map_err(failed(&member.path, "begin to apply a batch"))?;
        let stop = match round(member, &shapes, &batch, now, &mut rounds) {
            Ok((applied, rounded)) => {
                member.rounded += rounded;
                return Ok(applied);
            }
            Err(stop) => stop,
        };
        // Some errors have rolled it back already.
        let open = !member.connection.is_autocommit();
        let rolled_back = if open { execute(&member.connection, "ROLLBACK") } else { Ok(()) };
        if let Stop::Failed(error) = stop {
            return Err(error);
        }
        rolled_back.map_err(failed(&member.path, "roll a batch back"))?;
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.raw_execute().map(drop)
}

/// One round, in an open transaction that it commits.
fn round(
    member: &SqliteMember,
    shapes: &Shapes,
    batch: &ApplyBatch,
    now: Ticks,
    rounds: &mut Rounds,
) -> Step<Committed> {
    // Under the lock nobody alters a table any more; somebody may have done so just before.
    if member.schema_version != Some(catalog::schema_version(&member.connection, &member.path)?) {
        return Err(Stop::Again);
    }
    offsets::advance(member, batch)?;
    if let Some(record) = batch.records.iter().find(|record| record.table >= member.tables.len()) {
        member.bound(record.table)?;
    }
    let plan = plan(&shapes.order, &batch.records);
    if let Some(record) = plan.uncut {
        let reason = format!("a null record and another one of its cell in one batch, at position {record}");
        return Err(Stop::Failed(Error::Misuse { call: "apply", reason }));
    }
    let shelf = Shelf::open(&member.connection, &member.tables, &shapes.references);
    let mut run = Run {
        member,
        connection: &member.connection,
        shapes,
        batch,
        rounds,
        now,
        shelf: shelf.map_err(failed(&member.path, "look at its exceptions"))?,
        outcomes: vec![None; batch.records.len()],
        groups: Vec::new(),
        unkeyed: Vec::new(),
        number: None,
        writes: 0,
        written_at: vec![0; member.tables.len()],
        watched: false,
        rounded: 0,
        altered: Vec::new(),
        tokens: Vec::new(),
    };
    if run.rounds.deferred {
        run.execute("PRAGMA defer_foreign_keys = ON")?;
    }
    replaced::settle_in(&member.connection, &member.path, &member.tables).map_err(Stop::Failed)?;
    run.decide(&plan)?;
    run.watched = run.is_watched();
    run.write()?;
    run.write_again()?;
    if run.swap()? {
        run.write_again()?;
    }
    run.compare()?;
    let settled = run.settle()?;
    if run.number.is_some() {
        run.execute(include_str!("sql/apply_close_batch.sql"))?;
    }
    run.commit()?;
    let altered = run.altered.iter().map(|(group, cell)| {
        let group = &run.groups[*group];
        (group.table, batch.records[group.cells[*cell].record].key.clone())
    });
    let applied = Applied {
        altered_by_trigger: altered.collect(),
        unparked: settled.unparked,
        retry_now: settled.retry_now,
        // Every record is in the plan, and every record of the plan was decided on.
        outcomes: run.outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Superseded)).collect(),
    };
    Ok((applied, run.rounded))
}

impl Run<'_> {
    /// Whether a user's trigger runs for anything that is to be written.
    fn is_watched(&self) -> bool {
        self.groups.iter().any(|group| {
            let stirs = self.shapes.tables[group.table].as_ref().is_some_and(|shape| shape.stirs);
            stirs && !group.cells.is_empty()
        })
    }

    fn commit(&mut self) -> Step<()> {
        match execute(self.connection, "COMMIT") {
            Ok(()) => Ok(()),
            Err(error) if refusal::is_foreign_key(&error) && !self.connection.is_autocommit() => {
                self.exclude_violators()?;
                Err(Stop::Again)
            }
            Err(error) => Err(self.failed("commit a batch")(error)),
        }
    }
}

#[cfg(test)]
mod tests;
