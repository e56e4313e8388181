//! A group in a temporary folder.

use rusqlite::Connection;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A folder with a group file, members' files and the log.
pub struct GroupFolder {
    folder: tempfile::TempDir,
    members: Vec<String>,
}

impl GroupFolder {
    /// A group of these members and tables; `extra` is added to the group file as it is. The members' files are
    /// made by the first [`GroupFolder::connect`] or by `provision --create`.
    pub fn new(members: &[&str], tables: &[&str], extra: &str) -> Self {
        Self::with_log("test", "{ embedded: ./test.log.db }", members, tables, extra)
    }

    /// The same with this name and this log. Groups that share a broker differ in their names.
    pub fn with_log(group: &str, log: &str, members: &[&str], tables: &[&str], extra: &str) -> Self {
        let places = members.iter().map(|member| (*member, format!("url: \"sqlite:{member}.db\"")));
        Self::with_members(group, log, &places.collect::<Vec<_>>(), tables, extra)
    }

    /// The same with members of any kind, each with what the group file says of it.
    pub fn with_members(
        group: &str,
        log: &str,
        members: &[(&str, String)],
        tables: &[&str],
        extra: &str,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut text = format!("group: {group}\nlog: {log}\nmembers:\n");
        for (member, settings) in members {
            writeln!(text, "  {member}: {{ {settings} }}").unwrap();
        }
        text.push_str("tables:\n");
        for table in tables {
            writeln!(text, "  - name: {table}").unwrap();
        }
        text.push_str(extra);
        std::fs::write(folder.path().join("tributary.yaml"), text).unwrap();
        Self { folder, members: members.iter().map(|(member, _)| (*member).to_owned()).collect() }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The group file.
    pub fn group_file(&self) -> PathBuf {
        self.path().join("tributary.yaml")
    }

    /// The members' ids.
    pub fn members(&self) -> &[String] {
        &self.members
    }

    /// A SQLite member's file.
    pub fn member_path(&self, member: &str) -> PathBuf {
        self.path().join(format!("{member}.db"))
    }

    /// A user's connection to a SQLite member, with foreign keys on and patience for other writers.
    pub fn connect(&self, member: &str) -> Connection {
        let connection = Connection::open(self.member_path(member)).unwrap();
        connection.busy_timeout(Duration::from_secs(30)).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON").unwrap();
        connection
    }

    /// Connections to all members, which are SQLite's.
    pub fn connect_all(&self) -> Vec<Connection> {
        self.members.iter().map(|member| self.connect(member)).collect()
    }
}

/// How many lines of what the group's processes have told are shown when a test fails.
const LAST_WORDS: usize = 60;

impl Drop for GroupFolder {
    /// The folder goes with the test, so what its processes have told is shown where that may tell why it failed.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        if let Ok(told) = std::fs::read_to_string(self.path().join("run.log")) {
            let lines: Vec<_> = told.lines().collect();
            let last = lines[lines.len().saturating_sub(LAST_WORDS)..].join("\n");
            eprintln!("the last words of the group's processes:\n{last}");
        }
    }
}
