//! Rows.

use super::SqliteMember;
use crate::{Error, Result};
use tributary_model::{KeyBytes, Row};

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn rows(member: &mut SqliteMember, table: usize, keys: &[KeyBytes]) -> Result<Vec<Option<Row>>> {
    Err(Error::Misuse { call: "rows", reason: "no code yet".to_owned() })
}

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn statement_for(member: &SqliteMember, table: usize, key: &KeyBytes, row: Option<&Row>) -> Result<String> {
    Err(Error::Misuse { call: "statement_for", reason: "no code yet".to_owned() })
}
