//! A group in this process: opened from its file, started, watched until it has come where it should, stopped.
//!
//! Knows nothing of stories and loads. Waiting is always for progress that can be seen from outside, with a
//! deadline, and ends at once when a worker has given up.

use anyhow::{Context as _, bail, ensure};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tributary_engine::{Engine, Host, Options, Roles};
use tributary_group::file::GroupFile;
use tributary_group::opened::Opened;
use tributary_group::progress::{Progress, progress};
use tributary_group::spec::GroupFinding;
use tributary_member::{Connector, Member, Severity};
use tributary_runtime::{SharedClock, State};

/// Pause between two looks at the progress.
const LOOK_EVERY: Duration = Duration::from_millis(3);

/// An opened group with the runtime on which its calls are made.
pub(crate) struct Process {
    runtime: tokio::runtime::Runtime,
    pub(crate) engine: Engine,
}

impl Process {
    /// Opens the group of this file as `tributary run` does; members' files that are not there are created.
    pub(crate) fn open(group_file: &Path, clock: &SharedClock) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let file = GroupFile::load(group_file)?;
        let options = Options {
            create_members: true,
            enable_wal: true,
            host: Host::new(Arc::clone(clock)),
            ..Options::default()
        };
        let engine = runtime.block_on(Engine::open(file, options))?;
        Ok(Self { runtime, engine })
    }

    /// Waits for a future of the engine or of a member.
    pub(crate) fn wait_for<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Creates what is missing in the members; returns what was found in them on the way.
    pub(crate) fn provision(&self) -> anyhow::Result<Vec<GroupFinding>> {
        let mut findings = Vec::new();
        for done in self.wait_for(self.engine.provision(false)) {
            let member = done.member;
            done.statements.with_context(|| format!("member {member} cannot be provisioned"))?;
            findings.extend(done.bound.map(|bound| bound.findings).unwrap_or_default());
        }
        if let Some(found) = findings.iter().find(|found| found.finding.severity == Severity::Error) {
            bail!("a member cannot be provisioned: {}; {}", found.finding.message, found.finding.remedy);
        }
        Ok(findings)
    }

    /// Starts workers.
    pub(crate) fn start(&self, roles: &Roles) -> anyhow::Result<()> {
        Ok(self.engine.start(roles)?)
    }

    /// How far the group is.
    pub(crate) fn progress(&self) -> anyhow::Result<Progress> {
        let Engine { file, spec, channels, log, connectors, .. } = &self.engine;
        Ok(self.wait_for(progress(file, spec, channels, log.as_ref(), connectors))?)
    }

    /// Looks at the progress until it is as wanted.
    pub(crate) fn wait_until(
        &self,
        what: &str,
        deadline: Duration,
        wanted: impl Fn(&Progress) -> bool,
    ) -> anyhow::Result<Progress> {
        let began = Instant::now();
        loop {
            let progress = self.progress()?;
            if wanted(&progress) {
                return Ok(progress);
            }
            self.check_workers()?;
            if began.elapsed() > deadline {
                let (blockers, workers) = (progress.blockers().join("; "), self.workers().join("; "));
                bail!(
                    "waited {} s for {what}, in vain. In the way: {blockers}. Workers: {workers}",
                    deadline.as_secs()
                );
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Fails when a worker has given up: it does not go on by itself.
    pub(crate) fn check_workers(&self) -> anyhow::Result<()> {
        for worker in self.engine.supervisor.states() {
            if let State::Halted { error } = worker.state {
                bail!("the worker `{}` has stopped: {error}", worker.name);
            }
        }
        Ok(())
    }

    fn workers(&self) -> Vec<String> {
        let states = self.engine.supervisor.states();
        states.iter().map(|worker| format!("{}: {:?} {}", worker.name, worker.state, worker.note)).collect()
    }

    /// The group as the operators' actions see it.
    pub(crate) fn opened(&self) -> Opened<'_> {
        let Engine { file, spec, channels, log, connectors, .. } = &self.engine;
        Opened { file, spec, channels, log: log.as_ref(), connectors }
    }

    /// What opens connections to a member.
    pub(crate) fn connector(&self, id: &str) -> anyhow::Result<&Arc<dyn Connector>> {
        Ok(self.opened().connector(id)?)
    }

    /// A connection to a member, with all tables of the group.
    pub(crate) fn member(&self, id: &str) -> anyhow::Result<Box<dyn Member>> {
        let connector = self.connector(id)?;
        Ok(self.wait_for(self.opened().open(connector.as_ref()))?.member)
    }

    /// Stops all workers and closes the log.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        let late = self.engine.stop();
        ensure!(late.is_empty(), "these workers did not stop in time: {}", late.join(", "));
        Ok(())
    }
}
