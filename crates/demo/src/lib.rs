//! The quickstart story and the load generator behind `tributary bench`.
//!
//! Both run the real thing: the engine that `tributary run` starts, members in SQLite files, the embedded log or
//! Kafka, and a user's edits through connections that know nothing of Tributary. What they tell, they have looked up.

pub mod bench;
mod log_choice;
mod process;
pub mod quickstart;

pub use log_choice::LogChoice;
