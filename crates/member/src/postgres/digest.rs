//! Digests of a table's rows as they stand in the database, in one snapshot that blocks no writer.
//!
//! Rows whose key cannot be read are no cells: they are listed where capture meets them, and left out here. A row with
//! another value that cannot be read counts, under a hash that no readable row has.

use super::PostgresMember;
use super::image::{image_columns, read_key};
use super::session::Begin;
use super::states;
use super::table::BoundTable;
use super::values::Raw;
use crate::buckets::{BucketRows, Digests, Visit};
use crate::digest::RowHasher;
use crate::{BucketDigest, Result};
use futures_util::{TryStreamExt as _, pin_mut};
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use tributary_model::KeyBytes;

pub(super) async fn digest(member: &mut PostgresMember, table: usize, bits: u8) -> Result<Vec<BucketDigest>> {
    let mut digests = Digests::new(bits)?;
    each_row(member, table, &mut |key, hash| digests.take(&key, hash())).await?;
    Ok(digests.finish())
}

pub(super) async fn bucket_rows(
    member: &mut PostgresMember,
    table: usize,
    bits: u8,
    buckets: &[usize],
) -> Result<Vec<(KeyBytes, [u8; 16])>> {
    let mut rows = BucketRows::new(bits, buckets)?;
    each_row(member, table, &mut |key, hash| rows.take(key, hash)).await?;
    Ok(rows.finish())
}

/// Visits the key of every row, with its hash for those who want it. The rows stream by.
async fn each_row(member: &mut PostgresMember, table: usize, visit: &mut Visit<'_>) -> Result<()> {
    states::refresh(member).await?;
    let bound = member.bound(table)?;
    // A table whose triggers are gone cannot be worked on, and is the very one to be compared.
    let table = if bound.key.is_empty() { member.ready(table)? } else { bound };
    let sql = format!("SELECT {} FROM {} AS b", image_columns(table, "b", "b"), table.base);
    let action = "read all rows of a table";
    member
        .session
        .transaction(action, Begin::Snapshot, "", async |session| {
            let mut read = async || {
                let statement = session.prepare(&sql).await?;
                let rows =
                    session.client.query_raw(&statement, std::iter::empty::<&(dyn ToSql + Sync)>()).await?;
                pin_mut!(rows);
                while let Some(row) = rows.try_next().await? {
                    if let Some(key) = read_key(table, &row, 0)? {
                        visit(key.clone(), &|| hash(table, &key, &row));
                    }
                }
                Ok(())
            };
            read().await.map_err(session.origin.failed(action))
        })
        .await
}

fn hash(table: &BoundTable, key: &KeyBytes, row: &Row) -> [u8; 16] {
    let mut hasher = RowHasher::new(key);
    for (at, column) in table.columns.iter().enumerate() {
        // The query has a column for each of these.
        let sent = row.try_get::<_, Raw<'_>>(at).map_or(None, |raw| raw.0);
        match column.codec.read(sent) {
            Ok(value) => hasher.column(column.position, &value),
            Err(_) => {
                let class = column.codec.transport().sql();
                hasher.unreadable(column.position, class, sent.unwrap_or_default());
            }
        }
    }
    hasher.finish()
}
