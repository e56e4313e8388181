//! Members that only give, and members that only take.

use crate::place::Place;
use serde_json::{Value, json};

const TABLE: &str = "CREATE TABLE Price (Id INTEGER PRIMARY KEY, Amount INTEGER, Note TEXT)";

/// A group of these members and directions, provisioned; each with the rows that `before` gives it.
fn group(members: &[(&str, &str)], before: &[(&str, &str)]) -> Place {
    let place = Place::empty();
    write_group(&place, members);
    for (member, _) in members {
        place.create(member, TABLE);
    }
    for (member, sql) in before {
        place.edit(member, sql);
    }
    place.ok(&["provision"]);
    place
}

fn write_group(place: &Place, members: &[(&str, &str)]) {
    let members: String = members
        .iter()
        .map(|(id, direction)| format!("  {id}: {{ url: \"sqlite:{id}.db\", direction: {direction} }}\n"))
        .collect();
    let text =
        format!("group: retail\nlog: {{ embedded: log.db }}\nmembers:\n{members}tables:\n  - name: Price\n");
    place.write("tributary.yaml", &format!("{text}poll_interval: 5ms\n"));
}

const HUB: [(&str, &str); 3] = [("hub", "publish"), ("north", "subscribe"), ("south", "subscribe")];

fn prices(place: &Place, member: &str) -> Vec<String> {
    place.rows(member, "SELECT Id, Amount FROM Price ORDER BY Id")
}

fn row(id: i64, amount: i64) -> String {
    format!("Integer({id}) Integer({amount})")
}

#[test]
fn a_hub_publishes_and_two_subscribe() {
    let before = [
        ("hub", "INSERT INTO Price (Id, Amount) VALUES (1, 10), (2, 20), (3, 30)"),
        ("north", "INSERT INTO Price (Id, Amount) VALUES (1, 99), (7, 70)"),
    ];
    let place = group(&HUB, &before);
    let status = place.json(&["status"]);
    assert_eq!(status["members"][1]["direction"], "subscribe");
    assert_eq!(status["members"][1]["tables"][0]["scan_done"], true, "there is nothing to scan for");
    let mut running = place.start(&[]);
    place.ok(&["sync"]);
    assert_eq!(prices(&place, "north"), [row(1, 10), row(2, 20), row(3, 30), row(7, 70)]);
    assert_eq!(prices(&place, "south"), [row(1, 10), row(2, 20), row(3, 30)]);

    // What a subscriber's user does waits for nobody, and is told apart from faults.
    place.edit("north", "UPDATE Price SET Amount = 11 WHERE Id = 1; DELETE FROM Price WHERE Id = 2");
    assert_eq!(place.json(&["sync"])["in_step"], true);
    let verified = place.json(&["verify"]);
    assert_eq!(verified["compared"][0]["member"], "north");
    let counts = ["differing", "one_way", "unexplained"].map(|of| verified["compared"][0][of].clone());
    assert_eq!(counts, [json!(3), json!(3), json!(0)], "{verified}");
    assert_eq!(verified["compared"][1]["differing"], 0, "{verified}");
    let told = place.ok(&["verify"]);
    assert!(told.contains("Price [1] of north: differs from hub in Amount (north only subscribes"), "{told}");
    assert!(told.contains("equal but for 3 rows that their directions let differ"), "{told}");

    // The next record of the row is written over it, and that is no conflict.
    place.edit("hub", "UPDATE Price SET Amount = Amount + 5");
    place.ok(&["sync"]);
    assert_eq!(prices(&place, "north"), [row(1, 15), row(2, 25), row(3, 35), row(7, 70)]);
    assert_eq!(prices(&place, "hub"), prices(&place, "south"));
    assert_eq!(place.json(&["conflicts", "list"]), json!([]));
    running.wait_for("apply south: runs");
    let (code, told) = running.stop("-TERM");
    assert_eq!(code, 0, "{told}");
    for worker in ["capture north", "capture south", "apply hub"] {
        assert!(!told.contains(worker), "{worker}: {told}");
    }
}

#[test]
fn a_row_that_a_subscriber_lost_without_a_trace_is_a_fault() {
    let place = group(&HUB, &[("hub", "INSERT INTO Price (Id, Amount) VALUES (1, 10), (2, 20)")]);
    place.ok(&["sync"]);
    // As a program that switches triggers off would do it.
    place.edit(
        "south",
        "CREATE TEMP TABLE kept AS SELECT * FROM DataSync_Price_dss_tracking;
        UPDATE Price SET Amount = 21 WHERE Id = 2;
        DELETE FROM DataSync_Price_dss_tracking; INSERT INTO DataSync_Price_dss_tracking SELECT * FROM kept",
    );
    let ended = place.run(&["verify"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("Price [2] of south: differs from hub in Amount\n"), "{ended:?}");
}

#[test]
fn a_member_that_publishes_wins_against_others_and_takes_nothing() {
    let members = [("shop", "both"), ("hub", "publish"), ("till", "both")];
    let place = group(&members, &[("hub", "INSERT INTO Price (Id, Amount) VALUES (1, 10), (2, 20)")]);
    place.ok(&["sync"]);
    place.edit("hub", "UPDATE Price SET Amount = 11 WHERE Id = 1");
    place
        .edit("shop", "UPDATE Price SET Amount = 12 WHERE Id = 1; UPDATE Price SET Amount = 22 WHERE Id = 2");
    place.ok(&["sync"]);
    for member in ["shop", "till"] {
        assert_eq!(prices(&place, member), [row(1, 11), row(2, 22)], "{member}");
    }
    assert_eq!(prices(&place, "hub"), [row(1, 11), row(2, 20)]);
    let conflicts = place.json(&["conflicts", "list"]);
    assert_eq!(conflicts.as_array().unwrap().len(), 1, "{conflicts}");
    assert_eq!(
        (&conflicts[0]["winner"]["member"], &conflicts[0]["loser"]["member"]),
        (&Value::from("hub"), &Value::from("shop"))
    );
    let told = place.ok(&["verify"]);
    assert!(told.contains("Price [2] of hub: differs from shop in Amount (hub only publishes)"), "{told}");
}

#[test]
fn a_direction_is_for_good() {
    let place = group(&HUB, &[("hub", "INSERT INTO Price (Id, Amount) VALUES (1, 10)")]);
    place.ok(&["sync"]);
    let mut changed = HUB;
    changed[1].1 = "both";
    write_group(&place, &changed);
    let said = ["`direction: subscribe`", "`both`", "`tributary member reinit north`"];
    let provisioned = place.run(&["provision"]);
    assert_eq!(provisioned.code, 1, "{provisioned:?}");
    let mut running = place.start(&[]);
    let halted = running.wait_for("apply north: halted");
    let status = place.json(&["status"]);
    let trouble = status["members"][1]["trouble"].as_str().unwrap();
    assert!(provisioned.out.contains("DBS-031"), "{provisioned:?}");
    for text in [provisioned.out.as_str(), &halted, trouble] {
        assert!(said.iter().all(|said| text.contains(said)), "{text}");
    }
    // The others go on, and so does this one under its old direction.
    place.edit("hub", "UPDATE Price SET Amount = 11");
    let synced = place.run(&["sync"]);
    assert_eq!(synced.code, 1, "{synced:?}");
    assert_eq!((prices(&place, "south"), prices(&place, "north")), (vec![row(1, 11)], vec![row(1, 10)]));
    running.stop("-TERM");
    write_group(&place, &HUB);
    place.ok(&["sync"]);
    assert_eq!(prices(&place, "north"), [row(1, 11)]);
}

/// What a subscriber's user did counted for nothing while it only took; when it gives, too, it begins with what the group
/// has, and what it had is in the ledger.
#[test]
fn another_direction_begins_with_filling_the_member_anew() {
    let members = |north| [("hub", "both"), ("north", north), ("south", "both")];
    let place =
        group(&members("subscribe"), &[("hub", "INSERT INTO Price (Id, Amount) VALUES (1, 10), (2, 20)")]);
    place.ok(&["sync"]);
    place.edit(
        "north",
        "UPDATE Price SET Amount = 11 WHERE Id = 1; INSERT INTO Price (Id, Amount) VALUES (7, 70)",
    );
    write_group(&place, &members("both"));
    let mut running = place.start(&[]);
    for role in ["apply", "capture"] {
        let halted = format!("{role} north: halted");
        if !running.has_told(&halted) {
            running.wait_for(&halted);
        }
    }
    place.ok(&["member", "reinit", "north", "--wait"]);
    assert_eq!(place.json(&["sync", "--timeout", "60s"])["in_step"], true);
    for member in ["hub", "north", "south"] {
        assert_eq!(prices(&place, member), [row(1, 10), row(2, 20)], "{member}");
    }
    let saved = place.json(&["conflicts", "list"]);
    let kinds: Vec<_> = saved.as_array().unwrap().iter().map(|conflict| conflict["kind"].clone()).collect();
    assert_eq!(kinds, [json!("reinit"), json!("reinit")], "{saved}");
    place.edit("north", "UPDATE Price SET Amount = 21 WHERE Id = 2");
    place.ok(&["sync", "--timeout", "60s"]);
    assert_eq!(prices(&place, "hub"), [row(1, 10), row(2, 21)]);
    place.ok(&["verify"]);
    running.stop("-TERM");
}
