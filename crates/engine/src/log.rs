//! Opening the log that a group file names, whichever it is.

use std::sync::Arc;
use tributary_group::file::{GroupFile, LogSettings};
use tributary_runtime::SharedClock;
use tributary_stream::embedded::{Access, EmbeddedLog};
use tributary_stream::kafka::KafkaLog;
use tributary_stream::{Error, Log};

/// An opened log, by its own type for what only one of them has.
#[derive(Debug, Clone)]
pub enum OpenLog {
    /// One SQLite file.
    Embedded(Arc<EmbeddedLog>),
    /// Apache Kafka.
    Kafka(Arc<KafkaLog>),
}

impl OpenLog {
    /// Opens the log of a group. To write, this creates what is missing of it; to read, it has to be there.
    ///
    /// # Errors
    /// What the log says: [`Error::Missing`] or [`Error::UnknownTopic`] when nothing has been provisioned yet.
    pub async fn open(file: &GroupFile, access: Access, clock: &SharedClock) -> Result<Self, Error> {
        match &file.log {
            LogSettings::Embedded { path } => {
                let clock = Arc::clone(clock);
                let milliseconds = Arc::new(move || clock.now_ticks() / 10_000);
                let log = EmbeddedLog::open_with_clock(path, access, milliseconds)?;
                Ok(Self::Embedded(Arc::new(log)))
            }
            LogSettings::Kafka(kafka) => {
                let settings = kafka.connection(file.control_topic(), access == Access::Exclusive);
                Ok(Self::Kafka(Arc::new(KafkaLog::connect(settings).await?)))
            }
        }
    }

    /// The log as the services know it.
    pub fn shared(&self) -> Arc<dyn Log> {
        match self {
            Self::Embedded(log) => Arc::clone(log) as Arc<dyn Log>,
            Self::Kafka(log) => Arc::clone(log) as Arc<dyn Log>,
        }
    }
}
