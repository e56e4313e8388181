//! The loop of one worker's thread: attempt, pause, attempt again.

use super::board::{Board, Heartbeat, Slot, State};
use super::{Advice, Failure};
use crate::{Chain, Pauses, Stop};
use std::any::Any;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// What a worker panicked with.
#[derive(Debug, thiserror::Error)]
#[error("worker panicked: {message}")]
struct Panicked {
    message: String,
}

/// The system gave no event queue for an attempt.
#[derive(Debug, thiserror::Error)]
#[error("cannot build the worker's runtime")]
struct NoRuntime {
    #[source]
    source: io::Error,
}

pub(super) struct Worker {
    pub(super) slot: Arc<Slot>,
    pub(super) board: Board,
    pub(super) stop: Stop,
    pub(super) pauses: Pauses,
    pub(super) steady_after: Duration,
    /// For the pauses. Attempts have one of their own each, so that tasks which an attempt left behind end with it.
    pub(super) waiting: Runtime,
}

pub(super) fn new_runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

impl Worker {
    pub(super) fn run<F, W>(mut self, mut factory: F)
    where
        F: FnMut(Stop, Heartbeat) -> W,
        W: Future<Output = Result<(), Failure>> + 'static,
    {
        // Says so even if dropping the factory panics.
        let _end = End { board: self.board.clone(), slot: Arc::clone(&self.slot) };
        let mut resumed = self.slot.resumed.subscribe();
        let mut is_restart = false;
        while !self.stop.is_stopped() {
            let heartbeat = self.board.begin(&self.slot, is_restart);
            let began = self.board.monotonic();
            let ended = attempt(&mut factory, self.stop.child(), heartbeat);
            let Err(failure) = ended else { break };
            if self.board.monotonic().saturating_sub(began) >= self.steady_after {
                self.pauses.reset();
            }
            // Whoever asked for another attempt before this failure was shown did not mean this failure.
            resumed.mark_unchanged();
            let error = Chain(&*failure.error).to_string();
            let worker = self.slot.name();
            match failure.advice {
                Advice::Retry if self.stop.is_stopped() => {
                    tracing::warn!(worker, error, "worker failed while it was being stopped");
                    break;
                }
                Advice::Retry => {
                    let pause = self.pauses.next_pause();
                    tracing::warn!(worker, error, ?pause, "worker failed and will be restarted");
                    let until_ticks = self.board.ticks_after(pause);
                    self.board.set(&self.slot, State::Waiting { until_ticks, error });
                    self.waiting.block_on(async {
                        tokio::select! {
                            biased;
                            _ = self.stop.sleep(pause) => {}
                            _ = resumed.changed() => {}
                        }
                    });
                }
                Advice::Halt => {
                    tracing::error!(worker, error, "worker has halted and waits to be resumed");
                    self.board.set(&self.slot, State::Halted { error });
                    self.waiting.block_on(async {
                        tokio::select! {
                            biased;
                            () = self.stop.stopped() => {}
                            _ = resumed.changed() => {}
                        }
                    });
                    if self.stop.is_stopped() {
                        // Keeps showing why: stopping does not mend it.
                        return;
                    }
                    self.pauses.reset();
                }
            }
            is_restart = true;
        }
        self.board.set(&self.slot, State::Stopped);
    }
}

struct End {
    board: Board,
    slot: Arc<Slot>,
}

impl Drop for End {
    fn drop(&mut self) {
        self.board.finish(&self.slot);
    }
}

fn attempt<F, W>(factory: &mut F, stop: Stop, heartbeat: Heartbeat) -> Result<(), Failure>
where
    F: FnMut(Stop, Heartbeat) -> W,
    W: Future<Output = Result<(), Failure>> + 'static,
{
    // The next attempt is made from scratch by the factory; what a panic leaves behind in it is the factory's own.
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let runtime = new_runtime().map_err(|source| Failure::retry(NoRuntime { source }))?;
        // Within `block_on`, so that the factory itself may already use timers and sockets.
        runtime.block_on(async { factory(stop, heartbeat).await })
    }));
    caught.unwrap_or_else(|payload| Err(Failure::retry(Panicked { message: message_of(payload.as_ref()) })))
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "no message".to_owned()
    }
}
