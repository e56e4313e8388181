//! The producer: gathers a transaction in memory and hands it over at commit.

use super::commit::{GroupOffsets, Transaction};
use super::topic::Topic;
use super::{Shared, locked};
use crate::{Error, GroupMetadata, Outgoing, Producer, Result, TopicPartition};
use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A transactional id and the epoch of its holder. The file keeps the epoch too.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) transactional_id: String,
    epoch: AtomicU64,
}

impl Identity {
    /// Whether the holder of `epoch` is still the one.
    pub(super) fn check(&self, epoch: u64) -> Result<()> {
        if self.epoch.load(Ordering::Acquire) == epoch {
            return Ok(());
        }
        Err(Error::Fenced { transactional_id: self.transactional_id.clone() })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Open,
    /// A call has failed, and the transaction has to be aborted.
    Failed,
}

/// A producer of the embedded log.
pub(super) struct EmbeddedProducer {
    shared: Arc<Shared>,
    identity: Arc<Identity>,
    epoch: u64,
    state: State,
    open: Transaction,
}

impl EmbeddedProducer {
    /// Takes `transactional_id`, and fences who had it.
    pub(super) fn take(shared: &Arc<Shared>, transactional_id: &str) -> Result<Self> {
        let failed = shared.failure("take a transactional id");
        let identity =
            Arc::clone(locked(&shared.producers).entry(transactional_id.to_owned()).or_insert_with(|| {
                Arc::new(Identity { transactional_id: transactional_id.to_owned(), epoch: AtomicU64::new(0) })
            }));
        let raise = |transaction: &rusqlite::Connection| {
            transaction
                .query_row(
                    "INSERT INTO producer (transactional_id, epoch) VALUES (?1, 1) \
                     ON CONFLICT (transactional_id) DO UPDATE SET epoch = epoch + 1 RETURNING epoch",
                    [transactional_id],
                    |row| row.get(0),
                )
                .map_err(&failed)
        };
        // Published under the writer's lock: whoever commits after this is fenced.
        let epoch = shared.write("take a transactional id", raise, |epoch| {
            identity.epoch.store(*epoch, Ordering::Release);
        })?;
        Ok(Self {
            shared: Arc::clone(shared),
            identity,
            epoch,
            state: State::Idle,
            open: Transaction::default(),
        })
    }

    fn check_open(&self, call: &'static str) -> Result<()> {
        match self.state {
            State::Open => self.identity.check(self.epoch),
            State::Idle => Err(Error::WrongState { call, state: "there is no open transaction" }),
            State::Failed => Err(Error::WrongState { call, state: "a call has failed, and abort is due" }),
        }
    }

    /// Notes that an error obliges the caller to abort.
    fn noted<T>(&mut self, outcome: Result<T>) -> Result<T> {
        if outcome.is_err() && self.state == State::Open {
            self.state = State::Failed;
        }
        outcome
    }

    fn resolve(&self, records: &[Outgoing]) -> Result<Vec<Arc<Topic>>> {
        let mut topics: Vec<Arc<Topic>> = Vec::with_capacity(records.len());
        for record in records {
            let topic = match topics.last() {
                Some(last) if *last.name() == record.topic => Arc::clone(last),
                _ => self.shared.topic(&record.topic)?,
            };
            topic.range(record.partition)?;
            topics.push(topic);
        }
        Ok(topics)
    }

    fn resolve_offsets(
        &self,
        offsets: &[(TopicPartition, u64)],
    ) -> Result<Vec<(Arc<Topic>, TopicPartition, u64)>> {
        resolve_offsets(&self.shared, offsets)
    }
}

/// Looks up the topics that offsets are of.
pub(super) fn resolve_offsets(
    shared: &Shared,
    offsets: &[(TopicPartition, u64)],
) -> Result<Vec<(Arc<Topic>, TopicPartition, u64)>> {
    offsets
        .iter()
        .map(|(partition, next)| {
            let topic = shared.topic(&partition.topic)?;
            topic.range(partition.partition)?;
            Ok((topic, partition.clone(), *next))
        })
        .collect()
}

#[async_trait(?Send)]
impl Producer for EmbeddedProducer {
    async fn begin(&mut self) -> Result<()> {
        if self.state != State::Idle {
            return Err(Error::WrongState { call: "begin", state: "a transaction is open already" });
        }
        self.identity.check(self.epoch)?;
        self.state = State::Open;
        Ok(())
    }

    async fn send(&mut self, records: Vec<Outgoing>) -> Result<()> {
        let checked = self.check_open("send").and_then(|()| self.resolve(&records));
        let topics = self.noted(checked)?;
        for (topic, record) in topics.iter().zip(&records) {
            let value = record.value.as_ref().map_or(0, Vec::len);
            let bytes = record.key.len() + value + record.headers.as_bytes().len();
            let limit = topic.settings.max_record_bytes;
            if bytes > limit {
                return Err(Error::RecordTooLarge { topic: record.topic.clone(), bytes, limit });
            }
        }
        self.open.records.extend(topics.into_iter().zip(records));
        Ok(())
    }

    async fn send_offsets(&mut self, group: &GroupMetadata, offsets: &[(TopicPartition, u64)]) -> Result<()> {
        let resolved = self.check_open("send_offsets").and_then(|()| self.resolve_offsets(offsets));
        let next = self.noted(resolved)?;
        let allowed =
            locked(&self.shared.groups).may_store(group, next.iter().map(|(_, partition, _)| partition));
        if !allowed {
            return self
                .noted(Err(Error::Fenced { transactional_id: self.identity.transactional_id.clone() }));
        }
        self.open.offsets.push(GroupOffsets { of: group.clone(), next });
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        let open = self.check_open("commit");
        self.noted(open)?;
        let mut transaction = std::mem::take(&mut self.open);
        self.state = State::Idle;
        if transaction.records.is_empty() && transaction.offsets.is_empty() {
            return Ok(());
        }
        transaction.by = Some((Arc::clone(&self.identity), self.epoch));
        self.shared.commit(transaction)
    }

    async fn abort(&mut self) -> Result<()> {
        self.open = Transaction::default();
        self.state = State::Idle;
        Ok(())
    }
}
