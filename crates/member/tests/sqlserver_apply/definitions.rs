//! What a table's definition can have that applying must not trip over, and who else may be at work.

use crate::stage::{Stage, bound, row, rows};
use crate::support::{SqlServerFixture, block_on};
use std::sync::Arc;
use std::time::Duration;
use tributary_member::contract::apply::feed::Scene;
use tributary_member::contract::fixture::{GROUP, User as _, bind, id, key_of, provisioned, table};
use tributary_member::sqlserver::SqlServerConnector;
use tributary_member::{Connector as _, ErrorKind, RefillStep, TableBinding, TableState};
use tributary_model::{ForeignKey, LogicalType, MemberId, OnDelete, Row, TableName, Value};
use uuid::Uuid;

/// Rows come with their own numbers; the server's go on for users.
pub(crate) fn identity_columns() {
    block_on(async {
        let mut stage = Stage::new(
            &["CREATE TABLE note (id bigint IDENTITY (100, 1) NOT NULL PRIMARY KEY, body nvarchar(100) CHECK (body <> 'bad'))"],
            vec![bound("note")],
        )
        .await;
        let records = stage.scene.upserts(0, [row(5, "a"), row(7, "b"), row(8, "bad")]);
        assert_eq!(stage.scene.apply(records).await, ["upserted", "upserted", "check"]);
        let mut records = stage.scene.upserts(0, [row(5, "c")]);
        records.extend(stage.scene.deletes(0, [id(7)]));
        assert_eq!(stage.scene.apply(records).await, ["upserted", "deleted"]);
        stage.run("INSERT INTO note (body) VALUES ('mine')").await;
        let stands = stage.query("SELECT body FROM note ORDER BY id").await;
        assert!(stands.contains(&"c".to_owned()) && stands.contains(&"mine".to_owned()), "{stands:?}");
        assert_eq!(stage.scene.captured(0).await.len(), 1);
    });
}

/// A table of nothing but its key, whose columns the group has in another order.
pub(crate) fn tables_of_keys_alone() {
    block_on(async {
        let columns = [("b", LogicalType::String), ("a", LogicalType::Int)];
        let schema = table("pair", &columns, &["a", "b"]);
        let mut stage = Stage::new(
            &["CREATE TABLE pair (a int NOT NULL, b varchar(20) NOT NULL, PRIMARY KEY (b, a))"],
            vec![bind(schema.clone())],
        )
        .await;
        let pair = |a, b: &str| Row::of([Value::String(b.to_owned()), Value::Int(a)]);
        let records = stage.scene.upserts(0, [pair(1, "x"), pair(1, "y"), pair(2, "x")]);
        assert_eq!(stage.scene.apply(records).await, ["upserted"; 3]);
        // The same once more, as another version.
        let records = stage.scene.upserts(0, [pair(1, "x")]);
        assert_eq!(stage.scene.apply(records).await, ["upserted"]);
        let keys: Vec<_> =
            [pair(1, "x"), pair(7, "z")].iter().map(|row| schema.key_of(row).unwrap()).collect();
        let deletes = stage.scene.deletes(0, keys);
        assert_eq!(stage.scene.apply(deletes).await, ["deleted", "deleted"]);
        assert_eq!(stage.query("SELECT a, b FROM pair ORDER BY a, b").await, ["1|y", "2|x"]);
        assert!(stage.scene.captured(0).await.is_empty());
    });
}

/// Keys that the table takes for equal and the group does not.
pub(crate) fn keys_that_only_a_collation_makes_equal() {
    block_on(async {
        let schema = table("word", &[("w", LogicalType::String), ("n", LogicalType::Long)], &["w"]);
        let mut stage = Stage::new(
            &["CREATE TABLE word (w nvarchar(20) COLLATE Latin1_General_CI_AS NOT NULL PRIMARY KEY, n bigint)"],
            vec![bind(schema)],
        )
        .await;
        let word = |w: &str, n| Row::of([Value::String(w.to_owned()), Value::Long(n)]);
        let records = stage.scene.upserts(0, [word("abc", 1), word("b", 2)]);
        stage.scene.apply(records).await;
        let records = stage.scene.upserts(0, [word("ABC", 3)]);
        assert_eq!(stage.scene.apply(records).await, ["unique"]);
        let stands = stage.query("SELECT w, n FROM word ORDER BY n").await;
        assert_eq!(stands, ["abc|1", "b|2"], "another cell's row is left alone");
        let keys = ["B", "abc"].map(|w| key_of(LogicalType::String, Value::String(w.into())));
        let deletes = stage.scene.deletes(0, keys);
        assert_eq!(stage.scene.apply(deletes).await, ["deleted", "deleted"]);
        assert_eq!(stage.query("SELECT w, n FROM word").await, ["b|2"]);
        stage.scene.feed.wait(1);
        assert_eq!(stage.scene.retry().await, ["upserted"]);
        assert_eq!(stage.query("SELECT w, n FROM word ORDER BY n").await, ["b|2", "ABC|3"]);
    });
}

/// A circle of tables in which one reference cannot be NULL.
pub(crate) fn circles_that_cannot_be_null() {
    block_on(async {
        let referring = |name: &str, to: &str| {
            let mut schema = table(name, &[("id", LogicalType::Long), ("up", LogicalType::Long)], &["id"]);
            schema.foreign_keys.push(ForeignKey {
                columns: vec![1],
                references: TableName::new(to),
                referenced_columns: vec!["id".to_owned()],
                on_delete: OnDelete::Refuse,
            });
            bind(schema)
        };
        let mut stage = Stage::new(
            &["CREATE TABLE team (id bigint NOT NULL PRIMARY KEY, up bigint NULL); \
               CREATE TABLE man (id bigint NOT NULL PRIMARY KEY, up bigint NOT NULL REFERENCES team (id)); \
               ALTER TABLE team ADD CONSTRAINT lead FOREIGN KEY (up) REFERENCES man (id)"],
            vec![referring("man", "team"), referring("team", "man")],
        )
        .await;
        let of = |id, up| Row::of([Value::Long(id), Value::Long(up)]);
        let mut records = stage.scene.upserts(0, [of(1, 10), of(2, 10), of(3, 99)]);
        records.extend(stage.scene.upserts(1, [of(10, 1), of(11, 3)]));
        let words = stage.scene.apply(records).await;
        assert_eq!(words, ["upserted", "upserted", "foreign_key", "upserted", "foreign_key"]);
        assert_eq!(stage.query("SELECT id, up FROM team").await, ["10|1"]);
        let mut deletes = stage.scene.deletes(1, [id(10)]);
        deletes.extend(stage.scene.deletes(0, [id(1), id(2)]));
        assert_eq!(stage.scene.apply(deletes).await, ["deleted"; 3]);
        assert!(stage.scene.captured(0).await.is_empty() && stage.scene.captured(1).await.is_empty());
    });
}

/// Of two workers that go on from the same offset, one finds it moved.
pub(crate) fn two_workers_with_one_offset() {
    block_on(async {
        let mut stage = Stage::new(
            &["CREATE TABLE note (id bigint NOT NULL PRIMARY KEY, body nvarchar(100))"],
            vec![bound("note")],
        )
        .await;
        let records = stage.scene.upserts(0, rows(2, "x"));
        let batch = stage.scene.feed.batch(records);
        let mut other = stage.scene.fixture.connector("hq").connect(&stage.scene.bindings).await.unwrap();
        stage.scene.member.apply(batch.clone(), 0).await.unwrap();
        assert_eq!(other.apply(batch, 0).await.unwrap_err().kind(), ErrorKind::OffsetMoved);
        assert_eq!(stage.query("SELECT COUNT(*) FROM note").await, ["2"]);
    });
}

/// A connection that goes away in the middle of a batch leaves nothing behind.
pub(crate) fn dropped_connections_leave_nothing() {
    block_on(async {
        let fixture = SqlServerFixture::new().await;
        let mut user = fixture.client().await;
        user.run("CREATE TABLE note (id bigint NOT NULL PRIMARY KEY, body nvarchar(100))").await;
        let bindings = vec![bound("note")];
        let member = provisioned(&fixture, &bindings).await;
        let mut half = fixture.client().await;
        let mut scene = Scene::of(Box::new(fixture), bindings, member).await;
        let records = scene.upserts(0, rows(3, "x"));
        scene.apply(records).await;
        // What a batch does until just before its commit.
        half.run("EXEC sys.sp_set_session_context @key = N'dss_apply', @value = 99").await;
        half.run("BEGIN TRANSACTION").await;
        half.run("UPDATE [DataSync].[note_dss_tracking] SET apply_batch = 99; UPDATE note SET body = 'half'")
            .await;
        drop(half);
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        user.run("UPDATE note SET body = 'mine' WHERE id = 2").await;
        assert_eq!(scene.captured(0).await, [("2".to_owned(), "2|mine".to_owned())]);
        let mut stands = user.query("SELECT body FROM note ORDER BY id").await;
        assert_eq!(stands.remove(0), ["x"]);
    });
}

/// A batch of more rows than one statement writes, and than the server locks one by one.
pub(crate) fn large_batches() {
    block_on(async {
        let mut stage = Stage::new(
            &["CREATE TABLE note (id bigint NOT NULL PRIMARY KEY, body nvarchar(100) CHECK (body <> 'bad'))"],
            vec![bound("note")],
        )
        .await;
        let mut all = rows(2_500, "x");
        all[1_234] = row(1_235, "bad");
        let records = stage.scene.upserts(0, all);
        let words = stage.scene.apply(records).await;
        assert_eq!(words.iter().filter(|word| **word == "upserted").count(), 2_499);
        assert_eq!(words[1_234], "check");
        assert_eq!(stage.query("SELECT COUNT(*) FROM note").await, ["2499"]);
        assert!(stage.scene.captured(0).await.is_empty());
    });
}

/// Defaults of several types are told from what somebody has given, byte for byte; what a function gave to each row gives
/// way to the group's.
pub(crate) fn defaults_are_told_from_what_was_given() {
    block_on(async {
        let texts = [("word", LogicalType::String), ("tale", LogicalType::String)];
        let others =
            [("price", LogicalType::Decimal { precision: 10, scale: 2 }), ("day", LogicalType::Date)];
        let columns: Vec<(&str, LogicalType)> = [("id", LogicalType::Long), ("body", LogicalType::String)]
            .into_iter()
            .chain(texts)
            .chain(others)
            .chain([("mark", LogicalType::Uuid)])
            .collect();
        let whole = bind(table("note", &columns, &["id"]));
        let mut poor = TableBinding::clone(&whole);
        poor.local_columns[2..].fill(None);
        let mut stage = Stage::new(
            &[
                "CREATE TABLE note (id bigint NOT NULL PRIMARY KEY, body nvarchar(100))",
                "INSERT INTO note VALUES (1, 'one'), (2, 'two'), (3, 'three')",
            ],
            vec![Arc::new(poor)],
        )
        .await;
        for column in [
            "word varchar(10) COLLATE SQL_Latin1_General_CP1_CI_AS NOT NULL DEFAULT N'Käfer'",
            "tale nvarchar(max) DEFAULT 'a'",
            "price decimal(10,2) DEFAULT 1.5",
            "day date DEFAULT CAST('2020-01-01' AS date)",
            "mark uniqueidentifier NOT NULL DEFAULT NEWID()",
        ] {
            stage.run(&format!("ALTER TABLE note ADD {column}")).await;
        }
        stage
            .run("UPDATE note SET word = N'käfer', tale = 'a', price = 1.5, day = '2020-01-01' WHERE id = 2")
            .await;
        stage.run("UPDATE note SET tale = 'a ', day = '2020-01-02' WHERE id = 3").await;
        stage.scene.changes(0).await;
        stage.scene.bindings = vec![Arc::clone(&whole)];
        stage.scene.member = provisioned(stage.scene.fixture.as_ref(), &stage.scene.bindings).await;
        let wanted = |key: i64| {
            (
                id(key),
                Row::of([
                    Value::Long(key),
                    Value::String("whatever".to_owned()),
                    Value::String("Wölfe".to_owned()),
                    Value::String("b".to_owned()),
                    Value::Decimal("2.25".parse().unwrap()),
                    Value::Date(0),
                    Value::Uuid(Uuid::from_u128(7)),
                ]),
            )
        };
        let cells = vec![wanted(1), wanted(2), wanted(3)];
        let step = RefillStep { table: 0, cells, expected: String::new(), next: None };
        assert_eq!(stage.scene.member.refill(&step).await.unwrap(), None);
        let stands = stage
            .query("SELECT CAST(word AS nvarchar(10)), tale, CAST(price AS varchar(10)), CAST(day AS varchar(10)), CAST(mark AS varchar(36)) FROM note ORDER BY id")
            .await;
        let mark = "00000000-0000-0000-0000-000000000007";
        assert_eq!(stands[0], format!("Wölfe|b|2.25|1970-01-01|{mark}"));
        assert_eq!(stands[1], format!("käfer|b|2.25|1970-01-01|{mark}"), "only the case was another");
        assert_eq!(stands[2], format!("Wölfe|a |2.25|2020-01-02|{mark}"), "a blank is a difference");
        let mut changed: Vec<_> = stage.scene.captured(0).await.into_iter().map(|(key, _)| key).collect();
        changed.sort();
        assert_eq!(changed, ["2", "3"]);
    });
}

/// What the server numbers by itself cannot be filled, and is not taken up.
pub(crate) fn a_column_that_the_server_numbers_is_not_filled() {
    block_on(async {
        let columns =
            [("id", LogicalType::Long), ("body", LogicalType::String), ("number", LogicalType::Long)];
        let whole = bind(table("note", &columns, &["id"]));
        let mut poor = TableBinding::clone(&whole);
        poor.local_columns[2] = None;
        let mut stage = Stage::new(
            &["CREATE TABLE note (id bigint NOT NULL PRIMARY KEY, body nvarchar(100))"],
            vec![Arc::new(poor)],
        )
        .await;
        stage.run("ALTER TABLE note ADD number bigint IDENTITY (1, 1) NOT NULL").await;
        let mut grown = stage.scene.fixture.connector("hq").connect(&[whole]).await.unwrap();
        let refused = grown.provision().await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Unsupported);
        assert!(refused.to_string().contains("number"), "{refused}");
        assert_eq!(
            stage.scene.member.table_states().await.unwrap(),
            [TableState::Ready],
            "it goes on without"
        );
    });
}

/// A worker that has not noticed yet that its table was provisioned with another column writes nothing into columns that it
/// does not mean, and looks again.
pub(crate) fn a_table_that_gains_a_column_between_looks() {
    block_on(async {
        let columns =
            [("id", LogicalType::Long), ("front", LogicalType::String), ("body", LogicalType::String)];
        let whole = bind(table("note", &columns, &["id"]));
        let mut poor = TableBinding::clone(&whole);
        poor.local_columns[1] = None;
        let fixture = SqlServerFixture::new().await;
        let mut user = fixture.client().await;
        user.run("CREATE TABLE note (id bigint NOT NULL PRIMARY KEY, body nvarchar(100))").await;
        let poor = vec![Arc::new(poor)];
        provisioned(&fixture, &poor).await;
        let mut settings = fixture.server.settings(&fixture.database);
        settings.look_age = Duration::from_secs(60);
        let connector = SqlServerConnector::new(MemberId::new("hq").unwrap(), GROUP, settings);
        let member = connector.connect(&poor).await.unwrap();
        let mut scene = Scene::of(Box::new(fixture), poor, member).await;
        let value = |text: &str| Value::String(text.to_owned());
        let records = scene.upserts(0, [Row::of([Value::Long(1), value("f"), value("b")])]);
        scene.apply(records).await;
        user.run("ALTER TABLE note ADD front nvarchar(100)").await;
        provisioned(scene.fixture.as_ref(), &[whole]).await;
        let records = scene.upserts(0, [Row::of([Value::Long(1), value("g"), value("c")])]);
        let batch = scene.feed.batch(records);
        let error = scene.member.apply(batch, scene.feed.now).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TableChanged, "{error}");
        assert_eq!(user.query("SELECT id, front, body FROM note").await, [["1", "NULL", "b"]]);
    });
}
