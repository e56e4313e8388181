//! A user hammers the very rows that are being applied: no committed change of the user's is ever overwritten by a
//! record that does not know of it (I2), and in the end member and group hold the same.

use crate::block_on;
use crate::stage::{bound, row};
use crate::support::{SqliteFixture, plain_connection};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tributary_member::contract::apply::feed::Scene;
use tributary_member::contract::fixture::{id, provisioned};
use tributary_member::{ApplyRecord, Connector as _, Outcome};
use tributary_model::{Incarnation, KeyBytes, Row, Value};

const CELLS: i64 = 12;
/// Batches while the user hammers.
const BATCHES: usize = 250;

/// Writes until it is told to stop, and notes in the same transaction what was written under which version.
fn hammer(path: &Path, seed: u64, stop: &AtomicBool) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut user = plain_connection(path);
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        number += 1;
        // SQLite's lock is not fair: let the other side have it too.
        for _ in 0..random.random_range(0..20_000) {
            std::hint::spin_loop();
        }
        let transaction = user.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        for _ in 0..random.random_range(1..4) {
            let cell = random.random_range(1..=CELLS);
            let changed = if random.random_bool(0.3) {
                transaction.execute("DELETE FROM note WHERE id = ?1", [cell]).unwrap()
            } else {
                let body = format!("user {number}");
                let upsert =
                    "INSERT INTO note VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = excluded.body";
                transaction.execute(upsert, params![cell, body]).unwrap()
            };
            if changed > 0 {
                let audit = "INSERT INTO audit (cell, body, version) VALUES (?1, \
                             (SELECT body FROM note WHERE id = ?1), \
                             (SELECT local_version FROM \"DataSync_note_dss_tracking\" WHERE id = ?1))";
                transaction.execute(audit, [cell]).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
}

/// What was applied last to each cell: what it knew of the member's own changes, and its row.
type Applied = HashMap<i64, (u64, Option<String>)>;

/// In one snapshot: each cell holds what its user wrote last, or what was applied since in full knowledge of it.
fn check(user: &mut Connection, applied: &Applied) {
    let snapshot = user.transaction().unwrap();
    for cell in 1..=CELLS {
        let stands: Option<String> = snapshot
            .query_row("SELECT body FROM note WHERE id = ?1", [cell], |row| row.get(0))
            .optional()
            .unwrap();
        let last = snapshot.query_row(
            "SELECT body, version FROM audit WHERE cell = ?1 ORDER BY id DESC LIMIT 1",
            [cell],
            |row| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, u64>(1)?)),
        );
        let Some((body, version)) = last.optional().unwrap() else { continue };
        let known = applied.get(&cell).is_some_and(|(knows, row)| *knows >= version && *row == stands);
        assert!(
            stands == body || known,
            "cell {cell} holds {stands:?}; its user wrote {body:?} as version {version}, and what was applied last is {:?}",
            applied.get(&cell)
        );
    }
}

fn body(row: &Row) -> Option<String> {
    match row.get(1) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => None,
    }
}

async fn run(seed: u64, counts: &mut HashMap<&'static str, usize>) {
    let mut random = StdRng::seed_from_u64(seed);
    let fixture = SqliteFixture::new();
    let path = fixture.path();
    let mut user = fixture.connection();
    user.execute_batch(
        "CREATE TABLE note (id INTEGER NOT NULL PRIMARY KEY, body TEXT);
         CREATE TABLE audit (id INTEGER PRIMARY KEY, cell INTEGER, body TEXT, version INTEGER);",
    )
    .unwrap();
    let bindings = vec![bound("note")];
    provisioned(&fixture, &bindings).await;
    let connector = fixture.sqlite("hq").busy_timeout(Duration::from_secs(60));
    let member = connector.connect(&bindings).await.unwrap();
    let mut scene = Scene::of(Box::new(fixture), bindings, member).await;
    let cells: HashMap<KeyBytes, i64> = (1..=CELLS).map(|cell| (id(cell), cell)).collect();
    let hq = Incarnation::parse("hq").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut writer = {
        let stop = Arc::clone(&stop);
        Some(std::thread::spawn(move || hammer(&path, seed ^ 1, &stop)))
    };
    let mut applied = Applied::new();
    let mut queue: Vec<ApplyRecord> = Vec::new();
    let mut number = 0;
    for batch in 0.. {
        // Once the user has stopped, everything drains.
        let last = batch >= BATCHES;
        if last && let Some(writer) = writer.take() {
            stop.store(true, Ordering::SeqCst);
            writer.join().unwrap();
        }
        if last || random.random_bool(0.4) {
            queue.extend(scene.answers(0).await);
        }
        if !last {
            for _ in 0..random.random_range(0..4) {
                number += 1;
                let cell = random.random_range(1..=CELLS);
                // Sometimes cloud wins against a concurrent edit, sometimes not.
                scene.feed.cloud_time = random.random_bool(0.5).then_some(i64::MAX);
                queue.push(if random.random_bool(0.2) {
                    scene.feed.delete(0, &id(cell))
                } else {
                    scene.feed.upsert(0, row(cell, &format!("cloud {number}")))
                });
            }
        }
        let count = random.random_range(0..=queue.len());
        let batch: Vec<ApplyRecord> = queue.drain(..if last { queue.len() } else { count }).collect();
        if last && batch.is_empty() && scene.answers(0).await.is_empty() {
            break;
        }
        let outcomes = scene.feed.apply(scene.member.as_mut(), batch.clone()).await.outcomes;
        for (record, outcome) in batch.iter().zip(&outcomes) {
            let resolved = record.resolved.as_ref().unwrap();
            if matches!(outcome, Outcome::Upserted | Outcome::Deleted) {
                let row = resolved.row.as_ref().and_then(body);
                applied.insert(cells[&record.key], (resolved.vv.get(&hq), row));
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
        check(&mut user, &applied);
    }
    for cell in 1..=CELLS {
        let stands: Option<String> = user
            .query_row("SELECT body FROM note WHERE id = ?1", [cell], |row| row.get(0))
            .optional()
            .unwrap();
        let group = scene.feed.state(0, &id(cell)).and_then(|state| state.row.as_ref().and_then(body));
        assert_eq!(stands, group, "cell {cell}");
    }
}

#[test]
fn no_users_change_is_lost() {
    let mut counts = HashMap::new();
    for turn in 0..20 {
        let seed = RandomState::new().hash_one(0);
        println!("seed {seed}");
        block_on(run(seed, &mut counts));
        println!("{counts:?}");
        // The two sides must have met: on a busy machine that may take more turns.
        let words = ["upserted", "deleted", "local is newer", "same content"];
        if turn >= 2 && words.iter().all(|word| counts.contains_key(word)) {
            return;
        }
    }
    panic!("they never met: {counts:?}");
}
