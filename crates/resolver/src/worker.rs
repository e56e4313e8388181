//! The resolver's loop: assignments, batches, transactions, state.

use crate::Error;
use crate::batch::{Context, Outcome, Stopped};
use crate::metrics::ResolverMetrics;
use crate::recovery::catch_up;
use crate::retention::Retention;
use crate::store::{CellStore, Store, StoreError};
use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tributary_model::Ticks;
use tributary_runtime::{Heartbeat, SharedClock, Stop};
use tributary_settle::{Standard, TableRules};
use tributary_stream::{
    Channels, Consumer, ConsumerSettings, Incoming, Isolation, Log, Producer, Start, TopicPartition,
};

/// How the resolver works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The state's file.
    pub state: PathBuf,
    /// Most changes in one transaction.
    pub batch_rows: usize,
    /// How long changes stay in the log after they were resolved.
    pub changes_grace: Duration,
}

/// The resolver of a group.
pub struct Resolver {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The group's topics.
    pub channels: Arc<Channels>,
    /// Each table's rules, in the order of the channels.
    pub tables: Arc<[TableRules]>,
    /// This machine's clock.
    pub clock: SharedClock,
    /// Settings.
    pub settings: Settings,
    /// What it counts.
    pub metrics: Arc<ResolverMetrics>,
}

/// How often the store is told how far it reflects the log while changes come in: what a restart reads again.
const REFLECT_EVERY: Duration = Duration::from_secs(5);
/// Longest wait for records; a stop request is noticed after it.
const WAIT: Duration = Duration::from_millis(200);
const BATCH_BYTES: usize = 16 << 20;

struct Session<'a> {
    resolver: &'a Resolver,
    store: Box<dyn CellStore>,
    producer: Box<dyn Producer>,
    consumer: Box<dyn Consumer>,
    /// Partitions of `changes` topics that are ours: (table, partition).
    owned: BTreeSet<(usize, u32)>,
    /// Of those, the ones written since the store was last told how far it reflects them.
    unreflected: BTreeSet<(usize, u32)>,
    reflected_at: Duration,
    certain: HashSet<(TopicPartition, u64)>,
    retention: Retention,
}

impl Resolver {
    /// Works until asked to stop.
    ///
    /// # Errors
    /// Whatever stops or pauses the worker; [`Error::into_failure`] tells which.
    pub async fn run(&self, stop: Stop, heartbeat: Heartbeat) -> Result<(), Error> {
        let group = self.channels.resolver_group();
        let producer = self.log.producer(&group).await?;
        let settings =
            ConsumerSettings { group: Some(group), isolation: Isolation::Committed, start: Start::Beginning };
        let mut consumer = self.log.consumer(settings).await?;
        let topics: Vec<_> = self.channels.tables.iter().map(|channel| channel.changes.clone()).collect();
        consumer.subscribe(&topics).await?;
        let mut session = Session {
            resolver: self,
            store: Box::new(open_store(&self.settings.state)?),
            producer,
            consumer,
            owned: BTreeSet::new(),
            unreflected: BTreeSet::new(),
            reflected_at: self.clock.monotonic(),
            certain: HashSet::new(),
            retention: Retention::new(self.settings.changes_grace),
        };
        while !stop.is_stopped() {
            heartbeat.beat();
            session.round(&heartbeat).await?;
        }
        session.reflect().await
    }
}

impl Session<'_> {
    async fn round(&mut self, heartbeat: &Heartbeat) -> Result<(), Error> {
        let polled = self.consumer.poll(self.resolver.settings.batch_rows, BATCH_BYTES, WAIT).await?;
        for lost in &polled.revoked {
            if let Some(table) = self.resolver.channels.table_of(&lost.topic) {
                self.owned.remove(&(table, lost.partition));
                self.unreflected.remove(&(table, lost.partition));
            }
        }
        for gained in &polled.assigned {
            self.take_over(gained, heartbeat).await?;
        }
        if !polled.records.is_empty() {
            self.batch(&polled.records, heartbeat).await?;
        }
        let now = self.resolver.clock.monotonic();
        if now.saturating_sub(self.reflected_at) >= REFLECT_EVERY {
            self.reflect().await?;
            self.retention.delete_old(self.resolver.log.as_ref(), now).await?;
        }
        Ok(())
    }

    async fn take_over(&mut self, gained: &TopicPartition, heartbeat: &Heartbeat) -> Result<(), Error> {
        let channels = &self.resolver.channels;
        let table = channels
            .table_of(&gained.topic)
            .ok_or_else(|| Error::UnknownTopic { topic: gained.topic.to_string() })?;
        let at = TopicPartition::new(channels.tables[table].resolved.clone(), gained.partition);
        let log = self.resolver.log.as_ref();
        let read = catch_up(log, self.store.as_mut(), &at, &self.resolver.metrics, heartbeat).await?;
        if read > 0 {
            tracing::info!(topic = %at.topic, partition = at.partition, records = read, "state caught up");
        }
        heartbeat.note("resolving");
        self.owned.insert((table, gained.partition));
        Ok(())
    }

    async fn batch(&mut self, records: &[Incoming], heartbeat: &Heartbeat) -> Result<(), Error> {
        let started = self.resolver.clock.monotonic();
        let outcome = loop {
            match self.resolve(records, self.resolver.clock.now_ticks()) {
                Ok(outcome) => break outcome,
                Err(Stopped::Failed(error)) => return Err(error),
                Err(Stopped::Stale { table, partition }) => {
                    self.rebuild(table, partition, records, heartbeat).await?;
                }
            }
        };
        self.publish(outcome).await?;
        let metrics = &self.resolver.metrics;
        metrics.batch_rows.observe(records.len() as f64);
        metrics.batch_seconds.observe((self.resolver.clock.monotonic() - started).as_secs_f64());
        Ok(())
    }

    fn resolve(&mut self, records: &[Incoming], now: Ticks) -> Result<Outcome, Stopped> {
        let context = Context {
            rules: &Standard,
            tables: &self.resolver.tables,
            channels: &self.resolver.channels,
            metrics: &self.resolver.metrics,
            now,
            certain: &self.certain,
        };
        context.resolve(self.store.as_mut(), records)
    }

    /// Rebuilds a partition's state from the beginning of its topic; after that, the batch's changes of this
    /// partition that still seem to be ahead are known to be of another life of their cell.
    async fn rebuild(
        &mut self,
        table: usize,
        partition: u32,
        records: &[Incoming],
        heartbeat: &Heartbeat,
    ) -> Result<(), Error> {
        let channel = &self.resolver.channels.tables[table];
        let at = TopicPartition::new(channel.resolved.clone(), partition);
        tracing::warn!(topic = %at.topic, partition, "a change has seen more than the state holds: rebuilding it");
        self.store.clear(&at)?;
        let log = self.resolver.log.as_ref();
        catch_up(log, self.store.as_mut(), &at, &self.resolver.metrics, heartbeat).await?;
        let changes = TopicPartition::new(channel.changes.clone(), partition);
        self.certain.clear();
        self.certain.extend(
            records
                .iter()
                .filter(|record| record.topic == changes.topic && record.partition == partition)
                .map(|record| (changes.clone(), record.offset)),
        );
        Ok(())
    }

    async fn publish(&mut self, outcome: Outcome) -> Result<(), Error> {
        self.producer.begin().await?;
        self.producer.send(outcome.records).await?;
        let group = self.consumer.group_metadata();
        let group = group.expect("a consumer that brought records has joined its group");
        self.producer.send_offsets(&group, &outcome.offsets).await?;
        self.producer.commit().await?;
        let log = self.resolver.log.id().0;
        for (at, cells) in &outcome.states {
            let cells: Vec<_> =
                cells.iter().map(|(key, value)| (key.as_slice(), Some(value.as_slice()))).collect();
            self.store.put(log, at, &cells, None)?;
            if let Some(table) = self.resolver.channels.table_of(&at.topic) {
                self.unreflected.insert((table, at.partition));
            }
        }
        self.store.commit()?;
        self.retention.committed(self.resolver.clock.monotonic(), &outcome.offsets);
        Ok(())
    }

    /// Tells the store how far it reflects the partitions that are ours: to their ends, since nobody else writes
    /// to them.
    async fn reflect(&mut self) -> Result<(), Error> {
        self.reflected_at = self.resolver.clock.monotonic();
        if self.unreflected.is_empty() {
            return Ok(());
        }
        let log = self.resolver.log.id().0;
        for (table, partition) in std::mem::take(&mut self.unreflected) {
            let topic = self.resolver.channels.tables[table].resolved.clone();
            let ranges = self.resolver.log.offsets(&topic).await?;
            let end = ranges.get(partition as usize).map_or(0, |range| range.end);
            self.store.put(log, &TopicPartition::new(topic, partition), &[], Some(end))?;
        }
        self.store.commit()?;
        self.resolver.metrics.state_bytes.set(self.store.size() as f64);
        Ok(())
    }
}

/// Opens the state; a damaged file is replaced, since everything in it can be read again.
fn open_store(path: &std::path::Path) -> Result<Store, StoreError> {
    match Store::open(path) {
        Err(error) if error.is_damaged() => {
            tracing::warn!(path = %path.display(), "the resolver's state is damaged and is rebuilt");
            for suffix in ["", "-wal", "-shm"] {
                let mut name = path.as_os_str().to_owned();
                name.push(suffix);
                // What cannot be removed is met again when it is opened.
                let _ = std::fs::remove_file(PathBuf::from(name));
            }
            Store::open(path)
        }
        opened => opened,
    }
}
