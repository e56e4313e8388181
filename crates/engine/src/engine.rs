//! A process of a group: what it has open, and its workers.

use crate::EngineError;
use crate::members::{Provisioned, connector, inspect_all, provision_all};
use crate::workers::{self, Roles};
use std::sync::Arc;
use tributary_group::file::{GroupFile, LogSettings};
use tributary_group::spec::{GroupFinding, GroupSpec, derive, read_spec, write_spec};
use tributary_member::{Connector, Severity};
use tributary_runtime::supervisor::Settings as SupervisorSettings;
use tributary_runtime::{Metrics, SharedClock, Supervisor, SystemClock};
use tributary_stream::embedded::{Access, EmbeddedLog};
use tributary_stream::{Channels, Log, TopicLimits, Topics};

/// Prefix of all topic names.
pub const TOPIC_PREFIX: &str = "tributary";

/// How a group is opened.
#[derive(Clone)]
pub struct Options {
    /// Whether this process is the one that writes.
    pub access: Access,
    /// Creates members' files that are not there.
    pub create_members: bool,
    /// Switches members' files to WAL mode.
    pub enable_wal: bool,
    /// The clock of all workers.
    pub clock: SharedClock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            access: Access::Exclusive,
            create_members: false,
            enable_wal: false,
            clock: SystemClock::shared(),
        }
    }
}

/// An opened group.
pub struct Engine {
    /// The group file.
    pub file: Arc<GroupFile>,
    /// The log, also by its own type for its upkeep.
    pub log: Arc<EmbeddedLog>,
    /// The group's tables.
    pub spec: Arc<GroupSpec>,
    /// Its topics.
    pub channels: Arc<Channels>,
    /// The members, in the order of the file.
    pub connectors: Vec<Arc<dyn Connector>>,
    /// All that is counted.
    pub metrics: Metrics,
    /// The clock of all workers.
    pub clock: SharedClock,
    /// The workers.
    pub supervisor: Supervisor,
    /// What was found while the spec was made: warnings only.
    pub findings: Vec<GroupFinding>,
}

impl Engine {
    /// Opens the log and the group's tables. To write, this makes the spec of tables that are new in the group
    /// file, with their topics; to read, a spec must be there.
    ///
    /// # Errors
    /// [`EngineError::Findings`] when a table cannot be synchronised as the group file and the members stand.
    pub async fn open(file: GroupFile, options: Options) -> Result<Self, EngineError> {
        let LogSettings::Embedded { path } = &file.log;
        let writes = options.access == Access::Exclusive;
        if writes {
            let source_of = |source| EngineError::DataDir { path: file.data_dir.clone(), source };
            std::fs::create_dir_all(&file.data_dir).map_err(source_of)?;
        }
        let clock = Arc::clone(&options.clock);
        let milliseconds = Arc::new(move || clock.now_ticks() / 10_000);
        let log = Arc::new(EmbeddedLog::open_with_clock(path, options.access, milliseconds)?);
        let connectors: Vec<_> = file
            .members
            .iter()
            .map(|member| connector(&file, member, options.create_members, options.enable_wal))
            .collect();
        let topics = Topics::new(TOPIC_PREFIX, file.group.as_str());
        let known = read_spec(log.as_ref(), &topics.control()).await?;
        let (spec, findings) = if writes {
            make_spec(&file, &connectors, known).await?
        } else {
            (known.ok_or(EngineError::NotProvisioned)?, Vec::new())
        };
        let limits = TopicLimits { delete_retention: file.tombstone_retention, ..TopicLimits::default() };
        let tables: Vec<_> =
            spec.tables.iter().map(|table| (Arc::clone(&table.schema), table.partitions)).collect();
        let (control, writer) = (topics.control(), topics.control_writer());
        let channels = if writes {
            let channels = Channels::open(log.as_ref(), topics, file.group.as_str(), limits, &tables).await?;
            let mut producer = log.producer(&writer).await?;
            write_spec(log.as_ref(), producer.as_mut(), &control, &spec).await?;
            channels
        } else {
            Channels::for_reading(topics, file.group.as_str(), limits, &tables)?
        };
        if writes {
            check_log(log.as_ref(), &channels, &connectors).await?;
        }
        let settings =
            SupervisorSettings { clock: Arc::clone(&options.clock), ..SupervisorSettings::default() };
        Ok(Self {
            file: Arc::new(file),
            log,
            spec: Arc::new(spec),
            channels: Arc::new(channels),
            connectors,
            metrics: Metrics::new("tributary"),
            clock: options.clock,
            supervisor: Supervisor::new(settings),
            findings,
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
        workers::start(self, roles)
    }

    /// Stops all workers; returns the names of those that did not end in time.
    pub fn stop(&self) -> Vec<String> {
        self.supervisor.stop_all()
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

/// The spec, with tables added that the group file has and the log does not know.
async fn make_spec(
    file: &GroupFile,
    connectors: &[Arc<dyn Connector>],
    known: Option<GroupSpec>,
) -> Result<(GroupSpec, Vec<GroupFinding>), EngineError> {
    let all_known =
        known.as_ref().is_some_and(|spec| file.tables.iter().all(|table| spec.table(&table.name).is_some()));
    let mut reached = Vec::new();
    let mut findings = Vec::new();
    if !all_known {
        for (member, inspection) in inspect_all(connectors).await {
            match inspection {
                Ok(inspection) => reached.push((member, inspection)),
                Err(error) => findings.push(GroupFinding::unreachable(&member, &error)),
            }
        }
    }
    let (spec, mut derived) = derive(file, &reached, known.as_ref());
    findings.append(&mut derived);
    if findings.iter().any(|found| found.finding.severity == Severity::Error) {
        return Err(EngineError::Findings { findings });
    }
    Ok((spec, findings))
}
