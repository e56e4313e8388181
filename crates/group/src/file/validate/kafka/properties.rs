//! Properties of the client library that are passed on, and those that are not.

use super::super::Checker;
use crate::file::problem::ProblemKind;
use crate::file::raw::Text;
use std::collections::BTreeMap;

impl Checker<'_> {
    pub(super) fn properties(&mut self, given: &[(Text, Text)]) -> BTreeMap<String, String> {
        let mut out = BTreeMap::new();
        for (name, value) in given {
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_');
            if name.value.is_empty() || !name.value.chars().all(allowed) {
                let what = format!("`{}` is no property of the client library", name.value);
                let remedy = "write it as librdkafka does, such as `socket.keepalive.enable`";
                self.problem(ProblemKind::InvalidValue, name.at, what, remedy);
            } else if let Some((_, key)) = OWN_KEYS.iter().find(|(property, _)| *property == name.value) {
                let what = format!("`{}` has a key of its own", name.value);
                self.problem(ProblemKind::Contradiction, name.at, what, format!("use `{key}` instead"));
            } else if FIXED.contains(&name.value.as_str()) {
                let what = format!(
                    "`{}` is set by this program, since nothing would be right without it",
                    name.value
                );
                self.problem(ProblemKind::Contradiction, name.at, what, "remove it");
            } else if let Some(value) = self.text(value) {
                out.insert(name.value.clone(), value);
            }
        }
        out
    }
}

/// Properties that the group file has a key for.
const OWN_KEYS: &[(&str, &str)] = &[
    ("bootstrap.servers", "brokers"),
    ("metadata.broker.list", "brokers"),
    ("client.id", "client_id"),
    ("compression.type", "compression"),
    ("compression.codec", "compression"),
    ("security.protocol", "tls` and `sasl"),
    ("sasl.mechanism", "sasl: { mechanism }"),
    ("sasl.mechanisms", "sasl: { mechanism }"),
    ("sasl.username", "sasl: { user }"),
    ("sasl.password", "sasl: { password }"),
    ("ssl.ca.location", "tls: { ca }"),
    ("ssl.certificate.location", "tls: { certificate }"),
    ("ssl.key.location", "tls: { key }"),
    ("ssl.key.password", "tls: { key_password }"),
];

/// Properties on which the promises of the log rest.
const FIXED: &[&str] = &[
    "acks",
    "allow.auto.create.topics",
    "auto.commit.enable",
    "auto.offset.reset",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.gapless.guarantee",
    "enable.idempotence",
    "enable.partition.eof",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "isolation.level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "partition.assignment.strategy",
    "partitioner",
    "request.required.acks",
    "transactional.id",
];
