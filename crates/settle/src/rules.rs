//! What goes into and comes out of the rules.

use crate::{columns, standard};
use std::collections::BTreeSet;
use tributary_model::{
    Change, ConflictRecord, Dot, Incarnation, KeyBytes, MemberId, Policy, Projections, Resolved, Row,
    Settled, TableName, Ticks, VersionVector,
};

/// How a delete fares against an update in a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DeleteVsUpdate {
    /// As the table's policy says for any two versions.
    #[default]
    ByPolicy,
    /// The update wins.
    UpdateWins,
    /// The delete wins.
    DeleteWins,
}

/// A table's settings for settling conflicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRules {
    /// The group's name of the table; part of every conflict's id.
    pub table: TableName,
    /// The table's policy.
    pub policy: Policy,
    /// How deletes fare.
    pub delete_vs_update: DeleteVsUpdate,
    /// Members from first to last; one that is not listed comes after all that are.
    pub priority: Vec<MemberId>,
    /// Members of direction `publish`: they win against all others.
    pub publish_members: BTreeSet<MemberId>,
    /// What each member keeps of the columns' values.
    pub projections: Projections,
}

/// One resolver step: what it needs to know besides the state.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    /// The table's settings.
    pub rules: &'a TableRules,
    /// The cell's key.
    pub key: &'a KeyBytes,
    /// The time that a conflict record bears.
    pub now: Ticks,
}

/// Why a change was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drop {
    /// The state takes it into account already.
    Duplicate,
    /// An operator was shown another state than the present one; he has to look again.
    OutdatedCommand,
}

/// Something that the protocol rules out; nothing may be published on top of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// A dot came twice with different times: the member's versions were used twice. Stops that member.
    VersionUsedTwice {
        /// The dot.
        dot: Dot,
    },
    /// I8: a change has seen more of another member than the state holds. The state is stale: rebuild it;
    /// if it is not, two lives of the cell met, and the change is to be resolved with `Rules::resolve_expired`.
    StateBehind {
        /// Whose entry is ahead.
        incarnation: Incarnation,
        /// What the change has seen of it.
        seen: u64,
        /// What the state holds of it.
        held: u64,
    },
}

/// What a resolver step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// Nothing to publish.
    Dropped(Drop),
    /// Publish `record`, and `conflict` with it.
    Publish {
        /// The cell's new state.
        record: Box<Resolved>,
        /// How it came about (also in the record).
        settled: Settled,
        /// The ledger's record, if the loser's content does not survive in `record`.
        conflict: Option<Box<ConflictRecord>>,
    },
    /// Publish nothing; see [`Violation`].
    Violated(Violation),
}

/// What apply finds at its member for a cell, read under the member's locks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalState {
    /// The member's latest own change of the cell. For a row without a tracking row that the first scan has not
    /// passed or has published: `(the table's first incarnation, 1)`. `None` once a record was written over it, and
    /// for a row that is absent and untracked.
    pub local: Option<Dot>,
    /// What the member's copy reflects.
    pub seen: VersionVector,
}

/// What apply does with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Rule 1: the copy reflects it already (a replay).
    AlreadyThere,
    /// Rule 2: the user changed the cell after what the record knows of. Never overwrite.
    LocalIsNewer,
    /// Rule 3: the content stands there already. Write nothing, not even tracking.
    SameContent,
    /// Rule 4: write the row (or delete it), `seen := max(seen, R.vv)`, `local := none`.
    Write,
}

/// The protocol's decisions. Every method is pure, total and deterministic.
///
/// The provided methods are the protocol; [`Standard`](crate::Standard) takes them as they are. Only a test that
/// wants to see what a broken rule does has reason to override one.
pub trait Rules {
    /// Whether `change` was made on top of `state`: some entry of its content ⊑ seen ∪ {dot}.
    fn on_top(&self, state: &Resolved, change: &Change) -> bool {
        standard::on_top(state, change)
    }

    /// Whether `change` is a first scan's row once more that `state` takes into account already, as that scan's own.
    fn is_known(&self, state: &Resolved, change: &Change) -> bool {
        standard::is_known(state, change)
    }

    /// The resolver step (protocol section 3) of `change` against the cell's state (`None` is empty).
    fn resolve(&self, step: Step<'_>, state: Option<&Resolved>, change: &Change) -> Resolution {
        standard::resolve(self, step, state, change)
    }

    /// As [`Rules::resolve`], after the caller has made sure that its state is not stale although I8 is violated:
    /// two lives of the cell met, so the change is concurrent, and a conflict is recorded with kind `expired`.
    /// Equal contents agree without a record here too.
    fn resolve_expired(&self, step: Step<'_>, state: &Resolved, change: &Change) -> Resolution {
        standard::resolve_expired(self, step, state, change)
    }

    /// Whether `change` says no more of a column than the settled row does: its member shows the row's value so.
    fn repeats(&self, table: &TableRules, held: &Row, change: &Change, column: usize) -> bool {
        columns::repeats(table, held, change, column)
    }

    /// Whether the first-scan row `change` has a settled first-scan row's value of a column more precisely: it looks
    /// the same to every member of which the record takes something into account.
    fn refines(&self, table: &TableRules, state: &Resolved, change: &Change, column: usize) -> bool {
        columns::refines(table, state, change, column)
    }

    /// The apply decision (protocol section 4) for a record at a member.
    fn decide(&self, record: &Resolved, local: &LocalState) -> Decision {
        standard::decide(record, local)
    }

    /// The copy's `seen` after `record` was written over it.
    fn seen_after_write(&self, record: &Resolved, local: &LocalState) -> VersionVector {
        standard::seen_after_write(record, local)
    }

    /// The copy's state after the member refused `record` (parked it): unchanged.
    fn after_parking(&self, _record: &Resolved, local: &LocalState) -> LocalState {
        local.clone()
    }
}
