//! The services against a log that fails, fences and forgets: several workers for one task, changes that are gone,
//! records that nobody can read.

#![allow(clippy::unwrap_used, reason = "a test")]

mod capture;
mod faulty;
mod gate;
mod recapture;
mod resolver;
mod stage;
