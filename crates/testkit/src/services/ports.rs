//! Ports that nobody listens on.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below what systems hand out for outgoing connections (from 32768 on Linux): a port must stay free while the
/// service that owns it is down, or it could not be started again on it.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port that is free, and given to nobody else of this process.
pub(super) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes begin at different places, so that two at once seldom meet.
    let begin = std::process::id() % 1_000 * 12;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (begin as u16 + step % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port from {FIRST} on is free");
}
