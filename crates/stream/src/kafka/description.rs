//! A topic's settings in Kafka's words: what a new one gets, and whether one that is there will do.

use crate::{Cleanup, Error, Result, TopicName, TopicSettings};
use rdkafka::admin::ConfigResource;
use std::time::Duration;

/// What Kafka counts of a record that we do not: headers of batch and record, lengths. `max.message.bytes` is larger
/// than our limit by so much.
const OVERHEAD: usize = 4096;

/// A topic's settings in Kafka's words.
pub(super) fn configuration(settings: &TopicSettings) -> [(&'static str, String); 5] {
    let limit = ("max.message.bytes", (settings.max_record_bytes + OVERHEAD).to_string());
    // The brokers' clock is the group's reference, and a writer's that is far off would be refused.
    let times = ("message.timestamp.type", "LogAppendTime".to_owned());
    match settings.cleanup {
        Cleanup::Compact { delete_retention } => [
            ("cleanup.policy", "compact".to_owned()),
            ("delete.retention.ms", delete_retention.as_millis().to_string()),
            ("retention.ms", "-1".to_owned()),
            limit,
            times,
        ],
        Cleanup::Keep => [
            ("cleanup.policy", "delete".to_owned()),
            ("retention.ms", "-1".to_owned()),
            ("retention.bytes", "-1".to_owned()),
            limit,
            times,
        ],
    }
}

/// A topic as it is.
pub(super) struct Described {
    pub(super) wanted: TopicSettings,
    pub(super) policy: String,
    retention_ms: String,
    retention_bytes: String,
    timestamp_type: String,
}

impl Described {
    pub(super) fn of(topic: &TopicName, partitions: u32, resource: &ConfigResource) -> Self {
        let value = |name: &str| resource.get(name).and_then(|entry| entry.value.clone()).unwrap_or_default();
        let policy = value("cleanup.policy");
        let cleanup = if policy.split(',').any(|part| part.trim() == "compact") {
            let retention = value("delete.retention.ms").parse().unwrap_or(0);
            Cleanup::Compact { delete_retention: Duration::from_millis(retention) }
        } else {
            Cleanup::Keep
        };
        let limit: usize = value("max.message.bytes").parse().unwrap_or(0);
        Self {
            wanted: TopicSettings {
                name: topic.clone(),
                partitions,
                cleanup,
                max_record_bytes: limit.saturating_sub(OVERHEAD),
            },
            policy,
            retention_ms: value("retention.ms"),
            retention_bytes: value("retention.bytes"),
            timestamp_type: value("message.timestamp.type"),
        }
    }

    /// Whether it can be used as `settings` wants it.
    pub(super) fn check(&self, settings: &TopicSettings) -> Result<()> {
        let mismatch = |setting: &'static str, expected: &str, actual: &str| {
            let (expected, actual) = (expected.to_owned(), actual.to_owned());
            Err(Error::TopicMismatch { topic: settings.name.clone(), setting, expected, actual })
        };
        let (expected, actual) = (settings.partitions.to_string(), self.wanted.partitions.to_string());
        if expected != actual {
            return mismatch("partitions", &expected, &actual);
        }
        match (settings.cleanup, self.policy.as_str()) {
            (Cleanup::Compact { delete_retention }, "compact") => {
                if let Cleanup::Compact { delete_retention: actual } = self.wanted.cleanup
                    && actual < delete_retention
                {
                    let (expected, actual) = (delete_retention.as_millis(), actual.as_millis());
                    return mismatch(
                        "delete.retention.ms",
                        &format!("at least {expected}"),
                        &actual.to_string(),
                    );
                }
            }
            (Cleanup::Keep, "delete") => {
                let kept = [("retention.ms", &self.retention_ms), ("retention.bytes", &self.retention_bytes)];
                for (setting, actual) in kept {
                    if actual != "-1" {
                        return mismatch(setting, "-1 (no limit)", actual);
                    }
                }
            }
            (Cleanup::Compact { .. }, other) => return mismatch("cleanup.policy", "compact", other),
            (Cleanup::Keep, other) => return mismatch("cleanup.policy", "delete", other),
        }
        if self.wanted.max_record_bytes < settings.max_record_bytes {
            let expected = format!("at least {}", settings.max_record_bytes + OVERHEAD);
            let actual = (self.wanted.max_record_bytes + OVERHEAD).to_string();
            return mismatch("max.message.bytes", &expected, &actual);
        }
        if self.timestamp_type != "LogAppendTime" {
            return mismatch("message.timestamp.type", "LogAppendTime", &self.timestamp_type);
        }
        Ok(())
    }
}
