//! Live changes: the tracking rows whose version lies above the position, with the rows as they are in the same
//! snapshot.
//!
//! One writer at a time means that versions grow in commit order, so the position is the last version that was read.

use super::failure::failed;
use super::image::{image_columns, raw_key_text, read_image, read_key};
use super::table::BoundTable;
use super::{SqliteMember, replaced, states};
use crate::{Captured, Error, Page, Result, Scan, TablePosition};
use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension as _, Statement};
use std::path::Path;
use tributary_model::{Change, ChangeKind, Dot, Incarnation, Ticks, VersionVector, time};

/// Columns before the row's own in the query of [`poll`].
const HEAD: usize = 6;

/// Live changes of a table after `position`.
pub(super) fn poll(
    member: &mut SqliteMember,
    table: usize,
    position: &TablePosition,
    max_rows: usize,
) -> Result<Page> {
    let after = version_of(position)?;
    let limit = i64::try_from(max_rows).unwrap_or(i64::MAX - 1);
    let mut page = Page { next: position.clone(), ..Page::default() };
    let mut ended = Vec::new();
    let complete = states::in_snapshot(member, "read the changes of a table", |member, connection| {
        let bound = member.ready(table)?;
        if replaced::are_due(connection, &member.path, bound)? {
            return Ok(false);
        }
        let mut statement = connection
            .prepare_cached(&poll_sql(bound))
            .map_err(failed(&member.path, "read the changes of a table"))?;
        let mut reader = Reader { table: bound, path: &member.path, clock: Clock::default() };
        let last = reader.read(&mut statement, after, limit, &mut page, &mut ended)?;
        if last > after {
            page.next.live = last.to_string();
        }
        Ok(true)
    })?;
    if !complete {
        replaced::settle(member)?;
        return poll(member, table, position, max_rows);
    }
    member.ended_listings.extend(ended.into_iter().map(|key_text| (table, key_text)));
    Ok(page)
}

/// How many live changes stand after `position`, one more if the first scan has rows left.
pub(super) fn pending(member: &mut SqliteMember, table: usize, position: &TablePosition) -> Result<u64> {
    let after = version_of(position)?;
    states::in_snapshot(member, "count the changes of a table", |member, connection| {
        let bound = member.ready(table)?;
        let sql = format!(
            "SELECT count(*) FROM {} AS t INDEXED BY {} WHERE t.local_version > ?1",
            bound.tracking, bound.changes_index
        );
        let live: u64 = connection
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.query_row([after], |row| row.get(0)))
            .map_err(failed(&member.path, "count the changes of a table"))?;
        let left = position.scan != Scan::Done
            && super::scan::has_rows_left(connection, &member.path, bound, &position.scan)?;
        Ok(live + u64::from(left) + replaced::count(connection, &member.path, bound)?)
    })
}

/// The version that a position's text names.
fn version_of(position: &TablePosition) -> Result<i64> {
    if position.live.is_empty() {
        return Ok(0);
    }
    position.live.parse().map_err(|_| Error::Misuse {
        call: "poll",
        reason: format!("the position {:?}, which is none of an SQLite member", position.live),
    })
}

/// The index leaves SQLite no other plan, and the LEFT JOIN finds each row by its key.
fn poll_sql(table: &BoundTable) -> String {
    let first = &table.columns[table.key[0]].quoted;
    format!(
        "SELECT t.local_version, t.local_incarnation, t.changed_at, t.change_kind, t.inside_apply, t.seen, \
         {columns}, b.{first} IS NULL \
         FROM {tracking} AS t INDEXED BY {index} LEFT JOIN {base} AS b ON {same} \
         WHERE t.local_version > ?1 ORDER BY t.local_version LIMIT ?2",
        columns = image_columns(table, "t", "b"),
        tracking = table.tracking,
        index = table.changes_index,
        base = table.base,
        same = table.base_is_tracked(),
    )
}

struct Reader<'a> {
    table: &'a BoundTable,
    path: &'a Path,
    clock: Clock,
}

impl Reader<'_> {
    /// Reads up to `limit` changes into `page`; gives the last version that was read.
    fn read(
        &mut self,
        statement: &mut Statement<'_>,
        after: i64,
        limit: i64,
        page: &mut Page,
        ended: &mut Vec<String>,
    ) -> Result<i64> {
        let read = |source| super::failure::classify(self.path, "read the changes of a table", source);
        let gone = HEAD + self.table.columns.len();
        let mut rows = statement.query([after, limit.saturating_add(1)]).map_err(read)?;
        let mut last = after;
        let mut count = 0;
        while let Some(row) = rows.next().map_err(read)? {
            if count == limit {
                page.more = true;
                break;
            }
            count += 1;
            last = row.get(0).map_err(read)?;
            let deleted: bool = row.get(gone).map_err(read)?;
            // What stands in the base table counts, in this very snapshot: a trigger of a user's that ran between
            // the change and our trigger can have left the tracking row with the wrong mark.
            let found = if deleted {
                match read_key(self.table, row, HEAD).map_err(read)? {
                    Some(key) => Ok((key, None)),
                    None => {
                        // It never was published, and now it is gone: nothing is left to be listed.
                        ended.push(raw_key_text(self.table, row, HEAD).map_err(read)?);
                        continue;
                    }
                }
            } else {
                read_image(self.table, row, HEAD).map_err(read)?.map(|image| (image.key, Some(image.row)))
            };
            let (key, image) = match found {
                Ok(found) => found,
                Err(row) => {
                    page.unpublishable.push(row);
                    continue;
                }
            };
            let inside: Option<i64> = row.get(4).map_err(read)?;
            page.made_inside_apply += u64::from(inside == Some(1));
            let head = |at| row.get_ref(at).map_err(read);
            let changed_at = self.clock.read(head(2)?).map_err(|reason| self.damaged(reason))?;
            let change = Change {
                dot: Dot::new(self.incarnation(head(1)?)?, last.unsigned_abs()),
                seen: self.seen(head(5)?)?,
                changed_at,
                effective_at: changed_at,
                kind: self.kind(head(3)?)?,
                row: image,
            };
            page.changes.push(Captured { key, change });
        }
        Ok(last)
    }

    fn incarnation(&self, stored: ValueRef<'_>) -> Result<Incarnation> {
        match stored {
            ValueRef::Null => Ok(self.table.first_incarnation.clone()),
            ValueRef::Text(text) => text_of(text)
                .and_then(|text| Incarnation::parse(text).ok())
                .ok_or_else(|| self.damaged("local_incarnation is none")),
            _ => Err(self.damaged("local_incarnation is no text")),
        }
    }

    fn kind(&self, stored: ValueRef<'_>) -> Result<ChangeKind> {
        match stored {
            ValueRef::Null => Ok(ChangeKind::Live),
            ValueRef::Text(text) => text_of(text)
                .and_then(ChangeKind::parse)
                .ok_or_else(|| self.damaged("change_kind is none that is known")),
            _ => Err(self.damaged("change_kind is no text")),
        }
    }

    fn seen(&self, stored: ValueRef<'_>) -> Result<VersionVector> {
        match stored {
            ValueRef::Text([]) => Ok(VersionVector::new()),
            ValueRef::Text(text) => text_of(text)
                .and_then(|text| VersionVector::parse(text).ok())
                .ok_or_else(|| self.damaged("seen is no version vector")),
            _ => Err(self.damaged("seen is no text")),
        }
    }

    fn damaged(&self, reason: &str) -> Error {
        Error::Damaged {
            place: self.path.into(),
            object: self.table.tracking.clone(),
            reason: reason.to_owned(),
        }
    }
}

/// Reads the triggers' times; the rows of one statement mostly bear the same.
#[derive(Default)]
struct Clock {
    text: Vec<u8>,
    ticks: Ticks,
}

impl Clock {
    fn read(&mut self, stored: ValueRef<'_>) -> std::result::Result<Option<Ticks>, &'static str> {
        match stored {
            ValueRef::Null => Ok(None),
            ValueRef::Text(text) if text == self.text && !text.is_empty() => Ok(Some(self.ticks)),
            ValueRef::Text(text) => {
                let ticks = text_of(text).and_then(time::parse_timestamp).ok_or("changed_at is no time")?;
                self.text.clear();
                self.text.extend_from_slice(text);
                self.ticks = ticks;
                Ok(Some(ticks))
            }
            _ => Err("changed_at is no text"),
        }
    }
}

fn text_of(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// The last version that was given in this member.
pub(super) fn highest_version(connection: &rusqlite::Connection, path: &Path) -> Result<u64> {
    let found: Option<u64> = connection
        .prepare_cached("SELECT version FROM \"DataSync_dss_counter\" WHERE id = 1")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)).optional())
        .map_err(failed(path, "read its counter of versions"))?;
    found.ok_or_else(|| Error::Damaged {
        place: path.into(),
        object: "\"DataSync_dss_counter\"".to_owned(),
        reason: "its row is gone".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::fixture::{bind, table};
    use crate::sqlite::SqliteConnector;
    use tributary_model::{LogicalType, MemberId};

    /// The plan of a query, a line a step.
    fn plan(member: &SqliteMember, sql: &str) -> Vec<String> {
        let mut statement = member.connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let rows = statement.query_map([0, 0], |row| row.get(3)).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    }

    /// Whatever statistics say, or do not: the changes come by their index, each row by its key, nothing is sorted.
    #[test]
    fn polling_has_one_plan() {
        for definition in [
            "CREATE TABLE t (k INTEGER PRIMARY KEY, a TEXT UNIQUE)",
            "CREATE TABLE t (a TEXT, k BIGINT PRIMARY KEY)",
            "CREATE TABLE t (k BIGINT PRIMARY KEY, a TEXT) WITHOUT ROWID",
        ] {
            let directory = tempfile::tempdir().unwrap();
            let schema = table("t", &[("k", LogicalType::Long), ("a", LogicalType::String)], &["k"]);
            let connector =
                SqliteConnector::new(MemberId::new("hq").unwrap(), "g", directory.path().join("m.db"));
            let mut member = connector.create(true).open(&[bind(schema)]).unwrap();
            member.connection.execute_batch(definition).unwrap();
            super::super::provision::provision(&mut member).unwrap();
            let sql = poll_sql(member.ready(0).unwrap());
            for statistics in ["", "INSERT INTO t (k) VALUES (1), (2), (3); ANALYZE"] {
                member.connection.execute_batch(statistics).unwrap();
                let steps = plan(&member, &sql);
                let [changes, row] = steps.as_slice() else { panic!("{steps:?}") };
                assert!(changes.starts_with("SEARCH t USING INDEX DataSync_t_dss_changes"), "{steps:?}");
                assert!(row.starts_with("SEARCH b USING"), "{steps:?}");
            }
        }
    }
}
