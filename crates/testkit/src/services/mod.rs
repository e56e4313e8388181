//! Real parts for tests: an Apache Kafka broker, a cluster of three, a schema registry, and a PostgreSQL server, as
//! processes of this machine on free ports with their data in temporary folders.
//!
//! The programs are those of `scripts/services.sh`, from the same cache. A process lives no longer than the value
//! that stands for it, nor than the test's own process, however that ends; its folder goes with it.
//!
//! Whether what is needed is here is asked by [`main`], the entry of every test binary that uses services: what
//! cannot run is listed as ignored, with the command that would install what is missing.

mod broker;
mod certificates;
mod clock;
mod cluster;
mod connect;
mod front;
mod harness;
mod http;
mod needs;
mod ports;
mod postgres;
mod process;
mod programs;
mod properties;
mod python;
mod registry;
mod tmpfs;
mod tokens;

pub use broker::{Broker, BrokerSettings};
pub use certificates::{Certificates, Identity};
pub use clock::SteppingClock;
pub use cluster::Cluster;
pub use connect::Connect;
pub use front::Front;
pub use harness::{Test, main};
pub use needs::{Need, mssql_url};
pub use postgres::{Postgres, PostgresSettings};
pub use programs::kafka_tool;
pub use properties::{Listener, Security};
pub use python::python;
pub use registry::{Registry, RegistrySettings};
pub use tmpfs::Tmpfs;
pub use tokens::Tokens;

use std::sync::OnceLock;

/// One broker with the usual settings for all tests of a binary; the first who asks starts it. Tests keep apart by
/// the names of their groups and topics.
pub fn shared_broker() -> &'static Broker {
    static SHARED: OnceLock<Broker> = OnceLock::new();
    SHARED.get_or_init(|| Broker::start(BrokerSettings::default()))
}

/// One registry for all tests of a binary; the first who asks starts it.
pub fn shared_registry() -> &'static Registry {
    static SHARED: OnceLock<Registry> = OnceLock::new();
    SHARED.get_or_init(|| Registry::start(RegistrySettings::default()))
}

/// One PostgreSQL server for all tests of a binary; the first who asks starts it. Tests keep apart by databases.
pub fn shared_postgres() -> &'static Postgres {
    static SHARED: OnceLock<Postgres> = OnceLock::new();
    SHARED.get_or_init(|| Postgres::start(PostgresSettings::default()))
}
