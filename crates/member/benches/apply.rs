//! How many records a second an SQLite member takes: new rows in key order, random updates in a table of a million rows,
//! and records whose content is there already (as a member's own changes come back to it), by batch size. `cargo bench -p tributary-member --bench apply`.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]
#![allow(missing_docs, reason = "criterion's macros make items without")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::seq::index::sample;
use rand::{Rng as _, SeedableRng as _};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tributary_member::contract::fixture::{GROUP, bind, id, table};
use tributary_member::sqlite::SqliteConnector;
use tributary_member::{
    ApplyBatch, ApplyRecord, Connector as _, Member, OffsetMove, Outcome, Source, TableBinding,
};
use tributary_model::{
    ChangeKind, Dot, Incarnation, LogicalType, MemberId, Resolved, Row, Settled, Value, VersionVector,
};
use uuid::Uuid;

/// Rows of the table that is updated.
const ROWS: i64 = 1_000_000;
const BATCHES: [usize; 4] = [100, 1_000, 2_000, 5_000];

struct Bench {
    runtime: tokio::runtime::Runtime,
    member: Box<dyn Member>,
    cloud: Incarnation,
    random: StdRng,
    /// The number of the next record.
    next: u64,
    /// The next new key.
    new_key: i64,
    _directory: tempfile::TempDir,
}

fn binding() -> Arc<TableBinding> {
    let columns = [
        ("id", LogicalType::Long),
        ("name", LogicalType::String),
        ("note", LogicalType::String),
        ("amount", LogicalType::Decimal { precision: 12, scale: 2 }),
        ("number", LogicalType::Int),
        ("at", LogicalType::Timestamp),
    ];
    bind(table("customer", &columns, &["id"]))
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("member.db");
        let connector = SqliteConnector::new(MemberId::new("hq").unwrap(), GROUP, path).create(true);
        let mut member = runtime.block_on(connector.connect(&[binding()])).unwrap();
        runtime.block_on(member.provision()).unwrap();
        Self {
            runtime,
            member,
            cloud: Incarnation::parse("cloud").unwrap(),
            random: StdRng::seed_from_u64(1),
            next: 0,
            new_key: 0,
            _directory: directory,
        }
    }

    fn record(&mut self, key: i64) -> ApplyRecord {
        let offset = self.next;
        self.next += 1;
        let dot = Dot::new(self.cloud.clone(), offset + 2);
        let vv = VersionVector::of(&dot);
        let number: i32 = self.random.random();
        let row = Row::of([
            Value::Long(key),
            Value::String(format!("customer number {key}")),
            Value::String(format!("{number:0>90}")),
            Value::Decimal((i64::from(number)).into()),
            Value::Int(number),
            Value::Timestamp(17_000_000_000_000_000 + i64::from(number)),
        ]);
        let resolved = Resolved {
            vv: vv.clone(),
            content: vec![vv],
            winner: dot,
            kind: ChangeKind::Live,
            changed_at: None,
            effective_at: None,
            row: Some(row),
            settled: Settled::FastForward,
            policy: None,
        };
        ApplyRecord {
            table: 0,
            key: id(key),
            resolved: Ok(resolved),
            source: Source { generation: 1, partition: 0, offset },
            payload: Vec::new(),
            retry: false,
            force: None,
        }
    }

    fn batch(&mut self, keys: impl Iterator<Item = i64>) -> ApplyBatch {
        let expected = (self.next > 0).then_some(self.next);
        let records: Vec<ApplyRecord> = keys.map(|key| self.record(key)).collect();
        let step =
            OffsetMove { topic: "resolved".into(), generation: 1, partition: 0, expected, next: self.next };
        ApplyBatch { log: Uuid::nil(), records, offsets: vec![step] }
    }

    fn new_rows(&mut self, size: usize) -> ApplyBatch {
        let first = self.new_key;
        self.new_key += size as i64;
        self.batch(first..first + size as i64)
    }

    fn updates(&mut self, size: usize) -> ApplyBatch {
        let keys: Vec<i64> =
            sample(&mut self.random, ROWS as usize, size).into_iter().map(|key| key as i64).collect();
        self.batch(keys.into_iter())
    }

    fn apply(&mut self, batch: ApplyBatch, outcome: &Outcome) -> Duration {
        let size = batch.records.len();
        let begun = Instant::now();
        let applied = self.runtime.block_on(self.member.apply(batch, 0)).unwrap();
        let took = begun.elapsed();
        assert_eq!(applied.outcomes, vec![outcome.clone(); size]);
        took
    }
}

fn benches(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("apply");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    let mut bench = Bench::new();
    for size in BATCHES {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("new rows in key order", size), |bencher| {
            bencher.iter_custom(|batches| {
                let one = |_| {
                    let batch = bench.new_rows(size);
                    bench.apply(batch, &Outcome::Upserted)
                };
                (0..batches).map(one).sum()
            });
        });
    }
    while bench.new_key < ROWS {
        let batch = bench.new_rows(5_000);
        bench.apply(batch, &Outcome::Upserted);
    }
    for size in BATCHES {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("random updates", size), |bencher| {
            bencher.iter_custom(|batches| {
                let one = |_| {
                    let batch = bench.updates(size);
                    bench.apply(batch, &Outcome::Upserted)
                };
                (0..batches).map(one).sum()
            });
        });
    }
    for size in BATCHES {
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::new("already there", size), |bencher| {
            let written = bench.updates(size);
            bench.apply(written.clone(), &Outcome::Upserted);
            bencher.iter_custom(|batches| {
                let one = |_| {
                    let mut again = written.clone();
                    again.offsets[0].expected = Some(bench.next);
                    again.offsets[0].next = bench.next;
                    bench.apply(again, &Outcome::AlreadyThere)
                };
                (0..batches).map(one).sum()
            });
        });
    }
    group.finish();
}

criterion_group!(apply, benches);
criterion_main!(apply);
