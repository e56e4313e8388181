//! How long capture pauses between polls: hardly at all while changes come in, longer and longer when none do.

use std::time::Duration;

/// Pause after a poll that brought something, before the next look.
const SHORTEST: Duration = Duration::from_millis(1);

/// Pauses that grow while nothing happens, up to the poll interval.
#[derive(Debug)]
pub(crate) struct Cadence {
    longest: Duration,
    pause: Duration,
}

impl Cadence {
    pub(crate) fn new(longest: Duration) -> Self {
        Self { longest, pause: SHORTEST.min(longest) }
    }

    /// Whether nothing has happened for so long that pauses do not grow any more.
    pub(crate) fn is_longest(&self) -> bool {
        self.pause >= self.longest
    }

    /// The pause after a poll that brought something or nothing.
    pub(crate) fn next(&mut self, brought: bool) -> Duration {
        if brought {
            self.pause = SHORTEST.min(self.longest);
            return self.pause;
        }
        let pause = self.pause;
        // Half as long again: a member that has just fallen idle is still looked at often for a tenth of a second.
        self.pause = (self.pause + self.pause / 2).min(self.longest);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_interval_and_shrink_at_once() {
        let mut cadence = Cadence::new(Duration::from_millis(50));
        let pauses: Vec<_> = (0..20).map(|_| cadence.next(false)).collect();
        assert!(pauses.is_sorted());
        assert_eq!(pauses.last(), Some(&Duration::from_millis(50)));
        assert!(cadence.is_longest());
        assert_eq!(cadence.next(true), SHORTEST);
        assert!(!cadence.is_longest());
        let mut tight = Cadence::new(Duration::from_micros(100));
        assert_eq!(tight.next(false), Duration::from_micros(100));
    }
}
