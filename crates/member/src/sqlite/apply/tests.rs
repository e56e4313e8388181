//! What can only be shown from inside: a disk that is full, and tracking rows that change between read and write.

use super::*;
use crate::contract::apply::feed::{Feed, words};
use crate::contract::fixture::{GROUP, bind, id, table};
use crate::sqlite::keys;
use crate::sqlite::shape::TableSql;
use crate::sqlite::tracking::{Before, Tracking};
use crate::{ErrorKind, Member as _, TableBinding};
use std::path::PathBuf;
use std::sync::Arc;
use tributary_model::{LogicalType, MemberId, Row, Value, VersionVector};

struct Fixture {
    _directory: tempfile::TempDir,
    path: PathBuf,
    bindings: Vec<Arc<TableBinding>>,
    member: SqliteMember,
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("member.db");
    let columns = [("id", LogicalType::Long), ("body", LogicalType::String)];
    let bindings = vec![bind(table("note", &columns, &["id"]))];
    let connector =
        crate::sqlite::SqliteConnector::new(MemberId::new("hq").unwrap(), GROUP, &path).create(true);
    let mut member = connector.open(&bindings).unwrap();
    block_on(member.provision()).unwrap();
    Fixture { _directory: directory, path, bindings, member }
}

fn row(id: i64, length: usize) -> Row {
    Row::of([Value::Long(id), Value::String("x".repeat(length))])
}

/// A full disk is no refusal: nothing is written, nothing parked, and later the same batch goes through.
#[test]
fn a_full_disk_fails_the_call() {
    let mut fixture = fixture();
    let mut feed = Feed::new(&fixture.bindings);
    let first = feed.upsert(0, row(1, 10));
    block_on(feed.apply(&mut fixture.member, vec![first]));
    let connection = &fixture.member.connection;
    let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    let limit = |pages: i64| format!("PRAGMA max_page_count = {pages}");
    for free in 0..6 {
        let connection = &fixture.member.connection;
        connection.query_row(&limit(pages + free), [], |_| Ok(())).unwrap();
        let mut long = Feed::new(&fixture.bindings);
        (long.log, long.applied) = (feed.log, feed.applied);
        // The first fits beside others, the later ones do not.
        let records = (2..40).map(|number| long.upsert(0, row(number, 2_000))).collect();
        let error = block_on(fixture.member.apply(long.batch(records), 0)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Full, "{error}");
        assert!(fixture.member.connection.is_autocommit());
        let count =
            |sql: &str| -> i64 { fixture.member.connection.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(count("SELECT count(*) FROM note"), 1);
        assert_eq!(count("SELECT count(*) FROM \"DataSync_note_dss_tracking\""), 1);
        assert_eq!(count("SELECT count(*) FROM \"DataSync_dss_exceptions\""), 0);
        assert_eq!(count("SELECT next_offset FROM \"DataSync_dss_offsets\""), 1);
    }
    fixture.member.connection.query_row(&limit(1_000_000), [], |_| Ok(())).unwrap();
    let records: Vec<_> = (2..40).map(|number| feed.upsert(0, row(number, 2_000))).collect();
    let applied = block_on(feed.apply(&mut fixture.member, records));
    assert!(words(&applied).iter().all(|word| *word == "upserted"));
}

/// A mark is only made on the tracking row that the decision was made on.
#[test]
fn marks_are_compared_and_set() {
    let mut fixture = fixture();
    states::refresh(&mut fixture.member).unwrap();
    let shapes = shape::refresh(&mut fixture.member).unwrap();
    let sql: &TableSql = &shapes.tables[0].as_ref().unwrap().sql;
    let table = &fixture.member.tables[0];
    let connection = &fixture.member.connection;
    let run = |sql: &str| connection.execute_batch(sql).unwrap();
    let key = keys::stored(table, &id(1)).unwrap();
    let seen = VersionVector::parse("cloud:7").unwrap();
    let mut tracking = Tracking::open(connection, sql).unwrap();
    let misses = |change: &str, tracking: &mut Tracking<'_>| {
        let before = tracking.read(&key).unwrap();
        run(change);
        let stands = || {
            let all = "SELECT local_version, seen, apply_batch FROM \"DataSync_note_dss_tracking\"";
            let mut statement = connection.prepare(all).unwrap();
            let rows = statement
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .unwrap()
                .collect::<rusqlite::Result<Vec<(Option<i64>, String, Option<i64>)>>>();
            rows.unwrap()
        };
        let changed = stands();
        assert!(!tracking.mark(&key, &before, false, &seen, 5).unwrap(), "{change}");
        assert_eq!(stands(), changed, "{change}");
        // Decided again, it holds.
        let before = tracking.read(&key).unwrap();
        assert!(tracking.mark(&key, &before, false, &seen, 6).unwrap(), "{change}");
        assert_eq!(stands(), [(None, "cloud:7".to_owned(), Some(6))], "{change}");
        before
    };
    // There was none, and the user has inserted the row.
    let before = misses("INSERT INTO note VALUES (1, 'mine')", &mut tracking);
    assert!(matches!(before, Before::Local(_)));
    // There was one without a change of the user's, and now there is one with.
    misses("UPDATE note SET body = 'again' WHERE id = 1", &mut tracking);
    // A change was settled, and another one has followed.
    run("UPDATE note SET body = 'third' WHERE id = 1");
    misses("UPDATE note SET body = 'fourth' WHERE id = 1", &mut tracking);
    // Of another life.
    run("UPDATE note SET body = 'fifth' WHERE id = 1");
    misses("UPDATE \"DataSync_note_dss_tracking\" SET local_incarnation = 'hq~2'", &mut tracking);
    drop(tracking);
    assert!(fixture.path.exists());
}
