//! Pauses that end when something is written.

use crate::block_on;
use crate::world::{World, schema};
use std::time::{Duration, Instant};
use tributary_member::Member as _;
use tributary_model::LogicalType as T;

const LONG: Duration = Duration::from_secs(20);
/// Long enough for the watch to begin, and for its word to arrive.
const PAUSE: Duration = Duration::from_millis(50);

fn items() -> World {
    let definition = "CREATE TABLE item (id INTEGER PRIMARY KEY, body TEXT)";
    World::new(definition, schema("item", &[("id", T::Long), ("body", T::String)], &["id"]))
}

/// Looks and waits as capture does until the member has told something, though nobody writes.
async fn believed(world: &mut World) {
    for _ in 0..200 {
        world.member.has_news().await.unwrap();
        world.member.wait_for_news(PAUSE).await.unwrap();
        if world.member.tells_news() {
            return;
        }
    }
    panic!("the member never told anything");
}

#[test]
fn a_commit_ends_a_pause_at_once() {
    let mut world = items();
    block_on(async {
        believed(&mut world).await;
        // What rang before may end one more pause.
        while world.member.has_news().await.unwrap() {
            world.member.wait_for_news(PAUSE).await.unwrap();
        }
        let path = world.fixture.path();
        let begun = Instant::now();
        let writer = std::thread::spawn(move || {
            // By then pauses are long.
            std::thread::sleep(Duration::from_millis(1_500));
            let user = rusqlite::Connection::open(path).unwrap();
            user.execute_batch("INSERT INTO item VALUES (1000, 'later')").unwrap();
        });
        while !world.member.has_news().await.unwrap() {
            world.member.wait_for_news(LONG).await.unwrap();
        }
        assert!(begun.elapsed() < LONG / 2, "{:?}", begun.elapsed());
        writer.join().unwrap();
    });
}

/// The WAL is written to before it is flushed, and only then does anybody see the commit: whoever was woken in between and
/// found nothing must not sleep on.
#[test]
fn a_commit_that_is_seen_after_the_word_of_it_is_found() {
    let mut world = items();
    block_on(async {
        believed(&mut world).await;
        let wal = world.fixture.path().with_extension("db-wal");
        let file = std::fs::File::options().append(true).open(&wal).unwrap();
        file.set_modified(file.metadata().unwrap().modified().unwrap()).unwrap();
        let begun = Instant::now();
        let mut looks = 0;
        while begun.elapsed() < Duration::from_millis(700) {
            assert!(!world.member.has_news().await.unwrap());
            world.member.wait_for_news(LONG).await.unwrap();
            looks += 1;
        }
        assert!(begun.elapsed() < LONG / 2 && looks >= 3, "{looks} looks in {:?}", begun.elapsed());
    });
}

/// A pause in which nothing is written lasts as long as it was to.
#[test]
fn an_idle_member_is_left_alone() {
    let mut world = items();
    block_on(async {
        believed(&mut world).await;
        let mut longest = Duration::ZERO;
        for _ in 0..50 {
            world.member.has_news().await.unwrap();
            let begun = Instant::now();
            world.member.wait_for_news(4 * PAUSE).await.unwrap();
            longest = longest.max(begun.elapsed());
            if longest >= 4 * PAUSE {
                return;
            }
        }
        panic!("no pause was longer than {longest:?}");
    });
}
