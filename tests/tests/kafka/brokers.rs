//! Brokers that die, stop, stand still, are not there, are three, and hand their partitions to each other.

use crate::support::{
    Load, MEMBERS, assert_flows, check, eventually, get, group, kafka_log, listening, told,
};
use std::time::Duration;
use tributary_testkit::services::{Broker, BrokerSettings, Cluster, shared_registry};
use tributary_testkit::{GroupFolder, Obligations, Program};

const PATIENCE: Duration = Duration::from_secs(240);

fn group_on(name: &str, brokers: &str) -> GroupFolder {
    group(name, &kafka_log(brokers, &shared_registry().url()))
}

/// The only broker is killed, stopped in order, and stopped by SIGSTOP for longer than sessions and transactions last,
/// while users write and one process does all the work.
pub(crate) fn a_broker_goes_away_in_every_way_and_comes_back() {
    let mut broker = Broker::start(BrokerSettings::default());
    let group = group_on("away", &broker.address());
    let mut running = Program::run(&group);
    let load = Load::start(&group, Duration::from_millis(100));
    assert_flows(&group, "hq", "till", 1_000, PATIENCE);
    broker.kill();
    std::thread::sleep(Duration::from_secs(3));
    broker.restart();
    assert_flows(&group, "hq", "till", 1_001, PATIENCE);
    broker.stop();
    std::thread::sleep(Duration::from_secs(3));
    broker.restart();
    assert_flows(&group, "cloud", "hq", 1_002, PATIENCE);
    broker.pause();
    std::thread::sleep(Duration::from_secs(30));
    broker.resume();
    assert_flows(&group, "till", "cloud", 1_003, PATIENCE);
    let obligations = load.stop();
    assert!(!running.has_ended(), "the process went on all the while: {}", told(&group));
    drop(running);
    check(&group, &obligations);
}

/// Nobody answers when a provisioned group is started: that is told, by text and by the monitoring, and when the
/// broker comes the work begins by itself.
pub(crate) fn without_a_broker_a_process_waits_and_says_so() {
    let mut broker = Broker::start(BrokerSettings::default());
    let address = broker.address();
    let group = group_on("early", &address);
    broker.stop();
    let mut running = Program::run_with(&group, &["--listen", "127.0.0.1:0"]);
    let says = format!("Kafka at {address} cannot be reached");
    eventually("a word about the missing broker", PATIENCE, || told(&group).contains(&says));
    let monitoring = listening(&group);
    let (status, body) = get(&monitoring, "/readyz");
    assert!(status == 503 && body.contains(&address), "readyz: {status} {body}");
    let (status, body) = get(&monitoring, "/healthz");
    assert_eq!(status, 200, "healthz: {body}");
    let load = Load::start(&group, Duration::from_millis(100));
    broker.restart();
    for (key, member) in (1_000..).zip(MEMBERS) {
        assert_flows(&group, member, if member == "hq" { "till" } else { "hq" }, key, PATIENCE);
    }
    eventually("a process that is ready", PATIENCE, || get(&monitoring, "/readyz").0 == 200);
    assert!(!running.has_ended());
    let obligations = load.stop();
    drop(running);
    check(&group, &obligations);
}

/// The broker forgets the transactional ids of those who have been idle for a while, as it does after a week by
/// default: they go on all the same.
pub(crate) fn transactional_ids_that_have_expired_are_taken_anew() {
    let properties = [
        ("transactional.id.expiration.ms", "3000"),
        ("transaction.remove.expired.transaction.cleanup.interval.ms", "500"),
    ];
    let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let broker = Broker::start(BrokerSettings { properties, ..BrokerSettings::default() });
    let group = group_on("idle", &broker.address());
    let mut running = Program::run(&group);
    let pairs = [("hq", "till"), ("till", "cloud"), ("cloud", "hq")];
    for (key, (from, to)) in (1_000..).zip(pairs) {
        assert_flows(&group, from, to, key, PATIENCE);
    }
    let known = || {
        let told = broker.tool("org.apache.kafka.tools.TransactionsCommand", &["list"]);
        told.lines().filter(|line| line.starts_with("tributary.idle.")).count()
    };
    eventually("a broker that has forgotten them", PATIENCE, || known() == 0);
    for (key, (from, to)) in (2_000..).zip(pairs) {
        assert_flows(&group, from, to, key, PATIENCE);
    }
    assert!(!running.has_ended());
    drop(running);
    check(&group, &Obligations::default());
}

/// Of three brokers, of which two must have every record, one is killed and comes back, and all partitions are moved
/// away from one and back by Kafka's own tool, while users write.
pub(crate) fn one_of_three_brokers_dies_and_partitions_move() {
    let mut cluster = Cluster::start(&BrokerSettings::default());
    let brokers = cluster.addresses().replace(',', "\", \"");
    let registry = shared_registry().url();
    let log =
        format!("{{ kafka: {{ brokers: [\"{brokers}\"], registry: \"{registry}\", replication: 3 }} }}");
    let group = group("three", &log);
    let mut running = Program::run(&group);
    let load = Load::start(&group, Duration::from_millis(100));
    assert_flows(&group, "hq", "till", 1_000, PATIENCE);
    let victim = cluster.leader("tributary.three.positions", 0);
    cluster.nodes_mut()[victim].kill();
    assert_flows(&group, "hq", "till", 1_001, PATIENCE);
    assert_flows(&group, "till", "cloud", 1_002, PATIENCE);
    cluster.nodes_mut()[victim].restart();
    cluster.wait_until_in_sync(PATIENCE);
    reassign(&cluster, &[2, 3]);
    assert_flows(&group, "cloud", "hq", 1_003, PATIENCE);
    reassign(&cluster, &[1, 3, 2]);
    assert_flows(&group, "hq", "cloud", 1_004, PATIENCE);
    let obligations = load.stop();
    assert!(!running.has_ended(), "the process went on all the while: {}", told(&group));
    drop(running);
    check(&group, &obligations);
}

/// Gives all partitions of the group to these nodes, the first of which is to lead, and waits until it is done.
fn reassign(cluster: &Cluster, replicas: &[usize]) {
    const TOOL: &str = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
    let node = &cluster.nodes()[0];
    let described =
        node.tool("org.apache.kafka.tools.TopicCommand", &["--describe", "--topic", r"tributary\.three\..*"]);
    let partitions: Vec<_> = described
        .lines()
        .filter_map(|line| {
            let after = |name: &str| line.split(name).nth(1)?.split_whitespace().next();
            Some((after("Topic: ")?, after("\tPartition: ")?))
        })
        .map(|(topic, partition)| {
            format!(r#"{{"topic": "{topic}", "partition": {partition}, "replicas": {replicas:?}}}"#)
        })
        .collect();
    assert!(partitions.len() > 4, "the group has more partitions than these: {described}");
    let plan = tempfile::NamedTempFile::new().unwrap();
    let text = format!(r#"{{"version": 1, "partitions": [{}]}}"#, partitions.join(", "));
    std::fs::write(plan.path(), text).unwrap();
    let path = plan.path().to_str().unwrap();
    node.tool(TOOL, &["--reassignment-json-file", path, "--execute"]);
    eventually("partitions in their new places", PATIENCE, || {
        let told = node.tool(TOOL, &["--reassignment-json-file", path, "--verify", "--preserve-throttles"]);
        !told.contains("in progress")
    });
    node.tool(
        "org.apache.kafka.tools.LeaderElectionCommand",
        &["--election-type", "preferred", "--all-topic-partitions"],
    );
}
