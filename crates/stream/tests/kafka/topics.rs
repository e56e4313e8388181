//! Topics that are not as they should be, or are not there any more.

use crate::support::{Administrator, broker, log, settings};
use std::time::{Duration, Instant};
use tributary_stream::contract::{
    all, compacted, kept, member, publish, reader, record, run, settings as topic_settings, take, texts,
    unique,
};
use tributary_stream::kafka::KafkaLog;
use tributary_stream::{
    Cleanup, Consumer, Disposition, Error, Log as _, Result, TopicName, TopicPartition, TopicSettings,
};
use tributary_testkit::services::Test;

/// How soon somebody has to notice that a topic is gone.
const SOON: Duration = Duration::from_secs(15);

pub(crate) fn tests() -> Vec<Test> {
    tests!("topics": a_setting_that_does_not_fit_is_named, the_control_topic_is_checked,
        gone_under_a_producer, gone_between_send_and_commit, gone_under_a_reader, gone_under_a_group,
        made_again_under_the_same_name)
}

/// Each by Kafka's name, with what is expected and what is there.
fn a_setting_that_does_not_fit_is_named() {
    run(async {
        let log = log().await;
        let hour = Cleanup::Compact { delete_retention: Duration::from_secs(3600) };
        let keep = Cleanup::Keep;
        for (cleanup, setting, value, expected) in [
            (hour, "cleanup.policy", "delete", "compact"),
            (hour, "cleanup.policy", "compact,delete", "compact"),
            (keep, "cleanup.policy", "compact", "delete"),
            (keep, "retention.ms", "604800000", "-1 (no limit)"),
            (keep, "retention.bytes", "1000000", "-1 (no limit)"),
            (hour, "delete.retention.ms", "3599999", "at least 3600000"),
            (hour, "max.message.bytes", "8392703", "at least 8392704"),
            (keep, "message.timestamp.type", "CreateTime", "LogAppendTime"),
        ] {
            let wanted = topic_settings(TopicName::new(unique("wrong")), 2, cleanup);
            log.ensure_topics(std::slice::from_ref(&wanted)).await.unwrap();
            alter(&wanted.name, &[(setting, value)]).await;
            // What is remembered of a topic does not count.
            let refused = log.ensure_topics(std::slice::from_ref(&wanted)).await.unwrap_err();
            assert_mismatch(&refused, &wanted.name, setting, expected, value);
        }
        let wanted = topic_settings(TopicName::new(unique("wrong")), 2, keep);
        log.ensure_topics(std::slice::from_ref(&wanted)).await.unwrap();
        for partitions in [1, 3] {
            let other = TopicSettings { partitions, ..wanted.clone() };
            let refused = log.ensure_topics(&[other]).await.unwrap_err();
            assert_mismatch(&refused, &wanted.name, "partitions", &partitions.to_string(), "2");
        }
    });
}

fn assert_mismatch(refused: &Error, of: &TopicName, named: &str, wanted: &str, found: &str) {
    let Error::TopicMismatch { topic, setting, expected, actual } = refused else { panic!("{refused}") };
    assert_eq!((topic, *setting, expected.as_str(), actual.as_str()), (of, named, wanted, found));
    assert_eq!((refused.code(), refused.disposition()), ("LOG-005", Disposition::Stop));
}

async fn alter(topic: &TopicName, settings: &[(&str, &str)]) {
    Administrator::of(&broker().address()).alter(topic, settings).await;
}

async fn delete(topic: &TopicName) {
    Administrator::of(&broker().address()).delete(topic).await;
}

/// It is checked before anything else.
fn the_control_topic_is_checked() {
    run(async {
        let control = TopicName::new(unique("control"));
        let log = KafkaLog::connect(settings(control.as_str())).await.unwrap();
        let id = log.id();
        alter(&control, &[("cleanup.policy", "delete")]).await;
        let refused = KafkaLog::connect(settings(control.as_str())).await.unwrap_err();
        assert_mismatch(&refused, &control, "cleanup.policy", "compact", "delete");
        // Who only reads does without the check.
        let mut reading = settings(control.as_str());
        reading.writes = false;
        assert_eq!(KafkaLog::connect(reading).await.unwrap().id(), id);
        alter(&control, &[("cleanup.policy", "compact")]).await;
        assert_eq!(KafkaLog::connect(settings(control.as_str())).await.unwrap().id(), id);
    });
}

fn assert_gone<T: std::fmt::Debug>(told: Result<T>, gone: &TopicName, since: Instant) {
    let error = told.unwrap_err();
    assert!(matches!(&error, Error::UnknownTopic { topic } if topic == gone), "{error:?}");
    assert_eq!((error.code(), error.disposition()), ("LOG-003", Disposition::Stop));
    assert!(since.elapsed() < SOON, "only after {:?}", since.elapsed());
}

/// A producer that knows a topic well is told that it is gone, and so is everyone else who asks.
fn gone_under_a_producer() {
    run(async {
        let log = log().await;
        let (topic, other) = (kept(&log, 2).await, kept(&log, 1).await);
        let mut producer = log.producer(&unique("producer")).await.unwrap();
        producer.begin().await.unwrap();
        producer.send(vec![record(&topic, 0, "k", "before")]).await.unwrap();
        producer.commit().await.unwrap();
        delete(&topic).await;
        let since = Instant::now();
        producer.begin().await.unwrap();
        let sent = producer.send(vec![record(&topic, 0, "k", "v"), record(&other, 0, "k", "with it")]).await;
        let told = match sent {
            Ok(()) => producer.commit().await,
            Err(error) => Err(error),
        };
        assert_gone(told, &topic, since);
        assert!(matches!(log.offsets(&topic).await, Err(Error::UnknownTopic { .. })));
        // Nothing of the transaction is there, and nobody waits for it.
        drop(producer);
        publish(&log, vec![record(&other, 0, "k", "after")]).await;
        let mut consumer = reader(&log, &other).await;
        assert_eq!(texts(&take(&mut *consumer, 1).await), ["after"]);
    });
}

/// A topic that goes while a transaction has records in it: the commit may succeed, since the records were written.
fn gone_between_send_and_commit() {
    run(async {
        let log = log().await;
        let (topic, other) = (kept(&log, 1).await, kept(&log, 1).await);
        let mut producer = log.producer(&unique("producer")).await.unwrap();
        producer.begin().await.unwrap();
        producer.send(vec![record(&topic, 0, "k", "v"), record(&other, 0, "k", "first")]).await.unwrap();
        while log.offsets(&topic).await.unwrap()[0].end == 0 || log.offsets(&other).await.unwrap()[0].end == 0
        {
            producer.send(Vec::new()).await.unwrap();
        }
        delete(&topic).await;
        let since = Instant::now();
        if let Err(error) = producer.commit().await {
            assert_gone::<()>(Err(error), &topic, since);
            drop(producer);
        }
        publish(&log, vec![record(&other, 0, "k", "after")]).await;
        let left = texts(&all(&log, &other).await);
        assert!(left == ["after"] || left == ["first", "after"], "{left:?}");
    });
}

async fn polls_until_told(consumer: &mut dyn Consumer) -> Result<()> {
    let until = Instant::now() + 4 * SOON;
    while Instant::now() < until {
        consumer.poll(10, 1 << 20, Duration::from_millis(500)).await?;
    }
    panic!("nothing was told");
}

/// A reader of several topics is told which one is gone.
fn gone_under_a_reader() {
    run(async {
        let log = log().await;
        let (topic, other) = (kept(&log, 2).await, kept(&log, 1).await);
        publish(&log, vec![record(&topic, 1, "k", "v"), record(&other, 0, "k", "v")]).await;
        let mut consumer = reader(&log, &topic).await;
        let all = [(topic.clone(), 0), (topic.clone(), 1), (other.clone(), 0)];
        let all = all.map(|(topic, partition)| (TopicPartition::new(topic, partition), None));
        consumer.assign(&all).await.unwrap();
        take(&mut *consumer, 2).await;
        delete(&topic).await;
        let since = Instant::now();
        assert_gone(polls_until_told(&mut *consumer).await, &topic, since);
        let at = TopicPartition::new(topic.clone(), 0);
        assert_gone(consumer.assign(&[(at, None)]).await, &topic, Instant::now());
        // The other topic goes on by itself.
        consumer.assign(&all[2..]).await.unwrap();
        assert_eq!(take(&mut *consumer, 1).await.len(), 1);
    });
}

/// A member of a group is told, and so is one that joins now.
fn gone_under_a_group() {
    run(async {
        let log = log().await;
        let (topic, other) = (kept(&log, 2).await, kept(&log, 1).await);
        publish(&log, vec![record(&topic, 1, "k", "v"), record(&other, 0, "k", "v")]).await;
        let group = unique("group");
        let mut consumer = member(&log, &group).await;
        consumer.subscribe(&[topic.clone(), other.clone()]).await.unwrap();
        take(&mut *consumer, 2).await;
        delete(&topic).await;
        let since = Instant::now();
        assert_gone(polls_until_told(&mut *consumer).await, &topic, since);
        drop(consumer);
        let mut next = member(&log, &group).await;
        assert_gone(next.subscribe(&[topic.clone(), other.clone()]).await, &topic, Instant::now());
        next.subscribe(&[other]).await.unwrap();
        assert_eq!(take(&mut *next, 1).await.len(), 1);
    });
}

/// A topic that was deleted and made again is another one: nobody goes on in it as if nothing had happened.
fn made_again_under_the_same_name() {
    run(async {
        let log = log().await;
        let topic = compacted(&log, 1).await;
        let at = TopicPartition::new(topic.clone(), 0);
        publish(&log, (0..5).map(|n| record(&topic, 0, "k", &n.to_string())).collect()).await;
        let mut consumer = reader(&log, &topic).await;
        take(&mut *consumer, 5).await;
        delete(&topic).await;
        let hour = Cleanup::Compact { delete_retention: Duration::from_secs(3600) };
        log.ensure_topics(&[topic_settings(topic.clone(), 1, hour)]).await.unwrap();
        publish(&log, vec![record(&topic, 0, "k", "new")]).await;
        let error = polls_until_told(&mut *consumer).await.unwrap_err();
        match &error {
            Error::OffsetOutOfRange { topic: named, .. } => assert_eq!(*named, topic),
            Error::UnknownTopic { topic: named } => assert_eq!(*named, topic),
            other => panic!("{other:?}"),
        }
        let end = log.offsets(&topic).await.unwrap()[0].end;
        assert!(end < 5, "the offsets began anew");
        consumer.assign(&[(at, Some(0))]).await.unwrap();
        assert_eq!(texts(&take(&mut *consumer, 1).await), ["new"]);
    });
}
