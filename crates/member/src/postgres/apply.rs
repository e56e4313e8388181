//! Writing a batch of resolved records in one transaction.
//!
//! A round begins the transaction, locks offsets and rows, decides on every record and marks what will be written
//! ([`super::decide`]), writes the rows ([`super::writes`], [`super::swap`]), compares them where users' triggers run
//! ([`super::watch`]), parks what was refused ([`super::parking`]), and commits. Mostly one round is all, and five
//! messages there and back whatever the size of the batch. A round that meets a refusal is begun again, carefully; so
//! is one that is refused at its end only, or in which a trigger took something back, without the record.
//!
//! A deadlock, a lock that is not to be had, a transaction that others overtook are no refusal: the round is begun
//! again for as long as the member's `lock_timeout`, then the call fails and nothing is written. When the connection
//! is lost nobody knows whether the commit happened: the offsets tell.

use super::exceptions::Shelf;
use super::offsets::{self, Places};
use super::refusal::{self, Target, Verb, Verdict};
use super::run::{Rounds, Run, Step, Stop, stop};
use super::session::Begin;
use super::shape::{self, Shapes};
use super::{PostgresMember, statements, states};
use crate::plan::plan;
use crate::{Applied, ApplyBatch, Error, ErrorKind, Outcome, Refusal, Result};
use futures_util::future::{join, join4};
use std::time::Duration;
use tokio::time::Instant;
use tributary_model::Ticks;

/// The first pause before a round is begun again because of others; it doubles, and half of it is chance.
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// What a committed round came to, and how many values it rounded.
type Committed = (Applied, u64);

pub(super) async fn apply(member: &mut PostgresMember, batch: ApplyBatch, now: Ticks) -> Result<Applied> {
    let mut rounds = Rounds::default();
    let begun = Instant::now();
    member.session.settle("begin to apply a batch").await?;
    loop {
        states::refresh(member).await?;
        member.require_provisioned()?;
        let shapes = shape::refresh(member).await?;
        let stop = match round(member, &shapes, &batch, now, &mut rounds).await {
            Ok((applied, rounded)) => {
                member.rounded += rounded;
                return Ok(applied);
            }
            Err(stop) => stop,
        };
        member.session.rollback().await;
        match stop {
            Stop::Again => {}
            Stop::Failed(error) if error.kind() == ErrorKind::Statement => {
                // A table may have been altered a moment ago; then its state says what has become of it.
                let before = member.fingerprint.clone();
                states::refresh(member).await?;
                if member.fingerprint == before {
                    return Err(error);
                }
            }
            Stop::Failed(error) => return Err(error),
            Stop::Conflict(error) => {
                rounds.conflicts += 1;
                if begun.elapsed() >= member.settings.lock_timeout {
                    return Err(error);
                }
                tokio::time::sleep(pause(rounds.conflicts)).await;
            }
        }
    }
}

/// The pause before another attempt.
fn pause(attempts: u32) -> Duration {
    let longest = FIRST_PAUSE * (1 << attempts.saturating_sub(1).min(5));
    // The id's last bytes are random; no more is asked of them.
    let chance = f64::from(uuid::Uuid::new_v4().as_bytes()[15]) / 255.0;
    longest.mul_f64(0.5 + chance / 2.0)
}

/// One round, in a transaction that it begins and commits.
async fn round(
    member: &PostgresMember,
    shapes: &Shapes,
    batch: &ApplyBatch,
    now: Ticks,
    rounds: &mut Rounds,
) -> Step<Committed> {
    if let Some(record) = batch.records.iter().find(|record| record.table >= member.tables.len()) {
        member.bound(record.table)?;
    }
    let plan = plan(&shapes.order, &batch.records);
    if let Some(record) = plan.uncut {
        let reason = format!("a null record and another one of its cell in one batch, at position {record}");
        return Err(Stop::Failed(Error::Misuse { call: "apply", reason }));
    }
    let mut run = Run {
        member,
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
        written_at: vec![0; member.tables.len()],
        watched: false,
        rounded: 0,
        altered: Vec::new(),
        tokens: Vec::new(),
    };
    run.gather(&plan)?;
    let open = run.all_open();
    let places = Places::of(batch);
    run.prepare(&open).await?;
    // All of this is asked before the first answer is awaited; the server answers in this order.
    let (first, found) = join(
        join4(
            member.session.begin("begin to apply a batch", Begin::Write, &shapes.settings),
            statements::query(member, include_str!("sql/apply_begin_batch.sql"), &[]),
            places.read(member),
            Shelf::look(member),
        ),
        run.read(&open),
    )
    .await;
    let (begun, number, stored, shelf) = first;
    begun?;
    let number = number.map_err(run.failed("begin a batch"))?;
    run.number = number.first().map_or(Ok(0), |row| row.try_get(0)).map_err(run.failed("begin a batch"))?;
    offsets::check(member, batch, &stored.map_err(run.failed("read its offsets"))?)?;
    let failed = run.failed("look at its exceptions");
    run.shelf = Shelf::of(&shelf.map_err(&failed)?, &shapes.references);
    run.shelf.read(member, &batch.records).await.map_err(&failed)?;
    let found = found?;
    run.purge(&plan.nulls).await?;
    run.decide(open, found).await?;
    run.watched = run.is_watched();
    run.write().await?;
    run.write_again().await?;
    if run.swap().await? {
        run.write_again().await?;
    }
    run.compare().await?;
    let settled = run.settle().await?;
    places.write(member, batch).await?;
    run.commit().await?;
    let altered = run.altered.iter().map(|at| {
        let record = run.cell(*at).record;
        (run.groups[at.0].table, batch.records[record].key.clone())
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
    /// Prepares the statements of the first messages: one that has to be prepared then would come after the others.
    async fn prepare(&self, open: &[super::decide::Open]) -> Step<()> {
        for sql in [
            include_str!("sql/apply_begin_batch.sql"),
            include_str!("sql/offsets_read.sql"),
            include_str!("sql/parked_any.sql"),
        ] {
            self.member.session.prepare(sql).await.map_err(self.failed("prepare a batch's statements"))?;
        }
        self.prepare_reads(open).await
    }

    /// Whether a user's trigger runs for anything that is to be written.
    fn is_watched(&self) -> bool {
        self.groups.iter().any(|group| {
            let stirs = self.shapes.tables[group.table].as_ref().is_some_and(|shape| shape.stirs);
            stirs && group.cells.iter().any(super::run::Cell::is_marked)
        })
    }

    /// Has the deferred constraints checked while something can still be done about it, and commits.
    async fn commit(&mut self) -> Step<()> {
        const CHECK: &str = "SET CONSTRAINTS ALL IMMEDIATE";
        if self.rounds.careful {
            self.control("SAVEPOINT dss_end").await?;
            if let Err(error) = self.member.session.client.batch_execute(CHECK).await {
                let refusal = self.refusal_at_end(error)?;
                self.control("ROLLBACK TO dss_end; RELEASE dss_end").await?;
                self.exclude_violators(refusal).await?;
                return Err(Stop::Again);
            }
        }
        match self.member.session.finish(CHECK).await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.refusal_at_end(error)?;
                // Something is refused that was not when it was looked at last: only a commit tells.
                Err(if self.rounds.careful {
                    Stop::Conflict(super::run::busy(self.member, "commit a batch"))
                } else {
                    self.carefully()
                })
            }
        }
    }

    /// What deferred constraints have refused.
    fn refusal_at_end(&self, error: tokio_postgres::Error) -> Step<Refusal> {
        let tables = self.groups.iter().filter_map(|group| self.shapes.tables[group.table].as_ref());
        let stirs = tables.into_iter().any(|shape| shape.stirs);
        let table = error.as_db_error().and_then(|error| error.table()).unwrap_or_default().to_owned();
        let target = Target { table: &table, verb: Verb::Upsert, stirs };
        match error.as_db_error().map(|error| refusal::of(error, target)) {
            Some(Verdict::Refused(refusal)) => Ok(refusal),
            Some(Verdict::Again | Verdict::Failed) | None => Err(stop(self.member, "commit a batch", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        for (attempts, longest) in [(1, 5), (2, 10), (6, 160), (50, 160)] {
            let longest = Duration::from_millis(longest);
            let pause = pause(attempts);
            assert!(pause >= longest / 2 && pause <= longest, "{attempts}: {pause:?}");
        }
    }
}
