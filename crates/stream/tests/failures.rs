//! The embedded log in trouble: files that are no log, damaged or too new, two processes, no room, no file.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rusqlite::Connection;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tributary_stream::embedded::{Access, EmbeddedLog};
use tributary_stream::{
    Cleanup, Consumer, ConsumerSettings, Disposition, Error, Headers, Incoming, Isolation, Log, Outgoing,
    Start, TopicName, TopicPartition, TopicSettings,
};

/// Where the child finds its log.
const PATH: &str = "TRIBUTARY_FAILURES_LOG";

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn topic() -> TopicName {
    TopicName::new("orders")
}

fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("group.log.db");
    (directory, path)
}

async fn create(path: &Path) -> EmbeddedLog {
    let log = EmbeddedLog::open(path, Access::Exclusive).unwrap();
    let settings =
        TopicSettings { name: topic(), partitions: 2, cleanup: Cleanup::Keep, max_record_bytes: 1 << 20 };
    log.ensure_topics(&[settings]).await.unwrap();
    log
}

async fn publish(log: &EmbeddedLog, records: impl IntoIterator<Item = (u32, Vec<u8>)>) -> Result<(), Error> {
    let mut producer = log.producer("publisher").await?;
    producer.begin().await?;
    let record = |(partition, value)| Outgoing {
        topic: topic(),
        partition,
        key: b"key".to_vec(),
        value: Some(value),
        headers: Headers::new(),
    };
    producer.send(records.into_iter().map(record).collect()).await?;
    producer.commit().await
}

async fn reader(log: &EmbeddedLog) -> Box<dyn Consumer> {
    let settings = ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
    let mut consumer = log.consumer(settings).await.unwrap();
    let all = [(TopicPartition::new(topic(), 0), None), (TopicPartition::new(topic(), 1), None)];
    consumer.assign(&all).await.unwrap();
    consumer
}

async fn read(log: &EmbeddedLog) -> Result<Vec<Incoming>, Error> {
    let mut consumer = reader(log).await;
    let mut records = Vec::new();
    loop {
        let polled = consumer.poll(100, 1 << 20, Duration::ZERO).await?.records;
        if polled.is_empty() {
            return Ok(records);
        }
        records.extend(polled);
    }
}

fn refusal(path: &Path, access: Access) -> Error {
    let refused = EmbeddedLog::open(path, access).unwrap_err();
    assert!(
        refused.to_string().contains(&path.display().to_string()),
        "the message names no file: {refused}"
    );
    refused
}

#[test]
fn a_file_that_is_no_database() {
    let (_directory, path) = directory();
    std::fs::write(&path, "name,amount\n".repeat(1000)).unwrap();
    for access in [Access::Exclusive, Access::ReadOnly] {
        let refused = refusal(&path, access);
        assert!(matches!(refused, Error::NotALog { .. }), "{refused}");
        assert_eq!(refused.disposition(), Disposition::Stop);
    }
    assert_eq!(
        std::fs::read(&path).unwrap(),
        "name,amount\n".repeat(1000).as_bytes(),
        "the file was written to"
    );
}

#[test]
fn a_database_of_something_else() {
    let (_directory, path) = directory();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE log (id); CREATE TABLE topic (id)").unwrap();
    let before = std::fs::read(&path).unwrap();
    for access in [Access::Exclusive, Access::ReadOnly] {
        let refused = refusal(&path, access);
        assert!(matches!(refused, Error::NotALog { .. }), "{refused}");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before, "the file was written to");
}

#[test]
fn an_empty_file_becomes_a_log() {
    let (_directory, path) = directory();
    std::fs::write(&path, "").unwrap();
    let refused = refusal(&path, Access::ReadOnly);
    assert!(matches!(refused, Error::Missing { .. }), "{refused}");
    run(async {
        let log = create(&path).await;
        publish(&log, [(0, b"v".to_vec())]).await.unwrap();
        assert_eq!(read(&log).await.unwrap().len(), 1);
    });
}

#[test]
fn a_missing_file() {
    let (_directory, path) = directory();
    let refused = refusal(&path, Access::ReadOnly);
    assert!(matches!(refused, Error::Missing { .. }), "{refused}");
    assert!(!path.exists());
    let nowhere = path.join("nowhere").join("group.log.db");
    let refused = EmbeddedLog::open(&nowhere, Access::Exclusive).unwrap_err();
    assert!(matches!(refused, Error::File { .. }), "{refused}");
}

#[test]
fn a_newer_format() {
    let (_directory, path) = directory();
    drop(run(create(&path)));
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 2).unwrap();
    for access in [Access::Exclusive, Access::ReadOnly] {
        let refused = refusal(&path, access);
        assert!(matches!(refused, Error::NewerFormat { found: 2, supported: 1, .. }), "{refused}");
    }
}

/// A log of about a megabyte, closed.
async fn large(path: &Path) {
    let log = create(path).await;
    for n in 0..10 {
        publish(&log, (0..500).map(|at| (at % 2, vec![n; 200]))).await.unwrap();
    }
}

#[test]
fn a_truncated_file() {
    let (_directory, path) = directory();
    run(large(&path));
    let length = path.metadata().unwrap().len();
    for part in [length - 8192, length / 2, 2 * 8192, 8192] {
        OpenOptions::new().write(true).open(&path).unwrap().set_len(part).unwrap();
        for access in [Access::Exclusive, Access::ReadOnly] {
            let refused = refusal(&path, access);
            assert!(matches!(refused, Error::Corrupt { .. }), "{part}: {refused}");
            assert_eq!(refused.disposition(), Disposition::Stop);
        }
    }
}

fn overwrite(path: &Path, from: u64, length: usize) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(from)).unwrap();
    file.write_all(&vec![0xa5; length]).unwrap();
}

#[test]
fn damaged_pages() {
    let (_directory, path) = directory();
    run(large(&path));
    // Behind the header, in the list of tables.
    let whole = std::fs::read(&path).unwrap();
    overwrite(&path, 100, 8000);
    let refused = refusal(&path, Access::Exclusive);
    assert!(matches!(refused, Error::Corrupt { .. }), "{refused}");
    // In the middle of the records: found at the latest when they are read, and nothing panics.
    std::fs::write(&path, &whole).unwrap();
    overwrite(&path, whole.len() as u64 / 2 / 8192 * 8192, 8 * 8192);
    let outcome = match EmbeddedLog::open(&path, Access::Exclusive) {
        Ok(log) => run(read(&log)).map(|records| records.len()),
        Err(refused) => Err(refused),
    };
    assert!(matches!(outcome, Err(Error::Corrupt { .. })), "{outcome:?}");
}

#[test]
fn contents_that_contradict_each_other() {
    let broken = [
        "DELETE FROM log",
        "UPDATE log SET id = x'00'",
        "UPDATE partition SET next_offset = 3",
        "UPDATE partition SET start_offset = 100000",
        "UPDATE partition SET next_offset = -1",
        "DELETE FROM partition WHERE id % 2 = 0",
        "INSERT INTO partition SELECT 99 * 65536, 0, 0, 0, 0, 0",
        "UPDATE topic SET name = 'not a name'",
        "UPDATE topic SET partitions = 0",
        "PRAGMA user_version = 0",
    ];
    for statement in broken {
        let (_directory, path) = directory();
        run(large(&path));
        Connection::open(&path).unwrap().execute_batch(statement).unwrap();
        let refused = refusal(&path, Access::Exclusive);
        assert!(matches!(refused, Error::Corrupt { .. }), "{statement}: {refused}");
    }
}

/// The other process; without the variable there is nothing to do.
#[test]
#[ignore = "runs as the child of a_second_process"]
fn child() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let log = EmbeddedLog::open(path, Access::Exclusive).unwrap();
    let mut input = std::io::stdin().lock();
    let mut line = String::new();
    println!("\nready");
    // Publishes the number in each line, until there is no more.
    while input.read_line(&mut line).unwrap() > 0 {
        run(publish(&log, [(1, line.trim().as_bytes().to_vec())])).unwrap();
        println!("\npublished {}", line.trim());
        line.clear();
    }
}

#[test]
fn a_second_process() {
    let (_directory, path) = directory();
    run(async { publish(&create(&path).await, [(0, b"first".to_vec())]).await.unwrap() });
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child", "--nocapture"])
        .env(PATH, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut orders = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    answers.find(|line| line == "ready").unwrap();

    let refused = refusal(&path, Access::Exclusive);
    assert!(matches!(refused, Error::Locked { pid: Some(pid), .. } if pid == child.id()), "{refused}");
    assert!(refused.to_string().contains(&child.id().to_string()), "{refused}");

    // Reading goes on beside it, and follows it.
    let log = EmbeddedLog::open(&path, Access::ReadOnly).unwrap();
    run(async {
        let mut consumer = reader(&log).await;
        let polled = consumer.poll(10, 1 << 20, Duration::from_secs(60)).await.unwrap().records;
        assert_eq!(polled[0].value.as_deref(), Some(b"first".as_slice()));
        for number in 0..3 {
            writeln!(orders, "{number}").unwrap();
            let polled = consumer.poll(10, 1 << 20, Duration::from_secs(60)).await.unwrap().records;
            assert_eq!(polled.len(), 1, "the commit of the other process was not seen");
            assert_eq!(polled[0].value, Some(number.to_string().into_bytes()));
            assert!(answers.any(|line| line == format!("published {number}")));
        }
        assert_eq!(log.offsets(&topic()).await.unwrap()[1].end, 3);
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let log = EmbeddedLog::open(&path, Access::Exclusive).unwrap();
    assert_eq!(run(read(&log)).unwrap().len(), 4);
    let mut text = String::new();
    std::fs::File::open(path.with_file_name("group.log.db.lock")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text.trim(), std::process::id().to_string());
}

#[test]
fn reading_only_writes_nothing() {
    let (_directory, path) = directory();
    run(async {
        let writer = create(&path).await;
        publish(&writer, [(0, b"v".to_vec())]).await.unwrap();
        let log = EmbeddedLog::open(&path, Access::ReadOnly).unwrap();
        let settings = ConsumerSettings {
            group: Some("group".into()),
            isolation: Isolation::Committed,
            start: Start::Beginning,
        };
        let mut consumer = log.consumer(settings).await.unwrap();
        let partition = TopicPartition::new(topic(), 0);
        let other = TopicSettings {
            name: TopicName::new("other"),
            partitions: 1,
            cleanup: Cleanup::Keep,
            max_record_bytes: 1,
        };
        let refusals = [
            log.producer("id").await.err(),
            log.register_schema("subject", "{}").await.err(),
            log.delete_before(&partition, 1).await.err(),
            log.ensure_topics(std::slice::from_ref(&other)).await.err(),
            log.maintain().err(),
            log.compact(&topic()).err(),
            consumer.subscribe(&[topic()]).await.err(),
            consumer.commit(&[(partition.clone(), 1)]).await.err(),
        ];
        for refused in refusals {
            assert!(matches!(refused, Some(Error::ReadOnly { .. })), "{refused:?}");
        }
        consumer.assign(&[(partition, None)]).await.unwrap();
        assert_eq!(consumer.poll(10, 100, Duration::ZERO).await.unwrap().records.len(), 1);
        // What the writer creates later is there too.
        writer.ensure_topics(std::slice::from_ref(&other)).await.unwrap();
        assert_eq!(log.topics().await.unwrap().len(), 2);
        log.ensure_topics(&[other]).await.unwrap();
        assert_eq!(log.id(), writer.id());
        // And it can be read when nobody writes.
        drop(writer);
        assert_eq!(read(&log).await.unwrap().len(), 1);
        drop(log);
        assert_eq!(read(&EmbeddedLog::open(&path, Access::ReadOnly).unwrap()).await.unwrap().len(), 1);
    });
}

#[test]
fn no_room_left() {
    let (_directory, path) = directory();
    run(async {
        let log = create(&path).await;
        publish(&log, [(0, b"before".to_vec())]).await.unwrap();
        log.limit_size(512 << 10).unwrap();
        let refused = publish(&log, (0..10).map(|n| (n % 2, vec![7; 100_000]))).await.unwrap_err();
        assert!(matches!(refused, Error::Full { .. }), "{refused}");
        assert_eq!((refused.code(), refused.disposition()), ("LOG-018", Disposition::Retry));
        assert_eq!(read(&log).await.unwrap().len(), 1, "half of a transaction is there");
        // A smaller one fits, and with more room the large one does.
        publish(&log, [(1, b"small".to_vec())]).await.unwrap();
        log.limit_size(64 << 20).unwrap();
        publish(&log, (0..10).map(|n| (n % 2, vec![7; 100_000]))).await.unwrap();
        assert_eq!(read(&log).await.unwrap().len(), 12);
        assert_eq!(log.offsets(&topic()).await.unwrap()[0].end, 6);
    });
}

#[test]
fn one_transaction_too_large_fails_alone() {
    let (_directory, path) = directory();
    let log = run(create(&path));
    log.limit_size(512 << 10).unwrap();
    // Many threads at once, so that some are written together; every third has no room.
    let barrier = std::sync::Barrier::new(9);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..9u8)
            .map(|thread| {
                let (log, barrier) = (log.clone(), &barrier);
                scope.spawn(move || {
                    run(async {
                        let mut producer = log.producer(&format!("thread-{thread}")).await.unwrap();
                        barrier.wait();
                        let mut outcomes = Vec::new();
                        for round in 0..10 {
                            producer.begin().await.unwrap();
                            let size = if thread % 3 == 0 { 600_000 } else { 100 };
                            producer
                                .send(vec![Outgoing {
                                    topic: topic(),
                                    partition: u32::from(thread % 2),
                                    key: vec![thread, round],
                                    value: Some(vec![thread; size]),
                                    headers: Headers::new(),
                                }])
                                .await
                                .unwrap();
                            outcomes.push(producer.commit().await);
                        }
                        (thread, outcomes)
                    })
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for (thread, outcomes) in outcomes {
        for outcome in outcomes {
            let full = matches!(outcome, Err(Error::Full { .. }));
            assert_eq!(full, thread % 3 == 0, "thread {thread}: {outcome:?}");
        }
    }
    assert_eq!(run(read(&log)).unwrap().len(), 60);
}

#[test]
fn readers_do_not_let_the_write_ahead_log_grow() {
    let (_directory, path) = directory();
    run(async {
        let log = create(&path).await;
        let foreign = EmbeddedLog::open(&path, Access::ReadOnly).unwrap();
        let mut consumers = [reader(&log).await, reader(&log).await, reader(&foreign).await];
        let mut largest = 0;
        for round in 0..150u8 {
            publish(&log, (0..100).map(|n| (n % 2, vec![round; 10_000]))).await.unwrap();
            for consumer in &mut consumers {
                // Always in the middle of a partition.
                let polled = consumer.poll(70, 1 << 20, Duration::ZERO).await.unwrap();
                assert_eq!(polled.records.len(), 70);
            }
            largest = largest.max(path.with_file_name("group.log.db-wal").metadata().unwrap().len());
        }
        // 150 MB were written.
        assert!(path.metadata().unwrap().len() > 100 << 20);
        assert!(largest < 24 << 20, "the write-ahead log grew to {largest} bytes");
    });
}
