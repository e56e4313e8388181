//! Members that differ: one lacks a column, one rounds, each with its own names and order of columns. Users edit everywhere;
//! nobody's data is wiped or rounded by an edit made elsewhere, nothing of it is a conflict, and members that show what
//! they can show are equal.

use crate::support::{at, connect, database, texts};
use rusqlite::Connection;
use tributary_testkit::{GroupFolder, Program};

const TABLES: &str = "  - name: InvoiceLine\n    as: { till: sold }\n";

/// Everything, to the last digit.
const HQ: &str = "CREATE TABLE InvoiceLine (
    InvoiceLineId INTEGER PRIMARY KEY,
    UnitPrice DECIMAL_TEXT(12,4),
    SoldAt TIMESTAMP_TEXT,
    BookedAt DATETIMEOFFSET_TEXT,
    Note TEXT,
    Remark TEXT)";
/// Without remarks.
const TILL: &str = "CREATE TABLE sold (
    note TEXT,
    booked_at DATETIMEOFFSET_TEXT,
    invoice_line_id INTEGER PRIMARY KEY,
    sold_at TIMESTAMP_TEXT,
    unit_price DECIMAL_TEXT(12,4))";
/// To the cent and the microsecond, and without offsets.
const CLOUD: &str = "CREATE TABLE invoice_line (
    remark text,
    sold_at timestamp,
    booked_at timestamptz,
    unit_price numeric(10,2),
    note text,
    invoice_line_id bigint PRIMARY KEY)";

const FINE: [&str; 3] = ["12.3456", "2026-11-26 09:30:00.1234567", "2026-11-26 09:30:00.1234567+01:00"];

fn at_hq(hq: &Connection, id: i64) -> Vec<Option<String>> {
    let sql = "SELECT UnitPrice, SoldAt, BookedAt, Note, Remark FROM InvoiceLine WHERE InvoiceLineId = ?1";
    row(hq, sql, id, 5)
}

fn at_till(till: &Connection, id: i64) -> Vec<Option<String>> {
    row(till, "SELECT unit_price, sold_at, booked_at, note FROM sold WHERE invoice_line_id = ?1", id, 4)
}

fn row(connection: &Connection, sql: &str, id: i64, columns: usize) -> Vec<Option<String>> {
    let read = |row: &rusqlite::Row<'_>| (0..columns).map(|column| row.get(column)).collect();
    connection.query_row(sql, [id], read).unwrap()
}

fn some<const N: usize>(values: [&str; N]) -> Vec<Option<String>> {
    values.into_iter().map(|value| Some(value.to_owned())).collect()
}

fn insert(hq: &Connection, id: i64, note: &str, remark: &str) {
    let sql = "INSERT INTO InvoiceLine VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    hq.execute(sql, rusqlite::params![id, FINE[0], FINE[1], FINE[2], note, remark]).unwrap();
}

pub(crate) fn nobodys_data_is_wiped_or_rounded() {
    let url = database();
    let members = [
        ("cloud", format!("{}, on_loss: round", at(&url))),
        ("till", at("sqlite:till.db")),
        ("hq", at("sqlite:hq.db")),
    ];
    let group = GroupFolder::with_members("precision", "{ embedded: ./log.db }", &members, &[], TABLES);
    let (hq, till, mut cloud) = (group.connect("hq"), group.connect("till"), connect(&url));
    hq.execute_batch(HQ).unwrap();
    till.execute_batch(TILL).unwrap();
    cloud.batch_execute(CLOUD).unwrap();
    // Copies of the same rows, as far as each can hold them.
    for id in 1..=6 {
        insert(&hq, id, "old", "of old");
        cloud
            .execute(
                "INSERT INTO invoice_line VALUES ('of old', '2026-11-26 09:30:00.123457', \
                 '2026-11-26 08:30:00.123457Z', 12.35, 'old', $1)",
                &[&id],
            )
            .unwrap();
    }

    let checked = Program::ok(&group, &["check"]);
    for told in [
        "of till and hq, a number with more than 2 digits behind the point is rounded here",
        "of till and hq, a time finer than a microsecond is rounded here",
        "of till and hq, a time with an offset other than UTC's is rounded here",
        "column remark is not there: this member neither gives nor takes its values",
    ] {
        assert!(checked.contains(told), "{told}: {checked}");
    }
    Program::ok(&group, &["provision"]);
    let settle = || {
        Program::ok(&group, &["sync", "--timeout", "120s"]);
        Program::ok(&group, &["verify"]);
        let conflicts = Program::ok(&group, &["conflicts", "list", "--output", "json"]);
        assert!(!conflicts.contains("InvoiceLine"), "{conflicts}");
        Program::assert_no_exceptions(&group);
    };
    settle();
    let [price, sold, booked] = FINE;
    assert_eq!(at_hq(&hq, 1), some([price, sold, booked, "old", "of old"]));
    assert_eq!(at_till(&till, 1), some([price, sold, booked, "old"]));

    // Edits beside what a member does not have, or only shows.
    cloud.batch_execute("UPDATE invoice_line SET note = 'cloud' WHERE invoice_line_id = 1").unwrap();
    till.execute("UPDATE sold SET note = 'till' WHERE invoice_line_id = 2", []).unwrap();
    // Edits of such values themselves.
    cloud.batch_execute("UPDATE invoice_line SET unit_price = 7.5 WHERE invoice_line_id = 3").unwrap();
    hq.execute("UPDATE InvoiceLine SET UnitPrice = '1.2355' WHERE InvoiceLineId = 4", []).unwrap();
    // The same edit by two who have not heard of each other.
    cloud.batch_execute("UPDATE invoice_line SET note = 'same' WHERE invoice_line_id = 5").unwrap();
    hq.execute("UPDATE InvoiceLine SET Note = 'same' WHERE InvoiceLineId = 5", []).unwrap();
    cloud.batch_execute("DELETE FROM invoice_line WHERE invoice_line_id = 6").unwrap();
    insert(&hq, 7, "new", "of hq");
    cloud
        .batch_execute(
            "INSERT INTO invoice_line (invoice_line_id, unit_price, note) VALUES (8, 3.25, 'of cloud')",
        )
        .unwrap();
    till.execute("INSERT INTO sold (invoice_line_id, unit_price) VALUES (9, '0.0001')", []).unwrap();
    settle();
    assert_eq!(at_hq(&hq, 1), some([price, sold, booked, "cloud", "of old"]));
    assert_eq!(at_till(&till, 1), some([price, sold, booked, "cloud"]));
    assert_eq!(at_hq(&hq, 2), some([price, sold, booked, "till", "of old"]));
    assert_eq!(at_hq(&hq, 3), some(["7.5000", sold, booked, "old", "of old"]));
    assert_eq!(at_till(&till, 4), some(["1.2355", sold, booked, "old"]));
    assert_eq!(at_hq(&hq, 5), some([price, sold, booked, "same", "of old"]));
    assert_eq!(at_till(&till, 7), some([price, sold, booked, "new"]));
    assert_eq!(at_hq(&hq, 8)[0].as_deref(), Some("3.2500"));
    let shown = texts(
        &mut cloud,
        "SELECT invoice_line_id AS id, unit_price::text AS price, sold_at = '2026-11-26 09:30:00.123457' AS sold, \
         booked_at = '2026-11-26 08:30:00.123457Z' AS booked, remark FROM invoice_line",
    );
    let line = |id: i64, price: &str, time: &str, remark: &str| {
        format!("{{\"id\":{id},\"price\":\"{price}\",\"sold\":{time},\"booked\":{time},\"remark\":{remark}}}")
    };
    let old = "\"of old\"";
    let expected = [
        line(1, "12.35", "true", old),
        line(2, "12.35", "true", old),
        line(3, "7.50", "true", old),
        line(4, "1.24", "true", old),
        line(5, "12.35", "true", old),
        line(7, "12.35", "true", "\"of hq\""),
        line(8, "3.25", "null", "null"),
        line(9, "0.00", "null", "null"),
    ];
    assert_eq!(shown, expected);

    // Once more around, on rows that have been everywhere by now.
    till.execute("UPDATE sold SET note = note || '!' WHERE invoice_line_id <= 7", []).unwrap();
    settle();
    cloud.batch_execute("UPDATE invoice_line SET note = note || '?' WHERE invoice_line_id <= 7").unwrap();
    settle();
    assert_eq!(at_hq(&hq, 1), some([price, sold, booked, "cloud!?", "of old"]));
    assert_eq!(at_hq(&hq, 7), some([price, sold, booked, "new!?", "of hq"]));
    assert_eq!(at_till(&till, 4), some(["1.2355", sold, booked, "old!?"]));

    // A value that is wrong in truth, written past the triggers, is found all the same.
    cloud
        .batch_execute(
            "SET session_replication_role = replica; \
             UPDATE invoice_line SET unit_price = 12.34 WHERE invoice_line_id = 1",
        )
        .unwrap();
    let found = Program::output(&group, &["verify"]);
    let told = String::from_utf8_lossy(&found.stdout);
    assert!(!found.status.success() && told.contains("InvoiceLine [1]"), "{told}");
    assert!(
        told.to_lowercase().contains("unitprice") || told.to_lowercase().contains("unit_price"),
        "{told}"
    );
}
