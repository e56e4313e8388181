//! A clock that runs like the machine's and can be moved on by days.

use std::sync::{Arc, Mutex};
use std::time::Duration;
use tributary_runtime::{Clock, SystemClock};

pub(crate) struct LeapingClock {
    inner: SystemClock,
    ahead: Mutex<Duration>,
}

impl LeapingClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { inner: SystemClock::new(), ahead: Mutex::default() })
    }

    /// Lets so much time pass at once.
    pub(crate) fn leap(&self, by: Duration) {
        *self.ahead.lock().unwrap() += by;
    }

    fn ahead(&self) -> Duration {
        *self.ahead.lock().unwrap()
    }
}

impl Clock for LeapingClock {
    fn now_ticks(&self) -> i64 {
        self.inner.now_ticks() + i64::try_from(self.ahead().as_nanos() / 100).unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic() + self.ahead()
    }
}
