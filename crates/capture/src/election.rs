//! Which of a member's capture workers publishes.
//!
//! All workers of a member, in whatever processes, join one consumer group on the positions topic, which has one
//! partition: its owner leads, the others stand by. The group tells it; what makes it safe is that every transaction
//! of the leader carries the group's metadata, so that one who has been replaced and does not know it publishes
//! nothing.

use std::time::Duration;
use tributary_runtime::{Heartbeat, Stop};
use tributary_stream::{
    Channels, Consumer, ConsumerSettings, Error, GroupMetadata, Isolation, Log, Polled, Result, Start,
    TopicPartition,
};

/// Longest wait for the group's news while standing by; a stop request is noticed after it.
const WAIT: Duration = Duration::from_millis(200);

/// What a worker knows of its standing.
pub(crate) struct Election {
    consumer: Box<dyn Consumer>,
    /// What all workers of the member want and one has.
    seat: TopicPartition,
    /// What is stored as consumed of it. Nobody reads by it; it has to lie within the topic.
    offset: u64,
    leads: bool,
    /// Proof of membership as of the last look. What is done between two looks stands or falls with it: a fresher
    /// one could speak of an assignment that this worker has not been told yet.
    proof: Option<GroupMetadata>,
}

impl Election {
    /// Joins the member's group.
    pub(crate) async fn join(log: &dyn Log, channels: &Channels, member: &str) -> Result<Self> {
        let settings = ConsumerSettings {
            group: Some(channels.topics.capture_group(member)),
            isolation: Isolation::Committed,
            start: Start::End,
        };
        let topic = channels.topics.positions();
        let offset = log.offsets(&topic).await?.first().map_or(0, |range| range.end);
        let mut consumer = log.consumer(settings).await?;
        consumer.subscribe(std::slice::from_ref(&topic)).await?;
        Ok(Self { consumer, seat: TopicPartition::new(topic, 0), offset, leads: false, proof: None })
    }

    /// Stands by until this worker leads (`true`) or is asked to stop.
    pub(crate) async fn wait(&mut self, stop: &Stop, heartbeat: &Heartbeat) -> Result<bool> {
        let mut wait = Duration::ZERO;
        while !stop.is_stopped() {
            heartbeat.beat();
            if self.poll(wait).await? && self.holds_seat().await? {
                return Ok(true);
            }
            if wait.is_zero() {
                heartbeat.note("standing by");
            }
            wait = WAIT;
        }
        Ok(false)
    }

    /// Whether this worker leads as far as it has been told. Has to be asked every few seconds: who does not ask
    /// counts as gone.
    pub(crate) async fn still_leads(&mut self) -> Result<bool> {
        self.poll(Duration::ZERO).await
    }

    /// What a transaction has to send, so that it fails if another worker leads by now.
    pub(crate) fn stake(&self) -> Result<(&GroupMetadata, [(TopicPartition, u64); 1])> {
        let proof = self.proof.as_ref().ok_or_else(|| Error::NotAssigned {
            topic: self.seat.topic.clone(),
            partition: self.seat.partition,
        })?;
        Ok((proof, [(self.seat.clone(), self.offset)]))
    }

    async fn poll(&mut self, wait: Duration) -> Result<bool> {
        let polled = match self.consumer.poll(1, 1, wait).await {
            // The topic was made anew. What that means for the member is seen from its position.
            Err(Error::OffsetOutOfRange { end, .. }) => {
                self.offset = end;
                self.consumer.seek(&self.seat, end).await?;
                Polled::default()
            }
            polled => polled?,
        };
        let Polled { assigned, revoked, .. } = polled;
        if revoked.contains(&self.seat) {
            self.leads = false;
        }
        if assigned.contains(&self.seat) {
            // What is in it is read otherwise.
            self.consumer.pause(std::slice::from_ref(&self.seat));
            self.leads = true;
        }
        self.proof = self.consumer.group_metadata();
        Ok(self.leads)
    }

    /// Asks the group itself, by storing an offset: a worker that slept too long may have been replaced without
    /// having been told, and must not fence its successor.
    async fn holds_seat(&mut self) -> Result<bool> {
        match self.consumer.commit(&[(self.seat.clone(), self.offset)]).await {
            Ok(()) => Ok(true),
            Err(Error::NotAssigned { .. } | Error::Fenced { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
