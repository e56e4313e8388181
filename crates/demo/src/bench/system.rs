//! What the kernel says of this process: CPU time by thread, peak memory, bytes written; and files on disk.
//!
//! Linux only, by way of `/proc`. Elsewhere the figures are missing from the report, never made up.

use anyhow::Result;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// CPU time of every live thread of this process, added up by the first word of its name.
pub(super) fn cpu_by_thread() -> BTreeMap<String, Duration> {
    let mut times = BTreeMap::new();
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return times };
    for task in tasks.flatten() {
        let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
        let name = read("comm").split_whitespace().next().unwrap_or_default().to_owned();
        // The first number is the time spent on a CPU, user and system, in nanoseconds.
        let spent = read("schedstat").split_whitespace().next().and_then(|text| text.parse().ok());
        if let Some(spent) = spent {
            *times.entry(name).or_default() += Duration::from_nanos(spent);
        }
    }
    times
}

/// CPU time of the group's workers among the threads.
pub(super) fn cpu_of_workers() -> BTreeMap<String, Duration> {
    let mut times = cpu_by_thread();
    times.retain(|name, _| ["capture", "resolver", "apply", "log"].contains(&name.as_str()));
    times
}

/// CPU time of the group's workers since `before`.
pub(super) fn cpu_since(before: &BTreeMap<String, Duration>) -> BTreeMap<String, Duration> {
    let mut times = cpu_of_workers();
    for (role, time) in &mut times {
        *time = time.saturating_sub(before.get(role).copied().unwrap_or_default());
    }
    times
}

/// CPU time that all processes of this machine have used since it was started: of the databases and brokers that share
/// it, too, and of whatever else runs there.
pub(super) fn cpu_of_machine() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|number| number.parse().ok()).collect();
    // user, nice, system, idle, iowait, irq, softirq; in hundredths of a second on every Linux.
    let busy = [0, 1, 2, 5, 6].into_iter().filter_map(|at| ticks.get(at)).sum::<u64>();
    Some(Duration::from_millis(busy * 10))
}

/// Makes [`peak_memory`] begin anew. Where that is not allowed the peak is that of the process.
pub(super) fn forget_peak_memory() {
    // Best effort by its nature; the report says "peak of the process" either way.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The most memory that this process had resident, in bytes.
pub(super) fn peak_memory() -> Option<u64> {
    field("/proc/self/status", "VmHWM:").map(|kilobytes| kilobytes * 1024)
}

/// Bytes that this process has caused to be written to disks.
pub(super) fn bytes_written() -> Option<u64> {
    field("/proc/self/io", "write_bytes:")
}

/// Memory of the machine, in bytes.
pub(super) fn memory() -> Option<u64> {
    field("/proc/meminfo", "MemTotal:").map(|kilobytes| kilobytes * 1024)
}

fn field(path: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Size and time of last modification of every file under `folder`. Shared memory and locks are no data and are
/// left out.
pub(super) fn files(folder: &Path) -> Result<BTreeMap<PathBuf, (u64, SystemTime)>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let (path, data) = {
                let entry = entry?;
                (entry.path(), entry.metadata()?)
            };
            let name = path.to_string_lossy();
            if data.is_dir() {
                folders.push(path);
            } else if !name.ends_with("-shm") && !name.ends_with(".lock") {
                found.insert(path, (data.len(), data.modified()?));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_that_of_named_threads() {
        let worker = std::thread::Builder::new().name("capture x".to_owned()).spawn(|| {
            let began = cpu_of_workers().get("capture").copied().unwrap_or_default();
            let mut sum = 0_u64;
            while cpu_of_workers().get("capture").copied().unwrap_or_default()
                < began + Duration::from_millis(5)
            {
                sum = (0..10_000).fold(sum, |sum, number| sum.wrapping_mul(31).wrapping_add(number));
            }
            std::hint::black_box(sum)
        });
        worker.unwrap().join().unwrap();
        assert!(!cpu_of_workers().contains_key("capture"), "a thread that has ended is no longer counted");
    }

    #[test]
    fn files_are_found_in_folders_within_folders() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("in")).unwrap();
        for name in ["one.db", "one.db-shm", "one.db.lock", "in/two.db"] {
            std::fs::write(folder.path().join(name), "12345").unwrap();
        }
        let found = files(folder.path()).unwrap();
        let names: Vec<_> =
            found.keys().map(|path| path.strip_prefix(folder.path()).unwrap().to_owned()).collect();
        assert_eq!(names, [PathBuf::from("in/two.db"), PathBuf::from("one.db")]);
        assert!(found.values().all(|(size, _)| *size == 5));
    }
}
