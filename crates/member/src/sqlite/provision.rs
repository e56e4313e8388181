//! Provisioning.

use super::SqliteMember;
use crate::{Error, Result, Statement};

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn plan_provision(member: &mut SqliteMember) -> Result<Vec<Statement>> {
    Err(Error::Misuse { call: "plan_provision", reason: "no code yet".to_owned() })
}

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn provision(member: &mut SqliteMember) -> Result<Vec<Statement>> {
    Err(Error::Misuse { call: "provision", reason: "no code yet".to_owned() })
}

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn plan_deprovision(member: &mut SqliteMember) -> Result<Vec<Statement>> {
    Err(Error::Misuse { call: "plan_deprovision", reason: "no code yet".to_owned() })
}

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn deprovision(member: &mut SqliteMember) -> Result<Vec<Statement>> {
    Err(Error::Misuse { call: "deprovision", reason: "no code yet".to_owned() })
}
