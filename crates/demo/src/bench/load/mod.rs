//! The load: rows and edits that depend on the seed alone, written as a user's program writes them.

mod postgres;
mod sqlite;

use super::Options;
use super::databases::Place;
use anyhow::Result;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use std::time::Instant;

/// Random letters from which texts are cut.
const LETTERS: usize = 1 << 16;

/// A user's connection that writes rows.
pub(super) trait Load: Send {
    /// Makes the table, without rows.
    fn create_table(&mut self) -> Result<()>;

    /// Inserts the rows of these keys, many in a transaction.
    fn insert(&mut self, keys: &[u64]) -> Result<()>;

    /// Updates the rows of these keys, a statement each, many in a transaction.
    fn update(&mut self, keys: &[u64]) -> Result<()>;

    /// Deletes the rows of these keys, many in a transaction.
    fn delete(&mut self, keys: &[u64]) -> Result<()>;

    /// Inserts one row and commits.
    fn insert_one(&mut self, key: u64) -> Result<()>;

    /// Updates one row and commits.
    fn update_one(&mut self, key: u64) -> Result<()>;

    /// Those of the keys that are there.
    fn existing(&mut self, keys: &[u64]) -> Result<Vec<u64>>;

    /// Whether commits wait for the disk from now on.
    fn wait_for_disk(&mut self, waits: bool) -> Result<()>;
}

/// A user's connection that looks for rows.
pub(super) trait Watch: Send {
    /// Whether anything may have changed since the last call.
    fn has_changed(&mut self) -> Result<bool>;

    /// The keys above this one, as they stand now.
    fn keys_above(&mut self, key: u64) -> Result<Vec<u64>>;
}

/// Opens a connection that writes.
pub(super) fn open(place: &Place, options: &Options) -> Result<Box<dyn Load>> {
    let texts = Texts::new(options);
    Ok(match place {
        Place::Sqlite(path) => Box::new(sqlite::SqliteLoad::open(path, texts)?),
        Place::Postgres(server) => Box::new(postgres::PostgresLoad::open(server, texts)?),
    })
}

/// Opens a connection that looks.
pub(super) fn watch(place: &Place) -> Result<Box<dyn Watch>> {
    Ok(match place {
        Place::Sqlite(path) => Box::new(sqlite::SqliteWatch::open(path)?),
        Place::Postgres(server) => Box::new(postgres::PostgresWatch::open(server)?),
    })
}

/// Random values.
pub(super) struct Texts {
    random: StdRng,
    letters: String,
    value_bytes: usize,
}

impl Texts {
    fn new(options: &Options) -> Self {
        let mut random = StdRng::seed_from_u64(options.seed);
        let length = LETTERS + options.value_bytes;
        let letters = (0..length).map(|_| char::from(random.random_range(b'a'..=b'z'))).collect();
        Self { random, letters, value_bytes: options.value_bytes }
    }

    /// A quantity and a price in hundredths.
    fn numbers(&mut self) -> (i32, i32) {
        (self.random.random_range(1..1_000), self.random.random_range(1..100_000))
    }

    /// The text that makes up most of a row.
    fn payload(&mut self) -> &str {
        let from = self.random.random_range(0..LETTERS);
        &self.letters[from..from + self.value_bytes]
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

/// Microseconds that something took.
pub(super) fn microseconds(what: impl FnOnce() -> Result<()>) -> Result<f64> {
    let began = Instant::now();
    what()?;
    Ok(began.elapsed().as_secs_f64() * 1e6)
}
