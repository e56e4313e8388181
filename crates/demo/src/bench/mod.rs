//! `tributary bench`: generates load and measures this machine, end to end and stage by stage.
//!
//! The engine runs in this process on SQLite members in a folder of their own or on databases made for it on a
//! PostgreSQL server, with an embedded log or Kafka; server and brokers may share the machine. The load is
//! written through a user's connection. What is counted comes from the engine's own counters and from the kernel
//! (CPU time by thread and of the whole machine, peak memory, bytes written); where a figure has a resolution, the
//! report names it.

mod backlog;
mod databases;
mod delay;
mod idle;
mod load;
mod measured;
mod report;
mod system;
mod writer;

use crate::LogChoice;
use crate::process::Process;
use anyhow::{Context as _, ensure};
use databases::{Databases, PLAIN};
use load::Load;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tributary_engine::Roles;
use tributary_group::progress::Progress;
use tributary_runtime::{SharedClock, SystemClock};

pub use databases::{MemberChoice, PostgresServer};
pub use report::Report;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// A table full of rows that was never synchronised: the first scan.
    FirstSync,
    /// A backlog of inserts in key order.
    Insert,
    /// A backlog of updates of random rows.
    Update,
    /// A backlog of updates, inserts and deletes in all members.
    Mixed,
    /// The delay of single changes at a steady rate.
    Delay,
    /// What a group costs that has nothing to do.
    Idle,
    /// What the triggers cost the user who writes.
    Writer,
}

impl Workload {
    /// All, in the order in which they are measured.
    pub const ALL: [Self; 7] =
        [Self::FirstSync, Self::Insert, Self::Update, Self::Mixed, Self::Delay, Self::Idle, Self::Writer];

    /// Its name on the command line and in the report.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FirstSync => "first-sync",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Mixed => "mixed",
            Self::Delay => "delay",
            Self::Idle => "idle",
            Self::Writer => "writer",
        }
    }

    /// The workload of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|workload| workload.as_str() == text)
    }
}

/// In which order rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOrder {
    /// As their keys follow each other.
    Ascending,
    /// At random.
    Random,
}

impl KeyOrder {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ascending, Self::Random];

    /// Its name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ascending => "ascending",
            Self::Random => "random",
        }
    }

    /// The order of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.as_str() == text)
    }
}

/// What is measured, and how much of it.
#[derive(Clone)]
pub struct Options {
    /// What is measured.
    pub workloads: Vec<Workload>,
    /// Rows of the table: the backlog of `first-sync` and `insert`, what `update` and `mixed` find there.
    pub rows: u64,
    /// Changes of `update` and `mixed`, each of another row. Default: as many as rows, at most 200,000.
    pub changes: Option<u64>,
    /// In which order `insert`, `update` and `mixed` write. Default: `insert` ascending, the others at random.
    pub key_order: Option<KeyOrder>,
    /// How many of 100 changes of `mixed` are updates; of the others half are deletes, half inserts.
    pub update_share: u8,
    /// Members of the group; `idle` has three at least.
    pub members: usize,
    /// Which databases they are.
    pub databases: MemberChoice,
    /// Changes a second of `delay`.
    pub rate: u32,
    /// Whether the user of `delay` waits for the disk at every commit. With SQLite and a slow disk that user alone holds
    /// the member's only write lock most of the time.
    pub writer_waits_for_disk: bool,
    /// How long `delay` and `idle` are watched.
    pub duration: Duration,
    /// Length of the text that makes up most of a row.
    pub value_bytes: usize,
    /// The same seed gives the same rows and the same order.
    pub seed: u64,
    /// Whether backlogs are also carried role by role.
    pub stages: bool,
    /// The log that the group is carried by.
    pub log: LogChoice,
    /// Where the files are put, and left; a temporary folder otherwise.
    pub dir: Option<PathBuf>,
    /// The clock of all workers.
    pub clock: SharedClock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            workloads: Workload::ALL.to_vec(),
            rows: 200_000,
            changes: None,
            key_order: None,
            update_share: 50,
            members: 2,
            databases: MemberChoice::default(),
            rate: 500,
            writer_waits_for_disk: false,
            duration: Duration::from_secs(10),
            value_bytes: 100,
            seed: 1,
            stages: true,
            log: LogChoice::default(),
            dir: None,
            clock: SystemClock::shared(),
        }
    }
}

impl Options {
    fn changes(&self) -> u64 {
        self.changes.unwrap_or(200_000).min(self.rows)
    }
}

/// Measures; progress goes to `progress`, one line at a time.
///
/// # Errors
/// When a file cannot be made, a worker gives up, or the members do not end up equal.
pub fn run(options: &Options, progress: &mut dyn Write) -> anyhow::Result<Report> {
    ensure!(options.members >= 2, "a group needs two members at least");
    ensure!(options.members <= MEMBERS.len(), "the benchmark has at most {} members", MEMBERS.len());
    ensure!(options.rows > 0 && options.rate > 0, "rows and rate must not be 0");
    ensure!(options.update_share <= 100, "the share of updates is at most 100 of 100");
    let temporary = match &options.dir {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("tributary-bench-").tempdir()?),
    };
    let base = temporary.as_ref().map(|folder| folder.path().to_owned()).or_else(|| options.dir.clone());
    let base = base.context("either a folder is given or a temporary one made")?;
    let mut report = Report::new(options);
    for workload in &options.workloads {
        let folder = base.join(workload.as_str());
        let name = workload.as_str();
        ensure!(!folder.exists(), "{} is there already; name another folder", folder.display());
        writeln!(progress, "{name}: running in {}", folder.display())?;
        let mut say = |text: String| -> anyhow::Result<()> { Ok(writeln!(progress, "{name}: {text}")?) };
        match workload {
            Workload::FirstSync | Workload::Insert | Workload::Update | Workload::Mixed => {
                report.backlogs.push(backlog::measure(options, *workload, &folder, &mut say)?);
            }
            Workload::Delay => report.delay = Some(delay::measure(options, &folder)?),
            Workload::Idle => report.idle = Some(idle::measure(options, &folder)?),
            Workload::Writer => report.writer = Some(writer::measure(options, &folder)?),
        }
        if temporary.is_some() {
            // The disk may be small; nobody asked for the files.
            std::fs::remove_dir_all(&folder)?;
        }
    }
    Ok(report)
}

/// Ids of the members; short, since the kernel shows 15 letters of a worker's name.
const MEMBERS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
/// How long anything may take.
const DEADLINE: Duration = Duration::from_secs(3_600);

/// A group of `members` in a folder of its own, with one table.
struct Group<'a> {
    options: &'a Options,
    folder: PathBuf,
    databases: Databases,
    members: usize,
}

impl<'a> Group<'a> {
    /// Makes folder, databases and group file, and the first member's table, still without rows.
    fn create(options: &'a Options, folder: &Path, members: usize) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let databases = Databases::create(&options.databases, folder, members, options.dir.is_some())?;
        let text = format!(
            "{}members:\n{}tables: [{{ name: {} }}]\n",
            options.log.header("bench", "log.db"),
            databases.listed(),
            options.databases.table()
        );
        std::fs::write(folder.join("group.yaml"), text)?;
        let group = Self { options, folder: folder.to_owned(), databases, members };
        group.load(0)?.create_table()?;
        Ok(group)
    }

    /// Opens the group, with the members provisioned.
    fn open(&self) -> anyhow::Result<Process> {
        let process = Process::open(&self.folder.join("group.yaml"), &self.options.clock)?;
        process.provision()?;
        Ok(process)
    }

    /// Runs all workers until nothing is left to do.
    fn drain(&self) -> anyhow::Result<()> {
        let process = self.open()?;
        process.start(&Roles::all())?;
        process.wait_until("the group to come to rest", DEADLINE, Progress::is_drained)?;
        process.stop()
    }

    /// A user's connection to the member at this position.
    fn load(&self, member: usize) -> anyhow::Result<Box<dyn Load>> {
        load::open(&self.databases.place(MEMBERS[member]), self.options)
    }

    /// A user's connection to a database that is no member.
    fn plain(&self) -> anyhow::Result<Box<dyn Load>> {
        load::open(&self.databases.place(PLAIN), self.options)
    }

    /// That all members hold the same rows.
    fn check_equal(&self, process: &Process) -> anyhow::Result<()> {
        let mut first = None;
        for id in &MEMBERS[..self.members] {
            let mut member = process.member(id)?;
            let digest = process.wait_for(member.digest(0, 0))?;
            let expected = first.get_or_insert_with(|| digest.clone());
            ensure!(digest == *expected, "member {id} does not hold the same rows as member {}", MEMBERS[0]);
        }
        Ok(())
    }
}
