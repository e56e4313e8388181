//! Random statements of every kind against tables of every kind: what is captured is exactly what differs.
//!
//! The test knows nothing of triggers: it compares the synchronised columns of all rows before and after each
//! transaction, and follows the captured changes like another member would.

use crate::world::{World, schema};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use tributary_member::contract::fixture::all_told;
use tributary_model::LogicalType as T;

/// The tables: all have the columns `id`, `email`, `code`, `name` (synchronised) and `note` (not).
const TABLES: [&str; 10] = [
    "CREATE TABLE p (id INTEGER PRIMARY KEY, email TEXT UNIQUE, code INT, name TEXT, note TEXT, UNIQUE (code, name))",
    "CREATE TABLE p (note TEXT, id INTEGER PRIMARY KEY, email TEXT UNIQUE ON CONFLICT REPLACE, code INT UNIQUE ON CONFLICT IGNORE, name TEXT)",
    "CREATE TABLE p (id BIGINT NOT NULL PRIMARY KEY, email TEXT UNIQUE, code INT, name TEXT COLLATE NOCASE, note TEXT)",
    "CREATE TABLE p (id BIGINT PRIMARY KEY, email TEXT COLLATE NOCASE UNIQUE, code INT, name TEXT, note TEXT) WITHOUT ROWID",
    "CREATE TABLE p (id INTEGER PRIMARY KEY, email TEXT, code INT, name TEXT, note TEXT);
     CREATE UNIQUE INDEX part ON p (email) WHERE code > 1;
     CREATE UNIQUE INDEX expr ON p (lower(name) COLLATE NOCASE, abs(code))",
    "CREATE TABLE p (id INTEGER PRIMARY KEY, email TEXT, code INT, name TEXT, note TEXT)",
    "CREATE TABLE p (id INTEGER PRIMARY KEY, email TEXT UNIQUE, code INT, name TEXT, note TEXT);
     CREATE TRIGGER mine AFTER UPDATE OF code ON p WHEN NEW.code = 3 BEGIN
       DELETE FROM p WHERE code = 0; INSERT OR IGNORE INTO p (id, email) VALUES (NEW.id + 20, 'trigger'); END;
     CREATE TRIGGER before_mine BEFORE INSERT ON p WHEN NEW.code = 2 BEGIN
       INSERT OR REPLACE INTO p (id, email) VALUES (40, NEW.name); END",
    "CREATE TABLE p (id INTEGER PRIMARY KEY, email TEXT UNIQUE, code INT REFERENCES p (id) ON DELETE CASCADE ON UPDATE SET NULL, name TEXT, note TEXT)",
    "CREATE TABLE p (id BIGINT NOT NULL PRIMARY KEY, email TEXT COLLATE NOCASE UNIQUE, code INT REFERENCES p (id) ON DELETE CASCADE, name TEXT, note TEXT) WITHOUT ROWID",
    "CREATE TABLE p (id BIGINT NOT NULL PRIMARY KEY, email TEXT UNIQUE, code INT REFERENCES q (id) ON DELETE CASCADE, name TEXT, note TEXT);
     CREATE TABLE q (id INTEGER PRIMARY KEY REFERENCES p (id) ON DELETE CASCADE ON UPDATE CASCADE);
     CREATE TRIGGER mine AFTER INSERT ON p BEGIN INSERT OR IGNORE INTO q VALUES (NEW.id); END",
];

fn words() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["'a'", "'A'", "'b'", "'b '", "NULL", "''"]).prop_map(str::to_owned)
}

fn numbers() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["0", "1", "2", "3", "-1", "4", "NULL"]).prop_map(str::to_owned)
}

fn ids() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["1", "2", "3", "4", "5", "6", "-1"]).prop_map(str::to_owned)
}

fn values() -> impl Strategy<Value = String> {
    (ids(), words(), numbers(), words(), words())
        .prop_map(|(id, email, code, name, note)| format!("({id}, {email}, {code}, {name}, {note})"))
}

fn rows() -> impl Strategy<Value = String> {
    prop::collection::vec(values(), 1..4).prop_map(|rows| rows.join(", "))
}

fn or() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "OR REPLACE", "OR IGNORE", "OR FAIL", "OR ABORT", "OR ROLLBACK"])
}

fn sets() -> impl Strategy<Value = String> {
    let set = prop_oneof![
        words().prop_map(|word| format!("email = {word}")),
        numbers().prop_map(|number| format!("code = {number}")),
        words().prop_map(|word| format!("name = {word}")),
        words().prop_map(|word| format!("note = {word}")),
        ids().prop_map(|id| format!("id = {id}")),
        Just("id = id + 1".to_owned()),
        Just("id = -id".to_owned()),
        Just("name = upper(name), email = email".to_owned()),
    ];
    prop::collection::vec(set, 1..3).prop_map(|sets| sets.join(", "))
}

fn wheres() -> impl Strategy<Value = String> {
    prop_oneof![
        ids().prop_map(|id| format!(" WHERE id = {id}")),
        words().prop_map(|word| format!(" WHERE email = {word}")),
        numbers().prop_map(|number| format!(" WHERE code IS {number}")),
        ids().prop_map(|id| format!(" WHERE id >= {id}")),
    ]
}

fn upserts() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(" ON CONFLICT DO NOTHING".to_owned()),
        Just(" ON CONFLICT (id) DO NOTHING".to_owned()),
        sets().prop_map(|sets| format!(" ON CONFLICT (id) DO UPDATE SET {sets}")),
        Just(" ON CONFLICT (id) DO UPDATE SET email = excluded.email, code = excluded.code".to_owned()),
        sets().prop_map(|sets| format!(" ON CONFLICT (email) DO UPDATE SET {sets}")),
    ]
}

fn statements() -> impl Strategy<Value = String> {
    const COLUMNS: &str = "(id, email, code, name, note)";
    prop_oneof![
        4 => (or(), rows()).prop_map(|(or, rows)| format!("INSERT {or} INTO p {COLUMNS} VALUES {rows}")),
        2 => (rows(), upserts()).prop_map(|(rows, end)| format!("INSERT INTO p {COLUMNS} VALUES {rows}{end}")),
        4 => (or(), sets(), wheres()).prop_map(|(or, sets, end)| format!("UPDATE {or} p SET {sets}{end}")),
        1 => (or(), sets()).prop_map(|(or, sets)| format!("UPDATE {or} p SET {sets}")),
        2 => wheres().prop_map(|end| format!("DELETE FROM p{end}")),
        1 => Just("DELETE FROM p".to_owned()),
        1 => or().prop_map(|or| format!("INSERT {or} INTO p {COLUMNS} SELECT id + 1, email, code, name, note FROM p")),
    ]
}

#[derive(Debug, Clone)]
struct Transaction {
    statements: Vec<String>,
    commit: bool,
}

fn transactions() -> impl Strategy<Value = Transaction> {
    (prop::collection::vec(statements(), 1..4), prop::bool::weighted(0.85))
        .prop_map(|(statements, commit)| Transaction { statements, commit })
}

/// The synchronised columns of all rows, exactly.
fn rows_now(world: &World) -> BTreeMap<String, String> {
    let sql = "SELECT id, coalesce(id, 'NULL') || '|' || coalesce(email, 'NULL') || '|' || coalesce(code, 'NULL') \
               || '|' || coalesce(name, 'NULL') FROM p";
    world.query(sql).into_iter().map(|row| (row[0].clone(), row[1].clone())).collect()
}

/// Whether a statement may change a row and then change it back.
fn is_upsert_of_several(statement: &str) -> bool {
    statement.contains("DO UPDATE") && statement.contains("), (")
}

fn play(definition: &str, recursive: bool, transactions: &[Transaction]) -> Result<(), TestCaseError> {
    let columns = [("id", T::Long), ("email", T::String), ("code", T::Int), ("name", T::String)];
    let mut world = World::new(definition, schema("p", &columns, &["id"]));
    world.run(if recursive { "PRAGMA recursive_triggers = ON" } else { "PRAGMA recursive_triggers = OFF" });
    world.run("PRAGMA foreign_keys = ON");
    let mut follower: BTreeMap<String, String> = BTreeMap::new();
    let mut versions = BTreeSet::new();
    for transaction in transactions {
        let before = rows_now(&world);
        let one = transaction.statements.len() == 1;
        world.run("BEGIN");
        for statement in &transaction.statements {
            // Refused statements are part of the game; OR ROLLBACK ends the transaction.
            let _ = world.user.execute_batch(statement);
        }
        if !world.user.is_autocommit() {
            world.run(if transaction.commit { "COMMIT" } else { "ROLLBACK" });
        }
        let after = rows_now(&world);
        let changes = world.changes();
        for change in &changes {
            prop_assert!(versions.insert(change.change.dot.version), "a version was given twice");
        }
        let told = all_told(&world.schema, &changes);
        for (key, row) in &told {
            let there = after.get(key).map_or("-", String::as_str);
            prop_assert_eq!(row, there, "{} is not as it is after {:?}", key, transaction);
            // Inserting over a row (REPLACE), triggers of users and an upsert that meets a row several times may leave a
            // row as it was; nothing else may.
            let same = before.get(key) == after.get(key);
            let plain = one
                && !definition.contains("TRIGGER")
                && !definition.contains("CASCADE")
                && !definition.contains("ON CONFLICT REPLACE")
                && !transaction.statements[0].contains("REPLACE")
                && !is_upsert_of_several(&transaction.statements[0]);
            let deleted_unknown = there == "-" && !before.contains_key(key);
            prop_assert!(!(plain && same && !deleted_unknown), "{} did not change in {:?}", key, transaction);
            follower.insert(key.clone(), row.clone());
        }
        follower.retain(|_, row| row != "-");
        prop_assert_eq!(&follower, &after, "after {:?}", transaction);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 2, ..ProptestConfig::default() })]

    #[test]
    fn captured_is_what_differs(
        table in 0..TABLES.len(),
        recursive: bool,
        transactions in prop::collection::vec(transactions(), 1..20),
    ) {
        play(TABLES[table], recursive, &transactions)?;
    }
}

/// A key that one statement moves away and back, and a value that one changes and changes back: once told as changes, though
/// the row is as it was.
#[test]
fn a_row_that_one_statement_changes_back() {
    let one = |statement: &str| Transaction { statements: vec![statement.to_owned()], commit: true };
    let columns = "INSERT INTO p (id, email, code, name, note) VALUES";
    let insert = one(&format!("{columns} (1, 'a', 0, 'a', 'a')"));
    let rows = "(1, 'a', 0, 'a', 'a'), (1, 'a', 0, 'a', 'a')";
    let moved = one(&format!("{columns} {rows} ON CONFLICT (email) DO UPDATE SET id = -id"));
    let rows = "(1, 'b', 0, 'a', 'a'), (1, 'a', 0, 'a', 'a')";
    let set = one(&format!("{columns} {rows} ON CONFLICT (id) DO UPDATE SET email = excluded.email"));
    for recursive in [false, true] {
        play(TABLES[0], recursive, &[insert.clone(), moved.clone(), set.clone()]).unwrap();
    }
}
