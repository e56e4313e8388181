//! Waiting until something is written to the file, where the operating system tells.
//!
//! Whoever commits writes to the WAL, so that is the file that is watched. Some file systems never tell (network mounts,
//! folders shared with a container). So it is believed only once it has told something, and no longer when it
//! stays silent about writes that were found otherwise. Whether there is something to read is not decided here:
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
    /// Ends the watch when it is dropped.
    _watcher: RecommendedWatcher,
    rope: Arc<Rope>,
    /// How often it had rung at the last look.
    heard: u64,
    /// Writes that it was silent about since it rang last.
    silent: u32,
    /// When it ended a pause last.
    woke: Option<Instant>,
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
        } else if news {
            bell.silent += 1;
            if bell.silent >= SILENT {
                *self = Self::Broken;
            }
        }
    }
}

/// Waits until something was written, and at most so long.
pub(super) async fn wait_for_news(member: &mut SqliteMember, at_most: Duration) {
    if at_most < SHORT {
        return tokio::time::sleep(at_most).await;
    }
    if matches!(member.bell, Bell::NotHung) {
        member.bell = hang(&member.connection).map_or(Bell::Broken, Bell::Hung);
    }
    let tells = member.bell.tells();
    let Bell::Hung(bell) = &mut member.bell else { return tokio::time::sleep(at_most).await };
    if !tells {
        return tokio::time::sleep(at_most).await;
    }
    if tokio::time::timeout(at_most, bell.rope.notify.notified()).await.is_ok() {
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
    let watched = RecommendedWatcher::new(
        move |told: notify::Result<notify::Event>| {
            if told.is_ok_and(|event| event.kind.is_modify()) {
                pulled.rung.fetch_add(1, Ordering::Release);
                pulled.notify.notify_one();
            }
        },
        Config::default(),
    )
    .and_then(|mut watcher| watcher.watch(&wal, RecursiveMode::NonRecursive).map(|()| watcher));
    match watched {
        Ok(watcher) => {
            pull_once(&wal);
            Some(Hung { _watcher: watcher, rope, heard: 0, silent: 0, woke: None })
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
        let hung =
            Hung { _watcher: watcher.unwrap(), rope: Arc::clone(&rope), heard: 0, silent: 0, woke: None };
        (Bell::Hung(hung), rope)
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
        for _ in 0..SILENT {
            bell.looked(false);
            bell.looked(true);
        }
        assert!(!bell.tells());
        rope.rung.fetch_add(1, Ordering::Release);
        bell.looked(true);
        assert!(!bell.tells(), "once broken it stays so");
    }

    #[test]
    fn a_bell_that_never_rang_is_not_believed() {
        let (mut bell, _) = hung();
        for _ in 0..SILENT {
            bell.looked(true);
        }
        assert!(!bell.tells() && matches!(bell, Bell::Broken));
    }
}
