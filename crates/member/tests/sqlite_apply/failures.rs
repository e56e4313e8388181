//! What is no refusal: the call fails, nothing is written, and it can be made again.

use crate::block_on;
use crate::stage::{Stage, bound, row, rows};
use crate::support::SqliteFixture;
use std::time::Duration;
use tributary_member::contract::apply::feed::Scene;
use tributary_member::contract::fixture::provisioned;
use tributary_member::{Connector as _, Disposition, ErrorKind};

#[test]
fn a_file_that_a_user_has_locked() {
    block_on(async {
        let fixture = SqliteFixture::new();
        let user = fixture.connection();
        user.execute_batch("CREATE TABLE note (id INTEGER NOT NULL PRIMARY KEY, body TEXT)").unwrap();
        let bindings = vec![bound("note")];
        provisioned(&fixture, &bindings).await;
        let connector = fixture.sqlite("hq").busy_timeout(Duration::from_millis(20));
        let member = connector.connect(&bindings).await.unwrap();
        let mut scene = Scene::of(Box::new(fixture), bindings, member).await;
        let records = scene.upserts(0, rows(3, "x"));
        user.execute_batch("BEGIN IMMEDIATE; INSERT INTO note VALUES (9, 'mine')").unwrap();
        for _ in 0..2 {
            let error = scene.member.apply(scene.feed.batch(records.clone()), 0).await.unwrap_err();
            assert_eq!((error.kind(), error.disposition()), (ErrorKind::Busy, Disposition::Retry));
        }
        assert!(scene.member.offsets().await.unwrap().is_empty());
        user.execute_batch("COMMIT").unwrap();
        assert_eq!(scene.apply(records).await, ["upserted"; 3]);
        assert_eq!(scene.captured(0).await, [("9".to_owned(), "9|mine".to_owned())]);
    });
}

/// A file that must not grow, which is what a full disk is to SQLite: nothing of the batch is there, and with room all of
/// it is written.
#[test]
fn a_file_without_room() {
    block_on(async {
        let fixture = SqliteFixture::new();
        let user = fixture.connection();
        user.execute_batch("CREATE TABLE note (id INTEGER NOT NULL PRIMARY KEY, body TEXT)").unwrap();
        let bindings = vec![bound("note")];
        provisioned(&fixture, &bindings).await;
        let pages: u32 = user.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        let full = fixture.sqlite("hq").most_pages(pages + 4).connect(&bindings).await.unwrap();
        let roomy = fixture.sqlite("hq").connect(&bindings).await.unwrap();
        let mut scene = Scene::of(Box::new(fixture), bindings, full).await;
        let body = "x".repeat(1_000);
        let records = scene.upserts(0, rows(200, &body));
        for _ in 0..2 {
            let error = scene.member.apply(scene.feed.batch(records.clone()), 0).await.unwrap_err();
            assert_eq!((error.kind(), error.disposition()), (ErrorKind::Full, Disposition::Retry));
            assert_eq!(error.code(), "DBS-007");
        }
        assert!(scene.member.offsets().await.unwrap().is_empty());
        let count = || user.query_row("SELECT count(*) FROM note", [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count(), 0, "part of a batch is there");
        // A smaller one fits.
        let small = scene.upserts(0, [row(1_000, "small")]);
        assert_eq!(scene.apply(small).await, ["upserted"]);
        scene.member = roomy;
        assert_eq!(scene.apply(records).await, ["upserted"; 200]);
        assert_eq!(count(), 201);
    });
}

/// A flood of records that wait for one row: they are made due a part at a time, and all of them get there.
#[test]
fn a_flood_of_children() {
    block_on(async {
        const FLOOD: i64 = 10_000;
        let child = tributary_member::contract::fixture::table(
            "child",
            &[("id", tributary_model::LogicalType::Long), ("up", tributary_model::LogicalType::Long)],
            &["id"],
        );
        let mut stage = Stage::new(
            "CREATE TABLE parent (id INTEGER NOT NULL PRIMARY KEY, body TEXT);
             CREATE TABLE child (id INTEGER NOT NULL PRIMARY KEY, up INTEGER REFERENCES parent);",
            vec![bound("parent"), tributary_member::contract::fixture::bind(child)],
        )
        .await;
        let of = |id| {
            tributary_model::Row::of([tributary_model::Value::Long(id), tributary_model::Value::Long(1)])
        };
        let records = stage.scene.upserts(1, (0..FLOOD).map(of));
        assert!(stage.scene.apply(records).await.iter().all(|word| *word == "foreign_key"));
        let parent = stage.scene.upserts(0, [row(1, "at last")]);
        let mut applied = stage.scene.feed.apply(stage.scene.member.as_mut(), parent).await;
        let mut calls = 0;
        while applied.retry_now {
            applied = stage.scene.feed.retry(stage.scene.member.as_mut()).await;
            assert!(applied.outcomes.len() <= 5_000, "{} at once", applied.outcomes.len());
            calls += 1;
            assert!(calls < 10);
        }
        assert!(calls > 1);
        assert_eq!(stage.query("SELECT count(*) FROM child"), [FLOOD.to_string()]);
        assert!(stage.scene.parked().await.is_empty());
    });
}
