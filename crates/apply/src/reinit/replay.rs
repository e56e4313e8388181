//! Reading resolved topics from their beginning to where they ended when the filling began.

use std::collections::BTreeMap;
use std::time::Duration;
use tributary_stream::{
    Consumer, ConsumerSettings, Incoming, Isolation, Log, OffsetRange, Result, Start, TopicPartition,
};

const BYTES: usize = 16 << 20;
/// Longest wait for records that are known to be there.
const WAIT: Duration = Duration::from_millis(100);

/// Where partitions begin and end.
pub(super) type Ranges = BTreeMap<TopicPartition, OffsetRange>;

/// A reader of some partitions.
pub(super) struct Replay {
    consumer: Box<dyn Consumer>,
    ranges: Ranges,
}

impl Replay {
    pub(super) async fn open(log: &dyn Log, ranges: Ranges) -> Result<Self> {
        let settings =
            ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
        let mut consumer = log.consumer(settings).await?;
        let parts: Vec<_> = ranges
            .iter()
            .filter(|(_, range)| range.start < range.end)
            .map(|(at, range)| (at.clone(), Some(range.start)))
            .collect();
        if !parts.is_empty() {
            consumer.assign(&parts).await?;
        }
        Ok(Self { consumer, ranges })
    }

    /// The next records; `None` at the end.
    pub(super) async fn next(&mut self, rows: usize) -> Result<Option<Vec<Incoming>>> {
        let end = |ranges: &Ranges, at: &TopicPartition| ranges.get(at).map_or(0, |range| range.end);
        let positions = self.consumer.positions();
        let done: Vec<_> = positions
            .iter()
            .filter(|(at, next)| *next >= end(&self.ranges, at))
            .map(|(at, _)| at.clone())
            .collect();
        if done.len() == positions.len() {
            return Ok(None);
        }
        // What has come since is no longer our matter.
        self.consumer.pause(&done);
        let mut records = self.consumer.poll(rows, BYTES, WAIT).await?.records;
        records.retain(|record| {
            let at = TopicPartition::new(record.topic.clone(), record.partition);
            record.offset < end(&self.ranges, &at)
        });
        Ok(Some(records))
    }
}
