//! What a server is and can do, asked once a connection: version, edition, whether readers see snapshots, and the
//! few things that compatible servers lack, each found by trying it.

use super::cells::{integer, optional_text, text};
use super::session::Session;
use crate::{Error, Result};

/// The first version that is supported: SQL Server 2016.
const FIRST_VERSION: u32 = 13;

/// Engine editions whose version says nothing: Azure SQL Database, Managed Instance, and the like.
const AZURE: [i64; 5] = [5, 6, 8, 9, 11];

/// How reads see one state of the database without stopping writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Snapshots {
    /// ALLOW_SNAPSHOT_ISOLATION is on.
    Isolation,
    /// Only READ_COMMITTED_SNAPSHOT is on: each statement sees one state.
    Statement,
    /// Neither.
    None,
}

/// What a server is and can do.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Name and version, for people.
    pub(crate) label: String,
    /// Whether it only speaks the language (Babelfish): its catalog says less of what has changed.
    pub(crate) compatible: bool,
    /// The database's name, as the server has it.
    pub(crate) database: String,
    /// The database's compatibility level.
    pub(crate) compatibility: i64,
    /// How reads see one state.
    pub(crate) snapshots: Snapshots,
    /// Whether MIN_ACTIVE_ROWVERSION() is there.
    pub(crate) tells_active_rows: bool,
    /// Whether it may tell whose open transaction holds changes back.
    pub(crate) tells_who_holds_back: bool,
    /// Whether OPENJSON reads the escapes of a text. A compatible server may give them as they are: then texts that need
    /// any are refused, since they would be stored otherwise.
    pub(crate) unescapes_json: bool,
    /// Whether the bytes of an nvarchar are UTF-16. Then texts are read as bytes, so that one that is no Unicode is
    /// one row's trouble and not the whole page's.
    pub(crate) gives_utf16: bool,
    /// How many digits behind the second times keep.
    pub(crate) digits: u32,
}

impl Server {
    /// Asks.
    pub(crate) async fn look(session: &mut Session) -> Result<Self> {
        let action = "tell what it is";
        let facts = crate::template::fill(include_str!("sql/server_facts.sql"), &[]);
        let place = session.whose().place.clone();
        let facts = session.row(action, &facts, Vec::new()).await?;
        let damaged = |reason: String| Error::Damaged {
            place: place.clone(),
            object: "sys.databases".to_owned(),
            reason,
        };
        let Some(facts) = facts else { return Err(damaged("the database is not listed".to_owned())) };
        let read = || -> std::result::Result<_, String> {
            let snapshots = match (integer(&facts, 6)?, integer(&facts, 7)?) {
                (1, _) => Snapshots::Isolation,
                (_, 1) => Snapshots::Statement,
                _ => Snapshots::None,
            };
            let version = text(&facts, 0)?;
            let edition = optional_text(&facts, 2)?.unwrap_or_default();
            let compatible = optional_text(&facts, 8)?;
            let name = compatible.as_ref().map_or("SQL Server".to_owned(), |v| format!("Babelfish {v}"));
            let server = Self {
                label: format!("{name} {version}, {edition}").trim_end_matches([',', ' ']).to_owned(),
                compatible: compatible.is_some(),
                database: text(&facts, 4)?,
                compatibility: integer(&facts, 5)?,
                snapshots,
                tells_active_rows: true,
                tells_who_holds_back: true,
                gives_utf16: true,
                unescapes_json: true,
                digits: 7,
            };
            let read_only = optional_text(&facts, 3)?.is_some_and(|text| text == "READ_ONLY");
            Ok((server, version, integer(&facts, 1)?, read_only))
        };
        let (mut server, version, edition, read_only) = read().map_err(damaged)?;
        if read_only {
            let why = "it is a read-only copy, or is set to read-only";
            return Err(Error::Standby {
                place,
                action: "be opened for writing",
                source: Box::new(std::io::Error::new(std::io::ErrorKind::ReadOnlyFilesystem, why)),
            });
        }
        server.look_closer(session).await?;
        let number = version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or(0);
        // A compatible server names the version that it is like, which says nothing.
        if number < FIRST_VERSION && !AZURE.contains(&edition) && !server.compatible {
            return Err(Error::ServerVersion {
                member: session.whose().member.clone(),
                place: session.whose().place.clone(),
                found: server.label,
                supported: "SQL Server 2016 or later, Azure SQL Database or Managed Instance",
            });
        }
        Ok(server)
    }

    async fn look_closer(&mut self, session: &mut Session) -> Result<()> {
        let action = "tell what it can do";
        let bytes = session.row(action, "SELECT CAST(N'\u{e4}' AS varbinary(8))", Vec::new()).await?;
        let bytes = bytes.as_deref().and_then(|row| super::cells::bytes(row, 0).ok());
        self.gives_utf16 = bytes.as_deref() == Some(&[0xe4, 0]);
        let time = "SELECT CAST(CAST(N'00:00:00.1234567' AS time(7)) AS nvarchar(20))";
        let time = session.row(action, time, Vec::new()).await?;
        if time.as_deref().and_then(|row| text(row, 0).ok()).as_deref() != Some("00:00:00.1234567") {
            self.digits = 6;
        }
        let escaped = r#"SELECT j.v FROM OPENJSON(N'[["\"x"]]') WITH (v nvarchar(10) '$[0]') AS j"#;
        let read = session.row(action, escaped, Vec::new()).await;
        self.unescapes_json = match read {
            Ok(row) => row.is_some_and(|row| super::cells::text(&row, 0).is_ok_and(|text| text == "\"x")),
            Err(Error::Statement { .. }) => false,
            Err(error) => return Err(error),
        };
        match session.row(action, "SELECT MIN_ACTIVE_ROWVERSION()", Vec::new()).await {
            Ok(_) => {}
            Err(Error::Statement { .. }) => self.tells_active_rows = false,
            Err(error) => return Err(error),
        }
        Ok(())
    }
}
