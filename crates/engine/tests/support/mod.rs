//! A group in a temporary folder with its workers in this process.

#![allow(clippy::unwrap_used, dead_code, reason = "shared by tests that each use a part of it")]

pub(crate) mod clock;

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tributary_engine::{Engine, Host, Options, Roles};
use tributary_group::file::GroupFile;
use tributary_group::progress::{Progress, progress};
use tributary_runtime::{SharedClock, WorkerStatus};

/// How long anything may take before a test gives up.
pub(crate) const DEADLINE: Duration = Duration::from_secs(150);

pub(crate) struct Pipe {
    folder: tempfile::TempDir,
    members: Vec<String>,
    text: String,
}

impl Pipe {
    pub(crate) fn new(members: &[&str], tables: &[&str], extra: &str) -> Self {
        let mut text = String::from("group: test\nlog: { embedded: ./test.log.db }\nmembers:\n");
        for member in members {
            writeln!(text, "  {member}: {{ url: \"sqlite:{member}.db\" }}").unwrap();
        }
        text.push_str("tables:\n");
        for table in tables {
            writeln!(text, "  - name: {table}").unwrap();
        }
        text.push_str(extra);
        let members = members.iter().map(|member| (*member).to_owned()).collect();
        Self { folder: tempfile::tempdir().unwrap(), members, text }
    }

    pub(crate) fn member_path(&self, member: &str) -> PathBuf {
        self.folder.path().join(format!("{member}.db"))
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.folder.path().join("test.log.db")
    }

    pub(crate) fn state_path(&self) -> PathBuf {
        self.folder.path().join("test.data").join("resolver.db")
    }

    pub(crate) fn connect(&self, member: &str) -> Connection {
        let connection = Connection::open(self.member_path(member)).unwrap();
        connection.busy_timeout(Duration::from_secs(30)).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON").unwrap();
        connection
    }

    pub(crate) fn execute(&self, member: &str, sql: &str) {
        self.connect(member).execute_batch(sql).unwrap();
    }

    /// Rows as `a|b|c`.
    pub(crate) fn rows(&self, member: &str, sql: &str) -> Vec<String> {
        let connection = self.connect(member);
        let mut statement = connection.prepare(sql).unwrap();
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let texts: Vec<String> = (0..columns)
                .map(|at| match row.get_ref(at).unwrap() {
                    ValueRef::Null => "NULL".to_owned(),
                    ValueRef::Integer(value) => value.to_string(),
                    ValueRef::Real(value) => value.to_string(),
                    ValueRef::Text(value) => String::from_utf8_lossy(value).into_owned(),
                    ValueRef::Blob(value) => format!("{value:02x?}"),
                })
                .collect();
            Ok(texts.join("|"))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// Replaces a part of the group file, which must be there.
    pub(crate) fn edit(&mut self, part: &str, by: &str) {
        assert!(self.text.contains(part), "{part} in {}", self.text);
        self.text = self.text.replace(part, by);
    }

    pub(crate) fn file(&self) -> GroupFile {
        let path = self.folder.path().join("tributary.yaml");
        std::fs::write(&path, &self.text).unwrap();
        GroupFile::load(&path).unwrap()
    }

    pub(crate) fn open(&self) -> Engine {
        self.open_on(Host::default())
    }

    fn open_on(&self, host: Host) -> Engine {
        let options = Options { create_members: true, enable_wal: true, host, ..Options::default() };
        block_on(Engine::open(self.file(), options)).unwrap()
    }

    /// Provisions and starts all workers.
    pub(crate) fn start(&self) -> Running {
        Self::started(self.open())
    }

    /// The same on another clock.
    pub(crate) fn start_with(&self, clock: SharedClock) -> Running {
        Self::started(self.open_on(Host::new(clock)))
    }

    fn started(engine: Engine) -> Running {
        for provisioned in block_on(engine.provision(false)) {
            let bound = provisioned.bound.expect("the member can be reached");
            assert_eq!(bound.errors().collect::<Vec<_>>(), Vec::<&_>::new());
            provisioned.statements.unwrap();
        }
        engine.start(&Roles::all()).unwrap();
        Running { engine }
    }

    /// Starts all workers on the members as they are.
    pub(crate) fn start_unprovisioned(&self) -> Running {
        let options = Options::default();
        let engine = block_on(Engine::open(self.file(), options)).unwrap();
        engine.start(&Roles::all()).unwrap();
        Running { engine }
    }
}

pub(crate) struct Running {
    pub(crate) engine: Engine,
}

impl Running {
    pub(crate) fn progress(&self) -> Progress {
        let engine = &self.engine;
        let read =
            progress(&engine.file, &engine.spec, &engine.channels, engine.log.as_ref(), &engine.connectors);
        block_on(read).unwrap()
    }

    /// Waits until everything that was committed before is in every member.
    pub(crate) fn drain(&self) {
        self.wait_for("everything to be drained", Progress::is_drained);
        // What apply itself has set in motion (rows that were restored, users' triggers) comes in a second round.
        self.wait_for("everything to stay drained", Progress::is_drained);
    }

    pub(crate) fn wait_for(&self, what: &str, mut wanted: impl FnMut(&Progress) -> bool) {
        let started = Instant::now();
        loop {
            let progress = self.progress();
            if wanted(&progress) {
                return;
            }
            assert!(
                started.elapsed() < DEADLINE,
                "gave up waiting for {what}: {:#?}\n{:#?}",
                progress.blockers(),
                self.engine.supervisor.states()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Waits until the workers' states are as wanted.
    pub(crate) fn wait_for_workers(&self, what: &str, mut wanted: impl FnMut(&[WorkerStatus]) -> bool) {
        let started = Instant::now();
        loop {
            let states = self.engine.supervisor.states();
            if wanted(&states) {
                return;
            }
            assert!(started.elapsed() < DEADLINE, "gave up waiting for {what}: {states:#?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// How many records the ledger has.
    pub(crate) fn conflicts(&self) -> usize {
        let topic = self.engine.channels.topics.conflicts();
        block_on(tributary_stream::read_latest(self.engine.log.as_ref(), &topic)).unwrap().len()
    }

    /// The ends of all partitions of all topics.
    pub(crate) fn ends(&self) -> BTreeMap<String, Vec<u64>> {
        let log = &self.engine.log;
        let topics = block_on(log.topics()).unwrap();
        let ends = topics.iter().map(|topic| {
            let ranges = block_on(log.offsets(&topic.name)).unwrap();
            (topic.name.to_string(), ranges.iter().map(|range| range.end).collect())
        });
        ends.collect()
    }

    /// The ends of the topics that hold rows, whose workers also say on others how far they are.
    pub(crate) fn of_rows(&self) -> BTreeMap<String, Vec<u64>> {
        let topics = &self.engine.channels.topics;
        let own = [topics.control(), topics.positions()];
        let mut ends = self.ends();
        ends.retain(|topic, _| own.iter().all(|own| own.as_str() != topic));
        ends
    }

    pub(crate) fn stop(self) {
        assert_eq!(self.engine.stop(), Vec::<String>::new(), "all workers ended in time");
    }
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
