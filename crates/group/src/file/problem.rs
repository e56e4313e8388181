//! What can be wrong with a group file, and how it is told.
//!
//! Values are shown as they stand in the file, never after variables were replaced, and never those of passwords and
//! addresses of databases.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::Utf8Error;

/// A place in the group file. Lines and columns count from 1; line 0 means that the place is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The character within the line.
    pub column: u64,
}

/// Why a group file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupFileError {
    /// The file is not there or cannot be read.
    #[error("cannot read group file {}; `tributary init` writes one to start from", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is larger than any group file can sensibly be.
    #[error("{} has more than {limit} bytes; this does not look like a group file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The most bytes that are read.
        limit: u64,
    },
    /// The file is no UTF-8 text.
    #[error("group file {}, line {line}: not UTF-8 text; save it as UTF-8", path.display())]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// The line with the first byte that does not belong.
        line: usize,
        /// What is wrong with it.
        #[source]
        source: Utf8Error,
    },
    /// What stands in the file cannot be used.
    #[error("{}", told(path, problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// All that was found, by place.
        problems: Vec<Problem>,
    },
}

impl GroupFileError {
    /// The stable code: of the first problem where there are several.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "GRP-001",
            Self::TooLarge { .. } => "GRP-002",
            Self::NotUtf8 { .. } => "GRP-003",
            Self::Invalid { problems, .. } => {
                problems.first().map_or(ProblemKind::Syntax.code(), |problem| problem.kind.code())
            }
        }
    }

    /// What the process exits with: bad configuration, whatever the variant.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        64
    }

    /// What was found in the file; empty when it could not even be read.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid { problems, .. } => problems,
            Self::Read { .. } | Self::TooLarge { .. } | Self::NotUtf8 { .. } => &[],
        }
    }
}

/// What a problem is about; each kind has a stable code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// Not valid YAML.
    Syntax,
    /// A key that does not exist here.
    UnknownKey,
    /// A key, member or table that stands there twice.
    Doubled,
    /// A mapping where a list belongs, or the like.
    WrongShape,
    /// A key that has to be there is not.
    Missing,
    /// A value that is not one of those allowed.
    InvalidValue,
    /// A name that refers to nothing.
    UnknownReference,
    /// Settings that cannot stand together.
    Contradiction,
    /// Something that this build cannot do yet.
    NotInThisBuild,
    /// A variable that is not set, or is not written rightly.
    Variable,
    /// A secret that cannot be read, or stands where others can read it.
    Secret,
}

impl ProblemKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Syntax,
        Self::UnknownKey,
        Self::Doubled,
        Self::WrongShape,
        Self::Missing,
        Self::InvalidValue,
        Self::UnknownReference,
        Self::Contradiction,
        Self::NotInThisBuild,
        Self::Variable,
        Self::Secret,
    ];

    /// The stable code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Syntax => "GRP-010",
            Self::UnknownKey => "GRP-011",
            Self::Doubled => "GRP-012",
            Self::WrongShape => "GRP-013",
            Self::Missing => "GRP-014",
            Self::InvalidValue => "GRP-015",
            Self::UnknownReference => "GRP-016",
            Self::Contradiction => "GRP-017",
            Self::NotInThisBuild => "GRP-018",
            Self::Variable => "GRP-019",
            Self::Secret => "GRP-020",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is about.
    pub kind: ProblemKind,
    /// Where it stands.
    pub at: Position,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl Problem {
    pub(super) fn new(
        kind: ProblemKind,
        at: Position,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { kind, at, what: what.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.line > 0 {
            write!(f, "line {}, column {}: ", self.at.line, self.at.column)?;
        }
        write!(f, "{}; {} [{}]", self.what, self.remedy, self.kind.code())
    }
}

fn told(path: &std::path::Path, problems: &[Problem]) -> String {
    let path = path.display();
    if let [only] = problems {
        return format!("group file {path}, {only}");
    }
    let mut text = format!("group file {path} has {} problems", problems.len());
    for problem in problems {
        text.push_str("\n  ");
        text.push_str(&problem.to_string());
    }
    text
}

/// Which of `known` was probably meant by `word`: the one with the fewest typing errors, if those are few.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let most = (word.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|other| (strsim::damerau_levenshtein(&word, &other.to_lowercase()), other))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// Advice on what to write instead of `word`.
pub(super) fn instead_of<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("use {}", listed(&known)),
    }
}

/// `a`, `b` or `c`.
pub(super) fn listed(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => format!("`{only}`"),
        [first @ .., last] => format!("`{}` or `{last}`", first.join("`, `")),
    }
}
