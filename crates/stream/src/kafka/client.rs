//! What all clients of the cluster have in common: their configuration, and an ear for what they report.
//!
//! Failures of connections reach a client as events and log lines, not as results of calls; [`Watch`] remembers the
//! last one, so that a call that got no answer can say why. It decides nothing about retries: the client library
//! reconnects by itself.

use super::settings::{Compression, KafkaSettings, Sasl, ScramHash, TlsSettings};
use super::statistics::StatisticsHook;
use crate::Error;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use secrecy::ExposeSecret;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// How often a client gives its statistics. Only of clients that are looked after all the time: with others the
/// figures would pile up.
pub(super) const STATISTICS_EVERY_MS: &str = "5000";
/// How long brokers may not have heard of a topic that is there. A topic that is gone is noticed no sooner.
const HEARD_OF_MS: &str = "5000";
/// The largest answer that a client takes: several of the largest records.
const LARGEST_ANSWER: usize = 256 << 20;

/// Why connections fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The brokers do not accept who we say we are.
    Credentials(String),
    /// No TLS connection that can be trusted.
    Tls(String),
    /// Nobody answers.
    Down(String),
}

/// Hears what a client reports.
#[derive(Clone)]
pub(super) struct Watch(Arc<Heard>);

struct Heard {
    trouble: Mutex<Option<Trouble>>,
    statistics: StatisticsHook,
}

impl Watch {
    pub(super) fn new(statistics: StatisticsHook) -> Self {
        Self(Arc::new(Heard { trouble: Mutex::default(), statistics }))
    }

    /// The last trouble that was reported.
    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets what was reported: connections work.
    pub(super) fn clear(&self) {
        *self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn note(&self, trouble: Trouble) {
        let mut last = self.0.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        // That all brokers are down follows from the cause that was told just before.
        let keeps =
            matches!((&*last, &trouble), (Some(Trouble::Credentials(_) | Trouble::Tls(_)), Trouble::Down(_)));
        if !keeps {
            *last = Some(trouble);
        }
    }
}

impl ClientContext for Watch {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => tracing::warn!(target: "librdkafka", facility, "{message}"),
            RDKafkaLogLevel::Notice | RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => {
                tracing::debug!(target: "librdkafka", facility, "{message}");
            }
        }
    }

    fn stats(&self, statistics: Statistics) {
        self.0.statistics.tell(&statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        use RDKafkaErrorCode as Code;
        let reason = reason.to_owned();
        match error.rdkafka_error_code() {
            Some(Code::Authentication | Code::SaslAuthenticationFailed) => {
                self.note(Trouble::Credentials(reason))
            }
            Some(Code::SSL) => self.note(Trouble::Tls(reason)),
            Some(
                Code::AllBrokersDown | Code::BrokerTransportFailure | Code::Resolve | Code::OperationTimedOut,
            ) => {
                self.note(Trouble::Down(reason));
            }
            _ => {}
        }
    }
}

/// The configuration that every client starts from.
pub(super) fn base_config(settings: &KafkaSettings) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", settings.brokers.join(","))
        .set("client.id", &settings.client_id)
        .set("allow.auto.create.topics", "false")
        .set("topic.metadata.propagation.max.ms", HEARD_OF_MS)
        .set("socket.keepalive.enable", "true")
        .set("log.connection.close", "false")
        .set("reconnect.backoff.ms", "50")
        .set("reconnect.backoff.max.ms", "2000")
        .set("retry.backoff.ms", "20")
        .set("receive.message.max.bytes", LARGEST_ANSWER.to_string())
        .set("message.max.bytes", (LARGEST_ANSWER / 2).to_string())
        .set_log_level(RDKafkaLogLevel::Info);
    let protocol = match (&settings.tls, &settings.sasl) {
        (None, None) => "plaintext",
        (Some(_), None) => "ssl",
        (None, Some(_)) => "sasl_plaintext",
        (Some(_), Some(_)) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if let Some(tls) = &settings.tls {
        set_tls(&mut config, tls);
    }
    if let Some(sasl) = &settings.sasl {
        set_sasl(&mut config, sasl);
    }
    config
}

/// Puts the group file's own properties over everything else.
pub(super) fn finish(mut config: ClientConfig, settings: &KafkaSettings) -> ClientConfig {
    for (name, value) in &settings.properties {
        config.set(name, value);
    }
    config
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn set_tls(config: &mut ClientConfig, tls: &TlsSettings) {
    if let Some(ca) = &tls.ca {
        config.set("ssl.ca.location", text(ca));
    }
    if let Some(identity) = &tls.identity {
        config
            .set("ssl.certificate.location", text(&identity.certificate))
            .set("ssl.key.location", text(&identity.key));
        if let Some(password) = &identity.password {
            config.set("ssl.key.password", password.expose_secret());
        }
    }
}

fn set_sasl(config: &mut ClientConfig, sasl: &Sasl) {
    match sasl {
        Sasl::Plain { user, password } => {
            config
                .set("sasl.mechanism", "PLAIN")
                .set("sasl.username", user)
                .set("sasl.password", password.expose_secret());
        }
        Sasl::Scram { hash, user, password } => {
            let mechanism = match hash {
                ScramHash::Sha256 => "SCRAM-SHA-256",
                ScramHash::Sha512 => "SCRAM-SHA-512",
            };
            config
                .set("sasl.mechanism", mechanism)
                .set("sasl.username", user)
                .set("sasl.password", password.expose_secret());
        }
        Sasl::OAuthBearer { token_url, client_id, client_secret, scope, ca } => {
            config
                .set("sasl.mechanism", "OAUTHBEARER")
                .set("sasl.oauthbearer.method", "oidc")
                .set("sasl.oauthbearer.token.endpoint.url", token_url)
                .set("sasl.oauthbearer.client.id", client_id)
                .set("sasl.oauthbearer.client.secret", client_secret.expose_secret());
            if let Some(scope) = scope {
                config.set("sasl.oauthbearer.scope", scope);
            }
            if let Some(ca) = ca {
                config.set("https.ca.location", text(ca));
            }
        }
    }
}

/// The client library's name of a compression.
pub(super) fn compression_name(compression: Compression) -> &'static str {
    match compression {
        Compression::None => "none",
        Compression::Lz4 => "lz4",
        Compression::Zstd => "zstd",
    }
}

/// What a client that cannot be made means. The library's words name the property, never its value.
pub(super) fn creation_error(error: &KafkaError) -> Error {
    let reason = match error {
        KafkaError::ClientConfig(_, reason, name, _) => format!("{name}: {reason}"),
        other => other.to_string(),
    };
    Error::ClientSettings { reason }
}

/// What a failed call means, with the cause that the client has reported meanwhile.
pub(super) fn call_error(
    settings: &KafkaSettings,
    watch: &Watch,
    action: &'static str,
    error: KafkaError,
) -> Error {
    use RDKafkaErrorCode as Code;
    let address = settings.brokers.join(", ");
    let code = error.rdkafka_error_code();
    match code {
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::PolicyViolation,
        ) => Error::Denied { service: "Kafka", action: action.to_owned(), reason: error.to_string() },
        Some(Code::Authentication | Code::SaslAuthenticationFailed) => {
            let reason = match watch.trouble() {
                Some(Trouble::Credentials(reason)) => reason,
                _ => error.to_string(),
            };
            Error::Credentials { service: "Kafka", address, reason }
        }
        Some(
            Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::MessageTimedOut
            | Code::TimedOutQueue
            | Code::Resolve
            | Code::SSL
            | Code::BrokerNotAvailable
            | Code::NetworkException
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::NotCoordinator
            | Code::LeaderNotAvailable
            | Code::NotEnoughReplicas
            | Code::NotEnoughReplicasAfterAppend
            | Code::KafkaStorageError,
        ) => unanswered(settings, watch, action, &error.to_string()),
        _ => Error::Kafka { action, source: error },
    }
}

/// What it means that no answer came.
pub(super) fn unanswered(settings: &KafkaSettings, watch: &Watch, action: &str, words: &str) -> Error {
    let address = settings.brokers.join(", ");
    match watch.trouble() {
        Some(Trouble::Credentials(reason)) => Error::Credentials { service: "Kafka", address, reason },
        Some(Trouble::Tls(reason)) => Error::Tls { service: "Kafka", address, reason },
        Some(Trouble::Down(reason)) => {
            Error::Unavailable { service: "Kafka", address, reason: format!("could not {action}: {reason}") }
        }
        None => {
            Error::Unavailable { service: "Kafka", address, reason: format!("could not {action}: {words}") }
        }
    }
}
