//! How partitions come to a resolver, and go.
//!
//! One that comes is paused at first. The group's stored offset is looked up, which waits for a predecessor's
//! transaction; then the state is brought up to the end of the resolved topic; only then changes are read, from the
//! stored offset on. What a transaction was refused for goes this way once more: so everything that was consumed is
//! consumed again, and nothing that was computed is kept. Where changes are gone that were not read, members are
//! ordered to publish theirs again.

use crate::Error;
use crate::ledger::LedgerSweep;
use crate::recovery::CatchUp;
use crate::session::{Part, Session};
use std::collections::BTreeSet;
use tributary_runtime::Heartbeat;
use tributary_stream::{Error as LogError, LostRange, RecaptureOrder, TopicPartition};

/// A partition that was assigned and is not worked on yet.
pub(crate) struct Arrival {
    pub(crate) part: Part,
    /// What the group has stored for it, as of before the state was brought up.
    committed: Option<u64>,
    state: Option<CatchUp>,
}

impl Session<'_> {
    /// A partition is no longer ours: nothing is published for it any more.
    pub(crate) fn forget(&mut self, at: &TopicPartition) -> Result<(), Error> {
        let part = self.part_of(at)?;
        self.owned.remove(&part);
        self.unreflected.remove(&part);
        self.lost.remove(&part);
        self.arriving.retain(|arrival| arrival.part != part);
        self.certain.remove(at);
        self.retention.forget(at);
        let resolved = self.resolved_at(part);
        self.expiry.forget(&resolved);
        if part == (0, 0) {
            self.ledger = LedgerSweep::default();
        }
        self.resolver.metrics.partitions.set(self.owned.len() as f64);
        Ok(())
    }

    /// Takes partitions, or takes them once more. The stored offsets are looked up before the ends of the resolved
    /// topics: a predecessor's transaction that was pending is in the log by then.
    pub(crate) async fn receive(&mut self, parts: Vec<Part>) -> Result<(), Error> {
        let places: Vec<_> = parts.iter().map(|part| self.changes_at(*part)).collect();
        self.consumer.pause(&places);
        for at in &places {
            self.forget(at)?;
        }
        let topics: BTreeSet<_> = places.iter().map(|at| at.topic.clone()).collect();
        let topics: Vec<_> = topics.into_iter().collect();
        let group = self.resolver.channels.resolver_group();
        let stored = self.resolver.log.committed(&group, &topics).await?;
        for (part, at) in parts.into_iter().zip(places) {
            let committed = stored.iter().find(|(known, _)| *known == at).map(|(_, next)| *next);
            self.arriving.push_back(Arrival { part, committed, state: None });
        }
        Ok(())
    }

    /// Brings the state of the first partition that waits up a bit; a partition whose state is there is worked on.
    pub(crate) async fn bring_up(&mut self, heartbeat: &Heartbeat) -> Result<(), Error> {
        let Some(part) = self.arriving.front().map(|arrival| arrival.part) else {
            let doing = if self.owned.is_empty() { "standing by" } else { "resolving" };
            if self.shown != doing {
                self.shown = doing;
                heartbeat.note(doing);
            }
            return Ok(());
        };
        self.shown = "";
        let at = self.resolved_at(part);
        let log = self.resolver.log.as_ref();
        let Some(arrival) = self.arriving.front_mut() else { return Ok(()) };
        let state = match &mut arrival.state {
            Some(state) => state,
            none => none.insert(CatchUp::begin(log, self.store.as_mut(), part.0, at).await?),
        };
        if !state.step(self.resolver, self.store.as_mut(), &mut self.aside, heartbeat).await? {
            return Ok(());
        }
        let (next, is_stored) = (arrival.committed.unwrap_or(0), arrival.committed.is_some());
        let was_resolved = state.end() > 0;
        if is_stored && !self.is_member(part, next).await? {
            // Either the group is sorting itself out, or the loss is about to be told.
            return Ok(());
        }
        self.arriving.pop_front();
        let ranges = log.offsets(&self.changes_at(part).topic).await?;
        let start = ranges.get(part.1 as usize).map_or(0, |range| range.start);
        // Where something was resolved, an offset was stored with it: without one the group's offsets are lost, or the
        // topic was deleted with what was in it, and made anew.
        if next < start || (!is_stored && was_resolved) {
            // Nothing is deleted but what was committed, so somebody else did it, or the stored offset is gone.
            self.lost.insert(part, LostRange { partition: part.1, from: next, to: start });
            return Ok(());
        }
        self.work_from(part, next).await
    }

    /// After a sleep as long as a session lasts, the group may have put us out without that having been told, and a
    /// membership that is none proves nothing. If so, all partitions are taken over once more.
    pub(crate) async fn still_belongs(&mut self) -> Result<bool, Error> {
        let Some((part, next)) = self.owned.first_key_value().map(|(part, next)| (*part, *next)) else {
            return Ok(true);
        };
        if self.is_member(part, next).await? {
            return Ok(true);
        }
        self.receive(self.owned.keys().copied().collect()).await?;
        Ok(false)
    }

    /// Asks the group itself whether we belong to it, by storing once more what is stored. Who slept between an
    /// assignment and hearing of it may have been put out of the group in between.
    pub(crate) async fn is_member(&mut self, part: Part, stored: u64) -> Result<bool, Error> {
        let at = self.changes_at(part);
        match self.consumer.commit(&[(at, stored)]).await {
            Ok(()) => Ok(true),
            Err(LogError::NotAssigned { .. } | LogError::Fenced { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn work_from(&mut self, part: Part, next: u64) -> Result<(), Error> {
        let at = self.changes_at(part);
        match self.consumer.seek(&at, next).await {
            Ok(()) => {}
            // It will be told.
            Err(LogError::NotAssigned { .. }) => return Ok(()),
            Err(LogError::OffsetOutOfRange { start, .. }) if next < start => {
                self.lost.insert(part, LostRange { partition: part.1, from: next, to: start });
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        self.consumer.resume(&[at]);
        self.owned.insert(part, next);
        self.resolver.metrics.partitions.set(self.owned.len() as f64);
        Ok(())
    }

    /// Changes before `start` are gone and were to be read from `offset` on.
    pub(crate) fn note_loss(&mut self, at: &TopicPartition, offset: u64, start: u64) -> Result<(), Error> {
        let part = self.part_of(at)?;
        // What arrives is found to be lost in its turn.
        if self.owned.remove(&part).is_some() {
            self.unreflected.remove(&part);
            self.consumer.pause(std::slice::from_ref(at));
            self.lost.insert(part, LostRange { partition: part.1, from: offset, to: start });
        }
        Ok(())
    }

    /// Orders every member to publish its changes of the tables again whose changes are gone, in the transaction that
    /// passes over the gap.
    pub(crate) async fn order_recapture(&mut self) -> Result<(), Error> {
        let lost = std::mem::take(&mut self.lost);
        let channels = &self.resolver.channels;
        let mut records = Vec::new();
        let tables: BTreeSet<usize> = lost.keys().map(|(table, _)| *table).collect();
        for table in &tables {
            let ranges: Vec<_> =
                lost.iter().filter(|((of, _), _)| of == table).map(|(_, range)| *range).collect();
            let order = RecaptureOrder::new(channels.tables[*table].schema.name.clone());
            let (table, order_id) = (order.table.as_str(), order.id.as_str());
            tracing::warn!(
                table,
                order_id,
                ?ranges,
                "changes were deleted unread: members publish theirs again"
            );
            records.push(order.record(channels.topics.control(), &ranges));
        }
        let offsets: Vec<_> = lost.iter().map(|(part, range)| (self.changes_at(*part), range.to)).collect();
        if !self.transact(records, &offsets).await? {
            return self.receive(lost.into_keys().collect()).await;
        }
        for table in tables {
            self.resolver.metrics.recaptures[table].inc();
        }
        for (part, range) in lost {
            self.work_from(part, range.to).await?;
        }
        Ok(())
    }
}
