//! Applying batches.

use super::PostgresMember;
use crate::{Applied, ApplyBatch, Error, Result};
use tributary_model::Ticks;

/// Applies a batch.
pub(super) async fn apply(member: &mut PostgresMember, batch: ApplyBatch, now: Ticks) -> Result<Applied> {
    let _ = (member, batch, now);
    Err(Error::Misuse { call: "apply", reason: "a PostgreSQL member, which cannot do that yet".to_owned() })
}
