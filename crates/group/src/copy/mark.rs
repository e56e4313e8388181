//! The marks of a copy on the control topics: which of the two logs is the group's.
//!
//! The copy has the identity of what it was copied from, so members could not tell the two apart. Nobody can open the
//! copy before it is complete, which the log that is copied to sees to itself. The other one says here, to whoever
//! opens it, that it is being left, and then that it was.

use serde::{Deserialize, Serialize};
use tributary_stream::{Log, TopicName, read_latest, single};
use uuid::Uuid;

pub(super) const KEY: &[u8] = b"copy";

/// What a log says of the copy that it is part of. `copy` is the same in both logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CopyMark {
    /// This log is being copied: it stays as it is.
    Leaving {
        /// Names the copy.
        copy: Uuid,
        /// Where to.
        to: String,
    },
    /// This log was copied, and is the group's no more.
    Left {
        /// Names the copy.
        copy: Uuid,
        /// Where to.
        to: String,
    },
    /// This log is the copy.
    CopyOf {
        /// Names the copy.
        copy: Uuid,
        /// Where from.
        from: String,
    },
}

impl CopyMark {
    /// Which copy it is about.
    pub(super) fn copy(&self) -> Uuid {
        match self {
            Self::Leaving { copy, .. } | Self::Left { copy, .. } | Self::CopyOf { copy, .. } => *copy,
        }
    }
}

/// Why a mark could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MarkError {
    /// The log failed.
    #[error("whether the log was copied could not be read from or written to it")]
    Log(#[from] tributary_stream::Error),
    /// The record is no mark.
    #[error(
        "the record `copy` of topic {control} cannot be read; it was written by a newer program, or damaged"
    )]
    Malformed {
        /// The control topic.
        control: TopicName,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl MarkError {
    /// The stable code, listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Log(source) => source.code(),
            Self::Malformed { .. } => "GRP-201",
        }
    }
}

/// The mark that the log has, if it has one.
///
/// # Errors
/// When the log fails or the record cannot be read.
pub async fn read_mark(log: &dyn Log, control: &TopicName) -> Result<Option<CopyMark>, MarkError> {
    let latest = match read_latest(log, control).await {
        Err(tributary_stream::Error::UnknownTopic { .. }) => return Ok(None),
        latest => latest?,
    };
    let found = latest.into_iter().find(|(key, _)| key == KEY);
    let malformed = |source| MarkError::Malformed { control: control.clone(), source };
    found.map(|(_, value)| serde_json::from_slice(&value).map_err(malformed)).transpose()
}

/// Writes the mark, or takes it away; `writer` is the transactional id of the control topic.
pub(super) async fn write_mark(
    log: &dyn Log,
    control: &TopicName,
    writer: &str,
    mark: Option<&CopyMark>,
) -> Result<(), MarkError> {
    let value = mark.map(|mark| serde_json::to_vec(mark).expect("ids and texts can be written as JSON"));
    let mut producer = log.producer(writer).await?;
    producer.begin().await?;
    producer.send(vec![single(control.clone(), KEY.to_vec(), value)]).await?;
    producer.commit().await?;
    Ok(())
}
