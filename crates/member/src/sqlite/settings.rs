//! How connections to a member's file are opened, and what they do with values that it cannot hold.

use std::time::Duration;

use crate::Direction;
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
    /// How many pages the file may have: beyond, writes fail as on a full disk.
    pub most_pages: Option<u32>,
    /// Whether a database that was provisioned with another direction is opened all the same, and provisioned with
    /// this one.
    pub any_direction: bool,
    /// Which way the member's changes go.
    pub direction: Direction,
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
            most_pages: None,
            any_direction: false,
            direction: Direction::Both,
        }
    }
}
