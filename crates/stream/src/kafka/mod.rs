//! The log in Apache Kafka, with a schema registry beside it.
//!
//! Decides how the promises of [`crate::Log`] are kept with Kafka's own means; what is in the records is not known
//! here. The calls block the thread they are made on, as every log may: a worker is a thread.
//!
//! Offsets have gaps: every transaction leaves a marker, aborted ones their records, compaction holes. Ends count all
//! of these, and [`crate::Consumer::positions`] moves past them.

mod admin;
mod client;
mod clock;
mod consumer;
mod copy;
mod description;
mod difference;
mod ends;
mod given_up;
mod group;
mod identity;
mod native;
mod positions;
mod probe;
mod producer;
mod registry;
mod settings;
mod statistics;
mod trouble;

pub use copy::Copier;
pub use settings::{Compression, KafkaSettings, RegistrySettings, Sasl, ScramHash, TlsIdentity, TlsSettings};
pub use statistics::{ClientStatistics, StatisticsListener};

use crate::{
    Consumer, ConsumerSettings, Isolation, Log, LogId, OffsetRange, Outgoing, Producer, Result, SchemaId,
    Start, TopicName, TopicPartition, TopicSettings,
};
use async_trait::async_trait;
use rdkafka::consumer::{Consumer as _, ConsumerGroupMetadata};
use statistics::StatisticsHook;
use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// Ranges of more offsets than this are not counted record by record.
const COUNTED: u64 = 1_000;

/// What a consumer's membership in its group is to Kafka, at one moment.
pub(crate) struct Membership {
    native: ConsumerGroupMetadata,
    /// The consumer's name and generation as told outside; what was made up fits no membership.
    member: String,
    generation: u64,
    /// The partitions that were the consumer's.
    owned: BTreeSet<TopicPartition>,
}

impl fmt::Debug for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership").field("owned", &self.owned).finish_non_exhaustive()
    }
}

/// A log in Kafka. Clones share its connections.
#[derive(Clone)]
pub struct KafkaLog {
    shared: Arc<Shared>,
}

/// What the clones share.
struct Shared {
    settings: Arc<KafkaSettings>,
    cluster: String,
    id: OnceLock<LogId>,
    admin: admin::Admin,
    registry: registry::Registry,
    clock: clock::Clock,
    statistics: StatisticsHook,
    /// Those who ask for a group's offsets, by group.
    askers: Mutex<HashMap<String, rdkafka::consumer::BaseConsumer<group::ConsumerWatch>>>,
}

impl Shared {
    /// The name that readers without a group go by: the client library wants one of every consumer, and asks for its
    /// coordinator, though nothing is ever stored under it. It begins as the group's other names do.
    fn reader_group(&self) -> String {
        let control = self.settings.control.name.as_str();
        format!("{}.reader", control.strip_suffix(".control").unwrap_or(control))
    }
}

impl fmt::Debug for KafkaLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { settings, cluster, id, .. } = self.shared.as_ref();
        f.debug_struct("KafkaLog")
            .field("brokers", &settings.brokers)
            .field("cluster", cluster)
            .field("id", &id.get())
            .finish_non_exhaustive()
    }
}

impl KafkaLog {
    /// Reaches the cluster, and reads the log's identity from the control topic; makes both topic and identity if they
    /// are not there and [`KafkaSettings::writes`]. The registry is not asked for anything yet.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when no broker answers in time, [`crate::Error::Credentials`] or
    /// [`crate::Error::Tls`] when one does and that is why; [`crate::Error::UnknownTopic`] when this process may not
    /// write and nobody has made the control topic; [`crate::Error::OtherCluster`] when the topics came from elsewhere.
    pub async fn connect(settings: KafkaSettings) -> Result<Self> {
        let log = Self::reach(settings)?;
        let id = identity::read_or_make(&log.shared).await?;
        log.shared.id.get_or_init(|| id);
        Ok(log)
    }

    /// Reaches the cluster to copy the log `id` into it. The copier is `None` when that has been done before. The log
    /// itself can be used meanwhile to look at topics and to register schemas.
    ///
    /// # Errors
    /// [`crate::Error::Occupied`] when the topics belong to another log; and as [`KafkaLog::connect`].
    pub async fn copy_into(settings: KafkaSettings, id: LogId) -> Result<(Self, Option<Copier>)> {
        let log = Self::reach(settings)?;
        let copier = Copier::begin(&log, id).await?;
        log.shared.id.get_or_init(|| id);
        Ok((log, copier))
    }

    fn reach(settings: KafkaSettings) -> Result<Self> {
        let settings = Arc::new(settings);
        let statistics = StatisticsHook::default();
        let watch = trouble::Watch::first(statistics.clone());
        let admin = admin::Admin::new(&settings, &watch)?;
        let cluster = admin.reach()?;
        let registry = registry::Registry::new(&settings);
        let (id, clock) = (OnceLock::new(), clock::Clock::default());
        let askers = Mutex::default();
        Ok(Self {
            shared: Arc::new(Shared { settings, cluster, id, admin, registry, clock, statistics, askers }),
        })
    }

    /// Has `listener` called with every client's figures, every few seconds, on the clients' threads. The first
    /// listener stays.
    pub fn on_statistics(&self, listener: Box<StatisticsListener>) {
        self.shared.statistics.set(listener);
    }

    /// Counts the records of these ranges, each with its number, by reading them.
    async fn count(&self, ranges: &[(usize, TopicPartition, OffsetRange)], counts: &mut [u64]) -> Result<()> {
        let settings =
            ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
        let mut reader = self.consumer(settings).await?;
        let from: Vec<_> = ranges.iter().map(|(_, at, range)| (at.clone(), Some(range.start))).collect();
        reader.assign(&from).await?;
        let of = |at: &TopicPartition| ranges.iter().find(|(_, known, _)| known == at);
        while reader
            .positions()
            .iter()
            .any(|(at, next)| of(at).is_some_and(|(_, _, range)| *next < range.end))
        {
            let polled = reader.poll(1_000, 64 << 20, Duration::from_millis(100)).await?;
            for record in polled.records {
                let at = TopicPartition::new(record.topic, record.partition);
                if let Some((number, _, range)) = of(&at)
                    && record.offset < range.end
                    && let Some(count) = counts.get_mut(*number)
                {
                    *count += 1;
                }
            }
        }
        Ok(())
    }
}

#[async_trait(?Send)]
impl Log for KafkaLog {
    fn id(&self) -> LogId {
        self.shared.id.get().copied().unwrap_or(LogId(uuid::Uuid::nil()))
    }

    async fn ensure_topics(&self, topics: &[TopicSettings]) -> Result<()> {
        self.shared.admin.ensure(topics).await
    }

    async fn topics(&self) -> Result<Vec<TopicSettings>> {
        self.shared.admin.topics().await
    }

    async fn offsets(&self, topic: &TopicName) -> Result<Vec<OffsetRange>> {
        self.shared.admin.offsets(topic).await
    }

    async fn committed(&self, group: &str, topics: &[TopicName]) -> Result<Vec<(TopicPartition, u64)>> {
        let mut partitions = Vec::new();
        for topic in topics {
            let count = self.shared.admin.facts(topic).await?.partitions;
            partitions.extend((0..count).map(|partition| TopicPartition::new(topic.clone(), partition)));
        }
        let known = self.shared.askers.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
        let asker = match known {
            Some(asker) => asker,
            None => native::asker(&self.shared, group)?,
        };
        let found = group::committed(&asker, &partitions);
        let failed = |error| {
            let watch = asker.context().watch();
            trouble::call_error(&self.shared.settings, watch, "read a group's offsets", error)
        };
        let found = found.map_err(failed)?;
        // Who asks once will ask again.
        self.shared.askers.lock().unwrap_or_else(PoisonError::into_inner).insert(group.to_owned(), asker);
        Ok(found)
    }

    async fn count_records(&self, ranges: &[(TopicPartition, OffsetRange)]) -> Result<Vec<u64>> {
        let wanted: Vec<_> = ranges.iter().map(|(at, _)| at.clone()).collect();
        let held = self.shared.admin.ranges(&wanted, Isolation::Uncommitted, self.shared.settings.timeout)?;
        let mut counts = vec![0; ranges.len()];
        let mut few = Vec::new();
        for (number, ((at, range), held)) in ranges.iter().zip(held).enumerate() {
            let range = OffsetRange { start: range.start.max(held.start), end: range.end.min(held.end) };
            let offsets = range.end.saturating_sub(range.start);
            if offsets > COUNTED {
                counts[number] = offsets;
            } else if offsets > 0 {
                few.push((number, at.clone(), range));
            }
        }
        if !few.is_empty() {
            self.count(&few, &mut counts).await?;
        }
        Ok(counts)
    }

    async fn group_size(&self, group: &str) -> Result<usize> {
        self.shared.admin.group_size(group)
    }

    async fn delete_before(&self, partition: &TopicPartition, offset: u64) -> Result<()> {
        self.shared.admin.delete_before(partition, offset).await
    }

    async fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>> {
        Ok(Box::new(producer::KafkaProducer::take(&self.shared, transactional_id)?))
    }

    async fn consumer(&self, settings: ConsumerSettings) -> Result<Box<dyn Consumer>> {
        Ok(Box::new(consumer::KafkaConsumer::new(&self.shared, settings)?))
    }

    async fn hand_in(&self, transactional_id: &str, records: Vec<Outgoing>) -> Result<()> {
        crate::log::publish_once(self, transactional_id, records).await
    }

    async fn register_schema(&self, subject: &str, schema: &str) -> Result<SchemaId> {
        self.shared.registry.register(subject, schema).await
    }

    async fn schema(&self, id: SchemaId) -> Result<String> {
        self.shared.registry.schema(id).await
    }

    async fn clock_ms(&self) -> Result<i64> {
        self.shared.clock.now_ms(&self.shared)
    }
}
