//! The contract suite against the shared broker.

use crate::compacting;
use crate::support::settings;
use async_trait::async_trait;
use std::time::Duration;
use tributary_stream::contract::Factory;
use tributary_stream::kafka::KafkaLog;
use tributary_stream::{TopicName, log_contract};
use tributary_testkit::services::Test;

pub(crate) fn tests() -> Vec<Test> {
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

    async fn compact(&self, log: &KafkaLog, topic: &TopicName) {
        compacting::compact(log, topic).await;
    }

    const COMPACTION_APPENDS: bool = true;
    const MOVES_CLOCK: bool = false;

    fn advance_clock(&self, _: Duration) {}
}
