//! What users' triggers have made of the rows that apply wrote, found by comparing at the end of a round.
//!
//! A row that differs is listed as altered, and not captured: two members' triggers could play ping-pong with it. A
//! write that a trigger took back was refused in truth: the round begins again without its record. So does one in
//! which anything was refused, since a trigger may have written a cell that was marked and then was not written, which
//! nobody would capture.

use super::refusal::{self, Verb};
use super::run::{At, Due, Image, Run, State, Step, Stop};
use super::table::{BoundColumn, BoundTable};
use crate::OnLoss;
use crate::Refusal;
use tributary_model::{Row, Value};

/// After so many rounds what was refused stays as it is.
const ROUNDS: usize = 8;

impl Run<'_> {
    /// Whether a user's trigger runs for anything that is to be written.
    pub(super) fn is_watched(&self) -> bool {
        self.groups.iter().any(|group| {
            let stirs = self.shapes.tables[group.table].as_ref().is_some_and(|shape| shape.stirs);
            stirs && group.cells.iter().any(|cell| !matches!(cell.state, State::Decided))
        })
    }

    /// Compares the rows with what was written.
    pub(super) async fn compare(&mut self) -> Step<()> {
        if !self.watched {
            return Ok(());
        }
        let last = self.rounds.compared >= ROUNDS;
        let mut refused: Vec<(usize, Refusal)> = Vec::new();
        let mut written = Vec::new();
        for at in self.all_cells() {
            let cell = self.cell(at);
            match &cell.state {
                State::Refused(reason) if reason.marked => {
                    refused.push((cell.record, reason.refusal.clone()))
                }
                State::Written => written.push(at),
                State::Refused(_) | State::Decided | State::Marked => {}
            }
        }
        let stands = self.read_rows(&written).await?;
        let mut altered = Vec::new();
        for (at, stands) in written.into_iter().zip(stands) {
            let (taken_back, differs) = self.verdict(at, stands.as_ref());
            if differs || (taken_back && last) {
                altered.push(at);
            } else if taken_back {
                refused.push((self.cell(at).record, refusal::swallowed()));
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

    /// Whether a write was taken back, and whether the row is neither what it was nor what was written.
    fn verdict(&self, at: At, stands: Option<&Image>) -> (bool, bool) {
        let table = &self.tables[self.groups[at.0].table];
        match (self.groups[at.0].verb, stands, self.row(at)) {
            (Verb::Delete, Some(_), _) | (Verb::Upsert, None, _) => (true, false),
            (Verb::Upsert, Some(stands), Some(row)) => {
                let same = is_same(table, stands, row, self.settings.on_loss);
                let before = self.cell(at).image.as_ref().and_then(Option::as_ref);
                let as_before = before == Some(stands);
                (!same && as_before, !same && !as_before)
            }
            (Verb::Delete, None, _) | (Verb::Upsert, Some(_), None) => (false, false),
        }
    }
}

/// Whether a row in the database is what a record's row is there.
fn is_same(table: &BoundTable, stands: &Image, row: &Row, on_loss: OnLoss) -> bool {
    table.columns.iter().zip(stands).all(|(column, stands)| {
        let wanted = row.get(column.position).unwrap_or(&Value::Null);
        stands.as_ref().is_some_and(|stands| shows(column, stands, wanted, on_loss))
    })
}

/// Whether what stands in a column is what it shows of a value; it may have been rounded.
pub(super) fn shows(column: &BoundColumn, stands: &Value, wanted: &Value, on_loss: OnLoss) -> bool {
    if stands == wanted {
        return true;
    }
    match (column.codec.write(wanted, on_loss), column.codec.write(stands, OnLoss::Round)) {
        (Ok(written), Ok(found)) if written.rounded => written.stored == found.stored,
        _ => false,
    }
}
