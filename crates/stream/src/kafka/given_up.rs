//! Calls of the client library that may not come back.
//!
//! Some of its calls wait without a limit, or longer than the one they are given, when a coordinator is gone. Such a call
//! is made on a thread of its own and given up after a while; the thread ends when the call does, and takes along what
//! it was lent. Which call that is, and what giving it up means, is the caller's to say.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// What `call` gives, if it comes back within this time.
pub(super) fn within<T: Send + 'static>(
    limit: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, outcome) = sync_channel(1);
    std::thread::spawn(move || {
        // Nobody listens any more once the caller has given up.
        let _ = done.send(call());
    });
    outcome.recv_timeout(limit).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_comes_back_is_answered_and_another_is_given_up() {
        assert_eq!(within(Duration::from_secs(60), || 7), Some(7));
        let (release, held) = sync_channel::<()>(1);
        assert_eq!(within(Duration::from_millis(20), move || held.recv()), None);
        drop(release);
    }
}
