//! Records that apply cannot use go to the exceptions topic before the member's offsets pass them.
//!
//! The two cannot be one transaction. Listed first and passed afterwards, a record is listed twice at worst, under
//! the same key.

use tributary_stream::{Log, Outgoing, Producer, Result};

/// Writes to the exceptions topic. Mostly there is nothing to write, and then there is no producer.
#[derive(Default)]
pub(crate) struct Aside {
    producer: Option<Box<dyn Producer>>,
}

impl Aside {
    /// Lists records, durably.
    pub(crate) async fn list(
        &mut self,
        log: &dyn Log,
        transactional_id: &str,
        records: Vec<Outgoing>,
    ) -> Result<()> {
        let mut producer = match self.producer.take() {
            Some(producer) => producer,
            None => log.producer(transactional_id).await?,
        };
        let sent = async {
            producer.begin().await?;
            producer.send(records).await?;
            producer.commit().await
        };
        if let Err(error) = sent.await {
            // It is not used again. If this fails as well, the transaction ends by its time-out.
            let _ = producer.abort().await;
            return Err(error);
        }
        self.producer = Some(producer);
        Ok(())
    }
}
