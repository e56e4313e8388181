//! How connections to a member's file are opened, and what they do with values that it cannot hold.

use std::time::Duration;

pub use crate::OnLoss;

/// Settings of a member's connections.
#[derive(Debug, Clone)]
pub struct SqliteSettings {
    /// What becomes of values that would be lost in part.
    pub on_loss: OnLoss,
    /// How long is waited for another program's write lock before a call fails with [`crate::ErrorKind::Busy`].
    pub busy_timeout: Duration,
    /// How long one of apply's transactions may hold the write lock, roughly.
    pub write_lock: Duration,
    /// Whether a file that is not there is created, empty.
    pub create: bool,
    /// Whether a file that is not in WAL mode is switched to it.
    pub enable_wal: bool,
    /// Whether a file that carries another member's id is opened all the same, in order to deprovision it.
    pub any_identity: bool,
    /// Whether the member only takes changes: rows of its own that the group does not know are overwritten.
    pub subscribe_only: bool,
    /// How many pages the file may have: beyond, writes fail as on a full disk.
    pub most_pages: Option<u32>,
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self {
            on_loss: OnLoss::Refuse,
            busy_timeout: Duration::from_secs(5),
            write_lock: Duration::from_millis(50),
            create: false,
            enable_wal: false,
            any_identity: false,
            subscribe_only: false,
            most_pages: None,
        }
    }
}
