//! What apply counts, by member.

use tributary_member::Outcome;
use tributary_runtime::Metrics;
use tributary_runtime::metrics::{Buckets, Child, Counter, Histogram, MetricsError};

/// Names of outcomes, as label values.
const OUTCOMES: [&str; 9] = [
    "upserted",
    "deleted",
    "already_there",
    "local_is_newer",
    "same_content",
    "superseded",
    "parked",
    "restored",
    "purged",
];

/// Series of one member's apply.
#[derive(Debug)]
pub struct ApplyMetrics {
    outcomes: [Child<Counter, 2>; 9],
    pub(crate) unparked: Child<Counter, 1>,
    pub(crate) altered: Child<Counter, 1>,
    pub(crate) unusable: Child<Counter, 1>,
    pub(crate) batch_rows: Child<Histogram, 1>,
    pub(crate) batch_seconds: Child<Histogram, 1>,
    pub(crate) delay_seconds: Child<Histogram, 1>,
}

impl ApplyMetrics {
    /// The series of `member`.
    ///
    /// # Errors
    /// When another part of the program has taken one of the names for something else.
    pub fn new(metrics: &Metrics, member: &str) -> Result<Self, MetricsError> {
        let by_member = ["member"];
        let outcomes = metrics.counters(
            "apply_records_total",
            "Resolved records, by what became of them.",
            ["member", "outcome"],
        )?;
        Ok(Self {
            outcomes: OUTCOMES.map(|outcome| outcomes.child([member, outcome])),
            unparked: metrics
                .counters("apply_unparked_total", "Parked records that were settled.", by_member)?
                .child([member]),
            unusable: metrics
                .counters(
                    "apply_unusable_total",
                    "Records of the resolved topics that could not be used and were listed.",
                    by_member,
                )?
                .child([member]),
            altered: metrics
                .counters("apply_altered_rows_total", "Rows that users' triggers altered.", by_member)?
                .child([member]),
            batch_rows: metrics
                .histograms("apply_batch_rows", "Records in one transaction.", by_member, Buckets::Sizes)?
                .child([member]),
            batch_seconds: metrics
                .histograms("apply_batch_seconds", "Time for one transaction.", by_member, Buckets::Seconds)?
                .child([member]),
            delay_seconds: metrics
                .histograms(
                    "apply_delay_seconds",
                    "Time from a change in one member until it is visible in this one.",
                    by_member,
                    Buckets::Seconds,
                )?
                .child([member]),
        })
    }

    pub(crate) fn count(&self, outcomes: &[Outcome]) {
        let mut counts = [0_u64; 9];
        for outcome in outcomes {
            counts[index_of(outcome)] += 1;
        }
        for (series, count) in self.outcomes.iter().zip(counts) {
            if count > 0 {
                series.inc_by(count);
            }
        }
    }
}

fn index_of(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Upserted => 0,
        Outcome::Deleted => 1,
        Outcome::AlreadyThere => 2,
        Outcome::LocalIsNewer => 3,
        Outcome::SameContent => 4,
        Outcome::Superseded => 5,
        Outcome::Parked(_) => 6,
        Outcome::Restored(_) => 7,
        Outcome::Purged => 8,
    }
}
