//! Keys between their canonical bytes and what stands in the database.
//!
//! A key that is looked up is a text for each column of the member's own primary key, in that key's order.

use super::declared::Kind;
use super::json::{Column, Rows};
use super::session::Cells;
use super::table::{BoundTable, Part};
use super::values::Codec;
use crate::OnLoss;
use crate::{Refusal, RefusalKind};
use smallvec::SmallVec;
use tributary_model::{KeyBytes, Value, key};

/// A key as it is sent.
pub(super) type Key = SmallVec<[String; 1]>;

/// A key as it stands in the database; a refusal if it cannot stand there.
pub(super) fn stored(table: &BoundTable, key: &KeyBytes) -> Result<Key, Refusal> {
    let refuse = |message| Refusal { kind: RefusalKind::Value, code: "key".to_owned(), message };
    let values = table.key_values(key).map_err(|error| refuse(error.to_string()))?;
    let mut out = Key::new();
    for at in &table.own_key {
        let column = &table.columns[*at];
        let value = table.key.iter().position(|key| key == at).and_then(|place| values.get(place));
        let value = value.filter(|value| !value.is_null());
        let Some(value) = value else {
            return Err(refuse(format!("key column {:?} is NULL", column.name)));
        };
        match column.codec.write(value, OnLoss::Refuse) {
            Ok(written) => out.push(written.stored.text().unwrap_or_default().into_owned()),
            Err(lost) => {
                return Err(refuse(format!("key column {:?} cannot hold {}", column.name, lost.reason)));
            }
        }
    }
    Ok(out)
}

/// The key that stands in a row's columns from `first` on, as [`selected`] gives them; `None` if it is not one.
pub(super) fn read(table: &BoundTable, row: &Cells, first: usize) -> Option<KeyBytes> {
    let mut values: SmallVec<[Value; 2]> = SmallVec::new();
    for at in &table.key {
        let place = table.own_key.iter().position(|own| own == at)?;
        values.push(table.columns[*at].codec.read(row.get(first + place)?).ok()?);
    }
    let columns = table.key_columns().zip(&values);
    key::encode(columns.map(|(column, value)| (column.codec.logical(), Some(value)))).ok()
}

/// The key columns of the base table under the alias `side`, for [`read`].
pub(super) fn selected_columns(table: &BoundTable, side: &str) -> Vec<String> {
    let parts = table.own_key.iter().map(|at| {
        let column = &table.columns[*at];
        column.codec.select(&format!("{side}.{}", column.quoted))
    });
    parts.collect()
}

/// The same as a list.
pub(super) fn selected(table: &BoundTable, side: &str) -> String {
    selected_columns(table, side).join(", ")
}

/// How a person reads a key.
pub(super) fn text(table: &BoundTable, key: &KeyBytes) -> String {
    match table.key_values(key) {
        Ok(values) => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        Err(_) => format!("{key:?}"),
    }
}

/// Keys as the parameter of a statement; the answers call each by its place.
pub(super) fn rows<'k>(keys: impl IntoIterator<Item = &'k Key>) -> Rows {
    let mut rows = Rows::default();
    for (place, key) in keys.into_iter().enumerate() {
        rows.begin(place);
        rows.texts(key);
    }
    rows
}

/// What the parameter's key texts are called, in their order.
fn text_name(place: usize) -> String {
    format!("key{place}")
}

/// What the derived table calls the column that goes with a column of the tracking table's key.
fn name(tracking: usize) -> String {
    format!("k{tracking}")
}

/// The derived table's texts and columns of a key. Texts get the binary collation of their column's code page, so that
/// they are spelt in it and compare with what the tracking table holds.
pub(super) fn columns(table: &BoundTable) -> (Vec<String>, Vec<Column>) {
    let mut texts = Vec::with_capacity(table.own_key.len());
    let mut columns = Vec::with_capacity(table.tracking_key.len());
    for (number, tracking) in table.tracking_key.iter().enumerate() {
        let column = &table.columns[tracking.column];
        let place = table.own_key.iter().position(|at| *at == tracking.column).unwrap_or_default();
        let text = text_name(place);
        let read = format!("j.[{text}]");
        if tracking.part == Part::Value {
            texts.push(text);
        }
        let value = typed(&column.codec, &read, column.binary);
        let expression = match tracking.part {
            Part::Value => value,
            Part::Length => format!("DATALENGTH({value})"),
            Part::Offset => format!("DATEPART(TZOFFSET, {value})"),
        };
        columns.push(Column { name: format!("[{}]", name(number)), expression });
    }
    (texts, columns)
}

/// A text under a collation: that says in which code page it is spelt and how it compares. Our own parameters have the
/// database's, which columns may not have.
pub(super) fn collated(text: &str, collation: Option<&str>) -> String {
    match collation {
        Some(collation) => format!("{text} COLLATE {collation}"),
        None => text.to_owned(),
    }
}

/// A text as a value of a column's own type, to be compared with it: only then is the column's index of use, and the
/// length in bytes that of the column's code page. No text that is sent is longer than its column.
pub(super) fn typed(codec: &Codec, text: &str, collation: Option<&str>) -> String {
    let declared = codec.declared();
    let value = codec.convert(&collated(text, collation));
    match declared.kind {
        Kind::Char | Kind::VarChar | Kind::NChar | Kind::NVarChar => {
            format!("CAST({value} AS {})", declared.spelt())
        }
        _ => value,
    }
}

/// The condition that the tracking row `t` is that of the derived table's row `u`.
pub(super) fn tracking_match(table: &BoundTable) -> String {
    let parts = table.tracking_key.iter().enumerate();
    let parts = parts.map(|(number, tracking)| format!("t.{} = u.[{}]", tracking.quoted, name(number)));
    parts.collect::<Vec<_>>().join(" AND ")
}

/// The condition that the base row `b` is that of the derived table's row `u`, byte for byte. The plain comparison, under
/// the base column's own collation, finds it by the key's index.
pub(super) fn base_match(table: &BoundTable) -> String {
    let mut parts = Vec::new();
    for (number, tracking) in table.tracking_key.iter().enumerate() {
        let column = &table.columns[tracking.column];
        let ours = format!("u.[{}]", name(number));
        match (tracking.part, &column.collation, column.binary) {
            (Part::Value, Some(collation), Some(binary)) => {
                parts.push(format!("b.{} = {ours} COLLATE {collation}", column.quoted));
                if !column.is_binary {
                    parts.push(format!("b.{} COLLATE {binary} = {ours}", column.quoted));
                }
            }
            _ => parts.push(format!("{} = {ours}", table.tracked_part(tracking, "b"))),
        }
    }
    parts.join(" AND ")
}

/// The condition that the base row `b` comes no later in the order of the member's own key than the key of the derived
/// table's row `c`.
pub(super) fn base_is_within(table: &BoundTable) -> String {
    let parts: Vec<(String, String)> = table
        .tracking_key
        .iter()
        .enumerate()
        .filter(|(_, tracking)| tracking.part == Part::Value)
        .map(|(number, tracking)| {
            let column = &table.columns[tracking.column];
            let collate =
                column.collation.as_ref().map_or_else(String::new, |name| format!(" COLLATE {name}"));
            (format!("b.{}", column.quoted), format!("c.[{}]{collate}", name(number)))
        })
        .collect();
    let mut out = String::new();
    for (at, (ours, theirs)) in parts.iter().enumerate().rev() {
        out = if at + 1 == parts.len() {
            format!("{ours} <= {theirs}")
        } else {
            format!("({ours} < {theirs} OR ({ours} = {theirs} AND ({out})))")
        };
    }
    out
}

/// The derived table's columns that hold the tracking table's key, as a list.
pub(super) fn tracking_values(table: &BoundTable) -> String {
    let parts = (0..table.tracking_key.len()).map(|number| format!("u.[{}]", name(number)));
    parts.collect::<Vec<_>>().join(", ")
}

/// The derived table's column that holds a key column, by position in the table's columns.
pub(super) fn value_of(table: &BoundTable, column: usize) -> Option<String> {
    let of =
        |tracking: &super::table::TrackingColumn| tracking.column == column && tracking.part == Part::Value;
    table.tracking_key.iter().position(of).map(|number| format!("u.[{}]", name(number)))
}
