//! How long a single change takes from one member to another, at a steady rate.

use super::load::{self, Watch};
use super::measured::Counts;
use super::{DEADLINE, Group, MEMBERS, Options, system};
use anyhow::{Context as _, Result, ensure};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use tributary_engine::Roles;
use tributary_group::progress::Progress;

/// Pause between two looks at the other member: the resolution of the delays.
const LOOK_EVERY: Duration = Duration::from_micros(200);
/// Changes before the measurement begins, so that every worker has seen some.
const WARM_UP: u64 = 200;
/// How long the last change may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A distribution, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Milliseconds {
    pub(super) p50: f64,
    pub(super) p95: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

impl Milliseconds {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: f64| {
            let index = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len().max(1)) - 1;
            times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        Self { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1.0) }
    }
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Delay {
    /// Changes a second as asked for, each a transaction of its own.
    pub(super) rate: u32,
    /// Changes a second as the writer managed them.
    pub(super) rate_reached: f64,
    /// Whether the writer's commits waited for the disk.
    pub(super) writer_waits_for_disk: bool,
    /// Changes measured.
    pub(super) changes: u64,
    /// From before the user's statement until another reader of the other member sees the row.
    pub(super) delay: Milliseconds,
    /// How much of that is the user's own statement and commit.
    pub(super) own_commit: Milliseconds,
    /// How often the other member was looked at, in microseconds.
    pub(super) resolution_us: u64,
    /// CPU time of the workers for one change, in microseconds, by role.
    pub(super) cpu_us_per_change: BTreeMap<String, f64>,
}

/// Measures in `folder`.
pub(super) fn measure(options: &Options, folder: &Path) -> Result<Delay> {
    let group = Group::create(options, folder, options.members)?;
    group.drain()?;
    let process = group.open()?;
    process.start(&Roles::all())?;
    let count = (u64::from(options.rate) * options.duration.as_secs().max(1)) + WARM_UP;
    let cpu = system::cpu_of_workers();
    let mut load = group.load(0)?;
    load.wait_for_disk(options.writer_waits_for_disk)?;
    let seen_by = load::watch(&group.databases.place(MEMBERS[1]))?;
    let watcher = std::thread::spawn(move || watch(seen_by, count));
    let mut written = Vec::with_capacity(count as usize);
    let pause = Duration::from_secs(1) / options.rate;
    let began = Instant::now();
    for number in 1..=count {
        let due = began + pause * u32::try_from(number - 1)?;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let before = Instant::now();
        load.insert_one(number)?;
        written.push((before, before.elapsed()));
    }
    let took = began.elapsed();
    let seen = watcher.join().ok().context("the thread that watches the other member has panicked")??;
    process.wait_until("the group to come to rest", DEADLINE, Progress::is_drained)?;
    let spent = system::cpu_since(&cpu);
    let carried = Counts::read(&process.engine.metrics).captured;
    ensure!(carried == count, "{count} changes were made and {carried} were captured");
    group.check_equal(&process)?;
    process.stop()?;
    let warm = WARM_UP as usize;
    let delays = written.iter().zip(&seen).skip(warm).map(|((before, _), seen)| seen.duration_since(*before));
    Ok(Delay {
        rate: options.rate,
        rate_reached: count as f64 / took.as_secs_f64(),
        writer_waits_for_disk: options.writer_waits_for_disk,
        changes: count - WARM_UP,
        delay: Milliseconds::of(delays.collect()),
        own_commit: Milliseconds::of(written.iter().skip(warm).map(|(_, own)| *own).collect()),
        resolution_us: LOOK_EVERY.as_micros() as u64,
        cpu_us_per_change: spent
            .into_iter()
            .map(|(role, time)| (role, time.as_secs_f64() * 1e6 / count as f64))
            .collect(),
    })
}

/// When each of the rows `1..=count` was first seen.
fn watch(mut member: Box<dyn Watch>, count: u64) -> Result<Vec<Instant>> {
    // Rows of several partitions do not arrive in key order: all above the first gap are looked at.
    let mut seen: Vec<Option<Instant>> = vec![None; count as usize];
    let (mut complete, mut last) = (0_usize, Instant::now());
    while complete < seen.len() {
        let found = if member.has_changed()? { member.keys_above(complete as u64)? } else { Vec::new() };
        let now = Instant::now();
        let mut is_new = false;
        for key in found {
            is_new |= seen[key as usize - 1].is_none();
            seen[key as usize - 1].get_or_insert(now);
        }
        if is_new {
            last = now;
            complete += seen[complete..].iter().take_while(|seen| seen.is_some()).count();
        } else {
            ensure!(last.elapsed() < PATIENCE, "row {} has not arrived in the other member", complete + 1);
            std::thread::sleep(LOOK_EVERY);
        }
    }
    seen.into_iter().map(|seen| seen.context("every row was seen")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let times = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(Milliseconds::of(times), Milliseconds { p50: 50.0, p95: 95.0, p99: 99.0, max: 100.0 });
        let one = Milliseconds::of(vec![Duration::from_millis(7)]);
        assert_eq!((one.p50, one.max), (7.0, 7.0));
        assert_eq!(Milliseconds::of(Vec::new()).max, 0.0);
    }
}
