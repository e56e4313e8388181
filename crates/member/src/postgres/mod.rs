//! The PostgreSQL adapter, for servers from version 13 on.
//!
//! Each call of [`Member`](crate::Member) is a function in the file of its name; what they share is the session and, for
//! every bound table, the metadata prepared by `table`.

mod catalog;
mod connect;
mod declared;
mod failure;
mod numeric;
mod objects;
mod provisioned;
mod quote;
mod session;
mod settings;
mod states;
mod table;
mod values;

pub use connect::PostgresConnector;
pub use settings::{OnLoss, PostgresSettings, TlsMode};

use crate::{Error, Result, TableState};
use session::Session;
use table::BoundTable;

/// One connection to a member's database.
#[derive(Debug)]
pub struct PostgresMember {
    /// The connection; no transaction is open between calls.
    session: Session,
    /// The group's name.
    group: String,
    /// How it was opened.
    settings: PostgresSettings,
    /// The bound tables, by position in the bindings.
    tables: Vec<BoundTable>,
    /// What the schema was when `tables` were last looked at.
    fingerprint: Option<String>,
    /// Whether the database has sync objects; found with `fingerprint`.
    provisioned: bool,
    /// The server's snapshot at the last [`Member::has_news`](crate::Member::has_news).
    news: Option<String>,
    /// Whether the session listens for the triggers' notifications.
    listening: bool,
    /// Listings of rows that are gone and never had a usable key; they end with capture's next commit.
    ended_listings: Vec<(usize, String)>,
    /// Values that were rounded because of [`OnLoss::Round`], since the connection was opened.
    rounded: u64,
}

impl PostgresMember {
    /// How many values this connection has rounded because of [`OnLoss::Round`].
    pub fn rounded_values(&self) -> u64 {
        self.rounded
    }

    /// The table at this position of the bindings, if it can be worked on.
    fn ready(&self, table: usize) -> Result<&BoundTable> {
        let bound = self.bound(table)?;
        self.require_provisioned()?;
        let member = || self.session.origin.member.clone();
        match &bound.state {
            TableState::Ready => Ok(bound),
            TableState::Stopped { .. } if bound.catalog.is_none() => {
                Err(Error::TableMissing { member: member(), table: bound.label() })
            }
            TableState::Stopped { reason } => {
                Err(Error::TableChanged { member: member(), table: bound.label(), reason: reason.clone() })
            }
        }
    }

    /// An error unless the database has sync objects.
    fn require_provisioned(&self) -> Result<()> {
        if self.provisioned {
            return Ok(());
        }
        Err(Error::NotProvisioned {
            member: self.session.origin.member.clone(),
            place: self.session.origin.place.clone(),
            what: "\"DataSync\".dss_tables".to_owned(),
        })
    }

    /// The table at this position of the bindings.
    fn bound(&self, table: usize) -> Result<&BoundTable> {
        self.tables.get(table).ok_or_else(|| Error::Misuse {
            call: "a call about a table",
            reason: format!("table {table} of {} bound ones", self.tables.len()),
        })
    }
}
