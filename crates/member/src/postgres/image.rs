//! Rows as they are read: from the server's binary forms into the group's, or the reason why not.

use super::table::{BoundColumn, BoundTable};
use super::values::{Raw, key_text, raw_text};
use crate::Unpublishable;
use tokio_postgres::Row as Sent;
use tributary_model::{KeyBytes, Row, key};

/// A row that was read.
pub(super) struct Image {
    /// Its key.
    pub(super) key: KeyBytes,
    /// Its values; columns that the member lacks are absent.
    pub(super) row: Row,
}

/// What a query has found.
type Found<T> = Result<T, tokio_postgres::Error>;

/// The columns of a query that [`read_image`] reads: key columns from the alias `key`, the others from `base`.
pub(super) fn image_columns(table: &BoundTable, key: &str, base: &str) -> String {
    let parts = table.columns.iter().enumerate().map(|(at, column)| {
        let name = if !table.key.contains(&at) {
            format!("{base}.{}", column.quoted)
        } else if key == base {
            format!("{key}.{}", column.quoted)
        } else {
            format!("{key}.{}", column.tracking)
        };
        column.declared.read(&name)
    });
    super::table::list(parts)
}

/// Reads the row that begins at column `offset` of a query on [`image_columns`].
pub(super) fn read_image(
    table: &BoundTable,
    row: &Sent,
    offset: usize,
) -> Found<Result<Image, Unpublishable>> {
    let mut values = table.absent_row();
    for (at, column) in table.columns.iter().enumerate() {
        match column.codec.read(row.try_get::<_, Raw<'_>>(offset + at)?.0) {
            Ok(value) => values.0[column.position] = Some(value),
            Err(reason) => return Ok(Err(unpublishable(table, row, offset, column, &reason)?)),
        }
    }
    Ok(match table.binding.schema.key_of(&values) {
        Ok(key) => Ok(Image { key, row: values }),
        Err(error) => Err(Unpublishable {
            key: None,
            key_text: raw_key_text(table, row, offset)?,
            reason: error.to_string(),
        }),
    })
}

/// Reads only the key of the row that begins at column `offset`; `None` if it is none.
pub(super) fn read_key(table: &BoundTable, row: &Sent, offset: usize) -> Found<Option<KeyBytes>> {
    let mut values = Vec::with_capacity(table.key.len());
    for at in &table.key {
        let codec = &table.columns[*at].codec;
        let Ok(value) = codec.read(row.try_get::<_, Raw<'_>>(offset + at)?.0) else { return Ok(None) };
        values.push((codec.logical(), value));
    }
    Ok(key::encode(values.iter().map(|(logical, value)| (*logical, Some(value)))).ok())
}

fn unpublishable(
    table: &BoundTable,
    row: &Sent,
    offset: usize,
    column: &BoundColumn,
    reason: &str,
) -> Found<Unpublishable> {
    let key = read_key(table, row, offset)?;
    let key_text = match key.as_ref().and_then(|key| table.key_values(key).ok()) {
        Some(values) => key_text(&values),
        None => raw_key_text(table, row, offset)?,
    };
    Ok(Unpublishable { key, key_text, reason: format!("column {:?} {reason}", column.name) })
}

/// A key as listings show it, though its values cannot all be read.
pub(super) fn raw_key_text(table: &BoundTable, row: &Sent, offset: usize) -> Found<String> {
    let mut parts = Vec::with_capacity(table.key.len());
    for at in &table.key {
        parts.push(raw_text(&table.columns[*at].codec, row.try_get::<_, Raw<'_>>(offset + at)?.0));
    }
    Ok(parts.join(", "))
}
