//! One round of a batch in its transaction: the records as cells, in the order in which they are written.

use super::PostgresMember;
use super::exceptions::Shelf;
use super::keys::Key;
use super::refusal::{self, Target, Verb, Verdict};
use super::shape::{Shapes, TableShape};
use super::statements;
use super::table::BoundTable;
use super::tracking::Before;
use crate::waiting::Token;
use crate::{ApplyBatch, Error, Outcome, Refusal};
use std::collections::HashMap;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use tributary_model::{Ticks, Value};

/// Why a round ends before its commit.
#[derive(Debug)]
pub(super) enum Stop {
    /// The call has failed.
    Failed(Error),
    /// The transaction has to be begun again, with what was learned.
    Again,
    /// It has to be begun again because of what others do at the same time; the error tells, if that does not end.
    Conflict(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// What the steps of a round return.
pub(super) type Step<T> = Result<T, Stop>;

/// When a parked record is tried again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// After a pause that grows.
    Later,
    /// At once: it was not tried for itself.
    AtOnce,
}

/// A record that is known to be refused before the round begins.
#[derive(Debug, Clone)]
pub(super) struct Exclusion {
    pub(super) refusal: Refusal,
    pub(super) due: Due,
}

/// What earlier rounds of the same call have found out.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    /// Whether something is refused, so that statements stand in savepoints and rows are copied no more.
    pub(super) careful: bool,
    /// How many were begun again for what users' triggers did.
    pub(super) compared: usize,
    /// How many were begun again because deferred constraints failed.
    pub(super) uncommitted: usize,
    /// How many were begun again because of others.
    pub(super) conflicts: u32,
    /// By position in the batch.
    pub(super) excluded: HashMap<usize, Exclusion>,
}

impl Rounds {
    /// Leaves a record out of the rounds to come.
    pub(super) fn exclude(&mut self, record: usize, refusal: Refusal, due: Due) {
        self.excluded.insert(record, Exclusion { refusal, due });
    }
}

/// What has become of a cell.
#[derive(Debug)]
pub(super) enum State {
    /// Its record was decided on without a write.
    Decided,
    /// Its tracking row is written, its row is not.
    Marked,
    /// Its row is written.
    Written,
    /// Its record is refused.
    Refused(Box<Refused>),
}

/// A refused record.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    /// After how many writes of this round.
    pub(super) after: u64,
    /// Whether the tracking row is written, and has to be put back.
    pub(super) marked: bool,
    /// When it is tried again.
    pub(super) due: Due,
}

/// A row's synchronised columns as they stand in the database; `None` where one cannot be read.
pub(super) type Image = Vec<Option<Value>>;

/// A cell of the batch that is to be written.
#[derive(Debug)]
pub(super) struct Cell {
    /// Its record, by position in the batch.
    pub(super) record: usize,
    /// Its key.
    pub(super) key: Key,
    /// Its tracking row as it was.
    pub(super) before: Before,
    /// Whether its row is there, under our lock.
    pub(super) present: bool,
    /// Whether it was decided on again because its row turned up at the write.
    pub(super) again: bool,
    /// Its row as it was, where somebody has to know (`None` in it: there was none).
    pub(super) image: Option<Option<Image>>,
    /// What has become of it.
    pub(super) state: State,
}

impl Cell {
    pub(super) fn is_marked(&self) -> bool {
        matches!(self.state, State::Marked)
    }

    pub(super) fn is_written(&self) -> bool {
        matches!(self.state, State::Written)
    }
}

/// The cells of one table that are all upserted, or all deleted.
#[derive(Debug)]
pub(super) struct Group {
    /// The table, by position in the bindings.
    pub(super) table: usize,
    pub(super) verb: Verb,
    /// Which step of the plan it belongs to; tables of a circle share one.
    pub(super) step: usize,
    /// Whether the table refers to itself, directly or in a circle.
    pub(super) cyclic: bool,
    pub(super) cells: Vec<Cell>,
}

/// A cell, by group and place in it.
pub(super) type At = (usize, usize);

/// A round.
pub(super) struct Run<'a> {
    pub(super) member: &'a PostgresMember,
    pub(super) shapes: &'a Shapes,
    pub(super) batch: &'a ApplyBatch,
    pub(super) rounds: &'a mut Rounds,
    pub(super) now: Ticks,
    pub(super) shelf: Shelf,
    /// By record; complete once the round is settled.
    pub(super) outcomes: Vec<Option<Outcome>>,
    pub(super) groups: Vec<Group>,
    /// Records whose keys cannot stand in their tables.
    pub(super) unkeyed: Vec<(usize, Refusal)>,
    /// The batch's number; the triggers leave the cells alone that bear it.
    pub(super) number: i64,
    /// How many rows were written so far.
    pub(super) writes: u64,
    /// By table: `writes` after its latest write.
    pub(super) written_at: Vec<u64>,
    /// Whether users' triggers may have a hand in what stands in the rows.
    pub(super) watched: bool,
    /// Values that were rounded.
    pub(super) rounded: u64,
    /// Rows that a trigger has altered.
    pub(super) altered: Vec<At>,
    /// What parked records may wait for and has happened.
    pub(super) tokens: Vec<Token>,
}

impl<'a> Run<'a> {
    /// A bound table that can be worked on.
    pub(super) fn table(&self, table: usize) -> Step<(&'a BoundTable, &'a TableShape)> {
        let bound = self.member.ready(table)?;
        match &self.shapes.tables[table] {
            Some(shape) => Ok((bound, shape)),
            None => Err(Stop::Failed(Error::Misuse {
                call: "apply",
                reason: format!("the table {:?}, which has not been looked at", bound.binding.local_table),
            })),
        }
    }

    /// The error of a statement that concerns no single record.
    pub(super) fn failed(&self, action: &'static str) -> impl Fn(tokio_postgres::Error) -> Stop + use<'a> {
        let member = self.member;
        move |source| stop(member, action, source)
    }

    /// A query's rows, by a statement that is kept prepared.
    pub(super) async fn query(
        &self,
        action: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Step<Vec<Row>> {
        statements::query(self.member, sql, parameters).await.map_err(self.failed(action))
    }

    /// Runs a statement that is kept prepared; tells how many rows it was about.
    pub(super) async fn execute(
        &self,
        action: &'static str,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Step<u64> {
        statements::execute(self.member, sql, parameters).await.map_err(self.failed(action))
    }

    /// Runs plain statements that control the transaction.
    pub(super) async fn control(&self, sql: &str) -> Step<()> {
        let done = self.member.session.client.batch_execute(sql).await;
        done.map_err(self.failed("control its transaction"))
    }

    /// A cell.
    pub(super) fn cell(&self, (group, cell): At) -> &Cell {
        &self.groups[group].cells[cell]
    }

    /// A cell, to be changed.
    pub(super) fn cell_mut(&mut self, (group, cell): At) -> &mut Cell {
        &mut self.groups[group].cells[cell]
    }

    /// All cells.
    pub(super) fn all_cells(&self) -> Vec<At> {
        let groups = self.groups.iter().enumerate();
        groups.flat_map(|(group, cells)| (0..cells.cells.len()).map(move |cell| (group, cell))).collect()
    }

    /// Notes that a cell's row was written.
    pub(super) fn wrote(&mut self, at: At) {
        self.writes += 1;
        let writes = self.writes;
        let table = self.groups[at.0].table;
        self.cell_mut(at).state = State::Written;
        self.written_at[table] = writes;
    }

    /// Notes that a cell's record was refused.
    pub(super) fn refuse(&mut self, at: At, refusal: Refusal) {
        self.refuse_due(at, refusal, Due::Later);
    }

    /// The same, and when it is tried again.
    pub(super) fn refuse_due(&mut self, at: At, refusal: Refusal, due: Due) {
        let refused = Refused { refusal, after: self.writes, marked: true, due };
        self.cell_mut(at).state = State::Refused(Box::new(refused));
    }

    /// Sorts the error of a statement that writes records of a group: refused, or the call has failed.
    pub(super) fn refusal_of(&self, group: usize, error: tokio_postgres::Error) -> Step<Refusal> {
        let Group { table, verb, .. } = self.groups[group];
        let (bound, shape) = self.table(table)?;
        let target = Target { table: &bound.binding.local_table, verb, stirs: shape.stirs };
        let verdict = error.as_db_error().map_or(Verdict::Failed, |error| refusal::of(error, target));
        match verdict {
            Verdict::Refused(refusal) => Ok(refusal),
            Verdict::Again | Verdict::Failed => Err(self.failed("write a record")(error)),
        }
    }

    /// The row that a cell's record carries.
    pub(super) fn row(&self, at: At) -> Option<&'a tributary_model::Row> {
        let batch = self.batch;
        batch.records[self.cell(at).record].resolved.as_ref().ok()?.row.as_ref()
    }
}

/// What a statement's error means for a round.
pub(super) fn stop(member: &PostgresMember, action: &'static str, source: tokio_postgres::Error) -> Stop {
    // Where the cause was not answered, the next try meets it again.
    let conflict = refusal::is_conflict(&source) || refusal::is_consequence(&source);
    let error = member.session.origin.classify(action, source);
    if conflict { Stop::Conflict(error) } else { Stop::Failed(error) }
}

/// The error of a call that others have kept from coming to an end.
pub(super) fn busy(member: &PostgresMember, action: &'static str) -> Error {
    Error::Busy { place: member.session.origin.place.clone(), action }
}
