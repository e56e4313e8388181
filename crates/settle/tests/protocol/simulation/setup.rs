//! What a simulated group is made of: its members, the rules under test, and the discipline of its services.

use super::COLUMNS;
use super::columns::projection;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use tributary_model::{
    Incarnation, KeyBytes, MemberId, OPERATOR, Policy, Projection, Projections, TableName,
};
use tributary_settle::{DeleteVsUpdate, LocalState, Rules, Standard, TableRules};

/// One member's peculiarities.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberSetup {
    /// Columns that its table lacks.
    pub lacks: [bool; COLUMNS],
    /// Columns that it keeps in steps of so many; below 2 exactly. The first one is exact everywhere.
    pub coarse: [i64; COLUMNS],
    /// It lacks the second column at first, and may gain it.
    pub gains: bool,
    /// The rows it has before tracking starts, by cell.
    pub rows_before: Vec<Option<[i32; COLUMNS]>>,
    /// A check constraint: this value is not allowed in column 0.
    pub refuses: Option<i32>,
    /// Cell 1 refers to cell 0.
    pub foreign_key: bool,
    /// `blocked_delete: restore`.
    pub restores: bool,
    /// Direction `publish`: it takes nothing in.
    pub publishes_only: bool,
    /// Direction `subscribe`: what its users do stays there, and gives way to whatever comes.
    pub subscribes_only: bool,
}

/// What the services do around the rules. Each may be broken to show that it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Discipline {
    /// Apply's writes name the `local` that the decision was made on.
    pub compare_and_set: bool,
    /// The trigger is silent for what apply writes.
    pub silent_trigger: bool,
    /// A write of apply's sets `local` to none.
    pub clears_local: bool,
    /// A conflict that the held winner wins again is published.
    pub publishes_kept_winner: bool,
    /// Conflicts go to the ledger.
    pub records_conflicts: bool,
    /// A resolver rebuilds its state before it consumes.
    pub rebuilds_state: bool,
    /// A restored row has seen the delete.
    pub restore_has_seen: bool,
    /// A refused record is parked.
    pub parks: bool,
    /// Capture reads nothing of a member that went back in time.
    pub capture_checks_token: bool,
    /// Apply writes nothing to such a member.
    pub apply_checks_token: bool,
    /// What is in doubt after a member went back is made anew.
    pub restates: bool,
    /// The number of a new incarnation comes from the log.
    pub numbers_by_log: bool,
    /// Rows of a table that was not scanned are the new incarnation's.
    pub renames_unscanned: bool,
    /// After a rejoin the member is captured from the beginning.
    pub captures_anew: bool,
    /// Changes that the log has lost are published again.
    pub recaptures: bool,
    /// Apply has a row captured once more that the first scan has passed and the record knows nothing of.
    pub tracks_passed: bool,
    /// Apply at a subscriber decides as if its users had changed nothing.
    pub subscribers_give_way: bool,
    /// Whoever gains a column refills it before it publishes again.
    pub refills: bool,
    /// The refill waits until what was published without the column is settled.
    pub refill_waits: bool,
    /// Apply waits for the refill to end.
    pub apply_waits_for_refill: bool,
}

impl Default for Discipline {
    fn default() -> Self {
        Self {
            compare_and_set: true,
            silent_trigger: true,
            clears_local: true,
            publishes_kept_winner: true,
            records_conflicts: true,
            rebuilds_state: true,
            restore_has_seen: true,
            parks: true,
            capture_checks_token: true,
            apply_checks_token: true,
            restates: true,
            numbers_by_log: true,
            renames_unscanned: true,
            captures_anew: true,
            recaptures: true,
            tracks_passed: true,
            subscribers_give_way: true,
            refills: true,
            refill_waits: true,
            apply_waits_for_refill: true,
        }
    }
}

/// A group.
#[derive(Clone)]
pub struct Setup {
    pub rules: Arc<dyn Rules + Send + Sync>,
    pub table: TableRules,
    pub key: KeyBytes,
    pub members: Vec<MemberSetup>,
    pub cells: usize,
    pub discipline: Discipline,
    /// Members may go back in time; the model's states are more then.
    pub goes_back: bool,
    pub incarnations: Vec<Incarnation>,
    pub operator: Incarnation,
}

impl Setup {
    /// A group of these members under the standard rules, `latest_wins`.
    pub fn new(members: Vec<MemberSetup>, cells: usize) -> Self {
        let ids: Vec<MemberId> = (0..members.len()).map(member_id).collect();
        let publish_members: BTreeSet<MemberId> =
            ids.iter().zip(&members).filter(|(_, of)| of.publishes_only).map(|(id, _)| id.clone()).collect();
        let mut setup = Self {
            rules: Arc::new(Standard),
            table: TableRules {
                table: TableName::new("Customer"),
                policy: Policy::LatestWins,
                delete_vs_update: DeleteVsUpdate::ByPolicy,
                priority: Vec::new(),
                publish_members,
                projections: Projections::default(),
            },
            key: KeyBytes::new([1]),
            incarnations: ids.iter().map(Incarnation::first).collect(),
            operator: Incarnation::parse(OPERATOR).unwrap(),
            members,
            cells,
            discipline: Discipline::default(),
            goes_back: false,
        };
        setup.make_known();
        setup
    }

    /// Tells the rules what the members keep of the columns.
    pub fn make_known(&mut self) {
        for member in 0..self.members.len() {
            let columns = (0..COLUMNS).map(|column| self.projection(member, column)).collect();
            self.table.projections.set(&member_id(member), columns);
        }
    }

    /// What a member keeps of a column; the operator, who comes after the members, sees everything.
    pub fn projection(&self, member: usize, column: usize) -> Projection {
        let of = self.members.get(member);
        of.map_or(Projection::Exact, |of| projection(of.lacks[column], of.coarse[column]))
    }

    /// Whether some member has less of the columns than others.
    pub fn has_poor_members(&self) -> bool {
        let poor =
            |of: &MemberSetup| of.gains || of.lacks.contains(&true) || of.coarse.iter().any(|step| *step > 1);
        self.members.iter().any(poor)
    }

    /// A copy's state as apply regards it: what a subscriber's users did counts for nothing.
    pub fn regarded<'a>(&self, member: usize, tracking: &'a LocalState) -> Cow<'a, LocalState> {
        if self.members[member].subscribes_only && tracking.local.is_some() {
            Cow::Owned(LocalState { local: None, seen: tracking.seen.clone() })
        } else {
            Cow::Borrowed(tracking)
        }
    }

    /// Puts the group under other rules.
    pub fn obey(&mut self, rules: impl Rules + Send + Sync + 'static) {
        self.rules = Arc::new(rules);
    }
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Setup")
            .field("table", &self.table)
            .field("members", &self.members)
            .field("cells", &self.cells)
            .field("discipline", &self.discipline)
            .finish_non_exhaustive()
    }
}

/// `a`, `b`, `c`, …
pub fn member_id(index: usize) -> MemberId {
    MemberId::new(&char::from(b'a' + index as u8).to_string()).unwrap()
}
