//! What tracking costs users' writes to a SQLite member, and what a page costs capture, in microseconds a row:
//! `cargo bench -p tributary-member --bench sqlite_tracking`. Whole tables are written in turn, which is no shape for the
//! benchmark library.

#![allow(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "its result")]

#[path = "../tests/support/mod.rs"]
mod support;

use rusqlite::Connection;
use std::time::Instant;
use support::{SqliteFixture, block_on};
use tributary_member::contract::fixture::{bind, scan_chunk, table};
use tributary_member::{Member as _, Scan, TablePosition};
use tributary_model::{LogicalType as T, TableSchema};

const ROWS: u32 = 200_000;
/// Rows of one transaction. With more than fit into SQLite's cache of 2 MB, spilled pages cost more than tracking.
const CHUNK: u32 = 5_000;

fn orders() -> TableSchema {
    let decimal = T::Decimal { precision: 10, scale: 2 };
    table(
        "orders",
        &[
            ("id", T::Long),
            ("customer", T::String),
            ("amount", decimal),
            ("at", T::Timestamp),
            ("note", T::String),
            ("count", T::Int),
        ],
        &["id"],
    )
}

const PLAIN: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer NVARCHAR(80), amount DECIMAL(10,2), \
     at DATETIME, note TEXT, count INT)";
const UNIQUE: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer NVARCHAR(80) UNIQUE, amount DECIMAL(10,2), \
     at DATETIME, note TEXT, count INT)";
const TEXT_KEY: &str = "CREATE TABLE orders (id INTEGER, customer NVARCHAR(80) NOT NULL PRIMARY KEY, amount DECIMAL(10,2), \
     at DATETIME, note TEXT, count INT)";

/// A user with SQLite's own settings.
fn user(fixture: &SqliteFixture) -> Connection {
    Connection::open(fixture.path()).unwrap()
}

/// Microseconds a row.
fn timed(rows: u32, work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64() * 1e6 / f64::from(rows)
}

fn insert(connection: &Connection, from: u32, rows: u32) {
    let transaction = connection.unchecked_transaction().unwrap();
    {
        let mut statement = transaction
            .prepare(
                "INSERT INTO orders (id, customer, amount, at, note, count) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )
            .unwrap();
        for number in from..from + rows {
            statement
                .execute(rusqlite::params![
                    number,
                    format!("customer number {number}"),
                    f64::from(number) / 4.0,
                    "2026-11-23 12:34:56.789",
                    "a note of middling length, as notes are",
                    number % 100
                ])
                .unwrap();
        }
    }
    transaction.commit().unwrap();
}

fn update_all(connection: &Connection) {
    connection.execute_batch("UPDATE orders SET count = count + 1").unwrap();
}

fn update_each(connection: &Connection, rows: u32) {
    let mut statement = connection.prepare("UPDATE orders SET amount = amount + 1 WHERE rowid = ?1").unwrap();
    for number in 0..rows {
        statement.execute([number * 7 % ROWS]).unwrap();
    }
}

struct Costs {
    bulk: f64,
    update: f64,
    single: f64,
    delete: f64,
}

fn costs(connection: &Connection) -> Costs {
    Costs {
        bulk: timed(ROWS, || {
            for chunk in 0..ROWS / CHUNK {
                insert(connection, chunk * CHUNK, CHUNK);
            }
        }),
        update: timed(ROWS, || update_all(connection)),
        single: timed(2_000, || update_each(connection, 2_000)),
        delete: timed(ROWS, || connection.execute_batch("DELETE FROM orders").unwrap()),
    }
}

fn what_tracking_costs() {
    for (name, definition, key) in
        [("integer key", PLAIN, "id"), ("unique column", UNIQUE, "id"), ("text key", TEXT_KEY, "customer")]
    {
        let bare = SqliteFixture::new();
        bare.connection().execute_batch(definition).unwrap();
        let before = costs(&user(&bare));
        let tracked = SqliteFixture::new();
        tracked.connection().execute_batch(definition).unwrap();
        let at = orders().position(key).unwrap();
        let schema = TableSchema { key: vec![at], ..orders() };
        let mut member = tracked.sqlite("hq").open(&[bind(schema)]).unwrap();
        block_on(member.provision()).unwrap();
        let after = costs(&user(&tracked));
        for (what, before, after) in [
            ("bulk insert", before.bulk, after.bulk),
            ("bulk update", before.update, after.update),
            ("autocommit update", before.single, after.single),
            ("bulk delete", before.delete, after.delete),
        ] {
            println!("{name}: {what}: {before:.2} -> {after:.2} us a row, x{:.2}", after / before);
        }
    }
}

fn what_capture_costs() {
    let fixture = SqliteFixture::new();
    let connection = user(&fixture);
    connection.execute_batch(PLAIN).unwrap();
    insert(&connection, 0, ROWS);
    let mut member = fixture.sqlite("hq").open(&[bind(orders())]).unwrap();
    block_on(member.provision()).unwrap();
    let mut position = TablePosition::default();
    let mut token = None;
    let chunk = CHUNK as usize;
    let scan = timed(ROWS, || {
        block_on(async {
            while position.scan != Scan::Done {
                scan_chunk(&mut member, 0, &mut position, &mut token, chunk).await;
            }
        });
    });
    update_all(&connection);
    let mut read = 0;
    let poll = timed(ROWS, || {
        block_on(async {
            loop {
                let page = member.poll(0, &position, 2_000).await.unwrap();
                read += page.changes.len();
                position = page.next;
                if !page.more {
                    break;
                }
            }
        });
    });
    assert_eq!(read, ROWS as usize);
    let idle = timed(100_000, || {
        block_on(async {
            for _ in 0..100_000 {
                member.table_states().await.unwrap();
                member.has_news().await.unwrap();
            }
        });
    });
    println!("scan {scan:.2} us a row, poll {poll:.2} us a row (6 columns), an idle look {idle:.2} us");
    println!(
        "pending of {ROWS}: {:.0} us",
        timed(1, || {
            block_on(member.pending(0, &TablePosition { scan: Scan::Done, ..TablePosition::default() }))
                .unwrap();
        })
    );
}

fn main() {
    what_tracking_costs();
    what_capture_costs();
}
