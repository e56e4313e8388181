//! Rows as they are read: straight from SQLite's columns into the group's, or the reason why not.

use super::table::{BoundColumn, BoundTable};
use crate::Unpublishable;
use rusqlite::types::ValueRef;
use tributary_model::{KeyBytes, Row, Value, key};

/// A row that was read.
pub(super) struct Image {
    /// Its key.
    pub(super) key: KeyBytes,
    /// Its values; columns that the member lacks are absent.
    pub(super) row: Row,
}

/// The columns of a query that [`read_image`] reads: key columns from the alias `key`, the others from `base`.
pub(super) fn image_columns(table: &BoundTable, key: &str, base: &str) -> String {
    let parts = table.columns.iter().enumerate().map(|(at, column)| {
        if !table.key.contains(&at) {
            format!("{base}.{}", column.quoted)
        } else if key == base {
            format!("{key}.{}", column.quoted)
        } else {
            format!("{key}.{}", column.tracking)
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Reads the row that begins at column `offset` of a query on [`image_columns`].
pub(super) fn read_image(
    table: &BoundTable,
    row: &rusqlite::Row<'_>,
    offset: usize,
) -> rusqlite::Result<Result<Image, Unpublishable>> {
    let mut values = table.absent_row();
    for (at, column) in table.columns.iter().enumerate() {
        match column.codec.read(row.get_ref(offset + at)?) {
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
pub(super) fn read_key(
    table: &BoundTable,
    row: &rusqlite::Row<'_>,
    offset: usize,
) -> rusqlite::Result<Option<KeyBytes>> {
    let mut values = Vec::with_capacity(table.key.len());
    for at in &table.key {
        let codec = &table.columns[*at].codec;
        let Ok(value) = codec.read(row.get_ref(offset + at)?) else { return Ok(None) };
        values.push((codec.logical(), value));
    }
    Ok(key::encode(values.iter().map(|(logical, value)| (*logical, Some(value)))).ok())
}

fn unpublishable(
    table: &BoundTable,
    row: &rusqlite::Row<'_>,
    offset: usize,
    column: &BoundColumn,
    reason: &str,
) -> rusqlite::Result<Unpublishable> {
    let key = read_key(table, row, offset)?;
    let key_text = match key.as_ref().and_then(|key| table.key_values(key).ok()) {
        Some(values) => key_text(&values),
        None => raw_key_text(table, row, offset)?,
    };
    Ok(Unpublishable { key, key_text, reason: format!("column {:?} {reason}", column.name) })
}

/// A key as listings show it.
pub(super) fn key_text(values: &[Value]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The same of a key whose values are not of their types.
pub(super) fn raw_key_text(
    table: &BoundTable,
    row: &rusqlite::Row<'_>,
    offset: usize,
) -> rusqlite::Result<String> {
    let mut parts = Vec::with_capacity(table.key.len());
    for at in &table.key {
        parts.push(match row.get_ref(offset + at)? {
            ValueRef::Null => "NULL".to_owned(),
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => format!("{number:?}"),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()).to_string(),
        });
    }
    Ok(parts.join(", "))
}
