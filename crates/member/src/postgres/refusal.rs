//! What PostgreSQL says when it does not take a row: whether the record is refused, or the whole call has failed.
//!
//! Told by SQLSTATE and by the names that come with it, never by the message, which is in the server's language. What
//! a class of errors means for a single record is decided here; who of a set is guilty is [`super::writes`]'s matter.

use crate::{Refusal, RefusalKind};
use tokio_postgres::error::DbError;

/// What was being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// A row was to be inserted or updated.
    Upsert,
    /// A row was to be deleted.
    Delete,
}

/// What is known of the table that a statement wrote.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'a> {
    /// Its name.
    pub(super) table: &'a str,
    pub(super) verb: Verb,
    /// Whether users' triggers may run with the statement.
    pub(super) stirs: bool,
}

/// What an error of a statement that writes rows means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A record is refused.
    Refused(Refusal),
    /// The server gave up on this transaction because of others; nothing is wrong with it.
    Again,
    /// The call has failed.
    Failed,
}

/// The verdict on an error.
pub(super) fn of(error: &DbError, target: Target<'_>) -> Verdict {
    let code = error.code().code();
    let refused =
        |kind| Verdict::Refused(Refusal { kind, code: code.to_owned(), message: error.message().to_owned() });
    let reference = match target.verb {
        Verb::Upsert => RefusalKind::ForeignKey,
        Verb::Delete => RefusalKind::Referenced,
    };
    // What a user's trigger does to other tables shows as an error of those.
    let elsewhere = target.stirs && error.table().is_some_and(|table| table != target.table);
    let unless_elsewhere = |kind| refused(if elsewhere { RefusalKind::Trigger } else { kind });
    let by_trigger = |kind| refused(if target.stirs { RefusalKind::Trigger } else { kind });
    match code {
        // Of a delete the error names the table that refers to it.
        "23503" | "23001" if target.verb == Verb::Delete => refused(reference),
        "23503" | "23001" => unless_elsewhere(reference),
        "23505" | "23P01" => unless_elsewhere(RefusalKind::Unique),
        "23502" => unless_elsewhere(RefusalKind::NotNull),
        "23514" | "44000" => unless_elsewhere(RefusalKind::Check),
        // A right that the code of a user's trigger lacks is that row's matter. One that we lack stops us; policies
        // raise the same, since connections are opened with `row_security = off`.
        "42501" if target.stirs && is_of_users_code(error.where_()) => refused(RefusalKind::Trigger),
        "42501" => Verdict::Failed,
        "40001" | "40P01" | "55P03" => Verdict::Again,
        // Index entries and rows that do not fit into a page, and the like.
        "54000" | "54001" | "54011" | "54023" => by_or_large(target, refused),
        // The text of a value in a message would be the row's, so such messages are replaced below.
        "428C9" => refused(RefusalKind::Value),
        "XX000" if target.stirs => refused(RefusalKind::Trigger),
        _ => match &code[..2] {
            "22" if !target.stirs => {
                // The server quotes the value that it could not take.
                Verdict::Refused(Refusal {
                    kind: RefusalKind::Value,
                    code: code.to_owned(),
                    message: value_message(error),
                })
            }
            "23" | "22" => by_trigger(RefusalKind::Other),
            "P0" | "09" | "27" | "38" | "39" => refused(RefusalKind::Trigger),
            // Connection, transaction state, resources, operators, the system, the server's own faults.
            "08" | "25" | "28" | "40" | "53" | "55" | "57" | "58" | "XX" | "3D" | "3F" | "F0" => {
                Verdict::Failed
            }
            // A name that is not known, a function without rights: of a trigger's code it is a refusal, of ours a
            // table that has changed.
            "42" if target.stirs => refused(RefusalKind::Trigger),
            "42" | "0A" | "26" | "34" => Verdict::Failed,
            // Codes that users make up.
            _ => by_trigger(RefusalKind::Other),
        },
    }
}

/// Whether an error's context tells of code other than ours. Statements of our own have no context, in whatever language
/// it is told; the names of our functions stand in it as they are.
fn is_of_users_code(context: Option<&str>) -> bool {
    context.is_some_and(|context| !context.contains("DataSync"))
}

fn by_or_large(target: Target<'_>, refused: impl Fn(RefusalKind) -> Verdict) -> Verdict {
    refused(if target.stirs { RefusalKind::Trigger } else { RefusalKind::TooLarge })
}

fn value_message(error: &DbError) -> String {
    let what = match error.code().code() {
        "22001" => "a value is longer than its column",
        "22003" => "a number is outside of what its column can hold",
        "22007" | "22008" => "a date or time is outside of what its column can hold",
        "22021" | "22P05" => "a text has characters that the database's encoding lacks",
        "22P02" | "22P03" => "a text is none that its column's type can read",
        _ => "a value that its column cannot hold",
    };
    match error.column() {
        Some(column) => format!("{what}: column {column:?}"),
        None => what.to_owned(),
    }
}

/// A delete that would change rows of a synchronised table behind everybody's back.
pub(super) fn cascade() -> Refusal {
    Refusal {
        kind: RefusalKind::Referenced,
        code: "cascade".to_owned(),
        message: "rows of a synchronised table still refer to the row and would be changed with it"
            .to_owned(),
    }
}

/// A reference to a row that is not there, as the server words it.
pub(super) fn missing_parent(table: &str, constraint: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::ForeignKey,
        code: "23503".to_owned(),
        message: format!(
            "insert or update on table \"{table}\" violates foreign key constraint \"{constraint}\""
        ),
    }
}

/// A delete of a row that others refer to, as the server words it.
pub(super) fn still_referenced(table: &str, constraint: &str, child: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Referenced,
        code: "23503".to_owned(),
        message: format!(
            "update or delete on table \"{table}\" violates foreign key constraint \"{constraint}\" on table \
             \"{child}\""
        ),
    }
}

/// A value that another row has, as the server words it.
pub(super) fn taken(constraint: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Unique,
        code: "23505".to_owned(),
        message: format!("duplicate key value violates unique constraint \"{constraint}\""),
    }
}

/// A write that had no effect.
pub(super) fn swallowed() -> Refusal {
    Refusal {
        kind: RefusalKind::Trigger,
        code: "swallowed".to_owned(),
        message: "a trigger or a row-level security policy kept the write from happening".to_owned(),
    }
}

/// The code of listings of rows that a trigger altered.
pub(super) const ALTERED: &str = "altered";

/// A row that a trigger altered while apply wrote it: listed, not refused.
pub(super) fn altered() -> Refusal {
    Refusal {
        kind: RefusalKind::Trigger,
        code: ALTERED.to_owned(),
        message: "altered by a trigger: the row was written and differs now from the group's; let the trigger pass \
                  over rows that are being synchronised"
            .to_owned(),
    }
}

/// Whether it only says that an earlier statement of the transaction has failed. Of statements that are under way at the
/// same time, one that is copied takes several messages, so that the cause may be answered behind its consequences.
pub(super) fn is_consequence(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code() == "25P02")
}

/// Whether the transaction has lost against another one, and may be tried again.
pub(super) fn is_conflict(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| matches!(code.code(), "40001" | "40P01" | "55P03"))
}
