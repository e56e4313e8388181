//! Whose open transaction keeps a member's changes from being captured: counted, and said once it lasts.

use crate::metrics::CaptureMetrics;
use std::time::Duration;
use tributary_member::{Member, Result};

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
    /// Asks the member, unless it was asked a moment ago.
    pub(crate) async fn look(
        &mut self,
        member: &mut dyn Member,
        name: &str,
        metrics: &CaptureMetrics,
        now: Duration,
    ) -> Result<()> {
        if now < self.ask_at {
            return Ok(());
        }
        self.ask_at = now + ASK_EVERY;
        let found = member.holds_back().await?;
        let seconds = found.as_ref().map_or(0, |found| found.seconds);
        metrics.held_back_seconds.set(seconds as f64);
        if let Some(found) = found.filter(|found| found.seconds >= LONG && !self.said) {
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
        Ok(())
    }
}
