//! A whole group in memory, driven one step at a time, over the real rules.
//!
//! Members with rows and tracking, capture with net changes, one ordered log of changes and one of resolved records
//! for each cell, the resolver, apply with offsets and parked records. Every content carries its exact ancestry
//! (the set of all edits it was made on top of) beside the protocol's own bookkeeping; the checks use the ancestry
//! only, so they do not believe what they test. One [`Event`] is one transaction, or the half of one that another
//! worker or a user can get in between; a crash loses what a worker had read and not yet written.

mod ancestry;
mod apply;
mod capture;
mod check;
mod columns;
mod drain;
mod refill;
mod resolver;
mod restore;
mod setup;
mod situation;

pub use ancestry::{EditId, History};
pub use check::Violation;
pub use columns::Origins;
pub use refill::Gained;
pub use restore::{Backup, Positions, Token};
pub use setup::{MemberSetup, Setup, member_id};
pub use situation::{Met, Situation};

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use tributary_model::{Change, ChangeKind, Dot, Resolved, Row, Ticks, Value, Version, VersionVector};
use tributary_settle::{Decision, LocalState};

/// Columns of the one table. Which of them a member has, and how precisely, is up to its setup; column 0 is everywhere
/// the same.
pub const COLUMNS: usize = 3;

/// The most cells that a group has: 1 refers to 0 where a member has the foreign key, 2 is free.
pub const CELLS: usize = 3;

/// What a user writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Write {
    /// Inserts the row or updates it; columns that the member lacks are ignored, and others rounded as it has them.
    Put([i32; COLUMNS]),
    /// Updates a row that is there, by a program that knows of the first column only.
    PutFirst(i32),
    /// Deletes the row.
    Delete,
}

/// One step of the group. A step that is not possible does nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// A user's transaction.
    Edit { member: usize, cell: usize, write: Write, at: Option<Ticks> },
    /// Capture reads a page: those cells of the mask that have something to publish.
    ReadPage { member: usize, cells: u8 },
    /// Capture publishes the page and its position.
    PublishPage { member: usize },
    /// Capture's position is lost: what is local is published again.
    ForgetPosition { member: usize, cell: usize },
    /// The changes that the resolver has not consumed are gone from the log; every member is ordered to publish again.
    LoseChanges { cell: usize },
    /// Capture carries such an order out.
    Recapture { member: usize, cell: usize },
    /// The resolver settles the next changes of a cell.
    Resolve { cell: usize, count: usize },
    /// The resolver is given earlier changes again.
    Redeliver { cell: usize, from: usize },
    /// A resolver starts with the state directory of an earlier time.
    RestartResolver { cell: usize, state: usize },
    /// Apply reads a batch of a cell's records and decides.
    ReadBatch { member: usize, cell: usize, count: usize },
    /// Apply writes what it decided; the member may refuse.
    WriteBatch { member: usize, refuse: bool },
    /// Capture stores the page's token in the member. A page that is published without this step does it at once.
    CommitToken { member: usize },
    /// The member begins to give its versions under a new name.
    NewIncarnation { member: usize },
    /// A backup of the member's database is made.
    Backup { member: usize },
    /// The member's database goes back to its backup.
    Restore { member: usize },
    /// The member's sync objects are removed and made again: the rows stay, and nothing is known of them.
    Reprovision { member: usize },
    /// Whoever mends a member that went back takes a number for its new incarnation from the log.
    Claim { member: usize },
    /// The new incarnation begins, in one transaction of the member.
    Rejoin { member: usize },
    /// The member's workers die; what they had read is lost.
    Crash { member: usize },
    /// Apply starts again from an earlier offset.
    Rewind { member: usize, cell: usize, to: usize },
    /// Apply tries a parked record again.
    Retry { member: usize, cell: usize, refuse: bool },
    /// A member's table gets the column that it lacked, and is provisioned; in the cells of the mask a user has given
    /// it a value in between.
    Gain { member: usize, given: u8 },
    /// The refill of that column begins.
    StartRefill { member: usize },
    /// It comes to a cell.
    Refill { member: usize, cell: usize },
    /// An operator gives a command on what he is shown.
    Command { cell: usize, write: Write },
    /// The resolver carries the oldest command out, or refuses it.
    CarryOut { cell: usize },
}

/// A member's copy of one cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copy {
    pub row: Option<Row>,
    pub tracking: LocalState,
    /// Of the change that `tracking.local` names.
    pub kind: Option<ChangeKind>,
    pub changed_at: Option<Ticks>,
    /// The local version that capture has published.
    pub published: Version,
    /// There is an order to publish again that is not carried out.
    pub ordered: bool,
    /// Exact: every edit that this copy's content was made on top of, itself included.
    pub history: History,
    /// The edit behind `tracking.local`.
    pub edit: Option<EditId>,
    /// Exact: what `tracking.seen` alone stands for, without the changes of the present incarnation.
    pub base: History,
    /// Which edit set each column; of groups in which all members have all of all columns not kept.
    pub origins: Origins,
    /// A subscriber's: what stands here is its own, and nobody else is to know it.
    pub own: bool,
    /// Whether a user of this member has written the second column since a record was written over the row.
    pub wrote_second: bool,
    /// The record that the refill will fill it from, while it has yet to come here.
    pub to_fill: Option<usize>,
}

/// What apply has read and decided, but not written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Batch {
    pub cell: usize,
    pub from: usize,
    pub upto: usize,
    /// The `local` that the decision was made on.
    pub observed: Option<Dot>,
    pub decision: Decision,
}

/// One database and its workers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    pub copies: Vec<Copy>,
    pub given: Version,
    /// The number of its incarnation, as the database knows it: 0 is the first.
    pub life: u32,
    /// The database's token.
    pub token: Token,
    pub offsets: [usize; CELLS],
    /// Of each cell the offset of the record that the member refused.
    pub parked: [Option<usize>; CELLS],
    pub page: Vec<(usize, Arc<Published>)>,
    /// Whether the page's token is stored in the database.
    pub committed: bool,
    pub batch: Option<Batch>,
    /// Where it stands with the column that it lacked at first.
    pub gained: Gained,
    /// What the log holds of the member.
    pub log: Positions,
    /// A number taken for a new incarnation that has not begun.
    pub claimed: Option<u32>,
    pub backup: Option<Box<Backup>>,
    /// How often it went back to that.
    pub restored: usize,
    /// Whether no first scan has begun since it was provisioned.
    pub unscanned: bool,
    /// How often it was provisioned anew.
    pub reprovisioned: usize,
}

/// A change in the log.
#[derive(Debug, PartialEq, Eq)]
pub struct Published {
    pub change: Change,
    pub edit: EditId,
    pub history: History,
    pub origins: Origins,
    /// Hash of the above but for the origins, which a copy may know better when it is published again.
    pub digest: u64,
    /// Whether it says something of its own about the second column, or carries along what stood there.
    pub wrote_second: bool,
}

/// A resolved record in the log, with the exact history of each image that its row stands for.
#[derive(Debug, PartialEq, Eq)]
pub struct Settlement {
    pub record: Resolved,
    pub images: Vec<History>,
    /// The edit behind the winner.
    pub winner: EditId,
    pub origins: Origins,
    /// The rows that were there before and that this one stands for without a conflict.
    pub firsts: History,
    /// Hash of what apply and the checks use, made once.
    pub digest: u64,
}

/// An operator's command that waits for the resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    pub shown: VersionVector,
    pub row: Option<Row>,
    pub history: History,
}

/// The logs of one cell, and what the checks know of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell {
    pub changes: Vec<Arc<Published>>,
    pub consumed: usize,
    /// How often changes were lost.
    pub losses: usize,
    pub resolved: Vec<Arc<Settlement>>,
    /// How many records the resolver's state has taken in.
    pub held: usize,
    pub commands: Vec<Command>,
    pub commands_given: u64,
    /// How many changes users made; the rest are rows put back.
    pub made: usize,
    /// Every committed edit with its history, and the sum of their hashes, whatever their order.
    pub edits: Vec<(EditId, History)>,
    pub edits_digest: u64,
    /// Which edits have been published, and which of those resolved.
    pub published: History,
    pub settled: History,
    /// The ledger: which edits' contents it saved.
    pub saved: History,
    /// The rows that were there before.
    pub firsts: Vec<(EditId, Row)>,
    /// Edits that were found to have the same content.
    pub agreed: Vec<(EditId, EditId)>,
    /// Edits that were gone with the lost part of a database before anybody else had them.
    pub gone: History,
    /// How many changes in doubt were made anew.
    pub restated: usize,
}

/// The state of the whole group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    pub members: Vec<Member>,
    pub cells: Vec<Cell>,
    /// Whether the origins of columns are kept.
    pub poor: bool,
    /// Whether what only restores depend on is part of the state.
    pub goes_back: bool,
    /// The first invariant found broken.
    pub violation: Option<Box<Violation>>,
    /// What happened on the way.
    pub met: Met,
}

impl World {
    /// The group before anything happened: members with the rows that were there before.
    pub fn new(setup: &Setup) -> Self {
        let mut world = Self {
            members: setup
                .members
                .iter()
                .map(|_| Member { copies: vec![Copy::default(); setup.cells], given: 1, ..Member::default() })
                .collect(),
            cells: vec![Cell::default(); setup.cells],
            poor: setup.has_poor_members(),
            goes_back: setup.goes_back,
            violation: None,
            met: Met::default(),
        };
        for (member, of) in setup.members.iter().enumerate() {
            for (cell, values) in of.rows_before.iter().enumerate().take(setup.cells) {
                if let Some(values) = values {
                    world.start_with(setup, member, cell, *values);
                }
            }
        }
        world
    }

    /// Does one step. False if it is not possible now.
    pub fn step(&mut self, setup: &Setup, event: &Event) -> bool {
        // A subscriber gives no versions, so that it has no lives; what it forgot it takes in again.
        // What becomes of a refill when a database goes back in time goes back with it, and is not modelled.
        let gains = |member: usize| setup.members[member].gains;
        let captured = |member: usize| !setup.members[member].subscribes_only;
        match event {
            Event::Edit { member, cell, write, at } => self.edit(setup, *member, *cell, *write, *at),
            Event::ReadPage { member, cells } => self.read_page(setup, *member, *cells),
            Event::PublishPage { member } => self.publish_page(*member),
            Event::ForgetPosition { member, cell } => self.forget_position(setup, *member, *cell),
            Event::LoseChanges { cell } => self.lose_changes(*cell),
            Event::Recapture { member, cell } => self.recapture(setup, *member, *cell),
            Event::Resolve { cell, count } => self.resolve(setup, *cell, *count),
            Event::Redeliver { cell, from } => self.redeliver(*cell, *from),
            Event::RestartResolver { cell, state } => self.restart_resolver(setup, *cell, *state),
            Event::ReadBatch { member, cell, count } => self.read_batch(setup, *member, *cell, *count),
            Event::WriteBatch { member, refuse } => self.write_batch(setup, *member, *refuse),
            Event::CommitToken { member } => self.commit_token(*member),
            Event::NewIncarnation { member } => captured(*member) && self.new_incarnation(*member),
            Event::Backup { member } => captured(*member) && !gains(*member) && self.back_up(*member),
            Event::Restore { member } => captured(*member) && !gains(*member) && self.go_back(*member),
            Event::Reprovision { member } => {
                captured(*member) && !gains(*member) && self.reprovision(setup, *member)
            }
            Event::Claim { member } => self.claim(setup, *member),
            Event::Rejoin { member } => self.rejoin(setup, *member),
            Event::Crash { member } => self.crash(*member),
            Event::Rewind { member, cell, to } => self.rewind(setup, *member, *cell, *to),
            Event::Retry { member, cell, refuse } => self.retry(setup, *member, *cell, *refuse),
            Event::Gain { member, given } => self.gain(setup, *member, *given),
            Event::StartRefill { member } => self.start_refill(setup, *member),
            Event::Refill { member, cell } => self.refill(setup, *member, *cell),
            Event::Command { cell, write } => self.command(*cell, *write),
            Event::CarryOut { cell } => self.carry_out(setup, *cell),
        }
    }
}

/// What the future and the checks depend on. Of the changes that are consumed that is only what the resolver made of
/// them, and of a settled winner's time and kind only the last one's.
impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for (index, member) in self.members.iter().enumerate() {
            for (cell, copy) in member.copies.iter().enumerate() {
                hash_copy(copy, state);
                self.is_dirty(index, cell).hash(state);
            }
            (member.given, member.life, &member.offsets, &member.parked, &member.batch).hash(state);
            (member.claimed, member.log.life, member.gained).hash(state);
            if self.goes_back {
                member.hash_restores(state);
            }
            for (cell, published) in &member.page {
                (cell, published.digest, published.origins).hash(state);
            }
        }
        for cell in &self.cells {
            for published in &cell.changes[cell.consumed..] {
                (published.digest, published.origins).hash(state);
            }
            (cell.changes.len(), cell.losses).hash(state);
            for settlement in &cell.resolved {
                settlement.digest.hash(state);
            }
            if let Some(last) = cell.resolved.last() {
                let record = &last.record;
                (&record.winner, record.kind, record.changed_at, record.effective_at).hash(state);
            }
            (cell.held, cell.commands.len(), cell.commands_given, cell.published, cell.settled).hash(state);
            (cell.edits_digest, cell.saved, &cell.agreed, cell.gone, cell.restated).hash(state);
        }
        self.violation.is_some().hash(state);
    }
}

fn hash_copy<H: Hasher>(copy: &Copy, state: &mut H) {
    hash_row(copy.row.as_ref(), state);
    (&copy.tracking.local, &copy.tracking.seen, copy.kind, copy.changed_at).hash(state);
    (copy.ordered, copy.history, copy.edit, copy.origins, copy.own).hash(state);
    (copy.wrote_second, copy.to_fill).hash(state);
}

/// Rows have no hash of their own, since values may be floats.
pub fn hash_row<H: Hasher>(row: Option<&Row>, state: &mut H) {
    row.is_some().hash(state);
    for value in row.iter().flat_map(|row| &row.0) {
        match value {
            None => 0_u8.hash(state),
            Some(Value::Int(number)) => (1_u8, *number).hash(state),
            Some(Value::Time(ticks)) => (3_u8, *ticks).hash(state),
            Some(_) => 2_u8.hash(state),
        }
    }
}
