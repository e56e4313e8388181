//! Asking work to stop, and waiting in a way that notices.
//!
//! A stop is a request: work ends between two units, never in the middle of one. Who waits how long for it is the
//! supervisor's business.

use std::io;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A request to stop that many can see. Clones are the same request; children follow their parent, not the reverse.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    token: CancellationToken,
}

impl Stop {
    /// A request that has not been made yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A request of its own, which is also made when this one is.
    #[must_use]
    pub fn child(&self) -> Self {
        Self { token: self.token.child_token() }
    }

    /// Makes the request. It cannot be taken back.
    pub fn stop(&self) {
        self.token.cancel();
    }

    /// Whether the request has been made.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Returns once the request has been made. Safe to drop and call again.
    pub async fn stopped(&self) {
        self.token.cancelled().await;
    }

    /// Pauses for `pause`. Returns whether to go on: `true` when the time is over, `false`, at once, when asked to
    /// stop. So a polling loop reads `while stop.sleep(interval).await { … }`.
    pub async fn sleep(&self, pause: Duration) -> bool {
        tokio::select! {
            biased;
            () = self.token.cancelled() => false,
            () = tokio::time::sleep(pause) => true,
        }
    }
}

/// Waits for the system or the user to ask the process to end (SIGTERM or SIGINT), and returns the signal's name.
///
/// # Errors
/// When the system does not let us listen.
#[cfg(unix)]
pub async fn wait_for_signal() -> io::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}

/// Waits for the user to ask the process to end (Ctrl-C), and returns the signal's name.
///
/// # Errors
/// When the system does not let us listen.
#[cfg(not(unix))]
pub async fn wait_for_signal() -> io::Result<&'static str> {
    tokio::signal::ctrl_c().await?;
    Ok("Ctrl-C")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn a_sleep_ends_at_once_when_stopped() {
        let stop = Stop::new();
        let sleeper = stop.clone();
        let (went_on, ()) = tokio::join!(sleeper.sleep(LONG), async { stop.stop() });
        assert!(!went_on);
        assert!(stop.is_stopped());
        assert!(!stop.sleep(Duration::ZERO).await);
    }

    #[tokio::test]
    async fn a_sleep_that_is_over_goes_on() {
        assert!(Stop::new().sleep(Duration::from_millis(1)).await);
    }

    #[tokio::test]
    async fn children_follow_their_parent_and_not_the_reverse() {
        let parent = Stop::new();
        let (first, second) = (parent.child(), parent.child());
        first.stop();
        assert!(first.is_stopped() && !parent.is_stopped() && !second.is_stopped());
        parent.stop();
        second.stopped().await;
        assert!(parent.child().is_stopped());
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn signals_are_noticed_and_named() {
        let this = std::process::id().to_string();
        for (option, name) in [("-TERM", "SIGTERM"), ("-INT", "SIGINT")] {
            // The wait is polled first, so it listens before the signal is sent.
            let (seen, sent) = tokio::join!(biased; wait_for_signal(), async {
                std::process::Command::new("kill").args([option, &this]).status()
            });
            assert!(sent.unwrap().success());
            assert_eq!(seen.unwrap(), name);
        }
    }
}
