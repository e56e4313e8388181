//! Parked records.

use super::SqliteMember;
use std::collections::BTreeMap;
use crate::{Error, Parked, ParkedFilter, Result};
use tributary_model::{TableName};

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn parked(member: &mut SqliteMember, filter: &ParkedFilter) -> Result<Vec<Parked>> {
    Err(Error::Misuse { call: "parked", reason: "no code yet".to_owned() })
}

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn parked_counts(member: &mut SqliteMember) -> Result<BTreeMap<(TableName, &'static str), u64>> {
    Err(Error::Misuse { call: "parked_counts", reason: "no code yet".to_owned() })
}

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn retry_parked(member: &mut SqliteMember, table: Option<&TableName>) -> Result<u64> {
    Err(Error::Misuse { call: "retry_parked", reason: "no code yet".to_owned() })
}
