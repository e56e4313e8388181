//! The capture worker of one member: when it publishes, and when it stands by.
//!
//! Workers of one member may run in several processes. One leads and publishes, the others stand by and take over
//! within seconds ([`crate::election`]). What a leader does is [`crate::session`]'s.

use crate::Error;
use crate::cadence::Cadence;
use crate::election::Election;
use crate::metrics::CaptureMetrics;
use crate::session::{Brought, Session};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tributary_member::{Connector, TableBinding};
use tributary_runtime::{Chain, Heartbeat, SharedClock, Stop};
use tributary_stream::{Channels, Log};

/// How capture works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Longest pause between two looks at an idle member that does not tell of writes by itself.
    pub poll_interval: Duration,
    /// With a schedule: how long after everything was published the next look is taken; then `poll_interval` does
    /// not count.
    pub every: Option<Duration>,
    /// Most rows of one table in one round.
    pub page_rows: usize,
    /// How often the log is told how far the member's changes are known, while that moves.
    pub progress_every: Duration,
    /// Clock skew from which on a warning is logged.
    pub clock_skew_warning: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_millis(50),
            every: None,
            page_rows: 4_000,
            progress_every: Duration::from_secs(60),
            clock_skew_warning: Duration::from_secs(2),
        }
    }
}

/// How leading ended, where nothing failed.
enum Ended {
    /// It was asked to stop, or somebody else leads.
    Replaced,
    /// The member is to be left alone.
    Rests,
}

/// A member's capture worker.
pub struct Capture {
    /// Opens the member.
    pub connector: Arc<dyn Connector>,
    /// The member's tables, in the order of the channels.
    pub bindings: Vec<Arc<TableBinding>>,
    /// The log.
    pub log: Arc<dyn Log>,
    /// The group's topics.
    pub channels: Arc<Channels>,
    /// This machine's clock.
    pub clock: SharedClock,
    /// Settings.
    pub settings: Settings,
    /// What it counts.
    pub metrics: Arc<CaptureMetrics>,
    /// Set while a table is not worked on, for whoever looks whether the tables have changed.
    pub standing: Arc<AtomicBool>,
}

/// How often the leader looks whether it still leads, in a long pause, and whether it is to do something else. Also how
/// often a member is looked at that tells of writes.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Capture {
    /// Works until asked to stop, or until the control topic says that the member is to be left alone: then the caller
    /// waits until it says otherwise, and calls again.
    ///
    /// # Errors
    /// Whatever stops or pauses the worker; [`Error::into_failure`] tells which.
    pub async fn run(&self, stop: Stop, heartbeat: Heartbeat) -> Result<(), Error> {
        let joined = Election::join(self.log.as_ref(), &self.channels, &self.name()).await;
        let mut election = joined.map_err(|e| self.log_error(e))?;
        let mut in_vain = false;
        loop {
            if !election.wait(&stop, &heartbeat).await.map_err(|e| self.log_error(e))? {
                return Ok(());
            }
            self.metrics.leads.set(1.0);
            let mut published = false;
            let ended = self.lead(&mut election, &stop, &heartbeat, &mut published).await;
            self.metrics.stand_by();
            match ended {
                Ok(Ended::Rests) => return Ok(()),
                Ok(Ended::Replaced) => {}
                // Another worker is on its way in or out. Who leads now is found out by asking; but two that take
                // the lead from each other without getting anywhere shall pause.
                Err(error) if error.is_replaced() && (published || !in_vain) => {
                    in_vain = !published;
                    let (member, error) = (self.name(), Chain(&error).to_string());
                    tracing::info!(member, error, "capture was replaced, and looks who leads");
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Publishes until asked to stop or replaced. Says in `published` whether it got as far as that.
    async fn lead(
        &self,
        election: &mut Election,
        stop: &Stop,
        heartbeat: &Heartbeat,
        published: &mut bool,
    ) -> Result<Ended, Error> {
        let mut session = Session::start(self, election).await?;
        let mut cadence = Cadence::new(self.settings.poll_interval);
        heartbeat.note("watching");
        let mut stopped_tables = String::new();
        while !stop.is_stopped() {
            heartbeat.beat();
            if !election.still_leads().await.map_err(|e| self.log_error(e))? {
                tracing::info!(member = self.name(), "another worker captures this member now");
                return Ok(Ended::Replaced);
            }
            let (brought, stopped) = session.round(election).await?;
            if brought == Brought::Rest {
                return Ok(Ended::Rests);
            }
            *published |= brought != Brought::Nothing;
            self.standing.store(!stopped.is_empty(), Ordering::Relaxed);
            if stopped != stopped_tables {
                heartbeat.note(if stopped.is_empty() { "watching".to_owned() } else { stopped.clone() });
                stopped_tables = stopped;
            }
            let pause = match (brought, self.settings.every) {
                (Brought::More, _) => continue,
                (_, Some(every)) => every,
                (Brought::Some, None) => cadence.next(true),
                (_, None) if cadence.is_longest() && session.tells_news() => {
                    LOOK_EVERY.max(cadence.next(false))
                }
                (_, None) => cadence.next(false),
            };
            self.pause(pause, &mut session, election, stop, heartbeat).await?;
        }
        Ok(Ended::Replaced)
    }

    /// A pause in which neither the supervisor nor the group takes this worker for one that hangs. Ends early when
    /// there is something more urgent than the rest of it, or the member says that it was written to.
    async fn pause(
        &self,
        pause: Duration,
        session: &mut Session<'_>,
        election: &mut Election,
        stop: &Stop,
        heartbeat: &Heartbeat,
    ) -> Result<(), Error> {
        let mut left = pause;
        loop {
            let step = left.min(LOOK_EVERY);
            if self.settings.every.is_some() {
                // A fixed pause is kept, whatever happens meanwhile.
                if !stop.sleep(step).await {
                    return Ok(());
                }
            } else {
                let begun = Instant::now();
                tokio::select! {
                    () = stop.stopped() => return Ok(()),
                    waited = session.wait_for_news(step) => waited?,
                }
                if begun.elapsed() < step {
                    return Ok(());
                }
            }
            left -= step;
            if left.is_zero() {
                return Ok(());
            }
            heartbeat.beat();
            if !election.still_leads().await.map_err(|e| self.log_error(e))? {
                return Ok(());
            }
        }
    }

    pub(crate) fn name(&self) -> String {
        self.connector.id().to_string()
    }

    pub(crate) fn member_error(&self, source: tributary_member::Error) -> Error {
        Error::Member { member: self.name(), source: Box::new(source) }
    }

    pub(crate) fn log_error(&self, source: tributary_stream::Error) -> Error {
        Error::Log { member: self.name(), source: Box::new(source) }
    }
}
