//! Opening a member's file: what it must be before anything is read from or written to it.
//!
//! Checks the file, its journal mode and whose member it is. Whether the tables are as provisioned is
//! [`super::states`]'s matter.

use super::failure::{classify, failed};
use super::settings::{OnLoss, SqliteSettings};
use super::table::BoundTable;
use super::{SqliteMember, catalog, states, wake};
use crate::{Connector, Direction, Error, Member, Result, TableBinding};
use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tributary_model::MemberId;

/// The newest layout of the sync objects that this program knows, and the one it makes.
pub(super) const FORMAT: u32 = 1;

/// Statements kept prepared on a connection, besides those of the bound tables.
const STATEMENTS: usize = 64;
/// Statements kept prepared for each bound table.
const STATEMENTS_A_TABLE: usize = 24;

/// Opens connections to one SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteConnector {
    id: MemberId,
    group: String,
    path: PathBuf,
    settings: SqliteSettings,
}

impl SqliteConnector {
    /// The member `id` of `group`, in the file at `path`.
    pub fn new(id: MemberId, group: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { id, group: group.into(), path: path.into(), settings: SqliteSettings::default() }
    }

    /// With other settings than the default ones.
    #[must_use]
    pub fn with_settings(mut self, settings: SqliteSettings) -> Self {
        self.settings = settings;
        self
    }

    /// What becomes of values that would be lost in part.
    #[must_use]
    pub fn on_loss(mut self, on_loss: OnLoss) -> Self {
        self.settings.on_loss = on_loss;
        self
    }

    /// How long is waited for another program's write lock.
    #[must_use]
    pub fn busy_timeout(mut self, busy_timeout: Duration) -> Self {
        self.settings.busy_timeout = busy_timeout;
        self
    }

    /// How many pages the file may have: beyond, writes fail as on a full disk.
    #[must_use]
    pub fn most_pages(mut self, most_pages: u32) -> Self {
        self.settings.most_pages = Some(most_pages);
        self
    }

    /// Whether a file that is not there is created.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.settings.create = create;
        self
    }

    /// Whether the file is switched to WAL mode.
    #[must_use]
    pub fn enable_wal(mut self, enable_wal: bool) -> Self {
        self.settings.enable_wal = enable_wal;
        self
    }

    /// Whether another member's file is opened all the same, in order to deprovision it.
    #[must_use]
    pub fn any_identity(mut self, any_identity: bool) -> Self {
        self.settings.any_identity = any_identity;
        self
    }

    /// Which way the member's changes go.
    #[must_use]
    pub fn direction(mut self, direction: Direction) -> Self {
        self.settings.direction = direction;
        self
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As [`Connector::connect`], giving the adapter's own type.
    pub fn open(&self, bindings: &[Arc<TableBinding>]) -> Result<SqliteMember> {
        let connection = open_file(&self.id, &self.path, &self.settings)?;
        let path = &self.path;
        connection.set_prepared_statement_cache_capacity(STATEMENTS + STATEMENTS_A_TABLE * bindings.len());
        let provisioned = catalog::exists(&connection, path, "DataSync_dss_provisioning")?;
        let mut member = SqliteMember {
            tables: bindings.iter().map(|binding| BoundTable::unread(binding, &self.id)).collect(),
            connection,
            id: self.id.clone(),
            group: self.group.clone(),
            path: Arc::new(path.clone()),
            settings: self.settings.clone(),
            schema_version: None,
            data_version: None,
            bell: wake::Bell::default(),
            ended_listings: Vec::new(),
            provisioned: false,
            shapes: None,
            rounded: 0,
        };
        if provisioned {
            check_identity(&member)?;
        }
        let mode = journal_mode(&member.connection, path)?;
        if mode != "wal" {
            if member.settings.create && is_empty(&member.connection, path)? {
                enable_wal(&member.connection, path)?;
            } else if provisioned && !member.settings.enable_wal && !member.settings.any_identity {
                return Err(Error::NotWal { place: path.into(), mode });
            }
        }
        states::refresh(&mut member)?;
        Ok(member)
    }
}

#[async_trait(?Send)]
impl Connector for SqliteConnector {
    fn id(&self) -> &MemberId {
        &self.id
    }

    async fn connect(&self, bindings: &[Arc<TableBinding>]) -> Result<Box<dyn Member>> {
        Ok(Box::new(self.open(bindings)?))
    }
}

fn open_file(member: &MemberId, path: &Path, settings: &SqliteSettings) -> Result<Connection> {
    let action = "be opened";
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            return Err(Error::NotADatabase { member: member.clone(), place: path.into() });
        }
        Ok(found) if found.permissions().readonly() => return Err(Error::ReadOnly { place: path.into() }),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !settings.create => {
            return Err(Error::Missing { member: member.clone(), place: path.into() });
        }
        // SQLite will say what is wrong.
        Err(_) => {}
    }
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if settings.create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let connection = Connection::open_with_flags(path, flags).map_err(failed(path, action))?;
    connection.busy_timeout(settings.busy_timeout).map_err(failed(path, action))?;
    // The first statement that reads the file: whatever is wrong with it shows here.
    if let Err(source) = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())) {
        return Err(match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => {
                Error::NotADatabase { member: member.clone(), place: path.into() }
            }
            _ => classify(path, "be opened", source),
        });
    }
    if let Some(most) = settings.most_pages {
        let limited = connection.pragma_update_and_check(None, "max_page_count", most, |_| Ok(()));
        limited.map_err(failed(path, action))?;
    }
    if connection.is_readonly("main").map_err(failed(path, action))? {
        return Err(Error::ReadOnly { place: path.into() });
    }
    // A user's trigger must not fire another time for our writes than it does for the users' own, so
    // recursive_triggers stays as SQLite has it. What a power cut could take back must not have been published,
    // hence FULL.
    connection
        .execute_batch(
            "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA cache_size = -4000; PRAGMA temp_store = MEMORY;",
        )
        .map_err(failed(path, action))?;
    Ok(connection)
}

/// The file's journal mode, in small letters.
pub(super) fn journal_mode(connection: &Connection, path: &Path) -> Result<String> {
    connection
        .query_row("PRAGMA journal_mode", [], |row| row.get::<_, String>(0))
        .map(|mode| mode.to_ascii_lowercase())
        .map_err(failed(path, "tell its journal mode"))
}

/// Switches the file to WAL mode, which lasts.
pub(super) fn enable_wal(connection: &Connection, path: &Path) -> Result<()> {
    let mode: String = connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(failed(path, "be switched to WAL mode"))?;
    if mode.eq_ignore_ascii_case("wal") { Ok(()) } else { Err(Error::NotWal { place: path.into(), mode }) }
}

fn is_empty(connection: &Connection, path: &Path) -> Result<bool> {
    connection
        .query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))
        .map_err(failed(path, "be looked at"))
}

/// One of the values that provisioning stored.
pub(super) fn provisioned_value(connection: &Connection, path: &Path, name: &str) -> Result<Option<String>> {
    connection
        .prepare_cached("SELECT value FROM \"DataSync_dss_provisioning\" WHERE name = ?1")
        .and_then(|mut statement| statement.query_row([name], |row| row.get(0)).optional())
        .map_err(failed(path, "tell whose member it is"))
}

fn check_identity(member: &SqliteMember) -> Result<()> {
    let value = |name| provisioned_value(&member.connection, &member.path, name);
    let format = value("format")?.unwrap_or_default();
    let known = format.parse::<u32>().is_ok_and(|number| number <= FORMAT);
    if !known && !format.is_empty() {
        return Err(Error::NewerFormat {
            place: member.path.as_path().into(),
            found: format,
            supported: FORMAT,
        });
    }
    let (group, id) = (value("group")?, value("member")?);
    // A half-provisioned file carries none yet.
    let (Some(found_group), Some(found_member)) = (group, id) else { return Ok(()) };
    let same = found_group == member.group && found_member == member.id.as_str();
    if same && !member.settings.any_direction && !member.settings.any_identity {
        let stored = value("direction")?;
        let place = member.path.as_path().into();
        return member.settings.direction.check(&member.id, &place, stored.as_deref());
    }
    if same || member.settings.any_identity {
        return Ok(());
    }
    Err(Error::ForeignIdentity {
        place: member.path.as_path().into(),
        member: member.id.clone(),
        group: member.group.clone(),
        found_member,
        found_group,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_connections_flush_and_check_foreign_keys() {
        let directory = tempfile::tempdir().unwrap();
        let id = MemberId::new("hq").unwrap();
        let connector = SqliteConnector::new(id, "group", directory.path().join("m.db")).create(true);
        let member = connector.open(&[]).unwrap();
        for (pragma, value) in [("synchronous", 2), ("foreign_keys", 1), ("recursive_triggers", 0)] {
            let found: i64 =
                member.connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).unwrap();
            assert_eq!(found, value, "{pragma}");
        }
        assert!(member.connection.is_autocommit());
        assert_eq!(journal_mode(&member.connection, &member.path).unwrap(), "wal");
    }
}
