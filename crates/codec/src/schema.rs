//! The Avro schemas: fixed parts from `schemas/*.avsc`, the rest derived from the table.
//!
//! A schema goes through the types below and not through a JSON map, so that its text depends on nothing but the
//! table: attributes stand in one order, whichever features of the JSON library are on. An attribute that a file
//! has and these types have not is an error, so nothing gets lost on the way.

use crate::row::Column;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::HashSet;
use tributary_model::{LogicalType, TableSchema, name::mangle};

const SOURCE: &str = include_str!("../../../schemas/source.avsc");
const DSS_CHANGE: &str = include_str!("../../../schemas/dss-change.avsc");
const DSS_RESOLVED: &str = include_str!("../../../schemas/dss-resolved.avsc");
const CONFLICT: &str = include_str!("../../../schemas/conflict.avsc");
const EXCEPTION: &str = include_str!("../../../schemas/exception.avsc");

const NAMESPACE: &str = "tributary";
const TIMESTAMP_OFFSET: &str = "tributary.TimestampOffset";
const TIME_TICKS: &str = "tributary-time-ticks";
const TIMESTAMP_TICKS: &str = "tributary-timestamp-ticks";

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Type {
    Named(String),
    Union(Vec<Type>),
    Defined(Box<Definition>),
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc: Option<String>,
    #[serde(rename = "logicalType", skip_serializing_if = "Option::is_none")]
    logical: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    precision: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scale: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Type>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Vec<Field>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Field {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc: Option<String>,
    #[serde(rename = "type")]
    kind: Type,
    /// `Some(null)` is a default of null, which is not the same as none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    default: Option<serde_json::Value>,
}

fn present<'de, D: Deserializer<'de>>(input: D) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(input).map(Some)
}

impl Field {
    fn required(name: &str, kind: Type) -> Self {
        Self { name: name.to_owned(), doc: None, kind, default: None }
    }

    fn nullable(name: &str, kind: Type) -> Self {
        let kind = Type::Union(vec![named("null"), kind]);
        Self { name: name.to_owned(), doc: None, kind, default: Some(serde_json::Value::Null) }
    }

    fn doc(mut self, doc: &str) -> Self {
        self.doc = Some(doc.to_owned());
        self
    }
}

fn named(name: &str) -> Type {
    Type::Named(name.to_owned())
}

fn defined(definition: Definition) -> Type {
    Type::Defined(Box::new(definition))
}

fn logical(kind: &str, logical: &str) -> Type {
    defined(Definition { kind: kind.to_owned(), logical: Some(logical.to_owned()), ..Definition::default() })
}

fn record(name: &str, namespace: Option<&str>, doc: Option<&str>, fields: Vec<Field>) -> Definition {
    Definition {
        kind: "record".to_owned(),
        name: Some(name.to_owned()),
        namespace: namespace.map(str::to_owned),
        doc: doc.map(str::to_owned),
        fields: Some(fields),
        ..Definition::default()
    }
}

fn fixed_part(text: &str) -> Type {
    defined(serde_json::from_str(text).expect("the tests read every file of schemas/"))
}

fn text(schema: &Type) -> String {
    serde_json::to_string(schema).expect("schemas have text keys only")
}

/// The schema of conflict records.
pub(crate) fn conflict() -> String {
    text(&fixed_part(CONFLICT))
}

/// The schema of exception records.
pub(crate) fn exception() -> String {
    text(&fixed_part(EXCEPTION))
}

/// The schemas of one table.
pub(crate) struct Derived {
    /// Of the keys of both topics.
    pub(crate) key: String,
    /// Of the row record alone.
    pub(crate) row: String,
    /// Of changes.
    pub(crate) change: String,
    /// Of resolved records.
    pub(crate) resolved: String,
}

/// The columns of `table` with their field names.
pub(crate) fn columns(table: &TableSchema) -> Result<Vec<Column>, String> {
    let mut names = HashSet::new();
    let mut columns = Vec::with_capacity(table.columns.len());
    for column in &table.columns {
        if column.name.is_empty() {
            return Err("a column has no name".to_owned());
        }
        if !names.insert(column.name.as_str()) {
            return Err(format!("it has two columns called {}", column.name));
        }
        if let LogicalType::Decimal { precision, scale } = column.logical
            && !((1..=1000).contains(&precision) && scale <= precision)
        {
            let problem = "precision must lie between 1 and 1000 and scale must not exceed it";
            return Err(format!("column {} is a {}: {problem}", column.name, column.logical));
        }
        columns.push(Column::new(&column.name, mangle(&column.name), column.logical));
    }
    if u16::try_from(columns.len()).is_err() {
        return Err(format!("it has {} columns, more than any database has", columns.len()));
    }
    check_key(table)?;
    Ok(columns)
}

fn check_key(table: &TableSchema) -> Result<(), String> {
    if table.key.is_empty() {
        return Err("it has no primary key".to_owned());
    }
    let mut seen = HashSet::new();
    for index in &table.key {
        let Some(column) = table.columns.get(*index) else {
            return Err(format!("its key names column {index} of {}", table.columns.len()));
        };
        if !seen.insert(index) {
            return Err(format!("its key names column {} twice", column.name));
        }
        if matches!(column.logical, LogicalType::Float | LogicalType::Double) {
            return Err(format!("its key column {} is a {}", column.name, column.logical));
        }
    }
    Ok(())
}

/// Derives the schemas of `table` in `group`, whose columns are `columns`.
pub(crate) fn derive(table: &TableSchema, columns: &[Column], group: &str) -> Result<Derived, String> {
    if group.is_empty() || table.name.as_str().is_empty() {
        return Err("group and table must have names".to_owned());
    }
    let namespace = format!("{NAMESPACE}.{}.{}", mangle(group), mangle(table.name.as_str()));
    let key = {
        let mut known = HashSet::new();
        let fields = table
            .key
            .iter()
            .map(|index| {
                let column = &columns[*index];
                Field::required(&column.field, type_of(column.logical, &mut known))
            })
            .collect();
        record("Key", Some(&namespace), None, fields)
    };
    let row = {
        let mut known = HashSet::new();
        let fields = columns
            .iter()
            .map(|column| Field::nullable(&column.field, type_of(column.logical, &mut known)))
            .collect();
        record("Value", Some(&namespace), None, fields)
    };
    let envelope = |name: &str, doc: &str, before: &str, dss: &str| {
        let fields = vec![
            Field::nullable("before", defined(row.clone())).doc(before),
            Field::nullable("after", named(&format!("{namespace}.Value"))).doc("The row; null when deleted."),
            Field::required("source", fixed_part(SOURCE)),
            Field::required("op", named("string")).doc("c for create, u for update, d for delete."),
            Field::required("ts_ms", named("long"))
                .doc("When this record was made, in milliseconds since 1970 UTC."),
            Field::required("dss", fixed_part(dss)),
        ];
        text(&defined(record(name, Some(&namespace), Some(doc), fields)))
    };
    let derived = Derived {
        key: text(&defined(key)),
        row: text(&defined(row.clone())),
        change: envelope(
            "ChangeEnvelope",
            "A change that one member made. Whether it created the row is not known: op says u for every row.",
            "Always null: a change does not know the row before it.",
            DSS_CHANGE,
        ),
        resolved: envelope(
            "Envelope",
            "The settled state of a row.",
            "The row as it was settled before; null when there was none.",
            DSS_RESOLVED,
        ),
    };
    for schema in [&derived.key, &derived.row, &derived.change, &derived.resolved] {
        apache_avro::Schema::parse_str(schema)
            .map_err(|cause| format!("the schema is not valid Avro: {cause}"))?;
    }
    Ok(derived)
}

/// The Avro type of a column; a named type is defined where it occurs first in a schema, and only named after.
fn type_of(column: LogicalType, known: &mut HashSet<&'static str>) -> Type {
    match column {
        LogicalType::Boolean => named("boolean"),
        LogicalType::Int => named("int"),
        LogicalType::Long => named("long"),
        LogicalType::Float => named("float"),
        LogicalType::Double => named("double"),
        LogicalType::String => named("string"),
        LogicalType::Bytes => named("bytes"),
        LogicalType::Numeric => logical("string", "numeric"),
        LogicalType::Uuid => logical("string", "uuid"),
        LogicalType::Date => logical("int", "date"),
        LogicalType::Time => logical("long", TIME_TICKS),
        LogicalType::Timestamp => logical("long", TIMESTAMP_TICKS),
        LogicalType::Decimal { precision, scale } => defined(Definition {
            kind: "bytes".to_owned(),
            logical: Some("decimal".to_owned()),
            precision: Some(precision),
            scale: Some(scale),
            ..Definition::default()
        }),
        LogicalType::TimestampOffset => {
            if !known.insert(TIMESTAMP_OFFSET) {
                return named(TIMESTAMP_OFFSET);
            }
            let fields = vec![
                Field::required("ticks", logical("long", TIMESTAMP_TICKS)).doc("100 ns since 1970 UTC."),
                Field::required("offset_minutes", named("int"))
                    .doc("The offset from UTC that it was written in."),
            ];
            defined(record("TimestampOffset", Some(NAMESPACE), None, fields))
        }
    }
}
