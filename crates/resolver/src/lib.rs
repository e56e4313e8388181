//! Orders the changes of each cell and settles conflicts.
//!
//! One worker consumes the `changes` topics, keeps the last resolved record of every cell in a store on local disk
//! ([`Store`]), and publishes resolved records, conflict records and the consumed offsets in one transaction. It
//! decides nothing itself: `settle` does. The store is a cache of the `resolved` topics and is rebuilt from them
//! whenever it is absent or behind.

mod batch;
mod error;
mod metrics;
mod recovery;
mod retention;
mod store;
mod worker;

pub use error::Error;
pub use metrics::ResolverMetrics;
pub use store::{CellStore, Store, StoreError};
pub use worker::{Resolver, Settings};
