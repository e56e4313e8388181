//! Where a member's database is and what it said, as errors of every dialect tell it.
//!
//! A place is text for people. How the database is reached is each adapter's settings, which may hold secrets; a place
//! never does.

use std::error::Error as StdError;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a database, its client library or the network said.
pub type Cause = Box<dyn StdError + Send + Sync>;

/// Where a member's database is: a file, or server and database. Never holds credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(Arc<str>);

impl Place {
    /// The place that is described so, such as `shop at db.example.com:5432`.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self(path.display().to_string().into())
    }
}

impl From<&PathBuf> for Place {
    fn from(path: &PathBuf) -> Self {
        Self::from(path.as_path())
    }
}

impl From<PathBuf> for Place {
    fn from(path: PathBuf) -> Self {
        Self::from(path.as_path())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
