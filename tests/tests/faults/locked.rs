//! A process that stands still, and a member that somebody has locked.

use crate::support::{MEMBERS, PATIENCE, assert_flows, await_told, check, execute, number, status, trails};
use std::time::Duration;
use tributary_testkit::{Load, Program, eventually};

/// Longer than the six seconds after which a worker counts as gone, and than any wait for a lock: nothing in the program
/// waits longer for itself, so that a minute would show nothing else.
const STILL: Duration = Duration::from_secs(8);

/// SIGSTOP in the middle of the work, while users write on; then SIGCONT.
pub(crate) fn a_process_that_stood_still_goes_on() {
    let group = trails();
    let mut running = Program::run(&group);
    let load = Load::start(&group, Duration::from_millis(10));
    assert_flows(&group, "hq", "till", 1_000);
    running.pause();
    std::thread::sleep(STILL);
    running.resume();
    assert_flows(&group, "till", "cloud", 1_001);
    let obligations = load.stop();
    assert!(!running.has_ended());
    // Edits in turns, each made on top of what the other member wrote last: nothing of that is a conflict, however long
    // the process stood still in between.
    let conflicts = || {
        Program::ok(&group, &["sync", "--timeout", "120s"]);
        status(&group)["conflicts"].as_u64().unwrap()
    };
    let before = conflicts();
    for (turn, member) in ["hq", "till", "cloud"].into_iter().enumerate() {
        let sql = "UPDATE Trail SET touched = touched + 1 WHERE id = 1001";
        running.pause_outside_of_writes(&group, &[member]);
        execute(&group, member, sql);
        std::thread::sleep(Duration::from_millis(200));
        running.resume();
        let touched = "SELECT touched FROM Trail WHERE id = 1001";
        for other in MEMBERS {
            let wanted = turn as i64 + 1;
            eventually("the edit in all members", PATIENCE, || number(&group, other, touched) == wanted);
        }
    }
    assert_eq!(conflicts(), before, "an edit on top of another was taken for a conflict");
    assert!(!running.has_ended());
    drop(running);
    check(&group, &["Trail"], &obligations);
}

/// Somebody's open write transaction: longer than the program waits for a lock at a time.
pub(crate) fn a_member_that_is_locked_keeps_nobody_else() {
    let group = trails();
    let mut running = Program::run(&group);
    assert_flows(&group, "hq", "till", 1_000);
    let user = group.connect("till");
    user.execute_batch("BEGIN IMMEDIATE; INSERT INTO Trail VALUES (2000, 'mine ', 0)").unwrap();
    let load = Load::by(&["hq", "cloud"], &group, Duration::from_millis(20));
    execute(&group, "hq", "INSERT INTO Trail VALUES (1001, 'theirs ', 0)");
    await_told(&group, "apply till: failed and will be tried again");
    await_told(&group, "is locked by another program");
    assert_flows(&group, "cloud", "hq", 1_002);
    // Reading is not locked, so what waits can be told.
    let waits = status(&group);
    let till = &waits["members"][2];
    assert!(till["tables"][0]["unapplied"].as_u64().unwrap() > 0, "{till}");
    assert_eq!(waits["in_step"], false);
    user.execute_batch("COMMIT").unwrap();
    let arrived = |member: &str, key: i64| {
        number(&group, member, &format!("SELECT count(*) FROM Trail WHERE id = {key}")) == 1
    };
    eventually("what waited", PATIENCE, || arrived("till", 1_001) && arrived("hq", 2_000));
    let obligations = load.stop();
    assert!(!running.has_ended());
    drop(running);
    check(&group, &["Trail"], &obligations);
}
