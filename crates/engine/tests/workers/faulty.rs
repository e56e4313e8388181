//! A log that does what a test says: calls fail before or after their effect, wait, or find that their consumer was
//! put out of its group.

use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;
use tributary_stream::{
    Consumer, ConsumerSettings, Error, GroupMetadata, Log, LogId, OffsetRange, Outgoing, Polled, Producer,
    Result, SchemaId, TopicName, TopicPartition, TopicSettings,
};

/// A call that may go wrong.
#[derive(Debug)]
pub(crate) enum Call<'a> {
    Producer,
    Begin,
    Send(&'a [Outgoing]),
    SendOffsets,
    Commit,
    Offsets(&'a TopicName),
    Poll,
    /// A consumer stores offsets.
    Store,
}

/// How it goes wrong.
pub(crate) enum Fault {
    /// Nothing happens.
    Before(Error),
    /// It happens, and the caller is told that it did not.
    After(Error),
}

/// That nobody answers.
pub(crate) fn unavailable() -> Error {
    let (address, reason) = ("a broker".to_owned(), "the test says so".to_owned());
    Error::Unavailable { service: "Kafka", address, reason }
}

/// That somebody else has taken over.
pub(crate) fn fenced() -> Error {
    Error::Fenced { transactional_id: "the test's".to_owned() }
}

type Plan = dyn Fn(&Call<'_>) -> Option<Fault> + Send + Sync;

/// The log as one process sees it.
#[derive(Clone)]
pub(crate) struct FaultyLog {
    inner: Arc<dyn Log>,
    plan: Arc<Plan>,
    consumers: Arc<Mutex<Vec<Weak<Membership>>>>,
}

impl FaultyLog {
    pub(crate) fn new(
        inner: Arc<dyn Log>,
        plan: impl Fn(&Call<'_>) -> Option<Fault> + Send + Sync + 'static,
    ) -> Self {
        Self { inner, plan: Arc::new(plan), consumers: Arc::default() }
    }

    /// Puts this process's consumers out of their groups, as a broker does with one that was not heard of for too
    /// long. They notice at their next poll, and join again.
    pub(crate) fn kick(&self) {
        for consumer in self.consumers.lock().unwrap().iter().filter_map(Weak::upgrade) {
            consumer.kicked.store(true, Ordering::SeqCst);
            drop(consumer.inner.lock().unwrap().take());
        }
    }
}

/// Runs `call`, which is a future, as the plan says.
macro_rules! faulty {
    ($plan:expr, $what:expr, $call:expr) => {
        match ($plan)(&$what) {
            Some(Fault::Before(error)) => Err(error),
            Some(Fault::After(error)) => {
                $call.await?;
                Err(error)
            }
            None => $call.await,
        }
    };
}

#[async_trait(?Send)]
impl Log for FaultyLog {
    fn id(&self) -> LogId {
        self.inner.id()
    }

    async fn ensure_topics(&self, topics: &[TopicSettings]) -> Result<()> {
        self.inner.ensure_topics(topics).await
    }

    async fn topics(&self) -> Result<Vec<TopicSettings>> {
        self.inner.topics().await
    }

    async fn offsets(&self, topic: &TopicName) -> Result<Vec<OffsetRange>> {
        faulty!(self.plan, Call::Offsets(topic), self.inner.offsets(topic))
    }

    async fn committed(&self, group: &str, topics: &[TopicName]) -> Result<Vec<(TopicPartition, u64)>> {
        self.inner.committed(group, topics).await
    }

    async fn count_records(&self, ranges: &[(TopicPartition, OffsetRange)]) -> Result<Vec<u64>> {
        self.inner.count_records(ranges).await
    }

    async fn group_size(&self, group: &str) -> Result<usize> {
        self.inner.group_size(group).await
    }

    async fn delete_before(&self, partition: &TopicPartition, offset: u64) -> Result<()> {
        self.inner.delete_before(partition, offset).await
    }

    async fn producer(&self, transactional_id: &str) -> Result<Box<dyn Producer>> {
        let inner = faulty!(self.plan, Call::Producer, self.inner.producer(transactional_id))?;
        Ok(Box::new(FaultyProducer { inner, plan: Arc::clone(&self.plan) }))
    }

    async fn consumer(&self, settings: ConsumerSettings) -> Result<Box<dyn Consumer>> {
        let inner = self.inner.consumer(settings.clone()).await?;
        let membership =
            Arc::new(Membership { inner: Mutex::new(Some(inner)), kicked: AtomicBool::new(false) });
        // One that assigns itself its partitions is in no group that could put it out.
        if settings.group.is_some() {
            self.consumers.lock().unwrap().push(Arc::downgrade(&membership));
        }
        Ok(Box::new(FaultyConsumer {
            log: self.clone(),
            settings,
            membership,
            topics: Vec::new(),
            owned: BTreeSet::new(),
            metadata: None,
        }))
    }

    async fn hand_in(&self, transactional_id: &str, records: Vec<Outgoing>) -> Result<()> {
        self.inner.hand_in(transactional_id, records).await
    }

    async fn register_schema(&self, subject: &str, schema: &str) -> Result<SchemaId> {
        self.inner.register_schema(subject, schema).await
    }

    async fn schema(&self, id: SchemaId) -> Result<String> {
        self.inner.schema(id).await
    }

    async fn clock_ms(&self) -> Result<i64> {
        self.inner.clock_ms().await
    }
}

struct FaultyProducer {
    inner: Box<dyn Producer>,
    plan: Arc<Plan>,
}

#[async_trait(?Send)]
impl Producer for FaultyProducer {
    async fn begin(&mut self) -> Result<()> {
        faulty!(self.plan, Call::Begin, self.inner.begin())
    }

    async fn send(&mut self, records: Vec<Outgoing>) -> Result<()> {
        match (self.plan)(&Call::Send(&records)) {
            Some(Fault::Before(error)) => Err(error),
            Some(Fault::After(error)) => self.inner.send(records).await.and(Err(error)),
            None => self.inner.send(records).await,
        }
    }

    async fn send_offsets(&mut self, group: &GroupMetadata, offsets: &[(TopicPartition, u64)]) -> Result<()> {
        faulty!(self.plan, Call::SendOffsets, self.inner.send_offsets(group, offsets))
    }

    async fn commit(&mut self) -> Result<()> {
        faulty!(self.plan, Call::Commit, self.inner.commit())
    }

    async fn abort(&mut self) -> Result<()> {
        self.inner.abort().await
    }
}

struct Membership {
    inner: Mutex<Option<Box<dyn Consumer>>>,
    kicked: AtomicBool,
}

struct FaultyConsumer {
    log: FaultyLog,
    settings: ConsumerSettings,
    membership: Arc<Membership>,
    topics: Vec<TopicName>,
    owned: BTreeSet<TopicPartition>,
    /// As last seen: one that was put out of its group does not know it.
    metadata: Option<GroupMetadata>,
}

impl FaultyConsumer {
    /// Takes the consumer out for a call; `None` if it was put out of its group.
    fn take(&self) -> Option<Box<dyn Consumer>> {
        self.membership.inner.lock().unwrap().take()
    }

    fn put(&mut self, inner: Box<dyn Consumer>) {
        self.metadata = inner.group_metadata();
        if !self.membership.kicked.load(Ordering::SeqCst) {
            *self.membership.inner.lock().unwrap() = Some(inner);
        }
    }

    fn lost(&self) -> Error {
        let at = self.owned.first().cloned().unwrap_or(TopicPartition::new(TopicName::new("none"), 0));
        Error::NotAssigned { topic: at.topic, partition: at.partition }
    }

    fn with<T>(&self, call: impl FnOnce(&mut dyn Consumer) -> T) -> Option<T> {
        self.membership.inner.lock().unwrap().as_mut().map(|inner| call(inner.as_mut()))
    }
}

#[async_trait(?Send)]
impl Consumer for FaultyConsumer {
    async fn subscribe(&mut self, topics: &[TopicName]) -> Result<()> {
        self.topics = topics.to_vec();
        let Some(mut inner) = self.take() else { return Ok(()) };
        let done = inner.subscribe(topics).await;
        self.put(inner);
        done
    }

    async fn assign(&mut self, partitions: &[(TopicPartition, Option<u64>)]) -> Result<()> {
        let Some(mut inner) = self.take() else { return Err(self.lost()) };
        let done = inner.assign(partitions).await;
        self.put(inner);
        done
    }

    async fn poll(&mut self, max_records: usize, max_bytes: usize, wait: Duration) -> Result<Polled> {
        let fault = (self.log.plan)(&Call::Poll);
        if let Some(Fault::Before(error) | Fault::After(error)) = fault {
            return Err(error);
        }
        let Some(mut inner) = self.take() else {
            let mut inner = self.log.inner.consumer(self.settings.clone()).await?;
            inner.subscribe(&self.topics).await?;
            self.membership.kicked.store(false, Ordering::SeqCst);
            self.put(inner);
            let revoked = std::mem::take(&mut self.owned).into_iter().collect();
            return Ok(Polled { revoked, ..Polled::default() });
        };
        let polled = inner.poll(max_records, max_bytes, wait).await;
        self.put(inner);
        if let Ok(polled) = &polled {
            self.owned.retain(|at| !polled.revoked.contains(at));
            self.owned.extend(polled.assigned.iter().cloned());
        }
        polled
    }

    async fn seek(&mut self, partition: &TopicPartition, offset: u64) -> Result<()> {
        let Some(mut inner) = self.take() else { return Err(self.lost()) };
        let done = inner.seek(partition, offset).await;
        self.put(inner);
        done
    }

    fn positions(&self) -> Vec<(TopicPartition, u64)> {
        self.with(|inner| inner.positions()).unwrap_or_default()
    }

    fn pause(&mut self, partitions: &[TopicPartition]) {
        self.with(|inner| inner.pause(partitions));
    }

    fn resume(&mut self, partitions: &[TopicPartition]) {
        self.with(|inner| inner.resume(partitions));
    }

    async fn commit(&mut self, offsets: &[(TopicPartition, u64)]) -> Result<()> {
        if let Some(Fault::Before(error)) = (self.log.plan)(&Call::Store) {
            return Err(error);
        }
        let Some(mut inner) = self.take() else { return Err(self.lost()) };
        let done = inner.commit(offsets).await;
        self.put(inner);
        done
    }

    fn commit_later(&mut self, offsets: &[(TopicPartition, u64)]) -> Result<()> {
        self.with(|inner| inner.commit_later(offsets)).unwrap_or_else(|| Err(self.lost()))
    }

    fn group_metadata(&self) -> Option<GroupMetadata> {
        self.with(|inner| inner.group_metadata()).unwrap_or_else(|| self.metadata.clone())
    }
}
