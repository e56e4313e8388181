//! `member`: takes single members out of the work and brings them back, while the group runs.
//!
//! Says on the control topic what is wanted, also beside a running `tributary run`, whose workers act on it.

mod add;
mod remove;

use super::Context;
use crate::failure::Exit;
use crate::group::{block_on, open_to_read, opened};
use crate::output::{self, Format, good, note, odd};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::time::Duration;
use tributary_engine::{Engine, Opening, connector};
use tributary_group::rejoin::{Ground, RejoinError, UNDER_WAY, begin, claim, examine, is_under_way};
use tributary_group::standing::{mark, order, read_controls, say};
use tributary_model::MemberId;
use tributary_stream::{MemberControl, Said};

/// How long a running process may take to take over what was handed in.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What `member` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lets a database join the group, or come back to it.
    Add(add::Arguments),
    /// Lets a member leave the group. What its users have in it stays.
    Remove(remove::Arguments),
    /// Leaves a member alone until it is resumed. What others write meanwhile waits for it.
    Pause {
        /// The member.
        id: String,
        /// Why, for whoever looks at the status.
        #[arg(long, value_name = "TEXT", default_value = "")]
        why: String,
    },
    /// Fills a member anew with what the group has: one that is out of date, or whose direction has changed. What it has
    /// and the group does not know goes into the ledger.
    Reinit {
        /// The member.
        id: String,
        /// Waits until it has been filled.
        #[arg(long)]
        wait: bool,
    },
    /// Lets a paused member go on.
    Resume {
        /// The member.
        id: String,
    },
    /// Lets a member that was restored, failed over, or is an older copy go on as it is, under a new name for its
    /// changes. What it has lost comes back from the others; what its users have changed since is kept.
    Rejoin {
        /// The member.
        id: String,
        /// Also fills it with what the group has, as `reinit` does: for a backup from before deletes that the group
        /// has forgotten. What its users have changed since is saved in the ledger.
        #[arg(long)]
        fill_anew: bool,
    },
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    block_on(async {
        if let Action::Add(arguments) = &arguments.action {
            return add::run(context, arguments).await;
        }
        let engine = open_to_read(&context.group_file).await?;
        match &arguments.action {
            Action::Add(arguments) => add::run(context, arguments).await,
            Action::Remove(arguments) => remove::run(context, &engine, arguments).await,
            Action::Pause { id, why } => pause(context, &engine, id, why).await,
            Action::Reinit { id, wait } => reinit(context, &engine, id, *wait).await,
            Action::Resume { id } => resume(context, &engine, id).await,
            Action::Rejoin { id, fill_anew } => rejoin(context, &engine, id, *fill_anew).await,
        }
    })
}

/// What a command did, for programs.
#[derive(Debug, Serialize)]
struct Done<'a> {
    member: &'a MemberId,
    /// Whether there was anything to do.
    changed: bool,
    /// Whether those who work for the group know of it.
    known: bool,
}

async fn pause(context: &Context, engine: &Engine, id: &str, why: &str) -> anyhow::Result<Exit> {
    let member = opened(engine).connector(id)?.id().clone();
    let changed = standing(engine, &member).await?.paused.is_none();
    let known = if changed {
        let said = Said::Paused(Some(mark(&opened(engine), why).await?));
        tell(engine, &member, &[said], |control| control.paused.is_some()).await?
    } else {
        true
    };
    let text = if changed { "is paused" } else { "was paused already" };
    told(context, &Done { member: &member, changed, known }, text)
}

async fn resume(context: &Context, engine: &Engine, id: &str) -> anyhow::Result<Exit> {
    let member = opened(engine).connector(id)?.id().clone();
    let changed = standing(engine, &member).await?.paused.is_some();
    let known = if changed {
        tell(engine, &member, &[Said::Paused(None)], |control| control.paused.is_none()).await?
    } else {
        true
    };
    let text = if changed { "goes on" } else { "was not paused" };
    told(context, &Done { member: &member, changed, known }, text)
}

async fn reinit(context: &Context, engine: &Engine, id: &str, wait: bool) -> anyhow::Result<Exit> {
    let member = opened(engine).connector(id)?.id().clone();
    let before = standing(engine, &member).await?;
    // A changed direction of the group file begins here: what the database has of the old one no longer counts.
    let opening = Opening { any_direction: true, ..Opening::default() };
    if let Some(settings) = engine.file.member(&member) {
        let connector = connector(&engine.file, settings, opening)?;
        let bound = opened(engine).open(connector.as_ref()).await?.bound;
        connector.connect(&bound.bindings).await?.provision().await?;
    }
    let changed = before.pending_reinit().is_none();
    let order = before.pending_reinit().cloned().unwrap_or_else(order);
    let mut known = true;
    if changed {
        known = tell(engine, &member, &[Said::Reinit(order.clone())], |control| {
            control.reinit.as_ref() == Some(&order)
        })
        .await?;
    }
    let done = |control: &MemberControl| control.reinit_done.as_ref() == Some(&order);
    while wait && known && !done(&standing(engine, &member).await?) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let text = match (wait && known, changed) {
        (true, _) => "has been filled anew",
        (false, true) => {
            "will be filled anew by whoever runs its apply worker; `tributary status` shows how it stands"
        }
        (false, false) => "is to be filled anew already",
    };
    told(context, &Done { member: &member, changed, known }, text)
}

/// What rejoining came to, for programs.
#[derive(Debug, Serialize)]
struct Rejoined<'a> {
    member: &'a MemberId,
    /// The name of its changes from now on; null when an earlier attempt had begun it.
    incarnation: Option<String>,
    /// Changes that were in doubt and have new versions.
    restated: u64,
    /// Whether its workers go on, unless they were paused before.
    goes_on: bool,
}

async fn rejoin(context: &Context, engine: &Engine, id: &str, fill_anew: bool) -> anyhow::Result<Exit> {
    let group = opened(engine);
    let connector = group.connector(id)?;
    let member = connector.id();
    let control = standing(engine, member).await?;
    let ground = examine(&group, connector.as_ref(), &control, fill_anew).await?;
    let mut done = Rejoined { member, incarnation: None, restated: 0, goes_on: false };
    let mut ours = is_under_way(&control);
    if let Ground::WentBack { number, published } = ground {
        let said = claim(&control, mark(&group, UNDER_WAY).await?, number, fill_anew);
        ours |= control.paused.is_none();
        if !tell(engine, member, &said, |control| control.incarnation_number() >= number).await? {
            return Err(RejoinError::NotKnown { member: member.clone() }.into());
        }
        let (name, begun) = begin(&group, connector.as_ref(), number, published.as_ref()).await?;
        (done.incarnation, done.restated) = (Some(name.to_string()), begun.restated);
    }
    if ours {
        done.goes_on =
            tell(engine, member, &[Said::Paused(None)], |control| control.paused.is_none()).await?;
    }
    match context.output {
        Format::Json => output::json(&done)?,
        Format::Text => output::line(&good(&rejoined(&done)))?,
    }
    if ours && !done.goes_on {
        note(&odd("the process that has the log has not taken note of it yet; it will when it works again"));
    } else if !ours {
        note(&odd(&format!("it is paused; `tributary member resume {member}` lets it go on")));
    }
    Ok(Exit::Well)
}

fn rejoined(done: &Rejoined<'_>) -> String {
    let Rejoined { member, incarnation, restated, .. } = done;
    match (incarnation, restated) {
        (None, _) => format!("{member} had rejoined already; it goes on now"),
        (Some(name), 0) => format!("{member} rejoins as {name}; none of its changes was in doubt"),
        (Some(name), 1) => format!("{member} rejoins as {name}; 1 change was in doubt and is made anew"),
        (Some(name), many) => {
            format!("{member} rejoins as {name}; {many} changes were in doubt and are made anew")
        }
    }
}

fn told(context: &Context, done: &Done<'_>, text: &str) -> anyhow::Result<Exit> {
    match context.output {
        Format::Json => output::json(done)?,
        Format::Text => output::line(&good(&format!("{} {text}", done.member)))?,
    }
    if !done.known {
        note(&odd("the process that has the log has not taken note of it yet; it will when it works again"));
    }
    Ok(Exit::Well)
}

/// What is said of a member now.
pub(super) async fn standing(engine: &Engine, member: &MemberId) -> anyhow::Result<MemberControl> {
    Ok(read_controls(&opened(engine)).await?.of(member).clone())
}

/// Says something of a member, and waits until it is known; `false` when that takes too long.
pub(super) async fn tell(
    engine: &Engine,
    member: &MemberId,
    said: &[Said],
    known: impl Fn(&MemberControl) -> bool,
) -> anyhow::Result<bool> {
    engine.hand_in(say(&opened(engine), member, said)).await?;
    let until = engine.clock.monotonic() + PATIENCE;
    loop {
        if known(&standing(engine, member).await?) {
            return Ok(true);
        }
        if engine.clock.monotonic() >= until {
            return Ok(false);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
