//! What Kafka's clients count, as metrics of the process.
//!
//! A process has many clients, one or more a worker, and short-lived ones, whose names are numbers. So the series are
//! by kind: sums of what queues up, the worst of what takes time. A client that has said nothing for a while is gone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tributary_runtime::metrics::{Child, Counter, Gauge, MetricsError};
use tributary_runtime::{Metrics, SharedClock};
use tributary_stream::kafka::ClientStatistics;

/// Clients tell their figures every few seconds; one that has not for so long is gone.
const GONE_AFTER: Duration = Duration::from_secs(60);

/// The series of all clients of a process.
pub(crate) struct ClientMetrics {
    clock: SharedClock,
    producers: Series,
    consumers: Series,
    brokers: Child<Gauge, 0>,
    known: Mutex<HashMap<String, Known>>,
}

struct Known {
    at: Duration,
    figures: ClientStatistics,
}

/// The series of one kind of client.
struct Series {
    clients: Child<Gauge, 1>,
    round_trip: Child<Gauge, 1>,
    throttle: Child<Gauge, 1>,
    queued_records: Child<Gauge, 1>,
    queued_bytes: Child<Gauge, 1>,
    fetched: Child<Gauge, 1>,
    lag: Child<Gauge, 1>,
    errors: Child<Counter, 1>,
    rebalances: Child<Counter, 1>,
}

impl Series {
    fn new(metrics: &Metrics, kind: &str) -> Result<Self, MetricsError> {
        let gauge = |name: &str, help: &str| Ok(metrics.gauges(name, help, ["kind"])?.child([kind]));
        let counter = |name: &str, help: &str| Ok(metrics.counters(name, help, ["kind"])?.child([kind]));
        Ok(Self {
            clients: gauge("kafka_clients", "Clients of Kafka in this process.")?,
            round_trip: gauge(
                "kafka_round_trip_seconds",
                "Mean round trip to the brokers lately, of the client that waits longest; a consumer's fetch waits for \
                 records.",
            )?,
            throttle: gauge(
                "kafka_throttle_seconds",
                "For how long the brokers held a client back lately (quotas), of the one that waits longest.",
            )?,
            queued_records: gauge("kafka_queued_records", "Records that wait to be sent or acknowledged.")?,
            queued_bytes: gauge("kafka_queued_bytes", "Bytes that wait to be sent or acknowledged.")?,
            fetched: gauge("kafka_fetched_records", "Records that were fetched and not taken yet.")?,
            lag: gauge(
                "kafka_consumer_lag_records",
                "Records between what was taken and the end of the partitions; markers count as records.",
            )?,
            errors: counter(
                "kafka_request_errors_total",
                "Requests that failed or were not answered in time.",
            )?,
            rebalances: counter("kafka_rebalances_total", "Rebalances of consumer groups.")?,
        })
    }

    fn set(&self, clients: &[&ClientStatistics]) {
        let sum =
            |of: fn(&ClientStatistics) -> u64| clients.iter().map(|client| of(client)).sum::<u64>() as f64;
        let worst =
            |of: fn(&ClientStatistics) -> f64| clients.iter().map(|client| of(client)).fold(0.0, f64::max);
        self.clients.set(clients.len() as f64);
        self.round_trip.set(worst(|client| client.round_trip_seconds.unwrap_or(0.0)));
        self.throttle.set(worst(|client| client.throttle_seconds));
        self.queued_records.set(sum(|client| client.queued_records));
        self.queued_bytes.set(sum(|client| client.queued_bytes));
        self.fetched.set(sum(|client| client.fetched_records));
        self.lag.set(sum(|client| client.lag_records));
    }
}

impl ClientMetrics {
    pub(crate) fn new(metrics: &Metrics, clock: SharedClock) -> Result<Self, MetricsError> {
        Ok(Self {
            clock,
            producers: Series::new(metrics, "producer")?,
            consumers: Series::new(metrics, "consumer")?,
            brokers: metrics
                .gauges(
                    "kafka_brokers_up",
                    "Brokers with a working connection, of the client with the fewest.",
                    [],
                )?
                .child([]),
            known: Mutex::default(),
        })
    }

    /// Takes a client's figures.
    pub(crate) fn take(&self, figures: &ClientStatistics) {
        let now = self.clock.monotonic();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let series = if figures.kind == "producer" { &self.producers } else { &self.consumers };
        let before = known.insert(figures.client.clone(), Known { at: now, figures: figures.clone() });
        let (errors, rebalances) =
            before.map_or((0, 0), |b| (b.figures.request_errors, b.figures.rebalances));
        series.errors.inc_by(figures.request_errors.saturating_sub(errors));
        series.rebalances.inc_by(figures.rebalances.saturating_sub(rebalances));
        known.retain(|_, known| now.saturating_sub(known.at) < GONE_AFTER);
        // The one that has just told its figures is among them.
        let fewest = known.values().map(|known| known.figures.brokers_up).min();
        self.brokers.set(fewest.unwrap_or(0) as f64);
        for (kind, series) in [("producer", &self.producers), ("consumer", &self.consumers)] {
            let of_kind = known.values().map(|known| &known.figures).filter(|figures| figures.kind == kind);
            series.set(&of_kind.collect::<Vec<_>>());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_runtime::ManualClock;

    fn figures(client: &str, kind: &str, round_trip: f64, queued: u64, errors: u64) -> ClientStatistics {
        ClientStatistics {
            client: client.to_owned(),
            kind: kind.to_owned(),
            round_trip_seconds: Some(round_trip),
            throttle_seconds: 0.0,
            queued_records: queued,
            queued_bytes: queued * 100,
            fetched_records: 0,
            lag_records: queued,
            request_errors: errors,
            brokers_up: 3,
            rebalances: 0,
        }
    }

    #[test]
    fn figures_of_a_kind_are_joined_and_clients_that_are_gone_left_out() {
        let metrics = Metrics::new("t");
        let clock = ManualClock::at(0);
        let clients = ClientMetrics::new(&metrics, clock.shared()).unwrap();
        clients.take(&figures("p1", "producer", 0.002, 5, 1));
        clients.take(&figures("p2", "producer", 0.007, 8, 0));
        clients.take(&figures("c1", "consumer", 0.001, 40, 2));
        clients.take(&figures("p1", "producer", 0.003, 6, 4));
        let has =
            |line: &str| assert!(metrics.render().lines().any(|l| l == line), "{line}: {}", metrics.render());
        has("t_kafka_clients{kind=\"producer\"} 2");
        has("t_kafka_queued_records{kind=\"producer\"} 14");
        has("t_kafka_round_trip_seconds{kind=\"producer\"} 0.007");
        has("t_kafka_request_errors_total{kind=\"producer\"} 4");
        has("t_kafka_request_errors_total{kind=\"consumer\"} 2");
        has("t_kafka_consumer_lag_records{kind=\"consumer\"} 40");
        has("t_kafka_brokers_up 3");
        clock.advance(GONE_AFTER);
        clients.take(&figures("p2", "producer", 0.004, 1, 0));
        has("t_kafka_clients{kind=\"producer\"} 1");
        has("t_kafka_clients{kind=\"consumer\"} 0");
        has("t_kafka_request_errors_total{kind=\"producer\"} 4");
    }
}
