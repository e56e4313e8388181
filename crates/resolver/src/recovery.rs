//! Bringing the state of a partition up to its resolved topic, on every assignment.
//!
//! What the store says it reflects is the place to read on from; without that, or when it lies beyond the log's
//! end (the log was replaced or restored), from the beginning. Reading goes to the end as it was at the start,
//! counting records of open transactions, and only through committed ones: so it waits for what a predecessor
//! still has open instead of missing it.

use crate::Error;
use crate::metrics::ResolverMetrics;
use crate::store::CellStore;
use std::time::Duration;
use tributary_codec::split_frame;
use tributary_runtime::Heartbeat;
use tributary_stream::{ConsumerSettings, Incoming, Isolation, Log, Start, TopicPartition};

const ROWS: usize = 5_000;
const BYTES: usize = 16 << 20;

/// Reads the rest of a resolved partition into the store. Returns how many records were read.
pub(crate) async fn catch_up(
    log: &dyn Log,
    store: &mut dyn CellStore,
    at: &TopicPartition,
    metrics: &ResolverMetrics,
    heartbeat: &Heartbeat,
) -> Result<u64, Error> {
    let id = log.id().0;
    let ranges = log.offsets(&at.topic).await?;
    let range = ranges.get(at.partition as usize).copied().unwrap_or_default();
    let from = match store.reflected(id, at)? {
        Some(reflected) if reflected <= range.end => reflected.max(range.start),
        _ => {
            store.clear(at)?;
            range.start
        }
    };
    if from >= range.end {
        store.put(id, at, &[], Some(range.end))?;
        store.commit()?;
        return Ok(0);
    }
    let settings = ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
    let mut consumer = log.consumer(settings).await?;
    consumer.assign(&[(at.clone(), Some(from))]).await?;
    let mut read = 0_u64;
    loop {
        let next = consumer.positions().first().map_or(range.end, |(_, next)| *next);
        if next >= range.end {
            break;
        }
        heartbeat.beat();
        let polled = consumer.poll(ROWS, BYTES, Duration::from_millis(100)).await?;
        let mut cells = Vec::with_capacity(polled.records.len());
        for record in &polled.records {
            cells.push((key_of(record)?, record.value.as_deref()));
        }
        store.put(id, at, &cells, None)?;
        read += polled.records.len() as u64;
        metrics.rebuilt_cells.inc_by(polled.records.len() as u64);
        if read > 100_000 {
            let done = (next - from) * 100 / (range.end - from).max(1);
            heartbeat.note(format!("rebuilding state of {} partition {}: {done} %", at.topic, at.partition));
        }
    }
    store.put(id, at, &[], Some(range.end))?;
    store.commit()?;
    Ok(read)
}

fn key_of(record: &Incoming) -> Result<&[u8], Error> {
    let at = || TopicPartition::new(record.topic.clone(), record.partition);
    let split = split_frame(&record.key);
    split.map(|(_, key)| key).map_err(|source| Error::Codec { at: at(), offset: record.offset, source })
}
