//! Why a process of a group could not be put together.

use std::path::PathBuf;
use tributary_group::copy::MarkError;
use tributary_group::file::GroupFileError;
use tributary_group::spec::{GroupFinding, SpecStoreError};
use tributary_runtime::metrics::MetricsError;
use tributary_runtime::supervisor::SupervisorError;
use tributary_stream::Disposition;

/// Failures of the wiring.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The folder for the group's own files cannot be made.
    #[error("the folder {} cannot be created; correct `data_dir` in the group file", path.display())]
    DataDir {
        /// The folder.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The log failed.
    #[error("the log could not be used")]
    Log(#[from] tributary_stream::Error),
    /// The spec on the control topic could not be read or written.
    #[error("the group's tables could not be read from the log")]
    Spec(#[from] SpecStoreError),
    /// The group file and the members do not fit together.
    #[error(
        "{} of the group file and its members stand in the way; `tributary check` lists them",
        problems(findings)
    )]
    Findings {
        /// All that was found.
        findings: Vec<GroupFinding>,
    },
    /// Nothing is known of the group's tables yet.
    #[error("nothing has been synchronised in this group yet; run `tributary provision` first")]
    NotProvisioned,
    /// The group file says that changes are carried only when told to.
    #[error("the group's schedule is manual: `tributary sync` carries changes, `run` has nothing to do")]
    Manual,
    /// The log holds less than a member has applied from it.
    #[error(
        "the log went back in time: member {member} has applied {topic}, partition {partition} up to {applied}, and \
         the log ends at {end}; put the later log back: with this one, offsets would be given twice and records \
         passed over"
    )]
    LogWentBack {
        /// The member.
        member: String,
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// The next offset that the member would read.
        applied: u64,
        /// Where the log ends.
        end: u64,
    },
    /// Whether the log was copied could not be told.
    #[error("whether the log was copied to another one could not be told")]
    Mark(#[from] MarkError),
    /// The log is being copied.
    #[error(
        "the log {} is being copied to {to}: finish it with `tributary log copy`, or give it up with \
         `tributary log copy --abandon`", path.display()
    )]
    Leaving {
        /// The log's file.
        path: PathBuf,
        /// Where to.
        to: String,
    },
    /// The log was copied.
    #[error(
        "the log {} was copied to {to}, which is the group's log now; name it under `log:` in the group file",
        path.display()
    )]
    Left {
        /// The log's file.
        path: PathBuf,
        /// Where to.
        to: String,
    },
    /// A member's address and password make no connection settings.
    #[error("a member of the group cannot be connected to as the group file says")]
    Member(#[from] tributary_member::Error),
    /// The group file cannot be used any more.
    #[error("the group file cannot be read again")]
    File(#[from] GroupFileError),
    /// A member has joined that this machine's group file does not name.
    #[error(
        "member {member} has joined the group and is not in {path}; add it there, and start this process again"
    )]
    NotInFile {
        /// The member.
        member: String,
        /// The group file.
        path: String,
    },
    /// A metric's name is taken.
    #[error("the metrics could not be set up")]
    Metrics(#[from] MetricsError),
    /// A worker could not be started.
    #[error("a worker could not be started")]
    Supervisor(#[from] SupervisorError),
}

impl EngineError {
    /// The stable code, listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::DataDir { .. } => "ENG-001",
            Self::Log(source) => source.code(),
            Self::Spec(SpecStoreError::Log(source)) => source.code(),
            Self::Spec(_) => "ENG-002",
            Self::Findings { .. } => "ENG-003",
            Self::NotProvisioned => "ENG-004",
            Self::Metrics(_) => "ENG-005",
            Self::Supervisor(_) => "ENG-006",
            Self::Manual => "ENG-007",
            Self::LogWentBack { .. } => "ENG-008",
            Self::Mark(source) => source.code(),
            Self::Member(source) => source.code(),
            Self::Leaving { .. } => "ENG-009",
            Self::Left { .. } => "ENG-010",
            Self::File(source) => source.code(),
            Self::NotInFile { .. } => "ENG-011",
        }
    }
}

impl EngineError {
    /// What a process does about it: only the log's failures pass by themselves.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Log(source)
            | Self::Spec(SpecStoreError::Log(source))
            | Self::Mark(MarkError::Log(source)) => source.disposition(),
            Self::DataDir { .. }
            | Self::File(_)
            | Self::NotInFile { .. }
            | Self::Spec(_)
            | Self::Findings { .. }
            | Self::NotProvisioned
            | Self::Manual
            | Self::LogWentBack { .. }
            | Self::Mark(_)
            | Self::Leaving { .. }
            | Self::Left { .. }
            | Self::Member(_)
            | Self::Metrics(_)
            | Self::Supervisor(_) => Disposition::Stop,
        }
    }
}

fn problems(findings: &[GroupFinding]) -> String {
    let errors =
        findings.iter().filter(|found| found.finding.severity == tributary_member::Severity::Error).count();
    if errors == 1 { "a problem".to_owned() } else { format!("{errors} problems") }
}
