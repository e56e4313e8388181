//! What capture counts, by member (and table, where that says more).

use std::time::Duration;
use tributary_runtime::Metrics;
use tributary_runtime::metrics::{Buckets, Child, Counter, Gauge, Histogram, MetricsError};

/// Series of one member's capture.
#[derive(Debug)]
pub struct CaptureMetrics {
    /// Changes published, by table in the order of the bindings.
    pub(crate) rows: Vec<Child<Counter, 2>>,
    /// Rows that could not be published.
    pub(crate) unpublishable: Child<Counter, 1>,
    /// Changes that users' triggers made inside apply's transactions.
    pub(crate) inside_apply: Child<Counter, 1>,
    /// Rows in one transaction of the log.
    pub(crate) page_rows: Child<Histogram, 1>,
    /// Time to read the pages of one transaction.
    pub(crate) poll_seconds: Child<Histogram, 1>,
    /// Time to commit the token in the member.
    pub(crate) token_seconds: Child<Histogram, 1>,
    /// Time to publish.
    pub(crate) publish_seconds: Child<Histogram, 1>,
    /// Time from the oldest change of a page to its publication.
    pub(crate) lag_seconds: Child<Gauge, 1>,
    /// 1 while this process's worker is the one that publishes.
    pub(crate) leads: Child<Gauge, 1>,
    /// The member's clock minus the reference.
    pub(crate) clock_skew_seconds: Child<Gauge, 1>,
    /// For how long an open transaction has kept changes from being captured.
    pub(crate) held_back_seconds: Child<Gauge, 1>,
}

impl CaptureMetrics {
    /// The series of `member`.
    ///
    /// # Errors
    /// When another part of the program has taken one of the names for something else.
    pub fn new(metrics: &Metrics, member: &str, tables: &[&str]) -> Result<Self, MetricsError> {
        let by_member = ["member"];
        let rows =
            metrics.counters("capture_rows_total", "Changes published to the log.", ["member", "table"])?;
        Ok(Self {
            rows: tables.iter().map(|table| rows.child([member, table])).collect(),
            unpublishable: metrics
                .counters("capture_unpublishable_rows_total", "Rows parked at their origin.", by_member)?
                .child([member]),
            inside_apply: metrics
                .counters(
                    "capture_inside_apply_rows_total",
                    "Changes that users' triggers made inside apply's transactions.",
                    by_member,
                )?
                .child([member]),
            page_rows: metrics
                .histograms(
                    "capture_page_rows",
                    "Rows in one transaction of the log.",
                    by_member,
                    Buckets::Sizes,
                )?
                .child([member]),
            poll_seconds: metrics
                .histograms(
                    "capture_poll_seconds",
                    "Time to read one round of pages.",
                    by_member,
                    Buckets::Seconds,
                )?
                .child([member]),
            token_seconds: metrics
                .histograms(
                    "capture_token_seconds",
                    "Time to commit the token.",
                    by_member,
                    Buckets::Seconds,
                )?
                .child([member]),
            publish_seconds: metrics
                .histograms("capture_publish_seconds", "Time to publish.", by_member, Buckets::Seconds)?
                .child([member]),
            lag_seconds: metrics
                .gauges(
                    "capture_lag_seconds",
                    "Age of the oldest change when its page was published.",
                    by_member,
                )?
                .child([member]),
            leads: metrics
                .gauges(
                    "capture_leads",
                    "1 if this process publishes the member, 0 if it stands by.",
                    by_member,
                )?
                .child([member]),
            clock_skew_seconds: metrics
                .gauges("capture_clock_skew_seconds", "The member's clock minus the reference.", by_member)?
                .child([member]),
            held_back_seconds: metrics
                .gauges(
                    "capture_held_back_seconds",
                    "For how long the oldest open transaction has kept later changes from being captured.",
                    by_member,
                )?
                .child([member]),
        })
    }

    /// Leaves to the worker that leads what there is to tell of the member.
    pub(crate) fn stand_by(&self) {
        for gauge in [&self.leads, &self.lag_seconds, &self.clock_skew_seconds, &self.held_back_seconds] {
            gauge.set(0.0);
        }
    }

    pub(crate) fn observe(histogram: &Histogram, took: Duration) {
        histogram.observe(took.as_secs_f64());
    }
}
