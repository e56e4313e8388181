//! The log behind traits: topics, transactional producers, consumers, schemas.
//!
//! Decides nothing about rows or conflicts: keys and values are bytes here. The services are written against
//! [`Log`], [`Producer`] and [`Consumer`] alone, so that the embedded log (one SQLite file) and Apache Kafka can
//! stand behind them; [`contract`] is the suite that every implementation has to pass.

mod channel;
pub mod contract;
mod control;
pub mod embedded;
mod error;
mod exception;
mod follow;
pub mod kafka;
mod ledger;
mod log;
mod partition;
mod recapture;
mod record;
mod reference;
mod schemas;
mod topics;
mod trace;

pub use channel::{Channel, Channels, read_latest, single};
pub use control::{IncarnationNumber, Mark, MemberControl, MemberControls, Order, Reached, Said};
pub use error::{Disposition, Error};
pub use exception::{Settlement, Unusable};
pub use follow::{ControlFollower, SPEC_KEY};
pub use log::{
    Cleanup, Consumer, ConsumerSettings, GroupMetadata, Isolation, Log, LogId, OffsetRange, Polled, Producer,
    SchemaId, Start, TopicSettings,
};
pub use partition::partition_of;
pub use recapture::{LostRange, RecaptureOrder};
pub use record::{Headers, Incoming, Outgoing, TopicName, TopicPartition};
pub use reference::Reference;
pub use topics::{TopicLimits, Topics};
pub use trace::Trace;

/// What the calls of this crate return.
pub type Result<T> = std::result::Result<T, Error>;
