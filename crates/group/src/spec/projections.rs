//! What each member keeps of the group's columns, as the resolver has to know it.
//!
//! Decided by what was found in a member's database and by its `on_loss`, and kept with the spec, so that a member that
//! is away is known as it was. Rows that were written while a column was narrower stay as they are when it is widened:
//! what is known is therefore made coarser only, never finer.

use super::{Bound, GroupSpec, bind};
use crate::file::{GroupFile, OnLoss};
use std::sync::Arc;
use tributary_member::{Inspection, TableBinding};
use tributary_model::{MemberId, Projection};

/// Enters into the spec what a member keeps of the columns.
pub fn observe(file: &GroupFile, spec: &mut GroupSpec, member: &MemberId, inspection: &Inspection) {
    let Bound { bindings, exists, .. } = bind(file, spec, member, inspection);
    let rounds = file.member(member).is_some_and(|member| member.on_loss == OnLoss::Round);
    for (table, (binding, exists)) in spec.tables.iter_mut().zip(bindings.iter().zip(exists)) {
        // Of a table that has yet to be created nothing is known.
        if exists {
            let known = table.projections.of_member(member);
            let found = columns(binding, inspection, rounds);
            let coarser = |(at, found): (usize, Projection)| {
                if binding.schema.key.contains(&at) {
                    return Projection::Exact;
                }
                known.get(at).copied().unwrap_or_default().coarser(found)
            };
            let columns = found.into_iter().enumerate().map(coarser).collect();
            table.projections.set(member, columns);
        }
    }
}

fn columns(binding: &Arc<TableBinding>, inspection: &Inspection, rounds: bool) -> Vec<Projection> {
    let found = inspection.table(binding.local_schema.as_deref(), &binding.local_table);
    let columns = binding.schema.columns.iter().zip(&binding.local_columns);
    columns
        .map(|(column, own)| {
            let Some(own) = own else { return Projection::Absent };
            let own = found.and_then(|found| found.columns.iter().find(|column| column.name == *own));
            // Where values are refused that a column cannot hold, it has those only that it holds as they are.
            let narrowing =
                own.filter(|_| rounds).and_then(|own| own.limits.narrowing.within(column.logical));
            narrowing.map_or(Projection::Exact, Projection::Narrowed)
        })
        .collect()
}

#[cfg(test)]
mod tests;
