//! Whose open transaction keeps a member's changes from being captured: counted, and said once it lasts.

use crate::metrics::CaptureMetrics;
use std::time::Duration;
use tributary_member::Member;

/// How often the member is asked.
const ASK_EVERY: Duration = Duration::from_secs(10);

/// From how many seconds on it is said.
const LONG: u64 = 60;

/// What was last found.
#[derive(Debug, Default)]
pub(crate) struct HeldBack {
    /// When the member is asked next.
    ask_at: Duration,
    /// Whether it was said of the transaction that is open.
    said: bool,
}

impl HeldBack {
    /// Asks the member, unless it was asked a moment ago. Capture goes on whatever comes of it: a connection that is
    /// lost shows in what it does next.
    pub(crate) async fn look(
        &mut self,
        member: &mut dyn Member,
        name: &str,
        metrics: &CaptureMetrics,
        now: Duration,
    ) {
        if now < self.ask_at {
            return;
        }
        self.ask_at = now + ASK_EVERY;
        let found = match member.holds_back().await {
            Ok(found) => found,
            Err(error) => {
                tracing::debug!(%error, member = name, "it is not known what holds changes back");
                return;
            }
        };
        let seconds = found.as_ref().map_or(0, |found| found.seconds);
        metrics.held_back_seconds.set(seconds as f64);
        if let Some(found) = found.filter(|found| self.is_to_be_said(found.seconds)) {
            tracing::warn!(
                member = name,
                session = found.session,
                login = found.login,
                program = found.program,
                host = found.host,
                seconds = found.seconds,
                "an open transaction holds changes back"
            );
        }
        self.said = seconds >= LONG;
    }

    /// Whether a transaction that has lasted so long is worth a warning that was not given yet.
    fn is_to_be_said(&self, seconds: u64) -> bool {
        seconds >= LONG && !self.said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_transaction_is_said_once() {
        let mut held = HeldBack::default();
        assert!(!held.is_to_be_said(0) && !held.is_to_be_said(LONG - 1));
        assert!(held.is_to_be_said(LONG));
        held.said = true;
        assert!(!held.is_to_be_said(LONG + 10));
    }
}
