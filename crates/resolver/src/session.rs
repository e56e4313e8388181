//! The resolver's loop: batches, transactions, state. How partitions come and go is [`crate::partitions`]'s matter.
//!
//! Every transaction sends offsets with the proof of membership that was valid when its records were read. One that is
//! accepted thereby tells that nobody else has published for our partitions before it.

use crate::Error;
use crate::batch::{Context, Outcome, Stopped};
use crate::expiry::Expiry;
use crate::ledger::LedgerSweep;
use crate::partitions::Arrival;
use crate::retention::Retention;
use crate::slot::Slot;
use crate::store::CellStore;
use crate::worker::Resolver;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;
use tributary_model::Ticks;
use tributary_runtime::{Heartbeat, Stop, Waits};
use tributary_settle::{Standard, TableRules};
use tributary_stream::{
    Consumer, ConsumerSettings, ControlFollower, Error as LogError, GroupMetadata, Incoming, Isolation,
    LostRange, Outgoing, Polled, Producer, Start, TopicPartition,
};

/// How often the store is told how far it reflects the log while changes come in: what a restart reads again.
const REFLECT_EVERY: Duration = Duration::from_secs(5);
const BATCH_BYTES: usize = 16 << 20;
/// A process that does nothing for so long may be taken for dead by its group: a bit less than a session lasts, with the
/// longest wait for records on top.
const LONG_SLEEP: Duration = Duration::from_secs(3);
/// After so many refusals in a row the transactional id is doubted: somebody else may have the same.
const DOUBTFUL: u32 = 2;
/// After so many the worker pauses.
const HOPELESS: u32 = 6;

/// A partition of a table's topics: the table by position, and the number.
pub(crate) type Part = (usize, u32);

/// A resolver that is a member of its group.
pub(crate) struct Session<'a> {
    pub(crate) resolver: &'a Resolver,
    pub(crate) slot: Slot,
    pub(crate) store: Box<dyn CellStore>,
    pub(crate) producer: Box<dyn Producer>,
    pub(crate) consumer: Box<dyn Consumer>,
    /// Of the membership at the last poll.
    pub(crate) proof: Option<GroupMetadata>,
    /// Partitions that are worked on, with the next change to be read.
    pub(crate) owned: BTreeMap<Part, u64>,
    /// Partitions that are ours and not worked on yet: paused.
    pub(crate) arriving: VecDeque<Arrival>,
    /// The same, for those of which changes are gone.
    pub(crate) lost: BTreeMap<Part, LostRange>,
    /// Of the owned ones, those written since the store was last told how far it reflects them.
    pub(crate) unreflected: BTreeSet<Part>,
    pub(crate) reflected_at: Duration,
    /// By partition: changes before this offset violated I8 although the state had just been rebuilt.
    pub(crate) certain: HashMap<TopicPartition, u64>,
    /// Records of the resolved topics that could not be used, to be listed with the next transaction.
    pub(crate) aside: Vec<Outgoing>,
    pub(crate) retention: Retention,
    pub(crate) expiry: Expiry,
    pub(crate) ledger: LedgerSweep,
    /// The tables' rules, with what the members keep of the columns by now.
    tables: Vec<TableRules>,
    /// The spec that says so.
    spec: Option<Vec<u8>>,
    /// When the last poll ended.
    pub(crate) polled_at: Option<Duration>,
    waits: Waits,
    /// How many transactions in a row were refused.
    pub(crate) refused: u32,
    pub(crate) shown: &'static str,
}

impl<'a> Session<'a> {
    /// Joins the group.
    pub(crate) async fn join(
        resolver: &'a Resolver,
        slot: Slot,
        store: Box<dyn CellStore>,
    ) -> Result<Self, Error> {
        let group = resolver.channels.resolver_group();
        let producer = resolver.log.producer(&slot.transactional_id(&group)).await?;
        let settings =
            ConsumerSettings { group: Some(group), isolation: Isolation::Committed, start: Start::Beginning };
        let (control, now) = (resolver.channels.topics.control(), resolver.clock.monotonic());
        let control = ControlFollower::follow(resolver.log.as_ref(), &control, now).await?;
        let mut consumer = resolver.log.consumer(settings).await?;
        let topics: Vec<_> = resolver.channels.tables.iter().map(|channel| channel.changes.clone()).collect();
        consumer.subscribe(&topics).await?;
        let mut session = Self {
            resolver,
            slot,
            store,
            producer,
            consumer,
            proof: None,
            owned: BTreeMap::new(),
            arriving: VecDeque::new(),
            lost: BTreeMap::new(),
            unreflected: BTreeSet::new(),
            reflected_at: resolver.clock.monotonic(),
            certain: HashMap::new(),
            aside: Vec::new(),
            retention: Retention::new(resolver.settings.changes_grace),
            expiry: Expiry::new(control),
            ledger: LedgerSweep::default(),
            tables: resolver.tables.to_vec(),
            spec: None,
            polled_at: None,
            waits: Waits::default(),
            refused: 0,
            shown: "",
        };
        session.heed_spec();
        Ok(session)
    }

    pub(crate) async fn round(&mut self, stop: &Stop, heartbeat: &Heartbeat) -> Result<(), Error> {
        let waiting = self.arriving.is_empty() && self.lost.is_empty();
        let wait = if waiting { self.waits.next() } else { Duration::ZERO };
        let polled = tokio::select! {
            () = stop.stopped() => return Ok(()),
            polled = self.consumer.poll(self.resolver.settings.batch_rows, BATCH_BYTES, wait) => polled,
        };
        let mut polled = match polled {
            Err(LogError::OffsetOutOfRange { topic, partition, offset, start, .. }) if offset < start => {
                self.note_loss(&TopicPartition::new(topic, partition), offset, start)?;
                Polled::default()
            }
            polled => polled?,
        };
        self.waits.note(!waiting || !polled.records.is_empty());
        self.proof = self.consumer.group_metadata();
        let slept = self.polled_at.replace(self.resolver.clock.monotonic());
        let slept = slept.map_or(Duration::ZERO, |last| {
            self.resolver.clock.monotonic().saturating_sub(last).saturating_sub(wait)
        });
        for gone in &polled.revoked {
            self.forget(gone)?;
        }
        if !polled.assigned.is_empty() {
            let parts: Result<Vec<_>, _> = polled.assigned.iter().map(|at| self.part_of(at)).collect();
            self.receive(parts?).await?;
        }
        if !waiting {
            // A log may have had them on their way when their partition was paused; they come once more.
            polled.records.retain(|record| self.is_owned(record));
        }
        if slept >= LONG_SLEEP && !self.still_belongs().await? {
            polled.records.clear();
        }
        if !polled.records.is_empty() {
            self.batch(&polled.records).await?;
        }
        self.bring_up(heartbeat).await?;
        if self.arriving.is_empty() && !self.lost.is_empty() {
            self.order_recapture().await?;
        }
        let now = self.resolver.clock.monotonic();
        if now.saturating_sub(self.reflected_at) >= REFLECT_EVERY {
            self.reflect().await?;
            self.retention.delete_old(self.resolver.log.as_ref(), now).await?;
        }
        if self.arriving.is_empty() && !self.owned.is_empty() {
            self.expire(heartbeat).await?;
        }
        Ok(())
    }

    pub(crate) fn part_of(&self, at: &TopicPartition) -> Result<Part, Error> {
        let table = self.resolver.channels.table_of(&at.topic);
        let table = table.ok_or_else(|| Error::UnknownTopic { topic: at.topic.to_string() })?;
        Ok((table, at.partition))
    }

    pub(crate) fn changes_at(&self, (table, partition): Part) -> TopicPartition {
        TopicPartition::new(self.resolver.channels.tables[table].changes.clone(), partition)
    }

    pub(crate) fn resolved_at(&self, (table, partition): Part) -> TopicPartition {
        TopicPartition::new(self.resolver.channels.tables[table].resolved.clone(), partition)
    }

    fn is_owned(&self, record: &Incoming) -> bool {
        let table = self.resolver.channels.table_of(&record.topic);
        table.is_some_and(|table| self.owned.contains_key(&(table, record.partition)))
    }

    async fn batch(&mut self, records: &[Incoming]) -> Result<(), Error> {
        let started = self.resolver.clock.monotonic();
        // Before a member begins to round it says so. Whatever it has published since is in the log behind that.
        self.expiry.control.look(self.resolver.log.as_ref(), started).await?;
        self.heed_spec();
        let outcome = match self.resolve(records, self.resolver.clock.now_ticks()) {
            Ok(outcome) => outcome,
            Err(Stopped::Failed(error)) => return Err(error),
            Err(Stopped::Stale { table, partition }) => {
                return self.rebuild((table, partition), records).await;
            }
        };
        let Outcome { records: out, states, offsets, counts } = outcome;
        if !self.transact(out, &offsets).await? {
            let parts: Result<Vec<_>, _> = offsets.iter().map(|(at, _)| self.part_of(at)).collect();
            return self.receive(parts?).await;
        }
        let log = self.resolver.log.id().0;
        for (at, cells) in &states {
            let cells: Vec<_> =
                cells.iter().map(|(key, value)| (key.as_slice(), Some(value.as_slice()))).collect();
            self.store.put(log, at, &cells, None)?;
        }
        self.store.commit()?;
        for (at, next) in &offsets {
            let part = self.part_of(at)?;
            self.owned.insert(part, *next);
            self.unreflected.insert(part);
            if self.certain.get(at).is_some_and(|until| until <= next) {
                self.certain.remove(at);
            }
        }
        self.retention.committed(self.resolver.clock.monotonic(), &offsets);
        let metrics = &self.resolver.metrics;
        metrics.count(&counts);
        metrics.batch_rows.observe(records.len() as f64);
        metrics.batch_seconds.observe((self.resolver.clock.monotonic() - started).as_secs_f64());
        Ok(())
    }

    /// Takes over from the spec what the members keep of the columns.
    fn heed_spec(&mut self) {
        let Some(spec) = self.expiry.control.spec().filter(|spec| self.spec.as_deref() != Some(*spec)) else {
            return;
        };
        match (self.resolver.projections)(spec) {
            Some(projections) => {
                for (rules, projections) in self.tables.iter_mut().zip(projections) {
                    rules.projections = projections;
                }
            }
            None => tracing::warn!(
                "the group's spec on the control topic cannot be read; what is known of it holds"
            ),
        }
        self.spec = Some(spec.to_vec());
    }

    fn resolve(&mut self, records: &[Incoming], now: Ticks) -> Result<Outcome, Stopped> {
        let context = Context {
            rules: &Standard,
            tables: &self.tables,
            channels: &self.resolver.channels,
            metrics: &self.resolver.metrics,
            now,
            certain: &self.certain,
        };
        context.resolve(self.store.as_mut(), records)
    }

    /// Rebuilds a partition's state from the beginning of its topic; after that, the batch's changes of this
    /// partition that still seem to be ahead are known to be of another life of their cell. The rest of the batch is
    /// read again meanwhile.
    async fn rebuild(&mut self, part: Part, records: &[Incoming]) -> Result<(), Error> {
        let at = self.resolved_at(part);
        let TopicPartition { topic, partition } = &at;
        tracing::warn!(%topic, partition, "a change has seen more than the state holds: rebuilding it");
        self.store.clear(&at)?;
        let changes = self.changes_at(part);
        let mut touched = BTreeSet::new();
        let mut until = 0;
        for record in records {
            let at = TopicPartition::new(record.topic.clone(), record.partition);
            if at == changes {
                until = record.offset + 1;
            }
            touched.insert(self.part_of(&at)?);
        }
        self.receive(touched.into_iter().collect()).await?;
        self.certain.insert(changes, until);
        Ok(())
    }

    /// Publishes in one transaction. `false` when it was refused because partitions may have gone to another process:
    /// nothing of it was written, and what it was about has to be taken over once more.
    pub(crate) async fn transact(
        &mut self,
        mut records: Vec<Outgoing>,
        offsets: &[(TopicPartition, u64)],
    ) -> Result<bool, Error> {
        records.extend(self.aside.iter().cloned());
        let sent = send(self.producer.as_mut(), records, self.proof.as_ref(), offsets).await;
        let Err(error) = sent else {
            self.refused = 0;
            self.aside.clear();
            return Ok(true);
        };
        // An open transaction would hold back all readers. If this fails as well, it ends by its time-out.
        let _ = self.producer.abort().await;
        match error {
            LogError::Fenced { .. } | LogError::NotAssigned { .. } => self.refused += 1,
            LogError::RecordTooLarge { topic, bytes, limit } => {
                return Err(Error::TooLarge { topic, bytes, limit });
            }
            error => return Err(error.into()),
        }
        tracing::info!(%error, "a transaction was refused; its partitions are taken over once more");
        if self.refused >= HOPELESS {
            return Err(error.into());
        }
        if self.refused >= DOUBTFUL {
            self.slot.renew()?;
        }
        let id = self.slot.transactional_id(&self.resolver.channels.resolver_group());
        self.producer = self.resolver.log.producer(&id).await?;
        Ok(false)
    }

    /// Tells the store how far it reflects the partitions that are ours: to their ends as they are now, if a
    /// transaction is accepted afterwards. Another process that has published before those ends would have taken the
    /// partition from us, and ours would be refused.
    pub(crate) async fn reflect(&mut self) -> Result<(), Error> {
        self.reflected_at = self.resolver.clock.monotonic();
        if self.unreflected.is_empty() && self.aside.is_empty() {
            return Ok(());
        }
        let mut parts = std::mem::take(&mut self.unreflected);
        if parts.is_empty() {
            // Any partition of ours makes the transaction one of the group's.
            let Some(part) = self.owned.keys().next() else { return Ok(()) };
            parts.insert(*part);
        }
        let mut ends: Vec<(TopicPartition, u64)> = Vec::with_capacity(parts.len());
        let mut ranges = (usize::MAX, Vec::new());
        for part in &parts {
            let at = self.resolved_at(*part);
            if ranges.0 != part.0 {
                ranges = (part.0, self.resolver.log.offsets(&at.topic).await?);
            }
            let end = ranges.1.get(part.1 as usize).map_or(0, |range| range.end);
            ends.push((at, end));
        }
        let owned = |part: &Part| Some((self.changes_at(*part), *self.owned.get(part)?));
        let offsets: Vec<_> = parts.iter().filter_map(owned).collect();
        if !self.transact(Vec::new(), &offsets).await? {
            return self.receive(parts.into_iter().collect()).await;
        }
        let log = self.resolver.log.id().0;
        for (at, end) in &ends {
            self.store.put(log, at, &[], Some(*end))?;
        }
        self.store.commit()?;
        self.resolver.metrics.state_bytes.set(self.store.size() as f64);
        Ok(())
    }
}

async fn send(
    producer: &mut dyn Producer,
    records: Vec<Outgoing>,
    proof: Option<&GroupMetadata>,
    offsets: &[(TopicPartition, u64)],
) -> tributary_stream::Result<()> {
    let fenced = || LogError::Fenced { transactional_id: "of no group".to_owned() };
    let proof = proof.ok_or_else(fenced)?;
    producer.begin().await?;
    if !records.is_empty() {
        producer.send(records).await?;
    }
    producer.send_offsets(proof, offsets).await?;
    producer.commit().await
}
