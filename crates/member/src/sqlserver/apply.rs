//! Writing a batch of resolved records in one transaction.
//!
//! A round checks the offsets, locks the batch's rows, decides on every record and marks what will be written
//! ([`super::decide`]), writes the rows ([`super::writes`], [`super::swap`]), compares them where users' triggers run
//! ([`super::watch`]), parks what was refused ([`super::parking`]), moves the offsets and commits. Mostly one round is
//! all. What cannot be settled inside an open transaction is: an error that took it along, or a write that a trigger
//! took back: then the transaction begins again without the record, which is parked. Deadlocks and lock time-outs begin
//! it again too, since of two sessions it is ours that gives way.
//!
//! A disk that is full or a connection that is lost is no refusal: the call fails and nothing is written.

use super::cells::integer;
use super::exceptions::Shelf;
use super::offsets;
use super::run::{Rounds, Run, Step, Stop};
use super::session::{Cells, text};
use super::shape::{self, Shapes};
use super::{SqlServerMember, failure, states};
use crate::plan::plan;
use crate::{Applied, ApplyBatch, Error, Outcome, Result};
use std::time::Duration;
use tributary_model::Ticks;

/// How often a batch is begun again because of what others do at the same time, before the call fails.
const CONFLICTS: u32 = 6;

/// The first pause before that; it doubles each time.
const PAUSE: Duration = Duration::from_millis(5);

/// What a committed round came to, and how many values it rounded.
type Committed = (Applied, u64);

pub(super) async fn apply(member: &mut SqlServerMember, batch: ApplyBatch, now: Ticks) -> Result<Applied> {
    let mut rounds = Rounds::default();
    let mut begun_before = false;
    loop {
        if begun_before {
            // What was refused may have been refused because a table has changed.
            states::refresh(member).await?;
        } else {
            states::refresh_unless_fresh(member).await?;
        }
        begun_before = true;
        let shapes = shape::refresh(member).await?;
        ready(member, &batch)?;
        let stop = match round(member, &shapes, &batch, now, &mut rounds).await {
            Ok((applied, rounded)) => {
                member.rounded += rounded;
                if let Err(error) = end(member).await {
                    // The batch is committed, which is what the caller has to know; the connection is of no more use.
                    tracing::debug!(%error, "a session could not be tidied up after a batch");
                }
                return Ok(applied);
            }
            Err(stop) => stop,
        };
        let taken_back = match member.session.roll_back().await {
            Ok(()) => end(member).await,
            Err(error) => Err(error),
        };
        match stop {
            Stop::Failed(error) => return Err(after_change(member, &batch, error).await),
            Stop::Again => taken_back?,
            Stop::Conflict(error) => {
                rounds.conflicts += 1;
                if rounds.conflicts > CONFLICTS {
                    return Err(error);
                }
                taken_back?;
                tracing::debug!(%error, attempt = rounds.conflicts, "a batch gave way to another session");
                tokio::time::sleep(PAUSE * (1 << rounds.conflicts.min(8))).await;
            }
        }
    }
}

/// An error unless all tables of a batch can be worked on.
fn ready(member: &SqlServerMember, batch: &ApplyBatch) -> Result<()> {
    let mut tables: Vec<usize> = batch.records.iter().map(|record| record.table).collect();
    tables.sort_unstable();
    tables.dedup();
    tables.into_iter().try_for_each(|table| member.ready(table).map(drop))
}

/// The error of a batch that met a table that is not as it was a moment ago: what has become of the table tells more.
async fn after_change(member: &mut SqlServerMember, batch: &ApplyBatch, error: Error) -> Error {
    if !failure::is_missing_object(&error) {
        return error;
    }
    states::forget(member);
    if let Err(other) = states::refresh(member).await {
        return other;
    }
    ready(member, batch).err().unwrap_or(error)
}

/// Leaves the session as it was before the batch.
async fn end(member: &mut SqlServerMember) -> Result<()> {
    member.session.batch("end a batch", &crate::template::fill(include_str!("sql/apply_end.sql"), &[])).await
}

/// One round, in a transaction that it begins and commits.
async fn round(
    member: &mut SqlServerMember,
    shapes: &Shapes,
    batch: &ApplyBatch,
    now: Ticks,
    rounds: &mut Rounds,
) -> Step<Committed> {
    let plan = plan(&shapes.order, &batch.records);
    if let Some(record) = plan.uncut {
        let reason = format!("a null record and another one of its cell in one batch, at position {record}");
        return Err(Stop::Failed(Error::Misuse { call: "apply", reason }));
    }
    let SqlServerMember { session, tables, settings, server, .. } = member;
    let begin = crate::template::fill(include_str!("sql/apply_begin.sql"), &[]);
    let begun = session.results("begin to apply a batch", &begin).await?;
    if rounds.careful {
        session.batch("control its transaction", "SET XACT_ABORT OFF").await?;
    }
    let named = (offsets::named(batch).finish(), Shelf::named(tables).finish());
    let look = offsets::look_sql();
    let found = session.query("look at its offsets", &look, vec![text(&named.0), text(&named.1)]).await?;
    let mut run = Run {
        session,
        tables,
        settings,
        unescapes: server.unescapes_json,
        shapes,
        batch,
        rounds,
        now,
        shelf: Shelf::default(),
        outcomes: vec![None; batch.records.len()],
        groups: Vec::new(),
        unkeyed: Vec::new(),
        number: 0,
        writes: 0,
        written_at: vec![0; tables.len()],
        watched: false,
        rounded: 0,
        altered: Vec::new(),
        tokens: Vec::new(),
    };
    let number =
        begun.last().and_then(|set| set.first()).map_or(Err("no number".to_owned()), |row| integer(row, 0));
    run.number = number.map_err(|reason| run.damaged("DataSync.dss_batch", reason))?;
    run.take_look(&found)?;
    run.read_shelf().await?;
    run.gather(&plan)?;
    run.purge(&plan.nulls).await?;
    run.decide().await?;
    run.watched = run.is_watched();
    run.write().await?;
    run.write_again().await?;
    if run.swap().await? {
        run.write_again().await?;
    }
    run.compare().await?;
    let settled = run.settle().await?;
    run.move_offsets().await?;
    run.session.commit("commit a batch").await?;
    let altered =
        run.altered.iter().map(|at| (run.groups[at.0].table, run.record_key(*at).clone())).collect();
    let applied = Applied {
        altered_by_trigger: altered,
        unparked: settled.unparked,
        retry_now: settled.retry_now,
        // Every record is in the plan, and every record of the plan was decided on.
        outcomes: run.outcomes.into_iter().map(|outcome| outcome.unwrap_or(Outcome::Superseded)).collect(),
    };
    Ok((applied, run.rounded))
}

impl Run<'_> {
    /// Takes in what stands where the batch begins.
    fn take_look(&mut self, found: &[Cells]) -> Step<()> {
        let (mut stored, mut parked_in, mut waiting) = (Vec::new(), Vec::new(), false);
        for row in found {
            let read =
                || Ok::<_, String>((integer(row, 0)?, usize::try_from(integer(row, 1)?).unwrap_or_default()));
            match read().map_err(|reason| self.damaged("DataSync.dss_exceptions", reason))? {
                (1, _) => stored.push(row),
                (2, table) => parked_in.push(table),
                _ => waiting = true,
            }
        }
        self.check_offsets(&stored)?;
        self.shelf = Shelf::of(&parked_in, waiting, self.tables.len(), &self.shapes.references);
        Ok(())
    }
}
