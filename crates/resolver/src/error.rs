//! What stops or pauses the resolver.

use crate::StoreError;
use std::path::PathBuf;
use tributary_runtime::Failure;
use tributary_stream::{Disposition, Error as LogError, TopicName, TopicPartition};

/// Failures of the resolver.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The log failed.
    #[error("the resolver could not use the log")]
    Log {
        /// The log's failure.
        #[source]
        source: LogError,
    },
    /// The state store failed.
    #[error("the resolver could not use its state")]
    Store {
        /// The store's failure.
        #[source]
        source: StoreError,
    },
    /// What came of a record cannot be written.
    #[error("what came of record {offset} of {topic}, partition {partition} cannot be written", topic = at.topic, partition = at.partition)]
    Codec {
        /// Where it stands.
        at: TopicPartition,
        /// Its offset.
        offset: u64,
        /// The codec's failure.
        #[source]
        source: tributary_codec::Error,
    },
    /// A record that a topic does not take.
    #[error(
        "a record for topic {topic} has {bytes} bytes, and its `max.message.bytes` allows {limit}: raise it to what the \
         topics were made with, then restart the resolver; nothing is lost"
    )]
    TooLarge {
        /// The topic.
        topic: TopicName,
        /// Key, value and headers together.
        bytes: usize,
        /// What the topic allows.
        limit: usize,
    },
    /// No state file can be taken.
    #[error("the resolver could not take a state file by {}; see whether this program may write there", path.display())]
    Slot {
        /// The lock's file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A topic that is none of the group's tables'.
    #[error("topic {topic} belongs to no table of the group; restart with the present group file")]
    UnknownTopic {
        /// The topic.
        topic: String,
    },
}

impl Error {
    /// The stable code, listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Log { source } => source.code(),
            Self::Store { .. } => "RES-001",
            Self::Codec { .. } => "RES-002",
            Self::UnknownTopic { .. } => "RES-003",
            Self::TooLarge { .. } => "RES-004",
            Self::Slot { .. } => "RES-005",
        }
    }

    /// Whether the worker is restarted or stays down.
    pub fn into_failure(self) -> Failure {
        let retry = match &self {
            Self::Log { source } => source.disposition() == Disposition::Retry,
            // A full disk passes, and a damaged file is thrown away at the next start.
            Self::Store { .. } | Self::Slot { .. } => true,
            Self::Codec { .. } | Self::UnknownTopic { .. } | Self::TooLarge { .. } => false,
        };
        if retry { Failure::retry(self) } else { Failure::halt(self) }
    }
}

impl From<LogError> for Error {
    fn from(source: LogError) -> Self {
        Self::Log { source }
    }
}

impl From<StoreError> for Error {
    fn from(source: StoreError) -> Self {
        Self::Store { source }
    }
}
