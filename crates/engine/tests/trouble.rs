//! One member's or one table's trouble stops that member or table alone, with a reason that can be read.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::fs;
use support::Pipe;
use tributary_engine::{Engine, EngineError, Options, Roles};
use tributary_runtime::State;

const TABLES: &str = "CREATE TABLE Good (Id INTEGER PRIMARY KEY NOT NULL, Name TEXT);
    CREATE TABLE Bad (Id INTEGER PRIMARY KEY NOT NULL, Name TEXT);";

fn pipe(members: &[&str]) -> Pipe {
    let pipe = Pipe::new(members, &["Good", "Bad"], "");
    for member in members {
        pipe.execute(member, TABLES);
    }
    pipe
}

#[test]
fn a_table_that_is_dropped_while_running_stops_alone() {
    let pipe = pipe(&["hq", "cloud"]);
    let running = pipe.start();
    pipe.execute("hq", "INSERT INTO Good VALUES (1, 'a'); INSERT INTO Bad VALUES (1, 'a')");
    running.drain();
    pipe.execute("cloud", "DROP TABLE Bad");
    pipe.execute("hq", "INSERT INTO Good VALUES (2, 'b'); INSERT INTO Bad VALUES (2, 'b')");
    running.wait_for("the good table to be in step and the bad one to be told", |progress| {
        let cloud = &progress.members[1];
        let (good, bad) = (&cloud.tables[0], &cloud.tables[1]);
        good.unapplied == 0 && bad.stopped.is_some() && bad.unapplied == 1
    });
    assert_eq!(pipe.rows("cloud", "SELECT * FROM Good ORDER BY 1"), ["1|a", "2|b"]);
    let notes: Vec<_> = running.engine.supervisor.states().into_iter().map(|worker| worker.note).collect();
    assert!(notes.iter().any(|note| note.contains("table Bad stopped")), "{notes:?}");
    running.stop();
}

#[test]
fn a_table_that_is_altered_stops_until_it_is_provisioned_again() {
    let pipe = pipe(&["hq", "cloud"]);
    let running = pipe.start();
    running.drain();
    pipe.execute("cloud", "DROP TRIGGER Bad_dss_update_trigger");
    running.wait_for("the missing trigger to be noticed", |progress| {
        progress.members[1].tables[1].stopped.as_ref().is_some_and(|reason| reason.contains("provision"))
    });
    pipe.execute("hq", "INSERT INTO Good VALUES (1, 'a'); INSERT INTO Bad VALUES (1, 'a')");
    running.wait_for("the good table to go on", |progress| progress.members[1].tables[0].unapplied == 0);
    running.stop();
    let running = pipe.start();
    running.drain();
    assert_eq!(pipe.rows("cloud", "SELECT * FROM Bad"), ["1|a"]);
    running.stop();
}

/// As many refused rows as are tried at once, and more, of a table that cannot be tried at all: those of other tables
/// have their turn.
#[test]
fn refused_rows_of_a_table_that_stands_still_keep_no_others() {
    let pipe = pipe(&["hq", "cloud"]);
    let running = pipe.start();
    running.drain();
    for table in ["Good", "Bad"] {
        let refuses = "BEGIN SELECT RAISE(ABORT, 'not here'); END";
        pipe.execute("cloud", &format!("CREATE TRIGGER no_{table} BEFORE INSERT ON {table} {refuses}"));
    }
    pipe.execute(
        "hq",
        "INSERT INTO Bad WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600)
         SELECT i, 'a' FROM n;
         INSERT INTO Good VALUES (1, 'a')",
    );
    running.wait_for("the refused rows", |progress| {
        let tables = &progress.members[1].tables;
        tables[0].parked_apply == 1 && tables[1].parked_apply == 600
    });
    pipe.execute("cloud", "DROP TRIGGER Bad_dss_update_trigger");
    running.wait_for("the bad table to be told", |progress| progress.members[1].tables[1].stopped.is_some());
    pipe.execute(
        "cloud",
        "UPDATE DataSync_dss_exceptions SET due_at = 0 WHERE table_name = 'Bad'; DROP TRIGGER no_Good",
    );
    running.wait_for("the good row", |progress| progress.members[1].tables[0].parked_apply == 0);
    assert_eq!(pipe.rows("cloud", "SELECT * FROM Good"), ["1|a"]);
    running.stop();
}

#[test]
fn a_member_that_is_away_does_not_keep_the_others() {
    let pipe = pipe(&["hq", "cloud", "till"]);
    pipe.start().stop();
    let (here, away) = (pipe.member_path("till"), pipe.member_path("away"));
    for suffix in ["", "-wal", "-shm"] {
        let with = |path: &std::path::Path| format!("{}{suffix}", path.display());
        let _ = fs::rename(with(&here), with(&away));
    }
    let running = pipe.start_unprovisioned();
    pipe.execute("hq", "INSERT INTO Good VALUES (1, 'a')");
    running.wait_for("hq and cloud to agree", |progress| {
        progress.members[2].trouble.is_some()
            && progress.members[..2]
                .iter()
                .all(|m| m.tables[0].unapplied == 0 && m.tables[0].unpublished == 0)
            && progress.unresolved == 0
    });
    assert_eq!(pipe.rows("cloud", "SELECT * FROM Good"), ["1|a"]);
    running.stop();
    let _ = fs::remove_file(&here);
    fs::rename(&away, &here).unwrap();
    let running = pipe.start();
    running.drain();
    assert_eq!(pipe.rows("till", "SELECT * FROM Good"), ["1|a"]);
    running.stop();
}

#[test]
fn a_member_that_went_back_in_time_is_refused_by_capture_and_apply() {
    let pipe = pipe(&["hq", "cloud"]);
    let running = pipe.start();
    pipe.execute("cloud", "INSERT INTO Good VALUES (1, 'a')");
    running.drain();
    running.stop();
    pipe.execute("cloud", "PRAGMA wal_checkpoint(TRUNCATE)");
    let backup = fs::read(pipe.member_path("cloud")).unwrap();
    let running = pipe.start();
    pipe.execute("cloud", "INSERT INTO Good VALUES (2, 'b')");
    running.drain();
    pipe.execute("cloud", "INSERT INTO Good VALUES (3, 'c')");
    running.drain();
    running.stop();
    pipe.execute("cloud", "PRAGMA wal_checkpoint(TRUNCATE)");
    fs::write(pipe.member_path("cloud"), backup).unwrap();
    pipe.execute("cloud", "INSERT INTO Good VALUES (4, 'used the versions again')");
    let running = pipe.start_unprovisioned();
    running.wait_for_workers("capture and apply of the cloud to halt", |states| {
        let halted = |name: &str| {
            states.iter().any(|w| {
                w.name == name
                    && matches!(&w.state, State::Halted { error } if error.contains("went back in time"))
            })
        };
        halted("capture cloud") && halted("apply cloud")
    });
    let states = running.engine.supervisor.states();
    assert!(states.iter().any(|w| w.name == "capture hq" && !matches!(w.state, State::Halted { .. })));
    assert_eq!(pipe.rows("hq", "SELECT Id FROM Good ORDER BY 1"), ["1", "2", "3"]);
    running.stop();
}

#[test]
fn a_log_that_was_replaced_is_noticed_before_anything_is_written() {
    let pipe = pipe(&["hq", "cloud"]);
    let running = pipe.start();
    pipe.execute("hq", "INSERT INTO Good VALUES (1, 'a')");
    running.drain();
    running.stop();
    for suffix in ["", "-wal", "-shm"] {
        let mut path = pipe.log_path().into_os_string();
        path.push(suffix);
        let _ = fs::remove_file(path);
    }
    let running = pipe.start_unprovisioned();
    running.wait_for_workers("the workers to halt", |states| {
        ["capture hq", "apply hq", "apply cloud"]
            .iter()
            .all(|name| states.iter().any(|w| w.name == *name && matches!(w.state, State::Halted { .. })))
    });
    assert_eq!(pipe.rows("cloud", "SELECT * FROM Good"), ["1|a"]);
    running.stop();
}

#[test]
fn a_log_that_is_shorter_than_what_a_member_has_applied_is_refused() {
    let pipe = pipe(&["hq", "cloud"]);
    let running = pipe.start();
    pipe.execute("hq", "INSERT INTO Good VALUES (1, 'a')");
    running.drain();
    running.stop();
    let older = fs::read(pipe.log_path()).unwrap();
    let running = pipe.start();
    pipe.execute("hq", "INSERT INTO Good VALUES (2, 'b')");
    running.drain();
    running.stop();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", pipe.log_path().display()));
    }
    fs::write(pipe.log_path(), older).unwrap();
    let opened = support::block_on(Engine::open(pipe.file(), Options::default()));
    let error = opened.err().expect("the log lacks what was applied");
    assert!(matches!(error, EngineError::LogWentBack { .. }), "{error}");
    assert_eq!(error.code(), "ENG-008");
}

#[test]
fn a_manual_group_is_carried_by_sync_and_not_by_run() {
    let pipe = Pipe::new(&["hq", "cloud"], &["Good"], "schedule: manual\n");
    pipe.execute("hq", TABLES);
    pipe.execute("cloud", TABLES);
    let running = pipe.start();
    pipe.execute("hq", "INSERT INTO Good VALUES (1, 'a')");
    running.drain();
    running.stop();
    let engine = pipe.open();
    let started = engine.start(&Roles { paced: true, ..Roles::all() });
    assert!(matches!(started, Err(EngineError::Manual)));
}

#[test]
fn a_scheduled_group_waits_for_its_time() {
    let pipe = Pipe::new(&["hq", "cloud"], &["Good"], "schedule: every 2s\n");
    pipe.execute("hq", TABLES);
    pipe.execute("cloud", TABLES);
    pipe.start().stop();
    let engine = pipe.open();
    engine.start(&Roles { paced: true, ..Roles::all() }).unwrap();
    let running = support::Running { engine };
    running.drain();
    let began = std::time::Instant::now();
    for round in 0..3 {
        pipe.execute("hq", &format!("INSERT INTO Good VALUES ({round}, 'a')"));
        running.drain();
    }
    let took = began.elapsed().as_secs_f64();
    assert!(took > 2.5, "three changes, one after the other, take two rounds at least: {took} s");
    running.stop();
}
