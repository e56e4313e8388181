//! `deprovision`: removes what `provision` created. Works without the log.

use super::Context;
use super::provision::{MemberView, show};
use crate::failure::Exit;
use crate::group::{block_on, load, members};
use crate::output::note;
use clap::Args;
use tributary_engine::{Opening, connector};
use tributary_group::file::{GroupFile, LogSettings, Member};
use tributary_member::{Error, Statement};

/// What `deprovision` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only prints the SQL that would be run.
    #[arg(long)]
    dry_run: bool,
    /// Only in these members.
    #[arg(long, value_name = "ID")]
    member: Vec<String>,
    /// Also in databases that carry another member's or group's name, such as copies.
    #[arg(long)]
    copies: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let file = load(&context.group_file)?;
    let wanted = members(&file, &arguments.member)?;
    let done = block_on(async {
        let mut members = Vec::with_capacity(wanted.len());
        for member in wanted {
            let done = deprovision(&file, member, arguments).await;
            members.push(MemberView::of(member.id.to_string(), &done).with_tools_of(&file));
        }
        Ok(members)
    })?;
    let removed = !arguments.dry_run && done.iter().any(|member| !member.statements_are_empty());
    let exit = show(context, arguments.dry_run, &[], &done, "deprovisioned")?;
    if removed {
        let anew = match &file.log {
            LogSettings::Embedded { .. } => "move the log away".to_owned(),
            LogSettings::Kafka(kafka) => {
                format!("delete the topics that begin with {}.{}.", kafka.prefix, file.group)
            }
        };
        note(&format!(
            "the log still knows these members' positions: `tributary provision` and `tributary member rejoin` take a \
             member back; to begin anew with all, {anew} and provision again"
        ));
    }
    Ok(exit)
}

async fn deprovision(
    file: &GroupFile,
    member: &Member,
    arguments: &Arguments,
) -> Result<Vec<Statement>, Error> {
    let connector =
        connector(file, member, Opening { any_identity: arguments.copies, ..Opening::default() })?;
    let mut member = connector.connect(&[]).await?;
    if arguments.dry_run { member.plan_deprovision().await } else { member.deprovision().await }
}
