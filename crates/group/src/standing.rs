//! How members stand with their group, as the control topic says: paused, removed, out of date, being filled anew.
//!
//! Reads and writes what is said; who acts on it is the workers' matter.

use crate::opened::{ActionError, Opened};
use tributary_model::MemberId;
use tributary_stream::{Mark, MemberControls, Order, Outgoing, Said, read_latest};
use uuid::Uuid;

/// What the control topic says of all members.
///
/// # Errors
/// When the log cannot be read.
pub async fn read_controls(group: &Opened<'_>) -> Result<MemberControls, ActionError> {
    Ok(read_latest(group.log, &group.channels.topics.control()).await?.iter().collect())
}

/// The records with which a command says these things of a member.
pub fn say(group: &Opened<'_>, member: &MemberId, said: &[Said]) -> Vec<Outgoing> {
    let control = group.channels.topics.control();
    said.iter().map(|said| said.record(control.clone(), member)).collect()
}

/// A mark of this moment.
///
/// # Errors
/// When the log does not tell its time.
pub async fn mark(group: &Opened<'_>, why: &str) -> Result<Mark, ActionError> {
    Ok(Mark { since_ms: group.log.clock_ms().await?, why: why.to_owned() })
}

/// A new order.
pub fn order() -> Order {
    Order { id: Uuid::new_v4().to_string() }
}
