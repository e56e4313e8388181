//! Users' own triggers on synchronised tables: what they write is captured, listed or refused, and never lost.

use crate::block_on;
use crate::stage::{Stage, bound, row, rows};
use tributary_member::contract::apply::feed::words;
use tributary_member::contract::fixture::id;

const NOTE: &str = "CREATE TABLE note (id INTEGER NOT NULL PRIMARY KEY, body TEXT);";

async fn note(trigger: &str) -> Stage {
    Stage::new(&format!("{NOTE}{trigger}"), vec![bound("note")]).await
}

fn told(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, row)| ((*key).to_owned(), (*row).to_owned())).collect()
}

#[test]
fn another_synchronised_table_is_captured() {
    block_on(async {
        let mut stage = Stage::new(
            "CREATE TABLE note (id INTEGER NOT NULL PRIMARY KEY, body TEXT);
             CREATE TABLE log (id INTEGER NOT NULL PRIMARY KEY, body TEXT);
             CREATE TRIGGER noted AFTER INSERT ON note BEGIN
               INSERT INTO log (id, body) VALUES (NEW.id + 100, NEW.body);
             END;",
            vec![bound("note"), bound("log")],
        )
        .await;
        let records = stage.scene.upserts(0, rows(2, "x"));
        assert_eq!(stage.scene.apply(records).await, ["upserted", "upserted"]);
        assert!(stage.scene.captured(0).await.is_empty(), "no echo");
        let page = stage.scene.member.poll(1, &Default::default(), 10).await.unwrap();
        assert_eq!(page.made_inside_apply, 2);
        assert_eq!(stage.scene.captured(1).await, told(&[("101", "101|x"), ("102", "102|x")]));
        assert!(stage.scene.parked().await.is_empty());
    });
}

#[test]
fn another_row_of_the_batch_is_listed_and_not_captured() {
    block_on(async {
        let mut stage = note(
            "CREATE TRIGGER other AFTER UPDATE ON note WHEN NEW.id = 2 BEGIN
               UPDATE note SET body = 'by the trigger' WHERE id IN (1, 3);
             END;",
        )
        .await;
        let records = stage.scene.upserts(0, rows(3, "x"));
        stage.scene.apply(records).await;
        // 1 is in the batch, 3 is not.
        let records = stage.scene.upserts(0, rows(2, "y"));
        let applied = stage.scene.feed.apply(stage.scene.member.as_mut(), records.clone()).await;
        assert_eq!(words(&applied), ["upserted", "upserted"]);
        assert_eq!(applied.altered_by_trigger, [(0, id(1))]);
        assert_eq!(stage.query("SELECT * FROM note"), ["1|by the trigger", "2|y", "3|by the trigger"]);
        assert_eq!(stage.scene.captured(0).await, told(&[("3", "3|by the trigger")]));
        let parked = stage.scene.parked().await;
        assert_eq!(stage.scene.parked_kinds().await, [("1".to_owned(), "trigger")]);
        assert!(parked[0].refusal.message.starts_with("altered by a trigger"));
        // It is not tried again by itself, and a replay leaves the listing.
        stage.scene.feed.wait(100_000);
        assert!(stage.scene.retry().await.is_empty());
        stage.scene.rewind(3).await;
        assert_eq!(stage.scene.apply(records).await, ["already there", "already there"]);
        assert_eq!(stage.scene.parked().await, parked);
        // A newer record that stands ends it.
        let record = stage.scene.upserts(0, rows(1, "z"));
        let applied = stage.scene.feed.apply(stage.scene.member.as_mut(), record).await;
        assert_eq!((applied.altered_by_trigger.len(), applied.unparked), (0, 1));
        assert!(stage.scene.parked().await.is_empty());
    });
}

#[test]
fn the_same_row_is_listed_and_not_captured() {
    block_on(async {
        let mut stage = note(
            "CREATE TRIGGER upper AFTER INSERT ON note WHEN NEW.body <> upper(NEW.body) BEGIN
               UPDATE note SET body = upper(body) WHERE id = NEW.id;
             END;",
        )
        .await;
        let records = stage.scene.upserts(0, [row(1, "small"), row(2, "LARGE")]);
        let applied = stage.scene.feed.apply(stage.scene.member.as_mut(), records).await;
        assert_eq!(words(&applied), ["upserted", "upserted"]);
        assert_eq!(applied.altered_by_trigger, [(0, id(1))]);
        assert_eq!(stage.query("SELECT * FROM note"), ["1|SMALL", "2|LARGE"]);
        assert!(stage.scene.captured(0).await.is_empty());
        assert_eq!(stage.scene.parked_kinds().await, [("1".to_owned(), "trigger")]);
        // The operator has seen it.
        stage.scene.member.retry_parked(None).await.unwrap();
        assert_eq!(stage.scene.retry().await, ["already there"]);
        assert!(stage.scene.parked().await.is_empty());
    });
}

/// The write of row 2 comes to nothing; the others stand.
async fn swallowed(trigger: &str, verb: &str) {
    let mut stage = note(trigger).await;
    let first = stage.scene.upserts(0, rows(3, "x"));
    if verb == "insert" {
        assert_eq!(stage.scene.apply(first).await, ["upserted", "trigger", "upserted"], "{trigger}");
        assert_eq!(stage.query("SELECT * FROM note"), ["1|x", "3|x"], "{trigger}");
    } else {
        assert_eq!(stage.scene.apply(first).await, ["upserted"; 3], "{trigger}");
        let seen = stage.query("SELECT seen FROM \"DataSync_note_dss_tracking\" WHERE id = 2");
        let second = match verb {
            "update" => stage.scene.upserts(0, rows(3, "y")),
            _ => stage.scene.deletes(0, [1, 2, 3].map(id)),
        };
        let done = if verb == "update" { "upserted" } else { "deleted" };
        assert_eq!(stage.scene.apply(second).await, [done, "trigger", done], "{trigger}");
        let left = if verb == "update" { vec!["1|y", "2|x", "3|y"] } else { vec!["2|x"] };
        assert_eq!(stage.query("SELECT * FROM note"), left, "{trigger}");
        assert_eq!(stage.query("SELECT seen FROM \"DataSync_note_dss_tracking\" WHERE id = 2"), seen);
    }
    assert!(stage.scene.captured(0).await.is_empty(), "{trigger}");
    assert_eq!(stage.scene.parked_kinds().await, [("2".to_owned(), "trigger")]);
    stage.run("DROP TRIGGER t");
    stage.scene.feed.wait(1);
    assert_eq!(stage.scene.retry().await.len(), 1);
    assert!(stage.scene.parked().await.is_empty());
}

#[test]
fn writes_that_a_trigger_swallows_are_parked() {
    block_on(async {
        for (trigger, verb) in [
            ("BEFORE INSERT ON note WHEN NEW.id = 2 BEGIN SELECT RAISE(IGNORE); END", "insert"),
            ("AFTER INSERT ON note WHEN NEW.id = 2 BEGIN DELETE FROM note WHERE id = 2; END", "insert"),
            ("BEFORE UPDATE ON note WHEN NEW.id = 2 BEGIN SELECT RAISE(IGNORE); END", "update"),
            (
                "AFTER UPDATE ON note WHEN NEW.id = 2 AND NEW.body <> OLD.body BEGIN
                   UPDATE note SET body = OLD.body WHERE id = 2;
                 END",
                "update",
            ),
            ("BEFORE DELETE ON note WHEN OLD.id = 2 BEGIN SELECT RAISE(IGNORE); END", "delete"),
            (
                "AFTER DELETE ON note WHEN OLD.id = 2 BEGIN INSERT INTO note VALUES (OLD.id, OLD.body); END",
                "delete",
            ),
        ] {
            swallowed(&format!("CREATE TRIGGER t {trigger};"), verb).await;
        }
    });
}

#[test]
fn refusals_by_triggers_hold_up_nobody() {
    block_on(async {
        for raise in ["ABORT", "FAIL", "ROLLBACK"] {
            for time in ["BEFORE", "AFTER"] {
                let mut stage = Stage::new(
                    &format!(
                        "{NOTE} CREATE TABLE trace (id INTEGER);
                         CREATE TRIGGER t {time} INSERT ON note WHEN NEW.id IN (2, 5) BEGIN
                           INSERT INTO trace VALUES (NEW.id);
                           SELECT RAISE({raise}, 'closed');
                         END;"
                    ),
                    vec![bound("note")],
                )
                .await;
                let records = stage.scene.upserts(0, rows(6, "x"));
                let expected = ["upserted", "trigger", "upserted", "upserted", "trigger", "upserted"];
                assert_eq!(stage.scene.apply(records).await, expected, "{time} {raise}");
                assert_eq!(stage.query("SELECT id FROM note"), ["1", "3", "4", "6"], "{time} {raise}");
                assert!(
                    stage.query("SELECT id FROM trace").is_empty(),
                    "what was refused left nothing behind"
                );
                assert_eq!(stage.scene.parked().await[0].refusal.message, "closed");
                let tracked = stage.query("SELECT id FROM \"DataSync_note_dss_tracking\"");
                assert_eq!(tracked, ["1", "3", "4", "6"]);
                assert!(stage.scene.captured(0).await.is_empty());
            }
        }
    });
}

/// Each such record ends the transaction. They get their turn, a few a call, and the others are not held up for ever.
#[test]
fn many_rollbacks_are_worked_off() {
    block_on(async {
        let mut stage = note(
            "CREATE TRIGGER t BEFORE INSERT ON note WHEN NEW.id % 2 = 0 BEGIN SELECT RAISE(ROLLBACK, 'no'); END;",
        )
        .await;
        let records = stage.scene.upserts(0, rows(200, "x"));
        let applied = stage.scene.feed.apply(stage.scene.member.as_mut(), records).await;
        let mut more = applied.retry_now;
        let mut calls = 0;
        while more {
            let applied = stage.scene.feed.retry(stage.scene.member.as_mut()).await;
            more = applied.retry_now;
            calls += 1;
            assert!(calls < 30, "{:?}", stage.scene.parked().await.len());
        }
        assert_eq!(stage.query("SELECT count(*) FROM note"), ["100"]);
        let parked = stage.scene.parked().await;
        assert_eq!(parked.len(), 100);
        assert!(
            parked
                .iter()
                .all(|parked| parked.refusal.message == "no" && parked.due_at > stage.scene.feed.now)
        );
    });
}

/// A trigger writes a cell of the batch, and that cell's own record is refused: what the trigger wrote is then the
/// member's own change, and is captured.
#[test]
fn what_a_trigger_writes_into_a_refused_cell_is_captured() {
    block_on(async {
        let mut stage = Stage::new(
            "CREATE TABLE note (id INTEGER NOT NULL PRIMARY KEY, body TEXT CHECK (body <> 'bad'));
             INSERT INTO note VALUES (2, 'old');
             CREATE TRIGGER t AFTER INSERT ON note WHEN NEW.id = 1 BEGIN
               UPDATE note SET body = 'by the trigger' WHERE id = 2;
             END;",
            vec![bound("note")],
        )
        .await;
        stage.run("UPDATE note SET body = 'mine' WHERE id = 2");
        let answers = stage.scene.answers(0).await;
        stage.scene.apply(answers).await;
        let records = stage.scene.upserts(0, [row(1, "x"), row(2, "bad")]);
        assert_eq!(stage.scene.apply(records).await, ["upserted", "check"]);
        assert_eq!(stage.query("SELECT * FROM note"), ["1|x", "2|by the trigger"]);
        assert_eq!(stage.scene.captured(0).await, told(&[("2", "2|by the trigger")]));
    });
}

#[test]
fn a_broken_trigger_parks_its_tables_records() {
    block_on(async {
        let mut stage = Stage::new(
            &format!("{NOTE} CREATE TABLE log (id INTEGER NOT NULL PRIMARY KEY, body TEXT); CREATE TABLE gone (id);
             CREATE TRIGGER t AFTER INSERT ON note BEGIN INSERT INTO gone VALUES (NEW.id); END;"),
            vec![bound("note"), bound("log")],
        )
        .await;
        stage.run("DROP TABLE gone");
        let mut records = stage.scene.upserts(0, rows(3, "x"));
        records.extend(stage.scene.upserts(1, rows(2, "y")));
        let expected = ["trigger", "trigger", "trigger", "upserted", "upserted"];
        assert_eq!(stage.scene.apply(records).await, expected);
        assert!(stage.scene.parked().await[0].refusal.message.contains("gone"));
        assert!(stage.query("SELECT * FROM \"DataSync_note_dss_tracking\"").is_empty());
        stage.run("CREATE TABLE gone (id)");
        stage.scene.feed.wait(1);
        assert_eq!(stage.scene.retry().await, ["upserted"; 3]);
    });
}

/// A trigger that comes or goes between two batches is seen at once.
#[test]
fn new_triggers_are_noticed() {
    block_on(async {
        let mut stage = note("").await;
        let records = stage.scene.upserts(0, rows(1, "x"));
        stage.scene.apply(records).await;
        stage.run(
            "CREATE TRIGGER t AFTER UPDATE ON note WHEN NEW.body <> 'z' BEGIN
               UPDATE note SET body = 'z' WHERE id = NEW.id;
             END",
        );
        let records = stage.scene.upserts(0, rows(1, "y"));
        let applied = stage.scene.feed.apply(stage.scene.member.as_mut(), records).await;
        assert_eq!(applied.altered_by_trigger, [(0, id(1))]);
        stage.run("DROP TRIGGER t");
        let records = stage.scene.upserts(0, rows(1, "w"));
        let applied = stage.scene.feed.apply(stage.scene.member.as_mut(), records).await;
        assert!(applied.altered_by_trigger.is_empty());
        assert_eq!(stage.query("SELECT * FROM note"), ["1|w"]);
    });
}

/// Triggers of tables that are only reached by a cascade count too.
#[test]
fn triggers_behind_a_cascade_are_watched() {
    block_on(async {
        let mut stage = Stage::new(
            &format!(
                "{NOTE} CREATE TABLE tag (id INTEGER PRIMARY KEY, note INTEGER REFERENCES note ON DELETE CASCADE);
                 CREATE TABLE mark (id INTEGER PRIMARY KEY, tag INTEGER REFERENCES tag ON DELETE SET NULL);
                 CREATE TRIGGER t AFTER UPDATE ON mark BEGIN
                   UPDATE note SET body = 'by the trigger' WHERE id > 1;
                 END;"
            ),
            vec![bound("note")],
        )
        .await;
        let records = stage.scene.upserts(0, rows(3, "x"));
        stage.scene.apply(records).await;
        stage.run("INSERT INTO tag VALUES (1, 1); INSERT INTO mark VALUES (1, 1)");
        let mut records = stage.scene.deletes(0, [id(1)]);
        records.extend(stage.scene.upserts(0, [row(2, "y")]));
        let applied = stage.scene.feed.apply(stage.scene.member.as_mut(), records).await;
        assert_eq!(words(&applied), ["deleted", "upserted"]);
        assert_eq!(applied.altered_by_trigger, [(0, id(2))]);
        assert_eq!(stage.scene.captured(0).await, told(&[("3", "3|by the trigger")]));
        assert!(stage.query("SELECT * FROM tag").is_empty());
    });
}

/// A trigger writes what fails the commit, and nothing tells which record it was: they are halved until it is alone.
#[test]
fn commits_that_a_trigger_fails() {
    block_on(async {
        let mut stage = Stage::new(
            &format!(
                "{NOTE} CREATE TABLE log (id INTEGER PRIMARY KEY,
                   up INTEGER REFERENCES log DEFERRABLE INITIALLY DEFERRED);
                 CREATE TRIGGER t AFTER INSERT ON note WHEN NEW.id IN (3, 60) BEGIN
                   INSERT INTO log VALUES (NEW.id, 99);
                 END;"
            ),
            vec![bound("note")],
        )
        .await;
        let records = stage.scene.upserts(0, rows(100, "x"));
        let mut applied = stage.scene.feed.apply(stage.scene.member.as_mut(), records).await;
        let mut calls = 0;
        while applied.retry_now {
            applied = stage.scene.feed.retry(stage.scene.member.as_mut()).await;
            calls += 1;
            assert!(calls < 30);
        }
        assert_eq!(stage.query("SELECT count(*) FROM note"), ["98"]);
        let culprits = [("3".to_owned(), "foreign_key"), ("60".to_owned(), "foreign_key")];
        assert_eq!(stage.scene.parked_kinds().await, culprits);
        assert!(stage.scene.captured(0).await.is_empty());
        stage.run("INSERT INTO log VALUES (99, NULL)");
        stage.scene.feed.wait(300);
        while !stage.scene.retry().await.is_empty() {}
        assert!(stage.scene.parked().await.is_empty());
    });
}

/// A row that was replaced without a word of any trigger is known to be gone before anything is decided on its cell.
#[test]
fn a_silent_replacement_is_known_before_a_record_is_applied() {
    block_on(async {
        let definition = "CREATE TABLE note (id INTEGER NOT NULL PRIMARY KEY, body TEXT,
                          boss INT REFERENCES note (id) ON DELETE CASCADE)";
        let mut stage = Stage::new(definition, vec![bound("note")]).await;
        let records = stage.scene.upserts(0, rows(3, "x"));
        stage.scene.apply(records).await;
        stage.run("UPDATE note SET boss = 1 WHERE id = 2; UPDATE OR REPLACE note SET id = 1 WHERE id = 2");
        assert_eq!(stage.query("SELECT id FROM note"), ["3"]);
        let records = stage.scene.upserts(0, rows(3, "y"));
        let outcomes = stage.scene.apply(records).await;
        assert_eq!(outcomes, ["local is newer", "local is newer", "upserted"]);
        assert_eq!(stage.query("SELECT id, body FROM note"), ["3|y"]);
        // In the order in which they are known: who referred to it before the one referred to.
        assert_eq!(stage.scene.captured(0).await, told(&[("2", "-"), ("1", "-")]));
    });
}
