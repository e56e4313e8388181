//! What the resolver publishes: the settled state of one cell.

use crate::{ChangeKind, Dot, Row, Ticks, VersionVector};
use serde::{Deserialize, Serialize};

/// How a table's conflicts are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// The later change wins.
    #[default]
    LatestWins,
    /// The member listed first wins.
    Priority,
    /// Column by column.
    MergeColumns,
    /// What is there stays until an operator decides.
    Manual,
}

impl Policy {
    /// All policies.
    pub const ALL: [Self; 4] = [Self::LatestWins, Self::Priority, Self::MergeColumns, Self::Manual];

    /// Stable name, used in the group file and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LatestWins => "latest_wins",
            Self::Priority => "priority",
            Self::MergeColumns => "merge_columns",
            Self::Manual => "manual",
        }
    }

    /// The policy that has this stable name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text)
    }
}

/// Which case of the resolver step made a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Settled {
    /// The change was made on top of what was there.
    FastForward,
    /// Concurrent, with the same content.
    Agreed,
    /// Concurrent, and one side only added columns that the other lacks.
    Completed,
    /// A conflict; the ledger has both versions.
    Conflict,
}

impl Settled {
    /// All cases.
    pub const ALL: [Self; 4] = [Self::FastForward, Self::Agreed, Self::Completed, Self::Conflict];

    /// Stable name, used on the wire and as a metric label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FastForward => "fast_forward",
            Self::Agreed => "agreed",
            Self::Completed => "completed",
            Self::Conflict => "conflict",
        }
    }

    /// The case that has this stable name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|settled| settled.as_str() == text)
    }
}

/// A resolved record R of a cell; the cell itself (table and key) stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// Every change that this record takes into account.
    pub vv: VersionVector,
    /// The equal images that `row` stands for, each as the changes it was made of. Never empty.
    pub content: Vec<VersionVector>,
    /// The change whose content won.
    pub winner: Dot,
    /// How the winner came about.
    pub kind: ChangeKind,
    /// The winner's time as its member stored it; tells a version that was used twice.
    pub changed_at: Option<Ticks>,
    /// The winner's corrected time, which policies compare.
    pub effective_at: Option<Ticks>,
    /// The settled row; `None` is a delete. Its absent columns are those that no version has set.
    pub row: Option<Row>,
    /// Which case made this record.
    pub settled: Settled,
    /// The policy that decided, where one did.
    pub policy: Option<Policy>,
}
