//! The same resolved record by way of the Avro library's own serde writer and reader.
//!
//! The fastest way through the library that expresses our records: everything is a tuple, matched to record fields by
//! position. It stands here to be measured beside the codec, so that the choice between them can be made again with
//! each version of the library.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::writer::datum::GenericDatumWriter;
use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeTuple, Serializer};
use std::fmt;
use tributary_model::{
    ChangeKind, Dot, Incarnation, LogicalType, Resolved, Row, Settled, TableSchema, Value, VersionVector,
};

/// Writer and reader for one schema.
pub(crate) struct Library<'s> {
    table: &'s TableSchema,
    writer: GenericDatumWriter<'s>,
    reader: GenericDatumReader<'s>,
}

struct RowRef<'a>(&'a TableSchema, &'a Row);
struct Cell<'a>(LogicalType, &'a Value);
struct Vector<'a>(&'a VersionVector);

impl Serialize for RowRef<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut tuple = serializer.serialize_tuple(self.1.len())?;
        for (column, value) in self.0.columns.iter().zip(&self.1.0) {
            let cell = value.as_ref().filter(|value| !value.is_null());
            tuple.serialize_element(&cell.map(|value| Cell(column.logical, value)))?;
        }
        tuple.end()
    }
}

impl Serialize for Cell<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (self.1, self.0) {
            (Value::Null, _) => serializer.serialize_none(),
            (Value::Boolean(value), _) => serializer.serialize_bool(*value),
            (Value::Int(value) | Value::Date(value), _) => serializer.serialize_i32(*value),
            (Value::Long(value) | Value::Time(value) | Value::Timestamp(value), _) => {
                serializer.serialize_i64(*value)
            }
            (Value::Decimal(value), LogicalType::Decimal { scale, .. }) => {
                let (unscaled, _) = value.with_scale(i64::from(scale)).into_bigint_and_exponent();
                serializer.serialize_bytes(&unscaled.to_signed_bytes_be())
            }
            (Value::Decimal(value), _) => serializer.serialize_str(&value.to_plain_string()),
            (Value::Float(value), _) => serializer.serialize_f32(*value),
            (Value::Double(value), _) => serializer.serialize_f64(*value),
            (Value::String(value), _) => serializer.serialize_str(value),
            (Value::Bytes(value), _) => serializer.serialize_bytes(value),
            (Value::Uuid(value), _) => {
                serializer.serialize_str(value.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()))
            }
            (Value::TimestampOffset { ticks, offset_minutes }, _) => {
                (*ticks, i32::from(*offset_minutes)).serialize(serializer)
            }
        }
    }
}

impl Serialize for Vector<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(name, version)| (name.as_str(), version as i64)))
    }
}

/// What the reader can give without knowing the column: the physical type's value.
enum Raw {
    Null,
    Boolean(bool),
    Int(i32),
    Long(i64),
    Float(f32),
    Double(f64),
    Text(String),
    Bytes(Vec<u8>),
    Offset(i64, i32),
}

/// A record field's name, which the order makes superfluous.
struct FieldName;

impl<'de> Deserialize<'de> for FieldName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_identifier(NameVisitor)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = FieldName;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }
    fn visit_str<E>(self, _: &str) -> Result<FieldName, E> {
        Ok(FieldName)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column's value")
    }
    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Boolean(value))
    }
    fn visit_i32<E>(self, value: i32) -> Result<Raw, E> {
        Ok(Raw::Int(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Long(value))
    }
    fn visit_f32<E>(self, value: f32) -> Result<Raw, E> {
        Ok(Raw::Float(value))
    }
    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Double(value))
    }
    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }
    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }
    fn visit_byte_buf<E>(self, value: Vec<u8>) -> Result<Raw, E> {
        Ok(Raw::Bytes(value))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let missing = || serde::de::Error::custom("a timestamp with offset has two fields");
        let (_, ticks) = map.next_entry::<FieldName, i64>()?.ok_or_else(missing)?;
        let (_, offset) = map.next_entry::<FieldName, i32>()?.ok_or_else(missing)?;
        while map.next_key::<FieldName>()?.is_some() {}
        Ok(Raw::Offset(ticks, offset))
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawRow(Vec<Raw>);

struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = RawRow;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawRow, A::Error> {
        let mut values = Vec::with_capacity(map.size_hint().unwrap_or(0));
        while map.next_key::<FieldName>()?.is_some() {
            values.push(map.next_value()?);
        }
        Ok(RawRow(values))
    }
}

impl<'de> Deserialize<'de> for RawRow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RowVisitor)
    }
}

type Source = (String, String, String, String, String, Option<i64>);
type RawVector = Vec<(String, i64)>;
type Dss = (
    String,
    i64,
    RawVector,
    Vec<RawVector>,
    String,
    String,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Vec<String>,
);
type Envelope = (Option<RawRow>, Option<RawRow>, Source, String, i64, Dss);

fn vector(raw: RawVector) -> VersionVector {
    raw.into_iter().map(|(name, version)| (Incarnation::parse(&name).unwrap(), version as u64)).collect()
}

impl<'s> Library<'s> {
    pub(crate) fn new(table: &'s TableSchema, schema: &'s Schema) -> Self {
        let writer = GenericDatumWriter::builder(schema).human_readable(false).build().unwrap();
        let reader = GenericDatumReader::builder(schema).human_readable(false).build().unwrap();
        Self { table, writer, reader }
    }

    pub(crate) fn encode(&self, resolved: &Resolved, before: Option<&Row>, out: &mut Vec<u8>) {
        let row = resolved.row.as_ref().map(|row| RowRef(self.table, row));
        let content: Vec<_> = resolved.content.iter().map(Vector).collect();
        let unset: &[&str] = &[];
        let effective = resolved.effective_at;
        let member = resolved.winner.incarnation.member();
        let source =
            ("1", "tributary", "retail", self.table.name.as_str(), member, effective.map(|t| t / 10_000));
        let dss = (
            resolved.winner.incarnation.as_str(),
            resolved.winner.version as i64,
            Vector(&resolved.vv),
            content,
            resolved.kind.as_str(),
            resolved.settled.as_str(),
            resolved.policy.map(|policy| policy.as_str()),
            resolved.changed_at,
            effective,
            unset,
        );
        let before = before.map(|row| RowRef(self.table, row));
        self.writer.write_ser(out, &(before, row, source, "u", 0_i64, dss)).unwrap();
    }

    pub(crate) fn decode(&self, mut payload: &[u8]) -> Resolved {
        let (_, after, _, _, _, dss): Envelope = self.reader.read_deser(&mut payload).unwrap();
        let (origin, version, vv, content, kind, settled, _, changed_at, effective_at, _) = dss;
        Resolved {
            vv: vector(vv),
            content: content.into_iter().map(vector).collect(),
            winner: Dot::new(Incarnation::parse(&origin).unwrap(), version as u64),
            kind: ChangeKind::parse(&kind).unwrap(),
            changed_at,
            effective_at,
            row: after.map(|row| self.row(row)),
            settled: Settled::parse(&settled).unwrap(),
            policy: None,
        }
    }

    fn row(&self, raw: RawRow) -> Row {
        let columns = self.table.columns.iter().zip(raw.0);
        Row(columns.map(|(column, raw)| Some(value(column.logical, raw))).collect())
    }
}

fn value(logical: LogicalType, raw: Raw) -> Value {
    match (logical, raw) {
        (LogicalType::Boolean, Raw::Boolean(value)) => Value::Boolean(value),
        (LogicalType::Int, Raw::Int(value)) => Value::Int(value),
        (LogicalType::Date, Raw::Int(value)) => Value::Date(value),
        (LogicalType::Long, Raw::Long(value)) => Value::Long(value),
        (LogicalType::Time, Raw::Long(value)) => Value::Time(value),
        (LogicalType::Timestamp, Raw::Long(value)) => Value::Timestamp(value),
        (LogicalType::Float, Raw::Float(value)) => Value::Float(value),
        (LogicalType::Double, Raw::Double(value)) => Value::Double(value),
        (LogicalType::String, Raw::Text(value)) => Value::String(value),
        (LogicalType::Numeric, Raw::Text(value)) => Value::Decimal(value.parse().unwrap()),
        (LogicalType::Uuid, Raw::Text(value)) => Value::Uuid(value.parse().unwrap()),
        (LogicalType::Bytes, Raw::Bytes(value)) => Value::Bytes(value),
        (LogicalType::Decimal { scale, .. }, Raw::Bytes(value)) => {
            Value::Decimal(BigDecimal::new(BigInt::from_signed_bytes_be(&value), i64::from(scale)))
        }
        (LogicalType::TimestampOffset, Raw::Offset(ticks, offset)) => {
            Value::TimestampOffset { ticks, offset_minutes: offset as i16 }
        }
        (_, Raw::Null) => Value::Null,
        _ => panic!("the schema's type is not the column's"),
    }
}
