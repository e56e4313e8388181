//! The services that the tests share, settings for them, and what an administrator does to topics.

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ConfigSource, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;
use tributary_stream::contract::{PATIENCE, unique};
use tributary_stream::kafka::{Compression, KafkaLog, KafkaSettings, RegistrySettings, TlsSettings};
use tributary_stream::{Cleanup, TopicName, TopicSettings};
use tributary_testkit::services::{Broker, BrokerSettings, shared_registry};

/// Between two looks at whether something has happened.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// A broker for all tests that do it no harm. It compacts as soon as there is something to compact, and looks often
/// for transactions that have lasted too long.
pub(crate) fn broker() -> &'static Broker {
    static SHARED: OnceLock<Broker> = OnceLock::new();
    SHARED.get_or_init(|| {
        let properties = [
            ("log.cleaner.backoff.ms", "50"),
            ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "500"),
        ];
        Broker::start(BrokerSettings { properties: owned(&properties), ..BrokerSettings::default() })
    })
}

/// Properties as [`BrokerSettings`] takes them.
pub(crate) fn owned(properties: &[(&str, &str)]) -> Vec<(String, String)> {
    properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A log of its own on the shared broker.
pub(crate) async fn log() -> KafkaLog {
    KafkaLog::connect(settings(&unique("control"))).await.unwrap()
}

/// The shared broker and registry, under a control topic of this name.
pub(crate) fn settings(control: &str) -> KafkaSettings {
    settings_of(&broker().address(), control)
}

/// Some broker and the shared registry.
pub(crate) fn settings_of(brokers: &str, control: &str) -> KafkaSettings {
    KafkaSettings {
        brokers: brokers.split(',').map(str::to_owned).collect(),
        registry: RegistrySettings {
            urls: vec![shared_registry().url()],
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

/// An administrator of a broker.
pub(crate) struct Administrator(AdminClient<DefaultClientContext>);

impl Administrator {
    pub(crate) fn of(address: &str) -> Self {
        Self(ClientConfig::new().set("bootstrap.servers", address).create().unwrap())
    }

    /// Changes some of a topic's settings.
    pub(crate) async fn alter(&self, topic: &TopicName, settings: &[(&str, &str)]) {
        let resource = ResourceSpecifier::Topic(topic.as_str());
        let described = self.0.describe_configs([&resource], &options()).await.unwrap().remove(0).unwrap();
        // The request sets everything back that it does not name.
        let own = described.entries.iter().filter(|entry| entry.source == ConfigSource::DynamicTopic);
        let own = own.filter_map(|entry| Some((entry.name.as_str(), entry.value.as_deref()?)));
        let request = own
            .chain(settings.iter().copied())
            .fold(AlterConfig::new(ResourceSpecifier::Topic(topic.as_str())), |request, (name, value)| {
                request.set(name, value)
            });
        self.0.alter_configs([&request], &options()).await.unwrap().remove(0).unwrap();
    }

    /// Deletes a topic.
    pub(crate) async fn delete(&self, topic: &TopicName) {
        self.0.delete_topics(&[topic.as_str()], &options()).await.unwrap().remove(0).unwrap();
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(PATIENCE)).operation_timeout(Some(PATIENCE))
}
