//! The log in one SQLite file, for a single machine: topics, transactions, groups, fencing, compaction, schemas.
//!
//! One process writes (it holds the lock file), others may read. Within the process everything is shared through
//! [`EmbeddedLog`], which is cheap to clone. A transaction is gathered in memory and written in one SQLite
//! transaction, together with those of other threads that wait at the same time, so that there is never an open
//! transaction in the file: what is there is committed, for either [`crate::Isolation`].
//!
//! Locks are taken in this order: maintenance, writer, groups, and then any other alone.

mod commit;
mod compaction;
mod consumer;
mod file;
mod group;
mod inbox;
mod lock;
mod producer;
mod topic;

use crate::{
    Consumer, ConsumerSettings, Error, Log, LogId, OffsetRange, Outgoing, Producer, Result, SchemaId,
    TopicName, TopicPartition, TopicSettings, log,
};
use async_trait::async_trait;
use file::failure;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use topic::{Topic, split_partition_id};

pub use compaction::Maintenance;

/// Gives the time in milliseconds since 1970.
pub type ClockMs = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What a process wants with the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To write. Creates the log where there is none, and keeps every other process from writing.
    Exclusive,
    /// To read, also while another process writes.
    ReadOnly,
}

/// A log in one SQLite file, or in memory. Clones share it; it closes with the last of them and of its producers
/// and consumers.
#[derive(Clone)]
pub struct EmbeddedLog {
    shared: Arc<Shared>,
}

/// What the clones share.
struct Shared {
    path: PathBuf,
    kind: Kind,
    id: LogId,
    created_ms: i64,
    clock: ClockMs,
    /// For short questions that shall not wait for a write. `None` with [`Kind::Memory`].
    reader: Option<Mutex<Connection>>,
    /// The only connection that writes. With [`Kind::Memory`] the only one at all. Declared behind the reader: the
    /// last connection to close carries the write-ahead log over and removes it, and a reader cannot.
    writer: Mutex<Connection>,
    /// With [`Kind::ReadOnly`]: the file's state when the topics were last read.
    data_version: Mutex<i64>,
    topics: RwLock<BTreeMap<TopicName, Arc<Topic>>>,
    producers: Mutex<HashMap<String, Arc<producer::Identity>>>,
    groups: Mutex<group::Groups>,
    commits: commit::Queue,
    checkpoint: Mutex<commit::Checkpoint>,
    maintenance: Mutex<()>,
    consumers: AtomicU64,
    /// Declared last, so that the file is closed before another process may open it.
    _lock: Option<lock::LockFile>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    ReadOnly,
    Memory,
}

impl std::fmt::Debug for EmbeddedLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmbeddedLog").field("path", &self.shared.path).field("id", &self.shared.id).finish()
    }
}

/// Takes a lock. What a panic elsewhere left behind is fine: SQLite rolls back, and the rest is set in one step.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[allow(clippy::disallowed_methods, reason = "the default of a clock that callers and tests may inject")]
fn system_clock_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl EmbeddedLog {
    /// Opens the log at `path`.
    pub fn open(path: impl AsRef<Path>, access: Access) -> Result<Self> {
        Self::open_with_clock(path, access, Arc::new(system_clock_ms))
    }

    /// Opens the log at `path` with another clock.
    pub fn open_with_clock(path: impl AsRef<Path>, access: Access, clock: ClockMs) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let (lock, writer, kind) = match access {
            Access::Exclusive => {
                let lock = lock::LockFile::take(&path)?;
                (Some(lock), file::open_writer(&path, clock())?, Kind::File)
            }
            Access::ReadOnly => (None, file::open_reader(&path)?, Kind::ReadOnly),
        };
        let reader = file::open_reader(&path)?;
        // Empty: whoever creates it has not come that far.
        if !file::is_log(&reader, &path)? {
            return Err(Error::Missing { path });
        }
        Self::with(path, kind, clock, writer, Some(reader), lock)
    }

    /// A new log in memory, gone with the last clone, producer and consumer. For tests.
    pub fn memory() -> Self {
        Self::memory_with_clock(Arc::new(system_clock_ms))
    }

    /// [`EmbeddedLog::memory`] with another clock.
    pub fn memory_with_clock(clock: ClockMs) -> Self {
        let path = PathBuf::from(":memory:");
        file::open_memory(&path, clock())
            .and_then(|writer| Self::with(path, Kind::Memory, clock, writer, None, None))
            .expect("a database in memory can be created")
    }

    fn with(
        path: PathBuf,
        kind: Kind,
        clock: ClockMs,
        writer: Connection,
        reader: Option<Connection>,
        lock: Option<lock::LockFile>,
    ) -> Result<Self> {
        let (id, created_ms, topics) = {
            // One snapshot: another process may be writing, and its newest records must not be held against ends
            // that were read before them.
            let snapshot = writer.unchecked_transaction().map_err(file::failure(&path, "read its topics"))?;
            let (id, created_ms) = file::read_identity(&snapshot, &path)?;
            let topics = file::read_topics(&snapshot, &path, &BTreeMap::new())?;
            for topic in topics.values() {
                file::check_ends(&snapshot, &path, topic)?;
            }
            (id, created_ms, topics)
        };
        let shared = Shared {
            path,
            kind,
            id,
            created_ms,
            clock,
            writer: Mutex::new(writer),
            reader: reader.map(Mutex::new),
            data_version: Mutex::new(i64::MIN),
            topics: RwLock::new(topics),
            producers: Mutex::default(),
            groups: Mutex::default(),
            commits: commit::Queue::default(),
            checkpoint: Mutex::default(),
            maintenance: Mutex::default(),
            consumers: AtomicU64::new(0),
            _lock: lock,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// When the log was created, in milliseconds since 1970.
    pub fn created_ms(&self) -> i64 {
        self.shared.created_ms
    }

    /// The log's file; `:memory:` for one in memory.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Keeps the file from growing beyond `bytes`: then writes fail with [`Error::Full`], as on a full disk.
    pub fn limit_size(&self, bytes: u64) -> Result<()> {
        let failed = self.shared.failure("limit its size");
        let writer = locked(&self.shared.writer);
        let page: u64 = writer.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(&failed)?;
        let pages = i64::try_from((bytes / page.max(1)).max(1)).unwrap_or(i64::MAX);
        writer.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).map_err(&failed)
    }
}

impl Shared {
    fn failure(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> Error {
        failure(&self.path, action)
    }

    fn check_writable(&self, action: &'static str) -> Result<()> {
        match self.kind {
            Kind::File | Kind::Memory => Ok(()),
            Kind::ReadOnly => Err(Error::ReadOnly { path: self.path.clone(), action }),
        }
    }

    /// Asks the file a short question.
    fn ask<T>(
        &self,
        action: &'static str,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T> {
        ask(&locked(self.reader.as_ref().unwrap_or(&self.writer))).map_err(self.failure(action))
    }

    /// Writes in one durable transaction; `publish` then tells the process, before anyone else writes.
    fn write<T>(
        &self,
        action: &'static str,
        write: impl FnOnce(&Connection) -> Result<T>,
        publish: impl FnOnce(&T),
    ) -> Result<T> {
        self.check_writable(action)?;
        let failed = self.failure(action);
        let mut writer = locked(&self.writer);
        let transaction =
            writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let written = write(&transaction)?;
        transaction.commit().map_err(&failed)?;
        publish(&written);
        self.checkpoint(&writer);
        Ok(written)
    }

    fn topic(&self, name: &TopicName) -> Result<Arc<Topic>> {
        let known = || self.topics.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        if let Some(topic) = known() {
            return Ok(topic);
        }
        self.refresh()?;
        known().ok_or_else(|| Error::UnknownTopic { topic: name.clone() })
    }

    fn all_topics(&self) -> Vec<Arc<Topic>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// With [`Kind::ReadOnly`]: takes over what another process has written since. Otherwise does nothing.
    fn refresh(&self) -> Result<()> {
        if self.kind != Kind::ReadOnly {
            return Ok(());
        }
        let mut seen = locked(&self.data_version);
        let connection = locked(&self.writer);
        let version: i64 = connection
            .prepare_cached("PRAGMA data_version")
            .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
            .map_err(self.failure("see whether it has changed"))?;
        if *seen == version {
            return Ok(());
        }
        let mut topics = self.topics.write().unwrap_or_else(PoisonError::into_inner);
        let snapshot = connection.unchecked_transaction().map_err(self.failure("read its topics"))?;
        *topics = file::read_topics(&snapshot, &self.path, &topics)?;
        *seen = version;
        Ok(())
    }

    /// Name and partition for the id of a stored partition.
    fn named(&self, id: i64) -> Option<TopicPartition> {
        let (topic, partition) = split_partition_id(id);
        let topics = self.topics.read().unwrap_or_else(PoisonError::into_inner);
        let topic = topics.values().find(|known| known.id == topic)?;
        Some(TopicPartition::new(topic.name().clone(), partition))
    }
}

#[async_trait(?Send)]
impl Log for EmbeddedLog {
    fn id(&self) -> LogId {
        self.shared.id
    }

    async fn ensure_topics(&self, wanted: &[TopicSettings]) -> Result<()> {
        let shared = &self.shared;
        shared.refresh()?;
        for settings in wanted {
            crate::topics::check_settings(settings)?;
        }
        let differing = |topics: &BTreeMap<TopicName, Arc<Topic>>| -> Result<bool> {
            let mut missing = false;
            for settings in wanted {
                match topics.get(&settings.name) {
                    Some(topic) => topic::check_existing(&topic.settings, settings)?,
                    None => missing = true,
                }
            }
            Ok(missing)
        };
        if !differing(&shared.topics.read().unwrap_or_else(PoisonError::into_inner))? {
            return Ok(());
        }
        let failed = shared.failure("create topics");
        // Whoever asks at the same time waits for the writer, and sees the topics then.
        let create = |transaction: &Connection| {
            let mut topics = shared.topics.read().unwrap_or_else(PoisonError::into_inner).clone();
            for settings in wanted {
                match topics.get(&settings.name) {
                    Some(topic) => topic::check_existing(&topic.settings, settings)?,
                    None => {
                        let topic = file::create_topic(transaction, settings).map_err(&failed)?;
                        topics.insert(settings.name.clone(), Arc::new(topic));
                    }
                }
            }
            Ok(topics)
        };
        shared.write("create topics", create, |created| {
            shared.topics.write().unwrap_or_else(PoisonError::into_inner).clone_from(created);
        })?;
        Ok(())
    }

    async fn topics(&self) -> Result<Vec<TopicSettings>> {
        self.shared.refresh()?;
        Ok(self.shared.all_topics().iter().map(|topic| topic.settings.clone()).collect())
    }

    async fn offsets(&self, topic: &TopicName) -> Result<Vec<OffsetRange>> {
        self.shared.refresh()?;
        let topic = self.shared.topic(topic)?;
        (0..topic.settings.partitions).map(|partition| topic.range(partition)).collect()
    }

    async fn committed(&self, group: &str, topics: &[TopicName]) -> Result<Vec<(TopicPartition, u64)>> {
        self.shared.refresh()?;
        let rows: Vec<(i64, u64)> = self.shared.ask("read a group's offsets", |connection| {
            connection
                .prepare_cached("SELECT partition, next_offset FROM committed WHERE group_name = ?1")?
                .query_map([group], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })?;
        let named = rows.into_iter().filter_map(|(id, next)| Some((self.shared.named(id)?, next)));
        Ok(named.filter(|(at, _)| topics.contains(&at.topic)).collect())
    }

    async fn count_records(&self, ranges: &[(TopicPartition, OffsetRange)]) -> Result<Vec<u64>> {
        self.shared.refresh()?;
        let count = |(at, wanted): &(TopicPartition, OffsetRange)| {
            let range = self.shared.topic(&at.topic)?.range(at.partition)?;
            Ok(range.end.min(wanted.end).saturating_sub(range.start.max(wanted.start)))
        };
        ranges.iter().map(count).collect()
    }

    async fn group_size(&self, group: &str) -> Result<usize> {
        Ok(locked(&self.shared.groups).size(group))
    }

    async fn delete_before(&self, partition: &TopicPartition, offset: u64) -> Result<()> {
        self.shared.delete_before(partition, offset)
    }

    async fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>> {
        Ok(Box::new(producer::EmbeddedProducer::take(&self.shared, transactional_id)?))
    }

    async fn consumer(&self, settings: ConsumerSettings) -> Result<Box<dyn Consumer>> {
        Ok(Box::new(consumer::EmbeddedConsumer::new(&self.shared, settings)))
    }

    async fn hand_in(&self, transactional_id: &str, records: Vec<Outgoing>) -> Result<()> {
        match self.shared.kind {
            Kind::ReadOnly => inbox::hand_in(&self.shared.path, &records),
            Kind::File | Kind::Memory => log::publish_once(self, transactional_id, records).await,
        }
    }

    async fn register_schema(&self, subject: &str, schema: &str) -> Result<SchemaId> {
        let shared = &self.shared;
        let known: Option<u32> = shared.ask("look for a schema", |connection| {
            connection
                .prepare_cached(
                    "SELECT schema.id FROM schema JOIN subject ON subject.schema = schema.id \
                     WHERE schema.text = ?1 AND subject.name = ?2",
                )?
                .query_row((schema, subject), |row| row.get(0))
                .optional()
        })?;
        if let Some(id) = known {
            return Ok(SchemaId(id));
        }
        let failed = shared.failure("register a schema");
        let json: bool = shared.ask("check a schema", |connection| {
            connection.query_row("SELECT json_valid(?1)", [schema], |row| row.get(0))
        })?;
        if !json {
            return Err(Error::InvalidSchema { subject: subject.to_owned() });
        }
        let register = |transaction: &Connection| -> rusqlite::Result<u32> {
            transaction
                .execute("INSERT INTO schema (text) VALUES (?1) ON CONFLICT (text) DO NOTHING", [schema])?;
            let id =
                transaction.query_row("SELECT id FROM schema WHERE text = ?1", [schema], |row| row.get(0))?;
            transaction.execute(
                "INSERT INTO subject (name, schema) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                (subject, id),
            )?;
            Ok(id)
        };
        shared
            .write("register a schema", |transaction| register(transaction).map_err(&failed), |_| {})
            .map(SchemaId)
    }

    async fn schema(&self, id: SchemaId) -> Result<String> {
        self.shared
            .ask("read a schema", |connection| {
                connection
                    .prepare_cached("SELECT text FROM schema WHERE id = ?1")?
                    .query_row([id.0], |row| row.get(0))
                    .optional()
            })?
            .ok_or(Error::UnknownSchema { id: id.0 })
    }

    async fn clock_ms(&self) -> Result<i64> {
        Ok((self.shared.clock)())
    }
}
