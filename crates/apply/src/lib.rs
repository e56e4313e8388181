//! Writes settled changes into a member.
//!
//! One worker a member. It decides how large a batch is, in which order topics are read and when parked records
//! are tried again; what becomes of a record is decided by `settle` inside the adapter's transaction, and offsets
//! live in the member, in the transaction that writes the rows.

mod aside;
mod batch_size;
mod error;
mod levels;
mod metrics;
mod nulls;
mod refill;
mod reinit;
mod retries;
mod token;
mod told;
mod worker;

pub use error::Error;
pub use metrics::ApplyMetrics;
pub use worker::{Apply, Settings};
