//! When capture says how far its member's changes are known: the half of tombstone expiry that only capture can give.
//!
//! A delete may be forgotten once nobody can bring an older row of the same key to the resolver. Apply says how far it
//! is; whatever the member changed before it got there has been published when capture has looked at everything once
//! more. So: note what apply has reached, finish a look that leaves nothing behind, say what was noted. Which members
//! have to say so, and when a delete is old enough, is the resolver's to decide.

use std::time::Duration;
use tributary_stream::{MemberControl, Reached};

/// What is noted and what was said last.
#[derive(Debug, Default)]
pub(crate) struct Statement {
    /// What apply had reached, and when that was noted.
    noted: Option<(Reached, Duration)>,
    /// What the control topic says that was said last.
    said: Reached,
    /// Nothing is noted before this time.
    next_at: Duration,
}

impl Statement {
    /// Before a look: notes what apply has reached, if that is news.
    pub(crate) fn note(&mut self, control: &MemberControl, now: Duration, every: Duration) {
        // At every round, where nearly always nothing is new.
        if self.said != control.captured {
            self.said.clone_from(&control.captured);
        }
        if self.noted.is_none() && now >= self.next_at && control.applied != control.captured {
            self.noted = Some((control.applied.clone(), now));
            self.next_at = now + every;
        }
    }

    /// When something was noted that is to be said.
    pub(crate) fn noted_at(&self) -> Option<Duration> {
        self.noted.as_ref().map(|(_, at)| *at)
    }

    /// After a look that left nothing behind in these topics' tables: what to say, if it is news. `now` is later than
    /// the note.
    pub(crate) fn make(&mut self, topics: &[&str], now: Duration) -> Option<Reached> {
        let (noted, at) = self.noted.take()?;
        debug_assert!(at <= now, "looked before it was noted");
        let mut reached = self.said.clone();
        for (topic, partitions) in noted {
            if topics.contains(&topic.as_str()) {
                reached.insert(topic, partitions);
            }
        }
        (reached != self.said).then_some(reached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(60);

    fn reached(topic: &str, next: u64) -> Reached {
        [(topic.to_owned(), [(0, next)].into())].into()
    }

    fn control(applied: Reached, captured: Reached) -> MemberControl {
        MemberControl { applied, captured, ..MemberControl::default() }
    }

    #[test]
    fn what_is_said_is_what_was_noted_before_the_look() {
        let mut statement = Statement::default();
        statement.note(&control(reached("a", 5), Reached::new()), Duration::ZERO, EVERY);
        // Apply goes on during the look.
        statement.note(&control(reached("a", 9), Reached::new()), Duration::from_secs(1), EVERY);
        assert_eq!(statement.make(&["a"], Duration::from_secs(2)), Some(reached("a", 5)));
        assert_eq!(statement.noted_at(), None);
        statement.note(&control(reached("a", 9), reached("a", 5)), Duration::from_secs(3), EVERY);
        assert_eq!(statement.noted_at(), None, "not so soon again");
        statement.note(&control(reached("a", 9), reached("a", 5)), EVERY, EVERY);
        assert_eq!(statement.make(&["a"], EVERY), Some(reached("a", 9)));
    }

    #[test]
    fn an_idle_member_says_nothing_again_and_a_table_that_stands_still_is_left_out() {
        let mut statement = Statement::default();
        statement.note(&control(reached("a", 5), reached("a", 5)), Duration::ZERO, EVERY);
        assert_eq!(statement.noted_at(), None);
        statement.note(&control(reached("b", 5), reached("a", 5)), Duration::ZERO, EVERY);
        assert_eq!(statement.make(&["a"], Duration::ZERO), None);
    }
}
