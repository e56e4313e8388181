//! Where partitions begin and end, asked of their leaders.
//!
//! By clients of their own: a broker answers the requests of one connection one after the other, and a consumer's last
//! one may be waiting for records.

use super::admin::{Admin, Asker, LOOK_EVERY, add};
use crate::{Isolation, OffsetRange, Result, TopicPartition};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use std::time::{Duration, Instant};

impl Admin {
    /// The first and the next offset of each partition, the next as a reader of this isolation has it. A leader that
    /// has just changed, or is not there yet, is asked again.
    pub(super) fn ranges(
        &self,
        partitions: &[TopicPartition],
        isolation: Isolation,
        patience: Duration,
    ) -> Result<Vec<OffsetRange>> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let asker = self.asker_for(isolation)?;
        ranges(asker, partitions, patience).map_err(self.failed("read the ends of a topic"))
    }
}

/// One request for each broker and end: asking for the time -2 gives the first offset, for -1 the next.
fn ranges(
    asker: &Asker,
    partitions: &[TopicPartition],
    patience: Duration,
) -> std::result::Result<Vec<OffsetRange>, KafkaError> {
    use RDKafkaErrorCode as Code;
    let until = Instant::now() + patience;
    loop {
        let asked = ask(asker, partitions, Offset::Beginning, patience)
            .and_then(|starts| Ok((starts, ask(asker, partitions, Offset::End, patience)?)));
        let error = match asked {
            Ok((starts, ends)) => {
                let both = starts.into_iter().zip(ends);
                return Ok(both.map(|(start, end)| OffsetRange { start, end: end.max(start) }).collect());
            }
            Err(error) => error,
        };
        let passes = matches!(
            error.rdkafka_error_code(),
            Some(
                Code::NotLeaderForPartition
                    | Code::LeaderNotAvailable
                    | Code::FencedLeaderEpoch
                    | Code::UnknownLeaderEpoch
                    | Code::OffsetNotAvailable
                    | Code::UnknownTopicOrPartition
                    | Code::NotEnoughReplicas
            )
        );
        if !passes || Instant::now() >= until {
            return Err(error);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

fn ask(
    asker: &Asker,
    partitions: &[TopicPartition],
    which: Offset,
    timeout: Duration,
) -> std::result::Result<Vec<u64>, KafkaError> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for at in partitions {
        add(&mut list, at, which);
    }
    let answer = asker.offsets_for_times(list, timeout)?;
    let mut found = Vec::with_capacity(partitions.len());
    for element in answer.elements() {
        element.error()?;
        match element.offset() {
            Offset::Offset(offset) => found.push(u64::try_from(offset).unwrap_or(0)),
            _ => return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::OffsetNotAvailable)),
        }
    }
    Ok(found)
}
