//! Orders the changes of each cell and settles conflicts.
//!
//! One worker, or several in as many processes, consume the `changes` topics, keep the last resolved record of every
//! cell of their partitions in a store on local disk ([`Store`]), and publish resolved records, conflict records and
//! the consumed offsets in one transaction. They decide nothing themselves: `settle` does. The store is a cache of the `resolved` topics and is rebuilt from them
//! whenever it is absent or behind.

mod batch;
mod error;
mod expiry;
mod ledger;
mod metrics;
mod partitions;
mod recovery;
mod retention;
mod session;
mod slot;
mod store;
mod worker;

pub use error::Error;
pub use expiry::Witness;
pub use metrics::ResolverMetrics;
pub use store::{CellStore, Store, StoreError};
pub use worker::{ReadProjections, Resolver, Settings};
