//! What the group is told of how far a member is, and when: a minute apart at most, and nothing while nothing moves.

use std::collections::BTreeMap;
use std::time::Duration;
use tributary_stream::{Channels, Reached};

/// When something is told next.
#[derive(Debug, Default)]
pub(crate) struct Told {
    next_at: Duration,
}

impl Told {
    /// What is to be told now, if anything. `said` is what the control topic says, `stored` the next offset by table
    /// and partition.
    pub(crate) fn news(
        &mut self,
        said: &Reached,
        stored: &BTreeMap<(usize, u32), u64>,
        channels: &Channels,
        now: Duration,
        every: Duration,
    ) -> Option<Reached> {
        if now < self.next_at {
            return None;
        }
        self.next_at = now + every;
        let mut reached = Reached::new();
        for ((table, partition), next) in stored {
            let topic = channels.tables[*table].resolved.as_str().to_owned();
            reached.entry(topic).or_default().insert(*partition, *next);
        }
        (reached != *said).then_some(reached)
    }
}
