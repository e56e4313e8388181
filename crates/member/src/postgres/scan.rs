//! The first scan: rows without a tracking row, in the order of the base table's own key, chunk by chunk.
//!
//! Which keys are claimed is stored before a chunk is read ([`super::token`]), so that apply knows what the scan has
//! passed. A chunk is read in a snapshot of its own and takes no lock that a writer would meet.

use super::PostgresMember;
use super::image::{image_columns, read_image, read_key};
use super::poll::ONE_PLAN;
use super::settings::OnLoss;
use super::states::in_snapshot;
use super::table::BoundTable;
use super::values::Parameter;
use crate::{Captured, Error, Page, Result, Scan, ScanBound, TablePosition};
use tokio_postgres::types::ToSql;
use tributary_model::{Change, ChangeKind, KeyBytes, VersionVector};

/// What the claim of a scan that is complete is stored as.
pub(super) const DONE: &str = "done";

/// Rows that are looked at for one whose key can be read.
const TRIES: i64 = 100;

/// How far the next chunk reaches when it holds about `max_rows` rows.
pub(super) async fn scan_bound(
    member: &mut PostgresMember,
    table: usize,
    after: &Scan,
    max_rows: usize,
) -> Result<ScanBound> {
    let action = "measure a chunk of its first scan";
    in_snapshot(member, action, ONE_PLAN, async |member| {
        let bound = member.ready(table)?;
        let (range, parameters) = range(bound, after, None)?;
        let mut skip = i64::try_from(max_rows.max(1) - 1).unwrap_or(i64::MAX);
        loop {
            let sql = format!(
                "SELECT {} FROM {} AS b WHERE {range} ORDER BY {} OFFSET {skip} LIMIT {TRIES}",
                image_columns(bound, "b", "b"),
                bound.base,
                bound.scan_list("b"),
            );
            let rows = member.session.query(action, &sql, &references(&parameters)).await?;
            for row in &rows {
                // A key that cannot be read is no bound; the next one that can be is.
                if let Some(key) = read_key(bound, row, 0).map_err(member.session.origin.failed(action))? {
                    return Ok(ScanBound::UpTo(key));
                }
            }
            if rows.len() < TRIES as usize {
                return Ok(ScanBound::End);
            }
            skip = skip.saturating_add(TRIES);
        }
    })
    .await
}

/// The untracked rows after `position.scan`, up to `bound`, which must have been claimed if they are to be published.
pub(super) async fn scan(
    member: &mut PostgresMember,
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
    in_snapshot(member, action, ONE_PLAN, async |member| {
        let table = member.ready(table)?;
        if claimed {
            require_claim(member, table, bound).await?;
        }
        let mut page = Page { more: *bound != ScanBound::End, next: next.clone(), ..Page::default() };
        let (range, parameters) = range(table, &position.scan, upto)?;
        let sql = format!(
            "SELECT {} FROM {} AS b WHERE {range} AND {} ORDER BY {}",
            image_columns(table, "b", "b"),
            table.base,
            table.untracked(),
            table.scan_list("b"),
        );
        for row in member.session.query(action, &sql, &references(&parameters)).await? {
            match read_image(table, &row, 0).map_err(member.session.origin.failed(action))? {
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
        Ok(page)
    })
    .await
}

/// Whether untracked rows are left after `after`, in the transaction that is open.
pub(super) async fn has_rows_left(member: &PostgresMember, table: &BoundTable, after: &Scan) -> Result<bool> {
    let (range, parameters) = range(table, after, None)?;
    let sql = format!(
        "SELECT 1 FROM {} AS b WHERE {range} AND {} ORDER BY {} LIMIT 1",
        table.base,
        table.untracked(),
        table.scan_list("b")
    );
    let action = "tell whether rows are left to scan";
    Ok(member.session.query_first(action, &sql, &references(&parameters)).await?.is_some())
}

/// How a claim is stored.
pub(super) fn claim_text(bound: &ScanBound) -> String {
    match bound {
        ScanBound::UpTo(key) => key.as_slice().iter().map(|byte| format!("{byte:02x}")).collect(),
        ScanBound::End => DONE.to_owned(),
    }
}

/// A chunk that is read before it was claimed could be given a version by apply and published twice.
async fn require_claim(member: &PostgresMember, table: &BoundTable, bound: &ScanBound) -> Result<()> {
    let name = table.binding.schema.name.as_str();
    let action = "tell what the first scan has claimed";
    let row = member.session.query_first(action, include_str!("sql/claim_read.sql"), &[&name]).await?;
    let stored: Option<String> =
        row.map(|row| row.try_get(0)).transpose().map_err(member.session.origin.failed(action))?;
    let stored = stored
        .ok_or_else(|| member.session.damaged("\"DataSync\".dss_claims", format!("no row for {name:?}")))?;
    if stored == DONE || stored == claim_text(bound) {
        return Ok(());
    }
    Err(Error::Misuse { call: "scan", reason: "a bound that was not claimed".to_owned() })
}

/// The condition that a key lies after `after` and not after `upto`, in the base table's own order, and its parameters.
fn range(table: &BoundTable, after: &Scan, upto: Option<&KeyBytes>) -> Result<(String, Vec<Parameter>)> {
    let mut parts = Vec::new();
    let mut parameters = Vec::new();
    let after = match after {
        Scan::Pending => None,
        Scan::After(key) => Some(key),
        Scan::Done => return Ok(("false".to_owned(), parameters)),
    };
    for (key, sign) in [(after, ">"), (upto, "<=")] {
        let Some(key) = key else { continue };
        let first = parameters.len();
        parts.push(format!("({}) {sign} ({})", table.scan_list("b"), table.scan_parameters(first)));
        parameters.extend(stored_key(table, key)?);
    }
    if parts.is_empty() {
        parts.push("true".to_owned());
    }
    Ok((parts.join(" AND "), parameters))
}

/// A key's values in the order of the base table's own key.
fn stored_key(table: &BoundTable, key: &KeyBytes) -> Result<Vec<Parameter>> {
    let misuse = |reason: String| Error::Misuse { call: "scan", reason };
    let values = table.key_values(key).map_err(|error| misuse(error.to_string()))?;
    let mut stored = Vec::with_capacity(values.len());
    for place in table.scan_places() {
        let codec = &table.columns[table.key[*place]].codec;
        let (parameter, _) = Parameter::of(codec, &values[*place], OnLoss::Refuse)
            .map_err(|lost| misuse(lost.reason.to_owned()))?;
        stored.push(parameter);
    }
    Ok(stored)
}

fn references(parameters: &[Parameter]) -> Vec<&(dyn ToSql + Sync)> {
    parameters.iter().map(|parameter| parameter as &(dyn ToSql + Sync)).collect()
}
