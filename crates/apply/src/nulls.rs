//! Null records: deletes that the group has forgotten.
//!
//! A null lets a member forget its tombstone. One that has not had the delete itself (it was restored from a backup that
//! is older than the topic's compaction, or begins from nothing) would keep the row for ever, since the delete's own
//! record may be gone by then. The null's header says which versions the delete took into account, and that is all
//! that a delete needs: so it is carried out first, by the same decision as any other record.

use std::collections::HashMap;
use tributary_member::ApplyRecord;
use tributary_model::Ticks;
use tributary_settle::forgotten_delete;
use tributary_stream::{Channels, Incoming, TopicName};

/// Cuts a batch so that a null record is never in one part with another record of its cell.
pub(crate) fn cut(records: Vec<Incoming>) -> Vec<Vec<Incoming>> {
    if records.iter().all(|record| record.value.is_some()) {
        return vec![records];
    }
    let mut parts = vec![Vec::new()];
    // By cell of the present part: whether a null of it is there.
    let mut met: HashMap<(TopicName, Vec<u8>), bool> = HashMap::new();
    for record in records {
        let null = record.value.is_none();
        let cell = (record.topic.clone(), record.key.clone());
        if met.get(&cell).is_some_and(|was_null| null || *was_null) {
            parts.push(Vec::new());
            met.clear();
        }
        met.insert(cell, null);
        if let Some(part) = parts.last_mut() {
            part.push(record);
        }
    }
    parts
}

/// The deletes that the null records of a batch speak of.
pub(crate) fn deletes(channels: &Channels, batch: &[ApplyRecord], now: Ticks) -> Vec<ApplyRecord> {
    batch.iter().filter_map(|record| delete(channels, record, now)).collect()
}

fn delete(channels: &Channels, record: &ApplyRecord, now: Ticks) -> Option<ApplyRecord> {
    let vv = record.resolved.as_ref().err()?;
    let resolved = forgotten_delete(vv)?;
    let channel = &channels.tables[record.table];
    let mut payload = Vec::new();
    // A delete has no row that could not be written.
    channel.codec.encode_resolved(channel.resolved_id.0, &resolved, None, now, &mut payload).ok()?;
    Some(ApplyRecord { resolved: Ok(resolved), payload, ..record.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_stream::Headers;

    fn record(key: u8, null: bool) -> Incoming {
        Incoming {
            topic: TopicName::new("t"),
            partition: 0,
            offset: 0,
            timestamp_ms: 0,
            key: vec![key],
            value: (!null).then(Vec::new),
            headers: Headers::new(),
        }
    }

    fn shape(records: &[(u8, bool)]) -> Vec<usize> {
        let parts = cut(records.iter().map(|(key, null)| record(*key, *null)).collect());
        parts.iter().map(Vec::len).collect()
    }

    #[test]
    fn a_null_is_never_merged_with_another_record_of_its_cell() {
        assert_eq!(shape(&[(1, false), (1, false), (2, false)]), [3]);
        assert_eq!(shape(&[(1, true), (2, true), (3, false)]), [3], "they are of different cells");
        assert_eq!(shape(&[(1, false), (1, true), (1, false)]), [1, 1, 1]);
        assert_eq!(shape(&[(1, true), (2, false), (1, true), (2, false)]), [2, 2]);
    }
}
