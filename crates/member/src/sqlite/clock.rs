//! The member's clock: SQLite has no server, so it is that of the machine the library runs on, as its triggers
//! read it.

use super::SqliteMember;
use super::failure::failed;
use crate::{Error, Result};
use tributary_model::{Ticks, time};

/// SQLite's UTC time, as the triggers store it.
pub(super) fn clock(member: &mut SqliteMember) -> Result<Ticks> {
    let text: String = member
        .connection
        .prepare_cached("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(failed(&member.path, "tell the time"))?;
    time::parse_timestamp(&text)
        .ok_or_else(|| Error::Misuse { call: "the clock", reason: "a time that is none".to_owned() })
}
