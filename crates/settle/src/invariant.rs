//! The invariants of the protocol, by number.
//!
//! Names only: they are checked by the simulation and the model checker of this crate's tests, by the services on
//! every record where that is cheap, and counted under these ids in the metrics.

use std::fmt;

/// What must always hold (`docs/protocol.md`, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Invariant {
    /// I1, convergence.
    Convergence,
    /// I2, no lost update.
    NoLostUpdate,
    /// I3, no echo.
    NoEcho,
    /// I4, idempotence.
    Idempotence,
    /// I5, exact conflicts.
    ExactConflicts,
    /// I6, a refusal stays local.
    RefusalStaysLocal,
    /// I7, causal visibility.
    CausalVisibility,
    /// I8, the resolver is never behind.
    ResolverNotBehind,
}

impl Invariant {
    /// All invariants, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Convergence,
        Self::NoLostUpdate,
        Self::NoEcho,
        Self::Idempotence,
        Self::ExactConflicts,
        Self::RefusalStaysLocal,
        Self::CausalVisibility,
        Self::ResolverNotBehind,
    ];

    /// Stable id, used in messages and as a metric label.
    pub fn id(self) -> &'static str {
        match self {
            Self::Convergence => "I1",
            Self::NoLostUpdate => "I2",
            Self::NoEcho => "I3",
            Self::Idempotence => "I4",
            Self::ExactConflicts => "I5",
            Self::RefusalStaysLocal => "I6",
            Self::CausalVisibility => "I7",
            Self::ResolverNotBehind => "I8",
        }
    }

    /// What it says, in one sentence.
    pub fn description(self) -> &'static str {
        match self {
            Self::Convergence => {
                "once writers stop and queues drain, every member has the same content for every cell, but for the \
                 exceptions that are listed"
            }
            Self::NoLostUpdate => {
                "every committed local change is in the final content's history, or in a conflict record with its \
                 full image"
            }
            Self::NoEcho => {
                "an applied change is never captured as a new one, and an idle group publishes nothing"
            }
            Self::Idempotence => "replaying any topic from any earlier offset changes nothing in any member",
            Self::ExactConflicts => {
                "a conflict is recorded if and only if neither content was made on top of the other"
            }
            Self::RefusalStaysLocal => {
                "a record refused by one member reaches all others, and is listed until it is applied or settled"
            }
            Self::CausalVisibility => "a change is visible to apply only after everything it was based on",
            Self::ResolverNotBehind => {
                "the resolver's state is never behind what a change has seen of other members"
            }
        }
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.id(), self.description())
    }
}
