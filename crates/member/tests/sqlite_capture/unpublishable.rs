//! Rows that SQLite lets in and no other member could take: listed at their origin while capture goes on.

use crate::support::block_on;
use crate::world::{World, schema};
use tributary_member::contract::fixture::{next_commit, scan_chunk};
use tributary_member::{CaptureCommit, Member as _, Page, Scan};
use tributary_model::{LogicalType as T, Value};

const LISTED: &str = "SELECT key_text, hex(key), message, attempts FROM \"DataSync_dss_exceptions\" WHERE parked_at = 'capture'";

/// Commits a page's listings as capture would.
fn publish(world: &mut World, page: &Page) {
    let token = block_on(world.member.token()).unwrap();
    let commit = CaptureCommit {
        unpublishable: page.unpublishable.iter().map(|row| (0, row.clone())).collect(),
        published: page.changes.iter().map(|change| (0, change.key.clone())).collect(),
        ..next_commit(token.as_ref(), Vec::new())
    };
    block_on(world.member.commit_capture(&commit)).unwrap();
}

fn step(world: &mut World, sql: &str) -> Page {
    world.run(sql);
    let page = world.page();
    publish(world, &page);
    page
}

#[test]
fn a_value_of_another_type_parks_its_row_alone() {
    let definition = "CREATE TABLE price (id INTEGER PRIMARY KEY, amount DECIMAL(10,2), at DATETIME)";
    let decimal = T::Decimal { precision: 10, scale: 2 };
    let mut world = World::new(
        definition,
        schema("price", &[("id", T::Long), ("amount", decimal), ("at", T::Timestamp)], &["id"]),
    );
    let page =
        step(&mut world, "INSERT INTO price VALUES (1, 1.5, NULL), (2, 'much', NULL), (3, 3, '2026-01-01')");
    assert_eq!(page.changes.len(), 2);
    let [row] = page.unpublishable.as_slice() else { panic!("{page:?}") };
    assert_eq!(row.key, Some(world.key(Value::Long(2))));
    assert_eq!(row.key_text, "2");
    assert_eq!(row.reason, "column \"amount\" holds TEXT where decimal(10,2) is declared");
    assert_eq!(world.query(LISTED).len(), 1);
    let page = step(&mut world, "UPDATE price SET at = 5 WHERE id = 2");
    assert!(page.changes.is_empty());
    assert_eq!(world.query(LISTED)[0][3], "2", "listed twice, once in the list");
    let page = step(&mut world, "UPDATE price SET amount = 2, at = '2026-01-01 10:00' WHERE id = 2");
    assert_eq!((page.changes.len(), page.unpublishable.len()), (1, 0));
    assert!(world.query(LISTED).is_empty());
    step(&mut world, "UPDATE price SET amount = x'00' WHERE id = 1");
    assert_eq!(world.query(LISTED).len(), 1);
    let page = step(&mut world, "DELETE FROM price WHERE id = 1");
    assert!(page.changes[0].change.is_delete());
    assert!(world.query(LISTED).is_empty());
}

#[test]
fn a_key_of_another_type_is_listed_until_it_is_gone() {
    let definition = "CREATE TABLE k (code INT NOT NULL PRIMARY KEY, a TEXT)";
    let mut world = World::new(definition, schema("k", &[("code", T::Int), ("a", T::String)], &["code"]));
    let page = step(&mut world, "INSERT INTO k VALUES (1, 'a'), ('one', 'b'), (5000000000, 'c')");
    assert_eq!(page.changes.len(), 1);
    let told: Vec<_> =
        page.unpublishable.iter().map(|row| (row.key.clone(), row.key_text.as_str())).collect();
    assert_eq!(told, [(None, "one"), (None, "5000000000")]);
    assert_eq!(world.query(LISTED).len(), 2);
    let page =
        step(&mut world, "DELETE FROM k WHERE code = 'one'; UPDATE k SET code = 5 WHERE code = 5000000000");
    assert_eq!(
        (page.changes.len(), page.unpublishable.len()),
        (1, 0),
        "what was never published is not deleted"
    );
    assert!(world.query(LISTED).is_empty());
}

#[test]
fn a_key_in_another_spelling_is_listed() {
    let definition = "CREATE TABLE k (id UUID_TEXT NOT NULL, day DATE_TEXT NOT NULL, n DECIMAL_TEXT(8,2) NOT NULL, PRIMARY KEY (id, day, n))";
    let decimal = T::Decimal { precision: 8, scale: 2 };
    let mut world = World::new(
        definition,
        schema("k", &[("id", T::Uuid), ("day", T::Date), ("n", decimal)], &["id", "day", "n"]),
    );
    let id = "0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";
    let page = step(
        &mut world,
        &format!(
            "INSERT INTO k VALUES ('{id}', '2026-01-02', '1.50'), ('{}', '2026-01-02', '1.50'), \
             ('{id}', '+2026-01-02', '1.50'), ('{id}', '2026-01-02', '1.5')",
            id.to_uppercase()
        ),
    );
    assert_eq!(page.changes.len(), 1, "{page:?}");
    assert_eq!(page.unpublishable.len(), 3);
    assert!(page.unpublishable[0].reason.contains("spelt otherwise"), "{:?}", page.unpublishable[0]);
}

#[test]
fn rows_without_a_key_are_listed_as_long_as_there_is_one() {
    let definition =
        "CREATE TABLE k (code TEXT PRIMARY KEY, a TEXT UNIQUE); INSERT INTO k VALUES (NULL, 'before')";
    let mut world = World::new(definition, schema("k", &[("code", T::String), ("a", T::String)], &["code"]));
    // The first scan finds the one that was there.
    let mut token = None;
    let page = scan_chunk(&mut world.member, 0, &mut world.position, &mut token, 10);
    let page = block_on(page);
    assert_eq!(world.position.scan, Scan::Done);
    assert_eq!((page.changes.len(), page.unpublishable.len()), (0, 1));
    publish(&mut world, &page);
    let listed =
        |world: &World| world.query(LISTED).into_iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    assert_eq!(listed(&world), ["NULL"]);
    let page = step(&mut world, "INSERT INTO k VALUES (NULL, 'x'), ('c', 'y')");
    assert_eq!((page.changes.len(), page.unpublishable.len()), (1, 0));
    step(&mut world, "DELETE FROM k WHERE a = 'before'");
    assert_eq!(listed(&world), ["NULL"], "there is another one");
    let page = step(&mut world, "UPDATE k SET code = 'given' WHERE a = 'x'");
    assert_eq!(page.changes.len(), 1);
    assert!(listed(&world).is_empty());
    let page = step(&mut world, "UPDATE k SET code = NULL WHERE a = 'y'");
    assert!(page.changes.iter().all(|change| change.change.is_delete()) && page.changes.len() == 1);
    assert_eq!(listed(&world), ["NULL"]);
    let page = step(&mut world, "INSERT OR REPLACE INTO k VALUES ('z', 'y')");
    assert_eq!(page.changes.len(), 1);
    let page =
        step(&mut world, "INSERT INTO k VALUES (NULL, 'q'), (NULL, 'r'); DELETE FROM k WHERE code IS NULL");
    assert!(page.changes.is_empty());
    assert!(listed(&world).is_empty());
}

#[test]
fn a_scan_passes_over_what_it_cannot_read() {
    let definition = "CREATE TABLE k (code INT NOT NULL PRIMARY KEY, a INT); \
        INSERT INTO k VALUES (1, 1), (2, 'two'), ('x', 1), ('y', 1), (3, 3), (4.5, 1), (5, 5)";
    let mut world = World::new(definition, schema("k", &[("code", T::Int), ("a", T::Int)], &["code"]));
    for rows in 1..8 {
        let mut position = tributary_member::TablePosition::default();
        let mut token = block_on(world.member.token()).unwrap();
        let (mut keys, mut listed) = (Vec::new(), Vec::new());
        while position.scan != Scan::Done {
            let page = block_on(scan_chunk(&mut world.member, 0, &mut position, &mut token, rows));
            keys.extend(tributary_member::contract::fixture::all_told(&world.schema, &page.changes));
            listed.extend(page.unpublishable.into_iter().map(|row| row.key_text));
        }
        let keys: Vec<_> = keys.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["1", "3", "5"], "in chunks of {rows}");
        assert_eq!(listed, ["2", "4.5", "x", "y"], "in chunks of {rows}");
    }
}
