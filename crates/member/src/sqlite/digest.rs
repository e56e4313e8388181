//! Digests of a table's rows as they stand in the file.
//!
//! Rows whose key cannot be read are no cells: they are listed where capture meets them, and left out here. A row with
//! another value that cannot be read counts, under a hash that no readable row has.

use super::SqliteMember;
use super::failure::failed;
use super::image::{image_columns, read_key};
use super::table::BoundTable;
use super::values::class;
use crate::buckets::{BucketRows, Digests, Visit};
use crate::digest::RowHasher;
use crate::template::fill;
use crate::{BucketDigest, Result};
use rusqlite::Row;
use rusqlite::types::ValueRef;
use tributary_model::KeyBytes;

pub(super) fn digest(member: &mut SqliteMember, table: usize, bits: u8) -> Result<Vec<BucketDigest>> {
    let mut digests = Digests::new(bits)?;
    each_row(member, table, &mut |key, hash| digests.take(&key, hash()))?;
    Ok(digests.finish())
}

pub(super) fn bucket_rows(
    member: &mut SqliteMember,
    table: usize,
    bits: u8,
    buckets: &[usize],
) -> Result<Vec<(KeyBytes, [u8; 16])>> {
    let mut rows = BucketRows::new(bits, buckets)?;
    each_row(member, table, &mut |key, hash| rows.take(key, hash))?;
    Ok(rows.finish())
}

/// Visits the key of every row, with its hash for those who want it.
fn each_row(member: &mut SqliteMember, table: usize, visit: &mut Visit<'_>) -> Result<()> {
    super::states::refresh(member)?;
    let bound = member.bound(table)?;
    // A table whose triggers are gone cannot be worked on, and is the very one to be compared.
    let table = if bound.key.is_empty() { member.ready(table)? } else { bound };
    let columns = image_columns(table, "b", "b");
    let sql = fill(include_str!("sql/digest_rows.sql"), &[("columns", &columns), ("base", &table.base)]);
    let mut read = || {
        let mut statement = member.connection.prepare_cached(&sql)?;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            if let Some(key) = read_key(table, row, 0)? {
                visit(key.clone(), &|| hash(table, &key, row));
            }
        }
        Ok(())
    };
    read().map_err(failed(&member.path, "read all rows of a table"))
}

fn hash(table: &BoundTable, key: &KeyBytes, row: &Row<'_>) -> [u8; 16] {
    let mut hasher = RowHasher::new(key);
    for (at, column) in table.columns.iter().enumerate() {
        // The query has a column for each of these.
        let stored = row.get_ref(at).unwrap_or(ValueRef::Null);
        if let Ok(value) = column.codec.read(stored) {
            hasher.column(column.position, &value);
            continue;
        }
        let mut unreadable = |bytes: &[u8]| hasher.unreadable(column.position, class(stored), bytes);
        match stored {
            ValueRef::Null => unreadable(&[]),
            ValueRef::Integer(number) => unreadable(&number.to_be_bytes()),
            ValueRef::Real(number) => unreadable(&number.to_bits().to_be_bytes()),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => unreadable(bytes),
        }
    }
    hasher.finish()
}
