//! Settings for the shared services.

use std::collections::BTreeMap;
use std::time::Duration;
use tributary_stream::kafka::{Compression, KafkaSettings, RegistrySettings, TlsSettings};
use tributary_stream::{Cleanup, TopicName, TopicSettings};
use tributary_testkit::services::{shared_broker, shared_registry};

/// The shared broker and registry, under a control topic of this name.
pub fn settings(control: &str) -> KafkaSettings {
    settings_of(&shared_broker().address(), &shared_registry().url(), control)
}

/// Some broker and registry.
pub fn settings_of(broker: &str, registry: &str, control: &str) -> KafkaSettings {
    KafkaSettings {
        brokers: vec![broker.to_owned()],
        registry: RegistrySettings {
            urls: vec![registry.to_owned()],
            basic: None,
            tls: TlsSettings::default(),
        },
        tls: None,
        sasl: None,
        compression: Compression::default(),
        replication: None,
        client_id: "test".to_owned(),
        properties: BTreeMap::new(),
        timeout: Duration::from_secs(10),
        control: TopicSettings {
            name: TopicName::new(control),
            partitions: 1,
            cleanup: Cleanup::Compact { delete_retention: Duration::from_secs(3600) },
            max_record_bytes: 8 << 20,
        },
        writes: true,
    }
}
