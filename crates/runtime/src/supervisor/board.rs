//! What workers are doing, for everyone who wants to know.
//!
//! Only records and tells. Changes of state wake those who wait; heartbeats do not, since they come far too often.

use crate::{SharedClock, clock};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What a worker is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Its future has begun, but has not beaten yet.
    Starting,
    /// Its future has beaten at least once in this attempt.
    Running,
    /// It has failed, and pauses before the next attempt.
    Waiting {
        /// When the pause is over, in ticks of the clock.
        until_ticks: i64,
        /// What failed, with all causes.
        error: String,
    },
    /// It has failed in a way that trying again cannot mend: it waits for [`Board::resume`].
    Halted {
        /// What failed, with all causes.
        error: String,
    },
    /// It has ended, because it was asked to or because its work was done.
    Stopped,
}

/// A worker, as a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Its name.
    pub name: String,
    /// What it is doing.
    pub state: State,
    /// How many attempts followed the first.
    pub restarts: u64,
    /// How long ago it beat (or began, if it has not beaten in this attempt).
    pub since_heartbeat: Duration,
    /// What it said last about what it does; empty when it has said nothing.
    pub note: String,
}

/// Where workers' states stand. Clones are the same board.
#[derive(Clone)]
pub struct Board {
    shared: Arc<Shared>,
}

struct Shared {
    clock: SharedClock,
    slots: Mutex<Vec<Arc<Slot>>>,
    /// Counts changes; its lock is what those who wait without a runtime sleep on.
    changes: Mutex<u64>,
    changed: Condvar,
    watched: watch::Sender<u64>,
}

/// One worker's place on the board.
pub(super) struct Slot {
    name: String,
    shown: Mutex<Shown>,
    has_begun: AtomicBool,
    beat_nanos: AtomicU64,
    finished: AtomicBool,
    /// Counts the times that someone asked for another attempt.
    pub(super) resumed: watch::Sender<u64>,
}

struct Shown {
    state: State,
    restarts: u64,
    note: String,
}

impl Slot {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn has_finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        lock(&self.shown)
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("states", &self.states()).finish()
    }
}

impl Board {
    pub(super) fn new(clock: SharedClock) -> Self {
        let (watched, _) = watch::channel(0);
        Self {
            shared: Arc::new(Shared {
                clock,
                slots: Mutex::new(Vec::new()),
                changes: Mutex::new(0),
                changed: Condvar::new(),
                watched,
            }),
        }
    }

    /// A snapshot of all workers, by name.
    #[must_use]
    pub fn states(&self) -> Vec<WorkerStatus> {
        let now = self.shared.clock.monotonic();
        lock(&self.shared.slots)
            .iter()
            .map(|slot| {
                let shown = slot.shown();
                let beat = Duration::from_nanos(slot.beat_nanos.load(Ordering::Relaxed));
                WorkerStatus {
                    name: slot.name.clone(),
                    state: shown.state.clone(),
                    restarts: shown.restarts,
                    since_heartbeat: now.saturating_sub(beat),
                    note: shown.note.clone(),
                }
            })
            .collect()
    }

    /// The snapshot of one worker.
    #[must_use]
    pub fn state_of(&self, name: &str) -> Option<WorkerStatus> {
        self.states().into_iter().find(|worker| worker.name == name)
    }

    /// The workers that should be turning but have not beaten for `longest`. Workers that wait, have halted or have
    /// ended are not among them: their supervisor knows about them.
    #[must_use]
    pub fn stale(&self, longest: Duration) -> Vec<WorkerStatus> {
        let mut states = self.states();
        states.retain(|worker| match worker.state {
            State::Starting | State::Running => worker.since_heartbeat > longest,
            State::Waiting { .. } | State::Halted { .. } | State::Stopped => false,
        });
        states
    }

    /// Ends the pause of a worker that waits, or lets one that has halted try again. Returns whether there was such
    /// a worker.
    #[must_use]
    pub fn resume(&self, name: &str) -> bool {
        let slot = lock(&self.shared.slots).iter().find(|slot| slot.name == name).cloned();
        let Some(slot) = slot else { return false };
        let shown = slot.shown();
        match shown.state {
            State::Waiting { .. } | State::Halted { .. } if !slot.has_finished() => {
                slot.resumed.send_modify(|times| *times += 1);
                true
            }
            State::Waiting { .. }
            | State::Halted { .. }
            | State::Starting
            | State::Running
            | State::Stopped => false,
        }
    }

    /// A number that changes whenever a worker's state, restarts or note do, or workers come and go.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.shared.watched.subscribe()
    }

    /// Waits until `wanted` holds for the states, and returns them. Waits for ever if it never does; safe to drop.
    pub async fn wait_for(&self, mut wanted: impl FnMut(&[WorkerStatus]) -> bool) -> Vec<WorkerStatus> {
        // Subscribed before the first look, so that no change falls between looking and waiting.
        let mut changes = self.watch();
        loop {
            let states = self.states();
            if wanted(&states) {
                return states;
            }
            if changes.changed().await.is_err() {
                // We hold the sending side ourselves, so this cannot be; if it were, nothing would change any more.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The same for callers without a runtime: blocks the thread, up to `at_most`.
    ///
    /// # Errors
    /// The states as they stood when the time was over.
    pub fn wait_until(
        &self,
        at_most: Duration,
        mut wanted: impl FnMut(&[WorkerStatus]) -> bool,
    ) -> Result<Vec<WorkerStatus>, Vec<WorkerStatus>> {
        let mut states = Vec::new();
        let held = self.block(at_most, || {
            states = self.states();
            wanted(&states)
        });
        if held { Ok(states) } else { Err(states) }
    }

    /// Waits until all of `slots` have finished; returns whether they have.
    pub(super) fn wait_finished(&self, slots: &[Arc<Slot>], at_most: Duration) -> bool {
        self.block(at_most, || slots.iter().all(|slot| slot.has_finished()))
    }

    fn block(&self, at_most: Duration, mut wanted: impl FnMut() -> bool) -> bool {
        let began = Instant::now();
        // Held while looking: a change takes this lock before it wakes anyone, so none is missed.
        let mut changes = lock(&self.shared.changes);
        loop {
            if wanted() {
                return true;
            }
            let Some(left) = at_most.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else {
                return false;
            };
            (changes, _) =
                self.shared.changed.wait_timeout(changes, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn new_slot(&self, name: &str) -> Arc<Slot> {
        let (resumed, _) = watch::channel(0);
        Arc::new(Slot {
            name: name.to_owned(),
            shown: Mutex::new(Shown { state: State::Starting, restarts: 0, note: String::new() }),
            has_begun: AtomicBool::new(false),
            beat_nanos: AtomicU64::new(nanos(self.shared.clock.monotonic())),
            finished: AtomicBool::new(false),
            resumed,
        })
    }

    /// Shows a worker, in place of a finished one of the same name.
    pub(super) fn put(&self, slot: Arc<Slot>) {
        {
            let mut slots = lock(&self.shared.slots);
            match slots.binary_search_by(|other| other.name.cmp(&slot.name)) {
                Ok(index) => slots[index] = slot,
                Err(index) => slots.insert(index, slot),
            }
        }
        self.tell();
    }

    pub(super) fn remove(&self, slot: &Arc<Slot>) {
        lock(&self.shared.slots).retain(|other| !Arc::ptr_eq(other, slot));
        self.tell();
    }

    /// Begins an attempt: the state is `Starting`, and the heartbeat counts from now.
    pub(super) fn begin(&self, slot: &Arc<Slot>, is_restart: bool) -> Heartbeat {
        slot.has_begun.store(false, Ordering::Relaxed);
        slot.beat_nanos.store(nanos(self.shared.clock.monotonic()), Ordering::Relaxed);
        {
            let mut shown = slot.shown();
            shown.state = State::Starting;
            shown.restarts += u64::from(is_restart);
        }
        self.tell();
        Heartbeat { board: self.clone(), slot: Arc::clone(slot) }
    }

    pub(super) fn set(&self, slot: &Slot, state: State) {
        slot.shown().state = state;
        self.tell();
    }

    /// The last thing a worker's thread does.
    pub(super) fn finish(&self, slot: &Slot) {
        slot.finished.store(true, Ordering::Release);
        self.tell();
    }

    pub(super) fn monotonic(&self) -> Duration {
        self.shared.clock.monotonic()
    }

    /// The wall time after `pause`.
    pub(super) fn ticks_after(&self, pause: Duration) -> i64 {
        self.shared.clock.now_ticks().saturating_add(clock::ticks_of(pause))
    }

    fn tell(&self) {
        let mut changes = lock(&self.shared.changes);
        *changes += 1;
        self.shared.watched.send_replace(*changes);
        self.shared.changed.notify_all();
    }
}

/// How a worker shows that it is alive.
#[derive(Debug, Clone)]
pub struct Heartbeat {
    board: Board,
    slot: Arc<Slot>,
}

impl Heartbeat {
    /// Says that the worker's loop has turned. Costs a look at the clock and a store: call it on every turn.
    pub fn beat(&self) {
        self.slot.beat_nanos.store(nanos(self.board.monotonic()), Ordering::Relaxed);
        if !self.slot.has_begun.load(Ordering::Relaxed) && !self.slot.has_begun.swap(true, Ordering::Relaxed)
        {
            self.board.set(&self.slot, State::Running);
        }
    }

    /// Says in words what the worker is doing. Wakes those who watch, so call it when that changes, not on every turn.
    pub fn note(&self, text: impl Into<String>) {
        self.slot.shown().note = text.into();
        self.board.tell();
    }

    /// A heartbeat that nobody looks at, for calling a worker's body outside a supervisor.
    #[must_use]
    pub fn unwatched() -> Self {
        let board = Board::new(crate::SystemClock::shared());
        let slot = board.new_slot("unwatched");
        Self { board, slot }
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Every assignment under these locks is whole, so a panic elsewhere cannot leave one half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
