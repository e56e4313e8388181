//! The offset of a member's clock from the group's reference, and the corrected time of a change.
//!
//! Causality never depends on this: only true conflicts are settled by time.

use std::time::Duration;
use tributary_model::Ticks;
use tributary_model::time::TICKS_A_MILLISECOND;

/// What one measurement found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ClockOffset {
    /// Reference minus member, in ticks; 0 when it lies within the error.
    pub(crate) offset: Ticks,
    /// Half the round trip, in ticks, and never below the millisecond that databases and brokers tell time in.
    pub(crate) error: Ticks,
}

impl ClockOffset {
    /// From the member's clock, read between two readings of the reference.
    pub(crate) fn measure(before_ms: i64, member: Ticks, after_ms: i64, round_trip: Duration) -> Self {
        let half = i64::try_from(round_trip.as_nanos() / 200).unwrap_or(i64::MAX);
        let error = half.max(TICKS_A_MILLISECOND);
        let middle = (before_ms + (after_ms - before_ms) / 2).saturating_mul(TICKS_A_MILLISECOND);
        let offset = middle.saturating_sub(member);
        Self { offset: if offset.abs() <= error { 0 } else { offset }, error }
    }

    /// A member's time as the reference would have told it, never later than `now` by the reference (a clock that
    /// stands in the future cannot win for ever) as far as that is known: cut at `now` itself, changes of the last
    /// millisecond would lose their order.
    pub(crate) fn correct(&self, changed_at: Ticks, now: Ticks) -> Ticks {
        changed_at.saturating_add(self.offset).min(now.saturating_add(self.error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_ahead_is_set_back_and_never_beyond_now() {
        let second = 1000 * TICKS_A_MILLISECOND;
        let found = ClockOffset::measure(100_000, 160 * second, 100_000, Duration::from_millis(1));
        assert_eq!(found.offset, -60 * second);
        assert_eq!(found.correct(160 * second, 101 * second), 100 * second);
        assert_eq!(ClockOffset::default().correct(160 * second, 101 * second), 101 * second);
    }

    #[test]
    fn changes_of_the_last_moment_keep_their_order() {
        // The reference tells 100 s and three tenths of a millisecond as 100 s.
        let now = 100_000 * TICKS_A_MILLISECOND;
        let found = ClockOffset::measure(100_000, now + 3_000, 100_000, Duration::from_micros(20));
        assert_eq!(
            (found.correct(now + 1_000, now), found.correct(now + 2_000, now)),
            (now + 1_000, now + 2_000)
        );
        assert_eq!(found.correct(now + 60_000, now), now + TICKS_A_MILLISECOND);
    }

    #[test]
    fn differences_within_the_error_are_none() {
        let found = ClockOffset::measure(1000, 1000 * TICKS_A_MILLISECOND + 9_999, 1000, Duration::ZERO);
        assert_eq!(found.offset, 0);
        let slow = ClockOffset::measure(1000, 1040 * TICKS_A_MILLISECOND, 1000, Duration::from_millis(100));
        assert_eq!((slow.offset, slow.error), (0, 50 * TICKS_A_MILLISECOND));
    }
}
