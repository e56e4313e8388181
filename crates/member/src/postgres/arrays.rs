//! Many rows as one statement's parameters: an array a column, and rows of a binary COPY, both in PostgreSQL's binary
//! format.
//!
//! An element of an array and a field of a copied row look the same: its length, or -1 for NULL, and its bytes. So
//! values are encoded once, by whoever knows their type, and this file only puts them together.

use bytes::{BufMut as _, Bytes, BytesMut};
use smallvec::SmallVec;
use std::error::Error;
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};

/// A field: its length, or -1, and its bytes.
pub(super) type Field = SmallVec<[u8; 24]>;

/// One parameter: the values of one column, row by row.
#[derive(Debug, Clone, Default)]
pub(super) struct Array {
    count: i32,
    has_null: bool,
    /// The elements, each as a field.
    body: BytesMut,
}

impl Array {
    /// An empty array with room for so many elements.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self { count: 0, has_null: false, body: BytesMut::with_capacity(count * 12) }
    }

    /// An array of these.
    pub(super) fn of<T: Element>(values: impl IntoIterator<Item = T>) -> Self {
        let values = values.into_iter();
        let mut array = Self::with_capacity(values.size_hint().0);
        for value in values {
            array.push(&value);
        }
        array
    }

    /// Adds a value.
    pub(super) fn push<T: Element>(&mut self, value: &T) {
        self.count += 1;
        let start = self.body.len();
        self.body.put_i32(0);
        if value.put(&mut self.body) {
            let length = (self.body.len() - start - 4) as i32;
            self.body[start..start + 4].copy_from_slice(&length.to_be_bytes());
        } else {
            self.body[start..start + 4].copy_from_slice(&(-1_i32).to_be_bytes());
            self.has_null = true;
        }
    }

    /// Adds one that is a field already.
    pub(super) fn push_field(&mut self, field: &[u8]) {
        self.count += 1;
        self.has_null |= field == (-1_i32).to_be_bytes();
        self.body.put_slice(field);
    }

    /// Whether it has no elements.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many elements it has.
    pub(super) fn len(&self) -> usize {
        self.count as usize
    }
}

impl ToSql for Array {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        let Kind::Array(element) = ty.kind() else {
            return Err(format!("an array is given for a parameter of the type {ty}").into());
        };
        out.reserve(20 + self.body.len());
        out.put_i32(i32::from(self.count > 0));
        out.put_i32(i32::from(self.has_null));
        out.put_u32(element.oid());
        if self.count > 0 {
            out.put_i32(self.count);
            out.put_i32(1);
            out.put_slice(&self.body);
        }
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(ty.kind(), Kind::Array(_))
    }

    to_sql_checked!();
}

/// What can be an element: its bytes in the binary format of the type that the statement gives the parameter.
pub(super) trait Element {
    /// Writes the bytes; `false` if it is NULL.
    fn put(&self, out: &mut BytesMut) -> bool;
}

impl Element for bool {
    fn put(&self, out: &mut BytesMut) -> bool {
        out.put_u8(u8::from(*self));
        true
    }
}

impl Element for i32 {
    fn put(&self, out: &mut BytesMut) -> bool {
        out.put_i32(*self);
        true
    }
}

impl Element for i64 {
    fn put(&self, out: &mut BytesMut) -> bool {
        out.put_i64(*self);
        true
    }
}

impl Element for &str {
    fn put(&self, out: &mut BytesMut) -> bool {
        out.put_slice(self.as_bytes());
        true
    }
}

impl Element for String {
    fn put(&self, out: &mut BytesMut) -> bool {
        self.as_str().put(out)
    }
}

impl Element for &[u8] {
    fn put(&self, out: &mut BytesMut) -> bool {
        out.put_slice(self);
        true
    }
}

impl<T: Element> Element for Option<T> {
    fn put(&self, out: &mut BytesMut) -> bool {
        self.as_ref().is_some_and(|value| value.put(out))
    }
}

/// The fields that stand one behind the other in `fields`.
pub(super) fn split(mut fields: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = i32::from_be_bytes(*fields.first_chunk::<4>()?);
        let end = 4 + usize::try_from(length).unwrap_or(0);
        let (field, rest) = fields.split_at_checked(end)?;
        fields = rest;
        Some(field)
    })
}

/// Rows of a binary COPY.
#[derive(Debug)]
pub(super) struct CopyRows {
    columns: i16,
    buffer: BytesMut,
    rows: u64,
}

impl CopyRows {
    /// No rows yet, of so many columns.
    pub(super) fn new(columns: usize, rows: usize) -> Self {
        let mut buffer = BytesMut::with_capacity(64 + rows * columns * 16);
        // Signature, no flags, no header extension.
        buffer.put_slice(b"PGCOPY\n\xff\r\n\0");
        buffer.put_i32(0);
        buffer.put_i32(0);
        Self { columns: columns as i16, buffer, rows: 0 }
    }

    /// Begins a row; its fields are put next.
    pub(super) fn begin(&mut self) -> &mut BytesMut {
        self.rows += 1;
        self.buffer.put_i16(self.columns);
        &mut self.buffer
    }

    /// How many rows there are, and all of them as they are sent.
    pub(super) fn finish(mut self) -> (u64, Bytes) {
        self.buffer.put_i16(-1);
        (self.rows, self.buffer.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_in_the_binary_format() {
        let mut out = BytesMut::new();
        Array::of([Some(7_i32), None]).to_sql(&Type::INT4_ARRAY, &mut out).unwrap();
        let words: Vec<i32> =
            out.chunks(4).map(|word| i32::from_be_bytes(word.try_into().unwrap())).collect();
        // Dimensions, has NULL, int4, length, first subscript, the elements.
        assert_eq!(words, [1, 1, 23, 2, 1, 4, 7, -1]);
        out.clear();
        Array::default().to_sql(&Type::TEXT_ARRAY, &mut out).unwrap();
        assert_eq!(out.len(), 12, "no dimensions");
    }

    #[test]
    fn fields_are_told_apart() {
        let mut array = Array::default();
        for text in [Some("a"), None, Some(""), Some("long")] {
            array.push(&text);
        }
        let fields: Vec<&[u8]> = split(&array.body).collect();
        assert_eq!(fields, [&b"\0\0\0\x01a"[..], b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x04long"]);
        let mut again = Array::default();
        fields.iter().for_each(|field| again.push_field(field));
        assert_eq!((again.body, again.has_null, again.count), (array.body, true, 4));
    }

    #[test]
    fn copied_rows_end() {
        let mut rows = CopyRows::new(1, 1);
        rows.begin().put_i32(-1);
        let (count, bytes) = rows.finish();
        assert_eq!(count, 1);
        assert_eq!(&bytes[19..], [0, 1, 255, 255, 255, 255, 255, 255]);
    }
}
