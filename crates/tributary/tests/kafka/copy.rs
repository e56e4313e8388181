//! `log copy`: a group that lived on one machine goes on with Kafka.

use crate::group::{group_file, over_kafka, records};
use crate::place::{PROGRAM, Place};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;
use tributary_stream::TopicName;
use tributary_stream::embedded::{Access, EmbeddedLog};
use tributary_testkit::service_test;
use tributary_testkit::services::Test;

pub(crate) fn tests() -> Vec<Test> {
    vec![
        service_test!(a_group_goes_on_with_kafka_and_its_members_notice_nothing),
        service_test!(a_copy_goes_on_wherever_it_was_killed),
        service_test!(a_log_that_is_left_is_not_used_and_a_copy_can_be_given_up),
        service_test!(topics_of_another_log_are_left_alone),
    ]
}

/// A group on the embedded log, `<name>.log.db`, with a group file `before.yaml`, and one over Kafka beside it.
fn embedded(name: &str) -> Place {
    let place = Place::new();
    place.write("before.yaml", &group_file(name, &format!("log: {{ embedded: ./{name}.log.db }}")));
    place.write("tributary.yaml", &over_kafka(name));
    // Every second line is more than this shop takes.
    place.edit(
        "shop",
        "DROP TABLE OrderLine; CREATE TABLE OrderLine (OrderId INTEGER NOT NULL, Line INTEGER NOT NULL, \
         CustomerId INTEGER NOT NULL REFERENCES Customer (Id), Amount DECIMAL(10,2) CHECK (Amount < 1000), \
         PRIMARY KEY (OrderId, Line));",
    );
    place.ok(&["-g", "before.yaml", "provision"]);
    place
}

/// Conflicts, deletes, refused rows, and gaps from compaction.
fn history(place: &Place, name: &str) {
    let sync = || place.run(&["-g", "before.yaml", "sync"]);
    place.edit(
        "hq",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
         INSERT INTO Customer SELECT i, 'customer ' || i, 'Lima' FROM n;
         INSERT INTO OrderLine SELECT Id, 1, Id, Id / 4.0 FROM Customer WHERE Id < 100;
         INSERT INTO OrderLine VALUES (7, 2, 7, 5000);",
    );
    sync();
    for round in 0..3 {
        for member in ["hq", "shop"] {
            place.edit(
                member,
                &format!("UPDATE Customer SET City = '{member} {round}' WHERE Id % 3 = {round} AND Id < 90"),
            );
        }
        place.edit("hq", &format!("DELETE FROM Customer WHERE Id BETWEEN {0} AND {0} + 4", 150 + round * 10));
        sync();
    }
    // A wide row whose history leaves a gap that is not worth repeating it for.
    for version in 0..4 {
        place.edit(
            "hq",
            &format!("UPDATE Customer SET Name = '{version}' || hex(zeroblob(20000)) WHERE Id = 199"),
        );
        sync();
    }
    let log = EmbeddedLog::open(place.path(&format!("{name}.log.db")), Access::Exclusive).unwrap();
    let mut removed = 0;
    for table in ["Customer", "OrderLine"] {
        let topic = TopicName::new(format!("tributary.{name}.resolved.{table}"));
        removed += log.compact(&topic).unwrap().removed;
    }
    assert!(removed > 50, "only {removed} records were compacted away");
}

fn a_group_goes_on_with_kafka_and_its_members_notice_nothing() {
    let place = embedded("mover");
    history(&place, "mover");
    let listed = |of: &str, what: &str| place.json(&["-g", of, what, "list"]).to_string();
    let before = (listed("before.yaml", "conflicts"), listed("before.yaml", "exceptions"));
    assert!(before.0.contains("hq 2") && before.1.contains("5000"), "{before:?}");

    let copied = place.json(&["log", "copy", "--from", "embedded", "--to", "kafka"]);
    let topics = copied["topics"].as_array().unwrap();
    let of = |topic: &str| topics.iter().find(|t| t["topic"].as_str().unwrap().ends_with(topic)).unwrap();
    assert_eq!(of("resolved.Customer")["offsets_kept"], true, "{copied}");
    assert!(of("resolved.Customer")["repeated"].as_u64().unwrap() > 0, "there were gaps: {copied}");
    assert!(of("resolved.Customer")["filled"].as_u64().unwrap() > 0, "there was a long one: {copied}");
    assert!(of("conflicts")["records"].as_u64().unwrap() > 10, "{copied}");

    // All the same: the ledger, what was refused, the members; and nothing that is published anew (I3).
    assert_eq!(before, (listed("tributary.yaml", "conflicts"), listed("tributary.yaml", "exceptions")));
    let published = records(&place, "changes,resolved,conflicts");
    let synced = place.run(&["sync"]);
    assert!(synced.out.contains("1 changes of table OrderLine were refused"), "{synced:?}");
    assert!(published == records(&place, "changes,resolved,conflicts"), "something was published anew");
    let verified = place.run(&["verify"]);
    assert_eq!(verified.code, 1, "the refused row: {verified:?}");

    // Life goes on, in both directions, and the refused row too.
    place.edit("shop", "UPDATE Customer SET City = 'Oslo' WHERE Id = 1");
    place.edit("hq", "UPDATE OrderLine SET Amount = 5 WHERE OrderId = 7 AND Line = 2");
    place.ok(&["sync"]);
    place.ok(&["verify"]);
    assert_eq!(place.rows("hq", "SELECT City FROM Customer WHERE Id = 1"), ["Text(\"Oslo\")"]);

    // A member that knows nothing of the old log joins from the copied topics.
    let file = over_kafka("mover").replace("tables:", "  third: { url: \"sqlite:third.db\" }\ntables:");
    place.write("tributary.yaml", &file);
    place.ok(&["provision", "--create", "--enable-wal"]);
    place.ok(&["sync"]);
    place.ok(&["verify"]);
    assert_eq!(place.rows("third", "SELECT count(*) FROM Customer"), ["Integer(185)"]);

    let again = place.json(&["log", "copy"]);
    assert_eq!(again["was_complete"], true);
    place.run(&["-g", "before.yaml", "run"]).failed(64, &["error[ENG-010]", "was copied to kafka"]);
    place.run(&["-g", "before.yaml", "status"]).failed(64, &["error[ENG-010]"]);
}

/// A copy that is killed when it says this, and a moment later.
fn killed_at(place: &Place, said: &str, later: Duration) -> bool {
    let mut child = std::process::Command::new(PROGRAM)
        .current_dir(place.folder())
        .args(["log", "copy"])
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let came = lines.by_ref().any(|line| line.unwrap().contains(said));
    std::thread::sleep(later);
    child.kill().unwrap();
    !child.wait().unwrap().success() && came
}

fn a_copy_goes_on_wherever_it_was_killed() {
    let place = embedded("killed");
    history(&place, "killed");
    // Before anything is written, and then ever later; at some time it is complete.
    let mut kills = u32::from(killed_at(&place, "reading", Duration::ZERO));
    place.run(&["sync"]).failed(69, &["LOG-034", "run `tributary log copy` again"]);
    for later in [0, 5, 20, 60, 120, 240, 500] {
        kills += u32::from(killed_at(&place, "copying", Duration::from_millis(later)));
    }
    kills += u32::from(killed_at(&place, "comparing", Duration::ZERO));
    assert!(kills >= 5, "the copy was killed only {kills} times");
    place.ok(&["log", "copy"]);
    place.edit("hq", "UPDATE OrderLine SET Amount = 5 WHERE OrderId = 7 AND Line = 2");
    place.ok(&["sync"]);
    place.ok(&["verify"]);
}

fn a_log_that_is_left_is_not_used_and_a_copy_can_be_given_up() {
    let place = embedded("waverer");
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    place.ok(&["-g", "before.yaml", "sync"]);
    place.run(&["-g", "before.yaml", "log", "copy"]).failed(64, &["names no Kafka cluster"]);
    place.run(&["log", "copy", "--abandon"]).failed(1, &["GRP-207", "no copy of this log is under way"]);
    place.run(&["log", "copy", "--from", "embedded:elsewhere.db"]).failed(69, &["LOG-013", "elsewhere.db"]);
    let running = {
        let child = std::process::Command::new(PROGRAM)
            .current_dir(place.folder())
            .args(["-g", "before.yaml", "run"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut running = crate::place::Running::of(child);
        running.wait_for("runs as process");
        running
    };
    place.run(&["log", "copy"]).failed(69, &["LOG-017", &format!("process {}", running.pid())]);
    assert_eq!(running.stop("-TERM").0, 0);

    assert!(killed_at(&place, "copying", Duration::ZERO));
    place.run(&["-g", "before.yaml", "run"]).failed(69, &["ENG-009", "log copy --abandon"]);
    assert_eq!(place.json(&["-g", "before.yaml", "status"])["in_step"], true, "it can be looked at");
    place.ok(&["log", "copy", "--abandon"]);
    place.edit("shop", "INSERT INTO Customer VALUES (2, 'Bob', 'Bern')");
    place.ok(&["-g", "before.yaml", "sync"]);
    // What is there is of the copy that was given up.
    place.run(&["log", "copy"]).failed(1, &["GRP-204", "what is left of another copy"]);
}

fn topics_of_another_log_are_left_alone() {
    let place = embedded("second");
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    place.ok(&["-g", "before.yaml", "sync"]);
    let first = crate::group::place("second");
    first.ok(&["provision"]);
    place.run(&["log", "copy"]).failed(69, &["LOG-035", "belong to the log"]);
    let untouched: Value = place.json(&["-g", "before.yaml", "sync"]);
    assert_eq!(untouched["in_step"], true);
}
