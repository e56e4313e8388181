//! Topics, schemas, deletion, identity.

use super::{Factory, all, compacted, kept, member, publish, record, settings, sorted, texts, unique};
use crate::{Cleanup, Disposition, Error, Log, SchemaId, TopicName, TopicPartition, TopicSettings};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// Creating topics again does nothing, also with a smaller limit; all are listed by name.
pub async fn topics_are_created_once<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let base = unique("once");
    let wanted = [
        settings(TopicName::new(format!("{base}.b")), 3, Cleanup::Keep),
        settings(TopicName::new(format!("{base}.a")), 1, Cleanup::Compact { delete_retention: HOUR }),
    ];
    log.ensure_topics(&wanted).await.unwrap();
    publish(&log, vec![record(&wanted[0].name, 2, "k", "v")]).await;
    log.ensure_topics(&wanted).await.unwrap();
    let mut smaller = wanted[0].clone();
    smaller.max_record_bytes /= 2;
    log.ensure_topics(&[smaller]).await.unwrap();
    let listed: Vec<_> =
        log.topics().await.unwrap().into_iter().filter(|topic| wanted.contains(topic)).collect();
    assert_eq!(listed, [wanted[1].clone(), wanted[0].clone()]);
    assert_eq!(texts(&all(&log, &wanted[0].name).await), ["v"]);
}

/// A topic with another setting is refused, naming topic and setting, expected and actual.
pub async fn another_setting_is_a_mismatch<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = settings(TopicName::new(unique("mismatch")), 3, Cleanup::Compact { delete_retention: HOUR });
    log.ensure_topics(std::slice::from_ref(&topic)).await.unwrap();
    let mut more = topic.clone();
    more.partitions = 4;
    let mut keep = topic.clone();
    keep.cleanup = Cleanup::Keep;
    let mut longer = topic.clone();
    longer.cleanup = Cleanup::Compact { delete_retention: 2 * HOUR };
    let mut larger = topic.clone();
    larger.max_record_bytes += 1;
    // Kafka's users know the settings by Kafka's names.
    for (wanted, named) in [
        (more, ["partitions", "partitions"]),
        (keep, ["cleanup", "cleanup.policy"]),
        (longer, ["delete_retention", "delete.retention.ms"]),
        (larger, ["max_record_bytes", "max.message.bytes"]),
    ] {
        let refused = log.ensure_topics(&[wanted]).await.unwrap_err();
        let Error::TopicMismatch { topic: of, setting, expected, actual } = &refused else {
            panic!("{refused}")
        };
        assert_eq!(of, &topic.name);
        assert!(named.contains(setting), "{setting}");
        assert_ne!(expected, actual);
        let message = refused.to_string();
        assert!(message.contains(topic.name.as_str()) && message.contains(setting), "{message}");
        assert_eq!(refused.disposition(), Disposition::Stop);
    }
}

/// Where one topic does not fit, none is created.
pub async fn a_mismatch_changes_nothing<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let there = kept(&log, 1).await;
    let new = TopicName::new(unique("new"));
    let wanted = [settings(new.clone(), 1, Cleanup::Keep), settings(there, 2, Cleanup::Keep)];
    let refused = log.ensure_topics(&wanted).await.unwrap_err();
    assert!(matches!(refused, Error::TopicMismatch { setting: "partitions", .. }), "{refused}");
    assert!(log.topics().await.unwrap().iter().all(|topic| topic.name != new));
    log.ensure_topics(&[settings(new, 5, Cleanup::Keep)]).await.unwrap();
}

/// Names and shapes that no log takes.
pub async fn impossible_topics_are_refused<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let long = "x".repeat(250);
    for name in ["", ".", "..", "with space", "slash/", "ümlaut", "quote\"", long.as_str()] {
        let refused =
            log.ensure_topics(&[settings(TopicName::new(name), 1, Cleanup::Keep)]).await.unwrap_err();
        assert!(matches!(&refused, Error::InvalidTopic { topic, .. } if topic == name), "{refused}");
    }
    let none = settings(TopicName::new(unique("none")), 0, Cleanup::Keep);
    assert!(matches!(log.ensure_topics(&[none]).await, Err(Error::InvalidTopic { .. })));
    let longest = format!("{:x<249}", unique("Long.._-"));
    log.ensure_topics(&[settings(TopicName::new(longest), 1, Cleanup::Keep)]).await.unwrap();
}

/// Every call says so when a topic or partition is not there.
pub async fn unknown_topics_and_partitions<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 2).await;
    let unknown = TopicName::new(unique("unknown"));
    let no_topic = |error: Error| match error {
        Error::UnknownTopic { topic } => assert_eq!(topic, unknown),
        other => panic!("{other}"),
    };
    let no_partition = |error: Error| match error {
        Error::UnknownPartition { topic: named, partition: 2, partitions: 2 } => assert_eq!(named, topic),
        other => panic!("{other}"),
    };
    no_topic(log.offsets(&unknown).await.unwrap_err());
    let mut consumer = member(&log, &unique("group")).await;
    no_topic(consumer.subscribe(std::slice::from_ref(&unknown)).await.unwrap_err());
    no_topic(consumer.assign(&[(TopicPartition::new(unknown.clone(), 0), None)]).await.unwrap_err());
    no_partition(consumer.assign(&[(TopicPartition::new(topic.clone(), 2), None)]).await.unwrap_err());
    no_topic(log.delete_before(&TopicPartition::new(unknown.clone(), 0), 0).await.unwrap_err());
    no_partition(log.delete_before(&TopicPartition::new(topic.clone(), 2), 0).await.unwrap_err());
    let mut producer = log.producer(&unique("unknown")).await.unwrap();
    producer.begin().await.unwrap();
    no_topic(
        producer.send(vec![record(&topic, 0, "k", "v"), record(&unknown, 0, "k", "v")]).await.unwrap_err(),
    );
    producer.abort().await.unwrap();
    producer.begin().await.unwrap();
    no_partition(producer.send(vec![record(&topic, 2, "k", "v")]).await.unwrap_err());
    producer.abort().await.unwrap();
    assert_eq!(all(&log, &topic).await, []);
}

/// A schema has one id, whoever registers it how often.
pub async fn schemas_keep_their_ids<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let subject = unique("subject");
    let one = format!(r#"{{"type": "record", "name": "{}", "fields": []}}"#, unique("a").replace('-', "_"));
    let two = r#""long""#;
    let first = log.register_schema(&subject, &one).await.unwrap();
    let second = log.register_schema(&format!("{subject}-other"), two).await.unwrap();
    assert!(first.0 > 0 && second.0 > 0 && first != second);
    assert_eq!(log.register_schema(&subject, &one).await.unwrap(), first);
    assert_eq!(log.register_schema(&format!("{subject}-other"), two).await.unwrap(), second);
    assert_eq!(log.schema(first).await.unwrap(), one);
    assert_eq!(log.schema(second).await.unwrap(), two);
    let refused = log.schema(SchemaId(u32::MAX / 2)).await.unwrap_err();
    assert!(matches!(refused, Error::UnknownSchema { .. }), "{refused}");
    for broken in ["", "{", "record", "{\"type\": \"long\"} x"] {
        let refused = log.register_schema(&subject, broken).await.unwrap_err();
        assert!(
            matches!(&refused, Error::InvalidSchema { subject: named } if *named == subject),
            "{refused}"
        );
    }
}

/// Records before an offset go, the start moves, and offsets stay what they were.
pub async fn deleting_from_the_start<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let topic = kept(&log, 2).await;
    let partition = TopicPartition::new(topic.clone(), 1);
    for n in 0..10 {
        publish(&log, vec![record(&topic, 0, "k", "other"), record(&topic, 1, "k", &n.to_string())]).await;
    }
    let records: Vec<_> =
        all(&log, &topic).await.into_iter().filter(|record| record.partition == 1).collect();
    log.delete_before(&partition, records[4].offset).await.unwrap();
    log.delete_before(&partition, records[2].offset).await.unwrap();
    let left: Vec<_> = all(&log, &topic).await.into_iter().filter(|record| record.partition == 1).collect();
    assert_eq!(left, records[4..]);
    let range = log.offsets(&topic).await.unwrap()[1];
    assert_eq!(range.start, records[4].offset);
    let refused = log.delete_before(&partition, range.end + 1).await.unwrap_err();
    assert!(matches!(refused, Error::OffsetOutOfRange { .. }), "{refused}");
    log.delete_before(&partition, range.end).await.unwrap();
    let empty = log.offsets(&topic).await.unwrap()[1];
    assert_eq!((empty.start, empty.end), (range.end, range.end));
    publish(&log, vec![record(&topic, 1, "k", "next")]).await;
    let mut left = all(&log, &topic).await;
    left.retain(|record| record.partition == 1);
    assert_eq!(texts(&left), ["next"]);
    assert!(left[0].offset >= range.end, "an offset was given twice");
    assert_eq!(all(&log, &topic).await.len(), 11);
    let refused = log.delete_before(&TopicPartition::new(compacted(&log, 1).await, 0), 0).await.unwrap_err();
    assert!(matches!(refused, Error::TopicMismatch { setting: "cleanup", .. }), "{refused}");
}

/// What the log says of these topics.
async fn listed(log: &impl Log, topics: &[&TopicName]) -> Vec<TopicSettings> {
    let mut listed = log.topics().await.unwrap();
    listed.retain(|topic| topics.contains(&&topic.name));
    listed
}

/// Identity, topics, records, offsets, fencing and schemas are there after the log was closed and opened.
pub async fn state_outlives_the_process<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let (kept, compacted) = (kept(&log, 2).await, compacted(&log, 3).await);
    let group = unique("group");
    let partition = TopicPartition::new(kept.clone(), 0);
    publish(&log, (0..10).map(|n| record(&kept, n % 2, "k", &n.to_string())).collect()).await;
    publish(&log, vec![record(&compacted, 2, "k", "v")]).await;
    let records = all(&log, &kept).await;
    let start = records.iter().filter(|record| record.partition == 1).nth(2).unwrap().offset;
    log.delete_before(&TopicPartition::new(kept.clone(), 1), start).await.unwrap();
    let mut consumer = member(&log, &group).await;
    consumer.assign(&[(partition.clone(), None)]).await.unwrap();
    consumer.commit(&[(partition.clone(), 3)]).await.unwrap();
    drop(consumer);
    let schema = log.register_schema(&unique("subject"), "\"string\"").await.unwrap();
    let before = (log.id(), sorted(&log, &kept).await, listed(&log, &[&kept, &compacted]).await);
    let offsets = log.offsets(&kept).await.unwrap();
    let Some(log) = factory.reopen(log).await else { return };
    let after = (log.id(), sorted(&log, &kept).await, listed(&log, &[&kept, &compacted]).await);
    assert_eq!(after, before);
    assert_eq!(log.offsets(&kept).await.unwrap(), offsets);
    assert_eq!(log.committed(&group, std::slice::from_ref(&kept)).await.unwrap(), [(partition, 3)]);
    assert_eq!(log.schema(schema).await.unwrap(), "\"string\"");
    publish(&log, vec![record(&kept, 0, "k", "after")]).await;
    let last = all(&log, &kept).await.into_iter().rfind(|record| record.partition == 0).unwrap();
    assert!(last.offset >= offsets[0].end);
    assert_eq!(texts(&[last]), ["after"]);
}

/// The clock stands at a sensible time and does not run backwards.
pub async fn the_clock_runs<F: Factory>(factory: &F) {
    let log = factory.log().await;
    let first = log.clock_ms().await.unwrap();
    assert!(first > 1_600_000_000_000, "{first}");
    assert!(log.clock_ms().await.unwrap() >= first);
}
