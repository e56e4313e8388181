//! Moving a group to another log: from the embedded log to Kafka, with nothing lost and members left as they are.
//!
//! The copy has the identity of what it was copied from, and every resolved record at its old offset, so that members
//! go on as if nothing had happened. Everything else keeps its order; the resolvers' committed offsets are
//! translated. Schema ids are the registry's. A copy that was interrupted, however, goes on where it was: how far it is
//! shows in the copy itself. Nobody can work with either log meanwhile, and with the old one never again.

mod compare;
mod error;
mod mark;
mod partition;
mod plan;
mod reader;
mod reframe;
mod report;
mod survey;

pub use error::CopyError;
pub use mark::{CopyMark, MarkError, read_mark};
pub use report::{CopiedTopic, CopyProgress, CopyReport, Phase};

use crate::file::GroupFile;
use crate::spec::read_spec;
use mark::write_mark;
use partition::Destination;
use reframe::Schemas;
use std::collections::BTreeMap;
use std::sync::Arc;
use survey::{Source, Way};
use tributary_stream::kafka::{Copier, KafkaLog, KafkaSettings};
use tributary_stream::{
    Channels, Cleanup, Log, Outgoing, TopicName, TopicPartition, TopicSettings, Topics, read_latest, single,
};
use uuid::Uuid;

/// Keys of the control topic that are each log's own.
const OWN_KEYS: &[&[u8]] = &[mark::KEY, b"log", b"schemas"];

/// The two logs.
pub struct Copy<'a> {
    /// The group file, which names Kafka.
    pub file: &'a GroupFile,
    /// The log that is copied, opened for writing, so that nobody else does.
    pub source: &'a dyn Log,
    /// What it is called.
    pub from: String,
    /// The names of its topics.
    pub source_topics: Topics,
}

struct Kafka {
    log: KafkaLog,
    copier: Copier,
}

impl Destination for Kafka {
    async fn end(&self, at: &TopicPartition) -> tributary_stream::Result<u64> {
        let ranges = self.log.offsets(&at.topic).await?;
        Ok(ranges.get(at.partition as usize).map_or(0, |range| range.end))
    }

    async fn append(&mut self, records: &[Outgoing]) -> tributary_stream::Result<()> {
        self.copier.append(records).await
    }

    async fn fill(&mut self, filler: &Outgoing, count: u64) -> tributary_stream::Result<()> {
        self.copier.fill(filler, count).await
    }
}

impl Copy<'_> {
    /// Copies the log into the cluster that `settings` reach, compares both, and makes the copy the group's log.
    ///
    /// # Errors
    /// See [`CopyError`]; after most of them the same command goes on where this one was.
    pub async fn into_kafka(
        &self,
        settings: KafkaSettings,
        progress: &mut dyn FnMut(CopyProgress<'_>),
    ) -> Result<CopyReport, CopyError> {
        let spec = read_spec(self.source, &self.source_topics.control()).await?;
        let spec = spec.ok_or_else(|| CopyError::NoGroup { group: self.file.group.to_string() })?;
        if let Some(TopicPartition { topic, partition }) =
            survey::unread(self.source, &self.source_topics).await?
        {
            return Err(CopyError::Unread { topic, partition });
        }
        let (log, copier) = KafkaLog::copy_into(settings, self.source.id()).await?;
        let Some(copier) = copier else {
            self.check_complete(&log).await?;
            return Ok(self.report(Vec::new(), "", true));
        };
        let mut kafka = Kafka { log, copier };
        self.leave(&kafka.log, |copy, to| CopyMark::Leaving { copy, to }).await?;
        let topics = self.survey(progress).await?;
        let wanted: Vec<_> = topics.iter().map(|topic| self.wanted(topic)).collect();
        kafka.log.ensure_topics(&wanted).await?;
        let schemas = Schemas::read(self.source, &topics).await?;
        let reframe = schemas.register(&kafka.log).await?;
        let tables: Vec<_> =
            spec.tables.iter().map(|table| (Arc::clone(&table.schema), table.partitions)).collect();
        let (names, group) = (self.file.topics(), self.file.group.as_str());
        let channels = Channels::open(&kafka.log, names, group, self.file.limits(), &tables).await?;
        let reframe = schemas.pinned(reframe, &channels);

        let total = topics.iter().map(|topic| topic.records).sum();
        let mut copied = Vec::new();
        let mut done = 0;
        for topic in topics.iter().filter(|topic| topic.way != Way::Control) {
            let mut report = CopiedTopic::of(topic);
            for partition in 0..topic.settings.partitions {
                let mut moved = |records: u64| {
                    done += records;
                    progress(CopyProgress {
                        phase: Phase::Copying,
                        topic: &topic.settings.name,
                        done,
                        total,
                    });
                };
                let written =
                    partition::copy(self.source, &mut kafka, topic, partition, &reframe, &mut moved).await?;
                report.repeated += written.repeated;
                report.filled += written.filled;
            }
            copied.push(report);
        }
        self.copy_control(&kafka.log).await?;
        self.copy_committed(&mut kafka, &topics).await?;
        let digest = self.compare(&kafka.log, &topics, &mut copied, progress).await?;
        // From here on the source is not opened any more, and only then can the copy be.
        self.leave(&kafka.log, |copy, to| CopyMark::Left { copy, to }).await?;
        kafka.copier.finish().await?;
        Ok(self.report(copied, &digest, false))
    }

    /// Lets the source be the group's log again, where a copy was begun and not finished.
    ///
    /// # Errors
    /// [`CopyError::NotUnderWay`] when there is no such copy.
    pub async fn abandon(&self) -> Result<(), CopyError> {
        let control = self.source_topics.control();
        match read_mark(self.source, &control).await? {
            Some(CopyMark::Leaving { .. }) => {
                let writer = self.source_topics.control_writer();
                write_mark(self.source, &control, &writer, None).await?;
                Ok(())
            }
            Some(CopyMark::Left { to, .. }) => Err(CopyError::NotUnderWay { to: Some(to) }),
            Some(CopyMark::CopyOf { .. }) | None => Err(CopyError::NotUnderWay { to: None }),
        }
    }

    /// A copy is complete only once its source says that it was left.
    async fn check_complete(&self, target: &KafkaLog) -> Result<(), CopyError> {
        let control = self.file.topics().control();
        let found = read_mark(self.source, &self.source_topics.control()).await?;
        let arrived = read_mark(target, &control).await?;
        match (found, arrived) {
            (Some(CopyMark::Left { copy, .. }), Some(arrived)) if arrived.copy() == copy => Ok(()),
            _ => Err(CopyError::Complete { control }),
        }
    }

    /// Marks the source, and sees to it that the copy is this one's.
    async fn leave(
        &self,
        target: &KafkaLog,
        mark: impl Fn(Uuid, String) -> CopyMark,
    ) -> Result<(), CopyError> {
        let (control, writer) = (self.source_topics.control(), self.source_topics.control_writer());
        let topics = self.file.topics();
        let found = read_mark(self.source, &control).await?;
        let arrived = read_mark(target, &topics.control()).await?;
        let copy = match (&found, &arrived) {
            (None, None) => Uuid::new_v4(),
            (Some(found), None) => found.copy(),
            (Some(found), Some(arrived)) if found.copy() == arrived.copy() => found.copy(),
            (_, Some(_)) => return Err(CopyError::OtherCopy { control: topics.control() }),
        };
        let left = matches!(found, Some(CopyMark::Left { .. }));
        let wanted = mark(copy, self.file.log.to_string());
        if found.as_ref() != Some(&wanted) && !left {
            write_mark(self.source, &control, &writer, Some(&wanted)).await?;
        }
        if arrived.is_none() {
            let from = self.from.clone();
            let of = CopyMark::CopyOf { copy, from };
            write_mark(target, &topics.control(), &topics.control_writer(), Some(&of)).await?;
        }
        Ok(())
    }

    async fn survey(&self, progress: &mut dyn FnMut(CopyProgress<'_>)) -> Result<Vec<Source>, CopyError> {
        let mut seen = 0;
        let tell = |topic: &TopicName, records| {
            seen += records;
            progress(CopyProgress { phase: Phase::Reading, topic, done: seen, total: 0 });
        };
        Ok(survey::survey(self.source, &self.source_topics, &self.file.topics(), tell).await?)
    }

    /// A topic as the group file wants it now.
    fn wanted(&self, topic: &Source) -> TopicSettings {
        let mut settings = topic.settings.clone();
        settings.name = topic.target.clone();
        if let Cleanup::Compact { delete_retention } = settings.cleanup {
            let delete_retention = delete_retention.max(self.file.tombstone_retention);
            settings.cleanup = Cleanup::Compact { delete_retention };
        }
        settings
    }

    /// Takes over what the control topic says of the group, but not what it says of the log.
    async fn copy_control(&self, target: &KafkaLog) -> Result<(), CopyError> {
        let topics = self.file.topics();
        let control = topics.control();
        let ours = read_latest(self.source, &self.source_topics.control()).await?;
        let theirs: BTreeMap<_, _> = read_latest(target, &control).await?.into_iter().collect();
        let missing = ours
            .into_iter()
            .filter(|(key, value)| !OWN_KEYS.contains(&key.as_slice()) && theirs.get(key) != Some(value));
        let missing: Vec<_> = missing.map(|(key, value)| single(control.clone(), key, Some(value))).collect();
        if !missing.is_empty() {
            let mut producer = target.producer(&topics.control_writer()).await?;
            producer.begin().await?;
            producer.send(missing).await?;
            producer.commit().await?;
        }
        Ok(())
    }

    /// Takes over how far consumers are: the resolvers, whose topics begin at another offset now, and apply, which keeps
    /// its own in the members and stores them in the log for those who watch.
    async fn copy_committed(&self, kafka: &mut Kafka, topics: &[Source]) -> Result<(), CopyError> {
        let (ours, theirs) = (&self.source_topics, self.file.topics());
        let mut groups = vec![(ours.resolver_group(), theirs.resolver_group())];
        for member in &self.file.members {
            let id = member.id.as_str();
            groups.push((ours.apply_group(id), theirs.apply_group(id)));
        }
        let named: Vec<_> = topics.iter().map(|topic| topic.settings.name.clone()).collect();
        for (from, to) in groups {
            let committed = self.source.committed(&from, &named).await?;
            let translated = committed.into_iter().filter_map(|(at, next)| {
                let topic = topics.iter().find(|topic| topic.settings.name == at.topic)?;
                let start = topic.ranges.get(at.partition as usize)?.start;
                let next = if topic.way == Way::Exact { next } else { next.saturating_sub(start) };
                Some((TopicPartition::new(topic.target.clone(), at.partition), next))
            });
            let translated: Vec<_> = translated.collect();
            if !translated.is_empty() {
                kafka.copier.set_committed(&to, &translated).await?;
            }
        }
        Ok(())
    }

    /// Compares everything; gives the digest of it.
    async fn compare(
        &self,
        target: &KafkaLog,
        topics: &[Source],
        copied: &mut [CopiedTopic],
        progress: &mut dyn FnMut(CopyProgress<'_>),
    ) -> Result<String, CopyError> {
        let total = topics.iter().map(|topic| topic.records).sum();
        let mut digest = blake3::Hasher::new();
        let mut done = 0;
        let compared = topics.iter().filter(|topic| topic.way != Way::Control);
        for (topic, report) in compared.zip(copied) {
            digest.update(topic.settings.name.as_str().as_bytes());
            for partition in 0..topic.settings.partitions {
                let mut moved = |records: u64| {
                    done += records;
                    progress(CopyProgress {
                        phase: Phase::Comparing,
                        topic: &topic.settings.name,
                        done,
                        total,
                    });
                };
                let found =
                    compare::compare(self.source, target, topic, partition, &mut digest, &mut moved).await?;
                report.records += found.records;
                report.superseded += found.superseded;
            }
        }
        Ok(digest.finalize().to_hex()[..32].to_owned())
    }

    fn report(&self, topics: Vec<CopiedTopic>, digest: &str, was_complete: bool) -> CopyReport {
        CopyReport { log_id: self.source.id().0.to_string(), topics, digest: digest.to_owned(), was_complete }
    }
}
