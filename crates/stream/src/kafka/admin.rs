//! Topics: creating, checking, describing; offsets, and who is in a group.
//!
//! One consumer without a group asks the questions (as a reader that sees everything, so that ends count open
//! transactions; another one where they must not), one admin client makes changes. What a topic holds is remembered
//! until it is asked for again.

use super::client::{base_config, finish};
use super::description::{Described, configuration};
use super::group::ConsumerWatch;
use super::settings::KafkaSettings;
use super::trouble::{Watch, call_error, creation_error, unanswered};
use crate::topics::check_settings;
use crate::{Cleanup, Error, Isolation, OffsetRange, Result, TopicName, TopicPartition, TopicSettings};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How often it is looked whether a new topic is there.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often a question is asked within the time that is given for it.
const ATTEMPTS: u32 = 3;

/// A consumer without a group that only asks.
pub(super) type Asker = BaseConsumer<ConsumerWatch>;

/// What is known of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) partitions: u32,
    /// The largest record by our count.
    pub(super) max_record_bytes: usize,
}

/// Asks and changes.
pub(super) struct Admin {
    settings: Arc<KafkaSettings>,
    watch: Watch,
    asker: Asker,
    /// Made when it is first needed.
    committed_asker: OnceLock<Asker>,
    changer: AdminClient<Watch>,
    facts: Mutex<HashMap<TopicName, Facts>>,
}

impl Admin {
    pub(super) fn new(settings: &Arc<KafkaSettings>, watch: &Watch) -> Result<Self> {
        let asker = asker(settings, watch, Isolation::Uncommitted)?;
        let changer = config_of_producer(settings).create_with_context(watch.clone());
        Ok(Self {
            settings: Arc::clone(settings),
            watch: watch.clone(),
            asker,
            committed_asker: OnceLock::new(),
            changer: changer.map_err(|error| creation_error(&error))?,
            facts: Mutex::default(),
        })
    }

    /// Who asks as a reader of this isolation would.
    pub(super) fn asker_for(&self, isolation: Isolation) -> Result<&Asker> {
        if isolation == Isolation::Uncommitted {
            return Ok(&self.asker);
        }
        if let Some(asker) = self.committed_asker.get() {
            return Ok(asker);
        }
        let made = asker(&self.settings, &self.watch, isolation)?;
        Ok(self.committed_asker.get_or_init(|| made))
    }

    pub(super) fn failed(&self, action: &'static str) -> impl Fn(KafkaError) -> Error {
        move |error| {
            self.hear();
            call_error(&self.settings, &self.watch, action, error)
        }
    }

    /// Takes in what the client has reported, which explains a missing answer.
    fn hear(&self) {
        for asker in [Some(&self.asker), self.committed_asker.get()].into_iter().flatten() {
            // Something to say, but not without end.
            for _ in 0..100 {
                if asker.poll(Duration::ZERO).is_none() {
                    break;
                }
            }
        }
    }

    /// The client that makes changes, for what only the controller does. It sends to the controller that brokers have told it of last, and would wait for
    /// one that has died since until it is back; so brokers are asked again.
    fn changer(&self, topic: &str) -> &AdminClient<Watch> {
        if let Err(error) = self.changer.inner().fetch_metadata(Some(topic), self.settings.timeout / ATTEMPTS)
        {
            tracing::debug!(%error, "brokers did not tell which of them is the controller");
        }
        &self.changer
    }

    fn options(&self, wait: Duration) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(wait)).operation_timeout(Some(wait))
    }

    /// Waits until a broker answers; gives the cluster's id.
    pub(super) fn reach(&self) -> Result<String> {
        let mut until = Instant::now() + self.settings.timeout;
        let mut refused = None;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let step = left.min(Duration::from_millis(500)).max(Duration::from_millis(1));
            let answer = self.asker.fetch_metadata(Some("__consumer_offsets"), step);
            self.hear();
            if answer.is_ok()
                && let Some(id) = self.asker.client().fetch_cluster_id(step)
            {
                self.watch.reached();
                return Ok(id);
            }
            if self.watch.is_hopeless() {
                // Other brokers may do, and are tried one after the other.
                let others = self.settings.brokers.len().saturating_sub(1);
                until = until.min(*refused.get_or_insert_with(Instant::now) + step * others as u32 * 4);
            }
            if Instant::now() >= until {
                return Err(unanswered(&self.settings, &self.watch, "reach a broker", "no answer"));
            }
        }
    }

    /// The partition counts of all topics that this process may see.
    fn all_topics(&self) -> Result<BTreeMap<TopicName, u32>> {
        let metadata = self.asker.fetch_metadata(None, self.settings.timeout);
        let metadata = metadata.map_err(self.failed("list topics"))?;
        let there = metadata.topics().iter().filter(|topic| topic.error().is_none());
        Ok(there.map(|topic| (TopicName::new(topic.name()), topic.partitions().len() as u32)).collect())
    }

    /// The number of partitions of a topic; `None` if it is not there.
    fn partitions(&self, topic: &TopicName) -> Result<Option<u32>> {
        Ok(self.look_at(topic)?.map(|(all, _)| all))
    }

    /// How many partitions a topic has, and how many of them a leader; `None` if it is not there.
    fn look_at(&self, topic: &TopicName) -> Result<Option<(u32, u32)>> {
        let metadata = self.asker.fetch_metadata(Some(topic.as_str()), self.settings.timeout);
        let metadata = match metadata {
            Ok(metadata) => metadata,
            Err(error) if is_unknown(&error) => return Ok(None),
            Err(error) => return Err(self.failed("describe a topic")(error)),
        };
        let Some(found) = metadata.topics().first() else { return Ok(None) };
        match found.error().map(RDKafkaErrorCode::from) {
            None => {}
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::InvalidTopic) => {
                return Ok(None);
            }
            Some(code) => return Err(self.failed("describe a topic")(KafkaError::MetadataFetch(code))),
        }
        let all = found.partitions().len() as u32;
        let led = found.partitions().iter().filter(|partition| partition.leader() >= 0).count() as u32;
        Ok((all > 0).then_some((all, led)))
    }

    /// Whether a topic is not there any more.
    pub(super) fn is_gone(&self, topic: &TopicName) -> Result<bool> {
        let gone = self.partitions(topic)?.is_none();
        if gone {
            self.facts.lock().unwrap_or_else(PoisonError::into_inner).remove(topic);
        }
        Ok(gone)
    }

    /// What is known of a topic, asked for if it is not known.
    pub(super) async fn facts(&self, topic: &TopicName) -> Result<Facts> {
        let known = self.facts.lock().unwrap_or_else(PoisonError::into_inner).get(topic).copied();
        match known {
            Some(facts) => Ok(facts),
            None => self.ask_facts(topic).await,
        }
    }

    /// [`Admin::facts`], asked for in any case.
    pub(super) async fn ask_facts(&self, topic: &TopicName) -> Result<Facts> {
        let unknown = || Error::UnknownTopic { topic: topic.clone() };
        let partitions = self.partitions(topic)?.ok_or_else(unknown)?;
        let settings = self.describe(&[(topic.clone(), partitions)]).await?;
        let settings = settings.into_iter().next().ok_or_else(unknown)?;
        let facts = Facts { partitions, max_record_bytes: settings.wanted.max_record_bytes };
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).insert(topic.clone(), facts);
        Ok(facts)
    }

    /// The smallest limit of a record among the topics that are known.
    pub(super) fn smallest_limit(&self) -> Option<usize> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.values().map(|facts| facts.max_record_bytes).min()
    }

    async fn describe(&self, topics: &[(TopicName, u32)]) -> Result<Vec<Described>> {
        if topics.is_empty() {
            return Ok(Vec::new());
        }
        let resources: Vec<_> =
            topics.iter().map(|(topic, _)| ResourceSpecifier::Topic(topic.as_str())).collect();
        // Brokers go on telling of one that has died until the others have noticed.
        let mut attempts = 1;
        let answer = loop {
            let options = self.options(self.settings.timeout / ATTEMPTS);
            let answer = self.changer(topics[0].0.as_str()).describe_configs(&resources, &options).await;
            let late = matches!(answer, Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut)));
            if !late || attempts == ATTEMPTS {
                break answer.map_err(self.failed("read the settings of topics"))?;
            }
            attempts += 1;
        };
        let mut described = Vec::with_capacity(topics.len());
        for ((topic, partitions), result) in topics.iter().zip(answer) {
            match result {
                Ok(resource) => described.push(Described::of(topic, *partitions, &resource)),
                // Deleted between the two questions.
                Err(code) if is_unknown(&KafkaError::AdminOp(code)) => {}
                Err(code) => {
                    return Err(self.failed("read the settings of topics")(KafkaError::AdminOp(code)));
                }
            }
        }
        Ok(described)
    }

    pub(super) async fn topics(&self) -> Result<Vec<TopicSettings>> {
        let all = self.all_topics()?.into_iter().filter(|(topic, _)| !topic.as_str().starts_with("__"));
        let described = self.describe(&all.collect::<Vec<_>>()).await?;
        Ok(described.into_iter().map(|described| described.wanted).collect())
    }

    /// Creates what is missing and checks what is there; see [`crate::Log::ensure_topics`].
    pub(super) async fn ensure(&self, wanted: &[TopicSettings]) -> Result<()> {
        for settings in wanted {
            check_settings(settings)?;
        }
        let mut there = Vec::new();
        let mut missing = Vec::new();
        for settings in wanted {
            match self.partitions(&settings.name)? {
                Some(partitions) => there.push((settings.name.clone(), partitions)),
                None => missing.push(settings),
            }
        }
        for described in self.describe(&there).await? {
            let settings = wanted.iter().find(|settings| settings.name == described.wanted.name);
            if let Some(settings) = settings {
                described.check(settings)?;
                self.remember(&described.wanted);
            }
        }
        self.create(&missing).await
    }

    fn remember(&self, settings: &TopicSettings) {
        let facts = Facts { partitions: settings.partitions, max_record_bytes: settings.max_record_bytes };
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).insert(settings.name.clone(), facts);
    }

    async fn create(&self, missing: &[&TopicSettings]) -> Result<()> {
        if missing.is_empty() {
            return Ok(());
        }
        let texts: Vec<[(&str, String); 5]> =
            missing.iter().map(|settings| configuration(settings)).collect();
        let replication = self.settings.replication.map_or(-1, i32::from);
        let new: Vec<_> = missing
            .iter()
            .zip(&texts)
            .map(|(settings, texts)| {
                let partitions = i32::try_from(settings.partitions).unwrap_or(i32::MAX);
                let new =
                    NewTopic::new(settings.name.as_str(), partitions, TopicReplication::Fixed(replication));
                texts.iter().fold(new, |new, (name, value)| new.set(name, value))
            })
            .collect();
        let created = self
            .changer(missing[0].name.as_str())
            .create_topics(&new, &self.options(self.settings.timeout))
            .await;
        for result in created.map_err(self.failed("create topics"))? {
            match result {
                // By another process at the same time; it wants the same.
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(self.failed("create topics")(KafkaError::AdminOp(code))),
            }
        }
        let until = Instant::now() + self.settings.timeout;
        for settings in missing {
            while self.look_at(&settings.name)?.is_none_or(|(_, led)| led < settings.partitions) {
                if Instant::now() >= until {
                    let words = "a new topic has no leader yet";
                    return Err(unanswered(&self.settings, &self.watch, "create topics", words));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            self.remember(settings);
        }
        Ok(())
    }

    /// What each partition holds, counting open transactions.
    pub(super) async fn offsets(&self, topic: &TopicName) -> Result<Vec<OffsetRange>> {
        // The count is asked for anew: a deleted topic must be noticed.
        let partitions = self.partitions(topic)?;
        let count = partitions.ok_or_else(|| Error::UnknownTopic { topic: topic.clone() })?;
        let wanted: Vec<_> =
            (0..count).map(|partition| TopicPartition::new(topic.clone(), partition)).collect();
        self.ranges(&wanted, Isolation::Uncommitted, self.settings.timeout)
    }

    /// Fails if the topic or the partition is not there.
    pub(super) async fn check(&self, at: &TopicPartition) -> Result<Facts> {
        let facts = self.facts(&at.topic).await?;
        if at.partition >= facts.partitions {
            return Err(Error::UnknownPartition {
                topic: at.topic.clone(),
                partition: at.partition,
                partitions: facts.partitions,
            });
        }
        Ok(facts)
    }

    pub(super) async fn delete_before(&self, at: &TopicPartition, offset: u64) -> Result<()> {
        let facts = self.ask_facts(&at.topic).await?;
        self.check(at).await?;
        let described = self.describe(&[(at.topic.clone(), facts.partitions)]).await?;
        if let Some(described) = described.first()
            && described.wanted.cleanup != Cleanup::Keep
        {
            return Err(Error::TopicMismatch {
                topic: at.topic.clone(),
                setting: "cleanup",
                expected: "delete".to_owned(),
                actual: described.policy.clone(),
            });
        }
        let range = self.ranges(std::slice::from_ref(at), Isolation::Uncommitted, self.settings.timeout)?;
        let range = range.first().copied().unwrap_or_default();
        if offset > range.end {
            return Err(out_of_range(at, offset, range));
        }
        if offset <= range.start {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        add(&mut list, at, Offset::Offset(signed(offset)));
        // These go to the partitions' leaders, which the client asks for by itself.
        let deleted = self.changer.delete_records(&list, &self.options(self.settings.timeout)).await;
        let deleted = deleted.map_err(self.failed("delete records"))?;
        for element in deleted.elements() {
            element.error().map_err(self.failed("delete records"))?;
        }
        Ok(())
    }

    /// How many consumers a group has.
    pub(super) fn group_size(&self, group: &str) -> Result<usize> {
        let listed = self.asker.fetch_group_list(Some(group), self.settings.timeout);
        match listed {
            Ok(listed) => Ok(listed
                .groups()
                .iter()
                .filter(|found| found.name() == group)
                .map(|found| found.members().len())
                .sum()),
            Err(KafkaError::GroupListFetch(RDKafkaErrorCode::GroupIdNotFound)) => Ok(0),
            Err(error) => Err(self.failed("list a group's members")(error)),
        }
    }
}

fn asker(settings: &KafkaSettings, watch: &Watch, isolation: Isolation) -> Result<Asker> {
    let mut config = base_config(settings);
    config.set("isolation.level", isolation_level(isolation));
    // Of a broker that wants to know who comes, and is not told, that is all there is to hear.
    config.set("log.connection.close", "true");
    let asker = finish(config, settings).create_with_context(ConsumerWatch::new(watch.clone()));
    asker.map_err(|error| creation_error(&error))
}

/// Kafka's name of it.
pub(super) fn isolation_level(isolation: Isolation) -> &'static str {
    match isolation {
        Isolation::Committed => "read_committed",
        Isolation::Uncommitted => "read_uncommitted",
    }
}

/// Producers and admin clients start from this.
pub(super) fn config_of_producer(settings: &KafkaSettings) -> rdkafka::ClientConfig {
    finish(base_config(settings), settings)
}

pub(super) fn is_unknown(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition | Code::InvalidTopic
        )
    )
}

pub(super) fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

/// Adds a partition with an offset.
pub(super) fn add(list: &mut TopicPartitionList, at: &TopicPartition, offset: Offset) {
    let partition = i32::try_from(at.partition).unwrap_or(i32::MAX);
    let mut element = list.add_partition(at.topic.as_str(), partition);
    // Fails for offsets that cannot be represented, of which there are none here.
    let _ = element.set_offset(offset);
}

pub(super) fn out_of_range(at: &TopicPartition, offset: u64, range: OffsetRange) -> Error {
    Error::OffsetOutOfRange {
        topic: at.topic.clone(),
        partition: at.partition,
        offset,
        start: range.start,
        end: range.end,
    }
}
