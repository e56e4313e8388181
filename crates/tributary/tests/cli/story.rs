//! A group's life by way of the command line, in text and in JSON.

use crate::place::Place;
use serde_json::{Value, json};
use tributary_stream::embedded::{Access, EmbeddedLog};
use tributary_stream::{Headers, Log as _, Outgoing, TopicName};

#[test]
fn from_provisioning_to_equal_members() {
    let place = Place::new();
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London'), (2, 'Bob', NULL)");
    let checked = place.json(&["check"]);
    assert_eq!(checked["members"][0]["tables"][0]["provisioned"], false);

    let planned = place.ok(&["provision", "--dry-run"]);
    assert!(planned.contains("CREATE TRIGGER") && planned.contains("-- member shop: "), "{planned}");
    assert!(!place.path("log.db").exists(), "a dry run changes nothing");
    assert_eq!(
        place.rows("hq", "SELECT name FROM sqlite_schema WHERE name LIKE '%dss%'"),
        Vec::<String>::new()
    );

    let first = place.json(&["provision"]);
    assert!(first["members"][0]["statements"].as_array().unwrap().len() > 5, "{first}");
    assert_eq!(first["members"][0]["error"], Value::Null);
    let again = place.ok(&["provision"]);
    assert!(again.contains("hq: nothing to do") && again.contains("shop: nothing to do"), "{again}");
    assert_eq!(place.json(&["check"])["members"][0]["tables"][0]["provisioned"], true);

    assert_eq!(place.json(&["status"])["in_step"], false, "the first scan has yet to come");
    let synced = place.ok(&["sync"]);
    assert!(synced.contains("in step"), "{synced}");
    assert_eq!(place.rows("shop", "SELECT * FROM Customer"), place.rows("hq", "SELECT * FROM Customer"));
    let status = place.json(&["status"]);
    assert_eq!(
        (&status["in_step"], &status["out_of_sync"], &status["open_conflicts"]),
        (&json!(true), &json!(0), &json!(0))
    );
    let text = place.ok(&["status"]);
    assert!(text.starts_with("group retail at ") && text.contains("in step"), "{text}");
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(lines.contains(&vec!["hq", "Customer", "ready", "0", "0", "0", "0"]), "{text}");

    let verified = place.json(&["verify"]);
    assert_eq!(verified["compared"][0]["rows"], 2);
    assert_eq!(verified["compared"][0]["differing"], 0);
    assert!(place.ok(&["verify"]).contains("all members are equal"));

    place.edit("shop", "DELETE FROM Customer WHERE Id = 2; UPDATE Customer SET City = 'Paris'");
    place.ok(&["sync"]);
    assert_eq!(place.rows("hq", "SELECT Id, City FROM Customer"), ["Integer(1) Text(\"Paris\")"]);
}

/// Both members give the same new key a row; the later one wins and the other stands in the ledger.
fn with_a_conflict() -> Place {
    let place = Place::provisioned();
    place.ok(&["sync"]);
    place.edit("hq", "INSERT INTO Customer VALUES (7, 'Ada', 'London')");
    // Far enough apart for clocks of a millisecond, and for what measuring them may be off by.
    std::thread::sleep(std::time::Duration::from_millis(50));
    place.edit("shop", "INSERT INTO Customer VALUES (7, 'Eve''s', 'London')");
    place.ok(&["sync"]);
    place
}

#[test]
fn conflicts_are_listed_shown_and_can_be_put_back() {
    let place = with_a_conflict();
    for member in ["hq", "shop"] {
        assert_eq!(place.rows(member, "SELECT Name FROM Customer"), ["Text(\"Eve's\")"], "{member}");
    }
    let listed = place.json(&["conflicts", "list"]);
    let conflict = &listed[0];
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!((&conflict["table"], &conflict["key"]), (&json!("Customer"), &json!("7")));
    assert_eq!((&conflict["winner"]["member"], &conflict["loser"]["member"]), (&json!("shop"), &json!("hq")));
    assert_eq!(conflict["loser"]["row"], json!({"Id": 7, "Name": "Ada", "City": "London"}));
    let id = conflict["id"].as_str().unwrap();
    let text = place.ok(&["conflicts", "list"]);
    let line = text.lines().find(|line| line.starts_with(&id[..12])).unwrap();
    assert!(line.contains("Customer") && line.ends_with("Name"), "{text}");

    for (filter, count) in [
        (&["--table", "customer"][..], 1),
        (&["--table", "OrderLine"], 0),
        (&["--state", "open"], 0),
        (&["--state", "settled"], 1),
        (&["--kind", "concurrent"], 1),
        (&["--kind", "blocked_delete"], 0),
        (&["--since", "1h"], 1),
        (&["--since", "2200-01-01"], 0),
        (&["--limit", "0"], 0),
    ] {
        let arguments: Vec<_> = ["conflicts", "list"].iter().chain(filter).copied().collect();
        assert_eq!(place.json(&arguments).as_array().unwrap().len(), count, "{filter:?}");
    }

    let shown = place.ok(&["conflicts", "show", &id[..8]]);
    assert!(shown.contains("the row of shop stands: its change is the later one"), "{shown}");
    assert!(shown.contains("differs") && shown.contains("to put the losing version back"), "{shown}");
    let shown = place.json(&["conflicts", "show", id, "--member", "shop"]);
    assert_eq!(shown["put_loser_back"]["member"], "shop");
    place.edit("shop", shown["put_loser_back"]["sql"].as_str().unwrap());
    place.ok(&["sync"]);
    for member in ["hq", "shop"] {
        assert_eq!(place.rows(member, "SELECT Name FROM Customer"), ["Text(\"Ada\")"], "{member}");
    }
    assert_eq!(
        place.json(&["conflicts", "list"]).as_array().unwrap().len(),
        1,
        "taking it back is no conflict"
    );
    place.run(&["conflicts", "show", "zzz"]).failed(1, &["GRP-103", "conflicts list"]);
}

#[test]
fn what_a_member_refuses_is_listed_shown_and_tried_again() {
    let place = Place::provisioned();
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    place.ok(&["sync"]);
    // A table of the shop's own refers to the customer, so its delete is refused there.
    place.edit(
        "shop",
        "CREATE TABLE Visit (Id INTEGER PRIMARY KEY, CustomerId INTEGER REFERENCES Customer (Id));
         INSERT INTO Visit VALUES (1, 1)",
    );
    place.edit("hq", "DELETE FROM Customer");
    let synced = place.run(&["sync"]);
    assert_eq!(synced.code, 1, "{synced:?}");
    assert!(
        synced.out.contains("1 changes of table Customer were refused and are parked in member shop"),
        "{synced:?}"
    );

    let listed = place.json(&["exceptions", "list"]);
    let parked = &listed["exceptions"][0];
    assert_eq!((&parked["member"], &parked["at"]), (&json!("shop"), &json!("apply")));
    assert_eq!((&parked["kind"], &parked["key"]), (&json!("referenced"), &json!("1")));
    assert_eq!((&parked["deletes"], &parked["origin"]), (&json!(true), &json!("hq")));
    let id = parked["id"].as_str().unwrap();
    assert!(place.ok(&["exceptions", "list", "--table", "Customer"]).contains(id));
    assert!(!place.ok(&["exceptions", "list", "--member", "hq"]).contains(id));
    let shown = place.ok(&["exceptions", "show", &id[..6]]);
    assert!(shown.contains("the delete of this row was refused"), "{shown}");
    place.run(&["exceptions", "show", "zz"]).failed(1, &["GRP-103"]);

    let verified = place.run(&["verify", "--output", "json"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    let verified: Value = serde_json::from_str(&verified.out).unwrap();
    let difference = &verified["compared"][0]["differences"][0];
    assert_eq!((&difference["key"], &difference["kind"]), (&json!("1"), &json!("extra")));
    assert_eq!(difference["explained"], "parked in shop (referenced)");
    assert_eq!(verified["compared"][0]["settled"], true);

    place.edit("shop", "DROP TABLE Visit");
    let retried = place.json(&["exceptions", "retry", "--member", "shop"]);
    assert_eq!(retried[0]["due"], 1, "{retried}");
    place.ok(&["sync"]);
    assert_eq!(place.json(&["exceptions", "list"])["exceptions"], json!([]));
    place.ok(&["verify"]);
}

/// Puts a record into a topic as another program might.
fn write_foreign(place: &Place, topic: &str) {
    let record = Outgoing {
        topic: TopicName::new(topic),
        partition: 0,
        key: b"7".to_vec(),
        value: Some(b"by another program".to_vec()),
        headers: Headers::new().with("by", b"hand"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let log = EmbeddedLog::open(place.path("log.db"), Access::Exclusive).unwrap();
        let mut producer = log.producer("foreign").await.unwrap();
        producer.begin().await.unwrap();
        producer.send(vec![record]).await.unwrap();
        producer.commit().await.unwrap();
    });
}

#[test]
fn records_of_other_programs_are_listed_shown_and_struck_off() {
    let place = Place::provisioned();
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    place.ok(&["sync"]);
    write_foreign(&place, "tributary.retail.changes.Customer");
    write_foreign(&place, "tributary.retail.resolved.Customer");
    place.edit("hq", "INSERT INTO Customer VALUES (2, 'Bob', 'Paris')");
    place.ok(&["sync"]);
    assert_eq!(place.rows("shop", "SELECT Id FROM Customer"), ["Integer(1)", "Integer(2)"]);

    let listed = place.json(&["exceptions", "list"]);
    let records = listed["records"].as_array().unwrap();
    // The resolver reads its own topic again when it starts, and finds the second one there, too.
    assert_eq!((records.len(), listed["exceptions"].as_array().unwrap().len()), (4, 0));
    let of = |met_by: &str, member: Value, topic: &str| {
        let is = |record: &&Value| {
            (&record["met_by"], &record["member"], &record["topic"])
                == (&json!(met_by), &member, &json!(topic))
        };
        records.iter().find(is).unwrap_or_else(|| panic!("{met_by} {member} {topic}: {listed}"))
    };
    let change = of("resolver", Value::Null, "tributary.retail.changes.Customer");
    for (met_by, member) in [("resolver", Value::Null), ("apply", json!("hq")), ("apply", json!("shop"))] {
        let settled = of(met_by, member, "tributary.retail.resolved.Customer");
        assert_eq!((&settled["code"], &settled["value"]), (&json!("COD-001"), &json!("by another program")));
    }
    let status = place.json(&["status"]);
    assert_eq!((&status["unusable_records"], &status["in_step"]), (&json!(4), &json!(true)));
    assert!(place.ok(&["status"]).contains("4 records of the group's topics could not be used"));
    let only = place.json(&["exceptions", "list", "--member", "shop"]);
    assert_eq!(only["records"].as_array().unwrap().len(), 1);

    let id = change["id"].as_str().unwrap();
    let shown = place.ok(&["exceptions", "show", &id[..8]]);
    assert!(shown.contains("another program wrote it") && shown.contains("by = hand"), "{shown}");
    place.ok(&["exceptions", "discard", id]);
    place.run(&["exceptions", "discard", id]).failed(1, &["GRP-103"]);
    assert_eq!(place.json(&["exceptions", "list"])["records"].as_array().unwrap().len(), 3);
}

#[test]
fn verify_names_rows_and_columns_that_differ() {
    let place = Place::provisioned();
    place.edit(
        "hq",
        "INSERT INTO Customer VALUES (1, 'Ada', 'London'), (2, 'Bob', 'Paris'), (3, 'Cid', 'Rome')",
    );
    place.ok(&["sync"]);
    // Past the triggers, as a bulk load might.
    let triggers =
        place.rows("shop", "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'Customer'");
    assert!(!triggers.is_empty());
    let kept: Vec<String> = {
        let user = place.user("shop");
        let mut statement = user
            .prepare("SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'Customer'")
            .unwrap();
        let kept = statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        drop(statement);
        kept
    };
    for trigger in &triggers {
        let name = trigger.trim_start_matches("Text(\"").trim_end_matches("\")");
        place.edit("shop", &format!("DROP TRIGGER \"{name}\""));
    }
    place.edit(
        "shop",
        "UPDATE Customer SET City = 'Oslo' WHERE Id = 1; DELETE FROM Customer WHERE Id = 2;
         INSERT INTO Customer VALUES (9, 'Ida', NULL)",
    );
    for trigger in kept {
        place.edit("shop", &trigger);
    }
    let ended = place.run(&["verify", "--tries", "2"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    for said in [
        "Customer [1] of shop: differs from hq in City",
        "Customer [2] of shop: missing here, there in hq",
        "Customer [9] of shop: only here, missing in hq",
        "not all members are equal",
    ] {
        assert!(ended.out.contains(said), "{said}: {ended:?}");
    }
    let limited =
        place.run(&["verify", "--table", "Customer", "--limit", "1", "--tries", "1", "--output", "json"]);
    let limited: Value = serde_json::from_str(&limited.out).unwrap();
    assert_eq!(limited["compared"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&limited["compared"][0]["differing"], &limited["compared"][0]["equal"]),
        (&json!(3), &json!(1))
    );
    assert_eq!(limited["compared"][0]["differences"].as_array().unwrap().len(), 1);
    place.ok(&["verify", "--table", "OrderLine"]);
}

#[test]
fn members_with_fewer_columns_are_compared_by_what_they_have() {
    let place = Place::new();
    std::fs::remove_file(place.path("shop.db")).unwrap();
    place.create(
        "shop",
        "CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         CREATE TABLE order_line (order_id INTEGER NOT NULL, line INTEGER NOT NULL, customer_id INTEGER NOT NULL,
                                  amount DECIMAL(10,2), PRIMARY KEY (order_id, line))",
    );
    place.edit(
        "hq",
        "INSERT INTO Customer VALUES (1, 'Ada', 'London'); INSERT INTO OrderLine VALUES (1, 1, 1, 9.50)",
    );
    place.ok(&["provision"]);
    place.ok(&["sync"]);
    assert_eq!(place.rows("shop", "SELECT name FROM customer"), ["Text(\"Ada\")"]);
    let verified = place.json(&["verify"]);
    assert_eq!(verified["compared"][0]["columns_left_out"], json!(["City"]));
    assert_eq!(verified["compared"][0]["differing"], 0);
    place.edit("shop", "UPDATE customer SET name = 'Eve'; UPDATE order_line SET amount = 10.25");
    place.ok(&["sync"]);
    assert_eq!(place.rows("hq", "SELECT Name, City FROM Customer"), ["Text(\"Eve\") Text(\"London\")"]);
    place.ok(&["verify"]);
}

#[test]
fn tail_shows_decoded_records_and_filters_them() {
    let place = with_a_conflict();
    place.edit("hq", "INSERT INTO OrderLine VALUES (1, 2, 7, 9.5)");
    place.ok(&["sync"]);
    let records = |arguments: &[&str]| -> Vec<Value> {
        let mut all = vec!["tail", "--output", "json"];
        all.extend(arguments);
        place.ok(&all).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = records(&[]);
    let conflict = all.iter().find(|record| record["topic"] == "conflicts").unwrap();
    assert_eq!((&conflict["member"], &conflict["loser"]), (&json!("shop"), &json!("hq")));
    let lines = records(&["--table", "OrderLine"]);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0]["row"], json!({"OrderId": 1, "Line": 2, "CustomerId": 7, "Amount": "9.50"}));
    assert_eq!(records(&["--key", "1,2"]).len(), 2);
    assert_eq!(records(&["--key", "8"]).len(), 0);
    let changes = records(&["--topic", "changes", "--member", "shop"]);
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!((&changes[0]["op"], &changes[0]["how"]), (&json!("upsert"), &json!("live")));
    assert!(records(&["--topic", "resolved"]).iter().all(|record| record["topic"] == "resolved"));
    assert_eq!(records(&["--from", "end"]).len(), 0);
    let text = place.ok(&["tail", "--topic", "changes", "--table", "OrderLine"]);
    assert!(text.contains("changes   OrderLine [1, 2] upsert by=hq change=hq:"), "{text}");
    assert!(text.contains("{OrderId = 1, Line = 2, CustomerId = 7, Amount = 9.50}"), "{text}");
}

#[test]
fn sync_of_members_that_are_not_provisioned_says_so() {
    let place = Place::new();
    let ended = place.run(&["sync"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("run `provision`"), "{ended:?}");
}
