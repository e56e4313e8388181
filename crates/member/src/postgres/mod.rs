//! The PostgreSQL adapter, for servers from version 13 on.
//!
//! Each call of [`Member`] is a function in the file of its name; what they share is the session and, for
//! every bound table, the metadata prepared by `table`.

mod apply;
mod arrays;
mod cascade;
mod catalog;
mod clock;
mod connect;
mod create;
mod decide;
mod declared;
mod deferred;
mod digest;
mod exceptions;
mod failure;
mod image;
mod incarnation;
mod inspect;
mod keys;
mod numeric;
mod objects;
mod offsets;
mod parking;
mod poll;
mod position;
mod provision;
mod provisioned;
mod quote;
mod references;
mod refill;
mod refusal;
mod rows;
mod run;
mod scan;
mod session;
mod settings;
mod shape;
mod statements;
mod states;
mod swap;
mod table;
mod token;
mod tracking;
mod values;
mod wake;
mod watch;
mod writes;

pub use connect::PostgresConnector;
pub use settings::{OnLoss, PostgresSettings, TlsMode};

use crate::{
    Applied, ApplyBatch, Begun, BucketDigest, CaptureCommit, Error, Inspection, Member, NewIncarnation, Page,
    Parked, ParkedFilter, Refill, RefillStep, Refusal, Result, Scan, ScanBound, Statement, StoredOffset,
    TablePosition, TableState, Token,
};
use async_trait::async_trait;
use position::Snapshot;
use session::Session;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use table::BoundTable;
use tributary_model::{KeyBytes, Row, TableName, Ticks};

/// One connection to a member's database.
#[derive(Debug)]
pub struct PostgresMember {
    /// The connection; no transaction is open between calls.
    session: Session,
    /// The group's name.
    group: String,
    /// How it was opened.
    settings: PostgresSettings,
    /// The bound tables, by position in the bindings.
    tables: Vec<BoundTable>,
    /// What the schema was when `tables` were last looked at.
    fingerprint: Option<String>,
    /// Whether the database has sync objects; found with `fingerprint`.
    provisioned: bool,
    /// The server's snapshot at the last [`Member::has_news`].
    news: Option<Snapshot>,
    /// Our own transactions since then, which are no news.
    own_transactions: Vec<u64>,
    /// Whether the session listens for the triggers' notifications.
    listening: bool,
    /// Whether and until when the triggers notify us.
    asleep: Option<wake::Sleep>,
    /// By table: the position at which nothing was found last, and up to which snapshot.
    quiet: HashMap<usize, (String, Snapshot)>,
    /// Listings of rows that are gone and never had a usable key; they end with capture's next commit.
    ended_listings: Vec<(usize, String)>,
    /// Values that were rounded because of [`OnLoss::Round`], since the connection was opened.
    rounded: u64,
    /// What apply has prepared for `fingerprint`.
    shapes: Option<Arc<shape::Shapes>>,
}

impl PostgresMember {
    /// How many values this connection has rounded because of [`OnLoss::Round`].
    pub fn rounded_values(&self) -> u64 {
        self.rounded
    }

    /// The plan of a table's poll, for tests that hold it to its one index.
    #[doc(hidden)]
    pub async fn explain_poll(&mut self, table: usize) -> Result<String> {
        poll::explain(self, table).await
    }

    /// The table at this position of the bindings, if it can be worked on.
    fn ready(&self, table: usize) -> Result<&BoundTable> {
        let bound = self.bound(table)?;
        self.require_provisioned()?;
        let member = || self.session.origin.member.clone();
        match &bound.state {
            TableState::Ready => Ok(bound),
            TableState::Stopped { .. } if bound.catalog.is_none() => {
                Err(Error::TableMissing { member: member(), table: bound.label() })
            }
            state => {
                let reason = state.hindrance().unwrap_or_default();
                Err(Error::TableChanged { member: member(), table: bound.label(), reason })
            }
        }
    }

    /// An error unless the database has sync objects.
    fn require_provisioned(&self) -> Result<()> {
        if self.provisioned {
            return Ok(());
        }
        Err(Error::NotProvisioned {
            member: self.session.origin.member.clone(),
            place: self.session.origin.place.clone(),
            what: "\"DataSync\".dss_tables".to_owned(),
        })
    }

    /// The table at this position of the bindings.
    fn bound(&self, table: usize) -> Result<&BoundTable> {
        self.tables.get(table).ok_or_else(|| Error::Misuse {
            call: "a call about a table",
            reason: format!("table {table} of {} bound ones", self.tables.len()),
        })
    }
}

#[async_trait(?Send)]
impl Member for PostgresMember {
    async fn inspect(&mut self) -> Result<Inspection> {
        inspect::inspect(self).await
    }

    async fn plan_provision(&mut self) -> Result<Vec<Statement>> {
        provision::plan_provision(self).await
    }

    async fn provision(&mut self) -> Result<Vec<Statement>> {
        provision::provision(self).await
    }

    async fn plan_deprovision(&mut self) -> Result<Vec<Statement>> {
        provision::plan_deprovision(self).await
    }

    async fn deprovision(&mut self) -> Result<Vec<Statement>> {
        provision::deprovision(self).await
    }

    async fn table_states(&mut self) -> Result<Vec<TableState>> {
        states::table_states(self).await
    }

    async fn has_news(&mut self) -> Result<bool> {
        wake::has_news(self).await
    }

    async fn wait_for_news(&mut self, at_most: Duration) -> Result<()> {
        wake::wait_for_news(self, at_most).await
    }

    async fn poll(&mut self, table: usize, position: &TablePosition, max_rows: usize) -> Result<Page> {
        poll::poll(self, table, position, max_rows).await
    }

    async fn scan_bound(&mut self, table: usize, after: &Scan, max_rows: usize) -> Result<ScanBound> {
        scan::scan_bound(self, table, after, max_rows).await
    }

    async fn scan(&mut self, table: usize, position: &TablePosition, bound: &ScanBound) -> Result<Page> {
        scan::scan(self, table, position, bound, true).await
    }

    async fn untracked(&mut self, table: usize, after: &Scan, bound: &ScanBound) -> Result<Page> {
        let position = TablePosition { scan: after.clone(), ..TablePosition::default() };
        scan::scan(self, table, &position, bound, false).await
    }

    async fn commit_capture(&mut self, commit: &CaptureCommit) -> Result<u64> {
        token::commit_capture(self, commit).await
    }

    async fn token(&mut self) -> Result<Option<Token>> {
        token::token(self).await
    }

    async fn begin_incarnation(&mut self, new: &NewIncarnation) -> Result<Begun> {
        incarnation::begin(self, new).await
    }

    async fn pending(&mut self, table: usize, position: &TablePosition) -> Result<u64> {
        poll::pending(self, table, position).await
    }

    async fn apply(&mut self, batch: ApplyBatch, now: Ticks) -> Result<Applied> {
        apply::apply(self, batch, now).await
    }

    async fn offsets(&mut self) -> Result<Vec<StoredOffset>> {
        offsets::offsets(self).await
    }

    fn scans_ordered(&self, table: usize) -> u32 {
        self.tables.get(table).map_or(0, |table| table.scans)
    }

    async fn refills(&mut self) -> Result<Vec<Refill>> {
        refill::refills(self).await
    }

    async fn refill(&mut self, step: &RefillStep) -> Result<Option<Refusal>> {
        refill::refill(self, step).await
    }

    async fn parked(&mut self, filter: &ParkedFilter) -> Result<Vec<Parked>> {
        exceptions::parked(self, filter).await
    }

    async fn parked_counts(&mut self) -> Result<BTreeMap<(TableName, &'static str), u64>> {
        exceptions::parked_counts(self).await
    }

    async fn retry_parked(&mut self, table: Option<&TableName>) -> Result<u64> {
        exceptions::retry_parked(self, table).await
    }

    async fn digest(&mut self, table: usize, bits: u8) -> Result<Vec<BucketDigest>> {
        digest::digest(self, table, bits).await
    }

    async fn bucket_rows(
        &mut self,
        table: usize,
        bits: u8,
        buckets: &[usize],
    ) -> Result<Vec<(KeyBytes, [u8; 16])>> {
        digest::bucket_rows(self, table, bits, buckets).await
    }

    async fn rows(&mut self, table: usize, keys: &[KeyBytes]) -> Result<Vec<Option<Row>>> {
        rows::rows(self, table, keys).await
    }

    fn statement_for(&self, table: usize, key: &KeyBytes, row: Option<&Row>) -> Result<String> {
        rows::statement_for(self, table, key, row)
    }

    async fn clock(&mut self) -> Result<Ticks> {
        clock::clock(self).await
    }
}
