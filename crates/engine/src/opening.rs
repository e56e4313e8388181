//! Opening a group whose log may not be there yet: as a worker that tries again for as long as that can help.
//!
//! So a process can be watched while it waits: the worker stands on the board with what it waits for.

use crate::{Engine, EngineError, Options};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tributary_group::file::GroupFile;
use tributary_runtime::supervisor::SupervisorError;
use tributary_runtime::{Failure, Heartbeat, Stop};
use tributary_stream::Disposition;

/// The name of the worker that opens the group.
pub const OPENING: &str = "log";

/// How often the worker shows that it turns, while a call to the log blocks.
const BEAT: Duration = Duration::from_secs(1);

/// The thread of an attempt ended without a word.
#[derive(Debug, thiserror::Error)]
#[error("opening the group ended unexpectedly")]
struct Vanished;

type Answer = oneshot::Sender<Result<Engine, EngineError>>;

/// Opens the group in the worker [`OPENING`] of the host, again and again until it is open or the failure is one that
/// does not pass by itself. When the receiver fails, the worker was stopped.
///
/// # Errors
/// When no worker can be started.
pub fn open_patiently(
    file: GroupFile,
    options: Options,
) -> Result<oneshot::Receiver<Result<Engine, EngineError>>, SupervisorError> {
    let (sender, receiver) = oneshot::channel();
    let answer = Arc::new(Mutex::new(Some(sender)));
    let supervisor = Arc::clone(&options.host.supervisor);
    supervisor.spawn(OPENING, move |stop, heartbeat| {
        let (file, options, answer) = (file.clone(), options.clone(), Arc::clone(&answer));
        async move { attempt(file, options, &answer, stop, heartbeat).await }
    })?;
    Ok(receiver)
}

async fn attempt(
    file: GroupFile,
    options: Options,
    answer: &Mutex<Option<Answer>>,
    stop: Stop,
    heartbeat: Heartbeat,
) -> Result<(), Failure> {
    heartbeat.note("opening the log");
    let (sender, mut opened) = oneshot::channel();
    // A thread of its own, left behind when the process stops meanwhile: calls to the log may block for their whole
    // timeout, and this worker has to beat, and to end when it is asked to.
    let thread = std::thread::Builder::new().name("opening".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        if let Ok(runtime) = runtime {
            let _ = sender.send(runtime.block_on(Engine::open(file, options)));
        }
    });
    thread.map_err(Failure::retry)?;
    let opened = loop {
        tokio::select! {
            opened = &mut opened => break opened.map_err(|_| Failure::retry(Vanished))?,
            goes_on = stop.sleep(BEAT) => {
                if !goes_on {
                    return Ok(());
                }
                heartbeat.beat();
            }
        }
    };
    if let Err(error) = opened.as_ref()
        && error.disposition() == Disposition::Retry
    {
        return opened.map(drop).map_err(Failure::retry);
    }
    let waiting = answer.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(waiting) = waiting {
        // Whoever waited may have been told to stop.
        let _ = waiting.send(opened);
    }
    Ok(())
}
