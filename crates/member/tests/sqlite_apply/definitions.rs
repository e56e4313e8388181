//! What a table's definition can have that applying must not trip over.

use crate::block_on;
use crate::stage::{Stage, bound, row, rows};
use tributary_member::contract::fixture::{bind, id, key_of, table};
use tributary_member::{ErrorKind, TableState};
use tributary_model::{ChangeKind, LogicalType, Row, TableSchema, Value};

fn person() -> TableSchema {
    table("person", &[("id", LogicalType::Long), ("email", LogicalType::String)], &["id"])
}

#[test]
fn conflict_clauses_of_the_table_have_no_say() {
    block_on(async {
        for clause in ["REPLACE", "IGNORE", "FAIL", "ABORT", "ROLLBACK"] {
            let mut stage = Stage::new(
                &format!(
                    "CREATE TABLE person (
                       id INTEGER NOT NULL PRIMARY KEY ON CONFLICT {clause},
                       email TEXT NOT NULL ON CONFLICT {clause} DEFAULT 'none' UNIQUE ON CONFLICT {clause}
                         CHECK (email <> 'bad')
                     )"
                ),
                vec![bind(person())],
            )
            .await;
            let records = stage.scene.upserts(0, [row(1, "a"), row(2, "b")]);
            stage.scene.apply(records).await;
            let mut records = stage.scene.upserts(0, [row(3, "a"), row(1, "a"), row(2, "bad"), row(4, "d")]);
            records.extend(stage.scene.upserts(0, [Row::of([Value::Long(5), Value::Null])]));
            let words = stage.scene.apply(records).await;
            assert_eq!(words, ["unique", "upserted", "check", "upserted", "not_null"], "{clause}");
            assert_eq!(stage.query("SELECT * FROM person"), ["1|a", "2|b", "4|d"], "{clause}");
            assert!(stage.scene.captured(0).await.is_empty(), "{clause}");
        }
    });
}

#[test]
fn tables_without_rowid_and_without_values() {
    block_on(async {
        let columns = [("b", LogicalType::String), ("a", LogicalType::Int)];
        let schema = table("pair", &columns, &["a", "b"]);
        for suffix in ["", " WITHOUT ROWID", " STRICT", " STRICT, WITHOUT ROWID"] {
            let mut stage = Stage::new(
                &format!("CREATE TABLE pair (a INT NOT NULL, b TEXT NOT NULL, PRIMARY KEY (a, b)){suffix}"),
                vec![bind(schema.clone())],
            )
            .await;
            let pair = |a, b: &str| Row::of([Value::String(b.to_owned()), Value::Int(a)]);
            let records = stage.scene.upserts(0, [pair(1, "x"), pair(1, "y"), pair(2, "x")]);
            assert_eq!(stage.scene.apply(records.clone()).await, ["upserted"; 3], "{suffix}");
            // The same once more, as another version.
            let records = stage.scene.upserts(0, [pair(1, "x")]);
            assert_eq!(stage.scene.apply(records).await, ["upserted"]);
            let keys: Vec<_> =
                [pair(1, "x"), pair(7, "z")].iter().map(|row| schema.key_of(row).unwrap()).collect();
            let deletes = stage.scene.deletes(0, keys);
            assert_eq!(stage.scene.apply(deletes).await, ["deleted", "deleted"]);
            assert_eq!(stage.query("SELECT a, b FROM pair ORDER BY a, b"), ["1|y", "2|x"], "{suffix}");
            assert!(stage.scene.captured(0).await.is_empty(), "{suffix}");
        }
    });
}

/// Keys that the table takes for equal and the group does not.
#[test]
fn keys_that_only_a_collation_makes_equal() {
    block_on(async {
        let schema = table("word", &[("w", LogicalType::String), ("n", LogicalType::Long)], &["w"]);
        let mut stage = Stage::new(
            "CREATE TABLE word (w TEXT NOT NULL COLLATE NOCASE PRIMARY KEY, n BIGINT)",
            vec![bind(schema)],
        )
        .await;
        let word = |w: &str, n| Row::of([Value::String(w.to_owned()), Value::Long(n)]);
        let records = stage.scene.upserts(0, [word("abc", 1), word("b", 2)]);
        stage.scene.apply(records).await;
        let records = stage.scene.upserts(0, [word("ABC", 3)]);
        assert_eq!(stage.scene.apply(records).await, ["unique"]);
        assert_eq!(
            stage.query("SELECT * FROM word ORDER BY w"),
            ["abc|1", "b|2"],
            "another cell's row is left alone"
        );
        let deletes = stage
            .scene
            .deletes(0, ["B", "abc"].map(|w| key_of(LogicalType::String, Value::String(w.into()))));
        assert_eq!(stage.scene.apply(deletes).await, ["deleted", "deleted"]);
        assert_eq!(stage.query("SELECT * FROM word"), ["b|2"]);
        stage.scene.feed.wait(1);
        assert_eq!(stage.scene.retry().await, ["upserted"]);
        assert_eq!(stage.query("SELECT * FROM word ORDER BY w"), ["ABC|3", "b|2"]);
    });
}

#[test]
fn foreign_keys_that_are_checked_at_commit() {
    block_on(async {
        let mut stage = Stage::new(
            "CREATE TABLE parent (id INTEGER NOT NULL PRIMARY KEY, body TEXT);
             CREATE TABLE child (id INTEGER NOT NULL PRIMARY KEY, body TEXT,
               up INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
             CREATE TABLE event (id INTEGER PRIMARY KEY, up INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED);",
            vec![
                bound("parent"),
                bind(table(
                    "child",
                    &[("id", LogicalType::Long), ("body", LogicalType::String), ("up", LogicalType::Long)],
                    &["id"],
                )),
            ],
        )
        .await;
        let child = |id, up| Row::of([Value::Long(id), Value::Null, Value::Long(up)]);
        let mut records = stage.scene.upserts(0, rows(4, "x"));
        records.extend(stage.scene.upserts(1, [child(10, 1), child(11, 99), child(12, 2), child(13, 98)]));
        let words = stage.scene.apply(records).await;
        assert_eq!(words[4..], ["upserted", "foreign_key", "upserted", "foreign_key"]);
        assert_eq!(stage.query("SELECT id FROM child"), ["10", "12"]);
        stage.run("INSERT INTO event (up) VALUES (3)");
        // 1 is still referred to, 2 is not when its child goes too, 3 is by a table that is not synchronised.
        let mut records = stage.scene.deletes(0, [1, 2, 3, 4].map(id));
        records.extend(stage.scene.deletes(1, [id(12)]));
        let words = stage.scene.apply(records).await;
        assert_eq!(words, ["referenced", "deleted", "referenced", "deleted", "deleted"]);
        assert_eq!(stage.query("SELECT id FROM parent"), ["1", "3"]);
        let parents = stage.scene.upserts(0, [row(99, "y")]);
        stage.scene.apply(parents).await;
        assert_eq!(stage.scene.retry().await, ["upserted"]);
        assert_eq!(stage.scene.parked().await.len(), 3);
        assert!(stage.scene.captured(0).await.is_empty() && stage.scene.captured(1).await.is_empty());
    });
}

/// Foreign keys that lead to another unique key than the primary one, by several columns, in another order.
#[test]
fn foreign_keys_to_other_columns() {
    block_on(async {
        let columns = [("id", LogicalType::Long), ("a", LogicalType::Int), ("b", LogicalType::String)];
        let mut stage = Stage::new(
            "CREATE TABLE parent (id INTEGER NOT NULL PRIMARY KEY, a INT, b TEXT, UNIQUE (a, b));
             CREATE TABLE child (id INTEGER NOT NULL PRIMARY KEY, a INT, b TEXT,
               FOREIGN KEY (b, a) REFERENCES parent (b, a) ON DELETE CASCADE);",
            vec![bind(table("parent", &columns, &["id"])), bind(table("child", &columns, &["id"]))],
        )
        .await;
        let of = |id, a| Row::of([Value::Long(id), Value::Int(a), Value::String("b".into())]);
        let records = stage.scene.upserts(1, [of(10, 1), of(11, 2)]);
        assert_eq!(stage.scene.apply(records).await, ["foreign_key", "foreign_key"]);
        let records = stage.scene.upserts(0, [of(1, 1)]);
        let applied = stage.scene.feed.apply(stage.scene.member.as_mut(), records).await;
        assert!(applied.retry_now, "the parent's unique values woke the child");
        assert_eq!(stage.scene.retry().await, ["upserted"]);
        let records = stage.scene.deletes(0, [id(1)]);
        assert_eq!(stage.scene.apply(records).await, ["referenced"]);
        assert_eq!(stage.query("SELECT id FROM child"), ["10"]);
        assert!(stage.scene.captured(1).await.is_empty());
    });
}

/// A unique index on an expression refuses like any other, and waits by time.
#[test]
fn expression_and_partial_indexes() {
    block_on(async {
        let mut stage = Stage::new(
            "CREATE TABLE person (id INTEGER NOT NULL PRIMARY KEY, email TEXT);
             CREATE UNIQUE INDEX lower_email ON person (lower(email));
             CREATE UNIQUE INDEX some ON person (email) WHERE id > 2;",
            vec![bind(person())],
        )
        .await;
        let records = stage.scene.upserts(0, [row(1, "a"), row(2, "A"), row(3, "c"), row(4, "d")]);
        assert_eq!(stage.scene.apply(records).await, ["upserted", "unique", "upserted", "upserted"]);
        let records = stage.scene.upserts(0, [row(1, "b")]);
        stage.scene.apply(records).await;
        stage.scene.feed.wait(1);
        assert_eq!(stage.scene.retry().await, ["upserted"]);
        assert_eq!(stage.query("SELECT * FROM person"), ["1|b", "2|A", "3|c", "4|d"]);
    });
}

/// A swap in a column that takes no NULL, with a check that a made-up value does not pass: in place or not at all.
#[test]
fn placeholders_that_are_refused() {
    block_on(async {
        let schema = table("seat", &[("id", LogicalType::Long), ("place", LogicalType::Int)], &["id"]);
        for (check, expected) in
            [("", ["upserted", "upserted"]), ("CHECK (place BETWEEN 1 AND 9)", ["unique", "unique"])]
        {
            let mut stage = Stage::new(
                &format!(
                    "CREATE TABLE seat (id INTEGER NOT NULL PRIMARY KEY, place INT NOT NULL UNIQUE {check})"
                ),
                vec![bind(schema.clone())],
            )
            .await;
            let seat = |id, place| Row::of([Value::Long(id), Value::Int(place)]);
            let records = stage.scene.upserts(0, [seat(1, 1), seat(2, 2)]);
            stage.scene.apply(records).await;
            let records = stage.scene.upserts(0, [seat(1, 2), seat(2, 1)]);
            assert_eq!(stage.scene.apply(records).await, expected);
            let places = if check.is_empty() { ["1|2", "2|1"] } else { ["1|1", "2|2"] };
            assert_eq!(stage.query("SELECT * FROM seat"), places);
            assert!(stage.scene.captured(0).await.is_empty());
        }
    });
}

/// A row that came past the triggers after the first scan gets a change of its own; one that tracking knows nothing
/// of any more is found all the same.
#[test]
fn rows_that_came_past_the_triggers() {
    block_on(async {
        let mut stage =
            Stage::new("CREATE TABLE note (id INTEGER NOT NULL PRIMARY KEY, body TEXT)", vec![bound("note")])
                .await;
        stage.run(
            "INSERT INTO note VALUES (1, 'bulk'), (2, 'bulk'), (3, 'bulk'), (4, 'bulk');
             DELETE FROM \"DataSync_note_dss_tracking\";",
        );
        for (claim, passed) in [("pending", false), ("done", true)] {
            stage.run(&format!("UPDATE \"DataSync_dss_tables\" SET scan_claim = '{claim}'"));
            let number = if passed { 2 } else { 1 };
            let records = stage.scene.upserts(0, [row(number, "theirs")]);
            assert_eq!(stage.scene.apply(records).await, ["local is newer"]);
            let captured = stage.scene.changes(0).await;
            assert_eq!(captured.len(), usize::from(passed), "{claim}");
            if passed {
                assert_eq!(captured[0].change.changed_at, None);
                assert!(captured[0].change.dot.version > 1);
                assert_eq!(captured[0].change.kind, ChangeKind::FirstScan);
                assert_eq!(captured[0].change.seen.to_string(), "hq:1", "as the scan's row once more");
            }
        }
        // Claimed up to 3: 3 is passed, 4 is not.
        let claim: String = id(3).as_slice().iter().map(|byte| format!("{byte:02x}")).collect();
        stage.run(&format!("UPDATE \"DataSync_dss_tables\" SET scan_claim = '{claim}'"));
        let records = stage.scene.upserts(0, [row(3, "theirs"), row(4, "theirs")]);
        assert_eq!(stage.scene.apply(records).await, ["local is newer", "local is newer"]);
        assert_eq!(stage.scene.changes(0).await.len(), 1);
        assert_eq!(stage.query("SELECT * FROM note"), ["1|bulk", "2|bulk", "3|bulk", "4|bulk"]);
        // Tracking says deleted, but the row is there; and the other way round.
        let records = stage.scene.upserts(0, [row(7, "x"), row(8, "x")]);
        stage.scene.apply(records).await;
        stage.run("UPDATE \"DataSync_note_dss_tracking\" SET is_tombstone = (id = 7) WHERE id IN (7, 8)");
        stage.run("INSERT INTO \"DataSync_dss_apply\" VALUES (1, (SELECT batch FROM \"DataSync_dss_counter\")); DELETE FROM note WHERE id = 8; DELETE FROM \"DataSync_dss_apply\"");
        let records = stage.scene.upserts(0, [row(7, "y"), row(8, "y")]);
        assert_eq!(stage.scene.apply(records).await, ["upserted", "upserted"]);
        assert_eq!(stage.query("SELECT * FROM note WHERE id > 4"), ["7|y", "8|y"]);
    });
}

/// Rows that cannot be read are counted by the digests if they are cells at all, and equal nothing.
#[test]
fn digests_of_rows_that_cannot_be_read() {
    block_on(async {
        let schema = table("thing", &[("k", LogicalType::String), ("n", LogicalType::Int)], &["k"]);
        let mut stage =
            Stage::new("CREATE TABLE thing (k TEXT PRIMARY KEY, n INT)", vec![bind(schema)]).await;
        stage.run("INSERT INTO thing VALUES ('a', 1), ('b', 'two'), (NULL, 3), (x'00', 4)");
        let odd = stage.scene.member.digest(0, 0).await.unwrap();
        assert_eq!(odd[0].rows, 2);
        assert_eq!(stage.scene.member.bucket_rows(0, 0, &[0]).await.unwrap().len(), 2);
        for other in ["2", "'three'", "x'74776f'", "NULL", "2.5"] {
            stage.run(&format!("UPDATE thing SET n = {other} WHERE k = 'b'"));
            assert_ne!(stage.scene.member.digest(0, 0).await.unwrap(), odd, "{other}");
        }
        stage.run("UPDATE thing SET n = 'two' WHERE k = 'b'");
        assert_eq!(stage.scene.member.digest(0, 0).await.unwrap(), odd);
        // A table without its triggers is the very one to be compared.
        stage.run("DROP TRIGGER thing_dss_update_trigger");
        assert_eq!(stage.scene.member.digest(0, 0).await.unwrap(), odd);
    });
}

/// A table that is altered while the member is connected stops alone, and nothing is written to it.
#[test]
fn altered_tables_stop() {
    block_on(async {
        let mut stage = Stage::new(
            "CREATE TABLE note (id INTEGER NOT NULL PRIMARY KEY, body TEXT);
             CREATE TABLE log (id INTEGER NOT NULL PRIMARY KEY, body TEXT);",
            vec![bound("note"), bound("log")],
        )
        .await;
        let records = stage.scene.upserts(0, rows(1, "x"));
        stage.scene.apply(records).await;
        stage.run("ALTER TABLE note RENAME COLUMN body TO text");
        let record = stage.scene.feed.upsert(0, row(2, "y"));
        let batch = stage.scene.feed.batch(vec![record]);
        let error = stage.scene.member.apply(batch, 0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TableChanged);
        assert_eq!(stage.query("SELECT * FROM note"), ["1|x"]);
        let states = stage.scene.member.table_states().await.unwrap();
        assert!(matches!(states.as_slice(), [TableState::Stopped { .. }, TableState::Ready]));
        let records = stage.scene.upserts(1, rows(1, "z"));
        assert_eq!(stage.scene.apply(records).await, ["upserted"]);
    });
}
