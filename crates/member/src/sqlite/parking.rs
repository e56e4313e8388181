//! The end of a round: what was refused is parked and its tracking put back, or its row restored; what was parked and
//! is settled now is removed; what waited for something that has happened is made due.

use super::cascade::bind_values;
use super::exceptions::{self, Entrant};
use super::keys;
use super::references::{Place, Reference};
use super::refusal::{self, Verb};
use super::run::{Cell, Due, Group, Refused, Run, State, Step};
use super::settings::OnLoss;
use super::table::BoundTable;
use super::tracking;
use crate::waiting::{Token, due_at, referrer_token, row_token};
use crate::{ApplyRecord, BlockedDelete, Outcome, Refusal, RefusalKind};
use rusqlite::types::{Value as Stored, ValueRef};
use tributary_model::{KeyBytes, Ticks, Value, key, time};
use tributary_settle::{Rules as _, Standard};

/// The most parked records that one batch makes due.
const WAKE: usize = 4096;

/// How long a delete is parked before its row is restored while synchronised rows refer to it: their own deletes may
/// be on their way, on other topics.
const RESTORE_AFTER: Ticks = 30 * time::TICKS_A_SECOND;

/// What a round has done to the exceptions.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Parked records that were removed.
    pub(super) unparked: u64,
    /// Whether any were made due.
    pub(super) retry_now: bool,
}

impl Run<'_> {
    /// Settles every record of the batch.
    pub(super) fn settle(&mut self) -> Step<Settled> {
        let mut settled = Settled::default();
        let mut rivals = Vec::new();
        for (group, cell) in self.all_cells() {
            let record = self.groups[group].cells[cell].record;
            let outcome = match &self.groups[group].cells[cell].state {
                State::Written => {
                    self.note_tokens(group, cell)?;
                    match self.groups[group].verb {
                        Verb::Upsert => Outcome::Upserted,
                        Verb::Delete => Outcome::Deleted,
                    }
                }
                State::Refused(_) => self.settle_refused(group, cell, &mut settled, &mut rivals)?,
                // Every marked cell was written or refused.
                State::Marked | State::Decided => continue,
            };
            self.outcomes[record] = Some(outcome);
        }
        self.settle_unreadable_keys(&mut settled)?;
        self.settle_parked(&mut settled)?;
        self.list_altered()?;
        self.wake(&mut settled, &rivals)?;
        if settled.unparked > 0 && self.batch.records.iter().any(|record| record.retry) {
            // Whoever tries parked records page by page learns that there is another one.
            let more = exceptions::is_any_due(self.connection, self.now);
            settled.retry_now |= more.map_err(self.failed("look at its exceptions"))?;
        }
        Ok(settled)
    }

    /// A refused record: restored or parked.
    fn settle_refused(
        &mut self,
        group: usize,
        cell: usize,
        settled: &mut Settled,
        rivals: &mut Vec<usize>,
    ) -> Step<Outcome> {
        let batch = self.batch;
        let Group { table: at, cells, .. } = &mut self.groups[group];
        let (at, record) = (*at, cells[cell].record);
        let state = std::mem::replace(&mut cells[cell].state, State::Decided);
        let State::Refused(refused) = state else { return Ok(Outcome::Superseded) };
        let Refused { refusal, marked, due, .. } = *refused;
        let (table, shape) = self.table(at)?;
        let failed = self.failed("put a tracking row back");
        let here = &self.groups[group].cells[cell];
        if marked {
            tracking::put_back(self.connection, &shape.sql, &here.key, &here.before).map_err(&failed)?;
        }
        let may_restore = refusal.kind == RefusalKind::Referenced && due == Due::Later;
        if may_restore
            && table.binding.blocked_delete == BlockedDelete::Restore
            && self.has_waited(group, cell)?
        {
            self.restore(group, cell)?;
            return Ok(Outcome::Restored(refusal));
        }
        let (refusal, waits_for) = self.explain(group, cell, refusal)?;
        let record = &batch.records[record];
        if refusal.kind == RefusalKind::Unique && !record.retry {
            rivals.push(self.groups[group].cells[cell].record);
        }
        self.park(table, record, refusal, due, waits_for, settled)
    }

    /// Parks a record, unless a newer one of its cell is parked.
    fn park(
        &self,
        table: &BoundTable,
        record: &ApplyRecord,
        refusal: Refusal,
        due: Due,
        waits_for: Option<Token>,
        settled: &mut Settled,
    ) -> Step<Outcome> {
        let failed = self.failed("park a record");
        let entry = exceptions::find(self.connection, table, &record.key).map_err(&failed)?;
        let (attempts, first_at) = match &entry {
            Some(entry) if entry.compare(&record.source).is_gt() => return Ok(Outcome::Superseded),
            Some(entry) if entry.compare(&record.source).is_eq() => {
                // One that was not tried for itself is no older for it.
                let tried = u32::from(due == Due::Later);
                (entry.attempts.saturating_add(tried), entry.first_at)
            }
            Some(_) | None => (1, self.now),
        };
        let due_at = match due {
            Due::Later => due_at(self.now, attempts),
            Due::AtOnce => self.now,
        };
        settled.retry_now |= due == Due::AtOnce;
        let last_at = self.now;
        let entrant =
            Entrant { table, record, refusal: &refusal, attempts, first_at, last_at, due_at, waits_for };
        exceptions::park(self.connection, &entrant).map_err(&failed)?;
        Ok(Outcome::Parked(refusal))
    }

    /// Whether a refused delete has been refused for long enough to restore its row.
    fn has_waited(&self, group: usize, cell: usize) -> Step<bool> {
        let Group { table, cells, .. } = &self.groups[group];
        let mut referred = false;
        for reference in self.shapes.references.to(*table) {
            let synced = self.shapes.references.is_synced(reference.child);
            referred = referred || (synced && self.has_referrer(reference, &cells[cell])?);
        }
        if !referred {
            return Ok(true);
        }
        let record = &self.batch.records[cells[cell].record];
        let (table, _) = self.table(*table)?;
        let entry = exceptions::find(self.connection, table, &record.key)
            .map_err(self.failed("read a parked record"))?;
        let entry = entry.filter(|entry| entry.compare(&record.source).is_eq());
        Ok(entry.is_some_and(|entry| self.now.saturating_sub(entry.first_at) >= RESTORE_AFTER))
    }

    fn has_referrer(&self, reference: &Reference, cell: &Cell) -> Step<bool> {
        let Some(places) = &reference.to_key else { return Ok(true) };
        let values: Vec<Stored> = places.iter().map(|place| cell.key[*place].clone()).collect();
        self.is_found(&reference.rows, &values)
    }

    /// Whether a query with these values finds a row.
    fn is_found(&self, sql: &str, values: &[Stored]) -> Step<bool> {
        let query = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            bind_values(&mut statement, values)?;
            Ok(statement.raw_query().next()?.is_some())
        };
        query().map_err(self.failed("look for rows that refer to another"))
    }

    /// The row of a refused delete comes back in every member.
    fn restore(&self, group: usize, cell: usize) -> Step<()> {
        let Group { table: at, cells, .. } = &self.groups[group];
        let Cell { record, key, before, .. } = &cells[cell];
        let (table, shape) = self.table(*at)?;
        let Ok(resolved) = &self.batch.records[*record].resolved else { return Ok(()) };
        // What was decided on could be read, so it can be read again.
        let state = before.state(table).ok().flatten().unwrap_or_default();
        let seen = Standard.seen_after_write(resolved, &state);
        let write = || {
            let version = tracking::next_version(self.connection)?;
            tracking::restore(self.connection, table, &shape.sql, key, version, &seen)
        };
        write().map_err(self.failed("restore a row"))
    }

    /// Names the row that is in the way or missing, and gives the token that its change will bring.
    fn explain(&self, group: usize, cell: usize, refusal: Refusal) -> Step<(Refusal, Option<Token>)> {
        let Group { table: at, cells, .. } = &self.groups[group];
        let (table, _) = self.table(*at)?;
        let schema = &table.binding.schema;
        let Refusal { kind, code, message } = refusal;
        let as_it_is = |message| Refusal { kind, code, message };
        match kind {
            RefusalKind::Unique => {
                let holder = self.holders(group, cell)?.into_iter().find_map(|holder| holder.key);
                Ok(match holder {
                    Some(key) => {
                        let message =
                            format!("{message}; the row with the key {} has it", keys::text(table, &key));
                        (as_it_is(message), Some(row_token(&schema.name, &schema.key, &key)))
                    }
                    None => (as_it_is(message), None),
                })
            }
            RefusalKind::ForeignKey => Ok(match self.missing_parent(group, cell)? {
                Some((parent, token)) => {
                    (as_it_is(format!("{message}: there is no such row in {parent}")), token)
                }
                None => (as_it_is(message), None),
            }),
            RefusalKind::Referenced => {
                let key = &self.batch.records[cells[cell].record].key;
                Ok((as_it_is(message), Some(referrer_token(&schema.name, key))))
            }
            RefusalKind::NotNull
            | RefusalKind::Check
            | RefusalKind::Value
            | RefusalKind::Trigger
            | RefusalKind::TooLarge
            | RefusalKind::Other => Ok((as_it_is(message), None)),
        }
    }

    /// The table in which a refused record's parent is missing, and the token of that row.
    fn missing_parent(&self, group: usize, cell: usize) -> Step<Option<(String, Option<Token>)>> {
        let (table, _) = self.table(self.groups[group].table)?;
        let Some(row) = self.row(group, cell) else { return Ok(None) };
        for reference in self.shapes.references.from(self.groups[group].table) {
            let Some(from) = &reference.from else { continue };
            let values: Option<Vec<Stored>> = from
                .iter()
                .map(|at| {
                    let column = &table.columns[*at];
                    let written = column.codec.write(row.get(column.position)?, OnLoss::Round).ok()?;
                    Some(keys::owned(&written.value)).filter(|value| *value != Stored::Null)
                })
                .collect();
            let Some(values) = values else { continue };
            if self.is_found(&reference.exists, &values)? {
                continue;
            }
            let logical: Vec<Option<&Value>> =
                from.iter().map(|at| row.get(table.columns[*at].position)).collect();
            return Ok(Some((reference.parent_name.clone(), self.parent_token(table, reference, &logical))));
        }
        Ok(None)
    }

    /// The token of the row that these values of a referring row refer to.
    fn parent_token(
        &self,
        child: &BoundTable,
        reference: &Reference,
        values: &[Option<&Value>],
    ) -> Option<Token> {
        let (Place::Bound(parent), Some(from), Some(to)) = (reference.parent, &reference.from, &reference.to)
        else {
            return None;
        };
        let parent = &self.member.tables[parent];
        let mut columns: Vec<(usize, usize)> =
            to.iter().enumerate().map(|(at, column)| (parent.columns[*column].position, at)).collect();
        match &reference.to_key {
            // In the order of the key, so that the key's own bytes come out.
            Some(places) => columns.sort_by_key(|(_, at)| places[*at]),
            None => columns.sort_unstable(),
        }
        let typed = columns.iter().map(|(_, at)| (child.columns[from[*at]].codec.logical(), values[*at]));
        let bytes = key::encode(typed).ok()?;
        let positions: Vec<usize> = columns.iter().map(|(position, _)| *position).collect();
        Some(row_token(&parent.binding.schema.name, &positions, &bytes))
    }

    /// Notes what the write of a cell may have brought to records that wait.
    fn note_tokens(&mut self, group: usize, cell: usize) -> Step<()> {
        if !self.shelf.is_waited_for() {
            return Ok(());
        }
        let Group { table: at, cells, .. } = &self.groups[group];
        let (table, _) = self.table(*at)?;
        let schema = &table.binding.schema;
        let record = &self.batch.records[cells[cell].record];
        let mut tokens = vec![row_token(&schema.name, &schema.key, &record.key)];
        if let Some(row) = self.row(group, cell) {
            for reference in self.shapes.references.to(*at).filter(|reference| reference.to_key.is_none()) {
                let Some(to) = &reference.to else { continue };
                let mut positions: Vec<usize> =
                    to.iter().map(|column| table.columns[*column].position).collect();
                positions.sort_unstable();
                let typed = positions.iter().map(|at| (schema.columns[*at].logical, row.get(*at)));
                if let Ok(bytes) = key::encode(typed) {
                    tokens.push(row_token(&schema.name, &positions, &bytes));
                }
            }
        }
        if let Some(Some(image)) = &cells[cell].image {
            tokens.extend(
                self.shapes
                    .references
                    .from(*at)
                    .filter_map(|reference| left_parent(self, table, reference, image)),
            );
        }
        self.tokens.extend(tokens);
        Ok(())
    }

    /// Records whose keys cannot stand in the table.
    fn settle_unreadable_keys(&mut self, settled: &mut Settled) -> Step<()> {
        for (record, refusal) in std::mem::take(&mut self.unkeyed) {
            let record = &self.batch.records[record];
            let (table, _) = self.table(record.table)?;
            self.park(table, record, refusal, Due::Later, None, settled)?;
        }
        Ok(())
    }

    /// What was parked of the batch's cells, and is settled or has to wait again.
    fn settle_parked(&mut self, settled: &mut Settled) -> Step<()> {
        let batch = self.batch;
        for (record, outcome) in batch.records.iter().zip(&self.outcomes) {
            let done = match outcome {
                Some(
                    Outcome::Upserted
                    | Outcome::Deleted
                    | Outcome::AlreadyThere
                    | Outcome::SameContent
                    | Outcome::Restored(_),
                ) => true,
                Some(Outcome::LocalIsNewer | Outcome::Superseded) if record.retry => false,
                Some(Outcome::LocalIsNewer | Outcome::Superseded | Outcome::Parked(_) | Outcome::Purged)
                | None => {
                    continue;
                }
            };
            if !self.shelf.has(record.table) {
                continue;
            }
            let (table, _) = self.table(record.table)?;
            let failed = self.failed("settle a parked record");
            let Some(entry) = exceptions::find(self.connection, table, &record.key).map_err(&failed)? else {
                continue;
            };
            let order = entry.compare(&record.source);
            // A replay does not unmake what a trigger has made of the row.
            let still_altered = order.is_eq() && entry.code == refusal::ALTERED && !record.retry;
            if done && order.is_le() && !still_altered {
                exceptions::remove(self.connection, entry.id).map_err(&failed)?;
                settled.unparked += 1;
                self.tokens.extend(entry.waits_for);
            } else if !done && order.is_eq() {
                let attempts = entry.attempts.saturating_add(1);
                let due_at = due_at(self.now, attempts);
                exceptions::postpone(self.connection, entry.id, attempts, self.now, due_at)
                    .map_err(&failed)?;
            }
        }
        Ok(())
    }

    /// Lists the rows that a trigger has altered. They are not tried again: there is nothing to write.
    fn list_altered(&self) -> Step<()> {
        for (group, cell) in &self.altered {
            let Group { table: at, cells, .. } = &self.groups[*group];
            let (table, _) = self.table(*at)?;
            let entrant = Entrant {
                table,
                record: &self.batch.records[cells[*cell].record],
                refusal: &refusal::altered(),
                attempts: 1,
                first_at: self.now,
                last_at: self.now,
                due_at: Ticks::MAX,
                waits_for: None,
            };
            exceptions::park(self.connection, &entrant).map_err(self.failed("list an altered row"))?;
        }
        Ok(())
    }

    /// Makes due what waited for something that this batch has brought. Records that wait for a unique value are
    /// tried together with those that wait for theirs in turn: only together can they take each other's.
    fn wake(&mut self, settled: &mut Settled, rivals: &[usize]) -> Step<()> {
        let mut left = WAKE;
        self.tokens.sort_unstable();
        self.tokens.dedup();
        let tokens = std::mem::take(&mut self.tokens);
        self.wake_all(tokens, &mut left)?;
        for record in rivals {
            let record = &self.batch.records[*record];
            let (table, _) = self.table(record.table)?;
            let schema = &table.binding.schema;
            let before = left;
            self.wake_all(vec![row_token(&schema.name, &schema.key, &record.key)], &mut left)?;
            if left < before {
                let failed = self.failed("make a parked record due");
                if let Some(entry) = exceptions::find(self.connection, table, &record.key).map_err(&failed)? {
                    exceptions::postpone(self.connection, entry.id, entry.attempts, self.now, self.now)
                        .map_err(&failed)?;
                }
            }
        }
        settled.retry_now |= left < WAKE;
        Ok(())
    }

    fn wake_all(&self, mut tokens: Vec<Token>, left: &mut usize) -> Step<()> {
        while let Some(token) = tokens.pop() {
            if *left == 0 {
                break;
            }
            let woken = exceptions::wake(self.connection, &token, self.now, *left);
            for woken in woken.map_err(self.failed("make parked records due"))? {
                *left = left.saturating_sub(1);
                if woken.kind == Some(RefusalKind::Unique) {
                    let named = |table: &&BoundTable| table.binding.schema.name.as_str() == woken.table;
                    if let Some(table) = self.member.tables.iter().find(named) {
                        let schema = &table.binding.schema;
                        tokens.push(row_token(&schema.name, &schema.key, &woken.key));
                    }
                }
            }
        }
        Ok(())
    }
}

/// The token of the row that a referring row no longer refers to, or not from this row.
fn left_parent(run: &Run<'_>, table: &BoundTable, reference: &Reference, image: &[Stored]) -> Option<Token> {
    let (Place::Bound(parent), Some(from), Some(places)) =
        (reference.parent, &reference.from, &reference.to_key)
    else {
        return None;
    };
    let mut values: Vec<(usize, Value, tributary_model::LogicalType)> = Vec::with_capacity(from.len());
    for (at, place) in from.iter().zip(places) {
        let column = &table.columns[*at];
        let value = column.codec.read(ValueRef::from(&image[*at])).ok()?;
        values.push((*place, value, column.codec.logical()));
    }
    values.sort_by_key(|(place, ..)| *place);
    let bytes: KeyBytes =
        key::encode(values.iter().map(|(_, value, logical)| (*logical, Some(value)))).ok()?;
    Some(referrer_token(&run.member.tables[parent].binding.schema.name, &bytes))
}
