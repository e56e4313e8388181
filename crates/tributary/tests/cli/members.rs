//! Members that are not as they should be.

use crate::place::Place;
use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt;

#[test]
fn tables_that_cannot_be_synchronised_are_errors_of_check_and_keep_run_from_starting() {
    for (tables, said) in [
        (
            "CREATE TABLE OrderLine (OrderId INTEGER PRIMARY KEY)",
            "no member that can be reached has a table Customer",
        ),
        (
            "CREATE TABLE Customer (Id INTEGER, Name TEXT); CREATE TABLE OrderLine (OrderId INTEGER PRIMARY KEY)",
            "primary key",
        ),
        (
            "CREATE TABLE Customer (Id INTEGER PRIMARY KEY, FirstName TEXT, First_Name TEXT);
             CREATE TABLE OrderLine (OrderId INTEGER PRIMARY KEY)",
            "First_Name",
        ),
    ] {
        let place = Place::empty();
        place.write("tributary.yaml", crate::place::GROUP);
        place.create("hq", tables);
        place.create("shop", "");
        let ended = place.run(&["check"]);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.out.contains(said), "{said}: {ended:?}");
        assert!(ended.out.contains("error: "), "{ended:?}");
        let report: serde_json::Value =
            serde_json::from_str(&place.run(&["check", "--output", "json"]).out).unwrap();
        assert_eq!(report["findings"][0]["severity"], "error", "{report}");
        for command in ["run", "sync", "provision"] {
            place.run(&[command]).failed(64, &["error[ENG-003]", "tributary check", "hint: "]);
        }
        place.run(&["provision", "--dry-run"]).failed(64, &["ENG-003"]);
    }
}

#[test]
fn unsupported_columns_are_told_and_left_out() {
    let place = Place::empty();
    place.write("tributary.yaml", &crate::place::GROUP.replace("  - name: OrderLine\n", ""));
    place.create("hq", "CREATE TABLE Customer (Id INTEGER PRIMARY KEY, Name TEXT, Map GEOMETRY)");
    place.create("shop", "");
    let ended = place.run(&["check"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.contains("warning: hq, Customer") && ended.out.contains("Map"), "{ended:?}");
    place.ok(&["provision"]);
    let columns = place.rows("shop", "SELECT name FROM pragma_table_info('Customer')");
    assert_eq!(columns, ["Text(\"Id\")", "Text(\"Name\")"]);
}

#[test]
fn users_triggers_are_told_with_the_guard_to_add() {
    let place = Place::new();
    place.edit(
        "hq",
        "CREATE TABLE Audit (What TEXT);
         CREATE TRIGGER customer_audit AFTER INSERT ON Customer BEGIN INSERT INTO Audit VALUES ('x'); END;",
    );
    let ended = place.run(&["check"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.contains("customer_audit") && ended.out.contains("DataSync_dss_apply"), "{ended:?}");
}

#[test]
fn files_that_cannot_be_used_are_named_and_keep_nobody_else() {
    let place = Place::new();
    std::fs::remove_file(place.path("shop.db")).unwrap();
    let ended = place.run(&["check"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("there is no database at") && ended.out.contains("DBS-001"), "{ended:?}");
    let ended = place.run(&["provision"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("hq: provisioned"), "{ended:?}");
    assert!(ended.out.contains("shop: failed[DBS-001]"), "{ended:?}");

    place.write("shop.db", "this is no database, whatever its name says, and it is long enough to be sure");
    let ended = place.run(&["check"]);
    assert!(ended.out.contains("not an SQLite database") && ended.out.contains("DBS-002"), "{ended:?}");

    std::fs::remove_file(place.path("shop.db")).unwrap();
    place.ok(&["provision", "--create"]);
    place.ok(&["sync"]);
    assert_eq!(place.run(&["check"]).code, 0);
}

#[test]
fn a_file_that_is_not_in_wal_mode_is_an_error_until_it_is_switched() {
    let place = Place::new();
    let connection = Connection::open(place.path("shop.db")).unwrap();
    let mode: String = connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "delete");
    drop(connection);
    let ended = place.run(&["check"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("--enable-wal"), "{ended:?}");
    place.ok(&["provision", "--enable-wal"]);
    assert_eq!(place.rows("shop", "PRAGMA journal_mode"), ["Text(\"wal\")"]);
    assert_eq!(place.run(&["check"]).code, 0);
}

#[test]
fn a_read_only_file_is_named() {
    let place = Place::provisioned();
    let path = place.path("shop.db");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
    let ended = place.run(&["check"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("DBS-004") && ended.out.contains("cannot be written to"), "{ended:?}");
    let ended = place.run(&["sync"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("shop"), "{ended:?}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    place.ok(&["sync"]);
}

#[test]
fn a_locked_member_is_waited_for() {
    let place = Place::provisioned();
    place.ok(&["sync"]);
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    let writer = place.user("shop");
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE Customer SET City = City").unwrap();
    let ended = place.run(&["sync", "--timeout", "2s"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("not applied yet in member shop"), "{ended:?}");
    writer.execute_batch("COMMIT").unwrap();
    place.ok(&["sync"]);
    assert_eq!(place.rows("shop", "SELECT Name FROM Customer"), ["Text(\"Ada\")"]);
}

#[test]
fn a_copy_of_another_member_is_refused_until_it_is_deprovisioned() {
    let place = Place::provisioned();
    place.ok(&["sync"]);
    for end in ["db", "db-wal", "db-shm"] {
        let _ = std::fs::remove_file(place.path(&format!("shop.{end}")));
    }
    place.edit("hq", "PRAGMA wal_checkpoint(TRUNCATE)");
    std::fs::copy(place.path("hq.db"), place.path("shop.db")).unwrap();
    let ended = place.run(&["deprovision", "--member", "shop"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("DBS-010"), "{ended:?}");
    place.ok(&["deprovision", "--member", "shop", "--copies"]);
    assert_eq!(
        place.rows("shop", "SELECT name FROM sqlite_schema WHERE name LIKE '%dss%'"),
        Vec::<String>::new()
    );
    assert_ne!(
        place.rows("hq", "SELECT name FROM sqlite_schema WHERE name LIKE '%dss%'"),
        Vec::<String>::new()
    );
}

#[test]
fn a_member_that_went_back_in_time_is_recognised() {
    let place = Place::provisioned();
    place.ok(&["sync"]);
    let backup = place.path("backup.db");
    place.edit("hq", &format!("VACUUM INTO '{}'", backup.display()));
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    place.ok(&["sync"]);
    place.edit("hq", "INSERT INTO Customer VALUES (2, 'Bob', 'Paris')");
    place.ok(&["sync"]);
    for end in ["db", "db-wal", "db-shm"] {
        let _ = std::fs::remove_file(place.path(&format!("hq.{end}")));
    }
    std::fs::copy(&backup, place.path("hq.db")).unwrap();
    place.edit("hq", "PRAGMA journal_mode = WAL");
    let ended = place.run(&["sync"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("went back in time"), "{ended:?}");
}

#[test]
fn deprovision_removes_everything_of_ours_and_works_without_the_log() {
    let place = Place::provisioned();
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    place.ok(&["sync"]);
    std::fs::remove_file(place.path("log.db")).unwrap();
    let planned = place.ok(&["deprovision", "--dry-run"]);
    assert!(planned.contains("-- member hq: ") && planned.contains("DROP TABLE"), "{planned}");
    let before = place.rows("hq", "SELECT name FROM sqlite_schema WHERE name LIKE '%dss%'");
    assert_ne!(before, Vec::<String>::new());
    place.ok(&["deprovision", "--member", "shop"]);
    assert_eq!(place.rows("hq", "SELECT name FROM sqlite_schema WHERE name LIKE '%dss%'"), before);
    place.ok(&["deprovision"]);
    for member in ["hq", "shop"] {
        assert_eq!(
            place.rows(member, "SELECT name FROM sqlite_schema WHERE name LIKE '%dss%'"),
            Vec::<String>::new()
        );
        assert_eq!(place.rows(member, "SELECT Id FROM Customer"), ["Integer(1)"]);
    }
    let again = place.json(&["deprovision"]);
    assert_eq!(again["members"][0]["statements"], serde_json::json!([]));
}
