//! Digests.

use super::SqliteMember;
use crate::{BucketDigest, Error, Result};
use tributary_model::{KeyBytes};

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn digest(member: &mut SqliteMember, table: usize, bits: u8) -> Result<Vec<BucketDigest>> {
    Err(Error::Misuse { call: "digest", reason: "no code yet".to_owned() })
}

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn bucket_rows(member: &mut SqliteMember, table: usize, bits: u8, buckets: &[usize]) -> Result<Vec<(KeyBytes, [u8; 16])>> {
    Err(Error::Misuse { call: "bucket_rows", reason: "no code yet".to_owned() })
}
