//! Puts one process of a group together: log, members, spec, services, supervisor.
//!
//! Wiring only, shared by the command line, the quickstart and the benchmark: it decides which workers run and what
//! they are given, not what they do.

mod clients;
mod engine;
mod error;
mod hand_in;
mod host;
mod log;
mod members;
mod opening;
mod rest;
mod seat;
mod tables;
mod watch;
mod workers;

pub use engine::{Engine, Options};
pub use error::EngineError;
pub use host::Host;
pub use log::OpenLog;
pub use members::{Opening, Provisioned, connector, inspect_all, provision_all};
pub use opening::{OPENING, open_patiently};
pub use watch::WATCH;
pub use workers::Roles;
