//! What stops or pauses a capture worker.

use tributary_member::{Disposition as MemberDisposition, Error as MemberError, ErrorKind};
use tributary_runtime::Failure;
use tributary_stream::{Disposition as LogDisposition, Error as LogError};

/// Failures of capture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The member failed.
    #[error("member {member}: capture could not go on")]
    Member {
        /// The member.
        member: String,
        /// Its failure.
        #[source]
        source: Box<MemberError>,
    },
    /// The log failed.
    #[error("capture of member {member} could not use the log")]
    Log {
        /// The member.
        member: String,
        /// The log's failure.
        #[source]
        source: Box<LogError>,
    },
    /// A record could not be written as Avro.
    #[error("a change of table {table} of member {member} could not be encoded")]
    Codec {
        /// The member.
        member: String,
        /// The table.
        table: String,
        /// The codec's failure.
        #[source]
        source: Box<tributary_codec::Error>,
    },
    /// The positions topic holds something that is no position.
    #[error("the stored position of member {member} cannot be read; recapture the member to go on")]
    Position {
        /// The member.
        member: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The member belongs to another log.
    #[error(
        "member {member} has applied from log {stored}, and this is log {found}: the log was replaced or this is \
         another group's file; nothing is published from it; put the log back, or `tributary deprovision` the \
         member and provision it anew"
    )]
    OtherLog {
        /// The member.
        member: String,
        /// The log that its offsets belong to.
        stored: uuid::Uuid,
        /// This log.
        found: uuid::Uuid,
    },
    /// The member does not hold the token of the last published page, nor its direct successor.
    #[error(
        "member {member} went back in time: its token is {found}, the log's is {expected}; it was restored, failed \
         over, or is a copy; nothing is read from or written to it; put the later file back, or, if it is to go on as \
         it is, run `tributary member rejoin {member}`"
    )]
    WentBack {
        /// The member.
        member: String,
        /// What the member holds.
        found: String,
        /// What the log's position says.
        expected: String,
    },
}

impl Error {
    /// The stable code, listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Member { source, .. } => source.code(),
            Self::Log { source, .. } => source.code(),
            Self::Codec { source, .. } => source.code(),
            Self::Position { .. } => "CAP-001",
            Self::WentBack { .. } => "CAP-002",
            Self::OtherLog { .. } => "CAP-003",
        }
    }

    /// Whether another worker of the member has taken over, or was at work in between: it stands in the way of this
    /// transaction, and not of the next one of whoever leads.
    pub(crate) fn is_replaced(&self) -> bool {
        match self {
            Self::Member { source, .. } => source.kind() == ErrorKind::WrongToken,
            Self::Log { source, .. } => {
                matches!(**source, LogError::Fenced { .. } | LogError::NotAssigned { .. })
            }
            Self::Codec { .. } | Self::Position { .. } | Self::WentBack { .. } | Self::OtherLog { .. } => {
                false
            }
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
            Self::Codec { .. } | Self::Position { .. } | Self::WentBack { .. } | Self::OtherLog { .. } => {
                false
            }
        };
        if retry { Failure::retry(self) } else { Failure::halt(self) }
    }
}
