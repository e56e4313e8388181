//! The traits of the log, and what each call promises.
//!
//! A worker is one thread with its own single-threaded runtime, so the futures need not be `Send`, and an
//! implementation may block the thread it is called on. Calls are per batch, never per record.

use crate::{Incoming, Outgoing, Result, TopicName, TopicPartition};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// Identity of one log. A copy that is restored or rebuilt under the same name has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LogId(pub Uuid);

/// Number under which a schema is registered; part of the Confluent framing of every record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaId(pub u32);

/// What becomes of old records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// Keeps the last record of every key; a tombstone may go once it is older than `delete_retention`.
    Compact {
        /// How long a tombstone stays readable at least.
        delete_retention: Duration,
    },
    /// Keeps everything until [`Log::delete_before`].
    Keep,
}

/// A topic as it shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSettings {
    /// Its name.
    pub name: TopicName,
    /// How many partitions, at least 1.
    pub partitions: u32,
    /// What becomes of old records.
    pub cleanup: Cleanup,
    /// Largest record in bytes (key + value + headers).
    pub max_record_bytes: usize,
}

/// The offsets that a partition holds: `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OffsetRange {
    /// First offset still there (or where the next would be, when it is empty).
    pub start: u64,
    /// The next offset to be given. Counts records of transactions that are still open.
    pub end: u64,
}

/// Which records a consumer sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Only those of committed transactions, and nothing behind the first open one of a partition.
    Committed,
    /// All, also of open and aborted transactions.
    Uncommitted,
}

/// Where a partition without a stored offset is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// From the first record that is there.
    Beginning,
    /// From the end at the time of assignment.
    End,
}

/// How a consumer reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// The consumer group; `None` for a consumer that assigns itself partitions and stores no offsets.
    pub group: Option<String>,
    /// What it sees.
    pub isolation: Isolation,
    /// Where it begins when no offset is stored.
    pub start: Start,
}

/// Proof of membership in a group at one generation; a producer that sends offsets with an outdated one is fenced.
#[derive(Debug, Clone)]
pub struct GroupMetadata {
    /// The group.
    pub group: String,
    /// Its generation when the consumer last saw an assignment.
    pub generation: u64,
    /// The consumer's id within the group.
    pub member: String,
    /// What Kafka's own protocol needs; `None` with the embedded log.
    pub(crate) kafka: Option<Arc<crate::kafka::Membership>>,
}

/// What one [`Consumer::poll`] brought. When `assigned` or `revoked` is not empty, `records` is empty.
#[derive(Debug, Default)]
pub struct Polled {
    /// Partitions that this consumer owns from now on.
    pub assigned: Vec<TopicPartition>,
    /// Partitions that it has lost: nothing may be published for them any more.
    pub revoked: Vec<TopicPartition>,
    /// Records, in offset order within each partition.
    pub records: Vec<Incoming>,
}

/// A log: topics of ordered partitions, shared by all workers of a process.
///
/// Every call is safe from several threads at once. "Durable" means: survives `kill -9` and a power cut.
#[async_trait(?Send)]
pub trait Log: Send + Sync {
    /// This log's identity.
    fn id(&self) -> LogId;

    /// Creates the topics that are missing and checks those that exist. A topic with another partition count,
    /// cleanup or a smaller message limit is [`crate::Error::TopicMismatch`], naming topic and setting; nothing is
    /// changed in it.
    async fn ensure_topics(&self, topics: &[TopicSettings]) -> Result<()>;

    /// All topics, by name.
    async fn topics(&self) -> Result<Vec<TopicSettings>>;

    /// What each partition of `topic` holds, by partition number.
    async fn offsets(&self, topic: &TopicName) -> Result<Vec<OffsetRange>>;

    /// The offsets that `group` has committed of these topics: the next record to be read of each partition.
    /// Waits for those of transactions that are being committed.
    async fn committed(&self, group: &str, topics: &[TopicName]) -> Result<Vec<(TopicPartition, u64)>>;

    /// How many records a committed reader would get of each of these ranges: 0 exactly when there are none, which
    /// the offsets do not tell, since they have gaps. Of more than a thousand or so it may count too many.
    async fn count_records(&self, ranges: &[(TopicPartition, OffsetRange)]) -> Result<Vec<u64>>;

    /// How many consumers `group` has now, in all processes: whether anybody does its work.
    async fn group_size(&self, group: &str) -> Result<usize>;

    /// Removes the records before `offset` from a [`Cleanup::Keep`] topic.
    async fn delete_before(&self, partition: &TopicPartition, offset: u64) -> Result<()>;

    /// A producer that holds `transactional_id`. An earlier holder is fenced from this moment, and its open
    /// transaction aborted, before this returns.
    async fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>>;

    /// A consumer. It owns no partitions until [`Consumer::subscribe`] or [`Consumer::assign`].
    async fn consumer(&self, settings: ConsumerSettings) -> Result<Box<dyn Consumer>>;

    /// Publishes records of compacted topics beside whoever writes the log, for an operator's command. Durable when
    /// it returns. They are to be read at once, or as soon as the process that writes has taken them over; they may
    /// come twice.
    async fn hand_in(&self, transactional_id: &str, records: Vec<Outgoing>) -> Result<()>;

    /// Registers `schema` (Avro JSON) under `subject`; the same schema there again gives the same id.
    async fn register_schema(&self, subject: &str, schema: &str) -> Result<SchemaId>;

    /// The schema that has this id; [`crate::Error::UnknownSchema`] if none has.
    async fn schema(&self, id: SchemaId) -> Result<String>;

    /// The group's reference clock: milliseconds since 1970 (the broker's; this machine's for the embedded log).
    async fn clock_ms(&self) -> Result<i64>;
}

/// How often somebody else may take the transactional id while records are handed in.
const ATTEMPTS: usize = 10;

/// Publishes records in one transaction of a producer of its own, again if another one takes the id meanwhile.
pub(crate) async fn publish_once(
    log: &impl Log,
    transactional_id: &str,
    records: Vec<Outgoing>,
) -> Result<()> {
    for _ in 1..ATTEMPTS {
        match publish(log, transactional_id, records.clone()).await {
            Err(crate::Error::Fenced { .. }) => {}
            done => return done,
        }
    }
    publish(log, transactional_id, records).await
}

async fn publish(log: &impl Log, transactional_id: &str, records: Vec<Outgoing>) -> Result<()> {
    let mut producer = log.producer(transactional_id).await?;
    producer.begin().await?;
    producer.send(records).await?;
    producer.commit().await
}

/// Writes records in transactions: all of one become visible together, in the order sent, or none does.
///
/// One transaction at a time. After an error from any call but [`crate::Error::RecordTooLarge`], abort; after
/// [`crate::Error::Fenced`] the producer is useless.
#[async_trait(?Send)]
pub trait Producer: Send {
    /// Opens a transaction.
    async fn begin(&mut self) -> Result<()>;

    /// Adds records. Within a partition they keep this order. A record over the topic's limit is
    /// [`crate::Error::RecordTooLarge`] and leaves out the whole call.
    async fn send(&mut self, records: Vec<Outgoing>) -> Result<()>;

    /// Adds consumed offsets (the next record to be read) for the consumer's group.
    async fn send_offsets(&mut self, group: &GroupMetadata, offsets: &[(TopicPartition, u64)]) -> Result<()>;

    /// Commits; when this returns `Ok` the transaction is durable. An error means that it may or may not have
    /// been committed: read the log to find out.
    async fn commit(&mut self) -> Result<()>;

    /// Gives the transaction up. Without an open one, does nothing.
    async fn abort(&mut self) -> Result<()>;
}

/// Reads records, in offset order within a partition.
#[async_trait(?Send)]
pub trait Consumer: Send {
    /// Joins the group and shares the topics' partitions with its other consumers; what it gets, and loses, is
    /// told by [`Consumer::poll`]. Partitions start at the group's committed offset.
    async fn subscribe(&mut self, topics: &[TopicName]) -> Result<()>;

    /// Takes exactly these partitions, at these offsets (`None`: committed or else [`ConsumerSettings::start`]).
    /// An offset outside `[start, end]` is [`crate::Error::OffsetOutOfRange`].
    async fn assign(&mut self, partitions: &[(TopicPartition, Option<u64>)]) -> Result<()>;

    /// Waits up to `wait` for records and returns at most `max_records` and, but for the first record, at most
    /// `max_bytes` of them. Returns at once when some are there. Paused partitions bring none.
    async fn poll(&mut self, max_records: usize, max_bytes: usize, wait: Duration) -> Result<Polled>;

    /// Continues `partition` (assigned to this consumer) at `offset`.
    async fn seek(&mut self, partition: &TopicPartition, offset: u64) -> Result<()>;

    /// The offset of the next record that poll would return for each assigned partition. Moves past compacted
    /// and aborted records too.
    fn positions(&self) -> Vec<(TopicPartition, u64)>;

    /// Stops reading these partitions until [`Consumer::resume`].
    fn pause(&mut self, partitions: &[TopicPartition]);

    /// Goes on reading these partitions.
    fn resume(&mut self, partitions: &[TopicPartition]);

    /// Stores offsets for the group outside a transaction, and waits until they are stored.
    async fn commit(&mut self, offsets: &[(TopicPartition, u64)]) -> Result<()>;

    /// Has offsets stored for the group when that can be, and waits for nothing: for tools that show how far a group
    /// is, when the truth is elsewhere.
    fn commit_later(&mut self, offsets: &[(TopicPartition, u64)]) -> Result<()>;

    /// What a producer needs to send offsets for this consumer's group.
    fn group_metadata(&self) -> Option<GroupMetadata>;
}
