//! The second half of a round: rows are written and deleted, each table's part by few statements, and what is refused
//! at first is tried again when something that it needs has happened in the same batch.
//!
//! A round that nothing is refused in needs no save points. Once something is, the transaction begins again, each
//! statement behind a save point, and who is guilty is found by asking for what the refusal names (a parent that is not
//! there, a value that another row has), or else by halves, until each guilty record stands alone. An error in a user's
//! trigger, or of a conversion, takes the whole transaction with it: then the set that met it is halved in the rounds
//! that follow.

use super::json::{Rows, UNREAD, is_demanding};
use super::refusal;
use super::run::{At, Cell, Due, Group, Run, STATEMENT_ROWS, State, Step, Stop};
use super::session::text;
use super::shape::TableShape;
use super::table::BoundTable;
use crate::{Refusal, RefusalKind};
use tributary_model::Row;

/// How often refused records are tried again within a round. Each time settles at least one link of a chain; what
/// is longer is settled by placeholders, or by the next batch.
const PASSES: usize = 3;

/// How many records may end a call's transaction before the other ones of their table wait for the next call.
const ENDED: usize = 64;

/// What a set of cells needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Insert,
    Update,
    Delete,
}

/// What became of a set.
pub(super) enum Tried {
    Written,
    /// Some of the rows were not written, and nobody said why.
    Short,
    Refused(Refusal),
    /// The same, and the transaction is gone.
    Ended(Refusal),
}

/// A set's rows as they are sent.
pub(super) struct Encoded {
    pub(super) cells: Vec<At>,
    rows: Rows,
    /// How many values were rounded.
    rounded: u64,
}

/// Puts a row's values behind its key; an absent column becomes NULL: it is never left out, and neither are those to be
/// detached. Returns how many were rounded, or what cannot be held.
fn put_values(
    run: &Run<'_>,
    (table, shape): (&BoundTable, &TableShape),
    row: &Row,
    detached: &[usize],
    rows: &mut Rows,
) -> u64 {
    let mut rounded = 0;
    for at in &shape.values {
        let column = &table.columns[*at];
        let value = row.get(column.position).filter(|_| !detached.contains(at));
        let written = value.and_then(|value| column.codec.write(value, run.settings.on_loss).ok());
        rounded += u64::from(written.as_ref().is_some_and(|written| written.rounded));
        rows.text(written.as_ref().and_then(|written| written.stored.text()).as_deref());
    }
    rounded
}

/// What a row holds that its columns cannot.
fn unheld(run: &Run<'_>, table: &BoundTable, shape: &TableShape, row: &Row) -> Option<String> {
    shape.values.iter().find_map(|at| {
        let column = &table.columns[*at];
        let reason = match column.codec.write(row.get(column.position)?, run.settings.on_loss) {
            Ok(written) => {
                let unread = !run.unescapes && written.stored.text().is_some_and(|text| is_demanding(&text));
                unread.then_some(UNREAD)?
            }
            Err(lost) => lost.reason,
        };
        Some(format!("column {:?} cannot hold {reason}", column.name))
    })
}

impl Run<'_> {
    /// Writes all cells in the plan's order.
    pub(super) async fn write(&mut self) -> Step<()> {
        let mut first = 0;
        while first < self.groups.len() {
            let step = self.groups[first].step;
            let end = first + self.groups[first..].iter().take_while(|group| group.step == step).count();
            let cells: Vec<At> = (first..end)
                .flat_map(|group| (0..self.groups[group].cells.len()).map(move |cell| (group, cell)))
                .filter(|at| self.cell(*at).is_marked())
                .collect();
            self.write_cells(cells).await?;
            first = end;
        }
        Ok(())
    }

    /// Writes those cells again that were refused and whose obstacle went away since.
    pub(super) async fn write_again(&mut self) -> Step<()> {
        for _ in 0..PASSES {
            let writes = self.writes;
            for group in 0..self.groups.len() {
                let cells: Vec<At> = (0..self.groups[group].cells.len())
                    .map(|cell| (group, cell))
                    .filter(|at| self.may_succeed_now(self.cell(*at)))
                    .collect();
                self.write_cells(cells).await?;
            }
            if self.writes == writes {
                break;
            }
        }
        Ok(())
    }

    /// Writes cells of one step, or notes why not.
    async fn write_cells(&mut self, cells: Vec<At>) -> Step<()> {
        let Some((group, _)) = cells.first() else { return Ok(()) };
        let verb = self.groups[*group].verb;
        let circle = cells.iter().any(|(other, _)| other != group);
        self.take_images(&cells).await?;
        match verb {
            refusal::Verb::Upsert if circle => self.write_circle(cells).await,
            refusal::Verb::Upsert => {
                let (there, absent): (Vec<At>, Vec<At>) =
                    cells.into_iter().partition(|at| self.cell(*at).present);
                if self.groups[there.first().or(absent.first()).map_or(0, |at| at.0)].cyclic {
                    // Rows that are there may be about to refer to new ones.
                    self.write_set(Kind::Insert, absent).await?;
                    return self.write_set(Kind::Update, there).await;
                }
                self.write_set(Kind::Update, there).await?;
                self.write_set(Kind::Insert, absent).await
            }
            refusal::Verb::Delete => {
                let (there, absent): (Vec<At>, Vec<At>) =
                    cells.into_iter().partition(|at| self.cell(*at).present);
                for at in absent {
                    self.wrote(at);
                }
                let free = self.without_cascades(there).await?;
                if circle { self.delete_circle(free).await } else { self.write_set(Kind::Delete, free).await }
            }
        }
    }

    /// Writes a set of cells, as far as their records are not refused.
    pub(super) async fn write_set(&mut self, kind: Kind, cells: Vec<At>) -> Step<()> {
        self.write_detached(kind, cells, &[]).await
    }

    /// The same, with these columns NULL.
    pub(super) async fn write_detached(
        &mut self,
        kind: Kind,
        cells: Vec<At>,
        detached: &[usize],
    ) -> Step<()> {
        let mut open = self.sets(cells);
        open.reverse();
        while let Some(set) = open.pop() {
            let encoded = self.encode(kind, &set, detached)?;
            let set = encoded.cells.clone();
            if set.is_empty() {
                continue;
            }
            let rounded = encoded.rounded;
            match self.try_set(kind, encoded).await? {
                Tried::Written => {
                    self.rounded += rounded;
                    for at in set {
                        self.wrote(at);
                    }
                }
                Tried::Short | Tried::Refused(_) | Tried::Ended(_) if !self.rounds.careful => {
                    return Err(self.carefully());
                }
                Tried::Short if set.len() == 1 => {
                    if self.turned_up(kind, set[0]).await? {
                        Box::pin(self.write_detached(Kind::Update, set, detached)).await?;
                    }
                }
                Tried::Short => halve(set, &mut open),
                Tried::Refused(refusal) if set.len() == 1 => self.refuse(set[0], refusal),
                Tried::Refused(refusal) => self.sort_out(kind, set, refusal, &mut open).await?,
                Tried::Ended(refusal) => return Err(self.ended(&set, refusal)),
            }
        }
        Ok(())
    }

    /// Cells as the sets that are written by one statement each: those of one table, few enough for the server's locks,
    /// and of one part where earlier rounds have made parts. What refers to each other stays together.
    fn sets(&self, cells: Vec<At>) -> Vec<Vec<At>> {
        let cyclic = cells.first().is_some_and(|at| self.groups[at.0].cyclic);
        let most = if cyclic { usize::MAX } else { STATEMENT_ROWS };
        let mut sets = Vec::new();
        for set in Self::by_group(cells, most) {
            if self.rounds.parts.is_empty() {
                sets.push(set);
                continue;
            }
            let part = |at: &At| self.rounds.parts.get(&self.cell(*at).record).copied().unwrap_or_default();
            let mut parts: Vec<(usize, At)> = set.iter().map(|at| (part(at), *at)).collect();
            parts.sort_unstable();
            let parts = parts.chunk_by(|a, b| a.0 == b.0);
            sets.extend(parts.map(|part| part.iter().map(|(_, at)| *at).collect()));
        }
        sets
    }

    /// Encodes the rows of a set; refuses those whose values cannot be held.
    pub(super) fn encode(&mut self, kind: Kind, set: &[At], detached: &[usize]) -> Step<Encoded> {
        let mut encoded = Encoded { cells: Vec::with_capacity(set.len()), rows: Rows::default(), rounded: 0 };
        for at in set {
            let (table, shape) = self.table(self.groups[at.0].table)?;
            let row = self.row(*at).filter(|_| kind != Kind::Delete);
            if let Some(message) = row.and_then(|row| unheld(self, table, shape, row)) {
                self.refuse(*at, Refusal { kind: RefusalKind::Value, code: "value".to_owned(), message });
                continue;
            }
            encoded.rows.begin(encoded.cells.len());
            encoded.rows.texts(&self.cell(*at).key);
            if let Some(row) = row {
                encoded.rounded += put_values(self, (table, shape), row, detached, &mut encoded.rows);
            }
            encoded.cells.push(*at);
        }
        Ok(encoded)
    }

    /// Writes a set, all or nothing.
    pub(super) async fn try_set(&mut self, kind: Kind, set: Encoded) -> Step<Tried> {
        let group = set.cells[0].0;
        let (_, shape) = self.table(self.groups[group].table)?;
        let sql = match (kind, &shape.sql.update_rows) {
            (Kind::Insert, _) => &shape.sql.insert_rows,
            (Kind::Delete, _) => &shape.sql.delete_rows,
            (Kind::Update, Some(sql)) => sql,
            // There is nothing but the key.
            (Kind::Update, None) => return Ok(Tried::Written),
        };
        if self.rounds.careful {
            self.control("SAVE TRANSACTION dss_set").await?;
        }
        let rows = set.rows.finish();
        let tried = match self.session.query("write records", sql, vec![text(&rows)]).await {
            Ok(answer) if self.count(&answer)? == set.cells.len() as u64 => return Ok(Tried::Written),
            Ok(_) => Tried::Short,
            Err(error) => {
                let refusal = self.refusal_of(group, error)?;
                if let (Kind::Insert, Some(off)) = (kind, &shape.sql.identity_off) {
                    self.control(off).await?;
                }
                if !self.rounds.careful || self.is_gone().await? {
                    return Ok(Tried::Ended(refusal));
                }
                Tried::Refused(refusal)
            }
        };
        if self.rounds.careful {
            self.control("ROLLBACK TRANSACTION dss_set").await?;
        }
        Ok(tried)
    }

    /// Whether the transaction is gone, or can only be taken back.
    pub(super) async fn is_gone(&mut self) -> Step<bool> {
        let row = self.session.row("look at its transaction", "SELECT XACT_STATE()", Vec::new()).await?;
        let state = row.as_ref().map_or(Ok(0), |row| super::cells::integer(row, 0));
        Ok(state.map_err(|reason| self.damaged("XACT_STATE()", reason))? != 1)
    }

    /// A set has taken the transaction with it. A single record is left out of the next round; several are halved.
    pub(super) fn ended(&mut self, set: &[At], refusal: Refusal) -> Stop {
        self.rounds.ended += 1;
        let records: Vec<usize> = set.iter().map(|at| self.cell(*at).record).collect();
        if let [record] = records.as_slice() {
            self.rounds.exclude(*record, refusal, Due::Later);
        } else if self.rounds.ended > ENDED {
            for record in records {
                let untried = Refusal { code: "untried".to_owned(), ..refusal.clone() };
                self.rounds.exclude(record, untried, Due::AtOnce);
            }
        } else {
            // A new part for the second half.
            let part = self.rounds.ended;
            for record in &records[records.len() / 2..] {
                self.rounds.parts.insert(*record, part);
            }
        }
        Stop::Again
    }

    /// Why a single row was not written without a word. `true` if it is there by now and is to be updated.
    async fn turned_up(&mut self, kind: Kind, at: At) -> Step<bool> {
        if kind == Kind::Delete && self.read_rows(&[at]).await?[0].is_none() {
            // A cascade or a trigger was faster.
            self.wrote(at);
            return Ok(false);
        }
        if kind == Kind::Insert && !self.cell(at).again {
            self.put_back(&[at]).await?;
            let cell = self.cell_mut(at);
            (cell.again, cell.state) = (true, State::Decided);
            // Every path that begins here ends in another statement, never here again.
            Box::pin(self.decide_again(at)).await?;
            let cell = self.cell(at);
            match cell.state {
                State::Marked if cell.present => return Ok(true),
                State::Marked => {}
                // The user's own change is newer, or the like.
                State::Decided | State::Written | State::Refused(_) => return Ok(false),
            }
        }
        self.refuse(at, refusal::swallowed());
        Ok(false)
    }

    /// Finds the guilty of a set; the others are tried again.
    async fn sort_out(
        &mut self,
        kind: Kind,
        set: Vec<At>,
        refusal: Refusal,
        open: &mut Vec<Vec<At>>,
    ) -> Step<()> {
        let found = match refusal.kind {
            RefusalKind::Unique if kind != Kind::Delete => self.taken(&set).await?,
            RefusalKind::ForeignKey => self.orphans(&set).await?,
            RefusalKind::Referenced if kind == Kind::Delete => self.still_referenced(&set).await?,
            _ => Vec::new(),
        };
        if found.is_empty() {
            halve(set, open);
            return Ok(());
        }
        let mut rest = set;
        rest.retain(|at| !found.iter().any(|(guilty, _)| guilty == at));
        for (at, refusal) in found {
            self.refuse(at, refusal);
        }
        if !rest.is_empty() {
            open.push(rest);
        }
        Ok(())
    }

    /// Whether something was written since a record was refused that may have been in its way.
    fn may_succeed_now(&self, cell: &Cell) -> bool {
        let State::Refused(refused) = &cell.state else { return false };
        let table = self.batch.records[cell.record].table;
        let later = |table: usize| self.written_at[table] > refused.after;
        refused.marked
            && refused.due == Due::Later
            && match refused.refusal.kind {
                RefusalKind::Unique => later(table),
                RefusalKind::ForeignKey => self.shapes.references.parents_of(table).any(later),
                RefusalKind::Referenced => self.shapes.references.children_of(table).any(later),
                RefusalKind::NotNull
                | RefusalKind::Check
                | RefusalKind::Value
                | RefusalKind::Trigger
                | RefusalKind::TooLarge
                | RefusalKind::Other => false,
            }
    }

    /// Reads cells' rows before they are written, where somebody has to know what they were.
    async fn take_images(&mut self, cells: &[At]) -> Step<()> {
        let wanted = |at: &&At| {
            let table = self.groups[at.0].table;
            (self.watched || self.shelf.may_wait_for_children_of(table)) && self.cell(**at).image.is_none()
        };
        let cells: Vec<At> = cells.iter().filter(wanted).copied().collect();
        let images = self.read_rows(&cells).await?;
        for (at, image) in cells.into_iter().zip(images) {
            self.cell_mut(at).image = Some(image);
        }
        Ok(())
    }

    /// The synchronised columns of cells' rows as they stand in the database.
    pub(super) async fn read_rows(&mut self, cells: &[At]) -> Step<Vec<Option<super::run::Image>>> {
        let mut found = vec![None; cells.len()];
        let mut places: Vec<(At, usize)> = cells.iter().enumerate().map(|(at, cell)| (*cell, at)).collect();
        places.sort_unstable();
        for part in places.chunk_by(|a, b| a.0.0 == b.0.0).flat_map(|part| part.chunks(STATEMENT_ROWS)) {
            let Group { table, .. } = self.groups[part[0].0.0];
            let (table, shape) = self.table(table)?;
            let here: Vec<At> = part.iter().map(|(at, _)| *at).collect();
            let answer = self.query("read rows", &shape.sql.read_rows, self.keys(&here), Vec::new()).await?;
            for row in &answer {
                let values = table.columns.iter().zip(&row[1..]);
                let image = values.map(|(column, cell)| column.codec.read(cell).ok()).collect();
                found[part[self.place(row)?].1] = Some(image);
            }
        }
        Ok(found)
    }
}

/// Two halves of a set, the first on top.
fn halve(mut set: Vec<At>, open: &mut Vec<Vec<At>>) {
    let second = set.split_off(set.len() / 2);
    open.push(second);
    open.push(set);
}
