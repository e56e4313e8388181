//! `init`: a group file to start from.

use super::Context;
use crate::failure::{Exit, Misuse};
use crate::output::note;
use clap::Args;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use tributary_group::file::template;

/// What `init` takes.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Where to write it; by default the group file.
    path: Option<PathBuf>,
    /// Writes over a file that is there.
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(context: &Context, arguments: &Arguments) -> anyhow::Result<Exit> {
    let path = arguments.path.as_ref().unwrap_or(&context.group_file);
    let mut options = OpenOptions::new();
    options.write(true);
    if arguments.force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let mut file = options.open(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Misuse::Exists { path: path.display().to_string() }.into(),
        _ => anyhow::Error::new(error).context(format!("cannot write {}", path.display())),
    })?;
    file.write_all(template().as_bytes())?;
    note(&format!(
        "wrote {}; name your databases and tables in it, then run `tributary check`",
        path.display()
    ));
    Ok(Exit::Well)
}
