//! What a group synchronises: its tables as the group knows them, and how each lies in every member.
//!
//! The spec is made once from the group file and what the members' databases hold ([`derive()`]), kept on the control
//! topic, and from then on every member is held against it ([`bind()`]): so a member that is away does not keep the
//! others from starting. This module decides which of a member's tables and columns are meant; what can be done
//! with them is the adapter's inspection.

mod bind;
mod derive;
mod names;
mod pairs;
mod projections;
mod store;
mod types;

use crate::file::GroupFile;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tributary_member::{Finding, Severity};
use tributary_model::{MemberId, Projections, TableName, TableSchema};
use tributary_settle::TableRules;

pub use bind::{Bound, bind};
pub use derive::derive;
pub use pairs::{Seen, differences};
pub use projections::observe;
pub use store::{SpecStoreError, read_spec, write_spec};

/// A table of the group, with what its topics need to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSpec {
    /// The table.
    pub schema: Arc<TableSchema>,
    /// Partitions of its topics.
    pub partitions: u32,
    /// What the members keep of its columns; changed whenever a member is found otherwise than it was.
    #[serde(default, skip_serializing_if = "Projections::is_empty")]
    pub projections: Projections,
}

/// The tables of a group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GroupSpec {
    /// In the order of the group file.
    pub tables: Vec<TableSpec>,
}

impl GroupSpec {
    /// The table that the group calls so.
    pub fn table(&self, name: &TableName) -> Option<&TableSpec> {
        self.tables.iter().find(|table| table.schema.name == *name)
    }
}

/// A finding, with the member it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupFinding {
    /// The member; `None` when it is about the group.
    pub member: Option<MemberId>,
    /// What was found.
    pub finding: Finding,
}

impl GroupFinding {
    pub(crate) fn error(member: Option<&MemberId>, table: &str, message: String, remedy: &str) -> Self {
        Self::of(Severity::Error, member, table, message, remedy)
    }

    /// That a member could not be looked at. A warning: the others are not kept waiting for it.
    pub fn unreachable(member: &MemberId, error: &tributary_member::Error) -> Self {
        let finding = Finding {
            severity: Severity::Warning,
            table: None,
            column: None,
            message: format!("the member cannot be looked at: {error} ({})", error.code()),
            remedy: "it is looked at again when its workers start".to_owned(),
        };
        Self { member: Some(member.clone()), finding }
    }

    /// That the log could not be asked; `code` is the error's.
    pub fn log_unreachable(error: &(dyn std::error::Error + 'static), code: &str) -> Self {
        let finding = Finding {
            severity: Severity::Error,
            table: None,
            column: None,
            message: format!("{} ({code})", tributary_runtime::Chain(error)),
            remedy: "nothing can be carried before this is mended; the members were looked at all the same"
                .to_owned(),
        };
        Self { member: None, finding }
    }

    pub(crate) fn of(
        severity: Severity,
        member: Option<&MemberId>,
        table: &str,
        message: String,
        remedy: &str,
    ) -> Self {
        let finding = Finding {
            severity,
            table: Some(table.to_owned()),
            column: None,
            message,
            remedy: remedy.to_owned(),
        };
        Self { member: member.cloned(), finding }
    }
}

/// The resolver's rules of every table of the spec, in its order. Present settings of the group file apply.
pub fn table_rules(file: &GroupFile, spec: &GroupSpec) -> Vec<TableRules> {
    let publish = file.members.iter().filter(|member| member.direction == crate::file::Direction::Publish);
    let publish_members: std::collections::BTreeSet<_> = publish.map(|member| member.id.clone()).collect();
    spec.tables
        .iter()
        .map(|table| {
            let settings = file.table(&table.schema.name);
            TableRules {
                table: table.schema.name.clone(),
                policy: settings.map(|s| s.conflict).unwrap_or_default(),
                delete_vs_update: settings.map(|s| s.delete_vs_update).unwrap_or_default(),
                priority: file.priority.clone(),
                publish_members: publish_members.clone(),
                projections: table.projections.clone(),
            }
        })
        .collect()
}
