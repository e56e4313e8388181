//! Single rows by their keys, and the SQL that writes one by hand.

use super::failure::failed;
use super::image::image_columns;
use super::quote;
use super::settings::OnLoss;
use super::table::{BoundColumn, BoundTable};
use super::{SqliteMember, states};
use crate::{Error, Result};
use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};
use rusqlite::{Statement, params_from_iter};
use tributary_model::{KeyBytes, Row, Value};

/// The rows of these keys. A value that is not of its column's type is absent.
pub(super) fn rows(member: &mut SqliteMember, table: usize, keys: &[KeyBytes]) -> Result<Vec<Option<Row>>> {
    let action = "read rows of a table";
    states::in_snapshot(member, action, |member, connection| {
        let bound = member.ready(table)?;
        let sql = format!(
            "SELECT {} FROM {} AS b WHERE {}",
            image_columns(bound, "b", "b"),
            bound.base,
            bound.base_is_parameters()
        );
        let mut statement = connection.prepare_cached(&sql).map_err(failed(&member.path, action))?;
        keys.iter()
            .map(|key| {
                let values = key_values(bound, key)?;
                read_row(&mut statement, bound, &values).map_err(failed(&member.path, action))
            })
            .collect()
    })
}

fn read_row(
    statement: &mut Statement<'_>,
    table: &BoundTable,
    key: &[Value],
) -> rusqlite::Result<Option<Row>> {
    let mut parameters = Vec::with_capacity(key.len());
    for (value, column) in key.iter().zip(table.key_columns()) {
        match column.codec.write(value, OnLoss::Refuse) {
            Ok(written) => parameters.push(written.value),
            // What the column cannot hold is not there.
            Err(_) => return Ok(None),
        }
    }
    let mut rows = statement.query(params_from_iter(&parameters))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut values = table.absent_row();
    for (at, column) in table.columns.iter().enumerate() {
        values.0[column.position] = column.codec.read(row.get_ref(at)?).ok();
    }
    Ok(Some(values))
}

/// The SQL that writes `row`, or deletes the row. Absent columns are left as they are.
pub(super) fn statement_for(
    member: &SqliteMember,
    table: usize,
    key: &KeyBytes,
    row: Option<&Row>,
) -> Result<String> {
    let bound = member.ready(table)?;
    let key_values = key_values(bound, key)?;
    let Some(row) = row else {
        let mut parts = Vec::with_capacity(key_values.len());
        for (value, column) in key_values.iter().zip(bound.key_columns()) {
            let collate = if column.is_binary() { "" } else { " COLLATE BINARY" };
            parts.push(format!("{}{collate} = {}", column.quoted, literal(member, bound, column, value)?));
        }
        return Ok(format!("DELETE FROM {} WHERE {};", bound.base, parts.join(" AND ")));
    };
    let (mut names, mut values, mut updates) = (Vec::new(), Vec::new(), Vec::new());
    for (at, column) in bound.columns.iter().enumerate() {
        let place = bound.key.iter().position(|key| *key == at);
        let value = match place {
            Some(place) => key_values.get(place),
            None => row.get(column.position),
        };
        let Some(value) = value else { continue };
        names.push(column.quoted.clone());
        values.push(literal(member, bound, column, value)?);
        if place.is_none() {
            updates.push(format!("{0} = excluded.{0}", column.quoted));
        }
    }
    let key_names: Vec<&str> = bound.key_columns().map(|column| column.quoted.as_str()).collect();
    let action = if updates.is_empty() {
        "DO NOTHING".to_owned()
    } else {
        format!("DO UPDATE SET {}", updates.join(", "))
    };
    Ok(format!(
        "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) {action};",
        bound.base,
        names.join(", "),
        values.join(", "),
        key_names.join(", ")
    ))
}

fn key_values(table: &BoundTable, key: &KeyBytes) -> Result<Vec<Value>> {
    table
        .key_values(key)
        .map_err(|error| Error::Misuse { call: "a call about rows", reason: error.to_string() })
}

/// A value as SQL text that the column takes as it is.
fn literal(member: &SqliteMember, table: &BoundTable, column: &BoundColumn, value: &Value) -> Result<String> {
    let written = column.codec.write(value, member.settings.on_loss).map_err(|lost| Error::Unsupported {
        member: member.id.clone(),
        table: table.binding.local_table.clone(),
        reason: format!("column {:?} cannot hold {}; change its type, or the row", column.name, lost.reason),
    })?;
    let stored = match &written.value {
        ToSqlOutput::Borrowed(value) => *value,
        ToSqlOutput::Owned(value) => ValueRef::from(value),
        _ => ValueRef::from(&Stored::Null),
    };
    Ok(match stored {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) if number.is_infinite() => {
            if number > 0.0 {
                "9e999".to_owned()
            } else {
                "-9e999".to_owned()
            }
        }
        ValueRef::Real(number) => format!("{number:?}"),
        ValueRef::Text(text) => quote::text(&String::from_utf8_lossy(text)),
        ValueRef::Blob(bytes) => quote::bytes(bytes),
    })
}
