//! The codec of one table: its three schemas, its keys, its changes and its resolved records.

use crate::envelope::{Shape, Unreadable, Unwritable};
use crate::error::Error;
use crate::frame::{FRAME_LENGTH, frame, split_frame};
use crate::row::{self, Unfit};
use crate::schema;
use crate::wire::{Fault, Place, Read, Reader};
use tributary_model::{Change, KeyBytes, Resolved, Row, TableName, TableSchema, Ticks};

/// A resolved record with what the envelope says besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedRecord {
    /// The record.
    pub resolved: Resolved,
    /// The row as it was settled before; columns that were absent then read as NULL.
    pub before: Option<Row>,
    /// When it was settled, in milliseconds since 1970 UTC.
    pub settled_at_ms: i64,
}

/// Writes and reads the records of one table. Build it once and share it.
#[derive(Debug)]
pub struct TableCodec {
    table: TableSchema,
    shape: Shape,
    key_schema: String,
    row_schema: String,
    change_schema: String,
    resolved_schema: String,
}

impl TableCodec {
    /// Derives the schemas of a table of `group`.
    pub fn new(schema: &TableSchema, group: &str) -> Result<Self, Error> {
        let refuse = |problem| Error::Schema { table: schema.name.clone(), problem };
        let columns = schema::columns(schema).map_err(refuse)?;
        let derived = schema::derive(schema, &columns, group).map_err(refuse)?;
        Ok(Self {
            table: schema.clone(),
            shape: Shape::new(columns, schema.name.as_str(), group),
            key_schema: derived.key,
            row_schema: derived.row,
            change_schema: derived.change,
            resolved_schema: derived.resolved,
        })
    }

    /// The table that this is the codec of.
    pub fn table(&self) -> &TableSchema {
        &self.table
    }

    /// The Avro schema of keys, in the changes topic and in the resolved topic.
    pub fn key_schema(&self) -> &str {
        &self.key_schema
    }

    /// The Avro schema of the row record alone: that of `before` and `after`, and of the rows in a conflict.
    pub fn row_schema(&self) -> &str {
        &self.row_schema
    }

    /// The Avro schema of values in the changes topic.
    pub fn change_schema(&self) -> &str {
        &self.change_schema
    }

    /// The Avro schema of values in the resolved topic.
    pub fn resolved_schema(&self) -> &str {
        &self.resolved_schema
    }

    /// The framed key.
    pub fn encode_key(&self, id: u32, key: &KeyBytes) -> Vec<u8> {
        let mut out = Vec::with_capacity(FRAME_LENGTH + key.as_slice().len());
        frame(id, &mut out);
        out.extend_from_slice(key.as_slice());
        out
    }

    /// The key of a framed one; it must be a key of this table, in its canonical form.
    pub fn decode_key(&self, framed: &[u8]) -> Result<KeyBytes, Error> {
        let (_, payload) = split_frame(framed)?;
        let key = KeyBytes::new(payload);
        self.table.key_values(&key).map_err(|source| Error::Key { table: self.name(), source })?;
        Ok(key)
    }

    /// Appends the framed change to `out`, which stays as it was if that fails.
    pub fn encode_change(
        &self,
        id: u32,
        change: &Change,
        captured_at: Ticks,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let start = out.len();
        frame(id, out);
        self.shape.put_change(out, change, captured_at).map_err(|cause| {
            out.truncate(start);
            self.unwritable(cause)
        })
    }

    /// Reads a framed change.
    pub fn decode_change(&self, framed: &[u8]) -> Result<Change, Error> {
        const RECORD: &str = "change";
        let (_, payload) = split_frame(framed)?;
        let mut reader = Reader::new(payload);
        let change = self.shape.read_change(&mut reader).map_err(|cause| self.unreadable(RECORD, cause))?;
        self.at_end(RECORD, &reader)?;
        Ok(change)
    }

    /// Appends the framed resolved record to `out`, which stays as it was if that fails. `before` is the row that was
    /// settled before, if there was one.
    pub fn encode_resolved(
        &self,
        id: u32,
        resolved: &Resolved,
        before: Option<&Row>,
        settled_at: Ticks,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let start = out.len();
        frame(id, out);
        self.shape.put_resolved(out, resolved, before, settled_at).map_err(|cause| {
            out.truncate(start);
            self.unwritable(cause)
        })
    }

    /// Reads a framed resolved record, passing over the row that was there before.
    pub fn decode_resolved(&self, framed: &[u8]) -> Result<Resolved, Error> {
        self.read_resolved(framed, None).map(|(resolved, _)| resolved)
    }

    /// Reads all that the envelope of a framed resolved record says.
    pub fn decode_resolved_record(&self, framed: &[u8]) -> Result<ResolvedRecord, Error> {
        let mut before = None;
        let (resolved, settled_at_ms) = self.read_resolved(framed, Some(&mut before))?;
        Ok(ResolvedRecord { resolved, before, settled_at_ms })
    }

    fn read_resolved(
        &self,
        framed: &[u8],
        before: Option<&mut Option<Row>>,
    ) -> Result<(Resolved, i64), Error> {
        const RECORD: &str = "resolved record";
        let (_, payload) = split_frame(framed)?;
        let mut reader = Reader::new(payload);
        let read =
            self.shape.read_resolved(&mut reader, before).map_err(|cause| self.unreadable(RECORD, cause))?;
        self.at_end(RECORD, &reader)?;
        Ok(read)
    }

    /// The payload of the row record.
    pub(crate) fn row_payload(&self, row: &Row) -> Result<Vec<u8>, Error> {
        let mut out = Vec::new();
        row::put(&mut out, &self.shape.columns, row).map_err(|unfit| self.unfit(unfit))?;
        Ok(out)
    }

    pub(crate) fn put_unset(&self, out: &mut Vec<u8>, row: Option<&Row>) {
        row::put_unset(out, &self.shape.columns, row);
    }

    /// Reads a payload of the row record, which it must fill; it starts at byte `start` of its record.
    pub(crate) fn read_row_payload(
        &self,
        record: &'static str,
        payload: &[u8],
        start: usize,
    ) -> Result<Row, Error> {
        let mut reader = Reader::of_part(payload, start);
        let row =
            row::read(&mut reader, &self.shape.columns).map_err(|fault| self.malformed(record, &fault))?;
        self.at_end(record, &reader)?;
        Ok(row)
    }

    pub(crate) fn read_unset(&self, reader: &mut Reader<'_>, row: Option<&mut Row>) -> Read<()> {
        row::read_unset(reader, &self.shape.columns, row)
    }

    fn name(&self) -> TableName {
        self.table.name.clone()
    }

    pub(crate) fn at_end(&self, record: &'static str, reader: &Reader<'_>) -> Result<(), Error> {
        match reader.rest().len() {
            0 => Ok(()),
            extra => Err(Error::LeftOver { record, table: Some(self.name()), at: reader.at(), extra }),
        }
    }

    #[cold]
    pub(crate) fn malformed(&self, record: &'static str, fault: &Fault) -> Error {
        let field = match fault.place {
            Place::Unknown => None,
            Place::Field(name) => Some(name.to_owned()),
            Place::Column(index) => {
                self.shape.columns.get(usize::from(index)).map(|column| column.name.clone())
            }
        };
        Error::Malformed { record, table: Some(self.name()), field, at: fault.at, problem: fault.problem }
    }

    #[cold]
    fn unreadable(&self, record: &'static str, cause: Unreadable) -> Error {
        match cause {
            Unreadable::Fault(fault) => self.malformed(record, &fault),
            Unreadable::OtherTable(found) => Error::OtherTable { record, table: self.name(), found },
        }
    }

    #[cold]
    fn unwritable(&self, cause: Unwritable) -> Error {
        match cause {
            Unwritable::Row(unfit) => self.unfit(unfit),
            Unwritable::Version(version) => self.version(version),
            Unwritable::Content => Error::Inconsistent {
                record: "resolved record",
                table: self.name(),
                problem: "its content names no change",
            },
        }
    }

    #[cold]
    pub(crate) fn version(&self, version: u64) -> Error {
        Error::Version { table: self.name(), version }
    }

    #[cold]
    fn unfit(&self, unfit: Unfit) -> Error {
        match unfit {
            Unfit::Length(found) => {
                Error::RowLength { table: self.name(), expected: self.shape.columns.len(), found }
            }
            Unfit::Column(index) => {
                let column = &self.shape.columns[index];
                Error::Value { table: self.name(), column: column.name.clone(), logical: column.logical }
            }
        }
    }
}
