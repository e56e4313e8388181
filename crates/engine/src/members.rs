//! Connecting to the members that a group file names, looking at them, provisioning them.

use secrecy::ExposeSecret as _;
use std::sync::Arc;
use tributary_group::file::{self, GroupFile, MemberUrl};
use tributary_group::spec::{Bound, GroupSpec, bind};
use tributary_member::postgres::{PostgresConnector, PostgresSettings};
use tributary_member::sqlite::{SqliteConnector, SqliteSettings};
use tributary_member::sqlserver::{SqlServerConnector, SqlServerSettings};
use tributary_member::{Connector, Error, Inspection, OnLoss, Statement};
use tributary_model::MemberId;

/// What [`provision_all`] came to for one member.
#[derive(Debug)]
pub struct Provisioned {
    /// The member.
    pub member: MemberId,
    /// How it lies there, when it could be looked at.
    pub bound: Option<Bound>,
    /// The statements that were run (or would be).
    pub statements: Result<Vec<Statement>, Error>,
}

/// How a member's connections are opened, beside what the group file says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Opening {
    /// Whether a file that is not there is created.
    pub create: bool,
    /// Whether a file is put into WAL mode.
    pub enable_wal: bool,
    /// Whether a database that carries another member's id is opened all the same, in order to deprovision it.
    pub any_identity: bool,
    /// Whether a database that was provisioned with another direction is opened all the same, in order to provision
    /// it with the present one and fill it anew.
    pub any_direction: bool,
}

/// What opens a member's connections.
///
/// # Errors
/// When its address and password do not make settings that the database's adapter can use.
pub fn connector(
    file: &GroupFile,
    member: &file::Member,
    opening: Opening,
) -> Result<Arc<dyn Connector>, Error> {
    let (id, group) = (member.id.clone(), file.group.as_str());
    let direction = member.direction;
    let on_loss = match member.on_loss {
        file::OnLoss::Exception => OnLoss::Refuse,
        file::OnLoss::Round => OnLoss::Round,
    };
    match &member.url {
        MemberUrl::Sqlite { path } => {
            let settings = SqliteSettings {
                on_loss,
                write_lock: member.apply.longest_lock,
                create: opening.create,
                enable_wal: opening.enable_wal,
                direction,
                any_direction: opening.any_direction,
                ..SqliteSettings::default()
            };
            let connector = SqliteConnector::new(id, group, path).with_settings(settings);
            Ok(Arc::new(connector.any_identity(opening.any_identity)))
        }
        MemberUrl::Postgres { url } => {
            let mut settings = PostgresSettings::from_url(&id, url.as_str())?;
            if let Some(password) = &member.password {
                settings = settings.password(password.expose_secret());
            }
            settings.on_loss = on_loss;
            settings.longest_lock = member.apply.longest_lock;
            settings.direction = direction;
            settings.any_direction = opening.any_direction;
            settings.any_identity = opening.any_identity;
            Ok(Arc::new(PostgresConnector::new(id, group, settings)))
        }
        MemberUrl::SqlServer { url } => {
            let mut settings = SqlServerSettings::from_url(&id, url.as_str(), member.password.clone())?;
            settings.on_loss = on_loss;
            settings.direction = direction;
            settings.any_direction = opening.any_direction;
            settings.any_identity = opening.any_identity;
            Ok(Arc::new(SqlServerConnector::new(id, group, settings)))
        }
    }
}

/// Looks at every member, in the order of the file. A member that cannot be reached does not keep the others.
pub async fn inspect_all(connectors: &[Arc<dyn Connector>]) -> Vec<(MemberId, Result<Inspection, Error>)> {
    let mut inspected = Vec::with_capacity(connectors.len());
    for connector in connectors {
        inspected.push((connector.id().clone(), inspect(connector.as_ref()).await));
    }
    inspected
}

/// Looks at a member.
pub(crate) async fn inspect(connector: &dyn Connector) -> Result<Inspection, Error> {
    connector.connect(&[]).await?.inspect().await
}

/// How the group's tables lie in a member now.
pub(crate) async fn bind_now(
    file: &GroupFile,
    spec: &GroupSpec,
    connector: &dyn Connector,
) -> Result<Bound, Error> {
    let inspection = inspect(connector).await?;
    Ok(bind(file, spec, connector.id(), &inspection))
}

/// Creates what is missing in every member that can be reached; with `dry_run` only says what that would be.
/// Members with findings that stand in the way are left alone.
pub async fn provision_all(
    file: &GroupFile,
    spec: &GroupSpec,
    connectors: &[Arc<dyn Connector>],
    dry_run: bool,
) -> Vec<Provisioned> {
    let mut done = Vec::with_capacity(connectors.len());
    for connector in connectors {
        let member = connector.id().clone();
        match bind_now(file, spec, connector.as_ref()).await {
            Err(error) => done.push(Provisioned { member, bound: None, statements: Err(error) }),
            Ok(bound) => {
                let statements = if bound.errors().next().is_some() {
                    Ok(Vec::new())
                } else {
                    provision(connector.as_ref(), &bound, dry_run).await
                };
                done.push(Provisioned { member, bound: Some(bound), statements });
            }
        }
    }
    done
}

async fn provision(connector: &dyn Connector, bound: &Bound, dry_run: bool) -> Result<Vec<Statement>, Error> {
    let mut member = connector.connect(&bound.bindings).await?;
    if dry_run { member.plan_provision().await } else { member.provision().await }
}
