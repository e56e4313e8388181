//! Filling columns that a table has gained with what the group has.
//!
//! A row that holds the column's default, or NULL, gets the group's value while its cell is marked as apply's, so that
//! the triggers are silent; tracking is then as it was. A row that holds anything else was given it by somebody before
//! the triggers knew of the column, and becomes a change of this member's own. Which record is the last of a cell, and
//! when all this may be done, is the caller's business.

use super::arrays::Array;
use super::keys::{self, Key};
use super::quote::text;
use super::refusal::{self, Target, Verb, Verdict};
use super::session::Begin;
use super::shape::{self, TableShape};
use super::table::BoundTable;
use super::{PostgresMember, statements, states};
use crate::provisioned::{ProvisionedColumns, is_constant};
use crate::template::fill;
use crate::{Direction, Error, Refill, RefillStep, Refusal, RefusalKind, Result};
use tokio_postgres::types::ToSql;
use tributary_model::{KeyBytes, Row, Value};

const ACTION: &str = "fill columns that a table has gained";

/// The tables whose gained columns are being filled.
pub(super) async fn refills(member: &mut PostgresMember) -> Result<Vec<Refill>> {
    member.session.settle(ACTION).await?;
    states::refresh(member).await?;
    let found = member.tables.iter().enumerate().filter_map(|(table, bound)| {
        let refill = bound.refill.as_ref()?;
        Some(Refill { table, columns: refill.columns.clone(), progress: refill.progress.clone() })
    });
    Ok(found.collect())
}

/// Fills the gained columns of rows, and stores how far that is.
pub(super) async fn refill(member: &mut PostgresMember, step: &RefillStep) -> Result<Option<Refusal>> {
    member.session.settle(ACTION).await?;
    states::refresh(member).await?;
    let shapes = shape::refresh(member).await?;
    let table = member.bound(step.table)?;
    let Some(shape) = &shapes.tables[step.table] else {
        return member.ready(step.table).map(|_| None);
    };
    let filler = Filler { member, table, shape, settings: &shapes.settings };
    if let Some(refusal) = filler.attempt(step, &step.cells, true).await? {
        return filler.about(step, refusal).await.map(Some);
    }
    states::refresh(member).await?;
    Ok(None)
}

struct Filler<'a> {
    member: &'a PostgresMember,
    table: &'a BoundTable,
    shape: &'a TableShape,
    settings: &'a str,
}

impl Filler<'_> {
    /// Fills these rows in one transaction, which is kept only if nothing is refused.
    async fn attempt(
        &self,
        step: &RefillStep,
        cells: &[(KeyBytes, Row)],
        keep: bool,
    ) -> Result<Option<Refusal>> {
        let session = &self.member.session;
        session.begin(ACTION, Begin::Write, self.settings).await?;
        let refused = match self.work(step, cells).await {
            Ok(refused) => refused,
            Err(error) => {
                session.rollback().await;
                return Err(error);
            }
        };
        if refused.is_none() && keep {
            session.commit(ACTION).await?;
        } else {
            session.rollback().await;
        }
        Ok(refused)
    }

    /// Names the row that is refused.
    async fn about(&self, step: &RefillStep, mut refusal: Refusal) -> Result<Refusal> {
        let mut cells = step.cells.as_slice();
        while cells.len() > 1 {
            let (left, right) = cells.split_at(cells.len() / 2);
            match self.attempt(step, left, false).await? {
                Some(found) => (cells, refusal) = (left, found),
                None => cells = right,
            }
        }
        let key = cells.first().map(|(key, _)| keys::text(self.table, key)).unwrap_or_default();
        let message = format!("row [{key}] of {}: {}", self.table.label(), refusal.message);
        Ok(Refusal { message, ..refusal })
    }

    async fn work(&self, step: &RefillStep, cells: &[(KeyBytes, Row)]) -> Result<Option<Refusal>> {
        let session = &self.member.session;
        let failed = session.origin.failed(ACTION);
        let mut description = self.description(step).await?;
        let columns = description.gained(&self.table.binding.schema, |position| self.table.bound(position));
        let encoded = match self.encode(cells, &columns) {
            Ok(encoded) => encoded,
            Err(refusal) => return Ok(Some(refusal)),
        };
        if let Some(encoded) = encoded {
            let rows = statements::query(self.member, include_str!("sql/apply_begin_batch.sql"), &[]).await;
            let number: i64 = rows.map_err(&failed)?[0].get(0);
            let statements = self.statements(&columns, number);
            let (keys, all) = (encoded.parameters(self.table.key.len()), encoded.parameters(usize::MAX));
            session.query(ACTION, &self.shape.sql.lock_upserts, &keys).await?;
            // What has no tracking row yet must be told from what has one for the mark only.
            session.execute(ACTION, &statements.give, &all).await?;
            session.execute(ACTION, &statements.mark, &keys).await?;
            if let Err(error) = statements::execute(self.member, &statements.fill, &all).await {
                let target = Target {
                    table: &self.table.binding.local_table,
                    verb: Verb::Upsert,
                    stirs: self.shape.stirs,
                };
                return match error.as_db_error().map(|said| refusal::of(said, target)) {
                    Some(Verdict::Refused(refusal)) => Ok(Some(refusal)),
                    _ => Err(session.origin.classify(ACTION, error)),
                };
            }
            session.execute(ACTION, &statements.unmark, &keys).await?;
        }
        match (&step.next, &mut description.refill) {
            (Some(next), Some(refill)) => refill.progress.clone_from(next),
            (_, refill) => *refill = None,
        }
        let json = serde_json::to_string(&description).expect("names and types are JSON");
        let name = self.table.binding.schema.name.as_str();
        let sql = "UPDATE \"DataSync\".dss_tables SET columns = $2 WHERE table_name = $1";
        session.execute(ACTION, sql, &[&name, &json]).await?;
        Ok(None)
    }

    /// What is written down about the table, if its refill is where the caller takes it to be.
    async fn description(&self, step: &RefillStep) -> Result<ProvisionedColumns> {
        let session = &self.member.session;
        let name = self.table.binding.schema.name.as_str();
        let row = session.query_first(ACTION, include_str!("sql/refill_description.sql"), &[&name]).await?;
        let json: Option<String> =
            row.map(|row| row.try_get(0)).transpose().map_err(session.origin.failed(ACTION))?;
        let stored: ProvisionedColumns =
            json.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
        let found = stored.refill.as_ref().map(|refill| refill.progress.clone());
        if found.as_ref() == Some(&step.expected) {
            return Ok(stored);
        }
        Err(Error::OffsetMoved {
            member: session.origin.member.clone(),
            topic: format!("the refill of {name}"),
            generation: self.table.binding.schema.generation,
            partition: 0,
            expected: step.expected.clone(),
            found: found.unwrap_or_else(|| "none".to_owned()),
        })
    }

    /// Keys and values as arrays; `None` if there are no rows. Keys that cannot stand in the table have none there.
    fn encode(
        &self,
        cells: &[(KeyBytes, Row)],
        columns: &[usize],
    ) -> std::result::Result<Option<Encoded>, Refusal> {
        let mut found: Vec<Key> = Vec::with_capacity(cells.len());
        let mut values = vec![Array::with_capacity(cells.len()); columns.len()];
        let mut field = Vec::new();
        for (key, row) in cells {
            let Ok(key) = keys::stored(self.table, key) else { continue };
            for (at, array) in columns.iter().zip(&mut values) {
                let column = &self.table.columns[*at];
                let value = row.get(column.position).unwrap_or(&Value::Null);
                field.clear();
                keys::put(column, value, self.member.settings.on_loss, &mut field).map_err(|reason| {
                    Refusal {
                        kind: RefusalKind::Value,
                        code: "value".to_owned(),
                        message: format!("column {:?} cannot hold {reason}", column.name),
                    }
                })?;
                array.push_field(&field);
            }
            found.push(key);
        }
        let mut arrays = keys::arrays(self.table.key.len(), &found);
        arrays.append(&mut values);
        Ok((!found.is_empty()).then_some(Encoded { arrays }))
    }

    fn statements(&self, columns: &[usize], number: i64) -> Statements {
        let table = self.table;
        let width = table.key.len();
        let list = |parts: Vec<String>| parts.join(", ");
        let keys = shape::keys(table, 1);
        let base_match = shape::base_match(table);
        let tracking_match = table.tracking_is(|place| format!("u.k{}", place + 1));
        let u_key = table.key_columns().enumerate();
        let u_key = list(u_key.map(|(place, column)| column.tracked(&format!("u.k{}", place + 1))).collect());
        let arrays = shape::arrays(table, table.key.iter().chain(columns).copied(), 1);
        let names = (1..=width).map(|number| format!("k{number}"));
        let names = list(names.chain((1..=columns.len()).map(|number| format!("v{number}"))).collect());
        let parts: Vec<Part> = columns
            .iter()
            .enumerate()
            .map(|(number, at)| self.part(*at, &format!("u.v{}", number + 1)))
            .collect();
        let either = |of: fn(&Part) -> String| parts.iter().map(of).collect::<Vec<_>>().join(" OR ");
        let later = (table.incarnation != table.first_incarnation).then(|| text(table.incarnation.as_str()));
        let number = number.to_string();
        let assignments = list(parts.iter().map(|part| part.assignment.clone()).collect());
        let filled = |template| {
            fill(
                template,
                &[
                    ("base", &table.base),
                    ("tracking", &table.tracking),
                    ("tracking_key", &table.tracking_key_list("")),
                    ("tracking_match", &tracking_match),
                    ("base_match", &base_match),
                    ("keys", &keys),
                    ("u_key", &u_key),
                    ("arrays", &arrays),
                    ("names", &names),
                    ("number", &number),
                    ("assignments", &assignments),
                    ("untouched", &either(|part| part.is_to_fill.clone())),
                    ("given", &either(|part| part.is_given.clone())),
                    ("incarnation", later.as_deref().unwrap_or("NULL")),
                    ("first", &text(table.first_incarnation.as_str())),
                    ("first_seen", &text(&table.first_seen())),
                ],
            )
        };
        Statements {
            mark: filled(include_str!("sql/refill_mark.sql")),
            fill: filled(include_str!("sql/refill_fill.sql")),
            give: filled(include_str!("sql/refill_give.sql")),
            unmark: filled(include_str!("sql/refill_unmark.sql")),
        }
    }

    /// What the statements say of one column, whose value for the group is `value`.
    fn part(&self, at: usize, value: &str) -> Part {
        let column = &self.table.columns[at];
        let here = format!("b.{}", column.quoted);
        let catalog = self.table.catalog.as_ref();
        let found = catalog.and_then(|catalog| Some(&catalog.columns[catalog.position(&column.name)?]));
        let declared = found.map_or("text", |found| found.declared.as_str());
        let wanted = format!("({})::{declared}", column.declared.write(value));
        let takes_all = self.member.settings.direction == Direction::Subscribe;
        let nobodys = match found.and_then(|found| found.default.as_deref()) {
            _ if takes_all => "true".to_owned(),
            None => format!("{here} IS NULL"),
            Some(default) if is_constant(default) => {
                format!(
                    "({here} IS NULL OR {here}::text IS NOT DISTINCT FROM (({default})::{declared})::text)"
                )
            }
            // What it gave to each row cannot be told from what a user has.
            Some(_) => "true".to_owned(),
        };
        // Nobody has ever given it a value, and this one cannot be taken away.
        let untouched =
            if column.nullable { nobodys } else { format!("({nobodys} AND {value} IS NOT NULL)") };
        let differs = format!("{here}::text IS DISTINCT FROM ({wanted})::text");
        Part {
            assignment: format!("{} = CASE WHEN {untouched} THEN {wanted} ELSE {here} END", column.quoted),
            is_to_fill: format!("({untouched} AND {differs})"),
            is_given: format!("({here} IS NOT NULL AND NOT {untouched} AND {differs})"),
        }
    }
}

struct Statements {
    mark: String,
    fill: String,
    give: String,
    unmark: String,
}

struct Part {
    assignment: String,
    is_to_fill: String,
    is_given: String,
}

struct Encoded {
    /// The key's columns, then the gained ones.
    arrays: Vec<Array>,
}

impl Encoded {
    fn parameters(&self, count: usize) -> Vec<&(dyn ToSql + Sync)> {
        self.arrays.iter().take(count).map(|array| array as &(dyn ToSql + Sync)).collect()
    }
}
