//! Records as the log carries them: opaque key, optional value, headers, a timestamp.
//!
//! Does not know what the bytes mean; the codec does.

use std::fmt;
use std::sync::Arc;

/// A topic's full name, cheap to clone. Characters: `[A-Za-z0-9._-]`, at most 249, as Kafka has it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// Takes `name` as it is; [`crate::Log::ensure_topics`] refuses what no log would accept.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One partition of one topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: TopicName,
    /// The partition, counted from 0.
    pub partition: u32,
}

impl TopicPartition {
    /// Names partition `partition` of `topic`.
    pub fn new(topic: TopicName, partition: u32) -> Self {
        Self { topic, partition }
    }
}

/// Record headers in one buffer: repeated (u16 name length, name, u32 value length, value), big-endian.
///
/// One allocation a record instead of four: headers are written for every record and read for few.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<u8>);

impl Headers {
    /// No headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wraps a buffer that [`Headers::as_bytes`] gave; a malformed rest is ignored by the readers.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The buffer, for a log that stores it as it is.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Adds a header; a name longer than 65,535 bytes or a value longer than 4 GiB is cut off.
    #[must_use]
    pub fn with(mut self, name: &str, value: &[u8]) -> Self {
        let name = &name.as_bytes()[..name.len().min(usize::from(u16::MAX))];
        let value = &value[..value.len().min(u32::MAX as usize)];
        self.0.extend_from_slice(&(name.len() as u16).to_be_bytes());
        self.0.extend_from_slice(name);
        self.0.extend_from_slice(&(value.len() as u32).to_be_bytes());
        self.0.extend_from_slice(value);
        self
    }

    /// The value of the first header called `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// All headers in order, as far as the buffer is well formed.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk::<2>()?;
            let (name, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            let (length, after) = after.split_first_chunk::<4>()?;
            let (value, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            rest = after;
            Some((std::str::from_utf8(name).ok()?, value))
        })
    }
}

/// A record on its way into the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The topic.
    pub topic: TopicName,
    /// The partition, always chosen by the caller ([`crate::partition_of`]).
    pub partition: u32,
    /// What compaction and consumers know the record by.
    pub key: Vec<u8>,
    /// `None` is a tombstone: compaction removes the key's earlier records and, after a while, this one.
    pub value: Option<Vec<u8>>,
    /// Headers.
    pub headers: Headers,
}

/// A record read from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The topic.
    pub topic: TopicName,
    /// The partition.
    pub partition: u32,
    /// Its place in the partition; offsets grow but need not be contiguous.
    pub offset: u64,
    /// Milliseconds since 1970 by the log's clock, taken at commit.
    pub timestamp_ms: i64,
    /// The key.
    pub key: Vec<u8>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// Headers.
    pub headers: Headers,
}
