//! The rules as they run in production: the resolver step and the apply decision.
//!
//! Decides what a change does to a cell's state and what a record does to a member's copy. Does not read, write or
//! order anything: the resolver is the sequencer of each cell, apply holds the member's locks.
//!
//! What a member lacks of a row, columns or precision, is taken over from the other side before anything is compared;
//! how, is `columns`'.

use crate::columns::{Both, both, completed, leaves};
use crate::precedence::{self, Contender, Winner};
use crate::{Decision, Drop, LocalState, Resolution, Rules, Step, Violation};
use tributary_model::{
    Change, ChangeKind, ConflictId, ConflictKind, ConflictRecord, ConflictState, Policy, Reason, Resolved,
    Row, Settled, Side, VersionVector,
};

/// The protocol as it stands: every method of [`Rules`] as provided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Standard;

impl Rules for Standard {}

pub(crate) fn on_top(state: &Resolved, change: &Change) -> bool {
    state.content.iter().any(|image| image.is_within_joined(&change.seen, &change.dot))
}

/// A row that the first scan has passed and apply cannot tell from one that was written past the triggers: it bears a
/// version of its own, and has seen the scan's. If the scan had it, that is what it is.
pub(crate) fn is_known(state: &Resolved, change: &Change) -> bool {
    change.kind == ChangeKind::FirstScan && !change.seen.is_empty() && change.seen.is_within(&state.vv)
}

pub(crate) fn resolve<R: Rules + ?Sized>(
    rules: &R,
    step: Step<'_>,
    state: Option<&Resolved>,
    change: &Change,
) -> Resolution {
    if let Some(dismissed) = dismiss(state, change) {
        return dismissed;
    }
    let Some(held) = state else {
        // A change that meets an empty cell is a fast-forward, whatever it has seen.
        return publish(
            won_by(change, change.row.clone(), joined(None, change), Settled::FastForward, None),
            None,
        );
    };
    if let Some(violation) = state_behind(held, change) {
        return Resolution::Violated(violation);
    }
    let on_top = rules.on_top(held, change);
    let row = || completed(rules, step.rules, held.row.as_ref(), change);
    if rules.is_known(held, change) && (!on_top || leaves(row().as_ref(), held.row.as_ref())) {
        return publish(known(held, change, on_top), None);
    }
    if !on_top {
        return concurrent(rules, step, held, change, None);
    }
    let restored = change.kind == ChangeKind::Restored && !change.is_delete() && held.row.is_none();
    let conflict = restored.then(|| {
        let verdict = (ConflictKind::BlockedDelete, Reason::Restored);
        conflict_record(step, verdict, side_of_change(change), side_of_state(held))
    });
    let vv = joined(Some(held), change);
    publish(won_by(change, row(), vv, Settled::FastForward, None), conflict)
}

pub(crate) fn resolve_expired<R: Rules + ?Sized>(
    rules: &R,
    step: Step<'_>,
    state: &Resolved,
    change: &Change,
) -> Resolution {
    match dismiss(Some(state), change) {
        Some(dismissed) => dismissed,
        None => concurrent(rules, step, state, change, Some(ConflictKind::Expired)),
    }
}

pub(crate) fn decide(record: &Resolved, local: &LocalState) -> Decision {
    if record.vv.is_within(&local.seen) {
        return Decision::AlreadyThere;
    }
    let stands = match &local.local {
        Some(dot) if dot.version > record.vv.get(&dot.incarnation) => return Decision::LocalIsNewer,
        Some(dot) => record.content.iter().any(|image| image.is_exactly(dot)),
        None => record.content.iter().any(|image| image.is_within(&local.seen)),
    };
    if stands { Decision::SameContent } else { Decision::Write }
}

pub(crate) fn seen_after_write(record: &Resolved, local: &LocalState) -> VersionVector {
    let mut seen = local.seen.clone();
    seen.join(&record.vv);
    seen
}

/// What is settled before the contents are looked at: versions used twice, duplicates, outdated commands.
fn dismiss(state: Option<&Resolved>, change: &Change) -> Option<Resolution> {
    let dot = &change.dot;
    if let Some(held) = state {
        // Version 1 stands for a row that was there before, whose time is made up by whoever scans it.
        if held.winner == *dot && held.changed_at != change.changed_at && dot.version != 1 {
            return Some(Resolution::Violated(Violation::VersionUsedTwice { dot: dot.clone() }));
        }
        if dot.version <= held.vv.get(&dot.incarnation) {
            return Some(Resolution::Dropped(Drop::Duplicate));
        }
    }
    let current = match state {
        Some(held) => change.seen == held.vv,
        None => change.seen.is_empty(),
    };
    let outdated = change.kind == ChangeKind::Operator && !current;
    outdated.then_some(Resolution::Dropped(Drop::OutdatedCommand))
}

/// I8. Between incarnations of one member it proves nothing: an edit that replaces an earlier life's change before
/// that is published has seen it all the same, and the resolver never hears of it.
fn state_behind(held: &Resolved, change: &Change) -> Option<Violation> {
    let member = change.dot.incarnation.member();
    let ahead = change
        .seen
        .iter()
        .find(|(incarnation, seen)| incarnation.member() != member && *seen > held.vv.get(incarnation));
    ahead.map(|(incarnation, seen)| Violation::StateBehind {
        incarnation: incarnation.clone(),
        seen,
        held: held.vv.get(incarnation),
    })
}

/// Neither was made on top of the other.
fn concurrent<R: Rules + ?Sized>(
    rules: &R,
    step: Step<'_>,
    held: &Resolved,
    change: &Change,
    kind: Option<ConflictKind>,
) -> Resolution {
    let Both { change: ours, state: theirs } = both(rules, step.rules, held, change);
    let vv = joined(Some(held), change);
    let (winner, reason) = precedence::winner(step.rules, Contender::from(held), Contender::from(change));
    if ours == theirs {
        if theirs != held.row {
            return publish(won_by(change, ours, vv, Settled::Completed, None), None);
        }
        return publish(agreed(held, change, winner, vv), None);
    }
    let policy = (reason == Reason::Policy).then_some(step.rules.policy);
    let kind = kind.unwrap_or_else(|| {
        let initial = held.kind == ChangeKind::FirstScan && change.kind == ChangeKind::FirstScan;
        if initial { ConflictKind::Initial } else { ConflictKind::Concurrent }
    });
    let (incoming, standing) = (side_of_change(change), side_of_state(held));
    let (record, winning, losing) = match winner {
        Winner::Incoming => (won_by(change, ours, vv, Settled::Conflict, policy), incoming, standing),
        Winner::Held => {
            let merged = theirs != held.row;
            let content = if merged { merge(held, change) } else { held.content.clone() };
            let record = Resolved {
                vv,
                content,
                winner: held.winner.clone(),
                kind: held.kind,
                changed_at: held.changed_at,
                effective_at: held.effective_at,
                row: theirs,
                settled: Settled::Conflict,
                policy,
            };
            (record, standing, incoming)
        }
    };
    publish(record, Some(conflict_record(step, (kind, reason), winning, losing)))
}

/// The same content twice: it now stands for both images, and bears the name of the one that the policy prefers,
/// or else the order of the scans would pick later winners.
fn agreed(held: &Resolved, change: &Change, preferred: Winner, vv: VersionVector) -> Resolved {
    let mut content = Vec::with_capacity(held.content.len() + 1);
    content.extend(held.content.iter().cloned());
    content.push(VersionVector::of(&change.dot));
    let (winner, kind, changed_at, effective_at) = match preferred {
        Winner::Held => (&held.winner, held.kind, held.changed_at, held.effective_at),
        Winner::Incoming => (&change.dot, change.kind, change.changed_at, change.effective_at),
    };
    Resolved {
        vv,
        content,
        winner: winner.clone(),
        kind,
        changed_at,
        effective_at,
        row: held.row.clone(),
        settled: Settled::Agreed,
        policy: None,
    }
}

/// What was settled of the scan's row holds for the same row under its other name. Where it stands, the content learns
/// of that name, and keeps the first one: others may have edited on top of it.
fn known(held: &Resolved, change: &Change, stands: bool) -> Resolved {
    let mut content = held.content.clone();
    content.extend(stands.then(|| VersionVector::of(&change.dot)));
    Resolved { vv: joined(Some(held), change), content, settled: Settled::Agreed, ..held.clone() }
}

fn won_by(
    change: &Change,
    row: Option<Row>,
    vv: VersionVector,
    settled: Settled,
    policy: Option<Policy>,
) -> Resolved {
    Resolved {
        vv,
        content: vec![VersionVector::of(&change.dot)],
        winner: change.dot.clone(),
        kind: change.kind,
        changed_at: change.changed_at,
        effective_at: change.effective_at,
        row,
        settled,
        policy,
    }
}

/// The content of a row that R's winner keeps but for what only `change` has of it.
fn merge(held: &Resolved, change: &Change) -> Vec<VersionVector> {
    let mut content: Vec<VersionVector> = Vec::with_capacity(held.content.len());
    for image in &held.content {
        let merged = image.with(&change.dot);
        if !content.contains(&merged) {
            content.push(merged);
        }
    }
    content
}

/// `R'.vv = max(R.vv, s, {m: v})`.
fn joined(held: Option<&Resolved>, change: &Change) -> VersionVector {
    let mut vv = held.map_or_else(VersionVector::new, |held| held.vv.clone());
    vv.join(&change.seen);
    vv.raise(&change.dot.incarnation, change.dot.version);
    vv
}

/// The record bears each side as it was written, not as completed from the other: what is put back from it must not
/// carry the winner's columns as if the loser had set them.
fn conflict_record(
    step: Step<'_>,
    (kind, reason): (ConflictKind, Reason),
    winner: Side,
    loser: Side,
) -> Box<ConflictRecord> {
    let waits = step.rules.policy == Policy::Manual && reason == Reason::Policy;
    Box::new(ConflictRecord {
        id: ConflictId::of(&step.rules.table, step.key, &winner.dot, &loser.dot),
        table: step.rules.table.clone(),
        key: step.key.clone(),
        kind,
        state: if waits { ConflictState::Open } else { ConflictState::Settled },
        winner,
        loser,
        policy: step.rules.policy,
        reason,
        settled_at: step.now,
    })
}

fn side_of_change(change: &Change) -> Side {
    Side {
        dot: change.dot.clone(),
        vv: change.seen.with(&change.dot),
        kind: change.kind,
        changed_at: change.changed_at,
        effective_at: change.effective_at,
        row: change.row.clone(),
    }
}

fn side_of_state(held: &Resolved) -> Side {
    Side {
        dot: held.winner.clone(),
        vv: held.vv.clone(),
        kind: held.kind,
        changed_at: held.changed_at,
        effective_at: held.effective_at,
        row: held.row.clone(),
    }
}

fn publish(record: Resolved, conflict: Option<Box<ConflictRecord>>) -> Resolution {
    Resolution::Publish { settled: record.settled, record: Box::new(record), conflict }
}
