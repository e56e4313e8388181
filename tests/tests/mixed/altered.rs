//! A PostgreSQL table that is altered while `run` works: the table alone stops, `provision` mends it beside `run`, which goes
//! on by itself, and nothing is lost that was written meanwhile and can be known of.

use crate::support::{at, connect, database, texts};
use postgres::Client;
use std::time::{Duration, Instant};
use tributary_testkit::{GroupFolder, Program};

const FILE: &str = "CREATE TABLE Customer (Id INTEGER PRIMARY KEY, Name TEXT, City TEXT);
                    CREATE TABLE Other (Id INTEGER PRIMARY KEY, Name TEXT)";
const SERVER: &str = "CREATE TABLE customer (id int PRIMARY KEY, name varchar(20), city text);
                      CREATE TABLE other (id int PRIMARY KEY, name text)";

struct Scene {
    group: GroupFolder,
    cloud: Client,
}

impl Scene {
    fn user(&mut self, sql: &str) {
        self.cloud.batch_execute(sql).unwrap();
    }

    fn file(&self, sql: &str) {
        self.group.connect("hq").execute_batch(sql).unwrap();
    }

    /// Why the member's table stands still, as `status` tells; the other table goes on.
    fn stopped(&self) -> Option<String> {
        let status = Program::ok(&self.group, &["status", "--output", "json"]);
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let tables = &status["members"][1]["tables"];
        assert!(tables[1]["stopped"].is_null(), "{status}");
        tables[0]["stopped"].as_str().map(str::to_owned)
    }

    /// What is altered is told with its cause and the command that mends it; the other table goes on meanwhile.
    fn stops(&mut self, reason: &str) {
        let begun = Instant::now();
        let told = loop {
            if let Some(told) = self.stopped() {
                break told;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{reason} is not told");
        };
        assert!(told.contains(reason) && told.contains("provision"), "{reason}: {told}");
        self.user("INSERT INTO other (id, name) SELECT coalesce(max(id), 0) + 1, 'goes on' FROM other");
        let last = texts(&mut self.cloud, "SELECT max(id) FROM other").remove(0);
        let wanted: i64 = last.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        let begun = Instant::now();
        while self.group.connect("hq").query_row("SELECT max(Id) FROM Other", [], |row| row.get(0))
            != Ok(Some(wanted))
        {
            assert!(begun.elapsed() < Duration::from_secs(60), "the other table stands still, too");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn mended(&self) {
        Program::ok(&self.group, &["provision"]);
        self.in_step();
    }

    fn in_step(&self) {
        let begun = Instant::now();
        // The workers look once a second whether the tables are others.
        while !Program::output(&self.group, &["sync", "--timeout", "20s"]).status.success() {
            assert!(begun.elapsed() < Duration::from_secs(90), "it does not go on");
        }
        Program::ok(&self.group, &["verify"]);
    }

    fn names(&self) -> Vec<String> {
        tributary_testkit::table_content(&self.group.connect("hq"), "Customer")
    }
}

pub(crate) fn tables_are_altered_while_it_runs() {
    let url = database();
    let members = [("hq", at("sqlite:hq.db")), ("cloud", at(&url))];
    let tables = ["Customer", "Other"];
    let group = GroupFolder::with_members(
        "altered",
        "{ embedded: ./log.db }",
        &members,
        &tables,
        "poll_interval: 5ms\n",
    );
    group.connect("hq").execute_batch(FILE).unwrap();
    let mut cloud = connect(&url);
    cloud.batch_execute(SERVER).unwrap();
    Program::ok(&group, &["provision"]);
    let running = Program::run(&group);
    let mut scene = Scene { group, cloud };
    scene.file("INSERT INTO Customer VALUES (1, 'Ada', 'London'), (2, 'Bob', 'Ulm')");
    scene.in_step();

    // A column that the group does not have is nobody's matter.
    scene.user("ALTER TABLE customer ADD COLUMN internal text DEFAULT 'x'");
    scene.user("UPDATE customer SET name = 'Eve', internal = 'y' WHERE id = 1");
    scene.in_step();
    assert_eq!(scene.names()[0], "1 | \"Eve\" | \"London\"");

    scene.user("ALTER TABLE customer ALTER COLUMN name TYPE varchar(200)");
    scene.user("UPDATE customer SET name = 'a name of more than twenty letters' WHERE id = 2");
    scene.stops("\"name\" was declared");
    scene.mended();

    scene.user("ALTER TABLE customer DISABLE TRIGGER \"customer_dss_insert_trigger\"");
    scene.user("INSERT INTO customer (id, name) VALUES (3, 'unnoticed')");
    scene.stops("is disabled");
    scene.mended();
    assert_eq!(scene.names()[2], "3 | \"unnoticed\" | Null");

    scene.user("DROP TRIGGER \"customer_dss_insert_trigger\" ON customer");
    scene.user("INSERT INTO customer (id, name) VALUES (4, 'unnoticed')");
    scene.stops("is missing");
    scene.mended();
    assert_eq!(scene.names()[3], "4 | \"unnoticed\" | Null");

    // Without the column the member neither gives nor takes it, and when it has it again it is filled.
    scene.user("ALTER TABLE customer DROP COLUMN city");
    scene.file("UPDATE Customer SET City = 'Rome' WHERE Id = 3");
    scene.stops("\"city\"");
    scene.mended();
    scene.user("UPDATE customer SET name = 'Ada' WHERE id = 1");
    scene.in_step();
    assert_eq!(scene.names()[0], "1 | \"Ada\" | \"London\"");
    scene.user("ALTER TABLE customer ADD COLUMN city text DEFAULT 'nowhere'");
    scene.user("UPDATE customer SET city = 'given' WHERE id = 4");
    scene.mended();
    scene.user("UPDATE customer SET name = 'Di' WHERE id = 3");
    scene.in_step();
    assert_eq!(scene.names()[0], "1 | \"Ada\" | \"London\"");
    assert_eq!(scene.names()[2..], ["3 | \"Di\" | \"Rome\"", "4 | \"unnoticed\" | \"given\""]);

    scene.user("ALTER TABLE customer RENAME COLUMN city TO town");
    scene.stops("\"city\"");
    scene.user("ALTER TABLE customer RENAME COLUMN town TO city");
    scene.in_step();

    // Truncating deletes every row; a table that is dropped says nothing of its rows.
    scene.user("TRUNCATE customer");
    scene.in_step();
    assert!(scene.names().is_empty(), "{:?}", scene.names());
    scene.user("DROP TABLE customer");
    scene.stops("there is no table");
    scene.user("CREATE TABLE customer (id int PRIMARY KEY, name varchar(200), city text)");
    scene.user("INSERT INTO customer VALUES (7, 'new', NULL)");
    scene.stops("is missing");
    scene.mended();
    assert_eq!(scene.names(), ["7 | \"new\" | Null"]);
    running.stop();
}
