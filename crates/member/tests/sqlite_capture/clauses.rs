//! Every way in which SQLite lets a user write: conflict clauses, upserts, replaced rows, moved rowids.

use crate::support::block_on;
use crate::world::{World, schema, told};
use tributary_member::Member as _;
use tributary_member::contract::fixture::commit;
use tributary_model::LogicalType as T;

const PERSON: &str = "CREATE TABLE person (id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT, note TEXT)";

fn person(definition: &str, recursive: bool) -> World {
    let world = World::new(
        definition,
        schema("person", &[("id", T::Long), ("email", T::String), ("name", T::String)], &["id"]),
    );
    world.run(if recursive { "PRAGMA recursive_triggers = ON" } else { "PRAGMA recursive_triggers = OFF" });
    world
}

fn three(world: &mut World) {
    world.check(
        "INSERT INTO person (id, email, name) VALUES (1, 'a@x', 'a'), (2, 'b@x', 'b'), (3, NULL, 'c')",
        &[("1", "1|a@x|a"), ("2", "2|b@x|b"), ("3", "3|NULL|c")],
    );
}

#[test]
fn replacing_the_same_key_is_an_update() {
    for recursive in [false, true] {
        let mut world = person(PERSON, recursive);
        three(&mut world);
        world.check(
            "INSERT OR REPLACE INTO person (id, email, name) VALUES (1, 'n@x', 'n')",
            &[("1", "1|n@x|n")],
        );
        world.check("REPLACE INTO person (id, email, name) VALUES (9, 'q@x', 'q')", &[("9", "9|q@x|q")]);
    }
}

#[test]
fn a_replaced_row_of_another_key_is_a_delete() {
    for recursive in [false, true] {
        let mut world = person(PERSON, recursive);
        three(&mut world);
        world.check(
            "INSERT OR REPLACE INTO person (id, email, name) VALUES (7, 'a@x', 'new')",
            &[("1", "-"), ("7", "7|a@x|new")],
        );
        world.check(
            "INSERT OR REPLACE INTO person (email, name) VALUES ('b@x', 'given')",
            &[("2", "-"), ("8", "8|b@x|given")],
        );
        // Two rows at once: one by the key, one by the unique column.
        world.check(
            "INSERT OR REPLACE INTO person (id, email, name) VALUES (3, 'a@x', 'both')",
            &[("7", "-"), ("3", "3|a@x|both")],
        );
        world.check(
            "UPDATE OR REPLACE person SET email = 'a@x' WHERE id = 8",
            &[("3", "-"), ("8", "8|a@x|given")],
        );
        world.check(
            "INSERT INTO person (id, email) VALUES (20, 't@x'), (21, 'u@x')",
            &[("20", "20|t@x|NULL"), ("21", "21|u@x|NULL")],
        );
        world.check(
            "UPDATE OR REPLACE person SET id = 20 WHERE id = 21",
            &[("20", "20|u@x|NULL"), ("21", "-")],
        );
        world.check(
            "INSERT OR REPLACE INTO person (id, email) VALUES (30, 'a@x'), (31, 'u@x'), (32, 'a@x')",
            &[("8", "-"), ("20", "-"), ("30", "-"), ("31", "31|u@x|NULL"), ("32", "32|a@x|NULL")],
        );
    }
}

#[test]
fn a_clause_in_the_definition_replaces_too() {
    for recursive in [false, true] {
        let mut world = person(
            "CREATE TABLE person (id INTEGER PRIMARY KEY ON CONFLICT REPLACE, \
             email TEXT UNIQUE ON CONFLICT REPLACE, name TEXT UNIQUE ON CONFLICT IGNORE)",
            recursive,
        );
        three(&mut world);
        world.check(
            "INSERT INTO person (id, email, name) VALUES (7, 'a@x', 'new')",
            &[("1", "-"), ("7", "7|a@x|new")],
        );
        world.check("INSERT INTO person (id, email, name) VALUES (2, 'n@x', 'n')", &[("2", "2|n@x|n")]);
        // Ignored because of its name: the row with its address survives.
        world.check("INSERT INTO person (id, email, name) VALUES (8, 'n@x', 'new')", &[]);
        world.check("UPDATE person SET email = 'n@x' WHERE id = 3", &[("2", "-"), ("3", "3|n@x|c")]);
    }
}

#[test]
fn ignored_and_failed_statements_leave_no_trace() {
    for recursive in [false, true] {
        let mut world = person(PERSON, recursive);
        three(&mut world);
        world.check("INSERT OR IGNORE INTO person (id, email) VALUES (1, 'z@x'), (8, 'a@x')", &[]);
        world.check(
            "INSERT OR IGNORE INTO person (id, email) VALUES (9, 'a@x'), (4, 'd@x')",
            &[("4", "4|d@x|NULL")],
        );
        world.check("UPDATE OR IGNORE person SET email = 'a@x' WHERE id = 2", &[]);
        for clause in ["", "OR ABORT", "OR ROLLBACK"] {
            let sql = format!("INSERT {clause} INTO person (id, email) VALUES (50, 'q@x'), (51, 'a@x')");
            assert!(world.user.execute_batch(&sql).is_err());
            assert!(world.told().is_empty(), "{sql}");
            let sql = format!("UPDATE {clause} person SET email = 'same@x' WHERE id < 3");
            assert!(world.user.execute_batch(&sql).is_err());
            assert!(world.told().is_empty(), "{sql}");
        }
        // OR FAIL keeps what came before the row that failed.
        assert!(
            world
                .user
                .execute_batch("INSERT OR FAIL INTO person (id, email) VALUES (60, 'f@x'), (61, 'a@x')")
                .is_err()
        );
        assert_eq!(
            world.told().into_iter().collect::<Vec<_>>(),
            [("60".to_owned(), "60|f@x|NULL".to_owned())]
        );
        // OR ROLLBACK takes the whole transaction with it.
        world.run("BEGIN; INSERT INTO person (id) VALUES (70)");
        assert!(world.user.execute_batch("INSERT OR ROLLBACK INTO person (id) VALUES (1)").is_err());
        assert!(world.user.is_autocommit());
        assert!(world.told().is_empty());
        // What was noted for rows that survived has no effect later.
        world.check("DELETE FROM person WHERE id = 1", &[("1", "-")]);
        world.check("INSERT INTO person (id, email) VALUES (80, 'e@x')", &[("80", "80|e@x|NULL")]);
        world.check("INSERT INTO person (id, email) VALUES (81, 'a@x')", &[("81", "81|a@x|NULL")]);
    }
}

#[test]
fn upserts_of_every_form() {
    for recursive in [false, true] {
        let mut world = person(PERSON, recursive);
        three(&mut world);
        world.check("INSERT INTO person (id, email) VALUES (1, 'z@x') ON CONFLICT (id) DO NOTHING", &[]);
        world.check("INSERT INTO person (id, email) VALUES (8, 'a@x') ON CONFLICT DO NOTHING", &[]);
        world.check("INSERT INTO person (id, email) VALUES (8, 'a@x') ON CONFLICT (email) DO NOTHING", &[]);
        world.check(
            "INSERT INTO person (id, email, name) VALUES (1, 'n@x', 'n'), (5, 'e@x', 'e') \
             ON CONFLICT (id) DO UPDATE SET email = excluded.email, name = excluded.name",
            &[("1", "1|n@x|n"), ("5", "5|e@x|e")],
        );
        world.check(
            "INSERT INTO person (id, email, name) VALUES (9, 'b@x', 'B') \
             ON CONFLICT (email) DO UPDATE SET name = excluded.name",
            &[("2", "2|b@x|B")],
        );
        world.check(
            "INSERT INTO person (id, email, name) VALUES (9, 'b@x', 'B') \
             ON CONFLICT (email) DO UPDATE SET id = excluded.id",
            &[("2", "-"), ("9", "9|b@x|B")],
        );
        world.check(
            "INSERT INTO person (id, email) VALUES (9, 'b@x') ON CONFLICT (id) DO UPDATE SET note = 'x' WHERE 0",
            &[],
        );
        world.check(
            "INSERT INTO person (id, email, name) VALUES (9, 'b@x', 'B') ON CONFLICT (id) DO UPDATE SET name = 'B'",
            &[],
        );
        // The update of an upsert that fails on another constraint takes nothing with it.
        let failing =
            "INSERT INTO person (id, email) VALUES (3, 'x') ON CONFLICT (id) DO UPDATE SET email = 'n@x'";
        assert!(world.user.execute_batch(failing).is_err());
        assert!(world.told().is_empty());
        world.check("DELETE FROM person", &[("1", "-"), ("3", "-"), ("5", "-"), ("9", "-")]);
    }
}

/// The outer statement's clause overrides those inside of triggers; the tracking row must come through whole.
#[test]
fn tracking_survives_every_clause() {
    for recursive in [false, true] {
        let mut world = person(PERSON, recursive);
        three(&mut world);
        let tracking = "\"DataSync_person_dss_tracking\"";
        world.run(&format!("UPDATE {tracking} SET seen = 'cloud:5', apply_batch = 3"));
        for statement in [
            "INSERT OR REPLACE INTO person (id, email, name) VALUES (1, 'a@x', 'r')",
            "INSERT OR IGNORE INTO person (id, email, name) VALUES (1, 'a@x', 'r')",
            "UPDATE OR REPLACE person SET name = 's' WHERE id = 1",
            "UPDATE OR IGNORE person SET name = 't' WHERE id = 1",
            "UPDATE OR FAIL person SET name = 'u' WHERE id = 1",
            "UPDATE OR ROLLBACK person SET name = 'v' WHERE id = 1",
            "INSERT INTO person (id, email) VALUES (1, 'a@x') ON CONFLICT (id) DO UPDATE SET name = 'w'",
            "DELETE FROM person WHERE id = 1",
            "INSERT OR FAIL INTO person (id, email) VALUES (1, 'a@x')",
            "INSERT OR REPLACE INTO person (id, email) VALUES (3, 'a@x')",
        ] {
            world.run(statement);
            let seen = world.query(&format!("SELECT DISTINCT seen, apply_batch FROM {tracking}"));
            assert_eq!(seen, [["cloud:5", "3"]], "{statement}");
        }
        assert_eq!(world.query(&format!("SELECT id FROM {tracking} WHERE is_tombstone = 1")), [["1"]]);
    }
}

/// The row that is replaced takes the updated row along, so that the update has no end: no trigger runs after it.
#[test]
fn a_row_that_goes_with_the_one_it_replaces() {
    let person = |definition: &str| {
        let columns = [("id", T::Long), ("email", T::String), ("boss", T::Long)];
        let mut world = World::new(definition, schema("person", &columns, &["id"]));
        world.run("PRAGMA foreign_keys = ON");
        world.check(
            "INSERT INTO person (id, email, boss) VALUES (1, 'a', 1), (2, 'b', 1), (3, 'c', NULL), (4, 'd', 1)",
            &[("1", "1|a|1"), ("2", "2|b|1"), ("3", "3|c|NULL"), ("4", "4|d|1")],
        );
        world
    };
    let itself = "CREATE TABLE person (id INTEGER PRIMARY KEY, email TEXT UNIQUE,
                  boss INT REFERENCES person (id) ON DELETE CASCADE)";
    let by_another = "CREATE TABLE person (id INT NOT NULL PRIMARY KEY, email TEXT UNIQUE,
                      boss INT REFERENCES post (id) ON DELETE CASCADE);
                      CREATE TABLE post (id INTEGER PRIMARY KEY REFERENCES person (id) ON DELETE CASCADE);
                      PRAGMA foreign_keys = OFF; INSERT INTO post VALUES (1)";
    let gone = [("1", "-"), ("2", "-"), ("4", "-")];
    for definition in [itself, by_another] {
        for set in ["id = 1", "email = 'a'", "id = 1, email = 'a'", "id = 1, email = 'd'"] {
            for recursive in ["OFF", "ON"] {
                let mut world = person(definition);
                world.run(&format!("PRAGMA recursive_triggers = {recursive}"));
                let done =
                    world.user.execute_batch(&format!("UPDATE OR REPLACE person SET {set} WHERE id = 2"));
                // SQLite refuses what a trigger of the replaced row pulls from under its feet.
                if done.is_err() {
                    assert_eq!(recursive, "ON", "{set}");
                    world.check("", &[]);
                    continue;
                }
                assert_eq!(world.query("SELECT id FROM person"), [["3"]], "{set}");
                let pending = block_on(world.member.pending(0, &world.position)).unwrap();
                assert_eq!((pending, world.told()), (3, told(&gone)), "{set}, {recursive}");
                assert_eq!(block_on(world.member.pending(0, &world.position)).unwrap(), 0);
                world.check("INSERT INTO person VALUES (1, 'e', NULL)", &[("1", "1|e|NULL")]);
            }
        }
    }
    // What is gone waits for the next look, whatever capture commits before that.
    let mut world = person(itself);
    world.run("UPDATE OR REPLACE person SET id = 1 WHERE id = 2");
    block_on(commit(&mut world.member, &mut None, Vec::new()));
    assert_eq!(world.told(), told(&gone));
    // Somebody takes the key before capture looks.
    let mut world = person(itself);
    world.run("UPDATE OR REPLACE person SET id = 1 WHERE id = 2; INSERT INTO person VALUES (1, 'f', NULL)");
    assert_eq!(world.told(), told(&[("1", "1|f|NULL"), ("2", "-"), ("4", "-")]));
}

/// What was noted and is still there comes to nothing, and nothing is written on its account alone; unless there is much
/// of it.
#[test]
fn rows_that_ignored_statements_would_have_replaced() {
    const NOTES: &str = "SELECT count(*) FROM DataSync_person_dss_replaced";
    let mut world = person(PERSON, false);
    three(&mut world);
    world.check("UPDATE OR IGNORE person SET email = 'a@x' WHERE id = 2", &[]);
    assert_eq!(block_on(world.member.pending(0, &world.position)).unwrap(), 0);
    world.check("INSERT OR IGNORE INTO person (email) VALUES ('a@x')", &[]);
    assert_eq!(world.query(NOTES), [["1"]]);
    let mut token = None;
    block_on(commit(&mut world.member, &mut token, Vec::new()));
    assert_eq!(world.query(NOTES), [["0"]]);
    // Many.
    world.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
               INSERT INTO person (email) SELECT 'n' || i FROM n",
    );
    world.told();
    world.check("INSERT OR IGNORE INTO person (email) SELECT email FROM person WHERE id > 3", &[]);
    assert_eq!(world.query(NOTES), [["0"]]);
}

#[test]
fn rowids_that_move() {
    // The key is the rowid by another name.
    let mut world = person(PERSON, false);
    three(&mut world);
    world.check("UPDATE person SET rowid = 11 WHERE id = 1", &[("1", "-"), ("11", "11|a@x|a")]);
    world.check("UPDATE person SET _rowid_ = oid + 100 WHERE id = 2", &[("2", "-"), ("102", "102|b@x|b")]);
    // The key is not the rowid: to move it is no change, but a row that stands there already is replaced.
    let definition = "CREATE TABLE word (w TEXT NOT NULL PRIMARY KEY, n INT)";
    let mut world = World::new(definition, schema("word", &[("w", T::String), ("n", T::Int)], &["w"]));
    world.check(
        "INSERT INTO word (rowid, w, n) VALUES (1, 'a', 1), (2, 'b', 2), (-1, 'c', 3)",
        &[("a", "a|1"), ("b", "b|2"), ("c", "c|3")],
    );
    world.check("UPDATE word SET rowid = 50 WHERE w = 'a'", &[]);
    world.check("UPDATE OR REPLACE word SET rowid = 50 WHERE w = 'b'", &[("a", "-")]);
    world.check("INSERT OR REPLACE INTO word (rowid, w, n) VALUES (50, 'd', 4)", &[("b", "-"), ("d", "d|4")]);
    world.check("INSERT OR REPLACE INTO word (w, n) VALUES ('e', 5)", &[("e", "e|5")]);
    world.check("INSERT OR REPLACE INTO word (w, n) VALUES ('d', 6)", &[("d", "d|6")]);
}

#[test]
fn keys_without_regard_to_case() {
    let definition = "CREATE TABLE tag (name TEXT NOT NULL COLLATE NOCASE PRIMARY KEY, n INT)";
    let mut world = World::new(definition, schema("tag", &[("name", T::String), ("n", T::Int)], &["name"]));
    world.check("INSERT INTO tag VALUES ('abc', 1), ('x', 2)", &[("abc", "abc|1"), ("x", "x|2")]);
    world.check("UPDATE tag SET name = 'ABC' WHERE name = 'abc'", &[("abc", "-"), ("ABC", "ABC|1")]);
    world.check("UPDATE tag SET name = 'ABC', n = n WHERE name = 'abc'", &[]);
    world.check("INSERT OR REPLACE INTO tag VALUES ('Abc', 3)", &[("ABC", "-"), ("Abc", "Abc|3")]);
    world.check(
        "UPDATE OR REPLACE tag SET name = 'aBC' WHERE name = 'x'",
        &[("Abc", "-"), ("x", "-"), ("aBC", "aBC|2")],
    );
    world.check("DELETE FROM tag WHERE name = 'ABC'", &[("aBC", "-")]);
    world.check("INSERT INTO tag VALUES ('ABC', 4)", &[("ABC", "ABC|4")]);
    let rows = block_on(tributary_member::Member::rows(
        &mut world.member,
        0,
        &["ABC", "abc"].map(|key| {
            tributary_member::contract::fixture::key_of(
                T::String,
                tributary_model::Value::String(key.to_owned()),
            )
        }),
    ));
    assert_eq!(rows.unwrap().iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn partial_and_expression_indexes_replace_too() {
    for recursive in [false, true] {
        let mut world = person(
            "CREATE TABLE person (id INTEGER PRIMARY KEY, email TEXT, name TEXT, active INT); \
             CREATE UNIQUE INDEX one_active ON person (name) WHERE active = 1 AND \"name\" <> 'x'; \
             CREATE UNIQUE INDEX lower_email ON person (lower(email) COLLATE RTRIM DESC, id % 10);",
            recursive,
        );
        world.check(
            "INSERT INTO person VALUES (1, 'A@x', 'n', 1), (2, 'b@x', 'n', 0), (3, 'c@x', 'n', 0)",
            &[("1", "1|A@x|n"), ("2", "2|b@x|n"), ("3", "3|c@x|n")],
        );
        world.check("UPDATE OR REPLACE person SET active = 1 WHERE id = 2", &[("1", "-")]);
        world.check(
            "INSERT OR REPLACE INTO person VALUES (4, 'd@x', 'n', 1)",
            &[("2", "-"), ("4", "4|d@x|n")],
        );
        world.check("INSERT OR REPLACE INTO person VALUES (5, 'e@x', 'n', 0)", &[("5", "5|e@x|n")]);
        world.check(
            "INSERT OR REPLACE INTO person VALUES (13, 'C@X  ', 'm', 1)",
            &[("3", "-"), ("13", "13|C@X  |m")],
        );
        world.check(
            "UPDATE OR REPLACE person SET email = 'D@x', id = 24 WHERE id = 5",
            &[("4", "-"), ("5", "-"), ("24", "24|D@x|n")],
        );
    }
}

#[test]
fn unlike_storage_classes_are_changes() {
    let definition =
        "CREATE TABLE loose (id INTEGER PRIMARY KEY, n NUMERIC, any BLOB, t TEXT COLLATE NOCASE, r REAL)";
    let mut world = World::new(
        definition,
        schema(
            "loose",
            &[("id", T::Long), ("n", T::Numeric), ("any", T::Bytes), ("t", T::String), ("r", T::Double)],
            &["id"],
        ),
    );
    world.check("INSERT INTO loose VALUES (1, 1, x'31', 'abc', 1)", &[("1", "1|1|0x31|abc|1")]);
    world.check("UPDATE loose SET n = 1.0, r = 1", &[]);
    world.check("UPDATE loose SET t = 'ABC'", &[("1", "1|1|0x31|ABC|1")]);
    world.run("UPDATE loose SET any = '1'");
    let page = world.page();
    assert_eq!(page.changes, []);
    assert_eq!(page.unpublishable[0].reason, "column \"any\" holds TEXT where bytes is declared");
    world.run("UPDATE loose SET any = 1");
    assert_eq!(world.page().unpublishable[0].reason, "column \"any\" holds INTEGER where bytes is declared");
    world.run("UPDATE loose SET any = 1.0");
    assert_eq!(world.page().unpublishable[0].reason, "column \"any\" holds REAL where bytes is declared");
    world.check("UPDATE loose SET any = x'31'", &[("1", "1|1|0x31|ABC|1")]);
}

#[test]
fn tables_without_rowid() {
    let definition =
        "CREATE TABLE pair (b TEXT, a INT, v TEXT, u INT UNIQUE, PRIMARY KEY (a DESC, b)) WITHOUT ROWID";
    let mut world = World::new(
        definition,
        schema("pair", &[("b", T::String), ("a", T::Int), ("v", T::String), ("u", T::Int)], &["a", "b"]),
    );
    world.check(
        "INSERT INTO pair VALUES ('x', 1, 'v', 1), ('y', 1, 'v', 2)",
        &[("1/x", "x|1|v|1"), ("1/y", "y|1|v|2")],
    );
    world.check("INSERT OR REPLACE INTO pair VALUES ('z', 2, 'w', 1)", &[("1/x", "-"), ("2/z", "z|2|w|1")]);
    world.check("UPDATE pair SET a = 3, b = 'q' WHERE b = 'y'", &[("1/y", "-"), ("3/q", "q|3|v|2")]);
    world.check("UPDATE OR REPLACE pair SET u = 2 WHERE b = 'z'", &[("3/q", "-"), ("2/z", "z|2|w|2")]);
}

#[test]
fn cascades_and_triggers_of_users() {
    let definition = "CREATE TABLE person (id INTEGER PRIMARY KEY, email TEXT UNIQUE, name TEXT, \
        boss INTEGER REFERENCES person (id) ON DELETE CASCADE ON UPDATE CASCADE); \
        CREATE TRIGGER shout AFTER INSERT ON person WHEN NEW.name = 'loud' BEGIN \
          UPDATE person SET name = upper(name) WHERE id = NEW.id; END; \
        CREATE TRIGGER again AFTER DELETE ON person WHEN OLD.name = 'phoenix' BEGIN \
          INSERT INTO person (id, email, name) VALUES (OLD.id, OLD.email, 'ashes'); END; \
        CREATE TRIGGER vanish AFTER INSERT ON person WHEN NEW.name = 'ghost' BEGIN \
          DELETE FROM person WHERE id = NEW.id; END; \
        CREATE TRIGGER take AFTER UPDATE OF id ON person WHEN NEW.name = 'mover' BEGIN \
          INSERT INTO person (id, email, name) VALUES (OLD.id, 'heir', 'heir'); END;";
    for recursive in [false, true] {
        let mut world = person(definition, recursive);
        world.run("PRAGMA foreign_keys = ON");
        world.check("INSERT INTO person (id, name) VALUES (1, 'loud')", &[("1", "1|NULL|LOUD")]);
        world.check(
            "INSERT INTO person (id, name, boss) VALUES (2, 'b', 1), (3, 'c', 2)",
            &[("2", "2|NULL|b"), ("3", "3|NULL|c")],
        );
        world.check("DELETE FROM person WHERE id = 1", &[("1", "-"), ("2", "-"), ("3", "-")]);
        world.check("INSERT INTO person (id, name) VALUES (4, 'phoenix')", &[("4", "4|NULL|phoenix")]);
        world.check("DELETE FROM person WHERE id = 4", &[("4", "4|NULL|ashes")]);
        world.check("INSERT INTO person (id, name) VALUES (5, 'ghost')", &[("5", "-")]);
        world.check("INSERT INTO person (id, name) VALUES (6, 'mover')", &[("6", "6|NULL|mover")]);
        world.check("UPDATE person SET id = 7 WHERE id = 6", &[("6", "6|heir|heir"), ("7", "7|NULL|mover")]);
    }
}

#[test]
fn strict_tables_and_generated_columns() {
    let definition =
        "CREATE TABLE s (k ANY NOT NULL PRIMARY KEY, low TEXT AS (lower(k)) STORED UNIQUE, n INT) STRICT";
    let mut world = World::new(definition, schema("s", &[("k", T::Bytes), ("n", T::Int)], &["k"]));
    world.check(
        "INSERT INTO s (k, n) VALUES (x'61', 1), (x'62', 2)",
        &[("0x61", "0x61|1"), ("0x62", "0x62|2")],
    );
    world.check("INSERT OR REPLACE INTO s (k, n) VALUES (x'41', 3)", &[("0x61", "-"), ("0x41", "0x41|3")]);
    world.check(
        "UPDATE OR REPLACE s SET k = x'42' WHERE n = 3",
        &[("0x62", "-"), ("0x41", "-"), ("0x42", "0x42|3")],
    );
    world.run("INSERT INTO s (k, n) VALUES ('x', 1)");
    assert_eq!(world.page().unpublishable[0].reason, "column \"k\" holds TEXT where bytes is declared");
}
