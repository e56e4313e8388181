//! The time, behind a trait, so that tests can set it.
//!
//! Wall time is counted in ticks of 100 ns since 1970-01-01T00:00Z (UTC, without leap seconds), the finest step that
//! every database we meet can store. Pauses and timeouts are not made here: they are tokio's.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How many ticks a second has.
pub const TICKS_PER_SECOND: i64 = 10_000_000;

/// A clock that all workers of a process share.
pub type SharedClock = Arc<dyn Clock>;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Wall time: 100 ns ticks since 1970-01-01T00:00Z (UTC). May jump in both directions.
    fn now_ticks(&self) -> i64;

    /// Time since some fixed moment of this process. Never goes back; says nothing about the date.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock. The one place that asks the system for the date.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    began: Instant,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    #[must_use]
    pub fn new() -> Self {
        Self { began: Instant::now() }
    }

    /// The same, ready to be shared.
    #[must_use]
    pub fn shared() -> SharedClock {
        Arc::new(Self::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now_ticks(&self) -> i64 {
        #[allow(clippy::disallowed_methods, reason = "this is the clock that everyone else is told to use")]
        let now = SystemTime::now();
        match now.duration_since(UNIX_EPOCH) {
            Ok(after) => ticks_of(after),
            // A machine whose clock stands before 1970: wrong, but no reason to stop.
            Err(before) => -ticks_of(before.duration()),
        }
    }

    fn monotonic(&self) -> Duration {
        self.began.elapsed()
    }
}

/// A clock that moves only when it is told to. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct ManualClock {
    time: Arc<Mutex<ManualTime>>,
}

#[derive(Debug, Default)]
struct ManualTime {
    ticks: i64,
    monotonic: Duration,
}

impl ManualClock {
    /// A clock that shows `ticks`, with monotonic time zero.
    #[must_use]
    pub fn at(ticks: i64) -> Self {
        Self { time: Arc::new(Mutex::new(ManualTime { ticks, monotonic: Duration::ZERO })) }
    }

    /// Sets the wall time, forwards or back. Monotonic time stays, as it does when an operator corrects a clock.
    pub fn set(&self, ticks: i64) {
        self.lock().ticks = ticks;
    }

    /// Lets `by` pass: both times move.
    pub fn advance(&self, by: Duration) {
        let mut time = self.lock();
        time.ticks = time.ticks.saturating_add(ticks_of(by));
        time.monotonic = time.monotonic.saturating_add(by);
    }

    /// This clock, ready to be shared.
    #[must_use]
    pub fn shared(&self) -> SharedClock {
        Arc::new(self.clone())
    }

    fn lock(&self) -> MutexGuard<'_, ManualTime> {
        // Every assignment under this lock is whole, so a panic elsewhere cannot leave it half done.
        self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now_ticks(&self) -> i64 {
        self.lock().ticks
    }

    fn monotonic(&self) -> Duration {
        self.lock().monotonic
    }
}

/// A duration in ticks, rounded down; the greatest value for durations beyond 29,000 years.
#[must_use]
pub fn ticks_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos() / 100).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_clock_shows_a_date_of_this_century_and_never_runs_back() {
        let clock = SystemClock::new();
        let year_2024 = 1_704_067_200 * TICKS_PER_SECOND;
        let year_2100 = 4_102_444_800 * TICKS_PER_SECOND;
        assert!((year_2024..year_2100).contains(&clock.now_ticks()));
        let earlier = clock.monotonic();
        assert!(clock.monotonic() >= earlier);
    }

    #[test]
    fn manual_clock_is_shared_by_its_clones() {
        let clock = ManualClock::at(5);
        let shared = clock.shared();
        clock.advance(Duration::from_micros(3));
        assert_eq!((shared.now_ticks(), shared.monotonic()), (35, Duration::from_micros(3)));
    }

    #[test]
    fn setting_the_wall_time_leaves_monotonic_time_alone() {
        let clock = ManualClock::at(1_000);
        clock.advance(Duration::from_secs(1));
        clock.set(-7);
        assert_eq!((clock.now_ticks(), clock.monotonic()), (-7, Duration::from_secs(1)));
    }

    #[test]
    fn ticks_round_down_and_saturate() {
        assert_eq!(ticks_of(Duration::from_nanos(199)), 1);
        assert_eq!(ticks_of(Duration::from_secs(1)), TICKS_PER_SECOND);
        assert_eq!(ticks_of(Duration::MAX), i64::MAX);
    }
}
