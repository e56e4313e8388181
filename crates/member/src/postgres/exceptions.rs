//! Parked rows and records.

use super::PostgresMember;
use crate::{Error, Parked, ParkedFilter, Result};
use std::collections::BTreeMap;
use tributary_model::TableName;

fn not_yet<T>(call: &'static str) -> Result<T> {
    Err(Error::Misuse { call, reason: "a PostgreSQL member, which cannot do that yet".to_owned() })
}

/// Exceptions, oldest first.
pub(super) async fn parked(member: &mut PostgresMember, filter: &ParkedFilter) -> Result<Vec<Parked>> {
    let _ = (member, filter);
    not_yet("parked")
}

/// How many exceptions are stored, by table and end.
pub(super) async fn parked_counts(
    member: &mut PostgresMember,
) -> Result<BTreeMap<(TableName, &'static str), u64>> {
    let _ = member;
    not_yet("parked_counts")
}

/// Makes exceptions due at once.
pub(super) async fn retry_parked(member: &mut PostgresMember, table: Option<&TableName>) -> Result<u64> {
    let _ = (member, table);
    not_yet("retry_parked")
}
