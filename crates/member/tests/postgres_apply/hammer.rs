//! Many users hammer the rows that are being applied and captured at the same time: long transactions, rollbacks,
//! savepoints, deadlocks, serialisation failures. No committed change is ever overwritten by a record that does not
//! know of it (I2), what is applied is never captured (I3), and in the end member and group hold the same (I1).
//!
//! Each user notes in the same transaction what was written under which version, and what the tracking row had seen.
//! So the notes of a cell tell its whole history, however the rows were overwritten in between: where `seen` grew from
//! one note to the next, a record was applied, and it must have known of the first.

use crate::block_on;
use crate::stage::{bound, row};
use crate::support::{PostgresFixture, connect, texts};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio_postgres::Client;
use tributary_member::contract::apply::feed::Scene;
use tributary_member::contract::fixture::{id, provisioned};
use tributary_member::{ApplyRecord, Captured, Connector as _, Disposition, Outcome};
use tributary_model::{Incarnation, KeyBytes, Row, Value, VersionVector};

/// Everybody works on so many cells at a time; with every batch they move on by some, so that there are always cells that
/// nobody has touched before, and all the others.
const WINDOW: i64 = 60;
const STEP: i64 = 8;
const USERS: u64 = 8;
/// Batches while the users hammer.
const BATCHES: usize = 60;

/// What users came to.
#[derive(Default)]
struct Counts {
    committed: AtomicU64,
    rolled_back: AtomicU64,
    deadlocks: AtomicU64,
    not_serialisable: AtomicU64,
}

/// Writes until it is told to stop.
async fn hammer(url: String, seed: u64, stop: Arc<AtomicBool>, front: Arc<AtomicI64>, counts: Arc<Counts>) {
    let mut random = StdRng::seed_from_u64(seed);
    let user = connect(&url).await;
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        number += 1;
        match transaction(&user, &mut random, &front, &format!("user {seed} {number}")).await {
            Ok(true) => counts.committed.fetch_add(1, Ordering::SeqCst),
            Ok(false) => counts.rolled_back.fetch_add(1, Ordering::SeqCst),
            Err(error) => {
                user.batch_execute("ROLLBACK").await.unwrap();
                match error.code().map(|code| code.code()) {
                    Some("40P01") => counts.deadlocks.fetch_add(1, Ordering::SeqCst),
                    Some("40001") => counts.not_serialisable.fetch_add(1, Ordering::SeqCst),
                    _ => panic!("{error:?}"),
                }
            }
        };
        tokio::time::sleep(Duration::from_millis(random.random_range(0..15))).await;
    }
}

/// One transaction of a user's; `false` if he changed his mind.
async fn transaction(
    user: &Client,
    random: &mut StdRng,
    front: &AtomicI64,
    name: &str,
) -> Result<bool, tokio_postgres::Error> {
    let level = ["READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"];
    user.batch_execute(&format!("BEGIN ISOLATION LEVEL {}", level[random.random_range(0..4)])).await?;
    for step in 0..random.random_range(1..5) {
        let doubted = random.random_bool(0.2);
        if doubted {
            user.batch_execute("SAVEPOINT doubt").await?;
        }
        let cell = front.load(Ordering::SeqCst) + random.random_range(0..WINDOW);
        statement(user, random, cell, &format!("{name} {step}")).await?;
        if doubted && random.random_bool(0.6) {
            user.batch_execute("ROLLBACK TO doubt").await?;
        }
        if random.random_bool(0.15) {
            // Long enough to be overtaken.
            tokio::time::sleep(Duration::from_millis(random.random_range(0..120))).await;
        }
    }
    let keep = random.random_bool(0.85);
    user.batch_execute(if keep { "COMMIT" } else { "ROLLBACK" }).await?;
    Ok(keep)
}

async fn statement(
    user: &Client,
    random: &mut StdRng,
    cell: i64,
    body: &str,
) -> Result<(), tokio_postgres::Error> {
    let changed = match random.random_range(0..10) {
        0..3 => format!("DELETE FROM note WHERE id = {cell} RETURNING id"),
        3..5 => format!(
            "UPDATE note SET body = '{body}' WHERE id BETWEEN {} AND {cell} RETURNING id",
            cell - random.random_range(0..6)
        ),
        5..6 => format!("INSERT INTO note VALUES ({cell}, '{body}') ON CONFLICT DO NOTHING RETURNING id"),
        _ => format!(
            "INSERT INTO note VALUES ({cell}, '{body}') ON CONFLICT (id) DO UPDATE SET body = excluded.body \
             RETURNING id"
        ),
    };
    let cells: Vec<i64> = user.query(&changed, &[]).await?.iter().map(|row| row.get(0)).collect();
    if !cells.is_empty() {
        let note = "INSERT INTO audit (cell, version, body, seen) \
             SELECT t.id, t.local_version, n.body, t.seen FROM \"DataSync\".note_dss_tracking AS t \
             LEFT JOIN note AS n ON n.id = t.id WHERE t.id = ANY ($1)";
        user.execute(note, &[&cells]).await?;
    }
    Ok(())
}

/// What was applied last to each cell: what it knew of the member's own changes, and its row.
type Applied = HashMap<i64, (u64, Option<String>)>;

/// A user's note.
struct Note {
    version: u64,
    body: Option<String>,
    seen: VersionVector,
}

/// In one snapshot: the users' notes by cell, in order, and the rows.
async fn look(user: &Client) -> (BTreeMap<i64, Vec<Note>>, HashMap<i64, String>) {
    user.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await.unwrap();
    let audit = "SELECT cell, version, body, seen FROM audit ORDER BY cell, version";
    let mut notes: BTreeMap<i64, Vec<Note>> = BTreeMap::new();
    for row in user.query(audit, &[]).await.unwrap() {
        let note = Note {
            version: row.get::<_, i64>(1) as u64,
            body: row.get(2),
            seen: VersionVector::parse(row.get(3)).unwrap(),
        };
        notes.entry(row.get(0)).or_default().push(note);
    }
    let rows = user.query("SELECT id, body FROM note", &[]).await.unwrap();
    user.batch_execute("COMMIT").await.unwrap();
    (notes, rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Each cell holds what its user wrote last, or what was applied since in full knowledge of it; and so it was between
/// any two writes of users'.
async fn check(user: &Client, applied: &Applied, hq: &Incarnation) {
    let (notes, rows) = look(user).await;
    for (cell, notes) in &notes {
        for pair in notes.windows(2) {
            let (first, second) = (&pair[0], &pair[1]);
            assert!(
                second.seen == first.seen || second.seen.get(hq) >= first.version,
                "cell {cell}: version {} ({:?}) was overwritten before version {} by a record that did not know of \
                 it: {}",
                first.version,
                first.body,
                second.version,
                second.seen
            );
        }
        let (last, stands) = (&notes[notes.len() - 1], rows.get(cell));
        let known =
            applied.get(cell).is_some_and(|(knows, row)| *knows >= last.version && row.as_ref() == stands);
        assert!(
            stands == last.body.as_ref() || known,
            "cell {cell} holds {stands:?}; its user wrote {:?} as version {}, and what was applied last is {:?}",
            last.body,
            last.version,
            applied.get(cell)
        );
    }
}

fn body(row: &Row) -> Option<String> {
    match row.get(1) {
        Some(Value::String(text)) => Some(text.clone()),
        _ => None,
    }
}

/// A batch, until it is applied.
async fn apply(scene: &mut Scene, records: Vec<ApplyRecord>, conflicts: &mut u64) -> Vec<Outcome> {
    let batch = scene.feed.batch(records);
    loop {
        match scene.member.apply(batch.clone(), scene.feed.now).await {
            Ok(applied) => {
                scene.feed.applied = Some(batch.offsets[0].next);
                return applied.outcomes;
            }
            Err(error) => {
                assert_eq!(error.disposition(), Disposition::Retry, "{error}");
                *conflicts += 1;
            }
        }
    }
}

async fn run(seed: u64, counts: &mut HashMap<&'static str, u64>) {
    let mut random = StdRng::seed_from_u64(seed);
    let fixture = PostgresFixture::new().await;
    let user = fixture.client().await;
    user.batch_execute(
        "CREATE TABLE note (id bigint PRIMARY KEY, body text); \
         CREATE TABLE audit (cell bigint, version bigint, body text, seen text); \
         DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET deadlock_timeout = ''150ms''', current_database()); END $$",
    )
    .await
    .unwrap();
    let bindings = vec![bound("note")];
    provisioned(&fixture, &bindings).await;
    let member = fixture.postgres("hq").connect(&bindings).await.unwrap();
    let url = fixture.url();
    let mut scene = Scene::of(Box::new(fixture), bindings, member).await;
    let front = Arc::new(AtomicI64::new(1));
    let all = 1..=WINDOW + STEP * (BATCHES as i64 + 1);
    let cells: HashMap<KeyBytes, i64> = all.clone().map(|cell| (id(cell), cell)).collect();
    let hq = Incarnation::parse("hq").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let users = Arc::new(Counts::default());
    let mut writers: Vec<_> = (0..USERS)
        .map(|who| {
            let (stop, front, users) = (Arc::clone(&stop), Arc::clone(&front), Arc::clone(&users));
            tokio::spawn(hammer(url.clone(), seed ^ (who + 1), stop, front, users))
        })
        .collect();
    let mut applied = Applied::new();
    let mut polled: HashMap<i64, u64> = HashMap::new();
    let mut dots: HashSet<(i64, u64)> = HashSet::new();
    let mut queue: Vec<ApplyRecord> = Vec::new();
    let (mut number, mut conflicts) = (0, 0);
    for batch in 0.. {
        // Once the users have stopped, everything drains.
        let last = batch >= BATCHES;
        if last && !writers.is_empty() {
            stop.store(true, Ordering::SeqCst);
            for writer in writers.drain(..) {
                writer.await.unwrap();
            }
        }
        let mut changes: Vec<Captured> = Vec::new();
        if last || random.random_bool(0.4) {
            changes = scene.changes(0).await;
        }
        let idle = changes.is_empty();
        for change in changes {
            let (cell, version) = (cells[&change.key], change.change.dot.version);
            let before = polled.insert(cell, version).unwrap_or(0);
            assert!(before < version, "cell {cell}: version {version} came after {before}");
            dots.insert((cell, version));
            queue.extend(scene.feed.settle(0, &change));
        }
        if !last {
            front.fetch_add(STEP, Ordering::SeqCst);
            for _ in 0..random.random_range(0..40) {
                number += 1;
                let cell = front.load(Ordering::SeqCst) + random.random_range(0..WINDOW);
                // Sometimes cloud wins against a concurrent edit, sometimes not.
                scene.feed.cloud_time = random.random_bool(0.5).then_some(i64::MAX);
                queue.push(if random.random_bool(0.4) {
                    scene.feed.delete(0, &id(cell))
                } else {
                    scene.feed.upsert(0, row(cell, &format!("cloud {number}")))
                });
            }
        }
        let count = if last { queue.len() } else { random.random_range(0..=queue.len()) };
        let records: Vec<ApplyRecord> = queue.drain(..count).collect();
        if last && records.is_empty() && idle {
            break;
        }
        let outcomes = apply(&mut scene, records.clone(), &mut conflicts).await;
        for (record, outcome) in records.iter().zip(&outcomes) {
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
        check(&user, &applied, &hq).await;
    }
    let (notes, rows) = look(&user).await;
    for cell in all {
        let group = scene.feed.state(0, &id(cell)).and_then(|state| state.row.as_ref().and_then(body));
        assert_eq!(rows.get(&cell), group.as_ref(), "cell {cell}");
        let written = notes.get(&cell).map(|notes| notes[notes.len() - 1].version);
        assert_eq!(
            polled.get(&cell).copied(),
            written,
            "cell {cell}: the last change is captured, and nothing else"
        );
    }
    // Nothing was captured but what users wrote.
    let written: HashSet<(i64, u64)> =
        notes.iter().flat_map(|(cell, notes)| notes.iter().map(|note| (*cell, note.version))).collect();
    assert!(dots.is_subset(&written), "echo: {:?}", dots.difference(&written).collect::<Vec<_>>());
    let parked = texts(&user, "SELECT * FROM \"DataSync\".dss_exceptions").await;
    assert!(parked.is_empty(), "{parked:?}");
    let of = |count: &AtomicU64| count.load(Ordering::SeqCst);
    *counts.entry("committed").or_default() += of(&users.committed);
    *counts.entry("rolled back").or_default() += of(&users.rolled_back);
    *counts.entry("users' deadlocks").or_default() += of(&users.deadlocks);
    *counts.entry("not serialisable").or_default() += of(&users.not_serialisable);
    *counts.entry("calls that gave up").or_default() += conflicts;
}

pub(crate) fn no_users_change_is_lost() {
    let mut counts = HashMap::new();
    for turn in 0..6 {
        let seed = RandomState::new().hash_one(0);
        println!("seed {seed}");
        block_on(run(seed, &mut counts));
        println!("{counts:?}");
        // The sides must have met: on a busy machine that may take more turns.
        let words =
            ["upserted", "deleted", "local is newer", "same content", "not serialisable", "users' deadlocks"];
        if turn >= 1 && words.iter().all(|word| counts.get(word).is_some_and(|count| *count > 0)) {
            return;
        }
    }
    panic!("they never met: {counts:?}");
}
