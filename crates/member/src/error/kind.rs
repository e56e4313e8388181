//! What callers tell failures of members apart by: their kind, and what is to be done about them.
//!
//! The words alone; which failure has which kind and disposition is decided where the failures are
//! ([`super::Error`]), and how often something is tried again by whoever runs the worker.

/// What a worker does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Trying again later, on a new connection if need be, can succeed without anybody doing anything.
    Retry,
    /// The record is at fault: set it aside, list it, and go on with the others.
    Park,
    /// Nothing gets better by itself: stop this member's workers (or this table) and tell the operator.
    Stop,
}

/// The kinds of failure that callers tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The database is not there.
    Missing,
    /// The file is something else.
    NotADatabase,
    /// The database contradicts itself.
    Corrupt,
    /// Nothing can be written to it.
    ReadOnly,
    /// Somebody else holds it for longer than was waited.
    Busy,
    /// An SQLite file that is not in WAL mode.
    NotWal,
    /// There is no room left.
    Full,
    /// The file system or the connection failed.
    Io,
    /// There are no sync objects in it.
    NotProvisioned,
    /// It carries another member's or another group's id.
    ForeignIdentity,
    /// It was provisioned with another direction.
    DirectionChanged,
    /// The capture token is not the one that was expected.
    WrongToken,
    /// An apply offset is not the one that was expected.
    OffsetMoved,
    /// A bound table is not there.
    TableMissing,
    /// A bound table is not as it was when it was provisioned.
    TableChanged,
    /// The sync objects are those of a newer program.
    NewerFormat,
    /// What is asked for cannot be done with this table.
    Unsupported,
    /// An object that is not ours has the name that one of ours would get.
    NameTaken,
    /// The database refused a statement that it should have taken.
    Statement,
    /// A row that the sync objects hold cannot be read.
    Damaged,
    /// The caller named a table that is not bound, or the like.
    Misuse,
    /// The database is on a server that cannot be reached, or the connection to it was lost.
    Unreachable,
    /// The server does not accept user or password.
    Credentials,
    /// The server has no such database.
    NoDatabase,
    /// A right is missing.
    Permission,
    /// A statement took longer than the server lets it.
    TimedOut,
    /// Others wrote the same rows at the same time.
    Contention,
    /// A server that only follows another.
    Standby,
    /// The connection cannot be encrypted as asked for, or the server does not prove who it is.
    Tls,
    /// The server's version is not one that is supported.
    ServerVersion,
    /// The member's url or settings cannot be used.
    Settings,
}
