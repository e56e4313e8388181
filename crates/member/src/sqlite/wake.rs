//! Waiting until something is written to the file, where the operating system tells.
//!
//! Whoever commits writes to the WAL, so that is the file that is watched; but only while somebody waits, since the system
//! tells of every single page, which costs those who write and those who are told. Some file systems never tell (network mounts,
//! folders shared with a container). So it is believed only once it has told something, and no longer when it
//! stays silent about writes that were found otherwise. And the word comes before what it is about: a commit is seen by others
//! only when its part of the WAL is flushed. So for a while after a word, and after the watch has begun, a pause is short. Whether there is something to read is not decided here:
//! [`super::states::has_news`] says so.

use super::SqliteMember;
use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher as _};
use rusqlite::Connection;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// A shorter pause is no waiting: somebody is at work, and there will be something soon.
const SHORT: Duration = Duration::from_millis(20);
/// Between two calls that follow each other. Apply's own commits ring too, and each look costs something.
const REST: Duration = Duration::from_millis(20);
/// How long a commit may take from its first write to where others see it, on a slow disk. One that takes longer is found
/// when the caller's pause is over.
const FLUSHED: Duration = Duration::from_secs(1);
/// The longest pause until then.
const MEANWHILE: Duration = Duration::from_millis(50);
/// So many writes without a word, one after another, and it is not believed any more. One may be found before its word
/// arrives.
const SILENT: u32 = 3;

/// What tells of writes.
#[derive(Debug, Default)]
pub(super) enum Bell {
    /// Nobody has waited yet.
    #[default]
    NotHung,
    /// The system cannot tell, or did not.
    Broken,
    /// It may tell.
    Hung(Hung),
}

/// A watch on the WAL.
#[derive(Debug)]
pub(super) struct Hung {
    watcher: RecommendedWatcher,
    wal: PathBuf,
    rope: Arc<Rope>,
    state: State,
    /// How often it had rung at the last look.
    heard: u64,
    /// Writes that it was silent about since it rang last.
    silent: u32,
    /// When it ended a pause last.
    woke: Option<Instant>,
    /// When the watch began, or rang last.
    quiet_since: Instant,
}

/// Whether the WAL is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is not.
    Down,
    /// It is since the last look: what that finds may have been written before.
    Raised,
    /// It was before the last look already.
    Up,
}

/// What the watch's own thread pulls.
#[derive(Debug, Default)]
struct Rope {
    rung: AtomicU64,
    notify: Notify,
}

impl Bell {
    /// Whether a pause ends when something is written.
    pub(super) fn tells(&self) -> bool {
        matches!(self, Self::Hung(bell) if bell.heard > 0)
    }

    /// Takes note of a look that found something or nothing.
    pub(super) fn looked(&mut self, news: bool) {
        let Self::Hung(bell) = self else { return };
        let rung = bell.rope.rung.load(Ordering::Acquire);
        if rung != bell.heard {
            (bell.heard, bell.silent) = (rung, 0);
            bell.quiet_since = Instant::now();
        } else if news && bell.state == State::Up && bell.is_quiet() {
            bell.silent += 1;
        }
        if bell.state == State::Raised {
            bell.state = State::Up;
        }
        if bell.silent >= SILENT {
            *self = Self::Broken;
        }
    }
}

impl Hung {
    /// Begins to watch. What was written before is to be looked for once more.
    fn raise(&mut self) -> notify::Result<()> {
        self.watcher.watch(&self.wal, RecursiveMode::NonRecursive)?;
        self.state = State::Raised;
        self.quiet_since = Instant::now();
        if self.heard == 0 {
            pull_once(&self.wal);
        }
        Ok(())
    }

    /// Whether nothing can be on its way that the bell has rung for, or that was begun before it was hung.
    fn is_quiet(&self) -> bool {
        self.quiet_since.elapsed() >= FLUSHED
    }

    fn lower(&mut self) {
        if self.state != State::Down {
            // Whatever it has against that, nobody waits for it any more.
            let _ = self.watcher.unwatch(&self.wal);
            self.state = State::Down;
        }
    }
}

/// Waits until something was written, and at most so long; returns at once when the watch has only begun.
pub(super) async fn wait_for_news(member: &mut SqliteMember, at_most: Duration) {
    if at_most < SHORT {
        if let Bell::Hung(bell) = &mut member.bell {
            bell.lower();
        }
        return tokio::time::sleep(at_most).await;
    }
    if matches!(member.bell, Bell::NotHung) {
        member.bell = hang(&member.connection).map_or(Bell::Broken, Bell::Hung);
    }
    let Bell::Hung(bell) = &mut member.bell else { return tokio::time::sleep(at_most).await };
    if bell.state == State::Down {
        if let Err(error) = bell.raise() {
            tracing::debug!(%error, "the WAL cannot be watched: it is looked at instead");
            member.bell = Bell::Broken;
        }
        return;
    }
    if bell.heard == 0 {
        return tokio::time::sleep(at_most).await;
    }
    let at_most = if bell.is_quiet() { at_most } else { at_most.min(MEANWHILE) };
    if tokio::time::timeout(at_most, bell.rope.notify.notified()).await.is_ok() {
        bell.lower();
        if let Some(woke) = bell.woke {
            tokio::time::sleep(REST.saturating_sub(woke.elapsed())).await;
        }
        bell.woke = Some(Instant::now());
    }
}

/// `None` where the system has no such thing, or no room for one more.
fn hang(connection: &Connection) -> Option<Hung> {
    let wal = PathBuf::from(format!("{}-wal", connection.path()?));
    let rope = Arc::new(Rope::default());
    let pulled = Arc::clone(&rope);
    let pull = move |told: notify::Result<notify::Event>| {
        if told.is_ok_and(|event| event.kind.is_modify()) {
            pulled.rung.fetch_add(1, Ordering::Release);
            pulled.notify.notify_one();
        }
    };
    match RecommendedWatcher::new(pull, Config::default()) {
        Ok(watcher) => {
            let (state, quiet_since) = (State::Down, Instant::now());
            Some(Hung { watcher, wal, rope, state, heard: 0, silent: 0, woke: None, quiet_since })
        }
        Err(error) => {
            tracing::debug!(%error, "nobody tells when the file is written to: it is looked at instead");
            None
        }
    }
}

/// Has the system tell something, so that a member that nobody writes to is not looked at for ever: the WAL is given the time
/// that it has. Where that is refused, the first write will do.
fn pull_once(wal: &Path) {
    let touched = File::options().append(true).open(wal).and_then(|wal| {
        let time = wal.metadata()?.modified()?;
        wal.set_modified(time)
    });
    if let Err(error) = touched {
        tracing::debug!(%error, "the WAL could not be touched");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hung() -> (Bell, Arc<Rope>) {
        let rope = Arc::new(Rope::default());
        let watcher = RecommendedWatcher::new(|_: notify::Result<notify::Event>| {}, Config::default());
        let hung = Hung {
            watcher: watcher.unwrap(),
            wal: PathBuf::new(),
            rope: Arc::clone(&rope),
            state: State::Raised,
            heard: 0,
            silent: 0,
            woke: None,
            quiet_since: Instant::now(),
        };
        (Bell::Hung(hung), rope)
    }

    /// As if it had been quiet for long enough.
    fn wait(bell: &mut Bell) {
        if let Bell::Hung(hung) = bell {
            hung.quiet_since = Instant::now().checked_sub(FLUSHED).unwrap();
        }
    }

    #[test]
    fn it_is_believed_when_it_has_rung_and_until_it_is_silent_about_writes() {
        let (mut bell, rope) = hung();
        bell.looked(false);
        assert!(!bell.tells(), "nothing yet");
        rope.rung.fetch_add(1, Ordering::Release);
        bell.looked(true);
        assert!(bell.tells());
        for _ in 0..10 {
            bell.looked(true);
            bell.looked(true);
            rope.rung.fetch_add(1, Ordering::Release);
            bell.looked(true);
        }
        assert!(bell.tells(), "a write may be found before the word of it arrives");
        for _ in 0..2 * SILENT {
            bell.looked(true);
        }
        assert!(bell.tells(), "a commit may be seen some time after the word of it");
        for _ in 0..SILENT {
            wait(&mut bell);
            bell.looked(false);
            bell.looked(true);
        }
        assert!(!bell.tells());
        rope.rung.fetch_add(1, Ordering::Release);
        bell.looked(true);
        assert!(!bell.tells(), "once broken it stays so");
    }

    #[test]
    fn writes_that_nobody_was_to_tell_of_prove_nothing() {
        let (mut bell, _) = hung();
        if let Bell::Hung(hung) = &mut bell {
            hung.lower();
        }
        wait(&mut bell);
        for _ in 0..10 {
            bell.looked(true);
        }
        assert!(matches!(bell, Bell::Hung(_)));
    }

    #[test]
    fn a_bell_that_never_rang_is_not_believed() {
        let (mut bell, _) = hung();
        wait(&mut bell);
        bell.looked(true);
        for _ in 1..SILENT {
            bell.looked(true);
        }
        assert!(
            matches!(bell, Bell::Hung(_)),
            "the first look may find what was written before the watch began"
        );
        bell.looked(true);
        assert!(!bell.tells() && matches!(bell, Bell::Broken));
    }
}
