//! What all clients of the cluster have in common: their configuration.

use super::settings::{Compression, KafkaSettings, Sasl, ScramHash, TlsSettings};
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use secrecy::ExposeSecret;
use std::path::Path;

/// How often a client gives its statistics. Only of clients that are looked after all the time: with others the
/// figures would pile up.
pub(super) const STATISTICS_EVERY_MS: &str = "5000";
/// How long brokers may not have heard of a topic that is there. A topic that is gone is noticed no sooner.
const HEARD_OF_MS: &str = "5000";
/// The largest answer that a client takes: several of the largest records.
const LARGEST_ANSWER: usize = 256 << 20;

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
///
/// OpenSSL is set up here, before the client library does it: set up so it does not tidy up when the process ends, when
/// clients that nobody waits for may still be closing in threads of their own. A command was seen to crash there, with
/// everything done and told.
pub(super) fn finish(mut config: ClientConfig, settings: &KafkaSettings) -> ClientConfig {
    openssl::init();
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
