//! Narrowing down from digests to rows.

use std::collections::BTreeMap;
use tributary_member::{BucketDigest, Member, Result};
use tributary_model::{KeyBytes, Row, TableSchema};

/// How finely a table is divided: 1,024 buckets.
const BITS: u8 = 10;

/// The hashes of a row in the one member and the other; none where it is not there.
pub(super) type Sides = (Option<[u8; 16]>, Option<[u8; 16]>);

/// A table's digests.
#[derive(Debug)]
pub(super) struct Hashes(Vec<BucketDigest>);

/// Reads the digests of the one table that `member` has bound.
pub(super) async fn hashes(member: &mut dyn Member) -> Result<Hashes> {
    Ok(Hashes(member.digest(0, BITS).await?))
}

impl Hashes {
    /// How many rows the table has.
    pub(super) fn rows(&self) -> u64 {
        self.0.iter().map(|bucket| bucket.rows).sum()
    }

    /// The buckets that are not the same.
    pub(super) fn differing(&self, other: &Self) -> Vec<usize> {
        let empty = BucketDigest::default();
        let bucket = |hashes: &Self, at: usize| hashes.0.get(at).copied().unwrap_or(empty);
        let count = self.0.len().max(other.0.len());
        (0..count).filter(|at| bucket(self, *at) != bucket(other, *at)).collect()
    }

    /// Key and hash of every row in these buckets.
    pub(super) async fn rows_of(
        &self,
        member: &mut dyn Member,
        buckets: &[usize],
    ) -> Result<Vec<(KeyBytes, [u8; 16])>> {
        member.bucket_rows(0, BITS, buckets).await
    }
}

/// The rows that are not the same, with both hashes.
pub(super) fn differences(
    left: Vec<(KeyBytes, [u8; 16])>,
    right: Vec<(KeyBytes, [u8; 16])>,
) -> BTreeMap<KeyBytes, Sides> {
    let mut sides: BTreeMap<KeyBytes, Sides> =
        left.into_iter().map(|(key, hash)| (key, (Some(hash), None))).collect();
    for (key, hash) in right {
        sides.entry(key).or_default().1 = Some(hash);
    }
    sides.retain(|_, (left, right)| left != right);
    sides
}

/// The names of the columns in which two rows differ. A column that one of them does not have is not compared.
pub(super) fn differing_columns(
    schema: &TableSchema,
    left: Option<&Row>,
    right: Option<&Row>,
) -> Vec<String> {
    let (Some(left), Some(right)) = (left, right) else { return Vec::new() };
    let differs = |at: usize| left.get(at).zip(right.get(at)).is_some_and(|(left, right)| left != right);
    let columns = schema.columns.iter().enumerate();
    columns.filter(|(at, _)| differs(*at)).map(|(_, column)| column.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use tributary_member::{bucket_of, row_hash};
    use tributary_model::{Column, LogicalType, TableName, Value};

    fn digests(rows: &[(KeyBytes, [u8; 16])]) -> Hashes {
        let mut buckets = vec![BucketDigest::default(); 1 << BITS];
        for (key, hash) in rows {
            buckets[bucket_of(key, BITS)].add(*hash);
        }
        Hashes(buckets)
    }

    fn in_buckets(rows: &[(KeyBytes, [u8; 16])], buckets: &[usize]) -> Vec<(KeyBytes, [u8; 16])> {
        rows.iter().filter(|(key, _)| buckets.contains(&bucket_of(key, BITS))).cloned().collect()
    }

    fn hash(key: u16, value: u8) -> [u8; 16] {
        row_hash(&KeyBytes::new(key.to_be_bytes()), &Row::of([Value::Int(value.into())]))
    }

    fn tables() -> impl Strategy<Value = BTreeMap<u16, u8>> {
        prop::collection::btree_map(0..200u16, 0..3u8, 0..150)
    }

    proptest! {
        /// By way of the buckets exactly those rows are found that differ.
        #[test]
        fn every_difference_is_found_and_nothing_else(left in tables(), right in tables()) {
            let rows = |table: &BTreeMap<u16, u8>| -> Vec<_> {
                table.iter().map(|(key, value)| (KeyBytes::new(key.to_be_bytes()), hash(*key, *value))).collect()
            };
            let (a, b) = (rows(&left), rows(&right));
            let (here, there) = (digests(&a), digests(&b));
            prop_assert_eq!(here.rows(), a.len() as u64);
            let buckets = here.differing(&there);
            let found = differences(in_buckets(&a, &buckets), in_buckets(&b, &buckets));
            let keys: BTreeSet<u16> = left.keys().chain(right.keys()).copied().collect();
            for key in keys {
                let sides = (left.get(&key).map(|v| hash(key, *v)), right.get(&key).map(|v| hash(key, *v)));
                let told = found.get(&KeyBytes::new(key.to_be_bytes()));
                prop_assert_eq!(told.copied(), (sides.0 != sides.1).then_some(sides));
            }
        }
    }

    #[test]
    fn columns_that_one_side_lacks_are_not_compared() {
        let column = |name: &str| Column {
            name: name.to_owned(),
            logical: LogicalType::Long,
            nullable: true,
            max_length: None,
        };
        let schema = TableSchema {
            name: TableName::new("t"),
            columns: ["a", "b", "c"].map(column).into(),
            key: vec![0],
            foreign_keys: Vec::new(),
            unique: Vec::new(),
            generation: 1,
        };
        let left = Row(vec![Some(Value::Long(1)), Some(Value::Long(2)), Some(Value::Null)]);
        let right = Row(vec![Some(Value::Long(1)), None, Some(Value::Long(3))]);
        assert_eq!(differing_columns(&schema, Some(&left), Some(&right)), ["c"]);
        assert!(differing_columns(&schema, None, Some(&right)).is_empty());
    }
}
