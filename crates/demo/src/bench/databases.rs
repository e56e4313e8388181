//! The members' databases of one measurement: made before it, gone after it.

use super::MEMBERS;
use anyhow::{Context as _, Result};
use postgres::{Client, Config, NoTls};
use std::fmt;
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// Which databases the members are.
#[derive(Clone, Default)]
pub enum MemberChoice {
    /// SQLite files.
    #[default]
    Sqlite,
    /// Databases that are made on a PostgreSQL server.
    Postgres(PostgresServer),
}

impl MemberChoice {
    /// What they are, for people.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    /// What the table is called.
    pub(super) fn table(&self) -> &'static str {
        match self {
            Self::Sqlite => "Item",
            Self::Postgres(_) => "items",
        }
    }
}

/// A PostgreSQL server on which databases may be made and dropped.
#[derive(Clone)]
pub struct PostgresServer {
    config: Box<Config>,
    url: String,
    password: Option<String>,
}

impl fmt::Debug for PostgresServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresServer")
    }
}

impl PostgresServer {
    /// The server that `url` names, as `postgresql://user@host:port/postgres`, without encryption: a benchmark's server
    /// is on the same machine.
    ///
    /// # Errors
    /// When it is no such address. The message does not repeat it.
    pub fn new(url: &str, password: Option<String>) -> Result<Self> {
        let mut config: Config =
            url.parse().ok().context("the address of the PostgreSQL server cannot be read")?;
        if let Some(password) = &password {
            config.password(password);
        }
        Ok(Self { config: Box::new(config), url: url.to_owned(), password })
    }
}

/// One member's database.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// A file.
    Sqlite(PathBuf),
    /// A database of a server.
    Postgres(Server),
}

/// How a database of a PostgreSQL server is reached.
#[derive(Clone)]
pub(super) struct Server {
    config: Box<Config>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.config.get_dbname()).finish()
    }
}

impl Server {
    pub(super) fn connect(&self) -> Result<Client> {
        self.config.connect(NoTls).context("the PostgreSQL server cannot be reached")
    }
}

/// The databases of a group.
pub(super) struct Databases {
    choice: MemberChoice,
    folder: PathBuf,
    prefix: String,
    members: usize,
    keep: bool,
}

impl Databases {
    /// Makes `members` empty databases, and one more that is no member.
    pub(super) fn create(choice: &MemberChoice, folder: &Path, members: usize, keep: bool) -> Result<Self> {
        let id = Uuid::new_v4().simple().to_string();
        let prefix = format!("tributary_bench_{}_", &id[..8]);
        let databases = Self { choice: choice.clone(), folder: folder.to_owned(), prefix, members, keep };
        if let MemberChoice::Postgres(server) = choice {
            let mut client = Server { config: server.config.clone() }.connect()?;
            for name in databases.names() {
                client.batch_execute(&format!("CREATE DATABASE {name}"))?;
            }
            if let Some(password) = &server.password {
                write_secret(&folder.join("password"), password)?;
            }
        }
        Ok(databases)
    }

    fn names(&self) -> impl Iterator<Item = String> {
        MEMBERS[..self.members].iter().chain([&PLAIN]).map(|id| format!("{}{id}", self.prefix))
    }

    /// The lines of `members:` in the group file.
    pub(super) fn listed(&self) -> String {
        let line = |id: &&str| match &self.choice {
            MemberChoice::Sqlite => format!("  {id}: {{ url: \"sqlite:{id}.db\" }}\n"),
            MemberChoice::Postgres(server) => {
                let name = format!("{}{id}", self.prefix);
                let (front, options) = server.url.split_once('?').unwrap_or((&server.url, ""));
                let host = front
                    .rfind('/')
                    .filter(|at| !front[..*at].ends_with('/'))
                    .map_or(front, |at| &front[..at]);
                let options = if options.is_empty() { "sslmode=disable" } else { options };
                let password = if server.password.is_some() { ", password: \"file:password\"" } else { "" };
                format!("  {id}: {{ url: \"{host}/{name}?{options}\"{password} }}\n")
            }
        };
        MEMBERS[..self.members].iter().map(line).collect()
    }

    /// The database of this member, or [`PLAIN`].
    pub(super) fn place(&self, id: &str) -> Place {
        match &self.choice {
            MemberChoice::Sqlite => Place::Sqlite(self.folder.join(format!("{id}.db"))),
            MemberChoice::Postgres(server) => {
                let mut config = server.config.clone();
                config.dbname(&format!("{}{id}", self.prefix));
                Place::Postgres(Server { config })
            }
        }
    }
}

/// A database that is no member.
pub(super) const PLAIN: &str = "plain";

impl Drop for Databases {
    fn drop(&mut self) {
        let MemberChoice::Postgres(server) = &self.choice else { return };
        if self.keep {
            return;
        }
        let dropped = Server { config: server.config.clone() }.connect().and_then(|mut client| {
            for name in self.names() {
                client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
            }
            Ok(())
        });
        if let Err(error) = dropped {
            tracing::warn!(
                error = format!("{error:#}"),
                prefix = self.prefix,
                "databases of a benchmark are left"
            );
        }
    }
}

fn write_secret(path: &Path, secret: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file =
        std::fs::OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
    Ok(file.write_all(secret.as_bytes())?)
}
