//! One user against one batch, step by step: what apply must wait for, and what it must see then. Each of these fails
//! without the lock or the compare-and-set that it is about.

use crate::block_on;
use crate::stage::{NOTE, Stage, bound, note, row};
use crate::support::connect;
use std::time::{Duration, Instant};
use tokio_postgres::Client;
use tributary_member::ApplyRecord;
use tributary_member::contract::apply::feed::words;
use tributary_member::contract::fixture::{bind, id, table};
use tributary_model::{LogicalType, Row, Value};

/// Long enough for apply to have come to what it waits for.
const MEANWHILE: Duration = Duration::from_millis(400);

/// Nobody looks for deadlocks for so long, so that whoever causes one shows.
const PATIENT: &str = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''8s''', current_database()); END $$;";

/// Applies records while a user, whose transaction is open, does the rest of it and commits. What was applied, and how
/// long the user took.
async fn against(
    stage: &mut Stage,
    user: &Client,
    rest: &str,
    records: Vec<ApplyRecord>,
) -> (Vec<&'static str>, Duration) {
    let batch = stage.scene.feed.batch(records);
    let next = batch.offsets[0].next;
    let apply = stage.scene.member.apply(batch, stage.scene.feed.now);
    let other = async {
        tokio::time::sleep(MEANWHILE).await;
        let begun = Instant::now();
        user.batch_execute(rest).await.unwrap();
        begun.elapsed()
    };
    let (applied, took) = futures_util::future::join(apply, other).await;
    let words = words(&applied.unwrap());
    stage.scene.feed.applied = Some(next);
    (words, took)
}

async fn stage() -> (Stage, Client) {
    let stage = Stage::new(&format!("{NOTE} {PATIENT}"), vec![bound("note")]).await;
    let user = connect(&stage.url).await;
    (stage, user)
}

/// A delete of a row that is not there meets a user's insert that is not committed yet.
pub(crate) fn a_pending_insert_is_not_erased() {
    block_on(async {
        let (mut stage, user) = stage().await;
        // Of a cell that nobody knows, and of one with a tombstone.
        let known = vec![stage.scene.feed.upsert(0, row(2, "old")), stage.scene.feed.delete(0, &id(2))];
        for record in known {
            stage.scene.apply(vec![record]).await;
        }
        for cell in [1, 2] {
            user.batch_execute(&format!("BEGIN; INSERT INTO note VALUES ({cell}, 'mine')")).await.unwrap();
            let delete = stage.scene.feed.delete(0, &id(cell));
            let (words, _) = against(&mut stage, &user, "COMMIT", vec![delete]).await;
            assert_eq!(words, ["local is newer"], "cell {cell}");
            assert_eq!(stage.scene.captured(0).await, [(cell.to_string(), format!("{cell}|mine"))]);
        }
        // One that is taken back leaves the way free.
        user.batch_execute("BEGIN; INSERT INTO note VALUES (3, 'mine')").await.unwrap();
        let upsert = stage.scene.feed.upsert(0, row(3, "theirs"));
        let (words, _) = against(&mut stage, &user, "ROLLBACK", vec![upsert]).await;
        assert_eq!(words, ["upserted"]);
        assert!(stage.scene.captured(0).await.is_empty());
        assert_eq!(stage.query("SELECT * FROM note ORDER BY id").await, ["1|mine", "2|mine", "3|theirs"]);
    });
}

/// A user who has locked a row and changes it then is not held up by a batch that waits for it.
pub(crate) fn rows_are_locked_before_their_tracking() {
    block_on(async {
        let (mut stage, user) = stage().await;
        let first = stage.scene.upserts(0, [row(1, "first"), row(2, "first")]);
        stage.scene.apply(first).await;
        user.batch_execute("BEGIN; SELECT * FROM note WHERE id = 1 FOR UPDATE").await.unwrap();
        let records = stage.scene.upserts(0, [row(1, "theirs"), row(2, "theirs")]);
        let rest = "UPDATE note SET body = 'mine' WHERE id = 1; COMMIT";
        let (words, took) = against(&mut stage, &user, rest, records).await;
        assert_eq!(words, ["local is newer", "upserted"]);
        assert!(took < Duration::from_secs(3), "the user waited for {took:?}");
        assert_eq!(stage.scene.captured(0).await, [("1".to_owned(), "1|mine".to_owned())]);
    });
}

/// A child that a user adds while its parent's delete is applied is seen, and no cascade takes it.
pub(crate) fn cascades_wait_for_pending_children() {
    block_on(async {
        let child = table("child", &[("id", LogicalType::Long), ("up", LogicalType::Long)], &["id"]);
        let tables = format!(
            "{NOTE} CREATE TABLE child (id bigint PRIMARY KEY, up bigint REFERENCES note ON DELETE CASCADE); {PATIENT}"
        );
        let mut stage = Stage::new(&tables, vec![bind(note("note")), bind(child)]).await;
        let user = connect(&stage.url).await;
        let parent = stage.scene.upserts(0, [row(1, "parent")]);
        stage.scene.apply(parent).await;
        user.batch_execute("BEGIN; INSERT INTO child VALUES (10, 1)").await.unwrap();
        let delete = stage.scene.feed.delete(0, &id(1));
        let (words, _) = against(&mut stage, &user, "COMMIT", vec![delete]).await;
        assert_eq!(words, ["referenced"]);
        assert_eq!(stage.query("SELECT * FROM child").await, ["10|1"]);
        assert_eq!(stage.scene.captured(1).await, [("10".to_owned(), "10|1".to_owned())]);
        assert!(stage.scene.captured(0).await.is_empty());
    });
}

/// What others keep locked for longer than is waited: the call fails, nothing is written, and it can be made again.
async fn is_given_up(stage: &mut Stage, user: &Client, hold: &str) {
    user.batch_execute(&format!("BEGIN; {hold}")).await.unwrap();
    let record = stage.scene.feed.upsert(0, row(1, "theirs"));
    let batch = stage.scene.feed.batch(vec![record.clone()]);
    let error = stage.scene.member.apply(batch, stage.scene.feed.now).await.unwrap_err();
    assert_eq!(error.kind(), tributary_member::ErrorKind::Busy, "{error}");
    user.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(stage.scene.apply(vec![record]).await, ["upserted"]);
}

pub(crate) fn locked_rows_are_given_up_in_the_end() {
    block_on(async {
        let (mut stage, user) = stage().await;
        let first = stage.scene.upserts(0, [row(1, "first")]);
        stage.scene.apply(first).await;
        is_given_up(&mut stage, &user, "UPDATE note SET body = 'mine'").await;
    });
}

/// Apply has yet to prepare its statements: the server waits for the table there, outside of any transaction.
pub(crate) fn a_locked_table_is_given_up_in_the_end() {
    block_on(async {
        let (mut stage, user) = stage().await;
        is_given_up(&mut stage, &user, "LOCK TABLE note").await;
    });
}

/// An absent row whose value another row has in a second unique index is refused and listed, not swallowed.
pub(crate) fn a_second_unique_index_on_an_absent_row() {
    block_on(async {
        let tables = "CREATE TABLE note (id bigint PRIMARY KEY, body text); \
             CREATE UNIQUE INDEX whole ON note (body); CREATE UNIQUE INDEX part ON note ((lower(body))) WHERE id > 0;";
        let mut stage = Stage::new(tables, vec![bound("note")]).await;
        let rows: Vec<Row> = (1..=100).map(|id| row(id, &format!("b{id}"))).collect();
        let records = stage.scene.upserts(0, rows);
        assert_eq!(stage.scene.apply(records).await, ["upserted"; 100]);
        let more: Vec<Row> = (101..=200)
            .map(|id| match id {
                150 => row(id, "b7"),
                160 => row(id, "B8"),
                _ => row(id, &format!("b{id}")),
            })
            .collect();
        let records = stage.scene.upserts(0, more);
        let words = stage.scene.apply(records).await;
        let refused: Vec<usize> = (0..100).filter(|at| words[*at] == "unique").collect();
        assert_eq!(refused, [49, 59]);
        assert_eq!(stage.query("SELECT count(*) FROM note").await, ["198"]);
        assert!(stage.scene.captured(0).await.is_empty());
    });
}

/// Deferred constraints fail at the end of the transaction: only the guilty records are parked.
pub(crate) fn deferred_constraints() {
    block_on(async {
        let child = table("child", &[("id", LogicalType::Long), ("up", LogicalType::Long)], &["id"]);
        let tables = format!(
            "{NOTE} CREATE TABLE child (id bigint PRIMARY KEY, up bigint REFERENCES note DEFERRABLE INITIALLY DEFERRED);"
        );
        let mut stage = Stage::new(&tables, vec![bind(note("note")), bind(child)]).await;
        let parents = stage.scene.upserts(0, [row(1, "a"), row(2, "b")]);
        stage.scene.apply(parents).await;
        let of = |id, up| Row::of([Value::Long(id), Value::Long(up)]);
        let mut records = stage.scene.upserts(1, [of(10, 1), of(11, 9), of(12, 2), of(13, 3)]);
        records.extend(stage.scene.upserts(0, [row(3, "c")]));
        assert_eq!(
            stage.scene.apply(records).await,
            ["upserted", "foreign_key", "upserted", "upserted", "upserted"]
        );
        let deletes = stage.scene.deletes(0, [id(1), id(3)]);
        assert_eq!(stage.scene.apply(deletes).await, ["referenced", "referenced"]);
        assert_eq!(stage.query("SELECT id FROM child ORDER BY 1").await, ["10", "12", "13"]);
        assert!(stage.scene.captured(0).await.is_empty() && stage.scene.captured(1).await.is_empty());
    });
}

/// Users' triggers that swallow, alter and refuse what apply writes, and that write other rows.
pub(crate) fn triggers_of_users() {
    block_on(async {
        let tables = format!(
            "{NOTE} CREATE TABLE log (id bigint PRIMARY KEY, body text);
             CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               IF NEW.body = 'swallow' THEN RETURN NULL; END IF;
               IF NEW.body = 'refuse' THEN RAISE EXCEPTION 'not this one'; END IF;
               IF NEW.body = 'alter' THEN NEW.body := 'altered'; END IF;
               IF NEW.body = 'log' THEN INSERT INTO log VALUES (NEW.id, 'logged') ON CONFLICT DO NOTHING; END IF;
               RETURN NEW; END $$;
             CREATE TRIGGER meddle BEFORE INSERT OR UPDATE ON note FOR EACH ROW EXECUTE FUNCTION meddle();"
        );
        let mut stage = Stage::new(&tables, vec![bound("note"), bound("log")]).await;
        let first = stage.scene.upserts(0, [row(1, "a"), row(2, "b")]);
        stage.scene.apply(first).await;
        for (cell, inserted) in [(1, false), (11, true)] {
            let bodies = ["swallow", "refuse", "alter", "log"];
            let mut told = Vec::new();
            for body in bodies {
                let record = stage.scene.feed.upsert(0, row(cell, body));
                let good = stage.scene.feed.upsert(0, row(2, &format!("with {body} {cell}")));
                let applied = stage.scene.feed.apply(stage.scene.member.as_mut(), vec![record, good]).await;
                told.push((words(&applied)[0], applied.altered_by_trigger.len()));
                assert_eq!(words(&applied)[1], "upserted", "{body}");
            }
            assert_eq!(
                told,
                [("trigger", 0), ("trigger", 0), ("upserted", 1), ("upserted", 0)],
                "{inserted}"
            );
            // What the trigger wrote elsewhere is the member's own change.
            assert_eq!(stage.scene.captured(1).await, [(cell.to_string(), format!("{cell}|logged"))]);
        }
        assert!(stage.scene.captured(0).await.is_empty());
        assert_eq!(stage.query("SELECT * FROM note ORDER BY id").await, ["1|log", "2|with log 11", "11|log"]);
    });
}

/// Identity columns take the group's values.
pub(crate) fn identity_columns() {
    block_on(async {
        let tables = "CREATE TABLE note (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text, \
             twice text GENERATED ALWAYS AS (body || body) STORED);";
        let mut stage = Stage::new(tables, vec![bound("note")]).await;
        for (last, body) in [(3, "a"), (100, "b")] {
            let records = stage.scene.upserts(0, crate::stage::rows(last, body));
            assert_eq!(stage.scene.apply(records).await, vec!["upserted"; last as usize]);
        }
        let counts = "SELECT twice, count(*) FROM note GROUP BY 1";
        assert_eq!(stage.query(counts).await, ["bb|100"]);
        assert!(stage.scene.captured(0).await.is_empty());
    });
}

/// What a foreign key writes along with apply's statements is this member's own change.
pub(crate) fn what_is_written_along_is_captured() {
    block_on(async {
        let child = table("child", &[("id", LogicalType::Long), ("up", LogicalType::String)], &["id"]);
        let tables = "CREATE TABLE note (id bigint PRIMARY KEY, body text UNIQUE);
                      CREATE TABLE child (id bigint PRIMARY KEY, up text REFERENCES note (body) ON UPDATE CASCADE);";
        let mut stage = Stage::new(tables, vec![bind(note("note")), bind(child)]).await;
        let first = stage.scene.upserts(0, [row(1, "first")]);
        stage.scene.apply(first).await;
        stage.run("INSERT INTO child VALUES (10, 'first')").await;
        assert_eq!(stage.scene.captured(1).await.len(), 1);
        let second = stage.scene.upserts(0, [row(1, "second")]);
        assert_eq!(stage.scene.apply(second).await, ["upserted"]);
        assert_eq!(stage.scene.captured(1).await, [("10".to_owned(), "10|second".to_owned())]);
        assert!(stage.scene.captured(0).await.is_empty());
    });
}
