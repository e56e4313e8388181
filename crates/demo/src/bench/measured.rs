//! Running roles until the engine's counters have reached a goal, and what that cost.

use super::system;
use crate::process::Process;
use anyhow::{Result, bail};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tributary_engine::Roles;
use tributary_runtime::Metrics;

/// Pause between two looks at the counters; the resolution of the times measured.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What the workers of a process have carried since they were started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    /// Changes published by capture.
    pub(super) captured: u64,
    /// Changes resolved.
    pub(super) resolved: u64,
    /// Resolved records that apply has dealt with, in all members together.
    pub(super) applied: u64,
}

impl Counts {
    pub(super) fn read(metrics: &Metrics) -> Self {
        Self::parse(&metrics.render())
    }

    fn parse(text: &str) -> Self {
        let sum = |name: &str| {
            let series = text.lines().filter(|line| {
                line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
            });
            let values = series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
            values.sum::<f64>() as u64
        };
        Self {
            captured: sum("tributary_capture_rows_total"),
            resolved: sum("tributary_resolver_changes_total"),
            applied: sum("tributary_apply_records_total"),
        }
    }

    fn reaches(self, goal: Self) -> bool {
        self.captured >= goal.captured && self.resolved >= goal.resolved && self.applied >= goal.applied
    }
}

/// What one run took.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Run {
    /// Wall time from the start of the workers to the goal.
    pub(super) seconds: f64,
    /// Changes a second.
    pub(super) rows_per_second: f64,
    /// CPU time of all workers for one change, in microseconds.
    pub(super) cpu_us_per_row: f64,
    /// The same by role, all members' workers of a role together.
    pub(super) cpu_us_per_row_by_role: BTreeMap<String, f64>,
    /// CPU time that the whole machine used for one change, in microseconds: databases, brokers and whatever else ran
    /// there included.
    pub(super) machine_cpu_us_per_row: Option<f64>,
    /// Cores that the workers kept busy, on average.
    pub(super) cores: f64,
    /// Peak resident memory of the process.
    pub(super) peak_memory_bytes: Option<u64>,
    /// Bytes written to disk for one change.
    pub(super) written_bytes_per_row: Option<f64>,
}

/// Starts `roles` and waits until the counters have reached `goal`; `rows` is what figures are divided by.
pub(super) fn run(
    process: &Process,
    roles: &Roles,
    goal: Counts,
    rows: u64,
    deadline: Duration,
) -> Result<Run> {
    system::forget_peak_memory();
    let written = system::bytes_written();
    let machine = system::cpu_of_machine();
    let began = Instant::now();
    process.start(roles)?;
    loop {
        let counts = Counts::read(&process.engine.metrics);
        if counts.reaches(goal) {
            break;
        }
        process.check_workers()?;
        if began.elapsed() > deadline {
            bail!("waited {} s for {goal:?} and came to {counts:?}", deadline.as_secs());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let seconds = began.elapsed().as_secs_f64();
    let machine = machine.and_then(|before| Some(system::cpu_of_machine()?.saturating_sub(before)));
    // Before the workers stop: a thread that has ended takes its CPU time along.
    let cpu = system::cpu_of_workers();
    let rows = rows as f64;
    let by_role: BTreeMap<_, _> =
        cpu.iter().map(|(role, time)| (role.clone(), time.as_secs_f64() * 1e6 / rows)).collect();
    let cpu_us_per_row: f64 = by_role.values().sum();
    Ok(Run {
        seconds,
        rows_per_second: rows / seconds,
        cpu_us_per_row,
        machine_cpu_us_per_row: machine.map(|spent| spent.as_secs_f64() * 1e6 / rows),
        cores: cpu_us_per_row * rows / 1e6 / seconds,
        cpu_us_per_row_by_role: by_role,
        peak_memory_bytes: system::peak_memory(),
        written_bytes_per_row: written
            .and_then(|before| Some((system::bytes_written()?.saturating_sub(before)) as f64 / rows)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_added_up_over_members_tables_and_outcomes() {
        let text = "# HELP tributary_capture_rows_total Changes.\n\
            tributary_capture_rows_total{member=\"a\",table=\"Item\"} 3\n\
            tributary_capture_rows_total{member=\"b c\",table=\"Item\"} 4\n\
            tributary_capture_rows_total_other 100\n\
            tributary_resolver_changes_total{outcome=\"agreed\",table=\"Item\"} 5\n\
            tributary_apply_records_total{member=\"a\",outcome=\"same_content\"} 6\n";
        assert_eq!(Counts::parse(text), Counts { captured: 7, resolved: 5, applied: 6 });
    }
}
