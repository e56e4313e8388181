//! One batch of changes through the resolver step: states in, records for the log and new states out.
//!
//! Pure but for the store's reads, which come first and sorted by key. Nothing is written here: the worker commits
//! the log's transaction and then the states, so that the store is never ahead of the log.

use crate::Error;
use crate::metrics::{Counts, ResolverMetrics};
use crate::store::CellStore;
use std::collections::{BTreeMap, HashMap};
use tributary_model::{
    Change, ConflictId, ConflictKind, ConflictRecord, ConflictState, KeyBytes, MetBy, Reason, Resolved,
    Settled, Side, Ticks,
};
use tributary_settle::{Drop, Resolution, Rules, Step, TableRules, Violation};
use tributary_stream::{Channel, Channels, Headers, Incoming, Outgoing, TopicPartition, Trace};

/// Cells with their new values.
pub(crate) type NewStates = Vec<(KeyBytes, Vec<u8>)>;

/// What a batch came to.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Resolved and conflict records, in order.
    pub(crate) records: Vec<Outgoing>,
    /// By resolved partition: the cells' new values, sorted by key.
    pub(crate) states: Vec<(TopicPartition, NewStates)>,
    /// The next change to be read of each partition.
    pub(crate) offsets: Vec<(TopicPartition, u64)>,
    /// By table: what became of the changes.
    pub(crate) counts: Vec<Counts>,
}

/// What stops a batch before anything was published.
pub(crate) enum Stopped {
    /// The state of this partition (its number, of table by position) is behind what a change has seen: rebuild it.
    Stale {
        table: usize,
        partition: u32,
    },
    Failed(Error),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Everything a batch needs besides its records.
pub(crate) struct Context<'a, R> {
    pub(crate) rules: &'a R,
    pub(crate) tables: &'a [TableRules],
    pub(crate) channels: &'a Channels,
    pub(crate) metrics: &'a ResolverMetrics,
    pub(crate) now: Ticks,
    /// By partition: changes before this offset violated I8 although the state had just been rebuilt. Two lives of
    /// their cells met.
    pub(crate) certain: &'a HashMap<TopicPartition, u64>,
}

struct Cell {
    state: Option<Resolved>,
    written: Option<Vec<u8>>,
}

impl<R: Rules> Context<'_, R> {
    /// Resolves `records`, which are in offset order within each partition.
    pub(crate) fn resolve(
        &self,
        store: &mut dyn CellStore,
        records: &[Incoming],
    ) -> Result<Outcome, Stopped> {
        let mut by_partition: BTreeMap<(usize, u32), Vec<&Incoming>> = BTreeMap::new();
        for record in records {
            let table = self
                .channels
                .table_of(&record.topic)
                .ok_or_else(|| Error::UnknownTopic { topic: record.topic.to_string() })?;
            by_partition.entry((table, record.partition)).or_default().push(record);
        }
        let mut outcome = Outcome::default();
        outcome.records.reserve(records.len());
        outcome.counts.resize(self.channels.tables.len(), Counts::default());
        for ((table, partition), records) in by_partition {
            self.resolve_partition(store, table, partition, &records, &mut outcome)?;
        }
        Ok(outcome)
    }

    fn resolve_partition(
        &self,
        store: &mut dyn CellStore,
        table: usize,
        partition: u32,
        records: &[&Incoming],
        outcome: &mut Outcome,
    ) -> Result<(), Stopped> {
        let channel = &self.channels.tables[table];
        let (mut read, mut keys) = (Vec::with_capacity(records.len()), Vec::with_capacity(records.len()));
        for record in records {
            match channel.read_change(record) {
                Ok((key, change)) => {
                    read.push((record, change));
                    keys.push(key);
                }
                Err(why) => {
                    outcome.counts[table].unusable += 1;
                    outcome.records.push(self.channels.exception(
                        MetBy::Resolver,
                        table,
                        record,
                        &why,
                        self.now,
                    ));
                }
            }
        }
        let resolved_at = TopicPartition::new(channel.resolved.clone(), partition);
        // A state that cannot be read was written by another version; the topic has what can.
        let mut cells =
            load(store, channel, &resolved_at, &keys)?.ok_or(Stopped::Stale { table, partition })?;
        for ((record, change), key) in read.into_iter().zip(&keys) {
            let cell = cells.get_mut(key).expect("every key of the batch was loaded");
            self.step(table, record, key, &change, cell, outcome)?;
        }
        let mut written: Vec<_> =
            cells.into_iter().filter_map(|(key, cell)| cell.written.map(|value| (key, value))).collect();
        written.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        outcome.states.push((resolved_at, written));
        if let Some(last) = records.last() {
            outcome.offsets.push((TopicPartition::new(channel.changes.clone(), partition), last.offset + 1));
        }
        Ok(())
    }

    fn step(
        &self,
        table: usize,
        record: &Incoming,
        key: &KeyBytes,
        change: &Change,
        cell: &mut Cell,
        outcome: &mut Outcome,
    ) -> Result<(), Stopped> {
        let step = Step { rules: &self.tables[table], key, now: self.now };
        let mut resolution = self.rules.resolve(step, cell.state.as_ref(), change);
        if let (Resolution::Violated(Violation::StateBehind { .. }), Some(state)) = (&resolution, &cell.state)
        {
            let at = TopicPartition::new(record.topic.clone(), record.partition);
            if self.certain.get(&at).is_none_or(|until| record.offset >= *until) {
                return Err(Stopped::Stale { table, partition: record.partition });
            }
            resolution = self.rules.resolve_expired(step, state, change);
        }
        let counts = &mut outcome.counts[table];
        match resolution {
            Resolution::Dropped(Drop::Duplicate) => counts.duplicate += 1,
            Resolution::Dropped(Drop::OutdatedCommand) => counts.outdated += 1,
            Resolution::Violated(violation) => {
                self.keep_apart(table, key, change, cell, &violation, outcome)?
            }
            Resolution::Publish { record: resolved, settled, conflict } => {
                match settled {
                    Settled::FastForward => counts.fast_forward += 1,
                    Settled::Agreed => counts.agreed += 1,
                    Settled::Completed => counts.completed += 1,
                    Settled::Conflict => counts.conflict += 1,
                }
                if let Some(conflict) = conflict {
                    outcome.records.push(self.conflict_record(table, &conflict)?);
                }
                outcome.records.push(self.resolved_record(table, record, &resolved, cell)?);
                cell.state = Some(*resolved);
            }
        }
        Ok(())
    }

    /// A change that the protocol rules out is not settled, but its image must not be lost: it goes to the ledger
    /// as an open conflict, and operators are told.
    fn keep_apart(
        &self,
        table: usize,
        key: &KeyBytes,
        change: &Change,
        cell: &Cell,
        violation: &Violation,
        outcome: &mut Outcome,
    ) -> Result<(), Stopped> {
        let rule = match violation {
            Violation::VersionUsedTwice { .. } => 0,
            Violation::StateBehind { .. } => 1,
        };
        self.metrics.violations[rule].inc();
        let rules = &self.tables[table];
        let (table_name, origin) = (rules.table.as_str(), change.dot.incarnation.as_str());
        tracing::error!(
            table = table_name,
            member = origin,
            ?violation,
            "a change breaks the protocol and was put aside"
        );
        let Some(state) = &cell.state else { return Ok(()) };
        let conflict = ConflictRecord {
            id: ConflictId::of(&rules.table, key, &state.winner, &change.dot),
            table: rules.table.clone(),
            key: key.clone(),
            kind: ConflictKind::Concurrent,
            state: ConflictState::Open,
            winner: Side {
                dot: state.winner.clone(),
                vv: state.vv.clone(),
                kind: state.kind,
                changed_at: state.changed_at,
                effective_at: state.effective_at,
                row: state.row.clone(),
            },
            loser: Side {
                dot: change.dot.clone(),
                vv: change.seen.with(&change.dot),
                kind: change.kind,
                changed_at: change.changed_at,
                effective_at: change.effective_at,
                row: change.row.clone(),
            },
            policy: rules.policy,
            reason: Reason::Unsure,
            settled_at: self.now,
        };
        outcome.records.push(self.conflict_record(table, &conflict)?);
        Ok(())
    }

    fn resolved_record(
        &self,
        table: usize,
        change: &Incoming,
        resolved: &Resolved,
        cell: &mut Cell,
    ) -> Result<Outgoing, Stopped> {
        let channel = &self.channels.tables[table];
        let before = cell.state.as_ref().and_then(|state| state.row.as_ref());
        let encoded = |before| {
            let mut value = Vec::with_capacity(256);
            let done =
                channel.codec.encode_resolved(channel.resolved_id.0, resolved, before, self.now, &mut value);
            done.map(|()| value).map_err(|source| codec_error(change, source))
        };
        let value = encoded(before)?;
        let operation: &[u8] = match (&resolved.row, before) {
            (None, _) => b"d",
            (Some(_), Some(_)) => b"u",
            (Some(_), None) => b"c",
        };
        // The row that was there before is of no use in the state, and would make it half as large again or more.
        cell.written = Some(if before.is_some() { encoded(None)? } else { value.clone() });
        let mut headers = Headers::new()
            .with("dss-origin", resolved.winner.incarnation.as_str().as_bytes())
            .with("dss-op", operation);
        if let Some(trace) = Trace::of(&change.headers) {
            headers = trace.next().onto(headers);
        }
        Ok(Outgoing {
            topic: channel.resolved.clone(),
            // The partition that was consumed, whatever the hash says: the state is local to it.
            partition: change.partition,
            key: change.key.clone(),
            value: Some(value),
            headers,
        })
    }

    fn conflict_record(&self, table: usize, conflict: &ConflictRecord) -> Result<Outgoing, Stopped> {
        self.channels.conflict(table, conflict).map_err(|source| {
            let at = TopicPartition::new(self.channels.topics.conflicts(), 0);
            Error::Codec { at, offset: 0, source }.into()
        })
    }
}

/// The states of all cells of the batch, read in key order; `None` if one cannot be read.
fn load(
    store: &mut dyn CellStore,
    channel: &Channel,
    at: &TopicPartition,
    keys: &[KeyBytes],
) -> Result<Option<HashMap<KeyBytes, Cell>>, Error> {
    let mut sorted: Vec<&KeyBytes> = keys.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    let slices: Vec<&[u8]> = sorted.iter().map(|key| key.as_slice()).collect();
    let values = store.get(at, &slices)?;
    let mut cells = HashMap::with_capacity(sorted.len());
    for (key, value) in sorted.into_iter().zip(values) {
        let Ok(state) = value.map(|bytes| channel.codec.decode_resolved(&bytes)).transpose() else {
            return Ok(None);
        };
        cells.insert(key.clone(), Cell { state, written: None });
    }
    Ok(Some(cells))
}

fn codec_error(record: &Incoming, source: tributary_codec::Error) -> Error {
    let at = TopicPartition::new(record.topic.clone(), record.partition);
    Error::Codec { at, offset: record.offset, source }
}
