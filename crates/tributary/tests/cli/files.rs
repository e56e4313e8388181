//! The log's file in trouble.

use crate::place::Place;
use rusqlite::Connection;

#[test]
fn without_a_log_readers_say_who_makes_it() {
    let place = Place::new();
    for arguments in
        [&["status"][..], &["verify"], &["conflicts", "list"], &["exceptions", "list"], &["tail"]]
    {
        place.run(arguments).failed(69, &["error[LOG-013]", "there is no log at", "provision"]);
    }
    place.run(&["sync"]).failed(1, &[]);
}

#[test]
fn a_log_that_is_none_is_refused_by_everyone() {
    let place = Place::provisioned();
    place.write("log.db", "certainly no log of ours, but a text of some length that somebody has put here");
    for end in ["log.db-wal", "log.db-shm"] {
        let _ = std::fs::remove_file(place.path(end));
    }
    for arguments in [&["status"][..], &["run"], &["sync"], &["tail"], &["provision"]] {
        place.run(arguments).failed(69, &["error[LOG-014]", "log.db"]);
    }
}

#[test]
fn a_log_of_a_newer_program_is_refused() {
    let place = Place::provisioned();
    let connection = Connection::open(place.path("log.db")).unwrap();
    connection.execute_batch("PRAGMA user_version = 999").unwrap();
    drop(connection);
    for arguments in [&["status"][..], &["run"], &["sync"]] {
        place.run(arguments).failed(69, &["error[LOG-016]", "999", "newer"]);
    }
}

#[test]
fn a_log_that_was_replaced_is_noticed() {
    let place = Place::provisioned();
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    place.ok(&["sync"]);
    for end in ["log.db", "log.db-wal", "log.db-shm"] {
        let _ = std::fs::remove_file(place.path(end));
    }
    let ended = place.run(&["sync"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("apply shop has halted"), "{ended:?}");
    let status = place.json(&["status"]);
    assert_eq!(status["in_step"], false);
    assert!(
        status["members"][1]["trouble"].as_str().unwrap().contains("it has applied from log"),
        "{status}"
    );
}

#[test]
fn a_log_that_is_shorter_than_what_was_applied_is_noticed() {
    let place = Place::provisioned();
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    place.ok(&["sync"]);
    let backup = place.path("backup.db");
    let log = Connection::open(place.path("log.db")).unwrap();
    log.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    drop(log);
    place.edit("hq", "UPDATE Customer SET City = 'Paris'");
    place.ok(&["sync"]);
    for end in ["log.db", "log.db-wal", "log.db-shm"] {
        let _ = std::fs::remove_file(place.path(end));
    }
    std::fs::copy(&backup, place.path("log.db")).unwrap();
    // Refused every time, and nothing is written meanwhile: else the log would grow over the lost offsets.
    for _ in 0..2 {
        let ended = place.run(&["sync"]);
        assert_eq!(ended.code, 69, "{ended:?}");
        assert!(ended.err.contains("error[ENG-008]"), "{ended:?}");
    }
    let status = place.json(&["status"]);
    assert_eq!(status["in_step"], false);
    assert!(status["members"][1]["trouble"].as_str().unwrap().contains("the log ends at"), "{status}");
}

#[test]
fn a_damaged_log_is_refused() {
    let place = Place::provisioned();
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    place.ok(&["sync"]);
    let log = Connection::open(place.path("log.db")).unwrap();
    log.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let page: usize = log.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
    drop(log);
    // Everything behind the page that says what the file is.
    let mut bytes = std::fs::read(place.path("log.db")).unwrap();
    bytes[page..].fill(0x5a);
    std::fs::write(place.path("log.db"), bytes).unwrap();
    for arguments in [&["status"][..], &["run"], &["sync"], &["tail"]] {
        place.run(arguments).failed(69, &["error[LOG-015]", "damaged"]);
    }
}
