//! The apply loop of one member.

use crate::aside::Aside;
use crate::batch_size::BatchSize;
use crate::levels::levels;
use crate::metrics::ApplyMetrics;
use crate::refill::Refilling;
use crate::retries::Retries;
use crate::told::Told;
use crate::{Error, nulls, token};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tributary_member::{
    ApplyBatch, ApplyRecord, Connector, Member, OffsetMove, Outcome, RefusalKind, Source, TableBinding,
    TableState,
};
use tributary_model::time::TICKS_A_SECOND;
use tributary_model::{KeyBytes, MetBy, Ticks};
use tributary_runtime::{Heartbeat, SharedClock, Stop, Waits};
use tributary_stream::{
    Channels, Consumer, ConsumerSettings, ControlFollower, Incoming, Isolation, Log, MemberControl, Outgoing,
    Reference, Said, Settlement, Start, TopicPartition, Trace,
};

/// Longest wait for records while columns are being filled between two waits.
const SHORT_WAIT: Duration = Duration::from_millis(5);
const BATCH_BYTES: usize = 16 << 20;
/// How often tables are looked at for their own sake. The member looks at those of a batch before it writes.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often the log is told how far the member is, while it moves.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// How long a reading of the reference clock is carried on.
const REFERENCE_AGE: Duration = Duration::from_secs(10);

/// How apply works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long one transaction may hold the member's write lock, about.
    pub batch_time: Duration,
    /// Most records in one transaction.
    pub batch_rows: usize,
    /// How often the group is told how far the member is, while it moves.
    pub progress_every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch_time: Duration::from_millis(50),
            batch_rows: 6_000,
            progress_every: Duration::from_secs(60),
        }
    }
}

/// A member's apply worker.
pub struct Apply {
    /// Opens the member.
    pub connector: Arc<dyn Connector>,
    /// The member's tables, in the order of the channels.
    pub bindings: Vec<Arc<TableBinding>>,
    /// The log.
    pub log: Arc<dyn Log>,
    /// The group's topics.
    pub channels: Arc<Channels>,
    /// This machine's clock.
    pub clock: SharedClock,
    /// Settings.
    pub settings: Settings,
    /// What it counts.
    pub metrics: Arc<ApplyMetrics>,
    /// Set while a table is not worked on, for whoever looks whether the tables have changed.
    pub standing: Arc<AtomicBool>,
}

/// What a transaction came to.
pub(crate) struct Written {
    /// Whether parked records may succeed now.
    pub(crate) retry_now: bool,
    /// Records that wait for others: for rows that they refer to, or for the going of rows that refer to theirs.
    pub(crate) waiting: usize,
}

/// A connected worker: what it holds between batches.
pub(crate) struct Session<'a> {
    pub(crate) apply: &'a Apply,
    pub(crate) member: Box<dyn Member>,
    consumer: Box<dyn Consumer>,
    /// What the member has stored, by (table, partition).
    pub(crate) stored: BTreeMap<(usize, u32), u64>,
    /// Tables that stand still at present.
    pub(crate) stopped: BTreeSet<usize>,
    /// Tables whose gained columns are being filled; they are among those that stand still.
    refills: Vec<Refilling>,
    /// While catching up: partitions whose level has not begun, and where the present level ends.
    waiting: Vec<Vec<TopicPartition>>,
    ends: BTreeMap<TopicPartition, u64>,
    pub(crate) size: BatchSize,
    /// Parked records that are tried again.
    pub(crate) retries: Retries,
    aside: Aside,
    reference: Option<Reference>,
    /// What is said of the member, read before every transaction.
    control: ControlFollower,
    told: Told,
    /// Whether offsets have moved since they were told, and when they are told next.
    moved: bool,
    tell_at: Duration,
    waits: Waits,
}

impl Apply {
    /// Works until asked to stop, or until the control topic says that the member is to be left alone: then the caller
    /// waits until it says otherwise, and calls again.
    ///
    /// # Errors
    /// Whatever stops or pauses the worker; [`Error::into_failure`] tells which.
    pub async fn run(&self, stop: Stop, heartbeat: Heartbeat) -> Result<(), Error> {
        let mut session = self.start().await?;
        while let Some(order) = session.control.members().of(self.connector.id()).pending_reinit().cloned() {
            if !session.fill_anew(&order, &stop, &heartbeat).await? {
                return Ok(());
            }
            session = self.start().await?;
        }
        let mut shown = String::new();
        let mut look_at = Duration::ZERO;
        heartbeat.note("applying");
        while !stop.is_stopped() {
            heartbeat.beat();
            if self.clock.monotonic() >= look_at {
                let note = session.check_tables().await?;
                self.standing.store(!note.is_empty(), Ordering::Relaxed);
                look_at = self.clock.monotonic() + LOOK_EVERY;
                if note != shown {
                    heartbeat.note(if note.is_empty() { "applying".to_owned() } else { note.clone() });
                    shown = note;
                }
            }
            if !session.round(&stop).await? {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn name(&self) -> String {
        self.connector.id().to_string()
    }

    pub(crate) fn member_error(&self, source: tributary_member::Error) -> Error {
        Error::Member { member: self.name(), source: Box::new(source) }
    }

    pub(crate) fn log_error(&self, source: tributary_stream::Error) -> Error {
        Error::Log { member: self.name(), source: Box::new(source) }
    }

    async fn start(&self) -> Result<Session<'_>, Error> {
        let (topic, now) = (self.channels.topics.control(), self.clock.monotonic());
        let control = ControlFollower::follow(self.log.as_ref(), &topic, now).await;
        let control = control.map_err(|e| self.log_error(e))?;
        let mut member = self.connector.connect(&self.bindings).await.map_err(|e| self.member_error(e))?;
        token::check(self.log.as_ref(), &self.channels, self.connector.id(), member.as_mut()).await?;
        let stored = self.stored_offsets(member.as_mut()).await?;
        let settings = ConsumerSettings {
            group: Some(self.channels.topics.apply_group(&self.name())),
            isolation: Isolation::Committed,
            start: Start::Beginning,
        };
        let mut consumer = self.log.consumer(settings).await.map_err(|e| self.log_error(e))?;
        let mut assignment = Vec::new();
        let mut ends = BTreeMap::new();
        let mut by_level: BTreeMap<usize, Vec<TopicPartition>> = BTreeMap::new();
        let levels = levels(self.channels.tables.iter().map(|channel| channel.schema.as_ref()));
        for (table, channel) in self.channels.tables.iter().enumerate() {
            let ranges = self.log.offsets(&channel.resolved).await.map_err(|e| self.log_error(e))?;
            for (partition, range) in (0..).zip(&ranges) {
                let at = TopicPartition::new(channel.resolved.clone(), partition);
                let from = stored.get(&(table, partition)).copied().unwrap_or(range.start);
                assignment.push((at.clone(), Some(from)));
                ends.insert(at.clone(), range.end);
                by_level.entry(levels[table]).or_default().push(at);
            }
        }
        consumer.assign(&assignment).await.map_err(|e| self.log_error(e))?;
        let waiting: Vec<_> = by_level.into_values().rev().collect();
        for level in &waiting {
            consumer.pause(level);
        }
        Ok(Session {
            apply: self,
            member,
            consumer,
            stored,
            stopped: BTreeSet::new(),
            refills: Vec::new(),
            waiting,
            ends,
            size: BatchSize::new(self.settings.batch_time, self.settings.batch_rows),
            retries: Retries::default(),
            aside: Aside::default(),
            reference: None,
            control,
            told: Told::default(),
            moved: false,
            tell_at: Duration::ZERO,
            waits: Waits::default(),
        })
    }

    async fn stored_offsets(&self, member: &mut dyn Member) -> Result<BTreeMap<(usize, u32), u64>, Error> {
        let log = self.log.id().0;
        let mut stored = BTreeMap::new();
        for offset in member.offsets().await.map_err(|e| self.member_error(e))? {
            if offset.log != log {
                return Err(Error::OtherLog { member: self.name(), stored: offset.log, found: log });
            }
            let table = self.channels.tables.iter().position(|channel| {
                channel.resolved.as_str() == offset.topic && channel.schema.generation == offset.generation
            });
            if let Some(table) = table {
                stored.insert((table, offset.partition), offset.next);
            }
        }
        Ok(stored)
    }
}

impl Session<'_> {
    /// Pauses the partitions of tables that stand still and resumes those that are ready again. Gives the text
    /// that names the former.
    async fn check_tables(&mut self) -> Result<String, Error> {
        let states = self.member.table_states().await.map_err(|e| self.apply.member_error(e))?;
        self.look_for_refills(&states).await?;
        let mut note = Vec::new();
        for (table, state) in states.iter().enumerate() {
            match state {
                TableState::Stopped { .. } | TableState::Refills { .. } => {
                    let name = &self.apply.bindings[table].schema.name;
                    let refill = self.refills.iter().find(|refill| refill.table() == table);
                    let reason = refill.and_then(Refilling::note).or_else(|| state.hindrance());
                    let word = if matches!(state, TableState::Stopped { .. }) { "stopped" } else { "waits" };
                    note.push(format!("table {name} {word}: {}", reason.unwrap_or_default()));
                    if self.stopped.insert(table) {
                        let partitions = self.partitions_of(table);
                        self.consumer.pause(&partitions);
                    }
                }
                TableState::Ready if self.stopped.remove(&table) => {
                    let mut partitions = self.partitions_of(table);
                    let waiting: HashSet<_> = self.waiting.iter().flatten().collect();
                    partitions.retain(|at| !waiting.contains(at));
                    self.consumer.resume(&partitions);
                }
                TableState::Ready => {}
            }
        }
        Ok(note.join("; "))
    }

    /// Takes up the refills that there are, and forgets those that are over.
    async fn look_for_refills(&mut self, states: &[TableState]) -> Result<(), Error> {
        let refills = |table: usize| matches!(states.get(table), Some(TableState::Refills { .. }));
        self.refills.retain(|refill| refills(refill.table()));
        let known = |table: usize, known: &[Refilling]| known.iter().any(|refill| refill.table() == table);
        if (0..states.len()).any(|table| refills(table) && !known(table, &self.refills)) {
            for refill in self.member.refills().await.map_err(|e| self.apply.member_error(e))? {
                if refills(refill.table) && !known(refill.table, &self.refills) {
                    self.refills.push(Refilling::new(&refill));
                }
            }
        }
        Ok(())
    }

    fn partitions_of(&self, table: usize) -> Vec<TopicPartition> {
        let topic = &self.apply.channels.tables[table].resolved;
        self.ends.keys().filter(|at| at.topic == *topic).cloned().collect()
    }

    /// `false` when the member is to be left alone, or the worker is asked to stop.
    async fn round(&mut self, stop: &Stop) -> Result<bool, Error> {
        self.next_level();
        let (retries, refills) = (self.retries.go_on(), !self.refills.is_empty());
        let wait = match (retries, refills) {
            (true, _) => Duration::ZERO,
            (false, true) => SHORT_WAIT,
            (false, false) => self.waits.next(),
        };
        let polled = tokio::select! {
            () = stop.stopped() => return Ok(false),
            polled = self.consumer.poll(self.size.rows(), BATCH_BYTES, wait) => polled,
        };
        let polled = polled.map_err(|e| self.apply.log_error(e))?;
        self.waits.note(retries || refills || !polled.records.is_empty());
        // Between reading and writing: what is written is decided by what is said now.
        if self.rests().await? {
            return Ok(false);
        }
        if !polled.records.is_empty() {
            for part in nulls::cut(polled.records) {
                self.batch(part).await?;
            }
        }
        self.tell_offsets();
        self.tell_group().await?;
        let mut left = Vec::with_capacity(self.refills.len());
        for mut refill in std::mem::take(&mut self.refills) {
            if !refill.step(self.apply, self.member.as_mut()).await? {
                left.push(refill);
            }
        }
        self.refills = left;
        self.retry_due().await?;
        Ok(true)
    }

    /// Takes note of what has been said on the control topic.
    pub(crate) async fn look_at_control(&mut self) -> Result<(), Error> {
        let (log, now) = (self.apply.log.as_ref(), self.apply.clock.monotonic());
        self.control.look(log, now).await.map_err(|e| self.apply.log_error(e))?;
        Ok(())
    }

    /// What is said of the member, by the last look.
    pub(crate) fn said(&self) -> &MemberControl {
        self.control.members().of(self.apply.connector.id())
    }

    async fn rests(&mut self) -> Result<bool, Error> {
        self.look_at_control().await?;
        let (id, said) = (self.apply.connector.id(), self.said());
        // An order to fill the member anew is carried out before a worker begins.
        Ok(said.apply_rests(id).is_some() || said.pending_reinit().is_some())
    }

    /// Tells the group how far the member is: deletes that everybody has can be forgotten.
    async fn tell_group(&mut self) -> Result<(), Error> {
        let now = self.apply.clock.monotonic();
        let (id, channels) = (self.apply.connector.id(), &self.apply.channels);
        let said = &self.control.members().of(id).applied;
        let every = self.apply.settings.progress_every;
        let Some(reached) = self.told.news(said, &self.stored, channels, now, every) else { return Ok(()) };
        let record = Said::Applied(Some(reached)).record(channels.topics.control(), id);
        self.list(vec![record]).await
    }

    /// Tells the log how far the member is, for tools that watch consumer groups. Nobody goes by it: the member's own
    /// offsets count.
    fn tell_offsets(&mut self) {
        let now = self.apply.clock.monotonic();
        if !self.moved || now < self.tell_at {
            return;
        }
        self.moved = false;
        self.tell_at = now + TELL_EVERY;
        let tables = &self.apply.channels.tables;
        let offsets: Vec<_> = self
            .stored
            .iter()
            .map(|((table, partition), next)| {
                (TopicPartition::new(tables[*table].resolved.clone(), *partition), *next)
            })
            .collect();
        if let Err(error) = self.consumer.commit_later(&offsets) {
            tracing::debug!(%error, "the log was not told how far the member is");
        }
    }

    /// Lets the next level of tables begin once the present one has come to its end.
    fn next_level(&mut self) {
        while !self.waiting.is_empty() {
            let waiting: HashSet<_> = self.waiting.iter().flatten().cloned().collect();
            let positions = self.consumer.positions();
            let behind = positions.iter().any(|(at, next)| {
                let stands =
                    self.apply.channels.table_of(&at.topic).is_some_and(|t| self.stopped.contains(&t));
                !waiting.contains(at) && !stands && self.ends.get(at).is_some_and(|end| next < end)
            });
            if behind {
                return;
            }
            if let Some(mut level) = self.waiting.pop() {
                level.retain(|at| {
                    self.apply.channels.table_of(&at.topic).is_none_or(|t| !self.stopped.contains(&t))
                });
                self.consumer.resume(&level);
            }
        }
    }

    async fn batch(&mut self, records: Vec<Incoming>) -> Result<(), Error> {
        let started = self.apply.clock.monotonic();
        let rows = records.len();
        let mut next: BTreeMap<(usize, u32), u64> = BTreeMap::new();
        let mut batch = Vec::with_capacity(rows);
        let mut times = Vec::with_capacity(rows);
        let own = self.apply.connector.id().clone();
        let mut aside = Vec::new();
        for record in records {
            let Some(table) = self.apply.channels.table_of(&record.topic) else { continue };
            next.insert((table, record.partition), record.offset + 1);
            if let Some(trace) = Trace::of(&record.headers) {
                tracing::debug!(member = own.as_str(), trace = trace.id(), "applying a record");
            }
            let item = match self.apply.channels.tables[table].read_resolved(&record) {
                Ok((key, resolved)) => self.record(table, key, resolved, record),
                Err(why) => {
                    let (met_by, now) = (MetBy::Apply(own.clone()), self.apply.clock.now_ticks());
                    aside.push(self.apply.channels.exception(met_by, table, &record, &why, now));
                    continue;
                }
            };
            let foreign =
                item.resolved.as_ref().ok().filter(|r| r.winner.incarnation.member() != own.as_str());
            times.push(foreign.and_then(|resolved| resolved.effective_at));
            batch.push(item);
        }
        self.list_unusable(aside).await?;
        let offsets =
            next.iter().map(|((table, partition), next)| self.offset_move(*table, *partition, *next));
        let offsets: Vec<OffsetMove> = offsets.collect();
        let deletes = nulls::deletes(&self.apply.channels, &batch, self.apply.clock.now_ticks());
        if !deletes.is_empty() {
            self.write(deletes, Vec::new(), &[]).await?;
        }
        let written = self.write(batch, offsets, &times).await?;
        self.stored.extend(next);
        self.moved = true;
        let took = self.apply.clock.monotonic().saturating_sub(started);
        self.size.observe(rows, took);
        let metrics = &self.apply.metrics;
        metrics.batch_rows.observe(rows as f64);
        metrics.batch_seconds.observe(took.as_secs_f64());
        if written.retry_now {
            self.retry_parked().await?;
        }
        Ok(())
    }

    pub(crate) fn offset_move(&self, table: usize, partition: u32, next: u64) -> OffsetMove {
        let channel = &self.apply.channels.tables[table];
        OffsetMove {
            topic: channel.resolved.as_str().to_owned(),
            generation: channel.schema.generation,
            partition,
            expected: self.stored.get(&(table, partition)).copied(),
            next,
        }
    }

    pub(crate) fn record(
        &self,
        table: usize,
        key: KeyBytes,
        resolved: Settlement,
        record: Incoming,
    ) -> ApplyRecord {
        let source = Source {
            generation: self.apply.channels.tables[table].schema.generation,
            partition: record.partition,
            offset: record.offset,
        };
        let payload = record.value.unwrap_or_default();
        ApplyRecord { table, key, resolved, source, payload, retry: false, force: None }
    }

    /// Lists records that cannot be used, so that the offsets may pass them.
    async fn list_unusable(&mut self, records: Vec<Outgoing>) -> Result<(), Error> {
        self.apply.metrics.unusable.inc_by(records.len() as u64);
        self.list(records).await
    }

    /// Writes records to the group's small topics, durably.
    pub(crate) async fn list(&mut self, records: Vec<Outgoing>) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let id = self.apply.channels.topics.apply_group(&self.apply.name());
        let listed = self.aside.list(self.apply.log.as_ref(), &id, records).await;
        listed.map_err(|e| self.apply.log_error(e))
    }

    /// Applies one batch and counts what came of it.
    pub(crate) async fn write(
        &mut self,
        records: Vec<ApplyRecord>,
        offsets: Vec<OffsetMove>,
        times: &[Option<Ticks>],
    ) -> Result<Written, Error> {
        let now = self.apply.clock.now_ticks();
        let batch = ApplyBatch { log: self.apply.log.id().0, records, offsets };
        let applied = self.member.apply(batch, now).await.map_err(|e| self.apply.member_error(e))?;
        let metrics = &self.apply.metrics;
        metrics.count(&applied.outcomes);
        metrics.unparked.inc_by(applied.unparked);
        metrics.altered.inc_by(applied.altered_by_trigger.len() as u64);
        self.observe_delays(times, &applied.outcomes).await;
        // A child that comes before its parent is everyday work, and tried again when the parent is there.
        let (mut waiting, mut refused, mut referenced) = (0_usize, 0_usize, 0_usize);
        for outcome in &applied.outcomes {
            match outcome {
                Outcome::Parked(refusal) if refusal.kind == RefusalKind::ForeignKey => waiting += 1,
                Outcome::Parked(refusal) => {
                    refused += 1;
                    referenced += usize::from(refusal.kind == RefusalKind::Referenced);
                }
                _ => {}
            }
        }
        if waiting > 0 {
            tracing::debug!(
                member = self.apply.name(),
                records = waiting,
                "records wait for the rows they refer to"
            );
        }
        if refused > 0 {
            let member = self.apply.name();
            tracing::warn!(member, records = refused, "the member refused records; they are parked");
        }
        if !applied.altered_by_trigger.is_empty() {
            let rows = applied.altered_by_trigger.len();
            tracing::warn!(
                member = self.apply.name(),
                rows,
                "users' triggers altered rows while they were applied"
            );
        }
        Ok(Written { retry_now: applied.retry_now, waiting: waiting + referenced })
    }

    /// How long changes of other members took until they were visible here, by the reference clock, which is the one
    /// that their times are by.
    async fn observe_delays(&mut self, times: &[Option<Ticks>], outcomes: &[Outcome]) {
        let written = times.iter().zip(outcomes).filter_map(|(time, outcome)| match outcome {
            Outcome::Upserted | Outcome::Deleted => *time,
            _ => None,
        });
        let written: Vec<Ticks> = written.collect();
        if written.is_empty() {
            return;
        }
        let now = self.apply.clock.monotonic();
        if self.reference.is_none_or(|reading| reading.age(now) >= REFERENCE_AGE) {
            match self.apply.log.clock_ms().await {
                Ok(ms) => self.reference = Some(Reference::new(ms, self.apply.clock.monotonic())),
                // Only what is counted suffers.
                Err(error) => tracing::debug!(%error, "the log does not tell its time"),
            }
        }
        let Some(reading) = self.reference else { return };
        let visible = reading.ticks_at(self.apply.clock.monotonic());
        for time in written {
            let delay = visible.saturating_sub(time).max(0);
            self.apply.metrics.delay_seconds.observe(delay as f64 / TICKS_A_SECOND as f64);
        }
    }
}
