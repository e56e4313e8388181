//! Filling columns that a table has gained with what the group has.
//!
//! A row that holds the column's default, or NULL, gets the group's value while its cell is marked as apply's, so that
//! the triggers are silent; tracking is then as it was. A row that holds anything else was given it by somebody before
//! the triggers knew of the column, and becomes a change of this member's own. Rows are read under locks, decided on
//! here, and written by one statement for each set of columns. Which record is the last of a cell, and when all this may
//! be done, is the caller's business.

use super::cells::{flag, integer, optional_text};
use super::image::cell;
use super::json::{Rows, UNREAD, is_demanding};
use super::keys::{self, Key};
use super::refill_sql::RefillSql;
use super::refusal::{self, Verb};
use super::run::STATEMENT_ROWS;
use super::session::{long, text};
use super::table::{BoundColumn, BoundTable};
use super::watch::shows;
use super::{SqlServerMember, provisioned, shape, states, tracking};
use crate::provisioned::ProvisionedColumns;
use crate::template::fill;
use crate::{Direction, Error, Refill, RefillStep, Refusal, RefusalKind, Result};
use std::collections::BTreeMap;
use tributary_model::{KeyBytes, MemberId, Row, Value};

const ACTION: &str = "fill columns that a table has gained";

/// An error if a table has gained a column whose values the server gives by itself, and does not let us write.
pub(super) fn can_be(member: &MemberId, table: &BoundTable, gained: &[String]) -> Result<()> {
    let numbered = table.columns.iter().find(|column| {
        column.identity && gained.contains(&table.binding.schema.columns[column.position].name)
    });
    let Some(column) = numbered else { return Ok(()) };
    Err(Error::Unsupported {
        member: member.clone(),
        table: table.binding.local_table.clone(),
        reason: format!(
            "it has gained {:?}, which the server numbers by itself, so that what the group has of it cannot be filled \
             in; drop the column and add it again as a plain one, or exclude it in the group file",
            column.name
        ),
    })
}

/// The tables whose gained columns are being filled.
pub(super) async fn refills(member: &mut SqlServerMember) -> Result<Vec<Refill>> {
    states::refresh(member).await?;
    if !member.provisioned {
        return Ok(Vec::new());
    }
    // How far they are is not among what is known of the tables: it moves on without a change of theirs.
    let stored = provisioned::tables(&mut member.session).await?;
    let found = member.tables.iter().enumerate().filter_map(|(table, bound)| {
        let name = bound.binding.schema.name.as_str();
        let stored = stored.iter().find(|stored| stored.name == name)?;
        let refill = stored.columns.as_ref()?.refill.as_ref()?;
        Some(Refill { table, columns: refill.columns.clone(), progress: refill.progress.clone() })
    });
    Ok(found.collect())
}

/// Fills the gained columns of rows, and stores how far that is.
pub(super) async fn refill(member: &mut SqlServerMember, step: &RefillStep) -> Result<Option<Refusal>> {
    states::refresh(member).await?;
    let shapes = shape::refresh(member).await?;
    member.bound(step.table)?;
    let Some(shape) = &shapes.tables[step.table] else {
        return member.ready(step.table).map(|_| None);
    };
    if let Some(refusal) = attempt(member, step, &step.cells, shape.stirs, true).await? {
        return about(member, step, shape.stirs, refusal).await.map(Some);
    }
    states::refresh(member).await?;
    Ok(None)
}

/// Names the row that is refused.
async fn about(
    member: &mut SqlServerMember,
    step: &RefillStep,
    stirs: bool,
    mut refusal: Refusal,
) -> Result<Refusal> {
    let mut cells = step.cells.as_slice();
    while cells.len() > 1 {
        let (left, right) = cells.split_at(cells.len() / 2);
        match attempt(member, step, left, stirs, false).await? {
            Some(found) => (cells, refusal) = (left, found),
            None => cells = right,
        }
    }
    let table = member.bound(step.table)?;
    let key = cells.first().map(|(key, _)| keys::text(table, key)).unwrap_or_default();
    let message = format!("row [{key}] of {}: {}", table.base, refusal.message);
    Ok(Refusal { message, ..refusal })
}

/// Fills these rows in one transaction, which is kept only if nothing is refused.
async fn attempt(
    member: &mut SqlServerMember,
    step: &RefillStep,
    cells: &[(KeyBytes, Row)],
    stirs: bool,
    keep: bool,
) -> Result<Option<Refusal>> {
    let begin = fill(include_str!("sql/apply_begin.sql"), &[]);
    let begun = member.session.results(ACTION, &begin).await?;
    let number =
        begun.last().and_then(|set| set.first()).map_or(Err("no number".to_owned()), |row| integer(row, 0));
    let done = match number {
        Ok(number) => work(member, step, cells, number, stirs).await,
        Err(reason) => Err(member.damaged("DataSync.dss_batch", reason)),
    };
    let ended = match &done {
        Ok(Outcome::Filled(_)) if keep => member.session.commit(ACTION).await,
        _ => member.session.roll_back().await,
    };
    // The triggers speak again for every cell.
    let tidied = match ended {
        Ok(()) => member.session.batch(ACTION, &fill(include_str!("sql/apply_end.sql"), &[])).await,
        Err(error) => Err(error),
    };
    match done? {
        Outcome::Refused(refusal) => tidied.map(|()| Some(refusal)),
        Outcome::Filled(rounded) => {
            member.rounded += if keep { rounded } else { 0 };
            tidied.map(|()| None)
        }
    }
}

/// What became of rows.
enum Outcome {
    /// They are filled; how many values were rounded.
    Filled(u64),
    /// One of them is refused.
    Refused(Refusal),
}

async fn work(
    member: &mut SqlServerMember,
    step: &RefillStep,
    cells: &[(KeyBytes, Row)],
    number: i64,
    stirs: bool,
) -> Result<Outcome> {
    let (mut description, json) = description(member, step).await?;
    let SqlServerMember { session, tables, settings, server, .. } = member;
    let table = &tables[step.table];
    let columns = description.gained(&table.binding.schema, |position| table.bound(position));
    let takes_all = settings.direction == Direction::Subscribe;
    let mut filler = Filler {
        session,
        sql: RefillSql::new(table, &columns, takes_all),
        table,
        columns,
        on_loss: settings.on_loss,
        unescapes: server.unescapes_json,
        number,
        stirs,
        rounded: 0,
    };
    for cells in cells.chunks(STATEMENT_ROWS) {
        if let Some(refusal) = filler.fill(cells).await? {
            return Ok(Outcome::Refused(refusal));
        }
    }
    let rounded = filler.rounded;
    match (&step.next, &mut description.refill) {
        (Some(next), Some(refill)) => refill.progress.clone_from(next),
        (_, refill) => *refill = None,
    }
    let now = serde_json::to_string(&description).expect("names and types are JSON");
    let name = table.binding.schema.name.as_str();
    let sql = fill(include_str!("sql/refill_progress.sql"), &[]);
    let values = vec![text(name), text(&now), text(&json)];
    let written = member.session.query(ACTION, &sql, values).await?;
    if written.last().is_some_and(|row| integer(row, 0) == Ok(1)) {
        return Ok(Outcome::Filled(rounded));
    }
    Err(moved(member, step, "another one, a moment ago".to_owned()))
}

/// What is written down about the table, and the same as stored, if its refill is where the caller takes it to be.
async fn description(
    member: &mut SqlServerMember,
    step: &RefillStep,
) -> Result<(ProvisionedColumns, String)> {
    let name = member.bound(step.table)?.binding.schema.name.as_str().to_owned();
    let sql = fill(include_str!("sql/refill_description.sql"), &[]);
    let row = member.session.row(ACTION, &sql, vec![text(&name)]).await?;
    let json = row.map_or(Ok(None), |row| optional_text(&row, 0));
    let json = json.map_err(|reason| member.damaged("[DataSync].[dss_tables]", reason))?.unwrap_or_default();
    let stored: ProvisionedColumns = serde_json::from_str(&json).unwrap_or_default();
    let found = stored.refill.as_ref().map(|refill| refill.progress.clone());
    if found.as_ref() == Some(&step.expected) {
        return Ok((stored, json));
    }
    Err(moved(member, step, found.unwrap_or_else(|| "none".to_owned())))
}

/// The error of a refill that is not where the caller takes it to be.
fn moved(member: &SqlServerMember, step: &RefillStep, found: String) -> Error {
    let schema = &member.tables[step.table].binding.schema;
    Error::OffsetMoved {
        member: member.id.clone(),
        topic: format!("the refill of {}", schema.name),
        generation: schema.generation,
        partition: 0,
        expected: step.expected.clone(),
        found,
    }
}

struct Filler<'a> {
    session: &'a mut super::session::Session,
    sql: RefillSql<'a>,
    table: &'a BoundTable,
    /// The gained columns, by position in the bound ones.
    columns: Vec<usize>,
    on_loss: crate::OnLoss,
    /// Whether the server reads the escapes of texts that are sent.
    unescapes: bool,
    number: i64,
    stirs: bool,
    rounded: u64,
}

/// A row by its place, and the values of its columns as they are sent.
type Filled = (usize, Vec<Option<String>>);

/// What is to be done with the rows of a step.
#[derive(Default)]
struct Plan {
    /// Rows that are filled, by their columns' numbers among the gained ones.
    fill: BTreeMap<Vec<usize>, Vec<Filled>>,
    /// Rows that somebody has given a value of its own, by place.
    given: Vec<usize>,
}

impl Filler<'_> {
    async fn fill(&mut self, cells: &[(KeyBytes, Row)]) -> Result<Option<Refusal>> {
        let (mut keys, mut rows) = (Vec::with_capacity(cells.len()), Vec::with_capacity(cells.len()));
        for (key, row) in cells {
            // A key that cannot stand in the table has no row there.
            let Ok(key) = keys::stored(self.table, key) else { continue };
            if !self.unescapes && key.iter().any(|text| is_demanding(text)) {
                return Ok(Some(refused("key", format!("the key holds {UNREAD}"))));
            }
            keys.push(key);
            rows.push(row);
        }
        if keys.is_empty() {
            return Ok(None);
        }
        let plan = match self.plan(&keys, &rows).await? {
            Ok(plan) => plan,
            Err(refusal) => return Ok(Some(refusal)),
        };
        let some =
            |places: &mut dyn Iterator<Item = usize>| keys::rows(places.map(|place| &keys[place])).finish();
        if !plan.given.is_empty() {
            let rows = some(&mut plan.given.iter().copied());
            let incarnation = text(tracking::later_incarnation(self.table));
            self.session.execute(ACTION, &self.sql.give, vec![text(&rows), incarnation]).await?;
        }
        if plan.fill.is_empty() {
            return Ok(None);
        }
        let filled = some(&mut plan.fill.values().flatten().map(|(place, _)| *place));
        let number = self.number;
        let marked = || vec![text(&filled), long(number)];
        self.session.execute(ACTION, &self.sql.mark, marked()).await?;
        for (columns, rows) in &plan.fill {
            if let Some(refusal) = self.write(columns, &keys, rows).await? {
                return Ok(Some(refusal));
            }
        }
        self.session.execute(ACTION, &self.sql.unmark, marked()).await?;
        Ok(None)
    }

    /// Locks and reads the rows, and decides what is to be done with each.
    async fn plan(&mut self, keys: &[Key], rows: &[&Row]) -> Result<std::result::Result<Plan, Refusal>> {
        let sent = keys::rows(keys).finish();
        let found = self.session.query(ACTION, &self.sql.read, vec![text(&sent)]).await?;
        let mut plan = Plan::default();
        for answer in &found {
            let damaged = |reason| Error::Damaged {
                place: self.session.whose().place.clone(),
                object: self.table.base.clone(),
                reason,
            };
            let place = usize::try_from(integer(answer, 0).map_err(damaged)?).unwrap_or_default();
            let (mut columns, mut values, mut given) = (Vec::new(), Vec::new(), false);
            for (number, at) in self.columns.iter().enumerate() {
                let column = &self.table.columns[*at];
                let here = column.codec.read(cell(answer, 2 * number + 1));
                let nobodys = flag(answer, 2 * number + 2).map_err(damaged)?;
                let wanted = rows[place].get(column.position).unwrap_or(&Value::Null);
                if here.as_ref().is_ok_and(|here| shows(column, here, wanted, self.on_loss)) {
                    continue;
                }
                // Nobody has ever given it a value, and this one cannot be taken away.
                let stays = wanted.is_null() && !column.nullable;
                if nobodys && !stays {
                    match self.stored(column, wanted) {
                        Ok((value, rounded)) => {
                            self.rounded += u64::from(rounded);
                            columns.push(number);
                            values.push(value);
                        }
                        Err(refusal) => return Ok(Err(refusal)),
                    }
                } else {
                    given |= here.as_ref() != Ok(&Value::Null);
                }
            }
            if !columns.is_empty() {
                plan.fill.entry(columns).or_default().push((place, values));
            }
            if given {
                plan.given.push(place);
            }
        }
        Ok(Ok(plan))
    }

    /// A value as it is sent, and whether it was rounded.
    fn stored(
        &self,
        column: &BoundColumn,
        value: &Value,
    ) -> std::result::Result<(Option<String>, bool), Refusal> {
        let reason = match column.codec.write(value, self.on_loss) {
            Ok(written) => {
                let text = written.stored.text().map(std::borrow::Cow::into_owned);
                if self.unescapes || !text.as_ref().is_some_and(|text| is_demanding(text)) {
                    return Ok((text, written.rounded));
                }
                UNREAD
            }
            Err(lost) => lost.reason,
        };
        Err(refused("value", format!("column {:?} cannot hold {reason}", column.name)))
    }

    /// Writes rows that get the same columns.
    async fn write(&mut self, columns: &[usize], keys: &[Key], rows: &[Filled]) -> Result<Option<Refusal>> {
        let mut sent = Rows::default();
        for (number, (place, values)) in rows.iter().enumerate() {
            sent.begin(number);
            sent.texts(&keys[*place]);
            for value in values {
                sent.text(value.as_deref());
            }
        }
        let (sent, sql) = (sent.finish(), self.sql.fill(columns));
        let answer = match self.session.query(ACTION, &sql, vec![text(&sent)]).await {
            Ok(answer) => answer,
            Err(error) => {
                let refusal = refusal::of(&error, Verb::Upsert, self.stirs);
                return refusal.map_or(Err(error), |refusal| Ok(Some(refusal)));
            }
        };
        let written = answer.last().and_then(|row| integer(row, 0).ok());
        if written == i64::try_from(rows.len()).ok() {
            return Ok(None);
        }
        // Somebody was faster, on a server that keeps no lock on what is read only.
        Err(Error::Busy { place: self.session.whose().place.clone(), action: ACTION })
    }
}

fn refused(code: &str, message: String) -> Refusal {
    Refusal { kind: RefusalKind::Value, code: code.to_owned(), message }
}
