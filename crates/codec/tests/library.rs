//! The codec's bytes are the Avro library's bytes, both ways: for keys, changes, resolved records and conflicts of
//! arbitrary tables, and for exceptions.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use apache_avro::types::Value as Avro;
use proptest::prelude::*;
use std::sync::Arc;
use support::{GROUP, avro, changes, conflicts, exceptions, key_type, resolved, rows, table, tables, value};
use tributary_codec::{ConflictCodec, ExceptionCodec, FRAME_LENGTH, TableCodec};
use tributary_model::Row;

proptest! {
    #![proptest_config(support::cases(256))]

    /// Canonical key bytes are the payload of the key record, whatever the key's type.
    #[test]
    fn key_bytes_are_the_key_records_payload(
        (logical, value) in key_type().prop_flat_map(|logical| (Just(logical), value(logical))),
    ) {
        let table = table("t", &[("k", logical)], &[0]);
        let codec = TableCodec::new(&table, GROUP).unwrap();
        let row = Row::of([value]);
        let key = table.key_of(&row).unwrap();
        prop_assert_eq!(avro::write(codec.key_schema(), &avro::key(&table, &row)), key.as_slice());
        prop_assert_eq!(avro::read(codec.key_schema(), key.as_slice()), (avro::key(&table, &row), 0));
    }

    /// The same for keys of several columns, in an order that is not the table's.
    #[test]
    fn composite_keys_too((table, row) in tables().prop_flat_map(|t| (Just(t.clone()), rows(&t)))) {
        let codec = TableCodec::new(&table, GROUP).unwrap();
        let key = table.key_of(&row).unwrap();
        prop_assert_eq!(avro::write(codec.key_schema(), &avro::key(&table, &row)), key.as_slice());
        prop_assert_eq!(avro::read(codec.key_schema(), key.as_slice()).1, 0);
    }

    #[test]
    fn changes_both_ways(
        (table, change) in tables().prop_flat_map(|t| (Just(t.clone()), changes(&t))),
        captured_at: i64,
    ) {
        let codec = TableCodec::new(&table, GROUP).unwrap();
        let mut ours = Vec::new();
        codec.encode_change(7, &change, captured_at, &mut ours).unwrap();
        let said = avro::change(&table, &change, captured_at);
        let library = avro::write(codec.change_schema(), &said);
        prop_assert_eq!(&ours[FRAME_LENGTH..], &library);
        let (read, left) = avro::read(codec.change_schema(), &ours[FRAME_LENGTH..]);
        prop_assert_eq!((bits(&read), left), (bits(&said), 0));
        let blocks = avro::write_in_blocks(codec.change_schema(), &said);
        prop_assert_eq!(codec.decode_change(&framed(&library)).unwrap(), change.clone());
        prop_assert_eq!(codec.decode_change(&framed(&blocks)).unwrap(), change);
    }

    #[test]
    fn resolved_records_both_ways(
        (table, record, before) in tables()
            .prop_flat_map(|t| (Just(t.clone()), resolved(&t), prop::option::of(rows(&t)))),
        settled_at: i64,
    ) {
        let codec = TableCodec::new(&table, GROUP).unwrap();
        let mut ours = Vec::new();
        codec.encode_resolved(7, &record, before.as_ref(), settled_at, &mut ours).unwrap();
        let said = avro::resolved(&table, &record, before.as_ref(), settled_at);
        let library = avro::write(codec.resolved_schema(), &said);
        prop_assert_eq!(&ours[FRAME_LENGTH..], &library);
        let (read, left) = avro::read(codec.resolved_schema(), &ours[FRAME_LENGTH..]);
        prop_assert_eq!((bits(&read), left), (bits(&said), 0));
        let blocks = avro::write_in_blocks(codec.resolved_schema(), &said);
        prop_assert_eq!(codec.decode_resolved(&framed(&library)).unwrap(), record.clone());
        prop_assert_eq!(codec.decode_resolved(&framed(&blocks)).unwrap(), record);
    }

    #[test]
    fn conflicts_and_the_rows_in_them(
        (table, conflict) in tables().prop_flat_map(|t| (Just(t.clone()), conflicts(&t))),
    ) {
        let codec = Arc::new(TableCodec::new(&table, GROUP).unwrap());
        let mut ours = Vec::new();
        ConflictCodec::encode_conflict(7, &conflict, &codec, &mut ours).unwrap();
        let (read, left) = avro::read(ConflictCodec::schema(), &ours[FRAME_LENGTH..]);
        let json = |path: &str| match avro::at(&read, path) {
            Avro::String(json) => Some(json.clone()),
            _ => None,
        };
        let (key, winner, loser) = (json("key_json"), json("winner.row_json"), json("loser.row_json"));
        let json = (key.as_deref().unwrap(), winner.as_deref(), loser.as_deref());
        let said = avro::conflict(&table, codec.row_schema(), &conflict, json);
        let library = avro::write(ConflictCodec::schema(), &said);
        prop_assert_eq!(&ours[FRAME_LENGTH..], &library);
        prop_assert_eq!((bits(&read), left), (bits(&said), 0));
        let decoded = ConflictCodec::decode_conflict(&framed(&library), |_| Some(Arc::clone(&codec)));
        prop_assert_eq!(&decoded.unwrap(), &conflict);
        for (name, side) in [("winner.row", &conflict.winner), ("loser.row", &conflict.loser)] {
            if let Some(row) = &side.row {
                let Avro::Bytes(payload) = avro::at(&read, name) else { panic!("{name} is not bytes") };
                let (read, left) = avro::read(codec.row_schema(), payload);
                prop_assert_eq!((bits(&read), left), (bits(&avro::row(&table, row)), 0));
            }
        }
        let key = ConflictCodec::encode_key(7, &conflict.id);
        let said = avro::text(&conflict.id.to_string());
        prop_assert_eq!(&key[FRAME_LENGTH..], avro::write(ConflictCodec::key_schema(), &said));
    }
}

proptest! {
    #![proptest_config(support::cases(256))]

    #[test]
    fn exceptions_both_ways(exception in exceptions()) {
        let ours = ExceptionCodec::encode(7, &exception);
        let said = avro::exception(&exception);
        let library = avro::write(ExceptionCodec::schema(), &said);
        prop_assert_eq!(&ours[FRAME_LENGTH..], &library);
        let (read, left) = avro::read(ExceptionCodec::schema(), &ours[FRAME_LENGTH..]);
        prop_assert_eq!((bits(&read), left), (bits(&said), 0));
        let blocks = avro::write_in_blocks(ExceptionCodec::schema(), &said);
        prop_assert_eq!(&ExceptionCodec::decode(&framed(&library)).unwrap(), &exception);
        prop_assert_eq!(&ExceptionCodec::decode(&framed(&blocks)).unwrap(), &exception);
        let key = ExceptionCodec::encode_key(7, &exception.id());
        let said = avro::text(exception.id().as_str());
        prop_assert_eq!(&key[FRAME_LENGTH..], avro::write(ExceptionCodec::key_schema(), &said));
        prop_assert_eq!(ExceptionCodec::decode_key(&key).unwrap(), exception.id());
    }
}

/// That the blocks above are blocks: a count of minus one, then the size, before each entry.
#[test]
fn the_library_cuts_arrays_into_blocks() {
    let (table, record) = (support::example::customer(), support::example::updated().0);
    let said = avro::resolved(&table, &record, None, 0);
    let schema = support::example::codec().resolved_schema().to_owned();
    let (whole, blocks) = (avro::write(&schema, &said), avro::write_in_blocks(&schema, &said));
    let entry = b"\x01\x0e\x0acloud\x0e";
    assert!(blocks.windows(entry.len()).any(|window| window == entry), "{blocks:02x?}");
    assert!(!whole.windows(entry.len()).any(|window| window == entry));
}

fn framed(payload: &[u8]) -> Vec<u8> {
    let mut framed = Vec::new();
    tributary_codec::frame(7, &mut framed);
    framed.extend_from_slice(payload);
    framed
}

/// A text in which a NaN equals itself and tells its bits.
fn bits(value: &Avro) -> String {
    match value {
        Avro::Float(float) => format!("float {:08x}", float.to_bits()),
        Avro::Double(double) => format!("double {:016x}", double.to_bits()),
        Avro::Union(branch, value) => format!("{branch}: {}", bits(value)),
        Avro::Record(fields) => {
            fields.iter().map(|(name, value)| format!("{name} = {}; ", bits(value))).collect()
        }
        Avro::Array(items) => items.iter().map(|item| format!("- {}", bits(item))).collect(),
        other => format!("{other:?}"),
    }
}
