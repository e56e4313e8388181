//! Copying a partition of a real embedded log into one that is kept in memory here, and that fails where it is told to.

use super::*;
use crate::copy::survey::survey;
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::HashMap;
use tributary_stream::embedded::EmbeddedLog;
use tributary_stream::{Cleanup, Incoming, TopicName, TopicSettings, Topics};

/// What an offset of the copy holds; `None` for what was aborted.
type Slot = Option<Outgoing>;

/// A log in memory. It fails once, after so many more records.
#[derive(Default)]
struct Memory {
    partitions: HashMap<TopicPartition, Vec<Slot>>,
    fails_after: Option<usize>,
    /// How often the end is still told without the marker of the last abort.
    late: Cell<u32>,
}

impl Memory {
    /// Takes as many of `records` as come before the failure.
    fn take(&mut self, at: &TopicPartition, records: Vec<Slot>) -> Result<(), LogError> {
        let count = records.len();
        let fits = self.fails_after.map_or(count, |left| left.min(count));
        self.partitions.entry(at.clone()).or_default().extend(records.into_iter().take(fits));
        if fits < count {
            self.fails_after = None;
            return Err(LogError::Unavailable { service: "Kafka", address: "a".into(), reason: "b".into() });
        }
        self.fails_after = self.fails_after.map(|left| left - count);
        Ok(())
    }
}

impl Destination for Memory {
    async fn end(&self, at: &TopicPartition) -> Result<u64, LogError> {
        let end = self.partitions.get(at).map_or(0, |slots| slots.len() as u64);
        let late = self.late.get();
        self.late.set(late.saturating_sub(1));
        Ok(if late > 0 { end - 1 } else { end })
    }

    async fn append(&mut self, records: &[Outgoing]) -> Result<(), LogError> {
        assert_eq!(self.late.get(), 0, "what is appended now would take the marker's place");
        let at = TopicPartition::new(records[0].topic.clone(), records[0].partition);
        self.take(&at, records.iter().cloned().map(Some).collect())
    }

    async fn fill(&mut self, filler: &Outgoing, count: u64) -> Result<(), LogError> {
        assert!(count >= 2, "a marker needs a record");
        let at = TopicPartition::new(filler.topic.clone(), filler.partition);
        let before = self.end(&at).await?;
        let records = usize::try_from(count - 1).unwrap();
        let taken = self.take(&at, vec![None; records]);
        // The marker: written now, or by who takes the transaction's name next, if there was anything to abort.
        if taken.is_ok() || self.end(&at).await? > before {
            self.partitions.entry(at).or_default().push(None);
        }
        self.late.set(if taken.is_ok() { 2 } else { 0 });
        taken
    }
}

const RESOLVED: &str = "tributary.retail.resolved.Customer";
const CHANGES: &str = "tributary.retail.changes.Customer";

fn topic(name: &str, compacts: bool) -> TopicSettings {
    let compacted = Cleanup::Compact { delete_retention: Duration::from_secs(3600) };
    let cleanup = if compacts { compacted } else { Cleanup::Keep };
    TopicSettings { name: TopicName::new(name), partitions: 1, cleanup, max_record_bytes: 1 << 20 }
}

/// Writes records with these keys; each value tells how many there were.
async fn write(log: &EmbeddedLog, name: &str, keys: &[u8], bytes: usize) {
    let at = TopicName::new(name);
    let mut producer = log.producer("writer").await.unwrap();
    let first = log.offsets(&at).await.unwrap()[0].end;
    let record = |(key, number): (&u8, u64)| Outgoing {
        topic: at.clone(),
        partition: 0,
        key: vec![*key],
        value: Some(number.to_be_bytes().repeat(bytes / 8)),
        headers: Headers::new().with("n", &number.to_be_bytes()),
    };
    producer.begin().await.unwrap();
    producer.send(keys.iter().zip(first..).map(record).collect()).await.unwrap();
    producer.commit().await.unwrap();
}

/// The group's topics, as the copying finds them.
async fn surveyed(log: &EmbeddedLog) -> Vec<Source> {
    let topics = Topics::new("tributary", "retail");
    survey(log, &topics, &topics, |_, _| {}).await.unwrap()
}

async fn all(log: &EmbeddedLog, topic: &Source) -> Vec<Incoming> {
    let at = TopicPartition::new(topic.settings.name.clone(), 0);
    let range = topic.ranges[0];
    let mut reader = Reader::open(log, &at, range.start, range.end).await.unwrap();
    let mut records = Vec::new();
    while let Some(record) = reader.next().await.unwrap() {
        records.push(record);
    }
    records
}

/// Copies again and again until it succeeds; gives what the last attempt reported, and how many there were.
async fn copy_through(log: &EmbeddedLog, to: &mut Memory, topic: &Source, deaths: &[usize]) -> usize {
    for (attempt, fails_after) in (1..).zip(deaths.iter().copied().map(Some).chain([None])) {
        to.fails_after = fails_after;
        let mut done = 0;
        let copied = copy(log, to, topic, 0, &Reframe::default(), &mut |records| done += records).await;
        match copied {
            Ok(_) => {
                assert_eq!(done, topic.records, "progress counts every record once");
                return attempt;
            }
            Err(CopyError::Log(LogError::Unavailable { .. })) => {}
            Err(error) => panic!("{error}"),
        }
    }
    unreachable!("the last attempt does not fail")
}

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A compacted topic of a real log, copied through failures: every record at its offset, nothing else but repeats.
    #[test]
    fn a_compacted_partition_keeps_its_offsets(
        before in prop::collection::vec(0u8..6, 0..60),
        after in prop::collection::vec(0u8..6, 0..20),
        bytes in prop::sample::select(vec![8usize, 40_000]),
        deaths in prop::collection::vec(0usize..40, 0..6),
    ) {
        run(async {
            let log = EmbeddedLog::memory();
            log.ensure_topics(&[topic(RESOLVED, true)]).await.unwrap();
            write(&log, RESOLVED, &before, bytes).await;
            log.compact(&TopicName::new(RESOLVED)).unwrap();
            write(&log, RESOLVED, &after, bytes).await;
            let topics = surveyed(&log).await;
            let mut to = Memory::default();
            copy_through(&log, &mut to, &topics[0], &deaths).await;
            let slots = to.partitions.remove(&TopicPartition::new(TopicName::new(RESOLVED), 0)).unwrap_or_default();
            let records = all(&log, &topics[0]).await;
            for record in &records {
                let slot = slots[usize::try_from(record.offset).unwrap()].as_ref().expect("it is there");
                assert_eq!((&slot.key, &slot.value, &slot.headers), (&record.key, &record.value, &record.headers));
            }
            for (offset, slot) in (0..).zip(&slots) {
                let Some(slot) = slot else { continue };
                let behind = records.iter().find(|record| record.offset >= offset).expect("no record after the end");
                assert_eq!((&slot.key, &slot.value), (&behind.key, &behind.value));
            }
            let end = topics[0].ranges[0].end;
            assert!((end..=end + 1).contains(&(slots.len() as u64)), "{} for {end}", slots.len());
        });
    }

    /// A topic whose beginning was deleted, copied through failures: all that is there, in order, from offset 0.
    #[test]
    fn a_kept_partition_keeps_its_order(
        keys in prop::collection::vec(0u8..6, 1..60),
        deleted in 0u64..60,
        deaths in prop::collection::vec(0usize..40, 0..6),
    ) {
        run(async {
            let log = EmbeddedLog::memory();
            log.ensure_topics(&[topic(CHANGES, false)]).await.unwrap();
            write(&log, CHANGES, &keys, 8).await;
            let at = TopicPartition::new(TopicName::new(CHANGES), 0);
            log.delete_before(&at, deleted.min(keys.len() as u64)).await.unwrap();
            let topics = surveyed(&log).await;
            let mut to = Memory::default();
            copy_through(&log, &mut to, &topics[0], &deaths).await;
            let slots = to.partitions.remove(&at).unwrap_or_default();
            let copied: Vec<_> = slots.into_iter().map(|slot| slot.expect("nothing is filled").value).collect();
            let records: Vec<_> = all(&log, &topics[0]).await.into_iter().map(|record| record.value).collect();
            assert_eq!(copied, records);
        });
    }
}

#[test]
fn a_foreign_record_in_the_copy_is_noticed() {
    run(async {
        let log = EmbeddedLog::memory();
        log.ensure_topics(&[topic(CHANGES, false)]).await.unwrap();
        write(&log, CHANGES, &[1, 2], 8).await;
        let topics = surveyed(&log).await;
        let at = TopicPartition::new(TopicName::new(CHANGES), 0);
        let mut to = Memory::default();
        to.partitions.insert(at, vec![None; 3]);
        let error = copy(&log, &mut to, &topics[0], 0, &Reframe::default(), &mut |_| {}).await.unwrap_err();
        assert_eq!(error.code(), "GRP-205");
    });
}
