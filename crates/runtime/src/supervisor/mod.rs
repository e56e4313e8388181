//! Starts, restarts and stops workers.
//!
//! A worker is one thread with its own single-threaded tokio runtime. What it does is a future that the worker's
//! factory makes inside that thread, anew for every attempt, so it need not be `Send` and may block. A failure says
//! itself whether trying again can help ([`Advice`]); a panic counts as a failure that may be tried again. Nothing a
//! worker does touches another. What a worker's state means for the program (is it ready, should it exit?) is not
//! decided here: read it off the [`Board`].

mod board;
mod worker;

#[cfg(test)]
mod tests;

pub use board::{Board, Heartbeat, State, WorkerStatus};

use crate::{Backoff, SharedClock, Stop, SystemClock};
use board::Slot;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What a worker's factory returns when the future has to be boxed.
pub type Work = Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

/// Whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// The cause may go away by itself: restart after a pause.
    Retry,
    /// Someone has to act: stay down until [`Board::resume`] or the next start of the process.
    Halt,
}

/// Why a worker ended before it was asked to.
#[derive(Debug)]
pub struct Failure {
    /// Whether trying again can help.
    pub advice: Advice,
    /// What went wrong.
    pub error: Box<dyn Error + Send + Sync>,
}

impl Failure {
    /// A failure whose cause may go away by itself.
    pub fn retry(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { advice: Advice::Retry, error: error.into() }
    }

    /// A failure that someone has to act on.
    pub fn halt(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { advice: Advice::Halt, error: error.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

/// How a [`Supervisor`] behaves.
#[derive(Clone)]
pub struct Settings {
    /// How long workers have to end once they are asked to. Default: 10 s.
    pub grace: Duration,
    /// The pauses between a failure and the next attempt.
    pub backoff: Backoff,
    /// An attempt that lasted this long counts as having run well: the pauses begin again. Default: 60 s.
    pub steady_after: Duration,
    /// Tells heartbeats and the times shown. Pauses are real time whatever this clock says.
    pub clock: SharedClock,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            grace: Duration::from_secs(10),
            backoff: Backoff::default(),
            steady_after: Duration::from_secs(60),
            clock: SystemClock::shared(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("grace", &self.grace)
            .field("backoff", &self.backoff)
            .field("steady_after", &self.steady_after)
            .finish_non_exhaustive()
    }
}

/// Why a worker could not be started or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SupervisorError {
    /// Names are what operators tell workers apart by.
    #[error("there is already a worker named {name}")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// Nothing is started any more.
    #[error("worker {name} cannot be started, because all workers are being stopped")]
    Stopping {
        /// The worker that was to be started.
        name: String,
    },
    /// The system has no thread, or no event queue, left.
    #[error("cannot start a thread for worker {name}")]
    Thread {
        /// The worker that was to be started.
        name: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is nobody of that name.
    #[error("there is no worker named {name}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// It is still running, and keeps its name.
    #[error("worker {name} did not stop within {grace:?}")]
    Late {
        /// The worker.
        name: String,
        /// How long it was given.
        grace: Duration,
    },
}

impl SupervisorError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NameTaken { .. } => "RUN-001",
            Self::Stopping { .. } => "RUN-002",
            Self::Thread { .. } => "RUN-003",
            Self::Unknown { .. } => "RUN-004",
            Self::Late { .. } => "RUN-005",
        }
    }
}

/// Owns the workers of a process. Dropping it asks them to stop, without waiting.
#[derive(Debug)]
pub struct Supervisor {
    settings: Settings,
    stop: Stop,
    board: Board,
    running: Mutex<BTreeMap<String, Running>>,
}

#[derive(Debug)]
struct Running {
    slot: Arc<Slot>,
    stop: Stop,
    thread: JoinHandle<()>,
}

impl Supervisor {
    /// A supervisor without workers.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let board = Board::new(Arc::clone(&settings.clock));
        Self { settings, stop: Stop::new(), board, running: Mutex::new(BTreeMap::new()) }
    }

    /// What the workers are doing; may be kept, cloned and read from any thread.
    #[must_use]
    pub fn board(&self) -> Board {
        self.board.clone()
    }

    /// The request that [`Supervisor::stop_all`] makes.
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// A snapshot of all workers, by name.
    #[must_use]
    pub fn states(&self) -> Vec<WorkerStatus> {
        self.board.states()
    }

    /// Starts a worker. `factory` is called in the worker's own thread, once for every attempt; the future it makes
    /// has to end soon after its [`Stop`] says so. A worker whose future ends with `Ok` is not started again.
    ///
    /// # Errors
    /// When the name is taken, everything is being stopped, or the system has no thread left.
    pub fn spawn<F, W>(&self, name: impl Into<String>, factory: F) -> Result<(), SupervisorError>
    where
        F: FnMut(Stop, Heartbeat) -> W + Send + 'static,
        W: Future<Output = Result<(), Failure>> + 'static,
    {
        let name = name.into();
        let mut running = self.running();
        if self.stop.is_stopped() {
            return Err(SupervisorError::Stopping { name });
        }
        if running.get(&name).is_some_and(|worker| !worker.slot.has_finished()) {
            return Err(SupervisorError::NameTaken { name });
        }
        let failed = |source| SupervisorError::Thread { name: name.clone(), source };
        let waiting = worker::new_runtime().map_err(failed)?;
        let slot = self.board.new_slot(&name);
        let stop = self.stop.child();
        let loop_ = worker::Worker {
            slot: Arc::clone(&slot),
            board: self.board.clone(),
            stop: stop.clone(),
            pauses: self.settings.backoff.pauses(),
            steady_after: self.settings.steady_after,
            waiting,
        };
        let thread = std::thread::Builder::new()
            .name(name.clone())
            .spawn(move || loop_.run(factory))
            .map_err(failed)?;
        self.board.put(Arc::clone(&slot));
        running.insert(name, Running { slot, stop, thread });
        Ok(())
    }

    /// Asks one worker to stop, waits for it up to the grace period, and forgets it: its name is free again.
    ///
    /// # Errors
    /// When there is no such worker, or it does not stop in time.
    pub fn stop_one(&self, name: &str) -> Result<(), SupervisorError> {
        let slot = {
            let running = self.running();
            let worker =
                running.get(name).ok_or_else(|| SupervisorError::Unknown { name: name.to_owned() })?;
            worker.stop.stop();
            Arc::clone(&worker.slot)
        };
        if !self.board.wait_finished(std::slice::from_ref(&slot), self.settings.grace) {
            return Err(SupervisorError::Late { name: name.to_owned(), grace: self.settings.grace });
        }
        self.board.remove(&slot);
        let mut running = self.running();
        // Between the wait and here someone may have started another of the same name: that one stays.
        if running.get(name).is_some_and(|worker| Arc::ptr_eq(&worker.slot, &slot))
            && let Some(worker) = running.remove(name)
        {
            join(worker);
        }
        Ok(())
    }

    /// Asks all workers to stop, waits for them together up to the grace period, and returns the names of those that
    /// have not stopped by then. Blocks the calling thread; may be called again.
    pub fn stop_all(&self) -> Vec<String> {
        let slots: Vec<_> = {
            let running = self.running();
            // Under the lock, so that no worker is started behind our back.
            self.stop.stop();
            running.values().map(|worker| Arc::clone(&worker.slot)).collect()
        };
        self.board.wait_finished(&slots, self.settings.grace);
        let mut running = self.running();
        let (finished, late): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut *running).into_iter().partition(|(_, worker)| worker.slot.has_finished());
        finished.into_values().for_each(join);
        *running = late;
        running.keys().cloned().collect()
    }

    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        // Nothing that can panic runs between two changes of the map.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.stop.stop();
    }
}

/// Joins a thread that has said that it is at its end.
fn join(worker: Running) {
    if worker.thread.join().is_err() {
        // Attempts are caught one by one, so only dropping the factory can still panic.
        tracing::error!(worker = worker.slot.name(), "worker panicked while it was being taken down");
    }
}
