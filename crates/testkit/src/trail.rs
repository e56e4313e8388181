//! Writers whose rows remember every write they were made on top of, and what has to be found of them in the end.
//!
//! Every write has a mark; an update adds its mark to the row's `trail`, so a row's trail names all writes in its
//! history. After all is over, each acknowledged mark must stand in the trail of a row that is there, in the trail
//! of a row in the ledger, or in the trail that an acknowledged delete removed (a delete is made on top of what it
//! deletes, so what it has seen is in its history).

use rand::Rng;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use std::collections::{BTreeMap, BTreeSet};

/// The table that trails are left in.
pub const TRAIL_TABLE: &str =
    "CREATE TABLE Trail (id INTEGER PRIMARY KEY NOT NULL, trail TEXT NOT NULL, touched INTEGER NOT NULL)";

/// What acknowledged writes demand of the end.
#[derive(Debug, Default)]
pub struct Obligations {
    /// By key: the marks of acknowledged inserts and updates.
    written: BTreeMap<i64, BTreeSet<String>>,
    /// By key: marks that acknowledged deletes had seen.
    deleted: BTreeMap<i64, BTreeSet<String>>,
    deletes: u64,
}

/// A user of one member who inserts, updates and deletes rows at random.
pub struct Writer {
    name: String,
    connection: Connection,
    keys: i64,
    count: u64,
    obligations: Obligations,
}

impl Writer {
    /// Writes as `name` (part of every mark) to keys 1 to `keys`.
    pub fn new(name: &str, connection: Connection, keys: i64) -> Self {
        Self { name: name.to_owned(), connection, keys, count: 0, obligations: Obligations::default() }
    }

    /// One transaction. It counts only if its commit is acknowledged; a member that is locked for too long or the
    /// like is an error that is given back.
    pub fn write(&mut self, random: &mut impl Rng) -> rusqlite::Result<()> {
        let key = random.random_range(1..=self.keys);
        let delete = random.random_ratio(1, 8);
        self.count += 1;
        let mark = format!("{}{}", self.name, self.count);
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let trail: Option<String> = transaction
            .query_row("SELECT trail FROM Trail WHERE id = ?1", [key], |row| row.get(0))
            .optional()?;
        match (&trail, delete) {
            (Some(_), true) => transaction.execute("DELETE FROM Trail WHERE id = ?1", [key])?,
            (Some(_), false) => transaction.execute(
                "UPDATE Trail SET trail = trail || ?2 || ' ', touched = touched + 1 WHERE id = ?1",
                params![key, mark],
            )?,
            (None, _) => transaction.execute(
                "INSERT INTO Trail (id, trail, touched) VALUES (?1, ?2 || ' ', 0)",
                params![key, mark],
            )?,
        };
        transaction.commit()?;
        match (trail, delete) {
            (Some(trail), true) => self.obligations.deleted(key, &trail),
            _ => self.obligations.wrote(key, mark),
        }
        Ok(())
    }

    /// What its writes demand.
    pub fn finish(self) -> Obligations {
        self.obligations
    }
}

impl Obligations {
    /// An insert or update was acknowledged that left this mark.
    pub fn wrote(&mut self, key: i64, mark: String) {
        self.written.entry(key).or_default().insert(mark);
    }

    /// A delete was acknowledged of a row with this trail.
    pub fn deleted(&mut self, key: i64, trail: &str) {
        let seen = self.deleted.entry(key).or_default();
        seen.extend(trail.split_whitespace().map(str::to_owned));
        self.deletes += 1;
    }

    /// Adds those of another writer.
    pub fn join(&mut self, other: Self) {
        for (key, marks) in other.written {
            self.written.entry(key).or_default().extend(marks);
        }
        for (key, marks) in other.deleted {
            self.deleted.entry(key).or_default().extend(marks);
        }
        self.deletes += other.deletes;
    }

    /// How many writes were acknowledged.
    pub fn count(&self) -> u64 {
        self.written.values().map(|marks| marks.len() as u64).sum::<u64>() + self.deletes
    }

    /// Fails unless every acknowledged mark is found: in `member`'s rows, in `ledger` (any text that holds the
    /// trails of both sides of every conflict), or under a delete.
    pub fn assert_met(&self, member: &Connection, ledger: &str) {
        let in_ledger: BTreeSet<&str> = ledger.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let mut lost = Vec::new();
        for (key, marks) in &self.written {
            let trail: Option<String> = member
                .query_row("SELECT trail FROM Trail WHERE id = ?1", [key], |row| row.get(0))
                .optional()
                .unwrap();
            let in_row: BTreeSet<&str> = trail.as_deref().unwrap_or_default().split_whitespace().collect();
            let under_delete = self.deleted.get(key);
            for mark in marks {
                let met = in_row.contains(mark.as_str())
                    || in_ledger.contains(mark.as_str())
                    || under_delete.is_some_and(|seen| seen.contains(mark));
                if !met {
                    lost.push(format!("{mark} of row {key} (now: {trail:?})"));
                }
            }
        }
        assert!(
            lost.is_empty(),
            "{} acknowledged writes are lost: {:#?}",
            lost.len(),
            &lost[..lost.len().min(10)]
        );
    }
}
