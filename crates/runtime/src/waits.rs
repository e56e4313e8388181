//! How long a worker waits for records before it looks at the rest of its duties.
//!
//! Records end a wait, so its length costs them nothing. It says how soon a table that was altered, an order of an
//! operator's or a retry that is due is noticed: soon while something happens, within a second after it has been quiet.

use std::time::Duration;

/// The wait while something happens.
const SHORT: Duration = Duration::from_millis(200);
/// The wait when nothing has happened for a while.
const LONG: Duration = Duration::from_secs(1);
/// So many short waits in vain are a while.
const WHILE: u32 = 25;

/// The waits of one worker.
#[derive(Debug, Clone, Default)]
pub struct Waits {
    in_vain: u32,
}

impl Waits {
    /// The longest that the next wait may take.
    #[must_use]
    pub fn next(&self) -> Duration {
        if self.in_vain < WHILE { SHORT } else { LONG }
    }

    /// Takes note of whether a wait brought something.
    pub fn note(&mut self, brought: bool) {
        self.in_vain = if brought { 0 } else { self.in_vain.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_long_after_a_while_and_short_as_soon_as_something_comes() {
        let mut waits = Waits::default();
        for _ in 0..WHILE {
            assert_eq!(waits.next(), SHORT);
            waits.note(false);
        }
        assert_eq!(waits.next(), LONG);
        waits.note(true);
        assert_eq!(waits.next(), SHORT);
    }
}
