//! What stops or pauses an apply worker.

use tributary_member::{Disposition as MemberDisposition, Error as MemberError, ErrorKind};
use tributary_runtime::Failure;
use tributary_stream::{Disposition as LogDisposition, Error as LogError};
use uuid::Uuid;

/// Failures of apply.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The member failed.
    #[error("member {member}: settled changes could not be applied")]
    Member {
        /// The member.
        member: String,
        /// Its failure.
        #[source]
        source: Box<MemberError>,
    },
    /// The log failed.
    #[error("apply of member {member} could not use the log")]
    Log {
        /// The member.
        member: String,
        /// The log's failure.
        #[source]
        source: Box<LogError>,
    },
    /// The member's offsets belong to another log.
    #[error(
        "member {member} has applied from log {stored}, and this is log {found}: the log was replaced or this is \
         another group's file; put the log back, or `tributary deprovision` the member \
         and provision it anew"
    )]
    OtherLog {
        /// The member.
        member: String,
        /// The log that the offsets belong to.
        stored: Uuid,
        /// This log.
        found: Uuid,
    },
    /// The member does not hold the token of the last published page, nor its direct successor.
    #[error(
        "member {member} went back in time: it was restored, failed over, or is a copy; nothing is written to it; \
         put the later file back, or, if it is to go on as it is, run `tributary member rejoin {member}`"
    )]
    WentBack {
        /// The member.
        member: String,
    },
    /// Users write faster than what they write can be saved.
    #[error(
        "member {member} could not be filled anew: users keep changing rows that are out of date ({cells} the last \
         time); let them pause, and the filling goes on by itself"
    )]
    NotQuiet {
        /// The member.
        member: String,
        /// How many cells there were.
        cells: usize,
    },
    /// A row could not be written as Avro.
    #[error("a row of member {member} could not be saved in the ledger")]
    Codec {
        /// The member.
        member: String,
        /// The codec's failure.
        #[source]
        source: Box<tributary_codec::Error>,
    },
    /// What the log says of the member's position cannot be read.
    #[error("the stored position of member {member} cannot be read")]
    Position {
        /// The member.
        member: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl Error {
    /// The stable code, listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Member { source, .. } => source.code(),
            Self::Log { source, .. } => source.code(),
            Self::OtherLog { .. } => "APP-003",
            Self::WentBack { .. } => "APP-004",
            Self::Position { .. } => "APP-005",
            Self::NotQuiet { .. } => "APP-006",
            Self::Codec { source, .. } => source.code(),
        }
    }

    /// Whether the worker is restarted or stays down.
    pub fn into_failure(self) -> Failure {
        let retry = match &self {
            // A table that was dropped or altered between the look at it and the work on it: the next look, after a
            // restart, finds it and stops that table alone.
            Self::Member { source, .. } => {
                source.disposition() == MemberDisposition::Retry
                    || matches!(source.kind(), ErrorKind::TableMissing | ErrorKind::TableChanged)
            }
            Self::Log { source, .. } => source.disposition() == LogDisposition::Retry,
            Self::NotQuiet { .. } => true,
            Self::OtherLog { .. } | Self::WentBack { .. } | Self::Position { .. } | Self::Codec { .. } => {
                false
            }
        };
        if retry { Failure::retry(self) } else { Failure::halt(self) }
    }
}
