//! Whatever the model can say comes back from the wire as it was.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use proptest::prelude::*;
use std::sync::Arc;
use support::{GROUP, changes, conflicts, resolved, rows, tables};
use tributary_codec::{ConflictCodec, TableCodec, split_frame};

proptest! {
    #![proptest_config(support::cases(256))]

    #[test]
    fn keys_read_back((table, row) in tables().prop_flat_map(|t| (Just(t.clone()), rows(&t))), id: u32) {
        let codec = TableCodec::new(&table, GROUP).unwrap();
        let key = table.key_of(&row).unwrap();
        let framed = codec.encode_key(id, &key);
        prop_assert_eq!(split_frame(&framed).unwrap(), (id, key.as_slice()));
        prop_assert_eq!(codec.decode_key(&framed).unwrap(), key);
    }

    #[test]
    fn changes_read_back(
        (table, change) in tables().prop_flat_map(|t| (Just(t.clone()), changes(&t))),
        id: u32,
        captured_at: i64,
    ) {
        let codec = TableCodec::new(&table, GROUP).unwrap();
        let mut out = b"before".to_vec();
        codec.encode_change(id, &change, captured_at, &mut out).unwrap();
        prop_assert_eq!(split_frame(&out[6..]).unwrap().0, id);
        prop_assert_eq!(codec.decode_change(&out[6..]).unwrap(), change);
    }

    #[test]
    fn resolved_records_read_back(
        (table, record, before) in tables()
            .prop_flat_map(|t| (Just(t.clone()), resolved(&t), prop::option::of(rows(&t)))),
        id: u32,
        settled_at: i64,
    ) {
        let codec = TableCodec::new(&table, GROUP).unwrap();
        let mut out = Vec::new();
        codec.encode_resolved(id, &record, before.as_ref(), settled_at, &mut out).unwrap();
        prop_assert_eq!(&codec.decode_resolved(&out).unwrap(), &record);
        let all = codec.decode_resolved_record(&out).unwrap();
        prop_assert_eq!(all.resolved, record);
        prop_assert_eq!(all.settled_at_ms, settled_at.div_euclid(10_000));
        prop_assert_eq!(all.before.is_some(), before.is_some());
        for (read, written) in all.before.iter().zip(&before) {
            for (read, written) in read.0.iter().zip(&written.0) {
                let expected = written.clone().unwrap_or(tributary_model::Value::Null);
                prop_assert_eq!(read.as_ref(), Some(&expected));
            }
        }
    }

    #[test]
    fn conflicts_read_back(
        (table, conflict) in tables().prop_flat_map(|t| (Just(t.clone()), conflicts(&t))),
        id: u32,
    ) {
        let codec = Arc::new(TableCodec::new(&table, GROUP).unwrap());
        let mut out = Vec::new();
        ConflictCodec::encode_conflict(id, &conflict, &codec, &mut out).unwrap();
        let lookup = |name: &str| (name == table.name.as_str()).then(|| Arc::clone(&codec));
        prop_assert_eq!(&ConflictCodec::decode_conflict(&out, lookup).unwrap(), &conflict);
        prop_assert_eq!(ConflictCodec::table_of(&out).unwrap(), table.name.clone());
        let error = ConflictCodec::decode_conflict(&out, |_| None).unwrap_err();
        prop_assert_eq!(error.code(), "COD-010");
        let key = ConflictCodec::encode_key(id, &conflict.id);
        prop_assert_eq!(ConflictCodec::decode_key(&key).unwrap(), conflict.id);
    }
}
