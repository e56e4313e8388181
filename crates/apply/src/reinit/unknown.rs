//! Which of a member's own changes the group does not know. Pure.
//!
//! A change is known when the cell's last record takes it into account. Every other one is saved in the ledger, and the
//! group's row is written over it: the member shall have what the group has. What users write while it is being
//! filled is another matter, see [`is_saved`].

use std::collections::HashMap;
use tributary_model::{Change, KeyBytes, Resolved};
use tributary_settle::{Look, is_saved};
use tributary_stream::Settlement;

/// A member's own change of a cell, the cell's last record, if one was met, and whether there is one behind what is filled in.
#[derive(Debug)]
struct Candidate {
    change: Change,
    last: Option<Settlement>,
    superseded: bool,
}

/// A change that the group does not know.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    /// The cell.
    pub(super) key: KeyBytes,
    /// The change, without its row.
    pub(super) change: Change,
    /// What the group has instead; `None` is nothing.
    pub(super) instead: Option<Box<Resolved>>,
    /// Whether the topic has any record of the cell.
    pub(super) met: bool,
    /// The group knows the change after all, and has forgotten the row: it is not saved, and yet to be removed should the
    /// null record go.
    pub(super) forgotten: bool,
}

/// A member's own changes of one table, held against the table's records as those go by.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    cells: HashMap<KeyBytes, Candidate>,
}

impl Candidates {
    pub(super) fn add(&mut self, key: KeyBytes, change: Change) {
        let change = Change { row: None, ..change };
        self.cells.insert(key, Candidate { change, last: None, superseded: false });
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    /// Takes a record of the table's resolved topic in, in their order.
    pub(super) fn meet(&mut self, key: &KeyBytes, settlement: Settlement) {
        if let Some(candidate) = self.cells.get_mut(key) {
            candidate.last = Some(settlement);
        }
    }

    /// Takes note of a record behind what is filled in.
    pub(super) fn meet_later(&mut self, key: &KeyBytes) {
        if let Some(candidate) = self.cells.get_mut(key) {
            candidate.superseded = true;
        }
    }

    /// Those that are to be saved, after the last record, and at the first look those that the group has forgotten. `look`
    /// tells which look it is, of a key and whether there is a record behind what is filled in.
    pub(super) fn unknown<'o>(self, look: impl Fn(&KeyBytes, bool) -> Look<'o>) -> Vec<Unknown> {
        let mut unknown = Vec::new();
        for (key, Candidate { change, last, superseded }) in self.cells {
            let vv = last.as_ref().map(|last| last.as_ref().map_or_else(|vv| vv, |resolved| &resolved.vv));
            let look = look(&key, superseded);
            let saved = is_saved(&change.dot, &change.seen, vv, look);
            let forgotten = !saved && look == Look::First && matches!(last, Some(Err(_)));
            if saved || forgotten {
                let met = last.is_some();
                let instead = last.and_then(Result::ok).map(Box::new);
                unknown.push(Unknown { key, change, instead, met, forgotten });
            }
        }
        unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_model::{ChangeKind, Dot, Incarnation, Row, Settled, VersionVector};

    fn vv(text: &str) -> VersionVector {
        VersionVector::parse(text).unwrap()
    }

    fn dot(name: &str, version: u64) -> Dot {
        Dot::new(Incarnation::parse(name).unwrap(), version)
    }

    fn change(version: u64, seen: &str) -> Change {
        Change {
            dot: dot("hq", version),
            seen: vv(seen),
            changed_at: None,
            effective_at: None,
            kind: ChangeKind::Live,
            row: Some(Row::of([])),
        }
    }

    fn record(text: &str) -> Settlement {
        Ok(Resolved {
            vv: vv(text),
            content: vec![vv(text)],
            winner: dot("cloud", 1),
            kind: ChangeKind::Live,
            changed_at: None,
            effective_at: None,
            row: Some(Row::of([])),
            settled: Settled::FastForward,
            policy: None,
        })
    }

    fn key(number: u8) -> KeyBytes {
        KeyBytes::new([number])
    }

    const LATER: Look<'_> = Look::Later { orphan: None, superseded: false };

    fn found(changes: Vec<(u8, Change)>, records: Vec<(u8, Settlement)>, look: Look<'_>) -> Vec<u8> {
        let mut candidates = Candidates::default();
        for (number, change) in changes {
            candidates.add(key(number), change);
        }
        for (number, record) in records {
            candidates.meet(&key(number), record);
        }
        let mut left: Vec<u8> =
            candidates.unknown(|_, _| look).iter().map(|found| found.key.as_slice()[0]).collect();
        left.sort_unstable();
        left
    }

    #[test]
    fn what_the_last_record_does_not_know_is_unknown() {
        let changes = || {
            vec![
                (1, change(7, "")),
                (2, change(7, "cloud:1")),
                (3, change(7, "cloud:1")),
                (4, change(7, "")),
                (5, change(7, "cloud:1 hq:3")),
            ]
        };
        let records = || {
            vec![
                // Known, though an earlier record did not know it.
                (1, record("cloud:1")),
                (1, record("cloud:1 hq:7")),
                // Made on top of the last record.
                (2, record("cloud:1")),
                // Made on top of one that is no longer the last.
                (3, record("cloud:1")),
                (3, record("cloud:2")),
                // A delete that the group has forgotten.
                (5, Err(vv("cloud:2 hq:3"))),
            ]
        };
        assert_eq!(found(changes(), records(), Look::First), [2, 3, 4, 5]);
        // What was made on top of what was filled in is on its way, and so is the new row.
        assert_eq!(found(changes(), records(), LATER), [3, 5]);
    }

    #[test]
    fn new_rows_may_stay() {
        let changes = || vec![(1, change(7, "")), (2, change(8, ""))];
        assert_eq!(found(changes(), vec![(2, record("cloud:2"))], LATER), [2]);
        assert_eq!(found(changes(), vec![(2, record("cloud:2"))], Look::First), [1, 2]);
    }
}
