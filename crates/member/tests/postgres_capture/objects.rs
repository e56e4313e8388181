//! Provisioning beside users at work, of large tables, and what it refuses.

use crate::support::PostgresFixture;
use crate::world::{World, item, run};
use std::time::{Duration, Instant};
use tributary_member::contract::fixture::{bind, scan_chunk};
use tributary_member::{ErrorKind, Member as _, Scan, TablePosition};

pub(crate) fn tests() -> Vec<(&'static str, fn())> {
    tests!("objects":
        large_tables_cost_no_write_per_row,
        bulk_statements_are_one_call,
        writers_wait_only_a_moment,
        what_cannot_be_synchronised_is_refused,
        foreign_objects_stop_it,
        a_dry_run_can_be_run_by_hand,
        a_database_that_went_back_is_noticed,
        lost_triggers_order_a_scan,
    )
}

/// What was inserted while a trigger was gone or switched off has no tracking row, and is scanned for.
async fn lost_triggers_order_a_scan() {
    let mut world = World::items().await;
    let mut token = None;
    scan_chunk(&mut world.member, 0, &mut TablePosition::default(), &mut token, 10).await;
    let trigger = "\"item_dss_insert_trigger\"";
    for (lost, number) in [
        (format!("DROP TRIGGER {trigger} ON item"), 1),
        (format!("ALTER TABLE item DISABLE TRIGGER {trigger}"), 2),
    ] {
        world.run(&lost).await;
        world.run(&format!("INSERT INTO item VALUES ({number}, 'unnoticed')")).await;
        world.member.provision().await.unwrap();
        world.ready().await;
        assert_eq!(world.member.scans_ordered(0), number);
        let mut again = TablePosition::default();
        let page = scan_chunk(&mut world.member, 0, &mut again, &mut token, 10).await;
        assert_eq!(page.changes.len() as u32, number, "{lost}");
        world.member.provision().await.unwrap();
        assert_eq!(world.member.scans_ordered(0), number, "once is enough");
    }
}

async fn large_tables_cost_no_write_per_row() {
    let fixture = PostgresFixture::new().await;
    let user = fixture.client().await;
    run(
        &user,
        "CREATE TABLE item (id bigint PRIMARY KEY, name text); \
                INSERT INTO item SELECT n, 'x' FROM generate_series(1, 200000) AS n",
    )
    .await;
    let size = "SELECT pg_relation_size('item'), (SELECT count(*) FROM item WHERE xmax <> 0)";
    let before = crate::support::texts(&user, size).await;
    let mut member = fixture.postgres("hq").open(&[bind(item())]).await.unwrap();
    let begun = Instant::now();
    member.provision().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(crate::support::texts(&user, size).await, before);
    let tracked = crate::support::texts(&user, "SELECT count(*) FROM \"DataSync\".item_dss_tracking").await;
    assert_eq!(tracked, [["0"]]);
    // A chunk is found by the key's index, wherever the scan stands.
    let after = Scan::After(tributary_member::contract::fixture::id(150_000));
    let begun = Instant::now();
    member.scan_bound(0, &after, 1_000).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// A plan that looks at every pair of rows would take hours.
async fn bulk_statements_are_one_call() {
    let mut world = World::items().await;
    let plain = world.fixture.client().await;
    run(&plain, "CREATE TABLE plain (id bigint PRIMARY KEY, name text)").await;
    for (sql, expected) in [
        ("INSERT INTO {} SELECT n, 'x' FROM generate_series(1, 100000) AS n", 100_000),
        ("UPDATE {} SET name = 'y'", 100_000),
        ("UPDATE {} SET name = 'y'", 0),
        ("UPDATE {} SET id = id + 1000000 WHERE id % 2 = 0", 100_000),
        ("DELETE FROM {}", 100_000),
    ] {
        let took = async |table: &str| {
            let begun = Instant::now();
            run(&plain, &sql.replace("{}", table)).await;
            begun.elapsed()
        };
        let (without, with) = (took("plain").await, took("item").await);
        assert!(
            with < without * 20 + Duration::from_secs(5),
            "{sql}: {with:?}, without triggers {without:?}"
        );
        assert_eq!(world.changes().await.len(), expected, "{sql}");
    }
}

async fn writers_wait_only_a_moment() {
    let fixture = PostgresFixture::new().await;
    let (user, other) = (fixture.client().await, fixture.client().await);
    run(&user, "CREATE TABLE item (id bigint PRIMARY KEY, name text)").await;
    run(&user, "BEGIN; INSERT INTO item VALUES (1, 'open')").await;
    let mut settings = fixture.settings("hq");
    settings.provision_lock = Duration::from_millis(200);
    settings.provision_patience = Duration::from_secs(1);
    let id = tributary_model::MemberId::new("hq").unwrap();
    let group = tributary_member::contract::fixture::GROUP;
    let connector = tributary_member::postgres::PostgresConnector::new(id, group, settings);
    let mut member = connector.open(&[bind(item())]).await.unwrap();
    let writer = async {
        let mut slowest = Duration::ZERO;
        for number in 10..40 {
            let begun = Instant::now();
            run(&other, &format!("INSERT INTO item VALUES ({number}, 'x')")).await;
            slowest = slowest.max(begun.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        slowest
    };
    let (provisioned, slowest) = tokio::join!(member.provision(), writer);
    assert_eq!(provisioned.unwrap_err().kind(), ErrorKind::Busy);
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    assert_eq!(crate::support::texts(&user, "SELECT to_regnamespace('\"DataSync\"')").await, [["NULL"]]);
    run(&user, "COMMIT").await;
    member.provision().await.unwrap();
    let page = member.poll(0, &TablePosition::default(), 10).await.unwrap();
    assert_eq!(page.changes, [], "rows from before are the first scan's");
}

async fn what_cannot_be_synchronised_is_refused() {
    for (definition, word) in [
        ("CREATE TABLE item (id bigint PRIMARY KEY, name text) PARTITION BY RANGE (id)", "partitioned"),
        (
            "CREATE TABLE item (id bigint PRIMARY KEY, name text); CREATE TABLE child () INHERITS (item)",
            "inherits",
        ),
        ("CREATE VIEW item AS SELECT 1::bigint AS id, 'x'::text AS name", "view"),
        ("CREATE TABLE item (id bigint PRIMARY KEY DEFERRABLE, name text)", "DEFERRABLE"),
        (
            "CREATE TABLE item (id bigint PRIMARY KEY, name text); CREATE RULE r AS ON UPDATE TO item DO ALSO SELECT 1",
            "rules",
        ),
        ("CREATE TABLE item (id bigint, name text)", "primary key"),
        ("CREATE TABLE item (id bigint PRIMARY KEY, name int[])", "integer[]"),
    ] {
        let fixture = PostgresFixture::new().await;
        run(&fixture.client().await, definition).await;
        let mut member = fixture.postgres("hq").open(&[bind(item())]).await.unwrap();
        let error = member.provision().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

async fn foreign_objects_stop_it() {
    let fixture = PostgresFixture::new().await;
    let user = fixture.client().await;
    run(&user, "CREATE SCHEMA \"DataSync\"; CREATE TABLE \"DataSync\".item_dss_tracking (x int)").await;
    let mut member = fixture.postgres("hq").open(&[bind(item())]).await.unwrap();
    assert_eq!(member.provision().await.unwrap_err().kind(), ErrorKind::NameTaken);
    run(&user, "DROP TABLE \"DataSync\".item_dss_tracking; CREATE TABLE \"DataSync\".mine (x int)").await;
    member.provision().await.unwrap();
    member.deprovision().await.unwrap();
    assert_eq!(member.deprovision().await.unwrap(), []);
    run(&user, "SELECT x FROM \"DataSync\".mine").await;
}

async fn a_dry_run_can_be_run_by_hand() {
    let fixture = PostgresFixture::new().await;
    let user = fixture.client().await;
    let mut member = fixture.postgres("hq").open(&[bind(item())]).await.unwrap();
    for statement in member.plan_provision().await.unwrap() {
        run(&user, &statement.sql).await;
    }
    assert_eq!(member.provision().await.unwrap(), []);
    run(&user, "INSERT INTO item VALUES (1, 'a')").await;
    assert_eq!(member.poll(0, &TablePosition::default(), 10).await.unwrap().changes.len(), 1);
    for statement in member.plan_deprovision().await.unwrap() {
        run(&user, &statement.sql).await;
    }
    assert_eq!(member.deprovision().await.unwrap(), []);
}

async fn a_database_that_went_back_is_noticed() {
    let mut world = World::items().await;
    world.position.live = "99999999:99999999:;;".to_owned();
    let error = world.member.poll(0, &world.position, 10).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongToken);
}
