//! `kill -9` of the whole process at random moments while users write to all members: in the end all members are
//! equal and no acknowledged write is lost.

#![allow(clippy::unwrap_used, reason = "a test")]

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tributary_testkit::{GroupFolder, Obligations, Program, TRAIL_TABLE, Writer, assert_members_equal};

const KILLS: usize = 100;
const MEMBERS: [&str; 3] = ["hq", "cloud", "till"];

#[test]
fn nothing_is_lost_when_the_process_is_killed_a_hundred_times() {
    let seed =
        std::env::args().find_map(|a| a.strip_prefix("seed=")?.parse().ok()).unwrap_or_else(rand::random);
    println!("seed={seed}");
    let group = GroupFolder::new(&MEMBERS, &["Trail"], "");
    for connection in group.connect_all() {
        connection.execute_batch(TRAIL_TABLE).unwrap();
    }
    Program::ok(&group, &["provision"]);
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..)
        .zip(MEMBERS)
        .map(|(number, member)| {
            let mut writer = Writer::new(member, group.connect(member), 60);
            let (done, mut random) = (Arc::clone(&done), StdRng::seed_from_u64(seed ^ number));
            std::thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    writer.write(&mut random).unwrap();
                    std::thread::sleep(Duration::from_micros(random.random_range(0..3_000)));
                }
                writer.finish()
            })
        })
        .collect();
    let mut random = StdRng::seed_from_u64(seed);
    for kill in 0..KILLS {
        let mut program = Program::run(&group);
        std::thread::sleep(Duration::from_millis(random.random_range(20..500)));
        assert!(!program.has_ended(), "run {kill} ended by itself: {}", log_of(&group));
        program.kill();
    }
    done.store(true, Ordering::Relaxed);
    let mut obligations = Obligations::default();
    for writer in writers {
        obligations.join(writer.join().unwrap());
    }
    Program::ok(&group, &["sync", "--timeout", "120s"]);
    let members: Vec<_> = MEMBERS.iter().map(|name| ((*name).to_owned(), group.connect(name))).collect();
    assert_members_equal(&members, &["Trail"]);
    let ledger = Program::ok(&group, &["conflicts", "list", "--limit", "1000000", "--output", "json"]);
    obligations.assert_met(&members[0].1, &ledger);
    println!("{} acknowledged writes, {KILLS} kills", obligations.count());
    Program::assert_no_exceptions(&group);
    Program::ok(&group, &["verify"]);
}

fn log_of(group: &GroupFolder) -> String {
    std::fs::read_to_string(group.path().join("run.log")).unwrap_or_default()
}
