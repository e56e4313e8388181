//! Rows and keys as JSON for people and for consumers that do not know the table's schema.
//!
//! Exact first: whatever a JSON reader could round (decimals, whole numbers beyond 2^53, floats that are no numbers)
//! is text. Nothing of ours reads it back.

use serde_json::{Number, Value as Json};
use std::fmt::Write as _;
use tributary_model::{Row, TableSchema, Value};

/// Whole numbers up to here are the same in every JSON reader.
const EXACT: u64 = 1 << 53;

/// The row as an object by column name, absent columns left out.
pub(crate) fn row(table: &TableSchema, row: &Row) -> String {
    let set = table.columns.iter().zip(&row.0);
    object(set.filter_map(|(column, value)| value.as_ref().map(|value| (column.name.as_str(), value))))
}

/// The key as an object by column name, in key order.
pub(crate) fn key(table: &TableSchema, values: &[Value]) -> String {
    object(table.key.iter().map(|index| table.columns[*index].name.as_str()).zip(values))
}

/// Written field by field: a JSON map may sort its keys, and these have an order.
fn object<'a>(fields: impl Iterator<Item = (&'a str, &'a Value)>) -> String {
    let mut out = String::from("{");
    for (index, (name, value)) in fields.enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(out, "{comma}{}:{}", Json::from(name), json_value(value));
    }
    out.push('}');
    out
}

/// A value as JSON for people: exact, so whatever a JSON reader could round is text. Nothing reads it back.
pub fn json_value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => Json::from(*value),
        Value::Int(value) => Json::from(*value),
        Value::Long(value) if value.unsigned_abs() <= EXACT => Json::from(*value),
        // By way of its text: a single widened to a double has digits that nobody wrote.
        Value::Float(_) | Value::Double(_) => number(&value.to_string()),
        Value::Long(_)
        | Value::Decimal(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Uuid(_)
        | Value::Date(_)
        | Value::Time(_)
        | Value::Timestamp(_)
        | Value::TimestampOffset { .. } => Json::from(value.to_string()),
    }
}

fn number(text: &str) -> Json {
    text.parse().ok().and_then(Number::from_f64).map_or_else(|| Json::from(text), Json::Number)
}
