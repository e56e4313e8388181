//! What tests do to topics behind the product's back, by Kafka's own tools.

use crate::support::group_name;
use tributary_testkit::GroupFolder;
use tributary_testkit::services::Broker;

/// The name of a table's topic of this kind.
pub(crate) fn topic(group: &GroupFolder, kind: &str, table: &str) -> String {
    format!("tributary.{}.{kind}.{table}", group_name(group))
}

/// Partition and key of every committed record, the key's bytes in hexadecimal.
pub(crate) fn raw_keys(broker: &Broker, topic: &str) -> Vec<(u32, String)> {
    let mut arguments = vec!["--topic", topic, "--from-beginning", "--timeout-ms", "4000"];
    arguments.extend(["--isolation-level", "read_committed"]);
    for property in [
        "print.partition=true",
        "print.key=true",
        "print.value=false",
        "key.deserializer=org.apache.kafka.common.serialization.BytesDeserializer",
    ] {
        arguments.extend(["--formatter-property", property]);
    }
    let told = broker.tool("org.apache.kafka.tools.consumer.ConsoleConsumer", &arguments);
    let records = told.lines().filter_map(|line| line.strip_prefix("Partition:")?.split_once('\t'));
    records.map(|(partition, key)| (partition.parse().unwrap(), hex(key))).collect()
}

/// Bytes that are shown as themselves where they can be printed, and as `\\xNN` elsewhere.
fn hex(shown: &str) -> String {
    let mut bytes = String::new();
    let mut rest = shown;
    while let Some(one) = rest.chars().next() {
        if let Some(escaped) = rest.strip_prefix("\\x") {
            bytes.push_str(&escaped[..2]);
            rest = &escaped[2..];
        } else {
            bytes.push_str(&format!("{:02X}", u32::from(one)));
            rest = &rest[one.len_utf8()..];
        }
    }
    bytes
}

/// Deletes all records that a topic holds.
pub(crate) fn delete_records(broker: &Broker, topic: &str) {
    let described = broker.tool("org.apache.kafka.tools.TopicCommand", &["--describe", "--topic", topic]);
    let count = described.matches("\tPartition: ").count();
    let partitions: Vec<_> = (0..count)
        .map(|partition| format!(r#"{{"topic": "{topic}", "partition": {partition}, "offset": -1}}"#))
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!(r#"{{"version": 1, "partitions": [{}]}}"#, partitions.join(", "));
    std::fs::write(file.path(), text).unwrap();
    let path = file.path().to_str().unwrap();
    broker.tool("org.apache.kafka.tools.DeleteRecordsCommand", &["--offset-json-file", path]);
}

/// Changes settings of a topic: `name=value`.
pub(crate) fn configure(broker: &Broker, topic: &str, settings: &[&str]) {
    let settings = settings.join(",");
    let mut arguments = vec!["--alter", "--entity-type", "topics", "--entity-name", topic];
    arguments.extend(["--add-config", &settings]);
    broker.tool("kafka.admin.ConfigCommand", &arguments);
}
