//! `sync`: waits until every change that was committed before the call is in every member.
//!
//! Runs the workers itself if nobody else does; beside a running `tributary run` it only reads. With the embedded log
//! the lock file tells whether anybody does; with Kafka the resolvers' consumer group: where a resolver is at work, the
//! other roles are taken to be too, wherever their processes are, and where none is, all of them are run here. That
//! is right even if some are at work all the same: a second capture stands by, and a second apply cannot apply
//! anything twice.

mod verdict;

use super::Context;
use crate::failure::Exit;
use crate::group::{block_on, load};
use crate::output::{self, Format, good, note, odd};
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use std::path::Path;
use std::time::Duration;
use tributary_engine::{Engine, EngineError, Options, Roles};
use tributary_group::file::LogSettings;
use tributary_group::live::resolvers;
use tributary_group::progress::{Progress, progress};
use tributary_runtime::{State, WorkerStatus};
use tributary_stream::embedded::Access;
use verdict::{Judge, Verdict};

/// The first pause between two looks; it grows while nothing happens.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How long workers may take to begin before they are judged by what there is.
const LONGEST_START: Duration = Duration::from_secs(60);

/// How often it is looked whether those who work for the group are still there, while nothing moves.
const OTHERS_EVERY: Duration = Duration::from_secs(3);

/// What `sync` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How long to wait at most, such as 30s or 5m. Otherwise as long as anything moves.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    timeout: Option<Duration>,
}

#[derive(Debug, Serialize)]
struct Outcome {
    in_step: bool,
    ran_workers: bool,
    waited_ms: u64,
    in_the_way: Vec<String>,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let outcome = block_on(async {
        let mut sync = Sync::open(&context.group_file).await?;
        if sync.ours {
            sync.engine.start(&Roles::all())?;
        }
        let bar = output::spinner("looking at the members".to_owned());
        let waited = sync.wait(arguments.timeout, &bar).await;
        bar.finish_and_clear();
        let ran_workers = sync.ours;
        if ran_workers {
            for name in sync.engine.stop() {
                note(&odd(&format!("{name} did not stop in time")));
            }
        }
        let (waited, in_the_way) = waited?;
        let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        Ok(Outcome { in_step: in_the_way.is_empty(), ran_workers, waited_ms, in_the_way })
    })?;
    match context.output {
        Format::Json => output::json(&outcome)?,
        Format::Text if outcome.in_step => {
            output::line(&good("in step: every change that had been committed is in every member"))?;
        }
        Format::Text => {
            output::line(&odd("not in step:"))?;
            outcome.in_the_way.iter().try_for_each(|text| output::line(&format!("  {text}")))?;
        }
    }
    Ok(Exit::found(!outcome.in_step))
}

/// An opened group, and who works for it.
struct Sync {
    engine: Engine,
    /// Whether the workers are those of this process.
    ours: bool,
}

impl Sync {
    /// Opens the group to work on it, or to read if somebody else works on it.
    async fn open(path: &Path) -> anyhow::Result<Self> {
        let file = load(path)?;
        match Engine::open(file.clone(), Options::default()).await {
            Ok(engine) => {
                let ours = match engine.file.log {
                    LogSettings::Embedded { .. } => true,
                    LogSettings::Kafka(_) => resolvers(&engine.file, engine.log.as_ref()).await? == 0,
                };
                Ok(Self { engine, ours })
            }
            Err(EngineError::Log(tributary_stream::Error::Locked { .. })) => {
                let options = Options { access: Access::ReadOnly, ..Options::default() };
                Ok(Self { engine: Engine::open(file, options).await?, ours: false })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Looks until there is a verdict; returns how long that took and what is in the way.
    async fn wait(
        &mut self,
        timeout: Option<Duration>,
        bar: &ProgressBar,
    ) -> anyhow::Result<(Duration, Vec<String>)> {
        let began = self.engine.clock.monotonic();
        self.begin(timeout).await;
        let mut judge = Judge::new(timeout);
        let mut pause = SHORTEST_PAUSE;
        let mut looked_for_others = Duration::ZERO;
        loop {
            let Engine { file, spec, channels, log, connectors, .. } = &self.engine;
            let read = progress(file, spec, channels, log.as_ref(), connectors).await?;
            let halted = if self.ours { halted(&self.engine) } else { Vec::new() };
            bar.set_message(left(&read));
            let waited = self.engine.clock.monotonic().saturating_sub(began);
            let verdict = judge.look(&read, halted, waited);
            let stands = matches!(verdict, Verdict::Blocked(_))
                || verdict == Verdict::Unmoved && waited.saturating_sub(looked_for_others) >= OTHERS_EVERY;
            let out_of_time = timeout.is_some_and(|timeout| waited >= timeout);
            if stands && !out_of_time {
                looked_for_others = waited;
                if self.take_over().await? {
                    self.begin(timeout).await;
                    judge = Judge::new(timeout);
                    continue;
                }
            }
            match verdict {
                Verdict::InStep => return Ok((waited, Vec::new())),
                Verdict::Blocked(in_the_way) => return Ok((waited, in_the_way)),
                Verdict::Moved => pause = SHORTEST_PAUSE,
                Verdict::Unmoved => pause = (pause * 2).min(LONGEST_PAUSE),
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// A worker of ours that is about to find out that it cannot work must not be overtaken by the verdict.
    async fn begin(&self, timeout: Option<Duration>) {
        if !self.ours {
            return;
        }
        let begun = |worker: &WorkerStatus| worker.state != State::Starting;
        let _ = tokio::time::timeout(
            timeout.unwrap_or(LONGEST_START),
            self.engine.supervisor.board().wait_for(|workers| workers.iter().all(begun)),
        )
        .await;
    }

    /// Starts the workers here if those that were waited for are gone. With the embedded log they are not looked
    /// for: their process may come back, and finds the log as it left it.
    async fn take_over(&mut self) -> anyhow::Result<bool> {
        let is_shared = matches!(self.engine.file.log, LogSettings::Kafka(_));
        if self.ours || !is_shared || resolvers(&self.engine.file, self.engine.log.as_ref()).await? > 0 {
            return Ok(false);
        }
        self.engine.start(&Roles::all())?;
        self.ours = true;
        Ok(true)
    }
}

fn halted(engine: &Engine) -> Vec<String> {
    let states = engine.supervisor.states();
    let halted = states.iter().filter_map(|worker| match &worker.state {
        State::Halted { error } => Some(format!("{} has halted: {error}", worker.name)),
        State::Starting | State::Running | State::Waiting { .. } | State::Stopped => None,
    });
    halted.collect()
}

fn left(read: &Progress) -> String {
    let tables = || read.members.iter().flat_map(|member| &member.tables);
    let capture: u64 = tables().map(|table| table.unpublished).sum();
    let apply: u64 = tables().map(|table| table.unapplied).sum();
    format!("{capture} changes to capture, {} to settle, {apply} to apply", read.unresolved)
}
