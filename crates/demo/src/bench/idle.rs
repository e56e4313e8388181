//! What a group costs that has nothing to do: CPU time, and writes that nobody needs.

use super::{DEADLINE, Group, Options, system};
use anyhow::Result;
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};
use tributary_engine::Roles;
use tributary_group::progress::Progress;

/// Rows in the idle table.
const ROWS: u64 = 1_000;
/// Time for the workers to slow down before the measurement begins.
const SLOWING_DOWN: Duration = Duration::from_secs(2);

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Idle {
    /// Members of the group.
    pub(super) members: usize,
    /// How long it was watched.
    pub(super) seconds: f64,
    /// CPU time of all workers, as a share of one core in percent.
    pub(super) cpu_percent: f64,
    /// Files of members, log and resolver whose size or time of modification changed.
    pub(super) changed_files: Vec<String>,
    /// Bytes that the process wrote to disk.
    pub(super) written_bytes: Option<u64>,
}

/// Measures in `folder`.
pub(super) fn measure(options: &Options, folder: &Path) -> Result<Idle> {
    let members = options.members.max(3);
    let group = Group::create(options, folder, members)?;
    group.load(0)?.insert(1..=ROWS)?;
    let process = group.open()?;
    process.start(&Roles::all())?;
    process.wait_until("the group to come to rest", DEADLINE, Progress::is_drained)?;
    group.check_equal(&process)?;
    std::thread::sleep(SLOWING_DOWN);
    let cpu = || system::cpu_of_workers().values().sum::<Duration>();
    let (files, written) = (system::files(&group.folder)?, system::bytes_written());
    let (cpu_before, began) = (cpu(), Instant::now());
    std::thread::sleep(options.duration);
    let (spent, elapsed) = (cpu().saturating_sub(cpu_before), began.elapsed());
    process.check_workers()?;
    let written = written.and_then(|before| Some(system::bytes_written()?.saturating_sub(before)));
    let now = system::files(&group.folder)?;
    let changed = now.iter().filter(|(path, file)| files.get(*path) != Some(file)).map(|(path, _)| path);
    let gone = files.keys().filter(|path| !now.contains_key(*path));
    let name =
        |path: &std::path::PathBuf| path.strip_prefix(&group.folder).unwrap_or(path).display().to_string();
    let changed_files = changed.chain(gone).map(name).collect();
    process.stop()?;
    Ok(Idle {
        members,
        seconds: elapsed.as_secs_f64(),
        cpu_percent: 100.0 * spent.as_secs_f64() / elapsed.as_secs_f64(),
        changed_files,
        written_bytes: written,
    })
}
