//! The group file, the group's spec, status, and the operators' actions.

pub mod aside;
pub mod check;
pub mod conflicts;
pub mod copy;
pub mod exceptions;
pub mod file;
pub mod live;
pub mod opened;
pub mod progress;
pub mod rejoin;
pub mod spec;
pub mod standing;
pub mod status;
pub mod tail;
pub mod verify;
pub mod view;

pub use opened::{ActionError, OpenMember, Opened};
