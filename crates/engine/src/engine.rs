//! A process of a group: what it has open, and its workers.

use crate::clients::ClientMetrics;
use crate::log::OpenLog;
use crate::members::{Opening, Provisioned, connector, provision_all};
use crate::workers::Roles;
use crate::{EngineError, Host, seat, tables};
use std::collections::BTreeSet;
use std::sync::Arc;
use tributary_group::copy::{CopyMark, read_mark};
use tributary_group::file::GroupFile;
use tributary_group::spec::{GroupFinding, GroupSpec};
use tributary_member::Connector;
use tributary_model::MemberId;
use tributary_runtime::{Metrics, SharedClock, Supervisor};
use tributary_stream::embedded::{Access, EmbeddedLog};
use tributary_stream::{Channels, Error as LogError, Log, MemberControls, read_latest};

/// How a group is opened.
#[derive(Clone)]
pub struct Options {
    /// Whether this process works for the group, or only reads. With Kafka several may work.
    pub access: Access,
    /// Creates members' files that are not there.
    pub create_members: bool,
    /// Switches members' files to WAL mode.
    pub enable_wal: bool,
    /// Where the workers will run.
    pub host: Host,
}

impl Default for Options {
    fn default() -> Self {
        let host = Host::default();
        Self { access: Access::Exclusive, create_members: false, enable_wal: false, host }
    }
}

/// An opened group.
pub struct Engine {
    /// The group file.
    pub file: Arc<GroupFile>,
    /// The log.
    pub log: Arc<dyn Log>,
    /// The embedded log, for its upkeep; `None` with another one.
    pub(crate) embedded: Option<Arc<EmbeddedLog>>,
    /// The group's tables.
    pub spec: Arc<GroupSpec>,
    /// Its topics.
    pub channels: Arc<Channels>,
    /// The members that have not left the group, in the order of the file.
    pub connectors: Vec<Arc<dyn Connector>>,
    /// All that is counted.
    pub metrics: Metrics,
    /// The clock of all workers.
    pub clock: SharedClock,
    /// The workers.
    pub supervisor: Arc<Supervisor>,
    /// What was found while the spec was made: warnings only.
    pub findings: Vec<GroupFinding>,
    /// Whether the log did not know the group's tables as they are now, so that processes which run already have to
    /// be started again to see them.
    pub tables_changed: bool,
}

impl Engine {
    /// Opens the log and the group's tables. To write, this makes the spec of tables that are new in the group
    /// file, with their topics; to read, a spec must be there.
    ///
    /// # Errors
    /// [`EngineError::Findings`] when a table cannot be synchronised as the group file and the members stand.
    pub async fn open(file: GroupFile, options: Options) -> Result<Self, EngineError> {
        let writes = options.access == Access::Exclusive;
        if writes {
            let source_of = |source| EngineError::DataDir { path: file.data_dir.clone(), source };
            std::fs::create_dir_all(&file.data_dir).map_err(source_of)?;
        }
        let host = options.host;
        let open = async || match OpenLog::open(&file, options.access, &host.clock).await {
            Err(LogError::UnknownTopic { .. }) if !writes => Err(EngineError::NotProvisioned),
            opened => Ok(opened?),
        };
        let opened = tables::unless_overtaken(open).await?;
        let log = opened.shared();
        match &opened {
            OpenLog::Embedded(log) => check_left(log, &file, writes).await?,
            OpenLog::Kafka(log) => {
                let clients = ClientMetrics::new(&host.metrics, Arc::clone(&host.clock))?;
                log.on_statistics(Box::new(move |figures| clients.take(figures)));
            }
        }
        let opening =
            Opening { create: options.create_members, enable_wal: options.enable_wal, ..Opening::default() };
        let left = left(log.as_ref(), &file).await?;
        let present = file.members.iter().filter(|member| !left.contains(&member.id));
        let connectors: Vec<_> =
            present.map(|member| connector(&file, member, opening)).collect::<Result<_, _>>()?;
        let tables = if writes {
            let tables = tables::make(&file, log.as_ref(), &connectors).await?;
            check_log(log.as_ref(), &tables.channels, &connectors).await?;
            tables
        } else {
            tables::known(&file, log.as_ref()).await?
        };
        Ok(Self {
            file: Arc::new(file),
            log,
            embedded: match opened {
                OpenLog::Embedded(log) => Some(log),
                OpenLog::Kafka(_) => None,
            },
            spec: Arc::new(tables.spec),
            channels: Arc::new(tables.channels),
            connectors,
            metrics: host.metrics,
            clock: host.clock,
            supervisor: host.supervisor,
            findings: tables.findings,
            tables_changed: tables.changed,
        })
    }

    /// Creates what is missing in the members; with `dry_run` only says what that would be.
    pub async fn provision(&self, dry_run: bool) -> Vec<Provisioned> {
        provision_all(&self.file, &self.spec, &self.connectors, dry_run).await
    }

    /// Starts the workers of these roles. They go on until [`Engine::stop`].
    ///
    /// # Errors
    /// When a thread cannot be started or a metric's name is taken; what the workers meet later shows on the
    /// supervisor's board.
    pub fn start(&self, roles: &Roles) -> Result<(), EngineError> {
        seat::start(self, roles)
    }

    /// The embedded log, if that is the group's.
    pub fn embedded_log(&self) -> Option<&EmbeddedLog> {
        self.embedded.as_deref()
    }

    /// Stops all workers; returns the names of those that did not end in time.
    pub fn stop(&self) -> Vec<String> {
        self.supervisor.stop_all()
    }
}

/// The members of the group file that have left the group.
async fn left(log: &dyn Log, file: &GroupFile) -> Result<BTreeSet<MemberId>, EngineError> {
    let latest = match read_latest(log, &file.topics().control()).await {
        Err(LogError::UnknownTopic { .. }) => return Ok(BTreeSet::new()),
        latest => latest?,
    };
    let controls: MemberControls = latest.iter().collect();
    let left = controls.all().filter(|(_, control)| control.removed.is_some());
    Ok(left.map(|(member, _)| member.clone()).collect())
}

/// Refuses a log that was copied elsewhere, and writes nothing to one that is being copied.
async fn check_left(log: &EmbeddedLog, file: &GroupFile, writes: bool) -> Result<(), EngineError> {
    let path = || log.path().to_owned();
    match read_mark(log, &file.topics().control()).await? {
        Some(CopyMark::Left { to, .. }) => Err(EngineError::Left { path: path(), to }),
        Some(CopyMark::Leaving { to, .. }) if writes => Err(EngineError::Leaving { path: path(), to }),
        Some(CopyMark::Leaving { .. } | CopyMark::CopyOf { .. }) | None => Ok(()),
    }
}

/// Refuses a log that is shorter than what a member has applied from it, before anything is written to it: once
/// offsets are given a second time, the member could no longer tell. Members that cannot be reached, are not
/// provisioned or have applied from another log are looked at by their own workers.
async fn check_log(
    log: &dyn Log,
    channels: &Channels,
    connectors: &[Arc<dyn Connector>],
) -> Result<(), EngineError> {
    for connector in connectors {
        let Ok(mut member) = connector.connect(&[]).await else { continue };
        let Ok(stored) = member.offsets().await else { continue };
        for offset in stored.iter().filter(|offset| offset.log == log.id().0) {
            let channel = channels.tables.iter().find(|channel| channel.resolved.as_str() == offset.topic);
            let Some(channel) = channel else { continue };
            let ranges = log.offsets(&channel.resolved).await?;
            let end = ranges.get(offset.partition as usize).map_or(0, |range| range.end);
            if offset.next > end {
                return Err(EngineError::LogWentBack {
                    member: connector.id().to_string(),
                    topic: offset.topic.clone(),
                    partition: offset.partition,
                    applied: offset.next,
                    end,
                });
            }
        }
    }
    Ok(())
}
