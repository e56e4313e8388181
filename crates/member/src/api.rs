//! The trait that every database adapter implements, and the words it speaks.
//!
//! A [`Member`] is one connection, used by one worker on one thread, so its futures need not be `Send` and an
//! adapter may block. Calls are per page or per batch, never per row. A call that fails leaves the database as it
//! was before the call.

use crate::apply::{Applied, ApplyBatch, Parked, ParkedFilter, Refusal, StoredOffset};
use crate::{BucketDigest, Inspection, Result};
use async_trait::async_trait;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tributary_model::{Change, KeyBytes, MemberId, Row, TableName, TableSchema, Ticks};
use uuid::Uuid;

/// What becomes of a delete that stays refused because rows still refer to the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BlockedDelete {
    /// It stays parked and is retried.
    #[default]
    Park,
    /// The row comes back in every member, as a change of this one.
    Restore,
}

/// What becomes of a row with a value that a column of the member cannot hold as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnLoss {
    /// The row becomes an exception.
    #[default]
    Refuse,
    /// The value is rounded, and counted.
    Round,
}

/// Which way a member's changes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Direction {
    /// It gives its changes and takes those of others.
    #[default]
    Both,
    /// It only gives.
    Publish,
    /// It only takes: what its users change counts for nothing, and gives way to whatever comes.
    Subscribe,
}

impl Direction {
    /// Stable name, as written in group files and stored in members.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Publish => "publish",
            Self::Subscribe => "subscribe",
        }
    }

    /// An error if the member was provisioned with another one; `stored` is what provisioning wrote down, and
    /// nothing is the direction of members that were provisioned before it was.
    pub(crate) fn check(self, member: &MemberId, place: &crate::Place, stored: Option<&str>) -> Result<()> {
        let found = stored.unwrap_or(Self::Both.as_str());
        if found == self.as_str() {
            return Ok(());
        }
        let (member, place, found) = (member.clone(), place.clone(), found.to_owned());
        Err(crate::Error::DirectionChanged { member, place, found, wanted: self.as_str() })
    }
}

/// How the group's table lies in one member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableBinding {
    /// The group's table.
    pub schema: Arc<TableSchema>,
    /// The member's own schema, for databases that have them; `None` is the default one.
    pub local_schema: Option<String>,
    /// The member's own name of the table.
    pub local_table: String,
    /// The member's own column names, by position in the group's table; `None` where it lacks the column.
    pub local_columns: Vec<Option<String>>,
    /// What becomes of deletes that are refused here.
    pub blocked_delete: BlockedDelete,
}

impl TableBinding {
    /// The binding of a member that calls everything as the group does.
    pub fn same_names(schema: Arc<TableSchema>) -> Self {
        let local_columns = schema.columns.iter().map(|column| Some(column.name.clone())).collect();
        let local_table = schema.name.as_str().to_owned();
        Self { schema, local_schema: None, local_table, local_columns, blocked_delete: BlockedDelete::Park }
    }
}

/// A statement that provisioning would run, for `--dry-run` and for DBAs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What it is for, in a few words.
    pub purpose: String,
    /// The SQL, complete.
    pub sql: String,
}

/// Whether a table can be worked on; found anew whenever the database's schema has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableState {
    /// All is as provisioned.
    Ready,
    /// The table, a column, a trigger or the tracking table is not as provisioned: this table alone stops.
    Stopped {
        /// What was found, and the command that mends it.
        reason: String,
    },
    /// As provisioned, and with columns that it lacked before. Until these are filled with what the group has, the table
    /// is neither captured nor applied to; see [`Member::refill`].
    Refills {
        /// The columns, by their names in the group.
        columns: Vec<String>,
    },
}

impl TableState {
    /// Why the table is not worked on; `None` if it is.
    pub fn hindrance(&self) -> Option<String> {
        match self {
            Self::Ready => None,
            Self::Stopped { reason } => Some(reason.clone()),
            Self::Refills { columns } => {
                Some(format!("values that the group has of {} are being filled in", columns.join(", ")))
            }
        }
    }
}

/// A table whose gained columns are being filled, and how far that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refill {
    /// The table, by position in the bindings.
    pub table: usize,
    /// The columns, by their names in the group.
    pub columns: Vec<String>,
    /// What the caller stored last; empty at the beginning.
    pub progress: String,
}

/// A step of a refill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefillStep {
    /// The table, by position in the bindings.
    pub table: usize,
    /// Rows as the group has them. A cell must come once in the whole refill.
    pub cells: Vec<(KeyBytes, Row)>,
    /// What must be stored as the progress now.
    pub expected: String,
    /// What is stored from now on; `None` ends the refill.
    pub next: Option<String>,
}

/// How far the first scan of a table has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scan {
    /// Not begun.
    #[default]
    Pending,
    /// All untracked rows up to this key, in the member's own key order, are published.
    After(KeyBytes),
    /// Complete.
    Done,
}

/// How far a table of a member has been captured. Stored on the positions topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TablePosition {
    /// The adapter's own text for the live changes; empty at the beginning. Positions of unlike databases do not
    /// compare.
    pub live: String,
    /// The first scan.
    pub scan: Scan,
}

/// The row that proves that a member has not gone back in time (protocol section 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Grows by one with every page that is published.
    pub counter: u64,
    /// Random.
    pub id: Uuid,
    /// The id of the token before this one.
    pub previous: Option<Uuid>,
    /// The positions that the page led to, as the caller writes them (JSON).
    pub position: String,
    /// The highest version the member had given when the token was written; filled in by the adapter.
    pub highest_version: u64,
}

/// A change read from a member, not yet corrected by its clock's offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Captured {
    /// The row's key.
    pub key: KeyBytes,
    /// The change; `effective_at` equals `changed_at`.
    pub change: Change,
}

/// A row that cannot be published as it is: listed at its origin while capture goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpublishable {
    /// The key, where the row has a usable one.
    pub key: Option<KeyBytes>,
    /// The row's key as text, for the listing.
    pub key_text: String,
    /// Why, naming column and value type; never the value.
    pub reason: String,
}

/// One page of changes of one table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Changes in version order (a scan's: in key order).
    pub changes: Vec<Captured>,
    /// Rows that cannot be published.
    pub unpublishable: Vec<Unpublishable>,
    /// Where the next page begins.
    pub next: TablePosition,
    /// Whether there was more than fitted.
    pub more: bool,
    /// How many of the changes were made by users' triggers inside apply's transactions.
    pub made_inside_apply: u64,
}

/// How far the next chunk of a first scan reaches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanBound {
    /// Up to this key, in the member's own key order.
    UpTo(KeyBytes),
    /// To the table's end.
    End,
}

/// What capture commits in the member before it publishes a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureCommit {
    /// The new token; its `previous` must be the one that is stored.
    pub token: Token,
    /// How far first scans claim the keys from now on, by table (position in the bindings).
    pub claims: Vec<(usize, ScanBound)>,
    /// Rows to be listed as not published, by table.
    pub unpublishable: Vec<(usize, Unpublishable)>,
    /// Keys that are published with this page: an earlier listing of theirs ends.
    pub published: Vec<(usize, KeyBytes)>,
}

/// A new life of a member that went back in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewIncarnation {
    /// Its number, which no life of the member has had: 2 comes after the first.
    pub number: u32,
    /// The token that must be stored now; `None`: none.
    pub expected: Option<Uuid>,
    /// The token of the new life. Its `previous` is the one that the log holds, so that capture can publish it.
    pub token: Token,
}

/// What the beginning of a new incarnation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// How many local changes were in doubt and have new versions now.
    pub restated: u64,
    /// The highest version given so far.
    pub highest: u64,
}

/// A session of somebody's whose open transaction keeps later changes from being captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HoldsBack {
    /// The server's number of the session.
    pub session: i64,
    /// Who has logged in.
    pub login: String,
    /// The program, as it calls itself.
    pub program: String,
    /// The machine.
    pub host: String,
    /// For how long the transaction has been open.
    pub seconds: u64,
}

/// Opens connections to one member; shared by its workers.
#[async_trait(?Send)]
pub trait Connector: Send + Sync {
    /// The member's id.
    fn id(&self) -> &MemberId;

    /// A new connection for one worker, with the member's identity checked against id and group if the member is
    /// provisioned. `bindings` are the tables that the worker deals with; later calls name them by position.
    async fn connect(&self, bindings: &[Arc<TableBinding>]) -> Result<Box<dyn Member>>;
}

/// One connection to a member database.
#[async_trait(?Send)]
pub trait Member: Send {
    /// Tables, columns, types, keys, foreign keys, triggers as found, with findings that `check` shows.
    async fn inspect(&mut self) -> Result<Inspection>;

    /// The statements that would provision the bound tables: missing tables, tracking tables, triggers. Empty when
    /// everything is as it should be.
    async fn plan_provision(&mut self) -> Result<Vec<Statement>>;

    /// Runs what [`Member::plan_provision`] lists, in one transaction where the database can. Idempotent; costs no
    /// write per row.
    async fn provision(&mut self) -> Result<Vec<Statement>>;

    /// The statements that remove every sync object, of all tables (not only the bound ones). User data stays.
    async fn plan_deprovision(&mut self) -> Result<Vec<Statement>>;

    /// Runs what [`Member::plan_deprovision`] lists. Idempotent.
    async fn deprovision(&mut self) -> Result<Vec<Statement>>;

    /// Whether each bound table can be worked on. Cheap unless the database's schema has changed.
    async fn table_states(&mut self) -> Result<Vec<TableState>>;

    /// Whether anything may have been written by others since the last call; `true` when in doubt. Cheap.
    async fn has_news(&mut self) -> Result<bool>;

    /// Whether [`Member::wait_for_news`] can be trusted to end when something is written, so that a long pause delays
    /// nothing.
    fn tells_news(&self) -> bool {
        false
    }

    /// Waits until something may have been written, and at most so long. May return at once, and may come too late
    /// by as long as that: what counts is what [`Member::has_news`] says next. A database that cannot tell lets the
    /// time pass.
    async fn wait_for_news(&mut self, at_most: Duration) -> Result<()> {
        tokio::time::sleep(at_most).await;
        Ok(())
    }

    /// Live changes of a table after `position`, with the row images of the same snapshot. A change of a cell that
    /// is changed again before the next poll comes once, with its last image.
    async fn poll(&mut self, table: usize, position: &TablePosition, max_rows: usize) -> Result<Page>;

    /// How far the next chunk of a table's first scan reaches when it holds about `max_rows` rows.
    async fn scan_bound(&mut self, table: usize, after: &Scan, max_rows: usize) -> Result<ScanBound>;

    /// The untracked rows after `position.scan`, up to `bound`, which must have been claimed.
    async fn scan(&mut self, table: usize, position: &TablePosition, bound: &ScanBound) -> Result<Page>;

    /// The same for somebody who only looks: nothing needs to be claimed, and nothing may be published.
    async fn untracked(&mut self, table: usize, after: &Scan, bound: &ScanBound) -> Result<Page>;

    /// Whose open transaction keeps changes from being captured, where the database's kind knows such a thing, and the
    /// database tells.
    async fn holds_back(&mut self) -> Result<Option<HoldsBack>> {
        Ok(None)
    }

    /// Commits token, claims and listings durably, as a compare-and-set on the token's predecessor; fills in and
    /// returns the highest version given so far. A mismatch is [`crate::ErrorKind::WrongToken`].
    async fn commit_capture(&mut self, commit: &CaptureCommit) -> Result<u64>;

    /// The token as stored.
    async fn token(&mut self) -> Result<Option<Token>>;

    /// Begins a new incarnation of all bound tables, which must be provisioned: one transaction, durably, and a
    /// compare-and-set on the stored token ([`crate::ErrorKind::WrongToken`]).
    ///
    /// A local change above the token's highest version is in doubt, since the log may have another one of that name:
    /// it gets a version of the new incarnation, above all that were given, and the kind
    /// [`Restated`](tributary_model::ChangeKind::Restated). Its `seen` stays. Rows without a tracking row keep their
    /// name where the first scan has begun; elsewhere nobody can know whether they are what was scanned, and they are
    /// the new incarnation's. Open transactions of users' end before it begins.
    async fn begin_incarnation(&mut self, new: &NewIncarnation) -> Result<Begun>;

    /// How many live changes stand after `position`, and whether the first scan has rows left (for `status`).
    async fn pending(&mut self, table: usize, position: &TablePosition) -> Result<u64>;

    /// Applies a batch in one transaction: decisions under lock, rows, tracking, parked records, offsets. An offset
    /// that is not as expected is [`crate::ErrorKind::OffsetMoved`] and writes nothing.
    async fn apply(&mut self, batch: ApplyBatch, now: Ticks) -> Result<Applied>;

    /// The offsets stored by the last committed apply.
    async fn offsets(&mut self) -> Result<Vec<StoredOffset>>;

    /// How often the table's rows were ordered to be scanned anew because triggers had been gone, as it was at the last
    /// [`Member::table_states`]. Its untracked rows may be such as nobody has published; the claim of its first scan is
    /// taken back.
    fn scans_ordered(&self, table: usize) -> u32;

    /// The tables whose gained columns are being filled.
    async fn refills(&mut self) -> Result<Vec<Refill>>;

    /// Fills the gained columns of rows, in one transaction with the progress, as a compare-and-set on that. A row that
    /// holds the column's default (or NULL) gets the group's value: tracking stays as it is, and triggers are silent. A
    /// row that holds something else was given it by somebody before the triggers knew of the column, and becomes a
    /// change of this member's own. Rows that are not there are passed over. If a row cannot take the value, nothing
    /// is written, and the refusal returned.
    async fn refill(&mut self, step: &RefillStep) -> Result<Option<Refusal>>;

    /// Exceptions: see [`ParkedFilter`].
    async fn parked(&mut self, filter: &ParkedFilter) -> Result<Vec<Parked>>;

    /// How many exceptions are stored, by table and end.
    async fn parked_counts(&mut self) -> Result<BTreeMap<(TableName, &'static str), u64>>;

    /// Makes exceptions due at once, all or those of one table, in transactions that hold no more than some thousands of
    /// them; returns how many.
    async fn retry_parked(&mut self, table: Option<&TableName>) -> Result<u64>;

    /// Digests of a table's rows by bucket of the key's hash (`2^bits` buckets), on logical values, in one snapshot
    /// that blocks no writer; equal across dialects. Buckets and not key ranges: key order differs by dialect.
    async fn digest(&mut self, table: usize, bits: u8) -> Result<Vec<BucketDigest>>;

    /// Key and row hash of every row in the given buckets.
    async fn bucket_rows(
        &mut self,
        table: usize,
        bits: u8,
        buckets: &[usize],
    ) -> Result<Vec<(KeyBytes, [u8; 16])>>;

    /// The rows of these keys; `None` where there is none.
    async fn rows(&mut self, table: usize, keys: &[KeyBytes]) -> Result<Vec<Option<Row>>>;

    /// The SQL that writes `row` (or deletes the row, when `None`) in this member, for an operator to run.
    fn statement_for(&self, table: usize, key: &KeyBytes, row: Option<&Row>) -> Result<String>;

    /// The database's clock, UTC.
    async fn clock(&mut self) -> Result<Ticks>;
}
