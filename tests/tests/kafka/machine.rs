//! Brokers on machines in a bad state: a full disk, a clock that is far off.

use crate::support::{Load, assert_flows, check, eventually, group, kafka_log, told};
use std::time::Duration;
use tributary_testkit::Program;
use tributary_testkit::services::{Broker, BrokerSettings, Tmpfs, shared_registry};

const PATIENCE: Duration = Duration::from_secs(90);

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
