//! Orders to capture a table again, as they come on the control topic.

use std::collections::BTreeMap;
use std::time::Duration;
use tributary_model::TableName;
use tributary_stream::{
    Consumer, ConsumerSettings, Isolation, Log, RecaptureOrder, Result, Start, TopicName, TopicPartition,
};

/// Longest wait for records that are known to be there.
const WAIT: Duration = Duration::from_millis(100);
/// Records and bytes in one look; the topic is small.
const MOST: (usize, usize) = (1_000, 4 << 20);

/// The last order of every table that has one.
pub(crate) struct Orders {
    consumer: Box<dyn Consumer>,
    latest: BTreeMap<TableName, String>,
}

impl Orders {
    /// Reads the orders that there are, and follows the topic from there.
    pub(crate) async fn follow(log: &dyn Log, control: &TopicName) -> Result<Self> {
        let settings =
            ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
        let range = log.offsets(control).await?.first().copied().unwrap_or_default();
        let mut consumer = log.consumer(settings).await?;
        consumer.assign(&[(TopicPartition::new(control.clone(), 0), None)]).await?;
        let mut orders = Self { consumer, latest: BTreeMap::new() };
        while orders.consumer.positions().iter().any(|(_, next)| *next < range.end) {
            orders.read(WAIT).await?;
        }
        Ok(orders)
    }

    /// Takes note of new ones, without waiting.
    pub(crate) async fn look(&mut self) -> Result<()> {
        self.read(Duration::ZERO).await
    }

    /// The id of a table's last order.
    pub(crate) fn of(&self, table: &TableName) -> Option<&str> {
        self.latest.get(table).map(String::as_str)
    }

    async fn read(&mut self, wait: Duration) -> Result<()> {
        for record in self.consumer.poll(MOST.0, MOST.1, wait).await?.records {
            let value = record.value.as_deref().unwrap_or_default();
            match RecaptureOrder::read(&record.key, value) {
                // A null takes an order back.
                Some(order) if record.value.is_none() => _ = self.latest.remove(&order.table),
                Some(order) => _ = self.latest.insert(order.table, order.id),
                None => {}
            }
        }
        Ok(())
    }
}
