//! Machines in a bad state: a broker's full disk, a clock that is far off, a process that stands still; and large rows.

use crate::support::{
    Load, MEMBERS, assert_arrives, assert_flows, check, eventually, group, kafka_log, shared_group, told,
};
use std::time::Duration;
use tributary_testkit::services::{Broker, BrokerSettings, Tmpfs, shared_registry};
use tributary_testkit::{Obligations, Program};

const PATIENCE: Duration = Duration::from_secs(240);

/// The broker's disk is full, and the broker gives up; with room again, and the broker back, nothing is lost.
pub(crate) fn a_broker_whose_disk_was_full_has_lost_nothing() {
    let small = Tmpfs::mount(160).unwrap();
    let data = Some(small.path().to_owned());
    // Smaller than by default, as each segment has an index of its full size at first.
    let properties = vec![("log.index.size.max.bytes".to_owned(), "65536".to_owned())];
    let mut broker = Broker::start(BrokerSettings { data, properties, ..BrokerSettings::default() });
    let group = group("full", &kafka_log(&broker.address(), &shared_registry().url()));
    let running = Program::run(&group);
    let load = Load::start(&group, Duration::from_millis(100));
    assert_flows(&group, "hq", "till", 1_000, PATIENCE);
    small.fill();
    eventually("a broker that has given up", PATIENCE, || !broker.is_running() || !broker.answers());
    eventually("a word about it", PATIENCE, || told(&group).contains("failed and will be tried again"));
    small.resize(400);
    broker.kill();
    broker.restart();
    assert_flows(&group, "hq", "till", 1_001, PATIENCE);
    assert_flows(&group, "till", "cloud", 1_002, PATIENCE);
    let obligations = load.stop();
    drop(running);
    check(&group, &obligations);
}

/// The broker's clock, which stamps all records, is an hour ahead: of two changes of a row the later one wins all the
/// same, and all members are equal.
pub(crate) fn a_broker_whose_clock_is_far_off_changes_no_outcome() {
    let broker = Broker::start(BrokerSettings { clock_shift: 3_600, ..BrokerSettings::default() });
    let group = group("clock", &kafka_log(&broker.address(), &shared_registry().url()));
    let order = [("hq", "till"), ("till", "hq"), ("cloud", "hq"), ("till", "cloud")];
    // Nothing runs meanwhile, so nobody has seen the other's change.
    for (key, (earlier, later)) in (500_i64..).zip(order) {
        for member in [earlier, later] {
            let insert = "INSERT INTO Trail (id, trail, touched) VALUES (?1, ?2, 0)";
            group.connect(member).execute(insert, rusqlite::params![key, format!("{member} ")]).unwrap();
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    let running = Program::run(&group);
    Program::ok(&group, &["sync", "--timeout", "120s"]);
    for (key, (_, later)) in (500_i64..).zip(order) {
        let sql = "SELECT trail FROM Trail WHERE id = ?1";
        let stands: String = group.connect("hq").query_row(sql, [key], |row| row.get(0)).unwrap();
        assert_eq!(stands, format!("{later} "), "the later change of row {key}");
    }
    let load = Load::start(&group, Duration::from_millis(100));
    for key in 1_000..1_003 {
        assert_flows(&group, "hq", "till", key, PATIENCE);
    }
    let obligations = load.stop();
    drop(running);
    check(&group, &obligations);
}

/// SIGSTOP of the process that does all the work, for longer than the six seconds after which the broker counts its
/// workers as gone and lets go of their partitions, and than the ten after which it aborts their transactions; then
/// SIGCONT. A minute would show nothing else.
pub(crate) fn a_process_that_stood_still_goes_on() {
    let group = shared_group("still");
    let mut running = Program::run(&group);
    let load = Load::start(&group, Duration::from_millis(20));
    assert_flows(&group, "hq", "till", 1_000, PATIENCE);
    running.pause();
    std::thread::sleep(Duration::from_secs(14));
    running.resume();
    assert_flows(&group, "till", "cloud", 1_001, PATIENCE);
    assert_flows(&group, "cloud", "hq", 1_002, PATIENCE);
    let obligations = load.stop();
    assert!(!running.has_ended(), "the process went on all the while: {}", told(&group));
    drop(running);
    check(&group, &obligations);
}

/// Rows of five megabytes, by brokers as they are set up by default. One that is over a third of the topics' limit is
/// listed at its origin, with the reason, and keeps nobody.
pub(crate) fn rows_of_five_megabytes_go_through() {
    let group = shared_group("megabytes");
    let mut running = Program::run(&group);
    for (key, member) in (1..=6).zip(MEMBERS.into_iter().cycle()) {
        let sql = "INSERT INTO Trail VALUES (?1, hex(zeroblob(2500000)), ?1)";
        group.connect(member).execute(sql, [key]).unwrap();
    }
    for member in MEMBERS {
        for key in 1..=6 {
            assert_arrives(&group, member, "Trail", key, PATIENCE);
        }
    }
    let hq = group.connect("hq");
    hq.execute_batch("INSERT INTO Trail VALUES (100, hex(zeroblob(12000000)), 0), (101, 'small', 0)")
        .unwrap();
    assert_arrives(&group, "till", "Trail", 101, PATIENCE);
    let listed = || Program::ok(&group, &["exceptions", "list"]);
    eventually("the row in the listing", PATIENCE, || listed().contains("a change may take"));
    hq.execute_batch("UPDATE Trail SET trail = 'shorter' WHERE id = 100").unwrap();
    assert_arrives(&group, "till", "Trail", 100, PATIENCE);
    assert!(!running.has_ended());
    drop(running);
    check(&group, &Obligations::default());
}
