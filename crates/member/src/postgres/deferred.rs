//! Looking up: which records refer to rows that are not there, and which deferred constraints are at fault.
//!
//! The server says of a refused set only that some reference fails, and of deferred constraints the same at the end of
//! the transaction. So each record that was to be written is asked whether its parent is there or comes with the set.
//! What has failed at the end is left out of the next round, and parked.

use super::arrays::Array;
use super::keys;
use super::references::{Place, Reference};
use super::refusal::{self, Verb};
use super::run::{At, Due, Run, Step};
use super::settings::OnLoss;
use crate::{Refusal, RefusalKind};
use std::collections::{HashMap, HashSet};
use tributary_model::{KeyBytes, LogicalType, Value, key};

/// After so many rounds no more questions are asked.
const ROUNDS: usize = 24;

impl Run<'_> {
    /// Those of a set of upserts whose rows refer to one that neither is there nor comes with the set, and those that
    /// refer to them.
    pub(super) async fn orphans(&self, set: &[At]) -> Step<Vec<(At, Refusal)>> {
        self.orphans_by(set, false).await
    }

    async fn orphans_by(&self, set: &[At], late: bool) -> Step<Vec<(At, Refusal)>> {
        let batch = self.batch;
        let mut places: HashMap<(usize, &KeyBytes), usize> = HashMap::with_capacity(set.len());
        for (place, at) in set.iter().enumerate() {
            places.insert((self.groups[at.0].table, &batch.records[self.cell(*at).record].key), place);
        }
        let mut orphaned: Vec<Option<usize>> = vec![None; set.len()];
        // By place: those that refer to a row that comes with the set.
        let mut below: Vec<Vec<(usize, usize)>> = vec![Vec::new(); set.len()];
        let tables: HashSet<usize> = set.iter().map(|at| self.groups[at.0].table).collect();
        for table in tables {
            for number in self.shapes.references.numbers_from(table) {
                let reference = self.shapes.references.get(*number);
                if late && !reference.deferred {
                    continue;
                }
                let mut arrays = vec![Array::default(); reference.width()];
                let mut asked = Vec::new();
                for (place, at) in set.iter().enumerate() {
                    if self.groups[at.0].table != table {
                        continue;
                    }
                    let Some(values) = self.values_of(*at, reference) else { continue };
                    let parent = self.parent_key(reference, &values);
                    if let Some((parent, key)) = &parent
                        && let Some(parent) = places.get(&(*parent, key))
                    {
                        if !self.cell(set[*parent]).present && *parent != place {
                            below[*parent].push((place, *number));
                        }
                        continue;
                    }
                    if self.push_values(*at, reference, &mut arrays) {
                        asked.push(place);
                    }
                }
                if asked.is_empty() {
                    continue;
                }
                for missing in self.missing(reference, &arrays).await? {
                    orphaned[asked[missing]] = Some(*number);
                }
            }
        }
        let mut open: Vec<usize> = (0..set.len()).filter(|place| orphaned[*place].is_some()).collect();
        while let Some(place) = open.pop() {
            // A row that was there before stays as it was.
            if self.cell(set[place]).present {
                continue;
            }
            for (child, number) in below[place].drain(..) {
                if orphaned[child].is_none() {
                    orphaned[child] = Some(number);
                    open.push(child);
                }
            }
        }
        let found = set.iter().zip(orphaned).filter_map(|(at, number)| {
            let reference = self.shapes.references.get(number?);
            let table = &self.member.tables[self.groups[at.0].table].binding.local_table;
            Some((*at, refusal::missing_parent(table, &reference.constraint)))
        });
        Ok(found.collect())
    }

    /// The values of a record's row in a foreign key's columns; `None` if one is NULL or not synchronised.
    pub(super) fn values_of(&self, at: At, reference: &Reference) -> Option<Vec<&Value>> {
        let table = &self.member.tables[self.groups[at.0].table];
        let row = self.row(at)?;
        let value =
            |column: &usize| row.get(table.columns[*column].position).filter(|value| !value.is_null());
        reference.from.as_ref()?.iter().map(value).collect()
    }

    /// Adds those values to the parameters of a question; `false` if they cannot stand in their columns.
    pub(super) fn push_values(&self, at: At, reference: &Reference, arrays: &mut [Array]) -> bool {
        let table = &self.member.tables[self.groups[at.0].table];
        let (Some(values), Some(from)) = (self.values_of(at, reference), &reference.from) else {
            return false;
        };
        let mut fields = Vec::with_capacity(values.len());
        for (value, column) in values.into_iter().zip(from) {
            let mut field = Vec::new();
            if keys::put(&table.columns[*column], value, OnLoss::Round, &mut field).is_err() {
                return false;
            }
            fields.push(field);
        }
        arrays.iter_mut().zip(&fields).for_each(|(array, field)| array.push_field(field));
        true
    }

    /// The bound row that these values refer to.
    fn parent_key(&self, reference: &Reference, values: &[&Value]) -> Option<(usize, KeyBytes)> {
        let (Place::Bound(parent), Some(places)) = (reference.parent, &reference.to_key) else { return None };
        let table = &self.member.tables[parent];
        let columns: Vec<LogicalType> =
            table.key_columns().map(|column| table.binding.schema.columns[column.position].logical).collect();
        let mut in_order: Vec<Option<Value>> = vec![None; columns.len()];
        for (value, place) in values.iter().zip(places) {
            in_order[*place] = Some(as_type(value, columns[*place]));
        }
        let typed = columns.iter().zip(&in_order).map(|(logical, value)| (*logical, value.as_ref()));
        Some((parent, key::encode(typed).ok()?))
    }

    /// Leaves out of the next round at least one record whose deferred constraints have failed.
    pub(super) async fn exclude_violators(&mut self, refusal: Refusal) -> Step<()> {
        let written: Vec<At> =
            self.all_cells().into_iter().filter(|at| self.cell(*at).is_written()).collect();
        let of = |verb: Verb| {
            let cells = written.iter().filter(|at| self.groups[at.0].verb == verb);
            cells.copied().collect::<Vec<At>>()
        };
        self.rounds.uncommitted += 1;
        let (upserts, deletes) = (of(Verb::Upsert), of(Verb::Delete));
        let mut found = Vec::new();
        if self.rounds.uncommitted < ROUNDS {
            found = self.late_referrers(&deletes).await?;
            if found.is_empty() {
                found = self.orphans_by(&upserts, true).await?.into_iter().map(|(at, _)| at).collect();
            }
        }
        let explained = !found.is_empty();
        if !explained {
            // A constraint trigger, an exclusion or a deferred unique constraint. Half of the records is left out,
            // untried; of a single one it is known that it is at fault.
            found = written.get(written.len() / 2..).unwrap_or_default().to_vec();
        }
        let due = if explained || written.len() == 1 { Due::Later } else { Due::AtOnce };
        for at in found {
            let mut refusal = refusal.clone();
            if matches!(refusal.kind, RefusalKind::ForeignKey | RefusalKind::Referenced) {
                refusal.kind = match self.groups[at.0].verb {
                    Verb::Upsert => RefusalKind::ForeignKey,
                    Verb::Delete => RefusalKind::Referenced,
                };
            }
            let record = self.cell(at).record;
            self.rounds.exclude(record, refusal, due);
        }
        Ok(())
    }
}

/// A referring value as the column referred to has it.
pub(super) fn as_type(value: &Value, logical: LogicalType) -> Value {
    match (value, logical) {
        (Value::Int(number), LogicalType::Long) => Value::Long(i64::from(*number)),
        (Value::Long(number), LogicalType::Int) => {
            i32::try_from(*number).map_or_else(|_| value.clone(), Value::Int)
        }
        _ => value.clone(),
    }
}
