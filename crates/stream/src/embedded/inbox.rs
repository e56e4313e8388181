//! What other processes hand in for the one that writes the log.
//!
//! Only one process may give offsets, since it keeps the ends of partitions in memory. Another one, such as an
//! operator's command beside `run`, puts its records into a table of the same file; the writer takes them over. They are
//! durable once they are handed in, also when nobody writes at the time, and come in the order in which they were.
//! A writer that dies between publishing and striking them off publishes them again, so they must bear that: records of
//! compacted topics, which say the same when they come twice.

use super::file::{self, BUSY_TIMEOUT, failure};
use super::producer::EmbeddedProducer;
use super::{EmbeddedLog, Kind, Shared};
use crate::{Error, Headers, Outgoing, Producer, Result, TopicName};
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::Arc;

/// The transactional id under which the writer publishes what was handed in.
const WRITER: &str = "handed-in";

/// Records that one transaction takes over at most.
const AT_ONCE: usize = 500;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS inbox (id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, \
     partition INTEGER NOT NULL, key BLOB NOT NULL, value BLOB, headers BLOB NOT NULL) STRICT";

/// Makes the table, which logs of earlier versions lack.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(CREATE)
}

/// Hands records in for whoever writes the log at `path`, now or later.
pub(super) fn hand_in(path: &Path, records: &[Outgoing]) -> Result<()> {
    let failed = failure(path, "hand records in");
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(&failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(&failed)?;
    if !file::is_log(&connection, path)? {
        return Err(Error::Missing { path: path.to_owned() });
    }
    // The checkpoints are the writer's.
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0").map_err(&failed)?;
    let transaction =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(&failed)?;
    create(&transaction).map_err(&failed)?;
    for record in records {
        transaction
            .prepare_cached(
                "INSERT INTO inbox (topic, partition, key, value, headers) VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut insert| {
                insert.execute((
                    record.topic.as_str(),
                    record.partition,
                    &record.key,
                    &record.value,
                    record.headers.as_bytes(),
                ))
            })
            .map_err(&failed)?;
    }
    transaction.commit().map_err(&failed)
}

impl EmbeddedLog {
    /// Whether this is the process that writes the log, and so takes over what others hand in.
    pub fn takes_in(&self) -> bool {
        self.shared.kind == Kind::File
    }

    /// Publishes what other processes have handed in since; returns how many records that were. A record of a topic that
    /// is not there is struck off with a warning.
    pub async fn take_in(&self) -> Result<usize> {
        let shared = &self.shared;
        if shared.kind != Kind::File {
            return Ok(0);
        }
        let mut taken = 0;
        loop {
            let waiting = waiting(shared)?;
            let Some((last, _)) = waiting.last() else { return Ok(taken) };
            let last = *last;
            taken += waiting.len();
            let (known, unknown): (Vec<_>, Vec<_>) = waiting
                .into_iter()
                .map(|(_, record)| record)
                .partition(|record| shared.topic(&record.topic).is_ok());
            for record in unknown {
                tracing::warn!(topic = %record.topic, "a record was handed in for a topic that is not there");
            }
            if !known.is_empty() {
                publish(shared, known).await?;
            }
            let failed = shared.failure("strike off what was handed in");
            let strike = |transaction: &Connection| {
                transaction.execute("DELETE FROM inbox WHERE id <= ?1", [last]).map_err(&failed)
            };
            shared.write("strike off what was handed in", strike, |_| {})?;
        }
    }
}

async fn publish(shared: &Arc<Shared>, records: Vec<Outgoing>) -> Result<()> {
    let mut producer = EmbeddedProducer::take(shared, WRITER)?;
    producer.begin().await?;
    producer.send(records).await?;
    producer.commit().await
}

fn waiting(shared: &Shared) -> Result<Vec<(i64, Outgoing)>> {
    shared.ask("read what was handed in", |connection| {
        connection
            .prepare_cached(
                "SELECT id, topic, partition, key, value, headers FROM inbox ORDER BY id LIMIT ?1",
            )?
            .query_map([AT_ONCE], |row| {
                let record = Outgoing {
                    topic: TopicName::new(row.get::<_, String>(1)?),
                    partition: row.get(2)?,
                    key: row.get(3)?,
                    value: row.get(4)?,
                    headers: Headers::from_bytes(row.get(5)?),
                };
                Ok((row.get(0)?, record))
            })?
            .collect()
    })
}
