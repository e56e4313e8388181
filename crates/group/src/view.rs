//! How rows, keys and times are shown to people and written as JSON by the operators' actions.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use tributary_codec::json_value;
use tributary_model::time::{TICKS_A_DAY, format_timestamp, parse_timestamp};
use tributary_model::{KeyBytes, Row, TableSchema, Ticks, Value};

/// A row as columns that are set, in the table's order; written as a JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowView(pub Vec<(String, Value)>);

impl RowView {
    /// The columns of `row` that are set.
    pub fn of(schema: &TableSchema, row: &Row) -> Self {
        let set = schema.columns.iter().zip(&row.0);
        Self(set.filter_map(|(column, value)| Some((column.name.clone(), value.clone()?))).collect())
    }

    /// The key's columns, in key order; empty when `key` is no key of the table.
    pub fn of_key(schema: &TableSchema, key: &KeyBytes) -> Self {
        let values = schema.key_values(key).unwrap_or_default();
        let names = schema.key.iter().map(|at| schema.columns[*at].name.clone());
        Self(names.zip(values).collect())
    }

    /// `Name = value` of every column, for a line of text.
    pub fn text(&self) -> String {
        let columns: Vec<_> =
            self.0.iter().map(|(name, value)| format!("{name} = {}", one_line(value))).collect();
        columns.join(", ")
    }
}

impl Serialize for RowView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Entry by entry: the columns have an order, which a JSON map of values would not keep.
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, &json_value(value))?;
        }
        map.end()
    }
}

/// A key as text: its values in key order. What no key of the table is shows as its bytes.
pub fn key_text(schema: &TableSchema, key: &KeyBytes) -> String {
    match schema.key_values(key) {
        Ok(values) => values.iter().map(one_line).collect::<Vec<_>>().join(", "),
        Err(_) => format!("{key:?}"),
    }
}

/// Whether a person who writes `text` means this key: its values joined by commas.
pub fn key_matches(schema: &TableSchema, key: &KeyBytes, text: &str) -> bool {
    let Ok(values) = schema.key_values(key) else { return false };
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    values.join(",") == text || values.join(", ") == text
}

/// A value on one line, control characters written out.
pub fn one_line(value: &Value) -> String {
    let text = value.to_string();
    if !text.chars().any(char::is_control) {
        return text;
    }
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// A moment as `2026-11-23T13:45:00.1234567Z`.
pub fn time_text(ticks: Ticks) -> String {
    let mut text = format_timestamp(ticks).replacen(' ', "T", 1);
    text.push('Z');
    text
}

/// Reads a moment (`2026-11-23`, `2026-11-23T13:45`, with or without `Z`), or one before `now` (`90s`, `2h`, `7d`).
pub fn read_moment(text: &str, now: Ticks) -> Option<Ticks> {
    if let Ok(back) = humantime::parse_duration(text) {
        let ticks = i64::try_from(back.as_nanos() / 100).ok()?;
        return now.checked_sub(ticks);
    }
    let bare = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    // A year beyond what databases hold is a typing error.
    parse_timestamp(bare).filter(|ticks| ticks.checked_abs().is_some_and(|t| t / TICKS_A_DAY < 4_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_model::{Column, LogicalType, TableName};

    fn schema() -> TableSchema {
        let column =
            |name: &str, logical| Column { name: name.into(), logical, nullable: true, max_length: None };
        TableSchema {
            name: TableName::new("OrderLines"),
            columns: vec![
                column("Order", LogicalType::Long),
                column("Line", LogicalType::String),
                column("Amount", LogicalType::Long),
            ],
            key: vec![1, 0],
            foreign_keys: Vec::new(),
            unique: Vec::new(),
            generation: 1,
        }
    }

    #[test]
    fn rows_keep_their_columns_order_and_leave_out_what_is_absent() {
        let row = Row(vec![Some(Value::Long(7)), Some(Value::String("a\nb".into())), None]);
        let view = RowView::of(&schema(), &row);
        assert_eq!(serde_json::to_string(&view).unwrap(), r#"{"Order":7,"Line":"a\nb"}"#);
        assert_eq!(view.text(), r"Order = 7, Line = a\nb");
    }

    #[test]
    fn keys_are_shown_in_key_order_and_found_by_what_is_shown() {
        let schema = schema();
        let row = Row::of([Value::Long(7), Value::String("x".into()), Value::Null]);
        let key = schema.key_of(&row).unwrap();
        assert_eq!(key_text(&schema, &key), "x, 7");
        assert_eq!(
            serde_json::to_string(&RowView::of_key(&schema, &key)).unwrap(),
            r#"{"Line":"x","Order":7}"#
        );
        assert!(key_matches(&schema, &key, "x,7") && key_matches(&schema, &key, "x, 7"));
        assert!(!key_matches(&schema, &key, "x") && !key_matches(&schema, &key, "7,x"));
        let foreign = KeyBytes::new([1]);
        assert_eq!(key_text(&schema, &foreign), "0x01");
        assert!(!key_matches(&schema, &foreign, ""));
    }

    #[test]
    fn moments_are_read_both_ways() {
        let day = parse_timestamp("2026-11-23").unwrap();
        assert_eq!(time_text(day), "2026-11-23T00:00:00Z");
        for text in ["2026-11-23", "2026-11-23T00:00", "2026-11-23 00:00:00", "2026-11-23T00:00:00Z"] {
            assert_eq!(read_moment(text, 0), Some(day), "{text}");
        }
        assert_eq!(read_moment("2h", day), parse_timestamp("2026-11-22 22:00"));
        assert_eq!(read_moment("1d", day), parse_timestamp("2026-11-22"));
        for bad in ["", "yesterday", "2026-13-01", "-5s"] {
            assert_eq!(read_moment(bad, day), None, "{bad}");
        }
    }
}
