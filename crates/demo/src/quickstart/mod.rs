//! The whole story on one machine: two databases, later three, kept the same in both directions.
//!
//! Plays the walk-through that people know from Azure SQL Data Sync on SQLite files and the embedded log or Kafka. Every step
//! says what it does and what it checked, and the first thing that is not as told ends the story with an error that
//! names step, expectation and finding. Nothing here is a rehearsal: the group file is written and loaded, the
//! engine is the one of `tributary run`, and the edits come through connections of their own.

mod ledger;
mod shop;
mod steps;
mod teller;

#[cfg(test)]
mod tests;

use crate::LogChoice;
use crate::process::Process;
use anyhow::{Context as _, bail};
use shop::Shop;
use std::io::Write;
use std::path::{Path, PathBuf};
use teller::Teller;
use tributary_engine::Roles;
use tributary_group::spec::GroupFinding;
use tributary_runtime::{SharedClock, SystemClock};

/// Name of the group file in the story's folder.
const GROUP_FILE: &str = "group.yaml";

/// How the story is told.
#[derive(Clone)]
pub struct Options {
    /// A folder, new or empty, in which the files are left; without it they are removed at the end.
    pub keep: Option<PathBuf>,
    /// The log that the group is carried by.
    pub log: LogChoice,
    /// The clock of all workers.
    pub clock: SharedClock,
}

impl Default for Options {
    fn default() -> Self {
        Self { keep: None, log: LogChoice::default(), clock: SystemClock::shared() }
    }
}

/// Tells the story on `out`, in plain lines.
///
/// # Errors
/// The first thing that is not as told, with the step in which it was met.
pub fn run(options: &Options, out: &mut dyn Write) -> anyhow::Result<()> {
    run_meddled(options, out, &mut |_, _| Ok(()))
}

/// What a test does behind the story's back, between a step's deeds and its checks.
type Meddler<'a> = &'a mut dyn FnMut(usize, &Path) -> anyhow::Result<()>;

fn run_meddled(options: &Options, out: &mut dyn Write, meddler: Meddler<'_>) -> anyhow::Result<()> {
    let temporary = match &options.keep {
        Some(folder) => {
            prepare(folder)?;
            None
        }
        None => Some(tempfile::Builder::new().prefix("tributary-quickstart-").tempdir()?),
    };
    let folder = temporary.as_ref().map(|folder| folder.path().to_owned()).or_else(|| options.keep.clone());
    let folder = folder.context("either a folder is given or a temporary one made")?;
    let mut teller = Teller::new(out);
    teller.line("Tributary quickstart: two databases that are kept the same, a third that joins.")?;
    teller.line(&format!("Files: {}", folder.display()))?;
    let header = options.log.header("quickstart", "quickstart.log.db");
    let mut story =
        Story { options, folder: &folder, header, teller, meddler, group: None, findings: Vec::new() };
    let told = steps::tell(&mut story).with_context(|| story.teller.title());
    // The story ends the group in any case; what went wrong first is what is reported.
    let stopped = story.stop();
    let teller = &mut story.teller;
    told.and(stopped)?;
    teller.finish(&folder.join(GROUP_FILE), options.keep.is_some())
}

fn prepare(folder: &Path) -> anyhow::Result<()> {
    let naming = || format!("the folder {} cannot be used", folder.display());
    std::fs::create_dir_all(folder).with_context(naming)?;
    if std::fs::read_dir(folder).with_context(naming)?.next().is_some() {
        bail!("the folder {} is not empty; name one that is new or empty", folder.display());
    }
    Ok(())
}

/// What the steps share.
struct Story<'a> {
    options: &'a Options,
    folder: &'a Path,
    /// How the group file begins: group and log.
    header: String,
    teller: Teller<'a>,
    meddler: Meddler<'a>,
    /// The running group, once it has been started.
    group: Option<Process>,
    /// What was found in the members when the group was opened last.
    findings: Vec<GroupFinding>,
}

impl Story<'_> {
    /// Writes the group file, opens what it says, provisions and starts all workers.
    fn start(&mut self, group_file: &str) -> anyhow::Result<()> {
        self.stop()?;
        let path = self.folder.join(GROUP_FILE);
        std::fs::write(&path, group_file).with_context(|| format!("{} cannot be written", path.display()))?;
        let group = Process::open(&path, &self.options.clock)?;
        self.findings = group.engine.findings.clone();
        self.findings.extend(group.provision()?);
        group.start(&Roles::all())?;
        self.group = Some(group);
        Ok(())
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        self.group.take().map_or(Ok(()), Process::stop)
    }

    fn group(&self) -> anyhow::Result<&Process> {
        self.group.as_ref().context("the group is started in the first step")
    }

    /// A member's database, opened as its users open it.
    fn shop(&self, member: &str) -> anyhow::Result<Shop> {
        Shop::open(&self.folder.join(format!("{member}.db")))
    }

    /// To be called between a step's deeds and its checks.
    fn deeds_done(&mut self) -> anyhow::Result<()> {
        (self.meddler)(self.teller.step(), self.folder)
    }
}
