//! One round of a batch in its transaction: the records as cells, in the order in which they are written.

use super::exceptions::Shelf;
use super::json::Rows;
use super::keys::Key;
use super::refusal::{self, Verb};
use super::session::{Cells, Session, text};
use super::settings::SqlServerSettings;
use super::shape::{Shapes, TableShape};
use super::table::BoundTable;
use super::tracking::Before;
use crate::waiting::Token;
use crate::{ApplyBatch, Error, ErrorKind, Outcome, Refusal};
use std::collections::HashMap;
use tiberius::ColumnData;
use tributary_model::{Ticks, Value};

/// The most rows that one statement reads or writes. From about 5,000 locks of one statement on, the server locks the
/// whole table; a row takes one on itself, one on the gap beside it, and one in each index.
pub(super) const STATEMENT_ROWS: usize = 1_000;

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
        match error.kind() {
            ErrorKind::Contention | ErrorKind::Busy => Self::Conflict(error),
            _ => Self::Failed(error),
        }
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
    /// Whether something is refused, so that statements stand between save points.
    pub(super) careful: bool,
    /// How many were begun again for what users' triggers did.
    pub(super) compared: usize,
    /// How many were begun again because of others.
    pub(super) conflicts: u32,
    /// How many were ended by a record that took the whole transaction with it.
    pub(super) ended: usize,
    /// By position in the batch: in which part a record is written, where a set of them has ended a transaction.
    pub(super) parts: HashMap<usize, usize>,
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
    pub(super) session: &'a mut Session,
    pub(super) tables: &'a [BoundTable],
    pub(super) settings: &'a SqlServerSettings,
    /// Whether the server reads the escapes of texts that are sent.
    pub(super) unescapes: bool,
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
        let (tables, shapes) = (self.tables, self.shapes);
        match (tables.get(table), shapes.tables.get(table)) {
            (Some(bound), Some(Some(shape))) => Ok((bound, shape)),
            _ => Err(Stop::Failed(Error::Misuse {
                call: "apply",
                reason: format!("table {table}, which has not been looked at"),
            })),
        }
    }

    /// Runs a statement whose first parameter is rows, and gives its answer's rows.
    pub(super) async fn query(
        &mut self,
        action: &'static str,
        sql: &str,
        rows: Rows,
        more: Vec<ColumnData<'_>>,
    ) -> Step<Vec<Cells>> {
        let rows = rows.finish();
        let mut parameters = vec![text(&rows)];
        parameters.extend(more);
        Ok(self.session.query(action, sql, parameters).await?)
    }

    /// The number in the one row of a statement's answer.
    pub(super) fn count(&self, answer: &[Cells]) -> Step<u64> {
        let number = answer.last().map_or(Err("no row".to_owned()), |row| super::cells::integer(row, 0));
        let number = number.map_err(|reason| self.damaged("a statement's count", reason))?;
        Ok(u64::try_from(number).unwrap_or_default())
    }

    /// The places in the parameter that an answer's rows are about.
    pub(super) fn places(&self, answer: &[Cells]) -> Step<Vec<usize>> {
        answer.iter().map(|row| self.place(row)).collect()
    }

    /// The place in the parameter that a row is about.
    pub(super) fn place(&self, row: &Cells) -> Step<usize> {
        let place = super::cells::integer(row, 0);
        let place = place.map_err(|reason| self.damaged("a statement's answer", reason))?;
        Ok(usize::try_from(place).unwrap_or_default())
    }

    /// Runs plain statements that control the transaction.
    pub(super) async fn control(&mut self, sql: &str) -> Step<()> {
        Ok(self.session.batch("control its transaction", sql).await?)
    }

    /// The error of something of ours that cannot be read.
    pub(super) fn damaged(&self, object: &str, reason: String) -> Stop {
        Stop::Failed(Error::Damaged {
            place: self.session.whose().place.clone(),
            object: object.to_owned(),
            reason,
        })
    }

    /// A cell.
    pub(super) fn cell(&self, (group, cell): At) -> &Cell {
        &self.groups[group].cells[cell]
    }

    /// A cell, to be changed.
    pub(super) fn cell_mut(&mut self, (group, cell): At) -> &mut Cell {
        &mut self.groups[group].cells[cell]
    }

    /// The key of a cell's record.
    pub(super) fn record_key(&self, at: At) -> &'a tributary_model::KeyBytes {
        let batch = self.batch;
        &batch.records[self.cell(at).record].key
    }

    /// All cells.
    pub(super) fn all_cells(&self) -> Vec<At> {
        let groups = self.groups.iter().enumerate();
        groups.flat_map(|(group, cells)| (0..cells.cells.len()).map(move |cell| (group, cell))).collect()
    }

    /// The keys of cells, as a parameter.
    pub(super) fn keys(&self, cells: &[At]) -> Rows {
        super::keys::rows(cells.iter().map(|at| &self.cell(*at).key))
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
        let refused = Refused { refusal, after: self.writes, marked: true, due: Due::Later };
        self.cell_mut(at).state = State::Refused(Box::new(refused));
    }

    /// Sorts the error of a statement that writes records of a group: refused, or the call has failed.
    pub(super) fn refusal_of(&self, group: usize, error: Error) -> Step<Refusal> {
        let Group { table, verb, .. } = self.groups[group];
        let (_, shape) = self.table(table)?;
        match refusal::of(&error, verb, shape.stirs) {
            Some(refusal) => Ok(refusal),
            None => Err(error.into()),
        }
    }

    /// The row that a cell's record carries.
    pub(super) fn row(&self, at: At) -> Option<&'a tributary_model::Row> {
        let batch = self.batch;
        batch.records[self.cell(at).record].resolved.as_ref().ok()?.row.as_ref()
    }

    /// From now on between save points.
    pub(super) fn carefully(&mut self) -> Stop {
        self.rounds.careful = true;
        Stop::Again
    }

    /// Cells of groups, each group's as one slice of at most so many, in the groups' order.
    pub(super) fn by_group(mut cells: Vec<At>, most: usize) -> Vec<Vec<At>> {
        cells.sort_unstable();
        cells.chunk_by(|a, b| a.0 == b.0).flat_map(|part| part.chunks(most).map(<[At]>::to_vec)).collect()
    }
}
