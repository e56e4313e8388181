//! The consumer: records by partition in order, a group's news told apart from them, positions that move past markers.
//!
//! The client library prefetches in its own threads. Here records are taken over one by one and handed out by the
//! batch; what does not fit is kept for the next call, and forgotten with its partition. A group's changes come in a
//! callback during a poll, where the stored offsets are looked up (waiting for those of transactions that are being
//! committed) and noted; the poll then tells them alone, as [`crate::Polled`] promises.

use super::admin::{add, out_of_range, ranges, signed};
use super::client::{Watch, base_config, call_error, creation_error, finish, unanswered};
use super::{Membership, Shared};
use crate::{
    Consumer, ConsumerSettings, Error, GroupMetadata, Headers, Incoming, Isolation, Polled, Result, Start,
    TopicName, TopicPartition,
};
use async_trait::async_trait;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How long the offsets of transactions that are being committed are waited for: longer than a transaction may last.
const STABLE_WAIT: Duration = Duration::from_secs(30);
/// A dead member's partitions are free after this. The least that brokers allow by default.
const SESSION_TIMEOUT_MS: &str = "6000";
const HEARTBEAT_MS: &str = "1500";
/// How long a consumer may do without polling: rebuilding a large state takes its time.
const MAX_POLL_INTERVAL_MS: &str = "900000";
/// What is prefetched at most; a larger record is fetched all the same.
const PREFETCH_KB: &str = "32768";
/// The client library is looked after at least so often while nothing comes.
const STEP: Duration = Duration::from_millis(100);
/// Without records for so long, an end that is not reached may be one without records before it.
const QUIET: Duration = Duration::from_millis(500);

/// Hears what a consumer reports, and what its group does.
pub(super) struct ConsumerWatch {
    watch: Watch,
    news: Mutex<Vec<News>>,
    /// Where partitions begin that the group gives and has no offset for.
    start: Start,
}

/// What a group has done.
enum News {
    Assigned(Vec<(TopicPartition, u64)>),
    Revoked(Vec<TopicPartition>),
    Failed(KafkaError),
}

impl ConsumerWatch {
    pub(super) fn new(watch: Watch, start: Start) -> Self {
        Self { watch, news: Mutex::default(), start }
    }

    fn note(&self, news: News) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).push(news);
    }

    fn take(&self) -> Vec<News> {
        std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for ConsumerWatch {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        self.watch.log(level, facility, message);
    }

    fn stats(&self, statistics: rdkafka::Statistics) {
        self.watch.stats(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.error(error, reason);
    }
}

impl ConsumerContext for ConsumerWatch {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = partitions_of(list);
        if what != RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let _ = consumer.incremental_unassign(list).map_err(|error| self.note(News::Failed(error)));
            self.note(News::Revoked(partitions));
            return;
        }
        match starting_offsets(consumer, &partitions, self.start) {
            Ok(offsets) => {
                let list = list_of(offsets.iter().map(|(at, next)| (at, *next)));
                match consumer.incremental_assign(&list) {
                    Ok(()) if offsets.is_empty() => {}
                    Ok(()) => self.note(News::Assigned(offsets)),
                    Err(error) => self.note(News::Failed(error)),
                }
            }
            // The group wants an answer; the next poll fails, and the consumer is made anew.
            Err(error) => {
                let _ = consumer.incremental_assign(list);
                self.note(News::Failed(error));
            }
        }
    }

    fn main_queue_min_poll_interval(&self) -> rdkafka::util::Timeout {
        STEP.into()
    }
}

fn list_of<'a>(partitions: impl Iterator<Item = (&'a TopicPartition, u64)>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (at, offset) in partitions {
        add(&mut list, at, Offset::Offset(signed(offset)));
    }
    list
}

fn partitions_of(list: &TopicPartitionList) -> Vec<TopicPartition> {
    let named = |topic: &str, partition: i32| {
        TopicPartition::new(TopicName::new(topic), u32::try_from(partition).unwrap_or(0))
    };
    list.elements().iter().map(|element| named(element.topic(), element.partition())).collect()
}

/// The committed offsets of the consumer's group, or else where it starts.
fn starting_offsets(
    consumer: &BaseConsumer<ConsumerWatch>,
    partitions: &[TopicPartition],
    start: Start,
) -> std::result::Result<Vec<(TopicPartition, u64)>, KafkaError> {
    let mut found = committed(consumer, partitions)?;
    let missing: Vec<_> =
        partitions.iter().filter(|at| !found.iter().any(|(known, _)| known == *at)).cloned().collect();
    for (at, range) in missing.iter().zip(ranges(consumer, &missing, STABLE_WAIT)?) {
        let next = match start {
            Start::Beginning => range.start,
            Start::End => range.end,
        };
        found.push((at.clone(), next));
    }
    found.sort();
    Ok(found)
}

/// What the consumer's group has committed of these partitions.
pub(super) fn committed(
    consumer: &BaseConsumer<ConsumerWatch>,
    partitions: &[TopicPartition],
) -> std::result::Result<Vec<(TopicPartition, u64)>, KafkaError> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for at in partitions {
        add(&mut list, at, Offset::Invalid);
    }
    let answer = consumer.committed_offsets(list, STABLE_WAIT)?;
    let mut found = Vec::new();
    for (element, at) in answer.elements().iter().zip(partitions) {
        element.error()?;
        if let Offset::Offset(offset) = element.offset() {
            found.push((at.clone(), u64::try_from(offset).unwrap_or(0)));
        }
    }
    Ok(found)
}

/// A consumer's native part.
pub(super) fn native(
    shared: &Shared,
    group: &str,
    isolation: Isolation,
    start: Start,
) -> Result<BaseConsumer<ConsumerWatch>> {
    let mut config = base_config(&shared.settings);
    config
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", SESSION_TIMEOUT_MS)
        .set("heartbeat.interval.ms", HEARTBEAT_MS)
        .set("max.poll.interval.ms", MAX_POLL_INTERVAL_MS)
        .set("queued.max.messages.kbytes", PREFETCH_KB)
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.error.backoff.ms", "100")
        .set(
            "isolation.level",
            match isolation {
                Isolation::Committed => "read_committed",
                Isolation::Uncommitted => "read_uncommitted",
            },
        );
    let watch = ConsumerWatch::new(Watch::new(shared.statistics.clone()), start);
    finish(config, &shared.settings).create_with_context(watch).map_err(|error| creation_error(&error))
}

/// A consumer of Kafka.
pub(super) struct KafkaConsumer {
    shared: Arc<Shared>,
    settings: ConsumerSettings,
    native: BaseConsumer<ConsumerWatch>,
    subscribed: bool,
    assigned: BTreeMap<TopicPartition, Assigned>,
    /// Taken over from the client library and not given out yet.
    kept: VecDeque<Incoming>,
    /// Told by the group and not given out yet.
    news: VecDeque<News>,
    /// Tells this consumer's memberships from others'.
    member: String,
    /// How often the assignment has changed.
    generation: u64,
    /// The partition whose stored offset the log does not hold, until it is sought elsewhere.
    outside: Option<TopicPartition>,
    names: BTreeSet<TopicName>,
    quiet_since: Option<Instant>,
    /// Whether positions were asked for since the last record: then somebody waits for an end to be reached.
    positions_asked: Cell<bool>,
}

struct Assigned {
    /// The offset after the last record that was given out or skipped.
    next: u64,
    paused: bool,
}

impl KafkaConsumer {
    pub(super) fn new(shared: &Arc<Shared>, settings: ConsumerSettings) -> Result<Self> {
        // The library wants a group of every consumer; without subscription and commits no broker hears of it.
        let reader = || format!("{}.reader", shared.settings.client_id);
        let group = settings.group.clone().unwrap_or_else(reader);
        let native = native(shared, &group, settings.isolation, settings.start)?;
        Ok(Self {
            shared: Arc::clone(shared),
            settings,
            native,
            subscribed: false,
            assigned: BTreeMap::new(),
            kept: VecDeque::new(),
            news: VecDeque::new(),
            member: Uuid::new_v4().simple().to_string(),
            generation: 0,
            outside: None,
            names: BTreeSet::new(),
            quiet_since: None,
            positions_asked: Cell::new(false),
        })
    }

    fn watch(&self) -> &Watch {
        &self.native.context().watch
    }

    fn failed(&self, action: &'static str) -> impl Fn(KafkaError) -> Error {
        let (settings, watch) = (Arc::clone(&self.shared.settings), self.watch().clone());
        move |error| call_error(&settings, &watch, action, error)
    }

    /// The next thing that the group has to tell.
    fn told(&mut self) -> Result<Option<Polled>> {
        self.news.extend(self.native.context().take());
        match self.news.pop_front() {
            None => Ok(None),
            Some(News::Failed(error)) => Err(self.failed("take over partitions from the group")(error)),
            Some(News::Revoked(mut revoked)) => {
                self.generation += 1;
                self.kept.retain(|record| {
                    !revoked.iter().any(|at| at.topic == record.topic && at.partition == record.partition)
                });
                if self.outside.as_ref().is_some_and(|at| revoked.contains(at)) {
                    self.outside = None;
                }
                // What was assigned and taken away before anybody was told is none of the caller's business.
                revoked.retain(|at| self.assigned.remove(at).is_some());
                if revoked.is_empty() {
                    self.told()
                } else {
                    Ok(Some(Polled { revoked, ..Polled::default() }))
                }
            }
            Some(News::Assigned(offsets)) => {
                self.generation += 1;
                let mut assigned = Vec::with_capacity(offsets.len());
                for (at, next) in offsets {
                    self.assigned.insert(at.clone(), Assigned { next, paused: false });
                    assigned.push(at);
                }
                Ok(Some(Polled { assigned, ..Polled::default() }))
            }
        }
    }

    /// A name with its one allocation.
    fn name(&mut self, topic: &str) -> TopicName {
        match self.names.iter().find(|known| known.as_str() == topic) {
            Some(known) => known.clone(),
            None => {
                let name = TopicName::new(topic);
                self.names.insert(name.clone());
                name
            }
        }
    }

    fn is_paused(&self, topic: &TopicName, partition: u32) -> bool {
        let at = TopicPartition::new(topic.clone(), partition);
        self.assigned.get(&at).is_none_or(|assigned| assigned.paused)
    }

    /// Gives a record out, or keeps it if it does not fit any more; `false` then.
    fn give(&mut self, record: Incoming, budget: &mut Budget, records: &mut Vec<Incoming>) -> bool {
        let bytes = size_of(&record);
        if budget.records == 0 || (bytes > budget.bytes && !records.is_empty()) {
            self.kept.push_front(record);
            return false;
        }
        budget.records -= 1;
        budget.bytes = budget.bytes.saturating_sub(bytes);
        let at = TopicPartition::new(record.topic.clone(), record.partition);
        if let Some(assigned) = self.assigned.get_mut(&at) {
            assigned.next = record.offset + 1;
        }
        records.push(record);
        true
    }

    /// What was kept, as far as it fits and is not paused; `false` once something did not fit.
    fn give_kept(&mut self, budget: &mut Budget, records: &mut Vec<Incoming>) -> bool {
        let mut paused = VecDeque::new();
        let mut all = true;
        while let Some(record) = self.kept.pop_front() {
            if self.is_paused(&record.topic, record.partition) {
                paused.push_back(record);
            } else if !self.give(record, budget, records) {
                all = false;
                break;
            }
        }
        while let Some(record) = paused.pop_back() {
            self.kept.push_front(record);
        }
        all
    }

    /// Asks the client library once. `None` when nothing came.
    fn next(&mut self, wait: Duration) -> Result<Option<Incoming>> {
        let read = match self.native.poll(wait) {
            None => return Ok(None),
            Some(Ok(message)) => Ok(raw(&message)),
            Some(Err(error)) => Err(error),
        };
        match read {
            Ok((topic, mut record)) => {
                self.quiet_since = None;
                record.topic = self.name(&topic);
                Ok(Some(record))
            }
            Err(error) => self.trouble(error).map(|()| None),
        }
    }

    /// What an error in place of a record means.
    fn trouble(&mut self, error: KafkaError) -> Result<()> {
        use RDKafkaErrorCode as Code;
        if matches!(error, KafkaError::PartitionEOF(_)) {
            return Ok(());
        }
        match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset | Code::OffsetOutOfRange) => self.look_outside(),
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
                self.look_for_topics(error)
            }
            Some(Code::AllBrokersDown) => {
                Err(unanswered(&self.shared.settings, self.watch(), "read records", "all brokers are down"))
            }
            // The library reconnects by itself, and says so above if there is nobody left.
            Some(
                Code::BrokerTransportFailure
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::NodeUpdate
                | Code::CoordinatorLoadInProgress
                | Code::NotCoordinator
                | Code::CoordinatorNotAvailable
                | Code::RebalanceInProgress
                | Code::NotLeaderForPartition
                | Code::LeaderNotAvailable,
            ) => Ok(()),
            _ => Err(self.failed("read records")(error)),
        }
    }

    /// Finds the partition whose next offset the log does not hold.
    fn look_outside(&mut self) -> Result<()> {
        let partitions: Vec<_> = self.assigned.keys().cloned().collect();
        let held = ranges(&self.native, &partitions, self.shared.settings.timeout);
        let held = held.map_err(self.failed("read the ends of a topic"))?;
        for ((at, assigned), range) in self.assigned.iter().zip(held) {
            if !(range.start..=range.end).contains(&assigned.next) {
                self.outside = Some(at.clone());
                return Err(out_of_range(at, assigned.next, range));
            }
        }
        Ok(())
    }

    /// Finds the topic that is gone.
    fn look_for_topics(&self, error: KafkaError) -> Result<()> {
        let topics: BTreeSet<_> = self.assigned.keys().map(|at| &at.topic).collect();
        for topic in topics {
            if self.shared.admin.is_gone(topic)? {
                return Err(Error::UnknownTopic { topic: topic.clone() });
            }
        }
        // It may be one that was only created a moment ago; the library looks again by itself.
        tracing::debug!(%error, "a broker does not know a topic that is there");
        Ok(())
    }

    /// After a while without records, finds out whether partitions whose end is not reached have nothing before it:
    /// compaction may leave a partition that ends with offsets without records, and the library does not tell.
    fn pass_gaps(&mut self) -> Result<()> {
        if !self.positions_asked.get() {
            return Ok(());
        }
        let since = *self.quiet_since.get_or_insert_with(Instant::now);
        if since.elapsed() < QUIET {
            return Ok(());
        }
        self.quiet_since = Some(Instant::now());
        let open: Vec<_> =
            self.positions().into_iter().filter(|(at, _)| !self.is_paused(&at.topic, at.partition)).collect();
        // Whoever still waits asks again.
        self.positions_asked.set(false);
        let partitions: Vec<_> = open.iter().map(|(at, _)| at.clone()).collect();
        let ends = ranges(&self.native, &partitions, self.shared.settings.timeout);
        let ends = ends.map_err(self.failed("read the ends of a topic"))?;
        for ((at, next), range) in open.into_iter().zip(ends) {
            if next < range.end
                && self.is_empty_from(&at, next)?
                && let Some(assigned) = self.assigned.get_mut(&at)
            {
                assigned.next = assigned.next.max(range.end);
            }
        }
        Ok(())
    }

    /// Whether a reader that begins at `next` comes to the end without a record. Asked after the end was read, so it
    /// is true of everything before that end.
    fn is_empty_from(&self, at: &TopicPartition, next: u64) -> Result<bool> {
        let group = format!("{}.reader", self.shared.settings.client_id);
        let reader = native(&self.shared, &group, self.settings.isolation, Start::Beginning)?;
        reader.assign(&list_of(std::iter::once((at, next)))).map_err(self.failed("read records"))?;
        let until = Instant::now() + self.shared.settings.timeout;
        while Instant::now() < until {
            match reader.poll(STEP) {
                None => {}
                Some(Ok(_)) => return Ok(false),
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(true),
                Some(Err(error)) => tracing::debug!(%error, "an end could not be looked at yet"),
            }
        }
        Ok(false)
    }

    async fn known(&self, partitions: impl Iterator<Item = &TopicPartition>) -> Result<()> {
        for at in partitions {
            self.shared.admin.check(at).await?;
        }
        Ok(())
    }

    fn check_offset(&self, at: &TopicPartition, offset: u64) -> Result<()> {
        let range = ranges(&self.native, std::slice::from_ref(at), self.shared.settings.timeout);
        let range =
            range.map_err(self.failed("read the ends of a topic"))?.first().copied().unwrap_or_default();
        if (range.start..=range.end).contains(&offset) {
            Ok(())
        } else {
            Err(out_of_range(at, offset, range))
        }
    }

    fn not_assigned(at: &TopicPartition) -> Error {
        Error::NotAssigned { topic: at.topic.clone(), partition: at.partition }
    }

    fn list(&self, partitions: &[TopicPartition]) -> TopicPartitionList {
        list_of(partitions.iter().filter_map(|at| Some((at, self.assigned.get(at)?.next))))
    }

    fn forget(&mut self, at: &TopicPartition) {
        self.kept.retain(|record| record.topic != at.topic || record.partition != at.partition);
        if self.outside.as_ref() == Some(at) {
            self.outside = None;
        }
    }
}

/// What a poll may still bring.
struct Budget {
    records: usize,
    bytes: usize,
}

/// Key, value and headers together, in bytes.
fn size_of(record: &Incoming) -> usize {
    record.key.len() + record.value.as_ref().map_or(0, Vec::len) + record.headers.as_bytes().len()
}

/// The record, but for its topic's shared name, which comes beside it.
fn raw(message: &BorrowedMessage<'_>) -> (String, Incoming) {
    let headers = message.headers().map_or_else(Headers::new, |native| {
        native.iter().fold(Headers::new(), |headers, header| {
            headers.with(header.key, header.value.unwrap_or_default())
        })
    });
    let record = Incoming {
        topic: TopicName::new(""),
        partition: u32::try_from(message.partition()).unwrap_or(0),
        offset: u64::try_from(message.offset()).unwrap_or(0),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
    };
    (message.topic().to_owned(), record)
}

#[async_trait(?Send)]
impl Consumer for KafkaConsumer {
    async fn subscribe(&mut self, topics: &[TopicName]) -> Result<()> {
        if self.settings.group.is_none() {
            return Err(Error::WrongState { call: "subscribe", state: "the consumer has no group" });
        }
        for topic in topics {
            self.shared.admin.ask_facts(topic).await?;
        }
        if !self.subscribed {
            self.native.unassign().map_err(self.failed("give partitions back"))?;
            self.assigned.clear();
            self.kept.clear();
        }
        let names: Vec<_> = topics.iter().map(TopicName::as_str).collect();
        self.native.subscribe(&names).map_err(self.failed("join the group"))?;
        self.subscribed = true;
        Ok(())
    }

    async fn assign(&mut self, partitions: &[(TopicPartition, Option<u64>)]) -> Result<()> {
        self.known(partitions.iter().map(|(at, _)| at)).await?;
        let all: Vec<_> = partitions.iter().map(|(at, _)| at.clone()).collect();
        let held = ranges(&self.native, &all, self.shared.settings.timeout);
        let held = held.map_err(self.failed("read the ends of a topic"))?;
        let open: Vec<_> =
            partitions.iter().filter(|(_, from)| from.is_none()).map(|(at, _)| at.clone()).collect();
        let stored = match &self.settings.group {
            Some(_) => committed(&self.native, &open).map_err(self.failed("read a group's offsets"))?,
            None => Vec::new(),
        };
        let mut assigned = BTreeMap::new();
        for ((at, from), range) in partitions.iter().zip(held) {
            let stored = || stored.iter().find(|(known, _)| known == at).map(|(_, next)| *next);
            let start = match self.settings.start {
                Start::Beginning => range.start,
                Start::End => range.end,
            };
            let next = from.or_else(stored).unwrap_or(start);
            if !(range.start..=range.end).contains(&next) {
                return Err(out_of_range(at, next, range));
            }
            assigned.insert(at.clone(), Assigned { next, paused: false });
        }
        if self.subscribed {
            self.native.unsubscribe();
            self.subscribed = false;
        }
        let list = list_of(assigned.iter().map(|(at, assigned)| (at, assigned.next)));
        self.native.assign(&list).map_err(self.failed("take partitions"))?;
        self.native.context().take();
        self.news.clear();
        self.kept.clear();
        self.outside = None;
        self.quiet_since = None;
        self.assigned = assigned;
        Ok(())
    }

    async fn poll(&mut self, max_records: usize, max_bytes: usize, wait: Duration) -> Result<Polled> {
        let until = Instant::now().checked_add(wait);
        let mut budget = Budget { records: max_records.max(1), bytes: max_bytes };
        let mut records = Vec::new();
        if let Some(polled) = self.told()? {
            return Ok(polled);
        }
        if self.outside.is_some() {
            self.look_outside()?;
            self.outside = None;
        }
        if !self.give_kept(&mut budget, &mut records) {
            // Only what was kept fits. The library must be asked all the same, or the group thinks that we hang.
            if let Some(record) = self.next(Duration::ZERO)? {
                self.kept.push_back(record);
            }
            return Ok(Polled { records, ..Polled::default() });
        }
        loop {
            let left = until.map_or(wait, |until| until.saturating_duration_since(Instant::now()));
            let step = if records.is_empty() { left.min(STEP) } else { Duration::ZERO };
            let came = match self.next(step) {
                Ok(came) => came,
                Err(error) if records.is_empty() => return Err(error),
                Err(error) => {
                    // What was read is given out first. The cause is met again, or was about to pass.
                    tracing::debug!(%error, "reading was cut short");
                    return Ok(Polled { records, ..Polled::default() });
                }
            };
            let has_news = {
                self.news.extend(self.native.context().take());
                !self.news.is_empty()
            };
            if has_news {
                // Given out after the news, unless the news takes the partition away.
                self.kept.extend(came);
                while let Some(record) = records.pop() {
                    let at = TopicPartition::new(record.topic.clone(), record.partition);
                    if let Some(assigned) = self.assigned.get_mut(&at) {
                        assigned.next = record.offset;
                    }
                    self.kept.push_front(record);
                }
                if let Some(polled) = self.told()? {
                    return Ok(polled);
                }
                continue;
            }
            match came {
                Some(record) if self.is_paused(&record.topic, record.partition) => {
                    self.kept.push_back(record)
                }
                Some(record) => {
                    if !self.give(record, &mut budget, &mut records) || budget.records == 0 {
                        return Ok(Polled { records, ..Polled::default() });
                    }
                }
                None if !records.is_empty() => return Ok(Polled { records, ..Polled::default() }),
                None => {
                    self.pass_gaps()?;
                    if left.is_zero() {
                        return Ok(Polled::default());
                    }
                    // The library was waited for with this thread blocked; others on it may go on in between.
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    async fn seek(&mut self, partition: &TopicPartition, offset: u64) -> Result<()> {
        if !self.assigned.contains_key(partition) {
            return Err(Self::not_assigned(partition));
        }
        self.check_offset(partition, offset)?;
        let list = list_of(std::iter::once((partition, offset)));
        // Taken back and given again, which also works while the library has not begun to fetch.
        let gone = self.native.incremental_unassign(&list).map_err(self.failed("seek"));
        gone.and_then(|()| self.native.incremental_assign(&list).map_err(self.failed("seek")))?;
        self.forget(partition);
        if let Some(assigned) = self.assigned.get_mut(partition) {
            assigned.next = offset;
            if assigned.paused {
                self.native.pause(&list).map_err(self.failed("pause a partition"))?;
            }
        }
        Ok(())
    }

    fn positions(&self) -> Vec<(TopicPartition, u64)> {
        self.positions_asked.set(true);
        let library: BTreeMap<TopicPartition, u64> = self.native.position().map_or_else(
            |_| BTreeMap::new(),
            |list| {
                let known = list.elements().iter().map(|element| element.offset()).collect::<Vec<_>>();
                let known = partitions_of(&list).into_iter().zip(known);
                let known = known.filter_map(|(at, offset)| match offset {
                    Offset::Offset(offset) => Some((at, u64::try_from(offset).unwrap_or(0))),
                    _ => None,
                });
                known.collect()
            },
        );
        let position = |at: &TopicPartition, assigned: &Assigned| {
            let is_kept =
                self.kept.iter().any(|record| record.topic == at.topic && record.partition == at.partition);
            match library.get(at) {
                // What the library has given is ahead of what was given out.
                _ if is_kept => assigned.next,
                Some(next) => assigned.next.max(*next),
                None => assigned.next,
            }
        };
        self.assigned.iter().map(|(at, assigned)| (at.clone(), position(at, assigned))).collect()
    }

    fn pause(&mut self, partitions: &[TopicPartition]) {
        for at in partitions {
            if let Some(assigned) = self.assigned.get_mut(at) {
                assigned.paused = true;
            }
        }
        let list = self.list(partitions);
        if list.count() > 0
            && let Err(error) = self.native.pause(&list)
        {
            // Records that come all the same are kept until the partition is resumed.
            tracing::debug!(%error, "a partition could not be paused");
        }
    }

    fn resume(&mut self, partitions: &[TopicPartition]) {
        for at in partitions {
            if let Some(assigned) = self.assigned.get_mut(at) {
                assigned.paused = false;
            }
        }
        let list = self.list(partitions);
        if list.count() > 0
            && let Err(error) = self.native.resume(&list)
        {
            tracing::warn!(%error, "a partition could not be resumed");
        }
    }

    async fn commit(&mut self, offsets: &[(TopicPartition, u64)]) -> Result<()> {
        use RDKafkaErrorCode as Code;
        if self.settings.group.is_none() {
            return Err(Error::WrongState { call: "commit", state: "the consumer has no group" });
        }
        let Some((first, _)) = offsets.first() else { return Ok(()) };
        if let Some((lost, _)) = offsets.iter().find(|(at, _)| !self.assigned.contains_key(at)) {
            return Err(Self::not_assigned(lost));
        }
        let list = list_of(offsets.iter().map(|(at, next)| (at, *next)));
        self.native.commit(&list, CommitMode::Sync).map_err(|error| match error.rdkafka_error_code() {
            // The group has moved on and this consumer has not been told yet.
            Some(Code::IllegalGeneration | Code::UnknownMemberId | Code::RebalanceInProgress) => {
                Self::not_assigned(first)
            }
            _ => self.failed("store a group's offsets")(error),
        })
    }

    fn group_metadata(&self) -> Option<GroupMetadata> {
        let group = self.settings.group.clone()?;
        let owned = self.assigned.keys().cloned().collect();
        let (generation, member) = (self.generation, self.member.clone());
        let kafka = self.native.group_metadata();
        // Once it was put out of the group, the library has no membership until it has joined again: and of a nobody a
        // broker takes a transaction's offsets without asking. Looked at afterwards, since it goes out at any time.
        let is_out = self.subscribed && self.native.assignment_lost();
        let kafka = kafka.filter(|_| !is_out);
        let kafka = kafka.map(|native| Arc::new(Membership { native, member, generation, owned }));
        Some(GroupMetadata { group, generation, member: self.member.clone(), kafka })
    }
}
