//! Making the group's tables from the group file and what the members hold.
//!
//! The first member of the file that has a table names its columns; columns that only later members have are added
//! behind. A column's type is the narrowest that has room for the types of all members. What cannot be brought together is a finding of severity `Error`, and the table
//! is left out of the spec.

use super::names::{find_table, folded};
use super::projections::observe;
use super::types::common;
use super::{GroupFinding, GroupSpec, TableSpec};
use crate::file::{ColumnChoice, GroupFile, Table};
use std::sync::Arc;
use tributary_member::{ColumnInspection, Inspection, Severity, TableInspection};
use tributary_model::{Column, ForeignKey, LogicalType, MemberId, Projections, TableSchema};

type Inspections<'a> = &'a [(MemberId, Inspection)];

/// The spec for `file`, given the members that could be inspected (in the order of the file). Tables that `known`
/// has are taken over as they are, since their topics exist, but for what the members keep of their columns.
pub fn derive(
    file: &GroupFile,
    members: Inspections<'_>,
    known: Option<&GroupSpec>,
) -> (GroupSpec, Vec<GroupFinding>) {
    let mut findings = Vec::new();
    let mut tables = Vec::new();
    for table in &file.tables {
        if let Some(known) = known.and_then(|spec| spec.table(&table.name)) {
            tables.push(known.clone());
            continue;
        }
        if let Some(schema) = derive_table(file, table, members, &mut findings) {
            let projections = Projections::default();
            tables.push(TableSpec { schema: Arc::new(schema), partitions: table.partitions, projections });
        }
    }
    let named = tables.clone();
    let is_new = |table: &TableSpec| known.is_none_or(|spec| spec.table(&table.schema.name).is_none());
    for table in tables.iter_mut().filter(|table| is_new(table)) {
        name_as_the_group_does(Arc::make_mut(&mut table.schema), &named);
    }
    let mut spec = GroupSpec { tables };
    for (member, inspection) in members {
        observe(file, &mut spec, member, inspection);
    }
    (spec, findings)
}

/// The member's own table that is meant, if it has it.
pub(super) fn local_table<'a>(
    table: &Table,
    member: &MemberId,
    inspection: &'a Inspection,
) -> Result<Option<&'a TableInspection>, GroupFinding> {
    let wanted = table.name_in(member).unwrap_or(table.name.as_str());
    let found = find_table(wanted, &inspection.tables).map_err(|alike| {
        let message = format!("`{wanted}` may mean any of the tables {}", alike.join(", "));
        GroupFinding::error(
            Some(member),
            wanted,
            message,
            "name the member's table with `as:` in the group file, as `schema.table` where it is not in the default schema",
        )
    })?;
    Ok(found.map(|at| &inspection.tables[at]))
}

fn derive_table(
    file: &GroupFile,
    table: &Table,
    members: Inspections<'_>,
    findings: &mut Vec<GroupFinding>,
) -> Option<TableSchema> {
    let mut columns: Vec<Column> = Vec::new();
    let mut key: Option<Vec<usize>> = None;
    let mut first: Option<(&MemberId, &Inspection, &TableInspection)> = None;
    let name = table.name.as_str();
    let before = findings.len();
    for (member, inspection) in members {
        let found = match local_table(table, member, inspection) {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(finding) => {
                findings.push(finding);
                continue;
            }
        };
        add_columns(table, member, found, &mut columns, findings);
        let own_key: Option<Vec<usize>> = found
            .key
            .iter()
            .map(|part| columns.iter().position(|column| folded(&column.name) == folded(part)))
            .collect();
        let own_key = own_key.filter(|key| !key.is_empty());
        match (&key, own_key) {
            (_, None) => findings.push(GroupFinding::error(
                Some(member),
                name,
                format!("table {} has no primary key whose columns are all synchronised", found.name),
                "give the table a primary key of types other than float, and include its columns",
            )),
            (None, Some(own)) => key = Some(own),
            (Some(key), Some(own)) if *key != own => findings.push(GroupFinding::error(
                Some(member),
                name,
                format!("table {} has another primary key than in the members before it", found.name),
                "give the table the same primary key, in the same order, in every member",
            )),
            (Some(_), Some(_)) => {}
        }
        first.get_or_insert((member, inspection, found));
    }
    check_choice(table, &columns, first.map(|(_, _, found)| found), findings);
    let Some((member, inspection, found)) = first else {
        if findings.len() == before {
            let message = format!("no member that can be reached has a table {name}");
            let remedy = "create it in one member, or correct its name in the group file";
            findings.push(GroupFinding::error(None, name, message, remedy));
        }
        return None;
    };
    let key = key?;
    if findings[before..].iter().any(|found| found.finding.severity == Severity::Error) {
        return None;
    }
    for at in &key {
        columns[*at].nullable = false;
    }
    let position = |name: &String| columns.iter().position(|column| folded(&column.name) == folded(name));
    let unique = found.unique.iter().filter_map(|names| names.iter().map(position).collect()).collect();
    let foreign_keys = foreign_keys(file, member, inspection, found, &columns);
    Some(TableSchema { name: table.name.clone(), columns, key, foreign_keys, unique, generation: 1 })
}

/// Columns referred to are named by the member that has the foreign key; another one may have named the table's.
fn name_as_the_group_does(schema: &mut TableSchema, tables: &[TableSpec]) {
    for key in &mut schema.foreign_keys {
        let Some(parent) = tables.iter().find(|table| table.schema.name == key.references) else { continue };
        for name in &mut key.referenced_columns {
            let same = parent.schema.columns.iter().find(|column| folded(&column.name) == folded(name));
            if let Some(column) = same {
                name.clone_from(&column.name);
            }
        }
    }
}

/// Whether the group file lets a column take part.
pub(super) fn is_chosen(table: &Table, column: &str, key: &[String]) -> bool {
    let among = |names: &[String]| names.iter().any(|name| folded(name) == folded(column));
    match &table.columns {
        ColumnChoice::All => true,
        ColumnChoice::Include(names) => among(names) || among(key),
        ColumnChoice::Exclude(names) => !among(names),
    }
}

fn add_columns(
    table: &Table,
    member: &MemberId,
    found: &TableInspection,
    columns: &mut Vec<Column>,
    findings: &mut Vec<GroupFinding>,
) {
    let chosen: Vec<&ColumnInspection> =
        found.columns.iter().filter(|column| is_chosen(table, &column.name, &found.key)).collect();
    for column in &chosen {
        let alike = chosen.iter().filter(|other| folded(&other.name) == folded(&column.name)).count();
        if alike > 1 {
            findings.push(GroupFinding::error(
                Some(member),
                &found.qualified(),
                format!("column {} cannot be told from another one: names are compared without case and underscores", column.name),
                "rename one of them, or exclude one in the group file",
            ));
            continue;
        }
        let Some(logical) = column.logical.filter(|_| !column.generated) else { continue };
        match columns.iter_mut().find(|known| folded(&known.name) == folded(&column.name)) {
            None => columns.push(Column {
                name: column.name.clone(),
                logical,
                nullable: column.nullable,
                max_length: column.max_length,
            }),
            Some(known) => match common(known.logical, logical) {
                Some(common) => {
                    known.logical = common;
                    known.nullable |= column.nullable;
                    // The longest of all members: a shorter one refuses what it cannot hold.
                    known.max_length = known.max_length.zip(column.max_length).map(|(a, b)| a.max(b));
                }
                None => findings.push(unlike_types(member, found, column, logical, known)),
            },
        }
    }
}

fn unlike_types(
    member: &MemberId,
    found: &TableInspection,
    column: &ColumnInspection,
    logical: LogicalType,
    known: &Column,
) -> GroupFinding {
    let message = format!(
        "column {} is a {logical} ({}) here and a {} in a member before it",
        column.name, column.declared, known.logical
    );
    GroupFinding::error(
        Some(member),
        &found.qualified(),
        message,
        "give the column the same type in every member, or exclude it in the group file",
    )
}

/// Names in `include` or `exclude` that no member has are mistakes, not wishes.
fn check_choice(
    table: &Table,
    columns: &[Column],
    found: Option<&TableInspection>,
    findings: &mut Vec<GroupFinding>,
) {
    let Some(found) = found else { return };
    let (ColumnChoice::Include(names) | ColumnChoice::Exclude(names)) = &table.columns else { return };
    for name in names {
        let known = columns.iter().map(|column| column.name.as_str());
        let here = found.columns.iter().map(|column| column.name.as_str());
        if !known.chain(here).any(|other| folded(other) == folded(name)) {
            findings.push(GroupFinding::of(
                Severity::Warning,
                None,
                table.name.as_str(),
                format!("the group file names a column {name} that no member has"),
                "correct the name in the group file",
            ));
        }
    }
}

/// The foreign keys of the first member that has the table, as far as they stay among synchronised tables.
fn foreign_keys(
    file: &GroupFile,
    member: &MemberId,
    inspection: &Inspection,
    found: &TableInspection,
    columns: &[Column],
) -> Vec<ForeignKey> {
    let group_table = |local: &str| {
        file.tables.iter().find(|table| {
            local_table(table, member, inspection)
                .ok()
                .flatten()
                .is_some_and(|t| t.qualified().eq_ignore_ascii_case(local))
        })
    };
    let convert = |key: &tributary_member::ForeignKeyInspection| {
        let own: Option<Vec<usize>> = key
            .columns
            .iter()
            .map(|name| columns.iter().position(|column| folded(&column.name) == folded(name)))
            .collect();
        Some(ForeignKey {
            columns: own?,
            references: group_table(&key.references)?.name.clone(),
            referenced_columns: key.referenced_columns.clone(),
            on_delete: key.on_delete,
        })
    };
    found.foreign_keys.iter().filter_map(convert).collect()
}
