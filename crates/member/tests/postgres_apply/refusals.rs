//! What the server refuses of a record, by what it says; and what stops the whole batch, which then is written later.

use crate::block_on;
use crate::stage::{NOTE, Stage, bound, note, row};
use crate::support::connect;
use std::time::Duration;
use tributary_member::ErrorKind;
use tributary_member::contract::fixture::bind;
use tributary_model::{Row, Value};

const MEANWHILE: Duration = Duration::from_millis(400);

/// A trigger that runs this for each row.
fn trigger(body: &str) -> String {
    format!(
        "{NOTE} CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NEW; END $$; \
         CREATE TRIGGER t BEFORE INSERT OR UPDATE ON note FOR EACH ROW WHEN (NEW.body = 'bad') EXECUTE FUNCTION f();"
    )
}

/// Each is met by the second of three records only, and the others are written.
pub(crate) fn every_kind_of_refusal_is_told() {
    let declared = |body: &str| format!("CREATE TABLE note (id bigint PRIMARY KEY, body {body});");
    let bad = || Value::String("bad".to_owned());
    let cases = [
        (declared("varchar(2)"), bad(), "value", "value"),
        (declared("varchar(2) CHECK (body <> 'x')"), Value::String("x".to_owned()), "check", "23514"),
        (
            format!("CREATE DOMAIN good AS text CHECK (VALUE <> 'bad'); {}", declared("good")),
            bad(),
            "check",
            "23514",
        ),
        (declared("text NOT NULL"), Value::Null, "not_null", "23502"),
        (
            format!("{} INSERT INTO note VALUES (77, 'bad');", declared("text UNIQUE")),
            bad(),
            "unique",
            "23505",
        ),
        (
            format!("{} INSERT INTO note VALUES (77, 'bad');", declared("text, EXCLUDE (body WITH =)")),
            bad(),
            "unique",
            "23P01",
        ),
        (declared("text, CHECK (body IS NULL OR 1 / (length(body) - 3) <> 9)"), bad(), "value", "22012"),
        (trigger("RAISE 'not today'"), bad(), "trigger", "P0001"),
        (trigger("RAISE insufficient_privilege"), bad(), "trigger", "42501"),
        (trigger("PERFORM no_such_function()"), bad(), "trigger", "42883"),
        (trigger("PERFORM 1 / 0"), bad(), "trigger", "22012"),
        (trigger("RAISE 'of their own' USING errcode = 'ZZ123'"), bad(), "trigger", "ZZ123"),
        (trigger("RETURN NULL"), bad(), "trigger", "swallowed"),
    ];
    for (definitions, value, kind, code) in cases {
        block_on(async {
            let mut stage = Stage::new(&definitions, vec![bound("note")]).await;
            let second = Row::of([Value::Long(2), value]);
            let records = stage.scene.upserts(0, [row(1, "a"), second, row(3, "b")]);
            let words = stage.scene.apply(records).await;
            assert_eq!(words[0], "upserted", "{definitions}");
            assert_eq!(words[2], "upserted", "{definitions}");
            let parked = stage.scene.parked().await;
            let told: Vec<_> =
                parked.iter().map(|p| (p.refusal.kind.as_str(), p.refusal.code.as_str())).collect();
            assert_eq!(told, [(kind, code)], "{definitions} {words:?}");
            assert_eq!(
                stage.query("SELECT id, body FROM note WHERE id < 10 ORDER BY id").await,
                ["1|a", "3|b"],
                "{definitions}"
            );
        });
    }
}

/// A table is altered while a batch waits for its rows: the call fails and names the table, and nothing is lost.
pub(crate) fn a_table_that_is_altered_meanwhile() {
    block_on(async {
        for (alter, back) in [
            ("ALTER TABLE note RENAME COLUMN body TO words", "ALTER TABLE note RENAME COLUMN words TO body"),
            ("ALTER TABLE note RENAME TO notice", "ALTER TABLE notice RENAME TO note"),
            ("ALTER TABLE note DISABLE TRIGGER USER", "ALTER TABLE note ENABLE TRIGGER USER"),
        ] {
            let mut stage = Stage::new(NOTE, vec![bind(note("note"))]).await;
            let first = stage.scene.upserts(0, [row(1, "first")]);
            stage.scene.apply(first).await;
            let user = connect(&stage.url).await;
            user.batch_execute(&format!("BEGIN; {alter}")).await.unwrap();
            let records = stage.scene.upserts(0, [row(1, "second"), row(2, "second")]);
            let batch = stage.scene.feed.batch(records.clone());
            let apply = stage.scene.member.apply(batch, stage.scene.feed.now);
            let other = async {
                tokio::time::sleep(MEANWHILE).await;
                user.batch_execute("COMMIT").await.unwrap();
            };
            let (applied, ()) = futures_util::future::join(apply, other).await;
            // What does not concern apply may be written all the same.
            if let Err(error) = applied {
                assert!(
                    matches!(error.kind(), ErrorKind::TableChanged | ErrorKind::TableMissing),
                    "{alter}: {error}"
                );
                assert!(error.to_string().contains("note"), "{alter}: {error}");
                user.batch_execute(back).await.unwrap();
                assert_eq!(stage.query("SELECT id, body FROM note").await, ["1|first"], "{alter}");
                assert_eq!(stage.scene.apply(records).await, ["upserted", "upserted"], "{alter}");
            } else {
                assert!(alter.contains("DISABLE"), "{alter}");
                user.batch_execute(back).await.unwrap();
            }
            assert_eq!(
                stage.query("SELECT id, body FROM note ORDER BY id").await,
                ["1|second", "2|second"],
                "{alter}"
            );
        }
    });
}

/// A statement that the server ends for its time is no refusal: nothing is parked, and the batch is written later.
pub(crate) fn statements_that_take_too_long() {
    block_on(async {
        let limit = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET statement_timeout = ''300ms''', current_database()); END $$;";
        let mut stage = Stage::new(&format!("{NOTE} {limit}"), vec![bound("note")]).await;
        let first = stage.scene.upserts(0, [row(1, "first")]);
        stage.scene.apply(first).await;
        let user = connect(&stage.url).await;
        user.batch_execute("SET statement_timeout = 0; BEGIN; SELECT * FROM note FOR UPDATE").await.unwrap();
        let records = stage.scene.upserts(0, [row(1, "second"), row(2, "second")]);
        let batch = stage.scene.feed.batch(records.clone());
        let error = stage.scene.member.apply(batch, stage.scene.feed.now).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        user.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(stage.scene.apply(records).await, ["upserted", "upserted"]);
        assert!(stage.scene.parked().await.is_empty());
    });
}
