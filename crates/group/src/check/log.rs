//! What the schema check says of the way to the log: secrets and rows that travel in clear.
//!
//! Only what the group file tells. Whether the log answers is looked at by the caller.

use crate::file::{GroupFile, Kafka, LogSettings};
use crate::spec::GroupFinding;
use tributary_member::{Finding, Severity};
use tributary_stream::kafka::Sasl;

/// What deserves a look in how the log is reached.
pub(super) fn of_file(file: &GroupFile) -> Vec<GroupFinding> {
    match &file.log {
        LogSettings::Embedded { .. } => Vec::new(),
        LogSettings::Kafka(kafka) => of_kafka(kafka),
    }
}

fn of_kafka(kafka: &Kafka) -> Vec<GroupFinding> {
    let mut findings = Vec::new();
    let mut warn = |message: &str, remedy: &str| {
        let (message, remedy) = (message.to_owned(), remedy.to_owned());
        let finding = Finding { severity: Severity::Warning, table: None, column: None, message, remedy };
        findings.push(GroupFinding { member: None, finding });
    };
    let away = kafka.brokers.iter().any(|broker| !is_this_machine(host_of(broker)));
    let secret = match &kafka.sasl {
        Some(Sasl::Plain { .. }) => Some("the password for Kafka goes over the network in clear"),
        Some(Sasl::OAuthBearer { .. }) => Some("the token for Kafka goes over the network in clear"),
        Some(Sasl::Scram { .. }) | None => None,
    };
    if let Some(message) = secret.filter(|_| away && kafka.tls.is_none()) {
        warn(message, "add `tls:` to `log: kafka`, unless nobody else is on that network");
    }
    let bare = |url: &String| {
        url.strip_prefix("http://")
            .is_some_and(|rest| !is_this_machine(host_of(rest.split('/').next().unwrap_or_default())))
    };
    if kafka.registry.basic.is_some() && kafka.registry.urls.iter().any(bare) {
        let message = "the password for the schema registry goes over the network in clear";
        warn(message, "write `https:` in `registry:`, unless nobody else is on that network");
    }
    if let Some(Sasl::OAuthBearer { token_url, .. }) = &kafka.sasl
        && bare(token_url)
    {
        let message = "the client's secret for tokens goes over the network in clear";
        warn(message, "write `https:` in `token_url:`, unless nobody else is on that network");
    }
    if kafka.replication == Some(1) && away {
        let message = "each topic is created on one broker only: what that broker loses is lost";
        warn(
            message,
            "with three brokers or more, write `replication: 3`, or leave it out for the brokers' default",
        );
    }
    findings
}

/// The host of `host:port` or `host`.
fn host_of(address: &str) -> &str {
    match address.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => address,
    }
}

fn is_this_machine(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = |address: std::net::IpAddr| address.is_loopback();
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_loopback)
}
