//! `member add`: a database joins the group, or comes back to it, while the group runs.
//!
//! One that comes back begins a new incarnation, since the log remembers how far its name had come; and it is filled
//! with what the group has, since deletes may have been forgotten while it was not there.

use super::{Context, Done, standing, tell, told};
use crate::failure::{Exit, Misuse};
use crate::group::opened;
use clap::{Args, ValueEnum};
use std::path::Path;
use tributary_engine::{Engine, EngineError, Opening, Options, connector};
use tributary_group::file::edit::{NewMember, with_member};
use tributary_group::file::{GroupFile, Member};
use tributary_group::rejoin::{RejoinError, begin, published};
use tributary_group::spec::{Bound, bind};
use tributary_group::standing::{mark, order};
use tributary_member::Connector;
use tributary_stream::embedded::Access;
use tributary_stream::{IncarnationNumber, MemberControl, Said};

/// What `member add` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The member's id.
    id: String,
    /// Where its database is; writes the member into the group file, where it is not there yet.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Where its password is: `${NAME}` or `file:/path`. With --url.
    #[arg(long, value_name = "REFERENCE", requires = "url")]
    password: Option<String>,
    /// Which way its changes go. With --url.
    #[arg(long, value_enum, requires = "url")]
    direction: Option<Way>,
    /// Creates the database file if it is not there, empty.
    #[arg(long)]
    create: bool,
    /// Switches the database to WAL mode if it is not in it.
    #[arg(long)]
    enable_wal: bool,
    /// A member that comes back keeps its rows and is merged with the group as a new member's rows are. Rows that were
    /// deleted in the group meanwhile come back with it.
    #[arg(long)]
    merge: bool,
}

/// Which way a member's changes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// It gives its changes and takes those of others.
    Both,
    /// It only gives.
    Publish,
    /// It only takes.
    Subscribe,
}

pub(super) async fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let file = file_with(&context.group_file, arguments)?;
    let engine = Engine::open(file, Options { access: Access::ReadOnly, ..Options::default() }).await?;
    let settings = engine.file.members.iter().find(|member| member.id.as_str() == arguments.id);
    let Some(settings) = settings else { return Err(Misuse::NoUrl { id: arguments.id.clone() }.into()) };
    let opening =
        Opening { create: arguments.create, enable_wal: arguments.enable_wal, ..Opening::default() };
    let connector = connector(&engine.file, settings, opening)?;
    let control = standing(&engine, &settings.id).await?;
    let bound = bound(&engine, connector.as_ref()).await?;
    let group = opened(&engine);
    let published = published(&group, &settings.id).await?;
    let returns =
        published.is_some() && (control.removed.is_some() || !is_provisioned(connector.as_ref()).await?);
    let mut said = Vec::new();
    if returns {
        let known = published.as_ref().map_or(1, |published| published.incarnation);
        let number = known.max(control.incarnation_number()) + 1;
        let taken = Said::Incarnation(IncarnationNumber { number });
        let is_taken = |control: &MemberControl| control.incarnation_number() >= number;
        if !tell(&engine, &settings.id, &[taken], is_taken).await? {
            return Err(RejoinError::NotKnown { member: settings.id.clone() }.into());
        }
        begin(&group, connector.as_ref(), number, published.as_ref()).await?;
        if !arguments.merge {
            said.push(Said::Reinit(order()));
        }
        said.extend([Said::OutOfDate(None), Said::Paused(None)]);
    } else {
        connector.connect(&bound.bindings).await?.provision().await?;
    }
    let joined = mark(&group, "").await?;
    said.extend([Said::Removed(None), Said::Joined(joined.clone())]);
    let known =
        tell(&engine, &settings.id, &said, |control| control.joined.as_ref() == Some(&joined)).await?;
    let text = text(settings, returns, arguments.merge);
    told(context, &Done { member: &settings.id, changed: true, known }, &text)
}

fn text(member: &Member, returns: bool, merge: bool) -> String {
    let place = &member.url;
    match (returns, merge) {
        (false, _) => format!("has joined the group ({place})"),
        (true, true) => format!("is back in the group ({place}), with its rows"),
        (true, false) => format!(
            "is back in the group ({place}) and is filled with what the group has; rows of its own that differ go to the \
             ledger"
        ),
    }
}

/// The group file, with the member written into it if need be. Nothing is written that could not be read again.
fn file_with(path: &Path, arguments: &Arguments) -> anyhow::Result<GroupFile> {
    let file = GroupFile::load(path)?;
    let is_there = file.members.iter().any(|member| member.id.as_str() == arguments.id);
    let Some(url) = arguments.url.as_deref() else { return Ok(file) };
    if is_there {
        return Err(Misuse::InFile { id: arguments.id.clone() }.into());
    }
    if let Some(password) = &arguments.password
        && !(password.starts_with("${") || password.starts_with("file:"))
    {
        return Err(Misuse::Password.into());
    }
    let way = arguments.direction.and_then(|way| way.to_possible_value());
    let member = NewMember {
        id: &arguments.id,
        url,
        password: arguments.password.as_deref(),
        direction: way.as_ref().map(|way| way.get_name()),
    };
    let text = std::fs::read_to_string(path)?;
    let new = with_member(&text, member).ok_or_else(|| Misuse::ByHand { id: arguments.id.clone() })?;
    let checked = GroupFile::check(&new, path)?;
    // Beside it and then in its place, so that it is never half written.
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, new)?;
    std::fs::rename(&beside, path)?;
    Ok(checked)
}

async fn bound(engine: &Engine, connector: &dyn Connector) -> anyhow::Result<Bound> {
    let inspection = connector.connect(&[]).await?.inspect().await?;
    let bound = bind(&engine.file, &engine.spec, connector.id(), &inspection);
    if bound.errors().next().is_some() {
        return Err(EngineError::Findings { findings: bound.findings }.into());
    }
    Ok(bound)
}

/// Whether the database is one of the group's already.
async fn is_provisioned(connector: &dyn Connector) -> anyhow::Result<bool> {
    match connector.connect(&[]).await?.token().await {
        Ok(token) => Ok(token.is_some()),
        Err(error) if error.kind() == tributary_member::ErrorKind::NotProvisioned => Ok(false),
        Err(error) => Err(error.into()),
    }
}
