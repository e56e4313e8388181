//! `quickstart`: the whole story on this machine.

use super::Context;
use super::kafka::KafkaArguments;
use crate::failure::Exit;
use clap::Args;
use std::path::PathBuf;
use tributary_demo::quickstart::{Options, run as tell};

/// What `quickstart` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Leaves the files in this folder, new or empty, to look around in.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Where the log is.
    #[command(flatten)]
    log: KafkaArguments,
}

pub(crate) fn run(_: &Context, arguments: Arguments) -> anyhow::Result<Exit> {
    let options = Options { keep: arguments.keep, log: arguments.log.into_choice(), ..Options::default() };
    tell(&options, &mut anstream::stdout())?;
    Ok(Exit::Well)
}
