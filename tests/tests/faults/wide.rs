//! More or larger than is usual: columns, rows, tables.

use crate::support::{MEMBERS, PATIENCE, check, execute, number, provisioned, status, trails};
use std::fmt::Write as _;
use std::time::Instant;
use tributary_testkit::{GroupFolder, Obligations, Program, eventually};

/// A table with two hundred columns of several types, edited on all sides.
pub(crate) fn a_table_of_two_hundred_columns() {
    let mut table = "CREATE TABLE Wide (id INTEGER PRIMARY KEY NOT NULL".to_owned();
    let (mut names, mut values) = ("id".to_owned(), "i".to_owned());
    for column in 1..200 {
        let (kind, value) = [
            ("TEXT", format!("'text {column} of ' || i")),
            ("INTEGER", format!("i * {column}")),
            ("REAL", format!("i / {column}.0")),
            ("BLOB", "zeroblob(i % 7)".to_owned()),
            ("DECIMAL_TEXT(12,2)", format!("i || '.{:02}'", column % 100)),
        ][column % 5]
            .clone();
        write!(table, ", column_{column} {kind}").unwrap();
        write!(names, ", column_{column}").unwrap();
        write!(values, ", {value}").unwrap();
    }
    table.push(')');
    let group = provisioned(GroupFolder::new(&MEMBERS, &["Wide"], ""), &table);
    let rows = |from: i64, to: i64| {
        format!(
            "INSERT INTO Wide ({names}) WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to})
             SELECT {values} FROM n"
        )
    };
    execute(&group, "hq", &rows(1, 300));
    let mut running = Program::run(&group);
    execute(&group, "cloud", &rows(301, 400));
    for member in MEMBERS {
        eventually("all rows", PATIENCE, || number(&group, member, "SELECT count(*) FROM Wide") == 400);
    }
    execute(&group, "till", "UPDATE Wide SET column_199 = '7.77', column_1 = NULL WHERE id % 3 = 0");
    execute(&group, "till", "DELETE FROM Wide WHERE id % 10 = 1");
    let edited =
        "SELECT count(*) FROM Wide WHERE column_199 = '7.77' AND column_1 IS NULL AND column_2 IS NOT NULL";
    eventually("the edits", PATIENCE, || {
        number(&group, "hq", edited) == number(&group, "till", edited)
            && number(&group, "hq", "SELECT count(*) FROM Wide") == 360
    });
    assert!(!running.has_ended());
    drop(running);
    check(&group, &["Wide"], &Obligations::default());
}

/// Rows of five megabytes go through like others; one that is over the limit is listed at its origin, with the reason,
/// and keeps nobody.
pub(crate) fn rows_of_five_megabytes() {
    let group = trails();
    let mut running = Program::run(&group);
    for (key, member) in (1..=12).zip(MEMBERS.into_iter().cycle()) {
        let sql = format!("INSERT INTO Trail VALUES ({key}, hex(zeroblob(2500000)), {key})");
        execute(&group, member, &sql);
    }
    let large = "SELECT count(*) FROM Trail WHERE length(trail) = 5000000";
    for member in MEMBERS {
        eventually("the large rows", PATIENCE, || number(&group, member, large) == 12);
    }
    execute(
        &group,
        "till",
        "UPDATE Trail SET trail = trail || '!' WHERE id = 1; DELETE FROM Trail WHERE id = 2",
    );
    let edited = "SELECT count(*) FROM Trail WHERE length(trail) = 5000001";
    eventually("an edit of a large row", PATIENCE, || number(&group, "hq", edited) == 1);
    // Far over what the log takes.
    execute(
        &group,
        "hq",
        "INSERT INTO Trail VALUES (100, hex(zeroblob(30000000)), 100), (101, 'small', 101)",
    );
    let small = "SELECT count(*) FROM Trail WHERE id = 101";
    eventually("the small row beside it", PATIENCE, || number(&group, "cloud", small) == 1);
    let listed = || Program::ok(&group, &["exceptions", "list"]);
    eventually("the row in the listing", PATIENCE, || listed().contains("a change may take"));
    execute(&group, "hq", "UPDATE Trail SET trail = 'shorter' WHERE id = 100");
    let shorter = "SELECT count(*) FROM Trail WHERE trail = 'shorter'";
    eventually("the shortened row", PATIENCE, || number(&group, "till", shorter) == 1);
    assert!(!running.has_ended());
    drop(running);
    check(&group, &["Trail"], &Obligations::default());
}

/// Two hundred tables in one group.
pub(crate) fn two_hundred_tables() {
    const TABLES: usize = 200;
    let names: Vec<_> = (0..TABLES).map(|number| format!("Table_{number:03}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let each =
        |statement: &dyn Fn(&str) -> String| names.iter().map(|name| statement(name)).collect::<String>();
    let began = Instant::now();
    let group = provisioned(
        GroupFolder::new(&MEMBERS, &names, ""),
        &each(&|name| format!("CREATE TABLE {name} (id INTEGER PRIMARY KEY NOT NULL, name TEXT);")),
    );
    eprintln!("provisioned after {:?}", began.elapsed());
    execute(&group, "hq", &each(&|name| format!("INSERT INTO {name} VALUES (1, 'first');")));
    let began = Instant::now();
    let mut running = Program::run(&group);
    let all = |name: &str, id: i64| {
        let counts = names.iter().map(|table| format!("(SELECT count(*) FROM {table} WHERE id = {id})"));
        let sql = format!("SELECT {}", counts.collect::<Vec<_>>().join(" + "));
        eventually("a row in every table", PATIENCE, || number(&group, name, &sql) == TABLES as i64);
    };
    all("cloud", 1);
    all("till", 1);
    eprintln!("everything arrived after {:?}", began.elapsed());
    execute(&group, "till", &each(&|name| format!("INSERT INTO {name} VALUES (2, 'second');")));
    all("hq", 2);
    let began = Instant::now();
    let told = status(&group);
    eprintln!("status after {:?}", began.elapsed());
    assert_eq!(told["members"][0]["tables"].as_array().unwrap().len(), TABLES);
    // What needs no attention needs no line of its own.
    let text = Program::ok(&group, &["status"]);
    assert!(text.lines().count() < 40, "{text}");
    assert!(!running.has_ended());
    drop(running);
    check(&group, &names, &Obligations::default());
}
