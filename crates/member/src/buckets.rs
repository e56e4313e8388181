//! What the two calls for digests gather while a table's rows go by: a digest for every bucket, or the rows of some
//! buckets.
//!
//! Decides how many buckets there may be and what is kept of a row. It reads none: how rows are read, in which snapshot
//! and whether they stream, is each adapter's, and what a row's hash covers is [`crate::digest`]'s.

use crate::digest::MAX_BUCKET_BITS;
use crate::{BucketDigest, Error, Result, bucket_of};
use tributary_model::KeyBytes;

/// Is given a row's key, and how to hash the row.
pub(crate) type Visit<'a> = dyn FnMut(KeyBytes, &dyn Fn() -> [u8; 16]) + 'a;

/// The digests of all buckets.
#[derive(Debug)]
pub(crate) struct Digests {
    bits: u8,
    buckets: Vec<BucketDigest>,
}

impl Digests {
    /// `2^bits` empty buckets.
    pub(crate) fn new(bits: u8) -> Result<Self> {
        Ok(Self { bits, buckets: vec![BucketDigest::default(); number(bits)?] })
    }

    /// Takes a row.
    pub(crate) fn take(&mut self, key: &KeyBytes, hash: [u8; 16]) {
        self.buckets[bucket_of(key, self.bits)].add(hash);
    }

    /// The digests, by bucket.
    pub(crate) fn finish(self) -> Vec<BucketDigest> {
        self.buckets
    }
}

/// The rows of some buckets.
#[derive(Debug)]
pub(crate) struct BucketRows {
    bits: u8,
    /// By bucket: whether it is asked for.
    wanted: Vec<bool>,
    rows: Vec<(KeyBytes, [u8; 16])>,
}

impl BucketRows {
    /// No rows yet, of these buckets of `2^bits`.
    pub(crate) fn new(bits: u8, buckets: &[usize]) -> Result<Self> {
        let mut wanted = vec![false; number(bits)?];
        for bucket in buckets {
            match wanted.get_mut(*bucket) {
                Some(wanted) => *wanted = true,
                None => {
                    let reason = format!("bucket {bucket} of 2^{bits}");
                    return Err(Error::Misuse { call: "bucket_rows", reason });
                }
            }
        }
        Ok(Self { bits, wanted, rows: Vec::new() })
    }

    /// Takes a row. It is hashed only where its bucket is asked for.
    pub(crate) fn take(&mut self, key: KeyBytes, hash: &dyn Fn() -> [u8; 16]) {
        if self.wanted[bucket_of(&key, self.bits)] {
            self.rows.push((key, hash()));
        }
    }

    /// The rows' keys and hashes, as they were taken.
    pub(crate) fn finish(self) -> Vec<(KeyBytes, [u8; 16])> {
        self.rows
    }
}

fn number(bits: u8) -> Result<usize> {
    if bits <= MAX_BUCKET_BITS {
        return Ok(1 << bits);
    }
    let reason = format!("2^{bits} buckets, where 2^{MAX_BUCKET_BITS} are the most");
    Err(Error::Misuse { call: "digest", reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_buckets_are_limited() {
        assert!(Digests::new(MAX_BUCKET_BITS).is_ok());
        for bits in [MAX_BUCKET_BITS + 1, u8::MAX] {
            assert!(matches!(Digests::new(bits), Err(Error::Misuse { call: "digest", .. })), "{bits}");
            assert!(
                matches!(BucketRows::new(bits, &[]), Err(Error::Misuse { call: "digest", .. })),
                "{bits}"
            );
        }
        assert!(matches!(BucketRows::new(3, &[0, 8]), Err(Error::Misuse { call: "bucket_rows", .. })));
    }

    #[test]
    fn the_rows_of_a_bucket_come_to_its_digest() {
        let keys: Vec<KeyBytes> = (0..40).map(|byte| KeyBytes::new([byte])).collect();
        let hash = |key: &KeyBytes| [key.as_slice()[0]; 16];
        let mut digests = Digests::new(2).unwrap();
        let mut rows = BucketRows::new(2, &[1, 3]).unwrap();
        for key in &keys {
            digests.take(key, hash(key));
            rows.take(key.clone(), &|| {
                assert!([1, 3].contains(&bucket_of(key, 2)), "a row that nobody asks for is hashed");
                hash(key)
            });
        }
        let digests = digests.finish();
        let rows = rows.finish();
        let mut again = [BucketDigest::default(); 4];
        for (key, hash) in &rows {
            again[bucket_of(key, 2)].add(*hash);
        }
        assert_eq!([again[1], again[3]], [digests[1], digests[3]]);
        assert_eq!([again[0], again[2]], [BucketDigest::default(); 2]);
        assert_eq!(digests.iter().map(|bucket| bucket.rows).sum::<u64>(), 40);
    }
}
