//! Foreign bytes: random, mutated, cut, and the fuzz target's corpus. None makes the codec panic, none is read as
//! something that it would not write itself, and none makes it allocate what it merely declares.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "../fuzz/exercise.rs"]
mod exercise;
mod support;

use exercise::{KINDS, exercise};
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use support::example;
use tributary_codec::{ConflictCodec, FRAME_LENGTH, TableCodec};
use tributary_model::TableName;

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/records")
}

/// The golden records as the fuzz target takes them: a byte for the kind, then the framed record.
fn seeds() -> &'static [(&'static str, Vec<u8>)] {
    static SEEDS: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(make_seeds);
    &SEEDS
}

fn make_seeds() -> Vec<(&'static str, Vec<u8>)> {
    let kind = |name: &str| match name {
        "key" => 0,
        "conflict-key" => 4,
        "conflict" => 3,
        "exception" => 5,
        "exception-key" => 6,
        name if name.starts_with("change") => 1,
        _ => 2,
    };
    let seed = |(name, framed): (&'static str, Vec<u8>)| (name, [vec![kind(name)], framed].concat());
    example::records().into_iter().map(seed).collect()
}

/// The seeds, each also cut short, with one byte changed, with one byte more, and with a length that lies.
#[test]
#[ignore = "writes the corpus that the next test replays"]
fn write_corpus() {
    fs::create_dir_all(corpus()).unwrap();
    for (name, seed) in seeds() {
        let middle = seed.len() / 2;
        let mut changed = seed.clone();
        changed[middle] ^= 0x55;
        let mut lies = seed[..middle].to_vec();
        lies.extend_from_slice(&[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
        let variants = [
            ("whole", seed.clone()),
            ("cut", seed[..middle].to_vec()),
            ("changed", changed),
            ("longer", [&seed[..], &[0]].concat()),
            ("lying", lies),
        ];
        for (variant, bytes) in variants {
            fs::write(corpus().join(format!("{name}-{variant}")), bytes).unwrap();
        }
    }
}

#[test]
fn the_corpus_is_taken_calmly() {
    let mut files = 0;
    for entry in fs::read_dir(corpus()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let read = exercise(&fs::read(&path).unwrap());
        // What the fuzzer added may be either; of the seeds it is known.
        for (variant, valid) in [("-whole", true), ("-cut", false), ("-longer", false), ("-lying", false)] {
            if name.ends_with(variant) {
                assert_eq!(read, valid, "{name}");
            }
        }
        files += 1;
    }
    assert!(files >= 5 * seeds().len(), "the corpus has only {files} files");
}

#[test]
fn the_fuzz_target_knows_the_golden_table() {
    let shape = |table: tributary_model::TableSchema| {
        let columns = table.columns.into_iter().map(|column| (column.name, column.logical));
        (table.name, columns.collect::<Vec<_>>(), table.key)
    };
    assert_eq!(shape(exercise::table()), shape(example::customer()));
    for (name, seed) in seeds() {
        assert!(seed[0] < KINDS);
        assert!(exercise(seed), "{name}");
    }
}

#[test]
fn every_cut_is_an_error() {
    for (name, seed) in seeds() {
        for length in 0..seed.len() {
            assert!(!exercise(&seed[..length]), "{name} cut to {length} bytes");
        }
    }
}

#[test]
fn every_changed_byte_is_taken_calmly() {
    for (_, seed) in seeds() {
        for position in 0..seed.len() {
            for byte in [0x00, 0x01, 0x7f, 0x80, 0xff] {
                let mut changed = seed.clone();
                changed[position] = byte;
                exercise(&changed);
            }
        }
    }
}

/// A decoder that reserved what is declared would abort here: no machine has 2^62 bytes, or that many entries.
#[test]
fn declared_lengths_are_not_believed() {
    let numbers: [&[u8]; 4] = [
        // 2^62 and 2^40 as lengths or counts, the least number as a count of a block with a size, and 512 MB, which
        // the Avro library would reserve.
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
        &[0x80, 0x80, 0x80, 0x80, 0x80, 0x40],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        &[0x80, 0x80, 0x80, 0x80, 0x04],
    ];
    for (_, seed) in seeds() {
        for position in FRAME_LENGTH + 1..seed.len() {
            for number in numbers {
                let lying = [&seed[..position], number, &seed[position + 1..]].concat();
                exercise(&lying);
                exercise(&lying[..position + number.len()]);
            }
        }
    }
}

proptest! {
    #![proptest_config(support::cases(1000))]

    #[test]
    fn random_bytes_are_taken_calmly(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        exercise(&bytes);
        for kind in 0..KINDS {
            exercise(&[&[kind, 0, 0, 0, 0, 1], &bytes[..]].concat());
        }
        let _ = ConflictCodec::table_of(&bytes);
    }

    #[test]
    fn mutated_records_are_taken_calmly(
        which in 0..8_usize,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..6),
    ) {
        let mut bytes = seeds()[which].1.clone();
        for (index, byte, edit) in edits {
            let at = index.index(bytes.len());
            match edit {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
            if bytes.is_empty() {
                break;
            }
        }
        exercise(&bytes);
    }

    /// A record of a table with the same name and other columns is an error, unless its bytes say the same here.
    #[test]
    fn records_of_other_shapes_are_not_mistaken(
        (table, change) in support::tables().prop_flat_map(|mut table| {
            table.name = TableName::new("Customer");
            (Just(table.clone()), support::changes(&table))
        }),
    ) {
        let mut out = Vec::new();
        TableCodec::new(&table, support::GROUP).unwrap().encode_change(1, &change, 0, &mut out).unwrap();
        let here = example::codec();
        if let Ok(read) = here.decode_change(&out) {
            let mut again = Vec::new();
            here.encode_change(1, &read, 0, &mut again).unwrap();
            prop_assert_eq!(again, out);
        }
    }

    /// A record of another table is an error, even if the tables are alike.
    #[test]
    fn records_of_other_tables_are_not_mistaken(change in support::changes(&example::customer())) {
        let mut table = example::customer();
        table.name = TableName::new("Supplier");
        let mut out = Vec::new();
        TableCodec::new(&table, support::GROUP).unwrap().encode_change(1, &change, 0, &mut out).unwrap();
        prop_assert_eq!(example::codec().decode_change(&out).unwrap_err().code(), "COD-004");
    }
}
