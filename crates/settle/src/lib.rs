//! The protocol as pure functions: resolver step, policies, apply decision, invariants.
