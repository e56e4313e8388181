//! The rest of the group as a member's apply sees it: a log of resolved records, made by the rules themselves.

use crate::contract::fixture::{Factory, Fixture, GROUP, User, all_told, drain, provisioned};
use crate::{
    Applied, ApplyBatch, ApplyRecord, Captured, Member, OffsetMove, Outcome, Parked, ParkedFilter, Source,
    TableBinding, TablePosition,
};
use std::collections::HashMap;
use std::sync::Arc;
use tributary_model::{
    Change, ChangeKind, Dot, Incarnation, KeyBytes, Policy, Resolved, Row, Ticks, VersionVector, time,
};
use tributary_settle::{DeleteVsUpdate, Resolution, Rules as _, Standard, Step, TableRules};
use uuid::Uuid;

/// A resolver and its log, with a second member, `cloud`, that changes rows when it is told to.
pub struct Feed {
    bindings: Vec<Arc<TableBinding>>,
    /// The log's id.
    pub log: Uuid,
    cells: HashMap<(usize, KeyBytes), Resolved>,
    version: u64,
    /// When `cloud` changes things; where it is not set, long before all users.
    pub cloud_time: Option<Ticks>,
    /// Everything ever published; the place in it is the offset.
    pub published: Vec<ApplyRecord>,
    /// What the member has stored as the next offset.
    pub applied: Option<u64>,
    /// The workers' clock; it only moves when a check moves it.
    pub now: Ticks,
}

impl Feed {
    /// An empty log for these tables.
    pub fn new(bindings: &[Arc<TableBinding>]) -> Self {
        Self {
            bindings: bindings.to_vec(),
            log: Uuid::new_v4(),
            cells: HashMap::new(),
            version: 1,
            cloud_time: None,
            published: Vec::new(),
            applied: None,
            now: 1_000 * time::TICKS_A_SECOND,
        }
    }

    /// `cloud` writes a row, knowing all that the group knows.
    pub fn upsert(&mut self, table: usize, row: Row) -> ApplyRecord {
        let key = self.bindings[table].schema.key_of(&row).unwrap();
        self.of_cloud(table, key, Some(row))
    }

    /// `cloud` deletes a row.
    pub fn delete(&mut self, table: usize, key: &KeyBytes) -> ApplyRecord {
        self.of_cloud(table, key.clone(), None)
    }

    fn of_cloud(&mut self, table: usize, key: KeyBytes, row: Option<Row>) -> ApplyRecord {
        self.version += 1;
        let seen = self.cells.get(&(table, key.clone())).map(|state| state.vv.clone()).unwrap_or_default();
        let time = self.cloud_time.or(Some(self.version as Ticks));
        let change = Change {
            dot: Dot::new(Incarnation::parse("cloud").unwrap(), self.version),
            seen,
            changed_at: time,
            effective_at: time,
            kind: ChangeKind::Live,
            row,
        };
        self.resolve(table, key, &change).expect("a new change is no duplicate")
    }

    /// What the group holds of a cell.
    pub fn state(&self, table: usize, key: &KeyBytes) -> Option<&Resolved> {
        self.cells.get(&(table, key.clone()))
    }

    /// The resolver's answer to a change that a member captured; `None` if it was a duplicate.
    pub fn settle(&mut self, table: usize, captured: &Captured) -> Option<ApplyRecord> {
        self.resolve(table, captured.key.clone(), &captured.change)
    }

    fn resolve(&mut self, table: usize, key: KeyBytes, change: &Change) -> Option<ApplyRecord> {
        let rules = TableRules {
            table: self.bindings[table].schema.name.clone(),
            policy: Policy::LatestWins,
            delete_vs_update: DeleteVsUpdate::ByPolicy,
            priority: Vec::new(),
            publish_members: Default::default(),
            projections: Default::default(),
        };
        let step = Step { rules: &rules, key: &key, now: self.now };
        match Standard.resolve(step, self.cells.get(&(table, key.clone())), change) {
            Resolution::Publish { record, .. } => {
                self.cells.insert((table, key.clone()), (*record).clone());
                Some(self.publish(table, key, Ok(*record)))
            }
            Resolution::Dropped(_) => None,
            Resolution::Violated(violation) => panic!("{GROUP}: {violation:?} of {change:?}"),
        }
    }

    /// The tombstone of a cell expires.
    pub fn expire(&mut self, table: usize, key: &KeyBytes) -> ApplyRecord {
        let state = self.cells.remove(&(table, key.clone())).expect("only what was there expires");
        self.publish(table, key.clone(), Err(state.vv))
    }

    fn publish(
        &mut self,
        table: usize,
        key: KeyBytes,
        resolved: Result<Resolved, VersionVector>,
    ) -> ApplyRecord {
        let offset = self.published.len() as u64;
        let record = ApplyRecord {
            table,
            key,
            resolved,
            source: Source { generation: 1, partition: 0, offset },
            payload: offset.to_string().into_bytes(),
            retry: false,
            force: None,
        };
        self.published.push(record.clone());
        record
    }

    /// A batch that goes on where the member stands.
    pub fn batch(&self, records: Vec<ApplyRecord>) -> ApplyBatch {
        let fresh = records.iter().filter(|record| !record.retry);
        let next = fresh.map(|record| record.source.offset + 1).max().or(self.applied).unwrap_or(0);
        let step = OffsetMove {
            topic: "resolved".into(),
            generation: 1,
            partition: 0,
            expected: self.applied,
            next,
        };
        ApplyBatch { log: self.log, records, offsets: vec![step] }
    }

    /// Applies records in one batch, and moves on.
    pub async fn apply(&mut self, member: &mut dyn Member, records: Vec<ApplyRecord>) -> Applied {
        let count = records.len();
        let batch = self.batch(records);
        let next = batch.offsets[0].next;
        let applied = member.apply(batch, self.now).await.unwrap();
        assert_eq!(applied.outcomes.len(), count);
        let stored = member.offsets().await.unwrap();
        assert_eq!(
            stored.iter().map(|offset| (offset.next, offset.log)).collect::<Vec<_>>(),
            [(next, self.log)]
        );
        self.applied = Some(next);
        applied
    }

    /// A parked record, to be tried again.
    pub fn again(&self, parked: &Parked) -> ApplyRecord {
        let offset = parked.source.as_ref().unwrap().offset;
        assert_eq!(parked.payload, offset.to_string().into_bytes(), "the payload is kept as it was");
        ApplyRecord { retry: true, ..self.published[offset as usize].clone() }
    }

    /// Tries everything again that is due.
    pub async fn retry(&mut self, member: &mut dyn Member) -> Applied {
        self.retry_page(member, 10_000).await
    }

    /// Tries so many records again that are due, at most.
    pub async fn retry_page(&mut self, member: &mut dyn Member, limit: usize) -> Applied {
        let tables = self.bindings.iter().map(|binding| binding.schema.name.clone()).collect();
        let due = member.parked(&ParkedFilter::Retryable { now: self.now, tables, limit }).await.unwrap();
        let records = due.iter().map(|parked| self.again(parked)).collect();
        self.apply(member, records).await
    }

    /// Lets so many seconds pass.
    pub fn wait(&mut self, seconds: i64) {
        self.now += seconds * time::TICKS_A_SECOND;
    }
}

/// A member with its tables, a user of it, and the group that it belongs to.
pub struct Scene {
    /// The database.
    pub fixture: Box<dyn Fixture>,
    /// The tables.
    pub bindings: Vec<Arc<TableBinding>>,
    /// The connection that captures and applies.
    pub member: Box<dyn Member>,
    /// A user.
    pub user: Box<dyn User>,
    /// The group's log.
    pub feed: Feed,
    positions: Vec<TablePosition>,
}

impl Scene {
    /// A fresh database with these tables, provisioned.
    pub async fn new(factory: &dyn Factory, bindings: Vec<Arc<TableBinding>>) -> Self {
        let fixture = factory.fresh().await;
        let member = provisioned(fixture.as_ref(), &bindings).await;
        Self::of(fixture, bindings, member).await
    }

    /// A database that is provisioned already.
    pub async fn of(
        fixture: Box<dyn Fixture>,
        bindings: Vec<Arc<TableBinding>>,
        member: Box<dyn Member>,
    ) -> Self {
        let user = fixture.user().await;
        let feed = Feed::new(&bindings);
        let positions = vec![TablePosition::default(); bindings.len()];
        Self { fixture, bindings, member, user, feed, positions }
    }

    /// `cloud` writes rows of a table.
    pub fn upserts(&mut self, table: usize, rows: impl IntoIterator<Item = Row>) -> Vec<ApplyRecord> {
        rows.into_iter().map(|row| self.feed.upsert(table, row)).collect()
    }

    /// `cloud` deletes rows of a table.
    pub fn deletes(&mut self, table: usize, keys: impl IntoIterator<Item = KeyBytes>) -> Vec<ApplyRecord> {
        keys.into_iter().map(|key| self.feed.delete(table, &key)).collect()
    }

    /// Applies records in one batch; a word for each outcome.
    pub async fn apply(&mut self, records: Vec<ApplyRecord>) -> Vec<&'static str> {
        words(&self.feed.apply(self.member.as_mut(), records).await)
    }

    /// Tries everything again that is due; a word for each outcome.
    pub async fn retry(&mut self) -> Vec<&'static str> {
        words(&self.feed.retry(self.member.as_mut()).await)
    }

    /// The member's own changes of a table since the last look.
    pub async fn changes(&mut self, table: usize) -> Vec<Captured> {
        drain(self.member.as_mut(), table, &mut self.positions[table], 100).await
    }

    /// What those changes say: the key, and the row or `-`.
    pub async fn captured(&mut self, table: usize) -> Vec<(String, String)> {
        let changes = self.changes(table).await;
        all_told(&self.bindings[table].schema, &changes)
    }

    /// The group's answers to the member's own changes.
    pub async fn answers(&mut self, table: usize) -> Vec<ApplyRecord> {
        let changes = self.changes(table).await;
        changes.iter().filter_map(|change| self.feed.settle(table, change)).collect()
    }

    /// All that is parked.
    pub async fn parked(&mut self) -> Vec<Parked> {
        self.member.parked(&ParkedFilter::All { table: None, after: None, limit: 10_000 }).await.unwrap()
    }

    /// What is parked, as (key, kind), sorted.
    pub async fn parked_kinds(&mut self) -> Vec<(String, &'static str)> {
        let parked = self.parked().await.into_iter();
        let mut kinds: Vec<_> =
            parked.map(|parked| (parked.key_text, parked.refusal.kind.as_str())).collect();
        kinds.sort();
        kinds
    }

    /// Makes the member start over from an earlier offset.
    pub async fn rewind(&mut self, offset: u64) {
        let empty = self.feed.batch(Vec::new());
        let offsets = vec![OffsetMove { next: offset, ..empty.offsets[0].clone() }];
        self.member.apply(ApplyBatch { offsets, ..empty }, self.feed.now).await.unwrap();
        self.feed.applied = Some(offset);
    }
}

/// A word for each outcome: the refusal's kind where there is one.
pub fn words(applied: &Applied) -> Vec<&'static str> {
    let word = |outcome: &Outcome| match outcome {
        Outcome::Upserted => "upserted",
        Outcome::Deleted => "deleted",
        Outcome::AlreadyThere => "already there",
        Outcome::LocalIsNewer => "local is newer",
        Outcome::SameContent => "same content",
        Outcome::Superseded => "superseded",
        Outcome::Parked(refusal) => refusal.kind.as_str(),
        Outcome::Restored(_) => "restored",
        Outcome::Purged => "purged",
    };
    applied.outcomes.iter().map(word).collect()
}
