//! Scanning.

use super::SqliteMember;
use crate::{Error, Page, Result, Scan, ScanBound, TablePosition};

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn scan_bound(member: &mut SqliteMember, table: usize, after: &Scan, max_rows: usize) -> Result<ScanBound> {
    Err(Error::Misuse { call: "scan_bound", reason: "no code yet".to_owned() })
}

#[expect(unused_variables, reason = "placeholder until the other half is written")]
pub(super) fn scan(member: &mut SqliteMember, table: usize, position: &TablePosition, bound: &ScanBound) -> Result<Page> {
    Err(Error::Misuse { call: "scan", reason: "no code yet".to_owned() })
}
