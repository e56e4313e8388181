//! Records of the ledger on their way into the log.

use crate::{Channels, Headers, Outgoing};
use tributary_codec::{ConflictCodec, Error as CodecError};
use tributary_model::ConflictRecord;

impl Channels {
    /// The record for the conflicts topic, of a conflict in the table at this position.
    ///
    /// # Errors
    /// When a row cannot be written as Avro.
    pub fn conflict(&self, table: usize, conflict: &ConflictRecord) -> Result<Outgoing, CodecError> {
        let mut value = Vec::new();
        let codec = &self.tables[table].codec;
        ConflictCodec::encode_conflict(self.conflict_id.0, conflict, codec, &mut value)?;
        Ok(Outgoing {
            topic: self.topics.conflicts(),
            partition: 0,
            key: ConflictCodec::encode_key(self.conflict_key_id.0, &conflict.id),
            value: Some(value),
            headers: Headers::new(),
        })
    }
}
