//! The commands, one file each.

pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod conflicts;
pub(crate) mod deprovision;
pub(crate) mod exceptions;
pub(crate) mod init;
mod kafka;
pub(crate) mod log;
pub(crate) mod member;
pub(crate) mod provision;
pub(crate) mod quickstart;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod sync;
pub(crate) mod tail;
pub(crate) mod verify;

use crate::arguments::{Cli, Command};
use crate::failure::Exit;
use crate::output::Format;
use std::path::PathBuf;
use tributary_runtime::logging;

/// What every command is told.
#[derive(Debug)]
pub(crate) struct Context {
    /// The group file.
    pub(crate) group_file: PathBuf,
    /// How results are written.
    pub(crate) output: Format,
    /// How log lines look.
    pub(crate) log_format: Format,
}

/// `run` tells workers' states itself, so what the supervisor logs of them would come twice; and why brokers cannot be
/// reached is part of the errors.
const QUIET: &str = "warn,tributary_runtime::supervisor=off,librdkafka=off";

/// Does what the command line says.
pub(crate) fn run(cli: Cli) -> anyhow::Result<Exit> {
    let context = Context { group_file: cli.group_file, output: cli.output, log_format: cli.log_format };
    let (format, default) = match context.log_format {
        Format::Text => (logging::Format::Text, QUIET),
        Format::Json => (logging::Format::Json, "info"),
    };
    let filter = cli.log.unwrap_or_else(|| default.to_owned());
    // The client of SQL Server logs what servers say of refused rows, values included; our own errors say it without.
    let hidden = vec!["tiberius"];
    logging::init(&logging::Settings { format, filter, hidden, ..logging::Settings::default() })?;
    match cli.command {
        Command::Init(arguments) => init::run(&context, &arguments),
        Command::Quickstart(arguments) => quickstart::run(&context, arguments),
        Command::Check(arguments) => check::run(&context, &arguments),
        Command::Provision(arguments) => provision::run(&context, &arguments),
        Command::Deprovision(arguments) => deprovision::run(&context, &arguments),
        Command::Run(arguments) => run::run(&context, arguments),
        Command::Status(arguments) => status::run(&context, &arguments),
        Command::Sync(arguments) => sync::run(&context, &arguments),
        Command::Verify(arguments) => verify::run(&context, &arguments),
        Command::Conflicts(arguments) => conflicts::run(&context, &arguments),
        Command::Exceptions(arguments) => exceptions::run(&context, &arguments),
        Command::Tail(arguments) => tail::run(&context, &arguments),
        Command::Member(arguments) => member::run(&context, &arguments),
        Command::Log(arguments) => log::run(&context, &arguments),
        Command::Bench(arguments) => bench::run(&context, arguments),
        Command::Completions(arguments) => Ok(completions::run(&arguments)),
    }
}
