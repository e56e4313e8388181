//! What users' triggers have made of the rows that apply wrote, found by comparing at the end of a round.
//!
//! A row that differs is listed as altered, and not captured: two members' triggers could play ping-pong with it. A
//! write that a trigger took back was refused in truth: the round begins again without its record. So does one in
//! which anything was refused, since a trigger may have written a cell that was marked and then was not written, which
//! nobody would capture.

use super::keys;
use super::refusal::{self, Verb};
use super::run::{At, Cell, Due, Group, Image, Run, State, Step, Stop};
use super::settings::OnLoss;
use super::table::{BoundColumn, BoundTable};
use super::tracking::{self, parameters};
use super::values::Raw;
use crate::Refusal;
use tributary_model::{Row, Value};

/// After so many rounds what was refused stays as it is.
const ROUNDS: usize = 8;

impl Run<'_> {
    /// Reads the rows of cells before they are written, where somebody has to know what they were.
    pub(super) async fn take_images(&mut self, cells: &[At]) -> Step<()> {
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

    /// The rows of cells as they stand.
    async fn read_rows(&self, cells: &[At]) -> Step<Vec<Option<Image>>> {
        let mut images = vec![None; cells.len()];
        let mut first = 0;
        for part in cells.chunk_by(|a, b| a.0 == b.0) {
            let (table, shape) = self.table(self.groups[part[0].0].table)?;
            let keys = keys::arrays(table.key.len(), part.iter().map(|at| &self.cell(*at).key));
            for row in self.query("read rows", &shape.sql.read_rows, &parameters(&keys, &[])).await? {
                let columns = table.columns.iter().enumerate();
                let image = columns
                    .map(|(at, column)| column.codec.read(row.get::<_, Raw<'_>>(1 + at).0).ok())
                    .collect();
                images[first + tracking::place(&row)] = Some(image);
            }
            first += part.len();
        }
        Ok(images)
    }

    /// Compares the rows with what was written.
    pub(super) async fn compare(&mut self) -> Step<()> {
        if !self.watched {
            return Ok(());
        }
        let last = self.rounds.compared >= ROUNDS;
        let mut refused: Vec<(usize, Refusal)> = Vec::new();
        let mut altered = Vec::new();
        let mut written = Vec::new();
        for at in self.all_cells() {
            let Cell { state, record, .. } = self.cell(at);
            match state {
                State::Refused(reason) if reason.marked => refused.push((*record, reason.refusal.clone())),
                State::Written => written.push(at),
                State::Refused(_) | State::Marked | State::Decided => {}
            }
        }
        let stand = self.read_rows(&written).await?;
        for (at, stands) in written.into_iter().zip(stand) {
            let Group { table, verb, .. } = self.groups[at.0];
            let (table, _) = self.table(table)?;
            let here = self.cell(at);
            let as_before = here.image.as_ref() == Some(&stands);
            let taken_back = match (verb, &stands, self.row(at)) {
                (Verb::Delete, Some(_), _) | (Verb::Upsert, None, _) => true,
                (Verb::Upsert, Some(stands), Some(row)) => {
                    let same = is_same(table, stands, row, self.member.settings.on_loss);
                    if !same && !as_before {
                        altered.push(at);
                    }
                    !same && as_before
                }
                (Verb::Delete, None, _) | (Verb::Upsert, Some(_), None) => false,
            };
            if taken_back && last {
                altered.push(at);
            } else if taken_back {
                refused.push((here.record, refusal::swallowed()));
            }
        }
        if !last && !refused.is_empty() {
            self.rounds.compared += 1;
            for (record, refusal) in refused {
                self.rounds.exclude(record, refusal, Due::Later);
            }
            return Err(Stop::Again);
        }
        self.altered = altered;
        Ok(())
    }
}

/// Whether a row in the table is what a record's row is there.
fn is_same(table: &BoundTable, stands: &Image, row: &Row, on_loss: OnLoss) -> bool {
    table.columns.iter().zip(stands).all(|(column, stands)| {
        let wanted = row.get(column.position).unwrap_or(&Value::Null);
        stands.as_ref() == Some(wanted) || is_rounded(column, stands.as_ref(), wanted, on_loss)
    })
}

/// Whether a value is what another is rounded to, or the column's own spelling of it.
fn is_rounded(column: &BoundColumn, stands: Option<&Value>, wanted: &Value, on_loss: OnLoss) -> bool {
    let Some(stands) = stands else { return false };
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let written = keys::put(column, wanted, on_loss, &mut one);
    written.is_ok() && keys::put(column, stands, OnLoss::Refuse, &mut other).is_ok() && one == other
}
