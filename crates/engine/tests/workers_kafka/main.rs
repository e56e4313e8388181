//! The cases of `workers` with a real broker and registry: the same services, the same faults.

#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(dead_code, reason = "some cases are for the embedded log alone")]

#[path = "../workers/cases/mod.rs"]
mod cases;
#[path = "../workers/faulty.rs"]
mod faulty;
#[path = "../workers/gate.rs"]
mod gate;
#[path = "../workers/stage.rs"]
mod stage;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tributary_stream::kafka::{Compression, KafkaLog, KafkaSettings, RegistrySettings, TlsSettings};
use tributary_stream::{Cleanup, Log, TopicLimits, TopicSettings, Topics};
use tributary_testkit::services::{self, Test, shared_broker, shared_registry};

/// A log of the shared broker's, with its identity under this prefix.
fn log(prefix: &str) -> Arc<dyn Log> {
    let limits = TopicLimits::default();
    let settings = KafkaSettings {
        brokers: vec![shared_broker().address()],
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
            name: Topics::new(prefix, "g").control(),
            partitions: 1,
            cleanup: Cleanup::Compact { delete_retention: limits.delete_retention },
            max_record_bytes: limits.max_record_bytes,
        },
        writes: true,
    };
    Arc::new(stage::block_on(KafkaLog::connect(settings)).unwrap())
}

macro_rules! tests {
    ($($part:ident { any: $($any:ident),*; embedded: $($embedded:ident),*; })+) => {
        vec![$($(Test::new(concat!(stringify!($part), "::", stringify!($any)), cases::$part::$any)),*),+]
    };
}

fn main() -> ExitCode {
    stage::GROUND.set(log).expect("nobody has begun");
    services::main(cases::all!(tests))
}
