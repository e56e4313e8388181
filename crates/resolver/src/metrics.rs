//! What the resolver counts.

use tributary_runtime::Metrics;
use tributary_runtime::metrics::{Buckets, Child, Counter, Gauge, Histogram, MetricsError};

/// The resolver's series.
#[derive(Debug)]
pub struct ResolverMetrics {
    pub(crate) by_outcome: Vec<TableMetrics>,
    pub(crate) batch_rows: Child<Histogram, 0>,
    pub(crate) batch_seconds: Child<Histogram, 0>,
    pub(crate) state_bytes: Child<Gauge, 0>,
    pub(crate) rebuilt_cells: Child<Counter, 0>,
    /// Partitions that this process works on.
    pub(crate) partitions: Child<Gauge, 0>,
    /// Orders to capture a table again, by table in the order of the channels.
    pub(crate) recaptures: Vec<Child<Counter, 1>>,
    /// Deletes that were forgotten, by table in the order of the channels.
    pub(crate) expired: Vec<Child<Counter, 1>>,
    pub(crate) violations: [Child<Counter, 1>; 2],
}

/// What became of a table's changes in one batch.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) fast_forward: u64,
    pub(crate) duplicate: u64,
    pub(crate) outdated: u64,
    pub(crate) agreed: u64,
    pub(crate) completed: u64,
    pub(crate) conflict: u64,
    pub(crate) unusable: u64,
}

/// One table's outcomes.
#[derive(Debug)]
pub(crate) struct TableMetrics {
    pub(crate) fast_forward: Child<Counter, 2>,
    pub(crate) duplicate: Child<Counter, 2>,
    pub(crate) outdated: Child<Counter, 2>,
    pub(crate) agreed: Child<Counter, 2>,
    pub(crate) completed: Child<Counter, 2>,
    pub(crate) conflict: Child<Counter, 2>,
    pub(crate) unusable: Child<Counter, 2>,
}

impl ResolverMetrics {
    /// The series for these tables.
    ///
    /// # Errors
    /// When another part of the program has taken one of the names for something else.
    pub fn new(metrics: &Metrics, tables: &[&str]) -> Result<Self, MetricsError> {
        let changes = metrics.counters(
            "resolver_changes_total",
            "Changes resolved, by what became of them.",
            ["table", "outcome"],
        )?;
        let by_outcome = tables
            .iter()
            .map(|table| TableMetrics {
                fast_forward: changes.child([table, "fast_forward"]),
                duplicate: changes.child([table, "duplicate"]),
                outdated: changes.child([table, "outdated_command"]),
                agreed: changes.child([table, "agreed"]),
                completed: changes.child([table, "completed"]),
                conflict: changes.child([table, "conflict"]),
                unusable: changes.child([table, "unusable"]),
            })
            .collect();
        let violations = metrics.counters(
            "invariant_violations_total",
            "Things that the protocol rules out and that were met all the same.",
            ["rule"],
        )?;
        let recaptures = metrics.counters(
            "resolver_recaptures_total",
            "Orders to capture a table again, because changes were deleted unread.",
            ["table"],
        )?;
        let expired = metrics.counters(
            "resolver_expired_total",
            "Old deletes that every member has taken in and that were forgotten.",
            ["table"],
        )?;
        Ok(Self {
            by_outcome,
            expired: tables.iter().map(|table| expired.child([table])).collect(),
            recaptures: tables.iter().map(|table| recaptures.child([table])).collect(),
            partitions: metrics
                .gauges("resolver_partitions", "Partitions that this process works on.", [])?
                .child([]),
            batch_rows: metrics
                .histograms("resolver_batch_rows", "Changes in one transaction.", [], Buckets::Sizes)?
                .child([]),
            batch_seconds: metrics
                .histograms("resolver_batch_seconds", "Time for one transaction.", [], Buckets::Seconds)?
                .child([]),
            state_bytes: metrics.gauges("resolver_state_bytes", "Size of the state on disk.", [])?.child([]),
            rebuilt_cells: metrics
                .counters("resolver_rebuilt_cells_total", "Records read to rebuild the state.", [])?
                .child([]),
            violations: [violations.child(["version_used_twice"]), violations.child(["I8"])],
        })
    }

    /// Counts a batch that was committed, by table.
    pub(crate) fn count(&self, counts: &[Counts]) {
        for (series, counts) in self.by_outcome.iter().zip(counts) {
            let pairs = [
                (&series.fast_forward, counts.fast_forward),
                (&series.duplicate, counts.duplicate),
                (&series.outdated, counts.outdated),
                (&series.agreed, counts.agreed),
                (&series.completed, counts.completed),
                (&series.conflict, counts.conflict),
                (&series.unusable, counts.unusable),
            ];
            for (series, count) in pairs.into_iter().filter(|(_, count)| *count > 0) {
                series.inc_by(count);
            }
        }
    }
}
