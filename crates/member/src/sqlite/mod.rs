//! The SQLite adapter: one file is one member.
//!
//! Each call of [`Member`] is a function in the file of its name; what they share is the open connection and, for
//! every bound table, the metadata prepared by `table`. The adapter blocks: SQLite runs in the caller's thread.

mod apply;
mod cascade;
mod catalog;
mod clock;
mod connect;
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
mod lexer;
mod objects;
mod offsets;
mod parking;
mod poll;
mod provision;
mod quote;
mod references;
mod refill;
mod refusal;
mod replaced;
mod rows;
mod run;
mod scan;
mod settings;
mod shape;
mod states;
mod swap;
mod table;
mod token;
mod tracking;
mod values;
mod wake;
mod watch;
mod writes;

pub use connect::SqliteConnector;
pub use settings::{OnLoss, SqliteSettings};

use crate::{
    Applied, ApplyBatch, Begun, BucketDigest, CaptureCommit, Error, Inspection, Member, NewIncarnation, Page,
    Parked, ParkedFilter, Refill, RefillStep, Refusal, Result, Scan, ScanBound, Statement, StoredOffset,
    TablePosition, TableState, Token,
};
use async_trait::async_trait;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use table::BoundTable;
use tributary_model::{KeyBytes, MemberId, Row, TableName, Ticks};

/// One connection to a member's file.
#[derive(Debug)]
pub struct SqliteMember {
    /// The connection; no transaction is open between calls.
    connection: Connection,
    /// The member's id.
    id: MemberId,
    /// The group's name.
    group: String,
    /// The file.
    path: Arc<PathBuf>,
    /// How it was opened.
    settings: SqliteSettings,
    /// The bound tables, by position in the bindings.
    tables: Vec<BoundTable>,
    /// SQLite's schema version when `tables` were last looked at.
    schema_version: Option<i64>,
    /// SQLite's data version, and the rows written by this connection, at the last [`Member::has_news`].
    data_version: Option<(i64, u64)>,
    /// What tells of writes while capture waits for some.
    bell: wake::Bell,
    /// Listings of rows that are gone and never had a usable key; they end with capture's next commit.
    ended_listings: Vec<(usize, String)>,
    /// Whether the file has sync objects; found with `schema_version`.
    provisioned: bool,
    /// What apply has prepared for `schema_version`.
    shapes: Option<Arc<shape::Shapes>>,
    /// Values that were rounded because of [`OnLoss::Round`], since the connection was opened.
    rounded: u64,
}

impl SqliteMember {
    /// How many values this connection has rounded because of [`OnLoss::Round`].
    pub fn rounded_values(&self) -> u64 {
        self.rounded
    }

    /// The table at this position of the bindings, if it can be worked on.
    fn ready(&self, table: usize) -> Result<&BoundTable> {
        let bound = self.bound(table)?;
        self.require_provisioned()?;
        match &bound.state {
            TableState::Ready => Ok(bound),
            TableState::Stopped { .. } if bound.catalog.is_none() => {
                Err(Error::TableMissing { member: self.id.clone(), table: bound.binding.local_table.clone() })
            }
            state => Err(Error::TableChanged {
                member: self.id.clone(),
                table: bound.binding.local_table.clone(),
                reason: state.hindrance().unwrap_or_default(),
            }),
        }
    }

    /// An error unless the file has sync objects.
    fn require_provisioned(&self) -> Result<()> {
        if self.provisioned {
            return Ok(());
        }
        Err(Error::NotProvisioned {
            member: self.id.clone(),
            place: self.path.as_path().into(),
            what: "\"DataSync_dss_tables\"".to_owned(),
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
impl Member for SqliteMember {
    async fn inspect(&mut self) -> Result<Inspection> {
        inspect::inspect(self)
    }

    async fn plan_provision(&mut self) -> Result<Vec<Statement>> {
        provision::plan_provision(self)
    }

    async fn provision(&mut self) -> Result<Vec<Statement>> {
        provision::provision(self)
    }

    async fn plan_deprovision(&mut self) -> Result<Vec<Statement>> {
        provision::plan_deprovision(self)
    }

    async fn deprovision(&mut self) -> Result<Vec<Statement>> {
        provision::deprovision(self)
    }

    async fn table_states(&mut self) -> Result<Vec<TableState>> {
        states::table_states(self)
    }

    async fn has_news(&mut self) -> Result<bool> {
        states::has_news(self)
    }

    fn tells_news(&self) -> bool {
        self.bell.tells()
    }

    async fn wait_for_news(&mut self, at_most: Duration) -> Result<()> {
        wake::wait_for_news(self, at_most).await;
        Ok(())
    }

    async fn poll(&mut self, table: usize, position: &TablePosition, max_rows: usize) -> Result<Page> {
        poll::poll(self, table, position, max_rows)
    }

    async fn scan_bound(&mut self, table: usize, after: &Scan, max_rows: usize) -> Result<ScanBound> {
        scan::scan_bound(self, table, after, max_rows)
    }

    async fn scan(&mut self, table: usize, position: &TablePosition, bound: &ScanBound) -> Result<Page> {
        scan::scan(self, table, position, bound, true)
    }

    async fn untracked(&mut self, table: usize, after: &Scan, bound: &ScanBound) -> Result<Page> {
        let position = TablePosition { scan: after.clone(), ..TablePosition::default() };
        scan::scan(self, table, &position, bound, false)
    }

    async fn commit_capture(&mut self, commit: &CaptureCommit) -> Result<u64> {
        token::commit_capture(self, commit)
    }

    async fn token(&mut self) -> Result<Option<Token>> {
        token::token(self)
    }

    async fn begin_incarnation(&mut self, new: &NewIncarnation) -> Result<Begun> {
        incarnation::begin(self, new)
    }

    async fn pending(&mut self, table: usize, position: &TablePosition) -> Result<u64> {
        poll::pending(self, table, position)
    }

    async fn apply(&mut self, batch: ApplyBatch, now: Ticks) -> Result<Applied> {
        apply::apply(self, batch, now)
    }

    async fn offsets(&mut self) -> Result<Vec<StoredOffset>> {
        offsets::offsets(self)
    }

    fn scans_ordered(&self, table: usize) -> u32 {
        self.tables.get(table).map_or(0, |table| table.scans)
    }

    async fn refills(&mut self) -> Result<Vec<Refill>> {
        refill::refills(self)
    }

    async fn refill(&mut self, step: &RefillStep) -> Result<Option<Refusal>> {
        refill::refill(self, step)
    }

    async fn parked(&mut self, filter: &ParkedFilter) -> Result<Vec<Parked>> {
        exceptions::parked(self, filter)
    }

    async fn parked_counts(&mut self) -> Result<BTreeMap<(TableName, &'static str), u64>> {
        exceptions::parked_counts(self)
    }

    async fn retry_parked(&mut self, table: Option<&TableName>) -> Result<u64> {
        exceptions::retry_parked(self, table)
    }

    async fn digest(&mut self, table: usize, bits: u8) -> Result<Vec<BucketDigest>> {
        digest::digest(self, table, bits)
    }

    async fn bucket_rows(
        &mut self,
        table: usize,
        bits: u8,
        buckets: &[usize],
    ) -> Result<Vec<(KeyBytes, [u8; 16])>> {
        digest::bucket_rows(self, table, bits, buckets)
    }

    async fn rows(&mut self, table: usize, keys: &[KeyBytes]) -> Result<Vec<Option<Row>>> {
        rows::rows(self, table, keys)
    }

    fn statement_for(&self, table: usize, key: &KeyBytes, row: Option<&Row>) -> Result<String> {
        rows::statement_for(self, table, key, row)
    }

    async fn clock(&mut self) -> Result<Ticks> {
        clock::clock(self)
    }
}
