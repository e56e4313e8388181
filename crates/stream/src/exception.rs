//! Records of the group's topics that a worker cannot use: read here, told apart from ours, left aside.
//!
//! Another program's record, a damaged one, or one of a newer version must neither stop a partition nor be passed
//! over in silence: it goes to the exceptions topic, and the partition goes on. Shared by the services that read
//! tables' topics.

use crate::{Channel, Channels, Headers, Incoming, Outgoing, single};
use tributary_codec::{Error as CodecError, ExceptionCodec, split_frame};
use tributary_model::{
    Change, ExceptionKind, ExceptionRecord, KeyBytes, MetBy, Resolved, Ticks, VersionVector,
};

/// Header of a null record: the version vector that it expires.
const VECTOR_HEADER: &str = "dss-vv";
/// Header of all other records of ours.
const ORIGIN_HEADER: &str = "dss-origin";

/// Why a record cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Its key or its value cannot be read.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// It has no value, and does not say what that expires.
    #[error("a null record does not say which versions of its row expire; see what wrote it")]
    Null,
}

impl Unusable {
    /// The stable code, listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Codec(source) => source.code(),
            Self::Null => "LOG-036",
        }
    }
}

/// What a record of a resolved topic says: a settled row, or which versions of a deleted one have expired.
pub type Settlement = std::result::Result<Resolved, VersionVector>;

impl Channel {
    /// Reads a record of the table's changes topic.
    ///
    /// # Errors
    /// Why the record is to be left aside.
    pub fn read_change(&self, record: &Incoming) -> Result<(KeyBytes, Change), Unusable> {
        let key = self.codec.decode_key(&record.key)?;
        let value = record.value.as_deref().ok_or(Unusable::Null)?;
        Ok((key, self.codec.decode_change(value)?))
    }

    /// Reads a record of the table's resolved topic.
    ///
    /// # Errors
    /// Why the record is to be left aside.
    pub fn read_resolved(&self, record: &Incoming) -> Result<(KeyBytes, Settlement), Unusable> {
        let key = self.codec.decode_key(&record.key)?;
        let settlement = match &record.value {
            Some(value) => Ok(self.codec.decode_resolved(value)?),
            None => Err(expired(&record.headers).ok_or(Unusable::Null)?),
        };
        Ok((key, settlement))
    }

    /// The null record that forgets a deleted row of the resolved topic: `key` as its record has it, `vv` the versions
    /// that the delete took into account.
    pub fn expiry(&self, partition: u32, key: Vec<u8>, vv: &VersionVector) -> Outgoing {
        let headers = Headers::new().with(VECTOR_HEADER, vv.to_string().as_bytes());
        Outgoing { topic: self.resolved.clone(), partition, key, value: None, headers }
    }

    fn bears_our_marks(&self, record: &Incoming) -> bool {
        let marks = [ORIGIN_HEADER, VECTOR_HEADER];
        let id = record.value.as_deref().and_then(|value| split_frame(value).ok()).map(|(id, _)| id);
        marks.into_iter().any(|mark| record.headers.get(mark).is_some())
            || id.is_some_and(|id| id == self.change_id.0 || id == self.resolved_id.0)
    }
}

fn expired(headers: &Headers) -> Option<VersionVector> {
    let text = std::str::from_utf8(headers.get(VECTOR_HEADER)?).ok()?;
    VersionVector::parse(text).ok()
}

impl Channels {
    /// The record that leaves another one aside: for the exceptions topic.
    pub fn exception(
        &self,
        met_by: MetBy,
        table: usize,
        record: &Incoming,
        why: &Unusable,
        met_at: Ticks,
    ) -> Outgoing {
        let channel = &self.tables[table];
        let ours = channel.bears_our_marks(record);
        let exception = ExceptionRecord {
            met_by,
            table: channel.schema.name.clone(),
            topic: record.topic.as_str().to_owned(),
            partition: record.partition,
            offset: record.offset,
            kind: if ours { ExceptionKind::Unreadable } else { ExceptionKind::Foreign },
            code: why.code().to_owned(),
            message: why.to_string(),
            met_at,
            key: Vec::new(),
            value: None,
            size: 0,
            headers: Vec::new(),
        };
        let exception = exception.holding(&record.key, record.value.as_deref(), record.headers.iter());
        tracing::warn!(
            topic = exception.topic,
            partition = exception.partition,
            offset = exception.offset,
            kind = exception.kind.as_str(),
            code = exception.code,
            "a record cannot be used and is listed among the exceptions"
        );
        let key = ExceptionCodec::encode_key(self.exception_key_id.0, &exception.id());
        let value = ExceptionCodec::encode(self.exception_id.0, &exception);
        single(self.topics.exceptions(), key, Some(value))
    }
}
