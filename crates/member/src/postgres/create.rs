//! The user tables that a member without them gets.

use super::catalog::DEFAULT_SCHEMA;
use super::declared::created_type;
use super::quote::{identifier, qualified};
use crate::TableBinding;
use std::sync::Arc;
use tributary_model::{OnDelete, TableSchema};

/// What creates a table, without its foreign keys.
pub(super) fn create_table(binding: &TableBinding) -> String {
    let schema = &binding.schema;
    let mut parts: Vec<String> = schema
        .columns
        .iter()
        .enumerate()
        .filter_map(|(position, column)| {
            let name = local(binding, position)?;
            let not_null = if column.nullable && !schema.key.contains(&position) { "" } else { " NOT NULL" };
            Some(format!(
                "{} {}{not_null}",
                identifier(name),
                created_type(column.logical, column.max_length)
            ))
        })
        .collect();
    if let Some(key) = names(binding, &schema.key) {
        parts.push(format!("PRIMARY KEY ({})", list(&key)));
    }
    for unique in &schema.unique {
        if let Some(columns) = names(binding, unique) {
            parts.push(format!("UNIQUE ({})", list(&columns)));
        }
    }
    format!("CREATE TABLE {} (\n  {}\n)", name_of(binding), parts.join(",\n  "))
}

/// What adds the foreign keys to other bound tables, which are all there by now.
pub(super) fn foreign_keys(binding: &TableBinding, bindings: &[Arc<TableBinding>]) -> Vec<String> {
    let mut statements = Vec::new();
    for key in &binding.schema.foreign_keys {
        let Some(columns) = names(binding, &key.columns) else { continue };
        let Some(parent) = bindings.iter().find(|other| other.schema.name == key.references) else {
            continue;
        };
        let Some(referenced) = referenced_columns(parent, &key.referenced_columns) else { continue };
        statements.push(format!(
            "ALTER TABLE {} ADD FOREIGN KEY ({}) REFERENCES {} ({}){}",
            name_of(binding),
            list(&columns),
            name_of(parent),
            list(&referenced),
            match key.on_delete {
                OnDelete::Refuse => "",
                OnDelete::Cascade => " ON DELETE CASCADE",
                OnDelete::SetNull => " ON DELETE SET NULL",
                OnDelete::SetDefault => " ON DELETE SET DEFAULT",
            }
        ));
    }
    statements
}

fn name_of(binding: &TableBinding) -> String {
    qualified(binding.local_schema.as_deref().unwrap_or(DEFAULT_SCHEMA), &binding.local_table)
}

fn local(binding: &TableBinding, position: usize) -> Option<&str> {
    binding.local_columns.get(position).and_then(Option::as_deref)
}

fn names<'a>(binding: &'a TableBinding, positions: &[usize]) -> Option<Vec<&'a str>> {
    positions.iter().map(|position| local(binding, *position)).collect()
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| identifier(name)).collect::<Vec<_>>().join(", ")
}

/// The parent's own names of the columns referred to, if they are unique there: the server takes no other reference.
fn referenced_columns<'a>(parent: &'a TableBinding, columns: &[String]) -> Option<Vec<&'a str>> {
    let schema: &TableSchema = &parent.schema;
    let positions: Vec<usize> = columns.iter().map(|name| schema.position(name)).collect::<Option<_>>()?;
    let same_set = |other: &Vec<usize>| {
        other.len() == positions.len() && positions.iter().all(|position| other.contains(position))
    };
    if !same_set(&schema.key) && !schema.unique.iter().any(same_set) {
        return None;
    }
    names(parent, &positions)
}
