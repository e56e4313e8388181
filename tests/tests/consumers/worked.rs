//! The group that others read: what its users did, and what it left on Kafka.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rusqlite::{Connection, params};
use std::process::Command;
use std::sync::OnceLock;
use tributary_testkit::services::{python, shared_broker, shared_registry};
use tributary_testkit::{GroupFolder, Program, assert_members_equal};

/// The group's name.
pub(crate) const GROUP: &str = "consumers";
/// Its tables.
pub(crate) const TABLES: [&str; 2] = ["Article", "Order Lines"];
const MEMBERS: [&str; 2] = ["hq", "shop"];
const EDITS: usize = 400;
/// Repeats a run: what users do, though not what meets what.
const SEED: &str = "TRIBUTARY_TEST_SEED";

/// A column of every type, and names that topics and Avro do not take as they are.
const SCHEMA: &str = "
    CREATE TABLE Article (
        Token UUID_TEXT NOT NULL, Id INTEGER NOT NULL, Name NVARCHAR(80), Active BOOLEAN, Visits INT,
        Price DECIMAL_TEXT(12, 2), Exact NUMERIC_TEXT, Weight REAL, Photo BLOB, Born DATE_TEXT,
        \"Wakes at\" TIME_TEXT, Changed TIMESTAMP_TEXT, Signed DATETIMEOFFSET_TEXT, Größe INT,
        PRIMARY KEY (Token, Id)
    );
    CREATE TABLE \"Order Lines\" (
        \"Order\" INTEGER NOT NULL, Line INT NOT NULL, Text TEXT, Pieces INT, PRIMARY KEY (\"Order\", Line)
    );";

/// The group after its work, in step and stopped. The first who asks lets it work.
pub(crate) fn worked() -> &'static GroupFolder {
    static WORKED: OnceLock<GroupFolder> = OnceLock::new();
    WORKED.get_or_init(work)
}

fn work() -> GroupFolder {
    let seed = std::env::var_os(SEED).map(|seed| seed.to_str().unwrap().parse().unwrap());
    let seed = seed.unwrap_or_else(rand::random);
    eprintln!("{SEED}={seed}");
    let (broker, registry) = (shared_broker().address(), shared_registry().url());
    let log = format!("{{ kafka: {{ brokers: [\"{broker}\"], registry: \"{registry}\" }} }}");
    let group = GroupFolder::with_log(GROUP, &log, &MEMBERS, &TABLES, "");
    for mut connection in group.connect_all() {
        connection.execute_batch(SCHEMA).unwrap();
        // The same keys on both sides before either has seen the other's: conflicts, whatever comes later.
        edits(&mut connection, &mut StdRng::seed_from_u64(seed), 60);
    }
    Program::ok(&group, &["provision"]);
    let mut running = Program::run(&group);
    let users: Vec<_> = (1..)
        .zip(MEMBERS)
        .map(|(number, member)| {
            let (mut connection, mut random) = (group.connect(member), StdRng::seed_from_u64(seed ^ number));
            std::thread::spawn(move || edits(&mut connection, &mut random, EDITS))
        })
        .collect();
    users.into_iter().for_each(|user| user.join().unwrap());
    Program::ok(&group, &["sync", "--timeout", "120s"]);
    // Both delete the same rows: the second delete is settled with no row before it.
    for connection in group.connect_all() {
        connection.execute("DELETE FROM \"Order Lines\" WHERE Line = 3", []).unwrap();
    }
    Program::ok(&group, &["sync", "--timeout", "120s"]);
    assert!(!running.has_ended(), "the workers went on all the while");
    drop(running);
    Program::ok(&group, &["verify"]);
    Program::assert_no_exceptions(&group);
    let members: Vec<_> = MEMBERS.iter().map(|name| ((*name).to_owned(), group.connect(name))).collect();
    assert_members_equal(&members, &TABLES);
    give_up_a_transaction();
    group
}

/// This many transactions of a user, on keys that the members share.
fn edits(connection: &mut Connection, random: &mut StdRng, count: usize) {
    for _ in 0..count {
        let transaction = connection.transaction().unwrap();
        match random.random_range(0..10) {
            0..4 => put_article(&transaction, random),
            4..7 => {
                transaction
                    .execute(
                        "INSERT OR REPLACE INTO \"Order Lines\" VALUES (?1, ?2, ?3, ?4)",
                        params![
                            random.random_range(1..20),
                            random.random_range(1..4),
                            word(random),
                            random.random_range(-9..99)
                        ],
                    )
                    .unwrap();
            }
            7 => {
                let sql = "UPDATE Article SET Name = ?2, Visits = coalesce(Visits, 0) + 1, Größe = NULL WHERE Id = ?1";
                transaction.execute(sql, params![random.random_range(1..40), word(random)]).unwrap();
            }
            8 => {
                let key = random.random_range(1..40);
                transaction.execute("DELETE FROM Article WHERE Id = ?1", [key]).unwrap();
            }
            _ => {
                let key = random.random_range(1..20);
                let sql = "DELETE FROM \"Order Lines\" WHERE \"Order\" = ?1 AND Line = 1";
                transaction.execute(sql, [key]).unwrap();
            }
        }
        transaction.commit().unwrap();
    }
}

/// Letters of one, two, three and four bytes, and nothing that a line of text takes for something else.
fn word(random: &mut StdRng) -> Option<String> {
    let letters: Vec<char> = "abcxyz ÄÖ'\"€😀".chars().collect();
    let length = random.random_range(0..10);
    (length > 0).then(|| (1..length).map(|_| *letters.choose(random).unwrap()).collect())
}

/// A row whose values stand as the members write them, so that they can be compared as they stand.
fn put_article(connection: &Connection, random: &mut StdRng) {
    let id = random.random_range(1..40_i64);
    let two = |random: &mut StdRng, range: std::ops::Range<u32>| format!("{:02}", random.random_range(range));
    let day = format!("{:04}-{}-{}", random.random_range(1..9999), two(random, 1..13), two(random, 1..29));
    let clock = format!("{}:{}:{}", two(random, 0..24), two(random, 0..60), two(random, 0..60));
    let fraction = ["", ".5", ".1234567", ".0000001"].choose(random).unwrap();
    let offset = ["+00:00", "+01:00", "-09:30", "+14:00"].choose(random).unwrap();
    let cents = random.random_range(-100_000..100_000_000_i64);
    let sign = if cents < 0 { "-" } else { "" };
    connection
        .execute(
            "INSERT OR REPLACE INTO Article VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            params![
                format!("00000000-0000-4000-8000-{id:012x}"),
                id,
                word(random),
                [None, Some(false), Some(true)].choose(random).unwrap(),
                random.random_range(i32::MIN..i32::MAX),
                format!("{sign}{}.{:02}", cents.abs() / 100, cents.abs() % 100),
                ["0", "-1.5", "123456789012345678901234567890.123456789"].choose(random).unwrap(),
                f64::from(random.random_range(-1_000..1_000)) / 8.0,
                random.random::<[u8; 3]>(),
                day,
                format!("{clock}{fraction}"),
                format!("{day} {clock}{fraction}"),
                // Not at the ends of the calendar, where the offset leads out of it.
                format!("2{} {clock}{fraction}{offset}", &day[1..]),
                random.random_range(0..200),
            ],
        )
        .unwrap();
}

/// A record that nobody may see and nobody could read, at the end of a partition of each table.
fn give_up_a_transaction() {
    let program = "
import sys
from confluent_kafka import Producer
producer = Producer({'bootstrap.servers': sys.argv[1], 'transactional.id': 'given-up'})
producer.init_transactions()
producer.begin_transaction()
for topic in sys.argv[2:]:
    producer.produce(topic, key=b'not', value=b'committed', partition=0)
assert producer.flush(30) == 0
producer.abort_transaction()
";
    let topics = ["Article", "Order_x0020_Lines"].map(|table| format!("tributary.{GROUP}.resolved.{table}"));
    let mut command = Command::new(python());
    command.args(["-c", program, &shared_broker().address()]).args(topics);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
