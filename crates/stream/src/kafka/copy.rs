//! Taking over another log: records at chosen offsets, offsets of groups, the other log's identity.
//!
//! Only the means; which record belongs where is the copying command's affair. Records are appended without a
//! transaction, so that no marker takes an offset between them, and offsets that hold nothing are filled by
//! transactions that are aborted. Until [`Copier::finish`] nobody else can open the log.

use super::producer::{self, KafkaProducer, ProducerWatch};
use super::{KafkaLog, Shared, identity};
use crate::{
    Consumer, ConsumerSettings, Error, Isolation, LogId, Outgoing, Producer, Result, Start, TopicPartition,
};
use rdkafka::producer::BaseProducer;
use std::sync::Arc;

/// Writes a copy of another log.
pub struct Copier {
    shared: Arc<Shared>,
    id: LogId,
    appender: BaseProducer<ProducerWatch>,
    filler: KafkaProducer,
}

impl Copier {
    /// Marks the log as a copy of `id` that is not complete, or takes up such a copy. `None` when the log is a complete
    /// copy of `id` already.
    pub(super) async fn begin(log: &KafkaLog, id: LogId) -> Result<Option<Self>> {
        let shared = &log.shared;
        let control = &shared.settings.control.name;
        shared.admin.ensure(std::slice::from_ref(&shared.settings.control)).await?;
        let found = identity::write(shared, id, true, |found| found.is_none()).await?;
        if LogId(found.id) != id {
            return Err(Error::Occupied { control: control.clone(), id: found.id });
        }
        if !found.incomplete {
            return Ok(None);
        }
        // Taking the name ends what an earlier attempt has left open.
        let filler = KafkaProducer::take(shared, &format!("{control}.copy"))?;
        let appender = producer::native(shared, None)?;
        Ok(Some(Self { shared: Arc::clone(shared), id, appender, filler }))
    }

    /// Appends records, each partition's one after the other; when this returns they are durable.
    ///
    /// # Errors
    /// Then some of them may have been appended: look at the ends.
    pub async fn append(&mut self, records: &[Outgoing]) -> Result<()> {
        for record in records {
            producer::enqueue(&self.appender, record)
                .map_err(|error| producer::plain_error(&self.shared, &self.appender, error))?;
        }
        producer::drain_plain(&self.shared, &self.appender)
    }

    /// Takes `count` offsets (at least 2) of the partition of `filler` without a record that anybody can read. The
    /// bytes of `filler` are written and aborted, so a short one is best.
    ///
    /// # Errors
    /// Then fewer offsets may have been taken: look at the ends.
    pub async fn fill(&mut self, filler: &Outgoing, count: u64) -> Result<()> {
        if count < 2 {
            return Err(Error::WrongState {
                call: "fill",
                state: "an abort's marker needs a record before it",
            });
        }
        self.filler.begin().await?;
        let mut left = count - 1;
        while left > 0 {
            let step = left.min(10_000);
            self.filler.send(vec![filler.clone(); usize::try_from(step).unwrap_or(1)]).await?;
            left -= step;
        }
        self.filler.flush().await?;
        self.filler.abort().await
    }

    /// Stores a group's offsets.
    pub async fn set_committed(&mut self, group: &str, offsets: &[(TopicPartition, u64)]) -> Result<()> {
        let settings = ConsumerSettings {
            group: Some(group.to_owned()),
            isolation: Isolation::Committed,
            start: Start::Beginning,
        };
        let mut consumer = super::consumer::KafkaConsumer::new(&self.shared, settings)?;
        let partitions: Vec<_> = offsets.iter().map(|(at, next)| (at.clone(), Some(*next))).collect();
        consumer.assign(&partitions).await?;
        consumer.commit(offsets).await
    }

    /// Gives the log the other log's identity: from now on it can be opened.
    pub async fn finish(self) -> Result<()> {
        let shared = &self.shared;
        identity::write(shared, self.id, false, |_| true).await?;
        shared.id.get_or_init(|| self.id);
        Ok(())
    }
}
