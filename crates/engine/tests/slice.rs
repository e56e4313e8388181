//! The whole pipe in one process: two members, one table, changes in both directions.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use support::Pipe;

#[test]
fn changes_travel_in_both_directions() {
    let pipe = Pipe::new(&["hq", "cloud"], &["Customer"], "");
    pipe.execute(
        "hq",
        "CREATE TABLE Customer (Id INTEGER PRIMARY KEY NOT NULL, Name TEXT NOT NULL, Credit DECIMAL(10,2));
         INSERT INTO Customer VALUES (1, 'Ada', 10.50), (2, 'Bob', NULL);",
    );
    let running = pipe.start();
    running.drain();
    // The created column has TEXT affinity, since NUMERIC keeps 15 digits only.
    assert_eq!(pipe.rows("cloud", "SELECT * FROM Customer ORDER BY 1"), ["1|Ada|10.50", "2|Bob|NULL"]);
    assert_eq!(pipe.rows("hq", "SELECT * FROM Customer ORDER BY 1"), ["1|Ada|10.5", "2|Bob|NULL"]);
    pipe.execute(
        "cloud",
        "UPDATE Customer SET Name = 'Bea' WHERE Id = 2; INSERT INTO Customer VALUES (3, 'Cy', 1)",
    );
    pipe.execute("hq", "DELETE FROM Customer WHERE Id = 1");
    running.drain();
    assert_eq!(pipe.rows("hq", "SELECT * FROM Customer ORDER BY 1"), ["2|Bea|NULL", "3|Cy|1"]);
    let own = pipe.rows("cloud", "SELECT * FROM Customer ORDER BY 1");
    assert_eq!(own, ["2|Bea|NULL", "3|Cy|1"], "a member's own row is not written again");
    running.stop();
}

#[test]
fn an_idle_group_publishes_nothing() {
    let pipe = Pipe::new(&["hq", "cloud"], &["Customer"], "");
    pipe.execute("hq", "CREATE TABLE Customer (Id INTEGER PRIMARY KEY NOT NULL, Name TEXT)");
    let running = pipe.start();
    pipe.execute("hq", "INSERT INTO Customer VALUES (1, 'Ada')");
    running.drain();
    let before = running.of_rows();
    pipe.execute("cloud", "UPDATE Customer SET Name = Name");
    running.drain();
    running.stop();
    let again = pipe.start();
    again.drain();
    assert_eq!(again.of_rows(), before, "no echo, and an update that changes nothing is no change (I3)");
    again.stop();
}
