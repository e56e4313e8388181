//! Why a call failed, in the words of what the clients have reported meanwhile.
//!
//! Failures of connections reach a client as events and log lines, not as results of calls; [`Watch`] remembers the
//! last one, so that a call that got no answer can say why. It decides nothing about retries: the client library
//! reconnects by itself.
//!
//! Credentials and certificates count as wrong only until they have been good once. A broker or a server of tokens
//! that refuses them later on may be in the middle of something, and a running worker outlasts that.

use super::settings::{KafkaSettings, Sasl};
use super::statistics::StatisticsHook;
use crate::Error;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::statistics::Statistics;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For so long what was reported may be the cause of a failure. The library repeats itself every half minute.
const RECENT: Duration = Duration::from_secs(60);
/// How the library says that it got no token.
const NO_TOKEN: &str = "Failed to acquire SASL OAUTHBEARER token";
/// How the library says that the other side has closed the connection: between two messages or in the middle of one.
const HANGING_UP: [&str; 3] = ["Disconnected", "Send failed", "Receive failed"];
/// What it may mean to be hung up on at once, which happens without a word.
const HUNG_UP: &str = "a broker that wants TLS, or a user, or neither, hangs up like this";

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
    last: Mutex<Option<(Trouble, Instant)>>,
    /// Whether the cluster has been reached before.
    reached: AtomicBool,
    statistics: StatisticsHook,
}

impl Watch {
    /// For the client that is the first to reach the cluster.
    pub(super) fn first(statistics: StatisticsHook) -> Self {
        let (last, reached) = (Mutex::default(), AtomicBool::new(false));
        Self(Arc::new(Heard { last, reached, statistics }))
    }

    /// For all others.
    pub(super) fn new(statistics: StatisticsHook) -> Self {
        let watch = Self::first(statistics);
        watch.reached();
        watch
    }

    /// The trouble that was reported last, if that was not long ago.
    fn trouble(&self) -> Option<Trouble> {
        let last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(_, at)| at.elapsed() < RECENT).map(|(trouble, _)| trouble.clone())
    }

    /// Whether there is no point in trying further.
    pub(super) fn is_hopeless(&self) -> bool {
        !self.0.reached.load(Ordering::Relaxed)
            && matches!(self.trouble(), Some(Trouble::Credentials(_) | Trouble::Tls(_)))
    }

    /// The cluster has answered: forgets what was reported.
    pub(super) fn reached(&self) {
        self.0.reached.store(true, Ordering::Relaxed);
        *self.0.last.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn note(&self, trouble: Trouble) {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        // A connection that was refused is then closed, which is reported as well.
        let refused = last.as_ref().is_some_and(|(last, at)| {
            at.elapsed() < RECENT && matches!(last, Trouble::Credentials(_) | Trouble::Tls(_))
        });
        if !(refused && matches!(trouble, Trouble::Down(_))) {
            *last = Some((trouble, Instant::now()));
        }
    }
}

impl ClientContext for Watch {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // Not all of these come as events too.
        if facility == "FAIL" {
            let of_thread = message.starts_with("[thrd:");
            let said = message.split_once("]: ").filter(|_| of_thread).map_or(message, |(_, said)| said);
            self.note(of_connection(said));
        }
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
        match error.rdkafka_error_code() {
            Some(Code::Authentication | Code::SaslAuthenticationFailed) => self.note(of_credentials(reason)),
            Some(Code::SSL) => self.note(Trouble::Tls(reason.to_owned())),
            // That all brokers are down follows from causes that were told just before.
            Some(Code::BrokerTransportFailure | Code::Resolve | Code::OperationTimedOut) => {
                self.note(of_connection(reason));
            }
            _ => {}
        }
    }
}

/// What the failure of a connection is about. With TLS 1.3 a broker refuses a client's certificate only when the
/// handshake seems to be over.
fn of_connection(reason: &str) -> Trouble {
    let is_about_trust = ["alert", "certificate"].iter().any(|word| reason.contains(word));
    if (reason.contains("SSL") || reason.contains("ssl")) && is_about_trust {
        Trouble::Tls(reason.to_owned())
    } else if reason.contains("SASL authentication error") {
        Trouble::Credentials(reason.to_owned())
    } else {
        Trouble::Down(reason.to_owned())
    }
}

/// What a failure to show who we are is about: a server of tokens that answers otherwise than with an error of OAuth
/// has not refused anything.
fn of_credentials(reason: &str) -> Trouble {
    let refused =
        ["\"invalid_", "\"unauthorized_", "\"unsupported_"].iter().any(|word| reason.contains(word));
    if reason.contains(NO_TOKEN) && !refused {
        Trouble::Down(reason.to_owned())
    } else {
        Trouble::Credentials(reason.to_owned())
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
    let code = error.rdkafka_error_code();
    match code {
        Some(
            Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::PolicyViolation,
        ) => Error::Denied { service: "Kafka", action: action.to_owned(), reason: error.to_string() },
        Some(
            Code::AllBrokersDown
            | Code::BrokerTransportFailure
            | Code::OperationTimedOut
            | Code::RequestTimedOut
            | Code::MessageTimedOut
            | Code::TimedOutQueue
            | Code::Resolve
            | Code::SSL
            | Code::Authentication
            | Code::SaslAuthenticationFailed
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
    let first = !watch.0.reached.load(Ordering::Relaxed);
    let reason = match watch.trouble() {
        Some(Trouble::Credentials(reason)) if first => {
            return Error::Credentials { service: "Kafka", address, reason };
        }
        Some(Trouble::Tls(reason)) if first => return Error::Tls { service: "Kafka", address, reason },
        Some(Trouble::Credentials(reason)) => format!("the credentials are refused: {reason}"),
        Some(Trouble::Tls(reason)) => format!("no trusted TLS connection: {reason}"),
        Some(Trouble::Down(reason)) => match &settings.sasl {
            Some(Sasl::OAuthBearer { token_url, .. }) if reason.contains(NO_TOKEN) => {
                format!("{reason}, from {token_url}")
            }
            _ if first && HANGING_UP.iter().any(|words| reason.contains(words)) => {
                format!("{reason}; {HUNG_UP}")
            }
            _ => reason,
        },
        None => words.to_owned(),
    };
    Error::Unavailable { service: "Kafka", address, reason: format!("could not {action}: {reason}") }
}

#[cfg(test)]
mod tests {
    use super::{Trouble, Watch, of_connection, of_credentials};
    use crate::kafka::statistics::StatisticsHook;
    use rdkafka::client::ClientContext as _;
    use rdkafka::config::RDKafkaLogLevel;

    #[test]
    fn failures_are_told_apart() {
        let tls = [
            "127.0.0.1:9093/bootstrap: SSL handshake failed: error:0A000086:SSL routines::certificate verify failed",
            "127.0.0.1:9093/bootstrap: Receive failed: ssl/tls alert certificate required: SSL alert number 116",
        ];
        for reason in tls {
            assert_eq!(of_connection(reason), Trouble::Tls(reason.to_owned()));
        }
        let down = "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused";
        assert_eq!(of_connection(down), Trouble::Down(down.to_owned()));
        let refused = r#"Failed to acquire SASL OAUTHBEARER token: {"error": "invalid_client"}"#;
        assert_eq!(of_credentials(refused), Trouble::Credentials(refused.to_owned()));
        for reason in
            ["Could not connect to server", "<html>503</html>", "Server did not provide an error string"]
        {
            let reason = format!("Failed to acquire SASL OAUTHBEARER token: {reason}");
            assert_eq!(of_credentials(&reason), Trouble::Down(reason.clone()));
        }
        let password = "SASL authentication error: Authentication failed: Invalid username or password";
        assert_eq!(of_credentials(password), Trouble::Credentials(password.to_owned()));
    }

    #[test]
    fn what_follows_from_a_refusal_does_not_hide_it() {
        let watch = Watch::first(StatisticsHook::default());
        let refused = "SASL authentication error: Authentication failed";
        watch.log(RDKafkaLogLevel::Error, "FAIL", refused);
        watch.log(RDKafkaLogLevel::Info, "FAIL", "Disconnected");
        assert_eq!(watch.trouble(), Some(Trouble::Credentials(refused.to_owned())));
        assert!(watch.is_hopeless());
        watch.reached();
        assert_eq!(watch.trouble(), None);
        watch.log(RDKafkaLogLevel::Error, "FAIL", refused);
        assert!(!watch.is_hopeless(), "it was good once");
    }
}
