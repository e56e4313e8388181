//! The end of a round: what was refused is parked and its tracking put back, or its row restored; what was parked and
//! is settled now is removed; what waited for something that has happened is made due.

use super::arrays::Array;
use super::deferred::as_type;
use super::exceptions::{self, Entrant, Postponed};
use super::keys;
use super::references::{Place, Reference};
use super::refusal::{self, Verb};
use super::run::{At, Cell, Due, Image, Refused, Run, State, Step};
use super::table::BoundTable;
use super::tracking::{self, parameters};
use crate::waiting::{Token, due_at, referrer_token, row_token};
use crate::{ApplyRecord, BlockedDelete, Outcome, Refusal, RefusalKind};
use std::collections::HashMap;
use tributary_model::{KeyBytes, LogicalType, Ticks, Value, key, time};
use tributary_settle::{Rules as _, Standard};

/// The most parked records that one batch makes due.
const WAKE: usize = 4096;

/// How long a delete is parked before its row is restored while synchronised rows refer to it: their own deletes may
/// be on their way, on other topics.
const RESTORE_AFTER: Ticks = 30 * time::TICKS_A_SECOND;

/// What a round has done to the exceptions.
#[derive(Default)]
pub(super) struct Settled<'a> {
    /// Parked records that were removed.
    pub(super) unparked: u64,
    /// Whether any were made due.
    pub(super) retry_now: bool,
    /// What is to be parked, by record.
    entrants: Vec<(usize, Entrant<'a>)>,
    /// Records that were refused for a unique value and not as a retry.
    rivals: Vec<usize>,
}

impl<'a> Run<'a> {
    /// Settles every record of the batch.
    pub(super) async fn settle(&mut self) -> Step<Settled<'a>> {
        let mut settled = Settled::default();
        let mut refused = Vec::new();
        for at in self.all_cells() {
            let record = self.cell(at).record;
            match &self.cell(at).state {
                State::Written => {
                    self.note_tokens(at)?;
                    let outcome = match self.groups[at.0].verb {
                        Verb::Upsert => Outcome::Upserted,
                        Verb::Delete => Outcome::Deleted,
                    };
                    self.outcomes[record] = Some(outcome);
                }
                State::Refused(_) => refused.push(at),
                // Every marked cell was written or refused.
                State::Marked | State::Decided => {}
            }
        }
        self.settle_refused(refused, &mut settled).await?;
        for (record, refusal) in std::mem::take(&mut self.unkeyed) {
            let outcome = self.park(record, refusal, Due::Later, None, &mut settled)?;
            self.outcomes[record] = Some(outcome);
        }
        self.settle_parked(&mut settled).await?;
        self.list_altered(&mut settled)?;
        self.wake(&mut settled).await?;
        let mut entrants = std::mem::take(&mut settled.entrants);
        // A record that replaced another of its cell stands behind it.
        entrants.sort_by_key(|(record, _)| *record);
        let entrants: Vec<Entrant<'_>> = entrants.into_iter().map(|(_, entrant)| entrant).collect();
        let parked = exceptions::park(self.member, &entrants).await;
        parked.map_err(self.failed("park records"))?;
        if settled.unparked > 0 && self.batch.records.iter().any(|record| record.retry) {
            // Whoever tries parked records page by page learns that there is another one.
            let more = exceptions::is_any_due(self.member, self.now).await;
            settled.retry_now |= more.map_err(self.failed("look at its exceptions"))?;
        }
        Ok(settled)
    }

    /// Refused records: restored or parked.
    async fn settle_refused(&mut self, cells: Vec<At>, settled: &mut Settled<'a>) -> Step<()> {
        let mut refused: Vec<(At, Refused)> = Vec::with_capacity(cells.len());
        for at in cells {
            let state = std::mem::replace(&mut self.cell_mut(at).state, State::Decided);
            if let State::Refused(reason) = state {
                refused.push((at, *reason));
            }
        }
        let marked: Vec<At> =
            refused.iter().filter(|(_, refused)| refused.marked).map(|(at, _)| *at).collect();
        self.put_back(&marked).await?;
        let explained = self.explain(&refused).await?;
        for ((at, refused), (refusal, waits_for)) in refused.into_iter().zip(explained) {
            let record = self.cell(at).record;
            let (table, _) = self.table(self.groups[at.0].table)?;
            let may_restore = refusal.kind == RefusalKind::Referenced
                && refused.due == Due::Later
                && table.binding.blocked_delete == BlockedDelete::Restore;
            let outcome = if may_restore && self.has_waited(at).await? {
                self.restore(at).await?;
                Outcome::Restored(refused.refusal)
            } else {
                if refusal.kind == RefusalKind::Unique && !self.batch.records[record].retry {
                    settled.rivals.push(record);
                }
                self.park(record, refusal, refused.due, waits_for, settled)?
            };
            self.outcomes[record] = Some(outcome);
        }
        Ok(())
    }

    /// Parks a record, unless a newer one of its cell is parked.
    fn park(
        &self,
        at: usize,
        refusal: Refusal,
        due: Due,
        waits_for: Option<Token>,
        settled: &mut Settled<'a>,
    ) -> Step<Outcome> {
        let batch = self.batch;
        let record = &batch.records[at];
        let (table, _) = self.table(record.table)?;
        let (attempts, first_at) = match self.shelf.entry(record) {
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
        let entrant = Entrant {
            table,
            record,
            refusal: refusal.clone(),
            attempts,
            first_at,
            last_at,
            due_at,
            waits_for,
        };
        settled.entrants.push((at, entrant));
        Ok(Outcome::Parked(refusal))
    }

    /// Whether a refused delete has been refused for long enough to restore its row.
    async fn has_waited(&self, at: At) -> Step<bool> {
        let references = &self.shapes.references;
        let synced = references.numbers_to(self.groups[at.0].table).iter().copied();
        let synced = synced.filter(|number| references.is_synced(references.get(*number).child)).collect();
        if !self.has_referrer(at, synced).await? {
            return Ok(true);
        }
        let record = &self.batch.records[self.cell(at).record];
        let entry = self.shelf.entry(record).filter(|entry| entry.compare(&record.source).is_eq());
        Ok(entry.is_some_and(|entry| self.now.saturating_sub(entry.first_at) >= RESTORE_AFTER))
    }

    /// The row of a refused delete comes back in every member.
    async fn restore(&self, at: At) -> Step<()> {
        let Cell { record, key, before, .. } = self.cell(at);
        let (table, shape) = self.table(self.groups[at.0].table)?;
        let Ok(resolved) = &self.batch.records[*record].resolved else { return Ok(()) };
        // What was decided on could be read, so it can be read again.
        let state = before.state(table).ok().flatten().unwrap_or_default();
        let seen = Standard.seen_after_write(resolved, &state);
        let keys = keys::arrays(table.key.len(), [key]);
        let (incarnation, seen) = (tracking::later_incarnation(table), Array::of([seen.to_string()]));
        let parameters = parameters(&keys, &[&incarnation, &seen]);
        self.execute("restore a row", &shape.sql.restore_rows, &parameters).await.map(drop)
    }

    /// Names the rows that are in the way or missing, and gives the tokens that their changes will bring.
    async fn explain(&self, refused: &[(At, Refused)]) -> Step<Vec<(Refusal, Option<Token>)>> {
        let of = |kind: RefusalKind| {
            let cells = refused.iter().filter(move |(_, refused)| refused.refusal.kind == kind);
            cells.map(|(at, _)| *at).collect::<Vec<At>>()
        };
        let unique = of(RefusalKind::Unique);
        let mut holders: HashMap<At, KeyBytes> = HashMap::new();
        for (place, key) in self.holders(&unique).await?.into_iter().filter_map(|holder| holder.known()) {
            holders.entry(unique[place]).or_insert(key);
        }
        let parents = self.missing_parents(&of(RefusalKind::ForeignKey)).await?;
        let mut explained = Vec::with_capacity(refused.len());
        for (at, refused) in refused {
            let (table, _) = self.table(self.groups[at.0].table)?;
            let schema = &table.binding.schema;
            let Refusal { kind, code, message } = refused.refusal.clone();
            let (message, token) = match kind {
                RefusalKind::Unique => match holders.get(at) {
                    Some(key) => (
                        format!("{message}; the row with the key {} has it", keys::text(table, key)),
                        Some(row_token(&schema.name, &schema.key, key)),
                    ),
                    None => (message, None),
                },
                RefusalKind::ForeignKey => match parents.get(at) {
                    Some((parent, token)) => (format!("{message}: there is no such row in {parent}"), *token),
                    None => (message, None),
                },
                RefusalKind::Referenced => {
                    let key = &self.batch.records[self.cell(*at).record].key;
                    (message, Some(referrer_token(&schema.name, key)))
                }
                RefusalKind::NotNull
                | RefusalKind::Check
                | RefusalKind::Value
                | RefusalKind::Trigger
                | RefusalKind::TooLarge
                | RefusalKind::Other => (message, None),
            };
            explained.push((Refusal { kind, code, message }, token));
        }
        Ok(explained)
    }

    /// The tables in which refused records' parents are missing, and the tokens of those rows.
    async fn missing_parents(&self, cells: &[At]) -> Step<HashMap<At, (String, Option<Token>)>> {
        let mut found = HashMap::new();
        for table in 0..self.member.tables.len() {
            for number in self.shapes.references.numbers_from(table) {
                let reference = self.shapes.references.get(*number);
                let mut arrays = vec![Array::default(); reference.width()];
                let mut asked = Vec::new();
                for at in cells.iter().filter(|at| self.groups[at.0].table == table) {
                    if !found.contains_key(at) && self.push_values(*at, reference, &mut arrays) {
                        asked.push(*at);
                    }
                }
                if asked.is_empty() {
                    continue;
                }
                for place in self.missing(reference, &arrays).await? {
                    let at = asked[place];
                    found.insert(at, (reference.parent_name.clone(), self.parent_token(at, reference)));
                }
            }
        }
        Ok(found)
    }

    /// The token of the row that a referring row refers to.
    fn parent_token(&self, at: At, reference: &Reference) -> Option<Token> {
        let (Place::Bound(parent), Some(to)) = (reference.parent, &reference.to) else { return None };
        let values = self.values_of(at, reference)?;
        let parent = &self.member.tables[parent];
        let mut columns: Vec<(usize, usize)> =
            to.iter().enumerate().map(|(at, column)| (parent.columns[*column].position, at)).collect();
        match &reference.to_key {
            // In the order of the key, so that the key's own bytes come out.
            Some(places) => columns.sort_by_key(|(_, at)| places[*at]),
            None => columns.sort_unstable(),
        }
        let schema = &parent.binding.schema;
        let typed: Vec<(LogicalType, Value)> = columns
            .iter()
            .map(|(position, at)| {
                let logical = schema.columns[*position].logical;
                (logical, as_type(values[*at], logical))
            })
            .collect();
        let bytes = key::encode(typed.iter().map(|(logical, value)| (*logical, Some(value)))).ok()?;
        let positions: Vec<usize> = columns.iter().map(|(position, _)| *position).collect();
        Some(row_token(&schema.name, &positions, &bytes))
    }

    /// Notes what the write of a cell may have brought to records that wait.
    fn note_tokens(&mut self, at: At) -> Step<()> {
        if !self.shelf.is_waited_for() {
            return Ok(());
        }
        let bound = self.groups[at.0].table;
        let (table, _) = self.table(bound)?;
        let schema = &table.binding.schema;
        let record = &self.batch.records[self.cell(at).record];
        let mut tokens = vec![row_token(&schema.name, &schema.key, &record.key)];
        if let Some(row) = self.row(at) {
            for reference in self.shapes.references.to(bound).filter(|reference| reference.to_key.is_none()) {
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
            let references = self.shapes.references.from(bound);
            tokens.extend(references.filter_map(|reference| self.left_parent(reference, image)));
        }
        self.tokens.extend(tokens);
        Ok(())
    }

    /// The token of the row that a referring row no longer refers to, or not from this row.
    fn left_parent(&self, reference: &Reference, image: &Image) -> Option<Token> {
        let (Place::Bound(parent), Some(from), Some(places)) =
            (reference.parent, &reference.from, &reference.to_key)
        else {
            return None;
        };
        let schema = &self.member.tables[parent].binding.schema;
        let mut values: Vec<(usize, LogicalType, Value)> = Vec::with_capacity(from.len());
        for (at, place) in from.iter().zip(places) {
            let logical = schema.columns[*schema.key.get(*place)?].logical;
            values.push((*place, logical, as_type(image[*at].as_ref()?, logical)));
        }
        values.sort_by_key(|(place, ..)| *place);
        let typed = values.iter().map(|(_, logical, value)| (*logical, Some(value)));
        let bytes: KeyBytes = key::encode(typed).ok()?;
        Some(referrer_token(&schema.name, &bytes))
    }

    /// What was parked of the batch's cells, and is settled or has to wait again.
    async fn settle_parked(&mut self, settled: &mut Settled<'a>) -> Step<()> {
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
                let due_at = due_at(self.now, attempts);
                postponed.push(Postponed { id: entry.id, attempts, due_at });
            }
        }
        let failed = self.failed("settle parked records");
        exceptions::remove(self.member, &removed).await.map_err(&failed)?;
        exceptions::postpone(self.member, &postponed, self.now).await.map_err(&failed)
    }

    /// Lists the rows that a trigger has altered. They are not tried again: there is nothing to write.
    fn list_altered(&self, settled: &mut Settled<'a>) -> Step<()> {
        let batch = self.batch;
        for at in &self.altered {
            let (table, _) = self.table(self.groups[at.0].table)?;
            let record = self.cell(*at).record;
            let entrant = Entrant {
                table,
                record: &batch.records[record],
                refusal: refusal::altered(),
                attempts: 1,
                first_at: self.now,
                last_at: self.now,
                due_at: Ticks::MAX,
                waits_for: None,
            };
            settled.entrants.push((record, entrant));
        }
        Ok(())
    }

    /// Makes due what waited for something that this batch has brought. Records that wait for a unique value are
    /// tried together with those that wait for theirs in turn: only together can they take each other's.
    async fn wake(&mut self, settled: &mut Settled<'a>) -> Step<()> {
        let mut left = WAKE;
        let tokens = std::mem::take(&mut self.tokens);
        self.wake_all(tokens, settled, &mut left).await?;
        for record in std::mem::take(&mut settled.rivals) {
            let row: &ApplyRecord = &self.batch.records[record];
            let (table, _) = self.table(row.table)?;
            let schema = &table.binding.schema;
            let before = left;
            let token = row_token(&schema.name, &schema.key, &row.key);
            self.wake_all(vec![token], settled, &mut left).await?;
            if left < before {
                let own = settled.entrants.iter_mut().find(|(at, _)| *at == record);
                if let Some((_, entrant)) = own {
                    entrant.due_at = self.now;
                }
            }
        }
        settled.retry_now |= left < WAKE;
        Ok(())
    }

    async fn wake_all(
        &self,
        mut tokens: Vec<Token>,
        settled: &mut Settled<'a>,
        left: &mut usize,
    ) -> Step<()> {
        while !tokens.is_empty() && *left > 0 {
            tokens.sort_unstable();
            tokens.dedup();
            let woken = if self.shelf.is_waited_for() {
                exceptions::wake(self.member, &tokens, self.now, *left).await
            } else {
                Ok(Vec::new())
            };
            let mut woken = woken.map_err(self.failed("make parked records due"))?;
            // Those of this batch are not stored yet.
            for (_, entrant) in &mut settled.entrants {
                let waits = entrant.waits_for.is_some_and(|token| tokens.binary_search(&token).is_ok());
                if waits && entrant.due_at > self.now && woken.len() < *left {
                    entrant.due_at = self.now;
                    woken.push(exceptions::Woken {
                        table: entrant.table.binding.schema.name.as_str().to_owned(),
                        key: entrant.record.key.clone(),
                        kind: Some(entrant.refusal.kind),
                    });
                }
            }
            tokens.clear();
            for woken in woken {
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
