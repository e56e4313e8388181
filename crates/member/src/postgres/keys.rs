//! Keys between their canonical bytes and what travels to and from the server.

use super::arrays::{Array, Field, split};
use super::settings::OnLoss;
use super::table::{BoundColumn, BoundTable};
use super::values::{Raw, Written, key_text};
use crate::{Refusal, RefusalKind};
use smallvec::SmallVec;
use tokio_postgres::Row;
use tributary_model::{KeyBytes, Value, key};

/// A key's values as they are sent, in key order, each as a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key(Field);

impl Key {
    /// Its fields, one behind the other.
    pub(super) fn fields(&self) -> &[u8] {
        &self.0
    }
}

/// Appends a value as a field; tells whether it was rounded, or what cannot be held.
pub(super) fn put(
    column: &BoundColumn,
    value: &Value,
    on_loss: OnLoss,
    fields: &mut Vec<u8>,
) -> Result<bool, &'static str> {
    let start = fields.len();
    fields.extend_from_slice(&(-1_i32).to_be_bytes());
    match column.codec.write(value, on_loss, fields) {
        Ok(Written::Null) => Ok(false),
        Ok(written) => {
            let length = i32::try_from(fields.len() - start - 4).map_err(|_| "a value of so many bytes")?;
            fields[start..start + 4].copy_from_slice(&length.to_be_bytes());
            Ok(written == Written::Rounded)
        }
        Err(lost) => {
            fields.truncate(start);
            Err(lost.reason)
        }
    }
}

/// A key as it stands in the table; a refusal if it cannot stand there.
pub(super) fn stored(table: &BoundTable, key: &KeyBytes) -> Result<Key, Refusal> {
    let refuse = |message| Refusal { kind: RefusalKind::Value, code: "key".to_owned(), message };
    let values = table.key_values(key).map_err(|error| refuse(error.to_string()))?;
    let mut fields = Vec::with_capacity(16 * values.len());
    for (column, value) in table.key_columns().zip(&values) {
        if value.is_null() {
            return Err(refuse(format!("key column {:?} is NULL", column.name)));
        }
        put(column, value, OnLoss::Refuse, &mut fields)
            .map_err(|reason| refuse(format!("key column {:?} cannot hold {reason}", column.name)))?;
    }
    Ok(Key(Field::from_slice(&fields)))
}

/// The key that stands in a row's columns from `first` on; `None` if it is not one.
pub(super) fn read(table: &BoundTable, row: &Row, first: usize) -> Option<KeyBytes> {
    let mut values: SmallVec<[Value; 2]> = SmallVec::new();
    for (at, column) in table.key_columns().enumerate() {
        values.push(column.codec.read(row.get::<_, Raw<'_>>(first + at).0).ok()?);
    }
    let columns =
        table.key_columns().zip(&values).map(|(column, value)| (column.codec.logical(), Some(value)));
    key::encode(columns).ok()
}

/// How a person reads a key.
pub(super) fn text(table: &BoundTable, key: &KeyBytes) -> String {
    match table.key_values(key) {
        Ok(values) => key_text(&values),
        Err(_) => format!("{key:?}"),
    }
}

/// Keys as parameters: an array a column of the key.
pub(super) fn arrays<'k>(width: usize, keys: impl IntoIterator<Item = &'k Key>) -> Vec<Array> {
    let mut arrays = vec![Array::default(); width];
    for key in keys {
        for (array, field) in arrays.iter_mut().zip(split(key.fields())) {
            array.push_field(field);
        }
    }
    arrays
}
