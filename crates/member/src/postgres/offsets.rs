//! The offsets of the last committed apply.

use super::PostgresMember;
use crate::{Error, Result, StoredOffset};

/// The offsets stored by the last committed apply.
pub(super) async fn offsets(member: &mut PostgresMember) -> Result<Vec<StoredOffset>> {
    let _ = member;
    Err(Error::Misuse { call: "offsets", reason: "a PostgreSQL member, which cannot do that yet".to_owned() })
}
