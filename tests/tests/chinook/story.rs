//! Real input: the Chinook data set (11 tables, foreign keys, a composite key, 15,607 rows) reaches two empty
//! members; then users edit all three for a while, and in the end all are equal, row by row and by digest.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rusqlite::{Connection, TransactionBehavior, params};
use std::time::{Duration, Instant};
use tributary_testkit::{GroupFolder, Program, assert_members_equal};

const SCRIPT: &str = include_str!("../../data/chinook/Chinook_Sqlite.sql");
/// Who has the data set, and who gets it.
pub(crate) const MEMBERS: [&str; 3] = ["hq", "cloud", "branch"];
/// Its tables.
pub(crate) const TABLES: [&str; 11] = tributary_tests::CHINOOK_TABLES;
const ROWS: i64 = 15_607;

/// Plays it in a group of these members and tables, with random choices that the seed repeats; gives
/// the number of edits.
pub(crate) fn play(group: &GroupFolder, seed: u64) -> u32 {
    group.connect("hq").execute_batch(SCRIPT.trim_start_matches('\u{feff}')).unwrap();
    Program::ok(group, &["provision", "--create", "--enable-wal"]);
    Program::ok(group, &["sync", "--timeout", "120s"]);
    let members: Vec<_> = MEMBERS.iter().map(|name| ((*name).to_owned(), group.connect(name))).collect();
    for (name, connection) in &members {
        assert_eq!(rows_in(connection), ROWS, "rows in {name} after the first sync");
    }
    assert_members_equal(&members, &TABLES);

    let mut running = Program::run(group);
    let until = Instant::now() + Duration::from_secs(5);
    let editors: Vec<_> = (0..)
        .zip(MEMBERS)
        .map(|(number, name)| {
            let mut connection = group.connect(name);
            let mut random = StdRng::seed_from_u64(seed ^ number);
            std::thread::spawn(move || {
                let mut edits = 0_u32;
                while Instant::now() < until {
                    edit(&mut connection, &mut random).unwrap();
                    edits += 1;
                    std::thread::sleep(Duration::from_micros(random.random_range(0..2_000)));
                }
                edits
            })
        })
        .collect();
    let edits: u32 = editors.into_iter().map(|editor| editor.join().unwrap()).sum();
    Program::ok(group, &["sync", "--timeout", "120s"]);
    assert!(!running.has_ended(), "the workers went on all the while");
    drop(running);
    Program::ok(group, &["sync", "--timeout", "120s"]);
    assert_members_equal(&members, &TABLES);
    Program::ok(group, &["verify"]);
    Program::assert_no_exceptions(group);
    edits
}

fn rows_in(connection: &Connection) -> i64 {
    let counts = TABLES.map(|table| format!("(SELECT count(*) FROM {table})")).join(" + ");
    connection.query_row(&format!("SELECT {counts}"), [], |row| row.get(0)).unwrap()
}

/// One transaction of a user: edits of random rows, new rows with what they refer to, deletes of rows that nothing
/// refers to. New keys come from a small range, so that members collide at times.
fn edit(connection: &mut Connection, random: &mut StdRng) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let any = |table: &str, key: &str| {
        let sql = format!("SELECT {key} FROM {table} ORDER BY random() LIMIT 1");
        transaction.query_row(&sql, [], |row| row.get::<_, i64>(0))
    };
    let letters: Vec<char> = "abcdefgh ÄÖ'\"😀".chars().collect();
    let word: String = (0..8).map(|_| letters.choose(random).unwrap()).collect();
    match random.random_range(0..7) {
        0 => {
            let id = any("Track", "TrackId")?;
            let price = f64::from(random.random_range(0..500_u32)) / 100.0;
            transaction.execute(
                "UPDATE Track SET Name = ?2, UnitPrice = ?3, Composer = NULL WHERE TrackId = ?1",
                params![id, word, price],
            )?;
        }
        1 => {
            let id = any("Customer", "CustomerId")?;
            transaction.execute("UPDATE Customer SET Email = ?2 WHERE CustomerId = ?1", params![id, word])?;
        }
        2 => {
            let id = random.random_range(4_000..4_100);
            let media = any("MediaType", "MediaTypeId")?;
            transaction.execute(
                "INSERT INTO Track (TrackId, Name, MediaTypeId, Milliseconds, UnitPrice) VALUES (?1, ?2, ?3, 1, 0.99)
                 ON CONFLICT (TrackId) DO UPDATE SET Name = excluded.Name",
                params![id, word, media],
            )?;
            let (playlist, line) = (any("Playlist", "PlaylistId")?, random.random_range(3_000..3_100));
            transaction
                .execute("INSERT OR IGNORE INTO PlaylistTrack VALUES (?1, ?2)", params![playlist, id])?;
            transaction.execute(
                "INSERT OR REPLACE INTO InvoiceLine VALUES (?1, ?2, ?3, 0.99, ?4)",
                params![line, any("Invoice", "InvoiceId")?, id, random.random_range(1..9)],
            )?;
        }
        3 => {
            let id = any("InvoiceLine", "InvoiceLineId")?;
            transaction.execute("DELETE FROM InvoiceLine WHERE InvoiceLineId = ?1", [id])?;
        }
        4 => {
            let sql = "DELETE FROM PlaylistTrack WHERE (PlaylistId, TrackId) IN
                       (SELECT PlaylistId, TrackId FROM PlaylistTrack ORDER BY random() LIMIT 3)";
            transaction.execute(sql, [])?;
        }
        5 => {
            let id = any("Invoice", "InvoiceId")?;
            transaction.execute(
                "UPDATE Invoice SET Total = ?2, InvoiceDate = '2026-01-02 03:04:05' WHERE InvoiceId = ?1",
                params![id, random.random_range(0..100)],
            )?;
        }
        _ => {
            // A bulk statement.
            let low = random.random_range(1..3_500);
            let sql = "UPDATE Track SET Bytes = coalesce(Bytes, 0) + 1 WHERE TrackId BETWEEN ?1 AND ?1 + 20";
            transaction.execute(sql, [low])?;
        }
    }
    transaction.commit()
}
