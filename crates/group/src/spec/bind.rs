//! How the group's tables lie in one member.

use super::derive::{is_chosen, local_table};
use super::names::find;
use super::types::common;
use super::{GroupFinding, GroupSpec};
use crate::file::{self, Direction, GroupFile};
use std::sync::Arc;
use tributary_member::{BlockedDelete, Finding, Inspection, Severity, TableBinding, TableInspection};
use tributary_model::{MemberId, TableSchema};

/// A member's bindings, one for each table of the spec and in its order, with what was found on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Bindings; a table that the member lacks has those under which it will be created.
    pub bindings: Vec<Arc<TableBinding>>,
    /// By table: whether the member has it already.
    pub exists: Vec<bool>,
    /// What was found.
    pub findings: Vec<GroupFinding>,
}

impl Bound {
    /// The findings that keep the member from working.
    pub fn errors(&self) -> impl Iterator<Item = &GroupFinding> {
        self.findings.iter().filter(|found| found.finding.severity == Severity::Error)
    }
}

/// Holds a member against the spec.
pub fn bind(file: &GroupFile, spec: &GroupSpec, member: &MemberId, inspection: &Inspection) -> Bound {
    let mut bound = Bound { bindings: Vec::new(), exists: Vec::new(), findings: Vec::new() };
    // A row that a subscriber puts back would come back nowhere else.
    let subscribes = file.member(member).is_some_and(|member| member.direction == Direction::Subscribe);
    for table in &spec.tables {
        let settings = file.table(&table.schema.name);
        let found = match settings.map(|settings| local_table(settings, member, inspection)) {
            Some(Ok(found)) => found,
            Some(Err(finding)) => {
                bound.findings.push(finding);
                None
            }
            None => inspection.table(None, table.schema.name.as_str()),
        };
        let wanted = settings.and_then(|settings| settings.name_in(member));
        bound.exists.push(found.is_some());
        bound.bindings.push(Arc::new(TableBinding {
            schema: Arc::clone(&table.schema),
            local_schema: found.and_then(|found| found.schema.clone()),
            local_table: found
                .map_or(wanted.unwrap_or(table.schema.name.as_str()), |found| found.name.as_str())
                .to_owned(),
            local_columns: local_columns(member, &table.schema, found, &mut bound.findings),
            blocked_delete: match settings.map(|settings| settings.blocked_delete).unwrap_or_default() {
                file::BlockedDelete::Restore if !subscribes => BlockedDelete::Restore,
                file::BlockedDelete::Park | file::BlockedDelete::Restore => BlockedDelete::Park,
            },
        }));
        if let (Some(found), Some(settings)) = (found, settings) {
            left_out(settings, member, found, &table.schema, inspection, &mut bound.findings);
        }
    }
    bound
}

fn local_columns(
    member: &MemberId,
    schema: &TableSchema,
    found: Option<&TableInspection>,
    findings: &mut Vec<GroupFinding>,
) -> Vec<Option<String>> {
    let Some(found) = found else {
        return schema.columns.iter().map(|column| Some(column.name.clone())).collect();
    };
    let mut local = Vec::with_capacity(schema.columns.len());
    for (at, column) in schema.columns.iter().enumerate() {
        let own = match find(&column.name, found.columns.iter().map(|c| c.name.as_str())) {
            Ok(own) => own.map(|at| &found.columns[at]),
            Err(alike) => {
                let message = format!("column {} may mean any of {}", column.name, alike.join(", "));
                let remedy = "rename all but one of them, or exclude the column in the group file";
                findings.push(GroupFinding::error(Some(member), &found.qualified(), message, remedy));
                None
            }
        };
        let usable = own.filter(|own| !own.generated && own.logical.is_some());
        match usable {
            Some(own) if own.logical.and_then(|own| common(own, column.logical)).is_none() => {
                let message = format!(
                    "column {} is declared {} here and is a {} in the group",
                    own.name, own.declared, column.logical
                );
                let remedy = "give the column the group's type, or exclude it in the group file";
                findings.push(GroupFinding::error(Some(member), &found.qualified(), message, remedy));
            }
            None if schema.key.contains(&at) => {
                let message = format!("the key column {} is missing or cannot be synchronised", column.name);
                let remedy = "every member needs all columns of the key, with the group's types";
                findings.push(GroupFinding::error(Some(member), &found.qualified(), message, remedy));
            }
            None => {
                let message = format!(
                    "column {} is not there: this member neither gives nor takes its values, and its edits leave \
                     them as they are in the others",
                    column.name
                );
                let remedy = "add the column and provision again if the member shall have it";
                let member = Some(member);
                let mut absent =
                    GroupFinding::of(Severity::Warning, member, &found.qualified(), message, remedy);
                absent.finding.column = Some(column.name.clone());
                findings.push(absent);
            }
            Some(_) => {}
        }
        local.push(usable.map(|own| own.name.clone()));
    }
    local
}

/// Columns of the member that are not synchronised but must have a value make every insert fail.
fn left_out(
    settings: &file::Table,
    member: &MemberId,
    found: &TableInspection,
    schema: &TableSchema,
    inspection: &Inspection,
    findings: &mut Vec<GroupFinding>,
) {
    for column in &found.columns {
        let synced =
            find(&column.name, schema.columns.iter().map(|c| c.name.as_str())).is_ok_and(|at| at.is_some());
        if synced && column.logical.is_some() {
            continue;
        }
        let own = |finding: &&Finding| {
            finding.table.as_deref() == Some(found.qualified().as_ref())
                && finding.column.as_deref() == Some(column.name.as_str())
        };
        // Why a column is no use is the adapter's to say; that it is excluded is the user's own wish.
        let said = inspection.findings.iter().filter(own).cloned();
        if is_chosen(settings, &column.name, &found.key) {
            findings.extend(said.map(|finding| GroupFinding { member: Some(member.clone()), finding }));
        }
        if !column.nullable && !column.has_default && !column.generated {
            let message =
                format!("column {} is not synchronised, takes no NULL and has no default", column.name);
            let remedy =
                "give it a default, let it be NULL, or synchronise it: inserts of others' rows would fail";
            findings.push(GroupFinding::error(Some(member), &found.qualified(), message, remedy));
        }
    }
}
