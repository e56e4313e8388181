//! What is told, and what the process exits with, when a command fails.

use crate::output::{bad, faint, note};
use std::error::Error;
use std::io;
use std::process::ExitCode;
use tributary_engine::EngineError;
use tributary_group::ActionError;
use tributary_group::copy::CopyError;
use tributary_group::file::GroupFileError;
use tributary_group::progress::ProgressError;
use tributary_group::rejoin::RejoinError;
use tributary_group::status::StatusError;
use tributary_group::verify::VerifyError;
use tributary_member::{ErrorKind, Severity};
use tributary_runtime::logging::LoggingError;
use tributary_runtime::server::ServerError;
use tributary_runtime::supervisor::SupervisorError;

/// What a command that did not fail exits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All is well.
    Well,
    /// It found differences, errors, or something in the way.
    Found,
}

impl Exit {
    /// `Found` when something was.
    pub(crate) fn found(found: bool) -> Self {
        if found { Self::Found } else { Self::Well }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Well => Self::SUCCESS,
            Exit::Found => Self::from(FAILED),
        }
    }
}

const FAILED: u8 = 1;
const WRONG_USE: u8 = 2;
const CONFIGURATION: u8 = 64;
const UNAVAILABLE: u8 = 69;

/// The command line asks for something that cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Misuse {
    /// A value that no option takes.
    #[error("{value:?} is no {what}; write {example}")]
    Value {
        /// What was given.
        value: String,
        /// What it should be.
        what: &'static str,
        /// One that would do.
        example: &'static str,
    },
    /// The group file names another log than the command needs.
    #[error("the group file names no Kafka cluster to copy to; write `log: {{ kafka: … }}` in it first")]
    NoKafka,
    /// A member that is not in the group file, and nothing says where it is.
    #[error("the group file has no member {id}; write it there, or say where it is with --url")]
    NoUrl {
        /// The member.
        id: String,
    },
    /// A member that is in the group file already.
    #[error("the group file has member {id} already; leave --url out")]
    InFile {
        /// The member.
        id: String,
    },
    /// A password that is none of the ways to name one.
    #[error("a password does not go on the command line; name where it is: '${{NAME}}' or file:/path")]
    Password,
    /// A group file that is written in another way than can be added to.
    #[error(
        "the group file is not written so that a member can be added to it; write {id} below `members:` yourself"
    )]
    ByHand {
        /// The member.
        id: String,
    },
    /// The only member there is.
    #[error("{id} is the group's only member; `tributary deprovision` removes what was created in it")]
    LastMember {
        /// The member.
        id: String,
    },
    /// A member with changes that are not settled.
    #[error(
        "{id} still has something to give ({left}): let `tributary run` or `tributary sync` carry it, or use --now to leave \
         it behind"
    )]
    NotDrained {
        /// The member.
        id: String,
        /// What.
        left: String,
    },
    /// A file that is there already.
    #[error("{path} exists already; name another file, or let --force write over it")]
    Exists {
        /// The file.
        path: String,
    },
}

/// Tells an error, and gives the code to exit with.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if is_closed_pipe(error) {
        // Whoever read our output has seen enough.
        return ExitCode::SUCCESS;
    }
    let code = error.chain().find_map(code).map_or_else(String::new, |code| format!("[{code}]"));
    let mut printed = error.to_string();
    note(&format!("{} {printed}", bad(&format!("error{code}:"))));
    for cause in error.chain().skip(1) {
        let text = cause.to_string();
        if !printed.ends_with(&text) {
            note(&format!("{} {text}", faint("caused by:")));
        }
        printed = text;
    }
    for hint in error.chain().flat_map(hints) {
        note(&format!("{} {hint}", faint("hint:")));
    }
    ExitCode::from(exit_code(error))
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// The error as this type, also where it is boxed in another one.
fn is<'a, E: Error + 'static>(cause: &'a (dyn Error + 'static)) -> Option<&'a E> {
    cause.downcast_ref::<E>().or_else(|| cause.downcast_ref::<Box<E>>().map(|boxed| &**boxed))
}

fn code(cause: &(dyn Error + 'static)) -> Option<&'static str> {
    is::<GroupFileError>(cause)
        .map(GroupFileError::code)
        .or_else(|| is::<EngineError>(cause).map(EngineError::code))
        .or_else(|| is::<ActionError>(cause).map(ActionError::code))
        .or_else(|| is::<StatusError>(cause).map(StatusError::code))
        .or_else(|| is::<VerifyError>(cause).map(VerifyError::code))
        .or_else(|| is::<ProgressError>(cause).map(ProgressError::code))
        .or_else(|| is::<CopyError>(cause).map(CopyError::code))
        .or_else(|| is::<RejoinError>(cause).map(RejoinError::code))
        .or_else(|| is::<tributary_member::Error>(cause).map(tributary_member::Error::code))
        .or_else(|| is::<tributary_stream::Error>(cause).map(tributary_stream::Error::code))
        .or_else(|| is::<ServerError>(cause).map(ServerError::code))
        .or_else(|| is::<SupervisorError>(cause).map(SupervisorError::code))
        .or_else(|| is::<LoggingError>(cause).map(LoggingError::code))
}

/// The innermost error that knows decides: a log that is in use is the same wherever it is noticed.
fn exit_code(error: &anyhow::Error) -> u8 {
    error.chain().filter_map(exit_of).last().unwrap_or(FAILED)
}

fn exit_of(cause: &(dyn Error + 'static)) -> Option<u8> {
    if let Some(error) = is::<GroupFileError>(cause) {
        return Some(error.exit_code());
    }
    if let Some(error) = is::<EngineError>(cause) {
        return match error {
            EngineError::Findings { .. } | EngineError::DataDir { .. } | EngineError::Manual => {
                Some(CONFIGURATION)
            }
            EngineError::LogWentBack { .. } | EngineError::Leaving { .. } => Some(UNAVAILABLE),
            EngineError::Left { .. } => Some(CONFIGURATION),
            _ => None,
        };
    }
    if let Some(error) = is::<ActionError>(cause) {
        return match error {
            ActionError::UnknownTable { .. }
            | ActionError::UnknownMember { .. }
            | ActionError::Ambiguous { .. } => Some(WRONG_USE),
            _ => None,
        };
    }
    if let Some(error) = is::<Misuse>(cause) {
        return match error {
            Misuse::Value { .. } => Some(WRONG_USE),
            Misuse::NoUrl { .. } | Misuse::InFile { .. } | Misuse::Password => Some(WRONG_USE),
            Misuse::NoKafka | Misuse::ByHand { .. } => Some(CONFIGURATION),
            Misuse::Exists { .. } | Misuse::LastMember { .. } | Misuse::NotDrained { .. } => Some(FAILED),
        };
    }
    if is::<LoggingError>(cause).is_some() {
        return Some(WRONG_USE);
    }
    if let Some(error) = is::<tributary_member::Error>(cause) {
        return Some(exit_of_member(error.kind()));
    }
    if is::<ServerError>(cause).is_some() {
        return Some(UNAVAILABLE);
    }
    is::<tributary_stream::Error>(cause).map(exit_of_log)
}

fn exit_of_member(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Missing
        | ErrorKind::NotADatabase
        | ErrorKind::Corrupt
        | ErrorKind::ReadOnly
        | ErrorKind::Busy
        | ErrorKind::NotWal
        | ErrorKind::Full
        | ErrorKind::Io
        | ErrorKind::NewerFormat
        | ErrorKind::Unreachable
        | ErrorKind::Credentials
        | ErrorKind::NoDatabase
        | ErrorKind::Permission
        | ErrorKind::TimedOut
        | ErrorKind::Contention
        | ErrorKind::Standby
        | ErrorKind::Tls
        | ErrorKind::ServerVersion => UNAVAILABLE,
        ErrorKind::ForeignIdentity | ErrorKind::DirectionChanged | ErrorKind::Settings => CONFIGURATION,
        ErrorKind::NotProvisioned
        | ErrorKind::WrongToken
        | ErrorKind::OffsetMoved
        | ErrorKind::TableMissing
        | ErrorKind::TableChanged
        | ErrorKind::Unsupported
        | ErrorKind::NameTaken
        | ErrorKind::Statement
        | ErrorKind::Damaged
        | ErrorKind::Misuse => FAILED,
    }
}

fn exit_of_log(error: &tributary_stream::Error) -> u8 {
    use tributary_stream::Error;
    match error {
        Error::Missing { .. }
        | Error::NotALog { .. }
        | Error::Corrupt { .. }
        | Error::NewerFormat { .. }
        | Error::Locked { .. }
        | Error::Full { .. }
        | Error::Busy { .. }
        | Error::ReadOnly { .. }
        | Error::Storage { .. }
        | Error::File { .. }
        | Error::Unavailable { .. }
        | Error::Credentials { .. }
        | Error::Tls { .. }
        | Error::Denied { .. }
        | Error::Registry { .. }
        | Error::OtherCluster { .. }
        | Error::Identity { .. }
        | Error::Incomplete { .. }
        | Error::Occupied { .. }
        | Error::Kafka { .. } => UNAVAILABLE,
        Error::TopicMismatch { .. }
        | Error::InvalidTopic { .. }
        | Error::NoSchema { .. }
        | Error::ClientSettings { .. }
        | Error::Incompatible { .. } => CONFIGURATION,
        _ => FAILED,
    }
}

/// What can be said beyond the message.
fn hints(cause: &(dyn Error + 'static)) -> Vec<String> {
    if let Some(EngineError::Findings { findings }) = is::<EngineError>(cause) {
        let errors = findings.iter().filter(|found| found.finding.severity == Severity::Error);
        return errors
            .map(|found| {
                let member =
                    found.member.as_ref().map_or_else(String::new, |member| format!("member {member}: "));
                format!("{member}{}; {}", found.finding.message, found.finding.remedy)
            })
            .collect();
    }
    if let Some(tributary_stream::Error::Locked { .. }) = is::<tributary_stream::Error>(cause) {
        let text = "`status`, `sync`, `verify`, `tail` and the lists work beside a running `tributary run`";
        return vec![text.to_owned()];
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use std::path::PathBuf;
    use tributary_model::MemberId;

    #[test]
    fn the_innermost_error_decides_and_the_outermost_code_is_shown() {
        let missing = || tributary_stream::Error::Missing { path: PathBuf::from("x") };
        let error = anyhow::Error::from(EngineError::Log(missing())).context("outer");
        assert_eq!(exit_code(&error), UNAVAILABLE);
        assert_eq!(error.chain().find_map(code), Some("LOG-013"));
        let member = MemberId::new("hq").unwrap();
        let source = Box::new(tributary_member::Error::ReadOnly { place: tributary_member::Place::new("x") });
        let error = anyhow::Error::from(ActionError::Member { member, source });
        assert_eq!((exit_code(&error), error.chain().find_map(code)), (UNAVAILABLE, Some("DBS-004")));
        let error = anyhow::Error::from(EngineError::Findings { findings: Vec::new() });
        assert_eq!(exit_code(&error), CONFIGURATION);
        let unknown = ActionError::UnknownTable { table: "x".into(), known: "y".into() };
        assert_eq!(exit_code(&unknown.into()), WRONG_USE);
        assert_eq!(exit_code(&anyhow::anyhow!("something else")), FAILED);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed: anyhow::Result<()> = Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        assert!(is_closed_pipe(&closed.context("writing").unwrap_err()));
        assert!(!is_closed_pipe(&io::Error::from(io::ErrorKind::NotFound).into()));
    }
}
