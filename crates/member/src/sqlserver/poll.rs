//! Live changes: the tracking rows that were written after the position, with the rows as they are in the same
//! snapshot.
//!
//! Every write of a tracking row gets the server's next `rowversion`, but transactions commit in another order than they
//! got theirs. So only rows below `MIN_ACTIVE_ROWVERSION()` are read, and that mark is taken in a statement of its own
//! BEFORE the snapshot: taken after it, a commit in between would lie below the mark and outside of the snapshot, and
//! never be seen. The position is the last rowversion that was read, and the version with it, for servers that give one
//! rowversion to all rows of a transaction.
//!
//! One open transaction that has written a tracked row therefore holds back everything that was written after it began
//! to; [`holds_back`] names its session.

use super::cells::{bytes, integer, optional_integer, optional_text, text};
use super::image::{cell, raw_key_text, read_image, read_key};
use super::names::OUR_SCHEMA;
use super::quote::{self, qualified};
use super::server::Snapshots;
use super::session::{Cells, binary, long};
use super::table::BoundTable;
use super::{SqlServerMember, scan, states};
use crate::template::fill;
use crate::{Captured, Error, HoldsBack, Page, Result, Scan, TablePosition};
use tiberius::ColumnData;
use tributary_model::{Change, ChangeKind, Dot, Incarnation, Ticks, VersionVector};

/// Columns before the row's own in the result of the procedure.
const HEAD: usize = 8;

/// A table's position: nothing up to here is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Live {
    /// The last rowversion that was read.
    row_version: [u8; 8],
    /// The version of its row.
    version: i64,
}

/// Positions between which there is nothing of this member's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EmptyRange {
    from: Live,
    to: Live,
}

impl Live {
    /// Reads what [`Live::to_text`] wrote; the empty text is the beginning.
    fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let (row_version, version) = text.split_once('/')?;
        if row_version.len() != 16 || row_version.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return None;
        }
        let number = u64::from_str_radix(row_version, 16).ok()?;
        Some(Self { row_version: number.to_be_bytes(), version: version.parse().ok()? })
    }

    fn to_text(self) -> String {
        format!("{}/{}", quote::hexadecimal(&self.row_version), self.version)
    }
}

/// The position that a text names.
pub(super) fn live_of(position: &TablePosition) -> Result<Live> {
    Live::parse(&position.live).ok_or_else(|| Error::Misuse {
        call: "poll",
        reason: format!("the position {:?}, which is none of a SQL Server member", position.live),
    })
}

/// What a statement begins with that has to see one state of the database.
pub(super) fn snapshot(member: &SqlServerMember) -> Result<&'static str> {
    match member.server.snapshots {
        Snapshots::Isolation => Ok("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; "),
        Snapshots::Statement => Ok(""),
        Snapshots::None => Err(Error::Settings {
            member: member.id.clone(),
            reason: format!(
                "readers see no snapshots, so changes could be missed; run {}",
                snapshot_statement(&member.server.database)
            ),
        }),
    }
}

/// What ends such a statement: the session goes on as it was.
pub(super) const AFTER_SNAPSHOT: &str = "; SET TRANSACTION ISOLATION LEVEL READ COMMITTED";

/// The statement that lets readers see snapshots.
pub(super) fn snapshot_statement(database: &str) -> String {
    format!("ALTER DATABASE {} SET ALLOW_SNAPSHOT_ISOLATION ON", quote::identifier(database))
}

/// The lowest rowversion that an open transaction could still commit. A batch of its own, outside of any transaction.
async fn lowest_active(member: &mut SqlServerMember) -> Result<[u8; 8]> {
    let action = "tell what is committed";
    if !member.server.tells_active_rows {
        return Err(Error::ServerVersion {
            member: member.id.clone(),
            place: member.session.whose().place.clone(),
            found: format!("{}, which lacks MIN_ACTIVE_ROWVERSION()", member.server.label),
            supported: "SQL Server 2016 or later, Azure SQL Database or Managed Instance",
        });
    }
    let row =
        member.session.row(action, "SELECT CAST(MIN_ACTIVE_ROWVERSION() AS binary(8))", Vec::new()).await?;
    let mark = row.as_deref().and_then(|row| bytes(row, 0).ok()).and_then(|bytes| bytes.try_into().ok());
    mark.ok_or_else(|| member.damaged("MIN_ACTIVE_ROWVERSION()", "no rowversion".to_owned()))
}

/// Whether anything may have been written since the last call. The mark moves with every write of a row that has a
/// rowversion, once it is committed; while it stands still there is nothing new to read.
pub(super) async fn has_news(member: &mut SqlServerMember) -> Result<bool> {
    let mark = lowest_active(member).await?;
    let news = member.news != Some(mark);
    member.news = Some(mark);
    Ok(news)
}

/// Live changes of a table after `position`.
pub(super) async fn poll(
    member: &mut SqlServerMember,
    table: usize,
    position: &TablePosition,
    max_rows: usize,
) -> Result<Page> {
    let after = live_of(position)?;
    member.ready(table)?;
    match poll_once(member, table, position, after, max_rows).await {
        Err(error) if super::failure::is_missing_object(&error) => {
            // What has become of the table stops that table, and is no error of a statement.
            states::forget(member);
            states::refresh(member).await?;
            member.ready(table)?;
            Err(error)
        }
        done => done,
    }
}

async fn poll_once(
    member: &mut SqlServerMember,
    table: usize,
    position: &TablePosition,
    after: Live,
    max_rows: usize,
) -> Result<Page> {
    let begin = snapshot(member)?;
    let from = match member.empty_ranges.get(table).copied().flatten() {
        Some(range) if range.from == after => range.to,
        _ => after,
    };
    let below = lowest_active(member).await?;
    let sql = changes_sql(begin, member.ready(table)?);
    let rows = i32::try_from(max_rows).unwrap_or(i32::MAX - 1).saturating_add(1);
    let parameters =
        vec![binary(&from.row_version), long(from.version), binary(&below), ColumnData::I32(Some(rows))];
    let found = member.session.query("read the changes of a table", &sql, parameters).await?;
    let bound = member.ready(table)?;
    let mut page = Page { next: position.clone(), more: found.len() > max_rows, ..Page::default() };
    let mut last = after;
    for row in found.iter().take(max_rows) {
        last =
            read_change(bound, row, &mut page).map_err(|reason| member.damaged(&bound.tracking, reason))?;
    }
    if last != after {
        page.next.live = last.to_text();
    }
    if !page.more {
        // Everything below the mark has been looked at, apply's own rows too.
        let seen = Live { row_version: below, version: -1 };
        if let Some(range) = member.empty_ranges.get_mut(table) {
            *range = Some(EmptyRange { from: last, to: seen });
        }
    }
    Ok(page)
}

/// The statement that reads changes; its parameters are the position, the mark and the number of rows.
pub(super) fn changes_sql(begin: &str, table: &BoundTable) -> String {
    let procedure = qualified(OUR_SCHEMA, &table.names.select_changes);
    format!("{begin}EXEC {procedure} @P1, @P2, @P3, @P4{AFTER_SNAPSHOT}")
}

/// The statement that counts changes; its parameters are the position.
pub(super) fn pending_sql(begin: &str, table: &BoundTable) -> String {
    let sql = fill(include_str!("sql/count_changes.sql"), &[("tracking", &table.tracking)]);
    format!("{begin}{sql}{AFTER_SNAPSHOT}")
}

/// Reads one change into `page`; gives its position.
fn read_change(table: &BoundTable, row: &Cells, page: &mut Page) -> std::result::Result<Live, String> {
    let row_version: [u8; 8] =
        bytes(row, 0)?.try_into().map_err(|_| "a row_version that is none".to_owned())?;
    let version = integer(row, 1)?;
    let position = Live { row_version, version };
    // What stands in the base table counts, in this very snapshot: a trigger of a user's that ran between the change and
    // our trigger can have left the tracking row with the wrong mark.
    let deleted = integer(row, 7)? != 0;
    let found = if deleted {
        match read_key(table, row, HEAD) {
            Some(key) => Ok((key, None)),
            None => Err(crate::Unpublishable {
                key: None,
                key_text: raw_key_text(table, row, HEAD),
                reason: "a deleted row whose key cannot be read".to_owned(),
            }),
        }
    } else {
        read_image(table, row, HEAD).map(|image| (image.key, Some(image.row)))
    };
    let (key, image) = match found {
        Ok(found) => found,
        Err(unpublishable) => {
            page.unpublishable.push(unpublishable);
            return Ok(position);
        }
    };
    page.made_inside_apply += u64::from(optional_integer(row, 5)? == Some(1));
    let incarnation = match optional_text(row, 2)? {
        None => table.first_incarnation.clone(),
        Some(text) => Incarnation::parse(&text).map_err(|error| error.to_string())?,
    };
    let changed_at = time_of(cell(row, 3))?;
    let kind = match optional_text(row, 4)? {
        None => ChangeKind::Live,
        Some(text) => ChangeKind::parse(&text).ok_or("change_kind is none that is known")?,
    };
    let change = Change {
        dot: Dot::new(incarnation, version.unsigned_abs()),
        seen: seen_of(&text(row, 6)?)?,
        changed_at,
        effective_at: changed_at,
        kind,
        row: image,
    };
    page.changes.push(Captured { key, change });
    Ok(position)
}

fn time_of(cell: &ColumnData<'static>) -> std::result::Result<Option<Ticks>, String> {
    match cell {
        ColumnData::DateTime2(time) => Ok(time.map(super::values::timestamp)),
        _ => Err("changed_at is no time".to_owned()),
    }
}

fn seen_of(text: &str) -> std::result::Result<VersionVector, String> {
    if text.is_empty() {
        return Ok(VersionVector::new());
    }
    VersionVector::parse(text).map_err(|_| "seen is no version vector".to_owned())
}

/// How many live changes stand after `position`, one more if the first scan has rows left.
pub(super) async fn pending(
    member: &mut SqlServerMember,
    table: usize,
    position: &TablePosition,
) -> Result<u64> {
    let after = live_of(position)?;
    states::refresh(member).await?;
    let begin = snapshot(member)?;
    let sql = pending_sql(begin, member.ready(table)?);
    let parameters = vec![binary(&after.row_version), long(after.version)];
    let row = member.session.row("count the changes of a table", &sql, parameters).await?;
    let live = row.as_deref().and_then(|row| integer(row, 0).ok()).unwrap_or(0);
    let left = position.scan != Scan::Done && scan::has_rows_left(member, table, &position.scan).await?;
    Ok(live.unsigned_abs() + u64::from(left))
}

/// The session of the oldest open transaction that has written to the database. A server that does not tell, for want of
/// a right or of the views, is asked once a connection: capture needs neither.
pub(super) async fn holds_back(member: &mut SqlServerMember) -> Result<Option<HoldsBack>> {
    if !member.server.tells_who_holds_back {
        return Ok(None);
    }
    let sql = fill(include_str!("sql/holds_back.sql"), &[]);
    let row = match member.session.row("tell which session holds changes back", &sql, Vec::new()).await {
        Err(error @ (Error::Statement { .. } | Error::Permission { .. })) => {
            member.server.tells_who_holds_back = false;
            tracing::debug!(member = member.id.as_str(), %error, "the server does not tell who holds changes back");
            return Ok(None);
        }
        row => row?,
    };
    let Some(row) = row else { return Ok(None) };
    let read = || {
        Ok(HoldsBack {
            session: integer(&row, 0)?,
            login: optional_text(&row, 1)?.unwrap_or_default(),
            program: optional_text(&row, 2)?.unwrap_or_default(),
            host: optional_text(&row, 3)?.unwrap_or_default(),
            // The session's clock may be set back while the transaction is open.
            seconds: u64::try_from(integer(&row, 4)?).unwrap_or(0),
        })
    };
    read().map(Some).map_err(|reason: String| member.damaged("sys.dm_tran_database_transactions", reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_back_and_others_do_not() {
        let live = Live { row_version: [0, 0, 0, 0, 0, 0, 7, 0xd1], version: 12 };
        assert_eq!(live.to_text(), "00000000000007d1/12");
        assert_eq!(Live::parse(&live.to_text()), Some(live));
        assert_eq!(Live::parse(""), Some(Live::default()));
        for other in ["12", "of another kind", "7d1/12", "00000000000007D1/12", "00000000000007d1/", "/"] {
            assert_eq!(Live::parse(other), None, "{other}");
        }
    }
}
