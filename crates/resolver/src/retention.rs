//! When resolved changes leave the log: a grace of days after they were committed, and never by age alone.
//!
//! What was committed when is remembered in memory only. A restart begins to count anew, which keeps changes longer
//! and never shorter.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tributary_stream::{Log, Result, TopicPartition};

/// How far apart two marks are taken.
const MARK_EVERY: Duration = Duration::from_secs(3600);

type Offsets = BTreeMap<TopicPartition, u64>;

/// Marks of what was committed when.
pub(crate) struct Retention {
    grace: Duration,
    latest: Offsets,
    marks: VecDeque<(Duration, Offsets)>,
}

impl Retention {
    pub(crate) fn new(grace: Duration) -> Self {
        Self { grace, latest: Offsets::new(), marks: VecDeque::new() }
    }

    /// Notes offsets that were committed at `now` (monotonic).
    pub(crate) fn committed(&mut self, now: Duration, offsets: &[(TopicPartition, u64)]) {
        for (at, next) in offsets {
            self.latest.insert(at.clone(), *next);
        }
        let due = self.marks.back().is_none_or(|(at, _)| now.saturating_sub(*at) >= MARK_EVERY);
        if due {
            self.marks.push_back((now, self.latest.clone()));
        }
    }

    /// Leaves a partition to whoever has it now.
    pub(crate) fn forget(&mut self, at: &TopicPartition) {
        self.latest.remove(at);
        for (_, offsets) in &mut self.marks {
            offsets.remove(at);
        }
    }

    /// What may go at `now`: everything before the newest mark that is older than the grace.
    fn due(&mut self, now: Duration) -> Offsets {
        let mut due = Offsets::new();
        while self.marks.front().is_some_and(|(at, _)| now.saturating_sub(*at) >= self.grace) {
            if let Some((_, offsets)) = self.marks.pop_front() {
                due = offsets;
            }
        }
        due
    }

    /// Deletes what may go.
    pub(crate) async fn delete_old(&mut self, log: &dyn Log, now: Duration) -> Result<()> {
        for (at, offset) in self.due(now) {
            log.delete_before(&at, offset).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_stream::TopicName;

    #[test]
    fn changes_go_after_their_grace_and_not_before() {
        let hour = MARK_EVERY;
        let at = TopicPartition::new(TopicName::new("t"), 0);
        let mut retention = Retention::new(3 * hour);
        retention.committed(Duration::ZERO, &[(at.clone(), 10)]);
        retention.committed(hour / 2, &[(at.clone(), 20)]);
        retention.committed(hour, &[(at.clone(), 30)]);
        assert_eq!(retention.due(3 * hour - Duration::from_secs(1)), Offsets::new());
        assert_eq!(retention.due(3 * hour), Offsets::from([(at.clone(), 10)]));
        assert_eq!(retention.due(3 * hour), Offsets::new(), "once");
        assert_eq!(retention.due(9 * hour), Offsets::from([(at, 30)]));
    }
}
