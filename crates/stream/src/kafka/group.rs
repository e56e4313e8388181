//! What a consumer hears, and what its group does: partitions given and taken away.
//!
//! A group's changes come in a callback during a poll, where the stored offsets are looked up (waiting for those of
//! transactions that are being committed) and noted as news for whoever polls.

use super::Shared;
use super::admin::{add, signed};
use super::consumer::STEP;
use super::trouble::{Watch, call_error};
use crate::{ConsumerSettings, Error, Result, Start, TopicName, TopicPartition};
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long the offsets of transactions that are being committed are waited for: longer than a transaction may last.
const STABLE_WAIT: Duration = Duration::from_secs(30);

/// Hears what a consumer reports, and what its group does.
pub(super) struct ConsumerWatch {
    watch: Watch,
    news: Mutex<Vec<News>>,
    /// For a consumer that may join a group: the log, and where partitions begin that the group has no offset for.
    joins: Option<(Arc<Shared>, ConsumerSettings)>,
}

/// What a group has done.
pub(super) enum News {
    Assigned(Vec<(TopicPartition, u64)>),
    Revoked(Vec<TopicPartition>),
    Failed(Error),
}

impl ConsumerWatch {
    pub(super) fn new(watch: Watch) -> Self {
        Self { watch, news: Mutex::default(), joins: None }
    }

    pub(super) fn joining(watch: Watch, shared: &Arc<Shared>, settings: &ConsumerSettings) -> Self {
        Self { watch, news: Mutex::default(), joins: Some((Arc::clone(shared), settings.clone())) }
    }

    pub(super) const fn watch(&self) -> &Watch {
        &self.watch
    }

    fn note(&self, news: News) {
        self.news.lock().unwrap_or_else(PoisonError::into_inner).push(news);
    }

    fn note_failure(&self, action: &'static str, error: KafkaError) {
        let Some((shared, _)) = &self.joins else { return };
        self.note(News::Failed(call_error(&shared.settings, &self.watch, action, error)));
    }

    /// What has happened since this was last asked.
    pub(super) fn take(&self) -> Vec<News> {
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
            if let Err(error) = consumer.incremental_unassign(list) {
                self.note_failure("give partitions back to the group", error);
            }
            self.note(News::Revoked(partitions));
            return;
        }
        let Some((shared, settings)) = &self.joins else { return };
        match starting_offsets(consumer, &partitions, shared, settings) {
            Ok(offsets) => {
                let list = list_of(offsets.iter().map(|(at, next)| (at, *next)));
                match consumer.incremental_assign(&list) {
                    Ok(()) if offsets.is_empty() => {}
                    Ok(()) => self.note(News::Assigned(offsets)),
                    Err(error) => self.note_failure("take partitions over from the group", error),
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

/// These partitions at these offsets.
pub(super) fn list_of<'a>(partitions: impl Iterator<Item = (&'a TopicPartition, u64)>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (at, offset) in partitions {
        add(&mut list, at, Offset::Offset(signed(offset)));
    }
    list
}

/// The partitions alone.
pub(super) fn partitions_of(list: &TopicPartitionList) -> Vec<TopicPartition> {
    let named = |topic: &str, partition: i32| {
        TopicPartition::new(TopicName::new(topic), u32::try_from(partition).unwrap_or(0))
    };
    list.elements().iter().map(|element| named(element.topic(), element.partition())).collect()
}

/// The committed offsets of the consumer's group, or else where it starts.
fn starting_offsets(
    consumer: &BaseConsumer<ConsumerWatch>,
    partitions: &[TopicPartition],
    shared: &Shared,
    settings: &ConsumerSettings,
) -> Result<Vec<(TopicPartition, u64)>> {
    let stored = committed(consumer, partitions);
    let mut found = stored.map_err(|error| {
        call_error(&shared.settings, &consumer.context().watch, "read a group's offsets", error)
    })?;
    let missing: Vec<_> =
        partitions.iter().filter(|at| !found.iter().any(|(known, _)| known == *at)).cloned().collect();
    let ranges = shared.admin.ranges(&missing, settings.isolation, STABLE_WAIT)?;
    for (at, range) in missing.iter().zip(ranges) {
        let next = match settings.start {
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
