//! Before its first write to a member, apply makes sure that the member has not gone back in time.
//!
//! A restored member that reuses a version would have a user's edit overwritten before capture ever looks
//! (protocol section 2), so apply checks the same token as capture, which may be moving it at the same time.

use crate::Error;
use tributary_member::{Member, PositionRecord, token_follows};
use tributary_model::MemberId;
use tributary_stream::{Channels, Log, read_latest};

/// Checks the member's token against the log.
pub(crate) async fn check(
    log: &dyn Log,
    channels: &Channels,
    id: &MemberId,
    member: &mut dyn Member,
) -> Result<(), Error> {
    let member_error = |source| Error::Member { member: id.to_string(), source: Box::new(source) };
    let mut held = member.token().await.map_err(member_error)?;
    loop {
        // The member first, then the log: what capture does in between can only move the log ahead of what was
        // read of the member, and then the member has moved, too.
        let published = published(log, channels, id).await?;
        if token_follows(held.as_ref(), published.as_ref()) {
            return Ok(());
        }
        let again = member.token().await.map_err(member_error)?;
        if again == held {
            return Err(Error::WentBack { member: id.to_string() });
        }
        held = again;
    }
}

/// What the log holds of the member's position.
pub(crate) async fn published(
    log: &dyn Log,
    channels: &Channels,
    id: &MemberId,
) -> Result<Option<PositionRecord>, Error> {
    let latest = read_latest(log, &channels.topics.positions())
        .await
        .map_err(|source| Error::Log { member: id.to_string(), source: Box::new(source) })?;
    let own = latest.into_iter().find(|(key, _)| key == id.as_str().as_bytes());
    own.map(|(_, value)| PositionRecord::from_json(&value))
        .transpose()
        .map_err(|source| Error::Position { member: id.to_string(), source })
}
