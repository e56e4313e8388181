//! Filling a member anew, when an operator orders it: with what the group has, whatever the member had.
//!
//! A member that was away for so long that deletes have expired cannot simply go on: its old rows would come back. So
//!
//! 1. it is no longer said to be out of date: what is deleted from here on is not forgotten without it; and it says that
//!    it has taken in all that is there now, which holds for whatever is captured from it later,
//! 2. its own changes that the group does not know are saved in the ledger,
//! 3. the resolved topics are replayed from the beginning to where they ended after step 1, and written over exactly the
//!    changes that were saved; what a user writes meanwhile is on top of what is there by then and stays,
//! 4. rows that the topics do not have are removed, saved too. All this is repeated until nothing is left to save,
//! 5. the member's offsets move to where the replay ended, and the control topic says that it is done, unless the member
//!    was marked once more: then the group may have forgotten more without it, and everything begins anew.
//!
//! Capture rests all the while. A crash anywhere begins anew: what was saved has the same id again, and what was
//! written is found to be there. Offsets do not move before the end, so nothing is passed over.

mod replay;
mod unknown;

use crate::Error;
use crate::levels::levels;
use crate::nulls;
use crate::worker::Session;
use replay::{Ranges, Replay};
use std::collections::{BTreeMap, HashMap, HashSet};
use tributary_member::{ApplyBatch, ApplyRecord, Force, Scan, ScanBound, Source, TablePosition, bucket_of};
use tributary_model::{
    ChangeKind, ConflictId, ConflictKind, ConflictRecord, ConflictState, Dot, Incarnation, KeyBytes,
    OPERATOR, Policy, Reason, Resolved, Row, Settled, Side, VersionVector,
};
use tributary_runtime::{Heartbeat, Stop};
use tributary_settle::Look;
use tributary_stream::{Incoming, Mark, Order, Reached, Said, TopicPartition, partition_of};
use unknown::{Candidates, Unknown};

/// Changes, or rows, that are held against a topic in one walk through it.
const AT_ONCE: usize = 200_000;
/// Rows in a page, and cells saved or removed at once.
const PAGE: usize = 2_000;
/// How often users may write something that has to be saved while the member is being filled.
const ROUNDS: usize = 8;
/// Rows are looked for by buckets of so many bits.
const BITS: u8 = 8;

/// What is to be written over: by table and key the change that was saved.
type Saved = HashMap<(usize, KeyBytes), Dot>;

impl Session<'_> {
    /// Fills the member anew. `false` when it was asked to stop before it was done.
    pub(crate) async fn fill_anew(
        &mut self,
        order: &Order,
        stop: &Stop,
        heartbeat: &Heartbeat,
    ) -> Result<bool, Error> {
        let member = self.apply.name();
        tracing::warn!(member, order = order.id, "the member is being filled anew");
        let mark = self.take_mark_back().await?;
        let ranges = self.ranges().await?;
        self.tell_where_it_begins(&ranges).await?;
        let removing = Dot::new(operator(), version_of(order));
        // Changes of cells that the topics have no record of, or a null record, which may go as well.
        let mut orphans = Saved::new();
        let mut removed = false;
        for round in 0.. {
            let mut saved = Saved::new();
            for table in 0..self.apply.channels.tables.len() {
                heartbeat.beat();
                heartbeat.note(format!("filling anew: looking through {}", self.table_name(table)));
                let look = |key: &KeyBytes, superseded| match round {
                    0 => Look::First,
                    _ => Look::Later { orphan: orphans.get(&(table, key.clone())), superseded },
                };
                let unknown = self.unknown(table, &ranges, look, (stop, heartbeat)).await?;
                let Some(unknown) = unknown else { return Ok(false) };
                self.save(table, &unknown, &removing).await?;
                for found in unknown {
                    if !found.met || found.forgotten {
                        orphans.insert((table, found.key.clone()), found.change.dot.clone());
                    }
                    if !found.forgotten {
                        saved.insert((table, found.key), found.change.dot);
                    }
                }
            }
            let went_on = if round == 0 || !saved.is_empty() {
                if round >= ROUNDS {
                    return Err(Error::NotQuiet { member, cells: saved.len() });
                }
                removed = false;
                self.replay(&ranges, &saved, (stop, heartbeat)).await?
            } else if removed {
                break;
            } else {
                // A user may change such a row before it is removed: then it stays, and the next look finds it.
                removed = true;
                self.remove_surplus(&ranges, &orphans, &removing, (stop, heartbeat)).await?
            };
            if !went_on {
                return Ok(false);
            }
        }
        if self.is_marked_again(mark.as_ref()).await? {
            tracing::warn!(
                member,
                order = order.id,
                "the member was marked out of date while it was filled, which begins anew"
            );
            return Ok(true);
        }
        self.finish(order, &ranges).await?;
        tracing::warn!(member, order = order.id, "the member has been filled anew");
        Ok(true)
    }

    /// Takes back that the member is out of date, so that deletes wait for it again, and gives what was said. Nothing is
    /// captured from it before the order is carried out.
    async fn take_mark_back(&mut self) -> Result<Option<Mark>, Error> {
        let id = self.apply.connector.id();
        let mark = self.said().out_of_date.clone();
        if mark.is_some() {
            let control = self.apply.channels.topics.control();
            let record = Said::OutOfDate(None).record(control, id);
            self.list(vec![record]).await?;
        }
        Ok(mark)
    }

    /// Says that whatever the member publishes from now on is made on top of what is filled in, since it publishes nothing
    /// before that. By its old words it would be out of date again before it had said anything else.
    async fn tell_where_it_begins(&mut self, ranges: &[Ranges]) -> Result<(), Error> {
        let mut reached = Reached::new();
        for (at, range) in ranges.iter().flatten() {
            reached.entry(at.topic.as_str().to_owned()).or_default().insert(at.partition, range.end);
        }
        let (control, id) = (self.apply.channels.topics.control(), self.apply.connector.id());
        let said = [Said::Applied(Some(reached.clone())), Said::Captured(Some(reached))];
        let records = said.iter().map(|said| said.record(control.clone(), id)).collect();
        self.list(records).await
    }

    /// Whether the member was marked out of date since `mark` was taken back.
    async fn is_marked_again(&mut self, mark: Option<&Mark>) -> Result<bool, Error> {
        self.look_at_control().await?;
        // That it was taken back may not have arrived here yet.
        Ok(self.said().out_of_date.as_ref().is_some_and(|now| Some(now) != mark))
    }

    fn table_name(&self, table: usize) -> &str {
        self.apply.channels.tables[table].schema.name.as_str()
    }

    async fn ranges(&self) -> Result<Vec<Ranges>, Error> {
        let mut all = Vec::new();
        for channel in &self.apply.channels.tables {
            let ranges = self.apply.log.offsets(&channel.resolved).await;
            let ranges = ranges.map_err(|e| self.apply.log_error(e))?;
            let named = (0..).zip(ranges);
            let at = |partition| TopicPartition::new(channel.resolved.clone(), partition);
            all.push(named.map(|(partition, range)| (at(partition), range)).collect());
        }
        Ok(all)
    }

    /// The member's own changes of a table that the group does not know; `None` when it was asked to stop.
    async fn unknown<'o>(
        &mut self,
        table: usize,
        ranges: &[Ranges],
        look: impl Fn(&KeyBytes, bool) -> Look<'o>,
        (stop, heartbeat): (&Stop, &Heartbeat),
    ) -> Result<Option<Vec<Unknown>>, Error> {
        let mut position = TablePosition::default();
        let mut unknown = Vec::new();
        let mut candidates = Candidates::default();
        let (mut live, mut scan) = (true, true);
        while live || scan {
            if stop.is_stopped() {
                return Ok(None);
            }
            heartbeat.beat();
            let page = if live {
                let page = self.member.poll(table, &position, PAGE).await;
                let page = page.map_err(|e| self.apply.member_error(e))?;
                live = page.more;
                position.live.clone_from(&page.next.live);
                page
            } else {
                let bound = self.member.scan_bound(table, &position.scan, PAGE).await;
                let bound = bound.map_err(|e| self.apply.member_error(e))?;
                let page = self.member.untracked(table, &position.scan, &bound).await;
                let page = page.map_err(|e| self.apply.member_error(e))?;
                scan = bound != ScanBound::End && page.next.scan != Scan::Done;
                position.scan = page.next.scan.clone();
                page
            };
            for captured in page.changes {
                candidates.add(captured.key, captured.change);
            }
            if candidates.len() >= AT_ONCE {
                let full = std::mem::take(&mut candidates);
                unknown.extend(self.hold_against(table, ranges, full, &look, heartbeat).await?);
            }
        }
        unknown.extend(self.hold_against(table, ranges, candidates, &look, heartbeat).await?);
        Ok(Some(unknown))
    }

    async fn hold_against<'o>(
        &self,
        table: usize,
        ranges: &[Ranges],
        mut candidates: Candidates,
        look: impl Fn(&KeyBytes, bool) -> Look<'o>,
        heartbeat: &Heartbeat,
    ) -> Result<Vec<Unknown>, Error> {
        if candidates.len() > 0 {
            let channel = &self.apply.channels.tables[table];
            // To where the topic ends by now: a later record says that compaction may have removed one.
            let by_now = self.ranges().await?.swap_remove(table);
            let filled = |at: &TopicPartition| ranges[table].get(at).map_or(0, |range| range.end);
            let mut replay = self.open(by_now).await?;
            while let Some(records) = replay.next(PAGE).await.map_err(|e| self.apply.log_error(e))? {
                heartbeat.beat();
                for record in records {
                    // One that cannot be used has been listed when it was met first.
                    if let Ok((key, settlement)) = channel.read_resolved(&record) {
                        let at = TopicPartition::new(record.topic.clone(), record.partition);
                        if record.offset < filled(&at) {
                            candidates.meet(&key, settlement);
                        } else {
                            candidates.meet_later(&key);
                        }
                    }
                }
            }
        }
        Ok(candidates.unknown(look))
    }

    async fn open(&self, ranges: Ranges) -> Result<Replay, Error> {
        Replay::open(self.apply.log.as_ref(), ranges).await.map_err(|e| self.apply.log_error(e))
    }

    /// Saves what the member has and the group does not know in the ledger.
    async fn save(&mut self, table: usize, unknown: &[Unknown], removing: &Dot) -> Result<(), Error> {
        let unknown: Vec<&Unknown> = unknown.iter().filter(|found| !found.forgotten).collect();
        for part in unknown.chunks(PAGE) {
            let keys: Vec<KeyBytes> = part.iter().map(|found| found.key.clone()).collect();
            let rows = self.member.rows(table, &keys).await.map_err(|e| self.apply.member_error(e))?;
            let mut records = Vec::new();
            for (found, row) in part.iter().zip(rows) {
                let winner = found.instead.as_ref().map_or_else(|| removal(removing), |r| side_of(r));
                if winner.row == row {
                    // The same content: nothing is lost.
                    continue;
                }
                let change = &found.change;
                let loser = Side {
                    dot: change.dot.clone(),
                    vv: change.seen.with(&change.dot),
                    kind: change.kind,
                    changed_at: change.changed_at,
                    effective_at: change.effective_at,
                    row,
                };
                records.push(self.conflict(table, &found.key, winner, loser)?);
            }
            self.list(records).await?;
        }
        Ok(())
    }

    fn conflict(
        &self,
        table: usize,
        key: &KeyBytes,
        winner: Side,
        loser: Side,
    ) -> Result<tributary_stream::Outgoing, Error> {
        let channels = &self.apply.channels;
        let name = channels.tables[table].schema.name.clone();
        let record = ConflictRecord {
            id: ConflictId::of(&name, key, &winner.dot, &loser.dot),
            table: name,
            key: key.clone(),
            kind: ConflictKind::Reinit,
            state: ConflictState::Settled,
            winner,
            loser,
            policy: Policy::default(),
            reason: Reason::Reinit,
            settled_at: self.apply.clock.now_ticks(),
        };
        let made = channels.conflict(table, &record);
        made.map_err(|source| Error::Codec { member: self.apply.name(), source: Box::new(source) })
    }

    /// Applies all records, tables that others refer to first. `false` when it was asked to stop.
    async fn replay(
        &mut self,
        ranges: &[Ranges],
        saved: &Saved,
        (stop, heartbeat): (&Stop, &Heartbeat),
    ) -> Result<bool, Error> {
        let levels = levels(self.apply.channels.tables.iter().map(|channel| channel.schema.as_ref()));
        let mut by_level: BTreeMap<usize, Ranges> = BTreeMap::new();
        for (table, level) in levels.into_iter().enumerate() {
            by_level.entry(level).or_default().extend(ranges[table].clone());
        }
        for (level, ranges) in by_level {
            let mut replay = self.open(ranges).await?;
            let mut done = 0;
            while let Some(records) =
                replay.next(self.size.rows()).await.map_err(|e| self.apply.log_error(e))?
            {
                if stop.is_stopped() {
                    return Ok(false);
                }
                heartbeat.beat();
                done += records.len();
                heartbeat.note(format!("filling anew: level {level}, {done} records"));
                for part in nulls::cut(records) {
                    self.write_over(part, saved).await?;
                }
            }
        }
        Ok(true)
    }

    async fn write_over(&mut self, records: Vec<Incoming>, saved: &Saved) -> Result<(), Error> {
        let started = self.apply.clock.monotonic();
        let rows = records.len();
        let mut batch = Vec::with_capacity(rows);
        for record in records {
            let Some(table) = self.apply.channels.table_of(&record.topic) else { continue };
            if let Ok((key, settlement)) = self.apply.channels.tables[table].read_resolved(&record) {
                let force = Force { local: saved.get(&(table, key.clone())).cloned() };
                let record = self.record(table, key, settlement, record);
                batch.push(ApplyRecord { force: Some(force), ..record });
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        let deletes = nulls::deletes(&self.apply.channels, &batch, self.apply.clock.now_ticks());
        if !deletes.is_empty() {
            self.write(deletes, Vec::new(), &[]).await?;
        }
        self.write(batch, Vec::new(), &[]).await?;
        self.size.observe(rows, self.apply.clock.monotonic().saturating_sub(started));
        Ok(())
    }

    /// Removes the rows that the topics know nothing of, tables that refer to others first, and what their tracking
    /// remembers. `false` when it was asked to stop.
    async fn remove_surplus(
        &mut self,
        ranges: &[Ranges],
        saved: &Saved,
        removing: &Dot,
        (stop, heartbeat): (&Stop, &Heartbeat),
    ) -> Result<bool, Error> {
        let levels = levels(self.apply.channels.tables.iter().map(|channel| channel.schema.as_ref()));
        let mut tables: Vec<usize> = (0..levels.len()).collect();
        tables.sort_by_key(|table| std::cmp::Reverse(levels[*table]));
        for table in tables {
            heartbeat.note(format!(
                "filling anew: rows of {} that the group does not have",
                self.table_name(table)
            ));
            let digests = self.member.digest(table, BITS).await.map_err(|e| self.apply.member_error(e))?;
            let mut group: Vec<usize> = Vec::new();
            let mut rows = 0;
            for (bucket, digest) in digests.iter().enumerate() {
                group.push(bucket);
                rows += usize::try_from(digest.rows).unwrap_or(usize::MAX);
                if rows >= AT_ONCE || bucket + 1 == digests.len() {
                    if stop.is_stopped() {
                        return Ok(false);
                    }
                    heartbeat.beat();
                    if rows > 0 {
                        let surplus = self.surplus(table, &ranges[table], &group, heartbeat).await?;
                        self.remove(table, surplus, saved, removing).await?;
                    }
                    (group, rows) = (Vec::new(), 0);
                }
            }
            // A delete of the member's own that the topic does not have leaves no row, and would hide the key's next life.
            let own = saved.keys().filter(|(of, _)| *of == table).map(|(_, key)| key.clone()).collect();
            self.remove(table, own, saved, removing).await?;
        }
        Ok(true)
    }

    /// Keys of the member's rows in these buckets of which the topic has no record.
    async fn surplus(
        &mut self,
        table: usize,
        ranges: &Ranges,
        buckets: &[usize],
        heartbeat: &Heartbeat,
    ) -> Result<Vec<KeyBytes>, Error> {
        let rows = self.member.bucket_rows(table, BITS, buckets).await;
        let rows = rows.map_err(|e| self.apply.member_error(e))?;
        let mut left: HashSet<KeyBytes> = rows.into_iter().map(|(key, _)| key).collect();
        let channel = &self.apply.channels.tables[table];
        let mut replay = self.open(ranges.clone()).await?;
        while let Some(records) = replay.next(PAGE).await.map_err(|e| self.apply.log_error(e))? {
            heartbeat.beat();
            for record in records {
                if let Ok((key, _)) = channel.read_resolved(&record)
                    && buckets.binary_search(&bucket_of(&key, BITS)).is_ok()
                {
                    left.remove(&key);
                }
            }
        }
        Ok(left.into_iter().collect())
    }

    async fn remove(
        &mut self,
        table: usize,
        surplus: Vec<KeyBytes>,
        saved: &Saved,
        removing: &Dot,
    ) -> Result<(), Error> {
        for keys in surplus.chunks(PAGE) {
            let rows = self.member.rows(table, keys).await.map_err(|e| self.apply.member_error(e))?;
            let mut records = Vec::new();
            let mut batch = Vec::new();
            for (key, row) in keys.iter().zip(rows) {
                let local = saved.get(&(table, key.clone())).cloned();
                if let (None, Some(row)) = (&local, row) {
                    // A row of the group's that the group has forgotten since: nobody's change, but somebody may miss it.
                    let loser = self.copy(row);
                    records.push(self.conflict(table, key, removal(removing), loser)?);
                }
                batch.push(self.removal_of(table, key, local, removing));
            }
            self.list(records).await?;
            let forget: Vec<_> = batch
                .iter()
                .map(|record| {
                    let vv = VersionVector::of(removing);
                    ApplyRecord { resolved: Err(vv), payload: Vec::new(), ..record.clone() }
                })
                .collect();
            self.write(batch, Vec::new(), &[]).await?;
            self.write(forget, Vec::new(), &[]).await?;
        }
        Ok(())
    }

    /// A copy of something that was the group's once, as a side of a conflict.
    fn copy(&self, row: Row) -> Side {
        let incarnation = Incarnation::first(self.apply.connector.id());
        Side {
            // As a row that was there before has it.
            dot: Dot::new(incarnation, 1),
            vv: VersionVector::new(),
            kind: ChangeKind::Live,
            changed_at: None,
            effective_at: None,
            row: Some(row),
        }
    }

    fn removal_of(&self, table: usize, key: &KeyBytes, local: Option<Dot>, removing: &Dot) -> ApplyRecord {
        let channel = &self.apply.channels.tables[table];
        // What was saved is taken into account: else a row without tracking would be taken for one that is not captured
        // yet, and get a change of its own.
        let vv = local.iter().fold(VersionVector::of(removing), |vv, dot| vv.with(dot));
        let resolved = Resolved {
            vv: vv.clone(),
            content: vec![vv],
            winner: removing.clone(),
            kind: ChangeKind::Operator,
            changed_at: None,
            effective_at: None,
            row: None,
            settled: Settled::FastForward,
            policy: None,
        };
        let partition = partition_of(key.as_slice(), channel.partitions);
        let source = Source { generation: channel.schema.generation, partition, offset: 0 };
        let mut payload = Vec::new();
        // A delete has no row that could not be written.
        let _ = channel.codec.encode_resolved(channel.resolved_id.0, &resolved, None, 0, &mut payload);
        ApplyRecord {
            table,
            key: key.clone(),
            resolved: Ok(resolved),
            source,
            payload,
            retry: false,
            force: Some(Force { local }),
        }
    }

    /// Moves the offsets to where the replay ended, and says that it is done. A mark that comes at this very moment stays.
    async fn finish(&mut self, order: &Order, ranges: &[Ranges]) -> Result<(), Error> {
        let mut offsets = Vec::new();
        for (table, ranges) in ranges.iter().enumerate() {
            for (at, range) in ranges {
                if self.stored.get(&(table, at.partition)).is_none_or(|next| *next < range.end) {
                    offsets.push(self.offset_move(table, at.partition, range.end));
                    self.stored.insert((table, at.partition), range.end);
                }
            }
        }
        let batch = ApplyBatch { log: self.apply.log.id().0, records: Vec::new(), offsets };
        let now = self.apply.clock.now_ticks();
        self.member.apply(batch, now).await.map_err(|e| self.apply.member_error(e))?;
        let (control, id) = (self.apply.channels.topics.control(), self.apply.connector.id());
        self.list(vec![Said::ReinitDone(order.clone()).record(control, id)]).await
    }
}

fn operator() -> Incarnation {
    Incarnation::parse(OPERATOR).expect("the reserved name is an incarnation's")
}

/// A number that is the same whenever the order is carried out again.
fn version_of(order: &Order) -> u64 {
    let hash = order.id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // Databases keep versions as signed numbers, and 0 is no version.
    (hash >> 1).max(1)
}

fn removal(removing: &Dot) -> Side {
    Side {
        dot: removing.clone(),
        vv: VersionVector::of(removing),
        kind: ChangeKind::Operator,
        changed_at: None,
        effective_at: None,
        row: None,
    }
}

fn side_of(record: &Resolved) -> Side {
    Side {
        dot: record.winner.clone(),
        vv: record.vv.clone(),
        kind: record.kind,
        changed_at: record.changed_at,
        effective_at: record.effective_at,
        row: record.row.clone(),
    }
}
