//! A member that begins to round, and ceases to: the log, and with it the resolver, knows before anything comes from it.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use support::Pipe;

const ITEMS: &str = "SELECT Id, Price, Note FROM Item ORDER BY 1";

fn table(decimal: &str) -> String {
    format!("CREATE TABLE Item (Id INTEGER PRIMARY KEY NOT NULL, Price {decimal}, Note TEXT)")
}

#[test]
fn a_member_that_begins_to_round_leaves_the_others_values_as_they_are() {
    let mut pipe = Pipe::new(&["hq", "till"], &["Item"], "");
    pipe.execute("hq", &table("DECIMAL_TEXT(12,4)"));
    pipe.execute("till", &table("DECIMAL_TEXT(10,2)"));
    let running = pipe.start();
    pipe.execute("hq", "INSERT INTO Item VALUES (1, '1.5000', 'old'), (2, '1.2345', 'old')");
    pipe.execute("till", "INSERT INTO Item VALUES (3, '3.25', 'old')");
    running.wait_for("a row to be refused", |progress| progress.members[1].tables[0].parked_apply > 0);
    running.stop();

    pipe.edit("till.db\" }", "till.db\", on_loss: round }");
    let running = pipe.start_unprovisioned();
    pipe.execute("hq", "UPDATE Item SET Price = '2.3456' WHERE Id = 2");
    running.drain();
    assert_eq!(pipe.rows("till", ITEMS), ["1|1.50|old", "2|2.35|old", "3|3.25|old"]);
    pipe.execute("till", "UPDATE Item SET Note = 'new'");
    running.drain();
    let settled = ["1|1.5000|new", "2|2.3456|new", "3|3.2500|new"];
    assert_eq!(pipe.rows("hq", ITEMS), settled);
    running.stop();

    // What was rounded is rounded still.
    pipe.edit(", on_loss: round }", " }");
    let running = pipe.start_unprovisioned();
    pipe.execute(
        "till",
        "UPDATE Item SET Note = 'newer' WHERE Id = 2; UPDATE Item SET Price = '7.5' WHERE Id = 3",
    );
    running.drain();
    assert_eq!(pipe.rows("hq", ITEMS), [settled[0], "2|2.3456|newer", "3|7.5000|new"]);
    assert_eq!(running.conflicts(), 0);
    running.stop();
}
