//! What the embedded log takes and gives: appends, reads, and small commits of several threads at once.
//!
//! Records have 200 bytes and go to 8 partitions, each transaction is flushed to disk.

#![allow(missing_docs, reason = "the macros of criterion make functions without documentation")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::sync::Barrier;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tributary_stream::embedded::{Access, EmbeddedLog};
use tributary_stream::{
    Cleanup, Consumer, ConsumerSettings, Headers, Isolation, Log, Outgoing, Producer, Start, TopicName,
    TopicPartition, TopicSettings,
};

const PARTITIONS: u32 = 8;
const BATCH: u32 = 1000;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A new log with one topic, in a directory that goes with the first value.
fn log(partitions: u32) -> (tempfile::TempDir, EmbeddedLog, TopicName) {
    let directory = tempfile::tempdir().unwrap();
    let log = EmbeddedLog::open(directory.path().join("bench.log.db"), Access::Exclusive).unwrap();
    let topic = TopicName::new("bench");
    let settings =
        TopicSettings { name: topic.clone(), partitions, cleanup: Cleanup::Keep, max_record_bytes: 1 << 20 };
    runtime().block_on(log.ensure_topics(&[settings])).unwrap();
    (directory, log, topic)
}

fn records(topic: &TopicName, partitions: u32, count: u32) -> Vec<Outgoing> {
    let record = |n: u32| Outgoing {
        topic: topic.clone(),
        partition: n * partitions / count,
        key: format!("key-{n:016}").into_bytes(),
        value: Some(vec![n as u8; 155]),
        headers: Headers::new().with("dss-origin", b"hq"),
    };
    (0..count).map(record).collect()
}

async fn publish(producer: &mut dyn Producer, records: Vec<Outgoing>) {
    producer.begin().await.unwrap();
    producer.send(records).await.unwrap();
    producer.commit().await.unwrap();
}

fn append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("append");
    group.throughput(Throughput::Elements(u64::from(BATCH)));
    for partitions in [1, PARTITIONS, 64] {
        let (_directory, log, topic) = log(partitions);
        let runtime = runtime();
        let mut producer = runtime.block_on(log.producer("bench")).unwrap();
        let batch = records(&topic, partitions, BATCH);
        group.bench_function(BenchmarkId::new("batches of 1000, partitions", partitions), |bencher| {
            bencher.iter_batched(
                || batch.clone(),
                |records| runtime.block_on(publish(&mut *producer, records)),
                criterion::BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn consume(criterion: &mut Criterion) {
    let (_directory, log, topic) = log(PARTITIONS);
    let runtime = runtime();
    let mut producer = runtime.block_on(log.producer("bench")).unwrap();
    for _ in 0..200 {
        runtime.block_on(publish(&mut *producer, records(&topic, PARTITIONS, BATCH)));
    }
    let settings = ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
    let mut consumer = runtime.block_on(log.consumer(settings)).unwrap();
    let all: Vec<_> =
        (0..PARTITIONS).map(|number| (TopicPartition::new(topic.clone(), number), None)).collect();
    let mut group = criterion.benchmark_group("consume");
    group.throughput(Throughput::Elements(200 * u64::from(BATCH)));
    group.sample_size(20);
    group.bench_function("polls of 1000", |bencher| {
        bencher.iter(|| runtime.block_on(read(&mut *consumer, &all, 200 * BATCH as usize)));
    });
    group.finish();
}

async fn read(consumer: &mut dyn Consumer, partitions: &[(TopicPartition, Option<u64>)], count: usize) {
    consumer.assign(partitions).await.unwrap();
    let mut seen = 0;
    while seen < count {
        seen += consumer.poll(1000, 1 << 20, Duration::ZERO).await.unwrap().records.len();
    }
}

fn commits_at_once(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commits of one record");
    group.throughput(Throughput::Elements(1));
    group.sample_size(10);
    for threads in [1, 2, 4, 8] {
        let (_directory, log, topic) = log(PARTITIONS);
        group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
            bencher.iter_custom(|commits| commit_from(threads, commits, &log, &topic));
        });
    }
    group.finish();
}

/// The time that `threads` threads take for so many commits together.
fn commit_from(threads: u64, commits: u64, log: &EmbeddedLog, topic: &TopicName) -> Duration {
    let ready = Barrier::new(threads as usize + 1);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (ready, log) = (&ready, log.clone());
            scope.spawn(move || {
                let runtime = runtime();
                let mut producer = runtime.block_on(log.producer(&format!("bench-{thread}"))).unwrap();
                ready.wait();
                let own = commits / threads + u64::from(thread < commits % threads);
                for _ in 0..own {
                    runtime.block_on(publish(&mut *producer, records(topic, PARTITIONS, 1)));
                }
                ready.wait();
            });
        }
        ready.wait();
        let began = Instant::now();
        ready.wait();
        began.elapsed()
    })
}

criterion_group!(benches, append, consume, commits_at_once);
criterion_main!(benches);
