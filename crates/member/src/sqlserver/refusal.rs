//! What SQL Server says when it does not take a row: whether the record is refused, or the whole call has failed.
//!
//! Told by error numbers. Of 547, which stands for three kinds of constraint, the English words tell which; sessions
//! ask for that language. What a number means for a single record is decided here; who of a set is guilty is
//! [`super::writes`]'s matter.

use crate::{Error, Refusal, RefusalKind};
use std::error::Error as _;
use tiberius::error::Error as Client;

/// What was being written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    /// A row was to be inserted or updated.
    Upsert,
    /// A row was to be deleted.
    Delete,
}

/// What the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) number: u32,
    pub(super) class: u8,
    pub(super) message: String,
}

impl Said {
    /// What the server said in an error, if it was the server.
    pub(super) fn of(error: &Error) -> Option<Self> {
        match error.source()?.downcast_ref::<Client>()? {
            Client::Server(said) => {
                Some(Self { number: said.code(), class: said.class(), message: said.message().to_owned() })
            }
            _ => None,
        }
    }
}

/// An error that a compatible server passes on without a number of SQL Server's.
const NUMBERLESS: u32 = 33_557_097;

/// The refusal that an error of a write stands for; `None` when it is about the connection, the database or the
/// program and not about the row. `stirs` tells whether users' triggers may run with the statement.
pub(super) fn of(error: &Error, verb: Verb, stirs: bool) -> Option<Refusal> {
    // Everything that says what to do about it is no refusal.
    if !matches!(error, Error::Statement { .. }) {
        return None;
    }
    let said = Said::of(error)?;
    let refused = |kind| Some(Refusal { kind, code: said.number.to_string(), message: words(&said) });
    let unless_trigger = |kind| refused(if stirs { RefusalKind::Trigger } else { kind });
    match said.number {
        547 => refused(constraint(&said.message, verb)),
        2601 | 2627 => refused(RefusalKind::Unique),
        515 => refused(RefusalKind::NotNull),
        // Too long, out of range, not to be converted, not within the type's own bounds.
        220 | 232 | 235 | 241 | 242 | 244 | 245 | 248 | 257 | 295 | 517 | 529 | 2628 | 6355 | 8114 | 8115
        | 8152 | 8169 | 9402 | 9413 | 9420 | 9436 | 9803 | 9827 | 13609 => unless_trigger(RefusalKind::Value),
        511 | 1701 | 1946 | 8618 => unless_trigger(RefusalKind::TooLarge),
        // The transaction ended in a trigger, was doomed there, or the trigger gave its own results or nested too deep.
        217 | 266 | 524 | 565 | 3609 | 3616 | 3621 | 3930 | 3931 | 3998 => refused(RefusalKind::Trigger),
        // RAISERROR and THROW, which only triggers can have said.
        50_000.. if said.number != NUMBERLESS => refused(RefusalKind::Trigger),
        NUMBERLESS => unless_trigger(RefusalKind::Other),
        // A name that is not known or a statement that does not fit: of a trigger's code it is a refusal, of ours a
        // table that has changed.
        102 | 156 | 170 | 201 | 206 | 207 | 208 | 213 | 271 | 334 | 544 | 545 | 2812 | 4104 | 8101 | 8102
        | 8144 | 8145
            if stirs =>
        {
            refused(RefusalKind::Trigger)
        }
        102 | 156 | 170 | 201 | 206 | 207 | 208 | 213 | 271 | 334 | 544 | 545 | 2812 | 4104 | 8101 | 8102
        | 8144 | 8145 | 1934 | 3902 | 3903 | 6401 => None,
        _ if said.class <= 16 => unless_trigger(RefusalKind::Other),
        _ => None,
    }
}

/// Which kind of constraint error 547 is about.
fn constraint(message: &str, verb: Verb) -> RefusalKind {
    let lower = message.to_ascii_lowercase();
    if lower.contains("check constraint") {
        RefusalKind::Check
    } else if verb == Verb::Delete || lower.contains("reference constraint") {
        RefusalKind::Referenced
    } else {
        RefusalKind::ForeignKey
    }
}

/// The server's words without the row's values: it quotes those at the end of some messages.
fn words(said: &Said) -> String {
    for mark in [" The duplicate key value is", " Truncated value:", " The statement has been terminated"] {
        if let Some((before, _)) = said.message.split_once(mark) {
            return before.trim_end().to_owned();
        }
    }
    let quotes_value = matches!(said.number, 241 | 242 | 244 | 245 | 248 | 8114 | 8169 | NUMBERLESS);
    match (quotes_value, said.number) {
        (true, NUMBERLESS) => without_quoted(&said.message, '"'),
        (true, _) => without_quoted(&said.message, '\''),
        (false, _) => said.message.clone(),
    }
}

/// A message whose quoted parts are left out.
fn without_quoted(message: &str, quote: char) -> String {
    let mut parts = message.split(quote);
    let mut out = parts.next().unwrap_or_default().to_owned();
    while parts.next().is_some() {
        out.push('…');
        out.push_str(parts.next().unwrap_or_default());
    }
    out
}

/// Whether an insert failed because its key is there already.
pub(super) fn is_duplicate(error: &Error) -> bool {
    Said::of(error).is_some_and(|said| matches!(said.number, 2601 | 2627))
}

/// A reference to a row that is not there, as the server words it.
pub(super) fn missing_parent(constraint: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::ForeignKey,
        code: "547".to_owned(),
        message: format!("The statement conflicted with the FOREIGN KEY constraint \"{constraint}\""),
    }
}

/// A delete of a row that others refer to, as the server words it.
pub(super) fn still_referenced(constraint: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Referenced,
        code: "547".to_owned(),
        message: format!("The DELETE statement conflicted with the REFERENCE constraint \"{constraint}\""),
    }
}

/// A value that another row has, as the server words it.
pub(super) fn taken(index: &str) -> Refusal {
    Refusal {
        kind: RefusalKind::Unique,
        code: "2601".to_owned(),
        message: format!("Cannot insert duplicate key row with unique index '{index}'"),
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

/// A write that had no effect.
pub(super) fn swallowed() -> Refusal {
    Refusal {
        kind: RefusalKind::Trigger,
        code: "swallowed".to_owned(),
        message: "a trigger or a security policy took the write back or kept it from happening".to_owned(),
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

    #[test]
    fn constraints_are_told_apart() {
        for (message, verb, kind) in [
            (
                "The INSERT statement conflicted with the CHECK constraint \"c\".",
                Verb::Upsert,
                RefusalKind::Check,
            ),
            (
                "The INSERT statement conflicted with the FOREIGN KEY constraint \"f\".",
                Verb::Upsert,
                RefusalKind::ForeignKey,
            ),
            (
                "The DELETE statement conflicted with the REFERENCE constraint \"f\".",
                Verb::Delete,
                RefusalKind::Referenced,
            ),
            (
                "The UPDATE statement conflicted with the REFERENCE constraint \"f\".",
                Verb::Upsert,
                RefusalKind::Referenced,
            ),
            (
                "new row for relation \"item\" violates check constraint \"c\"",
                Verb::Upsert,
                RefusalKind::Check,
            ),
            (
                "insert or update on table \"kid\" violates foreign key constraint \"f\"",
                Verb::Upsert,
                RefusalKind::ForeignKey,
            ),
        ] {
            assert_eq!(constraint(message, verb), kind, "{message}");
        }
    }

    #[test]
    fn values_are_left_out_of_messages() {
        let said = |number, message: &str| Said { number, class: 16, message: message.to_owned() };
        let duplicate = "Violation of UNIQUE KEY constraint 'u'. Cannot insert duplicate key in object 'dbo.t'. The \
                         duplicate key value is (secret).";
        assert!(words(&said(2627, duplicate)).ends_with("in object 'dbo.t'."));
        let truncated =
            "String or binary data would be truncated in table 't', column 'c'. Truncated value: 'secret'.";
        assert!(words(&said(2628, truncated)).ends_with("column 'c'."));
        let converted = words(&said(
            245,
            "Conversion failed when converting the varchar value 'secret' to data type int.",
        ));
        assert_eq!(converted, "Conversion failed when converting the varchar value … to data type int.");
    }
}
