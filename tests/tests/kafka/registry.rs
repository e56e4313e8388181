//! Registries that are down, that fail, and that come back without what they knew.

use crate::support::{
    EXTRA, Load, MEMBERS, add_table, assert_arrives, assert_flows, check, eventually, group, kafka_log, told,
};
use crate::tools::{raw_keys, topic};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tributary_testkit::services::{Front, Registry, RegistrySettings, shared_broker};
use tributary_testkit::{GroupFolder, Program};

const PATIENCE: Duration = Duration::from_secs(240);

/// All processes are started again while no registry answers: what is known is enough. A table that is new needs a
/// registry; a process that is to learn of it waits, says for what, and goes on when the registry is there, which has
/// forgotten everything meanwhile.
pub(crate) fn a_registry_that_is_down_stops_only_what_is_new() {
    let mut registry = Registry::start(RegistrySettings::default());
    let group = group("unregistered", &kafka_log(&shared_broker().address(), &registry.url()));
    registry.kill();
    let known = Program::run(&group);
    let load = Load::start(&group, Duration::from_millis(100));
    for (key, member) in (1_000..).zip(MEMBERS) {
        assert_flows(&group, member, if member == "hq" { "till" } else { "hq" }, key, PATIENCE);
    }
    known.stop();
    add_table(&group, EXTRA);
    let address = registry.url();
    assert_waits(&group, &address, || registry.restart());
    let obligations = load.stop();
    check(&group, &obligations);
}

/// The same with a registry that answers everything with 500.
pub(crate) fn a_registry_that_fails_stops_only_what_is_new() {
    let registry = Registry::start(RegistrySettings::default());
    let front = Front::before(&registry);
    let group = group("failing", &kafka_log(&shared_broker().address(), &front.url()));
    front.answer_with(Some(500));
    let known = Program::run(&group);
    let load = Load::start(&group, Duration::from_millis(100));
    assert_flows(&group, "cloud", "till", 1_000, PATIENCE);
    known.stop();
    add_table(&group, EXTRA);
    assert_waits(&group, "500", || front.answer_with(None));
    let obligations = load.stop();
    check(&group, &obligations);
}

/// A process that meets a table that is new waits for the registry, names what the text says, and after `mend` carries
/// what it carried before; with the members provisioned, the new table too.
fn assert_waits(group: &GroupFolder, names: &str, mend: impl FnOnce()) {
    let before = told(group).len();
    let mut waiting = Program::run(group);
    eventually("a word about the registry", PATIENCE, || {
        let told = told(group);
        told[before..].contains("the schema registry") && told[before..].contains(names)
    });
    let provision = Program::output(group, &["provision"]);
    let said = String::from_utf8_lossy(&provision.stderr).into_owned();
    assert!(!provision.status.success() && said.contains("the schema registry"), "provision said: {said}");
    assert!(!waiting.has_ended(), "it waits: {}", told(group));
    mend();
    assert_flows(group, "hq", "cloud", 2_000, PATIENCE);
    waiting.stop();
    Program::ok(group, &["provision"]);
    let _running = Program::run(group);
    let insert = format!("INSERT INTO {EXTRA} (id, text) VALUES (1, 'new')");
    group.connect("hq").execute(&insert, []).unwrap();
    assert_arrives(group, "till", EXTRA, 1, PATIENCE);
}

/// The registry comes back empty and gives other ids. Keys keep theirs, so that compaction and partitions stay right.
pub(crate) fn a_registry_that_was_rebuilt_moves_no_cell() {
    let mut registry = Registry::start(RegistrySettings::default());
    let group = group("rebuilt", &kafka_log(&shared_broker().address(), &registry.url()));
    let load = Load::start(&group, Duration::from_millis(100));
    let first = Program::run(&group);
    assert_flows(&group, "hq", "till", 1_000, PATIENCE);
    registry.rebuild(37);
    assert_flows(&group, "till", "hq", 1_001, PATIENCE);
    first.stop();
    let before = ids_and_places(&group);
    let second = Program::run(&group);
    assert_flows(&group, "cloud", "till", 1_002, PATIENCE);
    std::thread::sleep(Duration::from_secs(3));
    let obligations = load.stop();
    drop(second);
    check(&group, &obligations);
    for ((kind, was), (_, is)) in before.iter().zip(ids_and_places(&group)) {
        assert!(!was.ids.is_empty() && was.ids == is.ids, "{kind}: {:?}, then {:?}", was.ids, is.ids);
        for (key, partitions) in &is.places {
            assert_eq!(partitions.len(), 1, "{kind}: {key} is in several partitions");
            assert!(was.places.get(key).is_none_or(|place| place == partitions), "{kind}: {key} has moved");
        }
    }
}

/// What the framed keys of a topic say: the ids of their schemas, and in which partitions each key is.
#[derive(Debug, Default)]
struct Keys {
    ids: BTreeSet<String>,
    places: BTreeMap<String, BTreeSet<u32>>,
}

fn ids_and_places(group: &GroupFolder) -> Vec<(&'static str, Keys)> {
    let of = |kind| {
        let mut keys = Keys::default();
        for (partition, key) in raw_keys(shared_broker(), &topic(group, kind, "Trail")) {
            // A zero byte and four of the id.
            let (id, key) = (key[..10].to_owned(), key[10..].to_owned());
            keys.ids.insert(id);
            keys.places.entry(key).or_default().insert(partition);
        }
        (kind, keys)
    };
    vec![of("changes"), of("resolved")]
}
