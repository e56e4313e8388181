//! Live changes: the tracking rows of transactions that have become visible since the position, with the rows as they
//! are in the same snapshot.
//!
//! [`super::position`] says why by snapshots. The planner is left one choice, whatever its statistics say: a delta query
//! that is planned on statistics of a quieter time can take minutes.

use super::image::{image_columns, raw_key_text, read_image, read_key};
use super::position::{Cursor, Live, Snapshot};
use super::states::in_snapshot;
use super::table::BoundTable;
use super::values::{Parameter, Raw};
use super::{PostgresMember, scan};
use crate::template::fill;
use crate::{Captured, Error, Page, Result, Scan, TablePosition};
use std::collections::HashMap;
use tokio_postgres::Row;
use tributary_model::{Change, ChangeKind, Dot, Incarnation, Ticks, VersionVector};

/// Columns before the row's own in the query of [`poll`].
const HEAD: usize = 8;

/// What leaves the planner of polls and scans no choice.
pub(super) const ONE_PLAN: &str = "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; \
     SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_material = off; \
     SET LOCAL enable_sort = off; SET LOCAL enable_incremental_sort = off; \
     SET LOCAL max_parallel_workers_per_gather = 0";

const ACTION: &str = "read the changes of a table";

/// Live changes of a table after `position`.
pub(super) async fn poll(
    member: &mut PostgresMember,
    table: usize,
    position: &TablePosition,
    max_rows: usize,
) -> Result<Page> {
    let live = Live::of(position)?;
    // Nothing stood between the position and what the last poll saw: what was in progress there is looked for by its
    // number, and not passed over row by row again.
    let live = match member.quiet.get(&table) {
        Some((at, seen)) if *at == position.live && live.target.is_none() => Live::after(seen.clone()),
        _ => live,
    };
    let limit = i64::try_from(max_rows).unwrap_or(i64::MAX - 1);
    let polled = in_snapshot(member, ACTION, ONE_PLAN, async |member| {
        let bound = member.ready(table)?;
        let now = current_snapshot(member).await?;
        let target = live.target.as_ref().map_or(&now, |(target, _)| target);
        if now.xmax < live.previous.xmax || now.xmax < target.xmax {
            return Err(went_back(member, bound));
        }
        let mut reader =
            Reader { member, table: bound, polled: Polled::default(), incarnations: HashMap::new() };
        reader.read(&live, target, limit).await?;
        let mut window = (live.previous.clone(), target.clone());
        if live.target.is_some() && !reader.polled.page.more {
            // What the last pages read up to is read; what has come since then follows.
            let after = Live::after(target.clone());
            reader.read(&after, &now, limit).await?;
            window = (after.previous, now);
        }
        let Reader { mut polled, .. } = reader;
        polled.window = Some(window);
        Ok(polled)
    })
    .await?;
    let Polled { mut page, window, last, count, ended } = polled;
    page.next = position.clone();
    if let Some((previous, target)) = window {
        if page.more {
            // No row of this window has fitted yet: it begins at its beginning.
            let last = last.unwrap_or(Cursor { xid: 0, version: -1 });
            page.next.live = Live { previous, target: Some((target, last)) }.to_string();
        } else if count > 0 || live.target.is_some() {
            page.next.live = Live::after(target).to_string();
            member.quiet.remove(&table);
        } else {
            member.quiet.insert(table, (position.live.clone(), target));
        }
    }
    member.ended_listings.extend(ended.into_iter().map(|key_text| (table, key_text)));
    Ok(page)
}

/// The position names transactions that this server has not given yet.
fn went_back(member: &PostgresMember, table: &BoundTable) -> Error {
    Error::WrongToken {
        member: member.session.origin.member.clone(),
        place: member.session.origin.place.clone(),
        expected: "of a later transaction".to_owned(),
        found: format!("changes of {} by earlier transactions than the position's", table.label()),
    }
}

/// The snapshot of the transaction that is open, or of this moment.
pub(super) async fn current_snapshot(member: &PostgresMember) -> Result<Snapshot> {
    let session = &member.session;
    let action = "look at its transactions";
    let row = session.query_first(action, "SELECT pg_current_snapshot()::text", &[]).await?;
    let text: Option<String> =
        row.map(|row| row.try_get(0)).transpose().map_err(session.origin.failed(action))?;
    text.as_deref()
        .and_then(Snapshot::parse)
        .ok_or_else(|| session.damaged("pg_current_snapshot()", "a snapshot that is none"))
}

/// How many live changes stand after `position`, one more if the first scan has rows left.
pub(super) async fn pending(
    member: &mut PostgresMember,
    table: usize,
    position: &TablePosition,
) -> Result<u64> {
    let live = Live::of(position)?;
    let action = "count the changes of a table";
    in_snapshot(member, action, "", async |member| {
        let bound = member.ready(table)?;
        let sql = fill(include_str!("sql/pending.sql"), &[("tracking", &bound.tracking)]);
        let in_progress: Vec<String> = live.previous.in_progress.iter().map(ToString::to_string).collect();
        let (target, cursor) = live.target.clone().unzip();
        let cursor = cursor.unwrap_or(Cursor { xid: 0, version: 0 });
        let target = target.map(|target| target.to_string());
        let row = member
            .session
            .query_first(
                action,
                &sql,
                &[
                    &xid_parameter(live.previous.xmax),
                    &in_progress,
                    &target,
                    &xid_parameter(cursor.xid),
                    &cursor.version,
                ],
            )
            .await?;
        let count: Option<i64> =
            row.map(|row| row.try_get(0)).transpose().map_err(member.session.origin.failed(action))?;
        let left = position.scan != Scan::Done && scan::has_rows_left(member, bound, &position.scan).await?;
        Ok(count.unwrap_or_default().unsigned_abs() + u64::from(left))
    })
    .await
}

/// The statement of a poll.
pub(super) fn poll_sql(table: &BoundTable) -> String {
    let first = table.key_columns().next().map_or_else(String::new, |column| column.quoted.clone());
    fill(
        include_str!("sql/poll.sql"),
        &[
            ("first_key", &first),
            ("columns", &image_columns(table, "t", "b")),
            ("tracking", &table.tracking),
            ("base", &table.base),
            ("same", &table.base_is_tracked()),
        ],
    )
}

/// The plan of a table's poll, a line a step.
pub(super) async fn explain(member: &mut PostgresMember, table: usize) -> Result<String> {
    let action = "explain a poll";
    in_snapshot(member, action, ONE_PLAN, async |member| {
        let sql = format!("EXPLAIN {}", poll_sql(member.ready(table)?));
        let snapshot = current_snapshot(member).await?;
        let limits = (xid_parameter(snapshot.xmax), xid_parameter(u64::from(u32::MAX)));
        let rows = member
            .session
            .query(action, &sql, &[&limits.0, &-1_i64, &limits.1, &snapshot.to_string(), &1_000_i64])
            .await?;
        let lines: std::result::Result<Vec<String>, _> = rows.iter().map(|row| row.try_get(0)).collect();
        Ok(lines.map_err(member.session.origin.failed(action))?.join("\n"))
    })
    .await
}

fn xid_parameter(xid: u64) -> Parameter {
    Parameter(Some(xid.to_be_bytes().to_vec()))
}

/// What one poll comes to.
#[derive(Default)]
struct Polled {
    page: Page,
    /// The snapshot before and the one that was read up to.
    window: Option<(Snapshot, Snapshot)>,
    /// The last row that was read of that window.
    last: Option<Cursor>,
    count: i64,
    ended: Vec<String>,
}

struct Reader<'a> {
    member: &'a PostgresMember,
    table: &'a BoundTable,
    polled: Polled,
    /// By name as it is stored.
    incarnations: HashMap<String, Incarnation>,
}

impl Reader<'_> {
    /// Reads up to `limit` changes: first those of transactions that were under way, then those of later ones.
    async fn read(&mut self, live: &Live, target: &Snapshot, limit: i64) -> Result<()> {
        let sql = poll_sql(self.table);
        self.polled.last = None;
        let cursor = live.target.as_ref().map(|(_, cursor)| *cursor);
        let late = live.previous.in_progress.iter().copied().filter(|xid| target.sees(*xid));
        let stretches = late.map(|xid| (xid, xid + 1)).chain([(live.previous.xmax, target.xmax)]);
        let shown = target.to_string();
        for (from, until) in stretches {
            // Stretches come in the order of the rows: those before the cursor are done.
            let after = match cursor {
                Some(cursor) if cursor.xid >= until => continue,
                Some(cursor) if cursor.xid >= from => cursor,
                _ => Cursor { xid: from, version: -1 },
            };
            let room = (limit - self.polled.count).saturating_add(1);
            let rows = self
                .member
                .session
                .query(
                    ACTION,
                    &sql,
                    &[&xid_parameter(after.xid), &after.version, &xid_parameter(until), &shown, &room],
                )
                .await?;
            for row in rows {
                if self.polled.count == limit {
                    self.polled.page.more = true;
                    return Ok(());
                }
                self.take(&row)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, row: &Row) -> Result<()> {
        let failed = self.member.session.origin.failed(ACTION);
        let xid = row.try_get::<_, Raw<'_>>(0).map_err(&failed)?.0.and_then(|bytes| bytes.try_into().ok());
        let xid = xid.map(u64::from_be_bytes).ok_or_else(|| self.damaged("xid is none"))?;
        let version: i64 = row.try_get(1).map_err(&failed)?;
        self.polled.last = Some(Cursor { xid, version });
        self.polled.count += 1;
        let gone: bool = row.try_get(7).map_err(&failed)?;
        // What stands in the base table counts, in this very snapshot: a user's trigger that ran between the change and
        // ours can have left the tracking row with the wrong mark.
        let found = if gone {
            match read_key(self.table, row, HEAD).map_err(&failed)? {
                Some(key) => Ok((key, None)),
                None => {
                    // It never was published, and now it is gone: nothing is left to be listed.
                    let text = raw_key_text(self.table, row, HEAD).map_err(&failed)?;
                    self.polled.ended.push(text);
                    return Ok(());
                }
            }
        } else {
            read_image(self.table, row, HEAD).map_err(&failed)?.map(|image| (image.key, Some(image.row)))
        };
        let (key, image) = match found {
            Ok(found) => found,
            Err(row) => {
                self.polled.page.unpublishable.push(row);
                return Ok(());
            }
        };
        let inside: Option<bool> = row.try_get(5).map_err(&failed)?;
        self.polled.page.made_inside_apply += u64::from(inside == Some(true));
        let changed_at = self.changed_at(row.try_get::<_, Raw<'_>>(3).map_err(&failed)?)?;
        let seen: &str = row.try_get(6).map_err(&failed)?;
        let kind: Option<&str> = row.try_get(4).map_err(&failed)?;
        let incarnation: Option<&str> = row.try_get(2).map_err(&failed)?;
        let change = Change {
            dot: Dot::new(self.incarnation(incarnation)?, version.unsigned_abs()),
            seen: self.seen(seen)?,
            changed_at,
            effective_at: changed_at,
            kind: match kind {
                None => ChangeKind::Live,
                Some(name) => ChangeKind::parse(name)
                    .ok_or_else(|| self.damaged("change_kind is none that is known"))?,
            },
            row: image,
        };
        self.polled.page.changes.push(Captured { key, change });
        Ok(())
    }

    fn changed_at(&self, sent: Raw<'_>) -> Result<Option<Ticks>> {
        match sent.0 {
            None => Ok(None),
            Some(bytes) => super::values::ticks_of(bytes)
                .map(Some)
                .ok_or_else(|| self.damaged("changed_at is no time of this age")),
        }
    }

    fn incarnation(&mut self, stored: Option<&str>) -> Result<Incarnation> {
        let Some(name) = stored else { return Ok(self.table.first_incarnation.clone()) };
        if let Some(known) = self.incarnations.get(name) {
            return Ok(known.clone());
        }
        let parsed = Incarnation::parse(name).map_err(|_| self.damaged("local_incarnation is none"))?;
        self.incarnations.insert(name.to_owned(), parsed.clone());
        Ok(parsed)
    }

    fn seen(&self, stored: &str) -> Result<VersionVector> {
        if stored.is_empty() {
            return Ok(VersionVector::new());
        }
        VersionVector::parse(stored).map_err(|_| self.damaged("seen is no version vector"))
    }

    fn damaged(&self, reason: &str) -> Error {
        self.member.session.damaged(&self.table.tracking, reason)
    }
}
