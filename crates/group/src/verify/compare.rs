//! Narrowing down from digests to rows.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use tributary_member::{BucketDigest, Member, Result, TablePosition, bucket_of, row_hash};
use tributary_model::{KeyBytes, Projection, Row, TableSchema};

/// How finely a table is divided: 1,024 buckets.
const BITS: u8 = 10;

/// The hashes of a row in the one member and the other; none where it is not there.
pub(super) type Sides = (Option<[u8; 16]>, Option<[u8; 16]>);

/// How many rows are read at once where they have to be.
const ROWS_AT_ONCE: usize = 1_000;

/// Reads the one table that a connection has bound, as far as it is compared.
pub(super) struct Reader {
    member: Box<dyn Member>,
    /// By column: how its values are looked at; `None` when all are that the member has, and as they are.
    looks: Option<Vec<Projection>>,
}

impl Reader {
    /// Reads by `member`, and looks at the columns' values so.
    pub(super) fn new(member: Box<dyn Member>, looks: Option<Vec<Projection>>) -> Self {
        Self { member, looks }
    }

    /// The table's digests.
    pub(super) async fn digest(&mut self) -> Result<Vec<BucketDigest>> {
        if self.looks.is_none() {
            return self.member.digest(0, BITS).await;
        }
        let all: Vec<usize> = (0..1 << BITS).collect();
        let mut digests = vec![BucketDigest::default(); 1 << BITS];
        for (key, hash) in self.hashes(&all).await? {
            digests[bucket_of(&key, BITS)].add(hash);
        }
        Ok(digests)
    }

    /// Key and hash of every row in these buckets.
    pub(super) async fn hashes(&mut self, buckets: &[usize]) -> Result<Vec<(KeyBytes, [u8; 16])>> {
        let mut found = self.member.bucket_rows(0, BITS, buckets).await?;
        if self.looks.is_none() {
            return Ok(found);
        }
        // The database's own hashes are of all columns as they are: the rows have to be read to leave some out, or
        // to round them.
        let mut hashes = Vec::with_capacity(found.len());
        for chunk in found.chunks_mut(ROWS_AT_ONCE) {
            let keys: Vec<KeyBytes> = chunk.iter().map(|(key, _)| key.clone()).collect();
            let rows = self.rows(&keys).await?;
            // A row that has gone in between is seen as gone.
            let there = keys.into_iter().zip(rows).filter_map(|(key, row)| Some((key, row?)));
            hashes.extend(there.map(|(key, row)| {
                let hash = row_hash(&key, &row);
                (key, hash)
            }));
        }
        Ok(hashes)
    }

    /// The keys of rows whose latest change was made in the member itself, published or not.
    pub(super) async fn own_changes(&mut self) -> Result<HashSet<KeyBytes>> {
        let mut position = TablePosition::default();
        let mut keys = HashSet::new();
        loop {
            let page = self.member.poll(0, &position, ROWS_AT_ONCE).await?;
            keys.extend(page.changes.into_iter().map(|change| change.key));
            keys.extend(page.unpublishable.into_iter().filter_map(|row| row.key));
            if !page.more {
                return Ok(keys);
            }
            position = page.next;
        }
    }

    /// The rows of these keys, without the columns that are not compared, and rounded as the other side shows them.
    pub(super) async fn rows(&mut self, keys: &[KeyBytes]) -> Result<Vec<Option<Row>>> {
        let mut rows = self.member.rows(0, keys).await?;
        if let Some(looks) = &self.looks {
            rows.iter_mut().flatten().for_each(|row| project(row, looks));
        }
        Ok(rows)
    }
}

fn project(row: &mut Row, looks: &[Projection]) {
    for (value, looks) in row.0.iter_mut().zip(looks) {
        *value = value.as_ref().and_then(|value| looks.of(value)).map(Cow::into_owned);
    }
}

/// How many rows these digests are of.
pub(super) fn row_count(digests: &[BucketDigest]) -> u64 {
    digests.iter().map(|bucket| bucket.rows).sum()
}

/// The buckets that are not the same.
pub(super) fn differing_buckets(left: &[BucketDigest], right: &[BucketDigest]) -> Vec<usize> {
    let bucket = |digests: &[BucketDigest], at: usize| digests.get(at).copied().unwrap_or_default();
    let count = left.len().max(right.len());
    (0..count).filter(|at| bucket(left, *at) != bucket(right, *at)).collect()
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
    use tributary_model::{Column, LogicalType, Narrowing, Steps, TableName, Value};

    fn digests(rows: &[(KeyBytes, [u8; 16])]) -> Vec<BucketDigest> {
        let mut buckets = vec![BucketDigest::default(); 1 << BITS];
        for (key, hash) in rows {
            buckets[bucket_of(key, BITS)].add(*hash);
        }
        buckets
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
            prop_assert_eq!(row_count(&here), a.len() as u64);
            let buckets = differing_buckets(&here, &there);
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
    fn a_richer_row_without_its_extra_columns_equals_a_poorer_one() {
        let key = KeyBytes::new([2]);
        let mut rich = Row::of([Value::Long(1), Value::Long(2), Value::Null]);
        let poor = Row(vec![Some(Value::Long(1)), None, Some(Value::Null)]);
        assert_ne!(row_hash(&key, &rich), row_hash(&key, &poor));
        project(&mut rich, &[Projection::Exact, Projection::Absent, Projection::Exact]);
        assert_eq!(row_hash(&key, &rich), row_hash(&key, &poor));
        let micro = Narrowing { steps: Some(Steps::Nearest(10)), ..Narrowing::default() };
        let mut fine = Row::of([Value::Time(14)]);
        project(&mut fine, &[Projection::Narrowed(micro)]);
        assert_eq!(row_hash(&key, &fine), row_hash(&key, &Row::of([Value::Time(10)])));
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
