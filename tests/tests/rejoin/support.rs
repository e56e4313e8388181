//! A group of two: a file `hq`, and `till`, which is a file or a PostgreSQL database and is restored to backups.

use postgres::{Client, NoTls};
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tributary_testkit::services::shared_postgres;
use tributary_testkit::{GroupFolder, Program};

/// What kind of database `till` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Postgres,
}

pub(crate) struct World {
    pub(crate) group: GroupFolder,
    /// The name of `till`'s database on the shared server.
    database: Option<String>,
}

const TABLE: &str = "CREATE TABLE note (id bigint PRIMARY KEY, body text NOT NULL)";

impl World {
    /// Provisioned, with an empty table.
    pub(crate) fn new(kind: Kind) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let database =
            (kind == Kind::Postgres).then(|| format!("rejoin_{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let till = match &database {
            None => "url: \"sqlite:till.db\"".to_owned(),
            Some(name) => {
                admin(&format!("CREATE DATABASE {name} TEMPLATE template0"));
                format!("url: \"{}\"", shared_postgres().url(name))
            }
        };
        let members = [("hq", "url: \"sqlite:hq.db\"".to_owned()), ("till", till)];
        let group = GroupFolder::with_members("rejoin", "{ embedded: ./log.db }", &members, &["note"], "");
        let world = Self { group, database };
        world.hq(TABLE);
        world.till(TABLE);
        Program::ok(&world.group, &["provision"]);
        world
    }

    /// A user's statement at `hq`.
    pub(crate) fn hq(&self, sql: &str) {
        self.group.connect("hq").execute_batch(sql).unwrap();
    }

    /// A user's statement at `till`.
    pub(crate) fn till(&self, sql: &str) {
        match &self.database {
            None => self.group.connect("till").execute_batch(sql).unwrap(),
            Some(name) => connect(name).batch_execute(sql).unwrap(),
        }
    }

    /// The rows of `hq`, as `id body`.
    pub(crate) fn rows_of_hq(&self) -> Vec<String> {
        rows(&self.group, "hq")
    }

    /// The rows of `till`.
    pub(crate) fn rows_of_till(&self) -> Vec<String> {
        match &self.database {
            None => rows(&self.group, "till"),
            Some(name) => {
                let found = connect(name).query("SELECT id || ' ' || body FROM note ORDER BY id", &[]);
                found.unwrap().iter().map(|row| row.get(0)).collect()
            }
        }
    }

    /// Both, which must be equal.
    pub(crate) fn rows(&self) -> Vec<String> {
        let rows = self.rows_of_hq();
        assert_eq!(rows, self.rows_of_till());
        Program::ok(&self.group, &["verify"]);
        rows
    }

    /// Makes a backup of `till`, in place of an earlier one. Nobody may be at work there.
    pub(crate) fn back_up(&self) {
        match &self.database {
            None => {
                let backup = self.group.path().join("backup");
                let _ = std::fs::remove_file(&backup);
                self.till(&format!("VACUUM INTO '{}'", backup.display()));
            }
            Some(name) => {
                admin(&format!("DROP DATABASE IF EXISTS {name}_backup"));
                admin(&format!("CREATE DATABASE {name}_backup TEMPLATE {name}"));
            }
        }
    }

    /// Puts the backup in `till`'s place.
    pub(crate) fn restore(&self) {
        match &self.database {
            None => put(&self.group.path().join("backup"), &self.group.member_path("till")),
            Some(name) => {
                admin(&format!("DROP DATABASE {name} WITH (FORCE)"));
                admin(&format!("CREATE DATABASE {name} TEMPLATE {name}_backup"));
            }
        }
    }

    pub(crate) fn sync(&self) {
        Program::ok(&self.group, &["sync", "--timeout", "60s"]);
    }

    /// `sync`, which must fail and say this.
    pub(crate) fn refused(&self, text: &str) {
        let told = said(&Program::output(&self.group, &["sync", "--timeout", "60s"]), false);
        assert!(told.contains(text), "{told}");
    }

    /// The ids of the ledger's conflicts.
    pub(crate) fn conflicts(&self) -> Vec<String> {
        let listed = Program::ok(&self.group, &["conflicts", "list", "--output", "json"]);
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        let ids =
            listed.as_array().unwrap().iter().map(|conflict| conflict["id"].as_str().unwrap().to_owned());
        ids.collect()
    }

    /// Waits until a running process has halted both workers of `till`.
    pub(crate) fn wait_until_halted(&self) {
        let log = self.group.path().join("run.log");
        self.wait_until("the workers halt", || {
            let told = std::fs::read_to_string(&log).unwrap_or_default();
            ["capture till: halted", "apply till: halted"].iter().all(|worker| told.contains(worker))
        });
    }

    /// Waits until something is so.
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while !is_so() {
            assert!(Instant::now() < deadline, "waited in vain until {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `member rejoin till`, and what it printed.
    pub(crate) fn rejoin(&self) -> String {
        Program::ok(&self.group, &["member", "rejoin", "till"])
    }

    /// `member rejoin till`, which must be refused since nothing is wrong.
    pub(crate) fn nothing_is_wrong(&self) {
        let told = said(&Program::output(&self.group, &["member", "rejoin", "till"]), false);
        assert!(told.contains("GRP-601") && told.contains("nothing is wrong"), "{told}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(name) = &self.database {
            admin(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
            admin(&format!("DROP DATABASE IF EXISTS {name}_backup"));
        }
    }
}

/// Puts a file in the place of a SQLite member's.
pub(crate) fn put(from: &Path, to: &Path) {
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", to.display()));
    }
    std::fs::remove_file(to).unwrap();
    std::fs::copy(from, to).unwrap();
    rusqlite::Connection::open(to).unwrap().execute_batch("PRAGMA journal_mode = WAL").unwrap();
}

/// What a command printed that must (not) have succeeded.
pub(crate) fn said(output: &Output, success: bool) -> String {
    let text =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
    assert_eq!(output.status.success(), success, "{text}");
    text
}

pub(crate) fn rows(group: &GroupFolder, member: &str) -> Vec<String> {
    let connection = group.connect(member);
    let mut statement = connection.prepare("SELECT id || ' ' || body FROM note ORDER BY id").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn connect(database: &str) -> Client {
    Client::connect(&shared_postgres().url(database), NoTls).unwrap()
}

fn admin(sql: &str) {
    connect("postgres").batch_execute(sql).unwrap();
}
