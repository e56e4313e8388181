//! `completions`: a script that lets a shell complete our command line.

use crate::arguments::Cli;
use crate::failure::Exit;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

/// What `completions` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> Exit {
    clap_complete::generate(arguments.shell, &mut Cli::command(), "tributary", &mut std::io::stdout());
    Exit::Well
}
