//! The end of a round: what was refused is parked and its tracking put back, or its row restored; what was parked and
//! is settled now is removed; what waited for something that has happened is made due.

use super::exceptions::{Entrant, Postponed};
use super::json::Rows;
use super::keys;
use super::references::{Place, Reference};
use super::refusal::{self, Verb};
use super::run::{At, Due, Refused, Run, STATEMENT_ROWS, State, Step};
use super::session::text;
use super::table::BoundTable;
use super::tracking;
use crate::waiting::{Token, due_at, referrer_token, row_token};
use crate::{BlockedDelete, Outcome, Refusal, RefusalKind};
use std::collections::HashMap;
use tributary_model::{KeyBytes, LogicalType, Ticks, Value, key, time};
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

/// A refused record on its way to the shelf.
struct Leaving {
    record: usize,
    refusal: Refusal,
    due: Due,
    waits_for: Option<Token>,
}

impl<'a> Run<'a> {
    /// Settles every record of the batch.
    pub(super) async fn settle(&mut self) -> Step<Settled> {
        let mut settled = Settled::default();
        let mut refused = Vec::new();
        for at in self.all_cells() {
            let outcome = match &self.cell(at).state {
                State::Written => match self.groups[at.0].verb {
                    Verb::Upsert => Outcome::Upserted,
                    Verb::Delete => Outcome::Deleted,
                },
                State::Refused(_) => {
                    refused.push(at);
                    continue;
                }
                // Every marked cell was written or refused.
                State::Marked | State::Decided => continue,
            };
            self.note_tokens(at);
            let record = self.cell(at).record;
            self.outcomes[record] = Some(outcome);
        }
        let rivals = self.settle_refused(refused, &mut settled).await?;
        self.settle_parked(&mut settled).await?;
        self.list_altered().await?;
        self.wake(&mut settled, &rivals).await?;
        if settled.unparked > 0 && self.batch.records.iter().any(|record| record.retry) {
            // Whoever tries parked records page by page learns that there is another one.
            settled.retry_now |= self.is_any_due().await?;
        }
        Ok(settled)
    }

    /// Refused records: restored or parked. Returns those that may be rivals of what is parked.
    async fn settle_refused(&mut self, cells: Vec<At>, settled: &mut Settled) -> Step<Vec<usize>> {
        let mut refused: Vec<(At, Refused)> = Vec::with_capacity(cells.len());
        for at in cells {
            if let State::Refused(reason) = std::mem::replace(&mut self.cell_mut(at).state, State::Decided) {
                refused.push((at, *reason));
            }
        }
        let marked: Vec<At> = refused.iter().filter(|(_, reason)| reason.marked).map(|(at, _)| *at).collect();
        self.put_back(&marked).await?;
        let (mut restored, mut parked) = (Vec::new(), Vec::new());
        for (at, Refused { refusal, due, .. }) in refused {
            let record = self.cell(at).record;
            if self.is_to_be_restored(at, &refusal, due).await? {
                self.outcomes[record] = Some(Outcome::Restored(refusal));
                restored.push(at);
            } else {
                parked.push((at, refusal, due));
            }
        }
        self.restore(&restored).await?;
        let mut leaving = self.explain(parked).await?;
        let rivals = leaving
            .iter()
            .filter(|leaving| {
                leaving.refusal.kind == RefusalKind::Unique && !self.batch.records[leaving.record].retry
            })
            .map(|leaving| leaving.record)
            .collect();
        for (record, refusal) in std::mem::take(&mut self.unkeyed) {
            leaving.push(Leaving { record, refusal, due: Due::Later, waits_for: None });
        }
        self.shelve(leaving, settled).await?;
        Ok(rivals)
    }

    /// Parks records, each unless a newer one of its cell is parked.
    async fn shelve(&mut self, leaving: Vec<Leaving>, settled: &mut Settled) -> Step<()> {
        let batch = self.batch;
        let mut entrants = Vec::with_capacity(leaving.len());
        for Leaving { record: at, refusal, due, waits_for } in leaving {
            let record = &batch.records[at];
            let (attempts, first_at) = match self.shelf.entry(record) {
                Some(entry) if entry.compare(&record.source).is_gt() => {
                    self.outcomes[at] = Some(Outcome::Superseded);
                    continue;
                }
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
            let (table, last_at) = (&self.tables[record.table], self.now);
            self.outcomes[at] = Some(Outcome::Parked(refusal.clone()));
            self.shelf.replace(record, &refusal, attempts, waits_for);
            entrants.push(Entrant { table, record, refusal, attempts, first_at, last_at, due_at, waits_for });
        }
        self.park(&entrants).await
    }

    /// Whether a refused delete's row comes back: if the group wants that, and nothing that is on its way will make
    /// room for the delete.
    async fn is_to_be_restored(&mut self, at: At, refusal: &Refusal, due: Due) -> Step<bool> {
        let binding = &self.tables[self.groups[at.0].table].binding;
        let wanted = binding.blocked_delete == BlockedDelete::Restore;
        if refusal.kind != RefusalKind::Referenced || due != Due::Later || !wanted {
            return Ok(false);
        }
        if !self.is_referred_to_by_synced(at).await? {
            return Ok(true);
        }
        let record = &self.batch.records[self.cell(at).record];
        let entry = self.shelf.entry(record).filter(|entry| entry.compare(&record.source).is_eq());
        Ok(entry.is_some_and(|entry| self.now.saturating_sub(entry.first_at) >= RESTORE_AFTER))
    }

    /// The rows of refused deletes come back in every member.
    async fn restore(&mut self, cells: &[At]) -> Step<()> {
        for part in Self::by_group(cells.to_vec(), STATEMENT_ROWS) {
            let (table, shape) = self.table(self.groups[part[0].0].table)?;
            let mut rows = Rows::default();
            for (place, at) in part.iter().enumerate() {
                let cell = self.cell(*at);
                let Ok(resolved) = &self.batch.records[cell.record].resolved else { continue };
                // What was decided on could be read, so it can be read again.
                let state = cell.before.state(table).ok().flatten().unwrap_or_default();
                rows.begin(place);
                rows.texts(&cell.key);
                rows.text(Standard.seen_after_write(resolved, &state).to_string().as_str());
            }
            let incarnation = text(tracking::later_incarnation(table));
            self.query("restore rows", &shape.sql.restore_rows, rows, vec![incarnation]).await?;
        }
        Ok(())
    }

    /// Names the rows that are in the way or missing, and gives the tokens that their changes will bring.
    async fn explain(&mut self, parked: Vec<(At, Refusal, Due)>) -> Step<Vec<Leaving>> {
        let of = |kind: RefusalKind| {
            let parked = parked.iter().filter(move |(_, refusal, _)| refusal.kind == kind);
            parked.map(|(at, ..)| *at).collect::<Vec<At>>()
        };
        let (taken, orphaned) = (of(RefusalKind::Unique), of(RefusalKind::ForeignKey));
        let holders = self.holders(&taken).await?;
        let holders: HashMap<At, KeyBytes> = taken
            .into_iter()
            .zip(holders)
            .filter_map(|(at, holders)| Some((at, holders.into_iter().find_map(|holder| holder.key)?)))
            .collect();
        let mut missing: HashMap<At, usize> = HashMap::new();
        for (at, number) in self.missing_parents(&orphaned).await? {
            missing.entry(at).or_insert(number);
        }
        let mut leaving = Vec::with_capacity(parked.len());
        for (at, refusal, due) in parked {
            let (table, _) = self.table(self.groups[at.0].table)?;
            let schema = &table.binding.schema;
            let record = self.cell(at).record;
            let Refusal { kind, code, message } = refusal;
            let (message, waits_for) = match kind {
                RefusalKind::Unique => match holders.get(&at) {
                    Some(key) => (
                        format!("{message}; the row with the key {} has it", keys::text(table, key)),
                        Some(row_token(&schema.name, &schema.key, key)),
                    ),
                    None => (message, None),
                },
                RefusalKind::ForeignKey => match missing.get(&at) {
                    Some(number) => {
                        let reference = self.shapes.references.get(*number);
                        let message = format!("{message}: there is no such row in {}", reference.parent_name);
                        (message, self.parent_token(at, *number))
                    }
                    None => (message, None),
                },
                RefusalKind::Referenced => {
                    let key = self.record_key(at);
                    (message, Some(referrer_token(&schema.name, key)))
                }
                RefusalKind::NotNull
                | RefusalKind::Check
                | RefusalKind::Value
                | RefusalKind::Trigger
                | RefusalKind::TooLarge
                | RefusalKind::Other => (message, None),
            };
            leaving.push(Leaving { record, refusal: Refusal { kind, code, message }, due, waits_for });
        }
        Ok(leaving)
    }

    /// The token of the row that a record's row refers to by a foreign key.
    fn parent_token(&self, at: At, number: usize) -> Option<Token> {
        let child = &self.tables[self.groups[at.0].table];
        let reference = self.shapes.references.get(number);
        let (Place::Bound(parent), Some(from), Some(to)) = (reference.parent, &reference.from, &reference.to)
        else {
            return None;
        };
        let parent = &self.tables[parent];
        if let Some(key) = self.parent_key(at, number) {
            return Some(row_token(&parent.binding.schema.name, &parent.binding.schema.key, &key));
        }
        let row = self.row(at)?;
        let mut columns: Vec<(usize, LogicalType, Option<&Value>)> = to
            .iter()
            .zip(from)
            .map(|(to, from)| {
                let (to, from) = (&parent.columns[*to], &child.columns[*from]);
                (to.position, to.codec.logical(), row.get(from.position))
            })
            .collect();
        columns.sort_unstable_by_key(|(position, ..)| *position);
        let bytes = key::encode(columns.iter().map(|(_, logical, value)| (*logical, *value))).ok()?;
        let positions: Vec<usize> = columns.iter().map(|(position, ..)| *position).collect();
        Some(row_token(&parent.binding.schema.name, &positions, &bytes))
    }

    /// Notes what the write of a cell may have brought to records that wait.
    fn note_tokens(&mut self, at: At) {
        if !self.shelf.is_waited_for() {
            return;
        }
        let place = self.groups[at.0].table;
        let table = &self.tables[place];
        let schema = &table.binding.schema;
        let mut tokens = vec![row_token(&schema.name, &schema.key, self.record_key(at))];
        if let Some(row) = self.row(at) {
            for reference in self.shapes.references.to(place).filter(|reference| reference.to_key.is_none()) {
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
        if let Some(Some(image)) = &self.cell(at).image {
            let left = self.shapes.references.from(place);
            tokens.extend(left.filter_map(|reference| left_parent(self.tables, table, reference, image)));
        }
        self.tokens.extend(tokens);
    }

    /// What was parked of the batch's cells, and is settled or has to wait again.
    async fn settle_parked(&mut self, settled: &mut Settled) -> Step<()> {
        let batch = self.batch;
        let (mut removed, mut postponed) = (Vec::new(), Vec::new());
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
            let Some(entry) = self.shelf.entry(record) else { continue };
            let order = entry.compare(&record.source);
            // A replay does not unmake what a trigger has made of the row.
            let still_altered = order.is_eq() && entry.code == refusal::ALTERED && !record.retry;
            if done && order.is_le() && !still_altered {
                removed.push(entry.id);
                settled.unparked += 1;
                self.tokens.extend(entry.waits_for);
            } else if !done && order.is_eq() {
                let attempts = entry.attempts.saturating_add(1);
                postponed.push(Postponed { id: entry.id, attempts, due_at: due_at(self.now, attempts) });
            }
        }
        self.unpark(&removed).await?;
        self.postpone(&postponed).await
    }

    /// Lists the rows that a trigger has altered. They are not tried again: there is nothing to write.
    async fn list_altered(&mut self) -> Step<()> {
        let (batch, tables) = (self.batch, self.tables);
        let entrants: Vec<Entrant<'_>> = self
            .altered
            .iter()
            .map(|at| Entrant {
                table: &tables[self.groups[at.0].table],
                record: &batch.records[self.cell(*at).record],
                refusal: refusal::altered(),
                attempts: 1,
                first_at: self.now,
                last_at: self.now,
                due_at: Ticks::MAX,
                waits_for: None,
            })
            .collect();
        self.park(&entrants).await
    }

    /// Makes due what waited for something that this batch has brought. Records that wait for a unique value are
    /// tried together with those that wait for theirs in turn: only together can they take each other's.
    async fn wake(&mut self, settled: &mut Settled, rivals: &[usize]) -> Step<()> {
        let mut left = WAKE;
        self.tokens.sort_unstable();
        self.tokens.dedup();
        let tokens = std::mem::take(&mut self.tokens);
        self.wake_all(tokens, &mut left).await?;
        let batch = self.batch;
        let mut at_once = Vec::new();
        for record in rivals {
            let record = &batch.records[*record];
            let schema = &self.tables[record.table].binding.schema;
            let token = row_token(&schema.name, &schema.key, &record.key);
            let before = left;
            self.wake_all(vec![token], &mut left).await?;
            if left < before {
                at_once.push(record);
            }
        }
        if !at_once.is_empty() {
            self.read_shelf().await?;
            let now = self.now;
            let entries = at_once.iter().filter_map(|record| self.shelf.entry(record));
            let due = entries.map(|entry| Postponed { id: entry.id, attempts: entry.attempts, due_at: now });
            let due: Vec<Postponed> = due.collect();
            self.postpone(&due).await?;
        }
        settled.retry_now |= left < WAKE;
        Ok(())
    }

    async fn wake_all(&mut self, mut tokens: Vec<Token>, left: &mut usize) -> Step<()> {
        while !tokens.is_empty() && *left > 0 {
            let woken = self.wake_waiting(&tokens, *left).await?;
            tokens.clear();
            *left = left.saturating_sub(woken.len());
            for woken in woken.iter().filter(|woken| woken.kind == Some(RefusalKind::Unique)) {
                let named = |table: &&BoundTable| table.binding.schema.name.as_str() == woken.table;
                if let Some(table) = self.tables.iter().find(named) {
                    let schema = &table.binding.schema;
                    tokens.push(row_token(&schema.name, &schema.key, &woken.key));
                }
            }
        }
        Ok(())
    }
}

/// The token of the row that a referring row no longer refers to, or not from this row.
fn left_parent(
    tables: &[BoundTable],
    table: &BoundTable,
    reference: &Reference,
    image: &super::run::Image,
) -> Option<Token> {
    let (Place::Bound(parent), Some(from), Some(places)) =
        (reference.parent, &reference.from, &reference.to_key)
    else {
        return None;
    };
    let mut values: Vec<(usize, &Value, LogicalType)> = Vec::with_capacity(from.len());
    for (at, place) in from.iter().zip(places) {
        let value = image[*at].as_ref().filter(|value| !value.is_null())?;
        values.push((*place, value, table.columns[*at].codec.logical()));
    }
    values.sort_by_key(|(place, ..)| *place);
    let bytes = key::encode(values.iter().map(|(_, value, logical)| (*logical, Some(*value)))).ok()?;
    Some(referrer_token(&tables[parent].binding.schema.name, &bytes))
}
