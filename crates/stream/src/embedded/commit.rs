//! Writing transactions: fencing, offsets, timestamps, and one write for all that wait at the same time.
//!
//! Whoever finds nobody writing becomes the leader and writes what has gathered; the others wait for their outcome.
//! A flush to disk takes most of a small commit, and this way many share one.

use super::group::Groups;
use super::producer::Identity;
use super::topic::{Topic, partition_id};
use super::{Kind, Shared, locked};
use crate::{Error, GroupMetadata, Outgoing, Result, TopicPartition};
use rusqlite::{Connection, TransactionBehavior};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// All that one producer commits at once, or the offsets that a consumer stores.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// Who writes, and with which epoch. `None` for a consumer.
    pub(super) by: Option<(Arc<Identity>, u64)>,
    /// Records with their topics, in the order sent.
    pub(super) records: Vec<(Arc<Topic>, Outgoing)>,
    /// Offsets of groups.
    pub(super) offsets: Vec<GroupOffsets>,
}

/// The next records to be read, for a group.
#[derive(Debug)]
pub(super) struct GroupOffsets {
    pub(super) of: GroupMetadata,
    pub(super) next: Vec<(Arc<Topic>, TopicPartition, u64)>,
}

/// Transactions that wait for the writer.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<Waiting>,
    written: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    tickets: Vec<Arc<Ticket>>,
    /// Somebody leads.
    writing: bool,
}

#[derive(Debug)]
struct Ticket {
    transaction: Transaction,
    outcome: Mutex<Option<Result<()>>>,
}

/// When the write-ahead log is next carried over into the file.
#[derive(Debug, Default)]
pub(super) struct Checkpoint {
    next_at_pages: i64,
}

/// Pages in the write-ahead log from which on it is carried over: 16 MiB.
const CHECKPOINT_PAGES: i64 = 2048;

/// Pages from which on readers are made to let go of it: 64 MiB.
const RESTART_PAGES: i64 = 4 * CHECKPOINT_PAGES;

/// How long to wait for them.
const RESTART_WAIT: Duration = Duration::from_millis(100);

impl Shared {
    /// Commits `transaction`; when this returns `Ok`, it is durable.
    pub(super) fn commit(&self, transaction: Transaction) -> Result<()> {
        let ticket = Arc::new(Ticket { transaction, outcome: Mutex::default() });
        let mut state = locked(&self.commits.state);
        state.tickets.push(Arc::clone(&ticket));
        loop {
            if let Some(outcome) = locked(&ticket.outcome).take() {
                return outcome;
            }
            if state.writing {
                state = self.commits.written.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.writing = true;
            let turn = Turn { shared: self, tickets: std::mem::take(&mut state.tickets) };
            drop(state);
            turn.write();
            drop(turn);
            state = locked(&self.commits.state);
        }
    }
}

/// The leader's turn. Ends, also by a panic, with an outcome for every ticket and the way free for the next.
struct Turn<'a> {
    shared: &'a Shared,
    tickets: Vec<Arc<Ticket>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = locked(&self.shared.commits.state);
        for ticket in &self.tickets {
            let mut outcome = locked(&ticket.outcome);
            if outcome.is_none() && std::thread::panicking() {
                *outcome = Some(Err(Error::Interrupted { path: self.shared.path.clone() }));
            }
        }
        state.writing = false;
        drop(state);
        // Somebody may have come meanwhile, and leads next.
        self.shared.commits.written.notify_all();
    }
}

impl Turn<'_> {
    fn write(&self) {
        let shared = self.shared;
        let mut writer = locked(&shared.writer);
        // Held until the end, so that no partition changes hands between the check and the commit.
        let groups = locked(&shared.groups);
        let mut sound = Vec::with_capacity(self.tickets.len());
        for ticket in &self.tickets {
            match ticket.transaction.check(&groups) {
                Ok(()) => sound.push(ticket),
                Err(refused) => *locked(&ticket.outcome) = Some(Err(refused)),
            }
        }
        if sound.len() > 1 {
            let together: Vec<&Transaction> = sound.iter().map(|ticket| &ticket.transaction).collect();
            match shared.write_records(&mut writer, &together) {
                Ok(()) => {
                    for ticket in sound.drain(..) {
                        *locked(&ticket.outcome) = Some(Ok(()));
                    }
                }
                // One that is too large for the disk shall not fail the others: each for itself.
                Err(error) => tracing::debug!(%error, transactions = together.len(), "writing one by one"),
            }
        }
        for ticket in sound {
            let outcome = shared.write_records(&mut writer, &[&ticket.transaction]);
            *locked(&ticket.outcome) = Some(outcome);
        }
        drop(groups);
        // The others need not wait for a checkpoint. Under the lock, so that none is just about to wait.
        drop(locked(&shared.commits.state));
        shared.commits.written.notify_all();
        shared.checkpoint(&writer);
    }
}

impl Transaction {
    /// Whether the producer still holds its id, and the group member its partitions.
    fn check(&self, groups: &Groups) -> Result<()> {
        if let Some((identity, epoch)) = &self.by {
            identity.check(*epoch)?;
        }
        let allowed = self
            .offsets
            .iter()
            .all(|sent| groups.may_store(&sent.of, sent.next.iter().map(|(_, partition, _)| partition)));
        if allowed {
            return Ok(());
        }
        let transactional_id = match &self.by {
            Some((identity, _)) => identity.transactional_id.clone(),
            None => String::new(),
        };
        Err(Error::Fenced { transactional_id })
    }
}

/// What a write adds to a partition.
struct Advance<'a> {
    topic: &'a Arc<Topic>,
    partition: u32,
    end: u64,
    last_ms: i64,
}

impl Shared {
    /// Writes transactions, all or none, and tells those who wait for their records.
    fn write_records(&self, writer: &mut Connection, transactions: &[&Transaction]) -> Result<()> {
        let failed = self.failure("write a transaction");
        let transaction =
            writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let now_ms = (self.clock)();
        let mut records: Vec<&(Arc<Topic>, Outgoing)> =
            transactions.iter().flat_map(|transaction| &transaction.records).collect();
        // Partition by partition, each in the order sent: a statement and the end of a table serve for many records.
        records.sort_by_key(|(topic, record)| partition_id(topic.id, record.partition));
        let mut advances = Vec::new();
        for run in records.chunk_by(|one, next| one.0.id == next.0.id && one.1.partition == next.1.partition)
        {
            advances.extend(append(&transaction, run, now_ms, &failed)?);
        }
        store(&transaction, &advances, transactions).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        for advance in &advances {
            // The range was read from the same partition: it exists.
            let _ = advance.topic.set_end(advance.partition, advance.end, advance.last_ms);
        }
        let mut told: Vec<i64> = Vec::new();
        for advance in &advances {
            if !told.contains(&advance.topic.id) {
                told.push(advance.topic.id);
                advance.topic.announce();
            }
        }
        Ok(())
    }
}

/// Adds a run of records of one partition.
fn append<'a>(
    connection: &Connection,
    run: &[&'a (Arc<Topic>, Outgoing)],
    now_ms: i64,
    failed: &impl Fn(rusqlite::Error) -> Error,
) -> Result<Option<Advance<'a>>> {
    let Some((topic, first)) = run.first() else { return Ok(None) };
    let partition = first.partition;
    let (sql, mut end) = (&topic.partition(partition)?.insert_sql, topic.range(partition)?.end);
    let last_ms = topic.last_ms(partition)?.max(now_ms);
    let mut insert_all = || -> rusqlite::Result<u64> {
        let mut insert = connection.prepare_cached(sql)?;
        for (_, record) in run {
            let headers = record.headers.as_bytes();
            insert.raw_bind_parameter(1, end)?;
            insert.raw_bind_parameter(2, last_ms)?;
            insert.raw_bind_parameter(3, record.key.as_slice())?;
            insert.raw_bind_parameter(4, record.value.as_deref())?;
            insert.raw_bind_parameter(5, (!headers.is_empty()).then_some(headers))?;
            insert.raw_execute()?;
            end += 1;
        }
        Ok(end)
    };
    Ok(Some(Advance { topic, partition, end: insert_all().map_err(failed)?, last_ms }))
}

/// Stores how far partitions and groups have come.
fn store(
    connection: &Connection,
    advances: &[Advance<'_>],
    transactions: &[&Transaction],
) -> rusqlite::Result<()> {
    let mut update =
        connection.prepare_cached("UPDATE partition SET next_offset = ?2, last_ms = ?3 WHERE id = ?1")?;
    for advance in advances {
        let id = partition_id(advance.topic.id, advance.partition);
        update.execute((id, advance.end, advance.last_ms))?;
    }
    let mut upsert = connection.prepare_cached(
        "INSERT INTO committed (group_name, partition, next_offset) VALUES (?1, ?2, ?3) \
         ON CONFLICT (group_name, partition) DO UPDATE SET next_offset = excluded.next_offset",
    )?;
    for sent in transactions.iter().flat_map(|transaction| &transaction.offsets) {
        for (topic, partition, next) in &sent.next {
            upsert.execute((&sent.of.group, partition_id(topic.id, partition.partition), next))?;
        }
    }
    Ok(())
}

impl Shared {
    /// Carries the write-ahead log over into the file when enough has gathered, and keeps it from growing without
    /// bound. A failure costs nothing but room: what is committed is in the write-ahead log.
    pub(super) fn checkpoint(&self, writer: &Connection) {
        if self.kind != Kind::File {
            return;
        }
        let mut state = locked(&self.checkpoint);
        let run = |mode: &str| -> rusqlite::Result<(i64, i64)> {
            writer
                .prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?
                .query_row([], |row| Ok((row.get(1)?, row.get(2)?)))
        };
        let mut attempt = || -> rusqlite::Result<()> {
            let (pages, _) = run("NOOP")?;
            if pages < state.next_at_pages.max(CHECKPOINT_PAGES) {
                return Ok(());
            }
            // Should this fail, it is not tried at every commit.
            state.next_at_pages = pages + CHECKPOINT_PAGES;
            let (pages, done) = if pages < RESTART_PAGES {
                run("PASSIVE")?
            } else {
                // Readers of this process are done within a read; one of another program may take its time.
                writer.busy_timeout(RESTART_WAIT)?;
                let outcome = run("RESTART");
                writer.busy_timeout(super::file::BUSY_TIMEOUT)?;
                outcome?
            };
            if done >= pages {
                // The next commit starts over at the beginning of the write-ahead log.
                state.next_at_pages = CHECKPOINT_PAGES;
            }
            Ok(())
        };
        if let Err(error) = attempt() {
            tracing::warn!(%error, path = %self.path.display(), "could not shorten the write-ahead log");
        }
    }
}
