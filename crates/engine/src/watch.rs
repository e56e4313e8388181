//! The worker that watches what is said of members: those that come get workers, those that leave lose them, and whoever
//! has halted because of something that an operator has since dealt with tries again.
//!
//! Workers that run look at the control topic themselves, before every transaction; those that have halted, or are not
//! there yet, cannot.

use crate::rest::failed;
use crate::seat::Seat;
use std::time::Duration;
use tributary_runtime::supervisor::Board;
use tributary_runtime::{Chain, Failure, Heartbeat, Stop};
use tributary_stream::{ControlFollower, MemberControl};

/// The name of the worker.
pub const WATCH: &str = "group watch";

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What, when it changes, is worth another try.
fn occasion(control: &MemberControl) -> MemberControl {
    // How far the workers are changes all the time, and is their own word.
    MemberControl { applied: Default::default(), captured: Default::default(), ..control.clone() }
}

pub(crate) async fn watch(
    mut seat: Seat,
    board: &Board,
    (stop, heartbeat): (&Stop, &Heartbeat),
) -> Result<(), Failure> {
    let (log, topic) = (seat.log.clone(), seat.channels.topics.control());
    let mut control =
        ControlFollower::follow(log.as_ref(), &topic, seat.clock.monotonic()).await.map_err(failed)?;
    let mut known = control.members().clone();
    heartbeat.beat();
    while stop.sleep(LOOK_EVERY).await {
        heartbeat.beat();
        if !control.look(log.as_ref(), seat.clock.monotonic()).await.map_err(failed)? {
            continue;
        }
        for (member, after) in control.members().all() {
            let before = known.of(member);
            let is_here = seat.members().contains(member);
            if is_here && after.removed.is_some() {
                tracing::info!(%member, "the member has left the group");
                seat.leave(member);
            } else if before.joined != after.joined && after.removed.is_none() {
                if let Err(error) = seat.join(member) {
                    let error = Chain(&error).to_string();
                    tracing::error!(%member, error, "a member that has joined cannot be worked for here");
                }
            } else if is_here && occasion(before) != occasion(after) {
                for role in ["capture", "apply"] {
                    if board.resume(&format!("{role} {member}")) {
                        tracing::info!(%member, role, "something was said of the member: trying again");
                    }
                }
            }
        }
        known = control.members().clone();
    }
    Ok(())
}
