//! The workers of a process, each with what it needs.
//!
//! A worker looks at its member anew at every start, so that a member that was away or has changed is met as it is.

use crate::members::{bind_now, inspect};
use crate::rest::Rests;
use crate::seat::Seat;
use crate::{EngineError, rest, tables};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tributary_apply::{Apply, ApplyMetrics};
use tributary_capture::{Capture, CaptureMetrics};
use tributary_group::file::{Direction, GroupFile, Schedule};
use tributary_group::spec::{GroupSpec, bind, table_rules};
use tributary_member::{Connector, Disposition, TableBinding};
use tributary_model::MemberId;
use tributary_resolver::{Resolver, ResolverMetrics, Witness};
use tributary_runtime::{Failure, Heartbeat, SharedClock, Stop};
use tributary_stream::embedded::EmbeddedLog;
use tributary_stream::{Channels, Log, MemberControl};

/// How long changes stay in the log after they were resolved (pipeline: days, so that a mistake can be looked at).
const CHANGES_GRACE: Duration = Duration::from_secs(7 * 86_400);
/// How often it is told how far members are, and looked for deletes that can be forgotten, at most.
const PROGRESS_EVERY: Duration = Duration::from_secs(60);
/// How often the log's upkeep looks for work.
const UPKEEP_EVERY: Duration = Duration::from_secs(30);
/// How often it is looked whether operators' commands have handed something in.
const TAKE_IN_EVERY: Duration = Duration::from_millis(250);
/// How often it is looked, while a table stands still, whether the tables are others by now.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Most changes in one of the resolver's transactions.
const RESOLVER_ROWS: usize = 3_000;

/// Which workers run in this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// Capture of the members.
    pub capture: bool,
    /// The resolver.
    pub resolver: bool,
    /// Apply to the members.
    pub apply: bool,
    /// Of which members; `None` of all.
    pub members: Option<Vec<MemberId>>,
    /// Whether capture keeps to the group's schedule, or carries everything as soon as it is there.
    pub paced: bool,
}

impl Roles {
    /// Everything, whatever the schedule.
    pub fn all() -> Self {
        Self { capture: true, resolver: true, apply: true, members: None, paced: false }
    }

    pub(crate) fn includes(&self, member: &MemberId) -> bool {
        self.members.as_ref().is_none_or(|members| members.contains(member))
    }
}

/// Minutes are nothing beside a retention of days; where deletes are forgotten sooner, it has to be told sooner.
fn progress_every(file: &GroupFile) -> Duration {
    (file.tombstone_retention / 20).clamp(Duration::from_millis(100), PROGRESS_EVERY)
}

/// The members that take changes in: those have to have a delete before it is forgotten.
fn witnesses(file: &GroupFile) -> Arc<[Witness]> {
    let taking = file.members.iter().filter(|member| member.direction != Direction::Publish);
    let witness = |member: &tributary_group::file::Member| Witness {
        member: member.id.clone(),
        captures: member.direction != Direction::Subscribe,
    };
    taking.map(witness).collect()
}

fn table_names(seat: &Seat) -> Vec<&str> {
    seat.spec.tables.iter().map(|table| table.schema.name.as_str()).collect()
}

pub(crate) fn start_resolver(seat: &Seat) -> Result<(), EngineError> {
    let spec = Arc::clone(&seat.spec);
    let resolver = Arc::new(Resolver {
        log: Arc::clone(&seat.log),
        channels: Arc::clone(&seat.channels),
        tables: table_rules(&seat.file, &seat.spec).into(),
        projections: Arc::new(move |record: &[u8]| spec.projections_of(record)),
        witnesses: witnesses(&seat.file),
        clock: Arc::clone(&seat.clock),
        settings: tributary_resolver::Settings {
            state: seat.file.data_dir.join("resolver.db"),
            batch_rows: RESOLVER_ROWS,
            changes_grace: CHANGES_GRACE,
            tombstone_retention: seat.file.tombstone_retention,
            conflict_retention: seat.file.conflict_retention,
            expire_every: progress_every(&seat.file),
        },
        metrics: Arc::new(ResolverMetrics::new(&seat.metrics, &table_names(seat))?),
    });
    seat.spawn("resolver", move |stop, heartbeat| {
        let resolver = Arc::clone(&resolver);
        Box::pin(async move {
            resolver.run(stop, heartbeat).await.map_err(tributary_resolver::Error::into_failure)
        })
    })?;
    Ok(())
}

pub(crate) fn start_capture(
    seat: &Seat,
    connector: &Arc<dyn Connector>,
    paced: bool,
) -> Result<(), EngineError> {
    let metrics = Arc::new(CaptureMetrics::new(&seat.metrics, connector.id().as_str(), &table_names(seat))?);
    let settings = tributary_capture::Settings {
        poll_interval: seat.file.poll_interval,
        every: match seat.file.schedule {
            Schedule::Every(every) if paced => Some(every),
            Schedule::Every(_) | Schedule::Continuous | Schedule::Manual => None,
        },
        clock_skew_warning: seat.file.clock_skew_warning,
        progress_every: progress_every(&seat.file),
        ..tributary_capture::Settings::default()
    };
    start_on_member(
        seat,
        connector,
        "capture",
        MemberControl::capture_rests,
        move |bound, stop, heartbeat| {
            let capture = Capture {
                bindings: bound.bindings,
                connector: bound.connector,
                log: bound.log,
                channels: bound.channels,
                clock: bound.clock,
                settings: settings.clone(),
                metrics: Arc::clone(&metrics),
                standing: bound.standing,
            };
            Box::pin(async move {
                capture.run(stop, heartbeat).await.map_err(tributary_capture::Error::into_failure)
            })
        },
    )
}

pub(crate) fn start_apply(seat: &Seat, connector: &Arc<dyn Connector>) -> Result<(), EngineError> {
    let metrics = Arc::new(ApplyMetrics::new(&seat.metrics, connector.id().as_str())?);
    let longest_lock = seat.file.member(connector.id()).map(|member| member.apply.longest_lock);
    let mut settings = tributary_apply::Settings {
        progress_every: progress_every(&seat.file),
        ..tributary_apply::Settings::default()
    };
    if let Some(longest_lock) = longest_lock {
        settings.batch_time = longest_lock;
    }
    start_on_member(seat, connector, "apply", MemberControl::apply_rests, move |bound, stop, heartbeat| {
        let apply = Apply {
            bindings: bound.bindings,
            connector: bound.connector,
            log: bound.log,
            channels: bound.channels,
            clock: bound.clock,
            settings: settings.clone(),
            metrics: Arc::clone(&metrics),
            standing: bound.standing,
        };
        Box::pin(
            async move { apply.run(stop, heartbeat).await.map_err(tributary_apply::Error::into_failure) },
        )
    })
}

/// A member as its tables lie now, and what its workers work with.
struct Bound {
    bindings: Vec<Arc<TableBinding>>,
    connector: Arc<dyn Connector>,
    log: Arc<dyn Log>,
    channels: Arc<Channels>,
    clock: SharedClock,
    /// Set by the worker while a table is not worked on.
    standing: Arc<AtomicBool>,
}

/// Starts a worker on a member's database: one that rests while the control topic says so, and that is made anew when
/// the tables are others.
fn start_on_member<F>(
    seat: &Seat,
    connector: &Arc<dyn Connector>,
    work: &str,
    rests: Rests,
    run: F,
) -> Result<(), EngineError>
where
    F: Fn(Bound, Stop, Heartbeat) -> Pin<Box<dyn Future<Output = Result<(), Failure>>>>
        + Send
        + Sync
        + 'static,
{
    let (file, spec, channels) = (Arc::clone(&seat.file), Arc::clone(&seat.spec), Arc::clone(&seat.channels));
    let (log, connector, clock) = (Arc::clone(&seat.log), Arc::clone(connector), Arc::clone(&seat.clock));
    let run = Arc::new(run);
    seat.spawn(format!("{work} {}", connector.id()), move |stop, heartbeat| {
        let (file, spec, channels) = (Arc::clone(&file), Arc::clone(&spec), Arc::clone(&channels));
        let (log, connector, clock) = (Arc::clone(&log), Arc::clone(&connector), Arc::clone(&clock));
        let run = Arc::clone(&run);
        Box::pin(async move {
            let turn = (&stop, &heartbeat);
            while rest::wait_while(rests, &*log, &channels, &*connector, &clock, turn).await? {
                let bindings = bindings(&file, &spec, log.as_ref(), connector.as_ref()).await?;
                let standing = Arc::new(AtomicBool::new(false));
                let bound = Bound {
                    bindings: bindings.clone(),
                    connector: Arc::clone(&connector),
                    log: Arc::clone(&log),
                    channels: Arc::clone(&channels),
                    clock: Arc::clone(&clock),
                    standing: Arc::clone(&standing),
                };
                tokio::select! {
                    ended = run(bound, stop.clone(), heartbeat.clone()) => ended?,
                    // Dropped where it is, which is no more than a crash to what it works with.
                    () = rebound(&file, &spec, connector.as_ref(), &bindings, &standing) => {}
                }
            }
            Ok(())
        })
    })?;
    Ok(())
}

/// Returns once the tables lie otherwise in the member than these bindings say. While a table stands still, it is looked
/// whether somebody has altered and provisioned it.
async fn rebound(
    file: &GroupFile,
    spec: &GroupSpec,
    connector: &dyn Connector,
    bindings: &[Arc<TableBinding>],
    standing: &AtomicBool,
) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if !standing.load(Ordering::Relaxed) {
            continue;
        }
        // What keeps the member from being looked at is the worker's to tell.
        if let Ok(now) = bind_now(file, spec, connector).await
            && now.bindings != bindings
        {
            tracing::info!(
                member = connector.id().as_str(),
                "the tables are others now: starting anew with them"
            );
            return;
        }
    }
}

/// How the tables lie in the member now. What is wrong with single tables is found again by the adapter, which
/// stops those alone. What the member keeps of the columns is known to the log by then, and so to the resolver before
/// anything comes from it.
async fn bindings(
    file: &GroupFile,
    spec: &GroupSpec,
    log: &dyn Log,
    connector: &dyn Connector,
) -> Result<Vec<Arc<TableBinding>>, Failure> {
    let inspection = inspect(connector).await.map_err(|error| {
        if error.disposition() == Disposition::Retry { Failure::retry(error) } else { Failure::halt(error) }
    })?;
    let member = connector.id();
    tables::make_known(file, log, member, &inspection).await.map_err(|error| match error.disposition() {
        tributary_stream::Disposition::Retry => Failure::retry(error),
        tributary_stream::Disposition::Park | tributary_stream::Disposition::Stop => Failure::halt(error),
    })?;
    let bound = bind(file, spec, member, &inspection);
    for found in bound.errors() {
        let (member, table) = (connector.id().as_str(), found.finding.table.as_deref().unwrap_or_default());
        tracing::error!(member, table, "{}: {}", found.finding.message, found.finding.remedy);
    }
    Ok(bound.bindings)
}

pub(crate) async fn upkeep(log: &EmbeddedLog, stop: Stop, heartbeat: Heartbeat) -> Result<(), Failure> {
    let mut idle = Duration::ZERO;
    loop {
        heartbeat.beat();
        log.take_in().await.map_err(rest::failed)?;
        if idle >= UPKEEP_EVERY {
            idle = Duration::ZERO;
            log.maintain().map_err(rest::failed)?;
        }
        if !stop.sleep(TAKE_IN_EVERY).await {
            return Ok(());
        }
        idle += TAKE_IN_EVERY;
    }
}
