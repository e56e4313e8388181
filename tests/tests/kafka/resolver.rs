//! Resolvers that die or stand still inside a transaction, lose their state, or find their changes gone.

use crate::support::{Load, assert_flows, check, eventually, group, kafka_log, seed, told};
use crate::tools::{delete_records, topic};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};
use tributary_testkit::services::{Broker, BrokerSettings, shared_broker, shared_registry};
use tributary_testkit::{GroupFolder, Program};

const PATIENCE: Duration = Duration::from_secs(240);

fn resolver(group: &GroupFolder) -> Program {
    Program::run_with(group, &["--role", "resolver"])
}

/// Stops a process by SIGSTOP at a moment when a resolver's transaction is open.
fn pause_inside_a_transaction(broker: &Broker, group: &str, process: &Program) {
    let mut random = StdRng::seed_from_u64(seed());
    let until = Instant::now() + PATIENCE;
    loop {
        process.pause();
        let told = broker.tool("org.apache.kafka.tools.TransactionsCommand", &["list"]);
        let mine = format!("tributary.{group}.resolver.");
        if told.lines().any(|line| line.starts_with(&mine) && line.contains("Ongoing")) {
            return;
        }
        process.resume();
        assert!(Instant::now() < until, "never stopped inside a transaction: {told}");
        std::thread::sleep(Duration::from_millis(random.random_range(100..400)));
    }
}

/// A resolver stands still with an open transaction on resolved partitions. Another one takes its partitions, and must
/// not take what lies before the open transaction for all there is; the first one goes on and must change nothing.
pub(crate) fn a_resolver_that_slept_inside_a_transaction_is_fenced() {
    let broker = Broker::start(BrokerSettings::default());
    let name = "sleeper";
    let group = group(name, &kafka_log(&broker.address(), &shared_registry().url()));
    let _others = Program::run_with(&group, &["--role", "capture,apply"]);
    let zombie = resolver(&group);
    let load = Load::start(&group, Duration::from_millis(40));
    assert_flows(&group, "hq", "till", 1_000, PATIENCE);
    pause_inside_a_transaction(&broker, name, &zombie);
    let successor = resolver(&group);
    assert_flows(&group, "hq", "till", 1_001, PATIENCE);
    zombie.resume();
    assert_flows(&group, "till", "cloud", 1_002, PATIENCE);
    // And once more, the other way round.
    successor.stop();
    assert_flows(&group, "cloud", "hq", 1_003, PATIENCE);
    pause_inside_a_transaction(&broker, name, &zombie);
    let successor = resolver(&group);
    assert_flows(&group, "hq", "till", 1_004, PATIENCE);
    zombie.resume();
    std::thread::sleep(Duration::from_secs(3));
    let obligations = load.stop();
    drop(successor);
    assert_flows(&group, "till", "hq", 1_005, PATIENCE);
    check(&group, &obligations);
}

/// Resolvers are killed inside transactions, twice with their state lost as well: what they had consumed is consumed
/// again.
pub(crate) fn a_resolver_killed_inside_a_transaction_does_it_again() {
    let broker = Broker::start(BrokerSettings::default());
    let name = "aborted";
    let group = group(name, &kafka_log(&broker.address(), &shared_registry().url()));
    let _others = Program::run_with(&group, &["--role", "capture,apply"]);
    let load = Load::start(&group, Duration::from_millis(40));
    for turn in 0..4 {
        let victim = resolver(&group);
        assert_flows(&group, "hq", "till", 1_000 + turn, PATIENCE);
        pause_inside_a_transaction(&broker, name, &victim);
        victim.kill();
        if turn % 2 == 1 {
            std::fs::remove_dir_all(group.path().join(format!("{name}.data"))).unwrap();
        }
    }
    let obligations = load.stop();
    check(&group, &obligations);
}

/// Somebody deletes changes that no resolver has read: members publish theirs again, and nothing is lost.
pub(crate) fn changes_deleted_unread_are_published_again() {
    let name = "deleted";
    let group = group(name, &kafka_log(&shared_broker().address(), &shared_registry().url()));
    let others = Program::run_with(&group, &["--role", "capture,apply"]);
    let first = resolver(&group);
    let load = Load::start(&group, Duration::from_millis(60));
    assert_flows(&group, "hq", "till", 1_000, PATIENCE);
    first.stop();
    std::thread::sleep(Duration::from_secs(3));
    delete_records(shared_broker(), &topic(&group, "changes", "Trail"));
    let before = told(&group).len();
    let second = resolver(&group);
    eventually("a word about the changes that are gone", PATIENCE, || {
        told(&group)[before..].contains("changes were deleted unread")
    });
    assert_flows(&group, "till", "hq", 1_001, PATIENCE);
    let obligations = load.stop();
    Program::ok(&group, &["sync", "--timeout", "120s"]);
    drop((second, others));
    check(&group, &obligations);
}
