//! Workers of members that are to be left alone: they wait, with nothing open in the member, until they may go on.

use std::time::Duration;
use tributary_member::Connector;
use tributary_model::MemberId;
use tributary_runtime::{Failure, Heartbeat, SharedClock, Stop};
use tributary_stream::{Channels, ControlFollower, Disposition, Log, MemberControl};

/// How often it is looked whether the member may be worked on again.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What the log's failure means for a worker.
pub(crate) fn failed(error: tributary_stream::Error) -> Failure {
    match error.disposition() {
        Disposition::Retry => Failure::retry(error),
        Disposition::Park | Disposition::Stop => Failure::halt(error),
    }
}

/// Why a member is to be left alone, if so.
pub(crate) type Rests = fn(&MemberControl, &MemberId) -> Option<String>;

/// Waits while `rests` gives a reason. `false` when the worker was asked to stop meanwhile.
pub(crate) async fn wait_while(
    rests: Rests,
    log: &dyn Log,
    channels: &Channels,
    connector: &dyn Connector,
    clock: &SharedClock,
    (stop, heartbeat): (&Stop, &Heartbeat),
) -> Result<bool, Failure> {
    if stop.is_stopped() {
        return Ok(false);
    }
    let id = connector.id();
    let topic = channels.topics.control();
    let mut control = ControlFollower::follow(log, &topic, clock.monotonic()).await.map_err(failed)?;
    while let Some(why) = rests(control.members().of(id), id) {
        heartbeat.beat();
        heartbeat.note(format!("rests: {why}"));
        if !stop.sleep(LOOK_EVERY).await {
            return Ok(false);
        }
        control.look(log, clock.monotonic()).await.map_err(failed)?;
    }
    Ok(!stop.is_stopped())
}
