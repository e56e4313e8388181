//! What foreign bytes must not do to the codec, for the fuzz target and for the test that replays its corpus.
//!
//! The first byte picks the kind of record. Whatever is read must survive being written and read again: so bytes can
//! neither make the codec panic nor come out as a record that it would not stand by.

use std::sync::{Arc, LazyLock};
use tributary_codec::{ConflictCodec, ExceptionCodec, TableCodec, split_frame};
use tributary_model::{Column, LogicalType, TableName, TableSchema};

/// How many kinds of record there are.
pub(crate) const KINDS: u8 = 7;

static CODEC: LazyLock<Arc<TableCodec>> = LazyLock::new(|| {
    let codec = TableCodec::new(&table(), "retail").expect("a table of every type has schemas");
    Arc::new(codec)
});

/// The table of the golden records: a column of every type.
pub(crate) fn table() -> TableSchema {
    let columns = [
        ("Id", LogicalType::Long),
        ("Name", LogicalType::String),
        ("Active", LogicalType::Boolean),
        ("Visits", LogicalType::Int),
        ("Balance", LogicalType::Decimal { precision: 18, scale: 2 }),
        ("Holdings", LogicalType::Decimal { precision: 50, scale: 10 }),
        ("Ratio", LogicalType::Numeric),
        ("Weight", LogicalType::Float),
        ("Score", LogicalType::Double),
        ("Photo", LogicalType::Bytes),
        ("Token", LogicalType::Uuid),
        ("Born", LogicalType::Date),
        ("Wakes at", LogicalType::Time),
        ("Changed", LogicalType::Timestamp),
        ("Signed", LogicalType::TimestampOffset),
        ("Größe", LogicalType::String),
    ];
    let columns = columns.map(|(name, logical)| Column {
        name: name.to_owned(),
        logical,
        nullable: true,
        max_length: None,
    });
    TableSchema {
        name: TableName::new("Customer"),
        columns: columns.into(),
        key: vec![10, 0],
        foreign_keys: Vec::new(),
        unique: Vec::new(),
        generation: 1,
    }
}

/// Reads `data` as a record of the kind that its first byte names; says whether it was one.
pub(crate) fn exercise(data: &[u8]) -> bool {
    let Some((kind, framed)) = data.split_first() else { return false };
    match kind % KINDS {
        0 => key(framed),
        1 => change(framed),
        2 => resolved(framed),
        3 => conflict(framed),
        4 => conflict_key(framed),
        5 => exception(framed),
        _ => exception_key(framed),
    }
}

fn id_of(framed: &[u8]) -> u32 {
    split_frame(framed).expect("it has been read").0
}

fn key(framed: &[u8]) -> bool {
    let Ok(key) = CODEC.decode_key(framed) else { return false };
    assert_eq!(CODEC.encode_key(id_of(framed), &key), framed, "a key has one spelling");
    true
}

fn change(framed: &[u8]) -> bool {
    let Ok(change) = CODEC.decode_change(framed) else { return false };
    let mut again = Vec::new();
    CODEC.encode_change(id_of(framed), &change, 0, &mut again).expect("what was read can be written");
    assert_eq!(CODEC.decode_change(&again).expect("what was written can be read"), change);
    true
}

fn resolved(framed: &[u8]) -> bool {
    let full = CODEC.decode_resolved_record(framed);
    let Ok(resolved) = CODEC.decode_resolved(framed) else {
        assert!(full.is_err(), "what is refused is refused with the row before it too");
        return false;
    };
    let mut again = Vec::new();
    let before = full.ok().and_then(|full| {
        assert_eq!(full.resolved, resolved);
        full.before
    });
    CODEC
        .encode_resolved(id_of(framed), &resolved, before.as_ref(), 0, &mut again)
        .expect("what was read can be written");
    assert_eq!(CODEC.decode_resolved(&again).expect("what was written can be read"), resolved);
    true
}

fn conflict(framed: &[u8]) -> bool {
    let lookup = |name: &str| (name == "Customer").then(|| Arc::clone(&CODEC));
    let Ok(conflict) = ConflictCodec::decode_conflict(framed, lookup) else { return false };
    let mut again = Vec::new();
    ConflictCodec::encode_conflict(id_of(framed), &conflict, &CODEC, &mut again)
        .expect("what was read can be written");
    let read = ConflictCodec::decode_conflict(&again, lookup).expect("what was written can be read");
    assert_eq!(read, conflict);
    true
}

fn conflict_key(framed: &[u8]) -> bool {
    let Ok(id) = ConflictCodec::decode_key(framed) else { return false };
    let again = ConflictCodec::encode_key(id_of(framed), &id);
    assert_eq!(ConflictCodec::decode_key(&again), Ok(id));
    true
}

fn exception(framed: &[u8]) -> bool {
    let Ok(exception) = ExceptionCodec::decode(framed) else { return false };
    let again = ExceptionCodec::encode(id_of(framed), &exception);
    assert_eq!(ExceptionCodec::decode(&again), Ok(exception));
    true
}

fn exception_key(framed: &[u8]) -> bool {
    let Ok(id) = ExceptionCodec::decode_key(framed) else { return false };
    let again = ExceptionCodec::encode_key(id_of(framed), &id);
    assert_eq!(ExceptionCodec::decode_key(&again), Ok(id));
    true
}
