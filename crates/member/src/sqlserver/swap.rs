//! Unique values that change hands: rows of one table that take each other's value, in a circle or a chain.
//!
//! Within one statement the server lets them. Where the halves come as updates and inserts, or a record among them is
//! refused for something else, the values are taken away first, by a placeholder in a column of the index, and then all
//! rows are written. Two rows that want the same value for good are a conflict between cells, which nothing here can
//! settle: they stay refused.

use super::declared::Kind as Type;
use super::json::Rows;
use super::keys;
use super::refusal::{self, Verb};
use super::run::{At, Group, Run, STATEMENT_ROWS, State, Step};
use super::session::text;
use super::shape::UniqueShape;
use super::table::{BoundColumn, BoundTable};
use super::writes::{Kind, Tried};
use crate::OnLoss;
use crate::{Refusal, RefusalKind};
use std::collections::{HashMap, HashSet};
use tributary_model::{KeyBytes, Row, time};
use uuid::Uuid;

/// How often a swap is tried with fewer rows.
const TRIES: usize = 4;

/// A row in the way: it holds a value that another is to get.
#[derive(Debug, Clone)]
pub(super) struct Holder {
    /// Its key; `None` if that cannot be read.
    pub(super) key: Option<KeyBytes>,
    /// The index, by position in the table's.
    unique: usize,
}

/// A cell that waits for a unique value.
struct Waiting {
    at: At,
    holders: Vec<Holder>,
}

impl Run<'_> {
    /// Settles what unique indexes have refused, as far as the rows in the way are refused themselves.
    /// Tells whether that wrote anything.
    pub(super) async fn swap(&mut self) -> Step<bool> {
        let writes = self.writes;
        for group in 0..self.groups.len() {
            let cells = self.refused_as_unique(group);
            if self.groups[group].verb == Verb::Upsert && cells.len() > 1 {
                self.swap_group(cells).await?;
            }
        }
        Ok(self.writes > writes)
    }

    fn refused_as_unique(&self, group: usize) -> Vec<At> {
        let waits = |state: &State| {
            matches!(state, State::Refused(refused)
                if refused.marked && refused.refusal.kind == RefusalKind::Unique)
        };
        let cells = self.groups[group].cells.iter().enumerate();
        cells.filter(|(_, cell)| waits(&cell.state)).map(|(at, _)| (group, at)).collect()
    }

    async fn swap_group(&mut self, cells: Vec<At>) -> Step<()> {
        let holders = self.holders(&cells).await?;
        let mut waiting: Vec<Waiting> =
            cells.into_iter().zip(holders).map(|(at, holders)| Waiting { at, holders }).collect();
        for _ in 0..TRIES {
            self.keep_movable(&mut waiting);
            if waiting.len() < 2 {
                break;
            }
            self.control("SAVE TRANSACTION dss_swap").await?;
            let failed = self.try_swap(&waiting).await?;
            if failed.is_empty() {
                for waiting in waiting {
                    self.wrote(waiting.at);
                }
                break;
            }
            self.control("ROLLBACK TRANSACTION dss_swap").await?;
            waiting.retain(|waiting| !failed.contains(&waiting.at));
        }
        Ok(())
    }

    /// Drops those whose value is held by a row that does not give it up, and those that wait for them in turn.
    fn keep_movable(&self, waiting: &mut Vec<Waiting>) {
        let places: HashMap<&KeyBytes, usize> =
            waiting.iter().enumerate().map(|(at, waiting)| (self.record_key(waiting.at), at)).collect();
        let mut stuck = vec![false; waiting.len()];
        let mut behind: Vec<Vec<usize>> = vec![Vec::new(); waiting.len()];
        for (at, one) in waiting.iter().enumerate() {
            for holder in &one.holders {
                match holder.key.as_ref().and_then(|key| places.get(key)) {
                    Some(ahead) => behind[*ahead].push(at),
                    None => stuck[at] = true,
                }
            }
        }
        let mut open: Vec<usize> = (0..stuck.len()).filter(|at| stuck[*at]).collect();
        while let Some(at) = open.pop() {
            for other in behind[at].drain(..) {
                if !stuck[other] {
                    stuck[other] = true;
                    open.push(other);
                }
            }
        }
        let mut stuck = stuck.into_iter();
        waiting.retain(|_| !stuck.next().unwrap_or(false));
    }

    /// Takes the values away and writes all rows; returns the cells for which that failed.
    async fn try_swap(&mut self, waiting: &[Waiting]) -> Step<HashSet<At>> {
        let (table, shape) = self.table(self.groups[waiting[0].at.0].table)?;
        let mut involved: Vec<usize> =
            waiting.iter().flat_map(|waiting| &waiting.holders).map(|holder| holder.unique).collect();
        involved.sort_unstable();
        involved.dedup();
        let cells: Vec<At> = waiting.iter().map(|waiting| waiting.at).collect();
        let (there, absent): (Vec<At>, Vec<At>) = cells.into_iter().partition(|at| self.cell(*at).present);
        let mut failed = HashSet::new();
        for unique in &involved {
            for part in there.chunks(STATEMENT_ROWS) {
                if !self.take_away(part, table, &shape.uniques[*unique]).await? {
                    failed.extend(part.iter().copied());
                }
            }
        }
        if !failed.is_empty() {
            return Ok(failed);
        }
        for (kind, cells) in [(Kind::Update, there), (Kind::Insert, absent)] {
            let mut open: Vec<Vec<At>> = cells.chunks(STATEMENT_ROWS).map(<[At]>::to_vec).collect();
            while let Some(mut set) = open.pop() {
                let encoded = self.encode(kind, &set, &[])?;
                if encoded.cells.len() < set.len() {
                    failed.extend(set);
                    continue;
                }
                match self.try_set(kind, encoded).await? {
                    Tried::Written => {}
                    Tried::Ended(refusal) => return Err(self.ended(&set, refusal)),
                    Tried::Short | Tried::Refused(_) if set.len() == 1 => failed.extend(set),
                    Tried::Short | Tried::Refused(_) => {
                        open.push(set.split_off(set.len() / 2));
                        open.push(set);
                    }
                }
            }
        }
        Ok(failed)
    }

    /// Puts placeholders into the first column of an index that takes them.
    async fn take_away(&mut self, cells: &[At], table: &BoundTable, unique: &UniqueShape) -> Step<bool> {
        if cells.is_empty() {
            return Ok(true);
        }
        for (at, sql) in &unique.placeholders {
            let column = &table.columns[*at];
            for made_up in [true, false] {
                let mut rows = Rows::default();
                for (number, at) in cells.iter().enumerate() {
                    let value = made_up.then(|| placeholder(column, self.number, number)).flatten();
                    if value.is_none() && (made_up || !column.nullable) {
                        break;
                    }
                    rows.begin(number);
                    rows.texts(&self.cell(*at).key);
                    rows.text(value.as_deref());
                }
                if rows.len() < cells.len() {
                    continue;
                }
                self.control("SAVE TRANSACTION dss_set").await?;
                let rows = rows.finish();
                let done = self.session.query("move unique values", sql, vec![text(&rows)]).await;
                match done {
                    Ok(answer) if self.count(&answer)? == cells.len() as u64 => return Ok(true),
                    Ok(_) => {}
                    Err(error) => {
                        let refusal = self.refusal_of(cells[0].0, error)?;
                        if self.is_gone().await? {
                            return Err(self.ended(cells, refusal));
                        }
                    }
                }
                self.control("ROLLBACK TRANSACTION dss_set").await?;
            }
        }
        Ok(false)
    }

    /// The rows that hold what cells' records want in unique indexes, by cell.
    pub(super) async fn holders(&mut self, cells: &[At]) -> Step<Vec<Vec<Holder>>> {
        let mut found = vec![Vec::new(); cells.len()];
        let mut places: Vec<(At, usize)> = cells.iter().enumerate().map(|(at, cell)| (*cell, at)).collect();
        places.sort_unstable();
        for part in places.chunk_by(|a, b| a.0.0 == b.0.0).flat_map(|part| part.chunks(STATEMENT_ROWS)) {
            let Group { table, .. } = self.groups[part[0].0.0];
            let (table, shape) = self.table(table)?;
            for (unique, index) in shape.uniques.iter().enumerate() {
                let mut rows = Rows::default();
                for (at, place) in part {
                    let wanted = self.row(*at).and_then(|row| wanted(table, index, row));
                    let Some(wanted) = wanted else { continue };
                    rows.begin(*place);
                    rows.texts(&self.cell(*at).key);
                    rows.texts(&wanted);
                }
                if rows.is_empty() {
                    continue;
                }
                let action = "look for unique values";
                for row in self.query(action, &index.holders, rows, Vec::new()).await? {
                    let key = keys::read(table, &row, 1);
                    found[self.place(&row)?].push(Holder { key, unique });
                }
            }
        }
        Ok(found)
    }

    /// Records of a set whose unique values other rows have: those outside of the set, or else those in it, or else
    /// other records of the set that want the same.
    pub(super) async fn taken(&mut self, set: &[At]) -> Step<Vec<(At, Refusal)>> {
        let (table, shape) = self.table(self.groups[set[0].0].table)?;
        let own: HashSet<&KeyBytes> = set.iter().map(|at| self.record_key(*at)).collect();
        let holders = self.holders(set).await?;
        for outside in [true, false] {
            let counts =
                |holder: &&Holder| !outside || holder.key.as_ref().is_none_or(|key| !own.contains(key));
            let held: Vec<(At, Refusal)> = set
                .iter()
                .zip(&holders)
                .filter_map(|(at, holders)| Some((*at, holders.iter().find(counts)?)))
                .map(|(at, holder)| (at, refusal::taken(&shape.uniques[holder.unique].name)))
                .collect();
            if !held.is_empty() {
                return Ok(held);
            }
        }
        let mut first: HashSet<(usize, Vec<String>)> = HashSet::new();
        let mut twice = Vec::new();
        for at in set {
            for (unique, index) in shape.uniques.iter().enumerate() {
                let wanted = self.row(*at).and_then(|row| wanted(table, index, row));
                if let Some(wanted) = wanted
                    && !first.insert((unique, wanted))
                {
                    twice.push((*at, refusal::taken(&index.name)));
                    break;
                }
            }
        }
        Ok(twice)
    }
}

/// A record's values in an index's columns; `None` if one cannot stand there, or is NULL: whether NULL equals NULL is
/// told by the index alone.
fn wanted(table: &BoundTable, unique: &UniqueShape, row: &Row) -> Option<Vec<String>> {
    let value = |at: &usize| {
        let column = &table.columns[*at];
        let written = column.codec.write(row.get(column.position)?, OnLoss::Round).ok()?;
        written.stored.text().map(std::borrow::Cow::into_owned)
    };
    unique.columns.iter().map(value).collect()
}

/// A value that hardly any row has, of the column's type, as it is sent. Batches' numbers are never given twice.
fn placeholder(column: &BoundColumn, batch: i64, number: usize) -> Option<String> {
    let declared = column.codec.declared();
    let number = i64::try_from(number).ok()?;
    let day = i32::try_from(number % 3_000).ok()?;
    let short = format!("~{batch:x}.{number:x}");
    Some(match declared.kind {
        Type::SmallInt if number < 10_000 => (i64::from(i16::MIN) + number).to_string(),
        Type::Int => (i64::from(i32::MIN) + number).to_string(),
        Type::BigInt => (i64::MIN + (batch % 1_000_000) * 1_000_000 + number).to_string(),
        Type::Decimal if declared.precision > declared.scale + 4 => {
            let digits = usize::try_from(declared.precision - declared.scale - 4).ok()?;
            format!("-{}{:04}", "9".repeat(digits), 9_999 - number % 10_000)
        }
        Type::Money => (-900_000_000_000_000_i64 + number).to_string(),
        Type::SmallMoney => (-214_000_i64 + number % 1_000_000).to_string(),
        Type::Real => format!("{:E}", -0.5 - number as f32),
        Type::Float => format!("{:E}", -0.5 - number as f64),
        Type::Char | Type::VarChar | Type::NChar | Type::NVarChar
            if declared.length.is_none_or(|most| short.len() <= most as usize) =>
        {
            short
        }
        Type::Binary | Type::VarBinary if declared.length.is_none_or(|most| most >= 16) => {
            super::quote::hexadecimal(Uuid::new_v4().as_bytes())
        }
        Type::UniqueIdentifier => Uuid::new_v4().hyphenated().to_string(),
        Type::Date => time::format_date(-719_162 + day),
        Type::DateTime2 if declared.scale > 2 => format!(
            "0001-01-01T00:{:02}:{:02}.{:03}",
            number / 60_000 % 60,
            number / 1_000 % 60,
            number % 1_000
        ),
        _ => return None,
    })
}
