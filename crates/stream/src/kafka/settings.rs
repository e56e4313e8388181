//! How a Kafka cluster and its schema registry are reached.
//!
//! Validated shapes only: reading them from a file, and telling the line of a mistake, is the group file's work.
//! Secrets are [`SecretString`]s, which cannot be printed.

use crate::TopicSettings;
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A cluster, its registry, and how this process shows itself to them.
#[derive(Clone)]
pub struct KafkaSettings {
    /// Addresses of some brokers, as `host:port`; at least one.
    pub brokers: Vec<String>,
    /// The schema registry.
    pub registry: RegistrySettings,
    /// TLS to the brokers; `None` for plain text.
    pub tls: Option<TlsSettings>,
    /// Who this process is to the brokers; `None` for nobody.
    pub sasl: Option<Sasl>,
    /// Compression of what is produced.
    pub compression: Compression,
    /// Replicas of created topics; `None` for the brokers' default.
    pub replication: Option<u16>,
    /// How this process calls itself in the brokers' logs, metrics and quotas.
    pub client_id: String,
    /// Further properties of librdkafka, over everything else.
    pub properties: BTreeMap<String, String>,
    /// How long a call waits for the cluster before it is [`crate::Error::Unavailable`].
    pub timeout: Duration,
    /// The topic that carries the log's identity under the key `log`; created if it is not there and this process
    /// may write.
    pub control: TopicSettings,
    /// Whether topics, schemas and the identity may be created.
    pub writes: bool,
}

impl fmt::Debug for KafkaSettings {
    /// The further properties by their names alone: there may be passwords among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("brokers", &self.brokers)
            .field("registry", &self.registry)
            .field("tls", &self.tls)
            .field("sasl", &self.sasl)
            .field("compression", &self.compression)
            .field("replication", &self.replication)
            .field("client_id", &self.client_id)
            .field("properties", &self.properties.keys())
            .field("timeout", &self.timeout)
            .field("control", &self.control)
            .field("writes", &self.writes)
            .finish()
    }
}

/// A schema registry that speaks Confluent's protocol.
#[derive(Clone)]
pub struct RegistrySettings {
    /// Its address, or several of the same registry, tried in this order: `http://host:port/path`.
    pub urls: Vec<String>,
    /// User and password for basic authentication.
    pub basic: Option<(String, SecretString)>,
    /// TLS beyond what the system trusts.
    pub tls: TlsSettings,
}

impl fmt::Debug for RegistrySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistrySettings")
            .field("urls", &self.addresses())
            .field("basic", &self.basic)
            .field("tls", &self.tls)
            .finish()
    }
}

impl RegistrySettings {
    /// Where it is, to be shown: without a password that somebody has put into the address.
    pub(super) fn addresses(&self) -> String {
        let shown = |url: &String| match url.split_once("://") {
            Some((scheme, rest)) => {
                let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                format!("{scheme}://{host}{path}")
            }
            None => url.clone(),
        };
        self.urls.iter().map(shown).collect::<Vec<_>>().join(", ")
    }
}

/// Whom to trust and who to be, as PEM files.
#[derive(Debug, Clone, Default)]
pub struct TlsSettings {
    /// Certificates of trusted authorities; `None` for those that the system trusts.
    pub ca: Option<PathBuf>,
    /// The client's own certificate and its key.
    pub identity: Option<TlsIdentity>,
}

/// A certificate with its key.
#[derive(Debug, Clone)]
pub struct TlsIdentity {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
    /// The key's password.
    pub password: Option<SecretString>,
}

/// How this process proves who it is.
#[derive(Debug, Clone)]
pub enum Sasl {
    /// User and password in clear: with TLS only, unless the network is trusted.
    Plain {
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// User and password, salted.
    Scram {
        /// Which hash.
        hash: ScramHash,
        /// The user.
        user: String,
        /// The password.
        password: SecretString,
    },
    /// Tokens (JWT) fetched from an OAuth 2 server with client credentials.
    OAuthBearer {
        /// The server's token endpoint.
        token_url: String,
        /// The client.
        client_id: String,
        /// Its secret.
        client_secret: SecretString,
        /// What is asked for.
        scope: Option<String>,
        /// Certificates of authorities that may vouch for the server; `None` for those that the system trusts.
        ca: Option<PathBuf>,
    },
}

/// The hash of SCRAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScramHash {
    /// SCRAM-SHA-256.
    Sha256,
    /// SCRAM-SHA-512.
    Sha512,
}

/// Compression of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// None.
    None,
    /// LZ4: the least CPU time.
    #[default]
    Lz4,
    /// Zstandard: the fewest bytes.
    Zstd,
}
