//! Applying, and what is kept of it. Not there yet: every call says so.

use super::SqlServerMember;
use crate::{Applied, ApplyBatch, Error, Parked, ParkedFilter, Result, StoredOffset};
use std::collections::BTreeMap;
use tributary_model::{TableName, Ticks};

fn not_there<T>() -> Result<T> {
    let reason = "a SQL Server member, to which this program cannot apply yet".to_owned();
    Err(Error::Misuse { call: "apply", reason })
}

pub(super) async fn apply(_: &mut SqlServerMember, _: ApplyBatch, _: Ticks) -> Result<Applied> {
    not_there()
}

pub(super) async fn offsets(_: &mut SqlServerMember) -> Result<Vec<StoredOffset>> {
    not_there()
}

pub(super) async fn parked(_: &mut SqlServerMember, _: &ParkedFilter) -> Result<Vec<Parked>> {
    not_there()
}

pub(super) async fn parked_counts(
    _: &mut SqlServerMember,
) -> Result<BTreeMap<(TableName, &'static str), u64>> {
    not_there()
}

pub(super) async fn retry_parked(_: &mut SqlServerMember, _: Option<&TableName>) -> Result<u64> {
    not_there()
}
