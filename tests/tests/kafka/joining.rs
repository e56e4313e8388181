//! A member that joins while others write, and topics are compacted under everybody.

use crate::support::{Load, MEMBERS, add_member, assert_flows, check, group_of, kafka_log};
use std::time::Duration;
use tributary_testkit::services::{Broker, BrokerSettings, shared_registry};
use tributary_testkit::{Obligations, Program, TRAIL_TABLE};

const PATIENCE: Duration = Duration::from_secs(240);
/// A broker that compacts whatever it can, all the time.
const EAGER: [(&str, &str); 4] = [
    ("log.cleaner.backoff.ms", "200"),
    ("log.cleaner.min.cleanable.ratio", "0.001"),
    ("log.roll.ms", "500"),
    ("log.retention.check.interval.ms", "500"),
];

/// Two members have written for a while, and go on, when a third one with an empty table is filled from the resolved
/// topics, in which compaction runs.
pub(crate) fn a_member_joins_while_topics_are_compacted_and_users_write() {
    let properties = EAGER.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let broker = Broker::start(BrokerSettings { properties, ..BrokerSettings::default() });
    let [first, second, joins] = MEMBERS;
    let log = kafka_log(&broker.address(), &shared_registry().url());
    let group = group_of(&[first, second], "joining", &log);
    let before = Program::run(&group);
    let load = Load::by(&[first, second], &group, Duration::from_millis(20));
    assert_flows(&group, first, second, 1_000, PATIENCE);
    std::thread::sleep(Duration::from_secs(8));
    before.stop();
    add_member(&group, joins);
    group.connect(joins).execute_batch(TRAIL_TABLE).unwrap();
    Program::ok(&group, &["provision"]);
    let running = Program::run(&group);
    assert_flows(&group, second, joins, 1_001, PATIENCE);
    assert_flows(&group, joins, first, 1_002, PATIENCE);
    let joined = Load::by(&[joins], &group, Duration::from_millis(20));
    std::thread::sleep(Duration::from_secs(3));
    let mut obligations = Obligations::default();
    for load in [load, joined] {
        obligations.join(load.stop());
    }
    Program::ok(&group, &["sync", "--timeout", "120s"]);
    drop(running);
    let kept = Program::ok(&group, &["tail", "--topic", "resolved"]).lines().count() as u64;
    assert!(kept < obligations.count() / 2, "{kept} resolved records: nothing was compacted");
    check(&group, &obligations);
}
