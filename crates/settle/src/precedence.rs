//! Who wins a conflict: one total order over two versions of a cell, in which the first difference decides.
//!
//! | step | decides |
//! |---|---|
//! | 1 | the reserved origin `operator` wins |
//! | 2 | a member of direction `publish` wins |
//! | 3 | a first-scan or restated change loses |
//! | 4 | the table's `delete_vs_update` |
//! | 5 | the table's policy |
//! | 6 | the members' priority |
//! | 7 | the later corrected time, unknown being oldest |
//! | 8 | the greater incarnation |
//! | 9 | the incoming change |
//!
//! Whether the two are in conflict at all is not decided here. The order does not depend on which of the two came
//! first but for `manual`, whose meaning that is, and for step 9, which only two changes of one incarnation reach:
//! there the incoming one is always the later.
//!
//! `merge_columns` has no versions a column yet and therefore falls back to `latest_wins` for the whole row; the
//! merge itself belongs into the resolver step, before this order is asked for the columns that both sides changed.

use crate::{DeleteVsUpdate, TableRules};
use std::cmp::Ordering;
use tributary_model::{Change, ChangeKind, Dot, Incarnation, OPERATOR, Policy, Reason, Resolved, Ticks};

/// What the order looks at in a version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Contender<'a> {
    dot: &'a Dot,
    kind: ChangeKind,
    effective_at: Option<Ticks>,
    is_delete: bool,
}

impl<'a> From<&'a Change> for Contender<'a> {
    fn from(change: &'a Change) -> Self {
        Self {
            dot: &change.dot,
            kind: change.kind,
            effective_at: change.effective_at,
            is_delete: change.is_delete(),
        }
    }
}

impl<'a> From<&'a Resolved> for Contender<'a> {
    fn from(record: &'a Resolved) -> Self {
        Self {
            dot: &record.winner,
            kind: record.kind,
            effective_at: record.effective_at,
            is_delete: record.row.is_none(),
        }
    }
}

/// Which of two versions wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Winner {
    /// The one that the state holds.
    Held,
    /// The change that came in.
    Incoming,
}

/// The winner of `held` and `incoming`, and the step that decided.
pub(crate) fn winner(rules: &TableRules, held: Contender<'_>, incoming: Contender<'_>) -> (Winner, Reason) {
    let steps = [
        (Reason::Operator, prefer(is_operator(held), is_operator(incoming))),
        (Reason::PublishMember, prefer(publishes(rules, held), publishes(rules, incoming))),
        (Reason::Unsure, prefer(is_sure(held), is_sure(incoming))),
        (Reason::DeleteVsUpdate, by_deletion(rules.delete_vs_update, held, incoming)),
        (Reason::Policy, by_policy(rules, held, incoming)),
        (Reason::MemberPriority, by_priority(rules, held, incoming)),
        (Reason::Time, by_time(held, incoming)),
        (Reason::Incarnation, by_incarnation(held, incoming)),
    ];
    for (reason, order) in steps {
        match order {
            Ordering::Greater => return (Winner::Held, reason),
            Ordering::Less => return (Winner::Incoming, reason),
            Ordering::Equal => {}
        }
    }
    (Winner::Incoming, Reason::Incoming)
}

/// The side for which the test holds is the greater.
fn prefer(held: bool, incoming: bool) -> Ordering {
    held.cmp(&incoming)
}

fn is_operator(side: Contender<'_>) -> bool {
    side.dot.incarnation.as_str() == OPERATOR
}

fn publishes(rules: &TableRules, side: Contender<'_>) -> bool {
    let member = side.dot.incarnation.member();
    rules.publish_members.iter().any(|publisher| publisher.as_str() == member)
}

fn is_sure(side: Contender<'_>) -> bool {
    match side.kind {
        ChangeKind::FirstScan | ChangeKind::Restated => false,
        ChangeKind::Live | ChangeKind::Restored | ChangeKind::Operator => true,
    }
}

fn by_deletion(rule: DeleteVsUpdate, held: Contender<'_>, incoming: Contender<'_>) -> Ordering {
    match rule {
        DeleteVsUpdate::ByPolicy => Ordering::Equal,
        DeleteVsUpdate::UpdateWins => prefer(!held.is_delete, !incoming.is_delete),
        DeleteVsUpdate::DeleteWins => prefer(held.is_delete, incoming.is_delete),
    }
}

fn by_policy(rules: &TableRules, held: Contender<'_>, incoming: Contender<'_>) -> Ordering {
    match rules.policy {
        Policy::LatestWins | Policy::MergeColumns => by_time(held, incoming),
        Policy::Priority => by_priority(rules, held, incoming),
        Policy::Manual => Ordering::Greater,
    }
}

fn by_priority(rules: &TableRules, held: Contender<'_>, incoming: Contender<'_>) -> Ordering {
    let rank = |side: Contender<'_>| {
        let member = side.dot.incarnation.member();
        rules.priority.iter().position(|listed| listed.as_str() == member).unwrap_or(usize::MAX)
    };
    // The lower rank is the greater side.
    rank(incoming).cmp(&rank(held))
}

fn by_time(held: Contender<'_>, incoming: Contender<'_>) -> Ordering {
    // `None` sorts before any time.
    held.effective_at.cmp(&incoming.effective_at)
}

fn by_incarnation(held: Contender<'_>, incoming: Contender<'_>) -> Ordering {
    // By number within a member, so that the tenth life comes after the second.
    let rank = |incarnation: &'_ Incarnation| incarnation.generation();
    let (held, incoming) = (&held.dot.incarnation, &incoming.dot.incarnation);
    held.member().cmp(incoming.member()).then_with(|| rank(held).cmp(&rank(incoming)))
}

#[cfg(test)]
mod tests;
