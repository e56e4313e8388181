//! The group's reference clock between two readings of it.
//!
//! Asking the log for its time costs a round trip, and the machine's own wall clock may be off by hours. So a reading
//! is carried on by the machine's monotonic clock, which is right over minutes.

use std::time::Duration;
use tributary_model::Ticks;
use tributary_model::time::TICKS_A_MILLISECOND;

/// A reading of the reference clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    ticks: Ticks,
    at: Duration,
}

impl Reference {
    /// The log said `ms` when the monotonic clock stood at `at`.
    pub fn new(ms: i64, at: Duration) -> Self {
        Self { ticks: ms.saturating_mul(TICKS_A_MILLISECOND), at }
    }

    /// The reference's time when the monotonic clock stands at `now`.
    pub fn ticks_at(&self, now: Duration) -> Ticks {
        let since = now.saturating_sub(self.at).as_nanos() / 100;
        self.ticks.saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
    }

    /// How old the reading is.
    pub fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_is_carried_on() {
        let reading = Reference::new(5_000, Duration::from_secs(100));
        assert_eq!(reading.ticks_at(Duration::from_secs(100)), 5_000 * TICKS_A_MILLISECOND);
        assert_eq!(reading.ticks_at(Duration::from_millis(101_500)), 6_500 * TICKS_A_MILLISECOND);
        assert_eq!(reading.age(Duration::from_secs(103)), Duration::from_secs(3));
        assert_eq!(Reference::new(i64::MAX, Duration::ZERO).ticks_at(Duration::MAX), Ticks::MAX);
    }
}
