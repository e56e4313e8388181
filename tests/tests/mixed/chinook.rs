//! The Chinook data set as each dialect has it, with its own names and types: `InvoiceLine` here, `invoice_line` there, a
//! 64-bit key here, a 32-bit one there. All of them, and a database that was empty, become one.

use crate::support::{at, connect, database, texts};
use rusqlite::Connection;
use tributary_testkit::{GroupFolder, Program};
use tributary_tests::CHINOOK_TABLES;

pub(crate) const SQLITE: &str = include_str!("../../data/chinook/Chinook_Sqlite.sql");
const POSTGRES: &str = include_str!("../../data/chinook/Chinook_PostgreSql.sql");

/// The tables and rows of the script for PostgreSQL, without what makes the database.
pub(crate) fn postgres_script() -> &'static str {
    POSTGRES.split_once("\\c chinook;").unwrap().1
}

pub(crate) fn names_and_types_of_two_dialects_meet() {
    let (cloud, branch) = (database(), database());
    let members = [("hq", at("sqlite:hq.db")), ("cloud", at(&cloud)), ("branch", at(&branch))];
    let group = GroupFolder::with_members("chinook", "{ embedded: ./log.db }", &members, &CHINOOK_TABLES, "");
    let hq = group.connect("hq");
    hq.execute_batch(SQLITE.trim_start_matches('\u{feff}')).unwrap();
    let (mut cloud, mut branch) = (connect(&cloud), connect(&branch));
    cloud.batch_execute(postgres_script()).unwrap();

    // What one cannot hold of the other's is told before anything is made.
    let checked = Program::ok(&group, &["check"]);
    let narrower = "cloud, invoice_line.invoice_line_id: of hq, an integer outside -2147483648 to 2147483647";
    assert!(checked.contains(narrower), "{checked}");
    assert!(
        checked.contains("cloud, invoice.invoice_date: of hq, a time finer than a microsecond"),
        "{checked}"
    );
    assert!(checked.contains("0 errors"), "{checked}");

    Program::ok(&group, &["provision"]);
    made_as_one_would(&mut branch);
    Program::ok(&group, &["sync", "--timeout", "120s"]);
    Program::ok(&group, &["verify"]);

    edit(&hq, &mut cloud, &mut branch);
    Program::ok(&group, &["sync", "--timeout", "120s"]);
    Program::ok(&group, &["verify"]);
    Program::assert_no_exceptions(&group);
    for (sql_of_cloud, sql_of_branch) in [
        (
            "SELECT invoice_line_id AS k, quantity AS a, unit_price AS b FROM invoice_line",
            r#"SELECT "InvoiceLineId" AS k, "Quantity" AS a, "UnitPrice" AS b FROM "InvoiceLine""#,
        ),
        (
            "SELECT track_id AS k, name AS a, bytes AS b FROM track",
            r#"SELECT "TrackId" AS k, "Name" AS a, "Bytes" AS b FROM "Track""#,
        ),
        (
            "SELECT employee_id AS k, birth_date AS a FROM employee",
            r#"SELECT "EmployeeId" AS k, "BirthDate" AS a FROM "Employee""#,
        ),
    ] {
        assert_eq!(texts(&mut cloud, sql_of_cloud), texts(&mut branch, sql_of_branch));
    }
    let name: String =
        hq.query_row("SELECT Name FROM Track WHERE TrackId = 1", [], |row| row.get(0)).unwrap();
    assert_eq!(name, "from the branch ÄÖ'\"😀");

    // A value that one member cannot hold stays out of that one alone, and is listed there.
    hq.execute_batch("UPDATE Track SET Bytes = 3000000000 WHERE TrackId = 3").unwrap();
    let synced = Program::output(&group, &["sync", "--timeout", "120s"]);
    assert_eq!(synced.status.code(), Some(1), "{}", String::from_utf8_lossy(&synced.stdout));
    let listed = Program::ok(&group, &["exceptions", "list"]);
    assert!(listed.contains("cloud") && listed.contains("bytes"), "{listed}");
    let there = texts(&mut branch, r#"SELECT "Bytes" AS b FROM "Track" WHERE "TrackId" = 3"#);
    assert_eq!(there, [r#"{"b":3000000000}"#]);

    // Removal leaves the tables and their rows.
    Program::ok(&group, &["deprovision"]);
    let ours = "SELECT nspname FROM pg_namespace WHERE nspname = 'DataSync' \
                UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal";
    assert_eq!(texts(&mut cloud, ours), Vec::<String>::new());
    assert_eq!(texts(&mut branch, ours), Vec::<String>::new());
    assert_eq!(texts(&mut cloud, "SELECT count(*) FROM track"), [r#"{"count":3503}"#]);
}

/// Tables made in an empty database have the dialect's own types, the key, and the foreign keys among them.
fn made_as_one_would(branch: &mut postgres::Client) {
    let columns = "SELECT column_name AS n, data_type AS t, character_maximum_length AS l, numeric_scale AS s, is_identity \
                   AS i FROM information_schema.columns WHERE table_name = 'Track' AND table_schema = 'public'";
    let columns = texts(branch, columns).join("\n");
    for expected in [
        r#"{"n":"TrackId","t":"bigint","l":null,"s":0,"i":"NO"}"#,
        r#"{"n":"Name","t":"character varying","l":200,"s":null,"i":"NO"}"#,
        r#"{"n":"UnitPrice","t":"numeric","l":null,"s":2,"i":"NO"}"#,
    ] {
        assert!(columns.contains(expected), "{columns}");
    }
    let constraints = r#"SELECT pg_get_constraintdef(oid) AS c FROM pg_constraint
        WHERE conrelid = '"InvoiceLine"'::regclass AND contype IN ('p', 'f')"#;
    let constraints = texts(branch, constraints);
    assert_eq!(
        constraints,
        [
            r#"{"c":"FOREIGN KEY (\"InvoiceId\") REFERENCES \"Invoice\"(\"InvoiceId\")"}"#,
            r#"{"c":"FOREIGN KEY (\"TrackId\") REFERENCES \"Track\"(\"TrackId\")"}"#,
            r#"{"c":"PRIMARY KEY (\"InvoiceLineId\")"}"#,
        ]
    );
}

/// Users' work in all three: single rows, many rows in a statement, deletes, new rows with what they refer to.
fn edit(hq: &Connection, cloud: &mut postgres::Client, branch: &mut postgres::Client) {
    hq.execute_batch(
        "BEGIN;
         UPDATE InvoiceLine SET Quantity = Quantity + 1 WHERE InvoiceLineId <= 50;
         DELETE FROM PlaylistTrack WHERE PlaylistId = 1 AND TrackId < 100;
         INSERT INTO Artist VALUES (9001, 'new at hq');
         INSERT INTO Album VALUES (9001, 'its album', 9001);
         COMMIT",
    )
    .unwrap();
    cloud
        .batch_execute(
            "BEGIN;
             UPDATE track SET bytes = bytes + 1 WHERE track_id BETWEEN 100 AND 900;
             SAVEPOINT s;
             DELETE FROM invoice_line;
             ROLLBACK TO s;
             UPDATE employee SET birth_date = '1962-02-18 12:34:56.123456' WHERE employee_id = 1;
             DELETE FROM invoice_line WHERE invoice_line_id BETWEEN 2000 AND 2010;
             INSERT INTO artist VALUES (9002, 'new in the cloud');
             COMMIT",
        )
        .unwrap();
    branch
        .batch_execute(
            r#"BEGIN;
             UPDATE "Track" SET "Name" = 'from the branch ÄÖ''"😀', "UnitPrice" = 1.5 WHERE "TrackId" = 1;
             UPDATE "Customer" SET "Company" = NULL WHERE "CustomerId" < 10;
             COMMIT;
             TRUNCATE "PlaylistTrack";
             BEGIN;
             DELETE FROM "Track" WHERE "TrackId" < 1000 AND FALSE;
             ROLLBACK"#,
        )
        .unwrap();
}
