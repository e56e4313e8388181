//! Why a log could not be copied, under stable codes.

use super::MarkError;
use crate::spec::SpecStoreError;
use tributary_stream::TopicName;

/// Why a log could not be copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// One of the logs failed.
    #[error("a log could not be read or written; run the command again, it goes on where it was")]
    Log(#[from] tributary_stream::Error),
    /// A log's mark failed.
    #[error("whether the log was copied before could not be told")]
    Mark(#[from] MarkError),
    /// The group's tables could not be read.
    #[error("the group's tables could not be read from the log")]
    Spec(#[from] SpecStoreError),
    /// Nothing of the group is in the log.
    #[error("the log holds nothing of the group {group}; name the log file of this group")]
    NoGroup {
        /// The group.
        group: String,
    },
    /// Changes are missing that the resolver has not ordered to be captured again yet.
    #[error(
        "topic {topic}, partition {partition}: changes were deleted before they were resolved; run `tributary sync` \
         with the old group file first, which has them captured again"
    )]
    Unread {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: u32,
    },
    /// The copy was begun from another state of the log.
    #[error(
        "the topics under {control} are what is left of another copy; delete all topics whose names begin as this \
         one's does, or give the group another prefix, and copy again"
    )]
    OtherCopy {
        /// The control topic of the copy.
        control: TopicName,
    },
    /// The copy is complete, and this log took no part in it.
    #[error(
        "the topics under {control} are the group's log already, complete and copied from another state of this \
         file, which may be a backup: leave it as it is, and run the group with Kafka"
    )]
    Complete {
        /// The control topic of the copy.
        control: TopicName,
    },
    /// Something was written to the copy, or a record of an earlier attempt came late.
    #[error(
        "topic {topic}, partition {partition} of the copy ends at {found} where {expected} was expected: something \
         else writes to it; see to it that nothing does, delete the topic and copy again"
    )]
    Displaced {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: u32,
        /// Where it should end.
        expected: u64,
        /// Where it ends.
        found: u64,
    },
    /// The copy is not what was copied.
    #[error(
        "topic {topic}, partition {partition}, offset {offset}: {reason}; delete the topic in Kafka and copy again"
    )]
    Differs {
        /// The topic, as the source calls it.
        topic: TopicName,
        /// The partition.
        partition: u32,
        /// The record, by its offset in the source.
        offset: u64,
        /// What is wrong.
        reason: &'static str,
    },
    /// There is nothing to give up.
    #[error("no copy of this log is under way{}", moved(to.as_deref()))]
    NotUnderWay {
        /// Where it was copied to, when it was.
        to: Option<String>,
    },
}

fn moved(to: Option<&str>) -> String {
    to.map_or_else(String::new, |to| format!(": it was copied to {to}, which is the group's log now"))
}

impl CopyError {
    /// The stable code, listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Log(source) => source.code(),
            Self::Mark(source) => source.code(),
            Self::Spec(SpecStoreError::Log(source)) => source.code(),
            Self::Spec(_) => "GRP-202",
            Self::NoGroup { .. } => "GRP-203",
            Self::OtherCopy { .. } => "GRP-204",
            Self::Displaced { .. } => "GRP-205",
            Self::Differs { .. } => "GRP-206",
            Self::NotUnderWay { .. } => "GRP-207",
            Self::Complete { .. } => "GRP-208",
            Self::Unread { .. } => "GRP-209",
        }
    }
}
