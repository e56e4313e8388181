//! The embedded log under the contract suite: as a file, and in memory.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use async_trait::async_trait;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tributary_stream::TopicName;
use tributary_stream::contract::Factory;
use tributary_stream::embedded::{Access, ClockMs, EmbeddedLog};
use tributary_stream::log_contract;

/// A clock that stands still unless it is moved.
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_790_000_000_000)))
    }

    fn clock(&self) -> ClockMs {
        let hands = Arc::clone(&self.0);
        Arc::new(move || hands.load(Ordering::Relaxed))
    }

    fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }
}

struct InFile {
    directory: tempfile::TempDir,
    hands: Hands,
}

impl InFile {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), hands: Hands::new() }
    }

    fn open(&self) -> EmbeddedLog {
        let path = self.directory.path().join("test.log.db");
        EmbeddedLog::open_with_clock(path, Access::Exclusive, self.hands.clock()).unwrap()
    }
}

#[async_trait(?Send)]
impl Factory for InFile {
    type Log = EmbeddedLog;

    async fn log(&self) -> EmbeddedLog {
        self.open()
    }

    async fn reopen(&self, log: EmbeddedLog) -> Option<EmbeddedLog> {
        drop(log);
        Some(self.open())
    }

    async fn compact(&self, log: &EmbeddedLog, topic: &TopicName) {
        log.compact(topic).unwrap();
    }

    const COMPACTION_APPENDS: bool = false;
    const MOVES_CLOCK: bool = true;

    fn advance_clock(&self, by: Duration) {
        self.hands.advance(by);
    }
}

struct InMemory(Hands);

#[async_trait(?Send)]
impl Factory for InMemory {
    type Log = EmbeddedLog;

    async fn log(&self) -> EmbeddedLog {
        EmbeddedLog::memory_with_clock(self.0.clock())
    }

    async fn reopen(&self, _log: EmbeddedLog) -> Option<EmbeddedLog> {
        None
    }

    async fn compact(&self, log: &EmbeddedLog, topic: &TopicName) {
        log.compact(topic).unwrap();
    }

    const COMPACTION_APPENDS: bool = false;
    const MOVES_CLOCK: bool = true;

    fn advance_clock(&self, by: Duration) {
        self.0.advance(by);
    }
}

log_contract!(file, InFile::new());
log_contract!(memory, InMemory(Hands::new()));
