//! The client library's consumers: how they are set up, and how they are closed.
//!
//! Decides the settings on which the promises of [`crate::Consumer`] rest; what is done with a consumer is decided by who
//! has it.

use super::Shared;
use super::admin::isolation_level;
use super::client::{STATISTICS_EVERY_MS, base_config, finish};
use super::given_up::within;
use super::group::ConsumerWatch;
use super::trouble::{Watch, creation_error};
use crate::{ConsumerSettings, Result};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// A dead member's partitions are free after this. The least that brokers allow by default.
const SESSION_TIMEOUT_MS: &str = "6000";
const HEARTBEAT_MS: &str = "1500";
/// How long a consumer may do without polling: rebuilding a large state takes its time.
const MAX_POLL_INTERVAL_MS: &str = "900000";
/// What is prefetched at most; a larger record is fetched all the same.
const PREFETCH_KB: &str = "32768";

/// How long leaving a group is waited for.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);

/// One that only asks for its group's offsets, with nothing that would have to be looked after.
pub(super) fn asker(shared: &Shared, group: &str) -> Result<BaseConsumer<ConsumerWatch>> {
    let mut config = base_config(&shared.settings);
    config.set("group.id", group).set("enable.auto.commit", "false").set("isolation.level", "read_committed");
    let watch = ConsumerWatch::new(Watch::new(shared.statistics.clone()));
    finish(config, &shared.settings).create_with_context(watch).map_err(|error| creation_error(&error))
}

/// A consumer's native part.
pub(super) fn native(
    shared: &Arc<Shared>,
    group: &str,
    settings: &ConsumerSettings,
) -> Result<BaseConsumer<ConsumerWatch>> {
    let mut config = base_config(&shared.settings);
    config
        .set("group.id", group)
        .set("statistics.interval.ms", STATISTICS_EVERY_MS)
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "error")
        .set("enable.partition.eof", "true")
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", SESSION_TIMEOUT_MS)
        .set("heartbeat.interval.ms", HEARTBEAT_MS)
        .set("max.poll.interval.ms", MAX_POLL_INTERVAL_MS)
        .set("queued.max.messages.kbytes", PREFETCH_KB)
        .set("fetch.queue.backoff.ms", "5")
        .set("fetch.error.backoff.ms", "100")
        .set("isolation.level", isolation_level(settings.isolation));
    let watch = ConsumerWatch::joining(Watch::new(shared.statistics.clone()), shared, settings);
    finish(config, &shared.settings).create_with_context(watch).map_err(|error| creation_error(&error))
}

/// The library's consumer. Closing it takes a while, for which nobody waits unless it has joined a group, whose other
/// members do.
pub(super) struct Native(Option<Arc<BaseConsumer<ConsumerWatch>>>);

impl Native {
    pub(super) fn of(native: BaseConsumer<ConsumerWatch>) -> Self {
        Self(Some(Arc::new(native)))
    }

    /// For a call that may have to be given up. Closed when the last has let go of it.
    pub(super) fn shared(&self) -> Arc<BaseConsumer<ConsumerWatch>> {
        Arc::clone(self.inner())
    }

    fn inner(&self) -> &Arc<BaseConsumer<ConsumerWatch>> {
        self.0.as_ref().expect("it is taken out when it is dropped, and not before")
    }
}

impl Deref for Native {
    type Target = BaseConsumer<ConsumerWatch>;

    fn deref(&self) -> &Self::Target {
        self.inner()
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        if let Some(native) = self.0.take() {
            let joined = native.subscription().map_or(true, |topics| topics.count() > 0);
            // Not for ever: leaving was seen to take minutes while the group's coordinator was gone.
            within(if joined { LEAVES_WITHIN } else { Duration::ZERO }, move || drop(native));
        }
    }
}
