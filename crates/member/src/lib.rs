//! Databases behind one trait: what capture and apply need of a member, and the adapters that give it.
//!
//! Nothing outside an adapter knows a dialect, and no adapter decides anything about conflicts: the apply decision
//! is `settle`'s. SQL stands in `.sql` files beside each adapter; every adapter has the same file names.

mod api;
mod apply;
mod buckets;
pub mod contract;
mod digest;
mod error;
mod inspection;
mod plan;
mod position;
pub mod postgres;
mod provisioned;
pub mod sqlite;
pub mod sqlserver;
mod template;
mod waiting;

pub use api::{
    Begun, BlockedDelete, CaptureCommit, Captured, Connector, Direction, HoldsBack, Member, NewIncarnation,
    OnLoss, Page, Refill, RefillStep, Scan, ScanBound, Statement, TableBinding, TablePosition, TableState,
    Token, Unpublishable,
};
pub use apply::{
    Applied, ApplyBatch, ApplyRecord, OffsetMove, Outcome, Parked, ParkedAt, ParkedFilter, Refusal,
    RefusalKind, Source, StoredOffset,
};
pub use digest::{BucketDigest, MAX_BUCKET_BITS, bucket_of, row_hash};
pub use error::{Cause, Disposition, Error, ErrorKind, Place};
pub use inspection::{
    ColumnInspection, Finding, ForeignKeyInspection, Inspection, Limits, Severity, TableInspection,
    TriggerInspection,
};
pub use plan::{BatchPlan, BatchStep, TableOrder, TableRecords, plan};
pub use position::{PositionRecord, StoredPosition, token_follows};

pub use tributary_settle::Force;

/// What the calls of this crate return.
pub type Result<T> = std::result::Result<T, Error>;
