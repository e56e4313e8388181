//! The roles as processes of their own: killed, standing by, sharing, stopped for too long.

use crate::support::{Load, MEMBERS, assert_flows, check, eventually, seed, shared_group, told};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};
use tributary_testkit::{GroupFolder, Program};

const KILLS: usize = 25;

/// The arguments of every process of a group that is spread out.
const PROCESSES: [&[&str]; 8] = [
    &["--role", "capture", "--member", "hq"],
    &["--role", "capture", "--member", "cloud"],
    &["--role", "capture", "--member", "till"],
    &["--role", "resolver"],
    &["--role", "resolver"],
    &["--role", "apply", "--member", "hq"],
    &["--role", "apply", "--member", "cloud"],
    &["--role", "apply", "--member", "till"],
];

fn start_all(group: &GroupFolder) -> Vec<Program> {
    PROCESSES.iter().map(|arguments| Program::run_with(group, arguments)).collect()
}

/// Eight processes, one of which is killed every now and then and comes back.
pub(crate) fn killing_each_role_at_random_loses_nothing() {
    let group = shared_group("kills");
    let mut random = StdRng::seed_from_u64(seed());
    let mut running = start_all(&group);
    let load = Load::start(&group, Duration::from_millis(6));
    for _ in 0..KILLS {
        std::thread::sleep(Duration::from_millis(random.random_range(50..1_500)));
        let victim = random.random_range(0..PROCESSES.len());
        let killed = std::mem::replace(&mut running[victim], Program::run_with(&group, PROCESSES[victim]));
        killed.kill();
    }
    let obligations = load.stop();
    assert_flows(&group, "hq", "till", 1_000, Duration::from_secs(60));
    drop(running);
    check(&group, &obligations);
}

/// A member's second capture worker publishes soon after the first one was killed.
pub(crate) fn a_standby_takes_over_within_seconds() {
    let group = shared_group("standby");
    let _others = [Program::run_with(&group, &["--role", "resolver,apply"])];
    let first = Program::run_with(&group, &["--role", "capture"]);
    assert_flows(&group, "hq", "cloud", 1_000, Duration::from_secs(60));
    let _second = Program::run_with(&group, &["--role", "capture"]);
    eventually("a worker that stands by", Duration::from_secs(60), || {
        told(&group).contains("standing by") || told(&group).matches("capture hq: runs").count() >= 2
    });
    let load = Load::start(&group, Duration::from_millis(10));
    first.kill();
    let killed = Instant::now();
    assert_flows(&group, "hq", "cloud", 2_000, Duration::from_secs(30));
    eprintln!("the standby had taken over after {:?}", killed.elapsed());
    let obligations = load.stop();
    Program::ok(&group, &["sync", "--timeout", "120s"]);
    check(&group, &obligations);
}

/// Resolvers come and go under load; partitions move with their state.
pub(crate) fn two_resolvers_share_and_hand_over() {
    let group = shared_group("sharing");
    let _others = Program::run_with(&group, &["--role", "capture,apply"]);
    let mut random = StdRng::seed_from_u64(seed());
    let mut resolvers = vec![Program::run_with(&group, &["--role", "resolver"])];
    let load = Load::start(&group, Duration::from_millis(4));
    for turn in 0..8 {
        std::thread::sleep(Duration::from_millis(random.random_range(500..3_000)));
        if turn % 2 == 0 {
            resolvers.push(Program::run_with(&group, &["--role", "resolver"]));
        } else {
            let gone = resolvers.swap_remove(random.random_range(0..resolvers.len()));
            if [true, false].choose(&mut random) == Some(&true) { gone.kill() } else { gone.stop() }
        }
    }
    let obligations = load.stop();
    assert_flows(&group, "till", "hq", 1_000, Duration::from_secs(60));
    check(&group, &obligations);
}

/// A capture process that was stopped for longer than a transaction may last, while another one took over, publishes
/// nothing when it goes on.
pub(crate) fn a_capture_that_slept_too_long_is_fenced() {
    let group = shared_group("zombie");
    let _others = Program::run_with(&group, &["--role", "resolver,apply"]);
    let zombie = Program::run_with(&group, &["--role", "capture"]);
    let load = Load::start(&group, Duration::from_millis(5));
    for member in MEMBERS {
        assert_flows(
            &group,
            member,
            if member == "hq" { "cloud" } else { "hq" },
            1_000,
            Duration::from_secs(60),
        );
    }
    zombie.pause_outside_of_writes(&group, &MEMBERS);
    let successor = Program::run_with(&group, &["--role", "capture"]);
    assert_flows(&group, "hq", "till", 2_000, Duration::from_secs(60));
    // Longer than transactions and sessions last.
    std::thread::sleep(Duration::from_secs(12));
    zombie.resume();
    std::thread::sleep(Duration::from_secs(5));
    let obligations = load.stop();
    drop(successor);
    assert_flows(&group, "cloud", "till", 3_000, Duration::from_secs(60));
    check(&group, &obligations);
}
