//! Passwords: taken in, read from where they really are, never shown.

use super::problem::{Position, Problem, ProblemKind};
use super::{Environment, values};
use secrecy::{ExposeSecret, SecretString};
use serde::de::{Deserialize, Deserializer};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// No password is longer than this; whoever names a longer file has named the wrong one.
const LONGEST_SECRET_BYTES: u64 = 64 * 1024;

/// Text that must not be shown, as it stands in the file.
#[derive(Debug)]
pub(super) struct Hidden(SecretString);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.into()))
    }
}

impl Hidden {
    /// The secret itself: `file:path` is read (relative to `base`), variables are replaced, anything else is it.
    /// A variable's value is never taken for a `file:` reference.
    pub(super) fn resolve(
        &self,
        at: Position,
        base: &Path,
        environment: &Environment<'_>,
    ) -> Result<SecretString, Problem> {
        let written = self.0.expose_secret();
        let expanded = values::expand(written, at, environment)?;
        if !written.starts_with("file:") {
            return Ok(expanded.into());
        }
        let named = expanded.strip_prefix("file:").unwrap_or(&expanded);
        let path = base.join(named);
        let failed = |what: String| {
            let remedy = "name a readable file that holds the password and nothing else";
            Problem::new(ProblemKind::Secret, at, what, remedy)
        };
        match read(&path) {
            Ok(secret) if secret.expose_secret().is_empty() => {
                Err(failed(format!("the password file {} is empty", path.display())))
            }
            Ok(secret) => Ok(secret),
            Err(error) => Err(failed(format!("cannot read the password file {}: {error}", path.display()))),
        }
    }
}

fn read(path: &Path) -> io::Result<SecretString> {
    let mut text = String::new();
    File::open(path)?.take(LONGEST_SECRET_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LONGEST_SECRET_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "longer than a password can be"));
    }
    // Editors and `echo` end a file with a line break that is not part of the password.
    let kept = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(kept.to_owned().into())
}
