//! Workers that end, fail, panic, halt and refuse to stop.

use super::*;
use crate::{ManualClock, TICKS_PER_SECOND};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// Only reached when something is broken.
const LONG: Duration = Duration::from_secs(30);

fn settings() -> Settings {
    let backoff = Backoff::new(Duration::from_millis(1), 2.0, Duration::from_millis(4), 0.0).unwrap();
    Settings { grace: LONG, backoff, ..Settings::default() }
}

fn supervisor() -> Supervisor {
    Supervisor::new(settings())
}

#[derive(Debug, thiserror::Error)]
#[error("cannot reach the store")]
struct Outer(#[source] io::Error);

fn outer() -> Outer {
    Outer(io::Error::other("line is dead"))
}

fn wait(board: &Board, name: &str, wanted: impl Fn(&WorkerStatus) -> bool) -> WorkerStatus {
    let states = board
        .wait_until(LONG, |states| states.iter().any(|worker| worker.name == name && wanted(worker)))
        .unwrap_or_else(|states| panic!("{name} never came to the wanted state: {states:?}"));
    states.into_iter().find(|worker| worker.name == name).unwrap()
}

async fn until_stopped(stop: Stop, heartbeat: Heartbeat) -> Result<(), Failure> {
    heartbeat.beat();
    stop.stopped().await;
    Ok(())
}

#[test]
fn a_worker_may_use_what_is_not_send_and_ends_when_asked() {
    let supervisor = supervisor();
    let (sent, received) = mpsc::channel();
    supervisor
        .spawn("one", move |stop, heartbeat| {
            let sent = sent.clone();
            async move {
                let not_send = Rc::new(7);
                heartbeat.beat();
                tokio::time::sleep(Duration::from_millis(1)).await;
                sent.send((*not_send, std::thread::current().name().map(str::to_owned))).unwrap();
                stop.stopped().await;
                Ok(())
            }
        })
        .unwrap();
    assert_eq!(received.recv_timeout(LONG).unwrap(), (7, Some("one".to_owned())));
    assert_eq!(wait(&supervisor.board(), "one", |w| w.state == State::Running).restarts, 0);
    assert_eq!(supervisor.stop_all(), Vec::<String>::new());
    assert_eq!(supervisor.states()[0].state, State::Stopped);
    let refused = supervisor.spawn("late", until_stopped).unwrap_err();
    assert!(matches!(refused, SupervisorError::Stopping { .. }));
}

#[test]
fn it_is_starting_until_its_first_beat() {
    let supervisor = supervisor();
    let (go, may_go) = mpsc::channel::<()>();
    let may_go = Arc::new(Mutex::new(may_go));
    supervisor
        .spawn("one", move |stop, heartbeat| {
            let may_go = Arc::clone(&may_go);
            async move {
                heartbeat.note("opening");
                may_go.lock().unwrap().recv().unwrap();
                until_stopped(stop, heartbeat).await
            }
        })
        .unwrap();
    let before = wait(&supervisor.board(), "one", |w| w.note == "opening");
    assert_eq!(before.state, State::Starting);
    go.send(()).unwrap();
    wait(&supervisor.board(), "one", |w| w.state == State::Running);
    assert!(supervisor.stop_all().is_empty());
}

#[test]
fn a_failure_to_retry_is_restarted_after_a_pause_and_shown_with_its_causes() {
    let clock = ManualClock::at(100);
    let backoff = Backoff::new(LONG, 1.0, LONG, 0.0).unwrap();
    let supervisor = Supervisor::new(Settings { backoff, clock: clock.shared(), ..settings() });
    let mut attempts = 0;
    supervisor
        .spawn("flaky", move |stop, heartbeat| -> Work {
            attempts += 1;
            match attempts {
                1 => Box::pin(async { Err(Failure::retry(outer())) }),
                _ => Box::pin(until_stopped(stop, heartbeat)),
            }
        })
        .unwrap();
    let board = supervisor.board();
    let waiting = wait(&board, "flaky", |w| matches!(w.state, State::Waiting { .. }));
    let until_ticks = 100 + 30 * TICKS_PER_SECOND;
    let error = "cannot reach the store: line is dead".to_owned();
    assert_eq!(waiting.state, State::Waiting { until_ticks, error });
    // The pause is long; being told ends it.
    assert!(board.resume("flaky"));
    assert_eq!(wait(&board, "flaky", |w| w.state == State::Running).restarts, 1);
    assert!(!board.resume("flaky"), "there is nothing to resume in a running worker");
    assert!(!board.resume("nobody"));
    assert!(supervisor.stop_all().is_empty());
}

#[test]
fn a_panic_is_reported_and_restarted_and_others_do_not_notice() {
    let supervisor = supervisor();
    supervisor.spawn("calm", until_stopped).unwrap();
    let attempts = Arc::new(AtomicUsize::new(0));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let watched = supervisor.board();
    let (seen_inside, attempts_inside) = (Arc::clone(&seen), Arc::clone(&attempts));
    supervisor
        .spawn("wild", move |stop, heartbeat| {
            let attempt = attempts_inside.fetch_add(1, Ordering::SeqCst);
            let (seen, board) = (Arc::clone(&seen_inside), watched.clone());
            async move {
                match attempt {
                    0 => panic!("plain text"),
                    1 => panic!("attempt {attempt}"),
                    _ => {
                        seen.lock().unwrap().push(board.state_of("calm").unwrap());
                        until_stopped(stop, heartbeat).await
                    }
                }
            }
        })
        .unwrap();
    let board = supervisor.board();
    assert_eq!(wait(&board, "wild", |w| w.state == State::Running).restarts, 2);
    assert_eq!(seen.lock().unwrap()[0].restarts, 0);
    assert_eq!(board.state_of("calm").unwrap().restarts, 0);
    assert!(supervisor.stop_all().is_empty());
}

#[test]
fn what_a_panic_said_is_shown() {
    let backoff = Backoff::new(LONG, 1.0, LONG, 0.0).unwrap();
    let supervisor = Supervisor::new(Settings { backoff, ..settings() });
    supervisor.spawn("wild", |_, _| async { panic!("the cat sat on key {}", 5) }).unwrap();
    let waiting = wait(&supervisor.board(), "wild", |w| matches!(w.state, State::Waiting { .. }));
    let State::Waiting { error, .. } = waiting.state else { unreachable!() };
    assert_eq!(error, "worker panicked: the cat sat on key 5");
    // A stop ends the pause as well.
    assert!(supervisor.stop_all().is_empty());
}

#[test]
fn a_halted_worker_stays_down_until_it_is_resumed() {
    let supervisor = supervisor();
    let mut attempts = 0;
    supervisor
        .spawn("strict", move |stop, heartbeat| -> Work {
            attempts += 1;
            match attempts {
                1 => Box::pin(async { Err(Failure::halt(outer())) }),
                _ => Box::pin(until_stopped(stop, heartbeat)),
            }
        })
        .unwrap();
    let board = supervisor.board();
    let halted = wait(&board, "strict", |w| matches!(w.state, State::Halted { .. }));
    assert_eq!(halted.state, State::Halted { error: "cannot reach the store: line is dead".to_owned() });
    assert_eq!(halted.restarts, 0);
    assert!(board.resume("strict"));
    assert_eq!(wait(&board, "strict", |w| w.state == State::Running).restarts, 1);
    assert!(supervisor.stop_all().is_empty());
}

#[test]
fn a_halted_worker_ends_when_asked_and_still_shows_why() {
    let supervisor = supervisor();
    supervisor.spawn("strict", |_, _| async { Err(Failure::halt(outer())) }).unwrap();
    wait(&supervisor.board(), "strict", |w| matches!(w.state, State::Halted { .. }));
    assert!(supervisor.stop_all().is_empty());
    assert!(matches!(supervisor.states()[0].state, State::Halted { .. }));
    assert!(!supervisor.board().resume("strict"), "its thread is gone");
}

#[test]
fn pauses_begin_again_after_it_has_run_well() {
    let clock = ManualClock::at(0);
    let backoff = Backoff::new(Duration::from_millis(1), 4_000.0, Duration::from_secs(4), 0.0).unwrap();
    let steady_after = Duration::from_secs(60);
    let supervisor = Supervisor::new(Settings { backoff, steady_after, clock: clock.shared(), ..settings() });
    let inside = clock.clone();
    supervisor
        .spawn("steady", move |_, _| {
            // Each attempt lasts a minute of the clock, so each pause is the first one, a millisecond: were they to
            // grow, the third attempt would come after four seconds and the hundredth never within the time allowed.
            inside.advance(steady_after);
            async { Err(Failure::retry(outer())) }
        })
        .unwrap();
    wait(&supervisor.board(), "steady", |w| w.restarts >= 100);
    assert!(supervisor.stop_all().is_empty());
}

#[test]
fn work_that_is_done_is_not_started_again() {
    let supervisor = supervisor();
    supervisor.spawn("once", |_, _| async { Ok(()) }).unwrap();
    let done = wait(&supervisor.board(), "once", |w| w.state == State::Stopped);
    assert_eq!(done.restarts, 0);
    assert!(supervisor.stop_all().is_empty());
}

#[test]
fn names_are_unique_until_the_worker_is_gone() {
    let supervisor = supervisor();
    supervisor.spawn("one", until_stopped).unwrap();
    let taken = supervisor.spawn("one", until_stopped).unwrap_err();
    assert!(matches!(&taken, SupervisorError::NameTaken { name } if name == "one"));
    supervisor.stop_one("one").unwrap();
    assert!(supervisor.states().is_empty());
    assert!(matches!(supervisor.stop_one("one"), Err(SupervisorError::Unknown { .. })));
    supervisor.spawn("one", until_stopped).unwrap();
    wait(&supervisor.board(), "one", |w| w.state == State::Running);
    assert!(supervisor.stop_all().is_empty());
}

#[test]
fn stopping_one_leaves_the_others_running() {
    let supervisor = supervisor();
    supervisor.spawn("one", until_stopped).unwrap();
    supervisor.spawn("two", until_stopped).unwrap();
    supervisor.stop_one("one").unwrap();
    wait(&supervisor.board(), "two", |w| w.state == State::Running);
    assert_eq!(supervisor.states().len(), 1);
    assert!(supervisor.stop_all().is_empty());
}

#[test]
fn who_does_not_stop_in_time_is_named() {
    let supervisor = Supervisor::new(Settings { grace: Duration::from_millis(20), ..settings() });
    let (release, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    supervisor
        .spawn("deaf", move |_, heartbeat| {
            let held = Arc::clone(&held);
            async move {
                heartbeat.beat();
                held.lock().unwrap().recv().unwrap();
                Ok(())
            }
        })
        .unwrap();
    supervisor.spawn("kind", until_stopped).unwrap();
    let board = supervisor.board();
    wait(&board, "deaf", |w| w.state == State::Running);
    assert!(matches!(supervisor.stop_one("deaf"), Err(SupervisorError::Late { .. })));
    assert_eq!(supervisor.stop_all(), ["deaf"]);
    release.send(()).unwrap();
    wait(&board, "deaf", |w| w.state == State::Stopped);
}

#[test]
fn a_silent_worker_is_stale_and_a_waiting_one_is_not() {
    let clock = ManualClock::at(0);
    let backoff = Backoff::new(LONG, 1.0, LONG, 0.0).unwrap();
    let supervisor = Supervisor::new(Settings { backoff, clock: clock.shared(), ..settings() });
    supervisor.spawn("silent", until_stopped).unwrap();
    supervisor.spawn("down", |_, _| async { Err(Failure::retry(outer())) }).unwrap();
    let board = supervisor.board();
    wait(&board, "silent", |w| w.state == State::Running);
    wait(&board, "down", |w| matches!(w.state, State::Waiting { .. }));
    clock.advance(Duration::from_secs(5));
    assert!(board.stale(Duration::from_secs(5)).is_empty());
    clock.advance(Duration::from_nanos(1));
    let stale = board.stale(Duration::from_secs(5));
    assert_eq!(stale.iter().map(|w| w.name.as_str()).collect::<Vec<_>>(), ["silent"]);
    assert!(supervisor.stop_all().is_empty());
}

#[tokio::test]
async fn changes_can_be_awaited() {
    let supervisor = supervisor();
    let board = supervisor.board();
    let waits = board.wait_for(|states| states.iter().any(|w| w.state == State::Running));
    let spawns = async { supervisor.spawn("one", until_stopped).unwrap() };
    let (states, ()) = tokio::join!(waits, spawns);
    assert_eq!(states[0].name, "one");
    assert!(supervisor.stop_all().is_empty());
}

#[test]
fn waiting_gives_up_with_what_it_saw() {
    let supervisor = supervisor();
    let seen = supervisor.board().wait_until(Duration::from_millis(1), |states| !states.is_empty());
    assert_eq!(seen, Err(Vec::new()));
}

#[test]
fn dropping_the_supervisor_asks_all_to_stop() {
    let supervisor = supervisor();
    supervisor.spawn("one", until_stopped).unwrap();
    let board = supervisor.board();
    drop(supervisor);
    wait(&board, "one", |w| w.state == State::Stopped);
}
