//! Making, mending and removing the sync objects in files of every condition.

use crate::support::{SqliteFixture, block_on, texts};
use crate::world::{World, schema};
use std::collections::BTreeSet;
use std::sync::Arc;
use tributary_member::contract::fixture::{all_told, bind, commit, drain, scan_chunk};
use tributary_member::{ErrorKind, Member as _, TableBinding, TablePosition, TableState};
use tributary_model::{LogicalType as T, TableSchema};

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b INT)";

fn group_table() -> TableSchema {
    schema("t", &[("id", T::Long), ("a", T::String), ("b", T::Int)], &["id"])
}

fn world() -> World {
    World::new(TABLE, group_table())
}

fn reason(world: &mut World) -> String {
    match block_on(world.member.table_states()).unwrap().remove(0) {
        TableState::Stopped { reason } => reason,
        other => panic!("the table is {other:?}"),
    }
}

fn is_ready(world: &mut World) -> bool {
    block_on(world.member.table_states()).unwrap() == [TableState::Ready]
}

/// All definitions of the file.
fn definitions(world: &World) -> BTreeSet<String> {
    world.query("SELECT type || name || coalesce(sql, '') FROM sqlite_schema").into_iter().flatten().collect()
}

#[test]
fn every_missing_object_is_noticed_and_made_again() {
    let mut world = world();
    let whole = definitions(&world);
    let objects = world.query(
        "SELECT type, name FROM sqlite_schema WHERE sql IS NOT NULL AND name <> 't' \
         AND (tbl_name IN ('t', 'DataSync_t_dss_tracking', 'DataSync_t_dss_replaced')) ORDER BY type DESC, name",
    );
    assert_eq!(objects.len(), 11, "{objects:?}");
    for object in objects {
        let [kind, name] = object.as_slice() else { panic!("{object:?}") };
        world.run(&format!("DROP {kind} \"{name}\""));
        let reason = reason(&mut world);
        assert!(reason.contains(name.as_str()) && reason.contains("`provision`"), "{reason}");
        assert!(block_on(world.member.poll(0, &TablePosition::default(), 1)).is_err());
        block_on(world.member.provision()).unwrap();
        assert!(is_ready(&mut world), "{name}");
        assert_eq!(definitions(&world), whole, "{name}");
    }
}

/// What was inserted while a trigger was gone has no tracking row, and is scanned for.
#[test]
fn lost_triggers_order_a_scan() {
    let mut world = world();
    let (mut position, mut token) = (TablePosition::default(), None);
    block_on(scan_chunk(&mut world.member, 0, &mut position, &mut token, 10));
    world.run("INSERT INTO t VALUES (1, 'noticed', 0)");
    assert_eq!(world.changes().len(), 1);
    assert_eq!(world.member.scans_ordered(0), 0);
    world.run("DROP TRIGGER t_dss_insert_trigger; INSERT INTO t VALUES (2, 'unnoticed', 0)");
    block_on(world.member.provision()).unwrap();
    assert_eq!(world.member.scans_ordered(0), 1);
    let mut again = TablePosition::default();
    let page = block_on(scan_chunk(&mut world.member, 0, &mut again, &mut token, 10));
    assert_eq!(all_told(&group_table(), &page.changes), [("2".to_owned(), "2|unnoticed|0".to_owned())]);
    // Once is enough, and other changes order none.
    block_on(world.member.provision()).unwrap();
    world.run("DROP INDEX DataSync_t_dss_changes");
    block_on(world.member.provision()).unwrap();
    assert_eq!(world.member.scans_ordered(0), 1);
}

#[test]
fn an_altered_trigger_is_noticed_and_replaced() {
    let mut world = world();
    let whole = definitions(&world);
    world.run(
        "DROP TRIGGER t_dss_delete_trigger; CREATE TRIGGER t_dss_delete_trigger AFTER DELETE ON t BEGIN \
         SELECT 1 FROM \"DataSync_dss_counter\"; END",
    );
    assert!(reason(&mut world).contains("not as it was provisioned"));
    let statements = block_on(world.member.provision()).unwrap();
    assert_eq!(statements.len(), 2, "{statements:?}");
    assert_eq!(definitions(&world), whole);
}

#[test]
fn names_that_are_taken_are_left_alone() {
    for (mine, name) in [
        ("CREATE TRIGGER t_dss_update_trigger AFTER UPDATE ON t BEGIN SELECT 1; END", "t_dss_update_trigger"),
        ("CREATE TABLE DataSync_t_dss_tracking (id INTEGER PRIMARY KEY)", "DataSync_t_dss_tracking"),
        ("CREATE VIEW datasync_t_dss_replaced AS SELECT 1", "DataSync_t_dss_replaced"),
        ("CREATE INDEX DataSync_t_dss_changes ON t (b)", "DataSync_t_dss_changes"),
    ] {
        let fixture = SqliteFixture::new();
        let user = fixture.connection();
        user.execute_batch(&format!("{TABLE}; {mine}")).unwrap();
        let before = texts(&user, "SELECT name, sql FROM sqlite_schema");
        let mut member = fixture.sqlite("hq").open(&[bind(group_table())]).unwrap();
        let error = block_on(member.provision()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NameTaken, "{error}");
        assert!(error.to_string().contains(name), "{error}");
        assert_eq!(texts(&user, "SELECT name, sql FROM sqlite_schema"), before, "all or nothing");
        block_on(member.deprovision()).unwrap();
        assert_eq!(texts(&user, "SELECT name, sql FROM sqlite_schema"), before, "what is not ours stays");
    }
}

/// SQLite keeps the names of triggers apart from those of tables.
#[test]
fn a_table_may_be_called_like_a_trigger() {
    let mut world = World::new(
        &format!(
            "CREATE TABLE t_dss_insert_trigger (x); CREATE INDEX t_dss_update_trigger ON t_dss_insert_trigger (x); {TABLE}"
        ),
        group_table(),
    );
    assert!(is_ready(&mut world));
    world.check("INSERT INTO t VALUES (1, 'a', 1)", &[("1", "1|a|1")]);
    block_on(world.member.deprovision()).unwrap();
    assert_eq!(world.query("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%dss%'"), [["2"]]);
}

#[test]
fn a_tracking_table_of_another_spelling_is_kept() {
    let mut world = world();
    world.check("INSERT INTO t VALUES (1, 'a', 1)", &[("1", "1|a|1")]);
    world.run("ALTER TABLE DataSync_t_dss_tracking ADD COLUMN later TEXT");
    assert!(is_ready(&mut world));
    assert_eq!(block_on(world.member.provision()).unwrap(), []);
    world.check("UPDATE t SET b = 2", &[("1", "1|a|2")]);
}

#[test]
fn a_half_provisioned_file_can_be_finished_or_cleaned() {
    for clean in [false, true] {
        let mut world = world();
        let whole = definitions(&world);
        world.run(
            "DROP TABLE DataSync_dss_tables; DROP TABLE DataSync_dss_provisioning; DROP TABLE DataSync_dss_offsets; \
             DROP TRIGGER t_dss_insert_trigger; DROP TABLE DataSync_t_dss_replaced",
        );
        assert!(!is_ready(&mut world));
        let mut again = world.fixture.sqlite("hq").open(&[bind(group_table())]).unwrap();
        if clean {
            block_on(again.deprovision()).unwrap();
            assert!(definitions(&world).iter().all(|definition| !definition.contains("dss_")));
        } else {
            block_on(again.provision()).unwrap();
            assert_eq!(definitions(&world), whole);
            assert!(is_ready(&mut world));
        }
    }
}

#[test]
fn no_version_is_given_twice_when_the_counter_is_lost() {
    let mut world = world();
    world.run("INSERT INTO t (id) VALUES (1), (2), (3)");
    block_on(commit(&mut world.member, &mut None, Vec::new()));
    let last = world.changes().last().unwrap().change.dot.version;
    world.run("DELETE FROM DataSync_t_dss_tracking WHERE id = 3; DROP TABLE DataSync_dss_counter");
    assert!(world.user.execute_batch("DELETE FROM t").is_err(), "a change that cannot be tracked is refused");
    block_on(world.member.provision()).unwrap();
    // SQLite does not read the schema again where a trigger missed a table; a new connection does.
    world.user = world.fixture.connection();
    world.run("UPDATE t SET b = 1");
    assert!(world.changes().iter().all(|change| change.change.dot.version > last));
}

#[test]
fn a_column_that_changes_stops_the_table() {
    let mut world = world();
    // SQLite does not drop a column that a trigger names.
    assert!(world.user.execute_batch("ALTER TABLE t DROP COLUMN b").is_err());
    world.run("ALTER TABLE t RENAME COLUMN b TO c");
    assert!(reason(&mut world).contains("\"b\""));
    world.run("ALTER TABLE t RENAME COLUMN c TO b");
    assert!(is_ready(&mut world));
    // The usual migration: copy, drop, rename. The triggers go with the old table.
    world.run(
        "BEGIN; CREATE TABLE t2 (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b SMALLINT); INSERT INTO t2 SELECT * FROM t; \
         DROP TABLE t; ALTER TABLE t2 RENAME TO t; COMMIT",
    );
    let why = reason(&mut world);
    assert!(why.contains("\"b\"") && why.contains("SMALLINT") && why.contains("`provision`"), "{why}");
    block_on(world.member.provision()).unwrap();
    assert!(is_ready(&mut world));
    world.check("INSERT INTO t VALUES (1, 'a', 2)", &[("1", "1|a|2")]);
    // A type that the group's cannot stand in.
    world.run(
        "BEGIN; CREATE TABLE t2 (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b TEXT); INSERT INTO t2 SELECT * FROM t; \
         DROP TABLE t; ALTER TABLE t2 RENAME TO t; COMMIT",
    );
    let why = reason(&mut world);
    assert!(why.contains("\"b\"") && why.contains("TEXT") && why.contains("int"), "{why}");
    assert_eq!(block_on(world.member.provision()).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn a_table_that_is_renamed_stops() {
    let mut world = world();
    world.run("ALTER TABLE t RENAME TO elsewhere");
    assert!(reason(&mut world).contains("no table \"t\""));
    world.run("INSERT INTO elsewhere VALUES (1, 'a', 1); ALTER TABLE elsewhere RENAME TO t");
    assert!(is_ready(&mut world));
    assert_eq!(world.changes().len(), 1, "its triggers went with it");
}

#[test]
fn a_new_generation_waits_for_provisioning() {
    let world = world();
    let next = TableSchema { generation: 2, ..group_table() };
    let mut grown = world.fixture.sqlite("hq").open(&[bind(next)]).unwrap();
    let states = block_on(grown.table_states()).unwrap();
    assert!(
        matches!(&states[0], TableState::Stopped { reason } if reason.contains("generation")),
        "{states:?}"
    );
    block_on(grown.provision()).unwrap();
    assert_eq!(block_on(grown.table_states()).unwrap(), [TableState::Ready]);
}

#[test]
fn a_key_that_changes_needs_a_new_generation() {
    let mut world = world();
    world.run("INSERT INTO t VALUES (1, 'a', 1)");
    world.run(
        "BEGIN; CREATE TABLE t2 (id INTEGER, a TEXT NOT NULL PRIMARY KEY, b INT); INSERT INTO t2 SELECT * FROM t; \
         DROP TABLE t; ALTER TABLE t2 RENAME TO t; COMMIT",
    );
    assert!(reason(&mut world).contains("primary key is (a) where the group has (id)"));
    let by_name = TableSchema { key: vec![1], ..group_table() };
    let mut same = world.fixture.sqlite("hq").open(&[bind(by_name.clone())]).unwrap();
    let error = block_on(same.provision()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TableChanged, "{error}");
    let next = TableSchema { generation: 2, ..by_name };
    let mut grown = world.fixture.sqlite("hq").open(&[bind(next)]).unwrap();
    block_on(grown.provision()).unwrap();
    assert_eq!(block_on(grown.table_states()).unwrap(), [TableState::Ready]);
    world.run("UPDATE t SET b = 5");
    let changes = block_on(drain(&mut grown, 0, &mut TablePosition::default(), 10));
    assert_eq!(changes.len(), 1);
    assert!(changes[0].change.dot.version > 2, "versions go on");
}

#[test]
fn another_list_of_columns_waits_for_provisioning() {
    let mut world = world();
    let mut fewer = TableBinding::same_names(Arc::new(group_table()));
    fewer.local_columns[2] = None;
    let mut fewest = TableBinding::clone(&fewer);
    fewest.local_columns[1] = None;
    for binding in [fewer, fewest].map(Arc::new) {
        let mut other = world.fixture.sqlite("hq").open(&[binding]).unwrap();
        let states = block_on(other.table_states()).unwrap();
        assert!(
            matches!(&states[0], TableState::Stopped { reason } if reason.contains("`provision`")),
            "{states:?}"
        );
        block_on(other.provision()).unwrap();
        assert_eq!(block_on(other.table_states()).unwrap(), [TableState::Ready]);
        block_on(world.member.provision()).unwrap();
        let states = block_on(world.member.table_states()).unwrap();
        assert!(matches!(states[0], TableState::Refills { .. }), "the columns are there again: {states:?}");
        let states = block_on(other.table_states()).unwrap();
        assert!(
            matches!(states[0], TableState::Stopped { .. }),
            "the one with the other columns stops again"
        );
    }
}

#[test]
fn triggers_that_cannot_run_are_found_at_once() {
    let fixture = SqliteFixture::new();
    let user = fixture.connection();
    user.execute_batch(&format!(
        "{TABLE}; CREATE TRIGGER broken AFTER INSERT ON t BEGIN INSERT INTO nowhere VALUES (1); END"
    ))
    .unwrap();
    let mut member = fixture.sqlite("hq").open(&[bind(group_table())]).unwrap();
    let error = block_on(member.provision()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert_eq!(texts(&user, "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%dss%'"), [["0"]]);
}

#[test]
fn tables_that_cannot_be_synchronised_are_refused() {
    for (definition, columns, key, word) in [
        (
            "CREATE TABLE t (id INTEGER, a TEXT)",
            vec![("id", T::Long), ("a", T::String)],
            vec!["id"],
            "primary key",
        ),
        ("CREATE TABLE t (id REAL PRIMARY KEY)", vec![("id", T::Double)], vec!["id"], "double"),
        ("CREATE VIEW t AS SELECT 1 AS id", vec![("id", T::Long)], vec!["id"], "view"),
        ("CREATE VIRTUAL TABLE t USING fts5(id)", vec![("id", T::String)], vec!["id"], "virtual"),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, g INT AS (id + 1))",
            vec![("id", T::Long), ("g", T::Int)],
            vec!["id"],
            "generated",
        ),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY, g GEOMETRY)",
            vec![("id", T::Long), ("g", T::Bytes)],
            vec!["id"],
            "GEOMETRY",
        ),
        (
            "CREATE TABLE t (id INTEGER PRIMARY KEY)",
            vec![("id", T::Long), ("b", T::Int)],
            vec!["id"],
            "no column \"b\"",
        ),
    ] {
        let fixture = SqliteFixture::new();
        fixture.connection().execute_batch(definition).unwrap();
        let mut member = fixture.sqlite("hq").open(&[bind(schema("t", &columns, &key))]).unwrap();
        let states = block_on(member.table_states()).unwrap();
        let TableState::Stopped { reason } = &states[0] else { panic!("{definition}") };
        assert!(reason.contains(word), "{definition}: {reason}");
        let error = block_on(member.provision()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{definition}: {error}");
        assert!(error.to_string().contains(word), "{definition}: {error}");
    }
}

/// Two members may have declared the same key in different order.
#[test]
fn a_key_may_be_declared_in_another_order() {
    let definition = "CREATE TABLE t (a INT NOT NULL, b TEXT NOT NULL, n INT, PRIMARY KEY (b, a)); \
                      INSERT INTO t VALUES (1, 'x', 1), (1, 'y', 2), (2, 'x', 3), (3, 'a', 4), (3, 'b', 5)";
    let mut world =
        World::new(definition, schema("t", &[("a", T::Int), ("b", T::String), ("n", T::Int)], &["a", "b"]));
    let mut position = TablePosition::default();
    let (mut token, mut found) = (None, Vec::new());
    while position.scan != tributary_member::Scan::Done {
        let page = block_on(scan_chunk(&mut world.member, 0, &mut position, &mut token, 2));
        found.extend(all_told(&world.schema, &page.changes).into_iter().map(|(key, _)| key));
    }
    assert_eq!(found, ["1/x", "1/y", "2/x", "3/a", "3/b"]);
    world.check("UPDATE t SET a = 9 WHERE n = 4", &[("3/a", "-"), ("9/a", "9|a|4")]);
    world.check("INSERT OR REPLACE INTO t VALUES (9, 'a', 7)", &[("9/a", "9|a|7")]);
}

/// A user's library that is older than ours compiles our triggers: nothing in them is newer than SQLite 3.24.
#[test]
fn triggers_use_nothing_new() {
    let world = World::new(
        "CREATE TABLE t (id TEXT COLLATE NOCASE PRIMARY KEY, a TEXT UNIQUE, b INT); \
         CREATE UNIQUE INDEX e ON t (lower(a)) WHERE b > 0",
        schema("t", &[("id", T::String), ("a", T::String), ("b", T::Int)], &["id"]),
    );
    let all = world.query("SELECT sql FROM sqlite_schema WHERE sql LIKE '%DataSync%'").concat().join("\n");
    for newer in [
        "RETURNING",
        " OVER ",
        "FILTER",
        "GENERATED",
        "unixepoch",
        "subsec",
        "iif(",
        "printf",
        "->",
        "STRICT",
        "DISTINCT FROM",
    ] {
        assert!(!all.contains(newer), "{newer}");
    }
}
