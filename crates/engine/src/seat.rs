//! Where a process's workers get what they need from, and which of them it has.
//!
//! A member may come or go while the process runs; then its workers are started or stopped here, and the resolver begins
//! again, since who wins against whom depends on the members.

use crate::members::{Opening, connector};
use crate::watch::{self, WATCH};
use crate::workers::{self, Roles};
use crate::{Engine, EngineError};
use std::sync::{Arc, Weak};
use tributary_group::file::{Direction, GroupFile, Schedule};
use tributary_group::spec::GroupSpec;
use tributary_member::Connector;
use tributary_model::MemberId;
use tributary_runtime::supervisor::SupervisorError;
use tributary_runtime::{Failure, Heartbeat, Metrics, SharedClock, Stop, Supervisor};
use tributary_stream::{Channels, Log};

/// What the workers of a process share.
#[derive(Clone)]
pub(crate) struct Seat {
    pub(crate) file: Arc<GroupFile>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) spec: Arc<GroupSpec>,
    pub(crate) channels: Arc<Channels>,
    pub(crate) metrics: Metrics,
    pub(crate) clock: SharedClock,
    /// The supervisor has the workers, and one of them has this.
    supervisor: Weak<Supervisor>,
    roles: Roles,
    /// The members whose workers may run here.
    members: Vec<MemberId>,
}

/// Starts the workers of a process.
pub(crate) fn start(engine: &Engine, roles: &Roles) -> Result<(), EngineError> {
    if roles.paced && engine.file.schedule == Schedule::Manual {
        return Err(EngineError::Manual);
    }
    let seat = Seat {
        file: Arc::clone(&engine.file),
        log: Arc::clone(&engine.log),
        spec: Arc::clone(&engine.spec),
        channels: Arc::clone(&engine.channels),
        metrics: engine.metrics.clone(),
        clock: Arc::clone(&engine.clock),
        supervisor: Arc::downgrade(&engine.supervisor),
        roles: roles.clone(),
        members: engine.connectors.iter().map(|connector| connector.id().clone()).collect(),
    };
    if roles.resolver {
        workers::start_resolver(&seat)?;
    }
    for connector in &engine.connectors {
        seat.start_member(connector)?;
    }
    let board = engine.supervisor.board();
    let watched = seat.clone();
    seat.spawn(WATCH, move |stop, heartbeat| {
        let (seat, board) = (watched.clone(), board.clone());
        Box::pin(async move { watch::watch(seat, &board, (&stop, &heartbeat)).await })
    })?;
    // Kafka tidies its topics itself.
    if let Some(log) = &engine.embedded {
        let log = Arc::clone(log);
        seat.spawn("log upkeep", move |stop, heartbeat| {
            let log = Arc::clone(&log);
            Box::pin(async move { workers::upkeep(&log, stop, heartbeat).await })
        })?;
    }
    Ok(())
}

impl Seat {
    /// Starts a worker.
    pub(crate) fn spawn<F, W>(&self, name: impl Into<String>, factory: F) -> Result<(), SupervisorError>
    where
        F: FnMut(Stop, Heartbeat) -> W + Send + 'static,
        W: Future<Output = Result<(), Failure>> + 'static,
    {
        let name = name.into();
        match self.supervisor.upgrade() {
            Some(supervisor) => supervisor.spawn(name, factory),
            None => Err(SupervisorError::Stopping { name }),
        }
    }

    /// The members whose workers may run here.
    pub(crate) fn members(&self) -> &[MemberId] {
        &self.members
    }

    fn start_member(&self, connector: &Arc<dyn Connector>) -> Result<(), EngineError> {
        if !self.roles.includes(connector.id()) {
            return Ok(());
        }
        let direction = self.file.member(connector.id()).map(|member| member.direction).unwrap_or_default();
        if self.roles.capture && direction != Direction::Subscribe {
            workers::start_capture(self, connector, self.roles.paced)?;
        }
        if self.roles.apply && direction != Direction::Publish {
            workers::start_apply(self, connector)?;
        }
        Ok(())
    }

    /// Stops the workers of a member that has left.
    pub(crate) fn leave(&mut self, member: &MemberId) {
        self.members.retain(|known| known != member);
        for role in ["capture", "apply"] {
            self.stop(&format!("{role} {member}"));
        }
    }

    /// Starts the workers of a member that has come, as the group file says by now.
    pub(crate) fn join(&mut self, member: &MemberId) -> Result<(), EngineError> {
        let file = GroupFile::load(&self.file.path)?;
        let Some(settings) = file.member(member) else {
            let path = self.file.path.display().to_string();
            return Err(EngineError::NotInFile { member: member.to_string(), path });
        };
        let connector = connector(&file, settings, Opening::default())?;
        self.leave(member);
        self.file = Arc::new(file);
        self.members.push(member.clone());
        if self.roles.resolver {
            self.stop("resolver");
            workers::start_resolver(self)?;
        }
        self.start_member(&connector)
    }

    /// Stops a worker, if there is such a one.
    fn stop(&self, name: &str) {
        let Some(supervisor) = self.supervisor.upgrade() else { return };
        match supervisor.stop_one(name) {
            Ok(()) | Err(SupervisorError::Unknown { .. }) => {}
            Err(error) => tracing::warn!(%error, name, "a worker goes on for a while"),
        }
    }
}
