//! Digests of rows on logical values, equal across dialects, so that members can be compared without moving rows.
//!
//! A row's hash covers its key and every column that is set: position, kind and value, decimals by value. An absent
//! column is passed over, so a member that lacks a column is compared by giving both sides bindings without it. NULL
//! is a value and counts. The hashes of a bucket are added up, so their order does not matter and a database may
//! read its rows as it likes.

use tributary_model::{KeyBytes, Row, Value};

/// The most bits that a bucket number may have: 2^20 digests of 24 bytes.
pub const MAX_BUCKET_BITS: u8 = 20;

/// What a bucket of rows comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct BucketDigest {
    /// How many rows.
    pub rows: u64,
    /// The sum of their hashes, modulo 2^128.
    pub sum: [u8; 16],
}

impl BucketDigest {
    /// Takes one more row.
    pub fn add(&mut self, hash: [u8; 16]) {
        self.join(&Self { rows: 1, sum: hash });
    }

    /// Takes all rows of another bucket.
    pub fn join(&mut self, other: &Self) {
        self.rows += other.rows;
        let sum = u128::from_be_bytes(self.sum).wrapping_add(u128::from_be_bytes(other.sum));
        self.sum = sum.to_be_bytes();
    }
}

/// The bucket of a key when there are `2^bits` of them (`bits` beyond [`MAX_BUCKET_BITS`] counts as that). Halving
/// the buckets joins neighbours: bucket `b` of `n` bits is buckets `2b` and `2b + 1` of `n + 1`.
pub fn bucket_of(key: &KeyBytes, bits: u8) -> usize {
    let bits = bits.min(MAX_BUCKET_BITS);
    let hash = blake3::hash(key.as_slice());
    let [a, b, c, d, ..] = *hash.as_bytes();
    (u64::from(u32::from_be_bytes([a, b, c, d])) >> (32 - bits)) as usize
}

/// The hash of a row.
pub fn row_hash(key: &KeyBytes, row: &Row) -> [u8; 16] {
    let mut hasher = RowHasher::new(key);
    for (position, value) in row.0.iter().enumerate() {
        if let Some(value) = value {
            hasher.column(position, value);
        }
    }
    hasher.finish()
}

/// A row's hash, column by column, for adapters that do not build the row. Absent columns are not given.
pub(crate) struct RowHasher {
    hasher: blake3::Hasher,
}

impl RowHasher {
    /// Begins the hash of the row with this key.
    pub(crate) fn new(key: &KeyBytes) -> Self {
        let mut hasher = blake3::Hasher::new();
        prefixed(&mut hasher, key.as_slice());
        Self { hasher }
    }

    /// Takes a column that is set; columns come in the order of their positions.
    pub(crate) fn column(&mut self, position: usize, value: &Value) {
        let hasher = &mut self.hasher;
        let mut tagged = |tag: u8, bytes: &[u8]| {
            hasher.update(&(position as u32).to_be_bytes());
            hasher.update(&[tag]);
            prefixed(hasher, bytes);
        };
        match value {
            Value::Null => tagged(0, &[]),
            Value::Boolean(value) => tagged(1, &[u8::from(*value)]),
            Value::Int(value) => tagged(2, &value.to_be_bytes()),
            Value::Long(value) => tagged(3, &value.to_be_bytes()),
            Value::Decimal(value) => {
                let (digits, exponent) = value.normalized().into_bigint_and_exponent();
                let mut bytes = exponent.to_be_bytes().to_vec();
                bytes.extend_from_slice(&digits.to_signed_bytes_be());
                tagged(4, &bytes);
            }
            Value::Float(value) => tagged(5, &value.to_bits().to_be_bytes()),
            Value::Double(value) => tagged(6, &value.to_bits().to_be_bytes()),
            Value::String(value) => tagged(7, value.as_bytes()),
            Value::Bytes(value) => tagged(8, value),
            Value::Uuid(value) => tagged(9, value.as_bytes()),
            Value::Date(value) => tagged(10, &value.to_be_bytes()),
            Value::Time(value) => tagged(11, &value.to_be_bytes()),
            Value::Timestamp(value) => tagged(12, &value.to_be_bytes()),
            Value::TimestampOffset { ticks, offset_minutes } => {
                let mut bytes = [0; 10];
                bytes[..8].copy_from_slice(&ticks.to_be_bytes());
                bytes[8..].copy_from_slice(&offset_minutes.to_be_bytes());
                tagged(13, &bytes);
            }
        }
    }

    /// Takes a value that is not of its column's type, as the database stores it, with the database's name for what
    /// it is: such a row equals none that can be read.
    pub(crate) fn unreadable(&mut self, position: usize, class: &str, stored: &[u8]) {
        self.hasher.update(&(position as u32).to_be_bytes());
        self.hasher.update(&[0xff]);
        prefixed(&mut self.hasher, class.as_bytes());
        prefixed(&mut self.hasher, stored);
    }

    /// The hash.
    pub(crate) fn finish(&self) -> [u8; 16] {
        let mut hash = [0; 16];
        hash.copy_from_slice(&self.hasher.finalize().as_bytes()[..16]);
        hash
    }
}

fn prefixed(hasher: &mut blake3::Hasher, bytes: &[u8]) {
    hasher.update(&(bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use bigdecimal::BigDecimal;
    use proptest::prelude::*;
    use std::str::FromStr;
    use uuid::Uuid;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn decimal(text: &str) -> Value {
        Value::Decimal(BigDecimal::from_str(text).unwrap())
    }

    /// One value of every kind.
    fn every_kind() -> Row {
        Row::of([
            Value::Null,
            Value::Boolean(true),
            Value::Int(-1),
            Value::Long(i64::MAX),
            decimal("-12.50"),
            Value::Float(1.5),
            Value::Double(-0.0),
            Value::String("größe".into()),
            Value::Bytes(vec![0, 255]),
            Value::Uuid(Uuid::from_u128(7)),
            Value::Date(-1),
            Value::Time(1),
            Value::Timestamp(2_534_023_007_999_999_999),
            Value::TimestampOffset { ticks: 5, offset_minutes: -60 },
        ])
    }

    #[test]
    fn golden_hashes() {
        // Members of different versions compare their digests: these must never change.
        let key = KeyBytes::new([2, 4]);
        assert_eq!(hex(&row_hash(&key, &every_kind())), "923a811e261fbf16abcec9704df64c39");
        assert_eq!(hex(&row_hash(&key, &Row::default())), "3bbb891133706ef064a87b732c862021");
        assert_eq!([0, 1, 8, 20, 255].map(|bits| bucket_of(&key, bits)), [0, 0, 68, 282_142, 282_142]);
    }

    #[test]
    fn every_column_counts_and_absent_ones_are_passed_over() {
        let key = KeyBytes::new([2]);
        let whole = every_kind();
        let hash = row_hash(&key, &whole);
        for position in 0..whole.len() {
            let mut changed = whole.clone();
            changed.0[position] = Some(if position == 0 { Value::Int(0) } else { Value::Null });
            assert_ne!(row_hash(&key, &changed), hash, "column {position} as NULL");
            let mut absent = whole.clone();
            absent.0[position] = None;
            assert_ne!(row_hash(&key, &absent), hash, "column {position} absent");
            let mut other = absent.clone();
            other.0.push(None);
            assert_eq!(row_hash(&key, &other), row_hash(&key, &absent));
        }
        assert_ne!(row_hash(&KeyBytes::new([3]), &whole), hash);
    }

    #[test]
    fn decimals_count_by_value() {
        let key = KeyBytes::new([2]);
        let of = |text: &str| row_hash(&key, &Row::of([decimal(text)]));
        for (a, b) in [("1.50", "1.5"), ("100", "1e2"), ("0", "0.000"), ("0", "-0"), ("-3.0", "-3")] {
            assert_eq!(of(a), of(b), "{a} and {b}");
        }
        assert_ne!(of("1.5"), of("15"));
        assert_ne!(of("1.5"), of("-1.5"));
    }

    #[test]
    fn unreadable_values_equal_no_readable_one() {
        let key = KeyBytes::new([2]);
        let mut unreadable = RowHasher::new(&key);
        unreadable.unreadable(0, "TEXT", b"x");
        assert_ne!(unreadable.finish(), row_hash(&key, &Row::of([Value::String("x".into())])));
    }

    proptest! {
        #[test]
        fn order_and_division_do_not_matter(
            keys in prop::collection::btree_set(prop::collection::vec(any::<u8>(), 1..6), 0..40),
            bits in 0..6_u8,
        ) {
            let row = every_kind();
            let digest = |bits: u8, keys: &mut dyn Iterator<Item = &Vec<u8>>| {
                let mut buckets = vec![BucketDigest::default(); 1 << bits];
                for key in keys.map(|key| KeyBytes::new(key.as_slice())) {
                    buckets[bucket_of(&key, bits)].add(row_hash(&key, &row));
                }
                buckets
            };
            let buckets = digest(bits, &mut keys.iter());
            prop_assert_eq!(&buckets, &digest(bits, &mut keys.iter().rev()));
            prop_assert_eq!(buckets.iter().map(|bucket| bucket.rows).sum::<u64>(), keys.len() as u64);
            let finer = digest(bits + 1, &mut keys.iter());
            for (bucket, halves) in buckets.iter().zip(finer.chunks(2)) {
                let mut joined = halves[0];
                joined.join(&halves[1]);
                prop_assert_eq!(*bucket, joined);
            }
        }
    }
}
