//! Exception records: a schema of their own, the same for every table.
//!
//! They hold another record's bytes as they were; nothing is said about what those mean.

use crate::envelope::read_word;
use crate::error::Error;
use crate::frame::{frame, split_frame};
use crate::schema;
use crate::wire::{Fault, Place, Read, Reader, Within, put_branch, put_bytes, put_long};
use std::sync::LazyLock;
use tributary_model::{ExceptionId, ExceptionKind, ExceptionRecord, MemberId, MetBy, TableName};

const RECORD: &str = "exception";

static SCHEMA: LazyLock<String> = LazyLock::new(schema::exception);

/// Writes and reads the records of the exceptions topic.
#[derive(Debug, Clone, Copy, Default)]
pub struct ExceptionCodec;

impl ExceptionCodec {
    /// The Avro schema of keys: the exception's id as text.
    pub fn key_schema() -> &'static str {
        r#""string""#
    }

    /// The Avro schema of values.
    pub fn schema() -> &'static str {
        &SCHEMA
    }

    /// The framed key.
    pub fn encode_key(id: u32, exception: &ExceptionId) -> Vec<u8> {
        let mut out = Vec::with_capacity(crate::FRAME_LENGTH + 64);
        frame(id, &mut out);
        put_bytes(&mut out, exception.as_str().as_bytes());
        out
    }

    /// The id of a framed key.
    pub fn decode_key(framed: &[u8]) -> Result<ExceptionId, Error> {
        let (_, payload) = split_frame(framed)?;
        let mut reader = Reader::new(payload);
        let id = reader.text().within("key").map_err(|fault| malformed(&fault))?;
        at_end(&reader)?;
        Ok(ExceptionId::new(id))
    }

    /// The framed record.
    pub fn encode(id: u32, exception: &ExceptionRecord) -> Vec<u8> {
        let value = exception.value.as_ref();
        let mut out = Vec::with_capacity(256 + exception.key.len() + value.map_or(0, Vec::len));
        frame(id, &mut out);
        put_bytes(&mut out, exception.met_by.as_str().as_bytes());
        put_branch(&mut out, exception.met_by.member().is_some());
        if let Some(member) = exception.met_by.member() {
            put_bytes(&mut out, member.as_str().as_bytes());
        }
        put_bytes(&mut out, exception.table.as_str().as_bytes());
        put_bytes(&mut out, exception.topic.as_bytes());
        put_long(&mut out, i64::from(exception.partition));
        put_long(&mut out, i64::try_from(exception.offset).unwrap_or(i64::MAX));
        put_bytes(&mut out, exception.kind.as_str().as_bytes());
        put_bytes(&mut out, exception.code.as_bytes());
        put_bytes(&mut out, exception.message.as_bytes());
        put_long(&mut out, exception.met_at);
        put_bytes(&mut out, &exception.key);
        put_branch(&mut out, value.is_some());
        if let Some(value) = value {
            put_bytes(&mut out, value);
        }
        put_long(&mut out, i64::try_from(exception.size).unwrap_or(i64::MAX));
        if !exception.headers.is_empty() {
            put_long(&mut out, exception.headers.len() as i64);
            for (name, value) in &exception.headers {
                put_bytes(&mut out, name.as_bytes());
                put_bytes(&mut out, value);
            }
        }
        put_long(&mut out, 0);
        out
    }

    /// Reads a framed record.
    pub fn decode(framed: &[u8]) -> Result<ExceptionRecord, Error> {
        let (_, payload) = split_frame(framed)?;
        let mut reader = Reader::new(payload);
        let exception = read(&mut reader).map_err(|fault| malformed(&fault))?;
        at_end(&reader)?;
        Ok(exception)
    }
}

fn read(reader: &mut Reader<'_>) -> Read<ExceptionRecord> {
    let met_by = read_met_by(reader)?;
    let table = TableName::new(reader.text().within("table")?);
    let topic = reader.text().within("topic")?.to_owned();
    let partition = reader.int().and_then(|number| natural(reader, i64::from(number))).within("partition")?;
    let offset = reader.long().and_then(|number| natural(reader, number)).within("offset")?;
    let kind = read_word(reader, ExceptionKind::parse).within("kind")?;
    let code = reader.text().within("code")?.to_owned();
    let message = reader.text().within("message")?.to_owned();
    let met_at = reader.long().within("met_at")?;
    let key = reader.bytes().within("key")?.to_vec();
    let has_value = reader.branch().within("value")?;
    let value = if has_value { Some(reader.bytes().within("value")?.to_vec()) } else { None };
    let size = reader.long().and_then(|number| natural(reader, number)).within("size")?;
    let mut headers = Vec::new();
    let mut header = |reader: &mut Reader<'_>| {
        let name = reader.text()?.to_owned();
        headers.push((name, reader.bytes()?.to_vec()));
        Ok(())
    };
    reader.array(&mut header).within("headers")?;
    let partition = partition as u32;
    Ok(ExceptionRecord {
        met_by,
        table,
        topic,
        partition,
        offset,
        kind,
        code,
        message,
        met_at,
        key,
        value,
        size,
        headers,
    })
}

fn read_met_by(reader: &mut Reader<'_>) -> Read<MetBy> {
    let worker = reader.text().within("met_by")?;
    let has_member = reader.branch().within("member")?;
    let member = if has_member {
        read_word(reader, |text| MemberId::new(text).ok()).within("member").map(Some)?
    } else {
        None
    };
    match (worker, member) {
        ("resolver", None) => Ok(MetBy::Resolver),
        ("apply", Some(member)) => Ok(MetBy::Apply(member)),
        _ => reader.fault("no such worker is known, or it has no member, or one too many").within("met_by"),
    }
}

fn natural(reader: &Reader<'_>, number: i64) -> Read<u64> {
    match u64::try_from(number) {
        Ok(number) => Ok(number),
        Err(_) => reader.fault("a number is negative"),
    }
}

fn malformed(fault: &Fault) -> Error {
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

fn at_end(reader: &Reader<'_>) -> Result<(), Error> {
    match reader.rest().len() {
        0 => Ok(()),
        extra => Err(Error::LeftOver { record: RECORD, table: None, at: reader.at(), extra }),
    }
}
