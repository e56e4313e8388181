//! What one round has read, encoded for the log.

use crate::Error;
use crate::clock_offset::ClockOffset;
use crate::worker::Capture;
use std::collections::BTreeMap;
use std::time::Duration;
use tributary_member::{Page, TablePosition, Unpublishable};
use tributary_model::{KeyBytes, Ticks};
use tributary_stream::{Headers, Outgoing, Trace, partition_of};

/// How long a limit that the log was found to have is believed in; somebody may raise it.
const BELIEVE_FOR: Duration = Duration::from_secs(60);

/// What one round has read and encoded.
#[derive(Default)]
pub(crate) struct Round {
    pub(crate) records: Vec<Outgoing>,
    pub(crate) unpublishable: Vec<(usize, Unpublishable)>,
    pub(crate) published: Vec<(usize, KeyBytes)>,
    pub(crate) next: Vec<(usize, TablePosition)>,
    /// By table: changes, and how many of them were made inside apply's transactions.
    pub(crate) counted: Vec<(usize, u64, u64)>,
    /// The oldest change, by the reference clock.
    pub(crate) oldest: Option<Ticks>,
    pub(crate) more: bool,
    /// Begun with the first record.
    pub(crate) trace: Option<Trace>,
}

impl Round {
    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty() && self.unpublishable.is_empty() && self.next.is_empty()
    }
}

/// Largest records that topics were found to take, where that is less than they were made for: by table, the limit
/// in bytes and when it was met.
#[derive(Debug, Default)]
pub(crate) struct MetLimits(BTreeMap<usize, (usize, Duration)>);

impl MetLimits {
    /// The log has refused a record of `bytes` in a topic of `table`, and says that it takes `limit`.
    pub(crate) fn note(&mut self, table: usize, bytes: usize, limit: usize, now: Duration) {
        let mut limit = limit.min(bytes.saturating_sub(1));
        if let Some((known, _)) = self.0.get(&table) {
            // It was kept to and did not suffice: the log does not count as we do.
            limit = limit.min(known - known / 4);
        }
        self.0.insert(table, (limit, now));
    }

    fn of(&mut self, table: usize, now: Duration) -> Option<usize> {
        self.0.retain(|_, (_, met)| now.saturating_sub(*met) < BELIEVE_FOR);
        self.0.get(&table).map(|(limit, _)| *limit)
    }
}

impl Capture {
    /// Encodes a page into the round. A change that is too large is listed in place of being published. Times are
    /// corrected by the member's clock's offset; `now` is the reference clock's.
    pub(crate) fn take(
        &self,
        round: &mut Round,
        table: usize,
        page: Page,
        limits: &mut MetLimits,
        (offset, now): (ClockOffset, Ticks),
    ) -> Result<(), Error> {
        let channel = &self.channels.tables[table];
        let most = self.channels.limits.max_change_bytes();
        let met = limits.of(table, self.clock.monotonic());
        let mut published = 0;
        round.unpublishable.extend(page.unpublishable.into_iter().map(|row| (table, row)));
        for captured in page.changes {
            let mut change = captured.change;
            if let Some(changed_at) = change.changed_at {
                let effective_at = offset.correct(changed_at, now);
                change.effective_at = Some(effective_at);
                round.oldest = Some(round.oldest.map_or(effective_at, |oldest| oldest.min(effective_at)));
            }
            let mut value = Vec::new();
            channel.codec.encode_change(channel.change_id.0, &change, now, &mut value).map_err(|source| {
                let table = channel.schema.name.to_string();
                Error::Codec { member: self.name(), table, source: Box::new(source) }
            })?;
            let operation: &[u8] = if change.is_delete() { b"d" } else { b"u" };
            let mut headers = Headers::new()
                .with("dss-origin", change.dot.incarnation.as_str().as_bytes())
                .with("dss-op", operation);
            if round.trace.is_none() {
                headers = round.trace.insert(Trace::begin()).onto(headers);
            }
            let record = Outgoing {
                topic: channel.changes.clone(),
                partition: partition_of(captured.key.as_slice(), channel.partitions),
                key: channel.codec.encode_key(channel.key_id.0, &captured.key),
                value: Some(value),
                headers,
            };
            if let Some(reason) = too_large(&record, most, met) {
                let key_text = self.key_text(table, &captured.key);
                round
                    .unpublishable
                    .push((table, Unpublishable { key: Some(captured.key), key_text, reason }));
                continue;
            }
            published += 1;
            round.records.push(record);
            round.published.push((table, captured.key));
        }
        round.more |= page.more;
        round.next.push((table, page.next));
        round.counted.push((table, published, page.made_inside_apply));
        Ok(())
    }

    fn key_text(&self, table: usize, key: &KeyBytes) -> String {
        let values = self.channels.tables[table].schema.key_values(key);
        values.map_or_else(
            |_| format!("{key:?}"),
            |values| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        )
    }
}

/// Why a change cannot be published: it is over what changes may take of a record, or over what the topic was found
/// to take.
fn too_large(record: &Outgoing, most: usize, met: Option<usize>) -> Option<String> {
    let bytes = record.key.len() + record.value.as_ref().map_or(0, Vec::len);
    if bytes > most {
        return Some(format!("the row takes {bytes} bytes, and a change may take {most}"));
    }
    let bytes = bytes + record.headers.as_bytes().len();
    met.filter(|limit| bytes > *limit).map(|limit| {
        format!(
            "the row takes {bytes} bytes, and topic {} takes {limit}: raise its `max.message.bytes`, then change \
             the row",
            record.topic
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_was_met_is_kept_to_for_a_while_and_lowered_when_it_does_not_suffice() {
        let mut limits = MetLimits::default();
        let second = Duration::from_secs(1);
        limits.note(1, 900, 500, second);
        assert_eq!((limits.of(1, second), limits.of(0, second)), (Some(500), None));
        limits.note(1, 480, 500, 2 * second);
        assert_eq!(limits.of(1, 3 * second), Some(375));
        limits.note(2, 480, 4_000, 2 * second);
        assert_eq!(
            limits.of(2, 3 * second),
            Some(479),
            "what was refused is over the limit, whatever the log says"
        );
        assert_eq!(limits.of(1, 90 * second), None);
    }
}
