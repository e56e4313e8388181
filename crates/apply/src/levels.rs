//! In which order tables are read while a member catches up: those that others refer to first.
//!
//! Topics are read side by side in continuous work, and a child that arrives before its parent waits among the
//! parked records. For a member with a long backlog that would be most of them, so there each level of the
//! foreign keys is read to its end (as it was at the start) before the next begins.

use tributary_model::TableSchema;

/// The level of each table: 0 for those that refer to none, else one more than the deepest they refer to. Tables
/// of a cycle share the level they are met at.
pub(crate) fn levels<'a>(tables: impl IntoIterator<Item = &'a TableSchema>) -> Vec<usize> {
    let tables: Vec<&TableSchema> = tables.into_iter().collect();
    let parents: Vec<Vec<usize>> = tables
        .iter()
        .enumerate()
        .map(|(own, table)| {
            let named = table.foreign_keys.iter().map(|key| &key.references);
            named
                .filter_map(|name| tables.iter().position(|other| other.name == *name))
                .filter(|parent| *parent != own)
                .collect()
        })
        .collect();
    let mut levels = vec![0; tables.len()];
    // As many rounds as there are tables reach every table of a graph without cycles; cycles just stop growing.
    for _ in 0..tables.len() {
        for (table, parents) in parents.iter().enumerate() {
            let deepest = parents.iter().map(|parent| levels[*parent] + 1).max().unwrap_or(0);
            levels[table] = deepest.min(tables.len());
        }
    }
    levels
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_model::{Column, ForeignKey, LogicalType, OnDelete, TableName};

    fn table(name: &str, parents: &[&str]) -> TableSchema {
        let column =
            Column { name: "id".into(), logical: LogicalType::Int, nullable: false, max_length: None };
        let foreign_keys = parents.iter().map(|parent| ForeignKey {
            columns: vec![0],
            references: TableName::new(*parent),
            referenced_columns: vec!["id".into()],
            on_delete: OnDelete::Refuse,
        });
        TableSchema {
            name: TableName::new(name),
            columns: vec![column],
            key: vec![0],
            foreign_keys: foreign_keys.collect(),
            unique: vec![],
            generation: 1,
        }
    }

    #[test]
    fn parents_come_before_children() {
        let tables = [
            table("Line", &["Order", "Track"]),
            table("Track", &[]),
            table("Order", &["Customer"]),
            table("Customer", &["Customer"]),
        ];
        assert_eq!(levels(&tables), [2, 0, 1, 0]);
    }

    #[test]
    fn cycles_have_levels_too() {
        let tables = [table("A", &["B"]), table("B", &["A"]), table("C", &[])];
        let found = levels(&tables);
        assert_eq!(found[2], 0);
        assert!(found.iter().all(|level| *level <= 3));
    }
}
