//! Copying one partition, from wherever the copy ends.

use super::CopyError;
use super::plan::{Ahead, Step, step};
use super::reader::Reader;
use super::reframe::Reframe;
use super::survey::{Source, Way};
use std::time::{Duration, Instant};
use tributary_stream::{Error as LogError, Headers, Log, Outgoing, TopicPartition};

/// Records, and about how many bytes of them, that go out together.
const ROWS: usize = 10_000;
const BYTES: usize = 8 << 20;
/// How long what was written may take to show in the end.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often the end is asked for while it is not where it should be.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What is needed of the log that is copied to.
pub(super) trait Destination {
    /// The next offset that this partition will give.
    async fn end(&self, at: &TopicPartition) -> Result<u64, LogError>;

    /// Appends records in this order, with nothing between them.
    async fn append(&mut self, records: &[Outgoing]) -> Result<(), LogError>;

    /// Takes `count` offsets (at least 2) of the partition of `filler`, without a record that can be read. The last of
    /// them may be taken only after a while.
    async fn fill(&mut self, filler: &Outgoing, count: u64) -> Result<(), LogError>;
}

/// What was written for one partition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Records of the source.
    pub(super) records: u64,
    /// Offsets used up by repeating the record behind them.
    pub(super) repeated: u64,
    /// Offsets that hold nothing that can be read.
    pub(super) filled: u64,
}

/// Copies what the copy does not have of one partition yet; `moved` hears of records as they are written.
pub(super) async fn copy<D: Destination>(
    from: &dyn Log,
    to: &mut D,
    topic: &Source,
    partition: u32,
    reframe: &Reframe,
    moved: &mut dyn FnMut(u64),
) -> Result<Written, CopyError> {
    let range = topic.ranges[partition as usize];
    let source = TopicPartition::new(topic.settings.name.clone(), partition);
    let target = TopicPartition::new(topic.target.clone(), partition);
    let end = to.end(&target).await?;
    let mut writer = Writer { to, end, batch: Vec::new(), bytes: 0, written: Written::default(), at: target };
    if topic.way == Way::Exact {
        let mut reader = Reader::open(from, &source, end, range.end).await?;
        moved(records_before(from, &source, end).await?);
        loop {
            let ahead = reader.peek().await?;
            let ahead = ahead.map(|record| Ahead { offset: record.offset, bytes: size(record) });
            match step(writer.next(), ahead, range.end) {
                Step::Append => {
                    let Some(record) = reader.next().await? else { break };
                    writer.written.records += 1;
                    writer.push(reframe.record(record, topic), moved).await?;
                }
                Step::Repeat(times) => {
                    let Some(record) = reader.peek().await? else { break };
                    let record = reframe.record(record.clone(), topic);
                    writer.written.repeated += times;
                    for _ in 0..times {
                        writer.push(record.clone(), &mut |_| {}).await?;
                    }
                }
                Step::Fill(offsets) => writer.fill(offsets).await?,
                Step::Done => break,
            }
        }
    } else {
        let mut reader = Reader::open(from, &source, range.start, range.end).await?;
        // So many have been appended, and nothing else ever was.
        for _ in 0..end {
            if reader.next().await?.is_none() {
                return Err(writer.displaced(end));
            }
        }
        moved(end);
        while let Some(record) = reader.next().await? {
            writer.written.records += 1;
            writer.push(reframe.record(record, topic), moved).await?;
        }
    }
    writer.flush().await?;
    Ok(writer.written)
}

/// How many records stand before `end`: what an earlier attempt has copied.
async fn records_before(from: &dyn Log, at: &TopicPartition, end: u64) -> Result<u64, LogError> {
    let mut reader = Reader::open(from, at, 0, end).await?;
    let mut count = 0;
    while reader.next().await?.is_some() {
        count += 1;
    }
    Ok(count)
}

fn size(record: &tributary_stream::Incoming) -> usize {
    record.key.len() + record.value.as_ref().map_or(0, Vec::len) + record.headers.as_bytes().len()
}

/// Gathers records for a partition and makes sure that they land where they belong.
struct Writer<'a, D> {
    to: &'a mut D,
    at: TopicPartition,
    /// Where the partition ends, without what is gathered.
    end: u64,
    batch: Vec<Outgoing>,
    bytes: usize,
    written: Written,
}

impl<D: Destination> Writer<'_, D> {
    /// The offset of the next record.
    fn next(&self) -> u64 {
        self.end + self.batch.len() as u64
    }

    async fn push(&mut self, record: Outgoing, moved: &mut dyn FnMut(u64)) -> Result<(), CopyError> {
        self.bytes += record.key.len() + record.value.as_ref().map_or(0, Vec::len);
        self.batch.push(record);
        moved(1);
        if self.batch.len() >= ROWS || self.bytes >= BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), CopyError> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        self.to.append(&batch).await?;
        self.check(self.end + batch.len() as u64).await
    }

    async fn fill(&mut self, offsets: u64) -> Result<(), CopyError> {
        self.flush().await?;
        let filler = Outgoing {
            topic: self.at.topic.clone(),
            partition: self.at.partition,
            key: vec![0],
            value: None,
            headers: Headers::new(),
        };
        self.to.fill(&filler, offsets).await?;
        self.written.filled += offsets;
        self.check(self.end + offsets).await
    }

    /// An abort is promised when the call comes back; its marker, which takes an offset, is written a little later, and
    /// what is appended before that would take its place.
    async fn check(&mut self, expected: u64) -> Result<(), CopyError> {
        let until = Instant::now() + PATIENCE;
        loop {
            self.end = self.to.end(&self.at).await?;
            if self.end == expected {
                return Ok(());
            }
            if self.end > expected || Instant::now() >= until {
                return Err(self.displaced(expected));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn displaced(&self, expected: u64) -> CopyError {
        let TopicPartition { topic, partition } = self.at.clone();
        CopyError::Displaced { topic, partition, expected, found: self.end }
    }
}

#[cfg(test)]
mod tests;
