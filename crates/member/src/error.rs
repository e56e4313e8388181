//! What can go wrong with a member, under stable codes, and what the caller shall do about it.
//!
//! Decides kind and disposition of each failure; it does not decide how often or how long something is retried,
//! and refused records are no errors: they come back as [`crate::Outcome::Parked`].

mod kind;
mod place;

pub use kind::{Disposition, ErrorKind};
pub use place::{Cause, Place};

use tributary_model::MemberId;

/// Failures of a member.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not there.
    #[error(
        "there is no database at {place} for the member {member}; correct the member's url, or let `provision --create` \
         make an empty one"
    )]
    Missing {
        /// The member.
        member: MemberId,
        /// Where it was looked for.
        place: Place,
    },

    /// The file is something else.
    #[error("{place} is not an SQLite database; correct the url of the member {member}")]
    NotADatabase {
        /// The member.
        member: MemberId,
        /// The database.
        place: Place,
    },

    /// The file contradicts itself.
    #[error(
        "the database {place} is damaged; look at it with `PRAGMA integrity_check` or `pg_amcheck`; restore it from a backup, run \
         `deprovision` on it and let it join under another id"
    )]
    Corrupt {
        /// The database.
        place: Place,
        /// What the database said.
        #[source]
        source: Cause,
    },

    /// Nothing can be written to the file.
    #[error(
        "the database {place} cannot be written to; give this program's user the right to write to the file and to its \
         directory"
    )]
    ReadOnly {
        /// The database.
        place: Place,
    },

    /// Another program holds the write lock for longer than was waited.
    #[error(
        "the database {place} is locked by another program, could not {action}; this is tried again by itself, see which \
         program keeps a transaction open if it stays so"
    )]
    Busy {
        /// The database.
        place: Place,
        /// What was being done.
        action: &'static str,
    },

    /// The file is not in WAL mode.
    #[error(
        "the database {place} has journal mode {mode} where WAL is needed, since a reader would make the users' writers \
         fail; run `provision --enable-wal`, or `PRAGMA journal_mode = WAL` while nobody else has it open"
    )]
    NotWal {
        /// The database.
        place: Place,
        /// Its mode.
        mode: String,
    },

    /// There is no room left.
    #[error(
        "no room left for the database {place}, could not {action}; free some space, nothing is lost meanwhile"
    )]
    Full {
        /// The database.
        place: Place,
        /// What was being done.
        action: &'static str,
    },

    /// The file system failed.
    #[error("the database {place} could not {action}")]
    Io {
        /// The database.
        place: Place,
        /// What was being done.
        action: &'static str,
        /// The database's reason.
        #[source]
        source: Cause,
    },

    /// There are no sync objects, or only some.
    #[error("the member {member} ({place}) is not provisioned: {what} is missing; run `provision`")]
    NotProvisioned {
        /// The member.
        member: MemberId,
        /// The database.
        place: Place,
        /// What is missing.
        what: String,
    },

    /// The file carries another member's or another group's id.
    #[error(
        "the database {place} belongs to the member `{found_member}` of the group `{found_group}`, not to `{member}` of \
         `{group}`: it may be a copy of that member's; correct the url, or run `deprovision` on the copy and \
         then `provision`"
    )]
    ForeignIdentity {
        /// The database.
        place: Place,
        /// The member that was expected.
        member: MemberId,
        /// The group that was expected.
        group: String,
        /// The member that the file names.
        found_member: String,
        /// The group that the file names.
        found_group: String,
    },

    /// The member was provisioned with another direction.
    #[error(
        "the member {member} ({place}) was provisioned with `direction: {found}`, and the group file says `{wanted}`: \
         its copies and its tracking are those of the old direction; put that back into the group file, or run \
         `tributary member reinit {member}`"
    )]
    DirectionChanged {
        /// The member.
        member: MemberId,
        /// The database.
        place: Place,
        /// The direction that it was provisioned with.
        found: String,
        /// The direction that the group file asks for.
        wanted: &'static str,
    },

    /// The capture token is not the expected one.
    #[error(
        "the member {member} ({place}) has {found} where the token {expected} was expected: it was replaced or \
         restored, or another worker captures from it; stop the other worker, put the later \
         state back, or run `deprovision` on it and let it join under another id"
    )]
    WrongToken {
        /// The member.
        member: MemberId,
        /// The database.
        place: Place,
        /// The predecessor that the new token names.
        expected: String,
        /// What is stored.
        found: String,
    },

    /// An apply offset is not the expected one.
    #[error(
        "the member {member} has offset {found} stored for {topic} generation {generation} partition {partition}, \
         where {expected} was expected: another worker has applied meanwhile, or the database was replaced; read the \
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
        "the sync objects in {place} have format {found} and this program knows up to {supported}; use a newer program"
    )]
    NewerFormat {
        /// The database.
        place: Place,
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

    /// The database refused a statement that it should have taken.
    #[error("the database {place} refused to {action}")]
    Statement {
        /// The database.
        place: Place,
        /// What was being done.
        action: &'static str,
        /// The database's reason.
        #[source]
        source: Cause,
    },

    /// A row of ours cannot be read.
    #[error(
        "{object} in {place} holds something that this program did not write: {reason}; if it was edited by hand, put it \
         back, else run `deprovision` and let it join under another id"
    )]
    Damaged {
        /// The database.
        place: Place,
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

    /// The server cannot be reached, or has closed the connection.
    #[error(
        "the member {member} ({place}) cannot be reached, could not {action}; this is tried again by itself, see \
         whether the server runs and the network lets connections through if it stays so"
    )]
    Unreachable {
        /// The member.
        member: MemberId,
        /// The database.
        place: Place,
        /// What was being done.
        action: &'static str,
        /// The reason.
        #[source]
        source: Cause,
    },

    /// The server does not accept user or password.
    #[error(
        "the member {member} ({place}) does not accept the user {user:?} or its password; correct them where the \
         group file takes them from, then start again"
    )]
    Credentials {
        /// The member.
        member: MemberId,
        /// The database.
        place: Place,
        /// The user.
        user: String,
        /// What the server said.
        #[source]
        source: Cause,
    },

    /// The server has no such database.
    #[error(
        "the server of the member {member} has no database {place}; correct the member's url, or create the database"
    )]
    NoDatabase {
        /// The member.
        member: MemberId,
        /// The database.
        place: Place,
        /// What the server said.
        #[source]
        source: Cause,
    },

    /// A right is missing.
    #[error("the user of the member {member} ({place}) may not {action}; {grant}")]
    Permission {
        /// The member.
        member: MemberId,
        /// The database.
        place: Place,
        /// What was being done.
        action: &'static str,
        /// The statement or script that grants it.
        grant: String,
        /// What the server said.
        #[source]
        source: Cause,
    },

    /// A statement took longer than the server lets it.
    #[error(
        "the database {place} ended a statement that took too long, could not {action}; this is tried again by \
         itself; if it stays so, raise the user's statement time-out"
    )]
    TimedOut {
        /// The database.
        place: Place,
        /// What was being done.
        action: &'static str,
        /// What the server said.
        #[source]
        source: Cause,
    },

    /// Others wrote the same rows at the same time.
    #[error(
        "others wrote the same rows of the database {place} at the same time, could not {action}; this is tried again \
         by itself"
    )]
    Contention {
        /// The database.
        place: Place,
        /// What was being done.
        action: &'static str,
        /// What the server said.
        #[source]
        source: Cause,
    },

    /// A server that only follows another.
    #[error(
        "the database {place} takes no writes now, could not {action}: it follows another server, or is set to \
         read-only; this is tried again by itself, correct the url if it does not name the primary"
    )]
    Standby {
        /// The database.
        place: Place,
        /// What was being done.
        action: &'static str,
        /// What the server said.
        #[source]
        source: Cause,
    },

    /// The connection cannot be encrypted as asked for.
    #[error("no connection to the member {member} ({place}) that is encrypted as asked for: {reason}")]
    Tls {
        /// The member.
        member: MemberId,
        /// The database.
        place: Place,
        /// What is wrong, and what to do.
        reason: String,
        /// The reason, where there is more to it.
        #[source]
        source: Option<Cause>,
    },

    /// The server's version is not supported.
    #[error("the server of the member {member} ({place}) is {found}; {supported} is needed")]
    ServerVersion {
        /// The member.
        member: MemberId,
        /// The database.
        place: Place,
        /// What it is.
        found: String,
        /// What is needed.
        supported: &'static str,
    },

    /// The member's url or settings cannot be used.
    #[error("the url or the settings of the member {member} cannot be used: {reason}")]
    Settings {
        /// The member.
        member: MemberId,
        /// What is wrong, and what to do; without the url.
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
            Self::DirectionChanged { .. } => ErrorKind::DirectionChanged,
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
            Self::Unreachable { .. } => ErrorKind::Unreachable,
            Self::Credentials { .. } => ErrorKind::Credentials,
            Self::NoDatabase { .. } => ErrorKind::NoDatabase,
            Self::Permission { .. } => ErrorKind::Permission,
            Self::TimedOut { .. } => ErrorKind::TimedOut,
            Self::Contention { .. } => ErrorKind::Contention,
            Self::Standby { .. } => ErrorKind::Standby,
            Self::Tls { .. } => ErrorKind::Tls,
            Self::ServerVersion { .. } => ErrorKind::ServerVersion,
            Self::Settings { .. } => ErrorKind::Settings,
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
            Self::Unreachable { .. } => "DBS-021",
            Self::Credentials { .. } => "DBS-022",
            Self::NoDatabase { .. } => "DBS-023",
            Self::Permission { .. } => "DBS-024",
            Self::TimedOut { .. } => "DBS-025",
            Self::Contention { .. } => "DBS-026",
            Self::Standby { .. } => "DBS-027",
            Self::Tls { .. } => "DBS-028",
            Self::ServerVersion { .. } => "DBS-029",
            Self::Settings { .. } => "DBS-030",
            Self::DirectionChanged { .. } => "DBS-031",
        }
    }

    /// What a worker does about it.
    pub const fn disposition(&self) -> Disposition {
        match self {
            // The file may be on a volume that comes back; the others end without anybody doing anything here.
            Self::Busy { .. } | Self::Full { .. } | Self::Io { .. } => Disposition::Retry,
            // A server comes back, another takes its place, a lock is let go.
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Contention { .. }
            | Self::Standby { .. } => Disposition::Retry,
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
            | Self::DirectionChanged { .. }
            | Self::WrongToken { .. }
            | Self::NewerFormat { .. }
            | Self::Unsupported { .. }
            | Self::NameTaken { .. }
            | Self::Statement { .. }
            | Self::Damaged { .. }
            | Self::Misuse { .. }
            | Self::Credentials { .. }
            | Self::NoDatabase { .. }
            | Self::Permission { .. }
            | Self::Tls { .. }
            | Self::ServerVersion { .. }
            | Self::Settings { .. } => Disposition::Stop,
        }
    }
}
