//! Polling.

use super::SqliteMember;
use crate::{Error, Page, Result, TablePosition};

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn poll(member: &mut SqliteMember, table: usize, position: &TablePosition, max_rows: usize) -> Result<Page> {
    Err(Error::Misuse { call: "poll", reason: "no code yet".to_owned() })
}

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn pending(member: &mut SqliteMember, table: usize, position: &TablePosition) -> Result<u64> {
    Err(Error::Misuse { call: "pending", reason: "no code yet".to_owned() })
}
