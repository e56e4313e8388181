//! Parked records that are tried again: which, how many at once, and for how long at a time.
//!
//! A flood of them must not stop the member. They are tried in transactions of a bounded size, and what has come in
//! meanwhile goes first after a while, however many are left.
//!
//! Rows that refer to each other in a circle are refused, and so are their deletes, for as long as not all of them are in
//! one transaction, and a circle may be larger than what is usually tried at once, or spread over more than that. So when
//! most of as many as were tried at once wait for others, twice as many are tried the next time, up to a limit. That it
//! was in vain up there is remembered for a while: a flood of rows whose parents do not come must not hold the member's
//! write lock for longer than it has to.

use crate::Error;
use crate::worker::Session;
use std::time::Duration;
use tributary_member::{ApplyRecord, Parked, ParkedFilter};

/// How often parked records that are due by themselves are looked for.
const EVERY: Duration = Duration::from_secs(1);
/// Records tried in one transaction.
const ROWS: usize = 500;
/// Records tried in one transaction where fewer were not enough: below what makes SQL Server lock whole tables.
const MOST_ROWS: usize = 4_000;
/// How long it is remembered that the most were not enough.
const IN_VAIN: Duration = Duration::from_secs(300);
/// How long parked records may keep others from being applied at a time, about.
const TURN: Duration = Duration::from_millis(200);

/// When parked records are tried next, and how many at once.
#[derive(Debug)]
pub(crate) struct Retries {
    at: Duration,
    rows: usize,
    /// Until when no more than usual are tried at once.
    small_until: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self { at: Duration::ZERO, rows: ROWS, small_until: Duration::ZERO }
    }
}

impl Retries {
    /// Whether some are to be tried at once, behind what has come in.
    pub(crate) fn go_on(&self) -> bool {
        self.at.is_zero()
    }

    /// What a page came to: how many it had, and how many of them wait for others still.
    fn note(&mut self, page: usize, waiting: usize, now: Duration) {
        if waiting < page.div_ceil(2) {
            self.rows = ROWS;
        } else if page >= self.rows && now >= self.small_until {
            if self.rows < MOST_ROWS {
                self.rows = (self.rows * 2).min(MOST_ROWS);
            } else if waiting == page {
                (self.rows, self.small_until) = (ROWS, now + IN_VAIN);
            }
        }
    }
}

impl Session<'_> {
    /// Tries parked records that are due by themselves, every now and then.
    pub(crate) async fn retry_due(&mut self) -> Result<(), Error> {
        let now = self.apply.clock.monotonic();
        if now < self.retries.at {
            return Ok(());
        }
        self.retries.at = now + EVERY;
        self.retry_parked().await
    }

    /// Tries parked records that are due, or that a write may have made possible, as long as some succeed and it is not
    /// the turn of others.
    pub(crate) async fn retry_parked(&mut self) -> Result<(), Error> {
        let turn_ends = self.apply.clock.monotonic() + TURN;
        loop {
            let channels = self.apply.channels.tables.iter().enumerate();
            let tables = channels.filter(|(table, _)| !self.stopped.contains(table));
            let filter = ParkedFilter::Retryable {
                now: self.apply.clock.now_ticks(),
                tables: tables.map(|(_, channel)| channel.schema.name.clone()).collect(),
                limit: self.retries.rows,
            };
            let parked = self.member.parked(&filter).await.map_err(|e| self.apply.member_error(e))?;
            let records: Vec<_> =
                parked.into_iter().filter_map(|record| self.parked_record(record)).collect();
            if records.is_empty() {
                return Ok(());
            }
            let page = records.len();
            let written = self.write(records, Vec::new(), &[]).await?;
            let now = self.apply.clock.monotonic();
            self.retries.note(page, written.waiting, now);
            if !written.retry_now {
                return Ok(());
            }
            if now >= turn_ends {
                self.retries.at = Duration::ZERO;
                return Ok(());
            }
        }
    }

    /// A parked record as it came from the log; `None` for a table that is no longer in the group.
    fn parked_record(&self, parked: Parked) -> Option<ApplyRecord> {
        let tables = &self.apply.channels.tables;
        let table = tables.iter().position(|channel| channel.schema.name == parked.table);
        let (table, key, source) = (table?, parked.key?, parked.source?);
        let channel = &tables[table];
        if source.generation != channel.schema.generation {
            return None;
        }
        let resolved = match channel.codec.decode_resolved(&parked.payload) {
            Ok(resolved) => resolved,
            Err(error) => {
                // It stays listed, and the next version that can read it tries it again.
                let (member, table) = (self.apply.name(), parked.table.as_str());
                tracing::debug!(%error, member, table, "a parked record cannot be read");
                return None;
            }
        };
        Some(ApplyRecord {
            table,
            key,
            resolved: Ok(resolved),
            source,
            payload: parked.payload,
            retry: true,
            force: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_tried_in_larger_and_larger_parts() {
        let mut retries = Retries::default();
        let now = Duration::from_secs(1);
        retries.note(ROWS, ROWS, now);
        assert_eq!(retries.rows, 2 * ROWS);
        retries.note(ROWS, ROWS, now);
        assert_eq!(retries.rows, 2 * ROWS, "there were not so many");
        retries.note(2 * ROWS, ROWS, now);
        assert_eq!(retries.rows, 4 * ROWS, "half of them got there, but the others may be of circles");
        retries.note(4 * ROWS, ROWS, now);
        assert_eq!(retries.rows, ROWS, "that was enough");
        retries.note(ROWS, 0, now);
        assert_eq!(retries.rows, ROWS, "refused for another reason");
    }

    #[test]
    fn what_was_in_vain_is_not_tried_again_for_a_while() {
        let mut retries = Retries::default();
        let mut pages = Vec::new();
        let vain = |retries: &mut Retries, now| {
            let page = retries.rows;
            retries.note(page, page, Duration::from_secs(now));
            page
        };
        for now in 0..6 {
            pages.push(vain(&mut retries, now));
        }
        assert_eq!(pages, [500, 1_000, 2_000, 4_000, 500, 500]);
        assert_eq!([vain(&mut retries, 400), vain(&mut retries, 401)], [500, 1_000]);
    }
}
