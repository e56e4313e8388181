//! The first scan: rows without a tracking row, in the order of the base table's own key, chunk by chunk.
//!
//! Which keys are claimed is stored before a chunk is read ([`super::token`]), so that apply knows what the scan
//! has passed.

use super::failure::failed;
use super::image::{image_columns, read_image, read_key};
use super::objects::NULL_KEY;
use super::settings::OnLoss;
use super::table::BoundTable;
use super::{SqliteMember, states};
use crate::{Captured, Error, Page, Result, Scan, ScanBound, TablePosition, Unpublishable};
use rusqlite::types::Value as Stored;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, params_from_iter};
use std::path::Path;
use tributary_model::{Change, ChangeKind, KeyBytes, VersionVector};

/// What the claim of a scan that is complete is stored as.
pub(super) const DONE: &str = "done";

/// How far the next chunk reaches when it holds about `max_rows` rows.
pub(super) fn scan_bound(
    member: &mut SqliteMember,
    table: usize,
    after: &Scan,
    max_rows: usize,
) -> Result<ScanBound> {
    let action = "measure a chunk of its first scan";
    states::in_snapshot(member, action, |member, connection| {
        let bound = member.ready(table)?;
        let (range, mut parameters) = range(bound, after, None)?;
        let sql = format!(
            "SELECT {} FROM {} AS b WHERE {range} ORDER BY {} LIMIT -1 OFFSET ?",
            image_columns(bound, "b", "b"),
            bound.base,
            bound.key_list("b"),
        );
        parameters.push(Stored::Integer(i64::try_from(max_rows.max(1) - 1).unwrap_or(i64::MAX)));
        let find = || {
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(parameters))?;
            while let Some(row) = rows.next()? {
                // A key that cannot be read is no bound; the next one that can be is.
                if let Some(key) = read_key(bound, row, 0)? {
                    return Ok(ScanBound::UpTo(key));
                }
            }
            Ok(ScanBound::End)
        };
        find().map_err(failed(&member.path, action))
    })
}

/// The untracked rows after `position.scan`, up to `bound`, which must have been claimed if they are to be published.
pub(super) fn scan(
    member: &mut SqliteMember,
    table: usize,
    position: &TablePosition,
    bound: &ScanBound,
    claimed: bool,
) -> Result<Page> {
    let upto = match bound {
        ScanBound::UpTo(key) => Some(key),
        ScanBound::End => None,
    };
    let scan = upto.map_or(Scan::Done, |key| Scan::After(key.clone()));
    let next = TablePosition { live: position.live.clone(), scan };
    let action = "read the rows of a table";
    states::in_snapshot(member, action, |member, connection| {
        let table = member.ready(table)?;
        if claimed {
            require_claim(connection, &member.path, table, bound)?;
        }
        let mut page = Page { more: *bound != ScanBound::End, next, ..Page::default() };
        read_untracked(connection, table, &range(table, &position.scan, upto)?, &mut page)
            .map_err(failed(&member.path, action))?;
        if position.scan == Scan::Pending {
            page.unpublishable.extend(rows_without_key(connection, &member.path, table)?);
        }
        Ok(page)
    })
}

fn read_untracked(
    connection: &Connection,
    table: &BoundTable,
    (range, parameters): &(String, Vec<Stored>),
    page: &mut Page,
) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT {} FROM {} AS b WHERE {range} AND {} ORDER BY {}",
        image_columns(table, "b", "b"),
        table.base,
        table.untracked(),
        table.key_list("b"),
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(parameters))?;
    while let Some(row) = rows.next()? {
        match read_image(table, row, 0)? {
            Ok(image) => page.changes.push(Captured {
                key: image.key,
                change: Change {
                    dot: table.scanned(),
                    seen: VersionVector::new(),
                    changed_at: None,
                    effective_at: None,
                    kind: ChangeKind::FirstScan,
                    row: Some(image.row),
                },
            }),
            Err(row) => page.unpublishable.push(row),
        }
    }
    Ok(())
}

/// Whether untracked rows are left after `after`.
pub(super) fn has_rows_left(
    connection: &Connection,
    path: &Path,
    table: &BoundTable,
    after: &Scan,
) -> Result<bool> {
    let (range, parameters) = range(table, after, None)?;
    let sql = format!(
        "SELECT 1 FROM {} AS b WHERE {range} AND {} ORDER BY {} LIMIT 1",
        table.base,
        table.untracked(),
        table.key_list("b")
    );
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_row(params_from_iter(parameters), |_| Ok(())).optional())
        .map(|found| found.is_some())
        .map_err(failed(path, "tell whether rows are left to scan"))
}

/// How a claim is stored.
pub(super) fn claim_text(bound: &ScanBound) -> String {
    match bound {
        ScanBound::UpTo(key) => hexadecimal(key),
        ScanBound::End => DONE.to_owned(),
    }
}

fn hexadecimal(key: &KeyBytes) -> String {
    key.as_slice().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A chunk that is read before it was claimed could be given a version by apply and published twice.
fn require_claim(connection: &Connection, path: &Path, table: &BoundTable, bound: &ScanBound) -> Result<()> {
    let name = table.binding.schema.name.as_str();
    let stored: String = connection
        .prepare_cached("SELECT scan_claim FROM \"DataSync_dss_tables\" WHERE table_name = ?1")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)))
        .map_err(failed(path, "tell what the first scan has claimed"))?;
    if stored == DONE || stored == claim_text(bound) {
        return Ok(());
    }
    Err(Error::Misuse { call: "scan", reason: "a bound that was not claimed".to_owned() })
}

/// The condition that a key lies after `after` and not after `upto`, in the base table's own order, and its
/// parameters. Rows whose key is not complete never match.
fn range(table: &BoundTable, after: &Scan, upto: Option<&KeyBytes>) -> Result<(String, Vec<Stored>)> {
    let mut parts: Vec<String> = table
        .key_columns()
        .filter(|column| column.nullable)
        .map(|column| format!("b.{} IS NOT NULL", column.quoted))
        .collect();
    let mut parameters = Vec::new();
    let after = match after {
        Scan::Pending => None,
        Scan::After(key) => Some(key),
        Scan::Done => return Ok(("0".to_owned(), parameters)),
    };
    let marks = vec!["?"; table.key.len()].join(", ");
    for (key, sign) in [(after, ">"), (upto, "<=")] {
        if let Some(key) = key {
            parts.push(format!("({}) {sign} ({marks})", table.key_list("b")));
            parameters.extend(stored_key(table, key)?);
        }
    }
    if parts.is_empty() {
        parts.push("1".to_owned());
    }
    Ok((parts.join(" AND "), parameters))
}

/// A key as the base table stores it.
fn stored_key(table: &BoundTable, key: &KeyBytes) -> Result<Vec<Stored>> {
    let misuse = |reason: String| Error::Misuse { call: "scan", reason };
    let values = table.key_values(key).map_err(|error| misuse(error.to_string()))?;
    let mut stored = Vec::with_capacity(values.len());
    for (value, column) in values.iter().zip(table.key_columns()) {
        let written =
            column.codec.write(value, OnLoss::Refuse).map_err(|lost| misuse(lost.reason.to_owned()))?;
        stored.push(match written.value {
            ToSqlOutput::Borrowed(ValueRef::Text(text)) => {
                Stored::Text(String::from_utf8_lossy(text).into_owned())
            }
            ToSqlOutput::Borrowed(other) => {
                Stored::try_from(other).map_err(|error| misuse(error.to_string()))?
            }
            ToSqlOutput::Owned(owned) => owned,
            other => return Err(misuse(format!("{other:?}"))),
        });
    }
    Ok(stored)
}

/// The listing of rows whose key holds NULL, if there are any; the triggers keep it up to date afterwards.
fn rows_without_key(
    connection: &Connection,
    path: &Path,
    table: &BoundTable,
) -> Result<Option<Unpublishable>> {
    let Some(catalog) = &table.catalog else { return Ok(None) };
    let nullable = catalog.nullable_key_columns();
    for at in nullable {
        let column = &catalog.columns[at].name;
        let sql = format!(
            "SELECT 1 FROM {} AS b WHERE b.{} IS NULL LIMIT 1",
            table.base,
            super::quote::identifier(column)
        );
        let found = connection
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.query_row([], |_| Ok(())).optional())
            .map_err(failed(path, "look for rows without a key"))?;
        if found.is_some() {
            return Ok(Some(Unpublishable {
                key: None,
                key_text: NULL_KEY.to_owned(),
                reason: format!(
                    "rows whose key column {column:?} is NULL are not synchronised; give them a key"
                ),
            }));
        }
    }
    Ok(None)
}
