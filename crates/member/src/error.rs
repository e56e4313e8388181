//! What can go wrong with a member, under stable codes, and what the caller shall do about it.
//!
//! Decides kind and disposition of each failure; it does not decide how often or how long something is retried,
//! and refused records are no errors: they come back as [`crate::Outcome::Parked`].

use std::path::PathBuf;
use tributary_model::MemberId;

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
}

/// Failures of a member.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not there.
    #[error(
        "there is no database at {} for the member {member}; correct the member's url, or let `provision --create` \
         make an empty one",
        path.display()
    )]
    Missing {
        /// The member.
        member: MemberId,
        /// Where it was looked for.
        path: PathBuf,
    },

    /// The file is something else.
    #[error("{} is not an SQLite database; correct the url of the member {member}", path.display())]
    NotADatabase {
        /// The member.
        member: MemberId,
        /// The file.
        path: PathBuf,
    },

    /// The file contradicts itself.
    #[error(
        "the database {} is damaged; look at it with `PRAGMA integrity_check`; restore it from a backup, run \
         `deprovision` on it and let it join under another id",
        path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: rusqlite::Error,
    },

    /// Nothing can be written to the file.
    #[error(
        "the database {} cannot be written to; give this program's user the right to write to the file and to its \
         directory",
        path.display()
    )]
    ReadOnly {
        /// The file.
        path: PathBuf,
    },

    /// Another program holds the write lock for longer than was waited.
    #[error(
        "the database {} is locked by another program, could not {action}; this is tried again by itself, see which \
         program keeps a transaction open if it stays so",
        path.display()
    )]
    Busy {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
    },

    /// The file is not in WAL mode.
    #[error(
        "the database {} has journal mode {mode} where WAL is needed, since a reader would make the users' writers \
         fail; run `provision --enable-wal`, or `PRAGMA journal_mode = WAL` while nobody else has it open",
        path.display()
    )]
    NotWal {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: String,
    },

    /// There is no room left.
    #[error("no room left for the database {}, could not {action}; free some space, nothing is lost meanwhile", path.display())]
    Full {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
    },

    /// The file system failed.
    #[error("the database {} could not {action}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// SQLite's reason.
        #[source]
        source: rusqlite::Error,
    },

    /// There are no sync objects, or only some.
    #[error("the member {member} ({}) is not provisioned: {what} is missing; run `provision`", path.display())]
    NotProvisioned {
        /// The member.
        member: MemberId,
        /// The file.
        path: PathBuf,
        /// What is missing.
        what: String,
    },

    /// The file carries another member's or another group's id.
    #[error(
        "the database {} belongs to the member `{found_member}` of the group `{found_group}`, not to `{member}` of \
         `{group}`: it may be a copy of that member's file; correct the url, or run `deprovision` on the copy and \
         then `provision`",
        path.display()
    )]
    ForeignIdentity {
        /// The file.
        path: PathBuf,
        /// The member that was expected.
        member: MemberId,
        /// The group that was expected.
        group: String,
        /// The member that the file names.
        found_member: String,
        /// The group that the file names.
        found_group: String,
    },

    /// The capture token is not the expected one.
    #[error(
        "the member {member} ({}) has {found} where the token {expected} was expected: its file was replaced or \
         restored, or another worker captures from it; stop the other worker, put the later \
         file back, or run `deprovision` on it and let it join under another id",
        path.display()
    )]
    WrongToken {
        /// The member.
        member: MemberId,
        /// The file.
        path: PathBuf,
        /// The predecessor that the new token names.
        expected: String,
        /// What is stored.
        found: String,
    },

    /// An apply offset is not the expected one.
    #[error(
        "the member {member} has offset {found} stored for {topic} generation {generation} partition {partition}, \
         where {expected} was expected: another worker has applied meanwhile, or its file was replaced; read the \
         stored offsets and go on from there"
    )]
    OffsetMoved {
        /// The member.
        member: MemberId,
        /// The topic.
        topic: String,
        /// Its generation.
        generation: u32,
        /// The partition.
        partition: u32,
        /// What was expected.
        expected: String,
        /// What is stored.
        found: String,
    },

    /// A bound table is not there.
    #[error(
        "the member {member} has no table {table:?}; create it, correct the group file, or let `provision` create it"
    )]
    TableMissing {
        /// The member.
        member: MemberId,
        /// The member's own name of it.
        table: String,
    },

    /// A bound table is not as it was when it was provisioned.
    #[error("the table {table:?} of the member {member} cannot be synchronised as it is: {reason}")]
    TableChanged {
        /// The member.
        member: MemberId,
        /// The member's own name of it.
        table: String,
        /// What was found, and the command that mends it.
        reason: String,
    },

    /// A newer program wrote the sync objects.
    #[error(
        "the sync objects in {} have format {found} and this program knows up to {supported}; use a newer program",
        path.display()
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The objects' format.
        found: String,
        /// The newest format that this program knows.
        supported: u32,
    },

    /// What is asked for cannot be done with this table.
    #[error("the table {table:?} of the member {member} cannot be synchronised: {reason}")]
    Unsupported {
        /// The member.
        member: MemberId,
        /// The member's own name of it.
        table: String,
        /// Why, and what to do.
        reason: String,
    },

    /// Something that is not ours has a name that we need.
    #[error(
        "the member {member} has a {what} {name:?} that provisioning did not make but needs the name of; rename it, \
         then run `provision` again"
    )]
    NameTaken {
        /// The member.
        member: MemberId,
        /// Table, trigger, index or view.
        what: String,
        /// Its name.
        name: String,
    },

    /// SQLite refused a statement that it should have taken.
    #[error("the database {} refused to {action}", path.display())]
    Statement {
        /// The file.
        path: PathBuf,
        /// What was being done.
        action: &'static str,
        /// SQLite's reason.
        #[source]
        source: rusqlite::Error,
    },

    /// A row of ours cannot be read.
    #[error(
        "{object} in {} holds something that this program did not write: {reason}; if it was edited by hand, put it \
         back, else run `deprovision` and let it join under another id",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The table of ours.
        object: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A call that does not fit.
    #[error("{call} was called with {reason}")]
    Misuse {
        /// The call.
        call: &'static str,
        /// What is wrong with its arguments.
        reason: String,
    },
}

impl Error {
    /// The kind, for callers that tell failures apart.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Missing { .. } => ErrorKind::Missing,
            Self::NotADatabase { .. } => ErrorKind::NotADatabase,
            Self::Corrupt { .. } => ErrorKind::Corrupt,
            Self::ReadOnly { .. } => ErrorKind::ReadOnly,
            Self::Busy { .. } => ErrorKind::Busy,
            Self::NotWal { .. } => ErrorKind::NotWal,
            Self::Full { .. } => ErrorKind::Full,
            Self::Io { .. } => ErrorKind::Io,
            Self::NotProvisioned { .. } => ErrorKind::NotProvisioned,
            Self::ForeignIdentity { .. } => ErrorKind::ForeignIdentity,
            Self::WrongToken { .. } => ErrorKind::WrongToken,
            Self::OffsetMoved { .. } => ErrorKind::OffsetMoved,
            Self::TableMissing { .. } => ErrorKind::TableMissing,
            Self::TableChanged { .. } => ErrorKind::TableChanged,
            Self::NewerFormat { .. } => ErrorKind::NewerFormat,
            Self::Unsupported { .. } => ErrorKind::Unsupported,
            Self::NameTaken { .. } => ErrorKind::NameTaken,
            Self::Statement { .. } => ErrorKind::Statement,
            Self::Damaged { .. } => ErrorKind::Damaged,
            Self::Misuse { .. } => ErrorKind::Misuse,
        }
    }

    /// The stable code, listed in `docs/errors.md`.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "DBS-001",
            Self::NotADatabase { .. } => "DBS-002",
            Self::Corrupt { .. } => "DBS-003",
            Self::ReadOnly { .. } => "DBS-004",
            Self::Busy { .. } => "DBS-005",
            Self::NotWal { .. } => "DBS-006",
            Self::Full { .. } => "DBS-007",
            Self::Io { .. } => "DBS-008",
            Self::NotProvisioned { .. } => "DBS-009",
            Self::ForeignIdentity { .. } => "DBS-010",
            Self::WrongToken { .. } => "DBS-011",
            Self::OffsetMoved { .. } => "DBS-012",
            Self::TableMissing { .. } => "DBS-013",
            Self::TableChanged { .. } => "DBS-014",
            Self::NewerFormat { .. } => "DBS-015",
            Self::Unsupported { .. } => "DBS-016",
            Self::NameTaken { .. } => "DBS-017",
            Self::Statement { .. } => "DBS-018",
            Self::Damaged { .. } => "DBS-019",
            Self::Misuse { .. } => "DBS-020",
        }
    }

    /// What a worker does about it.
    pub const fn disposition(&self) -> Disposition {
        match self {
            // The file may be on a volume that comes back; the others end without anybody doing anything here.
            Self::Busy { .. } | Self::Full { .. } | Self::Io { .. } => Disposition::Retry,
            // A fresh look at the stored offsets decides whether this worker may go on.
            Self::OffsetMoved { .. } => Disposition::Retry,
            // The table's state says so too, and stops that table alone: this one was met on the way.
            Self::TableMissing { .. } | Self::TableChanged { .. } => Disposition::Retry,
            Self::Missing { .. }
            | Self::NotADatabase { .. }
            | Self::Corrupt { .. }
            | Self::ReadOnly { .. }
            | Self::NotWal { .. }
            | Self::NotProvisioned { .. }
            | Self::ForeignIdentity { .. }
            | Self::WrongToken { .. }
            | Self::NewerFormat { .. }
            | Self::Unsupported { .. }
            | Self::NameTaken { .. }
            | Self::Statement { .. }
            | Self::Damaged { .. }
            | Self::Misuse { .. } => Disposition::Stop,
        }
    }
}
