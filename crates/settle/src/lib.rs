//! The protocol as pure functions behind one [`Rules`] trait: the resolver step, the policies, the apply decision,
//! and the invariants with their ids.
//!
//! No clock, no I/O, no tracing: the services, the property tests and the model checker all call this code.
//! [`Standard`] is what runs in production; the tests override single methods to show that each rule is needed.

mod columns;
mod forgetting;
mod invariant;
mod precedence;
mod rules;
mod standard;

pub use forgetting::{Force, Look, decide_forced, forgets, forgotten_delete, is_saved, seen_after};
pub use invariant::Invariant;
pub use rules::{Decision, DeleteVsUpdate, Drop, LocalState, Resolution, Rules, Step, TableRules, Violation};
pub use standard::Standard;
