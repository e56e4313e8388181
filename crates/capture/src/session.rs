//! What the capture worker that leads does.
//!
//! One round: look at every table, commit the token in the member, publish all pages with the position in one
//! transaction of the log. The token is committed after the pages are read and before they are published, so what
//! is published can no longer be forgotten by the member (protocol section 2). Pages are complete before the
//! transaction begins, since an open one holds back every reader of its partitions.

use crate::Error;
use crate::clock_offset::ClockOffset;
use crate::election::Election;
use crate::held_back::HeldBack;
use crate::metrics::CaptureMetrics;
use crate::page::{MetLimits, Round};
use crate::statement::Statement;
use crate::worker::Capture;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tributary_member::{
    CaptureCommit, Member, Page, PositionRecord, Scan, ScanBound, StoredPosition, TableBinding,
    TablePosition, TableState, Token, token_follows,
};
use tributary_model::Ticks;
use tributary_model::time::TICKS_A_SECOND;
use tributary_stream::{
    ControlFollower, Error as LogError, Outgoing, Producer, Reference, Said, read_latest, single,
};
use uuid::Uuid;

/// A leading worker: what it holds between rounds.
pub(crate) struct Session<'a> {
    capture: &'a Capture,
    member: Box<dyn Member>,
    producer: Box<dyn Producer>,
    control: ControlFollower,
    positions: Vec<TablePosition>,
    /// The number of the member's incarnation.
    incarnation: u32,
    /// By table: the last order to capture it again that was carried out.
    recaptured: BTreeMap<String, String>,
    /// By table: how many scans that the member ordered were begun.
    rescanned: BTreeMap<String, u32>,
    token: Option<Token>,
    offset: ClockOffset,
    reference: Reference,
    limits: MetLimits,
    warned_of_skew: bool,
    held_back: HeldBack,
    /// Whether the last round left rows behind.
    more: bool,
    statement: Statement,
    /// How the tables stood when they were looked at last, and when that was.
    states: Vec<TableState>,
    looked_at: Option<Duration>,
}

/// How often tables are looked at while nothing happens to their rows. Before rows are read they are looked at anyway.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// What a round came to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brought {
    Nothing,
    Some,
    More,
    /// The member is to be left alone: the text says why.
    Rest,
}

impl<'a> Session<'a> {
    /// Takes the producer, and finds out how far the member is captured.
    pub(crate) async fn start(capture: &'a Capture, election: &Election) -> Result<Self, Error> {
        let log_error = |e| capture.log_error(e);
        let member_error = |e| capture.member_error(e);
        // The producer first: from here on no earlier worker of this member can publish.
        let transactional_id = capture.channels.topics.capture_group(&capture.name());
        let producer = capture.log.producer(&transactional_id).await.map_err(log_error)?;
        let mut member = capture.connector.connect(&capture.bindings).await.map_err(member_error)?;
        let positions = read_latest(capture.log.as_ref(), &capture.channels.topics.positions())
            .await
            .map_err(log_error)?;
        let own = positions.into_iter().find(|(key, _)| key == capture.connector.id().as_str().as_bytes());
        let stored = own
            .map(|(_, value)| PositionRecord::from_json(&value))
            .transpose()
            .map_err(|source| Error::Position { member: capture.name(), source })?;
        let token = member.token().await.map_err(member_error)?;
        check_identity(capture, member.as_mut(), token.as_ref(), stored.as_ref()).await?;
        let control = capture.channels.topics.control();
        let now = capture.clock.monotonic();
        let control =
            ControlFollower::follow(capture.log.as_ref(), &control, now).await.map_err(log_error)?;
        let incarnation = control.members().of(capture.connector.id()).incarnation_number();
        // Positions of an earlier life lie beyond what this one still has to give.
        let of_this_life = stored.as_ref().filter(|stored| stored.incarnation >= incarnation);
        let tables = capture.channels.tables.iter();
        let positions =
            tables.map(|channel| of_this_life.map(|s| s.table(&channel.schema.name)).unwrap_or_default());
        let ahead = token.as_ref().is_some_and(|t| stored.as_ref().is_none_or(|s| s.token != t.id));
        let now_ms = capture.log.clock_ms().await.map_err(log_error)?;
        let mut session = Self {
            capture,
            member,
            producer,
            control,
            positions: positions.collect(),
            incarnation: incarnation.max(stored.as_ref().map_or(1, |stored| stored.incarnation)),
            rescanned: stored.as_ref().map(|stored| stored.rescans.clone()).unwrap_or_default(),
            recaptured: stored.map(|stored| stored.recaptures).unwrap_or_default(),
            token,
            offset: ClockOffset::default(),
            reference: Reference::new(now_ms, capture.clock.monotonic()),
            limits: MetLimits::default(),
            warned_of_skew: false,
            held_back: HeldBack::default(),
            more: false,
            statement: Statement::default(),
            states: Vec::new(),
            looked_at: None,
        };
        if ahead {
            // A page was to follow this token and never came. Its token is published alone, so that the next one
            // is again a direct successor of the log's.
            session.publish(election, Vec::new()).await?;
        }
        Ok(session)
    }

    /// One round over all tables; also gives the text that names the tables that stand still.
    pub(crate) async fn round(&mut self, election: &Election) -> Result<(Brought, String), Error> {
        let (log, now) = (self.capture.log.as_ref(), self.capture.clock.monotonic());
        self.control.look(log, now).await.map_err(|e| self.capture.log_error(e))?;
        let id = self.capture.connector.id();
        let said = self.control.members().of(id);
        if let Some(why) = said.capture_rests(id) {
            return Ok((Brought::Rest, why));
        }
        self.statement.note(said, now, self.capture.settings.progress_every);
        self.carry_out_orders()?;
        let news = self.member.has_news().await.map_err(|e| self.capture.member_error(e))?;
        let scans = self.ready().any(|table| self.positions[table].scan != Scan::Done);
        let idle = !news && !self.more && !scans;
        let now = self.capture.clock.monotonic();
        if !idle || self.looked_at.is_none_or(|at| now >= at + LOOK_EVERY) {
            let states = self.member.table_states().await.map_err(|e| self.capture.member_error(e))?;
            // What was written while a table stood still is news, whenever that was.
            let stood = self.states.iter().zip(&states);
            self.more |= stood
                .into_iter()
                .any(|(before, now)| *before != TableState::Ready && *now == TableState::Ready);
            self.states = states;
            self.scan_anew();
            self.looked_at = Some(now);
        }
        let (name, metrics) = (self.capture.name(), &self.capture.metrics);
        self.held_back.look(self.member.as_mut(), &name, metrics, now).await;
        let stopped = describe_stopped(&self.capture.bindings, &self.states);
        let ready: Vec<usize> = self.ready().collect();
        let scanning: Vec<usize> =
            ready.iter().copied().filter(|table| self.positions[*table].scan != Scan::Done).collect();
        if !news && !self.more && scanning.is_empty() {
            self.state_captured(election).await?;
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
            self.scan(election, &mut round, &scanning).await?;
        } else if !round.is_empty() {
            self.commit_token(&mut round, Vec::new()).await?;
        }
        self.more = round.more;
        if round.is_empty() {
            if !self.more {
                self.state_captured(election).await?;
            }
            return Ok((Brought::Nothing, stopped));
        }
        self.more |= !self.finish(election, round).await?;
        if !self.more {
            self.state_captured(election).await?;
        }
        Ok((if self.more { Brought::More } else { Brought::Some }, stopped))
    }

    /// Says on the control topic what apply had reached before everything was published that the member had to give:
    /// whatever it changes from now on is made on top of that. A table that stands still is left out.
    async fn state_captured(&mut self, election: &Election) -> Result<(), Error> {
        let Some(noted_at) = self.statement.noted_at() else { return Ok(()) };
        let now = self.capture.clock.monotonic();
        if let Some(holder) = self.member.holds_back().await.map_err(|e| self.capture.member_error(e))?
            && Duration::from_secs(holder.seconds + 2) > now.saturating_sub(noted_at)
        {
            // Something that was committed before may still be held back by this transaction.
            return Ok(());
        }
        let tables = &self.capture.channels.tables;
        let topics = self.ready().filter(|table| self.positions[*table].scan == Scan::Done);
        let topics: Vec<_> = topics.map(|table| tables[table].resolved.as_str()).collect();
        if let Some(reached) = self.statement.make(&topics, now) {
            let said = Said::Captured(Some(reached));
            let control = self.capture.channels.topics.control();
            let record = said.record(control, self.capture.connector.id());
            self.publish(election, vec![record]).await?;
        }
        Ok(())
    }

    /// The tables that could be worked on at the last look.
    fn ready(&self) -> impl Iterator<Item = usize> {
        self.states
            .iter()
            .enumerate()
            .filter(|(_, state)| **state == TableState::Ready)
            .map(|(table, _)| table)
    }

    /// Whether a pause ends when the member is written to.
    pub(crate) fn tells_news(&self) -> bool {
        self.member.tells_news()
    }

    /// Waits until the member may have something, and at most so long.
    pub(crate) async fn wait_for_news(&mut self, at_most: Duration) -> Result<(), Error> {
        self.member.wait_for_news(at_most).await.map_err(|e| self.capture.member_error(e))
    }

    /// Begins tables anew whose changes were lost in the log. Where they begin and which order that was for are
    /// stored by one record, so an order is carried out once, whatever happens in between.
    fn carry_out_orders(&mut self) -> Result<(), Error> {
        for (table, channel) in self.capture.channels.tables.iter().enumerate() {
            let name = &channel.schema.name;
            let Some(order) = self.control.recapture(name) else { continue };
            if self.recaptured.get(name.as_str()).is_some_and(|done| done == order) {
                continue;
            }
            let member = self.capture.name();
            tracing::warn!(
                member,
                table = name.as_str(),
                order,
                "changes were lost: the table is captured again"
            );
            self.positions[table] = TablePosition::default();
            self.recaptured.insert(name.to_string(), order.to_owned());
        }
        Ok(())
    }

    /// Begins scans of tables whose triggers had been gone. Where a scan begins is stored with the count that it is for,
    /// so each is begun once, whatever happens in between.
    fn scan_anew(&mut self) {
        for (table, binding) in self.capture.bindings.iter().enumerate() {
            let name = binding.schema.name.as_str();
            let ordered = self.member.scans_ordered(table);
            if self.states[table] != TableState::Ready
                || ordered == self.rescanned.get(name).copied().unwrap_or_default()
            {
                continue;
            }
            let member = self.capture.name();
            tracing::warn!(member, table = name, "triggers had been gone: the table is scanned again");
            self.positions[table].scan = Scan::Pending;
            self.rescanned.insert(name.to_owned(), ordered);
            self.more = true;
        }
    }

    /// Claims and reads the next chunk of every first scan, and commits the token with the claims.
    async fn scan(&mut self, election: &Election, round: &mut Round, tables: &[usize]) -> Result<(), Error> {
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
            let mut scanned = Round { trace: round.trace, ..Round::default() };
            self.take(&mut scanned, *table, page)?;
            if !scanned.unpublishable.is_empty() {
                // Listings must be stored before the position moves on, and the token of this round is committed
                // already: publish it alone, then commit another with the listings.
                self.publish(election, Vec::new()).await?;
                self.commit_token(&mut scanned, Vec::new()).await?;
                scanned.unpublishable.clear();
            }
            round.trace = scanned.trace;
            round.records.append(&mut scanned.records);
            round.counted.append(&mut scanned.counted);
            round.next.retain(|(at, _)| at != table);
            round.next.append(&mut scanned.next);
        }
        Ok(())
    }

    fn take(&mut self, round: &mut Round, table: usize, page: Page) -> Result<(), Error> {
        let times = (self.offset, self.reference_now());
        self.capture.take(round, table, page, &mut self.limits, times)
    }

    async fn commit_token(
        &mut self,
        round: &mut Round,
        claims: Vec<(usize, ScanBound)>,
    ) -> Result<(), Error> {
        let started = self.capture.clock.monotonic();
        let token = Token {
            counter: self.token.as_ref().map_or(1, |token| token.counter + 1),
            id: Uuid::new_v4(),
            previous: self.token.as_ref().map(|token| token.id),
            position: serde_json::to_string(&self.stored(&self.moved(&round.next)))
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

    /// Publishes the round with the positions it leads to, and moves on. `false` when the log did not take a record
    /// of it: then nothing has moved, and the rows are to be read again.
    async fn finish(&mut self, election: &Election, round: Round) -> Result<bool, Error> {
        // Somebody may have said meanwhile that the member is to be left alone: then the page is not published.
        let (log, now) = (self.capture.log.as_ref(), self.capture.clock.monotonic());
        self.control.look(log, now).await.map_err(|e| self.capture.log_error(e))?;
        let id = self.capture.connector.id();
        if self.control.members().of(id).capture_rests(id).is_some() {
            // Its token alone, so that the next one is a direct successor again.
            self.publish(election, Vec::new()).await?;
            return Ok(false);
        }
        let before = self.moved(&[]);
        self.positions = self.moved(&round.next);
        let metrics = Arc::clone(&self.capture.metrics);
        let started = self.capture.clock.monotonic();
        let rows = round.records.len();
        match self.publish(election, round.records).await {
            Ok(()) => {}
            Err(Error::Log { source, .. }) if self.is_row_too_large(&source) => {
                // Somebody has lowered the topic's limit. The next round lists the rows that are over it; the token
                // of this one is published alone, so that the next is a direct successor again.
                self.positions = before;
                self.publish(election, Vec::new()).await?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
        if let Some(trace) = round.trace {
            tracing::debug!(member = self.capture.name(), rows, trace = trace.id(), "published a page");
        }
        metrics.page_rows.observe(rows as f64);
        CaptureMetrics::observe(&metrics.publish_seconds, self.capture.clock.monotonic() - started);
        for (table, published, inside_apply) in round.counted {
            metrics.rows[table].inc_by(published);
            metrics.inside_apply.inc_by(inside_apply);
        }
        if let Some(oldest) = round.oldest {
            let age = self.reference_now().saturating_sub(oldest).max(0);
            metrics.lag_seconds.set(age as f64 / TICKS_A_SECOND as f64);
        }
        Ok(true)
    }

    /// Whether the log has refused a row for its size; then its limit is kept in mind.
    fn is_row_too_large(&mut self, error: &LogError) -> bool {
        let LogError::RecordTooLarge { topic, bytes, limit } = error else { return false };
        let tables = &self.capture.channels.tables;
        let Some(table) = tables.iter().position(|channel| channel.changes == *topic) else { return false };
        let (member, topic) = (self.capture.name(), topic.as_str());
        tracing::warn!(
            member,
            topic,
            bytes,
            limit,
            "the log takes smaller records than the topic was made for"
        );
        self.limits.note(table, *bytes, *limit, self.capture.clock.monotonic());
        true
    }

    /// Publishes records with token and positions in one transaction, which fails if another worker leads by now.
    async fn publish(&mut self, election: &Election, mut records: Vec<Outgoing>) -> Result<(), Error> {
        let token = self.token.as_ref().expect("a token is committed before anything is published");
        let record = PositionRecord {
            counter: token.counter,
            token: token.id,
            previous: token.previous,
            highest_version: token.highest_version,
            incarnation: self.incarnation,
            tables: self.stored(&self.positions),
            recaptures: self.recaptured.clone(),
            rescans: self.rescanned.clone(),
        };
        let topic = self.capture.channels.topics.positions();
        let key = self.capture.connector.id().as_str().as_bytes().to_vec();
        records.push(single(topic, key, Some(record.to_json())));
        let sent = send(self.producer.as_mut(), election, records).await;
        if sent.is_err() {
            // An open transaction would hold back all readers. If this fails as well, it ends by its time-out.
            let _ = self.producer.abort().await;
        }
        sent.map_err(|e| self.capture.log_error(e))
    }

    /// The positions with some of them moved on.
    fn moved(&self, next: &[(usize, TablePosition)]) -> Vec<TablePosition> {
        let mut positions = self.positions.clone();
        for (table, next) in next {
            positions[*table] = next.clone();
        }
        positions
    }

    fn stored(&self, positions: &[TablePosition]) -> BTreeMap<String, StoredPosition> {
        let names = self.capture.channels.tables.iter().map(|channel| channel.schema.name.to_string());
        names.zip(positions.iter().map(StoredPosition::from)).collect()
    }

    fn reference_now(&self) -> Ticks {
        self.reference.ticks_at(self.capture.clock.monotonic())
    }

    async fn measure_clock(&mut self) -> Result<(), Error> {
        let log_error = |e| self.capture.log_error(e);
        let started = self.capture.clock.monotonic();
        let before = self.capture.log.clock_ms().await.map_err(log_error)?;
        let member = self.member.clock().await.map_err(|e| self.capture.member_error(e))?;
        let after = self.capture.log.clock_ms().await.map_err(log_error)?;
        let ended = self.capture.clock.monotonic();
        self.reference = Reference::new(after, ended);
        self.offset = ClockOffset::measure(before, member, after, ended.saturating_sub(started));
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

async fn send(
    producer: &mut dyn Producer,
    election: &Election,
    records: Vec<Outgoing>,
) -> tributary_stream::Result<()> {
    producer.begin().await?;
    producer.send(records).await?;
    let (proof, offsets) = election.stake()?;
    producer.send_offsets(proof, &offsets).await?;
    producer.commit().await
}

/// Refuses a member that has applied from another log, or that went back in time.
async fn check_identity(
    capture: &Capture,
    member: &mut dyn Member,
    token: Option<&Token>,
    stored: Option<&PositionRecord>,
) -> Result<(), Error> {
    let found = capture.log.id().0;
    let offsets = member.offsets().await.map_err(|e| capture.member_error(e))?;
    if let Some(other) = offsets.iter().find(|offset| offset.log != found) {
        return Err(Error::OtherLog { member: capture.name(), stored: other.log, found });
    }
    if !token_follows(token, stored) {
        let text = |pair: Option<(u64, Uuid)>| {
            pair.map_or_else(|| "missing".to_owned(), |(counter, id)| format!("{counter} ({id})"))
        };
        return Err(Error::WentBack {
            member: capture.name(),
            found: text(token.map(|t| (t.counter, t.id))),
            expected: text(stored.map(|s| (s.counter, s.token))),
        });
    }
    Ok(())
}

/// `table Orders stopped: …; table Lines stopped: …`, or nothing.
fn describe_stopped(bindings: &[Arc<TableBinding>], states: &[TableState]) -> String {
    let stopped = bindings.iter().zip(states).filter_map(|(binding, state)| {
        let word = if matches!(state, TableState::Refills { .. }) { "waits" } else { "stopped" };
        Some(format!("table {} {word}: {}", binding.schema.name, state.hindrance()?))
    });
    stopped.collect::<Vec<_>>().join("; ")
}
