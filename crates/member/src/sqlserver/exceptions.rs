//! The exceptions store: parked records and rows, one for each cell and end.
//!
//! Apply writes it in the transaction of the offsets. A record that waits for a row says so by a token, so that the
//! row's arrival makes it due, and nothing else does: looking through a million parked records for each batch would
//! stop the member. What waits for something that has no token is tried again by time. Everything is read and written
//! for a whole batch at once.

use super::SqlServerMember;
use super::cells::{Cell, flag, integer, optional_bytes, optional_integer, text};
use super::json::{Column, Rows, SHORT, Source};
use super::keys;
use super::references::References;
use super::run::{Run, STATEMENT_ROWS, Step};
use super::session::{Cells, binary, long, text as parameter};
use super::table::BoundTable;
use crate::template::fill;
use crate::waiting::{MADE_DUE, Token, retryable};
use crate::{
    ApplyRecord, Error, Parked, ParkedAt, ParkedFilter, Refusal, RefusalKind, Result, Source as LogSource,
};
use std::collections::{BTreeMap, HashMap};
use tributary_model::{KeyBytes, TableName, Ticks, VersionVector};

/// What names a parked record's row in the store: keys can be too long for an index.
fn row_hash(table: &BoundTable, key: &KeyBytes) -> Token {
    let mut hasher = blake3::Hasher::new();
    for part in ["apply".as_bytes(), table.binding.schema.name.as_str().as_bytes(), key.as_slice()] {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut hash = [0; 16];
    hash.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    hash
}

fn hash_column(name: &str) -> Column {
    Column::new(name, |text| format!("CONVERT(binary(16), {text}, 2)"))
}

/// What is known of a cell's parked record without its payload.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: i64,
    generation: u32,
    offset: u64,
    pub(super) code: String,
    pub(super) attempts: u32,
    pub(super) first_at: Ticks,
    pub(super) waits_for: Option<Token>,
}

impl Entry {
    /// How its place in the log compares with a record's. By generation and offset, not by VV: two lives of a cell
    /// cannot be compared.
    pub(super) fn compare(&self, source: &LogSource) -> std::cmp::Ordering {
        (self.generation, self.offset).cmp(&(source.generation, source.offset))
    }

    fn of(row: &Cells) -> Cell<Self> {
        let waits_for = optional_bytes(row, 7)?;
        Ok(Self {
            id: integer(row, 1)?,
            generation: u32::try_from(optional_integer(row, 2)?.unwrap_or_default()).unwrap_or_default(),
            offset: u64::try_from(optional_integer(row, 3)?.unwrap_or_default()).unwrap_or_default(),
            code: text(row, 4)?,
            attempts: u32::try_from(integer(row, 5)?).unwrap_or(u32::MAX),
            first_at: integer(row, 6)?,
            waits_for: waits_for.and_then(|bytes| bytes.try_into().ok()),
        })
    }
}

/// A record to be parked.
pub(super) struct Entrant<'a> {
    pub(super) table: &'a BoundTable,
    pub(super) record: &'a ApplyRecord,
    pub(super) refusal: Refusal,
    pub(super) attempts: u32,
    pub(super) first_at: Ticks,
    pub(super) last_at: Ticks,
    pub(super) due_at: Ticks,
    pub(super) waits_for: Option<Token>,
}

/// What a round knows of the parked records: mostly that there are none.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    /// By bound table: whether records are parked.
    tables: Vec<bool>,
    /// By bound table: whether a parent's parked delete may wait for its rows to go.
    parents: Vec<bool>,
    /// Whether any parked record waits for something.
    waiting: bool,
    /// By bound table and key: what is parked of the batch's cells.
    entries: HashMap<(usize, KeyBytes), Entry>,
}

impl Shelf {
    /// The parameter that names the bound tables.
    pub(super) fn named(tables: &[BoundTable]) -> Rows {
        let mut rows = Rows::default();
        for (place, table) in tables.iter().enumerate() {
            rows.begin(place);
            rows.text(table.binding.schema.name.as_str());
        }
        rows
    }

    /// What a look says: in which of so many tables records are parked, and whether any waits for a row.
    pub(super) fn of(parked_in: &[usize], waiting: bool, tables: usize, references: &References) -> Self {
        let has: Vec<bool> = (0..tables).map(|table| parked_in.contains(&table)).collect();
        let waits = |child| waiting && references.parents_of(child).any(|parent| has[parent]);
        let parents = (0..tables).map(waits).collect();
        Self { tables: has, parents, waiting, entries: HashMap::new() }
    }

    /// Whether any parked record waits for something.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting
    }

    /// Whether a parked delete may wait until rows of this table no longer refer to its row.
    pub(super) fn may_wait_for_children_of(&self, table: usize) -> bool {
        self.parents.get(table).copied().unwrap_or(false)
    }

    /// What is parked of a cell of the batch.
    pub(super) fn entry(&self, record: &ApplyRecord) -> Option<&Entry> {
        if self.entries.is_empty() {
            return None;
        }
        self.entries.get(&(record.table, record.key.clone()))
    }

    /// Notes that a record takes the place of what is parked of its cell.
    pub(super) fn replace(
        &mut self,
        record: &ApplyRecord,
        refusal: &Refusal,
        attempts: u32,
        waits_for: Option<Token>,
    ) {
        if let Some(entry) = self.entries.get_mut(&(record.table, record.key.clone())) {
            (entry.generation, entry.offset) = (record.source.generation, record.source.offset);
            (entry.attempts, entry.waits_for) = (attempts, waits_for);
            entry.code.clone_from(&refusal.code);
        }
    }

    /// Whether this very record is parked.
    pub(super) fn holds(&self, record: &ApplyRecord) -> bool {
        self.entry(record).is_some_and(|entry| entry.compare(&record.source).is_eq())
    }
}

/// A parked record's next attempt.
pub(super) struct Postponed {
    pub(super) id: i64,
    pub(super) attempts: u32,
    pub(super) due_at: Ticks,
}

/// A record that was made due.
pub(super) struct Woken {
    pub(super) table: String,
    pub(super) key: KeyBytes,
    pub(super) kind: Option<RefusalKind>,
}

fn sized(template: &str, name: &str, source: &Source) -> String {
    fill(template, &[(name, &source.sql("u", 1))])
}

/// The statement that reads what is parked of cells.
pub(super) fn find_sql() -> String {
    sized(include_str!("sql/parked_find.sql"), "hashes", &Source::default().with(hash_column("row_hash")))
}

/// The statement that removes parked records.
pub(super) fn remove_sql() -> String {
    sized(include_str!("sql/parked_remove.sql"), "ids", &Source::default().with(Column::long("id")))
}

/// The statement that notes other attempts.
pub(super) fn postpone_sql() -> String {
    let source = ["id", "attempts", "due_at"].map(Column::long);
    let source = source.into_iter().fold(Source::default(), |source, column| source.with(column));
    sized(include_str!("sql/parked_postpone.sql"), "postponed", &source)
}

/// The statement that makes records due.
pub(super) fn wake_sql() -> String {
    sized(include_str!("sql/parked_wake.sql"), "tokens", &Source::default().with(hash_column("token")))
}

/// The statement that parks.
pub(super) fn park_sql() -> String {
    let mut source = Source::default().with(hash_column("row_hash"));
    source.push(Column::text("table_name"));
    source.push(Column::bytes("key"));
    source.push(Column::text("key_text"));
    source.push(Column::ascii("vv"));
    for name in ["generation", "partition", "log_offset"] {
        source.push(Column::long(name));
    }
    source.push(Column::ascii("kind"));
    source.push(Column::text("code"));
    source.push(Column::text("message"));
    for name in ["attempts", "first_at", "last_at", "due_at"] {
        source.push(Column::long(name));
    }
    source.push(hash_column("waits_for"));
    source.push(Column::bytes("payload"));
    sized(include_str!("sql/parked_write.sql"), "parked", &source)
}

impl Run<'_> {
    /// Reads what is parked of the batch's cells.
    pub(super) async fn read_shelf(&mut self) -> Step<()> {
        let batch = self.batch;
        let has = |record: &&ApplyRecord| self.shelf.tables.get(record.table).copied().unwrap_or(false);
        let records: Vec<&ApplyRecord> = batch.records.iter().filter(has).collect();
        let sql = find_sql();
        for part in records.chunks(STATEMENT_ROWS) {
            let mut rows = Rows::default();
            for (place, record) in part.iter().enumerate() {
                rows.begin(place);
                rows.bytes(&row_hash(&self.tables[record.table], &record.key)[..]);
            }
            for row in self.query("read parked records", &sql, rows, Vec::new()).await? {
                let record = part[self.place(&row)?];
                let entry =
                    Entry::of(&row).map_err(|reason| self.damaged("DataSync.dss_exceptions", reason))?;
                self.shelf.entries.insert((record.table, record.key.clone()), entry);
            }
        }
        Ok(())
    }

    /// Removes parked records.
    pub(super) async fn unpark(&mut self, ids: &[i64]) -> Step<()> {
        let sql = remove_sql();
        for part in ids.chunks(STATEMENT_ROWS) {
            let mut rows = Rows::default();
            for (place, id) in part.iter().enumerate() {
                rows.begin(place);
                rows.long(*id);
            }
            self.query("settle parked records", &sql, rows, Vec::new()).await?;
        }
        Ok(())
    }

    /// Notes other attempts, and when the next ones are due.
    pub(super) async fn postpone(&mut self, records: &[Postponed]) -> Step<()> {
        let sql = postpone_sql();
        let now = self.now;
        for part in records.chunks(STATEMENT_ROWS) {
            let mut rows = Rows::default();
            for (place, record) in part.iter().enumerate() {
                rows.begin(place);
                rows.long(record.id);
                rows.long(i64::from(record.attempts));
                rows.long(record.due_at);
            }
            self.query("postpone parked records", &sql, rows, vec![long(now)]).await?;
        }
        Ok(())
    }

    /// Parks records, in place of those of their cells that are parked already. No two are of one cell.
    pub(super) async fn park(&mut self, entrants: &[Entrant<'_>]) -> Step<()> {
        for part in entrants.chunks(STATEMENT_ROWS) {
            let mut rows = Rows::default();
            for (place, entrant) in part.iter().enumerate() {
                let Entrant { table, record, refusal, attempts, first_at, last_at, due_at, waits_for } =
                    entrant;
                let LogSource { generation, partition, offset } = &record.source;
                let vv = match &record.resolved {
                    Ok(resolved) => resolved.vv.to_string(),
                    Err(vv) => vv.to_string(),
                };
                rows.begin(place);
                rows.bytes(&row_hash(table, &record.key)[..]);
                rows.text(table.binding.schema.name.as_str());
                rows.bytes(record.key.as_slice());
                rows.text(clean(&keys::text(table, &record.key)).as_str());
                rows.text(vv.as_str());
                rows.long(i64::from(*generation));
                rows.long(i64::from(*partition));
                rows.long(i64::try_from(*offset).unwrap_or(i64::MAX));
                rows.text(refusal.kind.as_str());
                rows.text(refusal.code.as_str());
                rows.text(clean(&refusal.message).as_str());
                rows.long(i64::from(*attempts));
                rows.long(*first_at);
                rows.long(*last_at);
                rows.long(*due_at);
                rows.bytes(waits_for.as_ref().map(|token| &token[..]));
                rows.bytes(record.payload.as_slice());
            }
            self.query("park records", &park_sql(), rows, Vec::new()).await?;
            let cut =
                part.iter().filter(|entrant| !self.unescapes && entrant.record.payload.len() > SHORT / 2);
            for Entrant { table, record, .. } in cut {
                let hash = row_hash(table, &record.key);
                let sql = fill(include_str!("sql/parked_payload.sql"), &[]);
                let payload = vec![binary(&hash), binary(&record.payload)];
                self.session.query("park records", &sql, payload).await?;
            }
        }
        Ok(())
    }

    /// Makes records due that wait for one of these tokens, at most so many.
    pub(super) async fn wake_waiting(&mut self, tokens: &[Token], limit: usize) -> Step<Vec<Woken>> {
        let sql = wake_sql();
        let (now, mut left, mut woken) = (self.now, limit, Vec::new());
        for part in tokens.chunks(STATEMENT_ROWS) {
            let mut rows = Rows::default();
            for (place, token) in part.iter().enumerate() {
                rows.begin(place);
                rows.bytes(&token[..]);
            }
            let most = long(i64::try_from(left).unwrap_or(i64::MAX));
            let answer = self.query("make parked records due", &sql, rows, vec![long(now), most]).await?;
            for row in &answer {
                let read = || {
                    Ok(Woken {
                        table: text(row, 0)?,
                        key: KeyBytes::new(optional_bytes(row, 1)?.unwrap_or_default()),
                        kind: RefusalKind::parse(&text(row, 2)?),
                    })
                };
                let read: Cell<Woken> = read();
                woken.push(read.map_err(|reason| self.damaged("DataSync.dss_exceptions", reason))?);
            }
            left = left.saturating_sub(answer.len());
            if left == 0 {
                break;
            }
        }
        Ok(woken)
    }

    /// Whether any parked record is due.
    pub(super) async fn is_any_due(&mut self) -> Step<bool> {
        let sql = include_str!("sql/parked_due.sql");
        let row = self.session.row("look at its exceptions", sql, vec![long(self.now)]).await?;
        let due = row.as_ref().map_or(Ok(false), |row| flag(row, 0));
        due.map_err(|reason| self.damaged("DataSync.dss_exceptions", reason))
    }
}

/// A text without zero characters, which not every server keeps; a message may quote one.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn damaged(member: &SqlServerMember, reason: String) -> Error {
    Error::Damaged {
        place: member.session.whose().place.clone(),
        object: "DataSync.dss_exceptions".to_owned(),
        reason,
    }
}

/// Exceptions: see [`ParkedFilter`].
pub(super) async fn parked(member: &mut SqlServerMember, filter: &ParkedFilter) -> Result<Vec<Parked>> {
    member.require_provisioned()?;
    let (action, number) =
        ("list its exceptions", |limit: usize| long(i64::try_from(limit).unwrap_or(i64::MAX)));
    let mut rows = Vec::new();
    match filter {
        ParkedFilter::All { table, after, limit } => {
            let name = parameter(table.as_ref().map_or("", TableName::as_str));
            let parameters = vec![number(*limit), long(after.unwrap_or(i64::MIN)), name];
            rows = member.session.query(action, include_str!("sql/parked_list.sql"), parameters).await?;
        }
        ParkedFilter::Retryable { now, tables, limit } => {
            let names: String = tables.iter().map(|table| format!("\u{1}{}\u{1}", table.as_str())).collect();
            for (from, to) in retryable(*now) {
                let left = number(limit.saturating_sub(rows.len()));
                let parameters = vec![left, long(from), long(to), parameter(&names)];
                let sql = include_str!("sql/parked_retryable.sql");
                rows.extend(member.session.query(action, sql, parameters).await?);
            }
        }
    }
    rows.iter().map(|row| listed(row).map_err(|reason| damaged(member, reason))).collect()
}

/// A listed exception; a reason if it is none that this program wrote.
fn listed(row: &Cells) -> Cell<Parked> {
    let at = match text(row, 0)?.as_str() {
        "apply" => ParkedAt::Apply,
        "capture" => ParkedAt::Capture,
        other => return Err(format!("an exception of {other:?}, which is neither `capture` nor `apply`")),
    };
    let kind = text(row, 8)?;
    let kind = RefusalKind::parse(&kind).ok_or_else(|| format!("an exception of the kind {kind:?}"))?;
    let vv = VersionVector::parse(&text(row, 4)?).map_err(|error| error.to_string())?;
    let number =
        |place| Ok::<_, String>(optional_integer(row, place)?.and_then(|number| u32::try_from(number).ok()));
    let offset = optional_integer(row, 7)?.and_then(|offset| u64::try_from(offset).ok());
    let source = match (at, number(5)?, number(6)?, offset) {
        (ParkedAt::Apply, Some(generation), Some(partition), Some(offset)) => {
            Some(LogSource { generation, partition, offset })
        }
        (ParkedAt::Apply, ..) => return Err("a parked record without its place in the log".to_owned()),
        (ParkedAt::Capture, ..) => None,
    };
    Ok(Parked {
        number: integer(row, 16)?,
        at,
        table: TableName::new(text(row, 1)?),
        key: optional_bytes(row, 2)?.map(KeyBytes::new),
        key_text: text(row, 3)?,
        vv,
        source,
        refusal: Refusal { kind, code: text(row, 9)?, message: text(row, 10)? },
        attempts: number(11)?.unwrap_or(u32::MAX),
        first_at: integer(row, 12)?,
        last_at: integer(row, 13)?,
        due_at: integer(row, 14)?,
        payload: optional_bytes(row, 15)?.unwrap_or_default(),
    })
}

/// How many exceptions are stored, by table and end.
pub(super) async fn parked_counts(
    member: &mut SqlServerMember,
) -> Result<BTreeMap<(TableName, &'static str), u64>> {
    member.require_provisioned()?;
    let sql = include_str!("sql/parked_counts.sql");
    let rows = member.session.query("count its exceptions", sql, Vec::new()).await?;
    let mut counts = BTreeMap::new();
    for row in &rows {
        let read = || {
            let end = if text(row, 1)? == "capture" { "capture" } else { "apply" };
            Ok((TableName::new(text(row, 0)?), end, u64::try_from(integer(row, 2)?).unwrap_or_default()))
        };
        let read: Cell<(TableName, &'static str, u64)> = read();
        let (table, end, count) = read.map_err(|reason| damaged(member, reason))?;
        *counts.entry((table, end)).or_default() += count;
    }
    Ok(counts)
}

/// Makes parked records due at once, all or those of one table; returns how many.
pub(super) async fn retry_parked(member: &mut SqlServerMember, table: Option<&TableName>) -> Result<u64> {
    member.require_provisioned()?;
    let sql = crate::template::fill(include_str!("sql/parked_make_due.sql"), &[]);
    let (mut after, mut changed) = (i64::MIN, 0);
    loop {
        let name = parameter(table.map_or("", TableName::as_str));
        let parameters = vec![name, long(after), long(MADE_DUE)];
        let row = member.session.row("make its exceptions due", &sql, parameters).await?;
        let read = |row: &Cells| Ok((integer(row, 0)?, optional_integer(row, 1)?));
        let read: Cell<(i64, Option<i64>)> = row.as_ref().map_or(Ok((0, None)), read);
        let (count, last) = read.map_err(|reason| damaged(member, reason))?;
        let Some(last) = last else { return Ok(changed) };
        after = last;
        changed += u64::try_from(count).unwrap_or_default();
    }
}
