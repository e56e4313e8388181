//! The report: as JSON for programs, as text for people.

use super::backlog::Backlog;
use super::delay::Delay;
use super::idle::Idle;
use super::measured::Run;
use super::writer::{Cost, Rates, Writer};
use super::{Options, system};
use serde::Serialize;
use std::fmt::Write as _;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Cores that this process may use.
    cores: usize,
    /// Memory of the machine.
    memory_bytes: Option<u64>,
    /// Whether the program was built without optimisation, so that the figures say little.
    debug_build: bool,
    databases: &'static str,
    log: &'static str,
    members: usize,
    value_bytes: usize,
    seed: u64,
    pub(super) backlogs: Vec<Backlog>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delay: Option<Delay>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) idle: Option<Idle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) writer: Option<Writer>,
}

const MEBIBYTE: f64 = 1024.0 * 1024.0;

impl Report {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: system::memory(),
            debug_build: cfg!(debug_assertions),
            databases: options.databases.name(),
            log: options.log.name(),
            members: options.members,
            value_bytes: options.value_bytes,
            seed: options.seed,
            backlogs: Vec::new(),
            delay: None,
            idle: None,
            writer: None,
        }
    }

    /// As JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self)
            .expect("numbers, texts and maps of them can always be written as JSON")
    }

    /// As text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let memory = self.memory_bytes.map_or_else(String::new, |bytes| {
            format!(", {:.0} GB of memory", bytes as f64 / MEBIBYTE / 1024.0)
        });
        let (databases, log) = (self.databases, self.log);
        add(&mut text, &format!("{} cores{memory}; {databases} members, {log}", self.cores));
        add(&mut text, &format!("{} members; rows with a text of {} bytes", self.members, self.value_bytes));
        if self.debug_build {
            add(&mut text, "BUILT WITHOUT OPTIMISATION: these figures say nothing about a release build");
        }
        if !self.backlogs.is_empty() {
            self.backlog_table(&mut text);
        }
        if let Some(delay) = &self.delay {
            delay_lines(&mut text, delay);
        }
        if let Some(idle) = &self.idle {
            idle_lines(&mut text, idle);
        }
        if let Some(writer) = &self.writer {
            writer_table(&mut text, writer);
        }
        text
    }

    fn backlog_table(&self, text: &mut String) {
        add(text, "");
        add(
            text,
            "Backlogs (CPU in microseconds for one change: all workers together, by role, and all of the machine)",
        );
        let columns = [
            "changes",
            "seconds",
            "rows/s",
            "CPU",
            "capture",
            "resolver",
            "apply",
            "machine",
            "cores",
            "peak MB",
            "disk B/row",
        ];
        let heads: String = columns.iter().map(|head| format!("{head:>11}")).collect();
        add(text, &format!("{:<24}{heads}", ""));
        for backlog in &self.backlogs {
            let name = format!("{} of {}", backlog.workload, backlog.rows_before);
            let name = if backlog.rows_before == 0 { backlog.workload.to_owned() } else { name };
            add(text, &row(&name, backlog.changes, &backlog.end_to_end));
            for (stage, run) in &backlog.stages {
                add(text, &row(&format!("  {stage} alone"), backlog.changes, run));
            }
            let files: Vec<_> = backlog
                .file_bytes
                .iter()
                .filter(|(_, bytes)| **bytes as f64 > 0.1 * MEBIBYTE)
                .map(|(name, bytes)| format!("{name} {:.1} MB", *bytes as f64 / MEBIBYTE))
                .collect();
            add(text, &format!("  files: {}", files.join(", ")));
        }
    }
}

fn add(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

fn row(name: &str, changes: u64, run: &Run) -> String {
    let role = |role: &str| {
        let spent = run.cpu_us_per_row_by_role.get(role);
        spent.map_or_else(|| "-".to_owned(), |spent| format!("{spent:.2}"))
    };
    let peak =
        run.peak_memory_bytes.map_or_else(|| "-".to_owned(), |b| format!("{:.0}", b as f64 / MEBIBYTE));
    let disk = run.written_bytes_per_row.map_or_else(|| "-".to_owned(), |bytes| format!("{bytes:.0}"));
    let cells = [
        changes.to_string(),
        format!("{:.2}", run.seconds),
        format!("{:.0}", run.rows_per_second),
        format!("{:.2}", run.cpu_us_per_row),
        role("capture"),
        role("resolver"),
        role("apply"),
        run.machine_cpu_us_per_row.map_or_else(|| "-".to_owned(), |spent| format!("{spent:.2}")),
        format!("{:.2}", run.cores),
        peak,
        disk,
    ];
    cells.iter().fold(format!("{name:<24}"), |mut line, cell| {
        // Writing to a string cannot fail.
        let _ = write!(line, "{cell:>11}");
        line
    })
}

fn delay_lines(text: &mut String, delay: &Delay) {
    let shown = |name: &str, times: &super::delay::Milliseconds| {
        let super::delay::Milliseconds { p50, p95, p99, max } = times;
        format!("  {name:<34} p50 {p50:>7.2}   p95 {p95:>7.2}   p99 {p99:>7.2}   max {max:>7.2} ms")
    };
    add(text, "");
    add(
        text,
        &format!(
            "Delay at {} changes a second ({:.0} reached), {} changes, the user's commits {} for the disk",
            delay.rate,
            delay.rate_reached,
            delay.changes,
            if delay.writer_waits_for_disk { "wait" } else { "do not wait" },
        ),
    );
    add(text, &shown("statement until seen elsewhere", &delay.delay));
    add(text, &shown("  of which the user's own commit", &delay.own_commit));
    let cpu: Vec<_> =
        delay.cpu_us_per_change.iter().map(|(role, spent)| format!("{role} {spent:.0} us")).collect();
    add(text, &format!("  looked every {} us; CPU a change: {}", delay.resolution_us, cpu.join(", ")));
}

fn idle_lines(text: &mut String, idle: &Idle) {
    add(text, "");
    add(text, &format!("Idle group of {} members, watched for {:.0} s", idle.members, idle.seconds));
    let changed =
        if idle.changed_files.is_empty() { "none".to_owned() } else { idle.changed_files.join(", ") };
    let roles = &idle.cpu_percent_by_role;
    let roles: Vec<_> = roles.iter().map(|(role, percent)| format!("{role} {percent:.3}")).collect();
    add(text, &format!("  CPU {:.3} % of a core ({})", idle.cpu_percent, roles.join(", ")));
    add(text, &format!("  files that changed: {changed}"));
}

fn writer_table(text: &mut String, writer: &Writer) {
    add(text, "");
    add(
        text,
        &format!("What the triggers cost the user who writes ({} rows), microseconds a row", writer.rows),
    );
    for (name, Cost { without_us, with_us }) in [
        ("inserts, many in a transaction", writer.bulk_insert),
        ("random updates, many in a transaction", writer.bulk_update),
        ("single updates, each committed", writer.single_update),
    ] {
        let times = with_us / without_us;
        add(
            text,
            &format!("  {name:<38} without {without_us:>8.2}   with {with_us:>8.2}   ({times:.2} times)"),
        );
    }
    let Some(clients) = &writer.clients else { return };
    add(
        text,
        &format!(
            "  {} users at the same time, each change committed to disk, changes a second",
            clients.clients
        ),
    );
    for (name, Rates { without, with }) in [("inserts", clients.inserts), ("random updates", clients.updates)]
    {
        let share = with / without;
        add(text, &format!("  {name:<38} without {without:>8.0}   with {with:>8.0}   ({share:.2} of it)"));
    }
}
