//! Filling columns that a table has gained with what the group has.
//!
//! A row that holds the column's default, or NULL, gets the group's value while its cell is marked as apply's, so that
//! the triggers are silent; then its tracking row is put back as it was. A row that holds anything else was given it by
//! somebody before the triggers knew of the column, and becomes a change of this member's own. Which record is the last
//! of a cell, and when all this may be done, is the caller's business.

use super::failure::{classify, failed};
use super::keys::{self, Key};
use super::quote::identifier;
use super::refusal::{self, Verb};
use super::shape::{self, TableShape};
use super::table::{BoundColumn, BoundTable};
use super::tracking::{self, Tracking};
use super::{SqliteMember, states};
use crate::provisioned::{ProvisionedColumns, is_constant};
use crate::template::fill;
use crate::{Direction, Error, Refill, RefillStep, Refusal, RefusalKind, Result};
use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Connection, Transaction, TransactionBehavior, params_from_iter};
use tributary_model::{KeyBytes, Row, Value, VersionVector};

const ACTION: &str = "fill columns that a table has gained";

/// The tables whose gained columns are being filled.
pub(super) fn refills(member: &mut SqliteMember) -> Result<Vec<Refill>> {
    states::refresh(member)?;
    let found = member.tables.iter().enumerate().filter_map(|(table, bound)| {
        let refill = bound.refill.as_ref()?;
        Some(Refill { table, columns: refill.columns.clone(), progress: refill.progress.clone() })
    });
    Ok(found.collect())
}

/// Fills the gained columns of rows, and stores how far that is.
pub(super) fn refill(member: &mut SqliteMember, step: &RefillStep) -> Result<Option<Refusal>> {
    states::refresh(member)?;
    let shapes = shape::refresh(member)?;
    let table = member.bound(step.table)?;
    let Some(shape) = &shapes.tables[step.table] else {
        return member.ready(step.table).map(|_| None);
    };
    let path = &member.path;
    let transaction = Transaction::new_unchecked(&member.connection, TransactionBehavior::Immediate);
    let transaction = transaction.map_err(failed(path, ACTION))?;
    let mut description = move_on(member, &transaction, table, step)?;
    let columns = description.gained(&table.binding.schema, |position| table.bound(position));
    let refused = if step.cells.is_empty() {
        None
    } else {
        let number = open_batch(&transaction).map_err(failed(path, ACTION))?;
        let mut filler = Filler { member, connection: &transaction, table, shape, columns, number };
        let refused = filler.fill(&step.cells)?;
        if refused.is_none() {
            let close = transaction.prepare_cached(include_str!("sql/apply_close_batch.sql"));
            close.and_then(|mut close| close.execute([])).map_err(failed(path, ACTION))?;
        }
        refused
    };
    if refused.is_some() {
        // Some refusals have taken it back already.
        if !member.connection.is_autocommit() {
            transaction.rollback().map_err(failed(path, ACTION))?;
        }
        return Ok(refused);
    }
    match (&step.next, &mut description.refill) {
        (Some(next), Some(refill)) => refill.progress.clone_from(next),
        (_, refill) => *refill = None,
    }
    let json = serde_json::to_string(&description).expect("names and types are JSON");
    let sql = "UPDATE \"DataSync_dss_tables\" SET columns = ?2 WHERE table_name = ?1";
    let write = transaction.prepare_cached(sql);
    write
        .and_then(|mut write| write.execute([table.binding.schema.name.as_str(), &json]))
        .map_err(failed(path, ACTION))?;
    transaction.commit().map_err(failed(path, ACTION))?;
    Ok(None)
}

/// What is written down about the table, if its refill is where the caller takes it to be.
fn move_on(
    member: &SqliteMember,
    connection: &Connection,
    table: &BoundTable,
    step: &RefillStep,
) -> Result<ProvisionedColumns> {
    let name = table.binding.schema.name.as_str();
    let stored = states::provisioned_table(connection, &member.path, name)?;
    let columns = stored.and_then(|stored| stored.columns).unwrap_or_default();
    let found = columns.refill.as_ref().map(|refill| refill.progress.clone());
    if found.as_ref() == Some(&step.expected) {
        return Ok(columns);
    }
    Err(Error::OffsetMoved {
        member: member.id.clone(),
        topic: format!("the refill of {name}"),
        generation: table.binding.schema.generation,
        partition: 0,
        expected: step.expected.clone(),
        found: found.unwrap_or_else(|| "none".to_owned()),
    })
}

fn open_batch(connection: &Connection) -> rusqlite::Result<i64> {
    let mut next = connection.prepare_cached(include_str!("sql/apply_begin_batch.sql"))?;
    let number: i64 = next.query_row([], |row| row.get(0))?;
    connection.prepare_cached(include_str!("sql/apply_open_batch.sql"))?.execute([number])?;
    Ok(number)
}

struct Filler<'a> {
    member: &'a SqliteMember,
    connection: &'a Connection,
    table: &'a BoundTable,
    shape: &'a TableShape,
    columns: Vec<usize>,
    number: i64,
}

/// What is to be done with a row.
#[derive(Default)]
struct Plan {
    /// Values for columns, by position in the bound ones.
    fill: Vec<(usize, Stored)>,
    /// Whether somebody has given it a value of its own.
    given: bool,
}

impl Filler<'_> {
    fn fill(&mut self, cells: &[(KeyBytes, Row)]) -> Result<Option<Refusal>> {
        let path = &self.member.path;
        let read = self.read_sql();
        for (key, row) in cells {
            // A key that cannot stand in the table has no row there.
            let Ok(stored) = keys::stored(self.table, key) else { continue };
            let plan = match self.plan(&read, &stored, row).map_err(failed(path, ACTION))? {
                Some(Ok(plan)) => plan,
                Some(Err(refusal)) => return Ok(Some(about(self.table, key, refusal))),
                None => continue,
            };
            if !plan.fill.is_empty()
                && let Err(error) = self.write(&stored, &plan.fill)
            {
                let Some(refusal) = refusal::of(&error, Verb::Upsert, self.shape.stirs) else {
                    return Err(classify(path, ACTION, error));
                };
                return Ok(Some(about(self.table, key, refusal)));
            }
            if plan.given {
                self.give(&stored).map_err(failed(path, ACTION))?;
            }
        }
        Ok(None)
    }

    /// Reads each gained column, and whether it holds what nobody has given it.
    fn read_sql(&self) -> String {
        let takes_all = self.member.settings.direction == Direction::Subscribe;
        let parts = self.columns.iter().map(|at| {
            let quoted = &self.table.columns[*at].quoted;
            let default = self.default_of(*at);
            let untouched = match default {
                _ if takes_all => "1".to_owned(),
                None => format!("b.{quoted} IS NULL"),
                Some(default) if is_constant(default) => {
                    format!("b.{quoted} IS NULL OR b.{quoted} COLLATE BINARY IS ({default})")
                }
                // What it gave to each row cannot be told from what a user has.
                Some(_) => "1".to_owned(),
            };
            format!("b.{quoted}, {untouched}")
        });
        let parts: Vec<String> = parts.collect();
        let (base, same) = (&self.table.base, self.table.base_is_parameters());
        format!("SELECT {} FROM {base} AS b WHERE {same}", parts.join(", "))
    }

    fn default_of(&self, at: usize) -> Option<&str> {
        let catalog = self.table.catalog.as_ref()?;
        catalog.columns[catalog.position(&self.table.columns[at].name)?].default.as_deref()
    }

    /// What is to be done with a row; `None` if it is not there.
    fn plan(
        &self,
        sql: &str,
        key: &Key,
        group: &Row,
    ) -> rusqlite::Result<Option<std::result::Result<Plan, Refusal>>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params_from_iter(key))?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let mut plan = Plan::default();
        for (number, at) in self.columns.iter().enumerate() {
            let column = &self.table.columns[*at];
            let (here, untouched) = (row.get_ref(2 * number)?, row.get::<_, bool>(2 * number + 1)?);
            let wanted = group.get(column.position).unwrap_or(&Value::Null);
            let same = column.codec.read(here).is_ok_and(|here| here == *wanted);
            if same {
                continue;
            }
            // Nobody has ever given it a value, and this one cannot be taken away.
            let stays = wanted.is_null() && !column.nullable;
            if untouched && !stays {
                match self.stored(column, wanted) {
                    Ok(value) => plan.fill.push((*at, value)),
                    Err(refusal) => return Ok(Some(Err(refusal))),
                }
            } else if here != ValueRef::Null {
                plan.given = true;
            }
        }
        Ok(Some(Ok(plan)))
    }

    fn stored(&self, column: &BoundColumn, value: &Value) -> std::result::Result<Stored, Refusal> {
        match column.codec.write(value, self.member.settings.on_loss) {
            Ok(written) => Ok(keys::owned(&written.value)),
            Err(lost) => Err(Refusal {
                kind: RefusalKind::Value,
                code: "value".to_owned(),
                message: format!("column {:?} cannot hold {}", column.name, lost.reason),
            }),
        }
    }

    /// Writes values under the batch's mark, and puts the tracking row back as it was.
    fn write(&self, key: &Key, values: &[(usize, Stored)]) -> rusqlite::Result<()> {
        let sql = &self.shape.sql;
        let mut tracking = Tracking::open(self.connection, sql)?;
        let before = tracking.read(key)?;
        let seen = VersionVector::new();
        tracking.mark(key, &before, false, &seen, self.number)?;
        let first = key.len() + 1;
        let assignments: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(number, (at, _))| format!("{} = ?{}", self.table.columns[*at].quoted, first + number))
            .collect();
        let (base, same) = (&self.table.base, self.table.base_is_parameters());
        let update = format!("UPDATE OR ABORT {base} AS b SET {} WHERE {same}", assignments.join(", "));
        let mut statement = self.connection.prepare_cached(&update)?;
        statement.execute(params_from_iter(key.iter().chain(values.iter().map(|(_, value)| value))))?;
        tracking::put_back(self.connection, sql, key, &before)
    }

    /// Makes the row a change of this member's own.
    fn give(&self, key: &Key) -> rusqlite::Result<()> {
        let version = tracking::next_version(self.connection)?;
        let names: Vec<&str> = self.table.key_columns().map(|column| column.tracking.as_str()).collect();
        let parameters: Vec<String> = (1..=key.len()).map(|number| format!("?{number}")).collect();
        let next = |number: usize| format!("?{}", key.len() + number);
        let sql = fill(
            include_str!("sql/refill_give.sql"),
            &[
                ("tracking", &self.table.tracking),
                ("tracking_key", &names.join(", ")),
                ("key_parameters", &parameters.join(", ")),
                ("version", &next(1)),
                ("incarnation", &next(2)),
                ("first", &next(3)),
                ("first_seen", &next(4)),
            ],
        );
        let table = self.table;
        let later =
            (table.incarnation != table.first_incarnation).then(|| table.incarnation.as_str().to_owned());
        let values = [
            Stored::Integer(version),
            later.map_or(Stored::Null, Stored::Text),
            Stored::Text(table.first_incarnation.as_str().to_owned()),
            Stored::Text(table.first_seen()),
        ];
        let mut statement = self.connection.prepare_cached(&sql)?;
        statement.execute(params_from_iter(key.iter().chain(&values)))?;
        Ok(())
    }
}

/// The refusal, with the row it is about.
fn about(table: &BoundTable, key: &KeyBytes, refusal: Refusal) -> Refusal {
    let message = format!(
        "row [{}] of {}: {}",
        keys::text(table, key),
        identifier(&table.binding.local_table),
        refusal.message
    );
    Refusal { message, ..refusal }
}
