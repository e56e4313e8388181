//! The load on a PostgreSQL member: batches by COPY, single changes by prepared statements.

use super::super::databases::Server;
use super::{Load, Texts, Watch};
use anyhow::Result;
use postgres::{Client, Statement};
use std::fmt::Write as _;
use std::io::Write as _;

/// Rows in one of the user's transactions.
const TRANSACTION: usize = 1_000;

/// The table of the benchmark: rows of about 164 bytes with texts of 80.
const TABLE: &str = "CREATE TABLE items (
    id bigint PRIMARY KEY, name varchar(100), amount numeric(12,2), qty int, note text, updated_at timestamptz)";
const COPY: &str = "COPY items (id, name, amount, qty, note, updated_at) FROM STDIN";
const INSERT: &str = "INSERT INTO items (id, name, amount, qty, note, updated_at)
    VALUES ($1, $2, $3::int / 100.0, $4, $5, clock_timestamp())";
const UPDATE: &str =
    "UPDATE items SET qty = qty + 1, note = $2, updated_at = clock_timestamp() WHERE id = $1";

/// Writes.
pub(super) struct PostgresLoad {
    client: Client,
    insert: Option<Statement>,
    update: Option<Statement>,
    texts: Texts,
}

impl PostgresLoad {
    pub(super) fn open(server: &Server, texts: Texts) -> Result<Self> {
        let mut load = Self { client: server.connect()?, insert: None, update: None, texts };
        load.wait_for_disk(false)?;
        Ok(load)
    }
}

fn signed(key: u64) -> i64 {
    i64::try_from(key).unwrap_or(i64::MAX)
}

fn all_signed(keys: &[u64]) -> Vec<i64> {
    keys.iter().map(|key| signed(*key)).collect()
}

fn name(key: u64) -> String {
    format!("item number {key:012}")
}

impl Load for PostgresLoad {
    fn create_table(&mut self) -> Result<()> {
        Ok(self.client.batch_execute(TABLE)?)
    }

    fn insert(&mut self, keys: &[u64]) -> Result<()> {
        let mut lines = String::new();
        for part in keys.chunks(TRANSACTION) {
            lines.clear();
            for key in part {
                let (quantity, price) = self.texts.numbers();
                let (units, cents) = (price / 100, price % 100);
                let payload = self.texts.payload();
                // Writing to a string cannot fail.
                let _ = writeln!(
                    lines,
                    "{key}\t{}\t{units}.{cents:02}\t{quantity}\t{payload}\t2026-11-23 10:00:00+00",
                    name(*key)
                );
            }
            let mut writer = self.client.copy_in(COPY)?;
            writer.write_all(lines.as_bytes())?;
            writer.finish()?;
        }
        Ok(())
    }

    fn update(&mut self, keys: &[u64]) -> Result<()> {
        for part in keys.chunks(TRANSACTION) {
            self.client.batch_execute("BEGIN")?;
            for key in part {
                self.update_one(*key)?;
            }
            self.client.batch_execute("COMMIT")?;
        }
        Ok(())
    }

    fn delete(&mut self, keys: &[u64]) -> Result<()> {
        for part in keys.chunks(TRANSACTION) {
            self.client.execute("DELETE FROM items WHERE id = ANY ($1)", &[&all_signed(part)])?;
        }
        Ok(())
    }

    fn insert_one(&mut self, key: u64) -> Result<()> {
        if self.insert.is_none() {
            self.insert = Some(self.client.prepare(INSERT)?);
        }
        let (quantity, price) = self.texts.numbers();
        if let Some(insert) = &self.insert {
            let payload = self.texts.payload();
            self.client.execute(insert, &[&signed(key), &name(key), &price, &quantity, &payload])?;
        }
        Ok(())
    }

    fn update_one(&mut self, key: u64) -> Result<()> {
        if self.update.is_none() {
            self.update = Some(self.client.prepare(UPDATE)?);
        }
        if let Some(update) = &self.update {
            self.client.execute(update, &[&signed(key), &self.texts.payload()])?;
        }
        Ok(())
    }

    fn existing(&mut self, keys: &[u64]) -> Result<Vec<u64>> {
        let rows = self.client.query("SELECT id FROM items WHERE id = ANY ($1)", &[&all_signed(keys)])?;
        let found: std::collections::HashSet<i64> = rows.iter().map(|row| row.get(0)).collect();
        Ok(keys.iter().copied().filter(|key| found.contains(&signed(*key))).collect())
    }

    fn wait_for_disk(&mut self, waits: bool) -> Result<()> {
        let level = if waits { "on" } else { "off" };
        Ok(self.client.batch_execute(&format!("SET synchronous_commit = {level}"))?)
    }
}

/// Looks.
pub(super) struct PostgresWatch {
    client: Client,
    above: Statement,
}

impl PostgresWatch {
    pub(super) fn open(server: &Server) -> Result<Self> {
        let mut client = server.connect()?;
        let above = client.prepare("SELECT id FROM items WHERE id > $1")?;
        Ok(Self { client, above })
    }
}

impl Watch for PostgresWatch {
    fn has_changed(&mut self) -> Result<bool> {
        // Nothing tells cheaper than the query itself.
        Ok(true)
    }

    fn keys_above(&mut self, key: u64) -> Result<Vec<u64>> {
        let rows = self.client.query(&self.above, &[&signed(key)])?;
        Ok(rows.iter().map(|row| u64::try_from(row.get::<_, i64>(0)).unwrap_or(0)).collect())
    }
}
