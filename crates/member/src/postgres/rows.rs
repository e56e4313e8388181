//! Single rows by their keys, and the SQL that writes one by hand.

use super::PostgresMember;
use super::declared::Quirk;
use super::image::image_columns;
use super::quote;
use super::settings::OnLoss;
use super::states::in_snapshot;
use super::table::{BoundColumn, BoundTable, and, list};
use super::values::{Array, Raw, Written};
use crate::{Error, Result};
use tokio_postgres::types::ToSql;
use tributary_model::time::{TICKS_A_DAY, format_date, format_time};
use tributary_model::{KeyBytes, Row, Value};

/// The rows of these keys. A value that has no logical form is absent.
pub(super) async fn rows(
    member: &mut PostgresMember,
    table: usize,
    keys: &[KeyBytes],
) -> Result<Vec<Option<Row>>> {
    let action = "read rows of a table";
    in_snapshot(member, action, "", async |member| {
        let bound = member.ready(table)?;
        let mut found = vec![None; keys.len()];
        let (arrays, places) = key_arrays(bound, keys)?;
        if places.is_empty() {
            return Ok(found);
        }
        let sql = format!(
            "SELECT x.n, {} FROM unnest({}) WITH ORDINALITY AS x ({}, n) JOIN {} AS b ON {}",
            image_columns(bound, "b", "b"),
            key_array_parameters(bound),
            list((0..bound.key.len()).map(|place| format!("k{place}"))),
            bound.base,
            bound.base_is(|place| format!("x.k{place}")),
        );
        let parameters: Vec<&(dyn ToSql + Sync)> =
            arrays.iter().map(|array| array as &(dyn ToSql + Sync)).collect();
        for row in member.session.query(action, &sql, &parameters).await? {
            let read = || -> std::result::Result<(usize, Row), tokio_postgres::Error> {
                let number: i64 = row.try_get(0)?;
                let mut values = bound.absent_row();
                for (at, column) in bound.columns.iter().enumerate() {
                    values.0[column.position] = column.codec.read(row.try_get::<_, Raw<'_>>(at + 1)?.0).ok();
                }
                Ok((usize::try_from(number - 1).unwrap_or_default(), values))
            };
            let (number, values) = read().map_err(member.session.origin.failed(action))?;
            if let Some(place) = places.get(number) {
                found[*place] = Some(values);
            }
        }
        Ok(found)
    })
    .await
}

/// Keys as one array a column, and which keys they are: what a column cannot hold is not there.
pub(super) fn key_arrays(table: &BoundTable, keys: &[KeyBytes]) -> Result<(Vec<Array>, Vec<usize>)> {
    let mut arrays: Vec<Array> =
        table.key_columns().map(|column| Array::new(column.codec.transport())).collect();
    let mut places = Vec::with_capacity(keys.len());
    'keys: for (place, key) in keys.iter().enumerate() {
        let values = key_values(table, key)?;
        let mut written = Vec::with_capacity(values.len());
        for (column, value) in table.key_columns().zip(&values) {
            let mut bytes = Vec::new();
            if column.codec.write(value, OnLoss::Refuse, &mut bytes).is_err() {
                continue 'keys;
            }
            written.push(bytes);
        }
        for (array, bytes) in arrays.iter_mut().zip(&written) {
            array.push_raw(Some(bytes));
        }
        places.push(place);
    }
    Ok((arrays, places))
}

/// The arrays of a key as parameters of `unnest`, from `$1` on.
pub(super) fn key_array_parameters(table: &BoundTable) -> String {
    list(
        table
            .key_columns()
            .enumerate()
            .map(|(at, column)| format!("${}::{}[]", at + 1, column.codec.transport().sql())),
    )
}

/// The SQL that writes `row`, or deletes the row. Absent columns are left as they are.
pub(super) fn statement_for(
    member: &PostgresMember,
    table: usize,
    key: &KeyBytes,
    row: Option<&Row>,
) -> Result<String> {
    let bound = member.ready(table)?;
    let key_values = key_values(bound, key)?;
    let Some(row) = row else {
        let mut literals = Vec::with_capacity(key_values.len());
        for (value, column) in key_values.iter().zip(bound.key_columns()) {
            literals.push(literal(member, bound, column, value)?);
        }
        let same =
            and(bound.key_columns().zip(&literals).map(|(column, (literal, _))| column.is("b", literal)));
        return Ok(format!("DELETE FROM {} AS b WHERE {same};", bound.base));
    };
    let (mut names, mut values, mut updates) = (Vec::new(), Vec::new(), Vec::new());
    let mut overriding = "";
    for (at, column) in bound.columns.iter().enumerate() {
        let place = bound.key.iter().position(|key| *key == at);
        let value = match place {
            Some(place) => key_values.get(place),
            None => row.get(column.position),
        };
        let Some(value) = value else { continue };
        names.push(column.quoted.clone());
        values.push(literal(member, bound, column, value)?.1);
        if column.always_identity {
            // The server lets nobody update such a column.
            overriding = " OVERRIDING SYSTEM VALUE";
        } else if place.is_none() {
            updates.push(format!("{0} = excluded.{0}", column.quoted));
        }
    }
    let action = if updates.is_empty() {
        "DO NOTHING".to_owned()
    } else {
        format!("DO UPDATE SET {}", updates.join(", "))
    };
    Ok(format!(
        "INSERT INTO {} ({}){overriding} VALUES ({}) ON CONFLICT ({}) {action};",
        bound.base,
        names.join(", "),
        values.join(", "),
        list(bound.key_columns().map(|column| column.quoted.clone())),
    ))
}

fn key_values(table: &BoundTable, key: &KeyBytes) -> Result<Vec<Value>> {
    table
        .key_values(key)
        .map_err(|error| Error::Misuse { call: "a call about rows", reason: error.to_string() })
}

/// A value as SQL text: of the type that it travels in, and as the column takes it.
fn literal(
    member: &PostgresMember,
    table: &BoundTable,
    column: &BoundColumn,
    value: &Value,
) -> Result<(String, String)> {
    let unsupported = |reason: &str| Error::Unsupported {
        member: member.session.origin.member.clone(),
        table: table.label(),
        reason: format!("column {:?} cannot hold {reason}; change its type, or the row", column.name),
    };
    let mut bytes = Vec::new();
    let written = column
        .codec
        .write(value, member.settings.on_loss, &mut bytes)
        .map_err(|lost| unsupported(lost.reason))?;
    // Read again, so that a value that is rounded is shown so.
    let sent = (written != Written::Null).then_some(bytes.as_slice());
    let kept = column.codec.read(sent).map_err(|_| unsupported("the value"))?;
    let text = spelt(&kept);
    let as_column = match column.declared.quirk {
        Quirk::None => text.clone(),
        _ if kept.is_null() => text.clone(),
        _ => format!("{text}::{}", column.declared.base),
    };
    Ok((text, as_column))
}

fn spelt(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Boolean(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Long(number) => number.to_string(),
        // A number in quotes is not rounded on its way.
        Value::Decimal(decimal) => format!("'{}'::numeric", decimal.to_plain_string()),
        Value::Float(number) => format!("'{}'::float4", float(f64::from(*number), &number.to_string())),
        Value::Double(number) => format!("'{}'::float8", float(*number, &format!("{number:?}"))),
        Value::String(text) => quote::text(text),
        Value::Bytes(bytes) => quote::bytes(bytes),
        Value::Uuid(id) => format!("'{id}'::uuid"),
        Value::Date(days) => date(*days),
        Value::Time(ticks) => format!("'{}'::time", format_time(*ticks)),
        Value::Timestamp(ticks) => timestamp(*ticks),
        Value::TimestampOffset { ticks, .. } => format!("({} AT TIME ZONE 'UTC')", timestamp(*ticks)),
    }
}

fn float(number: f64, shortest: &str) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else {
        shortest.to_owned()
    }
}

/// Years before 1 and after 9999 are spelt otherwise in PostgreSQL: days are added to a date.
fn date(days: i32) -> String {
    let text = format_date(days);
    if text.starts_with(['-', '+']) || text.ends_with('d') || text.starts_with("0000") {
        format!("('1970-01-01'::date + {days})")
    } else {
        format!("'{text}'::date")
    }
}

fn timestamp(ticks: i64) -> String {
    let days = i32::try_from(ticks.div_euclid(TICKS_A_DAY)).unwrap_or_default();
    format!("({} + '{}'::time)", date(days), format_time(ticks.rem_euclid(TICKS_A_DAY)))
}
