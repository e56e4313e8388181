//! Transactions that commit late, stay open, or are taken back in part.

use crate::world::{World, pairs, run};
use tributary_member::contract::fixture::{drain, next_commit};
use tributary_member::{Member as _, NewIncarnation};

pub(crate) fn tests() -> Vec<(&'static str, fn())> {
    tests!("late":
        late_commits_are_found,
        a_long_transaction_hides_nothing,
        large_late_transactions_come_in_pages,
        parts_of_transactions_are_taken_back,
        many_writers_and_no_change_is_lost,
        polling_has_one_plan,
        an_incarnation_waits_for_open_transactions,
    )
}

/// A version that an open transaction was given is of the old name, so that it has to be there when versions in doubt are
/// looked for; and nobody is given one of the old name afterwards.
async fn an_incarnation_waits_for_open_transactions() {
    let mut world = World::items().await;
    let (open, watcher) = (world.fixture.client().await, world.fixture.client().await);
    run(&open, "BEGIN; INSERT INTO item VALUES (1, 'open')").await;
    let token = next_commit(None, Vec::new()).token;
    let new = NewIncarnation { number: 2, expected: None, token };
    let commit = async {
        let waits = "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'item'::regclass";
        while watcher.query(waits, &[]).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
        run(&open, "INSERT INTO item VALUES (2, 'open'); COMMIT").await;
    };
    let (begun, ()) = tokio::join!(world.member.begin_incarnation(&new), commit);
    assert_eq!(begun.unwrap().restated, 2);
    world.run("INSERT INTO item VALUES (3, 'later')").await;
    let changes = world.changes().await;
    let names: Vec<_> = changes.iter().map(|captured| captured.change.dot.incarnation.as_str()).collect();
    assert_eq!(names, ["hq~2"; 3]);
}

async fn late_commits_are_found() {
    let mut world = World::items().await;
    let (early, late) = (world.fixture.client().await, world.fixture.client().await);
    run(&late, "BEGIN; INSERT INTO item VALUES (1, 'late')").await;
    run(&early, "INSERT INTO item VALUES (2, 'early')").await;
    assert_eq!(world.told().await, pairs(&[("2", "2|early")]));
    run(&early, "INSERT INTO item VALUES (3, 'early')").await;
    assert_eq!(world.told().await, pairs(&[("3", "3|early")]));
    run(&late, "COMMIT").await;
    assert_eq!(world.told().await, pairs(&[("1", "1|late")]));
    assert_eq!(world.told().await, pairs(&[]));
}

async fn a_long_transaction_hides_nothing() {
    let mut world = World::items().await;
    let long = world.fixture.client().await;
    run(&long, "BEGIN; INSERT INTO item SELECT n, 'long' FROM generate_series(1000, 3000) AS n").await;
    let back = world.fixture.client().await;
    run(&back, "BEGIN; INSERT INTO item VALUES (5000, 'never')").await;
    // Polls that find nothing leave the position where it is.
    let before = world.position.clone();
    assert_eq!(world.told().await, pairs(&[]));
    assert_eq!(world.position, before);
    for number in 1..20 {
        world.run(&format!("INSERT INTO item VALUES ({number}, 'x')")).await;
        let row = format!("{number}|x");
        assert_eq!(world.told().await, pairs(&[(&number.to_string(), &row)]));
    }
    run(&back, "ROLLBACK").await;
    assert_eq!(world.told().await, pairs(&[]));
    run(&long, "COMMIT").await;
    assert_eq!(world.member.pending(0, &world.position).await.unwrap(), 2001);
    assert_eq!(world.told().await.len(), 2001);
}

async fn large_late_transactions_come_in_pages() {
    let mut world = World::items().await;
    let (one, two) = (world.fixture.client().await, world.fixture.client().await);
    run(&one, "BEGIN; INSERT INTO item SELECT n, 'one' FROM generate_series(1, 25) AS n").await;
    run(&two, "BEGIN; INSERT INTO item SELECT n, 'two' FROM generate_series(101, 125) AS n").await;
    world.run("INSERT INTO item VALUES (1000, 'first')").await;
    assert_eq!(world.told().await.len(), 1);
    run(&two, "COMMIT").await;
    world.run("INSERT INTO item SELECT n, 'third' FROM generate_series(201, 225) AS n").await;
    let mut found = Vec::new();
    let mut late = Some(one);
    loop {
        let page = world.member.poll(0, &world.position, 7).await.unwrap();
        assert!(page.changes.len() <= 7);
        world.position = page.next;
        found.extend(page.changes);
        // Commits while a window is being read.
        if let Some(one) = late.take() {
            run(&one, "COMMIT").await;
        }
        if !page.more {
            break;
        }
    }
    found.extend(drain(&mut world.member, 0, &mut world.position, 7).await);
    let mut keys: Vec<_> = found.iter().map(|change| change.key.clone()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!((found.len(), keys.len()), (75, 75), "all of them, and each once");
}

async fn parts_of_transactions_are_taken_back() {
    let mut world = World::items().await;
    world
        .check(
            "BEGIN; INSERT INTO item VALUES (1, 'a'); SAVEPOINT s; INSERT INTO item VALUES (2, 'b'); \
             UPDATE item SET name = 'c' WHERE id = 1; ROLLBACK TO s; INSERT INTO item VALUES (3, 'd'); RELEASE s; COMMIT",
            &[("1", "1|a"), ("3", "3|d")],
        )
        .await;
    // A function that catches an error has a subtransaction of its own.
    world
        .check(
            "DO $$ BEGIN UPDATE item SET name = 'e' WHERE id = 1; \
             BEGIN UPDATE item SET name = 'f' WHERE id = 3; PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END; \
             END $$",
            &[("1", "1|e")],
        )
        .await;
}

async fn many_writers_and_no_change_is_lost() {
    let mut world = World::items().await;
    let mut writers = Vec::new();
    for writer in 0..6_i64 {
        let client = world.fixture.client().await;
        writers.push(tokio::spawn(async move {
            for round in 0..40_i64 {
                let id = writer * 1000 + round;
                // Some keep their transaction open for a while, some give up.
                let sql = format!(
                    "BEGIN; INSERT INTO item VALUES ({id}, 'x'); UPDATE item SET name = 'y' WHERE id = {}; \
                     SELECT pg_sleep({}); {}",
                    writer * 1000 + round / 2,
                    if round % 7 == writer { 0.05 } else { 0.0 },
                    if round % 5 == 4 { "ROLLBACK" } else { "COMMIT" },
                );
                client.batch_execute(&sql).await.unwrap();
            }
        }));
    }
    let mut latest = std::collections::BTreeMap::new();
    let mut versions = std::collections::BTreeSet::new();
    loop {
        let done = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let page = world.member.poll(0, &world.position, 13).await.unwrap();
        world.position = page.next;
        for change in &page.changes {
            assert!(versions.insert(change.change.dot.version), "no change comes twice");
            let (key, row) = tributary_member::contract::fixture::told(&world.schema, change);
            latest.insert(key, row);
        }
        if done && !page.more && page.changes.is_empty() {
            break;
        }
    }
    let rows = world.query("SELECT id, id || '|' || name FROM item").await;
    let rows: std::collections::BTreeMap<String, String> =
        rows.into_iter().map(|mut row| (row.remove(0), row.remove(0))).collect();
    assert_eq!(latest, rows);
}

/// Whatever statistics say, or do not: the changes come by their index, each row by its key, nothing is sorted.
async fn polling_has_one_plan() {
    let mut world = World::items().await;
    world.run("INSERT INTO item SELECT n, 'x' FROM generate_series(1, 20000) AS n").await;
    for statistics in ["", "ANALYZE", "DELETE FROM item; INSERT INTO item VALUES (1, 'x')", "ANALYZE"] {
        world.run(statistics).await;
        let polled = world.member.explain_poll(0).await.unwrap();
        assert!(polled.contains("Index Scan using item_dss_changes"), "{polled}");
        assert!(polled.contains("Index Scan using item_pkey"), "{polled}");
        for other in ["Seq Scan", "Sort", "Hash", "Merge", "Bitmap"] {
            assert!(!polled.contains(other), "{polled}");
        }
    }
}
