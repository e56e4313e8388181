//! `kill -9` of the process at random moments, of the server's backends and of the server itself, while users write to all
//! members: in the end all are equal, and no acknowledged write is lost. One of them lacks a column, and its users write, too.

use crate::support::{at, connect, database, texts};
use postgres::{Client, NoTls};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tributary_testkit::services::{Postgres, PostgresSettings};
use tributary_testkit::{GroupFolder, Obligations, Program, Writer};

const KEYS: i64 = 60;
const KILLS: usize = 25;
const TABLE: &str = "CREATE TABLE trail (id bigint PRIMARY KEY, trail text NOT NULL, touched bigint)";

const FILE_TABLE: &str =
    "CREATE TABLE Trail (id INTEGER PRIMARY KEY NOT NULL, trail TEXT NOT NULL, touched INTEGER)";

const POOR_TABLE: &str =
    "PRAGMA journal_mode = WAL; CREATE TABLE trail (trail TEXT NOT NULL, id INTEGER PRIMARY KEY NOT NULL)";

pub(crate) fn nothing_is_lost_when_process_and_server_are_killed() {
    let seed: u64 = rand::random();
    eprintln!("seed={seed}");
    // Its own server, which flushes what it commits: it is killed.
    let mut server = Postgres::start(PostgresSettings { durable: true, ..PostgresSettings::default() });
    connect(&server.url("postgres")).batch_execute("CREATE DATABASE cloud").unwrap();
    let (cloud, branch) = (server.url("cloud"), database());
    let members = [
        ("hq", at("sqlite:hq.db")),
        ("cloud", at(&cloud)),
        ("branch", at(&branch)),
        ("till", at("sqlite:till.db")),
    ];
    let group = GroupFolder::with_members("killed", "{ embedded: ./log.db }", &members, &["Trail"], "");
    group.connect("hq").execute_batch(FILE_TABLE).unwrap();
    group.connect("till").execute_batch(POOR_TABLE).unwrap();
    connect(&cloud).batch_execute(TABLE).unwrap();
    connect(&branch).batch_execute(TABLE).unwrap();
    Program::ok(&group, &["provision"]);

    let done = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    let mut file = Writer::new("hq", group.connect("hq"), KEYS);
    let over = Arc::clone(&done);
    writers.push(std::thread::spawn(move || {
        let mut random = StdRng::seed_from_u64(seed);
        while !over.load(Ordering::Relaxed) {
            file.write(&mut random).unwrap();
            std::thread::sleep(Duration::from_micros(random.random_range(0..5_000)));
        }
        file.finish()
    }));
    let (till, over) = (group.connect("till"), Arc::clone(&done));
    writers.push(std::thread::spawn(move || {
        let mut random = StdRng::seed_from_u64(seed ^ 99);
        let mut obligations = Obligations::default();
        for count in 0_u64.. {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let (key, mark) = (random.random_range(1..=KEYS), format!("till{count}"));
            let written =
                till.execute("UPDATE trail SET trail = trail || ?2 || ' ' WHERE id = ?1", (key, &mark));
            if written.unwrap() > 0 {
                obligations.wrote(key, mark);
            }
            std::thread::sleep(Duration::from_micros(random.random_range(0..20_000)));
        }
        obligations
    }));
    for (number, (name, url)) in (1..).zip([("cloudone", &cloud), ("cloudtwo", &cloud), ("branch", &branch)])
    {
        let (url, over) = (url.clone(), Arc::clone(&done));
        writers.push(std::thread::spawn(move || {
            let mut random = StdRng::seed_from_u64(seed ^ number);
            let mut obligations = Obligations::default();
            let (mut client, mut count) = (None, 0_u64);
            let mut unanswered: Option<Unanswered> = None;
            while !over.load(Ordering::Relaxed) {
                if client.is_none() {
                    // Away while the server is.
                    client = Client::connect(&url, NoTls).ok();
                }
                let Some(connection) = &mut client else {
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                };
                let ask = |asked: &Unanswered| asked.has_happened(connection);
                match unanswered.as_ref().map(ask) {
                    Some(Err(_)) => {
                        client = None;
                        continue;
                    }
                    Some(Ok(true)) => unanswered.take().expect("it is there").effect.note(&mut obligations),
                    Some(Ok(false)) | None => unanswered = None,
                }
                count += 1;
                let mark = format!("{name}{count}");
                if write(connection, &mark, &mut random, &mut obligations, &mut unanswered).is_err() {
                    client = None;
                }
                std::thread::sleep(Duration::from_micros(random.random_range(0..5_000)));
            }
            if let Some(unanswered) = unanswered
                && unanswered.has_happened(&mut connect(&url)).unwrap()
            {
                unanswered.effect.note(&mut obligations);
            }
            obligations
        }));
    }
    let mut random = StdRng::seed_from_u64(seed);
    for kill in 0..KILLS {
        let mut program = Program::run(&group);
        std::thread::sleep(Duration::from_millis(random.random_range(100..900)));
        assert!(!program.has_ended(), "run {kill} ended by itself");
        match kill % 5 {
            1 => terminate(&branch),
            3 => {
                server.kill();
                std::thread::sleep(Duration::from_millis(random.random_range(0..500)));
                server.restart();
            }
            _ => {}
        }
        std::thread::sleep(Duration::from_millis(random.random_range(100..900)));
        assert!(!program.has_ended(), "run {kill} ended by itself");
        program.kill();
    }
    done.store(true, Ordering::Relaxed);
    let mut obligations = Obligations::default();
    for writer in writers {
        obligations.join(writer.join().unwrap());
    }
    Program::ok(&group, &["sync", "--timeout", "120s"]);
    Program::ok(&group, &["verify"]);
    let rows = |url: &str| texts(&mut connect(url), "SELECT id, trail, touched FROM trail");
    assert_eq!(rows(&cloud), rows(&branch));
    let poor = |member: &str| -> Vec<String> {
        let connection = group.connect(member);
        let mut statement = connection.prepare("SELECT id || ' ' || trail FROM trail ORDER BY id").unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert_eq!(poor("till"), poor("hq"));
    let ledger = Program::ok(&group, &["conflicts", "list", "--limit", "1000000", "--output", "json"]);
    obligations.assert_met(&group.connect("hq"), &ledger);
    eprintln!("{} acknowledged writes, {KILLS} kills", obligations.count());
    Program::assert_no_exceptions(&group);
}

/// Ends all connections to a database but this one.
fn terminate(url: &str) {
    let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    connect(url).query(sql, &[]).unwrap();
}

/// What a transaction does to a row.
enum Effect {
    Wrote {
        key: i64,
        mark: String,
    },
    /// With the trail that the row had.
    Deleted {
        key: i64,
        trail: String,
    },
}

impl Effect {
    fn note(self, obligations: &mut Obligations) {
        match self {
            Self::Wrote { key, mark } => obligations.wrote(key, mark),
            Self::Deleted { key, trail } => obligations.deleted(key, &trail),
        }
    }
}

/// A transaction whose commit was not answered. The server knows what came of it, after a crash as well: a delete that did
/// happen took marks with it that nobody could account for otherwise.
struct Unanswered {
    transaction: String,
    effect: Effect,
}

impl Unanswered {
    fn has_happened(&self, client: &mut Client) -> Result<bool, postgres::Error> {
        let sql = "SELECT pg_xact_status($1::text::xid8)";
        loop {
            match client.query_one(sql, &[&self.transaction])?.get(0) {
                // The session that is gone is at it yet.
                Some("in progress") => std::thread::sleep(Duration::from_millis(10)),
                status => {
                    eprintln!("transaction {} that was not answered: {status:?}", self.transaction);
                    return Ok(status.expect("the server has not forgotten it") == "committed");
                }
            }
        }
    }
}

/// One transaction; what it demands is noted once its commit is acknowledged. Some are rolled back, some give a part back,
/// some are serializable and may be refused. A commit that was not answered is kept in `unanswered`.
fn write(
    client: &mut Client,
    mark: &str,
    random: &mut StdRng,
    obligations: &mut Obligations,
    unanswered: &mut Option<Unanswered>,
) -> Result<(), postgres::Error> {
    let key = random.random_range(1..=KEYS);
    let delete = random.random_ratio(1, 8);
    let mut builder = client.build_transaction();
    if random.random_ratio(1, 5) {
        builder = builder.isolation_level(postgres::IsolationLevel::Serializable);
    }
    let mut transaction = builder.start()?;
    let refused = |error: postgres::Error| {
        // A lost race, not a lost connection.
        if error.code().is_some_and(|code| code.code().starts_with("40") || code.code() == "23505") {
            Ok(())
        } else {
            Err(error)
        }
    };
    let found = transaction.query_opt("SELECT trail FROM trail WHERE id = $1 FOR UPDATE", &[&key]);
    let trail: Option<String> = match found {
        Ok(row) => row.map(|row| row.get(0)),
        Err(error) => return refused(error),
    };
    if random.random_ratio(1, 6) {
        let mut part = transaction.savepoint("part")?;
        let other = random.random_range(1..=KEYS);
        let undone = part.execute("UPDATE trail SET trail = trail || 'undone ' WHERE id = $1", &[&other]);
        if let Err(error) = undone {
            drop(part);
            return refused(error);
        }
        part.rollback()?;
    }
    let written = match (&trail, delete) {
        (Some(_), true) => transaction.execute("DELETE FROM trail WHERE id = $1", &[&key]),
        (Some(_), false) => transaction.execute(
            "UPDATE trail SET trail = trail || $2 || ' ', touched = touched + 1 WHERE id = $1",
            &[&key, &mark],
        ),
        (None, _) => transaction.execute("INSERT INTO trail VALUES ($1, $2 || ' ', 0)", &[&key, &mark]),
    };
    if let Err(error) = written {
        return refused(error);
    }
    if random.random_ratio(1, 10) {
        return transaction.rollback();
    }
    let id = transaction.query_one("SELECT pg_current_xact_id()::text", &[])?.get(0);
    let effect = match (trail, delete) {
        (Some(trail), true) => Effect::Deleted { key, trail },
        _ => Effect::Wrote { key, mark: mark.to_owned() },
    };
    match transaction.commit() {
        Ok(()) => effect.note(obligations),
        Err(error) => {
            refused(error).inspect_err(|_| *unanswered = Some(Unanswered { transaction: id, effect }))?;
        }
    }
    Ok(())
}
