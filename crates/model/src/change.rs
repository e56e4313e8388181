//! What capture publishes: one change of one cell by one member.

use crate::{Dot, Row, Ticks, VersionVector};

/// How a change came about; it decides precedence in a conflict and what the ledger says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeKind {
    /// A user's insert, update or delete, seen by the trigger.
    Live,
    /// A row that was there before tracking: version 1. With a later version it is such a row once more, which had been
    /// met before its first version was settled, or one that was written past the triggers.
    FirstScan,
    /// A local change whose version was in doubt after the member went back in time.
    Restated,
    /// The member put a row back because it refused the group's delete (`blocked_delete: restore`).
    Restored,
    /// An operator's command.
    Operator,
}

impl ChangeKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Live, Self::FirstScan, Self::Restated, Self::Restored, Self::Operator];

    /// Stable name, used on the wire and in tracking rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::FirstScan => "first_scan",
            Self::Restated => "restated",
            Self::Restored => "restored",
            Self::Operator => "operator",
        }
    }

    /// The kind that has this stable name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A change c of a cell; the cell itself (table and key) stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Who made it and which of its changes it is.
    pub dot: Dot,
    /// What the member's copy reflected when the change was made.
    pub seen: VersionVector,
    /// The member's clock when it was made, as stored; `None` is unknown.
    pub changed_at: Option<Ticks>,
    /// `changed_at` corrected by the member's measured clock offset, never later than the capture.
    pub effective_at: Option<Ticks>,
    /// How it came about.
    pub kind: ChangeKind,
    /// The row's image; `None` is a delete.
    pub row: Option<Row>,
}

impl Change {
    /// Whether it deletes the row.
    pub fn is_delete(&self) -> bool {
        self.row.is_none()
    }
}
