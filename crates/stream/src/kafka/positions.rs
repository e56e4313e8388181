//! Where a consumer stands.
//!
//! Ends are reached by records, by the markers of transactions, and at times by neither: this is for those who wait
//! until an end is reached.

use super::consumer::{Assigned, KafkaConsumer, STEP};
use super::group::{list_of, partitions_of};
use super::native::{Native, native};
use crate::{Result, TopicPartition};
use rdkafka::Offset;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Without records for so long, an end that is not reached may be one without records before it.
const QUIET: Duration = Duration::from_millis(500);

impl KafkaConsumer {
    /// After a while without records, finds out whether partitions whose end is not reached have nothing before it:
    /// compaction may leave a partition that ends with offsets without records, and the library does not tell.
    pub(super) fn pass_gaps(&mut self) -> Result<()> {
        if !self.positions_asked.get() {
            return Ok(());
        }
        let since = *self.quiet_since.get_or_insert_with(Instant::now);
        if since.elapsed() < QUIET {
            return Ok(());
        }
        self.quiet_since = Some(Instant::now());
        // Whoever waits asks again.
        self.positions_asked.set(false);
        let mut open = self.current_positions();
        open.retain(|(at, _)| !self.is_paused(&at.topic, at.partition));
        let partitions: Vec<_> = open.iter().map(|(at, _)| at.clone()).collect();
        let isolation = self.settings.isolation;
        let ends = self.shared.admin.ranges(&partitions, isolation, self.shared.settings.timeout)?;
        for ((at, next), range) in open.into_iter().zip(ends) {
            if next < range.end
                && self.is_empty_from(&at, next)?
                && let Some(assigned) = self.assigned.get_mut(&at)
            {
                assigned.next = assigned.next.max(range.end);
            }
        }
        Ok(())
    }

    /// Whether a reader that begins at `next` comes to the end without a record. Asked after the end was read, so it
    /// is true of everything before that end.
    fn is_empty_from(&self, at: &TopicPartition, next: u64) -> Result<bool> {
        let reader = Native::of(native(&self.shared, &self.shared.reader_group(), &self.settings)?);
        reader.assign(&list_of(std::iter::once((at, next)))).map_err(self.failed("read records"))?;
        let until = Instant::now() + self.shared.settings.timeout;
        while Instant::now() < until {
            match reader.poll(STEP) {
                None => {}
                Some(Ok(_)) => return Ok(false),
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(true),
                Some(Err(error)) => tracing::debug!(%error, "an end could not be looked at yet"),
            }
        }
        Ok(false)
    }

    /// Where each partition stands. The library's positions move past markers, but not past what compaction has left
    /// without a record; and a partition that was only just moved has none until something of it has come.
    pub(super) fn current_positions(&self) -> Vec<(TopicPartition, u64)> {
        let library: BTreeMap<TopicPartition, u64> = self.native.position().map_or_else(
            |_| BTreeMap::new(),
            |list| {
                let known = list.elements().iter().map(|element| element.offset()).collect::<Vec<_>>();
                let known = partitions_of(&list).into_iter().zip(known);
                let known = known.filter_map(|(at, offset)| match offset {
                    Offset::Offset(offset) => Some((at, u64::try_from(offset).unwrap_or(0))),
                    _ => None,
                });
                known.collect()
            },
        );
        let position = |at: &TopicPartition, assigned: &Assigned| {
            let is_kept =
                self.kept.iter().any(|record| record.topic == at.topic && record.partition == at.partition);
            match library.get(at) {
                // What the library has given is ahead of what was given out.
                _ if is_kept => assigned.next,
                Some(next) => assigned.next.max(*next),
                None => assigned.next,
            }
        };
        self.assigned.iter().map(|(at, assigned)| (at.clone(), position(at, assigned))).collect()
    }
}
