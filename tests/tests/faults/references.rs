//! Rows that refer to each other, and to rows that do not come.

use crate::support::{MEMBERS, PATIENCE, check, execute, number, provisioned, status};
use serde_json::Value;
use tributary_testkit::{GroupFolder, Obligations, Program, eventually};

/// A department has a head, who works in a department and has a boss. None of the constraints is deferred.
const CIRCLE: &str = "
    CREATE TABLE Department (id INTEGER PRIMARY KEY NOT NULL, head INTEGER NOT NULL REFERENCES Employee (id));
    CREATE TABLE Employee (
        id INTEGER PRIMARY KEY NOT NULL,
        works_in INTEGER NOT NULL REFERENCES Department (id),
        boss INTEGER NOT NULL REFERENCES Employee (id))";

/// Hundreds of circles of rows in two tables, and one that goes through all rows of a table. Whatever part of a circle a batch has, all of
/// it gets there, from each of three members, and later goes again.
pub(crate) fn rows_that_refer_to_each_other_in_a_circle_arrive() {
    let group = provisioned(GroupFolder::new(&MEMBERS, &["Department", "Employee"], ""), CIRCLE);
    let mut running = Program::run(&group);
    for (number, member) in (0..).zip(MEMBERS) {
        let (first, last) = (1_000 * number + 1, 1_000 * number + 400);
        execute(
            &group,
            member,
            &format!(
                "BEGIN; PRAGMA defer_foreign_keys = ON;
                 INSERT INTO Department WITH RECURSIVE n(i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})
                   SELECT i, i FROM n;
                 INSERT INTO Employee SELECT id, id, CASE WHEN id = {last} THEN {first} ELSE id + 1 END FROM Department
                   WHERE id BETWEEN {first} AND {last};
                 COMMIT"
            ),
        );
    }
    for member in MEMBERS {
        let all = "SELECT (SELECT count(*) FROM Department) + (SELECT count(*) FROM Employee)";
        eventually("all rows", PATIENCE, || number(&group, member, all) == 2_400);
    }
    // Half of them go again, and the boss of the others is another.
    execute(
        &group,
        "till",
        "BEGIN; PRAGMA defer_foreign_keys = ON;
         UPDATE Employee SET boss = id WHERE id % 2 = 0;
         DELETE FROM Employee WHERE id % 2 = 1;
         DELETE FROM Department WHERE id % 2 = 1;
         COMMIT",
    );
    for member in MEMBERS {
        let all = "SELECT (SELECT count(*) FROM Department) + (SELECT count(*) FROM Employee)";
        eventually("the rows that are left", PATIENCE, || number(&group, member, all) == 1_200);
    }
    assert!(!running.has_ended());
    drop(running);
    check(&group, &["Department", "Employee"], &Obligations::default());
    for member in MEMBERS {
        let broken = "SELECT count(*) FROM pragma_foreign_key_check";
        assert_eq!(number(&group, member, broken), 0, "{member}");
    }
}

/// A child whose parent nobody has: it is listed where it is refused, everything else goes on, and it arrives with its
/// parent.
pub(crate) fn a_parent_that_does_not_come_keeps_its_children_alone() {
    let group = GroupFolder::new(&MEMBERS, &["Parent", "Child"], "");
    let tables = "CREATE TABLE Parent (id INTEGER PRIMARY KEY NOT NULL);
        CREATE TABLE Child (id INTEGER PRIMARY KEY NOT NULL, parent INTEGER NOT NULL REFERENCES Parent (id))";
    let group = provisioned(group, tables);
    let mut running = Program::run(&group);
    // The user of the till does without foreign keys.
    execute(
        &group,
        "till",
        "PRAGMA foreign_keys = OFF; INSERT INTO Parent VALUES (1); INSERT INTO Child VALUES (10, 1), (20, 2), (21, 2)",
    );
    let listed = || {
        let told = Program::ok(&group, &["exceptions", "list", "--output", "json"]);
        serde_json::from_str::<Value>(&told).unwrap()["exceptions"].as_array().unwrap().clone()
    };
    eventually("two refused children in two members", PATIENCE, || listed().len() == 4);
    for exception in listed() {
        assert_eq!(exception["kind"], "foreign_key", "{exception}");
        assert_eq!(exception["table"], "Child", "{exception}");
    }
    assert_eq!(status(&group)["out_of_sync"], 4);
    execute(&group, "hq", "INSERT INTO Child VALUES (11, 1)");
    let children = "SELECT count(*) FROM Child";
    eventually("a child of the other parent", PATIENCE, || number(&group, "cloud", children) == 2);
    execute(&group, "cloud", "INSERT INTO Parent VALUES (2)");
    for member in MEMBERS {
        eventually("all children", PATIENCE, || number(&group, member, children) == 4);
    }
    assert!(!running.has_ended());
    drop(running);
    check(&group, &["Parent", "Child"], &Obligations::default());
}
