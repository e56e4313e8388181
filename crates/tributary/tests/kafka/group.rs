//! Group files over Kafka.

use crate::place::{GROUP, Place};
use serde_json::Value;
use tributary_testkit::services::{shared_broker, shared_registry};

/// `log: …` for this broker and registry, with `more` in the mapping.
pub(crate) fn log_of(broker: &str, registry: &str, more: &str) -> String {
    format!("log: {{ kafka: {{ brokers: [\"{broker}\"], registry: \"{registry}\", timeout: 5s{more} }} }}")
}

/// The group of the other tests under this name, with this log.
pub(crate) fn group_file(name: &str, log: &str) -> String {
    GROUP.replace("group: retail", &format!("group: {name}")).replace("log: { embedded: log.db }", log)
}

/// The same over the shared broker and registry.
pub(crate) fn over_kafka(name: &str) -> String {
    group_file(name, &log_of(&shared_broker().address(), &shared_registry().url(), ""))
}

/// Members that are not provisioned, and a group file over Kafka.
pub(crate) fn place(name: &str) -> Place {
    let place = Place::new();
    place.write("tributary.yaml", &over_kafka(name));
    place
}

/// What `tail` shows of these kinds of topics, without where and when it was written, in an order of its own.
pub(crate) fn records(place: &Place, kinds: &str) -> Vec<String> {
    let out = place.ok(&["tail", "--topic", kinds, "--output", "json"]);
    let record = |line: &str| {
        let mut record: Value = serde_json::from_str(line).unwrap();
        for part in ["offset", "timestamp", "at", "topic"] {
            record.as_object_mut().unwrap().remove(part);
        }
        record.to_string()
    };
    let mut records: Vec<String> = out.lines().map(record).collect();
    records.sort_unstable();
    records
}
