//! The consumer: records by partition in order, a group's news told apart from them, positions that move past markers.
//!
//! The client library prefetches in its own threads. Here records are taken over one by one and handed out by the
//! batch; what does not fit is kept for the next call, and forgotten with its partition. A group's changes are told
//! alone, as [`crate::Polled`] promises.

use super::admin::out_of_range;
use super::given_up::within;
use super::group::{News, committed, list_of};
use super::native::{Native, native};
use super::trouble::{Watch, call_error, unanswered};
use super::{Membership, Shared};
use crate::{
    Consumer, ConsumerSettings, Error, GroupMetadata, Headers, Incoming, Isolation, OffsetRange, Polled,
    Result, Start, TopicName, TopicPartition,
};
use async_trait::async_trait;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Headers as _, Message as _};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The client library is looked after at least so often while nothing comes.
pub(super) const STEP: Duration = Duration::from_millis(100);

/// What the client library had for us.
enum Came {
    Record(Incoming),
    /// The end of a partition, or an error that passes by itself.
    Event,
    Nothing,
}

/// A consumer of Kafka.
pub(super) struct KafkaConsumer {
    pub(super) shared: Arc<Shared>,
    pub(super) settings: ConsumerSettings,
    pub(super) native: Native,
    subscribed: bool,
    pub(super) assigned: BTreeMap<TopicPartition, Assigned>,
    /// Taken over from the client library and not given out yet.
    pub(super) kept: VecDeque<Incoming>,
    /// Told by the group and not given out yet.
    news: VecDeque<News>,
    /// Tells this consumer's memberships from others'.
    member: String,
    /// How often the assignment has changed.
    generation: u64,
    /// The partition whose stored offset the log does not hold, until it is sought elsewhere.
    outside: Option<TopicPartition>,
    names: BTreeSet<TopicName>,
    pub(super) quiet_since: Option<Instant>,
    /// Whether positions were asked for since the last record: then somebody waits for an end to be reached.
    pub(super) positions_asked: Cell<bool>,
}

/// A partition of the consumer's.
pub(super) struct Assigned {
    /// The offset after the last record that was given out or skipped.
    pub(super) next: u64,
    paused: bool,
}

impl KafkaConsumer {
    pub(super) fn new(shared: &Arc<Shared>, settings: ConsumerSettings) -> Result<Self> {
        let group = settings.group.clone().unwrap_or_else(|| shared.reader_group());
        let native = native(shared, &group, &settings)?;
        Ok(Self {
            shared: Arc::clone(shared),
            settings,
            native: Native::of(native),
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
        self.native.context().watch()
    }

    pub(super) fn failed(&self, action: &'static str) -> impl Fn(KafkaError) -> Error {
        let (settings, watch) = (Arc::clone(&self.shared.settings), self.watch().clone());
        move |error| call_error(&settings, &watch, action, error)
    }

    /// The next thing that the group has to tell.
    fn told(&mut self) -> Result<Option<Polled>> {
        self.news.extend(self.native.context().take());
        match self.news.pop_front() {
            None => Ok(None),
            Some(News::Failed(error)) => Err(error),
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

    pub(super) fn is_paused(&self, topic: &TopicName, partition: u32) -> bool {
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

    /// Asks the client library once.
    fn next(&mut self, wait: Duration) -> Result<Came> {
        let read = match self.native.poll(wait) {
            None => return Ok(Came::Nothing),
            Some(Ok(message)) => Ok(incoming(&message, &mut self.names)),
            Some(Err(error)) => Err(error),
        };
        match read {
            Ok(record) => {
                self.quiet_since = None;
                self.positions_asked.set(false);
                Ok(Came::Record(record))
            }
            Err(error) => self.trouble(error).map(|()| Came::Event),
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
        let held = self.held(&partitions)?;
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

    async fn known(&self, partitions: impl Iterator<Item = &TopicPartition>) -> Result<()> {
        for at in partitions {
            self.shared.admin.check(at).await?;
        }
        Ok(())
    }

    /// What these partitions hold, with what is not committed yet.
    fn held(&self, partitions: &[TopicPartition]) -> Result<Vec<OffsetRange>> {
        self.shared.admin.ranges(partitions, Isolation::Uncommitted, self.shared.settings.timeout)
    }

    fn check_offset(&self, at: &TopicPartition, offset: u64) -> Result<()> {
        let range = self.held(std::slice::from_ref(at))?.first().copied().unwrap_or_default();
        if (range.start..=range.end).contains(&offset) {
            Ok(())
        } else {
            Err(out_of_range(at, offset, range))
        }
    }

    fn not_assigned(at: &TopicPartition) -> Error {
        Error::NotAssigned { topic: at.topic.clone(), partition: at.partition }
    }

    fn check_storable(&self, offsets: &[(TopicPartition, u64)]) -> Result<()> {
        if self.settings.group.is_none() {
            return Err(Error::WrongState { call: "commit", state: "the consumer has no group" });
        }
        match offsets.iter().find(|(at, _)| !self.assigned.contains_key(at)) {
            Some((lost, _)) => Err(Self::not_assigned(lost)),
            None => Ok(()),
        }
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

/// The record; names that were met before are shared.
fn incoming(message: &BorrowedMessage<'_>, names: &mut BTreeSet<TopicName>) -> Incoming {
    let headers = message.headers().map_or_else(Headers::new, |native| {
        native.iter().fold(Headers::new(), |headers, header| {
            headers.with(header.key, header.value.unwrap_or_default())
        })
    });
    let known = names.iter().find(|known| known.as_str() == message.topic()).cloned();
    let topic = known.unwrap_or_else(|| {
        let name = TopicName::new(message.topic());
        names.insert(name.clone());
        name
    });
    Incoming {
        topic,
        partition: u32::try_from(message.partition()).unwrap_or(0),
        offset: u64::try_from(message.offset()).unwrap_or(0),
        timestamp_ms: message.timestamp().to_millis().unwrap_or(0),
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
    }
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
        let held = self.held(&all)?;
        let visible = match self.settings.start {
            Start::Beginning => held.clone(),
            // What is committed from now on comes, also if it was written before.
            Start::End => {
                self.shared.admin.ranges(&all, self.settings.isolation, self.shared.settings.timeout)?
            }
        };
        let open: Vec<_> =
            partitions.iter().filter(|(_, from)| from.is_none()).map(|(at, _)| at.clone()).collect();
        let stored = match &self.settings.group {
            Some(_) => committed(&self.native, &open).map_err(self.failed("read a group's offsets"))?,
            None => Vec::new(),
        };
        let mut assigned = BTreeMap::new();
        for (((at, from), range), visible) in partitions.iter().zip(held).zip(visible) {
            let stored = || stored.iter().find(|(known, _)| known == at).map(|(_, next)| *next);
            let start = match self.settings.start {
                Start::Beginning => range.start,
                Start::End => visible.end,
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
        // First, so that the library forgets its positions before the new ones begin.
        self.native.unassign().map_err(self.failed("give partitions back"))?;
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
            if let Came::Record(record) = self.next(Duration::ZERO)? {
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
                if let Came::Record(record) = came {
                    self.kept.push_back(record);
                }
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
                Came::Record(record) if self.is_paused(&record.topic, record.partition) => {
                    self.kept.push_back(record)
                }
                Came::Record(record) => {
                    if !self.give(record, &mut budget, &mut records) || budget.records == 0 {
                        return Ok(Polled { records, ..Polled::default() });
                    }
                }
                // Every fetch that has reached the end of a partition is followed by word of that. Where fetches are small
                // and the caller is slow, many wait in line: a batch that ended at each would never grow.
                Came::Event if !records.is_empty() => {}
                Came::Nothing if !records.is_empty() => return Ok(Polled { records, ..Polled::default() }),
                Came::Event | Came::Nothing => {
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
        self.current_positions()
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
        let Some((first, _)) = offsets.first() else { return Ok(()) };
        self.check_storable(offsets)?;
        // Seen to wait without end while the group's coordinator was gone; the consumer is given up with it.
        let native = self.native.shared();
        let list = list_of(offsets.iter().map(|(at, next)| (at, *next)));
        let stored = within(self.shared.settings.timeout, move || native.commit(&list, CommitMode::Sync));
        let stored = stored.ok_or_else(|| {
            let words = "the group's coordinator does not answer";
            unanswered(&self.shared.settings, self.watch(), "store a group's offsets", words)
        })?;
        stored.map_err(|error| match error.rdkafka_error_code() {
            // The group has moved on and this consumer has not been told yet.
            Some(Code::IllegalGeneration | Code::UnknownMemberId | Code::RebalanceInProgress) => {
                Self::not_assigned(first)
            }
            _ => self.failed("store a group's offsets")(error),
        })
    }

    fn commit_later(&mut self, offsets: &[(TopicPartition, u64)]) -> Result<()> {
        self.check_storable(offsets)?;
        if offsets.is_empty() {
            return Ok(());
        }
        let list = list_of(offsets.iter().map(|(at, next)| (at, *next)));
        self.native.commit(&list, CommitMode::Async).map_err(self.failed("store a group's offsets"))
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
