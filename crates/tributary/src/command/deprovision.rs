//! `deprovision`: removes what `provision` created. Works without the log.

use super::Context;
use super::provision::{MemberView, show};
use crate::failure::Exit;
use crate::group::{block_on, load};
use crate::output::note;
use clap::Args;
use tributary_group::ActionError;
use tributary_group::file::{GroupFile, Member, MemberUrl};
use tributary_member::sqlite::SqliteConnector;
use tributary_member::{Connector, Error, Statement};

/// What `deprovision` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only prints the SQL that would be run.
    #[arg(long)]
    dry_run: bool,
    /// Only in these members.
    #[arg(long, value_name = "ID")]
    member: Vec<String>,
    /// Also in files that carry another member's or group's name, such as copies.
    #[arg(long)]
    copies: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let file = load(&context.group_file)?;
    let wanted = wanted(&file, &arguments.member)?;
    let members = block_on(async {
        let mut members = Vec::with_capacity(wanted.len());
        for member in wanted {
            let done = deprovision(&file, member, arguments).await;
            members.push(MemberView::of(member.id.to_string(), &done));
        }
        Ok(members)
    })?;
    let removed = !arguments.dry_run && members.iter().any(|member| !member.statements_are_empty());
    let exit = show(context, arguments.dry_run, &[], &members, "deprovisioned")?;
    if removed {
        note(
            "the log still knows these members' positions: to begin anew, move the log away and provision again",
        );
    }
    Ok(exit)
}

fn wanted<'a>(file: &'a GroupFile, ids: &[String]) -> anyhow::Result<Vec<&'a Member>> {
    for id in ids {
        if !file.members.iter().any(|member| member.id.as_str() == id) {
            let known: Vec<_> = file.members.iter().map(|member| member.id.as_str()).collect();
            return Err(ActionError::UnknownMember { member: id.clone(), known: known.join(", ") }.into());
        }
    }
    let takes = |member: &&Member| ids.is_empty() || ids.iter().any(|id| id == member.id.as_str());
    Ok(file.members.iter().filter(takes).collect())
}

async fn deprovision(
    file: &GroupFile,
    member: &Member,
    arguments: &Arguments,
) -> Result<Vec<Statement>, Error> {
    let MemberUrl::Sqlite { path } = &member.url;
    let connector =
        SqliteConnector::new(member.id.clone(), file.group.as_str(), path).any_identity(arguments.copies);
    let mut member = connector.connect(&[]).await?;
    if arguments.dry_run { member.plan_deprovision().await } else { member.deprovision().await }
}
