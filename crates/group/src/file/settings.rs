//! What a group file says, once it has been checked.

use secrecy::SecretString;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
pub use tributary_member::Direction;
use tributary_member::postgres::PostgresSettings;
use tributary_member::sqlserver::SqlServerSettings;
use tributary_model::{MemberId, Policy, TableName};
use tributary_settle::DeleteVsUpdate;
use tributary_stream::kafka::{Compression, KafkaSettings, RegistrySettings, Sasl, TlsSettings};
use tributary_stream::{Cleanup, TopicLimits, TopicSettings, Topics};

/// A group's name: `[a-z][a-z0-9-]{0,30}`, since it becomes part of topics and files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(String);

impl GroupName {
    /// Takes a name that follows the rule.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        // Groups and members follow the same rule.
        MemberId::new(text).is_ok().then(|| Self(text.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A group file that has been read and checked.
#[derive(Debug, Clone)]
pub struct GroupFile {
    /// Where it was read from.
    pub path: PathBuf,
    /// The group's name.
    pub group: GroupName,
    /// The log that carries its changes.
    pub log: LogSettings,
    /// Where the group's own files are kept, such as the resolver's state. Default: `<group>.data` beside the file.
    pub data_dir: PathBuf,
    /// The members, in the order of the file.
    pub members: Vec<Member>,
    /// All members, from the one that wins first. Those that `priority:` leaves out follow in the order of the file.
    pub priority: Vec<MemberId>,
    /// The tables, in the order of the file.
    pub tables: Vec<Table>,
    /// When changes are carried. Default: continuously.
    pub schedule: Schedule,
    /// The pause between two looks for changes in a member. Default: 50 ms.
    pub poll_interval: Duration,
    /// How long a delete is remembered at least. Default: 45 days.
    pub tombstone_retention: Duration,
    /// How long settled conflicts are kept; `None` for ever. Default: 45 days.
    pub conflict_retention: Option<Duration>,
    /// Where monitoring asks. Default: nowhere.
    pub metrics: Option<SocketAddr>,
    /// From which difference on a member's clock is reported. Default: 2 s.
    pub clock_skew_warning: Duration,
}

impl GroupFile {
    /// The member of this id.
    #[must_use]
    pub fn member(&self, id: &MemberId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == *id)
    }

    /// The names of the group's topics, consumer groups and transactional ids.
    #[must_use]
    pub fn topics(&self) -> Topics {
        Topics::new(self.log.prefix(), self.group.as_str())
    }

    /// The limits of the group's topics.
    #[must_use]
    pub fn limits(&self) -> TopicLimits {
        TopicLimits { delete_retention: self.tombstone_retention, ..TopicLimits::default() }
    }

    /// The control topic, which carries the log's identity in Kafka.
    #[must_use]
    pub fn control_topic(&self) -> TopicSettings {
        let TopicLimits { delete_retention, max_record_bytes } = self.limits();
        let cleanup = Cleanup::Compact { delete_retention };
        TopicSettings { name: self.topics().control(), partitions: 1, cleanup, max_record_bytes }
    }

    /// The table that the group calls so.
    #[must_use]
    pub fn table(&self, name: &TableName) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == *name)
    }
}

/// The log of a group.
#[derive(Debug, Clone)]
pub enum LogSettings {
    /// One SQLite file, for a single machine.
    Embedded {
        /// The file.
        path: PathBuf,
    },
    /// Apache Kafka with a schema registry, for several machines.
    Kafka(Box<Kafka>),
}

impl LogSettings {
    /// What the names of the group's topics begin with.
    #[must_use]
    pub fn prefix(&self) -> &str {
        match self {
            Self::Embedded { .. } => DEFAULT_PREFIX,
            Self::Kafka(kafka) => &kafka.prefix,
        }
    }
}

impl fmt::Display for LogSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded { path } => path.display().fmt(f),
            Self::Kafka(kafka) => write!(f, "kafka {}", kafka.brokers.join(",")),
        }
    }
}

/// What the names of a group's topics begin with, unless the group file says otherwise.
pub const DEFAULT_PREFIX: &str = "tributary";

/// How a Kafka cluster and its schema registry are reached.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// Addresses of some brokers, as `host:port`.
    pub brokers: Vec<String>,
    /// The schema registry.
    pub registry: RegistrySettings,
    /// What names of topics, groups and transactional ids begin with. Default: `tributary`.
    pub prefix: String,
    /// What this program calls itself. Default: prefix and group.
    pub client_id: String,
    /// Compression of what is produced. Default: LZ4.
    pub compression: Compression,
    /// Replicas of created topics; `None` for the brokers' default.
    pub replication: Option<u16>,
    /// TLS to the brokers; `None` for plain text.
    pub tls: Option<TlsSettings>,
    /// How this program proves who it is.
    pub sasl: Option<Sasl>,
    /// Further properties of the client library.
    pub properties: BTreeMap<String, String>,
    /// How long a call waits. Default: 15 s.
    pub timeout: Duration,
}

impl Kafka {
    /// What a connection needs: `control` is the topic that carries the log's identity, `writes` tells whether topics
    /// and schemas may be created.
    #[must_use]
    pub fn connection(&self, control: TopicSettings, writes: bool) -> KafkaSettings {
        KafkaSettings {
            brokers: self.brokers.clone(),
            registry: self.registry.clone(),
            tls: self.tls.clone(),
            sasl: self.sasl.clone(),
            compression: self.compression,
            replication: self.replication,
            client_id: self.client_id.clone(),
            properties: self.properties.clone(),
            timeout: self.timeout,
            control,
            writes,
        }
    }
}

/// A database of the group.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its id.
    pub id: MemberId,
    /// Where it is.
    pub url: MemberUrl,
    /// What it is opened with. Never shown.
    pub password: Option<SecretString>,
    /// Which way its changes go. Default: both.
    pub direction: Direction,
    /// What becomes of a value that it cannot hold exactly. Default: exception.
    pub on_loss: OnLoss,
    /// How changes are written into it.
    pub apply: ApplySettings,
}

/// Where a member's database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberUrl {
    /// A SQLite file.
    Sqlite {
        /// The file; relative paths have been joined to the group file's folder.
        path: PathBuf,
    },
    /// A database of a PostgreSQL server.
    Postgres {
        /// Its address, without a password.
        url: ServerUrl,
    },
    /// A database of a SQL Server.
    SqlServer {
        /// Its address, without a password.
        url: ServerUrl,
    },
}

impl MemberUrl {
    /// Whether the address is one that the database's adapter can use; else what is wrong with it.
    pub(super) fn check(&self, member: &MemberId) -> Result<(), String> {
        let reason = |error: tributary_member::Error| match error {
            tributary_member::Error::Settings { reason, .. } => reason,
            other => other.to_string(),
        };
        match self {
            Self::Sqlite { .. } => Ok(()),
            Self::Postgres { url } => {
                PostgresSettings::from_url(member, url.as_str()).map(drop).map_err(reason)
            }
            Self::SqlServer { url } => {
                SqlServerSettings::from_url(member, url.as_str(), None).map(drop).map_err(reason)
            }
        }
    }
}

/// Where the database is, the same for two members only if they are one: never with a password.
impl fmt::Display for MemberUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => path.display().fmt(f),
            Self::Postgres { url } | Self::SqlServer { url } => {
                let (place, options) = url.0.split_once('?').unwrap_or((url.as_str(), ""));
                f.write_str(place)?;
                let mut mark = '?';
                for option in options.split('&').filter(|option| says_where(option)) {
                    write!(f, "{mark}{option}")?;
                    mark = '&';
                }
                Ok(())
            }
        }
    }
}

/// Whether an option of an address belongs to the place, and not to how it is reached.
fn says_where(option: &str) -> bool {
    let name = option.split_once('=').map_or(option, |(name, _)| name);
    matches!(name, "host" | "hostaddr" | "port" | "dbname" | "instance")
}

/// The address of a database on a server, in which no password stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// The caller has seen to it that there is no password in it.
    pub(super) fn new(url: &str) -> Self {
        Self(url.to_owned())
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What becomes of a row with a value that a member cannot hold exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLoss {
    /// The row is set aside and listed.
    #[default]
    Exception,
    /// The value is rounded, and counted.
    Round,
}

/// What becomes of a delete that rows still refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BlockedDelete {
    /// It is set aside and listed, and tried again.
    #[default]
    Park,
    /// The row comes back in every member.
    Restore,
}

/// How changes are written into a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApplySettings {
    /// How long a transaction may hold the member's write lock. Default: 50 ms.
    pub longest_lock: Duration,
}

/// When changes are carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Schedule {
    /// As soon as they are there.
    #[default]
    Continuous,
    /// At this interval.
    Every(Duration),
    /// When told to.
    Manual,
}

/// A synced table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// The group's name of it.
    pub name: TableName,
    /// What single members call it; others use the group's name.
    pub names: BTreeMap<MemberId, String>,
    /// Which of its columns are synced.
    pub columns: ColumnChoice,
    /// How conflicts are settled.
    pub conflict: Policy,
    /// How a delete fares against an update.
    pub delete_vs_update: DeleteVsUpdate,
    /// What becomes of a delete that rows still refer to.
    pub blocked_delete: BlockedDelete,
    /// How many partitions its topics have.
    pub partitions: u32,
}

impl Table {
    /// What `member` calls this table, if the file says so; otherwise the group's name applies, compared without case
    /// and underscores.
    #[must_use]
    pub fn name_in(&self, member: &MemberId) -> Option<&str> {
        self.names.get(member).map(String::as_str)
    }
}

/// Which columns of a table are synced.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ColumnChoice {
    /// All that can be.
    #[default]
    All,
    /// These, and the key.
    Include(Vec<String>),
    /// All but these.
    Exclude(Vec<String>),
}
