//! Where a group's workers run: what of a process is there before its group can be opened.

use std::sync::Arc;
use tributary_runtime::supervisor::Settings;
use tributary_runtime::{Metrics, SharedClock, Supervisor, SystemClock};

/// Counters, clock and supervisor of a process. Clones are the same ones.
#[derive(Clone)]
pub struct Host {
    /// All that is counted.
    pub metrics: Metrics,
    /// The clock of all workers.
    pub clock: SharedClock,
    /// The workers.
    pub supervisor: Arc<Supervisor>,
}

impl Host {
    /// A process without workers, on this clock.
    pub fn new(clock: SharedClock) -> Self {
        let settings = Settings { clock: Arc::clone(&clock), ..Settings::default() };
        Self { metrics: Metrics::new("tributary"), clock, supervisor: Arc::new(Supervisor::new(settings)) }
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new(SystemClock::shared())
    }
}
