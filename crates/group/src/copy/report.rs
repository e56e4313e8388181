//! What a copy tells on its way and at its end.

use super::survey::{Source, Way};
use serde::Serialize;
use tributary_stream::TopicName;

/// What the copying is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Looks at what there is.
    Reading,
    /// Writes.
    Copying,
    /// Compares.
    Comparing,
}

/// How far the copying is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyProgress<'a> {
    /// What it is at.
    pub phase: Phase,
    /// The topic, as the source calls it.
    pub topic: &'a TopicName,
    /// Records of all topics that are done with in this phase.
    pub done: u64,
    /// Records of all topics; 0 while that is not known yet.
    pub total: u64,
}

/// One topic of a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CopiedTopic {
    /// What it is called in the copy.
    pub topic: String,
    /// Records, all of which were compared.
    pub records: u64,
    /// Whether every record has its old offset.
    pub offsets_kept: bool,
    /// Of the records, the ones that Kafka has compacted away since they were copied.
    pub superseded: u64,
    /// Offsets used up by writing the record behind them more than once, in this run.
    pub repeated: u64,
    /// Offsets that hold nothing that can be read, in this run.
    pub filled: u64,
}

/// What a copy came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CopyReport {
    /// The log's identity, in both.
    pub log_id: String,
    /// By topic.
    pub topics: Vec<CopiedTopic>,
    /// Over keys, values and kept offsets of everything that was compared.
    pub digest: String,
    /// Whether all had been done before.
    pub was_complete: bool,
}

impl CopiedTopic {
    pub(super) fn of(topic: &Source) -> Self {
        Self {
            topic: topic.target.to_string(),
            records: 0,
            offsets_kept: topic.way == Way::Exact,
            superseded: 0,
            repeated: 0,
            filled: 0,
        }
    }
}
