//! Members that come, rest, leave and come back while `run` goes on.

use crate::place::Place;

/// In hq: every customer's number and name.
fn names(place: &Place, member: &str) -> Vec<String> {
    place.rows(member, "SELECT Id || ' ' || Name FROM Customer ORDER BY Id")
}

fn texts(rows: &[&str]) -> Vec<String> {
    rows.iter().map(|row| format!("Text(\"{row}\")")).collect()
}

fn in_step(place: &Place) {
    let synced = place.json(&["sync", "--timeout", "60s"]);
    assert_eq!(synced["in_step"], true, "{synced}");
}

/// That something is in the way, and what.
fn blocked(place: &Place, said: &[&str]) {
    let ended = place.run(&["sync", "--timeout", "20s"]);
    assert!(ended.code == 1 && said.iter().all(|text| ended.out.contains(text)), "{ended:?}");
}

#[test]
fn a_member_comes_rests_leaves_and_comes_back() {
    let place = Place::provisioned();
    let mut running = place.start(&[]);
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London'), (2, 'Bob', 'Paris')");
    in_step(&place);

    // It comes: the running process takes it up by itself.
    place.run(&["member", "add", "till"]).failed(2, &["has no member till", "--url"]);
    place.run(&["member", "add", "shop", "--url", "sqlite:x.db"]).failed(2, &["has member shop already"]);
    place
        .run(&["member", "add", "till", "--url", "sqlite:till.db", "--password", "secret"])
        .failed(2, &["does not go on the command line"]);
    let told = place.ok(&["member", "add", "till", "--url", "sqlite:till.db", "--create", "--enable-wal"]);
    assert!(told.contains("till has joined the group"), "{told}");
    running.wait_for("apply till: runs");
    in_step(&place);
    assert_eq!(names(&place, "till"), texts(&["1 Ada", "2 Bob"]));
    place.edit("till", "INSERT INTO Customer VALUES (3, 'Cy', 'Rome')");
    in_step(&place);
    assert_eq!(names(&place, "hq"), texts(&["1 Ada", "2 Bob", "3 Cy"]));

    // It rests: changes of others wait for it, and its own.
    let told = place.ok(&["member", "pause", "till", "--why", "moving house"]);
    assert!(told.contains("till is paused"), "{told}");
    running.wait_for("apply till: rests");
    place.edit("hq", "UPDATE Customer SET Name = 'Bea' WHERE Id = 2");
    place.edit("till", "UPDATE Customer SET Name = 'Eve' WHERE Id = 1");
    blocked(&place, &["member till is left alone", "member resume till"]);
    assert_eq!(names(&place, "till"), texts(&["1 Eve", "2 Bob", "3 Cy"]));
    assert_eq!(names(&place, "hq"), texts(&["1 Ada", "2 Bea", "3 Cy"]));
    assert!(place.ok(&["status"]).contains("rests"));
    place.ok(&["member", "resume", "till"]);
    in_step(&place);
    for member in ["hq", "shop", "till"] {
        assert_eq!(names(&place, member), texts(&["1 Eve", "2 Bea", "3 Cy"]), "{member}");
    }

    // It leaves: its rows stay, what was created in it goes.
    let told = place.ok(&["member", "remove", "till"]);
    assert!(told.contains("till has left the group"), "{told}");
    let left = place.rows("till", "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%dss%'");
    assert_eq!(left, ["Integer(0)"]);
    place.edit(
        "till",
        "UPDATE Customer SET Name = 'alone' WHERE Id = 3; INSERT INTO Customer VALUES (9, 'own', '')",
    );
    place.edit("hq", "DELETE FROM Customer WHERE Id = 1; INSERT INTO Customer VALUES (4, 'Di', 'Bonn')");
    in_step(&place);
    place.ok(&["verify"]);
    assert_eq!(names(&place, "till"), texts(&["1 Eve", "2 Bea", "3 alone", "9 own"]));
    place.run(&["member", "pause", "till"]).failed(2, &["has no member till"]);

    // It comes back under a new name, with what the group has; what differed is in the ledger.
    let told = place.ok(&["member", "add", "till"]);
    assert!(told.contains("till is back in the group"), "{told}");
    in_step(&place);
    assert_eq!(names(&place, "till"), texts(&["2 Bea", "3 Cy", "4 Di"]));
    let saved = place.json(&["conflicts", "list"]);
    let kinds: Vec<_> = saved.as_array().unwrap().iter().map(|c| c["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reinit"; 3], "rows 1, 3 and 9: {saved}");
    place.edit("till", "UPDATE Customer SET Name = 'Cyd' WHERE Id = 3");
    in_step(&place);
    assert_eq!(names(&place, "hq"), texts(&["2 Bea", "3 Cyd", "4 Di"]));
    assert!(place.ok(&["tail", "--table", "Customer"]).contains("till~2"));
    place.ok(&["verify"]);

    // And it can be filled anew at any time.
    place.ok(&["member", "reinit", "till", "--wait"]);
    in_step(&place);
    assert_eq!(names(&place, "till"), texts(&["2 Bea", "3 Cyd", "4 Di"]));
    let (code, told) = running.stop("-TERM");
    assert_eq!(code, 0, "{told}");
}

/// Nobody runs: what is said waits in the log for the next one that does.
#[test]
fn commands_work_without_a_running_process() {
    let place = Place::provisioned();
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    place.ok(&["member", "pause", "shop"]);
    blocked(&place, &["member shop is left alone"]);
    assert_eq!(names(&place, "shop"), Vec::<String>::new());
    place.ok(&["member", "resume", "shop"]);
    in_step(&place);
    assert_eq!(names(&place, "shop"), texts(&["1 Ada"]));
    place.edit("hq", "INSERT INTO Customer VALUES (2, 'Bob', 'Paris')");
    place.run(&["member", "remove", "hq"]).failed(1, &["still has something to give", "--now"]);
    place.ok(&["member", "reinit", "shop"]);
    in_step(&place);
    assert_eq!(names(&place, "shop"), texts(&["1 Ada", "2 Bob"]));
}
