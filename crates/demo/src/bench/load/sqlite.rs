//! The load on a SQLite member.

use super::{Load, Texts, Watch};
use anyhow::{Context as _, Result};
use rusqlite::{Connection, params};
use std::path::Path;
use std::time::Duration;

/// Rows in one of the user's transactions.
const TRANSACTION: usize = 10_000;

/// The table of the benchmark.
const TABLE: &str = "CREATE TABLE Item (
    Id INTEGER PRIMARY KEY, Name NVARCHAR(60) NOT NULL, Quantity INT NOT NULL, Price REAL, Payload TEXT)";

/// Writes.
pub(super) struct SqliteLoad {
    connection: Connection,
    texts: Texts,
}

impl SqliteLoad {
    /// Opens the file, in WAL mode as members are.
    pub(super) fn open(path: &Path, texts: Texts) -> Result<Self> {
        let connection =
            Connection::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
        connection.busy_timeout(Duration::from_secs(30))?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")?;
        Ok(Self { connection, texts })
    }

    fn in_transactions(&mut self, keys: &[u64], each: impl Fn(&mut Self, u64) -> Result<()>) -> Result<()> {
        for part in keys.chunks(TRANSACTION) {
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            for key in part {
                each(self, *key)?;
            }
            self.connection.execute_batch("COMMIT")?;
        }
        Ok(())
    }
}

impl Load for SqliteLoad {
    fn create_table(&mut self) -> Result<()> {
        Ok(self.connection.execute_batch(TABLE)?)
    }

    fn insert(&mut self, keys: &[u64]) -> Result<()> {
        self.in_transactions(keys, Self::insert_one)
    }

    fn update(&mut self, keys: &[u64]) -> Result<()> {
        self.in_transactions(keys, Self::update_one)
    }

    fn delete(&mut self, keys: &[u64]) -> Result<()> {
        self.in_transactions(keys, |load, key| {
            load.connection.prepare_cached("DELETE FROM Item WHERE Id = ?1")?.execute([key])?;
            Ok(())
        })
    }

    fn insert_one(&mut self, key: u64) -> Result<()> {
        let sql = "INSERT INTO Item (Id, Name, Quantity, Price, Payload) VALUES (?1, ?2, ?3, ?4, ?5)";
        let (quantity, price) = self.texts.numbers();
        let mut statement = self.connection.prepare_cached(sql)?;
        let price = f64::from(price) / 100.0;
        statement.execute(params![key, format!("item {key}"), quantity, price, self.texts.payload()])?;
        Ok(())
    }

    fn update_one(&mut self, key: u64) -> Result<()> {
        let sql = "UPDATE Item SET Quantity = Quantity + 1, Payload = ?2 WHERE Id = ?1";
        self.connection.prepare_cached(sql)?.execute(params![key, self.texts.payload()])?;
        Ok(())
    }

    fn existing(&mut self, keys: &[u64]) -> Result<Vec<u64>> {
        let mut statement = self.connection.prepare("SELECT 1 FROM Item WHERE Id = ?1")?;
        let mut existing = Vec::with_capacity(keys.len());
        for key in keys {
            if statement.exists([key])? {
                existing.push(*key);
            }
        }
        Ok(existing)
    }

    fn wait_for_disk(&mut self, waits: bool) -> Result<()> {
        let level = if waits { "FULL" } else { "NORMAL" };
        Ok(self.connection.execute_batch(&format!("PRAGMA synchronous = {level}"))?)
    }
}

/// Looks.
pub(super) struct SqliteWatch {
    connection: Connection,
    version: i64,
}

impl SqliteWatch {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        Ok(Self { connection, version: -1 })
    }
}

impl Watch for SqliteWatch {
    fn has_changed(&mut self) -> Result<bool> {
        let mut statement = self.connection.prepare_cached("PRAGMA data_version")?;
        let now = statement.query_row([], |row| row.get(0))?;
        Ok(std::mem::replace(&mut self.version, now) != now)
    }

    fn keys_above(&mut self, key: u64) -> Result<Vec<u64>> {
        let mut statement = self.connection.prepare_cached("SELECT Id FROM Item WHERE Id > ?1")?;
        let found = statement.query_map([key], |row| row.get(0))?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }
}
