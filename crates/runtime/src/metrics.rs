//! Counters, gauges and histograms for Prometheus, in a registry of our own.
//!
//! A [`Family`] is one metric name with its labels; a [`Child`] is one series of it, which is there as long as
//! somebody holds it. What is measured is everyone's own business; what this decides is that names carry one prefix,
//! that histograms share two sets of buckets, and that series go away with the worker that fed them.

use prometheus::core::Collector;
use prometheus::{HistogramOpts, Opts, Registry, TextEncoder};
use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use prometheus::{Gauge, Histogram, IntCounter as Counter};

/// The media type of what [`Metrics::render`] gives.
pub const TEXT_FORMAT: &str = prometheus::TEXT_FORMAT;

/// The buckets of a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buckets {
    /// Durations in seconds, from half a millisecond to an hour.
    Seconds,
    /// Numbers of things in a batch, from 1 to a quarter of a million.
    Sizes,
}

impl Buckets {
    /// The upper bounds.
    #[must_use]
    pub fn bounds(self) -> &'static [f64] {
        match self {
            Self::Seconds => &[
                0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
                60.0, 300.0, 3600.0,
            ],
            Self::Sizes => &[1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262_144.0],
        }
    }
}

/// Why a family cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// The same name with another type, help text, labels or buckets.
    #[error("metric {name} is defined twice, differently")]
    Differs {
        /// The metric's full name.
        name: String,
    },
    /// Prometheus does not allow the name, a label or an empty help text.
    #[error("metric {name} is not valid")]
    Invalid {
        /// The metric's full name.
        name: String,
        /// What the library said.
        #[source]
        source: prometheus::Error,
    },
}

impl MetricsError {
    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Differs { .. } => "RUN-010",
            Self::Invalid { .. } => "RUN-011",
        }
    }
}

/// The metrics of a process. Clones are the same registry.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

struct Shared {
    prefix: String,
    registry: Registry,
    families: Mutex<HashMap<String, Arc<dyn Any + Send + Sync>>>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("prefix", &self.shared.prefix).finish_non_exhaustive()
    }
}

impl Metrics {
    /// An empty registry whose names all begin with `prefix` and an underscore.
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        let shared = Shared { prefix: prefix.into(), registry: Registry::new(), families: Mutex::default() };
        Self { shared: Arc::new(shared) }
    }

    /// Numbers that only grow. The name should end in `_total`. Asking again for the same gives the same.
    ///
    /// # Errors
    /// When the name is taken by something else, or not valid.
    pub fn counters<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&'static str; N],
    ) -> Result<Family<Counter, N>, MetricsError> {
        self.family(name, help, labels, None)
    }

    /// Numbers that rise and fall. Asking again for the same gives the same.
    ///
    /// # Errors
    /// When the name is taken by something else, or not valid.
    pub fn gauges<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&'static str; N],
    ) -> Result<Family<Gauge, N>, MetricsError> {
        self.family(name, help, labels, None)
    }

    /// Distributions. The name should end in a unit. Asking again for the same gives the same.
    ///
    /// # Errors
    /// When the name is taken by something else, or not valid.
    pub fn histograms<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&'static str; N],
        buckets: Buckets,
    ) -> Result<Family<Histogram, N>, MetricsError> {
        self.family(name, help, labels, Some(buckets))
    }

    /// The usual series that is always 1 and tells the version by its labels. It stays as long as what is returned.
    ///
    /// # Errors
    /// When the name `build_info` is taken by something else.
    pub fn build_info(&self, version: &str, revision: &str) -> Result<Child<Gauge, 2>, MetricsError> {
        let family =
            self.gauges("build_info", "Always 1; the labels tell the build.", ["version", "revision"])?;
        let child = family.child([version, revision]);
        child.set(1.0);
        Ok(child)
    }

    /// All series in Prometheus' text format, sorted by name and labels.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string fails only for families that the registry would not have taken.
        if let Err(error) = TextEncoder::new().encode_utf8(&self.shared.registry.gather(), &mut text) {
            tracing::error!(error = %crate::Chain(&error), "metrics cannot be rendered");
        }
        text
    }

    fn family<M: Metric, const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&'static str; N],
        buckets: Option<Buckets>,
    ) -> Result<Family<M, N>, MetricsError> {
        let name = format!("{}_{name}", self.shared.prefix);
        let mut families = lock(&self.shared.families);
        if let Some(known) = families.get(&name) {
            return match Arc::clone(known).downcast::<Core<M, N>>() {
                Ok(core) if core.help == help && core.labels == labels && core.buckets == buckets => {
                    Ok(Family { core })
                }
                Ok(_) | Err(_) => Err(MetricsError::Differs { name }),
            };
        }
        let core = Core {
            name: name.clone(),
            help: help.to_owned(),
            labels,
            buckets,
            registry: self.shared.registry.clone(),
            live: Mutex::default(),
        };
        // Builds one to see whether it can be built, so that making a child cannot fail later.
        core.build(&[""; N].map(str::to_owned))
            .map_err(|source| MetricsError::Invalid { name: name.clone(), source })?;
        let core = Arc::new(core);
        families.insert(name, Arc::<Core<M, N>>::clone(&core));
        Ok(Family { core })
    }
}

/// What a series can be.
pub trait Metric: Collector + Clone + fmt::Debug + Sized + 'static {
    /// Makes one. `buckets` is set for histograms alone.
    ///
    /// # Errors
    /// When the library refuses the name, a label or the help text.
    fn build(opts: Opts, buckets: Option<Buckets>) -> prometheus::Result<Self>;
}

impl Metric for Counter {
    fn build(opts: Opts, _: Option<Buckets>) -> prometheus::Result<Self> {
        Self::with_opts(opts)
    }
}

impl Metric for Gauge {
    fn build(opts: Opts, _: Option<Buckets>) -> prometheus::Result<Self> {
        Self::with_opts(opts)
    }
}

impl Metric for Histogram {
    fn build(opts: Opts, buckets: Option<Buckets>) -> prometheus::Result<Self> {
        let bounds = buckets.unwrap_or(Buckets::Seconds).bounds().to_vec();
        Self::with_opts(HistogramOpts { common_opts: opts, buckets: bounds })
    }
}

/// One metric name and its labels. Clones are the same family.
#[derive(Debug, Clone)]
pub struct Family<M: Metric, const N: usize> {
    core: Arc<Core<M, N>>,
}

/// Series are registered one by one, with their labels as constants, and not through the library's own vectors: those
/// tell children apart by a hash over the joined values, so that ("ab", "c") and ("a", "bc") would share a series.
#[derive(Debug)]
struct Core<M: Metric, const N: usize> {
    name: String,
    help: String,
    labels: [&'static str; N],
    buckets: Option<Buckets>,
    registry: Registry,
    live: Mutex<HashMap<[String; N], Live<M>>>,
}

#[derive(Debug)]
struct Live<M> {
    metric: M,
    holders: usize,
}

impl<M: Metric, const N: usize> Core<M, N> {
    fn build(&self, values: &[String; N]) -> prometheus::Result<M> {
        let labels =
            self.labels.iter().map(|label| (*label).to_owned()).zip(values.iter().cloned()).collect();
        M::build(Opts::new(self.name.clone(), self.help.clone()).const_labels(labels), self.buckets)
    }
}

impl<M: Metric, const N: usize> Family<M, N> {
    /// The series with these label values, in the order of the labels. Not for hot paths: take the child once, and
    /// keep it. Holders of the same values share one series, which is removed with its last holder.
    #[must_use]
    pub fn child(&self, values: [&str; N]) -> Child<M, N> {
        let values = values.map(str::to_owned);
        let mut live = lock(&self.core.live);
        if let Some(known) = live.get_mut(&values) {
            known.holders += 1;
            return Child { core: Arc::clone(&self.core), metric: known.metric.clone(), values };
        }
        let metric = self
            .core
            .build(&values)
            .expect("name, help and labels were tried when the family was made, and any value is allowed");
        if let Err(error) = self.core.registry.register(Box::new(metric.clone())) {
            // It can still be counted on, but will not be seen.
            tracing::error!(metric = self.core.name, error = %crate::Chain(&error), "series cannot be registered");
        }
        live.insert(values.clone(), Live { metric: metric.clone(), holders: 1 });
        Child { core: Arc::clone(&self.core), metric, values }
    }
}

/// One series: use it like the metric that it is.
#[derive(Debug)]
pub struct Child<M: Metric, const N: usize> {
    core: Arc<Core<M, N>>,
    metric: M,
    values: [String; N],
}

impl<M: Metric, const N: usize> Deref for Child<M, N> {
    type Target = M;

    fn deref(&self) -> &M {
        &self.metric
    }
}

impl<M: Metric, const N: usize> Drop for Child<M, N> {
    fn drop(&mut self) {
        let mut live = lock(&self.core.live);
        let Some(known) = live.get_mut(&self.values) else { return };
        known.holders -= 1;
        if known.holders == 0 {
            live.remove(&self.values);
            if let Err(error) = self.core.registry.unregister(Box::new(self.metric.clone())) {
                tracing::error!(metric = self.core.name, error = %crate::Chain(&error), "series cannot be removed");
            }
        }
    }
}

/// Nothing that can panic runs between two changes of what these locks guard.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_what_was_counted() {
        let metrics = Metrics::new("sample");
        let rows = metrics.counters("rows_total", "Rows read.", ["worker", "kind"]).unwrap();
        let lag = metrics.gauges("lag_seconds", "How far behind.", []).unwrap();
        let first = rows.child(["one", "new"]);
        first.inc_by(3);
        let second = rows.child(["two", "new"]);
        second.inc();
        let lag = lag.child([]);
        lag.set(0.5);
        assert_eq!(
            metrics.render(),
            "# HELP sample_lag_seconds How far behind.\n\
             # TYPE sample_lag_seconds gauge\n\
             sample_lag_seconds 0.5\n\
             # HELP sample_rows_total Rows read.\n\
             # TYPE sample_rows_total counter\n\
             sample_rows_total{kind=\"new\",worker=\"one\"} 3\n\
             sample_rows_total{kind=\"new\",worker=\"two\"} 1\n"
        );
    }

    #[test]
    fn a_series_goes_with_its_last_holder() {
        let metrics = Metrics::new("sample");
        let rows = metrics.counters("rows_total", "Rows read.", ["worker"]).unwrap();
        let first = rows.child(["one"]);
        let again = rows.child(["one"]);
        first.inc();
        again.inc();
        drop(first);
        assert!(metrics.render().contains("sample_rows_total{worker=\"one\"} 2\n"));
        drop(again);
        assert_eq!(metrics.render(), "");
        // A worker that comes back begins at zero.
        let back = rows.child(["one"]);
        assert_eq!(back.get(), 0);
        assert!(metrics.render().contains("sample_rows_total{worker=\"one\"} 0\n"));
    }

    #[test]
    fn values_that_join_to_the_same_text_are_two_series() {
        let metrics = Metrics::new("sample");
        let rows = metrics.counters("rows_total", "Rows read.", ["worker", "table"]).unwrap();
        let (first, second) = (rows.child(["ab", "c"]), rows.child(["a", "bc"]));
        first.inc();
        assert_eq!((first.get(), second.get()), (1, 0));
    }

    #[test]
    fn asking_twice_gives_the_same_family_and_asking_differently_is_refused() {
        let metrics = Metrics::new("sample");
        let first = metrics.counters("rows_total", "Rows read.", ["worker"]).unwrap().child(["one"]);
        let second = metrics.counters("rows_total", "Rows read.", ["worker"]).unwrap().child(["one"]);
        first.inc();
        assert_eq!(second.get(), 1);
        let differs = |result: Result<(), MetricsError>| matches!(result, Err(MetricsError::Differs { name }) if name == "sample_rows_total");
        assert!(differs(metrics.counters("rows_total", "Rows.", ["worker"]).map(drop)));
        assert!(differs(metrics.counters("rows_total", "Rows read.", ["table"]).map(drop)));
        assert!(differs(metrics.counters("rows_total", "Rows read.", []).map(drop)));
        assert!(differs(metrics.gauges("rows_total", "Rows read.", ["worker"]).map(drop)));
    }

    #[test]
    fn invalid_names_are_refused() {
        let metrics = Metrics::new("sample");
        let invalid = |result: Result<(), MetricsError>| matches!(result, Err(MetricsError::Invalid { .. }));
        assert!(invalid(metrics.counters("rows total", "Rows read.", []).map(drop)));
        assert!(invalid(metrics.counters("rows_total", "", []).map(drop)));
        assert!(invalid(metrics.counters("rows_total", "Rows read.", ["a b"]).map(drop)));
        assert!(invalid(metrics.histograms("x", "Rows read.", ["le"], Buckets::Sizes).map(drop)));
    }

    #[test]
    fn label_values_may_be_anything() {
        let metrics = Metrics::new("sample");
        let rows = metrics.counters("rows_total", "Rows read.", ["worker"]).unwrap();
        let odd = rows.child(["a \"b\"\n\\ü"]);
        odd.inc();
        assert!(metrics.render().contains("worker=\"a \\\"b\\\"\\n\\\\ü\"} 1\n"), "{}", metrics.render());
    }

    #[test]
    fn histograms_have_the_shared_buckets() {
        let metrics = Metrics::new("sample");
        let sizes = metrics.histograms("batch_rows", "Rows a batch.", [], Buckets::Sizes).unwrap().child([]);
        sizes.observe(5.0);
        let text = metrics.render();
        assert!(text.contains("sample_batch_rows_bucket{le=\"4\"} 0\n"), "{text}");
        assert!(text.contains("sample_batch_rows_bucket{le=\"16\"} 1\n"), "{text}");
        for buckets in [Buckets::Seconds, Buckets::Sizes] {
            assert!(buckets.bounds().windows(2).all(|pair| pair[0] < pair[1]));
        }
    }

    #[test]
    fn build_info_tells_the_version() {
        let metrics = Metrics::new("sample");
        let _info = metrics.build_info("1.2.3", "abc").unwrap();
        assert!(metrics.render().contains("sample_build_info{revision=\"abc\",version=\"1.2.3\"} 1\n"));
    }
}
