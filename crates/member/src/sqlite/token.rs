//! Token.

use super::SqliteMember;
use crate::{CaptureCommit, Error, Result, Token};

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn commit_capture(member: &mut SqliteMember, commit: &CaptureCommit) -> Result<u64> {
    Err(Error::Misuse { call: "commit_capture", reason: "no code yet".to_owned() })
}

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn token(member: &mut SqliteMember) -> Result<Option<Token>> {
    Err(Error::Misuse { call: "token", reason: "no code yet".to_owned() })
}
