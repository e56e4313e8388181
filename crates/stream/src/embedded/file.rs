//! The log's file: opening it, telling what it is, its settings, and what SQLite's failures mean.
//!
//! Freed pages are used again by later records and never given back to the file system: incremental vacuum needs
//! pointer pages that cost a fifth of the append speed, and a log that once needed the room will need it again.

use super::topic::{Topic, partition_id, split_partition_id};
use crate::{Cleanup, Error, LogId, OffsetRange, Result, TopicName, TopicSettings};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;

/// "TrLg", in the header of the file, for `file` and for us.
const APPLICATION_ID: i64 = 0x5472_4c67;

/// The newest format that this program reads, and the one that it writes.
const FORMAT: i64 = 1;

/// How long to wait for a lock of another program. Within this process writers queue before SQLite sees them.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Statements kept for the next use, by each connection: one a partition, and some more.
const STATEMENTS: usize = 1024;

/// What SQLite's failure means for the log at `path`.
pub(super) fn failure(path: &Path, action: &'static str) -> impl Fn(rusqlite::Error) -> Error {
    move |source| {
        let path = path.to_owned();
        match &source {
            rusqlite::Error::SqliteFailure(error, _) => match error.code {
                ErrorCode::DiskFull => Error::Full { path },
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Busy { path },
                ErrorCode::DatabaseCorrupt => Error::Corrupt { path, source: Some(source) },
                ErrorCode::NotADatabase => Error::NotALog { path },
                _ => Error::Storage { path, action, source },
            },
            // A value of a type that the program never writes there.
            rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..) => Error::Corrupt { path, source: Some(source) },
            _ => Error::Storage { path, action, source },
        }
    }
}

/// Opens the log for writing, and creates it where there is none.
pub(super) fn open_writer(path: &Path, now_ms: i64) -> Result<Connection> {
    let failed = failure(path, "open its file");
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
    // SQLite makes do with reading where it may not write.
    if connection.is_readonly("main").map_err(&failed)? {
        let source = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        return Err(Error::File { path: path.to_owned(), action: "write to", source });
    }
    prepare(&connection).map_err(&failed)?;
    if !is_log(&connection, path)? {
        // The page size has to be set before anything is written.
        connection.execute_batch("PRAGMA page_size = 8192").map_err(&failed)?;
        set_durable(&connection, path)?;
        create(&connection, now_ms).map_err(failure(path, "create its tables"))?;
        return Ok(connection);
    }
    set_durable(&connection, path)?;
    super::inbox::create(&connection).map_err(failure(path, "create its tables"))?;
    Ok(connection)
}

/// A log in memory. It lives as long as the connection.
pub(super) fn open_memory(path: &Path, now_ms: i64) -> Result<Connection> {
    let failed = failure(path, "create its tables");
    let connection = Connection::open_in_memory().map_err(&failed)?;
    prepare(&connection).map_err(&failed)?;
    create(&connection, now_ms).map_err(&failed)?;
    Ok(connection)
}

/// Opens the log for reading.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let failed = failure(path, "open its file for reading");
    if !path.exists() {
        return Err(Error::Missing { path: path.to_owned() });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
    prepare(&connection).map_err(&failed)?;
    Ok(connection)
}

/// Whether the file is a log of a known format (`true`), or empty (`false`); anything else is an error.
pub(super) fn is_log(connection: &Connection, path: &Path) -> Result<bool> {
    let failed = failure(path, "read its header");
    let pragma =
        |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(&failed);
    let (application, format) = (pragma("application_id")?, pragma("user_version")?);
    if application == APPLICATION_ID {
        return match format {
            FORMAT => Ok(true),
            newer if newer > FORMAT => {
                Err(Error::NewerFormat { path: path.to_owned(), found: newer, supported: FORMAT })
            }
            _ => Err(Error::Corrupt { path: path.to_owned(), source: None }),
        };
    }
    let objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(&failed)?;
    // Nothing in it: new, or left by a process that was killed before it created the tables.
    if application == 0 && format == 0 && objects == 0 {
        return Ok(false);
    }
    Err(Error::NotALog { path: path.to_owned() })
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

fn set_durable(connection: &Connection, path: &Path) -> Result<()> {
    let failed = failure(path, "set its journal mode");
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0)).map_err(&failed)?;
    if mode != "wal" {
        // A file system without shared memory. A log without WAL would block its readers.
        let source = rusqlite::Error::InvalidParameterName(format!("journal_mode = {mode}"));
        return Err(Error::Storage { path: path.to_owned(), action: "use a write-ahead log", source });
    }
    // With less, a power cut would lose the newest records and give their offsets again. Checkpoints are ours.
    connection
        .execute_batch(
            "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864; \
             PRAGMA cache_size = -4000",
        )
        .map_err(&failed)
}

fn create(connection: &Connection, now_ms: i64) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(include_str!("schema.sql"))?;
    super::inbox::create(&transaction)?;
    transaction.execute(
        "INSERT INTO log (one, id, created_ms) VALUES (1, ?1, ?2)",
        (Uuid::new_v4().as_bytes(), now_ms),
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

/// The log's identity and when it was created.
pub(super) fn read_identity(connection: &Connection, path: &Path) -> Result<(LogId, i64)> {
    let row = connection
        .query_row("SELECT id, created_ms FROM log WHERE one = 1", [], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get(1)?))
        })
        .optional()
        .map_err(failure(path, "read its identity"))?;
    row.and_then(|(id, created_ms)| Some((LogId(Uuid::from_slice(&id).ok()?), created_ms)))
        .ok_or_else(|| Error::Corrupt { path: path.to_owned(), source: None })
}

/// Creates a topic within the caller's transaction.
pub(super) fn create_topic(connection: &Connection, settings: &TopicSettings) -> rusqlite::Result<Topic> {
    let retention = match settings.cleanup {
        Cleanup::Compact { delete_retention } => Some(super::topic::retention_ms(delete_retention)),
        Cleanup::Keep => None,
    };
    let limit = i64::try_from(settings.max_record_bytes).unwrap_or(i64::MAX);
    let id: i64 = connection.query_row(
        "INSERT INTO topic (name, partitions, delete_retention_ms, max_record_bytes) \
         VALUES (?1, ?2, ?3, ?4) RETURNING id",
        (settings.name.as_str(), settings.partitions, retention, limit),
        |row| row.get(0),
    )?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO partition (id, start_offset, next_offset, last_ms, clean_end, clean_records) \
         VALUES (?1, 0, 0, 0, 0, 0)",
    )?;
    let topic = Topic::new(id, settings.clone());
    for (partition, table) in topic.tables() {
        insert.execute([partition_id(id, partition)])?;
        // The key stands before the value, so that compaction reads no overflow pages of large values.
        connection.execute_batch(&format!(
            "CREATE TABLE {table} (offset INTEGER PRIMARY KEY, timestamp_ms INTEGER NOT NULL, key BLOB NOT NULL, \
             value BLOB, headers BLOB) STRICT"
        ))?;
    }
    Ok(topic)
}

/// All topics with their state, in the caller's transaction, so that they are of one moment. Those in `known` are kept,
/// so that whoever holds one sees its state move.
pub(super) fn read_topics(
    connection: &Connection,
    path: &Path,
    known: &BTreeMap<TopicName, Arc<Topic>>,
) -> Result<BTreeMap<TopicName, Arc<Topic>>> {
    let failed = failure(path, "read its topics");
    let damaged = || Error::Corrupt { path: path.to_owned(), source: None };
    let mut by_id = BTreeMap::new();
    let mut topics = connection
        .prepare_cached("SELECT id, name, partitions, delete_retention_ms, max_record_bytes FROM topic")
        .map_err(&failed)?;
    let mut rows = topics.query([]).map_err(&failed)?;
    while let Some(row) = rows.next().map_err(&failed)? {
        let read = || -> rusqlite::Result<(i64, TopicSettings)> {
            let retention: Option<u64> = row.get(3)?;
            let settings = TopicSettings {
                name: TopicName::new(row.get::<_, String>(1)?),
                partitions: row.get(2)?,
                cleanup: retention.map_or(Cleanup::Keep, |milliseconds| Cleanup::Compact {
                    delete_retention: Duration::from_millis(milliseconds),
                }),
                max_record_bytes: row.get::<_, u64>(4)?.try_into().unwrap_or(usize::MAX),
            };
            Ok((row.get(0)?, settings))
        };
        let (id, settings) = read().map_err(&failed)?;
        crate::topics::check_settings(&settings).map_err(|_| damaged())?;
        let topic = known.get(&settings.name).cloned();
        by_id.insert(id, topic.unwrap_or_else(|| Arc::new(Topic::new(id, settings))));
    }
    let mut partitions = connection
        .prepare_cached("SELECT id, start_offset, next_offset, last_ms FROM partition")
        .map_err(&failed)?;
    let mut rows = partitions.query([]).map_err(&failed)?;
    let mut found = 0u64;
    while let Some(row) = rows.next().map_err(&failed)? {
        let read = || -> rusqlite::Result<_> {
            Ok((row.get(0)?, OffsetRange { start: row.get(1)?, end: row.get(2)? }, row.get(3)?))
        };
        let (id, range, last_ms): (i64, OffsetRange, i64) = read().map_err(&failed)?;
        let (topic, partition) = split_partition_id(id);
        let topic = by_id.get(&topic).ok_or_else(damaged)?;
        if range.start > range.end {
            return Err(damaged());
        }
        topic.set(partition, range, last_ms).map_err(|_| damaged())?;
        found += 1;
    }
    if found != by_id.values().map(|topic| u64::from(topic.settings.partitions)).sum::<u64>() {
        return Err(damaged());
    }
    Ok(by_id.into_values().map(|topic| (topic.name().clone(), topic)).collect())
}

/// Looks whether the newest record of each partition lies before its end: a few pages a partition, whatever the
/// log's size. A full check of a large log would take minutes at every start.
pub(super) fn check_ends(connection: &Connection, path: &Path, topic: &Topic) -> Result<()> {
    let failed = failure(path, "read its newest records");
    for (partition, table) in topic.tables() {
        let newest: Option<u64> = connection
            .query_row(&format!("SELECT max(offset) FROM {table}"), [], |row| row.get(0))
            .map_err(&failed)?;
        if newest.is_some_and(|newest| newest >= topic.range(partition).map_or(0, |range| range.end)) {
            return Err(Error::Corrupt { path: path.to_owned(), source: None });
        }
    }
    Ok(())
}
