//! Tables that are altered while `run` works: the table alone stops, `provision` mends it beside `run`, which goes on by
//! itself, and nothing is lost that was written meanwhile.

use crate::place::{Place, Running};
use serde_json::Value;
use std::time::{Duration, Instant};

/// A running group, in step.
struct Scene {
    place: Place,
    running: Running,
}

fn start() -> Scene {
    let place = Place::provisioned();
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London'), (2, 'Bob', 'Ulm')");
    let running = place.start(&[]);
    place.ok(&["sync"]);
    Scene { place, running }
}

impl Scene {
    /// The table `Customer` of `hq` stops, for this reason, and the others go on.
    fn stops(&mut self, reason: &str) {
        let line = self.running.wait_for("table Customer stopped");
        assert!(line.contains(reason) && line.contains("provision"), "{reason:?}: {line}");
        let status = self.place.json(&["status"]);
        let tables = &status["members"][0]["tables"];
        assert!(tables[0]["stopped"].as_str().is_some_and(|told| told.contains(reason)), "{status}");
        assert_eq!(tables[1]["stopped"], Value::Null, "{status}");
        assert_eq!(status["members"][1]["tables"][0]["stopped"], Value::Null, "{status}");
    }

    /// `provision` beside `run`, after which everything is in step without anybody doing anything else.
    fn mended(&self) {
        self.place.ok(&["provision"]);
        let begun = Instant::now();
        loop {
            // The workers look once a second whether the tables are others.
            let synced = self.place.run(&["sync", "--timeout", "20s"]);
            if synced.code == 0 {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "{synced:?}");
        }
    }

    fn ends(self) {
        self.place.ok(&["verify"]);
        assert_eq!(self.running.stop("-TERM").0, 0);
    }
}

fn names(place: &Place, member: &str) -> Vec<String> {
    place.rows(member, "SELECT Id, Name FROM Customer ORDER BY Id")
}

#[test]
fn a_column_that_the_group_does_not_have_is_nobodys_matter() {
    let scene = start();
    scene.place.edit("hq", "ALTER TABLE Customer ADD COLUMN Internal TEXT DEFAULT 'x'");
    scene.place.edit("hq", "UPDATE Customer SET Name = 'Eve', Internal = 'y' WHERE Id = 1");
    scene.place.ok(&["sync"]);
    assert_eq!(names(&scene.place, "shop")[0], "Integer(1) Text(\"Eve\")");
    scene.ends();
}

#[test]
fn a_renamed_column_leaves_the_group_and_comes_back() {
    let mut scene = start();
    scene.place.edit("hq", "ALTER TABLE Customer RENAME COLUMN City TO Town");
    scene.stops("\"City\"");
    scene.place.edit(
        "hq",
        "UPDATE Customer SET Name = 'Eve' WHERE Id = 1; INSERT INTO Customer VALUES (3, 'Cy', 'Bonn')",
    );
    scene.place.edit("shop", "UPDATE Customer SET City = 'Paris' WHERE Id = 2");
    scene.mended();
    let cities = "SELECT Name, City FROM Customer ORDER BY Id";
    assert_eq!(
        scene.place.rows("shop", cities),
        ["Text(\"Eve\") Text(\"London\")", "Text(\"Bob\") Text(\"Paris\")", "Text(\"Cy\") Null"]
    );
    // Back again: the column is gained, and what it holds here is somebody's.
    scene.place.edit("hq", "ALTER TABLE Customer RENAME COLUMN Town TO City");
    scene.mended();
    assert_eq!(scene.place.rows("shop", cities)[2], "Text(\"Cy\") Text(\"Bonn\")");
    scene.ends();
}

#[test]
fn a_dropped_column_leaves_the_others_as_they_are() {
    let mut scene = start();
    // SQLite refuses as long as our triggers name the column.
    scene.place.edit(
        "hq",
        "BEGIN; CREATE TABLE Fresh (Id INTEGER PRIMARY KEY, Name TEXT NOT NULL);
         INSERT INTO Fresh SELECT Id, Name FROM Customer; DROP TABLE Customer;
         ALTER TABLE Fresh RENAME TO Customer; COMMIT",
    );
    scene.stops("\"City\"");
    scene.mended();
    scene.place.edit("hq", "UPDATE Customer SET Name = 'Eve' WHERE Id = 1");
    scene.place.ok(&["sync"]);
    assert_eq!(
        scene.place.rows("shop", "SELECT Name, City FROM Customer ORDER BY Id"),
        ["Text(\"Eve\") Text(\"London\")", "Text(\"Bob\") Text(\"Ulm\")"]
    );
    scene.ends();
}

/// What was written while the triggers were gone, as far as that can be found.
fn written_unnoticed(scene: &Scene) {
    scene.place.edit("hq", "INSERT INTO Customer VALUES (3, 'Cy', NULL), (4, 'Di', 'Rom')");
}

fn found(scene: &Scene) {
    assert_eq!(names(&scene.place, "shop")[2..], ["Integer(3) Text(\"Cy\")", "Integer(4) Text(\"Di\")"]);
}

#[test]
fn rows_inserted_while_a_trigger_was_gone_are_found() {
    let mut scene = start();
    scene.place.edit("hq", "DROP TRIGGER Customer_dss_insert_trigger");
    written_unnoticed(&scene);
    scene.stops("Customer_dss_insert_trigger");
    scene.place.edit("hq", "UPDATE Customer SET Name = 'Eve' WHERE Id = 1");
    scene.mended();
    found(&scene);
    assert_eq!(names(&scene.place, "shop")[0], "Integer(1) Text(\"Eve\")");
    scene.ends();
}

/// The usual migration of SQLite, with a wider type on the way.
#[test]
fn copy_drop_and_rename_with_another_type() {
    let mut scene = start();
    scene.place.edit(
        "hq",
        "BEGIN; CREATE TABLE Fresh (Id INTEGER PRIMARY KEY, Name NVARCHAR(200) NOT NULL, City TEXT);
         INSERT INTO Fresh SELECT * FROM Customer; DROP TABLE Customer;
         ALTER TABLE Fresh RENAME TO Customer; COMMIT",
    );
    written_unnoticed(&scene);
    scene.stops("declared");
    scene.mended();
    found(&scene);
    scene.ends();
}

#[test]
fn a_table_that_is_dropped_and_made_again_takes_what_comes() {
    let mut scene = start();
    scene.place.edit("hq", "DROP TABLE Customer");
    scene.stops("there is no table");
    scene.place.edit("shop", "UPDATE Customer SET Name = 'Eve' WHERE Id = 1");
    scene.place.edit("hq", "CREATE TABLE Customer (Id INTEGER PRIMARY KEY, Name TEXT NOT NULL, City TEXT)");
    written_unnoticed(&scene);
    scene.mended();
    found(&scene);
    // What a table took with it is not known to have been deleted; that is for `verify` to tell.
    assert_eq!(names(&scene.place, "hq")[0], "Integer(1) Text(\"Eve\")");
    let told = scene.place.run(&["verify"]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.out.contains("Customer [2] of shop: only here, missing in hq"), "{told:?}");
    assert_eq!(scene.running.stop("-TERM").0, 0);
}

#[test]
fn a_dropped_tracking_table_is_made_again() {
    let mut scene = start();
    scene.place.edit("hq", "DROP TABLE DataSync_Customer_dss_tracking");
    scene.stops("DataSync_Customer_dss_tracking");
    scene.mended();
    scene.place.edit("hq", "UPDATE Customer SET Name = 'Eve' WHERE Id = 1");
    scene.place.edit("shop", "UPDATE Customer SET Name = 'Bo' WHERE Id = 2");
    scene.place.ok(&["sync"]);
    assert_eq!(names(&scene.place, "shop"), names(&scene.place, "hq"));
    scene.ends();
}
