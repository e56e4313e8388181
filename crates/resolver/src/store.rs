//! The last resolved record of every cell, on local disk.
//!
//! One SQLite file, a WITHOUT ROWID table for each partition, values as the log carries them, cells in the order of
//! their numbers, so that a backlog in key order writes few pages. It may be lost or
//! outdated at any time (the `resolved` topic is its changelog) but must never be ahead of the log, so it is
//! written after the log's transaction has been committed. Commits are not flushed one by one: SQLite's WAL keeps
//! the file consistent across a power cut, and what is missing is read again from the topic.

use rusqlite::{Connection, OptionalExtension, params};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tributary_stream::TopicPartition;
use uuid::Uuid;

/// Format of the file; another one is thrown away and rebuilt.
const FORMAT: i64 = 2;
/// Bytes of the longest number in Avro's encoding.
const LONGEST_NUMBER: usize = 10;

/// Failures of the store.
#[derive(Debug, thiserror::Error)]
#[error("the resolver's state {} could not {action}; if it persists, delete the file: it is rebuilt", path.display())]
pub struct StoreError {
    path: PathBuf,
    action: &'static str,
    #[source]
    source: rusqlite::Error,
}

impl StoreError {
    /// Whether the file itself is damaged, so that only a new one helps.
    pub fn is_damaged(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        matches!(self.source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
    }
}

/// What the resolver needs of a state store; one a process.
pub trait CellStore {
    /// How far partition `at` of a resolved topic is reflected: the next offset to be read of it. `None` when
    /// nothing is stored for it under this log.
    fn reflected(&mut self, log: Uuid, at: &TopicPartition) -> Result<Option<u64>, StoreError>;

    /// Forgets everything about a partition.
    fn clear(&mut self, at: &TopicPartition) -> Result<(), StoreError>;

    /// The values of these keys, in the same order.
    fn get(&mut self, at: &TopicPartition, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StoreError>;

    /// Writes values (`None` removes) of one partition, and how far the partition is reflected by them where that
    /// is known.
    fn put(
        &mut self,
        log: Uuid,
        at: &TopicPartition,
        cells: &[(&[u8], Option<&[u8]>)],
        reflected: Option<u64>,
    ) -> Result<(), StoreError>;

    /// Makes everything that was written since the last call lasting.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Bytes on disk.
    fn size(&self) -> u64;
}

/// The store in a SQLite file.
pub struct Store {
    path: PathBuf,
    connection: Connection,
    tables: HashMap<TopicPartition, Statements>,
    in_transaction: bool,
}

/// What is kept in memory of one partition: the texts of its statements, so that the statement cache finds them, and
/// where it ends.
struct Statements {
    get: String,
    put: String,
    remove: String,
    table: String,
    /// No cell has a later place; empty if there is none. Rows that are inserted in key order lie behind it, and need not
    /// be looked for.
    last: Vec<u8>,
}

impl Store {
    /// Opens or creates the file. A file of another format is replaced.
    ///
    /// # Errors
    /// [`StoreError`], which tells by [`StoreError::is_damaged`] whether deleting the file helps.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let fail = |action| move |source| StoreError { path: path.to_owned(), action, source };
        let connection = Connection::open(path).map_err(fail("be opened"))?;
        connection
            .execute_batch(
                // Nobody else has this file open, so no locks need to be taken and given back for every read.
                "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
                 PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 4000;",
            )
            .map_err(fail("be set up"))?;
        connection.set_prepared_statement_cache_capacity(1024);
        let format: i64 =
            connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(fail("be read"))?;
        if format != FORMAT {
            clear_file(&connection).map_err(fail("be cleared"))?;
            connection.pragma_update(None, "user_version", FORMAT).map_err(fail("be set up"))?;
        }
        connection
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS partitions (
                   id INTEGER PRIMARY KEY, topic TEXT NOT NULL, partition INTEGER NOT NULL, log TEXT NOT NULL,
                   reflected INTEGER NOT NULL, UNIQUE (topic, partition))",
            )
            .map_err(fail("be set up"))?;
        Ok(Self { path: path.to_owned(), connection, tables: HashMap::new(), in_transaction: false })
    }

    fn fail(&self, action: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError + use<> {
        let path = self.path.clone();
        move |source| StoreError { path, action, source }
    }

    fn begin(&mut self) -> Result<(), StoreError> {
        if !self.in_transaction {
            self.connection.execute_batch("BEGIN").map_err(self.fail("begin a write"))?;
            self.in_transaction = true;
        }
        Ok(())
    }

    /// The partition's statements; creates its table when it is met for the first time.
    fn prepare(&mut self, at: &TopicPartition) -> Result<(), StoreError> {
        if self.tables.contains_key(at) {
            return Ok(());
        }
        let insert = "INSERT INTO partitions (topic, partition, log, reflected) VALUES (?1, ?2, '', 0)
                      ON CONFLICT (topic, partition) DO NOTHING";
        let select = "SELECT id FROM partitions WHERE topic = ?1 AND partition = ?2";
        let key = params![at.topic.as_str(), at.partition];
        self.connection.execute(insert, key).map_err(self.fail("be written"))?;
        let id: i64 =
            self.connection.query_row(select, key, |row| row.get(0)).map_err(self.fail("be read"))?;
        let table = format!("cells_{id}");
        let create = format!(
            "CREATE TABLE IF NOT EXISTS {table} (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"
        );
        self.connection.execute_batch(&create).map_err(self.fail("be set up"))?;
        let last = format!("SELECT max(key) FROM {table}");
        let last: Option<Vec<u8>> =
            self.connection.query_row(&last, [], |row| row.get(0)).map_err(self.fail("be read"))?;
        let statements = Statements {
            get: format!("SELECT value FROM {table} WHERE key = ?1"),
            put: format!(
                "INSERT INTO {table} (key, value) VALUES (?1, ?2)
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value"
            ),
            remove: format!("DELETE FROM {table} WHERE key = ?1"),
            table,
            last: last.unwrap_or_default(),
        };
        self.tables.insert(at.clone(), statements);
        Ok(())
    }
}

/// The keys' places with their positions, in the order of the places. Equal keys keep their order: the last counts.
fn in_place_order<'a>(keys: impl Iterator<Item = &'a [u8]>) -> Vec<(Vec<u8>, usize)> {
    let mut places: Vec<_> = keys.enumerate().map(|(index, key)| (place_of(key), index)).collect();
    places.sort_unstable();
    places
}

/// Where a cell stands in its table. A key begins with a number (its own, or the length of a text) whose bytes Avro
/// writes the least significant one first, so that consecutive numbers would lie all over the table and every batch
/// would write most of its pages. Here the number's length comes first, then its bytes the other way round: keys
/// that follow each other lie beside each other. The rest of the key follows as it is, and no two keys share a place.
fn place_of(key: &[u8]) -> Vec<u8> {
    let length = key.iter().take(LONGEST_NUMBER).position(|byte| byte & 0x80 == 0).map_or(0, |last| last + 1);
    let (number, rest) = key.split_at(length);
    let mut place = Vec::with_capacity(1 + key.len());
    // At most ten.
    place.push(length as u8);
    place.extend(number.iter().rev());
    place.extend_from_slice(rest);
    place
}

/// Drops every table of a file of another format.
fn clear_file(connection: &Connection) -> rusqlite::Result<()> {
    let mut list = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")?;
    let names: Vec<String> = list.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for name in names {
        connection.execute_batch(&format!("DROP TABLE \"{}\"", name.replace('"', "\"\"")))?;
    }
    Ok(())
}

impl CellStore for Store {
    fn reflected(&mut self, log: Uuid, at: &TopicPartition) -> Result<Option<u64>, StoreError> {
        let select = "SELECT reflected FROM partitions WHERE topic = ?1 AND partition = ?2 AND log = ?3";
        let found: Option<i64> = self
            .connection
            .query_row(select, params![at.topic.as_str(), at.partition, log.to_string()], |row| row.get(0))
            .optional()
            .map_err(self.fail("be read"))?;
        Ok(found.and_then(|offset| u64::try_from(offset).ok()))
    }

    fn clear(&mut self, at: &TopicPartition) -> Result<(), StoreError> {
        self.prepare(at)?;
        self.begin()?;
        let delete = format!("DELETE FROM {}", self.tables[at].table);
        self.connection.execute_batch(&delete).map_err(self.fail("be cleared"))?;
        if let Some(statements) = self.tables.get_mut(at) {
            statements.last.clear();
        }
        let update = "UPDATE partitions SET log = '', reflected = 0 WHERE topic = ?1 AND partition = ?2";
        let done = self.connection.execute(update, params![at.topic.as_str(), at.partition]);
        done.map_err(self.fail("be cleared"))?;
        self.commit()
    }

    fn get(&mut self, at: &TopicPartition, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        self.prepare(at)?;
        // One snapshot for the batch; the writes that follow it are part of the same transaction.
        self.begin()?;
        let Statements { get, last, .. } = &self.tables[at];
        let mut statement = self.connection.prepare_cached(get).map_err(self.fail("be read"))?;
        let mut values = vec![None; keys.len()];
        for (place, index) in in_place_order(keys.iter().copied()) {
            if place > *last {
                break;
            }
            let found = statement.query_row([place], |row| row.get(0)).optional();
            values[index] = found.map_err(self.fail("be read"))?;
        }
        Ok(values)
    }

    fn put(
        &mut self,
        log: Uuid,
        at: &TopicPartition,
        cells: &[(&[u8], Option<&[u8]>)],
        reflected: Option<u64>,
    ) -> Result<(), StoreError> {
        self.prepare(at)?;
        self.begin()?;
        let places = in_place_order(cells.iter().map(|(key, _)| *key));
        // Before anything is written: what fails half-way must not leave cells behind the last one.
        if let (Some((last, _)), Some(statements)) = (places.last(), self.tables.get_mut(at))
            && *last > statements.last
        {
            statements.last.clone_from(last);
        }
        let statements = &self.tables[at];
        let mut put = self.connection.prepare_cached(&statements.put).map_err(self.fail("be written"))?;
        for (place, index) in places {
            let done = match cells[index].1 {
                Some(value) => put.execute([place.as_slice(), value]),
                None => {
                    self.connection.prepare_cached(&statements.remove).and_then(|mut s| s.execute([place]))
                }
            };
            done.map_err(self.fail("be written"))?;
        }
        if let Some(reflected) = reflected {
            let update = "UPDATE partitions SET log = ?3, reflected = ?4 WHERE topic = ?1 AND partition = ?2";
            let values = params![at.topic.as_str(), at.partition, log.to_string(), reflected as i64];
            self.connection
                .prepare_cached(update)
                .and_then(|mut statement| statement.execute(values))
                .map_err(self.fail("be written"))?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        if self.in_transaction {
            self.connection.execute_batch("COMMIT").map_err(self.fail("be committed"))?;
            self.in_transaction = false;
        }
        Ok(())
    }

    fn size(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_stream::TopicName;

    /// A number as Avro writes it.
    fn number(value: i64) -> Vec<u8> {
        let mut rest = ((value << 1) ^ (value >> 63)) as u64;
        let mut bytes = Vec::new();
        while rest > 0x7f {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        bytes
    }

    #[test]
    fn numbers_that_follow_each_other_have_places_that_do() {
        let numbers = (0..40_000).chain((1..63).map(|bit| (1_i64 << bit) + 40_000)).chain([i64::MAX]);
        let mut numbers: Vec<i64> = numbers.collect();
        numbers.sort_unstable();
        numbers.dedup();
        let places: Vec<_> = numbers.iter().map(|value| place_of(&number(*value))).collect();
        assert!(places.is_sorted());
        let negative: Vec<_> = (1..40_000).map(|value| place_of(&number(-value))).collect();
        assert!(negative.is_sorted());
        let pairs: Vec<_> = (0..300).map(|value| place_of(&[number(7), number(value)].concat())).collect();
        assert!(pairs.iter().all(|place| place.starts_with(&place_of(&number(7)))), "cells of one parent");
    }

    #[test]
    fn no_two_keys_share_a_place() {
        let bytes = [0x00, 0x01, 0x02, 0x7f, 0x80, 0x81, 0xff];
        let mut keys: Vec<Vec<u8>> = vec![Vec::new()];
        let mut from = 0;
        for _ in 0..4 {
            let to = keys.len();
            for at in from..to {
                let start = keys[at].clone();
                keys.extend(bytes.iter().map(|byte| [start.as_slice(), &[*byte]].concat()));
            }
            from = to;
        }
        // Longer than any number, and without an end of one.
        keys.extend((9..14).map(|length| vec![0x80; length]));
        let places: std::collections::HashSet<_> = keys.iter().map(|key| place_of(key)).collect();
        assert_eq!(places.len(), keys.len());
    }

    #[test]
    fn values_come_in_the_order_of_the_question_and_the_last_of_a_cell_counts() {
        let folder = tempfile::tempdir().unwrap();
        let at = TopicPartition::new(TopicName::new("t"), 0);
        let mut store = Store::open(&folder.path().join("state.db")).unwrap();
        let keys: Vec<_> = [300, 5, 128, 64, 5].into_iter().map(number).collect();
        let cells: Vec<_> =
            keys.iter().zip(1_u8..).map(|(key, value)| (key.as_slice(), vec![value])).collect();
        let cells: Vec<_> = cells.iter().map(|(key, value)| (*key, Some(value.as_slice()))).collect();
        store.put(Uuid::from_u128(7), &at, &cells, None).unwrap();
        let asked: Vec<_> = keys.iter().map(Vec::as_slice).chain([&b"nothing"[..]]).collect();
        let found = store.get(&at, &asked).unwrap();
        assert_eq!(found, [Some(vec![1]), Some(vec![5]), Some(vec![3]), Some(vec![4]), Some(vec![5]), None]);
        // A cell behind all others is found as soon as it is written, and by whoever opens the file.
        let later = number(1 << 20);
        assert_eq!(store.get(&at, &[&later]).unwrap(), [None]);
        store.put(Uuid::from_u128(7), &at, &[(&later, Some(b"later"))], None).unwrap();
        assert_eq!(store.get(&at, &[&later, &keys[0]]).unwrap(), [Some(b"later".to_vec()), Some(vec![1])]);
        store.commit().unwrap();
        drop(store);
        let mut store = Store::open(&folder.path().join("state.db")).unwrap();
        assert_eq!(store.get(&at, &[&later]).unwrap(), [Some(b"later".to_vec())]);
    }

    #[test]
    fn a_write_that_fails_half_way_hides_no_cell() {
        let folder = tempfile::tempdir().unwrap();
        let at = TopicPartition::new(TopicName::new("t"), 0);
        let mut store = Store::open(&folder.path().join("state.db")).unwrap();
        let keys: Vec<_> = (1..=3).map(number).collect();
        let cells: Vec<_> = keys.iter().map(|key| (key.as_slice(), Some(&b"new"[..]))).collect();
        store.put(Uuid::from_u128(7), &at, &[], None).unwrap();
        let place: String = place_of(&keys[2]).iter().map(|byte| format!("{byte:02x}")).collect();
        let refuse = format!(
            "CREATE TEMP TRIGGER refuse BEFORE INSERT ON {} WHEN NEW.key = x'{place}'
             BEGIN SELECT RAISE(FAIL, 'no'); END",
            store.tables[&at].table
        );
        store.connection.execute_batch(&refuse).unwrap();
        assert!(store.put(Uuid::from_u128(7), &at, &cells, None).is_err());
        let asked: Vec<_> = keys.iter().map(Vec::as_slice).collect();
        let (written, not) = (Some(b"new".to_vec()), None);
        assert_eq!(store.get(&at, &asked).unwrap(), [written.clone(), written, not]);
    }

    #[test]
    fn cells_read_back_and_partitions_are_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let log = Uuid::from_u128(7);
        let (first, second) =
            (TopicPartition::new(TopicName::new("t"), 0), TopicPartition::new(TopicName::new("t"), 1));
        let mut store = Store::open(&path).unwrap();
        store.put(log, &first, &[(b"a", Some(b"1")), (b"b", Some(b"2"))], Some(9)).unwrap();
        store.put(log, &second, &[(b"a", Some(b"3"))], None).unwrap();
        store.put(log, &first, &[(b"b", None)], None).unwrap();
        store.commit().unwrap();
        drop(store);
        let mut store = Store::open(&path).unwrap();
        assert_eq!(store.get(&first, &[b"a", b"b"]).unwrap(), [Some(b"1".to_vec()), None]);
        assert_eq!(store.get(&second, &[b"a"]).unwrap(), [Some(b"3".to_vec())]);
        assert_eq!(store.reflected(log, &first).unwrap(), Some(9));
        assert_eq!(store.reflected(Uuid::from_u128(8), &first).unwrap(), None, "another log");
        assert_eq!(store.reflected(log, &second).unwrap(), None, "never said");
        store.clear(&first).unwrap();
        assert_eq!(store.get(&first, &[b"a"]).unwrap(), [None]);
        assert_eq!(store.reflected(log, &first).unwrap(), None);
    }

    #[test]
    fn another_format_is_replaced_and_a_damaged_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.db");
        let old = Connection::open(&path).unwrap();
        old.execute_batch("CREATE TABLE cells_1 (x); PRAGMA user_version = 99").unwrap();
        drop(old);
        let at = TopicPartition::new(TopicName::new("t"), 0);
        assert_eq!(Store::open(&path).unwrap().get(&at, &[b"a"]).unwrap(), [None]);
        let broken = folder.path().join("broken.db");
        std::fs::write(&broken, vec![7; 4096]).unwrap();
        assert!(Store::open(&broken).is_err_and(|error| error.is_damaged()));
    }
}
