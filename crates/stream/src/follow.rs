//! Following the control topic: orders to capture tables again, what is said of members, and the group's spec.
//!
//! A look is cheap and brings what has arrived. Whoever slept, though, may find only what had arrived before; after
//! a long pause a look therefore reads up to the topic's end as it is then, so that a mark that was set meanwhile is
//! seen before anything is written.

use crate::{
    Consumer, ConsumerSettings, Isolation, Log, MemberControls, RecaptureOrder, Result, Start, TopicName,
    TopicPartition,
};
use std::collections::BTreeMap;
use std::time::Duration;
use tributary_model::TableName;

/// The key of the group's spec on the control topic.
pub const SPEC_KEY: &[u8] = b"spec";

/// Longest wait for records that are known to be there.
const WAIT: Duration = Duration::from_millis(100);
/// Records and bytes in one look; the topic is small.
const MOST: (usize, usize) = (1_000, 4 << 20);
/// After a pause of this length a look goes to the topic's end.
const LONG_PAUSE: Duration = Duration::from_secs(2);

/// A reader of the control topic.
pub struct ControlFollower {
    consumer: Box<dyn Consumer>,
    topic: TopicName,
    orders: BTreeMap<TableName, String>,
    members: MemberControls,
    spec: Option<Vec<u8>>,
    looked_at: Duration,
    /// Grows with every record that came.
    revision: u64,
}

impl ControlFollower {
    /// Reads what there is, and follows the topic from there. `now` is a monotonic time.
    pub async fn follow(log: &dyn Log, control: &TopicName, now: Duration) -> Result<Self> {
        let settings =
            ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
        let mut consumer = log.consumer(settings).await?;
        consumer.assign(&[(TopicPartition::new(control.clone(), 0), None)]).await?;
        let mut follower = Self {
            consumer,
            topic: control.clone(),
            orders: BTreeMap::new(),
            members: MemberControls::default(),
            spec: None,
            looked_at: now,
            revision: 0,
        };
        follower.catch_up(log).await?;
        Ok(follower)
    }

    /// Takes note of what has arrived; whether anything has.
    pub async fn look(&mut self, log: &dyn Log, now: Duration) -> Result<bool> {
        let before = self.revision;
        if now.saturating_sub(self.looked_at) >= LONG_PAUSE {
            self.catch_up(log).await?;
        } else {
            self.read(Duration::ZERO).await?;
        }
        self.looked_at = now;
        Ok(self.revision != before)
    }

    /// The id of a table's last order to capture it again.
    pub fn recapture(&self, table: &TableName) -> Option<&str> {
        self.orders.get(table).map(String::as_str)
    }

    /// The group's spec as it was written last.
    pub fn spec(&self) -> Option<&[u8]> {
        self.spec.as_deref()
    }

    /// What is said of members.
    pub fn members(&self) -> &MemberControls {
        &self.members
    }

    /// Reads up to the end as it is now.
    async fn catch_up(&mut self, log: &dyn Log) -> Result<()> {
        let range = log.offsets(&self.topic).await?.first().copied().unwrap_or_default();
        while range.start < range.end && self.consumer.positions().iter().any(|(_, next)| *next < range.end) {
            self.read(WAIT).await?;
        }
        Ok(())
    }

    async fn read(&mut self, wait: Duration) -> Result<()> {
        for record in self.consumer.poll(MOST.0, MOST.1, wait).await?.records {
            self.revision += 1;
            if self.members.take(&record.key, record.value.as_deref()) {
                continue;
            }
            if record.key == SPEC_KEY {
                self.spec = record.value;
                continue;
            }
            match RecaptureOrder::read(&record.key, record.value.as_deref().unwrap_or_default()) {
                // A null takes an order back.
                Some(order) if record.value.is_none() => _ = self.orders.remove(&order.table),
                Some(order) => _ = self.orders.insert(order.table, order.id),
                None => {}
            }
        }
        Ok(())
    }
}
