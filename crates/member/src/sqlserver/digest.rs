//! Digests of a table's rows as they stand in the database.
//!
//! Rows whose key cannot be read are no cells: they are listed where capture meets them, and left out here. A row with
//! another value that cannot be read counts, under a hash that no readable row has. Rows are hashed as they come, and
//! never all held.

use super::SqlServerMember;
use super::image::{cell, read_key};
use super::objects::image_columns;
use super::poll::{AFTER_SNAPSHOT, snapshot};
use super::session::Cells;
use super::table::BoundTable;
use crate::buckets::{BucketRows, Digests, Visit};
use crate::digest::RowHasher;
use crate::template::fill;
use crate::{BucketDigest, Result};
use tributary_model::KeyBytes;

pub(super) async fn digest(
    member: &mut SqlServerMember,
    table: usize,
    bits: u8,
) -> Result<Vec<BucketDigest>> {
    let mut digests = Digests::new(bits)?;
    each_row(member, table, &mut |key, hash| digests.take(&key, hash())).await?;
    Ok(digests.finish())
}

pub(super) async fn bucket_rows(
    member: &mut SqlServerMember,
    table: usize,
    bits: u8,
    buckets: &[usize],
) -> Result<Vec<(KeyBytes, [u8; 16])>> {
    let mut rows = BucketRows::new(bits, buckets)?;
    each_row(member, table, &mut |key, hash| rows.take(key, hash)).await?;
    Ok(rows.finish())
}

/// Visits the key of every row, with its hash for those who want it.
async fn each_row(member: &mut SqlServerMember, table: usize, visit: &mut Visit<'_>) -> Result<()> {
    super::states::refresh(member).await?;
    let begin = snapshot(member)?;
    // A table whose triggers are gone cannot be worked on, and is the very one to be compared.
    if member.bound(table)?.key.is_empty() {
        member.ready(table)?;
    }
    let SqlServerMember { session, tables, .. } = member;
    let table = &tables[table];
    let sql = rows_sql(begin, table);
    session
        .each("read all rows of a table", &sql, Vec::new(), |row| {
            if let Some(key) = read_key(table, &row, 0) {
                visit(key.clone(), &|| hash(table, &key, &row));
            }
        })
        .await
}

/// The statement that reads all rows.
pub(super) fn rows_sql(begin: &str, table: &BoundTable) -> String {
    let columns = image_columns(table, "b", "b").join(", ");
    let sql = fill(include_str!("sql/digest_rows.sql"), &[("columns", &columns), ("base", &table.base)]);
    format!("{begin}{sql}{AFTER_SNAPSHOT}")
}

fn hash(table: &BoundTable, key: &KeyBytes, row: &Cells) -> [u8; 16] {
    let mut hasher = RowHasher::new(key);
    for (at, column) in table.columns.iter().enumerate() {
        let stored = cell(row, at);
        match column.codec.read(stored) {
            Ok(value) => hasher.column(column.position, &value),
            Err(_) => {
                let class = column.codec.declared().spelt();
                hasher.unreadable(column.position, &class, format!("{stored:?}").as_bytes());
            }
        }
    }
    hasher.finish()
}
