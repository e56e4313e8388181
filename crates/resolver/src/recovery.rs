//! Bringing the state of a partition up to its resolved topic, on every assignment.
//!
//! What the store says it reflects is the place to read on from; without that, or when it lies beyond the log's
//! end (the log was replaced or restored), from the beginning. Reading goes to the end as it was at the start,
//! counting records of open transactions, and only through committed ones: so it waits for what a predecessor
//! still has open instead of missing it. It goes on step by step, so that the partitions that are there already are
//! worked on meanwhile and the group hears of us, however large the state is.

use crate::Error;
use crate::store::CellStore;
use crate::worker::Resolver;
use std::time::Duration;
use tributary_model::MetBy;
use tributary_runtime::Heartbeat;
use tributary_stream::{Consumer, ConsumerSettings, Isolation, Log, Outgoing, Start, TopicPartition};

const ROWS: usize = 5_000;
const BYTES: usize = 16 << 20;
/// Longest wait for records in one step.
const WAIT: Duration = Duration::from_millis(100);
/// From so many records on the progress is told.
const MANY: u64 = 100_000;

/// A resolved partition that is being read into the store.
pub(crate) struct CatchUp {
    table: usize,
    at: TopicPartition,
    from: u64,
    end: u64,
    read: u64,
    /// `None` when there is nothing to read.
    consumer: Option<Box<dyn Consumer>>,
}

impl CatchUp {
    /// Finds out what there is to read.
    pub(crate) async fn begin(
        log: &dyn Log,
        store: &mut dyn CellStore,
        table: usize,
        at: TopicPartition,
    ) -> Result<Self, Error> {
        let ranges = log.offsets(&at.topic).await?;
        let range = ranges.get(at.partition as usize).copied().unwrap_or_default();
        let from = match store.reflected(log.id().0, &at)? {
            Some(reflected) if reflected <= range.end => reflected.max(range.start),
            _ => {
                store.clear(&at)?;
                range.start
            }
        };
        let mut consumer = None;
        if from < range.end {
            let settings =
                ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
            let reader = consumer.insert(log.consumer(settings).await?);
            reader.assign(&[(at.clone(), Some(from))]).await?;
        }
        Ok(Self { table, at, from, end: range.end, read: 0, consumer })
    }

    /// Where the partition ended when this began.
    pub(crate) const fn end(&self) -> u64 {
        self.end
    }

    /// Reads on a bit. `true` when the store reflects all that there was at the beginning. Records that cannot be used
    /// are added to `aside`, for the exceptions topic.
    pub(crate) async fn step(
        &mut self,
        resolver: &Resolver,
        store: &mut dyn CellStore,
        aside: &mut Vec<Outgoing>,
        heartbeat: &Heartbeat,
    ) -> Result<bool, Error> {
        let Resolver { log, channels, metrics, clock, .. } = resolver;
        let now = clock.now_ticks();
        let id = log.id().0;
        if let Some(consumer) = &mut self.consumer {
            let polled = consumer.poll(ROWS, BYTES, WAIT).await?;
            let mut read = Vec::with_capacity(polled.records.len());
            for record in &polled.records {
                match channels.tables[self.table].read_resolved(record) {
                    Ok((key, _)) => read.push((key, record.value.as_deref())),
                    // What the cell was before stands.
                    Err(why) => {
                        aside.push(channels.exception(MetBy::Resolver, self.table, record, &why, now));
                    }
                }
            }
            let cells: Vec<_> = read.iter().map(|(key, value)| (key.as_slice(), *value)).collect();
            store.put(id, &self.at, &cells, None)?;
            self.read += polled.records.len() as u64;
            metrics.rebuilt_cells.inc_by(polled.records.len() as u64);
            let next = consumer.positions().first().map_or(self.end, |(_, next)| *next);
            if next < self.end {
                if self.read > MANY {
                    let done = (next - self.from) * 100 / (self.end - self.from).max(1);
                    let TopicPartition { topic, partition } = &self.at;
                    heartbeat.note(format!("rebuilding state of {topic} partition {partition}: {done} %"));
                }
                return Ok(false);
            }
        }
        store.put(id, &self.at, &[], Some(self.end))?;
        store.commit()?;
        if self.read > 0 {
            let TopicPartition { topic, partition } = &self.at;
            tracing::info!(%topic, partition, records = self.read, "state caught up");
        }
        Ok(true)
    }
}
