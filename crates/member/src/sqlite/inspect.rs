//! Inspection.

use super::SqliteMember;
use crate::{Error, Inspection, Result};

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn inspect(member: &mut SqliteMember) -> Result<Inspection> {
    Err(Error::Misuse { call: "inspect", reason: "no code yet".to_owned() })
}
