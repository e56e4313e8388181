//! When waiting is over: all is there, or nothing will come of more waiting.

use std::time::Duration;
use tributary_group::progress::Progress;

/// What was refused is tried again at once when something it waited for has come; so long it may still go in.
const GRACE_FOR_REFUSED: Duration = Duration::from_secs(1);
/// How long nothing may move while something stands in the way that nobody here can mend.
const STANDING: Duration = Duration::from_secs(3);
/// How long nothing may move in any case.
const STILL: Duration = Duration::from_secs(60);

/// What one look came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All is there.
    InStep,
    /// This is in the way, and waiting would not help.
    Blocked(Vec<String>),
    /// Something has moved since the last look.
    Moved,
    /// Nothing has.
    Unmoved,
}

/// Looks at one reading after the other.
#[derive(Debug)]
pub(super) struct Judge {
    timeout: Option<Duration>,
    last: Option<(Progress, Duration)>,
}

impl Judge {
    /// Waits for `timeout` at most, or as long as anything moves.
    pub(super) fn new(timeout: Option<Duration>) -> Self {
        Self { timeout, last: None }
    }

    /// Judges a reading that was made after waiting for `waited`; `halted` tells of workers that gave up.
    pub(super) fn look(&mut self, read: &Progress, halted: Vec<String>, waited: Duration) -> Verdict {
        let refused = read
            .members
            .iter()
            .flat_map(|member| &member.tables)
            .any(|t| t.parked_apply + t.parked_capture > 0);
        if read.is_drained() && !refused && halted.is_empty() {
            return Verdict::InStep;
        }
        let moved = self.last.as_ref().is_none_or(|(last, _)| last != read);
        let since = match &self.last {
            Some((_, since)) if !moved => *since,
            _ => waited,
        };
        self.last = Some((read.clone(), since));
        let still = waited.saturating_sub(since);
        let stands = |member: &tributary_group::progress::MemberProgress| {
            member.trouble.is_some()
                || member.rests.is_some() && !member.removed
                || member.tables.iter().any(|table| table.stopped.is_some())
        };
        let stands = !halted.is_empty() || read.members.iter().any(stands);
        let patience = match (read.is_drained(), stands) {
            (_, true) => STANDING,
            (true, false) => GRACE_FOR_REFUSED,
            (false, false) => self.timeout.unwrap_or(STILL),
        };
        if still >= patience || self.timeout.is_some_and(|timeout| waited >= timeout) {
            return Verdict::Blocked(halted.into_iter().chain(read.blockers()).collect());
        }
        if moved { Verdict::Moved } else { Verdict::Unmoved }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_group::progress::{MemberProgress, TableProgress};
    use tributary_model::{MemberId, TableName};

    fn reading(unpublished: u64, parked_apply: u64, trouble: Option<&str>) -> Progress {
        let table = TableProgress {
            table: TableName::new("Customer"),
            stopped: None,
            refill: None,
            locked: false,
            unpublished,
            scan_done: true,
            unapplied: 0,
            parked_apply,
            parked_capture: 0,
        };
        let id = MemberId::new("hq").unwrap();
        let trouble = trouble.map(str::to_owned);
        let tables = if trouble.is_none() { vec![table] } else { Vec::new() };
        Progress {
            members: vec![MemberProgress { trouble, tables, ..MemberProgress::of(id) }],
            unresolved: 0,
        }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn it_waits_while_anything_moves_and_ends_in_step() {
        let mut judge = Judge::new(None);
        for second in 0..100 {
            assert_eq!(judge.look(&reading(200 - second, 0, None), vec![], at(second * 50)), Verdict::Moved);
        }
        assert_eq!(judge.look(&reading(0, 0, None), vec![], at(5_001)), Verdict::InStep);
    }

    #[test]
    fn it_gives_up_when_nothing_moves() {
        let mut judge = Judge::new(None);
        let read = reading(3, 0, None);
        assert_eq!(judge.look(&read, vec![], at(10)), Verdict::Moved);
        assert_eq!(judge.look(&read, vec![], at(69)), Verdict::Unmoved);
        let Verdict::Blocked(named) = judge.look(&read, vec![], at(70)) else { panic!("still waiting") };
        assert!(named[0].contains("3 changes of table Customer"), "{named:?}");
    }

    #[test]
    fn what_was_refused_is_named_after_a_moment() {
        let mut judge = Judge::new(Some(at(600)));
        let read = reading(0, 2, None);
        assert_eq!(judge.look(&read, vec![], at(0)), Verdict::Moved);
        assert!(
            matches!(judge.look(&read, vec![], at(1)), Verdict::Blocked(named) if named[0].contains("refused"))
        );
        let mut judge = Judge::new(None);
        assert_eq!(judge.look(&read, vec![], at(0)), Verdict::Moved);
        assert_eq!(judge.look(&reading(0, 0, None), vec![], at(0)), Verdict::InStep);
    }

    #[test]
    fn what_nobody_here_can_mend_is_not_waited_for() {
        let mut judge = Judge::new(None);
        let read = reading(0, 0, Some("there is no database"));
        assert_eq!(judge.look(&read, vec![], at(0)), Verdict::Moved);
        assert_eq!(judge.look(&read, vec![], at(2)), Verdict::Unmoved);
        assert!(matches!(judge.look(&read, vec![], at(3)), Verdict::Blocked(_)));
        let mut judge = Judge::new(None);
        let halted = || vec!["capture hq has halted: not provisioned".to_owned()];
        assert_eq!(judge.look(&reading(1, 0, None), halted(), at(0)), Verdict::Moved);
        let Verdict::Blocked(named) = judge.look(&reading(1, 0, None), halted(), at(3)) else {
            panic!("waiting")
        };
        assert!(named[0].starts_with("capture hq has halted"));
        let mut judge = Judge::new(None);
        assert_eq!(judge.look(&reading(0, 0, None), halted(), at(0)), Verdict::Moved);
        assert!(matches!(judge.look(&reading(0, 0, None), halted(), at(3)), Verdict::Blocked(_)));
    }

    #[test]
    fn a_timeout_ends_it_whatever_moves() {
        let mut judge = Judge::new(Some(at(5)));
        assert_eq!(judge.look(&reading(9, 0, None), vec![], at(4)), Verdict::Moved);
        assert!(matches!(judge.look(&reading(8, 0, None), vec![], at(5)), Verdict::Blocked(_)));
    }
}
