//! What whole-system tests share: groups in temporary folders, the program as a child process, writers that leave a
//! trail, and the oracle that says whether all members agree and nothing that was acknowledged is lost.
//!
//! Everything here goes through files and the command line, as a user would: it knows nothing of the inside.
//! [`services`] adds real parts around it: brokers and a schema registry.

#![allow(clippy::unwrap_used, reason = "test support: a failure here is a failed test")]

mod compare;
mod group;
mod load;
mod program;
pub mod services;
mod trail;
mod watch;

pub use compare::{assert_members_equal, table_content};
pub use group::GroupFolder;
pub use load::{Load, eventually, seed};
pub use program::{Program, program_path};
pub use trail::{Obligations, TRAIL_TABLE, Writer};
