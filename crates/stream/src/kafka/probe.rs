//! Whether a cluster and a registry answer, before anything has been made there.

use super::KafkaLog;
use super::settings::KafkaSettings;
use crate::{Error, Result, SchemaId};

impl KafkaLog {
    /// Reaches brokers and registry as [`KafkaLog::connect`] would, and makes nothing.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn probe(settings: KafkaSettings) -> Result<()> {
        let log = Self::reach(settings)?;
        // Any question does that the registry has to answer.
        match log.shared.registry.schema(SchemaId(1)).await {
            Ok(_) | Err(Error::UnknownSchema { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
