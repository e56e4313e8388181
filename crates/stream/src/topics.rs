//! Names and settings of a group's topics.
//!
//! `<prefix>.<group>.<kind>[.<table>]`, the table's name mangled so that any name is possible and can be read back.

use crate::{Cleanup, Error, Result, TopicName, TopicSettings};
use std::time::Duration;
use tributary_model::{TableName, name};

/// The topic names of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    base: String,
}

impl Topics {
    /// The topics of `group` under `prefix` (by default `tributary`).
    pub fn new(prefix: &str, group: &str) -> Self {
        Self { base: format!("{prefix}.{group}") }
    }

    /// Where captured changes of a table go.
    pub fn changes(&self, table: &TableName) -> TopicName {
        self.of_table("changes", table)
    }

    /// Where settled rows of a table go.
    pub fn resolved(&self, table: &TableName) -> TopicName {
        self.of_table("resolved", table)
    }

    /// Capture positions and tokens, by member.
    pub fn positions(&self) -> TopicName {
        TopicName::new(format!("{}.positions", self.base))
    }

    /// The ledger, by conflict id.
    pub fn conflicts(&self) -> TopicName {
        TopicName::new(format!("{}.conflicts", self.base))
    }

    /// What members refused, by member, table and key.
    pub fn exceptions(&self) -> TopicName {
        TopicName::new(format!("{}.exceptions", self.base))
    }

    /// The group's spec and other things that all its workers must know.
    pub fn control(&self) -> TopicName {
        TopicName::new(format!("{}.control", self.base))
    }

    /// The consumer group of the resolvers. Like every name of the group's in Kafka it begins as the topics do, so
    /// that one prefix is enough for rights and quotas.
    pub fn resolver_group(&self) -> String {
        format!("{}.resolver", self.base)
    }

    /// The consumer group that elects the one capture worker of `member` that publishes.
    pub fn capture_group(&self, member: &str) -> String {
        format!("{}.capture.{member}", self.base)
    }

    /// The consumer group of the apply workers of `member`.
    pub fn apply_group(&self, member: &str) -> String {
        format!("{}.apply.{member}", self.base)
    }

    /// The transactional id of whoever writes to the control topic.
    pub fn control_writer(&self) -> String {
        format!("{}.control", self.base)
    }

    /// The transactional id of operators' commands.
    pub fn operator_writer(&self) -> String {
        format!("{}.operator", self.base)
    }

    fn of_table(&self, kind: &str, table: &TableName) -> TopicName {
        TopicName::new(format!("{}.{kind}.{}", self.base, name::mangle(table.as_str())))
    }
}

/// How long tombstones and largest records are; the same for all topics of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicLimits {
    /// How long compaction keeps a tombstone at least.
    pub delete_retention: Duration,
    /// Largest record in bytes. A change may be a third of it: conflicts hold two rows, resolved records two images.
    pub max_record_bytes: usize,
}

impl Default for TopicLimits {
    fn default() -> Self {
        Self { delete_retention: Duration::from_secs(45 * 86_400), max_record_bytes: 64 << 20 }
    }
}

impl TopicLimits {
    /// Largest change record that capture publishes.
    pub fn max_change_bytes(&self) -> usize {
        self.max_record_bytes / 3
    }

    pub(crate) fn compacted(&self, name: TopicName, partitions: u32) -> TopicSettings {
        let cleanup = Cleanup::Compact { delete_retention: self.delete_retention };
        TopicSettings { name, partitions, cleanup, max_record_bytes: self.max_record_bytes }
    }

    pub(crate) fn kept(&self, name: TopicName, partitions: u32) -> TopicSettings {
        TopicSettings { name, partitions, cleanup: Cleanup::Keep, max_record_bytes: self.max_record_bytes }
    }
}

/// In the embedded log each partition is a table, and every connection reads the list of tables when it opens.
const MAX_PARTITIONS: u32 = 1024;

/// Refuses what not every log would take, so that a group can move from one to the other.
pub(crate) fn check_settings(settings: &TopicSettings) -> Result<()> {
    let name = settings.name.as_str();
    let refuse = |reason| Err(Error::InvalidTopic { topic: name.to_owned(), reason });
    if name.is_empty() || name.len() > 249 {
        return refuse("a name has 1 to 249 characters");
    }
    if name == "." || name == ".." {
        return refuse("a name cannot be . or ..");
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return refuse("a name consists of letters, digits, dots, underscores and hyphens");
    }
    if settings.partitions == 0 || settings.partitions > MAX_PARTITIONS {
        return refuse("it has 1 to 1024 partitions");
    }
    if settings.max_record_bytes == 0 {
        return refuse("its records may have at least one byte");
    }
    Ok(())
}
