//! What a group costs that has nothing to do: CPU time, and writes that nobody needs.

use super::load::keys;
use super::{DEADLINE, Group, Options, system};
use anyhow::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use tributary_engine::Roles;
use tributary_group::progress::Progress;

/// Rows in the idle table.
const ROWS: u64 = 1_000;
/// Time for the workers to slow down before the measurement begins, and for what is written once, a few seconds
/// after the last change.
const SLOWING_DOWN: Duration = Duration::from_secs(8);

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Idle {
    /// Members of the group.
    pub(super) members: usize,
    /// How long it was watched.
    pub(super) seconds: f64,
    /// CPU time of all workers, as a share of one core in percent.
    pub(super) cpu_percent: f64,
    /// The same by role, all members' workers of a role together.
    pub(super) cpu_percent_by_role: BTreeMap<String, f64>,
    /// Files of members, log and resolver whose size or time of modification changed.
    pub(super) changed_files: Vec<String>,
    /// Bytes that the process wrote to disk.
    pub(super) written_bytes: Option<u64>,
}

/// Measures in `folder`.
pub(super) fn measure(options: &Options, folder: &Path) -> Result<Idle> {
    let members = options.members.max(3);
    let group = Group::create(options, folder, members)?;
    group.load(0)?.insert(&keys(1, ROWS))?;
    let process = group.open()?;
    process.start(&Roles::all())?;
    process.wait_until("the group to come to rest", DEADLINE, Progress::is_drained)?;
    group.check_equal(&process)?;
    std::thread::sleep(SLOWING_DOWN);
    let (files, written) = (system::files(&group.folder)?, system::bytes_written());
    let (cpu, began) = (system::cpu_of_workers(), Instant::now());
    std::thread::sleep(options.duration);
    let (spent, elapsed) = (system::cpu_since(&cpu), began.elapsed());
    process.check_workers()?;
    let written = written.and_then(|before| Some(system::bytes_written()?.saturating_sub(before)));
    let now = system::files(&group.folder)?;
    let changed = now.iter().filter(|(path, file)| files.get(*path) != Some(file)).map(|(path, _)| path);
    let gone = files.keys().filter(|path| !now.contains_key(*path));
    let name =
        |path: &std::path::PathBuf| path.strip_prefix(&group.folder).unwrap_or(path).display().to_string();
    let changed_files = changed.chain(gone).map(name).collect();
    process.stop()?;
    let percent = |time: &Duration| 100.0 * time.as_secs_f64() / elapsed.as_secs_f64();
    Ok(Idle {
        members,
        seconds: elapsed.as_secs_f64(),
        cpu_percent: spent.values().map(percent).sum(),
        cpu_percent_by_role: spent.iter().map(|(role, time)| (role.clone(), percent(time))).collect(),
        changed_files,
        written_bytes: written,
    })
}
