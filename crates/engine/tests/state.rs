//! The resolver's state is a cache: lost, outdated or damaged, it is rebuilt from the log and nothing changes (I8).

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::fs;
use support::Pipe;

const TABLE: &str = "CREATE TABLE Item (Id INTEGER PRIMARY KEY NOT NULL, Name TEXT)";

fn pipe() -> Pipe {
    let pipe = Pipe::new(&["hq", "cloud"], &["Item"], "");
    pipe.execute("hq", TABLE);
    pipe.execute("cloud", TABLE);
    pipe
}

fn wipe(pipe: &Pipe) {
    for suffix in ["", "-wal", "-shm"] {
        let mut path = pipe.state_path().into_os_string();
        path.push(suffix);
        let _ = fs::remove_file(path);
    }
}

/// Edits in one member on top of the other's, which need the state to be told from conflicts.
fn edit_in_turns(pipe: &Pipe, round: u32) {
    for (member, other) in [("hq", "cloud"), ("cloud", "hq")] {
        let running = pipe.start();
        pipe.execute(member, &format!("UPDATE Item SET Name = '{member}{round}' WHERE Id = 1"));
        running.drain();
        assert_eq!(pipe.rows(other, "SELECT Name FROM Item WHERE Id = 1"), [format!("{member}{round}")]);
        running.stop();
    }
}

#[test]
fn a_state_that_is_lost_is_rebuilt() {
    let pipe = pipe();
    pipe.execute("hq", "INSERT INTO Item VALUES (1, 'a'), (2, 'b')");
    for round in 0..3 {
        edit_in_turns(&pipe, round);
        assert!(pipe.state_path().exists());
        wipe(&pipe);
    }
    let running = pipe.start();
    running.drain();
    assert_eq!(running.conflicts(), 0, "nothing was concurrent");
    running.stop();
}

#[test]
fn a_state_that_is_outdated_catches_up() {
    let pipe = pipe();
    pipe.execute("hq", "INSERT INTO Item VALUES (1, 'a')");
    edit_in_turns(&pipe, 0);
    let old = fs::read(pipe.state_path()).unwrap();
    edit_in_turns(&pipe, 1);
    edit_in_turns(&pipe, 2);
    wipe(&pipe);
    fs::write(pipe.state_path(), old).unwrap();
    edit_in_turns(&pipe, 3);
    let running = pipe.start();
    running.drain();
    assert_eq!(running.conflicts(), 0, "nothing was concurrent");
    running.stop();
}

#[test]
fn a_state_that_is_damaged_is_replaced() {
    let pipe = pipe();
    pipe.execute("hq", "INSERT INTO Item VALUES (1, 'a')");
    edit_in_turns(&pipe, 0);
    wipe(&pipe);
    fs::write(pipe.state_path(), vec![0x55; 10_000]).unwrap();
    edit_in_turns(&pipe, 1);
    let running = pipe.start();
    running.drain();
    assert_eq!(running.conflicts(), 0, "nothing was concurrent");
    running.stop();
}
