//! A limit for what may never come to an end: whoever waits for all the tests would not learn which of them it was.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Says that `what` has not ended, and calls `give_up`, unless what is returned is dropped in time.
pub(crate) fn watch(
    what: String,
    at_most: Duration,
    give_up: impl FnOnce() + Send + 'static,
) -> mpsc::Sender<()> {
    let (running, ended) = mpsc::channel();
    std::thread::spawn(move || {
        if ended.recv_timeout(at_most) == Err(RecvTimeoutError::Timeout) {
            eprintln!("\n{what} has not come to an end within {} s", at_most.as_secs());
            give_up();
        }
    });
    running
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_does_not_end_is_given_up() {
        let (given_up, heard) = mpsc::channel();
        let tell = given_up.clone();
        let ends = move || tell.send("ends").unwrap();
        drop(watch("what ends".to_owned(), Duration::from_millis(200), ends));
        let hangs = move || given_up.send("hangs").unwrap();
        let running = watch("what hangs".to_owned(), Duration::from_millis(300), hangs);
        assert_eq!(heard.recv_timeout(Duration::from_secs(30)), Ok("hangs"));
        drop(running);
        assert!(heard.try_recv().is_err());
    }
}
