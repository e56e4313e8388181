//! The first scan: rows without a tracking row, in the order of the base table's own key, chunk by chunk.
//!
//! Which keys are claimed is stored before a chunk is read ([`super::token`]), so that apply knows what the scan
//! has passed.

use super::cells::text as cell_text;
use super::image::{read_image, read_key};
use super::objects::image_columns;
use super::poll::{AFTER_SNAPSHOT, snapshot};
use super::session::{long, text};
use super::table::BoundTable;
use super::{SqlServerMember, quote, states};
use crate::OnLoss;
use crate::template::fill;
use crate::{Captured, Error, Page, Result, Scan, ScanBound, TablePosition};
use tributary_model::{Change, ChangeKind, KeyBytes, VersionVector};

/// What the claim of a scan that is complete is stored as.
pub(super) const DONE: &str = "done";

/// How many keys are looked at for one that can be a bound.
const TRIES: i64 = 50;

/// A condition on the base row `b`, with its parameters.
pub(super) struct Range {
    condition: String,
    parameters: Vec<String>,
}

/// How far the next chunk reaches when it holds about `max_rows` rows.
pub(super) async fn scan_bound(
    member: &mut SqlServerMember,
    table: usize,
    after: &Scan,
    max_rows: usize,
) -> Result<ScanBound> {
    if *after == Scan::Done {
        return Ok(ScanBound::End);
    }
    let begin = snapshot(member)?;
    let bound = member.ready(table)?;
    let range = range(bound, after, None)?;
    let sql = bound_sql(begin, bound, &range);
    let mut skip = i64::try_from(max_rows.max(1) - 1).unwrap_or(i64::MAX);
    loop {
        let mut parameters: Vec<_> = range.parameters.iter().map(|parameter| text(parameter)).collect();
        parameters.push(long(skip));
        let rows = member.session.query("measure a chunk of its first scan", &sql, parameters).await?;
        let bound = member.bound(table)?;
        // A key that cannot be read is no bound; the next one that can be is.
        if let Some(key) = rows.iter().find_map(|row| read_key(bound, row, 0)) {
            return Ok(ScanBound::UpTo(key));
        }
        if rows.is_empty() {
            return Ok(ScanBound::End);
        }
        skip = skip.saturating_add(TRIES);
    }
}

/// The untracked rows after `position.scan`, up to `bound`, which must have been claimed if they are to be published.
pub(super) async fn scan(
    member: &mut SqlServerMember,
    table: usize,
    position: &TablePosition,
    bound: &ScanBound,
    claimed: bool,
) -> Result<Page> {
    let upto = match bound {
        ScanBound::UpTo(key) => Some(key),
        ScanBound::End => None,
    };
    member.ready(table)?;
    if claimed {
        require_claim(member, table, bound).await?;
    }
    let scan = upto.map_or(Scan::Done, |key| Scan::After(key.clone()));
    let next = TablePosition { live: position.live.clone(), scan };
    let mut page = Page { more: *bound != ScanBound::End, next, ..Page::default() };
    if position.scan == Scan::Done {
        return Ok(page);
    }
    let begin = snapshot(member)?;
    let bound = member.ready(table)?;
    let range = range(bound, &position.scan, upto)?;
    let sql = rows_sql(begin, bound, &range);
    let parameters = range.parameters.iter().map(|parameter| text(parameter)).collect();
    let rows = member.session.query("read the rows of a table", &sql, parameters).await?;
    let bound = member.bound(table)?;
    for row in &rows {
        match read_image(bound, row, 0) {
            Ok(image) => page.changes.push(Captured {
                key: image.key,
                change: Change {
                    dot: bound.scanned(),
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
}

/// The statement that measures a chunk; its last parameter is the number of rows to pass over.
pub(super) fn bound_sql(begin: &str, table: &BoundTable, range: &Range) -> String {
    let sql = fill(
        include_str!("sql/scan_bound.sql"),
        &[
            ("columns", &image_columns(table, "b", "b").join(", ")),
            ("base", &table.base),
            ("range", &range.condition),
            ("key", &table.own_key_list("b")),
            ("offset", &format!("@P{}", range.parameters.len() + 1)),
            ("rows", &TRIES.to_string()),
        ],
    );
    format!("{begin}{sql}{AFTER_SNAPSHOT}")
}

/// The statement that reads a chunk.
pub(super) fn rows_sql(begin: &str, table: &BoundTable, range: &Range) -> String {
    let sql = fill(
        include_str!("sql/scan_rows.sql"),
        &[
            ("columns", &image_columns(table, "b", "b").join(", ")),
            ("base", &table.base),
            ("range", &range.condition),
            ("untracked", &table.untracked("b")),
            ("key", &table.own_key_list("b")),
        ],
    );
    format!("{begin}{sql}{AFTER_SNAPSHOT}")
}

/// The statement that tells whether rows are left.
pub(super) fn left_sql(begin: &str, table: &BoundTable, range: &Range) -> String {
    let sql = fill(
        include_str!("sql/scan_left.sql"),
        &[
            ("base", &table.base),
            ("range", &range.condition),
            ("untracked", &table.untracked("b")),
            ("key", &table.own_key_list("b")),
        ],
    );
    format!("{begin}{sql}{AFTER_SNAPSHOT}")
}

/// Whether untracked rows are left after `after`.
pub(super) async fn has_rows_left(member: &mut SqlServerMember, table: usize, after: &Scan) -> Result<bool> {
    let begin = snapshot(member)?;
    let bound = member.ready(table)?;
    let range = range(bound, after, None)?;
    let sql = left_sql(begin, bound, &range);
    let parameters = range.parameters.iter().map(|parameter| text(parameter)).collect();
    let row = member.session.row("tell whether rows are left to scan", &sql, parameters).await?;
    Ok(row.is_some())
}

/// How a claim is stored.
pub(super) fn claim_text(bound: &ScanBound) -> String {
    match bound {
        ScanBound::UpTo(key) => quote::hexadecimal(key.as_slice()),
        ScanBound::End => DONE.to_owned(),
    }
}

/// A chunk that is read before it was claimed could be given a version by apply and published twice.
async fn require_claim(member: &mut SqlServerMember, table: usize, bound: &ScanBound) -> Result<()> {
    let name = member.bound(table)?.binding.schema.name.as_str().to_owned();
    let sql = "SELECT [scan_claim] FROM [DataSync].[dss_tables] WHERE [table_name] = @P1";
    let row = member.session.row("tell what the first scan has claimed", sql, vec![text(&name)]).await;
    let row = match row {
        Err(error) if super::failure::is_missing_object(&error) => {
            states::forget(member);
            states::refresh(member).await?;
            member.ready(table)?;
            return Err(error);
        }
        row => row?,
    };
    let stored = row.as_deref().and_then(|row| cell_text(row, 0).ok()).unwrap_or_default();
    if stored == DONE || stored == claim_text(bound) {
        return Ok(());
    }
    Err(Error::Misuse { call: "scan", reason: "a bound that was not claimed".to_owned() })
}

/// The condition that a key lies after `after` and not after `upto`, in the base table's own order.
pub(super) fn range(table: &BoundTable, after: &Scan, upto: Option<&KeyBytes>) -> Result<Range> {
    let after = match after {
        Scan::Pending => None,
        Scan::After(key) => Some(key),
        Scan::Done => return Ok(Range { condition: "1 = 0".to_owned(), parameters: Vec::new() }),
    };
    let mut range = Range { condition: String::new(), parameters: Vec::new() };
    let mut parts = Vec::new();
    for (key, sign) in [(after, '>'), (upto, '<')] {
        let Some(key) = key else { continue };
        let first = range.parameters.len();
        range.parameters.extend(own_key_texts(table, key)?);
        let columns: Vec<(String, String)> = table
            .own_key
            .iter()
            .enumerate()
            .map(|(place, at)| {
                let column = &table.columns[*at];
                let parameter = format!("@P{}", first + place + 1);
                (format!("b.{}", column.quoted), column.operand(&parameter))
            })
            .collect();
        parts.push(beyond(&columns, sign));
    }
    range.condition = if parts.is_empty() { "1 = 1".to_owned() } else { parts.join(" AND ") };
    Ok(range)
}

/// The condition that the columns lie after (`>`) their operands, or not after them (`<`), as rows compare. The
/// first column stands alone too: that is what an index can seek.
fn beyond(columns: &[(String, String)], sign: char) -> String {
    let mut condition = String::new();
    for (place, (column, operand)) in columns.iter().enumerate().rev() {
        condition = if place + 1 == columns.len() {
            let sign = if sign == '<' { "<=" } else { ">" };
            format!("{column} {sign} {operand}")
        } else {
            format!("{column} {sign} {operand} OR ({column} = {operand} AND ({condition}))")
        };
    }
    match columns {
        [_, _, ..] => format!("{} {sign}= {} AND ({condition})", columns[0].0, columns[0].1),
        _ => condition,
    }
}

/// A key's values as texts, in the order of the member's own key.
pub(super) fn own_key_texts(table: &BoundTable, key: &KeyBytes) -> Result<Vec<String>> {
    let misuse = |reason: String| Error::Misuse { call: "a call about keys", reason };
    let values = table.key_values(key).map_err(|error| misuse(error.to_string()))?;
    let mut texts = Vec::with_capacity(values.len());
    for at in &table.own_key {
        let place = table.key.iter().position(|key| key == at).unwrap_or(0);
        let column = &table.columns[*at];
        let written = column
            .codec
            .write(&values[place], OnLoss::Refuse)
            .map_err(|lost| misuse(format!("column {:?} cannot hold {}", column.name, lost.reason)))?;
        texts.push(written.stored.text().unwrap_or_default().into_owned());
    }
    Ok(texts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_compare_column_by_column() {
        let columns = |names: &[&str]| -> Vec<(String, String)> {
            names.iter().map(|name| ((*name).to_owned(), format!("@{name}"))).collect()
        };
        assert_eq!(beyond(&columns(&["a"]), '>'), "a > @a");
        assert_eq!(beyond(&columns(&["a"]), '<'), "a <= @a");
        assert_eq!(
            beyond(&columns(&["a", "b", "c"]), '>'),
            "a >= @a AND (a > @a OR (a = @a AND (b > @b OR (b = @b AND (c > @c)))))"
        );
        assert_eq!(beyond(&columns(&["a", "b"]), '<'), "a <= @a AND (a < @a OR (a = @a AND (b <= @b)))");
    }
}
