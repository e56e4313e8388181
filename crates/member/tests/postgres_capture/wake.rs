//! Sleeping until something is written.

use crate::world::{World, run};
use std::time::{Duration, Instant};
use tributary_member::Member as _;

pub(crate) fn tests() -> Vec<(&'static str, fn())> {
    tests!("wake": a_commit_wakes_at_once, late_commits_wake_too, nobody_is_notified_while_capture_is_awake)
}

const LONG: Duration = Duration::from_secs(20);

/// Sleeps as capture does: it says so, looks once more, and sleeps.
async fn sleep(world: &mut World) -> Duration {
    world.member.wait_for_news(LONG).await.unwrap();
    assert!(world.changes().await.is_empty(), "nothing was written yet");
    let begun = Instant::now();
    world.member.wait_for_news(LONG).await.unwrap();
    begun.elapsed()
}

async fn a_commit_wakes_at_once() {
    let mut world = World::items().await;
    let other = world.fixture.client().await;
    let writer = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        run(&other, "INSERT INTO item VALUES (1, 'a')").await;
    });
    assert!(sleep(&mut world).await < LONG / 2);
    writer.await.unwrap();
    assert!(world.member.has_news().await.unwrap());
    assert_eq!(world.changes().await.len(), 1);
}

async fn late_commits_wake_too() {
    let mut world = World::items().await;
    let other = world.fixture.client().await;
    // Its trigger ran before capture said that it sleeps.
    run(&other, "BEGIN ISOLATION LEVEL REPEATABLE READ; INSERT INTO item VALUES (1, 'a')").await;
    let writer = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        run(&other, "COMMIT").await;
    });
    assert!(sleep(&mut world).await < LONG / 2);
    writer.await.unwrap();
    assert_eq!(world.changes().await.len(), 1);
}

async fn nobody_is_notified_while_capture_is_awake() {
    let mut world = World::items().await;
    let asleep = "SELECT last_value > extract(epoch FROM now()) FROM \"DataSync\".dss_sleep";
    world.run("INSERT INTO item VALUES (1, 'a')").await;
    assert_eq!(world.query(asleep).await, [["f"]]);
    world.member.wait_for_news(LONG).await.unwrap();
    assert_eq!(world.query(asleep).await, [["t"]]);
    world.member.wait_for_news(Duration::from_millis(1)).await.unwrap();
    assert_eq!(world.query(asleep).await, [["f"]], "a short pause is no sleep");
    world.member.wait_for_news(LONG).await.unwrap();
    // Idle rounds cost no transactions. The server's own workers begin some now and then, so one try may meet them.
    for _ in 0..20 {
        if idle_rounds_are_quiet(&mut world).await {
            return;
        }
    }
    panic!("idle rounds begin transactions");
}

async fn idle_rounds_are_quiet(world: &mut World) -> bool {
    const NEXT: &str = "SELECT pg_snapshot_xmax(pg_current_snapshot())";
    while world.member.has_news().await.unwrap() {}
    let before = world.query(NEXT).await;
    for _ in 0..3 {
        world.member.wait_for_news(Duration::from_millis(25)).await.unwrap();
        if world.member.has_news().await.unwrap() {
            return false;
        }
    }
    world.query(NEXT).await == before
}
