//! Making the group's tables: from the group file, from what the members hold and from what the log knows of them.
//!
//! Several processes may start at the same time. The spec is written only where it has changed, under the one
//! transactional id of the control topic, and only on top of what was read; a process that another one overtakes
//! looks again.

use crate::EngineError;
use crate::members::inspect_all;
use std::sync::Arc;
use std::time::Duration;
use tributary_group::file::GroupFile;
use tributary_group::spec::{
    GroupFinding, GroupSpec, SpecStoreError, derive, observe, read_spec, write_spec,
};
use tributary_member::{Connector, Inspection, Severity};
use tributary_model::{MemberId, TableSchema};
use tributary_runtime::Backoff;
use tributary_stream::{Channels, Error as LogError, Log};

/// How often another process may come first before this one gives up for now.
const MOST_ATTEMPTS: usize = 30;

/// The group's tables with their topics.
pub(crate) struct Tables {
    pub(crate) spec: GroupSpec,
    pub(crate) channels: Channels,
    /// Warnings only.
    pub(crate) findings: Vec<GroupFinding>,
    /// Whether the spec was written, since the log did not know it so.
    pub(crate) changed: bool,
}

/// The tables that the log knows, for a reader.
pub(crate) async fn known(file: &GroupFile, log: &dyn Log) -> Result<Tables, EngineError> {
    let topics = file.topics();
    let known = read_spec(log, &topics.control()).await?;
    let spec = known.ok_or(EngineError::NotProvisioned)?;
    let channels = Channels::for_reading(topics, file.group.as_str(), file.limits(), &schemas(&spec))?;
    Ok(Tables { spec, channels, findings: Vec::new(), changed: false })
}

/// The tables of the group file: those that the log does not know are added, with their topics.
pub(crate) async fn make(
    file: &GroupFile,
    log: &dyn Log,
    connectors: &[Arc<dyn Connector>],
) -> Result<Tables, EngineError> {
    let transactional_id = file.topics().control_writer();
    let attempt = async || match attempt(file, log, connectors).await {
        Ok(Some(tables)) => Ok(tables),
        Ok(None) => Err(LogError::Fenced { transactional_id: transactional_id.clone() }.into()),
        Err(error) => Err(error),
    };
    unless_overtaken(attempt).await
}

/// Does something anew as often as another process that starts at the same time comes in between.
pub(crate) async fn unless_overtaken<T>(
    attempt: impl AsyncFn() -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    let backoff = Backoff::new(Duration::from_millis(50), 1.5, Duration::from_secs(2), 1.0);
    for pause in backoff.unwrap_or_default().pauses().take(MOST_ATTEMPTS) {
        match attempt().await {
            Err(error) if may_be_overtaken(&error) => {
                tracing::debug!(%error, "another process may be opening the group, too; looking again");
                tokio::time::sleep(pause).await;
            }
            done => return done,
        }
    }
    attempt().await
}

/// One try; `None` when the spec is another than it was at the beginning.
async fn attempt(
    file: &GroupFile,
    log: &dyn Log,
    connectors: &[Arc<dyn Connector>],
) -> Result<Option<Tables>, EngineError> {
    let topics = file.topics();
    let (control, writer) = (topics.control(), topics.control_writer());
    let known = read_spec(log, &control).await?;
    let (spec, findings) = derived(file, connectors, known.as_ref()).await?;
    // The topics first: whoever finds a table in the spec finds its topics.
    let channels = Channels::open(log, topics, file.group.as_str(), file.limits(), &schemas(&spec)).await?;
    let changed = known.as_ref() != Some(&spec);
    if changed {
        let mut producer = log.producer(&writer).await?;
        // From here on whoever wrote before is fenced, so that what is read now stays what it is.
        if read_spec(log, &control).await? != known {
            return Ok(None);
        }
        write_spec(producer.as_mut(), &control, &spec).await?;
    }
    Ok(Some(Tables { spec, channels, findings, changed }))
}

/// Enters into the spec in the log what a member keeps of the columns, if the log knows that otherwise.
pub(crate) async fn make_known(
    file: &GroupFile,
    log: &dyn Log,
    member: &MemberId,
    inspection: &Inspection,
) -> Result<(), EngineError> {
    let topics = file.topics();
    let (control, transactional_id) = (topics.control(), topics.control_writer());
    unless_overtaken(async || {
        let Some(known) = read_spec(log, &control).await? else { return Ok(()) };
        let mut spec = known.clone();
        observe(file, &mut spec, member, inspection);
        if spec == known {
            return Ok(());
        }
        let mut producer = log.producer(&transactional_id).await?;
        // As above.
        if read_spec(log, &control).await?.as_ref() != Some(&known) {
            return Err(LogError::Fenced { transactional_id: transactional_id.clone() }.into());
        }
        Ok(write_spec(producer.as_mut(), &control, &spec).await?)
    })
    .await
}

fn schemas(spec: &GroupSpec) -> Vec<(Arc<TableSchema>, u32)> {
    spec.tables.iter().map(|table| (Arc::clone(&table.schema), table.partitions)).collect()
}

/// Whether another process may have come in between. A broker that ends a transaction at the very moment in which the
/// next holder of its name ends it was seen to answer with an error that says nothing; what is tried is looked at anew
/// each time, so that trying again does nothing twice.
fn may_be_overtaken(error: &EngineError) -> bool {
    let (EngineError::Log(error) | EngineError::Spec(SpecStoreError::Log(error))) = error else {
        return false;
    };
    matches!(error, LogError::Fenced { .. } | LogError::Kafka { .. })
}

/// The spec, with tables added that the group file has and the log does not know.
async fn derived(
    file: &GroupFile,
    connectors: &[Arc<dyn Connector>],
    known: Option<&GroupSpec>,
) -> Result<(GroupSpec, Vec<GroupFinding>), EngineError> {
    let all_known =
        known.is_some_and(|spec| file.tables.iter().all(|table| spec.table(&table.name).is_some()));
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
    let (spec, mut found) = derive(file, &reached, known);
    findings.append(&mut found);
    if findings.iter().any(|found| found.finding.severity == Severity::Error) {
        return Err(EngineError::Findings { findings });
    }
    Ok((spec, findings))
}
