//! Forgetting deletes, in a model of its own: one cell, members that lag, join, are marked out of date and filled anew.
//!
//! The rules are the real ones; what the services do around them stands here as they do it: capture's statement, the
//! resolver's waiting, null records, purges, filling anew, compaction. Beside the big simulation and not in it, which has
//! enough dimensions. Contents carry their exact ancestry as there, and the checks believe nothing else.
//!
//! Time is an adversary: any delete may be old and any member late. Two things are taken for granted: a null record is kept
//! until everybody has read it who is not out of date, and users of a member that joins leave a row alone until it has
//! read the topic. What goes wrong without them is shown beside the broken rules.
//!
//! A worker reads the control topic before it writes, so a mark may come between the two: capture's page is then published
//! all the same ([`Member::straggles`]), sooner than the resolver stops waiting for the member; and apply takes records in.
//! Filling a member anew is as many steps as it has transactions and looks; users write between any two of them, and it
//! begins anew when it is cut short.

mod check;
mod filling;
mod member;
mod mutants;
mod resolver;
mod schedules;
mod search;

use crate::simulation::{EditId, History, MemberSetup, Setup, Violation};
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use tributary_model::{Change, Dot, Resolved, Ticks, Version, VersionVector};
use tributary_settle::LocalState;

/// Whose word the resolver waits for before it forgets a delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// Nobody's: the clock alone.
    Clock,
    /// Apply's.
    Apply,
    /// Capture's, which says what apply had reached before it had published everything.
    Capture,
}

/// What the services do. Each may be broken to show that it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Discipline {
    waits: Waits,
    /// What is said is what was noted before the look.
    says_what_was_noted: bool,
    /// A word counts once the changes that were there by then are resolved.
    resolves_first: bool,
    /// A word that was enough is not enough for a member that has come since.
    asks_those_who_came: bool,
    /// A purge looks at the member's own change.
    looks_at_local: bool,
    /// A member that the resolver no longer waits for is told so.
    marks_whom_it_forgets: bool,
    /// A member out of date publishes nothing.
    out_of_date_is_silent: bool,
    /// Nor does one that is being filled.
    rests_while_filled: bool,
    /// Capture reads the control topic once more when it has read a page.
    looks_before_publishing: bool,
    /// The resolver waits for what capture publishes because it looked a moment before it was told to rest.
    waits_for_stragglers: bool,
    /// The mark is taken back before it is looked where the topic ends, and not when all is done.
    clears_first: bool,
    /// A member that is marked while it is filled is filled once more.
    begins_anew_if_marked: bool,
    /// When rows were removed, it is looked once more whether a user was there before.
    looks_again: bool,
    /// What is filled in reflects no more than its record.
    fills_exactly: bool,
    /// That a member's versions follow each other does not make its edit one on top of its earlier ones.
    doubts_own_versions: bool,
    /// A row that the topic has forgotten is no new one, though a user has changed it meanwhile.
    tells_old_rows: bool,
    /// Filling anew saves what the group does not know.
    saves_unknown: bool,
    /// Filling anew removes what the topic does not have.
    removes_surplus: bool,
    /// Filling anew removes the member's own deletes that the topic does not have.
    removes_old_deletes: bool,
    /// Users of a member that joins write once it has read the topic.
    joiners_read_first: bool,
    /// A null record stays until everybody has read it who is not out of date.
    keeps_nulls: bool,
    /// A null record carries its delete out.
    nulls_delete: bool,
    /// Filling anew forgets at a null record what is nobody's own change, whatever was seen.
    refill_forgets: bool,
    /// The resolver never reads a change again that it has resolved.
    resolves_once: bool,
}

impl Default for Discipline {
    fn default() -> Self {
        Self {
            waits: Waits::Capture,
            says_what_was_noted: true,
            resolves_first: true,
            asks_those_who_came: true,
            looks_at_local: true,
            marks_whom_it_forgets: true,
            out_of_date_is_silent: true,
            rests_while_filled: true,
            looks_before_publishing: true,
            waits_for_stragglers: true,
            clears_first: true,
            begins_anew_if_marked: true,
            looks_again: true,
            fills_exactly: true,
            doubts_own_versions: true,
            tells_old_rows: true,
            saves_unknown: true,
            removes_surplus: true,
            removes_old_deletes: true,
            joiners_read_first: true,
            keeps_nulls: true,
            nulls_delete: true,
            refill_forgets: true,
            resolves_once: true,
        }
    }
}

/// The group: its rules, who is there from the beginning, and its discipline.
#[derive(Debug, Clone)]
struct Group {
    setup: Setup,
    /// Of each member whether it joins later.
    joins: Vec<bool>,
    discipline: Discipline,
}

impl Group {
    fn new(joins: &[bool]) -> Self {
        let setup = Setup::new(vec![MemberSetup::default(); joins.len()], 1);
        Self { setup, joins: joins.to_vec(), discipline: Discipline::default() }
    }
}

/// One step. A step that is not possible does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Event {
    /// A user writes a value, or deletes the row.
    Edit { member: usize, value: Option<i32>, at: Ticks },
    /// Apply says how far it is.
    Tell { member: usize },
    /// Capture notes what apply has said.
    Note { member: usize },
    /// Capture looks: it reads a page, or finds that there is nothing.
    Look { member: usize },
    /// Capture publishes the page.
    Publish { member: usize },
    /// Capture says what it noted, if the look has left nothing behind.
    Say { member: usize },
    /// Apply takes the next record in. Of a null record that is two transactions: the delete, and the forgetting.
    Apply { member: usize },
    /// The member's workers die between two steps.
    Crash { member: usize },
    /// The member begins with an empty table.
    Join { member: usize },
    /// The resolver marks a member that holds a delete up, or that has not read a null record. Capture may have looked at the
    /// control topic before, and publishes the page that it has read.
    MarkOutOfDate { member: usize, straggles: bool },
    /// An operator orders that a member is filled anew, and capture may have looked before.
    Order { member: usize, straggles: bool },
    /// The next step of filling a member anew. Of several records that are read at once the last one counts.
    Fill { member: usize, at_once: bool },
    /// The resolver settles the next change.
    Resolve,
    /// The resolver is given the first change again. Under the standing discipline that does not happen.
    ResolveAgain,
    /// The resolver notes what has been said.
    NoteWords,
    /// The resolver forgets a delete.
    Expire,
    /// The log drops a record.
    Compact { offset: usize },
}

/// A member that is being filled anew.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct Filling {
    /// Where the topic ended when it began.
    end: usize,
    stage: Stage,
    /// Whether the topic was replayed.
    replayed: bool,

    /// The change that was saved at the last look.
    saved: Option<Dot>,
    /// The change that was met last of a cell that the topic did not have, or as a null record.
    orphan: Option<Dot>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Stage {
    /// What the group does not know is saved.
    #[default]
    Look,
    /// The same, when surplus rows are gone.
    LookAgain,
    /// The next record; of a null record the delete is carried out already where `half` says so.
    Replay {
        offset: usize,
        half: bool,
    },
    /// What the topic does not have is removed, and then forgotten.
    Surplus,
    Forget,
    Finish,
}

/// A member's copy of the cell.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Copy {
    row: Option<i32>,
    /// Without a tracking row this is empty.
    tracking: LocalState,
    at: Ticks,
    /// Exact: every edit that the content was made on top of, itself included.
    history: History,
    edit: Option<EditId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    /// Not in the group yet.
    away: bool,
    /// The control topic says that it is out of date.
    marked: bool,
    /// The resolver does not wait for it, and has told nobody. Under the standing discipline that does not happen.
    passed_over: bool,
    /// The order to fill it anew is not carried out yet.
    ordered: bool,
    filling: Option<Filling>,
    copy: Copy,
    given: Version,
    /// How many edits its users have made.
    edits: usize,
    /// The version that capture has published.
    published: Version,
    page: Option<Arc<Published>>,
    /// Whether the page is published though capture is to rest: it looked before it was told so.
    straggles: bool,
    /// The next record for apply.
    offset: usize,
    /// Where the topic ended when it joined.
    joined_at: usize,
    /// Whether the delete of the null record at `offset` was carried out.
    half: bool,
    /// What apply has said, what capture has noted of it, whether it has looked since, and what it has said.
    told: usize,
    noted: Option<usize>,
    looked: bool,
    captured: usize,
    /// Whether it has been in the group, and not out of date, from the beginning.
    steady: bool,
}

/// A change in the log.
#[derive(Debug, PartialEq, Eq)]
struct Published {
    change: Change,
    edit: EditId,
    history: History,
    steady: bool,
}

/// A record of the resolved topic.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Entry {
    Settled(Arc<Resolved>),
    Null(VersionVector),
}

/// The same in the log, with the exact history of each image that it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Logged {
    entry: Entry,
    images: Vec<History>,
    /// Compacted away.
    gone: bool,
}

/// Something that only some runs meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Situation {
    Expired,
    /// A change meets a cell that was forgotten.
    NewLife,
    /// A change has seen more than the state holds.
    LivesMet,
    /// So, and it was made on top of what stands all the same.
    OnTopOfNewLife,
    /// A null record has carried its delete out.
    NullDeleted,
    Purged,
    /// A null record has left a user's own change alone.
    Kept,
    MarkedOutOfDate,
    /// A member was marked while it was filled.
    MarkedAgain,
    /// A page was published though capture was to rest.
    Straggled,
    FilledAnew,
    SavedUnknown,
    SurplusRemoved,
    /// A row without tracking was found, and is captured after all.
    CapturedAfterAll,
    NullCompacted,
    Joined,
    /// A delete that was forgotten is published once more by a member that has not read so yet.
    DeleteCameAgain,
}

impl Situation {
    const ALL: [Self; 17] = [
        Self::Expired,
        Self::NewLife,
        Self::LivesMet,
        Self::OnTopOfNewLife,
        Self::NullDeleted,
        Self::Purged,
        Self::Kept,
        Self::MarkedOutOfDate,
        Self::MarkedAgain,
        Self::Straggled,
        Self::FilledAnew,
        Self::SavedUnknown,
        Self::SurplusRemoved,
        Self::CapturedAfterAll,
        Self::NullCompacted,
        Self::Joined,
        Self::DeleteCameAgain,
    ];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Met(u32);

impl Met {
    fn add(&mut self, situation: Situation) {
        self.0 |= 1 << situation as u32;
    }

    fn has(self, situation: Situation) -> bool {
        self.0 & (1 << situation as u32) != 0
    }
}

/// The state of the group.
#[derive(Debug, Clone, PartialEq, Eq)]
struct World {
    members: Vec<Member>,
    changes: Vec<Arc<Published>>,
    consumed: usize,
    log: Vec<Logged>,
    /// The cell's state, as an offset of the log; none once it was forgotten.
    state: Option<usize>,
    /// The resolver's `Safe`: up to where deletes may be forgotten, and what holds once changes are resolved.
    safe: usize,
    pending: Option<(usize, usize)>,
    /// The images of the deletes that were forgotten.
    forgotten: Vec<Vec<History>>,
    edits: Vec<(EditId, History)>,
    /// What the ledger saved.
    saved: History,
    agreed: Vec<(EditId, EditId)>,
    violation: Option<Box<Violation>>,
    /// How often members were marked.
    marks: usize,
    met: Met,
}

impl World {
    fn new(group: &Group) -> Self {
        let member = |joins: &bool| Member {
            away: *joins,
            marked: false,
            passed_over: false,
            ordered: false,
            filling: None,
            copy: Copy::default(),
            given: 1,
            edits: 0,
            published: 0,
            page: None,
            straggles: false,
            offset: 0,
            joined_at: 0,
            half: false,
            told: 0,
            noted: None,
            looked: false,
            captured: 0,
            steady: !joins,
        };
        Self {
            members: group.joins.iter().map(member).collect(),
            changes: Vec::new(),
            consumed: 0,
            log: Vec::new(),
            state: None,
            safe: 0,
            pending: None,
            forgotten: Vec::new(),
            edits: Vec::new(),
            saved: History::default(),
            agreed: Vec::new(),
            violation: None,
            marks: 0,
            met: Met::default(),
        }
    }

    /// Does one step. False if it is not possible now.
    fn step(&mut self, group: &Group, event: Event) -> bool {
        match event {
            Event::Edit { member, value, at } => self.edit(group, member, value, at),
            Event::Tell { member } => self.tell(member),
            Event::Note { member } => self.note(group, member),
            Event::Look { member } => self.look(group, member),
            Event::Publish { member } => self.publish(group, member),
            Event::Say { member } => self.say(group, member),
            Event::Apply { member } => self.apply(group, member),
            Event::Crash { member } => self.crash(member),
            Event::Join { member } => self.join(member),
            Event::MarkOutOfDate { member, straggles } => self.mark_out_of_date(group, member, straggles),
            Event::Order { member, straggles } => self.order(group, member, straggles),
            Event::Fill { member, at_once } => self.fill(group, member, at_once),
            Event::Resolve => self.resolve(group),
            Event::ResolveAgain => self.resolve_again(group),
            Event::NoteWords => self.note_words(group),
            Event::Expire => self.expire(group),
            Event::Compact { offset } => self.compact(group, offset),
        }
    }

    fn violated(&mut self, violation: Violation) {
        self.violation.get_or_insert_with(|| Box::new(violation));
    }
}

/// What the future and the checks depend on.
impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for member in &self.members {
            let Copy { row, tracking, at, history, edit } = &member.copy;
            (row, &tracking.local, &tracking.seen, at, history, edit).hash(state);
            (member.away, member.marked, member.passed_over, member.ordered, &member.filling).hash(state);
            (member.given, member.published, member.offset, member.joined_at, member.straggles).hash(state);
            (member.half, member.told, member.noted, member.looked, member.captured).hash(state);
            (member.page.as_ref().map(|page| (page.edit, page.history)), member.steady).hash(state);
        }
        for published in &self.changes[self.consumed..] {
            (&published.change.dot, published.history, published.steady).hash(state);
        }
        (self.changes.len(), self.state, self.safe, self.pending, &self.forgotten).hash(state);
        for logged in &self.log {
            match &logged.entry {
                Entry::Settled(record) => {
                    (&record.vv, &record.content, &record.winner, record.effective_at).hash(state);
                }
                Entry::Null(vv) => vv.hash(state),
            }
            (&logged.images, logged.gone).hash(state);
        }
        (self.saved, &self.agreed, self.edits.len(), self.marks, self.violation.is_some()).hash(state);
        self.met.has(Situation::DeleteCameAgain).hash(state);
    }
}
