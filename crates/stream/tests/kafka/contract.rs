//! The contract suite against the shared broker.

use crate::support::settings;
use async_trait::async_trait;
use std::time::{Duration, Instant};
use tributary_stream::contract::Factory;
use tributary_stream::kafka::KafkaLog;
use tributary_stream::{Log as _, Outgoing, TopicName, log_contract};
use tributary_testkit::services::{Test, shared_broker};

const CONFIGS: &str = "kafka.admin.ConfigCommand";
const PATIENCE: Duration = Duration::from_secs(60);

pub fn tests() -> Vec<Test> {
    log_contract!(list Shared).into_iter().map(|(name, run)| Test::new(name, run)).collect()
}

struct Shared;

#[async_trait(?Send)]
impl Factory for Shared {
    type Log = KafkaLog;

    async fn log(&self) -> KafkaLog {
        KafkaLog::connect(settings("contract.control")).await.unwrap()
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
