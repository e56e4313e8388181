//! Rows on the wire: every column a union with null, in the table's order.
//!
//! An absent column is written as null; which nulls are absent stands beside the row, in `unset`.

use crate::decimal::{self, Bounds};
use crate::wire::{Read, Reader, Within, put_branch, put_bytes, put_long};
use tributary_model::time::TICKS_A_DAY;
use tributary_model::{LogicalType, Row, Value};
use uuid::Uuid;

/// The largest offset from UTC, in minutes.
const MAX_OFFSET: i32 = 840;

/// A column as the codec needs it.
#[derive(Debug)]
pub(crate) struct Column {
    /// The group's name.
    pub(crate) name: String,
    /// The Avro field's name.
    pub(crate) field: String,
    /// Its type.
    pub(crate) logical: LogicalType,
    kind: Kind,
}

/// The type with its decimal's bounds worked out.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Boolean,
    Int,
    Long,
    Decimal(Bounds),
    Numeric,
    Float,
    Double,
    String,
    Bytes,
    Uuid,
    Date,
    Time,
    Timestamp,
    TimestampOffset,
}

/// Why a row cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It has this many columns, and not the table's number.
    Length(usize),
    /// The value of this column is not of its type.
    Column(usize),
}

impl Column {
    pub(crate) fn new(name: &str, field: String, logical: LogicalType) -> Self {
        let kind = match logical {
            LogicalType::Boolean => Kind::Boolean,
            LogicalType::Int => Kind::Int,
            LogicalType::Long => Kind::Long,
            LogicalType::Decimal { precision, scale } => Kind::Decimal(Bounds::new(precision, scale)),
            LogicalType::Numeric => Kind::Numeric,
            LogicalType::Float => Kind::Float,
            LogicalType::Double => Kind::Double,
            LogicalType::String => Kind::String,
            LogicalType::Bytes => Kind::Bytes,
            LogicalType::Uuid => Kind::Uuid,
            LogicalType::Date => Kind::Date,
            LogicalType::Time => Kind::Time,
            LogicalType::Timestamp => Kind::Timestamp,
            LogicalType::TimestampOffset => Kind::TimestampOffset,
        };
        Self { name: name.to_owned(), field, logical, kind }
    }

    fn put(&self, out: &mut Vec<u8>, value: &Value) -> Option<()> {
        if value.is_null() {
            put_branch(out, false);
            return Some(());
        }
        put_branch(out, true);
        match (self.kind, value) {
            (Kind::Boolean, Value::Boolean(value)) => out.push(u8::from(*value)),
            (Kind::Int, Value::Int(value)) | (Kind::Date, Value::Date(value)) => {
                put_long(out, (*value).into())
            }
            (Kind::Long, Value::Long(value)) | (Kind::Timestamp, Value::Timestamp(value)) => {
                put_long(out, *value)
            }
            (Kind::Time, Value::Time(ticks)) if (0..TICKS_A_DAY).contains(ticks) => put_long(out, *ticks),
            (Kind::Decimal(bounds), Value::Decimal(value)) => bounds.put(out, value)?,
            (Kind::Numeric, Value::Decimal(value)) => decimal::put_text(out, value)?,
            (Kind::Float, Value::Float(value)) => out.extend_from_slice(&value.to_le_bytes()),
            (Kind::Double, Value::Double(value)) => out.extend_from_slice(&value.to_le_bytes()),
            (Kind::String, Value::String(value)) => put_bytes(out, value.as_bytes()),
            (Kind::Bytes, Value::Bytes(value)) => put_bytes(out, value),
            (Kind::Uuid, Value::Uuid(value)) => {
                put_bytes(out, value.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
            }
            (Kind::TimestampOffset, Value::TimestampOffset { ticks, offset_minutes })
                if (-MAX_OFFSET..=MAX_OFFSET).contains(&i32::from(*offset_minutes)) =>
            {
                put_long(out, *ticks);
                put_long(out, i64::from(*offset_minutes));
            }
            _ => return None,
        }
        Some(())
    }

    fn read(&self, reader: &mut Reader<'_>) -> Read<Value> {
        if !reader.branch()? {
            return Ok(Value::Null);
        }
        Ok(match self.kind {
            Kind::Boolean => Value::Boolean(reader.boolean()?),
            Kind::Int => Value::Int(reader.int()?),
            Kind::Date => Value::Date(reader.int()?),
            Kind::Long => Value::Long(reader.long()?),
            Kind::Timestamp => Value::Timestamp(reader.long()?),
            Kind::Time => match reader.long()? {
                ticks if (0..TICKS_A_DAY).contains(&ticks) => Value::Time(ticks),
                _ => return reader.fault("a time is not within a day"),
            },
            Kind::Decimal(bounds) => match bounds.read(reader.bytes()?) {
                Some(decimal) => Value::Decimal(decimal),
                None => return reader.fault("a decimal is not within the column's precision"),
            },
            Kind::Numeric => match decimal::read_text(reader.text()?) {
                Some(decimal) => Value::Decimal(decimal),
                None => return reader.fault("a text is not a plain decimal number"),
            },
            Kind::Float => Value::Float(reader.float()?),
            Kind::Double => Value::Double(reader.double()?),
            Kind::String => Value::String(reader.text()?.to_owned()),
            Kind::Bytes => Value::Bytes(reader.bytes()?.to_vec()),
            Kind::Uuid => match reader.bytes()? {
                // The other spellings of a UUID have other lengths.
                text if text.len() == 36 => match Uuid::try_parse_ascii(text) {
                    Ok(uuid) => Value::Uuid(uuid),
                    Err(_) => return reader.fault("a text is not a UUID"),
                },
                _ => return reader.fault("a text is not a UUID"),
            },
            Kind::TimestampOffset => {
                let ticks = reader.long()?;
                match i16::try_from(reader.long()?) {
                    Ok(offset_minutes) if (-MAX_OFFSET..=MAX_OFFSET).contains(&offset_minutes.into()) => {
                        Value::TimestampOffset { ticks, offset_minutes }
                    }
                    _ => return reader.fault("an offset from UTC is not within 14 hours"),
                }
            }
        })
    }

    fn skip(&self, reader: &mut Reader<'_>) -> Read<()> {
        if !reader.branch()? {
            return Ok(());
        }
        match self.kind {
            Kind::Boolean => reader.skip(1),
            Kind::Float => reader.skip(4),
            Kind::Double => reader.skip(8),
            Kind::Int | Kind::Long | Kind::Date | Kind::Time | Kind::Timestamp => reader.long().map(|_| ()),
            Kind::Decimal(_) | Kind::Numeric | Kind::String | Kind::Bytes | Kind::Uuid => {
                reader.bytes().map(|_| ())
            }
            Kind::TimestampOffset => {
                reader.long()?;
                reader.long().map(|_| ())
            }
        }
    }
}

/// Appends the row record.
pub(crate) fn put(out: &mut Vec<u8>, columns: &[Column], row: &Row) -> Result<(), Unfit> {
    if row.len() != columns.len() {
        return Err(Unfit::Length(row.len()));
    }
    for (index, (column, value)) in columns.iter().zip(&row.0).enumerate() {
        match value {
            Some(value) => column.put(out, value).ok_or(Unfit::Column(index))?,
            None => put_branch(out, false),
        }
    }
    Ok(())
}

/// Reads a row record; every column is set, those that `unset` names have yet to be taken out.
pub(crate) fn read(reader: &mut Reader<'_>, columns: &[Column]) -> Read<Row> {
    let mut values = Vec::with_capacity(columns.len());
    for (index, column) in columns.iter().enumerate() {
        values.push(Some(column.read(reader).within_column(index)?));
    }
    Ok(Row(values))
}

/// Passes over a row record.
pub(crate) fn skip(reader: &mut Reader<'_>, columns: &[Column]) -> Read<()> {
    columns.iter().enumerate().try_for_each(|(index, column)| column.skip(reader).within_column(index))
}

/// Appends the names of the absent columns.
pub(crate) fn put_unset(out: &mut Vec<u8>, columns: &[Column], row: Option<&Row>) {
    let absent = row.map_or(0, |row| row.0.iter().filter(|value| value.is_none()).count());
    if let Some(row) = row.filter(|_| absent > 0) {
        put_long(out, absent as i64);
        for (column, _) in columns.iter().zip(&row.0).filter(|(_, value)| value.is_none()) {
            put_bytes(out, column.field.as_bytes());
        }
    }
    put_long(out, 0);
}

/// Reads the names of the absent columns and takes them out of `row`.
pub(crate) fn read_unset(reader: &mut Reader<'_>, columns: &[Column], row: Option<&mut Row>) -> Read<()> {
    let mut next = 0;
    let mut row = row;
    reader.array(|reader| {
        let name = reader.bytes()?;
        // They stand in the columns' order, so that one pass finds them all.
        let found = columns.iter().skip(next).position(|column| column.field.as_bytes() == name);
        let Some(index) = found.map(|position| position + next) else {
            return reader.fault("an absent column is not one of the table, or out of order");
        };
        match row.as_mut().and_then(|row| row.0.get_mut(index)) {
            Some(value) if matches!(value, Some(Value::Null)) => *value = None,
            _ => return reader.fault("a column is called absent that has a value"),
        }
        next = index + 1;
        Ok(())
    })
}
