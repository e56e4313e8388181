//! Keys between their canonical bytes and what stands in the file.

use super::image;
use super::settings::OnLoss;
use super::table::BoundTable;
use crate::{Refusal, RefusalKind};
use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use rusqlite::{CachedStatement, Row};
use smallvec::SmallVec;
use tributary_model::{KeyBytes, Value, key};

/// A key as it is bound, in key order.
pub(super) type Key = SmallVec<[Stored; 1]>;

/// A key as it stands in the file; a refusal if it cannot stand there.
pub(super) fn stored(table: &BoundTable, key: &KeyBytes) -> Result<Key, Refusal> {
    let refuse = |message| Refusal { kind: RefusalKind::Value, code: "key".to_owned(), message };
    let values = table.key_values(key).map_err(|error| refuse(error.to_string()))?;
    table
        .key_columns()
        .zip(&values)
        .map(|(column, value)| match value {
            Value::Null => Err(refuse(format!("key column {:?} is NULL", column.name))),
            value => match column.codec.write(value, OnLoss::Refuse) {
                Ok(written) => Ok(owned(&written.value)),
                Err(lost) => Err(refuse(format!("key column {:?} cannot hold {}", column.name, lost.reason))),
            },
        })
        .collect()
}

/// The key that stands in a row's columns from `first` on; `None` if it is not one.
pub(super) fn read(table: &BoundTable, row: &Row<'_>, first: usize) -> rusqlite::Result<Option<KeyBytes>> {
    let mut values: SmallVec<[Value; 2]> = SmallVec::new();
    for (at, column) in table.key_columns().enumerate() {
        match column.codec.read(row.get_ref(first + at)?) {
            Ok(value) => values.push(value),
            Err(_) => return Ok(None),
        }
    }
    let columns =
        table.key_columns().zip(&values).map(|(column, value)| (column.codec.logical(), Some(value)));
    Ok(key::encode(columns).ok())
}

/// How a person reads a key.
pub(super) fn text(table: &BoundTable, key: &KeyBytes) -> String {
    match table.key_values(key) {
        Ok(values) => image::key_text(&values),
        Err(_) => format!("{key:?}"),
    }
}

/// Binds a key to the first parameters.
pub(super) fn bind(statement: &mut CachedStatement<'_>, key: &Key) -> rusqlite::Result<()> {
    for (at, value) in key.iter().enumerate() {
        statement.raw_bind_parameter(at + 1, value)?;
    }
    Ok(())
}

/// A value of its own.
pub(super) fn owned(value: &ToSqlOutput<'_>) -> Stored {
    match value {
        ToSqlOutput::Owned(value) => value.clone(),
        ToSqlOutput::Borrowed(value) => from_ref(*value),
        // Our codecs give no others.
        _ => Stored::Null,
    }
}

/// A copy of a value that stands in the file. A text that is no Unicode becomes bytes: it equals nothing that we
/// write.
pub(super) fn from_ref(value: ValueRef<'_>) -> Stored {
    match value {
        ValueRef::Null => Stored::Null,
        ValueRef::Integer(number) => Stored::Integer(number),
        ValueRef::Real(number) => Stored::Real(number),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Stored::Text(text.to_owned()),
            Err(_) => Stored::Blob(bytes.to_vec()),
        },
        ValueRef::Blob(bytes) => Stored::Blob(bytes.to_vec()),
    }
}
