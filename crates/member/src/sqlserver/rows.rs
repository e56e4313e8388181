//! Single rows by their keys, and the SQL that writes one by hand.

use super::image::{cell, read_key};
use super::objects::image_columns;
use super::poll::{AFTER_SNAPSHOT, snapshot};
use super::scan::own_key_texts;
use super::session::{long, text};
use super::table::{BoundColumn, BoundTable};
use super::values::{Lost, Stored};
use super::{SqlServerMember, cells, states};
use crate::OnLoss;
use crate::template::fill;
use crate::{Error, Result};
use std::collections::HashMap;
use tributary_model::{KeyBytes, Row, Value};

/// A statement takes 2,100 parameters.
const MOST_PARAMETERS: usize = 2_000;

/// The rows of these keys. A value that cannot be read is absent.
pub(super) async fn rows(
    member: &mut SqlServerMember,
    table: usize,
    keys: &[KeyBytes],
) -> Result<Vec<Option<Row>>> {
    states::refresh(member).await?;
    let begin = snapshot(member)?;
    let bound = member.ready(table)?;
    let mut found: HashMap<KeyBytes, Row> = HashMap::with_capacity(keys.len());
    let a_key = bound.own_key.len() + 1;
    for keys in keys.chunks((MOST_PARAMETERS / a_key).max(1)) {
        let bound = member.ready(table)?;
        let Some((sql, texts)) = select_rows(bound, keys)? else { continue };
        let sql = format!("{begin}{sql}{AFTER_SNAPSHOT}");
        let mut parameters = Vec::with_capacity(keys.len() * a_key);
        for (number, key) in texts.iter().enumerate() {
            parameters.push(long(number as i64));
            parameters.extend(key.iter().map(|value| text(value)));
        }
        let rows = member.session.query("read rows of a table", &sql, parameters).await?;
        let bound = member.ready(table)?;
        for row in &rows {
            cells::integer(row, 0).map_err(|reason| member.damaged(&bound.base, reason))?;
            let Some(key) = read_key(bound, row, 1) else { continue };
            let mut values = bound.absent_row();
            for (at, column) in bound.columns.iter().enumerate() {
                values.0[column.position] = column.codec.read(cell(row, at + 1)).ok();
            }
            found.insert(key, values);
        }
    }
    Ok(keys.iter().map(|key| found.get(key).cloned()).collect())
}

/// The query for these keys, and their values as texts. The server's comparison may find a row whose key only looks
/// alike; which rows were asked for is told by their keys.
pub(super) fn select_rows(
    table: &BoundTable,
    keys: &[KeyBytes],
) -> Result<Option<(String, Vec<Vec<String>>)>> {
    let mut texts = Vec::with_capacity(keys.len());
    for key in keys {
        table.key_values(key).map_err(|error| misuse(error.to_string()))?;
        // What the columns cannot hold is not there.
        if let Ok(values) = own_key_texts(table, key) {
            texts.push(values);
        }
    }
    if texts.is_empty() {
        return Ok(None);
    }
    let mut place = 0;
    let mut next = || {
        place += 1;
        format!("@P{place}")
    };
    let lists: Vec<String> = texts
        .iter()
        .map(|_| {
            let number = next();
            let values: Vec<String> =
                table.own_key.iter().map(|at| table.columns[*at].operand(&next())).collect();
            format!("({number}, {})", values.join(", "))
        })
        .collect();
    let names: Vec<String> = (1..=table.own_key.len()).map(|place| format!("[k{place}]")).collect();
    let same = table
        .own_key
        .iter()
        .zip(&names)
        .map(|(at, name)| format!("b.{} = k.{name}", table.columns[*at].quoted));
    let sql = fill(
        include_str!("sql/read_rows.sql"),
        &[
            ("columns", &image_columns(table, "b", "b").join(", ")),
            ("base", &table.base),
            ("keys", &lists.join(",\n  ")),
            ("names", &names.join(", ")),
            ("same", &same.collect::<Vec<_>>().join(" AND ")),
        ],
    );
    Ok(Some((sql, texts)))
}

/// The SQL that writes `row`, or deletes the row. Absent columns are left as they are.
pub(super) fn statement_for(
    member: &SqlServerMember,
    table: usize,
    key: &KeyBytes,
    row: Option<&Row>,
) -> Result<String> {
    let bound = member.ready(table)?;
    let key_values = bound.key_values(key).map_err(|error| misuse(error.to_string()))?;
    by_hand(bound, &key_values, row, member.settings.on_loss).map_err(|reason| Error::Unsupported {
        member: member.id.clone(),
        table: bound.binding.local_table.clone(),
        reason,
    })
}

/// The same of a described table; the error names the column that cannot hold its value.
pub(super) fn by_hand(
    table: &BoundTable,
    key_values: &[Value],
    row: Option<&Row>,
    on_loss: OnLoss,
) -> std::result::Result<String, String> {
    let mut same = Vec::new();
    for (column, value) in table.key_columns().zip(key_values) {
        same.push(key_is(column, &stored(column, value, on_loss)?));
    }
    let same = same.join(" AND ");
    let base = table.base.as_str();
    let Some(row) = row else {
        return Ok(fill(include_str!("sql/delete_by_hand.sql"), &[("base", base), ("same", &same)]));
    };
    let (mut names, mut values, mut updates, mut identity) = (Vec::new(), Vec::new(), Vec::new(), false);
    for (at, column) in table.columns.iter().enumerate() {
        let place = table.key.iter().position(|key| *key == at);
        let value = match place {
            Some(place) => key_values.get(place),
            None => row.get(column.position),
        };
        let Some(value) = value else { continue };
        let literal = column.codec.literal(&stored(column, value, on_loss)?);
        identity |= column.identity;
        if place.is_none() && !column.identity {
            updates.push(format!("{} = {literal}", column.quoted));
        }
        names.push(column.quoted.clone());
        values.push(literal);
    }
    let switch = |before: &str, to: &str, after: &str| {
        if identity { format!("{before}SET IDENTITY_INSERT {base} {to};{after}") } else { String::new() }
    };
    let filled = [
        ("base", base),
        ("same", &same),
        ("names", &names.join(", ")),
        ("values", &values.join(", ")),
        ("updates", &updates.join(", ")),
        ("identity_on", &switch("", "ON", "\n  ")),
        ("identity_off", &switch("\n  ", "OFF", "")),
    ];
    let template = if updates.is_empty() {
        include_str!("sql/insert_by_hand.sql")
    } else {
        include_str!("sql/write_by_hand.sql")
    };
    Ok(fill(template, &filled))
}

/// The condition that the base row `b` has this value in a key column, byte for byte.
fn key_is(column: &BoundColumn, value: &Stored<'_>) -> String {
    let literal = column.codec.literal(value);
    let operand = if column.collation.is_some() { column.operand(&literal) } else { literal };
    let name = format!("b.{}", column.quoted);
    let mut parts = vec![format!("{name} = {operand}")];
    if let Some(binary) = column.binary {
        if !column.is_binary {
            parts.push(format!("{name} COLLATE {binary} = {operand}"));
        }
        parts.push(format!("DATALENGTH({name}) = DATALENGTH({operand})"));
    } else if matches!(value, Stored::Bytes(_)) {
        parts.push(format!("DATALENGTH({name}) = DATALENGTH({operand})"));
    } else if matches!(value, Stored::TimestampOffset(..)) {
        parts.push(format!("DATEPART(TZOFFSET, {name}) = DATEPART(TZOFFSET, {operand})"));
    }
    parts.join(" AND ")
}

fn misuse(reason: String) -> Error {
    Error::Misuse { call: "a call about rows", reason }
}

/// A value as the column holds it.
fn stored<'a>(
    column: &BoundColumn,
    value: &'a Value,
    on_loss: OnLoss,
) -> std::result::Result<Stored<'a>, String> {
    let written = column.codec.write(value, on_loss);
    let lost = |lost: Lost| {
        format!("column {:?} cannot hold {}; change its type, or the row", column.name, lost.reason)
    };
    written.map(|written| written.stored).map_err(lost)
}
