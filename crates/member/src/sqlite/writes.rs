//! The second half of a round: rows are written and deleted, and what is refused at first is tried again when
//! something that it needs has happened in the same batch.
//!
//! Every write names its columns. A row that is there is updated and one that is not is inserted, by two statements:
//! an upsert would run a user's BEFORE INSERT triggers for an update. A refused statement leaves nothing behind by
//! itself; only where users' triggers run (`RAISE(FAIL)` keeps what was done so far) does each record get a
//! savepoint.

use super::keys::{self, Key};
use super::refusal::{self, Verb};
use super::run::{Cell, Group, Run, State, Step, Stop};
use super::settings::OnLoss;
use super::shape::TableShape;
use super::table::BoundTable;
use crate::{Refusal, RefusalKind};
use rusqlite::types::{Null, Value as Stored};
use rusqlite::{CachedStatement, Connection};
use tributary_model::Row;

/// How often refused records are tried again within a round. Each time settles at least one link of a chain; what
/// is longer is settled by placeholders, or by the next batch.
const PASSES: usize = 3;

/// Why a row was not written.
pub(super) enum Failure {
    /// Before SQLite saw it, or without a word of SQLite's.
    Refused(Refusal),
    /// As SQLite said.
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// The statements that write the rows of one table.
pub(super) struct Writer<'c> {
    table: &'c BoundTable,
    shape: &'c TableShape,
    on_loss: OnLoss,
    insert: CachedStatement<'c>,
    update: Option<CachedStatement<'c>>,
    delete: CachedStatement<'c>,
    exists: CachedStatement<'c>,
}

impl<'c> Writer<'c> {
    pub(super) fn open(
        connection: &'c Connection,
        table: &'c BoundTable,
        shape: &'c TableShape,
        on_loss: OnLoss,
    ) -> rusqlite::Result<Self> {
        let sql = &shape.sql;
        Ok(Self {
            table,
            shape,
            on_loss,
            insert: connection.prepare_cached(&sql.insert_row)?,
            update: sql.update_row.as_ref().map(|update| connection.prepare_cached(update)).transpose()?,
            delete: connection.prepare_cached(&sql.delete_row)?,
            exists: connection.prepare_cached(&sql.row_exists)?,
        })
    }

    /// Writes a row; returns how many of its values were rounded.
    pub(super) fn upsert(&mut self, key: &Key, row: &Row, present: bool) -> Result<u64, Failure> {
        if present {
            if let Some(update) = &mut self.update {
                let rounded = bind_row(update, self.table, self.shape, key, row, self.on_loss)?;
                if update.raw_execute()? > 0 {
                    return Ok(rounded);
                }
                if self.shape.fires && self.exists(key)? {
                    return Err(Failure::Refused(refusal::swallowed()));
                }
            } else if self.exists(key)? {
                // There is nothing but the key.
                return Ok(0);
            }
        }
        let rounded = bind_row(&mut self.insert, self.table, self.shape, key, row, self.on_loss)?;
        match self.insert.raw_execute() {
            Ok(0) => Err(Failure::Refused(refusal::swallowed())),
            Ok(_) => Ok(rounded),
            // Tracking did not know of the row: triggers were switched off, or it was not there a moment ago.
            Err(error) if !present && refusal::is_own_key(&error) && self.exists(key)? => {
                self.upsert(key, row, true)
            }
            Err(error) => Err(Failure::Sql(error)),
        }
    }

    /// Deletes a row.
    pub(super) fn delete(&mut self, key: &Key) -> Result<(), Failure> {
        keys::bind(&mut self.delete, key)?;
        if self.delete.raw_execute()? == 0 && self.shape.fires && self.exists(key)? {
            return Err(Failure::Refused(refusal::swallowed()));
        }
        Ok(())
    }

    fn exists(&mut self, key: &Key) -> rusqlite::Result<bool> {
        keys::bind(&mut self.exists, key)?;
        Ok(self.exists.raw_query().next()?.is_some())
    }
}

/// Binds key and values; returns how many were rounded. An absent column becomes NULL: it is never left out.
fn bind_row(
    statement: &mut CachedStatement<'_>,
    table: &BoundTable,
    shape: &TableShape,
    key: &Key,
    row: &Row,
    on_loss: OnLoss,
) -> Result<u64, Failure> {
    keys::bind(statement, key)?;
    let mut rounded = 0;
    for (number, at) in shape.values.iter().enumerate() {
        let column = &table.columns[*at];
        let parameter = key.len() + 1 + number;
        let Some(value) = row.get(column.position) else {
            statement.raw_bind_parameter(parameter, Null)?;
            continue;
        };
        match column.codec.write(value, on_loss) {
            Ok(written) => {
                rounded += u64::from(written.rounded);
                statement.raw_bind_parameter(parameter, written.value)?;
            }
            Err(lost) => {
                return Err(Failure::Refused(Refusal {
                    kind: RefusalKind::Value,
                    code: "value".to_owned(),
                    message: format!("column {:?} cannot hold {}", column.name, lost.reason),
                }));
            }
        }
    }
    Ok(rounded)
}

impl<'a> Run<'a> {
    /// Writes all cells in the plan's order.
    pub(super) fn write(&mut self) -> Step<()> {
        for group in 0..self.groups.len() {
            let Group { verb, cyclic, step, .. } = self.groups[group];
            let first_of_step = group == 0 || self.groups[group - 1].step != step;
            if cyclic && verb == Verb::Delete && first_of_step {
                self.reduce_circle(step)?;
            }
            self.write_group(group, &|_, cell| cell.is_marked())?;
        }
        Ok(())
    }

    /// Writes those cells again that were refused and whose obstacle went away since.
    pub(super) fn write_again(&mut self) -> Step<()> {
        for _ in 0..PASSES {
            let writes = self.writes;
            for group in 0..self.groups.len() {
                self.write_group(group, &Self::may_succeed_now)?;
            }
            if self.writes == writes {
                break;
            }
        }
        Ok(())
    }

    /// Writes the cells of a group that `which` chooses.
    fn write_group(&mut self, group: usize, which: &dyn Fn(&Self, &Cell) -> bool) -> Step<()> {
        let Group { table: at, verb, .. } = self.groups[group];
        if !self.groups[group].cells.iter().any(|cell| which(self, cell)) {
            return Ok(());
        }
        let (table, shape) = self.table(at)?;
        let mut writer = match Writer::open(self.connection, table, shape, self.member.settings.on_loss) {
            Ok(writer) => writer,
            Err(error) => return self.refuse_group(group, error),
        };
        let hazards = if verb == Verb::Delete { self.shapes.references.hazards(at) } else { Vec::new() };
        for cell in 0..self.groups[group].cells.len() {
            if which(self, &self.groups[group].cells[cell]) {
                self.write_cell(group, cell, &mut writer, &hazards)?;
            }
        }
        Ok(())
    }

    /// Writes one cell, or notes why not.
    fn write_cell(
        &mut self,
        group: usize,
        cell: usize,
        writer: &mut Writer<'a>,
        hazards: &[usize],
    ) -> Step<()> {
        let Group { verb, cyclic, .. } = self.groups[group];
        let shape = writer.shape;
        // Those of a circle were looked at together.
        let first = self.groups[group].cells[cell].is_marked();
        if !(hazards.is_empty() || cyclic && first) && self.is_referred_to(group, cell, hazards)? {
            self.refuse(group, cell, refusal::cascade());
            return Ok(());
        }
        self.take_image(group, cell)?;
        if shape.stirs {
            self.execute("SAVEPOINT dss_record")?;
        }
        let Cell { record, key, present, .. } = &self.groups[group].cells[cell];
        let resolved = self.batch.records[*record].resolved.as_ref();
        let result = match (verb, resolved.ok().and_then(|resolved| resolved.row.as_ref())) {
            (Verb::Upsert, Some(row)) => writer.upsert(key, row, *present),
            (Verb::Upsert | Verb::Delete, _) => writer.delete(key).map(|()| 0),
        };
        let refusal = match result {
            Ok(rounded) => {
                if shape.stirs {
                    self.execute("RELEASE dss_record")?;
                }
                self.rounded += rounded;
                self.wrote(group, cell);
                return Ok(());
            }
            Err(Failure::Refused(refusal)) => refusal,
            Err(Failure::Sql(error)) => self.refusal_of(group, cell, error)?,
        };
        if shape.stirs {
            self.execute("ROLLBACK TO dss_record")?;
            self.execute("RELEASE dss_record")?;
        }
        let by_reference = matches!(refusal.kind, RefusalKind::ForeignKey | RefusalKind::Referenced);
        if by_reference && cyclic && !self.rounds.deferred && self.is_in_company(group) {
            // Rows that refer to each other: let them be checked all together, at the commit.
            self.rounds.deferred = true;
            return Err(Stop::Again);
        }
        self.refuse(group, cell, refusal);
        Ok(())
    }

    /// Whether a group's step has more than one cell that is to be written.
    fn is_in_company(&self, group: usize) -> bool {
        let step = self.groups[group].step;
        let groups = self.groups.iter().filter(|group| group.step == step);
        let decided = |cell: &&Cell| !matches!(&cell.state, State::Refused(refused) if !refused.marked);
        groups.flat_map(|group| &group.cells).filter(decided).nth(1).is_some()
    }

    /// Every statement of a table fails: a trigger or a foreign key of it cannot be compiled.
    fn refuse_group(&mut self, group: usize, error: rusqlite::Error) -> Step<()> {
        let Group { table, verb, .. } = self.groups[group];
        let stirs = self.table(table)?.1.stirs;
        let Some(refusal) = refusal::of(&error, verb, stirs) else {
            return Err(self.failed("prepare a write")(error));
        };
        for cell in 0..self.groups[group].cells.len() {
            if self.groups[group].cells[cell].is_marked() {
                self.refuse(group, cell, refusal.clone());
            }
        }
        Ok(())
    }

    /// Whether something was written since a record was refused that may have been in its way.
    fn may_succeed_now(&self, cell: &Cell) -> bool {
        let State::Refused(refused) = &cell.state else { return false };
        let table = self.batch.records[cell.record].table;
        let later = |table: usize| self.written_at[table] > refused.after;
        refused.marked
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

    /// Reads a cell's row before it is written, where somebody has to know what it was.
    fn take_image(&mut self, group: usize, cell: usize) -> Step<()> {
        let table = self.groups[group].table;
        let wanted = self.watched || self.shelf.may_wait_for_children_of(table);
        if !wanted || self.groups[group].cells[cell].image.is_some() {
            return Ok(());
        }
        let image = self.read_row(table, &self.groups[group].cells[cell].key)?;
        self.groups[group].cells[cell].image = Some(image);
        Ok(())
    }

    /// A row's synchronised columns as they stand in the file.
    pub(super) fn read_row(&self, table: usize, key: &Key) -> Step<Option<Vec<Stored>>> {
        let (_, shape) = self.table(table)?;
        let read = || {
            let mut statement = self.connection.prepare_cached(&shape.sql.read_row)?;
            keys::bind(&mut statement, key)?;
            let columns = statement.column_count();
            let mut rows = statement.raw_query();
            let Some(row) = rows.next()? else { return Ok(None) };
            (0..columns)
                .map(|at| Ok(keys::from_ref(row.get_ref(at)?)))
                .collect::<rusqlite::Result<_>>()
                .map(Some)
        };
        read().map_err(self.failed("read a row"))
    }

    /// Runs a statement without parameters.
    pub(super) fn execute(&self, sql: &str) -> Step<()> {
        let run = || self.connection.prepare_cached(sql)?.raw_execute().map(drop);
        run().map_err(self.failed("control its transaction"))
    }
}
