//! Limits of records that change while they are in use.

use crate::support::{Administrator, broker, log, settings};
use tributary_stream::contract::{all, kept, record, run, settings as topic_settings, unique};
use tributary_stream::kafka::{Compression, KafkaLog};
use tributary_stream::{Cleanup, Disposition, Error, Log as _, Outgoing, Producer, Result, TopicName};
use tributary_testkit::services::Test;

pub(crate) fn tests() -> Vec<Test> {
    tests!("sizes": a_lowered_limit_parks_what_is_larger, small_records_go_on_under_a_lowered_limit,
        a_raised_limit_is_used, the_largest_record_fits)
}

/// What Kafka counts beside key, value and headers.
const OVERHEAD: usize = 4096;

async fn limit(topic: &TopicName, bytes: usize) {
    let limit = (bytes + OVERHEAD).to_string();
    Administrator::of(&broker().address()).alter(topic, &[("max.message.bytes", &limit)]).await;
}

/// A record of exactly so many bytes, which cannot be compressed.
fn sized(topic: &TopicName, bytes: usize) -> Outgoing {
    let mut value = vec![0; bytes - 1];
    blake3::Hasher::new().update(&bytes.to_le_bytes()).finalize_xof().fill(&mut value);
    Outgoing { value: Some(value), ..record(topic, 0, "k", "") }
}

async fn write(producer: &mut dyn Producer, records: Vec<Outgoing>) -> Result<()> {
    producer.begin().await?;
    producer.send(records).await?;
    producer.commit().await
}

/// Writes as a worker does: after an error that passes, with another producer of the same name.
async fn write_at_last(log: &KafkaLog, id: &str, records: Vec<Outgoing>) {
    for _ in 0..3 {
        let mut producer = log.producer(id).await.unwrap();
        match write(&mut *producer, records.clone()).await {
            Ok(()) => return,
            Err(error) => assert_eq!(error.disposition(), Disposition::Retry, "{error:?}"),
        }
    }
    panic!("it does not pass");
}

/// Somebody lowers the limit of a topic that is in use: a record that is over it is named with the new limit, whether
/// the producer has heard of it or not.
fn a_lowered_limit_parks_what_is_larger() {
    run(async {
        let log = log().await;
        let topic = kept(&log, 1).await;
        let id = unique("producer");
        let mut producer = log.producer(&id).await.unwrap();
        write(&mut *producer, vec![sized(&topic, 500_000)]).await.unwrap();
        limit(&topic, 100_000).await;
        for _ in 0..2 {
            let refused =
                write(&mut *producer, vec![sized(&topic, 1_000), sized(&topic, 500_000)]).await.unwrap_err();
            let Error::RecordTooLarge { topic: named, bytes, limit } = &refused else {
                panic!("{refused:?}")
            };
            assert_eq!((named, *bytes, *limit), (&topic, 500_000, 100_000));
            assert_eq!(refused.disposition(), Disposition::Park);
            producer.abort().await.unwrap();
        }
        // The producer may be of no use any more, but what passes is written.
        if let Err(error) = write(&mut *producer, vec![sized(&topic, 1_000)]).await {
            assert_eq!(error.disposition(), Disposition::Retry, "{error:?}");
            drop(producer);
            write_at_last(&log, &id, vec![sized(&topic, 1_000)]).await;
        }
        let left: Vec<_> =
            all(&log, &topic).await.iter().map(|record| record.value.as_ref().unwrap().len()).collect();
        assert_eq!(left, [499_999, 999]);
    });
}

/// Many small records make a batch that is over a lowered limit: that is tried again, with smaller batches.
fn small_records_go_on_under_a_lowered_limit() {
    run(async {
        let log = log().await;
        let topic = kept(&log, 1).await;
        let id = unique("producer");
        let mut producer = log.producer(&id).await.unwrap();
        let many: Vec<_> = (0..400).map(|n| sized(&topic, 1_000 + n)).collect();
        write(&mut *producer, many.clone()).await.unwrap();
        limit(&topic, 20_000).await;
        drop(producer);
        write_at_last(&log, &id, many).await;
        assert_eq!(all(&log, &topic).await.len(), 800);
    });
}

/// A limit that was raised holds for whoever opens the log anew, and ensures it.
fn a_raised_limit_is_used() {
    run(async {
        let control = unique("control");
        let log = KafkaLog::connect(settings(&control)).await.unwrap();
        let topic = kept(&log, 1).await;
        limit(&topic, 12 << 20).await;
        let log = KafkaLog::connect(settings(&control)).await.unwrap();
        let mut wanted = topic_settings(topic.clone(), 1, Cleanup::Keep);
        wanted.max_record_bytes = 10 << 20;
        log.ensure_topics(&[wanted]).await.unwrap();
        let mut producer = log.producer(&unique("producer")).await.unwrap();
        write(&mut *producer, vec![sized(&topic, 10 << 20)]).await.unwrap();
        assert_eq!(all(&log, &topic).await.len(), 1);
    });
}

/// A record of exactly the limit fits, also with many headers, a long topic name and no compression; one byte more is
/// refused before it is sent.
fn the_largest_record_fits() {
    run(async {
        let mut uncompressed = settings(&unique("control"));
        uncompressed.compression = Compression::None;
        let log = KafkaLog::connect(uncompressed).await.unwrap();
        let mut wanted = topic_settings(TopicName::new(unique(&"x".repeat(200))), 1, Cleanup::Keep);
        wanted.max_record_bytes = 2 << 20;
        log.ensure_topics(std::slice::from_ref(&wanted)).await.unwrap();
        let mut largest = sized(&wanted.name, (2 << 20) - 20 * 10);
        for n in 0..20 {
            largest.headers = largest.headers.with(&format!("h{n:02}"), b"1234567");
        }
        let mut producer = log.producer(&unique("producer")).await.unwrap();
        write(&mut *producer, vec![sized(&wanted.name, 10), largest.clone(), sized(&wanted.name, 10)])
            .await
            .unwrap();
        largest.key.push(0);
        let refused = write(&mut *producer, vec![largest]).await.unwrap_err();
        assert!(
            matches!(refused, Error::RecordTooLarge { bytes, .. } if bytes == (2 << 20) + 1),
            "{refused:?}"
        );
        producer.abort().await.unwrap();
        let left: Vec<_> = all(&log, &wanted.name)
            .await
            .iter()
            .map(|record| (record.offset, record.value.as_ref().unwrap().len()))
            .collect();
        assert_eq!(left, [(0, 9), (1, (2 << 20) - 201), (2, 9)]);
    });
}
