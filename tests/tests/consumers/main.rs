//! What others read: programs that have none of our code make a group's tables out of its resolved topics.
//!
//! One group with two members has worked on a real Kafka: all types of columns, updates, deletes, conflicts. A
//! transaction that was given up stands on its topics, too. Whoever reads must come to the members' rows.

#![allow(clippy::unwrap_used, reason = "a test")]

mod connect;
mod worked;

use std::path::Path;
use std::process::{Command, ExitCode};
use tributary_testkit::service_test;
use tributary_testkit::services::{self, Need, python, shared_broker, shared_registry};
use worked::{TABLES, worked};

fn main() -> ExitCode {
    services::main(vec![
        service_test!(a_stock_client_rebuilds_the_tables).needing(Need::Python),
        service_test!(connect::kafka_connect_takes_rows_out_of_envelopes).needing(Need::Python),
    ])
}

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn a_stock_client_rebuilds_the_tables() {
    let group = worked();
    let copy = group.path().join("copy.db");
    let mut command = Command::new(python());
    command.arg(root().join("tests/consumers/rebuild.py")).arg("--out").arg(&copy);
    command.args(["--group", worked::GROUP, "--brokers", &shared_broker().address()]);
    let output = command.args(["--registry", &shared_registry().url()]).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    for member in group.members() {
        let connection = group.connect(member);
        connection.execute("ATTACH ?1 AS copy", [copy.to_str().unwrap()]).unwrap();
        for table in TABLES {
            assert_same_rows(&connection, member, table);
        }
    }
}

/// Compares by value and type, the columns by their names.
fn assert_same_rows(connection: &rusqlite::Connection, member: &str, table: &str) {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let columns = connection.prepare(&format!("SELECT * FROM main.{}", quoted(table))).unwrap();
    let columns: Vec<_> = columns.column_names().into_iter().map(quoted).collect();
    let rows = |schema: &str| format!("SELECT {} FROM {schema}.{}", columns.join(", "), quoted(table));
    let count = |sql: &str| -> i64 {
        connection.query_row(&format!("SELECT count(*) FROM ({sql})"), [], |row| row.get(0)).unwrap()
    };
    assert!(count(&rows("main")) > 10, "{table} of {member} has hardly any rows to compare");
    assert_eq!(count(&rows("main")), count(&rows("copy")), "{table} of {member}");
    for (one, other) in [("main", "copy"), ("copy", "main")] {
        let mut differing =
            connection.prepare(&format!("{} EXCEPT {} LIMIT 3", rows(one), rows(other))).unwrap();
        let width = columns.len();
        let differing = differing.query_map([], |row| {
            (0..width).map(|at| row.get::<_, rusqlite::types::Value>(at)).collect::<Result<Vec<_>, _>>()
        });
        let differing: Vec<_> = differing.unwrap().map(Result::unwrap).collect();
        assert!(differing.is_empty(), "{table} of {member}: only in {one}: {differing:#?}");
    }
}
