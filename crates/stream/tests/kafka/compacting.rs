//! Compacting a topic now.
//!
//! Kafka never compacts the segment of a partition that is being written, and begins another one only with a record
//! that comes after the old one's time. So a record is written, in a transaction that is aborted, and what lies
//! before it is compacted.

use crate::support::{Administrator, LOOK, broker};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::time::{Duration, Instant};
use tributary_stream::contract::{PATIENCE, unique};
use tributary_stream::kafka::KafkaLog;
use tributary_stream::{Log as _, TopicName};

/// Time for one attempt: a broker may not have heard of a changed setting yet when the record comes.
const ATTEMPT: Duration = Duration::from_secs(3);

/// Compacts all that a topic of the shared broker holds.
pub(crate) async fn compact(log: &KafkaLog, topic: &TopicName) {
    let ends: Vec<u64> = log.offsets(topic).await.unwrap().iter().map(|range| range.end).collect();
    let settings = [("segment.ms", "1"), ("min.cleanable.dirty.ratio", "0"), ("max.compaction.lag.ms", "1")];
    Administrator::of(&broker().address()).alter(topic, &settings).await;
    let until = Instant::now() + PATIENCE;
    loop {
        write_aborted(topic, ends.len());
        let attempt = Instant::now() + ATTEMPT;
        while Instant::now() < attempt {
            let compacted = (0..).zip(&ends).all(|(partition, end)| compacted_to(topic, partition) >= *end);
            if compacted {
                return;
            }
            std::thread::sleep(LOOK);
        }
        assert!(Instant::now() < until, "{topic} is not compacted in time");
    }
}

/// A record in each partition that is never committed.
pub(crate) fn write_aborted(topic: &TopicName, partitions: usize) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", broker().address())
        .set("transactional.id", unique("filler"))
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer.begin_transaction().unwrap();
    for partition in 0..i32::try_from(partitions).unwrap() {
        let record = BaseRecord::to(topic.as_str()).partition(partition).key("filler").payload("filler");
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
    producer.abort_transaction(PATIENCE).unwrap();
}

/// Up to where the broker has noted that it has compacted a partition.
fn compacted_to(topic: &TopicName, partition: usize) -> u64 {
    let noted = std::fs::read_to_string(broker().data().join("cleaner-offset-checkpoint"));
    let noted = noted.unwrap_or_default();
    let of = format!("{topic} {partition} ");
    noted.lines().find_map(|line| line.strip_prefix(&of)?.parse().ok()).unwrap_or(0)
}
