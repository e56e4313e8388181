//! Publishes a member's own changes to the log.
//!
//! One worker a member. It decides when to poll, what one transaction of the log holds, and the times that changes
//! bear; it does not decide what a change is (triggers and adapter do) nor who wins (the resolver does).

mod cadence;
mod clock_offset;
mod error;
mod metrics;
mod worker;

pub use error::Error;
pub use metrics::CaptureMetrics;
pub use worker::{Capture, Settings};
