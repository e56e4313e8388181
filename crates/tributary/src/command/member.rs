//! `member`: takes single members out of the work and brings them back, while the group runs.
//!
//! Says on the control topic what is wanted, also beside a running `tributary run`, whose workers act on it.

use super::Context;
use crate::failure::Exit;
use crate::group::{block_on, open_to_read, opened};
use crate::output::{self, Format, good, note, odd};
use clap::{Args, Subcommand};
use serde::Serialize;
use std::time::Duration;
use tributary_engine::Engine;
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
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    block_on(async {
        let engine = open_to_read(&context.group_file).await?;
        match &arguments.action {
            Action::Pause { id, why } => pause(context, &engine, id, why).await,
            Action::Reinit { id, wait } => reinit(context, &engine, id, *wait).await,
            Action::Resume { id } => resume(context, &engine, id).await,
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
    Ok(read_controls(&opened(engine)).await?.of(member))
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
