//! The schema check: what every member holds, held against the group file, in one report.
//!
//! What is found comes from three places: the adapter's inspection of each member, the making of the group's tables
//! from all of them, and the binding of each member's tables to those. This module brings them together, adds what
//! only shows in view of the group, and puts them in order. Pure: looking at the members is the caller's.

mod log;

use crate::file::GroupFile;
use crate::spec::{Bound, GroupFinding, GroupSpec, Seen, bind, derive, differences};
use serde::Serialize;
use std::collections::BTreeSet;
use tributary_member::{Error, Finding, Inspection, Severity, TableBinding, TableInspection};
use tributary_model::MemberId;

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FindingView {
    /// `error`, `warning` or `note`.
    pub severity: &'static str,
    /// The member; none when it is about the group.
    pub member: Option<String>,
    /// The member's own name of the table.
    pub table: Option<String>,
    /// The member's own name of the column.
    pub column: Option<String>,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// A member as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckedMember {
    /// Its id.
    pub member: String,
    /// The database's name and version; none when it could not be looked at.
    pub server: Option<String>,
    /// By table of the group: the member's own name of it; none where it has yet to be created.
    pub tables: Vec<CheckedTable>,
}

/// A table of a member as it was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckedTable {
    /// The group's name.
    pub table: String,
    /// The member's own name.
    pub local: String,
    /// Whether it is there.
    pub exists: bool,
    /// Whether it is provisioned.
    pub provisioned: bool,
    /// How many of the group's columns it has.
    pub columns: usize,
}

/// What `check` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// The group.
    pub group: String,
    /// The members.
    pub members: Vec<CheckedMember>,
    /// What was found, gravest first.
    pub findings: Vec<FindingView>,
}

impl CheckReport {
    /// How many findings stand in the way.
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == "error").count()
    }

    /// How many do not, but are not as one might expect.
    pub fn warnings(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == "warning").count()
    }
}

/// The word for a severity.
pub fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}

impl From<&GroupFinding> for FindingView {
    fn from(found: &GroupFinding) -> Self {
        Self {
            severity: severity_word(found.finding.severity),
            member: found.member.as_ref().map(ToString::to_string),
            table: found.finding.table.clone(),
            column: found.finding.column.clone(),
            message: found.finding.message.clone(),
            remedy: found.finding.remedy.clone(),
        }
    }
}

/// Holds all members against the group file. `known` is the spec that the log has, if there is one, and `of_log` what
/// was found when the log was asked for it.
pub fn check(
    file: &GroupFile,
    inspected: Vec<(MemberId, Result<Inspection, Error>)>,
    known: Option<&GroupSpec>,
    of_log: Vec<GroupFinding>,
) -> CheckReport {
    let mut findings = of_log;
    findings.extend(log::of_file(file));
    let mut reached = Vec::new();
    for (member, inspection) in inspected {
        match inspection {
            Ok(inspection) => reached.push((member, inspection)),
            Err(error) => findings.push(unreachable(&member, &error)),
        }
    }
    let (spec, derived) = derive(file, &reached, known);
    findings.extend(derived);
    let mut members = Vec::new();
    let bounds: Vec<_> =
        reached.iter().map(|(member, inspection)| bind(file, &spec, member, inspection)).collect();
    let seen: Vec<_> = reached
        .iter()
        .zip(&bounds)
        .map(|((member, inspection), bound)| Seen { member, inspection, bound })
        .collect();
    findings.extend(differences(file, &seen));
    for Seen { member, inspection, bound } in seen {
        members.push(checked(member, inspection, bound));
        findings.extend(of_member(member, inspection, bound));
        findings.extend(bound.findings.iter().cloned());
    }
    for member in &file.members {
        if !members.iter().any(|checked| checked.member == member.id.as_str()) {
            members.push(CheckedMember { member: member.id.to_string(), server: None, tables: Vec::new() });
        }
    }
    let place = |id: Option<&str>| file.members.iter().position(|member| Some(member.id.as_str()) == id);
    members.sort_by_key(|checked| place(Some(&checked.member)));
    CheckReport { group: file.group.as_str().to_owned(), members, findings: sorted(findings, place) }
}

/// A member that cannot be looked at keeps others from nothing, but `check` is asked whether all is well.
fn unreachable(member: &MemberId, error: &Error) -> GroupFinding {
    let message = format!("{} ({})", tributary_runtime::Chain(error), error.code());
    let remedy = "nothing else of this member could be looked at".to_owned();
    let finding = Finding { severity: Severity::Error, table: None, column: None, message, remedy };
    GroupFinding { member: Some(member.clone()), finding }
}

fn checked(member: &MemberId, inspection: &Inspection, bound: &Bound) -> CheckedMember {
    let tables = bound.bindings.iter().zip(&bound.exists).map(|(binding, exists)| CheckedTable {
        table: binding.schema.name.to_string(),
        local: match &binding.local_schema {
            Some(schema) => format!("{schema}.{}", binding.local_table),
            None => binding.local_table.clone(),
        },
        exists: *exists,
        provisioned: inspection
            .table(binding.local_schema.as_deref(), &binding.local_table)
            .is_some_and(|table| table.provisioned),
        columns: binding.local_columns.iter().flatten().count(),
    });
    CheckedMember {
        member: member.to_string(),
        server: Some(inspection.server.clone()),
        tables: tables.collect(),
    }
}

/// What the adapter found of the member itself and of the tables that take part, and their users' triggers. Columns
/// are left to [`bind()`], which knows which of them take part.
fn of_member(member: &MemberId, inspection: &Inspection, bound: &Bound) -> Vec<GroupFinding> {
    let own: Vec<(&TableBinding, &TableInspection)> = bound
        .bindings
        .iter()
        .zip(&bound.exists)
        .filter(|(_, exists)| **exists)
        .filter_map(|(binding, _)| {
            let found = inspection.table(binding.local_schema.as_deref(), &binding.local_table)?;
            Some((binding.as_ref(), found))
        })
        .collect();
    let takes_part = |finding: &&Finding| {
        let Some(table) = &finding.table else { return true };
        own.iter().filter(|(_, found)| found.qualified().eq_ignore_ascii_case(table)).any(|(binding, _)| {
            let synced = |column: &String| binding.local_columns.iter().flatten().any(|own| own == column);
            finding.column.as_ref().is_none_or(synced)
        })
    };
    let said = inspection.findings.iter().filter(takes_part).cloned();
    let mut findings: Vec<_> =
        said.map(|finding| GroupFinding { member: Some(member.clone()), finding }).collect();
    for (_, table) in own {
        let label = table.qualified();
        for trigger in &table.triggers {
            let named = |found: &GroupFinding| {
                found.finding.table.as_deref() == Some(label.as_ref())
                    && found.finding.message.contains(trigger.name.as_str())
            };
            if !trigger.guarded && !findings.iter().any(named) {
                findings.push(unguarded(member, inspection.trigger_guard, &label, &trigger.name));
            }
        }
    }
    findings
}

fn unguarded(member: &MemberId, guard: &str, table: &str, trigger: &str) -> GroupFinding {
    let finding = Finding {
        severity: Severity::Warning,
        table: Some(table.to_owned()),
        column: None,
        message: format!("the trigger {trigger} also fires when changes of other members are written"),
        remedy: format!(
            "if what it does has been done where the change was made, let it do so only under this condition: {guard}"
        ),
    };
    GroupFinding { member: Some(member.clone()), finding }
}

/// Gravest first, then by member in the order of the file, table and column; each once.
fn sorted(findings: Vec<GroupFinding>, place: impl Fn(Option<&str>) -> Option<usize>) -> Vec<FindingView> {
    let mut findings = findings;
    findings.sort_by(|a, b| {
        let rank = |found: &GroupFinding| {
            let member = found.member.as_ref().map(MemberId::as_str);
            (std::cmp::Reverse(found.finding.severity), place(member))
        };
        let names = |found: &GroupFinding| (found.finding.table.clone(), found.finding.column.clone());
        rank(a).cmp(&rank(b)).then_with(|| names(a).cmp(&names(b)))
    });
    let mut met = BTreeSet::new();
    let views = findings.iter().map(FindingView::from);
    views
        .filter(|view| {
            met.insert((view.member.clone(), view.table.clone(), view.column.clone(), view.message.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests;
