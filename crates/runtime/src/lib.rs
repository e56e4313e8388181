//! Supervision, backoff, clock, tracing set-up, metrics registry, health server. No domain words.
//!
//! A program here is a handful of *workers*. Each is one thread with its own single-threaded tokio runtime, so that
//! what it calls may block, its futures need not be `Send`, and the trouble of one never reaches another. The
//! [`Supervisor`] starts, restarts and stops them; everything else in this crate is what workers share.

pub mod backoff;
pub mod chain;
pub mod clock;
pub mod logging;
pub mod metrics;
pub mod server;
pub mod stop;
pub mod supervisor;
pub mod waits;

pub use backoff::{Backoff, Pauses};
pub use chain::Chain;
pub use clock::{Clock, ManualClock, SharedClock, SystemClock, TICKS_PER_SECOND};
pub use metrics::Metrics;
pub use stop::{Stop, wait_for_signal};
pub use supervisor::{Advice, Board, Failure, Heartbeat, State, Supervisor, WorkerStatus};
pub use waits::Waits;
