//! Users hammer the very rows that are being applied, with transactions that last, roll back and meet each other: no
//! committed change of theirs is ever overwritten by a record that does not know of it (I2), and in the end member and
//! group hold the same.

use crate::support::{SqlServerFixture, SqlServerUser, block_on};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tributary_member::contract::apply::feed::Scene;
use tributary_member::contract::fixture::{User as _, bind, id, provisioned, table};
use tributary_member::{Applied, ApplyRecord, Disposition, Outcome};
use tributary_model::{Incarnation, KeyBytes, LogicalType, Row, Value};

const CELLS: i64 = 200;
const WRITERS: u64 = 4;
/// Batches while the users hammer.
const BATCHES: usize = 60;

/// Writes until it is told to stop, and notes in the same transaction what was written under which version.
async fn hammer(mut user: SqlServerUser, seed: u64, stop: &AtomicBool, committed: &AtomicUsize) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        number += 1;
        let mut sql = String::from("SET XACT_ABORT ON; BEGIN TRANSACTION;");
        for _ in 0..random.random_range(1..4) {
            let cell = random.random_range(1..=CELLS);
            let write = if random.random_bool(0.3) {
                format!("DELETE FROM note WHERE id = {cell}; SET @changed = @@ROWCOUNT;")
            } else {
                let body = format!("user {seed} {number}");
                format!(
                    "UPDATE note SET body = '{body}' WHERE id = {cell}; SET @changed = @@ROWCOUNT; \
                     IF @changed = 0 BEGIN INSERT INTO note (id, body) VALUES ({cell}, '{body}'); SET @changed = 1; END;"
                )
            };
            sql.push_str(&write.replace("SET @changed = @@ROWCOUNT;", &format!(
                "SET @changed = @@ROWCOUNT; IF @changed > 0 INSERT INTO audit (cell, body, version) SELECT {cell}, \
                 (SELECT body FROM note WHERE id = {cell}), (SELECT local_version FROM [DataSync].[note_dss_tracking] WHERE id = {cell});"
            )));
            // An insert is noted by itself.
            sql = sql.replace("SET @changed = 1; END;", &format!(
                "INSERT INTO audit (cell, body, version) SELECT {cell}, (SELECT body FROM note WHERE id = {cell}), \
                 (SELECT local_version FROM [DataSync].[note_dss_tracking] WHERE id = {cell}); END;"
            ));
        }
        let sql = sql.replacen("BEGIN TRANSACTION;", "DECLARE @changed int; BEGIN TRANSACTION;", 1);
        if random.random_bool(0.1) {
            // Its locks are held for a while.
            let begun = user.attempt(&sql).await.is_ok();
            tokio::time::sleep(Duration::from_millis(random.random_range(20..300))).await;
            let end = if random.random_bool(0.4) { "ROLLBACK" } else { "COMMIT" };
            let ended = user.attempt(&format!("IF @@TRANCOUNT > 0 {end} TRANSACTION")).await.is_ok();
            committed.fetch_add(usize::from(begun && ended && end == "COMMIT"), Ordering::Relaxed);
        } else {
            let end = if random.random_bool(0.1) { "ROLLBACK TRANSACTION" } else { "COMMIT TRANSACTION" };
            match user.attempt(&format!("{sql} {end}")).await {
                Ok(()) => drop(committed.fetch_add(1, Ordering::Relaxed)),
                // A deadlock, or somebody else has inserted the row.
                Err(_) => drop(user.attempt("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION").await),
            }
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(1..30))).await;
    }
}

/// What was applied last to each cell: what it knew of the member's own changes, and its row.
type Written = HashMap<i64, (u64, Option<String>)>;

/// In one snapshot: each cell holds what its user wrote last, or what was applied since in full knowledge of it.
async fn check(user: &mut SqlServerUser, written: &Written) {
    let rows = user
        .query(
            "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; \
             SELECT a.cell, a.body, a.version, n.body FROM (SELECT cell, MAX(id) AS id FROM audit GROUP BY cell) AS m \
             JOIN audit AS a ON a.id = m.id LEFT JOIN note AS n ON n.id = a.cell",
        )
        .await;
    for row in rows {
        let (cell, version): (i64, u64) = (row[0].parse().unwrap(), row[2].parse().unwrap_or(0));
        let text = |at: usize| (row[at] != "NULL").then(|| row[at].clone());
        let (wrote, stands) = (text(1), text(3));
        let known = written.get(&cell).is_some_and(|(knows, row)| *knows >= version && *row == stands);
        assert!(
            stands == wrote || known,
            "cell {cell} holds {stands:?}; its user wrote {wrote:?} as version {version}, and what was applied last is {:?}",
            written.get(&cell)
        );
    }
}

fn body(row: &Row) -> Option<String> {
    match row.get(1) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => None,
    }
}

/// Applies a batch, as often as it gives way to others.
async fn apply(scene: &mut Scene, records: Vec<ApplyRecord>) -> Applied {
    let batch = scene.feed.batch(records);
    for _ in 0..50 {
        match scene.member.apply(batch.clone(), scene.feed.now).await {
            Ok(applied) => {
                scene.feed.applied = Some(batch.offsets[0].next);
                return applied;
            }
            Err(error) => assert_eq!(error.disposition(), Disposition::Retry, "{error:?}"),
        }
    }
    panic!("the batch never got through");
}

pub(crate) fn no_users_change_is_lost() {
    let seed = RandomState::new().hash_one(0);
    println!("seed {seed}");
    block_on(run(seed));
}

async fn run(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let fixture = SqlServerFixture::new().await;
    let mut user = fixture.client().await;
    user.run(
        "CREATE TABLE note (id bigint NOT NULL PRIMARY KEY, body nvarchar(100)); \
         CREATE TABLE audit (id bigint IDENTITY NOT NULL PRIMARY KEY, cell bigint, body nvarchar(100), version bigint)",
    )
    .await;
    let columns = [("id", LogicalType::Long), ("body", LogicalType::String)];
    let bindings = vec![bind(table("note", &columns, &["id"]))];
    let member = provisioned(&fixture, &bindings).await;
    let cells: HashMap<KeyBytes, i64> = (1..=CELLS).map(|cell| (id(cell), cell)).collect();
    let hq = Incarnation::parse("hq").unwrap();
    let (stop, committed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (server, database) = (fixture.server.clone(), fixture.database.clone());
        let (stop, committed) = (Arc::clone(&stop), Arc::clone(&committed));
        writers.push(std::thread::spawn(move || {
            block_on(async {
                let user = server.connect(&database).await;
                hammer(user, seed % 1_000_000 + writer, &stop, &committed).await;
            });
        }));
    }
    let mut scene = Scene::of(Box::new(fixture), bindings, member).await;
    let mut written = Written::new();
    let mut queue: Vec<ApplyRecord> = Vec::new();
    let mut counts: HashMap<&'static str, usize> = HashMap::new();
    let mut number = 0;
    for batch in 0.. {
        // Once the users have stopped, everything drains.
        let last = batch >= BATCHES;
        if last {
            stop.store(true, Ordering::SeqCst);
            writers.drain(..).for_each(|writer| writer.join().unwrap());
        }
        if last || random.random_bool(0.4) {
            queue.extend(scene.answers(0).await);
        }
        if !last {
            for _ in 0..random.random_range(0..30) {
                number += 1;
                let cell = random.random_range(1..=CELLS);
                // Sometimes cloud wins against a concurrent edit, sometimes not.
                scene.feed.cloud_time = random.random_bool(0.5).then_some(i64::MAX);
                queue.push(if random.random_bool(0.2) {
                    scene.feed.delete(0, &id(cell))
                } else {
                    let row = [Value::Long(cell), Value::String(format!("cloud {number}"))];
                    scene.feed.upsert(0, Row::of(row))
                });
            }
        }
        let count = random.random_range(0..=queue.len());
        let records: Vec<ApplyRecord> = queue.drain(..if last { queue.len() } else { count }).collect();
        if last && records.is_empty() && scene.answers(0).await.is_empty() {
            break;
        }
        let outcomes = apply(&mut scene, records.clone()).await.outcomes;
        for (record, outcome) in records.iter().zip(&outcomes) {
            let resolved = record.resolved.as_ref().unwrap();
            if matches!(outcome, Outcome::Upserted | Outcome::Deleted) {
                let row = resolved.row.as_ref().and_then(body);
                written.insert(cells[&record.key], (resolved.vv.get(&hq), row));
            }
            let word = match outcome {
                Outcome::Upserted => "upserted",
                Outcome::Deleted => "deleted",
                Outcome::LocalIsNewer => "local is newer",
                Outcome::SameContent => "same content",
                Outcome::Superseded | Outcome::AlreadyThere => "nothing new",
                other => panic!("{other:?}"),
            };
            *counts.entry(word).or_default() += 1;
        }
        check(&mut user, &written).await;
    }
    println!("{} committed, {counts:?}", committed.load(Ordering::Relaxed));
    assert!(committed.load(Ordering::Relaxed) > BATCHES);
    let rows = user.query("SELECT id, body FROM note").await;
    let stand: HashMap<i64, String> =
        rows.into_iter().map(|row| (row[0].parse().unwrap(), row[1].clone())).collect();
    for cell in 1..=CELLS {
        let group = scene.feed.state(0, &id(cell)).and_then(|state| state.row.as_ref().and_then(body));
        assert_eq!(stand.get(&cell), group.as_ref(), "cell {cell}");
    }
}
