//! Looking into a log while another process writes to it must always succeed.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tributary_stream::embedded::{Access, EmbeddedLog};
use tributary_stream::{Cleanup, Headers, Log, Outgoing, TopicName, TopicSettings};

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Found by `tributary sync` beside `tributary run`: ends were read in one snapshot and the newest records in a
/// later one, and the log was called damaged.
#[test]
fn a_log_can_be_opened_for_reading_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let log = EmbeddedLog::open(&path, Access::Exclusive).unwrap();
    let topic = TopicName::new("t");
    let settings = TopicSettings {
        name: topic.clone(),
        partitions: 4,
        cleanup: Cleanup::Compact { delete_retention: Duration::ZERO },
        max_record_bytes: 1 << 20,
    };
    block_on(log.ensure_topics(&[settings])).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut producer = block_on(log.producer("p")).unwrap();
            let mut count = 0_u32;
            while !done.load(Ordering::Relaxed) {
                count += 1;
                let record = |partition| Outgoing {
                    topic: topic.clone(),
                    partition,
                    key: count.to_be_bytes().to_vec(),
                    value: Some(vec![7; 100]),
                    headers: Headers::new(),
                };
                block_on(async {
                    producer.begin().await.unwrap();
                    producer.send((0..4).map(record).collect()).await.unwrap();
                    producer.commit().await.unwrap();
                });
            }
        });
        let mut ends = 0;
        for _ in 0..200 {
            let reader = EmbeddedLog::open(&path, Access::ReadOnly).unwrap();
            let ranges = block_on(reader.offsets(&topic)).unwrap();
            let sum = ranges.iter().map(|range| range.end).sum::<u64>();
            assert!(sum >= ends, "ends only grow");
            assert_eq!(sum % 4, 0, "a transaction is visible whole or not at all");
            ends = sum;
        }
        done.store(true, Ordering::Relaxed);
    });
}
