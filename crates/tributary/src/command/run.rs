//! `run`: the workers, until somebody asks them to stop.
//!
//! Tells in plain lines when a worker begins, waits, halts or goes on, and now and then how much has passed through.
//! Monitoring is answered from the beginning, also while the log cannot be reached yet.

mod totals;
mod waiting;

use super::Context;
use crate::failure::Exit;
use crate::group::{block_on, load, members};
use crate::output::{Format, bad, faint, good, note, odd};
use clap::{Args, ValueEnum};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use totals::Totals;
use tributary_engine::{Engine, Host, OPENING, Options, Roles, WATCH};
use tributary_group::file::{GroupFile, LogSettings};
use tributary_group::status::{ProcessView, WorkerView};
use tributary_runtime::server::{Served, Server};
use tributary_runtime::supervisor::{Board, State, WorkerStatus};
use tributary_runtime::wait_for_signal;
use waiting::Waited;

/// How often it is told how much has passed through, if anything has.
const TOTALS_EVERY: Duration = Duration::from_secs(5);
/// A worker that has not turned for this long makes `/healthz` fail.
const STALE_AFTER: Duration = Duration::from_secs(60);
/// The worker that answers monitoring.
const SERVER: &str = "http server";
/// The worker that tidies the log.
const UPKEEP: &str = "log upkeep";

/// A kind of worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Reads members' changes into the log.
    Capture,
    /// Settles changes.
    Resolver,
    /// Writes settled rows into members.
    Apply,
}

/// What `run` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only workers of these kinds.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "ROLE")]
    role: Vec<Role>,
    /// Only capture and apply of these members.
    #[arg(long, value_name = "ID")]
    member: Vec<String>,
    /// Where /metrics, /healthz, /readyz and /status.json are served, in place of what the group file says.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

pub(crate) fn run(context: &Context, arguments: Arguments) -> anyhow::Result<Exit> {
    let file = load(&context.group_file)?;
    let listen = arguments.listen.or(file.metrics);
    let roles = roles(&file, &arguments)?;
    block_on(async {
        let options = Options::default();
        let host = options.host.clone();
        let teller = Teller { is_plain: context.log_format == Format::Text };
        let mut signal = pin!(wait_for_signal());
        let _build = host.metrics.build_info(env!("CARGO_PKG_VERSION"), "release")?;
        let is_open = Arc::new(AtomicBool::new(false));
        let serve = |file: &GroupFile| match listen {
            Some(listen) => serve(&host, file, listen, &is_open, &teller),
            None => Ok(()),
        };
        let engine = match file.log {
            // Is there at once or not at all; and that another process has it is told before that the address of the
            // same group file is taken.
            LogSettings::Embedded { .. } => {
                let engine = Engine::open(file, options).await?;
                serve(&engine.file)?;
                engine
            }
            LogSettings::Kafka(_) => {
                serve(&file)?;
                match waiting::open(file, options, &teller, signal.as_mut()).await? {
                    Waited::Open(engine) => *engine,
                    Waited::Asked(name) => {
                        teller.tell(&format!("stopping: asked to by {name}"));
                        host.supervisor.stop_all();
                        return Ok(Exit::Well);
                    }
                }
            }
        };
        for found in &engine.findings {
            teller.tell(&odd(&format!("{}; {}", found.finding.message, found.finding.remedy)));
        }
        engine.start(&roles)?;
        is_open.store(true, Ordering::Release);
        teller.tell(&good(&format!(
            "group {} runs as process {}: {} members, {} tables",
            engine.file.group,
            std::process::id(),
            engine.connectors.len(),
            engine.spec.tables.len()
        )));
        let why = attend(&engine, &teller, signal.as_mut()).await?;
        teller.tell(&format!("stopping: {why}"));
        let late = engine.stop();
        let states = engine.supervisor.states();
        let halted = halted(&states);
        for name in &late {
            teller
                .tell(&bad(&format!("{name} did not stop in time; what it had not committed is done again")));
        }
        teller.tell(&faint("stopped"));
        Ok(Exit::found(!late.is_empty() || !halted.is_empty()))
    })
}

fn roles(file: &GroupFile, arguments: &Arguments) -> anyhow::Result<Roles> {
    let members: Vec<_> = members(file, &arguments.member)?.iter().map(|member| member.id.clone()).collect();
    let has = |role| arguments.role.is_empty() || arguments.role.contains(&role);
    Ok(Roles {
        capture: has(Role::Capture),
        resolver: has(Role::Resolver),
        apply: has(Role::Apply),
        members: (!arguments.member.is_empty()).then_some(members),
        paced: true,
    })
}

/// Says plain things, unless everything said is to be a log line.
struct Teller {
    is_plain: bool,
}

impl Teller {
    fn tell(&self, text: &str) {
        if self.is_plain {
            note(text);
        }
    }
}

fn serve(
    host: &Host,
    file: &GroupFile,
    listen: SocketAddr,
    is_open: &Arc<AtomicBool>,
    teller: &Teller,
) -> anyhow::Result<()> {
    let (board, group) = (host.supervisor.board(), file.group.to_string());
    let (ready, status, is_open) = (board.clone(), board.clone(), Arc::clone(is_open));
    let served = Served {
        metrics: host.metrics.clone(),
        board,
        stale_after: STALE_AFTER,
        ready: Arc::new(move || readiness(&ready, is_open.load(Ordering::Acquire))),
        status: Arc::new(move || status_json(&group, &status)),
    };
    let server = Server::bind(listen, served)?;
    teller.tell(&format!("listening on http://{}", server.address()));
    host.supervisor.spawn(SERVER, move |stop, heartbeat| server.run(stop, heartbeat))?;
    Ok(())
}

fn is_worker(worker: &WorkerStatus) -> bool {
    worker.name != SERVER && worker.name != UPKEEP && worker.name != WATCH
}

fn readiness(board: &Board, is_open: bool) -> Result<(), String> {
    let states = board.states();
    if !is_open {
        let error = states.iter().find_map(|worker| match &worker.state {
            State::Waiting { error, .. } if worker.name == OPENING => Some(error.as_str()),
            _ => None,
        });
        return Err(format!("the group is not open yet: {}", error.unwrap_or("its log is being opened")));
    }
    let waiting = states.iter().filter(|worker| is_worker(worker) && worker.state != State::Running);
    let names: Vec<_> = waiting.map(|worker| worker.name.as_str()).collect();
    if names.is_empty() { Ok(()) } else { Err(format!("not running: {}", names.join(", "))) }
}

fn status_json(group: &str, board: &Board) -> String {
    let workers = board.states().iter().map(WorkerView::from).collect();
    let process = ProcessView { group: group.to_owned(), pid: std::process::id(), workers };
    serde_json::to_string(&process).unwrap_or_else(|_| "{}".to_owned())
}

fn halted(states: &[WorkerStatus]) -> Vec<&WorkerStatus> {
    states.iter().filter(|worker| matches!(worker.state, State::Halted { .. })).collect()
}

/// Tells what happens until a signal comes, or no worker is left; returns which.
async fn attend<S>(engine: &Engine, teller: &Teller, mut signal: Pin<&mut S>) -> anyhow::Result<String>
where
    S: Future<Output = io::Result<&'static str>>,
{
    let board = engine.supervisor.board();
    let mut changes = board.watch();
    let mut shown = BTreeMap::new();
    let mut totals = Totals::default();
    loop {
        changes.borrow_and_update();
        let states = board.states();
        for line in news(&mut shown, &states) {
            teller.tell(&line);
        }
        let workers: Vec<_> = states.iter().filter(|worker| is_worker(worker)).collect();
        let is_down = |worker: &&WorkerStatus| matches!(worker.state, State::Halted { .. } | State::Stopped);
        if !workers.is_empty() && workers.iter().all(is_down) {
            return Ok("all workers have halted; what stands in their way is told above".to_owned());
        }
        tokio::select! {
            name = &mut signal => return Ok(format!("asked to by {}", name?)),
            _ = changes.changed() => {}
            () = tokio::time::sleep(TOTALS_EVERY) => {
                let now = Totals::of(&engine.metrics.render());
                if now != totals {
                    teller.tell(&faint(&now.line()));
                    totals = now;
                }
            }
        }
    }
}

/// Whether a worker's note is about a table that is not worked on.
fn stands(note: &str) -> bool {
    note.contains(" stopped:") || note.contains(" waits:")
}

/// A line for every worker whose state or note is another than was told last.
fn news(shown: &mut BTreeMap<String, String>, states: &[WorkerStatus]) -> Vec<String> {
    let mut lines = Vec::new();
    for worker in states {
        let text = match &worker.state {
            State::Starting => continue,
            State::Running if stands(&worker.note) => odd(&format!("runs; {}", worker.note)),
            State::Running if worker.note.starts_with("rests:") => odd(&worker.note),
            State::Running => "runs".to_owned(),
            State::Waiting { error, .. } => odd(&format!("failed and will be tried again: {error}")),
            State::Halted { error } => bad(&format!("halted: {error}")),
            State::Stopped => "ended".to_owned(),
        };
        if shown.get(&worker.name) != Some(&text) {
            lines.push(format!("{}: {text}", worker.name));
            shown.insert(worker.name.clone(), text);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(name: &str, state: State, note: &str) -> WorkerStatus {
        WorkerStatus {
            name: name.to_owned(),
            state,
            restarts: 0,
            since_heartbeat: Duration::ZERO,
            note: note.to_owned(),
        }
    }

    #[test]
    fn each_state_is_told_once() {
        let mut shown = BTreeMap::new();
        let halted = State::Halted { error: "no such table".to_owned() };
        let first =
            [worker("apply hq", State::Starting, ""), worker("capture hq", State::Running, "capturing")];
        assert_eq!(news(&mut shown, &first), ["capture hq: runs"]);
        assert!(news(&mut shown, &first).is_empty());
        let next = [worker("apply hq", halted, ""), worker("capture hq", State::Running, "capturing more")];
        let lines = news(&mut shown, &next);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("apply hq: ") && lines[0].contains("halted: no such table"));
        let stopped = [worker("capture hq", State::Running, "table Customer stopped: its columns changed")];
        assert!(news(&mut shown, &stopped)[0].contains("table Customer stopped"));
    }
}
