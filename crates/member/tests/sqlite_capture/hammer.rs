//! Writers that never pause while capture polls: every state that was committed last is captured.

use crate::support::{block_on, plain_connection};
use crate::world::{World, schema};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tributary_member::Member as _;
use tributary_member::contract::fixture::{all_told, commit};
use tributary_model::LogicalType as T;

const WRITERS: usize = 2;
const ROUNDS: u64 = 400;
const KEYS: u64 = 40;

/// A small generator, so that a run can be told by its seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

fn write(connection: &rusqlite::Connection, dice: &mut Dice, round: u64) {
    let mut sql = String::from("BEGIN IMMEDIATE;");
    for step in 0..=dice.roll(5) {
        let key = dice.roll(KEYS);
        sql.push_str(&match dice.roll(5) {
            0 => format!("DELETE FROM t WHERE id = {key};"),
            1 => format!("INSERT OR REPLACE INTO t VALUES ({key}, 'u{}', {round});", dice.roll(KEYS)),
            2 => format!("UPDATE OR IGNORE t SET id = {} WHERE id = {key};", dice.roll(KEYS)),
            3 => format!("INSERT INTO t VALUES ({key}, NULL, {step}) ON CONFLICT (id) DO UPDATE SET b = {round} + {step};"),
            _ => format!("UPDATE t SET b = b + 1 WHERE id >= {key};"),
        });
    }
    sql.push_str(if dice.roll(8) == 0 { "ROLLBACK" } else { "COMMIT" });
    connection.execute_batch(&sql).unwrap();
}

#[test]
fn no_change_is_missed_under_fire() {
    let seed = std::process::id();
    eprintln!("seed {seed}");
    let mut world = World::new(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b INT)",
        schema("t", &[("id", T::Long), ("a", T::String), ("b", T::Int)], &["id"]),
    );
    let running = Arc::new(AtomicUsize::new(WRITERS));
    let writers: Vec<_> = (0..WRITERS)
        .map(|number| {
            let (path, running) = (world.fixture.path(), Arc::clone(&running));
            std::thread::spawn(move || {
                let connection = plain_connection(&path);
                let mut dice = Dice(u64::from(seed) * 10 + number as u64);
                for round in 0..ROUNDS {
                    write(&connection, &mut dice, round);
                }
                running.fetch_sub(1, Ordering::SeqCst);
            })
        })
        .collect();
    let mut follower = BTreeMap::new();
    let mut versions = BTreeSet::new();
    let mut token = None;
    let (mut polls, mut more, mut position) = (0, false, tributary_member::TablePosition::default());
    loop {
        let done = running.load(Ordering::SeqCst) == 0;
        // As capture does: without news and with nothing left behind there is no look.
        if !block_on(world.member.has_news()).unwrap() && !more {
            if done {
                break;
            }
            continue;
        }
        let page = block_on(world.member.poll(0, &position, 7)).unwrap();
        for change in &page.changes {
            assert!(versions.insert(change.change.dot.version), "a version came twice");
        }
        follower.extend(all_told(&world.schema, &page.changes));
        (position, more) = (page.next, page.more);
        polls += 1;
        if polls % 50 == 0 {
            // Capture's own commits stand between the writers'.
            block_on(commit(&mut world.member, &mut token, Vec::new()));
        }
    }
    for writer in writers {
        writer.join().unwrap();
    }
    follower.retain(|_, row: &mut String| row != "-");
    let there: BTreeMap<String, String> = world
        .query("SELECT id, id || '|' || coalesce(a, 'NULL') || '|' || coalesce(b, 'NULL') FROM t")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(follower, there);
}
