//! What every adapter has to do, as functions that a test calls with a factory of databases.

#![allow(clippy::unwrap_used, reason = "test support: a check that cannot go on has failed")]

pub mod apply;
pub mod capture;
pub mod fixture;
