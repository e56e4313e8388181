//! Reading one partition from one end to the other, record by record.

use std::collections::VecDeque;
use std::time::Duration;
use tributary_stream::{Consumer, ConsumerSettings, Incoming, Isolation, Log, Result, Start, TopicPartition};

const ROWS: usize = 5_000;
const BYTES: usize = 16 << 20;
const WAIT: Duration = Duration::from_millis(200);

/// Reads the committed records of one partition up to an end.
pub(super) struct Reader {
    consumer: Option<Box<dyn Consumer>>,
    end: u64,
    read: VecDeque<Incoming>,
}

impl Reader {
    /// Begins at `from`, or at the first record where that is behind it.
    pub(super) async fn open(log: &dyn Log, at: &TopicPartition, from: u64, end: u64) -> Result<Self> {
        let held = log.offsets(&at.topic).await?.get(at.partition as usize).copied().unwrap_or_default();
        let from = from.max(held.start);
        let mut reader = Self { consumer: None, end, read: VecDeque::new() };
        if from < end {
            let settings =
                ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
            let mut consumer = log.consumer(settings).await?;
            consumer.assign(&[(at.clone(), Some(from))]).await?;
            reader.consumer = Some(consumer);
        }
        Ok(reader)
    }

    /// The next record, which stays the next one.
    pub(super) async fn peek(&mut self) -> Result<Option<&Incoming>> {
        while self.read.is_empty() {
            let Some(consumer) = &mut self.consumer else { return Ok(None) };
            if consumer.positions().iter().all(|(_, next)| *next >= self.end) {
                self.consumer = None;
                return Ok(None);
            }
            let polled = consumer.poll(ROWS, BYTES, WAIT).await?;
            let end = self.end;
            self.read.extend(polled.records.into_iter().filter(|record| record.offset < end));
        }
        Ok(self.read.front())
    }

    /// The next record.
    pub(super) async fn next(&mut self) -> Result<Option<Incoming>> {
        self.peek().await?;
        Ok(self.read.pop_front())
    }
}
