//! Publishes a member's own changes to the log.
//!
//! One worker a member publishes, others stand by. It decides when to poll, what one transaction of the log holds, and the times that changes
//! bear; it does not decide what a change is (triggers and adapter do) nor who wins (the resolver does).

mod cadence;
mod clock_offset;
mod election;
mod error;
mod held_back;
mod metrics;
mod page;
mod session;
mod statement;
mod worker;

pub use error::Error;
pub use metrics::CaptureMetrics;
pub use worker::{Capture, Settings};
