//! kill -9 while batches are applied: rows, tracking and offsets are those of the same batch, the triggers speak again,
//! and applying goes on where it was.
//!
//! The worker is this test binary itself, started again with a test that does nothing on its own.

use crate::block_on;
use crate::stage::{bound, row};
use crate::support::{SqliteFixture, plain_connection, texts};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use tributary_member::Connector as _;
use tributary_member::contract::apply::feed::Feed;
use tributary_member::contract::fixture::{GROUP, id, provisioned};
use tributary_member::sqlite::SqliteConnector;
use tributary_model::MemberId;
use uuid::Uuid;

/// Where the child finds its file.
const PATH: &str = "TRIBUTARY_APPLY_FILE";
const KILLS: usize = 20;
const BATCH: usize = 40;

/// The log's records up to this offset: always the same.
fn feed(length: usize) -> Feed {
    let mut feed = Feed::new(&[bound("note")]);
    feed.log = Uuid::from_u128(7);
    for number in 0..length as i64 {
        let cell = number * 31 % 97;
        if number % 5 == 4 {
            feed.delete(0, &id(cell));
        } else {
            feed.upsert(0, row(cell, &format!("{number} {}", "x".repeat(200))));
        }
    }
    feed
}

/// The child's side; without the variable there is nothing to do.
#[test]
#[ignore = "runs as the child of batches_survive_kill"]
fn child() {
    let Some(path) = std::env::var_os(PATH) else { return };
    block_on(async {
        let connector = SqliteConnector::new(MemberId::new("hq").unwrap(), GROUP, Path::new(&path));
        let mut member = connector.connect(&[bound("note")]).await.unwrap();
        loop {
            let next = member.offsets().await.unwrap().first().map(|offset| offset.next);
            let from = next.unwrap_or(0) as usize;
            let mut feed = feed(from + BATCH);
            feed.applied = next;
            let records = feed.published[from..].to_vec();
            feed.apply(member.as_mut(), records).await;
            let mut out = std::io::stdout().lock();
            writeln!(out, "applied {}", from + BATCH).unwrap();
            out.flush().unwrap();
        }
    });
}

#[test]
fn batches_survive_kill() {
    let fixture = SqliteFixture::new();
    let path = fixture.path();
    plain_connection(&path)
        .execute_batch("CREATE TABLE note (id INTEGER NOT NULL PRIMARY KEY, body TEXT)")
        .unwrap();
    block_on(provisioned(&fixture, &[bound("note")]));
    let mut last = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--ignored", "--nocapture"])
            .env(PATH, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut acknowledged = last;
        for _ in 0..1 + kill % 4 {
            // The harness prints lines of its own.
            acknowledged = lines
                .by_ref()
                .map(|line| line.unwrap())
                .find_map(|line| line.split("applied ").nth(1).and_then(|number| number.trim().parse().ok()))
                .expect("the child ends only when it is killed");
        }
        // Somewhere in the middle of what follows.
        for _ in 0..kill * 20_000 {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        last = check(&fixture, acknowledged, kill as i64);
    }
    assert!(last > 0);
}

/// Compares the file with what the log says up to its offset; returns that.
fn check(fixture: &SqliteFixture, acknowledged: usize, kill: i64) -> usize {
    let user = fixture.connection();
    let one = |sql: &str| texts(&user, sql).remove(0).remove(0);
    assert_eq!(one("PRAGMA integrity_check"), "ok");
    assert_eq!(one("SELECT count(*) FROM \"DataSync_dss_apply\""), "0", "the mark went with its transaction");
    let offset: usize = one("SELECT next_offset FROM \"DataSync_dss_offsets\"").parse().unwrap();
    assert!(offset >= acknowledged && offset.is_multiple_of(BATCH), "{offset} after {acknowledged}");
    let mut wanted: BTreeMap<String, String> = BTreeMap::new();
    for record in &feed(offset).published {
        let number = bound("note").schema.key_values(&record.key).unwrap().remove(0).to_string();
        match record.resolved.as_ref().unwrap().row.as_ref().and_then(|row| row.get(1)) {
            Some(body) => wanted.insert(number, body.to_string()),
            None => wanted.remove(&number),
        };
    }
    let rows = texts(&user, "SELECT id, body FROM note WHERE id < 1000");
    let stand: BTreeMap<String, String> =
        rows.into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
    assert_eq!(stand, wanted);
    assert_eq!(
        one(
            "SELECT count(*) FROM \"DataSync_note_dss_tracking\" WHERE local_version IS NOT NULL AND id < 1000"
        ),
        "0"
    );
    // The triggers are loud, for every row.
    user.execute("INSERT INTO note VALUES (?1, 'mine')", [1000 + kill]).unwrap();
    let local = "SELECT count(*) FROM \"DataSync_note_dss_tracking\" WHERE local_version IS NOT NULL";
    assert_eq!(one(local), (kill + 1).to_string());
    offset
}

/// A connection that goes away in the middle of a batch leaves nothing behind either.
#[test]
fn a_dropped_connection_leaves_nothing() {
    block_on(async {
        let fixture = SqliteFixture::new();
        let user = fixture.connection();
        user.execute_batch("CREATE TABLE note (id INTEGER NOT NULL PRIMARY KEY, body TEXT)").unwrap();
        let mut member = provisioned(&fixture, &[bound("note")]).await;
        let mut feed = feed(10);
        let records = feed.published.clone();
        feed.apply(member.as_mut(), records).await;
        let before = texts(&user, "SELECT * FROM note");
        // What a batch does until just before its commit.
        let half = plain_connection(&fixture.path());
        half.execute_batch(
            "BEGIN IMMEDIATE;
             UPDATE \"DataSync_dss_counter\" SET batch = batch + 1;
             INSERT INTO \"DataSync_dss_apply\" SELECT 1, batch FROM \"DataSync_dss_counter\";
             UPDATE \"DataSync_note_dss_tracking\" SET apply_batch = (SELECT batch FROM \"DataSync_dss_counter\");
             UPDATE note SET body = 'half';",
        )
        .unwrap();
        drop(half);
        assert_eq!(texts(&user, "SELECT * FROM note"), before);
        user.execute_batch("UPDATE note SET body = 'mine' WHERE id = 31").unwrap();
        let page = member.poll(0, &Default::default(), 10).await.unwrap();
        assert_eq!(page.changes.len(), 1);
    });
}
