//! What the client library counts, in the few figures that are worth watching.
//!
//! Decides which figures; whoever registers a hook decides what becomes of them. Clients give theirs every few
//! seconds, each under its own name, so a hook adds or replaces by name.

use rdkafka::statistics::Statistics as Native;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The figures of one client.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientStatistics {
    /// The client's name, unique within the process.
    pub client: String,
    /// `producer` or `consumer`.
    pub kind: String,
    /// Mean round trip to the brokers in seconds over the last interval; `None` without requests.
    pub round_trip_seconds: Option<f64>,
    /// Longest mean time in seconds for which a broker throttled this client (quotas) over the last interval.
    pub throttle_seconds: f64,
    /// Records that wait to be sent or acknowledged.
    pub queued_records: u64,
    /// Bytes of these.
    pub queued_bytes: u64,
    /// Records that were fetched and not taken yet.
    pub fetched_records: u64,
    /// Records between what was taken and the end, over all partitions of this client; includes markers.
    pub lag_records: u64,
    /// Failed requests since the client was made: transmission errors, receive errors and time-outs.
    pub request_errors: u64,
    /// Brokers with a working connection.
    pub brokers_up: u64,
    /// Rebalances of the client's group since it was made.
    pub rebalances: u64,
}

/// Takes the figures.
pub type StatisticsListener = dyn Fn(&ClientStatistics) + Send + Sync;

/// Where a listener may be set once.
#[derive(Clone, Default)]
pub(super) struct StatisticsHook(Arc<OnceLock<Box<StatisticsListener>>>);

impl fmt::Debug for StatisticsHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StatisticsHook").field(&self.0.get().is_some()).finish()
    }
}

impl StatisticsHook {
    /// Sets the listener; the first one stays.
    pub(super) fn set(&self, listener: Box<StatisticsListener>) {
        // A second listener would count everything twice.
        let _ = self.0.set(listener);
    }

    pub(super) fn tell(&self, native: &Native) {
        if let Some(listener) = self.0.get() {
            listener(&figures(native));
        }
    }
}

fn figures(native: &Native) -> ClientStatistics {
    let brokers = || native.brokers.values();
    let asked: Vec<_> =
        brokers().filter_map(|broker| broker.rtt.as_ref()).filter(|rtt| rtt.cnt > 0).collect();
    let requests: i64 = asked.iter().map(|rtt| rtt.cnt).sum();
    let microseconds: i64 = asked.iter().map(|rtt| rtt.sum).sum();
    let throttled =
        brokers().filter_map(|broker| broker.throttle.as_ref()).map(|throttle| throttle.avg).max();
    let partitions = || native.topics.values().flat_map(|topic| topic.partitions.values());
    let positive = |value: i64| u64::try_from(value).unwrap_or(0);
    ClientStatistics {
        client: native.name.clone(),
        kind: native.client_type.clone(),
        round_trip_seconds: (requests > 0).then(|| microseconds as f64 / requests as f64 / 1e6),
        throttle_seconds: throttled.unwrap_or(0) as f64 / 1e3,
        queued_records: native.msg_cnt,
        queued_bytes: native.msg_size,
        fetched_records: partitions().map(|partition| positive(partition.fetchq_cnt)).sum(),
        lag_records: partitions().map(|partition| positive(partition.consumer_lag)).sum(),
        request_errors: brokers().map(|broker| broker.txerrs + broker.rxerrs + broker.req_timeouts).sum(),
        brokers_up: brokers().filter(|broker| broker.state == "UP" && broker.nodeid >= 0).count() as u64,
        rebalances: native.cgrp.as_ref().map_or(0, |group| positive(group.rebalance_cnt)),
    }
}
