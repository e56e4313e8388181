//! Whether something was written, and waiting until something is.
//!
//! The triggers notify only while capture says that it sleeps: NOTIFY in every transaction would make all commits of the
//! database wait for each other. It says so in the value of a sequence, which every snapshot sees at once, looks once
//! more, and sleeps; transactions that were under way when it said so are watched until they are over.

use super::PostgresMember;
use super::poll::current_snapshot;
use super::position::Snapshot;
use crate::Result;
use std::time::{Duration, Instant};

/// Between two looks at transactions that were under way when capture went to sleep; doubled up to [`LONGEST_WATCH`].
const WATCH: Duration = Duration::from_millis(5);
const LONGEST_WATCH: Duration = Duration::from_millis(200);

/// The triggers go on notifying for this long beyond a sleep; then capture may be gone.
const GRACE: Duration = Duration::from_secs(60);

/// Below this a sleep is not worth the statement that announces it.
const SHORT: Duration = Duration::from_millis(20);

/// Capture's announced sleep.
#[derive(Debug)]
pub(super) struct Sleep {
    /// Until when the triggers notify.
    until: Instant,
    /// Transactions that were under way when it was announced: their triggers may not have known.
    watched: Vec<u64>,
}

/// Whether anything may have been written since the last call: whether a transaction that can write has ended, other
/// than our own commits of the token.
pub(super) async fn has_news(member: &mut PostgresMember) -> Result<bool> {
    member.session.settle("tell whether it was written to").await?;
    let now = current_snapshot(member).await?;
    let news = member.news.as_ref().is_none_or(|before| is_news(before, &now, &member.own_transactions));
    member.own_transactions.clear();
    member.news = Some(now);
    Ok(news)
}

/// Whether others' transactions have ended between two snapshots.
fn is_news(before: &Snapshot, now: &Snapshot, own: &[u64]) -> bool {
    let others_ended = |xid: u64| now.sees(xid) && !own.contains(&xid);
    if before.in_progress.iter().any(|xid| others_ended(*xid)) {
        return true;
    }
    let given = now.xmax.saturating_sub(before.xmax);
    // More than can be ours or still under way.
    if given > (own.len() + now.in_progress.len()) as u64 {
        return true;
    }
    (before.xmax..now.xmax).any(others_ended)
}

/// Waits until something may have been written, and at most so long.
pub(super) async fn wait_for_news(member: &mut PostgresMember, at_most: Duration) -> Result<()> {
    if at_most < SHORT || !member.provisioned {
        wake(member).await?;
        tokio::time::sleep(at_most).await;
        return Ok(());
    }
    let until = Instant::now() + at_most;
    let action = "go to sleep";
    member.session.settle(action).await?;
    if !member.listening {
        member.session.batch(action, "LISTEN \"DataSync\"").await?;
        member.listening = true;
    }
    if member.asleep.as_ref().is_none_or(|sleep| sleep.until < until) {
        let seconds = i64::try_from((at_most + GRACE).as_secs()).unwrap_or(i64::MAX);
        announce(member, include_str!("sql/sleep.sql"), Some(seconds)).await?;
        let watched = current_snapshot(member).await?.in_progress;
        member.asleep = Some(Sleep { until: until + GRACE, watched });
        // What was written before is looked for once more.
        return Ok(());
    }
    if watch(member, until).await? {
        wake(member).await?;
    }
    Ok(())
}

/// Says that nobody needs to notify us.
async fn wake(member: &mut PostgresMember) -> Result<()> {
    if member.asleep.take().is_some() {
        member.session.settle("wake up").await?;
        announce(member, include_str!("sql/wake.sql"), None).await?;
    }
    Ok(())
}

async fn announce(member: &mut PostgresMember, sql: &str, seconds: Option<i64>) -> Result<()> {
    let action = "say whether it sleeps";
    let row = match &seconds {
        Some(seconds) => member.session.query_first(action, sql, &[seconds]).await?,
        None => member.session.query_first(action, sql, &[]).await?,
    };
    if let Some(row) = row {
        let xid: i64 = row.try_get(0).map_err(member.session.origin.failed(action))?;
        member.own_transactions.push(xid.unsigned_abs());
    }
    Ok(())
}

/// Waits for a notification, which is `true`, for the end of a watched transaction, or for the time to pass.
async fn watch(member: &mut PostgresMember, until: Instant) -> Result<bool> {
    let PostgresMember { asleep, session, .. } = &*member;
    let mut watched = asleep.as_ref().map(|sleep| sleep.watched.clone()).unwrap_or_default();
    let mut nap = WATCH;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        let pause = if watched.is_empty() { left } else { left.min(nap) };
        if tokio::time::timeout(pause, session.bell.notified()).await.is_ok() {
            return Ok(true);
        }
        if watched.is_empty() {
            continue;
        }
        nap = (nap * 2).min(LONGEST_WATCH);
        let now = current_snapshot(member).await?;
        let before = watched.len();
        watched.retain(|xid| !now.sees(*xid));
        if watched.len() < before {
            if let Some(sleep) = &mut member.asleep {
                sleep.watched = watched;
            }
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_others_transactions_that_have_ended_are_news() {
        let snapshot = |text: &str| Snapshot::parse(text).unwrap();
        let before = snapshot("10:12:10");
        for (now, own, news) in [
            ("10:12:10", &[][..], false),
            ("10:13:10", &[], true),
            ("10:13:10,12", &[], false),
            ("12:12:", &[], true),
            ("10:13:10", &[12], false),
            ("10:14:10", &[12], true),
            ("10:14:10,13", &[12], false),
            ("10:9000000:10", &[12], true),
        ] {
            assert_eq!(is_news(&before, &snapshot(now), own), news, "{now} {own:?}");
        }
    }
}
