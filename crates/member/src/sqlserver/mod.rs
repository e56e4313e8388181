//! The SQL Server adapter: one database is one member. SQL Server 2016 and later, Azure SQL Database, Managed Instance.
//!
//! Each call of [`Member`] is a function in the file of its name; what they share is the session and, for every bound
//! table, the metadata prepared by `table`. What only SQL Server itself can show is listed in `docs/sql-server.md`.

mod apply;
#[cfg(test)]
mod apply_statements;
mod cascade;
mod catalog;
mod cells;
mod clock;
mod code_page;
mod connect;
mod decide;
mod declared;
mod deferred;
mod digest;
mod exceptions;
mod failure;
mod glance;
mod image;
mod incarnation;
mod inspect;
mod json;
mod keys;
mod look;
mod names;
mod objects;
mod offsets;
mod parking;
mod poll;
mod provision;
mod provisioned;
mod quote;
mod references;
mod refill;
mod refill_sql;
mod refusal;
mod rows;
mod run;
mod scan;
mod server;
mod session;
mod settings;
mod shape;
#[cfg(test)]
mod statements;
mod states;
mod swap;
mod table;
mod token;
mod tracking;
mod url;
mod values;
mod watch;
mod writes;

pub use connect::SqlServerConnector;
pub use settings::{Authentication, Encryption, SqlServerSettings, Trust};

use crate::{
    Applied, ApplyBatch, Begun, BucketDigest, CaptureCommit, Error, HoldsBack, Inspection, Member,
    NewIncarnation, Page, Parked, ParkedFilter, Refill, RefillStep, Refusal, Result, Scan, ScanBound,
    Statement, StoredOffset, TablePosition, TableState, Token,
};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;
use table::BoundTable;
use tributary_model::{KeyBytes, MemberId, Row, TableName, Ticks};

/// One connection to a member's database.
#[derive(Debug)]
pub struct SqlServerMember {
    /// The connection; no transaction is open between calls.
    session: session::Session,
    /// What the server is and can do.
    server: server::Server,
    /// The member's id.
    id: MemberId,
    /// The group's name.
    group: String,
    /// How it was opened.
    settings: SqlServerSettings,
    /// The bound tables, by position in the bindings.
    tables: Vec<BoundTable>,
    /// Whether the database has sync objects; found with `glance`.
    provisioned: bool,
    /// What the catalog came to when `tables` were last looked at.
    glance: Option<glance::Glance>,
    /// When the last glance was taken, and how long it took.
    glance_taken: Option<glance::Taken>,
    /// The lowest number that an open transaction could still write, at the last [`Member::has_news`].
    news: Option<[u8; 8]>,
    /// By table: positions between which there is nothing, so that polls need not read what apply wrote there again.
    empty_ranges: Vec<Option<poll::EmptyRange>>,
    /// What apply has prepared for the catalog as it was at its last look.
    shapes: Option<Arc<shape::Shapes>>,
    /// Values that were rounded because of `on_loss`, since the connection was opened.
    rounded: u64,
}

impl SqlServerMember {
    /// How many values this connection has rounded because of `on_loss`.
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

    /// An error unless the database has sync objects.
    fn require_provisioned(&self) -> Result<()> {
        if self.provisioned {
            return Ok(());
        }
        Err(Error::NotProvisioned {
            member: self.id.clone(),
            place: self.session.whose().place.clone(),
            what: "[DataSync].[dss_tables]".to_owned(),
        })
    }

    /// The table at this position of the bindings.
    fn bound(&self, table: usize) -> Result<&BoundTable> {
        self.tables.get(table).ok_or_else(|| Error::Misuse {
            call: "a call about a table",
            reason: format!("table {table} of {} bound ones", self.tables.len()),
        })
    }

    /// A row of ours that cannot be read.
    fn damaged(&self, object: &str, reason: String) -> Error {
        Error::Damaged { place: self.session.whose().place.clone(), object: object.to_owned(), reason }
    }
}

#[async_trait(?Send)]
impl Member for SqlServerMember {
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
        poll::has_news(self).await
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

    async fn holds_back(&mut self) -> Result<Option<HoldsBack>> {
        poll::holds_back(self).await
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
