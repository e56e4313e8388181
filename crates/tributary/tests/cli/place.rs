//! A folder with a group in it, and the program run there.

use assert_cmd::Command;
use rusqlite::Connection;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_tributary");

/// Two members, two tables.
pub(crate) const GROUP: &str = "\
group: retail
log: { embedded: log.db }
members:
  hq: { url: \"sqlite:hq.db\" }
  shop: { url: \"sqlite:shop.db\" }
tables:
  - name: Customer
  - name: OrderLine
poll_interval: 5ms
";

const TABLES: &str = "
CREATE TABLE Customer (Id INTEGER PRIMARY KEY, Name TEXT NOT NULL, City TEXT);
CREATE TABLE OrderLine (
  OrderId INTEGER NOT NULL, Line INTEGER NOT NULL,
  CustomerId INTEGER NOT NULL REFERENCES Customer (Id), Amount DECIMAL(10,2),
  PRIMARY KEY (OrderId, Line)
);
";

pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    /// A group file and members whose files have both tables, in WAL mode, not provisioned.
    pub(crate) fn new() -> Self {
        let place = Self::empty();
        place.write("tributary.yaml", GROUP);
        for member in ["hq", "shop"] {
            place.create(member, TABLES);
        }
        place
    }

    /// [`Place::new`], provisioned.
    pub(crate) fn provisioned() -> Self {
        let place = Self::new();
        place.ok(&["provision"]);
        place
    }

    /// Nothing at all.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A member's file in WAL mode with these tables.
    pub(crate) fn create(&self, member: &str, tables: &str) {
        let connection = Connection::open(self.path(&format!("{member}.db"))).unwrap();
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        connection.execute_batch(tables).unwrap();
    }

    /// A user's own connection.
    pub(crate) fn user(&self, member: &str) -> Connection {
        let connection = Connection::open(self.path(&format!("{member}.db"))).unwrap();
        connection.busy_timeout(Duration::from_secs(30)).unwrap();
        connection.execute_batch("PRAGMA foreign_keys = ON").unwrap();
        connection
    }

    pub(crate) fn edit(&self, member: &str, sql: &str) {
        self.user(member).execute_batch(sql).unwrap();
    }

    /// The rows of a query as lines of values.
    pub(crate) fn rows(&self, member: &str, sql: &str) -> Vec<String> {
        let user = self.user(member);
        let mut statement = user.prepare(sql).unwrap();
        let width = statement.column_count();
        let line = |row: &rusqlite::Row<'_>| {
            let value = |at| row.get::<_, rusqlite::types::Value>(at).map(|value| format!("{value:?}"));
            (0..width).map(value).collect::<Result<Vec<_>, _>>().map(|values| values.join(" "))
        };
        statement.query_map([], line).unwrap().collect::<Result<_, _>>().unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.current_dir(self.folder()).args(arguments).env("NO_COLOR", "1");
        command.env_remove("TRIBUTARY_GROUP_FILE").env_remove("TRIBUTARY_LOG");
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).timeout(Duration::from_secs(120)).output().unwrap())
    }

    /// Runs the program, which must succeed; its standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{ended:?}");
        ended.out
    }

    /// Runs the program, which must succeed, with `--output json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.extend(["--output", "json"]);
        let out = self.ok(&all);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{all:?}: {error}\n{out}"))
    }

    /// Starts `run` and waits until it says that it runs.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut running = self.launch(arguments);
        running.wait_for("runs as process");
        running
    }

    /// Starts `run`.
    pub(crate) fn launch(&self, arguments: &[&str]) -> Running {
        let child = std::process::Command::new(PROGRAM)
            .current_dir(self.folder())
            .arg("run")
            .args(arguments)
            .env("NO_COLOR", "1")
            .env_remove("TRIBUTARY_GROUP_FILE")
            .env_remove("TRIBUTARY_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Running::of(child)
    }
}

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let Some(code) = output.status.code() else { panic!("it was killed: {output:?}") };
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }

    /// It ended with this code, and said all of this on standard error.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, said: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for said in said {
            assert!(self.err.contains(said), "{said:?} is not in {self:?}");
        }
    }
}

/// A `tributary run` in the background; killed when dropped.
pub(crate) struct Running {
    child: Child,
    err: BufReader<ChildStderr>,
    told: String,
}

impl Running {
    pub(crate) fn of(mut child: Child) -> Self {
        let err = BufReader::new(child.stderr.take().unwrap());
        Self { child, err, told: String::new() }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has said this in what was read so far.
    pub(crate) fn has_told(&self, text: &str) -> bool {
        self.told.contains(text)
    }

    /// Reads what it tells until a line contains `text`; returns that line.
    pub(crate) fn wait_for(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            let read = self.err.read_line(&mut line).unwrap();
            assert_ne!(read, 0, "it ended without {text:?}:\n{}", self.told);
            self.told.push_str(&line);
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Asks it to stop; its exit code and all that it told.
    pub(crate) fn stop(mut self, signal: &str) -> (i32, String) {
        let pid = self.pid().to_string();
        assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
        self.end()
    }

    /// Waits for it to end by itself; its exit code and all that it told.
    pub(crate) fn end(&mut self) -> (i32, String) {
        let mut rest = String::new();
        self.err.read_to_string(&mut rest).unwrap();
        self.told.push_str(&rest);
        let status = self.child.wait().unwrap();
        let told = std::mem::take(&mut self.told);
        (status.code().unwrap_or_else(|| panic!("it was killed: {status}\n{told}")), told)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
