//! Disks that are full: who cannot write waits and says so, the others go on, and when there is room all goes on by
//! itself.
//!
//! On real small file systems, which only root can mount; elsewhere these tests are skipped. What a full file means to the
//! adapters and the embedded log is tested without rights beside them, by SQLite's own limit of pages.

use crate::support::{MEMBERS, PATIENCE, assert_flows, await_told, check, execute, number, provisioned};
use std::path::Path;
use std::time::Duration;
use tributary_testkit::services::Tmpfs;
use tributary_testkit::{GroupFolder, Load, Program, TRAIL_TABLE, eventually};

/// Rows that are more than any full disk has room for.
const BURST: &str = "INSERT INTO Trail (id, trail, touched)
    WITH RECURSIVE n(i) AS (SELECT 10000 UNION ALL SELECT i + 1 FROM n WHERE i < 13999)
    SELECT i, hex(randomblob(500)), 0 FROM n";

/// A group whose member, log or data folder may lie elsewhere.
fn group(log: &str, till: &str, extra: &str) -> GroupFolder {
    let place = |member: &str| format!("url: \"sqlite:{member}.db\"");
    let members =
        [("hq", place("hq")), ("cloud", place("cloud")), ("till", format!("url: \"sqlite://{till}\""))];
    GroupFolder::with_members("full", log, &members, &["Trail"], extra)
}

/// A link in the group's folder, so that the kit finds the member's file where it expects it.
fn link(group: &GroupFolder, at: &Path) {
    std::fs::File::create(at).unwrap();
    std::os::unix::fs::symlink(at, group.member_path("till")).unwrap();
}

/// One member's disk is full. The two others go on meanwhile.
pub(crate) fn a_member_without_room_takes_the_rest_when_there_is_some() {
    let small = Tmpfs::mount(8).unwrap();
    let file = small.path().join("till.db");
    let group = group("{ embedded: ./log.db }", file.to_str().unwrap(), "");
    link(&group, &file);
    let group = provisioned(group, TRAIL_TABLE);
    let mut running = Program::run(&group);
    assert_flows(&group, "hq", "till", 1_000);
    let filler = small.fill();
    let load = Load::by(&["hq", "cloud"], &group, Duration::from_millis(20));
    execute(&group, "hq", BURST);
    await_told(&group, "apply till: failed and will be tried again");
    await_told(&group, "no room left for");
    assert_flows(&group, "cloud", "hq", 1_001);
    assert!(!running.has_ended());
    small.resize(200);
    std::fs::remove_file(filler).unwrap();
    assert_flows(&group, "hq", "till", 1_002);
    assert_flows(&group, "till", "cloud", 1_003);
    let obligations = load.stop();
    assert!(!running.has_ended());
    drop(running);
    check(&group, &["Trail"], &obligations);
}

/// The disk that the log lies on is full: users write on, and nothing of theirs is lost.
pub(crate) fn a_log_without_room_takes_the_rest_when_there_is_some() {
    let small = Tmpfs::mount(8).unwrap();
    let log = format!("{{ embedded: {} }}", small.path().join("log.db").display());
    let group = provisioned(GroupFolder::with_log("full", &log, &MEMBERS, &["Trail"], ""), TRAIL_TABLE);
    let mut running = Program::run(&group);
    assert_flows(&group, "hq", "till", 1_000);
    let filler = small.fill();
    let load = Load::start(&group, Duration::from_millis(20));
    execute(&group, "hq", BURST);
    await_told(&group, "capture hq: failed and will be tried again");
    await_told(&group, "no room left for");
    assert!(!running.has_ended());
    small.resize(200);
    std::fs::remove_file(filler).unwrap();
    assert_flows(&group, "hq", "till", 1_001);
    assert_flows(&group, "till", "cloud", 1_002);
    let obligations = load.stop();
    assert!(!running.has_ended());
    drop(running);
    check(&group, &["Trail"], &obligations);
}

/// The disk that the resolver keeps its state on is full.
pub(crate) fn a_resolver_without_room_goes_on_when_there_is_some() {
    let small = Tmpfs::mount(8).unwrap();
    let extra = format!("data_dir: {}\n", small.path().join("data").display());
    let group = provisioned(GroupFolder::new(&MEMBERS, &["Trail"], &extra), TRAIL_TABLE);
    let mut running = Program::run(&group);
    assert_flows(&group, "hq", "till", 1_000);
    let filler = small.fill();
    let load = Load::start(&group, Duration::from_millis(20));
    execute(&group, "hq", BURST);
    await_told(&group, "resolver: failed and will be tried again");
    assert!(!running.has_ended());
    small.resize(200);
    std::fs::remove_file(filler).unwrap();
    let sql = "SELECT count(*) FROM Trail WHERE id >= 10000";
    eventually("all rows in the till", PATIENCE, || number(&group, "till", sql) == 4_000);
    assert_flows(&group, "till", "cloud", 1_002);
    let obligations = load.stop();
    assert!(!running.has_ended());
    drop(running);
    check(&group, &["Trail"], &obligations);
}
