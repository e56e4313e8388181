//! What can go wrong with the log, under stable codes, and what the caller shall do about it.
//!
//! Decides the disposition of each failure; it does not decide how often or how long something is retried.

use crate::TopicName;
use std::path::PathBuf;

/// What a worker does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Trying again later, with a new producer or consumer, can succeed without anybody doing anything.
    Retry,
    /// The record is at fault: set it aside, list it, and go on with the others.
    Park,
    /// Nothing gets better by itself: stop the worker and tell the operator.
    Stop,
}

/// Failures of the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another producer has taken the transactional id, or the consumer whose offsets were sent no longer owns
    /// the partitions. Nothing of the transaction was written.
    #[error(
        "producer {transactional_id} is fenced: another one has taken over, or its consumer lost the partitions; \
         nothing of this transaction was written"
    )]
    Fenced {
        /// The producer's transactional id.
        transactional_id: String,
    },

    /// A record is larger than its topic allows.
    #[error("a record for topic {topic} has {bytes} bytes, more than the {limit} that the topic allows")]
    RecordTooLarge {
        /// The topic.
        topic: TopicName,
        /// Key, value and headers together.
        bytes: usize,
        /// What the topic allows.
        limit: usize,
    },

    /// No topic has this name.
    #[error("the log has no topic {topic}; `provision` creates the group's topics")]
    UnknownTopic {
        /// The name asked for.
        topic: TopicName,
    },

    /// The topic has fewer partitions.
    #[error("topic {topic} has {partitions} partitions and none with the number {partition}")]
    UnknownPartition {
        /// The topic.
        topic: TopicName,
        /// The partition asked for.
        partition: u32,
        /// How many there are.
        partitions: u32,
    },

    /// A topic exists with a setting that would break its use.
    #[error(
        "topic {topic} has {setting} = {actual} where {expected} is needed; \
         change the topic or the setting that asks for it"
    )]
    TopicMismatch {
        /// The topic.
        topic: TopicName,
        /// The setting that differs.
        setting: &'static str,
        /// What was asked for.
        expected: String,
        /// What the topic has.
        actual: String,
    },

    /// No log would take a topic of this name or shape.
    #[error("topic {topic:?} cannot be created: {reason}")]
    InvalidTopic {
        /// The name as given.
        topic: String,
        /// What is wrong with it.
        reason: &'static str,
    },

    /// An offset lies outside what the partition holds.
    #[error(
        "offset {offset} of topic {topic}, partition {partition} is outside of what the log holds, {start} to \
         {end}; beyond the end means that the log is shorter than what was read, below the start that records \
         were deleted unread"
    )]
    OffsetOutOfRange {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: u32,
        /// The offset asked for.
        offset: u64,
        /// First offset that is there.
        start: u64,
        /// The next offset to be given.
        end: u64,
    },

    /// No schema has this id.
    #[error("the log has no schema with the id {id}")]
    UnknownSchema {
        /// The id asked for.
        id: u32,
    },

    /// A schema's text is not JSON.
    #[error("the schema for subject {subject} is not JSON text")]
    InvalidSchema {
        /// Where it was to be registered.
        subject: String,
    },

    /// No Avro schema can be made of a table.
    #[error("no schema can be made for table {table}")]
    NoSchema {
        /// The table.
        table: String,
        /// The codec's reason.
        #[source]
        source: Box<tributary_codec::Error>,
    },

    /// The consumer does not own the partition.
    #[error("partition {partition} of topic {topic} is not assigned to this consumer")]
    NotAssigned {
        /// The topic.
        topic: TopicName,
        /// The partition.
        partition: u32,
    },

    /// A call that does not fit what was called before.
    #[error("{call} does not fit here: {state}")]
    WrongState {
        /// The call.
        call: &'static str,
        /// What stands in its way.
        state: &'static str,
    },

    /// The log was opened for reading only.
    #[error("the log {} was opened for reading only, and cannot {action}", path.display())]
    ReadOnly {
        /// The log's file.
        path: PathBuf,
        /// What was asked for.
        action: &'static str,
    },

    /// The file is not there.
    #[error("there is no log at {}; `run` or `provision` creates it", path.display())]
    Missing {
        /// The log's file.
        path: PathBuf,
    },

    /// The file is something else.
    #[error("{} is not a log of this program; name another file or move this one away", path.display())]
    NotALog {
        /// The file.
        path: PathBuf,
    },

    /// The file contradicts itself.
    #[error("the log {} is damaged; restore it, or start a new one and recapture", path.display())]
    Corrupt {
        /// The log's file.
        path: PathBuf,
        /// What SQLite said, where it was SQLite that noticed.
        #[source]
        source: Option<rusqlite::Error>,
    },

    /// A newer program wrote the file.
    #[error(
        "the log {} has format {found} and this program knows up to {supported}; use a newer program",
        path.display()
    )]
    NewerFormat {
        /// The log's file.
        path: PathBuf,
        /// The file's format.
        found: i64,
        /// The newest format that this program reads.
        supported: i64,
    },

    /// Another process works with the log.
    #[error("the log {} is in use by {}; stop that one first", path.display(), owner(*pid))]
    Locked {
        /// The log's file.
        path: PathBuf,
        /// Who, as far as the lock file tells.
        pid: Option<u32>,
    },

    /// There is no room left.
    #[error("no room left for the log {}; free some space, nothing is lost meanwhile", path.display())]
    Full {
        /// The log's file.
        path: PathBuf,
    },

    /// Another program holds the file's own lock.
    #[error("another program holds a lock on the log {}; close it", path.display())]
    Busy {
        /// The log's file.
        path: PathBuf,
    },

    /// The thread that was writing this transaction together with its own failed on the way.
    #[error("the write to the log {} was interrupted; read the log to see whether it took place", path.display())]
    Interrupted {
        /// The log's file.
        path: PathBuf,
    },

    /// A service of the log does not answer.
    #[error("{service} at {address} cannot be reached ({reason}); nothing is lost, and it is tried again")]
    Unavailable {
        /// What it is: `Kafka` or `the schema registry`.
        service: &'static str,
        /// Where it was looked for.
        address: String,
        /// What the client library knows of the cause.
        reason: String,
    },

    /// A service does not accept who we say we are.
    #[error(
        "{service} at {address} refuses the credentials ({reason}); correct user and password in the group file"
    )]
    Credentials {
        /// What it is.
        service: &'static str,
        /// Where it is.
        address: String,
        /// The service's own words.
        reason: String,
    },

    /// No TLS connection can be made, or none that can be trusted.
    #[error(
        "no trusted TLS connection to {service} at {address} ({reason}); name its certificate authority in `tls: ca`"
    )]
    Tls {
        /// What it is.
        service: &'static str,
        /// Where it is.
        address: String,
        /// The TLS library's own words.
        reason: String,
    },

    /// The service knows us and does not let us.
    #[error(
        "{service} does not allow this program to {action} ({reason}); grant it, see deploy/kafka/acls.sh"
    )]
    Denied {
        /// What it is.
        service: &'static str,
        /// What was being done.
        action: String,
        /// The service's own words.
        reason: String,
    },

    /// A setting that the client library does not take.
    #[error(
        "Kafka's client library does not take the settings: {reason}; correct `log: kafka` in the group file"
    )]
    ClientSettings {
        /// The library's own words.
        reason: String,
    },

    /// The registry does not take a changed schema.
    #[error("the schema registry refuses the changed schema of {subject}: {difference}; {reason}")]
    Incompatible {
        /// The subject.
        subject: String,
        /// Which columns differ, and how.
        difference: String,
        /// The registry's own words.
        reason: String,
    },

    /// The registry answered something that it should not.
    #[error("the schema registry at {address} could not {action}: {reason}")]
    Registry {
        /// Where it is.
        address: String,
        /// What was being done.
        action: String,
        /// Status and words of its answer.
        reason: String,
        /// Whether trying again can help.
        passes: bool,
    },

    /// The topics were made in another cluster.
    #[error(
        "the topics under {control} were made in the Kafka cluster {stored} and this is {found}: offsets stored in \
         members would not fit; connect to that cluster, or give the group another name and provision anew"
    )]
    OtherCluster {
        /// The control topic.
        control: TopicName,
        /// The cluster that the identity names.
        stored: String,
        /// The cluster that was reached.
        found: String,
    },

    /// Another log is being copied into the topics.
    #[error(
        "the topics under {control} are a copy that is not complete; run `tributary log copy` again, it goes on"
    )]
    Incomplete {
        /// The control topic.
        control: TopicName,
    },

    /// The topics belong to another log.
    #[error(
        "the topics under {control} belong to the log {id}; give the group another prefix, or delete them"
    )]
    Occupied {
        /// The control topic.
        control: TopicName,
        /// The log that they belong to.
        id: uuid::Uuid,
    },

    /// The log's identity cannot be read.
    #[error("the record `log` of topic {control} is not an identity of this program's; restore the topic")]
    Identity {
        /// The control topic.
        control: TopicName,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },

    /// Kafka failed otherwise.
    #[error("Kafka could not {action}")]
    Kafka {
        /// What was being done.
        action: &'static str,
        /// The client library's reason.
        #[source]
        source: rdkafka::error::KafkaError,
    },

    /// SQLite failed otherwise.
    #[error("the log {} could not {action}", path.display())]
    Storage {
        /// The log's file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// SQLite's reason.
        #[source]
        source: rusqlite::Error,
    },

    /// The file system failed.
    #[error("could not {action} {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// The stable code, listed in `docs/errors.md`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Fenced { .. } => "LOG-001",
            Self::RecordTooLarge { .. } => "LOG-002",
            Self::UnknownTopic { .. } => "LOG-003",
            Self::UnknownPartition { .. } => "LOG-004",
            Self::TopicMismatch { .. } => "LOG-005",
            Self::InvalidTopic { .. } => "LOG-006",
            Self::OffsetOutOfRange { .. } => "LOG-007",
            Self::UnknownSchema { .. } => "LOG-008",
            Self::InvalidSchema { .. } => "LOG-009",
            Self::NotAssigned { .. } => "LOG-010",
            Self::WrongState { .. } => "LOG-011",
            Self::ReadOnly { .. } => "LOG-012",
            Self::Missing { .. } => "LOG-013",
            Self::NotALog { .. } => "LOG-014",
            Self::Corrupt { .. } => "LOG-015",
            Self::NewerFormat { .. } => "LOG-016",
            Self::Locked { .. } => "LOG-017",
            Self::Full { .. } => "LOG-018",
            Self::Busy { .. } => "LOG-019",
            Self::Interrupted { .. } => "LOG-020",
            Self::Storage { .. } => "LOG-021",
            Self::File { .. } => "LOG-022",
            Self::NoSchema { .. } => "LOG-023",
            Self::Unavailable { .. } => "LOG-024",
            Self::Credentials { .. } => "LOG-025",
            Self::Tls { .. } => "LOG-026",
            Self::Denied { .. } => "LOG-027",
            Self::ClientSettings { .. } => "LOG-028",
            Self::Incompatible { .. } => "LOG-029",
            Self::Registry { .. } => "LOG-030",
            Self::OtherCluster { .. } => "LOG-031",
            Self::Identity { .. } => "LOG-032",
            Self::Kafka { .. } => "LOG-033",
            Self::Incomplete { .. } => "LOG-034",
            Self::Occupied { .. } => "LOG-035",
        }
    }

    /// What a worker does about it.
    pub const fn disposition(&self) -> Disposition {
        match self {
            // A fenced worker joins again; whoever has taken over keeps the work, and it stands by.
            Self::Fenced { .. } | Self::NotAssigned { .. } => Disposition::Retry,
            Self::Full { .. } | Self::Busy { .. } | Self::Interrupted { .. } => Disposition::Retry,
            Self::Unavailable { .. } | Self::Kafka { .. } | Self::Registry { passes: true, .. } => {
                Disposition::Retry
            }
            Self::RecordTooLarge { .. } => Disposition::Park,
            Self::UnknownTopic { .. }
            | Self::UnknownPartition { .. }
            | Self::TopicMismatch { .. }
            | Self::InvalidTopic { .. }
            | Self::OffsetOutOfRange { .. }
            | Self::UnknownSchema { .. }
            | Self::InvalidSchema { .. }
            | Self::NoSchema { .. }
            | Self::WrongState { .. }
            | Self::ReadOnly { .. }
            | Self::Missing { .. }
            | Self::NotALog { .. }
            | Self::Corrupt { .. }
            | Self::NewerFormat { .. }
            | Self::Locked { .. }
            | Self::Credentials { .. }
            | Self::Tls { .. }
            | Self::Denied { .. }
            | Self::ClientSettings { .. }
            | Self::Incompatible { .. }
            | Self::Registry { .. }
            | Self::OtherCluster { .. }
            | Self::Identity { .. }
            | Self::Incomplete { .. }
            | Self::Occupied { .. }
            | Self::Storage { .. }
            | Self::File { .. } => Disposition::Stop,
        }
    }
}

fn owner(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("the process {pid}"),
        None => "another process".to_owned(),
    }
}
