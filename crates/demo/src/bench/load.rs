//! The load: rows and edits that depend on the seed alone, written as a user's program writes them.

use super::Options;
use anyhow::{Context as _, Result};
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rusqlite::{Connection, params};
use std::path::Path;
use std::time::Duration;

/// Rows in one of the user's transactions.
pub(super) const TRANSACTION: usize = 10_000;
/// Random letters from which texts are cut.
const LETTERS: usize = 1 << 16;

/// The table of the benchmark.
pub(super) const TABLE: &str = "CREATE TABLE Item (
    Id INTEGER PRIMARY KEY, Name NVARCHAR(60) NOT NULL, Quantity INT NOT NULL, Price REAL, Payload TEXT)";

/// A user's connection that writes rows.
pub(super) struct Load {
    connection: Connection,
    random: StdRng,
    letters: String,
    value_bytes: usize,
}

impl Load {
    /// Opens the file, in WAL mode as members are.
    pub(super) fn open(path: &Path, options: &Options) -> Result<Self> {
        let connection =
            Connection::open(path).with_context(|| format!("{} cannot be opened", path.display()))?;
        connection.busy_timeout(Duration::from_secs(30))?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")?;
        let mut random = StdRng::seed_from_u64(options.seed);
        let length = LETTERS + options.value_bytes;
        let letters = (0..length).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect();
        Ok(Self { connection, random, letters, value_bytes: options.value_bytes })
    }

    pub(super) fn create_table(&self) -> Result<()> {
        Ok(self.connection.execute_batch(TABLE)?)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Inserts the rows of these keys, many in a transaction.
    pub(super) fn insert(&mut self, keys: &[u64]) -> Result<()> {
        self.in_transactions(keys, Self::insert_one)
    }

    /// Updates the rows of these keys.
    pub(super) fn update(&mut self, keys: &[u64]) -> Result<()> {
        self.in_transactions(keys, Self::update_one)
    }

    /// Deletes the rows of these keys.
    pub(super) fn delete(&mut self, keys: &[u64]) -> Result<()> {
        self.in_transactions(keys, |load, key| {
            load.connection.prepare_cached("DELETE FROM Item WHERE Id = ?1")?.execute([key])?;
            Ok(())
        })
    }

    /// Inserts one row, without a transaction of its own.
    pub(super) fn insert_one(&mut self, key: u64) -> Result<()> {
        let sql = "INSERT INTO Item (Id, Name, Quantity, Price, Payload) VALUES (?1, ?2, ?3, ?4, ?5)";
        let (quantity, price) =
            (self.random.random_range(1..1_000), f64::from(self.random.random_range(1..100_000)) / 100.0);
        let payload = cut(&self.letters, &mut self.random, self.value_bytes);
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.execute(params![key, format!("item {key}"), quantity, price, payload])?;
        Ok(())
    }

    /// Updates one row, without a transaction of its own.
    pub(super) fn update_one(&mut self, key: u64) -> Result<()> {
        let sql = "UPDATE Item SET Quantity = Quantity + 1, Payload = ?2 WHERE Id = ?1";
        let payload = cut(&self.letters, &mut self.random, self.value_bytes);
        self.connection.prepare_cached(sql)?.execute(params![key, payload])?;
        Ok(())
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

/// The keys from `first` to `last`, in order.
pub(super) fn keys(first: u64, last: u64) -> Vec<u64> {
    (first..=last).collect()
}

/// The keys `1..=rows` in an order that the seed decides.
pub(super) fn shuffled(rows: u64, seed: u64) -> Vec<u64> {
    let mut keys = keys(1, rows);
    keys.shuffle(&mut StdRng::seed_from_u64(seed ^ 0x5eed));
    keys
}

fn cut<'a>(letters: &'a str, random: &mut StdRng, length: usize) -> &'a str {
    let from = random.random_range(0..LETTERS);
    &letters[from..from + length]
}
