//! The group file: the one YAML file in which a group is described.
//!
//! Reads, checks and explains. What comes out ([`GroupFile`]) has every default filled in, every variable replaced and
//! every secret read, so that nobody behind it has to ask again. Whether members, tables and columns really are there
//! is not looked at here: that is the schema check's business.
//!
//! The way from text to settings has three steps, and each reports all it can before the next begins: YAML syntax and
//! doubled keys (`yaml`), unknown keys and shapes (`raw`), values and what they refer to (`validate`).

mod choice;
pub mod edit;
mod problem;
mod raw;
mod schema;
mod secret;
mod settings;
mod url;
mod validate;
mod values;
mod yaml;

#[cfg(test)]
mod tests;

pub use choice::Choice;
pub use problem::{GroupFileError, Position, Problem, ProblemKind};
pub use schema::json_schema;
pub use settings::{
    ApplySettings, BlockedDelete, ColumnChoice, DEFAULT_PREFIX, Direction, GroupFile, GroupName, Kafka,
    LogSettings, Member, MemberUrl, OnLoss, Schedule, Table,
};

use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The largest group file that is read. No sensible file comes near it.
pub const LARGEST_FILE_BYTES: u64 = 1024 * 1024;

/// A commented group file to start from: two SQLite members, two tables.
#[must_use]
pub fn template() -> &'static str {
    include_str!("template.yaml")
}

/// Where `${NAME}` is looked up: the value of a variable, `None` when it is not set.
pub type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl GroupFile {
    /// Reads and checks the group file at `path`, with the variables of this process.
    ///
    /// # Errors
    /// Everything that is wrong with it; see [`GroupFileError`].
    pub fn load(path: &Path) -> Result<Self, GroupFileError> {
        let text = read(path)?;
        Self::parse(&text, path, &values::process_environment)
    }

    /// Checks `text` as what the group file at `path` is to hold, with the variables of this process.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn check(text: &str, path: &Path) -> Result<Self, GroupFileError> {
        Self::parse(text, path, &values::process_environment)
    }

    /// Checks `text` as the contents of the group file at `path`: relative paths in it are relative to that file.
    ///
    /// # Errors
    /// Everything that is wrong with it, as far as it can be told at once.
    pub fn parse(text: &str, path: &Path, environment: &Environment<'_>) -> Result<Self, GroupFileError> {
        yaml::parse(text)
            .and_then(|raw| validate::validate(raw, path, environment))
            .map_err(|problems| GroupFileError::Invalid { path: path.to_owned(), problems })
    }
}

fn read(path: &Path) -> Result<String, GroupFileError> {
    let failed = |source| GroupFileError::Read { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large without reading all of it.
    file.take(LARGEST_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > LARGEST_FILE_BYTES {
        return Err(GroupFileError::TooLarge { path: path.to_owned(), limit: LARGEST_FILE_BYTES });
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = 1 + error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count();
        GroupFileError::NotUtf8 { path: path.to_owned(), line, source: error.utf8_error() }
    })
}
