//! The server's clock.

use super::PostgresMember;
use super::values::{Raw, ticks_of};
use crate::Result;
use tributary_model::Ticks;

/// The server's UTC time of this moment, as the triggers store it.
pub(super) async fn clock(member: &PostgresMember) -> Result<Ticks> {
    let action = "tell the time";
    let session = &member.session;
    session.settle(action).await?;
    let row = session.query_first(action, "SELECT clock_timestamp()", &[]).await?;
    let sent: Option<Raw<'_>> =
        row.as_ref().map(|row| row.try_get(0)).transpose().map_err(session.origin.failed(action))?;
    sent.and_then(|sent| sent.0)
        .and_then(ticks_of)
        .ok_or_else(|| session.damaged("clock_timestamp()", "a time that is none"))
}
