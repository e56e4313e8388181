//! How a group stands, in one value that is shown as text or written as JSON.
//!
//! Read from the members and the log, so that it is the same whether the workers run in this process, in another
//! one, or not at all. What workers do is only known to their process; [`WorkerView`] is what that one tells.

use crate::aside::count_aside;
use crate::conflicts::read_ledger;
use crate::file::Direction;
use crate::live::{LiveWorkers, live_workers};
use crate::opened::{ActionError, Opened};
use crate::progress::{MemberProgress, Progress, ProgressError, TableProgress, progress};
use crate::view::time_text;
use serde::{Deserialize, Serialize};
use tributary_member::HoldsBack;
use tributary_model::Ticks;
use tributary_model::time::TICKS_A_MILLISECOND;
use tributary_runtime::supervisor::{State, WorkerStatus};

/// Why the status could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatusError {
    /// How far the group is could not be read.
    #[error("how far the members are could not be told")]
    Progress(#[from] ProgressError),
    /// The ledger could not be read.
    #[error("the ledger could not be read")]
    Ledger(#[from] ActionError),
}

impl StatusError {
    /// The stable code, listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Progress(source) => source.code(),
            Self::Ledger(source) => source.code(),
        }
    }
}

/// What a worker of a running process does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerView {
    /// Its name, such as `capture hq`.
    pub name: String,
    /// `starting`, `running`, `waiting`, `halted` or `stopped`.
    pub state: String,
    /// What it says about what it does.
    pub note: String,
    /// What failed, while it waits or has halted.
    pub error: Option<String>,
    /// How often it was started again.
    pub restarts: u64,
    /// How long ago its loop turned, in milliseconds.
    pub since_heartbeat_ms: u64,
}

impl From<&WorkerStatus> for WorkerView {
    fn from(worker: &WorkerStatus) -> Self {
        let (state, error) = match &worker.state {
            State::Starting => ("starting", None),
            State::Running => ("running", None),
            State::Waiting { error, .. } => ("waiting", Some(error.clone())),
            State::Halted { error } => ("halted", Some(error.clone())),
            State::Stopped => ("stopped", None),
        };
        Self {
            name: worker.name.clone(),
            state: state.to_owned(),
            note: worker.note.clone(),
            error,
            restarts: worker.restarts,
            since_heartbeat_ms: u64::try_from(worker.since_heartbeat.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// What a running process tells of itself (`/status.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessView {
    /// The group.
    pub group: String,
    /// The process.
    pub pid: u32,
    /// Its workers, by name.
    pub workers: Vec<WorkerView>,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemberStatus {
    /// Its id.
    pub id: String,
    /// Where its database is.
    pub database: String,
    /// `both`, `publish` or `subscribe`.
    pub direction: &'static str,
    /// Why it cannot be looked at; then `tables` is empty.
    pub trouble: Option<String>,
    /// Why it is left alone on purpose: paused, out of date, being filled anew, or no longer of the group.
    pub rests: Option<String>,
    /// Whether it is being filled anew, or is to be.
    pub filling: bool,
    /// How many pages it has published: its position.
    pub published_pages: Option<u64>,
    /// How far its clock is ahead of the group's, in milliseconds; more than the group file allows is a warning.
    pub clock_ahead_ms: Option<i64>,
    /// Whose open transaction keeps changes of the member from being captured; some databases know no such thing, or
    /// do not tell.
    pub held_back_by: Option<HoldsBack>,
    /// Its tables.
    pub tables: Vec<TableProgress>,
}

impl MemberStatus {
    /// Its rows that are out of sync: refused here, or not publishable.
    pub fn out_of_sync(&self) -> u64 {
        self.tables.iter().map(|table| table.parked_apply + table.parked_capture).sum()
    }
}

/// The whole group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Its name.
    pub group: String,
    /// When this was read.
    pub at: String,
    /// The log: its file, or `kafka` and brokers.
    pub log: String,
    /// The log's identity.
    pub log_id: String,
    /// Whether every change that was committed when this was read is in every member, or parked there.
    pub in_step: bool,
    /// Published changes that are not settled yet.
    pub unresolved: u64,
    /// Conflicts in the ledger.
    pub conflicts: u64,
    /// Conflicts that wait for somebody's decision.
    pub open_conflicts: u64,
    /// Rows that some member refused, or that cannot be published.
    pub out_of_sync: u64,
    /// Records of the group's topics that a worker could not use.
    pub unusable_records: u64,
    /// By member, in the order of the group file.
    pub members: Vec<MemberStatus>,
    /// What is in the way, in sentences.
    pub notes: Vec<String>,
    /// Who works for the group, on all machines; none where one process has the log to itself.
    pub live: Option<Vec<LiveWorkers>>,
    /// The running process, where it could be asked.
    pub process: Option<ProcessView>,
}

/// Reads how a group stands; `now` is this machine's time.
///
/// # Errors
/// When the log cannot be read. A member that cannot be reached is part of the answer.
pub async fn read_status(
    group: &Opened<'_>,
    now: Ticks,
    process: Option<ProcessView>,
) -> Result<Status, StatusError> {
    let read = progress(group.file, group.spec, group.channels, group.log, group.connectors).await?;
    let ledger = read_ledger(group).await?;
    let live = live_workers(group).await.map_err(ActionError::from)?;
    let mut ahead = Vec::with_capacity(group.connectors.len());
    for connector in group.connectors {
        ahead.push(clock_ahead_ms(group, connector.as_ref()).await);
    }
    let counts = (ledger.records.len() as u64, ledger.open() as u64);
    let mut status = assemble(group, read, &ahead, counts, now, process);
    if live.as_ref().is_some_and(|live| live.iter().any(|kind| kind.role == "resolver" && kind.workers == 0))
    {
        status.notes.push("no resolver runs: changes wait until one does (`tributary run`)".to_owned());
    }
    status.live = live;
    status.unusable_records = count_aside(group).await?;
    if status.unusable_records > 0 {
        let count = status.unusable_records;
        status.notes.push(format!(
            "{count} records of the group's topics could not be used: `tributary exceptions list`"
        ));
    }
    Ok(status)
}

/// Half a round trip is the error; on one machine that is nothing.
async fn clock_ahead_ms(group: &Opened<'_>, connector: &dyn tributary_member::Connector) -> Option<i64> {
    let mut member = connector.connect(&[]).await.ok()?;
    let before = group.log.clock_ms().await.ok()?;
    let theirs = member.clock().await.ok()? / TICKS_A_MILLISECOND;
    let after = group.log.clock_ms().await.ok()?;
    Some(theirs - (before + after) / 2)
}

fn assemble(
    group: &Opened<'_>,
    read: Progress,
    ahead: &[Option<i64>],
    (conflicts, open_conflicts): (u64, u64),
    now: Ticks,
    process: Option<ProcessView>,
) -> Status {
    let mut notes = read.blockers();
    let limit = i64::try_from(group.file.clock_skew_warning.as_millis()).unwrap_or(i64::MAX);
    for (member, ahead) in read.members.iter().zip(ahead) {
        if let Some(ahead) = ahead.filter(|ahead| ahead.saturating_abs() > limit) {
            notes.push(format!("the clock of member {} is {ahead} ms ahead of the group's", member.id));
        }
    }
    if open_conflicts > 0 {
        notes.push(format!("{open_conflicts} conflicts wait for a decision"));
    }
    let in_step = read.is_drained();
    let unresolved = read.unresolved;
    let members: Vec<_> = read
        .members
        .into_iter()
        .zip(ahead)
        .map(|(member, ahead)| member_status(group, member, *ahead))
        .collect();
    Status {
        group: group.file.group.as_str().to_owned(),
        at: time_text(now),
        log: group.file.log.to_string(),
        log_id: group.log.id().0.to_string(),
        in_step,
        unresolved,
        conflicts,
        open_conflicts,
        out_of_sync: members.iter().map(MemberStatus::out_of_sync).sum(),
        unusable_records: 0,
        members,
        notes,
        live: None,
        process,
    }
}

fn member_status(group: &Opened<'_>, member: MemberProgress, clock_ahead_ms: Option<i64>) -> MemberStatus {
    let settings = group.file.member(&member.id);
    let database = settings.map(|settings| settings.url.to_string());
    MemberStatus {
        id: member.id.to_string(),
        database: database.unwrap_or_default(),
        direction: match settings.map(|settings| settings.direction).unwrap_or_default() {
            Direction::Both => "both",
            Direction::Publish => "publish",
            Direction::Subscribe => "subscribe",
        },
        trouble: member.trouble,
        rests: member.rests,
        filling: member.filling,
        published_pages: member.token_counter,
        clock_ahead_ms,
        held_back_by: member.held_back_by,
        tables: member.tables,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn workers_are_told_as_they_are_and_read_back() {
        let worker = |state| WorkerStatus {
            name: "apply hq".to_owned(),
            state,
            restarts: 2,
            since_heartbeat: Duration::from_millis(1500),
            note: "applying".to_owned(),
        };
        let halted = WorkerView::from(&worker(State::Halted { error: "no".to_owned() }));
        assert_eq!((halted.state.as_str(), halted.error.as_deref()), ("halted", Some("no")));
        let waiting = WorkerView::from(&worker(State::Waiting { until_ticks: 5, error: "busy".to_owned() }));
        assert_eq!((waiting.state.as_str(), waiting.since_heartbeat_ms), ("waiting", 1500));
        let running = WorkerView::from(&worker(State::Running));
        assert_eq!((running.state.as_str(), &running.error), ("running", &None));
        let process = ProcessView { group: "retail".to_owned(), pid: 7, workers: vec![halted, running] };
        let text = serde_json::to_string(&process).unwrap();
        assert_eq!(serde_json::from_str::<ProcessView>(&text).unwrap(), process);
    }
}
