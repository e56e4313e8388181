//! The same records said once more, in the Avro library's own values: what a stranger would see and write.
//!
//! Deliberately written against the schema files and not against the codec: field by field, in the files' words.

use super::GROUP;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Decimal, Schema};
use tributary_model::name::mangle;
use tributary_model::{
    Change, ConflictRecord, Dot, ExceptionRecord, LogicalType, Resolved, Row, Side, TableSchema, Value,
    VersionVector,
};

/// The library's bytes for `value`.
pub(crate) fn write(schema: &str, value: &Avro) -> Vec<u8> {
    let schema = Schema::parse_str(schema).unwrap();
    GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(value.clone()).unwrap()
}

/// The library's bytes, arrays cut into blocks with their sizes.
pub(crate) fn write_in_blocks(schema: &str, value: &Avro) -> Vec<u8> {
    let schema = Schema::parse_str(schema).unwrap();
    let writer =
        GenericDatumWriter::builder(&schema).target_block_size(1).human_readable(true).build().unwrap();
    let mut out = Vec::new();
    writer.write_ser(&mut out, &Blocks(value)).unwrap();
    out
}

/// What the library reads from `payload`, and how many bytes it leaves.
pub(crate) fn read(schema: &str, payload: &[u8]) -> (Avro, usize) {
    let schema = Schema::parse_str(schema).unwrap();
    let mut rest = payload;
    let value = GenericDatumReader::builder(&schema).build().unwrap().read_value(&mut rest).unwrap();
    (value, rest.len())
}

pub(crate) fn text(text: &str) -> Avro {
    Avro::String(text.to_owned())
}

fn nullable(value: Option<Avro>) -> Avro {
    match value {
        None => Avro::Union(0, Box::new(Avro::Null)),
        Some(value) => Avro::Union(1, Box::new(value)),
    }
}

fn fields<const N: usize>(fields: [(&str, Avro); N]) -> Avro {
    Avro::Record(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A column's value; the decimal's digits at the column's scale.
pub(crate) fn value(logical: LogicalType, value: &Value) -> Avro {
    match (value, logical) {
        (Value::Boolean(value), _) => Avro::Boolean(*value),
        (Value::Int(value), _) => Avro::Int(*value),
        (Value::Long(value) | Value::Time(value) | Value::Timestamp(value), _) => Avro::Long(*value),
        (Value::Decimal(value), LogicalType::Decimal { scale, .. }) => {
            let (unscaled, _) = value.with_scale(i64::from(scale)).into_bigint_and_exponent();
            Avro::Decimal(Decimal::from(unscaled.to_signed_bytes_be()))
        }
        (Value::Decimal(value), _) => text(&value.to_plain_string()),
        (Value::Float(value), _) => Avro::Float(*value),
        (Value::Double(value), _) => Avro::Double(*value),
        (Value::String(value), _) => text(value),
        (Value::Bytes(value), _) => Avro::Bytes(value.clone()),
        (Value::Uuid(value), _) => Avro::Uuid(*value),
        (Value::Date(value), _) => Avro::Date(*value),
        (Value::TimestampOffset { ticks, offset_minutes }, _) => {
            fields([("ticks", Avro::Long(*ticks)), ("offset_minutes", Avro::Int(i32::from(*offset_minutes)))])
        }
        (Value::Null, _) => unreachable!("null is the union's matter"),
    }
}

/// The key record.
pub(crate) fn key(table: &TableSchema, row: &Row) -> Avro {
    let columns = table.key.iter().map(|index| {
        let column = &table.columns[*index];
        // A key's unbounded decimal has no trailing zeros.
        let plain = match row.get(*index).unwrap() {
            Value::Decimal(value) if column.logical == LogicalType::Numeric => {
                Value::Decimal(value.normalized())
            }
            other => other.clone(),
        };
        (mangle(&column.name), value(column.logical, &plain))
    });
    Avro::Record(columns.collect())
}

/// The row record.
pub(crate) fn row(table: &TableSchema, row: &Row) -> Avro {
    let columns = table.columns.iter().zip(&row.0).map(|(column, cell)| {
        let cell = cell.as_ref().filter(|cell| !cell.is_null()).map(|cell| value(column.logical, cell));
        (mangle(&column.name), nullable(cell))
    });
    Avro::Record(columns.collect())
}

fn unset(table: &TableSchema, row: Option<&Row>) -> Avro {
    let cells = row.map(|row| table.columns.iter().zip(&row.0));
    let absent = cells.into_iter().flatten().filter(|(_, cell)| cell.is_none());
    Avro::Array(absent.map(|(column, _)| text(&mangle(&column.name))).collect())
}

fn vector(vector: &VersionVector) -> Avro {
    let entries = vector.iter().map(|(incarnation, version)| {
        fields([("incarnation", text(incarnation.as_str())), ("version", Avro::Long(version as i64))])
    });
    Avro::Array(entries.collect())
}

fn ticks(ticks: Option<i64>) -> Avro {
    nullable(ticks.map(Avro::Long))
}

fn source(table: &TableSchema, dot: &Dot, effective_at: Option<i64>) -> Avro {
    fields([
        ("version", text("1")),
        ("connector", text("tributary")),
        ("name", text(GROUP)),
        ("table", text(table.name.as_str())),
        ("member", text(dot.incarnation.member())),
        ("ts_ms", nullable(effective_at.map(|ticks| Avro::Long(ticks.div_euclid(10_000))))),
    ])
}

fn envelope(
    table: &TableSchema,
    rows: (Option<&Row>, Option<&Row>),
    source: Avro,
    op: &str,
    at: i64,
    dss: Avro,
) -> Avro {
    fields([
        ("before", nullable(rows.0.map(|image| row(table, image)))),
        ("after", nullable(rows.1.map(|image| row(table, image)))),
        ("source", source),
        ("op", text(op)),
        ("ts_ms", Avro::Long(at.div_euclid(10_000))),
        ("dss", dss),
    ])
}

/// The envelope of a change.
pub(crate) fn change(table: &TableSchema, change: &Change, captured_at: i64) -> Avro {
    let dss = fields([
        ("origin", text(change.dot.incarnation.as_str())),
        ("version", Avro::Long(change.dot.version as i64)),
        ("seen", vector(&change.seen)),
        ("kind", text(change.kind.as_str())),
        ("changed_at", ticks(change.changed_at)),
        ("effective_at", ticks(change.effective_at)),
        ("unset", unset(table, change.row.as_ref())),
    ]);
    let op = if change.row.is_some() { "u" } else { "d" };
    let source = source(table, &change.dot, change.effective_at);
    envelope(table, (None, change.row.as_ref()), source, op, captured_at, dss)
}

/// The envelope of a resolved record.
pub(crate) fn resolved(
    table: &TableSchema,
    record: &Resolved,
    before: Option<&Row>,
    settled_at: i64,
) -> Avro {
    let dss = fields([
        ("origin", text(record.winner.incarnation.as_str())),
        ("version", Avro::Long(record.winner.version as i64)),
        ("vv", vector(&record.vv)),
        ("content", Avro::Array(record.content.iter().map(vector).collect())),
        ("kind", text(record.kind.as_str())),
        ("settled", text(record.settled.as_str())),
        ("policy", nullable(record.policy.map(|policy| text(policy.as_str())))),
        ("changed_at", ticks(record.changed_at)),
        ("effective_at", ticks(record.effective_at)),
        ("unset", unset(table, record.row.as_ref())),
    ]);
    let op = match (before.is_some(), record.row.is_some()) {
        (_, false) => "d",
        (false, true) => "c",
        (true, true) => "u",
    };
    let source = source(table, &record.winner, record.effective_at);
    envelope(table, (before, record.row.as_ref()), source, op, settled_at, dss)
}

fn side(table: &TableSchema, row_schema: &str, side: &Side, json: Option<&str>) -> Avro {
    let payload = side.row.as_ref().map(|image| Avro::Bytes(write(row_schema, &row(table, image))));
    fields([
        ("origin", text(side.dot.incarnation.as_str())),
        ("version", Avro::Long(side.dot.version as i64)),
        ("vv", vector(&side.vv)),
        ("kind", text(side.kind.as_str())),
        ("changed_at", ticks(side.changed_at)),
        ("effective_at", ticks(side.effective_at)),
        ("deleted", Avro::Boolean(side.row.is_none())),
        ("row", nullable(payload)),
        ("unset", unset(table, side.row.as_ref())),
        ("row_json", nullable(json.map(text))),
    ])
}

/// The record of a conflict; `json` is that of key, winner and loser, whose wording is the codec's own.
pub(crate) fn conflict(
    table: &TableSchema,
    row_schema: &str,
    conflict: &ConflictRecord,
    json: (&str, Option<&str>, Option<&str>),
) -> Avro {
    fields([
        ("id", text(&conflict.id.to_string())),
        ("table", text(table.name.as_str())),
        ("key", Avro::Bytes(conflict.key.as_slice().to_vec())),
        ("key_json", text(json.0)),
        ("kind", text(conflict.kind.as_str())),
        ("state", text(conflict.state.as_str())),
        ("policy", text(conflict.policy.as_str())),
        ("reason", text(conflict.reason.as_str())),
        ("settled_at", Avro::Long(conflict.settled_at)),
        ("winner", side(table, row_schema, &conflict.winner, json.1)),
        ("loser", side(table, row_schema, &conflict.loser, json.2)),
    ])
}

/// The record of an exception.
pub(crate) fn exception(exception: &ExceptionRecord) -> Avro {
    let headers = exception
        .headers
        .iter()
        .map(|(name, value)| fields([("name", text(name)), ("value", Avro::Bytes(value.clone()))]));
    fields([
        ("met_by", text(exception.met_by.as_str())),
        ("member", nullable(exception.met_by.member().map(|member| text(member.as_str())))),
        ("table", text(exception.table.as_str())),
        ("topic", text(&exception.topic)),
        ("partition", Avro::Int(exception.partition as i32)),
        ("offset", Avro::Long(exception.offset as i64)),
        ("kind", text(exception.kind.as_str())),
        ("code", text(&exception.code)),
        ("message", text(&exception.message)),
        ("met_at", Avro::Long(exception.met_at)),
        ("key", Avro::Bytes(exception.key.clone())),
        ("value", nullable(exception.value.clone().map(Avro::Bytes))),
        ("size", Avro::Long(exception.size as i64)),
        ("headers", Avro::Array(headers.collect())),
    ])
}

/// A field of a record, by its path.
pub(crate) fn at<'a>(mut value: &'a Avro, path: &str) -> &'a Avro {
    for name in path.split('.') {
        if let Avro::Union(1, inner) = value {
            value = inner;
        }
        let Avro::Record(fields) = value else { panic!("{path}: {value:?} is no record") };
        value = &fields.iter().find(|(field, _)| field == name).unwrap_or_else(|| panic!("no {name}")).1;
    }
    if let Avro::Union(_, inner) = value { inner } else { value }
}

/// An Avro value for the library's serde writer, the only one that can cut arrays into blocks.
struct Blocks<'a>(&'a Avro);

impl serde::Serialize for Blocks<'_> {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        match self.0 {
            Avro::Union(0, _) => out.serialize_none(),
            Avro::Union(_, value) => out.serialize_some(&Blocks(value)),
            Avro::Boolean(value) => out.serialize_bool(*value),
            Avro::Int(value) | Avro::Date(value) => out.serialize_i32(*value),
            Avro::Long(value) => out.serialize_i64(*value),
            Avro::Float(value) => out.serialize_f32(*value),
            Avro::Double(value) => out.serialize_f64(*value),
            Avro::String(value) => out.serialize_str(value),
            Avro::Uuid(value) => out.collect_str(value),
            Avro::Bytes(value) => out.serialize_bytes(value),
            Avro::Decimal(value) => out.serialize_bytes(&Vec::<u8>::try_from(value).unwrap()),
            Avro::Array(items) => out.collect_seq(items.iter().map(Blocks)),
            Avro::Record(fields) => {
                let mut map = out.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, &Blocks(value))?;
                }
                map.end()
            }
            other => panic!("our records have no {other:?}"),
        }
    }
}
