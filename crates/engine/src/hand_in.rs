//! Saying something on the control topic from a command, whether or not somebody works with the log.

use crate::{Engine, EngineError};
use tributary_group::file::LogSettings;
use tributary_stream::embedded::{Access, EmbeddedLog};
use tributary_stream::{Error as LogError, Outgoing};

impl Engine {
    /// Publishes records of the group's compacted topics. They are in the log when this returns, unless another process
    /// writes the embedded log: then they are in its file, and that process takes them over within a second.
    ///
    /// # Errors
    /// When the log cannot be written to.
    pub async fn hand_in(&self, records: Vec<Outgoing>) -> Result<(), EngineError> {
        self.log.hand_in(&self.file.topics().operator_writer(), records).await?;
        let LogSettings::Embedded { path } = &self.file.log else { return Ok(()) };
        if self.embedded.as_ref().is_some_and(|log| log.takes_in()) {
            return Ok(());
        }
        // Nobody else has it: then it is for us to take them over.
        match EmbeddedLog::open(path, Access::Exclusive) {
            Ok(log) => {
                log.take_in().await?;
                Ok(())
            }
            Err(LogError::Locked { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
