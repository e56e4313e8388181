//! The resolver worker: what it is given, and its life from joining the group to leaving it.

use crate::Error;
use crate::expiry::Witness;
use crate::metrics::ResolverMetrics;
use crate::session::Session;
use crate::slot::Slot;
use crate::store::{Store, StoreError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tributary_model::Projections;
use tributary_runtime::{Heartbeat, SharedClock, Stop};
use tributary_settle::TableRules;
use tributary_stream::{Channels, Log};

/// How the resolver works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The state's file. Another process that has the same takes one of its like with a number, `resolver-1.db`.
    pub state: PathBuf,
    /// Most changes in one transaction.
    pub batch_rows: usize,
    /// How long changes stay in the log after they were resolved.
    pub changes_grace: Duration,
    /// How long deletes are remembered at least.
    pub tombstone_retention: Duration,
    /// How long settled conflicts stay in the ledger; `None` for ever.
    pub conflict_retention: Option<Duration>,
    /// How often it is looked for deletes that can be forgotten.
    pub expire_every: Duration,
}

/// What the members keep of the columns of the group's tables, in their order, as a record of the group's spec says.
pub type ReadProjections = dyn Fn(&[u8]) -> Option<Vec<Projections>> + Send + Sync;

/// The resolver of a group; several of them share its partitions.
pub struct Resolver {
    /// The log.
    pub log: Arc<dyn Log>,
    /// The group's topics.
    pub channels: Arc<Channels>,
    /// Each table's rules, in the order of the channels.
    pub tables: Arc<[TableRules]>,
    /// Reads the spec on the control topic, which says by now what each member keeps of the columns.
    pub projections: Arc<ReadProjections>,
    /// The members that have to have taken a delete in before it is forgotten.
    pub witnesses: Arc<[Witness]>,
    /// This machine's clock.
    pub clock: SharedClock,
    /// Settings.
    pub settings: Settings,
    /// What it counts.
    pub metrics: Arc<ResolverMetrics>,
}

impl Resolver {
    /// Works until asked to stop.
    ///
    /// # Errors
    /// Whatever stops or pauses the worker; [`Error::into_failure`] tells which.
    pub async fn run(&self, stop: Stop, heartbeat: Heartbeat) -> Result<(), Error> {
        let slot = Slot::take(&self.settings.state)?;
        let state = slot.state().to_owned();
        let worked = self.work(slot, &stop, &heartbeat).await;
        if let Err(Error::Store { source }) = &worked
            && source.is_damaged()
        {
            // Deep in the file, where opening it does not look. Whoever has taken the file meanwhile meets it as well.
            let slot = Slot::take(&self.settings.state)?;
            if slot.state() == state {
                discard(&state);
            }
        }
        worked
    }

    async fn work(&self, slot: Slot, stop: &Stop, heartbeat: &Heartbeat) -> Result<(), Error> {
        let store = Box::new(open_store(slot.state())?);
        let mut session = Session::join(self, slot, store).await?;
        while !stop.is_stopped() {
            heartbeat.beat();
            session.round(stop, heartbeat).await?;
        }
        session.reflect().await
    }
}

/// Opens the state; a damaged file is replaced, since everything in it can be read again.
fn open_store(path: &Path) -> Result<Store, StoreError> {
    match Store::open(path) {
        Err(error) if error.is_damaged() => {
            discard(path);
            Store::open(path)
        }
        opened => opened,
    }
}

/// Removes a damaged state: the next start makes it anew.
fn discard(path: &Path) {
    tracing::warn!(path = %path.display(), "the resolver's state is damaged and is rebuilt");
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        // What cannot be removed is met again when it is opened.
        let _ = std::fs::remove_file(PathBuf::from(name));
    }
}
