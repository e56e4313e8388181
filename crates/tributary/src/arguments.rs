//! What can be written on the command line, and how it is explained.

use crate::command::{
    bench, check, completions, conflicts, deprovision, exceptions, init, log, member, provision, quickstart,
    run, status, sync, tail, verify,
};
use crate::output::Format;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

const EXIT_CODES: &str = "Exit codes:
  0   all is well
  1   the command failed, or found differences, errors or something in the way
  2   the command line is wrong
  64  the group file cannot be used, or does not fit its members
  69  the log or a member cannot be used: out of reach, missing, in use, read-only, damaged, too new

Environment:
  TRIBUTARY_GROUP_FILE  the group file, where --group-file is not given
  TRIBUTARY_LOG         which log lines are shown, where --log is not given
  NO_COLOR              no colours";

/// Keeps several databases the same, in both directions.
#[derive(Debug, Parser)]
#[command(name = "tributary", version, about = "Keeps several databases the same, in both directions", after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    /// The group file.
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        env = "TRIBUTARY_GROUP_FILE",
        default_value = "tributary.yaml",
        hide_env_values = true
    )]
    pub(crate) group_file: PathBuf,
    /// How results are written to standard output.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) output: Format,
    /// Which log lines go to standard error, such as `info` or `info,tributary_apply=debug`.
    #[arg(long, global = true, value_name = "FILTER", env = "TRIBUTARY_LOG", hide_env_values = true)]
    pub(crate) log: Option<String>,
    /// How log lines look. With `json` everything that `run` tells is a log line.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    pub(crate) log_format: Format,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Writes a commented group file to start from.
    Init(init::Arguments),
    /// Plays the whole story on this machine, with nothing installed.
    Quickstart(quickstart::Arguments),
    /// Holds the members' tables against the group file, and reports what stands in the way.
    Check(check::Arguments),
    /// Creates the sync objects in the members, and tables that they lack.
    Provision(provision::Arguments),
    /// Removes the sync objects from the members. The users' data stays, and the log is not needed.
    Deprovision(deprovision::Arguments),
    /// Runs the workers until it is asked to stop.
    Run(run::Arguments),
    /// Shows how far members and tables are.
    Status(status::Arguments),
    /// Returns when every change that was committed before is in every member, or names what is in the way.
    Sync(sync::Arguments),
    /// Compares the members, table by table, without locking writers.
    Verify(verify::Arguments),
    /// Shows the conflicts that were settled, and those that wait.
    Conflicts(conflicts::Arguments),
    /// Shows what members refused, and tries it again.
    Exceptions(exceptions::Arguments),
    /// Shows the records of the group's topics.
    Tail(tail::Arguments),
    /// Takes single members out of the work and brings them back.
    Member(member::Arguments),
    /// Moves the group to another log.
    Log(log::Arguments),
    /// Generates load and measures this installation.
    Bench(bench::Arguments),
    /// Writes a completion script for a shell.
    Completions(completions::Arguments),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_options_may_stand_behind_the_command() {
        let cli = Cli::try_parse_from(["tributary", "status", "-g", "x.yaml", "--output", "json"]).unwrap();
        assert_eq!((cli.group_file, cli.output), (PathBuf::from("x.yaml"), Format::Json));
        assert!(matches!(cli.command, Command::Status(_)));
    }
}
