//! The second half of a round: rows are written and deleted, each table's part by one statement, and what is refused
//! at first is tried again when something that it needs has happened in the same batch.
//!
//! A round that nothing is refused in needs no savepoints. Once something is, the transaction begins again, each
//! statement in a savepoint, and who is guilty is found by asking for what the refusal names (a parent that is not
//! there, a value that another row has), or else by halves, until each guilty record stands alone. Rows of tables that
//! refer to each other in a circle are written by one statement, at whose end the server looks at their references.

use super::arrays::{Array, CopyRows, split};
use super::keys;
use super::refusal::{self, Verb};
use super::run::{At, Cell, Due, Group, Run, State, Step};
use super::shape::{self, TableShape};
use super::statements::{self, Database};
use super::table::BoundTable;
use super::tracking::{self, Marks, parameters};
use crate::{Refusal, RefusalKind};
use bytes::BufMut as _;
use std::collections::HashSet;
use tokio_postgres::types::ToSql;
use tributary_model::Row;

/// How often refused records are tried again within a round. Each time settles at least one link of a chain; what
/// is longer is settled by placeholders, or by the next batch.
const PASSES: usize = 3;

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
}

/// A set's rows as they are sent, by group.
#[derive(Default)]
pub(super) struct Encoded {
    parts: Vec<Part>,
    /// How many values were rounded.
    rounded: u64,
}

struct Part {
    group: usize,
    cells: Vec<usize>,
    /// Key and values of all rows, one behind the other.
    fields: Vec<u8>,
}

impl Encoded {
    fn cells(&self) -> impl Iterator<Item = At> {
        self.parts.iter().flat_map(|part| part.cells.iter().map(|cell| (part.group, *cell)))
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(|part| part.cells.len()).sum()
    }

    /// How many of their values were rounded.
    pub(super) fn rounded(&self) -> u64 {
        self.rounded
    }
}

impl Part {
    /// The columns, each as an array.
    fn arrays(&self, columns: usize) -> Vec<Array> {
        let mut arrays = vec![Array::with_capacity(self.cells.len()); columns];
        for (at, field) in split(&self.fields).enumerate() {
            arrays[at % columns].push_field(field);
        }
        arrays
    }

    /// The rows of a COPY.
    fn copied(&self, columns: usize) -> bytes::Bytes {
        let mut rows = CopyRows::new(columns, self.cells.len());
        let mut rest: &[u8] = &self.fields;
        for _ in &self.cells {
            let length = split(rest).take(columns).map(<[u8]>::len).sum();
            let (row, after) = rest.split_at(length);
            rows.begin().put_slice(row);
            rest = after;
        }
        rows.finish().1
    }
}

/// Puts a row's values behind each other; an absent column becomes NULL: it is never left out. Returns how many were
/// rounded, or what cannot be held.
fn encode_values(
    run: &Run<'_>,
    table: &BoundTable,
    shape: &TableShape,
    row: &Row,
    fields: &mut Vec<u8>,
) -> Result<u64, String> {
    let mut rounded = 0;
    for at in &shape.values {
        let column = &table.columns[*at];
        match row.get(column.position) {
            None => fields.put_i32(-1),
            Some(value) => match keys::put(column, value, run.member.settings.on_loss, fields) {
                Ok(was_rounded) => rounded += u64::from(was_rounded),
                Err(reason) => return Err(format!("column {:?} cannot hold {reason}", column.name)),
            },
        }
    }
    Ok(rounded)
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
        let Group { verb, cyclic, .. } = self.groups[*group];
        self.take_images(&cells).await?;
        let (there, absent): (Vec<At>, Vec<At>) = cells.into_iter().partition(|at| self.cell(*at).present);
        match verb {
            Verb::Upsert if cyclic => {
                // Rows that are there may be about to refer to new ones.
                self.write_set(Kind::Insert, absent).await?;
                self.write_set(Kind::Update, there).await
            }
            Verb::Upsert => {
                self.write_set(Kind::Update, there).await?;
                self.write_set(Kind::Insert, absent).await
            }
            Verb::Delete => {
                for at in absent {
                    self.wrote(at);
                }
                let free = self.without_cascades(there).await?;
                self.write_set(Kind::Delete, free).await
            }
        }
    }

    /// Writes a set of cells, as far as their records are not refused.
    pub(super) async fn write_set(&mut self, kind: Kind, cells: Vec<At>) -> Step<()> {
        let mut open = vec![cells];
        while let Some(set) = open.pop() {
            let encoded = self.encode(kind, set)?;
            let set: Vec<At> = encoded.cells().collect();
            if set.is_empty() {
                continue;
            }
            match self.try_set(kind, &encoded).await? {
                Tried::Written => {
                    self.rounded += encoded.rounded;
                    for at in set {
                        self.wrote(at);
                    }
                }
                Tried::Short | Tried::Refused(_) if !self.rounds.careful => return Err(self.carefully()),
                Tried::Short if set.len() == 1 => {
                    if self.turned_up(kind, set[0]).await? {
                        Box::pin(self.write_set(Kind::Update, set)).await?;
                    }
                }
                Tried::Short => halve(set, &mut open),
                Tried::Refused(refusal) if set.len() == 1 => self.refuse(set[0], refusal),
                Tried::Refused(refusal) => self.sort_out(kind, set, refusal, &mut open).await?,
            }
        }
        Ok(())
    }

    /// Encodes the rows of a set; refuses those whose values cannot be held.
    pub(super) fn encode(&mut self, kind: Kind, mut cells: Vec<At>) -> Step<Encoded> {
        cells.sort_unstable();
        let mut encoded = Encoded::default();
        let mut refused = Vec::new();
        for part in cells.chunk_by(|a, b| a.0 == b.0) {
            let group = part[0].0;
            let (table, shape) = self.table(self.groups[group].table)?;
            let mut rows = Part { group, cells: Vec::with_capacity(part.len()), fields: Vec::new() };
            for (_, cell) in part {
                let length = rows.fields.len();
                rows.fields.put_slice(self.groups[group].cells[*cell].key.fields());
                if kind != Kind::Delete
                    && let Some(row) = self.row((group, *cell))
                {
                    match encode_values(self, table, shape, row, &mut rows.fields) {
                        Ok(rounded) => encoded.rounded += rounded,
                        Err(message) => {
                            rows.fields.truncate(length);
                            refused.push(((group, *cell), message));
                            continue;
                        }
                    }
                }
                rows.cells.push(*cell);
            }
            if !rows.cells.is_empty() {
                encoded.parts.push(rows);
            }
        }
        if !refused.is_empty() && self.watched && !self.rounds.careful {
            return Err(self.carefully());
        }
        for (at, message) in refused {
            self.refuse(at, Refusal { kind: RefusalKind::Value, code: "value".to_owned(), message });
        }
        Ok(encoded)
    }

    /// Writes a set, all or nothing.
    pub(super) async fn try_set(&mut self, kind: Kind, set: &Encoded) -> Step<Tried> {
        if self.rounds.careful {
            self.control("SAVEPOINT dss_set").await?;
        }
        let tried = match self.send(kind, set).await {
            Ok(count) if count == set.len() as u64 => Tried::Written,
            Ok(_) => Tried::Short,
            Err(error) => Tried::Refused(self.refusal_of(set.parts[0].group, error)?),
        };
        if self.rounds.careful {
            let end = match tried {
                Tried::Written => "RELEASE dss_set",
                Tried::Short | Tried::Refused(_) => "ROLLBACK TO dss_set; RELEASE dss_set",
            };
            self.control(end).await?;
        }
        Ok(tried)
    }

    /// Sends a set's statement; tells how many rows it was about.
    async fn send(&self, kind: Kind, set: &Encoded) -> Database<u64> {
        let mut count = 0;
        match (kind, set.parts.as_slice()) {
            (Kind::Insert | Kind::Delete, [_, _, ..]) => return self.send_circle(kind, set).await,
            (_, parts) => {
                for part in parts {
                    count += self.send_part(kind, part).await?;
                }
            }
        }
        Ok(count)
    }

    async fn send_part(&self, kind: Kind, part: &Part) -> Database<u64> {
        let Group { table, .. } = self.groups[part.group];
        let (Some(shape), table) = (&self.shapes.tables[table], &self.member.tables[table]) else {
            return Ok(0);
        };
        let columns = columns(kind, table, shape);
        let sql = match kind {
            Kind::Insert if !self.rounds.careful && part.cells.len() >= Marks::COPY && shape.may_copy => {
                return statements::copy(self.member, &shape.sql.copy_rows, part.copied(columns)).await;
            }
            Kind::Insert => &shape.sql.insert_rows,
            Kind::Update => match &shape.sql.update_rows {
                Some(sql) => sql,
                // There is nothing but the key.
                None => return Ok(part.cells.len() as u64),
            },
            Kind::Delete => &shape.sql.delete_rows,
        };
        let arrays = part.arrays(columns);
        statements::execute(self.member, sql, &parameters(&arrays, &[])).await
    }

    /// Several tables in one statement: the server looks at references at its end.
    async fn send_circle(&self, kind: Kind, set: &Encoded) -> Database<u64> {
        let mut parts = Vec::with_capacity(set.parts.len());
        let mut arrays = Vec::new();
        for part in &set.parts {
            let table = self.groups[part.group].table;
            let (Some(shape), table) = (&self.shapes.tables[table], &self.member.tables[table]) else {
                continue;
            };
            parts.push(match kind {
                Kind::Delete => shape::delete_rows(table, arrays.len() + 1),
                Kind::Insert | Kind::Update => shape::insert_rows(table, &shape.values, arrays.len() + 1),
            });
            arrays.extend(part.arrays(columns(kind, table, shape)));
        }
        let named = |(at, sql): (usize, &String)| format!("part_{at} AS ({sql} RETURNING 1)");
        let counted = |at: usize| format!("(SELECT count(*) FROM part_{at})");
        let sql = format!(
            "WITH {} SELECT {}",
            parts.iter().enumerate().map(named).collect::<Vec<_>>().join(", "),
            (0..parts.len()).map(counted).collect::<Vec<_>>().join(" + ")
        );
        let parameters: Vec<&(dyn ToSql + Sync)> = arrays.iter().map(|array| array as _).collect();
        let rows = statements::query(self.member, &sql, &parameters).await?;
        rows.first().map_or(Ok(0), |row| row.try_get::<_, i64>(0)).map(|count| count as u64)
    }

    /// Why a single row was not written without a word. `true` if it is there by now and is to be updated.
    async fn turned_up(&mut self, kind: Kind, at: At) -> Step<bool> {
        if kind == Kind::Insert && !self.cell(at).again {
            self.put_back(&[at]).await?;
            let cell = self.cell_mut(at);
            (cell.again, cell.state) = (true, State::Decided);
            self.decide_again(at).await?;
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
            RefusalKind::Referenced => self.still_referenced(&set).await?,
            _ => Vec::new(),
        };
        let cyclic = self.groups[set[0].0].cyclic;
        let found = match (found.is_empty(), cyclic) {
            (false, _) => found,
            (true, false) => {
                halve(set, open);
                return Ok(());
            }
            // A half of a circle is refused for what is in the other half.
            (true, true) => self.guilty(kind, &set, &refusal).await?,
        };
        let mut rest = set;
        let guilty: HashSet<At> = found.iter().map(|(at, _)| *at).collect();
        rest.retain(|at| !guilty.contains(at));
        for (at, refusal) in found {
            self.refuse(at, refusal);
        }
        open.push(rest);
        Ok(())
    }

    /// Those of a circle's set that are refused for something else than their references; all, if there are none.
    async fn guilty(&mut self, kind: Kind, set: &[At], refusal: &Refusal) -> Step<Vec<(At, Refusal)>> {
        let mut guilty = Vec::new();
        let mut open = vec![set.to_vec()];
        while let Some(part) = open.pop() {
            let encoded = self.encode(kind, part.clone())?;
            if encoded.len() == 0 {
                continue;
            }
            self.control("SAVEPOINT dss_trial").await?;
            let tried = self.try_set(kind, &encoded).await?;
            self.control("ROLLBACK TO dss_trial; RELEASE dss_trial").await?;
            match tried {
                Tried::Written => {}
                Tried::Refused(refusal) if part.len() == 1 => {
                    if !matches!(refusal.kind, RefusalKind::ForeignKey | RefusalKind::Referenced) {
                        guilty.push((part[0], refusal));
                    }
                }
                Tried::Short if part.len() == 1 => guilty.push((part[0], refusal::swallowed())),
                Tried::Short | Tried::Refused(_) => halve(part, &mut open),
            }
        }
        if guilty.is_empty() {
            guilty = set.iter().map(|at| (*at, refusal.clone())).collect();
        }
        Ok(guilty)
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

    /// Gives cells their tracking rows back as they were.
    pub(super) async fn put_back(&self, cells: &[At]) -> Step<()> {
        let mut cells = cells.to_vec();
        cells.sort_unstable();
        for part in cells.chunk_by(|a, b| a.0 == b.0) {
            let (table, shape) = self.table(self.groups[part[0].0].table)?;
            let before: Vec<_> = part
                .iter()
                .map(|at| {
                    let Cell { key, before, .. } = self.cell(*at);
                    (key, before)
                })
                .collect();
            let done =
                tracking::put_back(self.member, &shape.sql, table.key.len(), &before, self.number).await;
            done.map_err(self.failed("put tracking rows back"))?;
        }
        Ok(())
    }
}

/// How many columns a set's rows have.
fn columns(kind: Kind, table: &BoundTable, shape: &TableShape) -> usize {
    match kind {
        Kind::Insert | Kind::Update => table.key.len() + shape.values.len(),
        Kind::Delete => table.key.len(),
    }
}

/// Two halves of a set, the first on top.
fn halve(mut set: Vec<At>, open: &mut Vec<Vec<At>>) {
    let second = set.split_off(set.len() / 2);
    open.push(second);
    open.push(set);
}
