//! Apply offsets.

use super::SqliteMember;
use crate::{Error, Result, StoredOffset};

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn offsets(member: &mut SqliteMember) -> Result<Vec<StoredOffset>> {
    Err(Error::Misuse { call: "offsets", reason: "no code yet".to_owned() })
}
