//! The transactional producer: in order within a partition, all or nothing, fenced by the next of its name.
//!
//! Records go to the client library at once and are on their way while the caller prepares the next. Consumed offsets
//! are sent last, when every record has been acknowledged: whoever takes over the partitions then either finds them
//! pending and waits, or this transaction is refused. A producer is used by one thread; calls block.

use super::admin::{add, signed};
use super::client::{STATISTICS_EVERY_MS, base_config, compression_name, finish};
use super::given_up::within;
use super::trouble::{Watch, call_error, creation_error};
use super::{Membership, Shared};
use crate::{Error, GroupMetadata, Outgoing, Producer, Result, TopicName, TopicPartition};
use async_trait::async_trait;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message as _, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, NoCustomPartitioner, Producer as _, ProducerContext};
use rdkafka::{Offset, Statistics, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a transaction may stay open: until then it holds back every reader of its partitions.
const TRANSACTION_TIMEOUT_MS: &str = "10000";
/// How long one attempt at a call of the transaction may take before what the client reports is looked after.
const STEP: Duration = Duration::from_millis(100);
/// How long it is gone on trying. Longer than a broker needs to come back after a restart.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a producer that is thrown away tries to abort what it has open.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long the thread that looks after a producer may keep it alive when it is thrown away.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The client library has hung up if a call with a time-out of five seconds takes this long.
const HANGS_AFTER: Duration = Duration::from_secs(15);
const TICK: Duration = Duration::from_micros(200);
/// Bytes of a batch of records, where topics take so much.
const BATCH_BYTES: usize = 1_000_000;

/// Hears what a producer reports.
pub(super) struct ProducerWatch {
    watch: Watch,
    /// The first record of the transaction that was not delivered, by its topic.
    failed: Mutex<Option<(KafkaError, TopicName)>>,
}

impl ProducerWatch {
    fn take(&self) -> Option<(KafkaError, TopicName)> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn has_failed(&self) -> bool {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}

impl ClientContext for ProducerWatch {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.watch.log(level, facility, message);
    }

    fn stats(&self, statistics: Statistics) {
        self.watch.stats(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.error(error, reason);
    }
}

impl ProducerContext<NoCustomPartitioner> for ProducerWatch {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        use RDKafkaErrorCode as Code;
        let Err((error, message)) = result else { return };
        // Thrown away when the transaction is aborted, which is no news.
        if matches!(error.rdkafka_error_code(), Some(Code::PurgeQueue | Code::PurgeInflight)) {
            return;
        }
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get_or_insert_with(|| (error.clone(), TopicName::new(message.topic())));
    }
}

/// A producer of Kafka.
pub(super) struct KafkaProducer {
    shared: Arc<Shared>,
    native: Arc<BaseProducer<ProducerWatch>>,
    transactional_id: String,
    open: bool,
    /// A call of the client library has not come back: it takes no other, and cannot be closed.
    hangs: AtomicBool,
    /// The offsets to be sent with this transaction, by group.
    offsets: Vec<(Arc<Membership>, BTreeMap<TopicPartition, u64>)>,
    /// The largest record of this transaction, by topic.
    largest: BTreeMap<TopicName, usize>,
}

/// A producer's native part. Without an id it writes outside of transactions.
pub(super) fn native(shared: &Shared, transactional_id: Option<&str>) -> Result<BaseProducer<ProducerWatch>> {
    let batch = shared.admin.smallest_limit().map_or(BATCH_BYTES, |limit| limit.min(BATCH_BYTES));
    let mut config = base_config(&shared.settings);
    config
        .set("enable.idempotence", "true")
        .set("compression.codec", compression_name(shared.settings.compression))
        .set("linger.ms", "1")
        .set("batch.size", batch.to_string())
        .set("batch.num.messages", "100000")
        .set("queue.buffering.max.messages", "200000")
        .set("queue.buffering.max.kbytes", "262144")
        .set("delivery.report.only.error", "true");
    if let Some(id) = transactional_id {
        config
            .set("transactional.id", id)
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS)
            .set("statistics.interval.ms", STATISTICS_EVERY_MS);
    }
    let context = ProducerWatch { watch: Watch::new(shared.statistics.clone()), failed: Mutex::default() };
    finish(config, &shared.settings).create_with_context(context).map_err(|error| creation_error(&error))
}

/// Takes in what the producer reports, and lets a little time pass. To ask the library to wait would keep the
/// processor busy: it counts in milliseconds and looks at the clock all through the last one.
pub(super) fn tick<C: ProducerContext<NoCustomPartitioner>>(native: &BaseProducer<C>) {
    native.poll(Duration::ZERO);
    std::thread::sleep(TICK);
}

/// Has a thread take in what the producer reports, also while nobody writes.
fn looked_after(native: BaseProducer<ProducerWatch>) -> Arc<BaseProducer<ProducerWatch>> {
    let native = Arc::new(native);
    let watched = Arc::downgrade(&native);
    std::thread::spawn(move || {
        while let Some(native) = watched.upgrade() {
            native.poll(LOOK_EVERY);
        }
    });
    native
}

impl KafkaProducer {
    pub(super) fn take(shared: &Arc<Shared>, transactional_id: &str) -> Result<Self> {
        let producer = Self {
            shared: Arc::clone(shared),
            native: looked_after(native(shared, Some(transactional_id))?),
            transactional_id: transactional_id.to_owned(),
            open: false,
            hangs: AtomicBool::new(false),
            offsets: Vec::new(),
            largest: BTreeMap::new(),
        };
        producer
            .retried("take the transactional id", PATIENCE, |native| native.init_transactions(STEP * 10))?;
        Ok(producer)
    }

    fn watch(&self) -> &Watch {
        &self.native.context().watch
    }

    /// What a failure of a transaction's call means.
    fn failed(&self, action: &'static str, error: KafkaError) -> Error {
        use RDKafkaErrorCode as Code;
        let fenced = || Error::Fenced { transactional_id: self.transactional_id.clone() };
        let code = error.rdkafka_error_code();
        match code {
            Some(
                Code::Fenced
                | Code::ProducerFenced
                | Code::InvalidProducerEpoch
                | Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::FencedInstanceId
                | Code::FencedMemberEpoch
                | Code::StaleMemberEpoch,
            ) => fenced(),
            Some(
                Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::UnknownPartition
                | Code::MessageTimedOut,
            ) => match self.gone() {
                Some(topic) => Error::UnknownTopic { topic },
                None => call_error(&self.shared.settings, self.watch(), action, error),
            },
            _ => call_error(&self.shared.settings, self.watch(), action, error),
        }
    }

    /// The first topic of the transaction that is not there any more.
    fn gone(&self) -> Option<TopicName> {
        self.largest.keys().find(|topic| self.shared.admin.is_gone(topic).unwrap_or(false)).cloned()
    }

    /// Calls again as long as the client library says that this can help.
    fn retried(
        &self,
        action: &'static str,
        patience: Duration,
        call: impl Fn(&Arc<BaseProducer<ProducerWatch>>) -> std::result::Result<(), KafkaError>,
    ) -> Result<()> {
        let until = Instant::now() + patience;
        loop {
            let error = match call(&self.native) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            self.native.poll(Duration::ZERO);
            let retry = match &error {
                KafkaError::Transaction(native) => native.is_retriable() && !native.is_fatal(),
                other => other.rdkafka_error_code() == Some(RDKafkaErrorCode::OperationTimedOut),
            };
            if !retry || Instant::now() >= until {
                return Err(self.failed(action, error));
            }
            tick(&self.native);
        }
    }

    /// Waits until every record is acknowledged, or one is refused.
    async fn drain(&mut self) -> Result<()> {
        let until = Instant::now() + PATIENCE;
        while self.native.in_flight_count() > 0 && !self.native.context().has_failed() {
            tick(&self.native);
            if Instant::now() >= until {
                let error = KafkaError::Flush(RDKafkaErrorCode::MessageTimedOut);
                return Err(self.failed("write records", error));
            }
        }
        // What was refused is told by the last events.
        self.native.poll(Duration::ZERO);
        self.check_delivered().await
    }

    async fn check_delivered(&mut self) -> Result<()> {
        let Some((error, topic)) = self.native.context().take() else { return Ok(()) };
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => Err(self.too_large(topic, error).await),
            _ => Err(self.failed("write records", error)),
        }
    }

    /// A broker refused a batch for its size: either a record of ours is too large for the topic as it is now, or the
    /// batch was, and the next producer makes smaller ones.
    async fn too_large(&self, topic: TopicName, error: KafkaError) -> Error {
        let limit = match self.shared.admin.ask_facts(&topic).await {
            Ok(facts) => facts.max_record_bytes,
            Err(error) => return error,
        };
        match self.largest.get(&topic) {
            Some(bytes) if *bytes > limit => Error::RecordTooLarge { topic, bytes: *bytes, limit },
            _ => Error::Kafka {
                action: "write a batch of records that the topic's limit allows",
                source: error,
            },
        }
    }

    /// Waits until the records sent so far are written.
    pub(super) async fn flush(&mut self) -> Result<()> {
        self.drain().await
    }

    fn check_open(&self, call: &'static str) -> Result<()> {
        if self.open { Ok(()) } else { Err(Error::WrongState { call, state: "no transaction is open" }) }
    }

    fn close(&mut self) {
        self.open = false;
        self.offsets.clear();
        self.largest.clear();
        self.native.context().take();
    }

    fn send_all_offsets(&mut self) -> Result<()> {
        for (membership, offsets) in std::mem::take(&mut self.offsets) {
            self.retried("send a group's offsets", PATIENCE, |native| {
                send_offsets(native, &membership, &offsets).unwrap_or_else(|| {
                    self.hangs.store(true, Ordering::Relaxed);
                    Err(KafkaError::Flush(RDKafkaErrorCode::RequestTimedOut))
                })
            })?;
        }
        Ok(())
    }
}

/// Sends a group's offsets with the open transaction; `None` when the client library does not come back. It was seen to
/// wait for ever, whatever its time-out, when a broker died during this very call; the producer is given up with it.
fn send_offsets(
    native: &Arc<BaseProducer<ProducerWatch>>,
    membership: &Arc<Membership>,
    offsets: &BTreeMap<TopicPartition, u64>,
) -> Option<std::result::Result<(), KafkaError>> {
    let (native, membership) = (Arc::clone(native), Arc::clone(membership));
    let mut list = TopicPartitionList::new();
    for (at, next) in offsets {
        add(&mut list, at, Offset::Offset(signed(*next)));
    }
    within(HANGS_AFTER, move || native.send_offsets_to_transaction(&list, &membership.native, STEP * 50))
}

/// Waits until a producer without transactions has nothing left to write.
pub(super) fn drain_plain(shared: &Shared, native: &BaseProducer<ProducerWatch>) -> Result<()> {
    let mut left = native.in_flight_count();
    let mut moved = Instant::now() + PATIENCE;
    while left > 0 {
        tick(native);
        if let Some((error, _)) = native.context().take() {
            return Err(plain_error(shared, native, error));
        }
        let now = native.in_flight_count();
        if now != left {
            (left, moved) = (now, Instant::now() + PATIENCE);
        } else if Instant::now() >= moved {
            return Err(plain_error(shared, native, KafkaError::Flush(RDKafkaErrorCode::MessageTimedOut)));
        }
    }
    native.poll(Duration::ZERO);
    native.context().take().map_or(Ok(()), |(error, _)| Err(plain_error(shared, native, error)))
}

/// What a failure of a producer without transactions means.
pub(super) fn plain_error(shared: &Shared, native: &BaseProducer<ProducerWatch>, error: KafkaError) -> Error {
    call_error(&shared.settings, &native.context().watch, "write records", error)
}

/// Hands a record to the client library, which copies it; waits while its queue is full, so that the order stays.
pub(super) fn enqueue(
    native: &BaseProducer<ProducerWatch>,
    record: &Outgoing,
) -> std::result::Result<(), KafkaError> {
    let partition = i32::try_from(record.partition).unwrap_or(i32::MAX);
    let mut message: BaseRecord<'_, [u8], [u8]> =
        BaseRecord::to(record.topic.as_str()).partition(partition).key(record.key.as_slice());
    if let Some(value) = &record.value {
        message = message.payload(value);
    }
    let mut headers = OwnedHeaders::new();
    for (key, value) in record.headers.iter() {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    if !record.headers.as_bytes().is_empty() {
        message = message.headers(headers);
    }
    let until = Instant::now() + PATIENCE;
    loop {
        match native.send(message) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                if Instant::now() < until =>
            {
                tick(native);
                message = back;
            }
            Err((error, _)) => return Err(error),
        }
    }
}

#[async_trait(?Send)]
impl Producer for KafkaProducer {
    async fn begin(&mut self) -> Result<()> {
        if self.open {
            return Err(Error::WrongState { call: "begin", state: "a transaction is open" });
        }
        self.native.begin_transaction().map_err(|error| self.failed("begin a transaction", error))?;
        self.close();
        self.open = true;
        Ok(())
    }

    async fn send(&mut self, records: Vec<Outgoing>) -> Result<()> {
        self.check_open("send")?;
        for record in &records {
            let at = TopicPartition::new(record.topic.clone(), record.partition);
            let limit = self.shared.admin.check(&at).await?.max_record_bytes;
            let bytes = record.key.len()
                + record.value.as_ref().map_or(0, Vec::len)
                + record.headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            // What is remembered may be out of date: somebody may have raised it.
            let limit = if bytes > limit {
                self.shared.admin.ask_facts(&record.topic).await?.max_record_bytes
            } else {
                limit
            };
            if bytes > limit {
                return Err(Error::RecordTooLarge { topic: record.topic.clone(), bytes, limit });
            }
            match self.largest.get_mut(&record.topic) {
                Some(largest) => *largest = bytes.max(*largest),
                None => _ = self.largest.insert(record.topic.clone(), bytes),
            }
        }
        for record in &records {
            enqueue(&self.native, record).map_err(|error| self.failed("write records", error))?;
        }
        self.native.poll(Duration::ZERO);
        if self.native.context().has_failed() { self.check_delivered().await } else { Ok(()) }
    }

    async fn send_offsets(&mut self, group: &GroupMetadata, offsets: &[(TopicPartition, u64)]) -> Result<()> {
        self.check_open("send_offsets")?;
        let fenced = || Error::Fenced { transactional_id: self.transactional_id.clone() };
        let membership = group.kafka.as_ref().ok_or_else(fenced)?;
        // The broker checks the generation; which partitions are whose within it only the consumer knows.
        let is_made_up = group.member != membership.member || group.generation != membership.generation;
        if is_made_up || offsets.iter().any(|(at, _)| !membership.owned.contains(at)) {
            return Err(fenced());
        }
        let known = self.offsets.iter_mut().find(|(known, _)| Arc::ptr_eq(known, membership));
        match known {
            Some((_, known)) => known.extend(offsets.iter().cloned()),
            None => self.offsets.push((Arc::clone(membership), offsets.iter().cloned().collect())),
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        self.check_open("commit")?;
        self.drain().await?;
        self.send_all_offsets()?;
        self.retried("commit a transaction", PATIENCE, |native| native.commit_transaction(STEP * 50))?;
        self.close();
        Ok(())
    }

    async fn abort(&mut self) -> Result<()> {
        if !self.open {
            return Ok(());
        }
        if self.hangs.load(Ordering::Relaxed) {
            self.close();
            return Ok(());
        }
        // Closed whatever comes: what cannot be aborted ends by its time-out or with the next holder of the name.
        let aborted = self.retried("abort a transaction", PATIENCE, |native| native.abort_transaction(STEP));
        self.close();
        aborted
    }
}

impl Drop for KafkaProducer {
    fn drop(&mut self) {
        if self.open && !self.hangs.load(Ordering::Relaxed) {
            let aborted =
                self.retried("abort a transaction", LAST_WORDS, |native| native.abort_transaction(STEP));
            if let Err(error) = aborted {
                tracing::debug!(%error, "a transaction is left to its time-out");
            }
        }
    }
}
