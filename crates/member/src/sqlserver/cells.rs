//! Cells of rows of our own queries, by place and kind. The error says what stood there instead.

use tiberius::ColumnData;

/// What reading a cell gives.
pub(crate) type Cell<T> = Result<T, String>;

fn at<'r>(row: &'r [ColumnData<'static>], place: usize) -> Cell<&'r ColumnData<'static>> {
    row.get(place).ok_or_else(|| format!("{} columns where there should be more", row.len()))
}

fn other<T>(place: usize, what: &str) -> Cell<T> {
    Err(format!("column {place} is no {what}"))
}

/// A whole number, or NULL.
pub(crate) fn optional_integer(row: &[ColumnData<'static>], place: usize) -> Cell<Option<i64>> {
    Ok(match at(row, place)? {
        ColumnData::Bit(value) => value.map(i64::from),
        ColumnData::U8(value) => value.map(i64::from),
        ColumnData::I16(value) => value.map(i64::from),
        ColumnData::I32(value) => value.map(i64::from),
        ColumnData::I64(value) => *value,
        _ => return other(place, "number"),
    })
}

/// A whole number.
pub(crate) fn integer(row: &[ColumnData<'static>], place: usize) -> Cell<i64> {
    optional_integer(row, place)?.map_or_else(|| other(place, "number, but NULL"), Ok)
}

/// A truth value; NULL is false.
pub(crate) fn flag(row: &[ColumnData<'static>], place: usize) -> Cell<bool> {
    Ok(optional_integer(row, place)?.is_some_and(|value| value != 0))
}

/// A text, or NULL.
pub(crate) fn optional_text(row: &[ColumnData<'static>], place: usize) -> Cell<Option<String>> {
    match at(row, place)? {
        ColumnData::String(value) => Ok(value.as_deref().map(str::to_owned)),
        _ => other(place, "text"),
    }
}

/// A text.
pub(crate) fn text(row: &[ColumnData<'static>], place: usize) -> Cell<String> {
    optional_text(row, place)?.map_or_else(|| other(place, "text, but NULL"), Ok)
}

/// Bytes, or NULL.
pub(crate) fn optional_bytes(row: &[ColumnData<'static>], place: usize) -> Cell<Option<Vec<u8>>> {
    match at(row, place)? {
        ColumnData::Binary(value) => Ok(value.as_deref().map(<[u8]>::to_vec)),
        _ => other(place, "bytes"),
    }
}

/// Bytes.
pub(crate) fn bytes(row: &[ColumnData<'static>], place: usize) -> Cell<Vec<u8>> {
    optional_bytes(row, place)?.map_or_else(|| other(place, "bytes, but NULL"), Ok)
}
