//! Writing resolved records.

use super::SqliteMember;
use crate::{Applied, ApplyBatch, Error, Result};
use tributary_model::{Ticks};

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn apply(member: &mut SqliteMember, batch: ApplyBatch, now: Ticks) -> Result<Applied> {
    Err(Error::Misuse { call: "apply", reason: "no code yet".to_owned() })
}
