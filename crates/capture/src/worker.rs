//! The capture loop of one member.
//!
//! One round: look at every table, commit the token in the member, publish all pages with the position in one
//! transaction of the log. The token is committed after the pages are read and before they are published, so what
//! is published can no longer be forgotten by the member (protocol section 2). Pages are complete before the
//! transaction begins, since an open one holds back every reader of its partitions.

use crate::Error;
use crate::cadence::Cadence;
use crate::clock_offset::ClockOffset;
use crate::metrics::CaptureMetrics;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tributary_member::{
    CaptureCommit, Connector, Member, Page, PositionRecord, Scan, ScanBound, StoredPosition, TableBinding,
    TablePosition, TableState, Token, Unpublishable, token_follows,
};
use tributary_model::time::TICKS_A_SECOND;
use tributary_runtime::{Heartbeat, SharedClock, Stop};
use tributary_stream::{Channels, Headers, Log, Outgoing, Producer, partition_of, read_latest, single};
use uuid::Uuid;

/// How capture works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Longest pause between two looks at an idle member.
    pub poll_interval: Duration,
    /// With a schedule: how long after everything was published the next look is taken; then `poll_interval` does
    /// not count.
    pub every: Option<Duration>,
    /// Most rows of one table in one round.
    pub page_rows: usize,
    /// Clock skew from which on a warning is logged.
    pub clock_skew_warning: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            poll_interval: Duration::from_millis(50),
            every: None,
            page_rows: 4_000,
            clock_skew_warning: Duration::from_secs(2),
        }
    }
}

/// A member's capture worker.
pub struct Capture {
    /// Opens the member.
    pub connector: Arc<dyn Connector>,
    /// The member's tables, in the order of the channels.
    pub bindings: Vec<Arc<TableBinding>>,
    /// The log.
    pub log: Arc<dyn Log>,
    /// The group's topics.
    pub channels: Arc<Channels>,
    /// This machine's clock.
    pub clock: SharedClock,
    /// Settings.
    pub settings: Settings,
    /// What it counts.
    pub metrics: Arc<CaptureMetrics>,
}

/// What one round has read and encoded.
#[derive(Default)]
struct Round {
    records: Vec<Outgoing>,
    unpublishable: Vec<(usize, Unpublishable)>,
    published: Vec<(usize, tributary_model::KeyBytes)>,
    next: Vec<(usize, TablePosition)>,
    /// By table: changes, and how many of them were made inside apply's transactions.
    counted: Vec<(usize, u64, u64)>,
    oldest: Option<i64>,
    more: bool,
}

impl Round {
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.unpublishable.is_empty() && self.next.is_empty()
    }
}

/// A running worker: what it holds between rounds.
struct Session<'a> {
    capture: &'a Capture,
    member: Box<dyn Member>,
    producer: Box<dyn Producer>,
    positions: Vec<TablePosition>,
    token: Option<Token>,
    offset: ClockOffset,
    warned_of_skew: bool,
    /// Whether the last round left rows behind.
    more: bool,
}

impl Capture {
    /// Works until asked to stop.
    ///
    /// # Errors
    /// Whatever stops or pauses the worker; [`Error::into_failure`] tells which.
    pub async fn run(&self, stop: Stop, heartbeat: Heartbeat) -> Result<(), Error> {
        let mut session = self.start().await?;
        let mut cadence = Cadence::new(self.settings.poll_interval);
        heartbeat.note("watching");
        let mut stopped_tables = String::new();
        while !stop.is_stopped() {
            heartbeat.beat();
            let (brought, stopped) = session.round().await?;
            if stopped != stopped_tables {
                heartbeat.note(if stopped.is_empty() { "watching".to_owned() } else { stopped.clone() });
                stopped_tables = stopped;
            }
            match (brought, self.settings.every) {
                (Brought::More, _) => {}
                (Brought::Some | Brought::Nothing, Some(every)) => wait(&stop, &heartbeat, every).await,
                (Brought::Some, None) => _ = stop.sleep(cadence.next(true)).await,
                (Brought::Nothing, None) => _ = stop.sleep(cadence.next(false)).await,
            }
        }
        Ok(())
    }

    fn name(&self) -> String {
        self.connector.id().to_string()
    }

    fn member_error(&self, source: tributary_member::Error) -> Error {
        Error::Member { member: self.name(), source: Box::new(source) }
    }

    fn log_error(&self, source: tributary_stream::Error) -> Error {
        Error::Log { member: self.name(), source: Box::new(source) }
    }

    async fn start(&self) -> Result<Session<'_>, Error> {
        // The producer first: from here on no earlier worker of this member can publish.
        let transactional_id = self.channels.topics.capture_group(&self.name());
        let producer = self.log.producer(&transactional_id).await.map_err(|e| self.log_error(e))?;
        let mut member = self.connector.connect(&self.bindings).await.map_err(|e| self.member_error(e))?;
        let positions = read_latest(self.log.as_ref(), &self.channels.topics.positions())
            .await
            .map_err(|e| self.log_error(e))?;
        let own = positions.into_iter().find(|(key, _)| key == self.connector.id().as_str().as_bytes());
        let stored = own
            .map(|(_, value)| PositionRecord::from_json(&value))
            .transpose()
            .map_err(|source| Error::Position { member: self.name(), source })?;
        let token = member.token().await.map_err(|e| self.member_error(e))?;
        let found = self.log.id().0;
        let offsets = member.offsets().await.map_err(|e| self.member_error(e))?;
        if let Some(other) = offsets.iter().find(|offset| offset.log != found) {
            return Err(Error::OtherLog { member: self.name(), stored: other.log, found });
        }
        if !token_follows(token.as_ref(), stored.as_ref()) {
            let text = |pair: Option<(u64, Uuid)>| {
                pair.map_or_else(|| "missing".to_owned(), |(counter, id)| format!("{counter} ({id})"))
            };
            return Err(Error::WentBack {
                member: self.name(),
                found: text(token.as_ref().map(|t| (t.counter, t.id))),
                expected: text(stored.as_ref().map(|s| (s.counter, s.token))),
            });
        }
        let positions = self
            .channels
            .tables
            .iter()
            .map(|channel| stored.as_ref().map(|s| s.table(&channel.schema.name)).unwrap_or_default())
            .collect();
        let ahead = token.as_ref().is_some_and(|t| stored.as_ref().is_none_or(|s| s.token != t.id));
        let mut session = Session {
            capture: self,
            member,
            producer,
            positions,
            token,
            offset: ClockOffset::default(),
            warned_of_skew: false,
            more: false,
        };
        if ahead {
            // A page was to follow this token and never came. Its token is published alone, so that the next one
            // is again a direct successor of the log's.
            session.publish(Vec::new()).await?;
        }
        Ok(session)
    }
}

/// What a round came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Brought {
    Nothing,
    Some,
    More,
}

impl Session<'_> {
    /// One round over all tables; also gives the text that names the tables that stand still.
    async fn round(&mut self) -> Result<(Brought, String), Error> {
        let states = self.member.table_states().await.map_err(|e| self.capture.member_error(e))?;
        let stopped = describe_stopped(&self.capture.bindings, &states);
        let ready: Vec<usize> =
            (0..states.len()).filter(|table| states[*table] == TableState::Ready).collect();
        let scanning: Vec<usize> =
            ready.iter().copied().filter(|table| self.positions[*table].scan != Scan::Done).collect();
        let news = self.member.has_news().await.map_err(|e| self.capture.member_error(e))?;
        if !news && !self.more && scanning.is_empty() {
            return Ok((Brought::Nothing, stopped));
        }
        let started = self.capture.clock.monotonic();
        self.measure_clock().await?;
        let mut round = Round::default();
        for table in &ready {
            let rows = self.capture.settings.page_rows;
            let page = self.member.poll(*table, &self.positions[*table], rows).await;
            let page = page.map_err(|e| self.capture.member_error(e))?;
            if !page.changes.is_empty()
                || !page.unpublishable.is_empty()
                || page.next != self.positions[*table]
            {
                self.take(&mut round, *table, page)?;
            }
        }
        let metrics = &self.capture.metrics;
        CaptureMetrics::observe(&metrics.poll_seconds, self.capture.clock.monotonic() - started);
        if !scanning.is_empty() {
            self.scan(&mut round, &scanning).await?;
        } else if !round.is_empty() {
            self.commit_token(&mut round, Vec::new()).await?;
        }
        let more = round.more;
        self.more = more;
        if round.is_empty() {
            return Ok((Brought::Nothing, stopped));
        }
        self.finish(round).await?;
        Ok((if more { Brought::More } else { Brought::Some }, stopped))
    }

    /// Claims and reads the next chunk of every first scan, and commits the token with the claims.
    async fn scan(&mut self, round: &mut Round, tables: &[usize]) -> Result<(), Error> {
        let rows = self.capture.settings.page_rows;
        let mut claims = Vec::with_capacity(tables.len());
        for table in tables {
            let after = &self.positions[*table].scan;
            let bound = self.member.scan_bound(*table, after, rows).await;
            claims.push((*table, bound.map_err(|e| self.capture.member_error(e))?));
        }
        self.commit_token(round, claims.clone()).await?;
        for (table, bound) in &claims {
            // The live page of the same round may have moved this table on already.
            let moved = round.next.iter().find(|(at, _)| at == table).map(|(_, next)| next);
            let mut from = moved.unwrap_or(&self.positions[*table]).clone();
            from.scan = self.positions[*table].scan.clone();
            let page = self.member.scan(*table, &from, bound).await;
            let mut page = page.map_err(|e| self.capture.member_error(e))?;
            page.next.live = from.live;
            round.more |= *bound != ScanBound::End;
            let mut scanned = Round::default();
            self.take(&mut scanned, *table, page)?;
            if !scanned.unpublishable.is_empty() {
                // Listings must be stored before the position moves on, and the token of this round is committed
                // already: publish it alone, then commit another with the listings.
                self.publish(Vec::new()).await?;
                self.commit_token(&mut scanned, Vec::new()).await?;
                scanned.unpublishable.clear();
            }
            round.records.append(&mut scanned.records);
            round.counted.append(&mut scanned.counted);
            round.next.retain(|(at, _)| at != table);
            round.next.append(&mut scanned.next);
        }
        Ok(())
    }

    /// Encodes a page into the round. A change over the limit is listed in place of being published.
    fn take(&mut self, round: &mut Round, table: usize, page: Page) -> Result<(), Error> {
        let channel = &self.capture.channels.tables[table];
        let limit = self.capture.channels.limits.max_change_bytes();
        let now = self.capture.clock.now_ticks();
        let mut published = 0;
        round.unpublishable.extend(page.unpublishable.into_iter().map(|row| (table, row)));
        for captured in page.changes {
            let mut change = captured.change;
            if let Some(changed_at) = change.changed_at {
                change.effective_at = Some(self.offset.correct(changed_at, now));
                round.oldest = Some(round.oldest.map_or(changed_at, |oldest| oldest.min(changed_at)));
            }
            let mut value = Vec::new();
            channel.codec.encode_change(channel.change_id.0, &change, now, &mut value).map_err(|source| {
                let table = channel.schema.name.to_string();
                Error::Codec { member: self.capture.name(), table, source: Box::new(source) }
            })?;
            if value.len() + captured.key.as_slice().len() > limit {
                let reason = format!("the row takes {} bytes, and a change may take {limit}", value.len());
                let key_text = self.key_text(table, &captured.key);
                round
                    .unpublishable
                    .push((table, Unpublishable { key: Some(captured.key), key_text, reason }));
                continue;
            }
            published += 1;
            let operation: &[u8] = if change.is_delete() { b"d" } else { b"u" };
            round.records.push(Outgoing {
                topic: channel.changes.clone(),
                partition: partition_of(captured.key.as_slice(), channel.partitions),
                key: channel.codec.encode_key(channel.key_id.0, &captured.key),
                value: Some(value),
                headers: Headers::new()
                    .with("dss-origin", change.dot.incarnation.as_str().as_bytes())
                    .with("dss-op", operation),
            });
            round.published.push((table, captured.key));
        }
        round.more |= page.more;
        round.next.push((table, page.next));
        round.counted.push((table, published, page.made_inside_apply));
        Ok(())
    }

    fn key_text(&self, table: usize, key: &tributary_model::KeyBytes) -> String {
        let values = self.capture.channels.tables[table].schema.key_values(key);
        values.map_or_else(
            |_| format!("{key:?}"),
            |values| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        )
    }

    async fn commit_token(
        &mut self,
        round: &mut Round,
        claims: Vec<(usize, ScanBound)>,
    ) -> Result<(), Error> {
        let started = self.capture.clock.monotonic();
        let mut positions = self.positions.clone();
        for (table, next) in &round.next {
            positions[*table] = next.clone();
        }
        let token = Token {
            counter: self.token.as_ref().map_or(1, |token| token.counter + 1),
            id: Uuid::new_v4(),
            previous: self.token.as_ref().map(|token| token.id),
            position: serde_json::to_string(&self.stored(&positions))
                .expect("a map of texts can always be written as JSON"),
            highest_version: 0,
        };
        let mut commit = CaptureCommit {
            token,
            claims,
            unpublishable: round.unpublishable.clone(),
            published: std::mem::take(&mut round.published),
        };
        let highest = self.member.commit_capture(&commit).await.map_err(|e| self.capture.member_error(e))?;
        commit.token.highest_version = highest;
        self.token = Some(commit.token);
        let metrics = &self.capture.metrics;
        CaptureMetrics::observe(&metrics.token_seconds, self.capture.clock.monotonic() - started);
        if !round.unpublishable.is_empty() {
            metrics.unpublishable.inc_by(round.unpublishable.len() as u64);
            let (member, rows) = (self.capture.name(), round.unpublishable.len());
            tracing::warn!(member, rows, "rows cannot be published and are listed at their origin");
        }
        Ok(())
    }

    /// Publishes the round with the positions it leads to, and moves on.
    async fn finish(&mut self, round: Round) -> Result<(), Error> {
        for (table, next) in round.next {
            self.positions[table] = next;
        }
        let metrics = Arc::clone(&self.capture.metrics);
        metrics.page_rows.observe(round.records.len() as f64);
        let started = self.capture.clock.monotonic();
        self.publish(round.records).await?;
        CaptureMetrics::observe(&metrics.publish_seconds, self.capture.clock.monotonic() - started);
        for (table, published, inside_apply) in round.counted {
            metrics.rows[table].inc_by(published);
            metrics.inside_apply.inc_by(inside_apply);
        }
        if let Some(oldest) = round.oldest {
            let age = self.capture.clock.now_ticks().saturating_sub(oldest).max(0);
            metrics.lag_seconds.set(age as f64 / TICKS_A_SECOND as f64);
        }
        Ok(())
    }

    async fn publish(&mut self, mut records: Vec<Outgoing>) -> Result<(), Error> {
        let token = self.token.as_ref().expect("a token is committed before anything is published");
        let record = PositionRecord {
            counter: token.counter,
            token: token.id,
            previous: token.previous,
            highest_version: token.highest_version,
            tables: self.stored(&self.positions),
        };
        let topic = self.capture.channels.topics.positions();
        let key = self.capture.connector.id().as_str().as_bytes().to_vec();
        records.push(single(topic, key, Some(record.to_json())));
        let log_error = |e| self.capture.log_error(e);
        self.producer.begin().await.map_err(log_error)?;
        self.producer.send(records).await.map_err(log_error)?;
        self.producer.commit().await.map_err(log_error)
    }

    fn stored(&self, positions: &[TablePosition]) -> BTreeMap<String, StoredPosition> {
        let names = self.capture.channels.tables.iter().map(|channel| channel.schema.name.to_string());
        names.zip(positions.iter().map(StoredPosition::from)).collect()
    }

    async fn measure_clock(&mut self) -> Result<(), Error> {
        let log_error = |e| self.capture.log_error(e);
        let started = self.capture.clock.monotonic();
        let before = self.capture.log.clock_ms().await.map_err(log_error)?;
        let member = self.member.clock().await.map_err(|e| self.capture.member_error(e))?;
        let after = self.capture.log.clock_ms().await.map_err(log_error)?;
        let round_trip = self.capture.clock.monotonic().saturating_sub(started);
        self.offset = ClockOffset::measure(before, member, after, round_trip);
        let skew = -self.offset.offset as f64 / TICKS_A_SECOND as f64;
        self.capture.metrics.clock_skew_seconds.set(skew);
        let large = skew.abs() > self.capture.settings.clock_skew_warning.as_secs_f64();
        if large && !self.warned_of_skew {
            tracing::warn!(member = self.capture.name(), skew_seconds = skew, "the member's clock is off");
        }
        self.warned_of_skew = large;
        Ok(())
    }
}

/// A long pause, with heartbeats, so that it does not look like a worker that hangs.
async fn wait(stop: &Stop, heartbeat: &Heartbeat, pause: Duration) {
    let mut left = pause;
    while !left.is_zero() {
        heartbeat.beat();
        let step = left.min(Duration::from_secs(1));
        if !stop.sleep(step).await {
            return;
        }
        left -= step;
    }
}

/// `table Orders stopped: …; table Lines stopped: …`, or nothing.
fn describe_stopped(bindings: &[Arc<TableBinding>], states: &[TableState]) -> String {
    let stopped = bindings.iter().zip(states).filter_map(|(binding, state)| match state {
        TableState::Ready => None,
        TableState::Stopped { reason } => Some(format!("table {} stopped: {reason}", binding.schema.name)),
    });
    stopped.collect::<Vec<_>>().join("; ")
}
