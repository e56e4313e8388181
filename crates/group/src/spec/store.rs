//! The spec on the control topic: JSON under the key `spec`.

use super::GroupSpec;
use tributary_model::Projections;
use tributary_stream::{Log, Producer, SPEC_KEY, TopicName, read_latest, single};

/// Why the spec could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecStoreError {
    /// The log failed.
    #[error("the group's spec could not be read from or written to the log")]
    Log(#[from] tributary_stream::Error),
    /// The record is no spec.
    #[error(
        "the group's spec on the control topic cannot be read; it was written by a newer program, or damaged"
    )]
    Malformed(#[source] serde_json::Error),
}

/// The spec as last written; `None` in a new log.
///
/// # Errors
/// When the log fails or the record cannot be read.
pub async fn read_spec(log: &dyn Log, control: &TopicName) -> Result<Option<GroupSpec>, SpecStoreError> {
    let latest = match read_latest(log, control).await {
        Err(tributary_stream::Error::UnknownTopic { .. }) => return Ok(None),
        latest => latest?,
    };
    let found = latest.into_iter().find(|(key, _)| key == SPEC_KEY);
    found.map(|(_, value)| serde_json::from_slice(&value).map_err(SpecStoreError::Malformed)).transpose()
}

/// Writes the spec.
///
/// # Errors
/// When the log fails; [`tributary_stream::Error::Fenced`] when another process has taken over the writing.
pub async fn write_spec(
    producer: &mut dyn Producer,
    control: &TopicName,
    spec: &GroupSpec,
) -> Result<(), SpecStoreError> {
    let value = serde_json::to_vec(spec).map_err(SpecStoreError::Malformed)?;
    producer.begin().await?;
    producer.send(vec![single(control.clone(), SPEC_KEY.to_vec(), Some(value))]).await?;
    producer.commit().await?;
    Ok(())
}

impl GroupSpec {
    /// What the members keep of the columns of these tables, as a record of the spec says; none if it cannot be read.
    pub fn projections_of(&self, record: &[u8]) -> Option<Vec<Projections>> {
        let known: Self = serde_json::from_slice(record).ok()?;
        let of = |name| known.table(name).map(|table| table.projections.clone()).unwrap_or_default();
        Some(self.tables.iter().map(|table| of(&table.schema.name)).collect())
    }
}
