//! Waiting for a log that may not be there yet, and telling why.

use super::{Teller, news};
use crate::output::faint;
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use tributary_engine::{Engine, OPENING, Options, open_patiently};
use tributary_group::file::GroupFile;
use tributary_runtime::supervisor::{State, WorkerStatus};

/// How the waiting ended.
pub(super) enum Waited {
    /// The group is open.
    Open(Box<Engine>),
    /// This signal came first.
    Asked(&'static str),
}

/// Opens the group, and tries again for as long as that can help. What stands in the way is told.
pub(super) async fn open<S>(
    file: GroupFile,
    options: Options,
    teller: &Teller,
    mut signal: Pin<&mut S>,
) -> anyhow::Result<Waited>
where
    S: Future<Output = io::Result<&'static str>>,
{
    teller.tell(&faint(&format!("opening the log: {}", file.log)));
    let supervisor = options.host.supervisor.clone();
    let board = supervisor.board();
    let mut changes = board.watch();
    let mut opened = open_patiently(file, options)?;
    let mut shown = BTreeMap::new();
    loop {
        changes.borrow_and_update();
        let states = board.states();
        let is_waiting =
            |worker: &WorkerStatus| worker.name == OPENING && matches!(worker.state, State::Waiting { .. });
        let waiting: Vec<_> = states.into_iter().filter(is_waiting).collect();
        for line in news(&mut shown, &waiting) {
            teller.tell(&line);
        }
        tokio::select! {
            name = &mut signal => return Ok(Waited::Asked(name?)),
            engine = &mut opened => {
                let engine = engine??;
                // It has done its work, and is no worker to be watched any more.
                supervisor.stop_one(OPENING)?;
                return Ok(Waited::Open(Box::new(engine)));
            }
            _ = changes.changed() => {}
        }
    }
}
