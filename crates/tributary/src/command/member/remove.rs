//! `member remove`: a database leaves the group while the group runs. Its users' data stays.

use super::{Done, tell, told};
use crate::command::Context;
use crate::failure::{Exit, Misuse};
use crate::group::opened;
use crate::output::{note, odd};
use clap::Args;
use std::time::Duration;
use tributary_engine::Engine;
use tributary_group::progress::{MemberProgress, Progress, progress};
use tributary_group::standing::mark;
use tributary_member::{Connector, Disposition};
use tributary_runtime::Chain;
use tributary_stream::Said;

/// How long its last changes may stand where they are on their way into the log and through it.
const LONGEST_STILL: Duration = Duration::from_secs(5);
/// How long it may be in use while it is tidied.
const LONGEST_TIDYING: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What `member remove` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The member.
    id: String,
    /// Does not wait until its last changes have been settled: what it has not given yet, it keeps to itself.
    #[arg(long)]
    now: bool,
    /// Leaves what was created in its database where it is.
    #[arg(long)]
    keep_objects: bool,
}

pub(super) async fn run(context: &Context, engine: &Engine, arguments: &Arguments) -> anyhow::Result<Exit> {
    let group = opened(engine);
    let connector = group.connector(&arguments.id)?;
    let member = connector.id();
    if engine.connectors.len() == 1 {
        return Err(Misuse::LastMember { id: arguments.id.clone() }.into());
    }
    if !arguments.now {
        drain(engine, connector.as_ref()).await?;
    }
    let said = [
        Said::Removed(Some(mark(&group, "").await?)),
        Said::Paused(None),
        Said::Applied(None),
        Said::Captured(None),
    ];
    let known = tell(engine, member, &said, |control| control.removed.is_some()).await?;
    let tidied = if arguments.keep_objects { Ok(()) } else { tidy(engine, connector.as_ref()).await };
    let exit = told(context, &Done { member, changed: true, known }, "has left the group; its rows stay")?;
    if let Err(error) = tidied {
        note(&odd(&format!(
            "what was created in its database is still there: {} (tributary deprovision --member {member} removes it)",
            Chain(&error)
        )));
        return Ok(Exit::Found);
    }
    note(&format!("take {member} out of the group file, too"));
    Ok(exit)
}

/// Waits until everything that the member has given is settled.
async fn drain(engine: &Engine, connector: &dyn Connector) -> anyhow::Result<()> {
    let mut last = (String::new(), engine.clock.monotonic());
    loop {
        let Engine { file, spec, channels, log, connectors, .. } = engine;
        let read = progress(file, spec, channels, log.as_ref(), connectors).await?;
        let Some(left) = left(&read, connector) else { return Ok(()) };
        let now = engine.clock.monotonic();
        if last.0 != left {
            last = (left.clone(), now);
        } else if now >= last.1 + LONGEST_STILL {
            return Err(Misuse::NotDrained { id: connector.id().to_string(), left }.into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What is still to come of the member.
fn left(read: &Progress, connector: &dyn Connector) -> Option<String> {
    let own = |member: &&MemberProgress| member.id == *connector.id();
    let member = read.members.iter().find(own)?;
    if let Some(trouble) = member.trouble.as_ref().or(member.rests.as_ref()) {
        return Some(trouble.clone());
    }
    let unpublished: u64 = member.tables.iter().map(|table| table.unpublished).sum();
    let scans = member.tables.iter().filter(|table| !table.scan_done).count();
    if let Some(table) = member.tables.iter().find(|table| table.locked) {
        return Some(format!("what table {} has to capture, which another session has locked", table.table));
    }
    if unpublished + read.unresolved == 0 && scans == 0 {
        return None;
    }
    Some(format!(
        "{unpublished} changes to capture, {} to settle, {scans} tables in their first scan",
        read.unresolved
    ))
}

/// Removes what was created in the database, as soon as its last worker lets go of it.
async fn tidy(engine: &Engine, connector: &dyn Connector) -> Result<(), tributary_member::Error> {
    let until = engine.clock.monotonic() + LONGEST_TIDYING;
    loop {
        let done = async { connector.connect(&[]).await?.deprovision().await }.await;
        match done {
            Err(error) if error.disposition() == Disposition::Retry && engine.clock.monotonic() < until => {
                tokio::time::sleep(LOOK_EVERY).await;
            }
            done => return done.map(drop),
        }
    }
}
