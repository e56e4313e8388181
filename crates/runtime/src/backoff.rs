//! Pauses that grow, as data.
//!
//! Says how long to wait before the next attempt, never whether there should be one, and does not wait itself.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;

/// How pauses grow: `first`, then `factor` times as long each, up to `most`, each shortened by a random part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    first: Duration,
    factor: f64,
    most: Duration,
    jitter: f64,
}

/// Why a [`Backoff`] cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BackoffError {
    /// A first pause of zero would make a busy loop.
    #[error("the first pause must be longer than zero")]
    ZeroFirst,
    /// The longest pause is shorter than the first.
    #[error("the longest pause ({most:?}) is shorter than the first ({first:?})")]
    MostBelowFirst {
        /// The first pause.
        first: Duration,
        /// The longest.
        most: Duration,
    },
    /// Pauses would shrink, or the factor is no number.
    #[error("the growth factor is {factor}, but must be a number of at least 1")]
    Factor {
        /// What was given.
        factor: f64,
    },
    /// Not a part of a pause.
    #[error("the jitter is {jitter}, but must lie between 0 and 1")]
    Jitter {
        /// What was given.
        jitter: f64,
    },
}

impl BackoffError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::ZeroFirst => "RUN-012",
            Self::MostBelowFirst { .. } => "RUN-013",
            Self::Factor { .. } => "RUN-014",
            Self::Jitter { .. } => "RUN-015",
        }
    }
}

impl Backoff {
    /// Checks the numbers. `jitter` is the greatest part of a pause by which it may be shortened: 0 for none, 0.2 for
    /// pauses of 80 to 100 %. Shortened, not lengthened, so that `most` holds.
    ///
    /// # Errors
    /// When a number makes no sense; see [`BackoffError`].
    pub fn new(first: Duration, factor: f64, most: Duration, jitter: f64) -> Result<Self, BackoffError> {
        if first.is_zero() {
            return Err(BackoffError::ZeroFirst);
        }
        if most < first {
            return Err(BackoffError::MostBelowFirst { first, most });
        }
        if !factor.is_finite() || factor < 1.0 {
            return Err(BackoffError::Factor { factor });
        }
        if !(0.0..=1.0).contains(&jitter) {
            return Err(BackoffError::Jitter { jitter });
        }
        Ok(Self { first, factor, most, jitter })
    }

    /// The pauses, with random jitter.
    #[must_use]
    pub fn pauses(&self) -> Pauses {
        Pauses { backoff: *self, base: self.first, random: SmallRng::from_os_rng() }
    }

    /// The pauses, always the same for the same seed.
    #[must_use]
    pub fn pauses_seeded(&self, seed: u64) -> Pauses {
        Pauses { backoff: *self, base: self.first, random: SmallRng::seed_from_u64(seed) }
    }
}

impl Default for Backoff {
    /// 200 ms, doubled each time up to 30 s, shortened by up to a fifth.
    fn default() -> Self {
        Self { first: Duration::from_millis(200), factor: 2.0, most: Duration::from_secs(30), jitter: 0.2 }
    }
}

/// The pauses of one worker: an iterator without end.
#[derive(Debug, Clone)]
pub struct Pauses {
    backoff: Backoff,
    base: Duration,
    random: SmallRng,
}

impl Pauses {
    /// Begins again with the first pause.
    pub fn reset(&mut self) {
        self.base = self.backoff.first;
    }

    /// The pause before the next attempt.
    pub fn next_pause(&mut self) -> Duration {
        let base = self.base;
        let grown = base.as_secs_f64() * self.backoff.factor;
        self.base =
            Duration::try_from_secs_f64(grown).map_or(self.backoff.most, |next| next.min(self.backoff.most));
        let part: f64 = self.random.random_range(0.0..=1.0);
        let shortened_by = base.as_secs_f64() * self.backoff.jitter * part;
        base.saturating_sub(Duration::try_from_secs_f64(shortened_by).unwrap_or(base))
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.next_pause())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn grows_to_the_longest_and_stays_there() {
        let backoff = Backoff::new(millis(10), 3.0, millis(100), 0.0).unwrap();
        let pauses: Vec<_> = backoff.pauses().take(5).collect();
        assert_eq!(pauses, [millis(10), millis(30), millis(90), millis(100), millis(100)]);
    }

    #[test]
    fn reset_begins_again() {
        let mut pauses = Backoff::new(millis(10), 2.0, millis(100), 0.0).unwrap().pauses();
        pauses.next_pause();
        pauses.next_pause();
        pauses.reset();
        assert_eq!(pauses.next_pause(), millis(10));
    }

    #[test]
    fn jitter_only_shortens_and_only_so_far() {
        let backoff = Backoff::new(millis(1_000), 1.0, millis(1_000), 0.25).unwrap();
        let pauses: Vec<_> = backoff.pauses_seeded(7).take(1_000).collect();
        assert!(pauses.iter().all(|pause| (millis(750)..=millis(1_000)).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause < millis(800)));
        assert!(pauses.iter().any(|pause| *pause > millis(950)));
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses() {
        let backoff = Backoff::default();
        let first: Vec<_> = backoff.pauses_seeded(42).take(20).collect();
        let second: Vec<_> = backoff.pauses_seeded(42).take(20).collect();
        let other: Vec<_> = backoff.pauses_seeded(43).take(20).collect();
        assert_eq!(first, second);
        assert_ne!(first, other);
    }

    #[test]
    fn the_longest_durations_do_not_overflow() {
        let mut pauses = Backoff::new(millis(1), 1e300, Duration::MAX, 0.0).unwrap().pauses();
        pauses.next_pause();
        assert_eq!(pauses.next_pause(), Duration::MAX);
    }

    #[test]
    fn refuses_numbers_that_make_no_sense() {
        let most = millis(100);
        assert_eq!(Backoff::new(Duration::ZERO, 2.0, most, 0.0), Err(BackoffError::ZeroFirst));
        assert!(matches!(
            Backoff::new(millis(101), 2.0, most, 0.0),
            Err(BackoffError::MostBelowFirst { .. })
        ));
        for factor in [0.5, f64::NAN, f64::INFINITY] {
            assert!(matches!(Backoff::new(millis(1), factor, most, 0.0), Err(BackoffError::Factor { .. })));
        }
        for jitter in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(Backoff::new(millis(1), 1.0, most, jitter), Err(BackoffError::Jitter { .. })));
        }
    }
}
