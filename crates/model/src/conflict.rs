//! The ledger's records: both versions of a conflict in full, who won and why.
//!
//! The id is a hash of (cell, winner's dot, loser's dot), so that computing a conflict again after a crash or a
//! replay gives the same record and not a second one.

use crate::{ChangeKind, Dot, KeyBytes, Policy, Row, TableName, Ticks, VersionVector};
use std::fmt;

/// Identity of a conflict.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConflictId(pub [u8; 16]);

impl ConflictId {
    /// The id of the conflict between these two changes of a cell.
    pub fn of(table: &TableName, key: &KeyBytes, winner: &Dot, loser: &Dot) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        part(table.as_str().as_bytes());
        part(key.as_slice());
        for dot in [winner, loser] {
            part(dot.incarnation.as_str().as_bytes());
            part(&dot.version.to_be_bytes());
        }
        let mut id = [0; 16];
        id.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(id)
    }

    /// Reads the 32 hexadecimal digits that `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for ConflictId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for ConflictId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a ledger record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConflictKind {
    /// Two changes, neither made on top of the other.
    Concurrent,
    /// Two different rows that were there before tracking.
    Initial,
    /// Two lives of a cell met after its tombstone had expired.
    Expired,
    /// A member refused the group's delete and put the row back.
    BlockedDelete,
    /// A member was filled anew, and the group did not know this version of its.
    Reinit,
}

impl ConflictKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Concurrent, Self::Initial, Self::Expired, Self::BlockedDelete, Self::Reinit];

    /// Stable name, used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Concurrent => "concurrent",
            Self::Initial => "initial",
            Self::Expired => "expired",
            Self::BlockedDelete => "blocked_delete",
            Self::Reinit => "reinit",
        }
    }

    /// The kind that has this stable name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Whether somebody still has to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConflictState {
    /// Waits for an operator; kept until settled.
    Open,
    /// Settled by a rule or an operator.
    Settled,
}

impl ConflictState {
    /// All states.
    pub const ALL: [Self; 2] = [Self::Open, Self::Settled];

    /// Stable name, used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Settled => "settled",
        }
    }

    /// The state that has this stable name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// The first difference in the order of precedence that named the winner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// One side is an operator's.
    Operator,
    /// One side is a member of direction `publish`.
    PublishMember,
    /// One side was there before tracking, or is restated: it loses against any other.
    Unsure,
    /// One side is a delete, and the table says how deletes fare.
    DeleteVsUpdate,
    /// The table's policy.
    Policy,
    /// The order of the members.
    MemberPriority,
    /// The later time.
    Time,
    /// The greater incarnation.
    Incarnation,
    /// Nothing else differed: the incoming change.
    Incoming,
    /// A restored row stands on top of the delete that its member refused.
    Restored,
    /// The member that has the other version was filled anew with what the group has.
    Reinit,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 11] = [
        Self::Operator,
        Self::PublishMember,
        Self::Unsure,
        Self::DeleteVsUpdate,
        Self::Policy,
        Self::MemberPriority,
        Self::Time,
        Self::Incarnation,
        Self::Incoming,
        Self::Restored,
        Self::Reinit,
    ];

    /// Stable name, used on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::PublishMember => "publish_member",
            Self::Unsure => "unsure",
            Self::DeleteVsUpdate => "delete_vs_update",
            Self::Policy => "policy",
            Self::MemberPriority => "member_priority",
            Self::Time => "time",
            Self::Incarnation => "incarnation",
            Self::Incoming => "incoming",
            Self::Restored => "restored",
            Self::Reinit => "reinit",
        }
    }

    /// The reason that has this stable name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// One side of a conflict, complete: from it the row can be put back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// The change.
    pub dot: Dot,
    /// What its content took into account.
    pub vv: VersionVector,
    /// How it came about.
    pub kind: ChangeKind,
    /// Its time as its member stored it.
    pub changed_at: Option<Ticks>,
    /// Its corrected time.
    pub effective_at: Option<Ticks>,
    /// The row; `None` is a delete.
    pub row: Option<Row>,
}

/// A record of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictRecord {
    /// Its identity.
    pub id: ConflictId,
    /// The table.
    pub table: TableName,
    /// The row's key.
    pub key: KeyBytes,
    /// What it is about.
    pub kind: ConflictKind,
    /// Whether somebody still has to decide.
    pub state: ConflictState,
    /// The version that stands.
    pub winner: Side,
    /// The version that does not.
    pub loser: Side,
    /// The table's policy at the time.
    pub policy: Policy,
    /// What decided.
    pub reason: Reason,
    /// When the resolver settled it.
    pub settled_at: Ticks,
}
