//! When conflicts leave the ledger: settled ones after the group's retention, open ones never.
//!
//! Done by whoever has the first partition of the first table, so by one resolver at a time, in a transaction that proves
//! that it still has it. A conflict that was written again is as old as its last record.

use crate::Error;
use crate::session::Session;
use std::collections::BTreeSet;
use std::time::Duration;
use tributary_codec::ConflictCodec;
use tributary_model::ConflictState;
use tributary_runtime::Heartbeat;
use tributary_stream::{ConsumerSettings, Isolation, Outgoing, Start, TopicPartition, single};

const ROWS: usize = 2_000;
const BYTES: usize = 16 << 20;
const WAIT: Duration = Duration::from_millis(100);
/// Conflicts that leave in one transaction.
const AT_ONCE: usize = 2_000;

/// How far the ledger has been looked through.
#[derive(Debug, Default)]
pub(crate) struct LedgerSweep {
    next: u64,
    /// Nothing can leave before this time.
    look_at_ms: i64,
}

impl LedgerSweep {
    /// Whether something may leave by now.
    pub(crate) fn is_due(&self, now_ms: i64) -> bool {
        now_ms >= self.look_at_ms
    }
}

impl Session<'_> {
    /// Removes what is old enough, now and then.
    pub(crate) async fn tidy_ledger(&mut self, now_ms: i64, heartbeat: &Heartbeat) -> Result<(), Error> {
        let part = (0, 0);
        let Some(retention) = self.resolver.settings.conflict_retention else { return Ok(()) };
        let Some(next) = self.owned.get(&part).copied() else { return Ok(()) };
        let retention = i64::try_from(retention.as_millis()).unwrap_or(i64::MAX);
        let (old, swept) = self.old_conflicts(now_ms, retention, heartbeat).await?;
        let topic = self.resolver.channels.topics.conflicts();
        let nulls: Vec<Outgoing> = old.into_iter().map(|key| single(topic.clone(), key, None)).collect();
        for part_of in nulls.chunks(AT_ONCE) {
            if !self.transact(part_of.to_vec(), &[(self.changes_at(part), next)]).await? {
                return self.receive(vec![part]).await;
            }
        }
        self.ledger = swept;
        Ok(())
    }

    /// The keys of settled conflicts whose last record is old enough.
    async fn old_conflicts(
        &self,
        now_ms: i64,
        retention: i64,
        heartbeat: &Heartbeat,
    ) -> Result<(BTreeSet<Vec<u8>>, LedgerSweep), Error> {
        let log = self.resolver.log.as_ref();
        let at = TopicPartition::new(self.resolver.channels.topics.conflicts(), 0);
        let range = log.offsets(&at.topic).await?.first().copied().unwrap_or_default();
        let from = self.ledger.next.max(range.start);
        let mut swept = LedgerSweep { next: range.end, look_at_ms: now_ms.saturating_add(retention) };
        let mut old = BTreeSet::new();
        if from >= range.end {
            return Ok((old, swept));
        }
        let settings =
            ConsumerSettings { group: None, isolation: Isolation::Committed, start: Start::Beginning };
        let mut reader = log.consumer(settings).await?;
        reader.assign(&[(at, Some(from))]).await?;
        let mut young = false;
        while reader.positions().first().is_some_and(|(_, next)| *next < range.end) {
            heartbeat.beat();
            for record in reader.poll(ROWS, BYTES, WAIT).await?.records {
                if !young && now_ms.saturating_sub(record.timestamp_ms) < retention {
                    young = true;
                    swept.next = record.offset;
                    swept.look_at_ms = record.timestamp_ms.saturating_add(retention);
                }
                if young && old.is_empty() {
                    return Ok((old, swept));
                }
                let settled = record.value.as_deref().is_some_and(is_settled);
                if settled && !young {
                    old.insert(record.key);
                } else {
                    // It was written again, or is gone already.
                    old.remove(&record.key);
                }
            }
        }
        Ok((old, swept))
    }
}

/// One that cannot be read is not touched.
fn is_settled(value: &[u8]) -> bool {
    ConflictCodec::decode_state(value).is_ok_and(|state| state == ConflictState::Settled)
}
