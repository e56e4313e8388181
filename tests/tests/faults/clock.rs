//! A machine whose clock steps, forward and back, with the program and its users on it.

use crate::support::{PATIENCE, await_told, check, number, provisioned};
use rusqlite::Connection;
use serde_json::Value;
use std::process::{Command, ExitCode};
use std::time::Duration;
use tributary_testkit::services::SteppingClock;
use tributary_testkit::{GroupFolder, Obligations, Program, eventually};

/// Where a user's process finds its database and what it writes.
const DATABASE: &str = "TRIBUTARY_TEST_USERS_DATABASE";
const STATEMENTS: &str = "TRIBUTARY_TEST_USERS_STATEMENTS";
const MEMBERS: [&str; 2] = ["hq", "cloud"];
const TABLE: &str = "CREATE TABLE Note (id INTEGER PRIMARY KEY NOT NULL, body TEXT NOT NULL)";

/// What this process does when it is a user's: time is told to triggers by the process that writes.
pub(crate) fn user() -> Option<ExitCode> {
    let (database, statements) = (std::env::var_os(DATABASE)?, std::env::var_os(STATEMENTS)?);
    let connection = Connection::open(database).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    connection.execute_batch(statements.to_str().unwrap()).unwrap();
    Some(ExitCode::SUCCESS)
}

struct Machine {
    clock: SteppingClock,
    group: GroupFolder,
    running: Program,
}

impl Machine {
    /// A user of the machine writes.
    fn write(&self, member: &str, sql: &str) {
        let mut user = Command::new(std::env::current_exe().unwrap());
        user.env(DATABASE, self.group.member_path(member)).env(STATEMENTS, sql);
        user.envs(self.clock.environment());
        assert!(user.status().unwrap().success(), "{member}: {sql}");
    }

    /// Both users write, one after the other, before either has the other's row.
    fn concurrently(&self, key: i64, earlier: &str, later: &str) {
        self.running.pause_outside_of_writes(&self.group, &MEMBERS);
        for (member, word) in [(earlier, "earlier"), (later, "later")] {
            self.write(member, &format!("INSERT INTO Note VALUES ({key}, '{word}')"));
            std::thread::sleep(Duration::from_millis(50));
        }
        self.running.resume();
        Program::ok(&self.group, &["sync", "--timeout", "60s"]);
    }

    fn body(&self, member: &str, key: i64) -> String {
        let sql = "SELECT body FROM Note WHERE id = ?1";
        self.group.connect(member).query_row(sql, [key], |row| row.get(0)).unwrap()
    }

    fn conflicts(&self) -> usize {
        let listed = Program::ok(&self.group, &["conflicts", "list", "--output", "json"]);
        serde_json::from_str::<Value>(&listed).unwrap().as_array().unwrap().len()
    }
}

/// The clock steps an hour forward and back while the program runs. Of edits that were made without sight of each other
/// the later one wins; one that was made on top of another wins over it, whatever the clock said; no change is taken
/// for later than it was captured; nothing waits for the time that the clock once told.
pub(crate) fn a_clock_that_steps_changes_no_outcome() {
    const HOUR: i64 = 3_600;
    let clock = SteppingClock::new();
    let group = provisioned(GroupFolder::new(&MEMBERS, &["Note"], ""), TABLE);
    let running = Program::run_in(&group, &[], &clock.environment());
    await_told(&group, "runs as process");
    let machine = Machine { clock, group, running };
    let mut conflicts = 0;
    for (round, ahead) in (0_i64..).zip([0, HOUR, 0, -HOUR, 0]) {
        machine.clock.set(ahead);
        for (at, (earlier, later)) in (0..).zip([("hq", "cloud"), ("cloud", "hq")]) {
            let key = 10 * round + at;
            machine.concurrently(key, earlier, later);
            conflicts += 1;
            for member in MEMBERS {
                assert_eq!(machine.body(member, key), "later", "{ahead} s, row {key} of {member}");
            }
        }
        assert_eq!(machine.conflicts(), conflicts);
        // On top of what was written, and deleted, in the rounds before, with the clock further ahead or behind.
        for (member, other) in [("hq", "cloud"), ("cloud", "hq")] {
            let body = format!("{member} {round}");
            let upsert = "ON CONFLICT (id) DO UPDATE SET body = excluded.body";
            machine.write(member, &format!("INSERT INTO Note VALUES (0, '{body}') {upsert}"));
            Program::ok(&machine.group, &["sync", "--timeout", "60s"]);
            assert_eq!(machine.body(other, 0), body, "{ahead} s");
        }
        assert_eq!(machine.conflicts(), conflicts, "an edit on top of another was taken for a conflict");
        machine.write("hq", "DELETE FROM Note WHERE id = 0");
        Program::ok(&machine.group, &["sync", "--timeout", "60s"]);
    }
    a_time_to_come(&machine);
    a_pause_that_began_later(&machine);
    drop(machine.running);
    check(&machine.group, &["Note"], &Obligations::default());
}

/// Written while the clock stood an hour ahead, captured when it no longer did.
fn a_time_to_come(machine: &Machine) {
    machine.running.pause_outside_of_writes(&machine.group, &MEMBERS);
    machine.clock.set(3_600);
    machine.write("hq", "INSERT INTO Note VALUES (500, 'from the future')");
    machine.clock.set(0);
    machine.write("cloud", "INSERT INTO Note VALUES (500, 'of today')");
    machine.running.resume();
    Program::ok(&machine.group, &["sync", "--timeout", "60s"]);
    assert_eq!(machine.body("hq", 500), machine.body("cloud", 500));
    let soon = "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+1 minute')";
    let now: String = machine.group.connect("hq").query_row(soon, [], |row| row.get(0)).unwrap();
    let told =
        Program::ok(&machine.group, &["tail", "--topic", "changes", "--key", "500", "--output", "json"]);
    for line in told.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let at = record["changed_at"].as_str().unwrap();
        assert!(at < now.as_str(), "a change is dated {at}, after its capture: {line}");
    }
    assert_eq!(told.lines().count(), 2, "{told}");
    machine.write("cloud", "UPDATE Note SET body = 'the last word' WHERE id = 500");
    Program::ok(&machine.group, &["sync", "--timeout", "60s"]);
    assert_eq!(machine.body("hq", 500), "the last word");
}

/// A row is refused while the clock stands an hour ahead, so its next try is dated an hour too late when it steps back.
fn a_pause_that_began_later(machine: &Machine) {
    let cloud = machine.group.connect("cloud");
    cloud
        .execute_batch(
            "CREATE TRIGGER refuses BEFORE INSERT ON Note BEGIN SELECT RAISE(ABORT, 'not here'); END",
        )
        .unwrap();
    machine.clock.set(3_600);
    machine.write("hq", "INSERT INTO Note VALUES (600, 'refused')");
    let listed = || Program::ok(&machine.group, &["exceptions", "list"]);
    eventually("a refused row", PATIENCE, || listed().contains("not here"));
    machine.clock.set(0);
    cloud.execute_batch("DROP TRIGGER refuses").unwrap();
    let sql = "SELECT count(*) FROM Note WHERE id = 600";
    eventually("the refused row", PATIENCE, || number(&machine.group, "cloud", sql) == 1);
}
