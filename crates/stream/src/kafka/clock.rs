//! The brokers' clock: the time at which a broker appends a record.
//!
//! There is no other way to ask a broker for the time. A small null record under a key of its own goes to the control
//! topic's one partition, whose leader's clock thereby is the group's reference, and compaction removes all but the
//! last. Asked at most every ten seconds, and only when somebody wants to know; in between this machine's monotonic
//! clock is carried on.

use super::Shared;
use super::client::{base_config, finish};
use super::producer::tick;
use super::trouble::{Watch, call_error, creation_error};
use crate::{Result, TopicName};
use rdkafka::client::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, NoCustomPartitioner, Producer as _, ProducerContext};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a measurement is good for.
const FRESH: Duration = Duration::from_secs(10);
const KEY: &[u8] = b"clock";

/// Asks for the time, and remembers it.
#[derive(Default)]
pub(super) struct Clock(Mutex<State>);

#[derive(Default)]
struct State {
    last: Option<Measured>,
    /// Made when the time is first asked for.
    asker: Option<BaseProducer<Appended>>,
}

#[derive(Debug, Clone, Copy)]
struct Measured {
    at: Instant,
    broker_ms: i64,
}

/// Hears when the record was appended.
struct Appended {
    watch: Watch,
    heard: Mutex<Option<std::result::Result<i64, KafkaError>>>,
}

impl ClientContext for Appended {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, message: &str) {
        self.watch.log(level, facility, message);
    }

    fn stats(&self, statistics: rdkafka::Statistics) {
        self.watch.stats(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.error(error, reason);
    }
}

impl ProducerContext<NoCustomPartitioner> for Appended {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let heard = match result {
            Ok(message) => Ok(message.timestamp().to_millis().unwrap_or(0)),
            Err((error, _)) => Err(error.clone()),
        };
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(heard);
    }
}

impl Clock {
    /// Milliseconds since 1970.
    pub(super) fn now_ms(&self, shared: &Shared) -> Result<i64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let measured = match state.last.filter(|last| last.at.elapsed() < FRESH) {
            Some(measured) => measured,
            None => {
                let asker = match state.asker.take() {
                    Some(asker) => asker,
                    None => asker(shared)?,
                };
                let measured = measure(shared, state.asker.insert(asker))?;
                *state.last.insert(measured)
            }
        };
        let since = i64::try_from(measured.at.elapsed().as_millis()).unwrap_or(i64::MAX);
        Ok(measured.broker_ms.saturating_add(since))
    }
}

fn asker(shared: &Shared) -> Result<BaseProducer<Appended>> {
    let mut config = base_config(&shared.settings);
    let wait = shared.settings.timeout.as_millis().to_string();
    config.set("linger.ms", "0").set("acks", "1").set("message.timeout.ms", wait);
    let context = Appended { watch: Watch::new(shared.statistics.clone()), heard: Mutex::default() };
    finish(config, &shared.settings).create_with_context(context).map_err(|error| creation_error(&error))
}

fn measure(shared: &Shared, asker: &BaseProducer<Appended>) -> Result<Measured> {
    let context = asker.context();
    let failed = |error| call_error(&shared.settings, &context.watch, "ask a broker for the time", error);
    let control: &TopicName = &shared.settings.control.name;
    *context.heard.lock().unwrap_or_else(PoisonError::into_inner) = None;
    let began = Instant::now();
    let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(control.as_str()).partition(0).key(KEY);
    asker.send(record).map_err(|(error, _)| failed(error))?;
    // The library itself gives up after its time-out, and says so.
    let until = began + shared.settings.timeout + Duration::from_secs(5);
    while Instant::now() < until {
        tick(asker);
        let heard = context.heard.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(broker_ms) = heard {
            // Taken at an unknown moment of the round trip: its middle is off by half of it at most.
            let at = began + began.elapsed() / 2;
            return Ok(Measured { at, broker_ms: broker_ms.map_err(failed)? });
        }
    }
    Err(failed(KafkaError::MessageProduction(RDKafkaErrorCode::MessageTimedOut)))
}
