//! kill -9 while two threads commit and a third compacts: what was acknowledged is there, whole, and at its offset.
//!
//! The writer is this test binary itself, started again with a test that does nothing on its own.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tributary_stream::embedded::{Access, EmbeddedLog};
use tributary_stream::{
    Cleanup, ConsumerSettings, Headers, Incoming, Isolation, Log, Outgoing, Start, TopicName, TopicPartition,
    TopicSettings,
};

/// Where the child finds its log.
const PATH: &str = "TRIBUTARY_DURABILITY_LOG";
const KILLS: usize = 30;
const WRITERS: u64 = 2;
const PARTITIONS: u32 = 3;
/// Keys that each writer gives again and again in the compacted topic.
const KEYS: u64 = 7;

fn kept() -> TopicName {
    TopicName::new("kept")
}

fn compacted() -> TopicName {
    TopicName::new("compacted")
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// So many records transaction `number` of a writer has in the kept topic.
fn size_of(number: u64) -> u64 {
    1 + number * 7 % 40
}

fn record(topic: TopicName, partition: u32, key: String, value: String) -> Outgoing {
    Outgoing {
        topic,
        partition,
        key: key.into_bytes(),
        value: Some(value.into_bytes()),
        headers: Headers::new(),
    }
}

fn group_of(writer: u64) -> String {
    format!("writer-{writer}")
}

/// The transaction that a writer goes on with: what its group says was committed with the last one.
async fn next_of(log: &EmbeddedLog, writer: u64) -> u64 {
    log.committed(&group_of(writer), &[kept()]).await.unwrap().first().map_or(0, |(_, next)| *next)
}

async fn write(log: EmbeddedLog, writer: u64) {
    let settings = ConsumerSettings {
        group: Some(group_of(writer)),
        isolation: Isolation::Committed,
        start: Start::Beginning,
    };
    let metadata = log.consumer(settings).await.unwrap().group_metadata().unwrap();
    let mut producer = log.producer(&group_of(writer)).await.unwrap();
    let mut number = next_of(&log, writer).await;
    loop {
        producer.begin().await.unwrap();
        let records = (0..size_of(number)).map(|index| {
            let partition = (index % u64::from(PARTITIONS)) as u32;
            record(kept(), partition, format!("{writer}"), format!("{writer} {number} {index}"))
        });
        producer.send(records.collect()).await.unwrap();
        let key = format!("{writer} {}", number % KEYS);
        producer.send(vec![record(compacted(), 0, key, number.to_string())]).await.unwrap();
        let position = [(TopicPartition::new(kept(), 0), number + 1)];
        producer.send_offsets(&metadata, &position).await.unwrap();
        producer.commit().await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "committed {writer} {number}").unwrap();
        out.flush().unwrap();
        number += 1;
    }
}

/// The child's side; without the variable there is nothing to do.
#[test]
#[ignore = "runs as the child of acknowledged_transactions_survive_kill"]
fn child() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let log = EmbeddedLog::open(path, Access::Exclusive).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let log = log.clone();
            scope.spawn(move || run(write(log, writer)));
        }
        loop {
            log.compact(&compacted()).unwrap();
        }
    });
}

/// What the parent knows after a kill.
#[derive(Default)]
struct Known {
    /// The kept topic's records, which never change.
    records: BTreeMap<(u32, u64), Vec<u8>>,
    ends: Vec<u64>,
    transactions: [u64; WRITERS as usize],
}

async fn read(log: &EmbeddedLog, topic: &TopicName) -> Vec<Incoming> {
    let settings = ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
    let mut consumer = log.consumer(settings).await.unwrap();
    let ranges = log.offsets(topic).await.unwrap();
    let all: Vec<_> =
        (0..ranges.len()).map(|at| (TopicPartition::new(topic.clone(), at as u32), None)).collect();
    consumer.assign(&all).await.unwrap();
    let mut records = Vec::new();
    loop {
        let polled = consumer.poll(10_000, 16 << 20, Duration::ZERO).await.unwrap().records;
        if polled.is_empty() {
            return records;
        }
        records.extend(polled);
    }
}

impl Known {
    /// Reads the log and compares it with what was acknowledged and with what was there before.
    async fn check(&mut self, path: &Path, acknowledged: &BTreeMap<u64, u64>) {
        let log = EmbeddedLog::open(path, Access::Exclusive).unwrap();
        let mut found: BTreeMap<(u64, u64), u64> = BTreeMap::new();
        let mut records = BTreeMap::new();
        for record in read(&log, &kept()).await {
            let value = record.value.unwrap();
            let text = String::from_utf8(value.clone()).unwrap();
            let mut numbers = text.split(' ').map(|number| number.parse::<u64>().unwrap());
            let (writer, number) = (numbers.next().unwrap(), numbers.next().unwrap());
            *found.entry((writer, number)).or_default() += 1;
            records.insert((record.partition, record.offset), value);
        }
        for (at, before) in &self.records {
            assert_eq!(records.get(at), Some(before), "the record at {at:?} is another one");
        }
        let ends: Vec<u64> = log.offsets(&kept()).await.unwrap().iter().map(|range| range.end).collect();
        for (partition, before) in self.ends.iter().enumerate() {
            assert!(ends[partition] >= *before, "partition {partition} became shorter");
        }
        for ((writer, number), count) in &found {
            assert_eq!(*count, size_of(*number), "half of transaction {number} of writer {writer} is there");
        }
        for writer in 0..WRITERS {
            let next = next_of(&log, writer).await;
            let there = found.keys().filter(|(of, _)| *of == writer).count() as u64;
            assert_eq!(there, next, "records and offset of writer {writer} differ");
            assert!(next >= self.transactions[writer as usize]);
            if let Some(last) = acknowledged.get(&writer) {
                assert!(next > *last, "transaction {last} of writer {writer} was acknowledged and is gone");
            }
            self.transactions[writer as usize] = next;
        }
        let last: BTreeMap<Vec<u8>, Vec<u8>> = read(&log, &compacted())
            .await
            .into_iter()
            .map(|record| (record.key, record.value.unwrap()))
            .collect();
        for writer in 0..WRITERS {
            let next = self.transactions[writer as usize];
            for number in next.saturating_sub(KEYS)..next {
                let key = format!("{writer} {}", number % KEYS).into_bytes();
                assert_eq!(
                    last.get(&key),
                    Some(&number.to_string().into_bytes()),
                    "compaction lost a last record"
                );
            }
        }
        self.records = records;
        self.ends = ends;
    }
}

#[test]
fn acknowledged_transactions_survive_kill() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("kill.log.db");
    run(async {
        let log = EmbeddedLog::open(&path, Access::Exclusive).unwrap();
        let topic =
            |name, partitions, cleanup| TopicSettings { name, partitions, cleanup, max_record_bytes: 1000 };
        let compact = Cleanup::Compact { delete_retention: Duration::ZERO };
        log.ensure_topics(&[topic(kept(), PARTITIONS, Cleanup::Keep), topic(compacted(), 1, compact)])
            .await
            .unwrap();
    });
    let seed = RandomState::new().hash_one(0);
    println!("seed {seed}");
    let random = |kill: usize, below: u64| {
        // Mixed as in splitmix64.
        let mut mixed = seed.wrapping_add((kill as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) % below
    };
    let mut known = Known::default();
    let mut acknowledgements = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "child", "--nocapture"])
            .env(PATH, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = BTreeMap::new();
        let mut note = |line: String| {
            if let Some((_, rest)) = line.split_once("committed ") {
                let (writer, number) = rest.split_once(' ').unwrap();
                acknowledged.insert(writer.parse::<u64>().unwrap(), number.parse::<u64>().unwrap());
                acknowledgements += 1;
                return 1;
            }
            0
        };
        let mut left = 1 + random(kill, 60);
        while left > 0 {
            left -= note(lines.next().expect("the writer goes on until it is killed").unwrap());
        }
        // Not to wait for anything, but to hit a commit anywhere.
        std::thread::sleep(Duration::from_micros(random(kill, 3000)));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had written before it died; the last line may be cut off.
        let mut rest: Vec<String> = lines.map_while(Result::ok).collect();
        rest.pop();
        for line in rest {
            note(line);
        }
        run(known.check(&path, &acknowledged));
    }
    assert!(acknowledgements >= KILLS);
}
