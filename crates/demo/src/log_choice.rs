//! Which log a story or a measurement runs on.
//!
//! Writes the part of the group file that says so. In Kafka every run is a group of its own name, since its topics
//! stay there when it is over.

use std::fmt::Write as _;
use uuid::Uuid;

/// The log of a group that lives for one run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LogChoice {
    /// A file beside the members.
    #[default]
    Embedded,
    /// Apache Kafka without credentials, and its registry.
    Kafka {
        /// Addresses of brokers, as `host:port`.
        brokers: Vec<String>,
        /// Address of the registry.
        registry: String,
    },
}

impl LogChoice {
    /// The lines `group:` and `log:` of a group file; `file` is the embedded log's.
    pub(crate) fn header(&self, group: &str, file: &str) -> String {
        match self {
            Self::Embedded => format!("group: {group}\nlog:\n  embedded: {file}\n"),
            Self::Kafka { brokers, registry } => {
                let id = Uuid::new_v4().simple().to_string();
                let mut listed = String::new();
                for broker in brokers {
                    let comma = if listed.is_empty() { "" } else { ", " };
                    let _ = write!(listed, "{comma}\"{broker}\"");
                }
                format!(
                    "group: {group}-{}\nlog:\n  kafka:\n    brokers: [{listed}]\n    registry: \"{registry}\"\n",
                    &id[..8]
                )
            }
        }
    }

    /// What it is, for people.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded log",
            Self::Kafka { .. } => "Kafka",
        }
    }
}
