//! The worker that watches what is said of members: whoever has halted because of something that an operator has since
//! dealt with tries again.
//!
//! Workers that run look at the control topic themselves, before every transaction; those that have halted cannot.

use std::time::Duration;
use tributary_model::MemberId;
use tributary_runtime::supervisor::Board;
use tributary_runtime::{Failure, Heartbeat, SharedClock, Stop};
use tributary_stream::{Channels, ControlFollower, Disposition, Log, MemberControl};

/// The name of the worker.
pub const WATCH: &str = "group watch";

const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What, when it changes, is worth another try.
fn occasion(control: &MemberControl) -> MemberControl {
    // How far the workers are changes all the time, and is their own word.
    MemberControl { applied: Default::default(), captured: Default::default(), ..control.clone() }
}

pub(crate) async fn watch(
    log: &dyn Log,
    channels: &Channels,
    members: &[MemberId],
    clock: &SharedClock,
    board: &Board,
    (stop, heartbeat): (&Stop, &Heartbeat),
) -> Result<(), Failure> {
    let failed = |error: tributary_stream::Error| match error.disposition() {
        Disposition::Retry => Failure::retry(error),
        Disposition::Park | Disposition::Stop => Failure::halt(error),
    };
    let topic = channels.topics.control();
    let mut control = ControlFollower::follow(log, &topic, clock.monotonic()).await.map_err(failed)?;
    let read = |control: &ControlFollower| -> Vec<MemberControl> {
        members.iter().map(|member| occasion(&control.members().of(member))).collect()
    };
    let mut known = read(&control);
    heartbeat.beat();
    while stop.sleep(LOOK_EVERY).await {
        heartbeat.beat();
        if !control.look(log, clock.monotonic()).await.map_err(failed)? {
            continue;
        }
        let now = read(&control);
        for ((member, before), after) in members.iter().zip(&known).zip(&now) {
            if before != after {
                for role in ["capture", "apply"] {
                    if board.resume(&format!("{role} {member}")) {
                        tracing::info!(%member, role, "something was said of the member: trying again");
                    }
                }
            }
        }
        known = now;
    }
    Ok(())
}
