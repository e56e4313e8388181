//! A gate that a call waits at until the test opens it.

use std::sync::{Condvar, Mutex};

#[derive(Default)]
pub(crate) struct Gate {
    /// Whether somebody waits, and whether it is open.
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Gate {
    pub(crate) fn wait(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 = true;
        self.changed.notify_all();
        drop(self.changed.wait_while(state, |(_, open)| !*open).unwrap());
    }

    pub(crate) fn until_somebody_waits(&self) {
        drop(self.changed.wait_while(self.state.lock().unwrap(), |(waits, _)| !*waits).unwrap());
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}
