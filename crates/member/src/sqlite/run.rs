//! One round of a batch in its transaction: the records as cells, in the order in which they are written.

use super::SqliteMember;
use super::exceptions::Shelf;
use super::keys::Key;
use super::refusal::{self, Verb};
use super::shape::{Shapes, TableShape};
use super::table::BoundTable;
use super::tracking::Before;
use crate::waiting::Token;
use crate::{ApplyBatch, Error, Outcome, Refusal};
use rusqlite::Connection;
use rusqlite::types::Value as Stored;
use std::collections::HashMap;
use tributary_model::Ticks;

/// Why a round ends before its commit.
#[derive(Debug)]
pub(super) enum Stop {
    /// The call has failed.
    Failed(Error),
    /// The transaction has to be begun again, with what was learned.
    Again,
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
    /// How many were begun again for what users' triggers did.
    pub(super) compared: usize,
    /// How many were begun again because their commit failed.
    pub(super) uncommitted: usize,
    /// By position in the batch.
    pub(super) excluded: HashMap<usize, Exclusion>,
    /// Whether foreign keys have to be checked at commit only.
    pub(super) deferred: bool,
    /// How many records have ended the whole transaction.
    pub(super) ended: usize,
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

/// A cell of the batch that is to be written.
#[derive(Debug)]
pub(super) struct Cell {
    /// Its record, by position in the batch.
    pub(super) record: usize,
    /// Its key.
    pub(super) key: Key,
    /// Its tracking row as it was.
    pub(super) before: Before,
    /// Whether its row is there, as far as is known.
    pub(super) present: bool,
    /// Its row as it was, where somebody has to know (`None` in it: there was none).
    pub(super) image: Option<Option<Vec<Stored>>>,
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

/// A round.
pub(super) struct Run<'a> {
    pub(super) member: &'a SqliteMember,
    pub(super) connection: &'a Connection,
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
    /// The batch's number, once something is to be written.
    pub(super) number: Option<i64>,
    /// How many rows were written so far.
    pub(super) writes: u64,
    /// By table: `writes` after its latest write.
    pub(super) written_at: Vec<u64>,
    /// Whether users' triggers may have a hand in what stands in the rows.
    pub(super) watched: bool,
    /// Values that were rounded.
    pub(super) rounded: u64,
    /// Rows that a trigger has altered: (group, cell).
    pub(super) altered: Vec<(usize, usize)>,
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
    pub(super) fn failed(&self, action: &'static str) -> impl Fn(rusqlite::Error) -> Stop + use<'a> {
        let path = &self.member.path;
        move |source| Stop::Failed(super::failure::classify(path, action, source))
    }

    /// The batch's number, from when on the triggers leave the marked cells alone.
    pub(super) fn number(&mut self) -> Step<i64> {
        if let Some(number) = self.number {
            return Ok(number);
        }
        let open = || {
            let mut next = self.connection.prepare_cached(include_str!("sql/apply_begin_batch.sql"))?;
            let number: i64 = next.query_row([], |row| row.get(0))?;
            self.connection.prepare_cached(include_str!("sql/apply_open_batch.sql"))?.execute([number])?;
            Ok(number)
        };
        let number = open().map_err(self.failed("begin a batch"))?;
        self.number = Some(number);
        Ok(number)
    }

    /// Notes that a cell's row was written.
    pub(super) fn wrote(&mut self, group: usize, cell: usize) {
        self.writes += 1;
        let Group { table, cells, .. } = &mut self.groups[group];
        cells[cell].state = State::Written;
        self.written_at[*table] = self.writes;
    }

    /// Notes that a cell's record was refused.
    pub(super) fn refuse(&mut self, group: usize, cell: usize, refusal: Refusal) {
        let refused = Refused { refusal, after: self.writes, marked: true, due: Due::Later };
        self.groups[group].cells[cell].state = State::Refused(Box::new(refused));
    }

    /// Sorts the error of a record's statement: refused, or the call has failed. A refusal that ended the
    /// transaction begins the next round without the record.
    pub(super) fn refusal_of(&mut self, group: usize, cell: usize, error: rusqlite::Error) -> Step<Refusal> {
        let Group { table, verb, .. } = self.groups[group];
        let fires = self.table(table)?.1.stirs;
        let Some(refusal) = refusal::of(&error, verb, fires) else {
            return Err(self.failed("write a record")(error));
        };
        if self.connection.is_autocommit() {
            self.ended(group, cell, refusal);
            return Err(Stop::Again);
        }
        Ok(refusal)
    }

    /// A record has rolled the transaction back (`RAISE(ROLLBACK)`). Each such record costs a round, so after some
    /// the table's remaining ones wait for another call.
    fn ended(&mut self, group: usize, cell: usize, refusal: Refusal) {
        const MANY: usize = 16;
        self.rounds.ended += 1;
        let record = self.groups[group].cells[cell].record;
        if self.rounds.ended > MANY {
            let untried = Refusal { code: "untried".to_owned(), ..refusal.clone() };
            for other in self.groups[group].cells.iter().filter(|cell| cell.is_marked()) {
                self.rounds.exclude(other.record, untried.clone(), Due::AtOnce);
            }
        }
        self.rounds.exclude(record, refusal, Due::Later);
    }
}
