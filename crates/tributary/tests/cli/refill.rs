//! A member whose table gains a column that the group has.

use crate::place::Place;
use serde_json::json;
use std::time::{Duration, Instant};

const ROWS: i64 = 30_000;

/// Two members, of which `shop` lacks the column `City`; many rows, which `hq` has made.
fn without_a_city() -> Place {
    let place = Place::empty();
    let text = "group: retail\nlog: { embedded: log.db }\nmembers:\n  hq: { url: \"sqlite:hq.db\" }\n  \
                shop: { url: \"sqlite:shop.db\" }\ntables:\n  - name: Customer\npoll_interval: 5ms\n";
    place.write("tributary.yaml", text);
    place.create("hq", "CREATE TABLE Customer (Id INTEGER PRIMARY KEY, Name TEXT NOT NULL, City TEXT)");
    place.create("shop", "CREATE TABLE Customer (Id INTEGER PRIMARY KEY, Name TEXT NOT NULL)");
    place.ok(&["provision"]);
    place.edit(
        "hq",
        &format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
             INSERT INTO Customer SELECT i, 'name ' || i, 'city ' || i FROM n"
        ),
    );
    place.ok(&["sync"]);
    place
}

/// How far the refill is, as the member has it; none if there is none.
fn progress(place: &Place) -> Option<String> {
    let sql = "SELECT json_extract(columns, '$.refill.progress') FROM DataSync_dss_tables";
    let found = place.rows("shop", sql).remove(0);
    found.strip_prefix("Text(").map(str::to_owned)
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what} did not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Before, during and after the refill, with the process killed in the middle: an edit of another column carries nobody's
/// city away.
#[test]
fn nobodys_values_are_wiped_by_a_member_that_gains_a_column() {
    let place = without_a_city();
    place.edit("shop", "UPDATE Customer SET Name = 'before' WHERE Id % 10 = 1");
    place.edit("shop", "ALTER TABLE Customer ADD COLUMN City TEXT DEFAULT 'unknown'");
    // Given by somebody before the triggers knew of the column.
    place.edit("shop", "UPDATE Customer SET City = 'given' WHERE Id = 5");
    place.ok(&["provision"]);
    place.edit("shop", "UPDATE Customer SET Name = 'provisioned' WHERE Id % 10 = 2");
    let status = place.json(&["status"]);
    assert_eq!(status["members"][1]["tables"][0]["refill"]["columns"], json!(["City"]), "{status}");
    assert!(place.ok(&["status"]).contains("refilling"));

    let running = place.start(&[]);
    wait_until("the middle of the refill", || {
        progress(&place).is_some_and(|text| text.contains("next") && !text.contains("\"next\\\":0"))
    });
    place.edit("shop", "UPDATE Customer SET Name = 'during' WHERE Id % 10 = 3");
    place.edit("hq", "UPDATE Customer SET City = 'moved' WHERE Id % 100 = 7");
    drop(running);
    assert!(progress(&place).is_some(), "it was to be killed in the middle");
    place.edit("shop", "UPDATE Customer SET Name = 'killed' WHERE Id % 10 = 4");

    let running = place.start(&[]);
    place.ok(&["sync"]);
    assert_eq!(progress(&place), None);
    place.edit("shop", "UPDATE Customer SET Name = 'after' WHERE Id % 10 = 6; UPDATE Customer SET City = 'unknown' WHERE Id = 8");
    place.ok(&["sync"]);
    place.ok(&["verify"]);
    let kept = "SELECT count(*) FROM Customer WHERE City = 'city ' || Id";
    let moved = "SELECT count(*) FROM Customer WHERE City = 'moved'";
    let own = "SELECT Id, City FROM Customer WHERE City IN ('given', 'unknown') ORDER BY Id";
    let names = "SELECT Name, count(*) FROM Customer WHERE Name NOT LIKE 'name%' GROUP BY Name ORDER BY Name";
    for member in ["hq", "shop"] {
        assert_eq!(place.rows(member, kept), [format!("Integer({})", ROWS - ROWS / 100 - 2)], "{member}");
        assert_eq!(place.rows(member, moved), [format!("Integer({})", ROWS / 100)], "{member}");
        assert_eq!(place.rows(member, own), ["Integer(5) Text(\"given\")", "Integer(8) Text(\"unknown\")"]);
        let tenth = ROWS / 10;
        let expected = ["after", "before", "during", "killed", "provisioned"];
        let expected = expected.map(|name| format!("Text(\"{name}\") Integer({tenth})"));
        assert_eq!(place.rows(member, names), expected, "{member}");
    }
    assert_eq!(running.stop("-TERM").0, 0);
}

/// A value that the member's table refuses is named, and everything waits for it.
#[test]
fn a_row_that_cannot_take_the_value_is_told() {
    let place = Place::empty();
    let text = "group: retail\nlog: { embedded: log.db }\nmembers:\n  hq: { url: \"sqlite:hq.db\" }\n  \
                shop: { url: \"sqlite:shop.db\" }\ntables:\n  - name: Customer\npoll_interval: 5ms\n";
    place.write("tributary.yaml", text);
    place.create("hq", "CREATE TABLE Customer (Id INTEGER PRIMARY KEY, Name TEXT, City TEXT)");
    place.create("shop", "CREATE TABLE Customer (Id INTEGER PRIMARY KEY, Name TEXT)");
    place.ok(&["provision"]);
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London'), (2, 'Bob', 'Ulm')");
    place.ok(&["sync"]);
    place.edit("shop", "ALTER TABLE Customer ADD COLUMN City TEXT CHECK (length(City) < 5)");
    place.ok(&["provision"]);
    let mut running = place.start(&[]);
    let line = running.wait_for("City cannot be filled");
    assert!(line.contains("row [1]") && line.contains("CHECK constraint failed"), "{line}");
    place.edit("hq", "UPDATE Customer SET City = 'Rome' WHERE Id = 1");
    let waits = place.run(&["sync", "--timeout", "1s"]);
    assert_eq!(waits.code, 1, "{waits:?}");
    assert!(waits.out.contains("waits until what the group has of City is filled in"), "{waits:?}");
    assert_eq!(running.stop("-TERM").0, 0);
}
