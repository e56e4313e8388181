//! Connecting to the members that a group file names, looking at them, provisioning them.

use std::sync::Arc;
use tributary_group::file::{self, GroupFile, MemberUrl};
use tributary_group::spec::{Bound, GroupSpec, bind};
use tributary_member::sqlite::{OnLoss, SqliteConnector, SqliteSettings};
use tributary_member::{Connector, Error, Inspection, Statement};
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

/// What opens a member's connections.
pub fn connector(
    file: &GroupFile,
    member: &file::Member,
    create: bool,
    enable_wal: bool,
) -> Arc<dyn Connector> {
    let MemberUrl::Sqlite { path } = &member.url;
    let settings = SqliteSettings {
        on_loss: match member.on_loss {
            file::OnLoss::Exception => OnLoss::Refuse,
            file::OnLoss::Round => OnLoss::Round,
        },
        write_lock: member.apply.longest_lock,
        create,
        enable_wal,
        ..SqliteSettings::default()
    };
    Arc::new(SqliteConnector::new(member.id.clone(), file.group.as_str(), path).with_settings(settings))
}

/// Looks at every member, in the order of the file. A member that cannot be reached does not keep the others.
pub async fn inspect_all(connectors: &[Arc<dyn Connector>]) -> Vec<(MemberId, Result<Inspection, Error>)> {
    let mut inspected = Vec::with_capacity(connectors.len());
    for connector in connectors {
        inspected.push((connector.id().clone(), inspect(connector.as_ref()).await));
    }
    inspected
}

async fn inspect(connector: &dyn Connector) -> Result<Inspection, Error> {
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
