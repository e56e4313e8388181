//! Conflict records: a schema of their own, the same for every table.
//!
//! Each version's row is carried twice: as the payload of the table's row record, from which the exact values come
//! back, and as JSON, which any consumer can read without that table's schema.

use crate::envelope::{read_kind, read_word};
use crate::error::Error;
use crate::frame::{frame, split_frame};
use crate::json;
use crate::schema;
use crate::table::TableCodec;
use crate::vector::{self, put_dot, put_vector};
use crate::wire::{Fault, Place, Read, Reader, Within, put_branch, put_bytes, put_long, put_optional_long};
use std::sync::{Arc, LazyLock};
use tributary_model::{
    ConflictId, ConflictKind, ConflictRecord, ConflictState, KeyBytes, Policy, Reason, Row, Side, TableName,
};

const RECORD: &str = "conflict";

static SCHEMA: LazyLock<String> = LazyLock::new(schema::conflict);

/// Writes and reads the records of the conflicts topic.
#[derive(Debug, Clone, Copy, Default)]
pub struct ConflictCodec;

impl ConflictCodec {
    /// The Avro schema of keys: the conflict's id as text.
    pub fn key_schema() -> &'static str {
        r#""string""#
    }

    /// The Avro schema of values.
    pub fn schema() -> &'static str {
        &SCHEMA
    }

    /// The framed key.
    pub fn encode_key(id: u32, conflict: &ConflictId) -> Vec<u8> {
        let mut out = Vec::with_capacity(crate::FRAME_LENGTH + 34);
        frame(id, &mut out);
        put_bytes(&mut out, conflict.to_string().as_bytes());
        out
    }

    /// The id of a framed key.
    pub fn decode_key(framed: &[u8]) -> Result<ConflictId, Error> {
        let (_, payload) = split_frame(framed)?;
        let mut reader = Reader::new(payload);
        let id = read_word(&mut reader, ConflictId::parse).within("key").map_err(|fault| foreign(&fault))?;
        match reader.rest().len() {
            0 => Ok(id),
            extra => Err(Error::LeftOver { record: RECORD, table: None, at: reader.at(), extra }),
        }
    }

    /// Appends the framed record of a conflict in the table of `codec` to `out`, which stays as it was if that fails.
    pub fn encode_conflict(
        id: u32,
        conflict: &ConflictRecord,
        codec: &TableCodec,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let start = out.len();
        let written = put_conflict(id, conflict, codec, out);
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    /// The name of the table that a framed record belongs to.
    pub fn table_of(framed: &[u8]) -> Result<TableName, Error> {
        let (_, payload) = split_frame(framed)?;
        let mut reader = Reader::new(payload);
        let (_, table) = read_start(&mut reader).map_err(|fault| foreign(&fault))?;
        Ok(TableName::new(table))
    }

    /// Whether somebody still has to decide on a framed record, whatever its table.
    pub fn decode_state(framed: &[u8]) -> Result<ConflictState, Error> {
        let (_, payload) = split_frame(framed)?;
        let mut reader = Reader::new(payload);
        let mut state = || -> Read<_> {
            read_start(&mut reader)?;
            reader.bytes().within("key")?;
            reader.bytes().within("key_json")?;
            reader.text().within("kind")?;
            read_word(&mut reader, ConflictState::parse).within("state")
        };
        state().map_err(|fault| foreign(&fault))
    }

    /// Reads a framed record; `lookup` gives the codec of a table by the group's name of it.
    pub fn decode_conflict(
        framed: &[u8],
        lookup: impl Fn(&str) -> Option<Arc<TableCodec>>,
    ) -> Result<ConflictRecord, Error> {
        let (_, payload) = split_frame(framed)?;
        let mut reader = Reader::new(payload);
        let (id, table) = read_start(&mut reader).map_err(|fault| foreign(&fault))?;
        let codec = lookup(table).ok_or_else(|| Error::UnknownTable { table: table.to_owned() })?;
        let malformed = |fault: Box<Fault>| codec.malformed(RECORD, &fault);
        let mut fields = || -> Read<_> {
            let key = reader.bytes().within("key")?;
            reader.bytes().within("key_json")?;
            let kind = read_word(&mut reader, ConflictKind::parse).within("kind")?;
            let state = read_word(&mut reader, ConflictState::parse).within("state")?;
            let policy = read_word(&mut reader, Policy::parse).within("policy")?;
            let reason = read_word(&mut reader, Reason::parse).within("reason")?;
            let settled_at = reader.long().within("settled_at")?;
            Ok((KeyBytes::new(key), kind, state, policy, reason, settled_at))
        };
        let (key, kind, state, policy, reason, settled_at) = fields().map_err(malformed)?;
        codec
            .table()
            .key_values(&key)
            .map_err(|source| Error::Key { table: codec.table().name.clone(), source })?;
        let winner = read_side(&mut reader, &codec, "winner")?;
        let loser = read_side(&mut reader, &codec, "loser")?;
        codec.at_end(RECORD, &reader)?;
        let table = codec.table().name.clone();
        Ok(ConflictRecord { id, table, key, kind, state, winner, loser, policy, reason, settled_at })
    }
}

/// A fault before the table is known.
fn foreign(fault: &Fault) -> Error {
    Error::Malformed {
        record: RECORD,
        table: None,
        field: match fault.place {
            Place::Field(name) => Some(name.to_owned()),
            Place::Unknown | Place::Column(_) => None,
        },
        at: fault.at,
        problem: fault.problem,
    }
}

fn read_start<'a>(reader: &mut Reader<'a>) -> Read<(ConflictId, &'a str)> {
    let id = read_word(reader, ConflictId::parse).within("id")?;
    Ok((id, reader.text().within("table")?))
}

fn put_conflict(
    id: u32,
    conflict: &ConflictRecord,
    codec: &TableCodec,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let table = codec.table();
    if conflict.table != table.name {
        let found = conflict.table.as_str().to_owned();
        return Err(Error::OtherTable { record: RECORD, table: table.name.clone(), found });
    }
    let key =
        table.key_values(&conflict.key).map_err(|source| Error::Key { table: table.name.clone(), source })?;
    frame(id, out);
    put_bytes(out, conflict.id.to_string().as_bytes());
    put_bytes(out, conflict.table.as_str().as_bytes());
    put_bytes(out, conflict.key.as_slice());
    put_bytes(out, json::key(table, &key).as_bytes());
    put_bytes(out, conflict.kind.as_str().as_bytes());
    put_bytes(out, conflict.state.as_str().as_bytes());
    put_bytes(out, conflict.policy.as_str().as_bytes());
    put_bytes(out, conflict.reason.as_str().as_bytes());
    put_long(out, conflict.settled_at);
    put_side(out, codec, &conflict.winner)?;
    put_side(out, codec, &conflict.loser)
}

fn put_side(out: &mut Vec<u8>, codec: &TableCodec, side: &Side) -> Result<(), Error> {
    put_dot(out, &side.dot).map_err(|version| codec.version(version))?;
    put_vector(out, &side.vv).map_err(|version| codec.version(version))?;
    put_bytes(out, side.kind.as_str().as_bytes());
    put_optional_long(out, side.changed_at);
    put_optional_long(out, side.effective_at);
    out.push(u8::from(side.row.is_none()));
    put_branch(out, side.row.is_some());
    if let Some(row) = &side.row {
        put_bytes(out, &codec.row_payload(row)?);
    }
    codec.put_unset(out, side.row.as_ref());
    put_branch(out, side.row.is_some());
    if let Some(row) = &side.row {
        put_bytes(out, json::row(codec.table(), row).as_bytes());
    }
    Ok(())
}

fn read_side(reader: &mut Reader<'_>, codec: &TableCodec, name: &'static str) -> Result<Side, Error> {
    let malformed = |fault: Box<Fault>| codec.malformed(RECORD, &fault);
    let mut head = || -> Read<_> {
        let dot = vector::dot(reader)?;
        let vv = vector::vector(reader)?;
        let kind = read_kind(reader)?;
        let changed_at = reader.optional_long()?;
        let effective_at = reader.optional_long()?;
        let deleted = reader.boolean()?;
        let payload = if reader.branch()? { Some((reader.bytes()?, reader.at())) } else { None };
        if deleted == payload.is_some() {
            return reader.fault("a version is deleted and has a row, or is not and has none");
        }
        Ok((dot, vv, kind, changed_at, effective_at, payload))
    };
    let (dot, vv, kind, changed_at, effective_at, payload) = head().within(name).map_err(malformed)?;
    let mut row: Option<Row> =
        payload.map(|(bytes, end)| codec.read_row_payload(RECORD, bytes, end - bytes.len())).transpose()?;
    codec.read_unset(reader, row.as_mut()).within(name).map_err(malformed)?;
    let mut json = || -> Read<()> {
        if reader.branch()? {
            reader.text()?;
        }
        Ok(())
    };
    json().within(name).map_err(malformed)?;
    Ok(Side { dot, vv, kind, changed_at, effective_at, row })
}
