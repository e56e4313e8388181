//! The envelopes around a row: Debezium's field names, and our own record `dss`.

use crate::row::{self, Column};
use crate::vector::{self, put_dot, put_vector};
use crate::wire::{Read, Reader, Within, put_branch, put_bytes, put_long, put_optional_long};
use tributary_model::time::TICKS_A_MILLISECOND;
use tributary_model::{
    Change, ChangeKind, Dot, Policy, Resolved, Row, Settled, Ticks, Version, VersionVector,
};

/// Version of the envelope's format, as `source.version` says it.
const FORMAT: &str = "1";
/// What `source.connector` says.
const CONNECTOR: &str = "tributary";

/// What is the same in every envelope of a table.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(crate) columns: Vec<Column>,
    table: String,
    /// The payload of `source` up to the member.
    source: Vec<u8>,
}

/// Why an envelope cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unwritable {
    Row(row::Unfit),
    Version(Version),
    /// The content has no image, or one that is made of no change.
    Content,
}

impl From<row::Unfit> for Unwritable {
    fn from(unfit: row::Unfit) -> Self {
        Self::Row(unfit)
    }
}

impl From<Version> for Unwritable {
    fn from(version: Version) -> Self {
        Self::Version(version)
    }
}

/// What reading an envelope can come to besides the record.
pub(crate) enum Unreadable {
    /// The bytes are no such record.
    Fault(Box<crate::wire::Fault>),
    /// It names another table.
    OtherTable(String),
}

impl From<Box<crate::wire::Fault>> for Unreadable {
    fn from(fault: Box<crate::wire::Fault>) -> Self {
        Self::Fault(fault)
    }
}

fn milliseconds(ticks: Ticks) -> i64 {
    ticks.div_euclid(TICKS_A_MILLISECOND)
}

impl Shape {
    pub(crate) fn new(columns: Vec<Column>, table: &str, group: &str) -> Self {
        let mut source = Vec::new();
        for text in [FORMAT, CONNECTOR, group, table] {
            put_bytes(&mut source, text.as_bytes());
        }
        Self { columns, table: table.to_owned(), source }
    }

    fn put_row(&self, out: &mut Vec<u8>, row: Option<&Row>) -> Result<(), row::Unfit> {
        put_branch(out, row.is_some());
        row.map_or(Ok(()), |row| row::put(out, &self.columns, row))
    }

    fn put_source(&self, out: &mut Vec<u8>, winner: &Dot, effective_at: Option<Ticks>) {
        out.extend_from_slice(&self.source);
        put_bytes(out, winner.incarnation.member().as_bytes());
        put_optional_long(out, effective_at.map(milliseconds));
    }

    pub(crate) fn put_change(
        &self,
        out: &mut Vec<u8>,
        change: &Change,
        captured_at: Ticks,
    ) -> Result<(), Unwritable> {
        put_branch(out, false);
        self.put_row(out, change.row.as_ref())?;
        self.put_source(out, &change.dot, change.effective_at);
        put_bytes(out, if change.is_delete() { b"d" } else { b"u" });
        put_long(out, milliseconds(captured_at));
        put_dot(out, &change.dot)?;
        put_vector(out, &change.seen)?;
        put_bytes(out, change.kind.as_str().as_bytes());
        put_optional_long(out, change.changed_at);
        put_optional_long(out, change.effective_at);
        row::put_unset(out, &self.columns, change.row.as_ref());
        Ok(())
    }

    pub(crate) fn put_resolved(
        &self,
        out: &mut Vec<u8>,
        resolved: &Resolved,
        before: Option<&Row>,
        settled_at: Ticks,
    ) -> Result<(), Unwritable> {
        self.put_row(out, before)?;
        self.put_row(out, resolved.row.as_ref())?;
        self.put_source(out, &resolved.winner, resolved.effective_at);
        let op = match (before, &resolved.row) {
            (_, None) => b"d",
            (None, Some(_)) => b"c",
            (Some(_), Some(_)) => b"u",
        };
        put_bytes(out, op);
        put_long(out, milliseconds(settled_at));
        put_dot(out, &resolved.winner)?;
        put_vector(out, &resolved.vv)?;
        if resolved.content.is_empty() || resolved.content.iter().any(VersionVector::is_empty) {
            return Err(Unwritable::Content);
        }
        put_long(out, resolved.content.len() as i64);
        resolved.content.iter().try_for_each(|image| put_vector(out, image))?;
        put_long(out, 0);
        put_bytes(out, resolved.kind.as_str().as_bytes());
        put_bytes(out, resolved.settled.as_str().as_bytes());
        put_branch(out, resolved.policy.is_some());
        if let Some(policy) = resolved.policy {
            put_bytes(out, policy.as_str().as_bytes());
        }
        put_optional_long(out, resolved.changed_at);
        put_optional_long(out, resolved.effective_at);
        row::put_unset(out, &self.columns, resolved.row.as_ref());
        Ok(())
    }

    fn read_row(&self, reader: &mut Reader<'_>) -> Read<Option<Row>> {
        if reader.branch()? { row::read(reader, &self.columns).map(Some) } else { Ok(None) }
    }

    fn skip_source(&self, reader: &mut Reader<'_>) -> Result<(), Unreadable> {
        if !reader.skip_prefix(&self.source) {
            if reader.bytes().within("source.version")? != FORMAT.as_bytes() {
                return Ok(reader.fault("the format's version is not 1").within("source.version")?);
            }
            if reader.bytes().within("source.connector")? != CONNECTOR.as_bytes() {
                return Ok(reader.fault("the record is not one of ours").within("source.connector")?);
            }
            // Topics may have been copied from another group.
            reader.bytes().within("source.name")?;
            let table = reader.text().within("source.table")?;
            if table != self.table {
                return Err(Unreadable::OtherTable(table.to_owned()));
            }
        }
        reader.bytes().within("source.member")?;
        reader.optional_long().within("source.ts_ms")?;
        Ok(())
    }

    pub(crate) fn read_change(&self, reader: &mut Reader<'_>) -> Result<Change, Unreadable> {
        if reader.branch().within("before")? {
            row::skip(reader, &self.columns).within("before")?;
        }
        let mut row = self.read_row(reader).within("after")?;
        self.skip_source(reader)?;
        read_op(reader, row.is_some()).within("op")?;
        reader.long().within("ts_ms")?;
        let dot = vector::dot(reader).within("dss.origin")?;
        let seen = vector::vector(reader).within("dss.seen")?;
        let kind = read_kind(reader).within("dss.kind")?;
        let changed_at = reader.optional_long().within("dss.changed_at")?;
        let effective_at = reader.optional_long().within("dss.effective_at")?;
        row::read_unset(reader, &self.columns, row.as_mut()).within("dss.unset")?;
        Ok(Change { dot, seen, changed_at, effective_at, kind, row })
    }

    /// Reads a resolved record; what was there before only when asked for.
    pub(crate) fn read_resolved(
        &self,
        reader: &mut Reader<'_>,
        before: Option<&mut Option<Row>>,
    ) -> Result<(Resolved, i64), Unreadable> {
        match before {
            Some(before) => *before = self.read_row(reader).within("before")?,
            None => {
                if reader.branch().within("before")? {
                    row::skip(reader, &self.columns).within("before")?;
                }
            }
        }
        let mut row = self.read_row(reader).within("after")?;
        self.skip_source(reader)?;
        read_op(reader, row.is_some()).within("op")?;
        let made_at = reader.long().within("ts_ms")?;
        let winner = vector::dot(reader).within("dss.origin")?;
        let vv = vector::vector(reader).within("dss.vv")?;
        let content = read_content(reader).within("dss.content")?;
        let kind = read_kind(reader).within("dss.kind")?;
        let settled = read_word(reader, Settled::parse).within("dss.settled")?;
        let policy = if reader.branch().within("dss.policy")? {
            Some(read_word(reader, Policy::parse).within("dss.policy")?)
        } else {
            None
        };
        let changed_at = reader.optional_long().within("dss.changed_at")?;
        let effective_at = reader.optional_long().within("dss.effective_at")?;
        row::read_unset(reader, &self.columns, row.as_mut()).within("dss.unset")?;
        let resolved = Resolved { vv, content, winner, kind, changed_at, effective_at, row, settled, policy };
        Ok((resolved, made_at))
    }
}

fn read_op(reader: &mut Reader<'_>, has_row: bool) -> Read<()> {
    match (reader.bytes()?, has_row) {
        (b"c" | b"u", true) | (b"d", false) => Ok(()),
        (b"c" | b"u" | b"d", _) => reader.fault("the operation does not agree with the row"),
        _ => reader.fault("the operation is none of c, u, d"),
    }
}

fn read_content(reader: &mut Reader<'_>) -> Read<Vec<VersionVector>> {
    let mut content = Vec::with_capacity(1);
    reader.array(|reader| {
        let image = vector::vector(reader)?;
        if image.is_empty() {
            return reader.fault("an image is made of no change");
        }
        content.push(image);
        Ok(())
    })?;
    if content.is_empty() { reader.fault("there is no image") } else { Ok(content) }
}

/// Reads a word of a fixed list.
pub(crate) fn read_word<T>(reader: &mut Reader<'_>, parse: impl Fn(&str) -> Option<T>) -> Read<T> {
    match parse(reader.text()?) {
        Some(word) => Ok(word),
        None => reader.fault("a word is not one of those that this version knows"),
    }
}

pub(crate) fn read_kind(reader: &mut Reader<'_>) -> Read<ChangeKind> {
    read_word(reader, ChangeKind::parse)
}
