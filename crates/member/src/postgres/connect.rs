//! Opening a member's database: encryption, what the server must be, and whose member the database is.
//!
//! Whether the tables are as provisioned is [`super::states`]'s matter. Capture sleeps on LISTEN and every call works
//! with prepared statements and settings of its own, so between us and the server there must be no pooler that gives
//! each transaction another connection: pgbouncer in session mode, or none.

use super::failure::Origin;
use super::session::Session;
use super::settings::{OnLoss, PostgresSettings, TlsMode};
use super::table::BoundTable;
use super::{PostgresMember, states};
use crate::template::fill;
use crate::{Connector, Direction, Error, Member, Place, Result, TableBinding};
use async_trait::async_trait;
use native_tls::{Certificate, Identity, TlsConnector};
use postgres_native_tls::MakeTlsConnector;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use tokio_postgres::config::TargetSessionAttrs;
use tributary_model::MemberId;

/// The newest layout of the sync objects that this program knows, and the one it makes.
pub(super) const FORMAT: u32 = 1;

/// The oldest server that works: `xid8` came with it.
const OLDEST: i32 = 130_000;

/// Opens connections to one PostgreSQL database.
#[derive(Debug, Clone)]
pub struct PostgresConnector {
    id: MemberId,
    group: String,
    settings: PostgresSettings,
}

impl PostgresConnector {
    /// The member `id` of `group`.
    pub fn new(id: MemberId, group: impl Into<String>, settings: PostgresSettings) -> Self {
        Self { id, group: group.into(), settings }
    }

    /// What becomes of values that would be lost in part.
    #[must_use]
    pub fn on_loss(mut self, on_loss: OnLoss) -> Self {
        self.settings.on_loss = on_loss;
        self
    }

    /// Whether another member's database is opened all the same, in order to deprovision it.
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

    /// As [`Connector::connect`], giving the adapter's own type.
    ///
    /// # Errors
    /// When the server cannot be reached or is none that can be worked with, or the database is another member's.
    pub async fn open(&self, bindings: &[Arc<TableBinding>]) -> Result<PostgresMember> {
        let origin = Origin {
            member: self.id.clone(),
            place: Place::new(self.settings.place()),
            user: self.settings.config.get_user().unwrap_or_default().to_owned(),
        };
        let mut config = self.settings.config.clone();
        config.application_name(format!("tributary {} {}", self.group, self.id));
        config.ssl_mode(self.settings.ssl_mode());
        if config.get_hosts().len() > 1 {
            // Of several servers the one that takes writes.
            config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        let tls = MakeTlsConnector::new(encryption(&self.settings, &origin)?);
        let session = Session::open(&config, tls, origin).await?;
        let mut member = PostgresMember {
            tables: bindings.iter().map(|binding| BoundTable::unread(binding, &self.id)).collect(),
            session,
            group: self.group.clone(),
            settings: self.settings.clone(),
            fingerprint: None,
            provisioned: false,
            news: None,
            own_transactions: Vec::new(),
            listening: false,
            asleep: None,
            quiet: HashMap::new(),
            ended_listings: Vec::new(),
            rounded: 0,
            shapes: None,
        };
        greet(&member).await?;
        states::refresh(&mut member).await?;
        Ok(member)
    }
}

#[async_trait(?Send)]
impl Connector for PostgresConnector {
    fn id(&self) -> &MemberId {
        &self.id
    }

    async fn connect(&self, bindings: &[Arc<TableBinding>]) -> Result<Box<dyn Member>> {
        Ok(Box::new(self.open(bindings).await?))
    }
}

/// Sets the connection up, and checks server and identity.
async fn greet(member: &PostgresMember) -> Result<()> {
    let session = &member.session;
    let action = "look at the server";
    let row = session.query_first(action, include_str!("sql/hello.sql"), &[]).await?;
    let row = row.ok_or_else(|| session.damaged("the server", "no answer to the first query"))?;
    let read = || -> std::result::Result<_, tokio_postgres::Error> {
        Ok((row.try_get::<_, i32>(0)?, row.try_get::<_, String>(1)?, row.try_get(2)?, row.try_get(3)?))
    };
    let (number, version, follows, provisioned): (i32, String, bool, bool) =
        read().map_err(session.origin.failed(action))?;
    let origin = &session.origin;
    if number < OLDEST {
        return Err(Error::ServerVersion {
            member: origin.member.clone(),
            place: origin.place.clone(),
            found: format!("PostgreSQL {version}"),
            supported: "PostgreSQL 13 or later",
        });
    }
    if follows {
        return Err(Error::Standby {
            place: origin.place.clone(),
            action: "be used",
            source: "pg_is_in_recovery() is true".into(),
        });
    }
    let lock_timeout = member.settings.lock_timeout.as_millis().max(1).to_string();
    let settings = fill(include_str!("sql/session_settings.sql"), &[("lock_timeout", &lock_timeout)]);
    session.batch(action, &settings).await?;
    if provisioned {
        check_identity(member).await?;
    }
    Ok(())
}

async fn check_identity(member: &PostgresMember) -> Result<()> {
    let session = &member.session;
    let action = "tell whose member it is";
    let rows = session.query(action, include_str!("sql/provisioning_read.sql"), &[]).await?;
    let (mut format, mut group, mut id, mut direction) = (String::new(), None, None, None);
    for row in rows {
        let read = || -> std::result::Result<(String, String), tokio_postgres::Error> {
            Ok((row.try_get(0)?, row.try_get(1)?))
        };
        let (name, value) = read().map_err(session.origin.failed(action))?;
        match name.as_str() {
            "format" => format = value,
            "group" => group = Some(value),
            "member" => id = Some(value),
            "direction" => direction = Some(value),
            _ => {}
        }
    }
    let origin = &session.origin;
    let known = format.parse::<u32>().is_ok_and(|number| number <= FORMAT);
    if !known && !format.is_empty() {
        return Err(Error::NewerFormat { place: origin.place.clone(), found: format, supported: FORMAT });
    }
    // A half-provisioned database carries none yet.
    let (Some(found_group), Some(found_member)) = (group, id) else { return Ok(()) };
    let same = found_group == member.group && found_member == origin.member.as_str();
    if same && !member.settings.any_direction && !member.settings.any_identity {
        return member.settings.direction.check(&origin.member, &origin.place, direction.as_deref());
    }
    if same || member.settings.any_identity {
        return Ok(());
    }
    Err(Error::ForeignIdentity {
        place: origin.place.clone(),
        member: origin.member.clone(),
        group: member.group.clone(),
        found_member,
        found_group,
    })
}

/// What is asked of the server's certificate.
fn encryption(settings: &PostgresSettings, origin: &Origin) -> Result<TlsConnector> {
    let wrong = |reason: String| Error::Tls {
        member: origin.member.clone(),
        place: origin.place.clone(),
        reason,
        source: None,
    };
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| wrong(format!("{} cannot be read: {error}", path.display())))
    };
    let mut builder = TlsConnector::builder();
    if let Some(path) = &settings.root_certificate {
        let authority = Certificate::stack_from_pem(&read(path)?)
            .map_err(|_| wrong(format!("{} holds no certificates in PEM", path.display())))?;
        for certificate in authority {
            builder.add_root_certificate(certificate);
        }
        // Whoever names an authority trusts that one.
        builder.disable_built_in_roots(true);
    }
    if let Some((certificate, key)) = &settings.client_certificate {
        let identity = Identity::from_pkcs8(&read(certificate)?, &read(key)?).map_err(|_| {
            wrong(format!(
                "{} and {} are no certificate and PKCS #8 key in PEM",
                certificate.display(),
                key.display()
            ))
        })?;
        builder.identity(identity);
    }
    match settings.tls_mode() {
        TlsMode::Disable | TlsMode::Require | TlsMode::VerifyFull => {}
        // Nobody has asked for encryption: it keeps listeners out and proves nothing.
        TlsMode::Prefer if settings.root_certificate.is_none() => {
            builder.danger_accept_invalid_certs(true).danger_accept_invalid_hostnames(true);
        }
        TlsMode::Prefer | TlsMode::VerifyCa => {
            builder.danger_accept_invalid_hostnames(true);
        }
    }
    builder.build().map_err(|error| wrong(format!("the TLS library refuses the settings: {error}")))
}
