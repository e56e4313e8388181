//! Values that only PostgreSQL has, in columns and in keys.

use crate::world::{World, schema};
use tributary_member::contract::fixture::{commit, drain};
use tributary_member::{Member as _, Scan, ScanBound};
use tributary_model::LogicalType as L;

pub(crate) fn tests() -> Vec<(&'static str, fn())> {
    tests!("types":
        values_without_a_logical_form_are_listed,
        keys_of_every_peculiar_type,
        keys_in_another_order_are_scanned_by_their_index,
        digests_count_what_cannot_be_read,
        inspection_tells_what_is_lost,
    )
}

async fn values_without_a_logical_form_are_listed() {
    let mut world = World::new(
        "CREATE TABLE odd (id bigint PRIMARY KEY, ts timestamp, tz timestamptz, d date, t time, n numeric, p numeric(5,2))",
        schema(
            "odd",
            &[
                ("id", L::Long),
                ("ts", L::Timestamp),
                ("tz", L::TimestampOffset),
                ("d", L::Date),
                ("t", L::Time),
                ("n", L::Numeric),
                ("p", L::Decimal { precision: 5, scale: 2 }),
            ],
            &["id"],
        ),
    )
    .await;
    let odd = [
        ("ts", "'infinity'", "infinity"),
        ("ts", "'-infinity'", "infinity"),
        ("tz", "'infinity'", "infinity"),
        ("ts", "'294276-12-31'", "1970"),
        ("d", "'infinity'", "infinity"),
        ("t", "'24:00'", "24:00"),
        ("n", "'NaN'", "NaN"),
        ("p", "'NaN'", "NaN"),
    ];
    for (column, value, word) in odd {
        world.run(&format!("INSERT INTO odd (id, {column}) VALUES (1, {value})")).await;
        let page = world.page().await;
        assert_eq!(page.changes, []);
        let [row] = page.unpublishable.as_slice() else { panic!("{page:?}") };
        assert!(row.reason.contains(word) && row.reason.contains(column), "{row:?}");
        assert_eq!(row.key_text, "1");
        world.run("DELETE FROM odd").await;
        assert_eq!(world.changes().await.len(), 1);
    }
    // Years before 1 are dates like others.
    world
        .check(
            "INSERT INTO odd VALUES (2, '0044-03-15 12:00 BC', '0044-03-15 12:00 BC', '4713-01-01 BC', '23:59:59.999999', 1e100, -999.99)",
            &[("2", &format!("2|-0043-03-15 12:00:00|-0043-03-15 12:00:00+00:00|-4712-01-01|23:59:59.999999|1{}|-999.99", "0".repeat(100)))],
        )
        .await;
}

async fn keys_of_every_peculiar_type() {
    let mut world = World::new(
        "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE DOMAIN code AS varchar(10); \
         CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false); \
         CREATE TABLE keyed (m mood, c code, p char(5), f text COLLATE folded, x text COLLATE \"C\", n numeric, v int, \
         PRIMARY KEY (m, c, p, f, x, n))",
        schema(
            "keyed",
            &[
                ("m", L::String), ("c", L::String), ("p", L::String), ("f", L::String), ("x", L::String),
                ("n", L::Numeric), ("v", L::Int),
            ],
            &["m", "c", "p", "f", "x", "n"],
        ),
    )
    .await;
    world.run("INSERT INTO keyed VALUES ('glad', 'c1', 'ab', 'Fold', 'X', 1.50, 1), ('sad', 'c1', 'ab', 'fold', 'x', 2, 2)").await;
    let changes = world.changes().await;
    assert_eq!(changes.len(), 2);
    let keys: Vec<_> = changes.iter().map(|change| change.key.clone()).collect();
    assert!(world.member.rows(0, &keys).await.unwrap().iter().all(Option::is_some));
    // The key differs by case alone: a delete and an insert.
    world.run("UPDATE keyed SET f = 'fOLD' WHERE m = 'glad'").await;
    let changes = world.changes().await;
    assert_eq!(changes.iter().filter(|change| change.change.is_delete()).count(), 1, "{changes:?}");
    assert_eq!(changes.len(), 2);
    world.run("UPDATE keyed SET v = 5").await;
    assert_eq!(world.changes().await.len(), 2);
    let found = world.member.rows(0, &keys).await.unwrap();
    assert_eq!(found.iter().filter(|row| row.is_some()).count(), 1, "keys are compared byte for byte");
    for key in keys {
        let sql = world.member.statement_for(0, &key, None).unwrap();
        world.run(&sql).await;
    }
    assert_eq!(world.changes().await.len(), 1);
}

async fn keys_in_another_order_are_scanned_by_their_index() {
    let mut world = World::new(
        "CREATE TABLE line (place int, orders text, amount int, PRIMARY KEY (orders, place)); \
         INSERT INTO line SELECT n % 10, 'o' || n / 10, n FROM generate_series(0, 99) AS n",
        schema("line", &[("place", L::Int), ("orders", L::String), ("amount", L::Int)], &["place", "orders"]),
    )
    .await;
    let mut token = None;
    let mut found = 0;
    while world.position.scan != Scan::Done {
        let bound = world.member.scan_bound(0, &world.position.scan, 7).await.unwrap();
        commit(&mut world.member, &mut token, vec![(0, bound.clone())]).await;
        let page = world.member.scan(0, &world.position, &bound).await.unwrap();
        assert_eq!(page.more, bound != ScanBound::End);
        found += page.changes.len();
        world.position = page.next;
    }
    assert_eq!(found, 100);
    assert_eq!(drain(&mut world.member, 0, &mut world.position, 100).await, []);
}

async fn digests_count_what_cannot_be_read() {
    let mut world = World::new(
        "CREATE TABLE odd (id bigint PRIMARY KEY, d date); INSERT INTO odd VALUES (1, '2000-01-01'), (2, NULL)",
        schema("odd", &[("id", L::Long), ("d", L::Date)], &["id"]),
    )
    .await;
    let before = world.member.digest(0, 4).await.unwrap();
    assert_eq!(before.iter().map(|bucket| bucket.rows).sum::<u64>(), 2);
    world.run("UPDATE odd SET d = 'infinity' WHERE id = 1").await;
    let after = world.member.digest(0, 4).await.unwrap();
    assert_eq!(after.iter().map(|bucket| bucket.rows).sum::<u64>(), 2);
    assert_ne!(before, after);
    // The very table whose triggers are gone is to be compared.
    world.run("DROP TRIGGER odd_dss_insert_trigger ON odd; INSERT INTO odd VALUES (3, NULL)").await;
    let all: Vec<usize> = (0..16).collect();
    assert_eq!(world.member.bucket_rows(0, 4, &all).await.unwrap().len(), 3);
}

async fn inspection_tells_what_is_lost() {
    let mut world = World::items().await;
    world
        .run(
            "CREATE TABLE odd (id float8 PRIMARY KEY, a int[], r int4range NOT NULL, g int GENERATED ALWAYS AS (1) STORED, \
             ts timestamp(0), i int GENERATED ALWAYS AS IDENTITY, jb jsonb); \
             CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id); \
             CREATE TABLE part PARTITION OF parts FOR VALUES FROM (1) TO (9); \
             CREATE TABLE child () INHERITS (item); CREATE UNLOGGED TABLE quick (id int PRIMARY KEY); \
             CREATE TABLE late (id int PRIMARY KEY DEFERRABLE); CREATE VIEW seen AS SELECT 1 AS id",
        )
        .await;
    let found = world.member.inspect().await.unwrap();
    let said: Vec<String> = found
        .findings
        .iter()
        .map(|finding| {
            let column = finding.column.as_deref().unwrap_or("");
            format!(
                "{:?} {}.{column}: {}",
                finding.severity,
                finding.table.as_deref().unwrap_or(""),
                finding.message
            )
        })
        .collect();
    for (start, word) in [
        ("Error odd.:", "floating-point"),
        ("Warning odd.a:", "integer[]"),
        ("Error odd.r:", "NOT NULL"),
        ("Note odd.g:", "generated"),
        ("Note odd.jb:", "jsonb"),
        ("Error parts.:", "partitioned"),
        ("Error part.:", "partition"),
        ("Error item.:", "inherit"),
        ("Error child.:", "inherit"),
        ("Warning quick.:", "UNLOGGED"),
        ("Error late.:", "DEFERRABLE"),
    ] {
        assert!(
            said.iter().any(|line| line.starts_with(start) && line.contains(word)),
            "{start} {word}: {said:#?}"
        );
    }
    let odd = found.table(None, "odd").unwrap();
    let limits = |name: &str| &odd.columns.iter().find(|column| column.name == name).unwrap().limits;
    assert_eq!((limits("ts").step, limits("ts").beyond), (Some(10_000_000), Some("infinity")));
    let logical: Vec<_> = odd.columns.iter().map(|column| (column.name.as_str(), column.logical)).collect();
    assert_eq!(
        logical[1..],
        [
            ("a", None),
            ("r", None),
            ("g", None),
            ("ts", Some(L::Timestamp)),
            ("i", Some(L::Int)),
            ("jb", Some(L::String)),
        ]
    );
    assert!(found.tables.iter().all(|table| table.name != "seen"));
}
