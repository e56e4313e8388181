//! What apply gives to a member, and what comes back: batches of settled records, outcomes, parked records.
//!
//! What becomes of a record is decided by the protocol.

use tributary_model::{KeyBytes, Resolved, TableName, Ticks, VersionVector};
use tributary_settle::{Decision, Force, LocalState, Standard, decide_forced};
use uuid::Uuid;

/// Where a resolved record stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    /// Generation of the table's topics.
    pub generation: u32,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: u64,
}

/// A resolved record for apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyRecord {
    /// The table, by position in the bindings.
    pub table: usize,
    /// The row's key.
    pub key: KeyBytes,
    /// The record; `None` is a null record: the tombstone has expired, with the VV of its header.
    pub resolved: std::result::Result<Resolved, VersionVector>,
    /// Its place in the log.
    pub source: Source,
    /// The log record's value as it was read; stored if the record is parked.
    pub payload: Vec<u8>,
    /// Whether this is a parked record that is tried again.
    pub retry: bool,
    /// Set while the member is filled anew, when what it has of the cell does not count.
    pub force: Option<Force>,
}

impl ApplyRecord {
    /// What becomes of the record, given what the member has.
    pub(crate) fn decide(&self, resolved: &Resolved, state: &LocalState) -> Decision {
        decide_forced(&Standard, resolved, state, self.force.as_ref())
    }

    /// What the copy reflects once the record is written.
    pub(crate) fn seen_after(&self, resolved: &Resolved, state: &LocalState) -> VersionVector {
        tributary_settle::seen_after(&Standard, resolved, state, self.force.as_ref())
    }

    /// Whether a null record lets the cell's tombstone be forgotten.
    pub(crate) fn forgets(&self, vv: &VersionVector, state: &LocalState) -> bool {
        tributary_settle::forgets(vv, state, self.force.as_ref())
    }
}

/// An offset to be advanced, as a compare-and-set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetMove {
    /// The topic's full name.
    pub topic: String,
    /// Its generation.
    pub generation: u32,
    /// The partition.
    pub partition: u32,
    /// What must be stored now; `None`: nothing for this topic, generation and partition.
    pub expected: Option<u64>,
    /// The next record to be read.
    pub next: u64,
}

/// An offset as stored by the last committed apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOffset {
    /// The topic's full name.
    pub topic: String,
    /// Its generation.
    pub generation: u32,
    /// The partition.
    pub partition: u32,
    /// The next record to be read.
    pub next: u64,
    /// The log's id.
    pub log: Uuid,
}

/// A batch of resolved records with the offsets they lead to. Committed whole, refused records parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyBatch {
    /// The log that the offsets belong to.
    pub log: Uuid,
    /// Records, in log order within each partition. Of several for one cell the last wins, but a null record
    /// never stands in one batch with another record of its cell: the caller cuts there.
    pub records: Vec<ApplyRecord>,
    /// Offsets to be advanced.
    pub offsets: Vec<OffsetMove>,
}

/// Why a member refused a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RefusalKind {
    /// The row refers to one that is not there.
    ForeignKey,
    /// A delete of a row that others still refer to.
    Referenced,
    /// Another row has the same value in a unique constraint besides the primary key.
    Unique,
    /// NULL in a column that does not take it.
    NotNull,
    /// A check constraint.
    Check,
    /// A value that the column cannot hold as it is.
    Value,
    /// A user's trigger refused, swallowed or altered the write.
    Trigger,
    /// The row is too large.
    TooLarge,
    /// Anything else that the database said.
    Other,
}

impl RefusalKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::ForeignKey,
        Self::Referenced,
        Self::Unique,
        Self::NotNull,
        Self::Check,
        Self::Value,
        Self::Trigger,
        Self::TooLarge,
        Self::Other,
    ];

    /// Stable name, as stored and listed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ForeignKey => "foreign_key",
            Self::Referenced => "referenced",
            Self::Unique => "unique",
            Self::NotNull => "not_null",
            Self::Check => "check",
            Self::Value => "value",
            Self::Trigger => "trigger",
            Self::TooLarge => "too_large",
            Self::Other => "other",
        }
    }

    /// The kind that has this stable name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// What the database said when it refused a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub kind: RefusalKind,
    /// The database's own number or state.
    pub code: String,
    /// The database's own text; without row values where the adapter can tell.
    pub message: String,
}

/// What became of one record of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The row was inserted or updated.
    Upserted,
    /// The row was deleted (or was absent, and the tombstone noted).
    Deleted,
    /// A replay: nothing to do.
    AlreadyThere,
    /// The user's own change is newer: nothing written.
    LocalIsNewer,
    /// The content stands there already: nothing written.
    SameContent,
    /// A later record of the batch, or one applied before, replaced it.
    Superseded,
    /// Refused; stored among the exceptions.
    Parked(Refusal),
    /// A refused delete whose row comes back in every member.
    Restored(Refusal),
    /// A null record: tracking purged, or kept because of a local change.
    Purged,
}

/// What a committed batch came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// By record, in the batch's order.
    pub outcomes: Vec<Outcome>,
    /// Cells whose rows a user's trigger altered while apply wrote them: (table, key). Not captured; listed.
    pub altered_by_trigger: Vec<(usize, KeyBytes)>,
    /// Parked records that this batch settled (applied or found to be there).
    pub unparked: u64,
    /// Whether parked records may succeed now because their table, a parent or a child of it was written.
    pub retry_now: bool,
}

/// At which end a record is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ParkedAt {
    /// Capture could not publish the row.
    Capture,
    /// Apply could not write the record.
    Apply,
}

/// An exception as stored in the member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Its number in the member's store. Grows from batch to batch in which rows are first refused, and stays as long as
    /// the row is parked.
    pub number: i64,
    /// At which end.
    pub at: ParkedAt,
    /// The table.
    pub table: TableName,
    /// The key, where there is a usable one.
    pub key: Option<KeyBytes>,
    /// The key as text.
    pub key_text: String,
    /// The record's VV (empty for capture's).
    pub vv: VersionVector,
    /// The record's place in the log (apply's only).
    pub source: Option<Source>,
    /// Why.
    pub refusal: Refusal,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was first refused (the member's worker's clock).
    pub first_at: Ticks,
    /// When it was last tried.
    pub last_at: Ticks,
    /// When it is due again by itself.
    pub due_at: Ticks,
    /// The log record's value (apply's only).
    pub payload: Vec<u8>,
}

/// Which exceptions to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParkedFilter {
    /// All, or those of one table (by group name), those that were refused first before others.
    All {
        /// Of this table alone.
        table: Option<TableName>,
        /// Those behind this [`Parked::number`]: how a long list is read page by page.
        after: Option<i64>,
        /// At most.
        limit: usize,
    },
    /// Apply's that are due at this time, or that a write may have made possible since they were last tried; and those
    /// whose next try is dated later than any pause reaches, since the clock has been set back.
    Retryable {
        /// Now.
        now: Ticks,
        /// Of these tables (by group name): what cannot be tried must not stand before what can.
        tables: Vec<TableName>,
        /// At most.
        limit: usize,
    },
}
