//! Whether each bound table is as provisioned, found anew whenever a glance tells that the catalog has changed.

use super::glance::{self, Glance};
use super::look::{self, Found, Has};
use super::objects::{self, ObjectKind};
use super::provisioned::{self, MANNER, ProvisionedTable, described};
use super::quote;
use super::table::BoundTable;
use super::{SqlServerMember, inspect};
use crate::{Error, Result, TableState};

/// Whether each bound table can be worked on.
pub(super) async fn table_states(member: &mut SqlServerMember) -> Result<Vec<TableState>> {
    refresh(member).await?;
    Ok(member.tables.iter().map(|table| table.state.clone()).collect())
}

/// Forgets what is known, after something was provisioned, or a statement met what is not as it was.
pub(super) fn forget(member: &mut SqlServerMember) {
    member.glance = None;
    member.glance_taken = None;
    member.news = None;
    member.empty_ranges = vec![None; member.tables.len()];
}

/// Looks at the bound tables again if the catalog has changed since the last look, for a batch: a look of a moment ago
/// is as good. A batch that meets a table that has changed since, or a refusal, looks again.
pub(super) async fn refresh_unless_fresh(member: &mut SqlServerMember) -> Result<()> {
    if glance::is_fresh(member) { Ok(()) } else { refresh(member).await }
}

/// Looks at the bound tables again if the catalog has changed since the last look.
pub(super) async fn refresh(member: &mut SqlServerMember) -> Result<()> {
    if let Some(glance) = &member.glance {
        match glance.again(&mut member.session).await {
            Ok((true, taken)) => {
                member.glance_taken = Some(taken);
                return Ok(());
            }
            // Our own tables may be gone, which the look tells better.
            Ok((false, _)) | Err(Error::Statement { .. }) => forget(member),
            Err(error) => return Err(error),
        }
    }
    // The glance is taken before the look: what changes in between is looked at again.
    let provisioned = look::is_there(&mut member.session, "dss_tables").await?;
    let ids = look::ids(&mut member.session, &member.tables).await?;
    let (glance, taken) = Glance::first(&mut member.session, &member.tables, &ids, provisioned).await?;
    let found = look::look(&mut member.session, &member.tables).await?;
    let stored = if provisioned { provisioned::tables(&mut member.session).await? } else { Vec::new() };
    let as_utf16 = member.server.gives_utf16;
    for (at, table) in member.tables.iter_mut().enumerate() {
        let catalog = found.bases.get(at).cloned().flatten();
        let trouble = match table.describe(catalog, as_utf16) {
            Some(reason) => Some(reason),
            None if !provisioned => Some("the member is not provisioned; run `provision`".to_owned()),
            None => trouble(at, table, &stored, &found),
        };
        let name = table.binding.schema.name.as_str();
        let refill = stored.iter().find(|stored| stored.name == name);
        let refill = refill.and_then(|stored| stored.columns.as_ref()?.refill.as_ref());
        table.state = match (trouble, refill) {
            (Some(reason), _) => TableState::Stopped { reason },
            (None, Some(refill)) => TableState::Refills { columns: refill.columns.clone() },
            (None, None) => TableState::Ready,
        };
    }
    member.provisioned = provisioned;
    member.glance_taken = Some(taken);
    // A table that came or went in the meantime has another number than the glance asks for.
    member.glance = Some(if found.ids == ids { glance } else { glance.outdated() });
    Ok(())
}

/// What stands in the way of working on a described table.
fn trouble(at: usize, table: &mut BoundTable, stored: &[ProvisionedTable], found: &Found) -> Option<String> {
    let name = table.binding.schema.name.as_str();
    let Some(stored) = stored.iter().find(|stored| stored.name == name) else {
        return Some("it is not provisioned; run `provision`".to_owned());
    };
    table.first_incarnation = stored.first_incarnation.clone();
    table.incarnation = stored.incarnation.clone();
    if stored.local_table != table.binding.local_table || stored.local_schema != table.schema {
        return Some(format!(
            "it was provisioned as {:?} in the schema {:?}; rename it back, or add it to the group anew",
            stored.local_table, stored.local_schema
        ));
    }
    if stored.generation != table.binding.schema.generation {
        return Some(format!(
            "it is provisioned for generation {} of its topics, and the group is at {}; run `provision`",
            stored.generation, table.binding.schema.generation
        ));
    }
    let before = stored.columns.clone().unwrap_or_default();
    table.scans = before.scans;
    if let Some(reason) = before.difference(&described(table), &MANNER) {
        return Some(reason);
    }
    for object in objects::of_table(table) {
        let what = match found.has(&object, Some((at, table))) {
            Has::Same => {
                if object.kind == ObjectKind::Trigger && is_disabled(table, &object.name) {
                    return Some(format!(
                        "its trigger {:?} is disabled, so changes may have been missed; run ENABLE TRIGGER {} ON {}, \
                         then `verify`",
                        object.name,
                        quote::qualified(&object.schema, &object.name),
                        table.base
                    ));
                }
                continue;
            }
            Has::Missing => "is missing",
            Has::Other => "is not as it was provisioned",
            Has::Foreign => "is something else",
        };
        let kind = object.kind.keyword().to_lowercase();
        return Some(format!(
            "its {kind} {:?} {what}, so changes may have been missed; run `provision`, then `verify`",
            object.name
        ));
    }
    table.catalog.as_ref().and_then(inspect::trigger_trouble)
}

fn is_disabled(table: &BoundTable, trigger: &str) -> bool {
    let triggers = table.catalog.iter().flat_map(|catalog| &catalog.triggers);
    triggers.filter(|found| super::catalog::same_name(&found.name, trigger)).any(|found| found.disabled)
}
