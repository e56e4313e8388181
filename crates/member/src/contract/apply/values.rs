//! Values of every type as apply writes them, every type of key, odd names, and digests of what stands there.

use super::feed::Scene;
use crate::contract::capture::values::edges;
use crate::contract::fixture::{Factory, bind, id, provisioned, table};
use crate::{BucketDigest, ErrorKind, Member, TableBinding, bucket_of, row_hash};
use std::sync::Arc;
use tributary_model::{KeyBytes, LogicalType, Row, TableSchema, Value};

/// The values of every type that the database holds as they are.
async fn held(factory: &dyn Factory) -> Vec<(LogicalType, Vec<Value>)> {
    let fixture = factory.fresh().await;
    let mut edges = edges();
    for (_, values) in &mut edges {
        values.retain(|value| fixture.applies(value));
    }
    edges
}

/// A table with a column of every type; the row of this number has each type's value of that number, over and over.
fn everything(edges: &[(LogicalType, Vec<Value>)]) -> (TableSchema, Vec<Row>) {
    let names: Vec<String> = (0..edges.len()).map(|at| format!("c{at}")).collect();
    let mut columns = vec![("id", LogicalType::Long)];
    columns.extend(names.iter().zip(edges).map(|(name, (logical, _))| (name.as_str(), *logical)));
    let most = edges.iter().map(|(_, values)| values.len()).max().unwrap_or_default();
    let row = |number: usize| {
        let mut values = vec![Value::Long(number as i64)];
        values.extend(edges.iter().map(|(_, values)| match number % (values.len() + 1) {
            0 => Value::Null,
            at => values[at - 1].clone(),
        }));
        Row::of(values)
    };
    (table("everything", &columns, &["id"]), (0..=most).map(row).collect())
}

/// Every value reads back as it was written, inserted and updated.
pub async fn every_type_reads_back(factory: &dyn Factory) {
    let (schema, rows) = everything(&held(factory).await);
    let mut scene = Scene::new(factory, vec![bind(schema)]).await;
    let count = rows.len();
    let keys: Vec<KeyBytes> = (0..count as i64).map(id).collect();
    for shift in [0, 1, 3] {
        let shifted: Vec<Row> = (0..count)
            .map(|number| {
                let mut row = rows[(number + shift) % count].clone();
                row.0[0] = Some(Value::Long(number as i64));
                row
            })
            .collect();
        let records = scene.upserts(0, shifted.clone());
        assert_eq!(scene.apply(records).await, vec!["upserted"; count]);
        let stand = scene.member.rows(0, &keys).await.unwrap();
        for (stands, wanted) in stand.iter().zip(&shifted) {
            assert_eq!(stands.as_ref(), Some(wanted));
        }
    }
    assert!(scene.captured(0).await.is_empty());
}

/// Every type that can be a key finds its row again to update and to delete it.
pub async fn every_key_type_finds_its_row(factory: &dyn Factory) {
    for (logical, values) in held(factory).await {
        if matches!(logical, LogicalType::Float | LogicalType::Double | LogicalType::Bytes) {
            continue;
        }
        let schema =
            table("keyed", &[("n", LogicalType::Int), ("k", logical), ("l", LogicalType::Int)], &["l", "k"]);
        let mut scene = Scene::new(factory, vec![bind(schema.clone())]).await;
        let values: Vec<Value> = values
            .into_iter()
            .filter(|value| scene.fixture.holds_key(value) && scene.fixture.applies(value))
            .collect();
        let row = |n, value: &Value| Row::of([Value::Int(n), value.clone(), Value::Int(7)]);
        for n in [1, 2] {
            let records = scene.upserts(0, values.iter().map(|value| row(n, value)));
            assert_eq!(scene.apply(records).await, vec!["upserted"; values.len()], "{logical}");
        }
        let keys: Vec<KeyBytes> = values.iter().map(|value| schema.key_of(&row(0, value)).unwrap()).collect();
        let stand = scene.member.rows(0, &keys).await.unwrap();
        assert!(stand.iter().zip(&values).all(|(stands, value)| *stands == Some(row(2, value))), "{logical}");
        let deletes = scene.deletes(0, keys);
        assert_eq!(scene.apply(deletes).await, vec!["deleted"; values.len()], "{logical}");
        assert!(scene.user.query("SELECT * FROM \"keyed\"").await.is_empty());
        assert!(scene.captured(0).await.is_empty(), "{logical}");
    }
}

/// Names that need quotes or look like ours.
pub async fn odd_names(factory: &dyn Factory) {
    for name in [
        "order details",
        "a\"b",
        "it's",
        "[x]",
        "`t`",
        "select",
        "größe",
        "😀",
        "{base}",
        "b",
        "p",
        "c",
        "?1",
    ] {
        let columns =
            [("seen", LogicalType::Long), (name, LogicalType::String), ("local_version", LogicalType::Int)];
        let mut schema = table(name, &columns, &["seen"]);
        schema.unique = vec![vec![1]];
        let fixture = factory.fresh().await;
        if !fixture.takes_name(name) || !fixture.applies(&Value::String(name.to_owned())) {
            continue;
        }
        let bindings = vec![bind(schema)];
        let member = provisioned(fixture.as_ref(), &bindings).await;
        let mut scene = Scene::of(fixture, bindings, member).await;
        let row = |id, text: &str| Row::of([Value::Long(id), Value::String(text.to_owned()), Value::Int(1)]);
        let records = scene.upserts(0, [row(1, "a"), row(2, "b")]);
        scene.apply(records).await;
        let swapped = scene.upserts(0, [row(1, "b"), row(2, "a")]);
        assert_eq!(scene.apply(swapped).await, ["upserted", "upserted"], "{name}");
        let refused = scene.upserts(0, [row(3, "a")]);
        assert_eq!(scene.apply(refused).await, ["unique"], "{name}");
        let deletes = scene.deletes(0, [id(1), id(2)]);
        assert_eq!(scene.apply(deletes).await, ["deleted", "deleted"], "{name}");
        assert_eq!(scene.retry().await, ["upserted"], "{name}");
        assert!(scene.captured(0).await.is_empty(), "{name}");
        assert_eq!(scene.member.digest(0, 0).await.unwrap()[0].rows, 1, "{name}");
    }
}

/// Two members that hold the same rows have the same digests, whatever their columns are called and wherever they
/// stand; any difference shows in its row's bucket and nowhere else.
pub async fn digests_compare_members(factory: &dyn Factory) {
    const BITS: u8 = 3;
    let columns = [("id", LogicalType::Long), ("name", LogicalType::String), ("rank", LogicalType::Int)];
    let schema = Arc::new(table("item", &columns, &["id"]));
    let mut binding = TableBinding::same_names(Arc::clone(&schema));
    binding.local_table = "stock".to_owned();
    binding.local_columns = vec![Some("nr".to_owned()), Some("label".to_owned()), Some("place".to_owned())];
    let fixture = factory.fresh().await;
    fixture
        .user()
        .await
        .run("CREATE TABLE \"stock\" (\"label\" VARCHAR(50), \"own\" INT, \"place\" SMALLINT, \"nr\" BIGINT NOT NULL PRIMARY KEY)")
        .await;
    let bindings = vec![Arc::new(binding)];
    let member = provisioned(fixture.as_ref(), &bindings).await;
    let mut other = Scene::of(fixture, bindings, member).await;
    let mut one = Scene::new(factory, vec![bind(TableSchema::clone(&schema))]).await;
    let row = |id: i64, name: &str| {
        Row::of([Value::Long(id), Value::String(name.to_owned()), Value::Int(id as i32)])
    };
    let rows: Vec<Row> = (1..=100).map(|number| row(number, "same")).collect();
    for scene in [&mut one, &mut other] {
        let records = scene.upserts(0, rows.clone());
        scene.apply(records).await;
    }
    other.user.run("UPDATE \"stock\" SET \"own\" = 5").await;
    let digest = one.member.digest(0, BITS).await.unwrap();
    assert_eq!(digest, other.member.digest(0, BITS).await.unwrap());
    // They are what the rows themselves say.
    let mut expected = vec![BucketDigest::default(); 1 << BITS];
    for (number, row) in (1..).zip(&rows) {
        expected[bucket_of(&id(number), BITS)].add(row_hash(&id(number), row));
    }
    assert_eq!(digest, expected);
    for change in [
        "UPDATE \"stock\" SET \"label\" = 'Same' WHERE \"nr\" = 17",
        "UPDATE \"stock\" SET \"label\" = NULL WHERE \"nr\" = 17",
        "UPDATE \"stock\" SET \"place\" = 18 WHERE \"nr\" = 17",
        "DELETE FROM \"stock\" WHERE \"nr\" = 17",
    ] {
        other.user.run(change).await;
        let changed = other.member.digest(0, BITS).await.unwrap();
        let differ: Vec<usize> =
            (0..1 << BITS).filter(|bucket| digest[*bucket] != changed[*bucket]).collect();
        assert_eq!(differ, [bucket_of(&id(17), BITS)], "{change}");
        let rows = differing(one.member.as_mut(), other.member.as_mut(), BITS, &differ).await;
        assert_eq!(rows, [id(17)], "{change}");
    }
    other.user.run("INSERT INTO \"stock\" (\"nr\", \"label\", \"place\") VALUES (17, 'same', 17)").await;
    assert_eq!(digest, other.member.digest(0, BITS).await.unwrap());
    // Without a column that one side lacks, both compare by what they have.
    let mut narrow = TableBinding::same_names(Arc::clone(&schema));
    narrow.local_columns[1] = None;
    let mut lacking = one.fixture.connector("hq").connect(&[Arc::new(narrow)]).await.unwrap();
    let mut expected = vec![BucketDigest::default(); 1 << BITS];
    for (number, mut row) in (1..).zip(rows) {
        row.0[1] = None;
        expected[bucket_of(&id(number), BITS)].add(row_hash(&id(number), &row));
    }
    assert_eq!(lacking.digest(0, BITS).await.unwrap(), expected);
    assert_eq!(one.member.digest(0, 200).await.unwrap_err().kind(), ErrorKind::Misuse);
    assert_eq!(one.member.bucket_rows(0, BITS, &[8]).await.unwrap_err().kind(), ErrorKind::Misuse);
    assert!(one.member.bucket_rows(0, BITS, &[]).await.unwrap().is_empty());
}

/// The keys whose rows differ in these buckets.
async fn differing(
    one: &mut dyn Member,
    other: &mut dyn Member,
    bits: u8,
    buckets: &[usize],
) -> Vec<KeyBytes> {
    let mut ours = one.bucket_rows(0, bits, buckets).await.unwrap();
    let theirs = other.bucket_rows(0, bits, buckets).await.unwrap();
    ours.retain(|row| !theirs.contains(row));
    ours.into_iter().map(|(key, _)| key).collect()
}
