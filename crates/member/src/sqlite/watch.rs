//! What users' triggers have made of the rows that apply wrote, found by comparing at the end of a round.
//!
//! A row that differs is listed as altered, and not captured: two members' triggers could play ping-pong with it. A
//! write that a trigger took back was refused in truth: the round begins again without its record. So does one in
//! which anything was refused, since a trigger may have written a cell that was marked and then was not written, which
//! nobody would capture.

use super::keys;
use super::refusal::{self, Verb};
use super::run::{Due, Group, Run, State, Step, Stop};
use super::settings::OnLoss;
use super::table::BoundTable;
use crate::Refusal;
use rusqlite::types::{Value as Stored, ValueRef};
use tributary_model::{Row, Value};

/// After so many rounds what was refused stays as it is.
const ROUNDS: usize = 8;

impl Run<'_> {
    /// Compares the rows with what was written.
    pub(super) fn compare(&mut self) -> Step<()> {
        if !self.watched {
            return Ok(());
        }
        let last = self.rounds.compared >= ROUNDS;
        let mut refused: Vec<(usize, Refusal)> = Vec::new();
        let mut altered = Vec::new();
        for (group, cell) in self.all_cells() {
            let Group { table: at, verb, cells, .. } = &self.groups[group];
            let here = &cells[cell];
            if let State::Refused(reason) = &here.state
                && reason.marked
            {
                refused.push((here.record, reason.refusal.clone()));
            }
            if !here.is_written() {
                continue;
            }
            let stands = self.read_row(*at, &here.key)?;
            let (table, _) = self.table(*at)?;
            let as_before = here.image.as_ref() == Some(&stands);
            let taken_back = match (verb, &stands, self.row(group, cell)) {
                (Verb::Delete, Some(_), _) | (Verb::Upsert, None, _) => true,
                (Verb::Upsert, Some(stands), Some(row)) => {
                    let same = is_same(table, stands, row, self.member.settings.on_loss);
                    if !same && !as_before {
                        altered.push((group, cell));
                    }
                    !same && as_before
                }
                (Verb::Delete, None, _) | (Verb::Upsert, Some(_), None) => false,
            };
            if taken_back && last {
                altered.push((group, cell));
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

    /// All cells as (group, cell).
    pub(super) fn all_cells(&self) -> Vec<(usize, usize)> {
        let groups = self.groups.iter().enumerate();
        groups.flat_map(|(group, cells)| (0..cells.cells.len()).map(move |cell| (group, cell))).collect()
    }
}

/// Whether a row in the file is what a record's row is there.
fn is_same(table: &BoundTable, stands: &[Stored], row: &Row, on_loss: OnLoss) -> bool {
    table.columns.iter().zip(stands).all(|(column, stands)| {
        let stands = column.codec.read(ValueRef::from(stands)).ok();
        let wanted = row.get(column.position).unwrap_or(&Value::Null);
        if stands.as_ref() == Some(wanted) {
            return true;
        }
        // It may have been rounded.
        match column.codec.write(wanted, on_loss) {
            Ok(written) if written.rounded => {
                let rounded = keys::owned(&written.value);
                stands.is_some() && column.codec.read(ValueRef::from(&rounded)).ok() == stands
            }
            _ => false,
        }
    })
}
