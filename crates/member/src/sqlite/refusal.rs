//! What SQLite says when it does not take a row: whether the record is refused, or the whole call has failed.

use crate::{Refusal, RefusalKind};
use rusqlite::ffi;

/// What was being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// A row was to be inserted or updated.
    Upsert,
    /// A row was to be deleted.
    Delete,
}

/// What SQLite says of a foreign key, in the error of the constraint and in that of its own triggers for RESTRICT.
const FOREIGN_KEY: &str = "FOREIGN KEY constraint failed";

/// The refusal that an error stands for; `None` when it is about the file, the disk or the program and not about the
/// row. `fires` tells whether users' triggers run with the statement.
pub(super) fn of(error: &rusqlite::Error, verb: Verb, fires: bool) -> Option<Refusal> {
    let code = error.sqlite_error()?.extended_code;
    let message = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    let reference = match verb {
        Verb::Upsert => RefusalKind::ForeignKey,
        Verb::Delete => RefusalKind::Referenced,
    };
    let kind = match code {
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => reference,
        ffi::SQLITE_CONSTRAINT_TRIGGER if message == FOREIGN_KEY => reference,
        ffi::SQLITE_CONSTRAINT_TRIGGER => RefusalKind::Trigger,
        ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
            RefusalKind::Unique
        }
        ffi::SQLITE_CONSTRAINT_NOTNULL => RefusalKind::NotNull,
        ffi::SQLITE_CONSTRAINT_CHECK => RefusalKind::Check,
        ffi::SQLITE_CONSTRAINT_DATATYPE | ffi::SQLITE_MISMATCH => RefusalKind::Value,
        ffi::SQLITE_TOOBIG => RefusalKind::TooLarge,
        // A trigger's statement, a check's function, a foreign key whose parent has no such key: the statement fails
        // every time, and nothing else does.
        ffi::SQLITE_ERROR if fires => RefusalKind::Trigger,
        ffi::SQLITE_ERROR => RefusalKind::Other,
        other if other & 0xff == ffi::SQLITE_CONSTRAINT => RefusalKind::Other,
        _ => return None,
    };
    Some(Refusal { kind, code: code.to_string(), message })
}

/// Whether an insert failed because its key is there already.
pub(super) fn is_own_key(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(code, Some(ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID))
}

/// Whether a commit failed for a foreign key, which leaves the transaction open.
pub(super) fn is_foreign_key(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| error.extended_code == ffi::SQLITE_CONSTRAINT_FOREIGNKEY)
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

/// A write that had no effect.
pub(super) fn swallowed() -> Refusal {
    Refusal {
        kind: RefusalKind::Trigger,
        code: "swallowed".to_owned(),
        message: "a trigger took the write back or kept it from happening".to_owned(),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: i32, message: &str) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some(message.to_owned()))
    }

    #[test]
    fn refusals_are_told_from_failures() {
        let kind = |code, message, verb| of(&error(code, message), verb, false).map(|refusal| refusal.kind);
        for (code, message, upsert, delete) in [
            (787, FOREIGN_KEY, RefusalKind::ForeignKey, RefusalKind::Referenced),
            (1811, FOREIGN_KEY, RefusalKind::ForeignKey, RefusalKind::Referenced),
            (1811, "closed", RefusalKind::Trigger, RefusalKind::Trigger),
            (2067, "", RefusalKind::Unique, RefusalKind::Unique),
            (1555, "", RefusalKind::Unique, RefusalKind::Unique),
            (2579, "", RefusalKind::Unique, RefusalKind::Unique),
            (1299, "", RefusalKind::NotNull, RefusalKind::NotNull),
            (275, "", RefusalKind::Check, RefusalKind::Check),
            (3091, "", RefusalKind::Value, RefusalKind::Value),
            (20, "", RefusalKind::Value, RefusalKind::Value),
            (18, "", RefusalKind::TooLarge, RefusalKind::TooLarge),
            (19, "", RefusalKind::Other, RefusalKind::Other),
            (1, "no such function: f", RefusalKind::Other, RefusalKind::Other),
        ] {
            assert_eq!(kind(code, message, Verb::Upsert), Some(upsert), "{code} {message}");
            assert_eq!(kind(code, message, Verb::Delete), Some(delete), "{code} {message}");
        }
        // Busy, locked, out of memory, read-only, interrupted, I/O, corrupt, full, cannot open, not a database, and
        // some of their extended forms: nobody is to blame but the circumstances.
        for code in [5, 6, 7, 8, 9, 10, 11, 13, 14, 26, 266, 517, 778, 1032, 2570] {
            assert_eq!(kind(code, "", Verb::Upsert), None, "{code}");
        }
        assert_eq!(of(&rusqlite::Error::InvalidQuery, Verb::Upsert, true), None);
        assert_eq!(of(&error(1, "no such table"), Verb::Upsert, true).unwrap().kind, RefusalKind::Trigger);
    }
}
