//! A clock that processes are told in place of the machine's, and that can be set while they run.

use super::needs::faketime;
use std::ffi::OsString;
use std::path::PathBuf;

/// The clock of a machine of its own, for those who are started with [`SteppingClock::environment`].
#[derive(Debug)]
pub struct SteppingClock {
    folder: tempfile::TempDir,
}

impl SteppingClock {
    /// A clock that is right at first.
    pub fn new() -> Self {
        let clock = Self { folder: tempfile::tempdir().unwrap() };
        clock.set(0);
        clock
    }

    /// Sets it ahead by so many seconds (behind, if negative), from now on.
    pub fn set(&self, ahead: i64) {
        // Put in place as a whole: it may be read at any moment.
        let new = self.folder.path().join("clock.new");
        std::fs::write(&new, format!("{ahead:+}\n")).unwrap();
        std::fs::rename(&new, self.file()).unwrap();
    }

    /// What a process has to have in its environment to be told this clock.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        let library = faketime().expect("the test does not say that it needs libfaketime");
        let variable = |name: &str, value: OsString| (OsString::from(name), value);
        vec![
            variable("LD_PRELOAD", library.into_os_string()),
            variable("FAKETIME_TIMESTAMP_FILE", self.file().into_os_string()),
            // Waits go by the other clock, and the file is looked at each time.
            variable("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
            variable("FAKETIME_NO_CACHE", "1".into()),
        ]
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}

impl Default for SteppingClock {
    fn default() -> Self {
        Self::new()
    }
}
