//! Users' own triggers on synchronised tables: what they write is captured, listed or refused, and never lost.

use crate::stage::{Stage, bound, row, rows};
use crate::support::{SqlServerFixture, block_on};
use std::time::{Duration, Instant};
use tributary_member::Connector as _;
use tributary_member::contract::apply::feed::{Scene, words};
use tributary_member::contract::fixture::{GROUP, User as _, id, provisioned};
use tributary_member::sqlserver::SqlServerConnector;
use tributary_model::MemberId;

const NOTE: &str = "CREATE TABLE note (id bigint NOT NULL PRIMARY KEY, body nvarchar(100))";

async fn note(trigger: &str) -> Stage {
    Stage::new(&[NOTE, trigger], vec![bound("note")]).await
}

fn told(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, row)| ((*key).to_owned(), (*row).to_owned())).collect()
}

pub(crate) fn another_synchronised_table_is_captured() {
    block_on(async {
        let mut stage = Stage::new(
            &[
                NOTE,
                "CREATE TABLE log (id bigint NOT NULL PRIMARY KEY, body nvarchar(100))",
                "CREATE TRIGGER noted ON note AFTER INSERT AS INSERT INTO log (id, body) SELECT id + 100, body FROM inserted",
            ],
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

pub(crate) fn the_same_row_is_listed_and_not_captured() {
    block_on(async {
        let mut stage = note(
            "CREATE TRIGGER upper_case ON note AFTER INSERT AS UPDATE n SET body = UPPER(n.body) FROM note AS n \
             INNER JOIN inserted AS i ON i.id = n.id WHERE n.id = 1",
        )
        .await;
        let records = stage.scene.upserts(0, [row(1, "small"), row(2, "other")]);
        let applied = stage.scene.feed.apply(stage.scene.member.as_mut(), records).await;
        assert_eq!(words(&applied), ["upserted", "upserted"]);
        assert_eq!(applied.altered_by_trigger, [(0, id(1))]);
        assert_eq!(stage.query("SELECT id, body FROM note ORDER BY id").await, ["1|SMALL", "2|other"]);
        assert!(stage.scene.captured(0).await.is_empty());
        assert_eq!(stage.scene.parked_kinds().await, [("1".to_owned(), "trigger")]);
        // The operator has seen it.
        stage.scene.member.retry_parked(None).await.unwrap();
        assert_eq!(stage.scene.retry().await, ["already there"]);
        assert!(stage.scene.parked().await.is_empty());
    });
}

/// An error in a trigger takes the whole transaction along: those that meet it are found by halves.
pub(crate) fn refusals_by_triggers_hold_up_nobody() {
    block_on(async {
        let mut stage = Stage::new(
            &[
                NOTE,
                "CREATE TABLE trace (id bigint)",
                "CREATE TRIGGER closed ON note AFTER INSERT AS BEGIN \
                   INSERT INTO trace SELECT id FROM inserted; \
                   IF EXISTS (SELECT 1 FROM inserted WHERE id IN (2, 5)) THROW 50001, 'closed', 1; \
                 END",
            ],
            vec![bound("note")],
        )
        .await;
        let records = stage.scene.upserts(0, rows(9, "x"));
        let mut expected = vec!["upserted"; 9];
        (expected[1], expected[4]) = ("trigger", "trigger");
        assert_eq!(stage.scene.apply(records).await, expected);
        assert_eq!(stage.query("SELECT COUNT(*) FROM note").await, ["7"]);
        assert_eq!(
            stage.query("SELECT COUNT(*) FROM trace").await,
            ["7"],
            "what was refused left nothing behind"
        );
        assert_eq!(stage.scene.parked().await[0].refusal.message, "closed");
        assert_eq!(stage.query("SELECT COUNT(*) FROM [DataSync].[note_dss_tracking]").await, ["7"]);
        assert!(stage.scene.captured(0).await.is_empty());
        stage.run("DROP TRIGGER closed").await;
        stage.scene.feed.wait(1);
        assert_eq!(stage.scene.retry().await, ["upserted", "upserted"]);
    });
}

pub(crate) fn writes_that_a_trigger_takes_back_are_parked() {
    block_on(async {
        let mut stage = note(
            "CREATE TRIGGER back ON note AFTER UPDATE AS UPDATE n SET body = d.body FROM note AS n \
             INNER JOIN deleted AS d ON d.id = n.id WHERE n.id = 2 AND n.body <> d.body",
        )
        .await;
        let records = stage.scene.upserts(0, rows(3, "x"));
        assert_eq!(stage.scene.apply(records).await, ["upserted"; 3]);
        let records = stage.scene.upserts(0, rows(3, "y"));
        assert_eq!(stage.scene.apply(records).await, ["upserted", "trigger", "upserted"]);
        assert_eq!(stage.query("SELECT id, body FROM note ORDER BY id").await, ["1|y", "2|x", "3|y"]);
        assert!(stage.scene.captured(0).await.is_empty());
        assert_eq!(stage.scene.parked_kinds().await, [("2".to_owned(), "trigger")]);
        stage.run("DROP TRIGGER back").await;
        stage.scene.feed.wait(1);
        assert_eq!(stage.scene.retry().await, ["upserted"]);
    });
}

/// A trigger writes a cell of the batch, and that cell's own record is refused: what the trigger wrote is then the
/// member's own change, and is captured.
pub(crate) fn what_a_trigger_writes_into_a_refused_cell_is_captured() {
    block_on(async {
        let mut stage = Stage::new(
            &[
                "CREATE TABLE note (id bigint NOT NULL PRIMARY KEY, body nvarchar(100) CHECK (body <> 'bad'))",
                "INSERT INTO note (id, body) VALUES (2, 'old')",
                "CREATE TRIGGER other ON note AFTER INSERT AS \
                   IF EXISTS (SELECT 1 FROM inserted WHERE id = 1) UPDATE note SET body = 'by the trigger' WHERE id = 2",
            ],
            vec![bound("note")],
        )
        .await;
        stage.run("UPDATE note SET body = 'mine' WHERE id = 2").await;
        let answers = stage.scene.answers(0).await;
        stage.scene.apply(answers).await;
        let records = stage.scene.upserts(0, [row(1, "x"), row(2, "bad")]);
        assert_eq!(stage.scene.apply(records).await, ["upserted", "check"]);
        assert_eq!(stage.query("SELECT id, body FROM note ORDER BY id").await, ["1|x", "2|by the trigger"]);
        assert_eq!(stage.scene.captured(0).await, told(&[("2", "2|by the trigger")]));
    });
}

/// A trigger that comes between two batches is seen at once.
pub(crate) fn new_triggers_are_noticed() {
    block_on(async {
        let mut stage = Stage::new(&[NOTE], vec![bound("note")]).await;
        let records = stage.scene.upserts(0, rows(1, "x"));
        stage.scene.apply(records).await;
        stage
            .run("CREATE TRIGGER z ON note AFTER UPDATE AS UPDATE note SET body = 'z' WHERE id = 1 AND body <> 'z'")
            .await;
        let records = stage.scene.upserts(0, rows(1, "y"));
        let applied = stage.scene.feed.apply(stage.scene.member.as_mut(), records).await;
        assert_eq!(applied.altered_by_trigger, [(0, id(1))]);
        stage.run("DROP TRIGGER z").await;
        let records = stage.scene.upserts(0, rows(1, "w"));
        let applied = stage.scene.feed.apply(stage.scene.member.as_mut(), records).await;
        assert!(applied.altered_by_trigger.is_empty());
        assert_eq!(stage.query("SELECT id, body FROM note").await, ["1|w"]);
    });
}

/// A member that has just looked does not look again before a batch, but it does soon.
pub(crate) fn new_triggers_are_noticed_soon_between_looks() {
    block_on(async {
        let fixture = SqlServerFixture::new().await;
        let mut user = fixture.client().await;
        user.run(NOTE).await;
        let bindings = vec![bound("note")];
        provisioned(&fixture, &bindings).await;
        let mut settings = fixture.server.settings(&fixture.database);
        settings.look_age = Duration::from_secs(5);
        let connector = SqlServerConnector::new(MemberId::new("hq").unwrap(), GROUP, settings);
        let member = connector.connect(&bindings).await.unwrap();
        let mut scene = Scene::of(Box::new(fixture), bindings, member).await;
        let records = scene.upserts(0, rows(1, "x"));
        scene.apply(records).await;
        user.run("CREATE TRIGGER z ON note AFTER UPDATE AS UPDATE note SET body = 'z' WHERE body <> 'z'")
            .await;
        let until = Instant::now() + Duration::from_secs(7);
        for round in 0.. {
            let records = scene.upserts(0, rows(1, &format!("y{round}")));
            let applied = scene.feed.apply(scene.member.as_mut(), records).await;
            if applied.altered_by_trigger == [(0, id(1))] {
                break;
            }
            assert!(Instant::now() < until, "the trigger was not noticed");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        // A table that has lost a column is noticed by the batch that meets it.
        user.run("DROP TRIGGER z; ALTER TABLE note DROP COLUMN body").await;
        let records = scene.upserts(0, rows(1, "w"));
        let batch = scene.feed.batch(records);
        let error = scene.member.apply(batch, scene.feed.now).await.unwrap_err();
        assert!(error.to_string().contains("body"), "{error}");
    });
}
