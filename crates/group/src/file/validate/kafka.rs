//! `log: kafka`: where brokers and registry are, and how they are spoken to.
//!
//! Certificates are looked at here, so that a wrong path is told with its line and not by the client library.
//! Whether anybody answers at the addresses is not.

mod properties;
mod sasl;

use super::{Checker, TIMEOUTS};
use crate::file::problem::{Position, ProblemKind};
use crate::file::raw::{At, OneOrMany, RawKafka, RawRegistryAuth, RawTls, Text, TlsChoice};
use crate::file::settings::{DEFAULT_PREFIX, GroupName, Kafka};
use crate::file::url;
use secrecy::SecretString;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;
use tributary_stream::kafka::{RegistrySettings, TlsIdentity, TlsSettings};

const LONGEST_PREFIX: usize = 60;
const MOST_REPLICAS: u16 = 99;

impl Checker<'_> {
    pub(super) fn kafka(&mut self, kafka: &At<RawKafka>, group: Option<&GroupName>) -> Option<Kafka> {
        let raw = &kafka.value;
        let brokers = self.brokers(raw.brokers.as_ref(), kafka.at);
        let registry = self.registry(raw, kafka.at);
        let prefix = match raw.prefix.as_ref() {
            Some(text) => self.prefix(text),
            None => Some(DEFAULT_PREFIX.to_owned()),
        };
        let client_id = match (&raw.client_id, &prefix, group) {
            (Some(text), _, _) => self.words("client_id", text),
            (None, Some(prefix), Some(group)) => Some(format!("{prefix}.{group}")),
            (None, _, _) => None,
        };
        let compression = self.choice("compression", raw.compression.as_ref()).unwrap_or_default();
        let replication = raw.replication.as_ref().and_then(|text| self.replication(text));
        let tls = raw.tls.as_ref().and_then(|tls| self.tls_choice(tls));
        let sasl = raw.sasl.as_ref().and_then(|sasl| self.sasl(sasl));
        let properties = raw.properties.as_ref().map(|given| self.properties(&given.value.0));
        let timeout = self.duration("timeout", raw.timeout.as_ref(), &TIMEOUTS, Duration::from_secs(15));
        Some(Kafka {
            brokers: brokers?,
            registry: registry?,
            prefix: prefix?,
            client_id: client_id?,
            compression,
            replication,
            tls,
            sasl,
            properties: properties.unwrap_or_default(),
            timeout,
        })
    }

    fn brokers(&mut self, list: Option<&At<OneOrMany>>, kafka: Position) -> Option<Vec<String>> {
        let list = self.required("brokers", list, kafka)?;
        let remedy = "write `host:port`, such as `kafka.example.org:9092`, and several as a list";
        let mut out: Vec<String> = Vec::new();
        for (text, at) in texts(list) {
            let Some(broker) = self.expanded(text, at) else { continue };
            if !is_host_and_port(&broker) {
                let what = format!("`{text}` is not a broker's host and port");
                self.problem(ProblemKind::InvalidValue, at, what, remedy);
            } else if out.contains(&broker) {
                let what = format!("`brokers` lists `{text}` twice");
                self.problem(ProblemKind::Doubled, at, what, "remove one of them");
            } else {
                out.push(broker);
            }
        }
        self.not_empty("brokers", list, remedy);
        Some(out)
    }

    fn registry(&mut self, raw: &RawKafka, kafka: Position) -> Option<RegistrySettings> {
        let list = self.required("registry", raw.registry.as_ref(), kafka);
        let mut urls: Vec<String> = Vec::new();
        let remedy = "write its address, such as `http://registry.example.org:8081`";
        for (text, at) in list.iter().flat_map(|list| texts(list)) {
            if let Some(url) = self.http_url("registry", text, at) {
                urls.push(url.trim_end_matches('/').to_owned());
            }
        }
        if let Some(list) = list {
            self.not_empty("registry", list, remedy);
        }
        let basic = raw.registry_auth.as_ref().and_then(|auth| self.registry_auth(auth));
        let tls = raw.registry_tls.as_ref().map(|tls| self.tls(&tls.value, tls.at)).unwrap_or_default();
        if let Some(given) = &raw.registry_tls
            && !urls.is_empty()
            && urls.iter().all(|url| url.starts_with("http:"))
        {
            let what = "`registry_tls` is given, and the registry's address begins with `http:`";
            let remedy = "write `https:`, or remove `registry_tls`";
            self.problem(ProblemKind::Contradiction, given.at, what, remedy);
        }
        list.map(|_| RegistrySettings { urls, basic, tls })
    }

    fn registry_auth(&mut self, auth: &At<RawRegistryAuth>) -> Option<(String, SecretString)> {
        let user = self.required("user", auth.value.user.as_ref(), auth.at);
        let user = user.and_then(|user| self.words("user", user));
        let password = self.required("password", auth.value.password.as_ref(), auth.at);
        let password = password.and_then(|password| self.secret(password));
        Some((user?, password?))
    }

    fn prefix(&mut self, text: &Text) -> Option<String> {
        let prefix = self.text(text)?;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let fits = (1..=LONGEST_PREFIX).contains(&prefix.len())
            && prefix.chars().all(allowed)
            && !prefix.starts_with('.')
            && !prefix.ends_with('.');
        if !fits {
            let what = format!("`prefix` cannot be `{}`", text.value);
            let remedy = format!(
                "write up to {LONGEST_PREFIX} letters, digits, dots, hyphens or underscores, with no dot at either end"
            );
            self.problem(ProblemKind::InvalidValue, text.at, what, remedy);
            return None;
        }
        Some(prefix)
    }

    fn replication(&mut self, text: &Text) -> Option<u16> {
        let number =
            self.text(text)?.trim().parse().ok().filter(|number| (1..=MOST_REPLICAS).contains(number));
        if number.is_none() {
            let what = format!("`replication` cannot be `{}`", text.value);
            let remedy = format!("give a whole number from 1 to {MOST_REPLICAS}, or leave it out");
            self.problem(ProblemKind::InvalidValue, text.at, what, remedy);
        }
        number
    }

    fn tls_choice(&mut self, choice: &At<TlsChoice>) -> Option<TlsSettings> {
        match &choice.value {
            TlsChoice::Settings(raw) => Some(self.tls(raw, choice.at)),
            TlsChoice::Word(written) => match self.expanded(written, choice.at)?.as_str() {
                "true" => Some(TlsSettings::default()),
                "false" => None,
                _ => {
                    let what = format!("`tls` cannot be `{written}`");
                    let remedy = "write `true`, `false`, or a mapping such as `{ ca: ca.pem }`";
                    self.problem(ProblemKind::InvalidValue, choice.at, what, remedy);
                    None
                }
            },
        }
    }

    fn tls(&mut self, raw: &RawTls, at: Position) -> TlsSettings {
        let ca = raw.ca.as_ref().and_then(|text| self.readable("ca", text));
        let certificate = raw.certificate.as_ref().and_then(|text| self.readable("certificate", text));
        let key = raw.key.as_ref().and_then(|text| self.readable("key", text));
        let password = raw.key_password.as_ref().and_then(|password| self.secret(password));
        let missing = match (&raw.certificate, &raw.key, &raw.key_password) {
            (Some(_), None, _) => Some(("certificate", "key")),
            (None, Some(_), _) => Some(("key", "certificate")),
            (None, None, Some(_)) => Some(("key_password", "key")),
            (Some(_), Some(_), _) | (None, None, None) => None,
        };
        if let Some((given, missing)) = missing {
            let what = format!("`{given}` is given without `{missing}`");
            self.problem(ProblemKind::Missing, at, what, format!("add `{missing}:`"));
        }
        let identity = certificate.zip(key);
        let identity = identity.map(|(certificate, key)| TlsIdentity { certificate, key, password });
        TlsSettings { ca, identity }
    }

    /// The path of a file that can be read.
    fn readable(&mut self, key: &str, text: &Text) -> Option<PathBuf> {
        let path = self.path(key, text)?;
        if let Err(error) = File::open(&path) {
            let what = format!("`{key}`: the file {} cannot be read: {error}", path.display());
            self.problem(ProblemKind::InvalidValue, text.at, what, "name a readable PEM file");
            return None;
        }
        Some(path)
    }

    /// An address of a web server. One that holds a password is not shown.
    fn http_url(&mut self, key: &str, written: &str, at: Position) -> Option<String> {
        let url = self.expanded(written, at)?;
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        if url::holds_password(rest.unwrap_or(&url)) || rest.is_some_and(|rest| authority(rest).contains('@'))
        {
            let what = format!("the address in `{key}` holds a user or a password");
            let remedy = "move them to keys of their own, the password best as `${NAME}` or `file:/path`";
            self.problem(ProblemKind::Secret, at, what, remedy);
            return None;
        }
        let fits = rest.is_some_and(|rest| {
            let authority = authority(rest);
            let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
            let has_port = authority.starts_with('[') || authority.contains(':');
            !rest.contains(char::is_whitespace)
                && !host.is_empty()
                && (!has_port || is_host_and_port(authority) || authority.ends_with(']'))
        });
        if !fits {
            let what = format!("`{key}`: `{written}` is not an address of a web server");
            let remedy = "write it like `http://host:port/path` or `https://host/path`";
            self.problem(ProblemKind::InvalidValue, at, what, remedy);
            return None;
        }
        Some(url)
    }

    /// Text that is not empty and has no line breaks.
    fn words(&mut self, key: &str, text: &Text) -> Option<String> {
        let words = self.text(text)?;
        if words.trim().is_empty() || words.chars().any(char::is_control) {
            let what = format!("`{key}` is empty or has characters that cannot be seen");
            self.problem(
                ProblemKind::InvalidValue,
                text.at,
                what,
                "write it on one line, or leave the key out",
            );
            return None;
        }
        Some(words)
    }

    fn not_empty(&mut self, key: &str, list: &At<OneOrMany>, remedy: &str) {
        if matches!(&list.value, OneOrMany::Many(texts) if texts.is_empty()) {
            self.problem(ProblemKind::Missing, list.at, format!("`{key}` lists nothing"), remedy);
        }
    }
}

/// The texts of a list with their places.
fn texts(list: &At<OneOrMany>) -> Vec<(&str, Position)> {
    match &list.value {
        OneOrMany::One(text) => vec![(text, list.at)],
        OneOrMany::Many(texts) => texts.iter().map(|text| (text.value.as_str(), text.at)).collect(),
    }
}

/// `host:port` of an address whose scheme was cut off.
fn authority(rest: &str) -> &str {
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Whether this is `host:port`; an IPv6 address stands in brackets.
fn is_host_and_port(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match bracketed {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)),
    };
    is_host && port.parse::<u16>().is_ok_and(|port| port > 0)
}
