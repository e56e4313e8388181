//! Rows as they are read: from the cells of a query into the group's columns, or the reason why not.

use super::session::Cells;
use super::table::{BoundColumn, BoundTable};
use crate::Unpublishable;
use tiberius::ColumnData;
use tributary_model::{KeyBytes, Row, Value, key};

/// A row that was read.
pub(super) struct Image {
    /// Its key.
    pub(super) key: KeyBytes,
    /// Its values; columns that the member lacks are absent.
    pub(super) row: Row,
}

/// Reads the row that begins at column `offset` of a query on [`super::objects::image_columns`].
pub(super) fn read_image(table: &BoundTable, row: &Cells, offset: usize) -> Result<Image, Unpublishable> {
    let mut values = table.absent_row();
    for (at, column) in table.columns.iter().enumerate() {
        match column.codec.read(cell(row, offset + at)) {
            Ok(value) => values.0[column.position] = Some(value),
            Err(reason) => return Err(unpublishable(table, row, offset, column, &reason)),
        }
    }
    match table.binding.schema.key_of(&values) {
        Ok(key) => Ok(Image { key, row: values }),
        Err(error) => Err(Unpublishable {
            key: None,
            key_text: raw_key_text(table, row, offset),
            reason: error.to_string(),
        }),
    }
}

/// Reads only the key of the row that begins at column `offset`; `None` if it is none.
pub(super) fn read_key(table: &BoundTable, row: &Cells, offset: usize) -> Option<KeyBytes> {
    let mut values = Vec::with_capacity(table.key.len());
    for at in &table.key {
        let codec = &table.columns[*at].codec;
        values.push((codec.logical(), codec.read(cell(row, offset + at)).ok()?));
    }
    key::encode(values.iter().map(|(logical, value)| (*logical, Some(value)))).ok()
}

/// A column of a row; one that is not there is NULL.
pub(super) fn cell(row: &Cells, place: usize) -> &ColumnData<'static> {
    row.get(place).unwrap_or(&ColumnData::Bit(None))
}

fn unpublishable(
    table: &BoundTable,
    row: &Cells,
    offset: usize,
    column: &BoundColumn,
    reason: &str,
) -> Unpublishable {
    let key = read_key(table, row, offset);
    let key_text = match key.as_ref().and_then(|key| table.key_values(key).ok()) {
        Some(values) => key_text(&values),
        None => raw_key_text(table, row, offset),
    };
    Unpublishable { key, key_text, reason: format!("column {:?} {reason}", column.name) }
}

/// A key as listings show it.
pub(super) fn key_text(values: &[Value]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The same of a key whose values cannot all be read.
pub(super) fn raw_key_text(table: &BoundTable, row: &Cells, offset: usize) -> String {
    let parts = table.key.iter().map(|at| {
        let found = cell(row, offset + at);
        match (table.columns[*at].codec.read(found), found) {
            (Ok(value), _) => value.to_string(),
            (Err(_), ColumnData::Binary(Some(bytes))) => Value::Bytes(bytes.to_vec()).to_string(),
            (Err(_), ColumnData::String(Some(text))) => text.to_string(),
            (Err(_), _) => "?".to_owned(),
        }
    });
    parts.collect::<Vec<_>>().join(", ")
}
