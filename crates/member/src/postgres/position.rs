//! How far the live changes of a table are read: by snapshots of the server's, as text.
//!
//! A page holds what was not visible in the previous snapshot and is visible in the target one. Transactions that were
//! under way in the previous one are looked up by their numbers, all later ones by a range, so a transaction that
//! commits late is found whenever it commits, and one that stays open hides nothing. Text: `previous;target;xid:version`,
//! where target and cursor stand only in the middle of a target.

use crate::{Error, Result, TablePosition};
use std::fmt;

/// A snapshot of the server's (`pg_snapshot`): which transactions it sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// All below are seen, but for those that were rolled back.
    xmin: u64,
    /// None from here on is.
    pub(super) xmax: u64,
    /// Under way between the two, and therefore not seen; ascending.
    pub(super) in_progress: Vec<u64>,
}

impl Snapshot {
    /// One that sees nothing.
    pub(super) const fn none() -> Self {
        Self { xmin: 0, xmax: 0, in_progress: Vec::new() }
    }

    /// Reads the server's own text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':');
        let (xmin, xmax, rest) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?);
        let in_progress: Option<Vec<u64>> =
            rest.split(',').filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect();
        let in_progress = in_progress?;
        let sound = parts.next().is_none()
            && xmin <= xmax
            && in_progress.is_sorted()
            && in_progress.iter().all(|xid| (xmin..xmax).contains(xid));
        sound.then_some(Self { xmin, xmax, in_progress })
    }

    /// Whether a transaction that has committed is seen.
    pub(super) fn sees(&self, xid: u64) -> bool {
        xid < self.xmax && self.in_progress.binary_search(&xid).is_err()
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:", self.xmin, self.xmax)?;
        for (at, xid) in self.in_progress.iter().enumerate() {
            write!(f, "{}{xid}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// The place of a tracking row in the order of polling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cursor {
    /// Its transaction.
    pub(super) xid: u64,
    /// Its version.
    pub(super) version: i64,
}

/// How far a table is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Live {
    /// Everything that it sees is read.
    pub(super) previous: Snapshot,
    /// What is being read, and how far: the last row.
    pub(super) target: Option<(Snapshot, Cursor)>,
}

impl Live {
    /// The beginning.
    pub(super) const fn start() -> Self {
        Self { previous: Snapshot::none(), target: None }
    }

    /// Everything that this snapshot sees is read.
    pub(super) const fn after(previous: Snapshot) -> Self {
        Self { previous, target: None }
    }

    /// Reads a position's text.
    pub(super) fn of(position: &TablePosition) -> Result<Self> {
        if position.live.is_empty() {
            return Ok(Self::start());
        }
        Self::parse(&position.live).ok_or_else(|| Error::Misuse {
            call: "poll",
            reason: format!("the position {:?}, which is none of a PostgreSQL member", position.live),
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(';');
        let (previous, target, cursor) = (parts.next()?, parts.next()?, parts.next()?);
        let previous = Snapshot::parse(previous)?;
        let target = match (target, cursor) {
            ("", "") => None,
            (target, cursor) => {
                let (xid, version) = cursor.split_once(':')?;
                let cursor = Cursor { xid: xid.parse().ok()?, version: version.parse().ok()? };
                Some((Snapshot::parse(target)?, cursor))
            }
        };
        parts.next().is_none().then_some(Self { previous, target })
    }
}

impl fmt::Display for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            None => write!(f, "{};;", self.previous),
            Some((target, cursor)) => {
                write!(f, "{};{target};{}:{}", self.previous, cursor.xid, cursor.version)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_servers_text_reads_back() {
        for text in ["795:799:795,797", "3:3:", "0:18446744073709551615:"] {
            assert_eq!(Snapshot::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "1:2", "2:1:", "1:5:5", "1:5:3,2", "1:5:x", "1:5::", "-1:5:"] {
            assert_eq!(Snapshot::parse(bad), None, "{bad}");
        }
        let snapshot = Snapshot::parse("795:799:795,797").unwrap();
        assert_eq!(
            [794, 795, 796, 797, 798, 799].map(|xid| snapshot.sees(xid)),
            [true, false, true, false, true, false]
        );
    }

    #[test]
    fn positions_read_back() {
        for text in ["795:799:795,797;;", "1:2:;3:9:4,5;7:-1"] {
            assert_eq!(Live::parse(text).unwrap().to_string(), text);
        }
        for bad in ["12", "1:2:", "1:2:;;;", "1:2:;;1:1", "1:2:;3:4:;", "1:2:;3:4:;1"] {
            assert_eq!(Live::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn foreign_text_does_not_panic(text in "[0-9:;,-]{0,30}") {
            if let Some(live) = Live::parse(&text) {
                prop_assert_eq!(Live::parse(&live.to_string()), Some(live));
            }
        }
    }
}
