//! SQLite files for the checks that every adapter has to pass.

#![allow(unreachable_pub, reason = "shared by several test programs")]
#![allow(clippy::unwrap_used, reason = "test support: a check that cannot go on has failed")]
#![allow(dead_code, reason = "each test program uses a part of it")]

use async_trait::async_trait;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use tributary_member::contract::fixture::{Factory, Fixture, GROUP, User};
use tributary_member::sqlite::SqliteConnector;
use tributary_member::{Connector, Direction};
use tributary_model::MemberId;

/// Makes SQLite files.
pub struct SqliteFactory;

/// One SQLite file in a directory of its own.
pub struct SqliteFixture {
    directory: TempDir,
}

/// A user's connection to a file.
pub struct SqliteUser(pub Connection);

impl SqliteFixture {
    /// A fresh file in WAL mode.
    pub fn new() -> Self {
        let fixture = Self { directory: tempfile::tempdir().unwrap() };
        let connection = Connection::open(fixture.path()).unwrap();
        let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).unwrap();
        assert_eq!(mode, "wal");
        fixture
    }

    /// A directory without a file.
    pub fn without_file() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("member.db")
    }

    /// The connector of the member `id`, with its settings open to change.
    pub fn sqlite(&self, id: &str) -> SqliteConnector {
        SqliteConnector::new(MemberId::new(id).unwrap(), GROUP, self.path())
    }

    /// A user's plain connection.
    pub fn connection(&self) -> Connection {
        plain_connection(&self.path())
    }
}

/// A connection as a user's program would make it.
pub fn plain_connection(path: &Path) -> Connection {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    connection.busy_timeout(Duration::from_secs(30)).unwrap();
    // Half the tests' time would go into flushing files that are thrown away.
    connection.execute_batch("PRAGMA synchronous = OFF").unwrap();
    connection
}

/// Every row of a query as text.
pub fn texts(connection: &Connection, sql: &str) -> Vec<Vec<String>> {
    let mut statement = connection.prepare(sql).unwrap();
    let columns = statement.column_count();
    let mut rows = statement.query([]).unwrap();
    let mut found = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        let text = |at| match row.get_ref(at).unwrap() {
            ValueRef::Null => "NULL".to_owned(),
            ValueRef::Integer(number) => number.to_string(),
            ValueRef::Real(number) => format!("{number:?}"),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            ValueRef::Blob(bytes) => format!("{bytes:02x?}"),
        };
        found.push((0..columns).map(text).collect());
    }
    found
}

#[async_trait(?Send)]
impl Factory for SqliteFactory {
    async fn fresh(&self) -> Box<dyn Fixture> {
        Box::new(SqliteFixture::new())
    }
}

#[async_trait(?Send)]
impl Fixture for SqliteFixture {
    fn connector_of(&self, id: &str, direction: Direction) -> Box<dyn Connector> {
        Box::new(self.sqlite(id).direction(direction))
    }

    async fn user(&self) -> Box<dyn User> {
        Box::new(SqliteUser(self.connection()))
    }

    async fn definitions(&self) -> Vec<String> {
        let sql = "SELECT type || ' ' || name || ': ' || coalesce(sql, '') FROM sqlite_schema ORDER BY 1";
        texts(&self.connection(), sql).into_iter().map(|mut row| row.remove(0)).collect()
    }
}

#[async_trait(?Send)]
impl User for SqliteUser {
    async fn attempt(&mut self, sql: &str) -> Result<(), String> {
        self.0.execute_batch(sql).map_err(|error| error.to_string())
    }

    async fn query(&mut self, sql: &str) -> Vec<Vec<String>> {
        texts(&self.0, sql)
    }
}

/// Runs a future to its end on this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
