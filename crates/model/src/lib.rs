//! The words of the protocol as types: values, keys, tables, changes, resolved records, version vectors.
//!
//! Pure: nothing here reads, writes or asks the time. What the words mean stands in `docs/protocol.md`; how they
//! look on the wire is the codec's matter, with one exception: [`key`] defines the canonical key bytes, since
//! they name a cell everywhere.

mod change;
mod conflict;
pub mod decimal;
mod exception;
mod ids;
pub mod key;
pub mod name;
mod projection;
mod projections;
mod resolved;
mod row;
mod table;
pub mod time;
mod value;
mod vector;

pub use change::{Change, ChangeKind};
pub use conflict::{ConflictId, ConflictKind, ConflictRecord, ConflictState, Reason, Side};
pub use exception::{ExceptionId, ExceptionKind, ExceptionRecord, MetBy};
pub use ids::{Dot, Incarnation, InvalidId, MemberId, OPERATOR, Version};
pub use key::{KeyBytes, KeyError};
pub use projection::{Floating, Narrowing, Projection, Steps};
pub use projections::{Projections, project_row};
pub use resolved::{Policy, Resolved, Settled};
pub use row::Row;
pub use table::{Column, ForeignKey, OnDelete, TableName, TableSchema};
pub use time::Ticks;
pub use value::{LogicalType, Value};
pub use vector::{InvalidVector, VersionVector};
