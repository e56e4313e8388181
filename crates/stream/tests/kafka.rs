//! Kafka under the contract suite: a real broker and a real registry.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use async_trait::async_trait;
use std::collections::BTreeMap;
use std::time::Duration;
use tributary_stream::contract::Factory;
use tributary_stream::kafka::{Compression, KafkaLog, KafkaSettings, RegistrySettings, TlsSettings};
use tributary_stream::{Cleanup, TopicName, TopicSettings, log_contract};

fn settings() -> KafkaSettings {
    KafkaSettings {
        brokers: vec![std::env::var("KAFKA").unwrap_or("127.0.0.1:19092".to_owned())],
        registry: RegistrySettings {
            urls: vec!["http://127.0.0.1:18081/apis/ccompat/v7".to_owned()],
            basic: None,
            tls: TlsSettings::default(),
        },
        tls: None,
        sasl: None,
        compression: Compression::default(),
        replication: None,
        client_id: "contract".to_owned(),
        properties: BTreeMap::new(),
        timeout: Duration::from_secs(10),
        control: TopicSettings {
            name: TopicName::new("contract.control"),
            partitions: 1,
            cleanup: Cleanup::Compact { delete_retention: Duration::from_secs(3600) },
            max_record_bytes: 8 << 20,
        },
        writes: true,
    }
}

struct Broker;

#[async_trait(?Send)]
impl Factory for Broker {
    type Log = KafkaLog;

    async fn log(&self) -> KafkaLog {
        KafkaLog::connect(settings()).await.unwrap()
    }

    async fn reopen(&self, log: KafkaLog) -> Option<KafkaLog> {
        drop(log);
        Some(self.log().await)
    }

    async fn compact(&self, _: &KafkaLog, _: &TopicName) -> bool {
        false
    }

    fn advance_clock(&self, _: Duration) -> bool {
        false
    }
}

log_contract!(kafka, Broker);
